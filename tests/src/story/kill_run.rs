//! A node that dies or stands still under running work, again and again, with the figures.
//!
//! The witness is the work's own files: when they were last written, against the moment of the kill
//! and against the end of the lease as the node last said it. Refused here: asking a node whether
//! its work has ended.

use super::fleet::{Fleet, LAPTOP, LEASE, ROBOT};
use super::waiting::{SOON, wait_for};
use super::witness::Work;
use rustix::process::Signal;
use std::time::{Duration, SystemTime};

/// One node killed, and what its work did afterwards.
#[derive(Debug, Clone, Copy)]
pub struct KillRun {
    /// From the kill to the last write; negative when the last write came first. Milliseconds.
    pub last_write_ms: i64,
    /// From the end of the lease to the last write: above 0 something acted late. Milliseconds.
    pub past_lease_ms: i64,
    /// From the kill until no process of the work was left. Milliseconds.
    pub gone_ms: i64,
}

/// Kills the robot's node under running work, `runs` times; it is not restarted before all of the
/// work is gone.
pub fn kill_run(exe: &std::path::Path, runs: usize) -> Vec<KillRun> {
    let mut fleet = Fleet::pair(exe);
    let mut all = Vec::new();
    for run in 0..runs {
        let work = begin(&fleet, run);
        let lease_ends = SystemTime::now() + lease_left(&fleet);
        fleet.kill(ROBOT);
        let killed = SystemTime::now();
        all.push(follow(&work, killed, lease_ends));
        fleet.again(ROBOT);
        fleet.wait_linked(LAPTOP, ROBOT);
    }
    all
}

/// Stops the robot's node in the middle of a step, `runs` times: nothing closes, nobody feeds, and
/// the lease alone must hold the work.
pub fn pause_run(exe: &std::path::Path, runs: usize) -> Vec<KillRun> {
    let mut fleet = Fleet::pair(exe);
    let mut all = Vec::new();
    for run in 0..runs {
        let work = begin(&fleet, run);
        let node = fleet.node(ROBOT);
        node.signal(Signal::STOP);
        let paused = SystemTime::now();
        // A draw may have been answered at the very moment of the stop.
        all.push(follow(&work, paused, paused + LEASE));
        fleet.kill(ROBOT);
        fleet.again(ROBOT);
        fleet.wait_linked(LAPTOP, ROBOT);
    }
    all
}

fn begin(fleet: &Fleet, run: usize) -> Work {
    let work = fleet.offload(LAPTOP, ROBOT, &format!("worker-{run}"));
    work.wait_until_whole();
    work.wait_for_growth();
    work
}

/// What is left of the robot's lease, as it says.
fn lease_left(fleet: &Fleet) -> Duration {
    let run = fleet.status(ROBOT)["run"].as_str().unwrap_or_default().to_owned();
    let left = run.strip_suffix(" ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    left.unwrap_or_else(|| panic!("the robot names no lease but “{run}”"))
}

fn follow(work: &Work, from: SystemTime, lease_ends: SystemTime) -> KillRun {
    work.wait_until_gone(LEASE + SOON);
    let gone = SystemTime::now();
    let last = work.last_write();
    wait_for("the last write stays the last", SOON, || (work.last_write() == last).then_some(()));
    KillRun {
        last_write_ms: ms_between(from, last),
        past_lease_ms: ms_between(lease_ends, last),
        gone_ms: ms_between(from, gone),
    }
}

/// From one moment to another, negative when the other came first. Milliseconds.
fn ms_between(from: SystemTime, to: SystemTime) -> i64 {
    let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    to.duration_since(from).map_or_else(|error| -ms(error.duration()), ms)
}
