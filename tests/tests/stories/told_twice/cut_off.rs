//! A stop that cannot reach its device, and the lease that ends the work all the same.

use super::enrol::joined;
use belay_tests::story::fleet::{
    Agent, Fleet, GATEWAY, LAPTOP, LEASE, Order, ROBOT, SOON, acts_again, completed, gone, holds,
    ordered, running, until,
};
use std::time::Duration;

/// Goal: cut off, the robot's work acts no later than the bound that the stop prints, ends without
/// hearing of it, and its receipt comes home once the path is healed. Method: the robot is cut off
/// after it was seen to work; what the work does says when it last acted.
pub(super) fn a_cut_off_tree_ends_by_its_lease(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let tree = running(fleet, &Agent::named("planner"), &[GATEWAY, LAPTOP, ROBOT]);
    let (near, far) = (&tree[..2], &tree[2..]);
    fleet.cut(ROBOT);
    acts_again(fleet, far);

    let given = fleet.now();
    let order = ordered(fleet, LAPTOP, &Order::Stop("agent:planner".into()));
    let open = until(fleet, "all but the robot have answered", SOON, |fleet| {
        let progress = fleet.progress(LAPTOP, &order);
        let proven = progress.branches.iter().filter(|branch| branch.proven).count();
        (progress.in_force && proven == near.len()).then_some(progress)
    });
    // The order is in force at the latest when the stop says so.
    let said = fleet.now();
    assert!(!open.complete, "{open:#?}");
    // The lease, and what two clocks may differ meanwhile: 0.04 %, rounded up.
    let bound = LEASE + Duration::from_millis(LEASE.as_millis() as u64 * 4 / 10_000 + 1);
    assert_eq!(open.bound, Some(bound), "{open:#?}");
    for task in near {
        assert!(!fleet.lives(task), "the linked side is stopped at once: {task:?}");
    }

    gone(fleet, far);
    let heard = fleet.status(ROBOT).orders;
    assert!(heard.is_empty(), "the robot has not heard of the order: {heard:?}");
    let last = fleet.last_act(&far[0]).expect("it has acted");
    let blur = fleet.blur();
    assert!(last > given, "cut off, it went on for a while");
    assert!(last <= said + bound + blur, "it acted at {last:?}, after {said:?} and {bound:?}");
    // Long enough for the robot's node to have seen the end and named its cause.
    holds(fleet, "nothing acts, and nobody answers for it", Duration::from_millis(500), |fleet| {
        fleet.last_act(&far[0]) == Some(last) && !fleet.progress(LAPTOP, &order).complete
    });

    fleet.heal(ROBOT);
    let end = completed(fleet, LAPTOP, &order);
    assert!(end.proven, "{end:#?}");
    let branch = end.branches.iter().find(|branch| branch.device == ROBOT);
    let branch = branch.unwrap_or_else(|| panic!("the robot is left out: {end:#?}"));
    assert_eq!((branch.state.as_str(), branch.cause.as_deref()), ("stopped", Some("lapse")));
    assert_eq!(fleet.last_act(&far[0]), Some(last), "it acted once it was linked again");
}
