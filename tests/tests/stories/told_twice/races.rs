//! Orders that meet work while it is handed on.

use super::enrol::joined;
use belay_tests::story::fleet::{
    Agent, DEVICES, Fleet, GATEWAY, LAPTOP, Order, ROBOT, acts_again, completed, gone, holds,
    ordered, running,
};
use std::time::Duration;

/// How many looks later each order is given; the path grows meanwhile.
const LATER: [usize; 6] = [0, 1, 2, 4, 8, 16];

/// Goal: an order that comes while its tree grows stops all of it, however far it has come: nothing
/// below runs on and no award is left out. Method: the order is given a little later each time,
/// from a device that the tree has not reached yet.
pub(super) fn an_order_meets_a_tree_that_grows(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    for later in LATER {
        let agent = format!("grower-{later}");
        let tree = fleet.begin(&Agent::named(&agent), &[LAPTOP, ROBOT, LAPTOP, GATEWAY]);
        for _ in 0..later {
            fleet.tick();
        }
        let order = ordered(fleet, GATEWAY, &Order::Stop(format!("agent:{agent}")));
        // Everywhere: what a device answers afterwards, it answers knowing the order.
        for device in DEVICES {
            completed_or_empty(fleet, device, &order);
        }
        gone(fleet, &tree);
        let last: Vec<_> = tree.iter().map(|task| fleet.last_act(task)).collect();
        holds(fleet, "nothing of the tree acts", Duration::from_millis(300), |fleet| {
            tree.iter().zip(&last).all(|(task, last)| fleet.last_act(task) == *last)
        });
    }
}

/// Waits until the case is complete, or nobody has ever run under that name.
fn completed_or_empty(fleet: &mut dyn Fleet, at: &str, order: &str) {
    use belay_tests::story::fleet::{SOON, until};
    until(fleet, &format!("{at} knows what became of {order}"), SOON, |fleet| {
        let known = fleet.status(at).orders.iter().any(|(id, _)| id == order);
        if !known {
            return None;
        }
        let progress = fleet.progress(at, order);
        (progress.complete || progress.branches.is_empty()).then_some(())
    });
}

/// Goal: an order on an agent in the middle ends what is below it and spares what is above. Method:
/// a path over three devices; its second agent is named, from the device of the third.
pub(super) fn an_order_in_the_middle_spares_what_is_above(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let tree = running(fleet, &Agent::named("planner"), &[ROBOT, LAPTOP, GATEWAY]);
    let order = ordered(fleet, GATEWAY, &Order::Stop("agent:planner-2".into()));
    let end = completed(fleet, GATEWAY, &order);
    assert!(end.proven, "{end:#?}");
    let named: Vec<&str> = end.branches.iter().map(|branch| branch.agent.as_str()).collect();
    assert_eq!(named, ["planner-2", "planner-3"], "{end:#?}");
    gone(fleet, &tree[1..]);
    acts_again(fleet, &tree[..1]);
}
