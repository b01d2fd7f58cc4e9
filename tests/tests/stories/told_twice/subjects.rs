//! An order on each kind of subject, given on each device, denied everywhere.

use super::enrol::joined;
use super::tree::refused_by_name;
use belay_tests::story::fleet::{
    Agent, DEVICES, Fleet, GATEWAY, LAPTOP, Order, Program, ROBOT, SOON, Task, acts_again,
    completed, gone, ordered, run, running, until,
};

/// An order, whom it meets, and from where it is given.
struct Aimed {
    order: Order,
    at: &'static str,
    /// The agent that is started on a device.
    agent: fn(&str) -> Agent,
    /// The devices on which it is met.
    met: &'static [&'static str],
}

/// Goal: a hold on an agent, a project, a class, a program, an agent on one device, and a revoke,
/// given on any device: on every device what runs ends, a new start is refused by name, and who is
/// not named goes on. Answered by name, it runs again. Method: one agent of each kind on each
/// device, and one beside it that no order names.
pub(super) fn an_order_is_obeyed_on_every_device(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let free = on_every_device(fleet, |device| Agent::named(&format!("free-{device}")));
    let other = format!("manifest:{}", fleet.manifest(Program::Other));
    let stop = |subject: &str| Order::Stop(subject.to_owned());
    let orders = [
        Aimed {
            order: stop("agent:scout"),
            at: LAPTOP,
            agent: |_| Agent::named("scout"),
            met: &DEVICES,
        },
        Aimed {
            order: stop("project:night"),
            at: ROBOT,
            agent: |device| Agent::named(&format!("owl-{device}")).of_project("night"),
            met: &DEVICES,
        },
        Aimed {
            order: stop("class:guest"),
            at: GATEWAY,
            agent: |device| Agent::named(&format!("guest-{device}")).of_class("guest"),
            met: &DEVICES,
        },
        Aimed {
            order: stop(&other),
            at: LAPTOP,
            agent: |device| Agent::named(&format!("odd-{device}")).by(Program::Other),
            met: &DEVICES,
        },
        Aimed {
            order: stop("agent:digger and device:robot"),
            at: GATEWAY,
            agent: |_| Agent::named("digger"),
            met: &[ROBOT],
        },
        Aimed {
            order: Order::Revoke("agent:mole".into()),
            at: ROBOT,
            agent: |_| Agent::named("mole"),
            met: &DEVICES,
        },
    ];
    for aimed in &orders {
        is_obeyed(fleet, aimed, &free);
    }
}

fn is_obeyed(fleet: &mut dyn Fleet, aimed: &Aimed, free: &[Task]) {
    let subject = aimed.order.subject();
    let all = on_every_device(fleet, aimed.agent);
    let (met, spared): (Vec<Task>, Vec<Task>) =
        all.into_iter().partition(|task| aimed.met.contains(&task.device.as_str()));
    let order = ordered(fleet, aimed.at, &aimed.order);
    let end = completed(fleet, aimed.at, &order);
    assert!(end.proven && end.branches.len() == met.len(), "{subject}: {end:#?}");
    ended(fleet, subject, &met);
    acts_again(fleet, &spared);
    acts_again(fleet, free);
    for device in aimed.met {
        stands(fleet, device, &order);
        refused_by_name(fleet, &(aimed.agent)(device), device, subject);
    }

    let answered = fleet.resume(aimed.at, subject);
    assert_eq!(answered, Ok(()), "{subject} is answered by name");
    for device in aimed.met {
        until(fleet, &format!("{subject} runs on {device} again"), SOON, |fleet| {
            run(fleet, &(aimed.agent)(device), &[device]).ok()
        });
    }
}

/// Goal: an order on a device ends everything there, on its own word and that of the others, and
/// nothing elsewhere. Method: an agent on each device; the laptop orders against the gateway.
pub(super) fn an_order_on_a_device_ends_what_runs_there(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let all = on_every_device(fleet, |device| Agent::named(&format!("free-{device}")));
    let (met, spared): (Vec<Task>, Vec<Task>) =
        all.into_iter().partition(|task| task.device == GATEWAY);
    let subject = format!("device:{GATEWAY}");
    let order = ordered(fleet, LAPTOP, &Order::Stop(subject.clone()));
    let end = completed(fleet, LAPTOP, &order);
    assert!(end.proven && end.branches.len() == 1, "{end:#?}");
    ended(fleet, &subject, &met);
    acts_again(fleet, &spared);
    refused_by_name(fleet, &Agent::named("late"), GATEWAY, &subject);
    for device in DEVICES {
        let listed = fleet.status(device).devices;
        let cut: Vec<&str> = listed.iter().filter(|d| d.cut).map(|d| d.name.as_str()).collect();
        assert_eq!(cut, [GATEWAY], "on {device}");
    }
}

/// Goal: an order on a user ends all that runs for him, on every device, whoever gave it to whom.
/// Method: the devices have one owner; a path over all of them, and the robot orders.
pub(super) fn an_order_on_a_user_ends_all_of_his(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let path = running(fleet, &Agent::named("planner"), &[ROBOT, LAPTOP, GATEWAY]);
    let subject = format!("user:{}", fleet.user());
    let order = ordered(fleet, ROBOT, &Order::Stop(subject.clone()));
    let end = completed(fleet, ROBOT, &order);
    assert!(end.proven && end.branches.len() == path.len(), "{end:#?}");
    ended(fleet, &subject, &path);
    for device in DEVICES {
        stands(fleet, device, &order);
        refused_by_name(fleet, &Agent::named("late"), device, &subject);
    }
}

pub(super) fn on_every_device(fleet: &mut dyn Fleet, agent: fn(&str) -> Agent) -> Vec<Task> {
    DEVICES.iter().flat_map(|device| running(fleet, &agent(device), &[device])).collect()
}

/// Nothing of these is left, and whoever is there to ask is denied.
fn ended(fleet: &mut dyn Fleet, subject: &str, tasks: &[Task]) {
    gone(fleet, tasks);
    for task in tasks {
        let said = fleet.ask(task, "tool.call", "search");
        let denied = said.as_ref().is_none_or(|verdict| verdict.decision == "deny");
        assert!(denied, "{subject}: {task:?} is told {said:?}");
    }
}

fn stands(fleet: &mut dyn Fleet, device: &str, order: &str) {
    until(fleet, &format!("the order stands on {device}"), SOON, |fleet| {
        fleet.status(device).orders.iter().any(|(id, _)| id == order).then_some(())
    });
}
