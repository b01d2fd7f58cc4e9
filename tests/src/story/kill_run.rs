//! A node that dies or stands still under running work, again and again, with the figures.
//!
//! The witness is the work's own files: when they were last written, against the moment of the blow
//! and against the end of the lease. Refused here: asking a node whether its work has ended.

use super::nodes::{LAPTOP, LEASE, Nodes, ROBOT};
use super::waiting::SOON;
use super::witness::Work;
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What happens to a node while work of the laptop runs on the robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// `kill -9` of the robot's node, which feeds the work.
    Kill,
    /// SIGSTOP of it: no pipe closes and nobody feeds, so the lease alone must hold the work.
    Pause,
    /// `kill -9` of the laptop's node, which gave the work and is the only beacon.
    KillGiver,
}

/// One blow, and what the work did afterwards.
#[derive(Debug, Clone, Copy)]
pub struct KillRun {
    /// From the blow to the last write; negative when the last write came first. Milliseconds.
    pub last_write_ms: i64,
    /// From the end of the lease to the last write: above 0 something acted late. Milliseconds.
    pub past_lease_ms: i64,
    /// From the blow until no process of the work was left. Milliseconds.
    pub gone_ms: i64,
}

/// Deals the blow under running work, `runs` times; nothing is restarted before all of the work is
/// gone.
pub fn kill_run(exe: &Path, blow: Blow, runs: usize) -> Vec<KillRun> {
    let mut fleet = Nodes::pair(exe);
    let all = (0..runs).map(|run| {
        let work = begin(&fleet, run);
        let (struck, lease_ends) = strike(&fleet, blow);
        let seen = follow(&work, struck, lease_ends);
        recover(&mut fleet, blow);
        seen
    });
    all.collect()
}

fn begin(fleet: &Nodes, run: usize) -> Work {
    let work = fleet.offload(LAPTOP, ROBOT, &format!("worker-{run}"));
    work.wait_until_whole();
    work.wait_for_growth();
    work
}

/// Deals the blow: when, and when the lease ends at the latest.
fn strike(fleet: &Nodes, blow: Blow) -> (SystemTime, SystemTime) {
    let asked = SystemTime::now();
    let left = lease_left(fleet);
    let struck = SystemTime::now();
    match blow {
        Blow::Kill => fleet.kill(ROBOT),
        Blow::Pause => fleet.node(ROBOT).signal(Signal::STOP),
        Blow::KillGiver => fleet.kill(LAPTOP),
    }
    match blow {
        // A dead node renews nothing: what it said last is what it had.
        Blow::Kill => (struck, asked + left),
        // A draw may have been answered at the very moment.
        Blow::Pause | Blow::KillGiver => (struck, SystemTime::now() + LEASE),
    }
}

fn recover(fleet: &mut Nodes, blow: Blow) {
    match blow {
        Blow::Kill => {}
        Blow::Pause => fleet.kill(ROBOT),
        Blow::KillGiver => {
            fleet.again(LAPTOP);
            return fleet.wait_linked(LAPTOP, ROBOT);
        }
    }
    fleet.again(ROBOT);
    fleet.wait_linked(LAPTOP, ROBOT);
}

/// What is left of the robot's lease, as it says.
fn lease_left(fleet: &Nodes) -> Duration {
    let run = fleet.status(ROBOT)["run"].as_str().unwrap_or_default().to_owned();
    let left = run.strip_suffix(" ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    left.unwrap_or_else(|| panic!("the robot names no lease but “{run}”"))
}

fn follow(work: &Work, from: SystemTime, lease_ends: SystemTime) -> KillRun {
    work.wait_until_gone(LEASE + SOON);
    let (gone, last) = (SystemTime::now(), work.last_write());
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
