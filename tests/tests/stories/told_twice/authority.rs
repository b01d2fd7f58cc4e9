//! A fleet held by several: who may do what changes by epochs of the root, and what was ordered
//! outlives who ordered it.

use super::enrol::joined;
use super::tree::refused_by_name;
use belay_identity::body::Role;
use belay_tests::story::fleet::{
    Agent, DEVICES, FOUNDER, Fleet, GATEWAY, LAPTOP, Order, ROBOT, SOON, gone, ordered, run,
    running, until,
};
use std::time::Duration;

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

/// How long carol holds bob, seconds: what the story does under the hold takes a few of them.
const HELD_SECS: u64 = 40;

/// Goal: a security operator's hold takes from another one what he grants, also where he had not
/// heard of it, and leaves his orders and what he granted before; when its time is over his word
/// counts again. Method: bob restores one agent, is cut off with the robot and restores another,
/// while carol holds him for a while; then he comes back.
pub(super) fn an_operators_grants_are_held(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    assert_eq!(fleet.name_operator("bob", ROBOT, &[Role::Security]), Ok(()));
    assert_eq!(fleet.name_operator("carol", GATEWAY, &[Role::Security]), Ok(()));
    everywhere(fleet, 3);
    let [shrew, mole] = ["agent:shrew", "agent:mole"].map(|name| {
        let work = running(fleet, &Agent::named(&name[6..]), &[LAPTOP]);
        let order = fleet.order_by(LAPTOP, &Order::Revoke(name.into())).expect("the founder may");
        gone(fleet, &work);
        stands_everywhere(fleet, &order);
        order
    });
    restored(fleet, "agent:shrew", &shrew);

    fleet.cut(ROBOT);
    let under = fleet.answer_by(ROBOT, "agent:mole", &mole).expect("he has heard of nothing");
    let on_bob = Order::For("operator:bob".into(), HELD_SECS);
    let hold = fleet.order_by(GATEWAY, &on_bob).expect("carol may for a day");
    fleet.heal(ROBOT);
    stands_everywhere(fleet, &hold);
    until(fleet, "nobody can say yes to what bob signed under it", SOON, |fleet| {
        fleet.approve_by(LAPTOP, &under).is_err_and(|no| no.why.contains(&hold)).then_some(())
    });
    refused_by_name(fleet, &Agent::named("mole"), LAPTOP, "agent:mole");
    assert!(run(fleet, &Agent::named("shrew"), &[LAPTOP]).is_ok(), "granted before it");
    let late = fleet.answer_by(ROBOT, "agent:mole", &mole);
    assert!(late.is_err_and(|no| no.denied && no.why.contains(&hold)), "named at his door");
    let owl = fleet.order_by(ROBOT, &Order::Stop("agent:owl".into())).expect("his orders count");
    stands_everywhere(fleet, &owl);
    refused_by_name(fleet, &Agent::named("owl"), GATEWAY, "agent:owl");

    let over = Duration::from_secs(HELD_SECS) + SOON;
    until(fleet, "the founder's yes once the hold is over", over, |fleet| {
        fleet.approve_by(LAPTOP, &under).ok()
    });
    until(fleet, "the mole runs again", SOON, |fleet| {
        run(fleet, &Agent::named("mole"), &[LAPTOP]).ok()
    });
    refused_by_name(fleet, &Agent::named("owl"), GATEWAY, "agent:owl");
}

/// Bob restores a subject at the robot, the founder says yes, and it runs.
fn restored(fleet: &mut dyn Fleet, subject: &str, order: &str) {
    let answer = fleet.answer_by(ROBOT, subject, order).expect("bob may");
    until(fleet, "the founder's yes", SOON, |fleet| fleet.approve_by(LAPTOP, &answer).ok());
    let name = subject.trim_start_matches("agent:");
    until(fleet, &format!("{name} runs again"), SOON, |fleet| {
        run(fleet, &Agent::named(name), &[LAPTOP]).ok()
    });
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
