//! Nodes that are killed in the middle of a stop and come back.

use super::enrol::joined;
use belay_tests::story::fleet::{
    Agent, Fleet, LAPTOP, Order, ROBOT, SOON, acts_again, completed, gone, ordered, running, until,
};

/// Goal: a robot that dies between the order and its receipt answers for its work after a restart.
/// Method: cut, order, kill, heal, start; the case completes, and its receipt says how.
pub(super) fn an_executor_killed_before_its_receipt_answers_later(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT]);
    let tree = running(fleet, &Agent::named("planner"), &[LAPTOP, ROBOT]);
    fleet.cut(ROBOT);
    acts_again(fleet, &tree[1..]);
    let order = ordered(fleet, LAPTOP, &Order::Stop("agent:planner".into()));
    fleet.kill(ROBOT);
    fleet.heal(ROBOT);
    fleet.restart(ROBOT);
    let end = completed(fleet, LAPTOP, &order);
    let far = end.branches.iter().find(|branch| branch.device == ROBOT);
    let far = far.unwrap_or_else(|| panic!("the robot is left out: {end:#?}"));
    // Its warden saw the tree empty and wrote it down, and from that the new node signs.
    assert_eq!((far.state.as_str(), far.proven), ("stopped", true), "{end:#?}");
    assert!(end.proven, "{end:#?}");
    gone(fleet, &tree);
}

/// Goal: an order outlives the node that gave it, and its case completes after the restart. Method:
/// the laptop's node is killed as soon as it has acknowledged; its own agent and the robot's work
/// are under the order.
pub(super) fn an_order_outlives_the_node_that_gave_it(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT]);
    let tree = running(fleet, &Agent::named("planner"), &[LAPTOP, ROBOT]);
    let order = ordered(fleet, LAPTOP, &Order::Stop("agent:planner".into()));
    fleet.kill(LAPTOP);
    fleet.restart(LAPTOP);
    until(fleet, "the order stands on the restarted laptop", SOON, |fleet| {
        fleet.status(LAPTOP).orders.iter().any(|(id, _)| *id == order).then_some(())
    });
    let end = completed(fleet, LAPTOP, &order);
    let of = |device: &str| {
        let found = end.branches.iter().find(|branch| branch.device == device);
        found.unwrap_or_else(|| panic!("{device} is left out: {end:#?}"))
    };
    assert!(of(ROBOT).proven, "the robot answers for its work: {end:#?}");
    // The planner's warden ran beside the killed node; what it saw is proven, or the gap is named.
    assert_eq!(of(LAPTOP).proven, end.proven, "{end:#?}");
    gone(fleet, &tree);
}
