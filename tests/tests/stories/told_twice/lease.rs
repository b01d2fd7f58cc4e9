//! Work that goes on because its device is heard from.

use super::enrol::joined;
use belay_tests::story::fleet::{
    Agent, Fleet, GATEWAY, LAPTOP, LEASE, ROBOT, acts_again, holds, running,
};

/// Goal: linked work runs on past every lease that it began with, also when it asks the gate all
/// the time. Method: a path over three devices, asked at every look for twice the lease; work that
/// lapsed would not ask, and would be gone before the end.
pub(super) fn linked_work_outlives_its_first_lease(fleet: &mut dyn Fleet) {
    joined(fleet, &[ROBOT, GATEWAY]);
    let tree = running(fleet, &Agent::named("planner"), &[ROBOT, LAPTOP, GATEWAY]);
    holds(fleet, "the gate permits what it asks", LEASE * 2, |fleet| {
        let mut asked = tree.iter().map(|task| fleet.ask(task, "tool.call", "search"));
        asked.all(|said| said.is_some_and(|verdict| verdict.decision == "permit"))
    });
    acts_again(fleet, &tree);
}
