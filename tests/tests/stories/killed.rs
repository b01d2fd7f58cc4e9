//! Nodes that die under running work, and are not there to end it.

use super::exe;
use belay_tests::story::{Blow, figures::Figures, kill_run, order_run};
use std::time::Duration;

/// A tree is frozen as soon as the kernel runs its warden; a busy machine takes its time.
const SCHEDULING_MS: i64 = 100;

fn nothing_acts_late(blow: Blow, runs: usize) {
    let runs = kill_run(exe(), blow, runs);
    let late = Figures::of(runs.iter().map(|run| run.past_lease_ms));
    let after = Figures::of(runs.iter().map(|run| run.last_write_ms));
    eprintln!("{blow:?}: last write after it, ms: {after}; past the lease, ms: {late}");
    assert!(late.greatest() <= SCHEDULING_MS, "{runs:?}");
}

/// Goal: a node killed with `kill -9` leaves nothing acting past its lease. Method: three kills
/// under work of which a part ignores terminate and a part is in a session of its own; the last
/// write of its files tells.
#[test]
fn no_work_outlives_the_lease_of_a_killed_node() {
    nothing_acts_late(Blow::Kill, 3);
}

/// Goal: a node that stands still holds no work up either. Method: SIGSTOP, so that no pipe closes
/// and only the time that the warden was fed can end it.
#[test]
fn no_work_outlives_the_lease_of_a_paused_node() {
    nothing_acts_late(Blow::Pause, 1);
}

/// Goal: work whose giver has died ends with its leases. Method: the laptop, which gave the work
/// and is the only beacon, is killed; the robot's node lives on.
#[test]
fn no_work_outlives_the_lease_of_a_killed_giver() {
    nothing_acts_late(Blow::KillGiver, 1);
}

/// Goal: an order that was acknowledged outlives the node. Method: the node is killed 15 ms later
/// each time, from before the order until after it.
#[test]
fn an_acknowledged_order_outlives_its_node() {
    let runs = order_run(exe(), 12, Duration::from_millis(15));
    assert!(runs.iter().any(|run| run.acknowledged), "no order was ever given: {runs:?}");
    assert!(runs.iter().any(|run| !run.acknowledged), "the node never died early: {runs:?}");
}
