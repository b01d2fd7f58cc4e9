//! A fleet held by several: who may do what changes by epochs of the root, and what was ordered
//! outlives who ordered it.

use super::enrol::joined;
use super::tree::refused_by_name;
use belay_identity::body::Role;
use belay_tests::story::fleet::{
    Agent, DEVICES, FOUNDER, Fleet, GATEWAY, LAPTOP, Order, ROBOT, SOON, gone, ordered, run,
    running, until,
};

/// Goal: two more operators are named, one orders, two restore; one is removed, orders no more,
/// and his order stands; every device can say who signed what. Method: bob sits at the robot, carol
/// at the gateway, the founder at the laptop, each with a key of his own.
pub(super) fn several_hold_a_fleet(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let both = [Role::Policy, Role::Security];
    assert_eq!(fleet.name_operator("bob", ROBOT, &both), Ok(()));
    assert_eq!(fleet.name_operator("carol", GATEWAY, &[Role::Security]), Ok(()));
    everywhere(fleet, 3);

    let work = running(fleet, &Agent::named("mole"), &[LAPTOP]);
    let revoke = fleet.order_by(ROBOT, &Order::Revoke("agent:mole".into())).expect("bob may");
    gone(fleet, &work);
    stands_everywhere(fleet, &revoke);
    let restore = fleet.answer_by(GATEWAY, "agent:mole", &revoke).expect("carol may");
    for device in DEVICES {
        until(fleet, &format!("{device} waits for a second yes"), SOON, |fleet| {
            fleet.waiting(device).contains(&restore).then_some(())
        });
    }
    refused_by_name(fleet, &Agent::named("mole"), LAPTOP, "agent:mole");
    assert_eq!(fleet.approve_by(LAPTOP, &restore), Ok(()));
    until(fleet, "the mole runs on the laptop again", SOON, |fleet| {
        run(fleet, &Agent::named("mole"), &[LAPTOP]).ok()
    });
    let bob = "operator:bob".to_owned();
    for device in DEVICES {
        until(fleet, &format!("{device} knows who restored"), SOON, |fleet| {
            let said = fleet.signers(device, &revoke);
            let by = [String::from("operator:carol"), format!("operator:{FOUNDER}")];
            (said.author == bob && said.answered_by == by).then_some(())
        });
    }

    let owl = fleet.order_by(ROBOT, &Order::Stop("agent:owl".into())).expect("bob may");
    stands_everywhere(fleet, &owl);
    assert_eq!(fleet.remove_operator("bob"), Ok(()));
    everywhere(fleet, 4);
    stands_everywhere(fleet, &owl);
    refused_by_name(fleet, &Agent::named("owl"), GATEWAY, "agent:owl");
    let late = fleet.order_by(ROBOT, &Order::Stop("agent:late".into()));
    assert!(late.is_err_and(|no| no.denied), "who is removed orders nothing more");
    assert_eq!(fleet.signers(GATEWAY, &owl).author, bob);
}

/// Goal: a device that was cut off, and one that was off, while five epochs passed, come back by
/// themselves: they stand in the new epoch, hear orders, run work. Method: the robot is cut and the
/// gateway killed; the founder founds five epochs; both come back.
pub(super) fn epochs_are_slept_through(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    fleet.cut(ROBOT);
    fleet.kill(GATEWAY);
    for _ in 0..5 {
        assert_eq!(fleet.another_epoch(), Ok(()));
    }
    assert_eq!(fleet.status(ROBOT).epoch, 1, "it sleeps");
    fleet.heal(ROBOT);
    fleet.restart(GATEWAY);
    everywhere(fleet, 6);
    let order = ordered(fleet, LAPTOP, &Order::Stop("agent:nobody".into()));
    stands_everywhere(fleet, &order);
    for device in [ROBOT, GATEWAY] {
        until(fleet, &format!("{device} runs work again"), SOON, |fleet| {
            run(fleet, &Agent::named("worker"), &[device]).ok()
        });
    }
}

fn everywhere(fleet: &mut dyn Fleet, epoch: u64) {
    for device in DEVICES {
        until(fleet, &format!("epoch {epoch} stands on {device}"), SOON, |fleet| {
            (fleet.status(device).epoch == epoch).then_some(())
        });
    }
}

fn stands_everywhere(fleet: &mut dyn Fleet, order: &str) {
    for device in DEVICES {
        until(fleet, &format!("the order stands on {device}"), SOON, |fleet| {
            fleet.status(device).orders.iter().any(|(id, _)| id == order).then_some(())
        });
    }
}
