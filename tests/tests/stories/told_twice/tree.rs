//! A tree of work over three devices, stopped by one order while all of them are linked.

use super::enrol::joined;
use belay_crdt::case::verify;
use belay_tests::story::change_a_receipt;
use belay_tests::story::fleet::{
    Agent, DEVICES, Fleet, GATEWAY, LAPTOP, Order, Progress, ROBOT, Task, acts_again, completed,
    holds, ordered, run, running,
};
use std::time::Duration;

/// Goal: one order stops a chain of four links over three devices, and the case proves it anywhere;
/// a changed copy does not, and what is stopped is refused by name on every device. Method: the
/// planner hands work to the robot, that back to the laptop, that on to the gateway; what the work
/// does is seen outside the nodes.
pub(super) fn one_order_stops_a_tree(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let path = [LAPTOP, ROBOT, LAPTOP, GATEWAY];
    let tree = running(fleet, &Agent::named("planner"), &path);
    let beside = running(fleet, &Agent::named("bystander"), &[LAPTOP]);
    let order = ordered(fleet, LAPTOP, &Order::Stop("agent:planner".into()));
    let end = completed(fleet, LAPTOP, &order);
    let told = fleet.now();
    assert!(end.proven, "{end:#?}");
    all_stopped(&end, &tree);

    // Proven means over: nothing is left, and nothing acts from now on.
    for task in &tree {
        assert!(!fleet.lives(task), "{task:?} lives");
    }
    holds(fleet, "nothing that was stopped acts", Duration::from_millis(500), |fleet| {
        let blur = fleet.blur();
        tree.iter().all(|task| fleet.last_act(task).is_some_and(|act| act <= told + blur))
    });
    acts_again(fleet, &beside);
    proves(fleet, &order);
    for device in DEVICES {
        refused_by_name(fleet, &Agent::named("planner"), device, "agent:planner");
    }
    assert!(run(fleet, &Agent::named("other"), &[ROBOT]).is_ok(), "nobody else is refused");
}

/// An order has stopped all of these and nothing else, by itself or by the cancel that races it.
fn all_stopped(end: &Progress, tasks: &[Task]) {
    let named = |agent: &str, device: &str| (agent.to_owned(), device.to_owned());
    let mut wanted: Vec<_> = tasks.iter().map(|task| named(&task.agent, &task.device)).collect();
    wanted.sort();
    let found: Vec<_> = end.branches.iter().map(|b| named(&b.agent, &b.device)).collect();
    assert_eq!(found, wanted, "{end:#?}");
    for branch in &end.branches {
        assert!(branch.proven && branch.state == "stopped", "{branch:?}");
        assert!(matches!(branch.cause.as_deref(), Some("order" | "cancel")), "{branch:?}");
    }
}

/// The case file stands by itself, for the fleet's root only, and only as it is.
fn proves(fleet: &mut dyn Fleet, order: &str) {
    let case = fleet.case(LAPTOP, order);
    let root = fleet.status(LAPTOP).fleet;
    let report = verify(&case, Some(root)).expect("a case file reads");
    assert!(report.holds() && report.case.complete && report.case.proven, "{report:#?}");
    let mut changed = change_a_receipt(&case);
    let read = verify(&changed, Some(root));
    assert!(!read.is_ok_and(|report| report.holds()), "a changed receipt was believed");
    changed.truncate(case.len() / 2);
    assert!(verify(&changed, Some(root)).is_err(), "half a case was read");
}

/// A new start under this agent is denied, and the No names the order's subject.
pub(super) fn refused_by_name(fleet: &mut dyn Fleet, agent: &Agent, device: &str, subject: &str) {
    match run(fleet, agent, &[device]) {
        Ok(tasks) => panic!("{tasks:?} run in spite of an order on {subject}"),
        Err(no) => assert!(no.denied && no.why.contains(subject), "{device}: {no:?}"),
    }
}
