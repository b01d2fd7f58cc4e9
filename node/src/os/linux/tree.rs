//! All processes below this one: found, stopped, continued, killed, without control groups.
//!
//! A subreaper gets every descendant back whose parents died, new sessions included, so walking
//! the children lists from here reaches all of them. Each process is stopped before its children
//! are read, and the walk is repeated until two passes in a row find nobody new and nobody
//! running, so forks cannot outrun it; when they try, whole process groups are signalled, which
//! the kernel does in one step. Everything is bounded: what could not be settled is reported as
//! not settled. This file never says "empty"; only the kernel's answer to `wait` does.

use super::super::Process;
use super::process::{Sent, Stat, ThreadState, children_of, raw_pid, read_stat, send, threads};
use rustix::io::Errno;
use rustix::process::{Signal, kill_process_group};
use std::collections::{BTreeSet, VecDeque};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Passes in a row that must find nobody new.
const QUIET_PASSES: u32 = 2;
/// From this pass on, forks are outrunning single signals and groups are stopped whole.
const GROUP_PASS: u32 = 2;
/// A tree of any honest depth settles in 3 or 4 passes; more is a race that the caller repeats.
const PASSES_MAX: u32 = 64;
/// One sweep keeps the caller from its channel at most this long.
const SWEEP_TIME_MAX: Duration = Duration::from_millis(1_000);
/// A signalled process stops within microseconds unless the machine is overloaded.
const STOP_WAIT_MAX: Duration = Duration::from_millis(4);
const STOP_LOOK_EVERY: Duration = Duration::from_micros(50);

/// What one sweep over the tree found.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Everybody alive, parents before their children.
    pub(crate) members: Vec<Process>,
    /// Members that had stopped themselves before the sweep came.
    pub(crate) asleep: BTreeSet<Process>,
    /// Members that the kernel would not let us signal.
    pub(crate) refused: Vec<(Process, Errno)>,
    /// Two passes in a row found nobody new and nobody running.
    pub(crate) settled: bool,
    known: BTreeSet<Process>,
    groups: BTreeSet<u32>,
}

impl Sweep {
    /// Whether every process was seen standing still.
    pub(crate) fn complete(&self) -> bool {
        self.settled && self.refused.is_empty()
    }

    /// Why it is not complete, in words for a record.
    pub(crate) fn why(&self) -> Option<String> {
        match self.refused.first() {
            Some((process, error)) => Some(format!(
                "process {} cannot be signalled ({error}): it runs as another user",
                process.pid
            )),
            None if !self.settled => {
                Some("not every process was seen standing still in time".to_owned())
            }
            None => None,
        }
    }

    fn refuse(&mut self, process: Process, error: Errno) {
        if !self.refused.iter().any(|(known, _)| *known == process) {
            self.refused.push((process, error));
        }
    }
}

/// The descendants of the calling process, without some of its children and what is below them.
#[derive(Debug)]
pub(crate) struct Tree {
    root: u32,
    /// Our own session; 0 when its leader is out of sight, as in a container started from outside.
    session: Option<u32>,
    except: Vec<u32>,
}

impl Tree {
    /// Everything below the calling process.
    pub(crate) fn below_me() -> Self {
        Self::below_me_except(&[])
    }

    /// Everything below the calling process, but nothing below these children of it.
    pub(crate) fn below_me_except(except: &[u32]) -> Self {
        let root = std::process::id();
        let session = read_stat(root).map(|stat| stat.session);
        Self { root, session, except: except.to_vec() }
    }

    /// Everything below another process; it is not signalled itself.
    pub(crate) fn below(root: u32) -> Self {
        Self { root, ..Self::below_me() }
    }

    /// The children of the root that head the tree.
    pub(crate) fn heads(&self) -> Vec<u32> {
        let mut heads = children_of(self.root);
        heads.retain(|pid| !self.except.contains(pid));
        heads
    }

    /// Stops everybody, parents before their children.
    pub(crate) fn freeze(&self) -> Sweep {
        let mut sweep = Sweep::default();
        let started = Instant::now();
        let mut quiet = 0;
        for pass in 0..PASSES_MAX {
            quiet = if self.pass(pass, &mut sweep) { 0 } else { quiet + 1 };
            sweep.settled = quiet >= QUIET_PASSES;
            if sweep.settled || started.elapsed() > SWEEP_TIME_MAX {
                break;
            }
        }
        sweep
    }

    /// Lets go on whom the sweep stopped, children before their parents, so that no parent sees a
    /// stopped child. Whoever had stopped himself stays stopped.
    pub(crate) fn thaw(&self, sweep: &Sweep) {
        for process in sweep.members.iter().rev().filter(|p| !sweep.asleep.contains(p)) {
            send(*process, Signal::CONT);
        }
    }

    /// Asks everybody to end: the request is pending before anyone runs again.
    pub(crate) fn terminate(&self) -> Sweep {
        let mut sweep = self.freeze();
        for process in sweep.members.clone() {
            if let Sent::Refused(error) = send(process, Signal::TERM) {
                sweep.refuse(process, error);
            }
        }
        for process in sweep.members.iter().rev() {
            send(*process, Signal::CONT);
        }
        sweep
    }

    /// Kills everybody who can be found and stopped within one sweep.
    pub(crate) fn kill(&self) -> Sweep {
        let mut sweep = self.freeze();
        for process in sweep.members.clone() {
            if let Sent::Refused(error) = send(process, Signal::KILL) {
                sweep.refuse(process, error);
            }
        }
        if !sweep.settled {
            signal_groups(&sweep.groups, Signal::KILL);
        }
        sweep
    }

    /// Walks the tree once; true if anybody was new or still running.
    fn pass(&self, pass: u32, sweep: &mut Sweep) -> bool {
        let mut restless = false;
        let mut queue: VecDeque<u32> = self.heads().into();
        let mut met = BTreeSet::new();
        while let Some(pid) = queue.pop_front() {
            if !met.insert(pid) {
                continue;
            }
            if let Some(stat) = read_stat(pid) {
                restless |= self.visit(&stat, pass, sweep);
                queue.extend(children_of(pid));
            }
        }
        restless
    }

    /// Stops one process; true if it was new or would not stand still.
    fn visit(&self, stat: &Stat, pass: u32, sweep: &mut Sweep) -> bool {
        let process = stat.process;
        let before = stillness(process.pid);
        if before == Stillness::Dead {
            return false;
        }
        let new = sweep.known.insert(process);
        if new {
            sweep.members.push(process);
        }
        self.note_group(stat, sweep);
        if before == Stillness::Stopped {
            if new && pass == 0 {
                sweep.asleep.insert(process);
            }
            return new;
        }
        if pass >= GROUP_PASS {
            signal_groups(&sweep.groups, Signal::STOP);
        }
        match send(process, Signal::STOP) {
            Sent::Delivered => !comes_to_rest(process.pid) || new,
            Sent::Gone => new,
            Sent::Refused(error) => {
                sweep.refuse(process, error);
                new
            }
        }
    }

    /// Remembers a process group that can be signalled whole: its session is not ours, so it was
    /// born below us, and nobody enters a session from outside.
    fn note_group(&self, stat: &Stat, sweep: &mut Sweep) {
        if self.session.is_some_and(|ours| ours != stat.session && stat.session != 0) {
            sweep.groups.insert(stat.group);
        }
    }
}

/// Signals whole groups. INVARIANT: each was seen with a living member in this very sweep, and
/// only its stopped or dead parent or we could reap that member, so the number is still its own.
fn signal_groups(groups: &BTreeSet<u32>, signal: Signal) {
    for group in groups.iter().filter_map(|&group| raw_pid(group)) {
        // A group that has emptied meanwhile, or holds one process of another user, is no news:
        // the walk meets each member and reports it.
        let _gone = kill_process_group(group, signal);
    }
}

/// How far a process has come to rest, over all its threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stillness {
    Dead,
    Stopped,
    Held,
    Live,
}

fn stillness(pid: u32) -> Stillness {
    let worst = threads(pid).into_iter().map(|(_, state)| match state {
        ThreadState::Dead => Stillness::Dead,
        ThreadState::Stopped => Stillness::Stopped,
        ThreadState::Held => Stillness::Held,
        ThreadState::Live => Stillness::Live,
    });
    worst.max_by_key(|stillness| *stillness as u8).unwrap_or(Stillness::Dead)
}

/// Waits a moment for a signalled process to stand still.
fn comes_to_rest(pid: u32) -> bool {
    let started = Instant::now();
    while stillness(pid) == Stillness::Live {
        if started.elapsed() > STOP_WAIT_MAX {
            return false;
        }
        sleep(STOP_LOOK_EVERY);
    }
    true
}
