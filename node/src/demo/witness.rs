//! The demo's own eyes: processes in `/proc` and files on disk. It asks no node.
//!
//! Processes are known by a random mark in their command line or environment, and by descent.
//! Refused here: believing anything that a node says, and ending a process that does not carry
//! the mark or descend from one that does.

use super::failure::{Failure, io};
use super::limits::{GROWTH_LINES, GROWTH_MAX};
use super::waiting::Patience;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The bit of SIGTERM (15) in the masks of `/proc/PID/status`.
const TERMINATE_BIT: u64 = 1 << 14;

/// One process as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// Which process: a pid is given again, together with its start it is not.
    pub(super) id: ProcessId,
    /// Its parent's pid.
    parent: u32,
    /// Its session.
    pub(super) session: u32,
    /// One letter: R and S run, D waits for the kernel, T is stopped, Z has ended.
    state: char,
    /// Its arguments and environment.
    words: Vec<u8>,
}

/// A process, however often its pid is given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProcessId {
    pub(super) pid: u32,
    start: u64,
}

/// Every process of this system, at one look.
#[derive(Debug)]
pub(super) struct Scene(Vec<Process>);

impl Scene {
    /// Looks around.
    pub(super) fn look() -> Result<Self, Failure> {
        all().map(Self)
    }

    /// Every process that carries the mark and is not the executable itself: an agent's own work.
    fn work(&self, mark: &str, exe: &Path) -> Vec<&Process> {
        let ours = |process: &&Process| process.carries(mark) && !process.runs(exe);
        self.0.iter().filter(ours).collect()
    }
}

/// Every process that carries one of the marks, and all that descend from one, this one excepted.
pub(super) fn household(marks: &[&str]) -> Result<BTreeSet<ProcessId>, Failure> {
    let seen = all()?;
    let ours = |process: &&Process| marks.iter().any(|mark| process.carries(mark));
    let mut pids: BTreeSet<u32> = seen.iter().filter(ours).map(|process| process.id.pid).collect();
    loop {
        let below = seen.iter().filter(|process| pids.contains(&process.parent));
        let grown: BTreeSet<u32> = below.map(|process| process.id.pid).collect();
        if grown.is_subset(&pids) {
            break;
        }
        pids.extend(grown);
    }
    pids.remove(&std::process::id());
    let ours = seen.iter().filter(|process| pids.contains(&process.id.pid));
    Ok(ours.filter(|process| process.lives()).map(|process| process.id).collect())
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in brackets and may hold anything, brackets and blanks too.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let narrow = |at: usize| u32::try_from(number(at)?).ok();
        let mut words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.extend(fs::read(format!("/proc/{pid}/environ")).unwrap_or_default());
        Some(Self {
            id: ProcessId { pid, start: number(19)? },
            parent: narrow(1)?,
            session: narrow(3)?,
            state: fields.first()?.chars().next()?,
            words,
        })
    }

    fn carries(&self, mark: &str) -> bool {
        self.words.windows(mark.len()).any(|window| window == mark.as_bytes())
    }

    fn runs(&self, exe: &Path) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.id.pid)).is_ok_and(|link| link == exe)
    }

    fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }

    /// True when it is stopped by a signal, or waits for a child that is: a shell that has just
    /// started a program by `vfork` cannot be stopped before that child goes on.
    pub(super) fn stands_still(&self, all: &[&Self]) -> bool {
        let stopped = |process: &Self| process.state == 'T';
        let mut children = all.iter().filter(|process| process.parent == self.id.pid);
        stopped(self) || (self.state == 'D' && children.any(|child| stopped(child)))
    }

    /// True when it ignores terminate.
    pub(super) fn ignores_terminate(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id.pid));
        let mask = status.ok().and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        });
        mask.is_some_and(|mask| mask & TERMINATE_BIT != 0)
    }
}

impl ProcessId {
    /// True while it lives.
    pub(super) fn lives(self) -> bool {
        Process::read(self.pid).is_some_and(|process| process.id == self && process.lives())
    }

    /// Kills it, whatever it is doing; nothing when it is gone.
    pub(super) fn kill(self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(fd) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
            return;
        };
        if self.lives() {
            // The only refusal left is that it has just ended.
            let _killed = pidfd_send_signal(&fd, Signal::KILL);
        }
    }
}

fn all() -> Result<Vec<Process>, Failure> {
    let proc = Path::new("/proc");
    let entries = fs::read_dir(proc).map_err(|_| Failure::Machine {
        what: "there is no /proc here, and the demo has no other eyes yet".to_owned(),
        hint: "run the demo on Linux",
    })?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(Process::read).collect())
}

/// What one agent's work can be known by from outside.
#[derive(Debug)]
pub(super) struct Eyes {
    /// In the command line or environment of each of its processes.
    pub(super) mark: String,
    /// The files that it writes.
    pub(super) files: Files,
}

/// The end of one agent's work, as it is seen coming.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// When every process of it was first seen frozen.
    pub(super) frozen: Option<Instant>,
    /// When none was seen for the second time in a row.
    pub(super) gone: Option<Instant>,
    empty_before: bool,
}

impl Eyes {
    /// The processes that are at work.
    pub(super) fn processes<'a>(&self, scene: &'a Scene, exe: &Path) -> Vec<&'a Process> {
        scene.work(&self.mark, exe)
    }

    /// Waits until each file has grown by some lines from what it is now.
    pub(super) fn wait_for_growth(&self, patience: &Patience, state: &str) -> Result<(), Failure> {
        let before = self.files.lines()?;
        patience.wait_for(state, GROWTH_MAX, || {
            let now = self.files.lines()?;
            let grown = before.iter().zip(&now).all(|(then, now)| *now >= then + GROWTH_LINES);
            Ok(grown.then_some(()))
        })
    }
}

impl Ending {
    /// Sees one more look. A process may be missed while it starts another, so gone takes two.
    pub(super) fn see(&mut self, scene: &Scene, eyes: &Eyes, exe: &Path) {
        let processes = eyes.processes(scene, exe);
        let empty = processes.is_empty();
        if !empty && processes.iter().all(|process| process.stands_still(&processes)) {
            self.frozen.get_or_insert_with(Instant::now);
        }
        if empty && self.empty_before {
            self.gone.get_or_insert_with(Instant::now);
        }
        self.empty_before = empty;
    }
}

/// Files that the work writes, all of them, every 50 ms.
#[derive(Debug, Clone)]
pub(super) struct Files(Vec<PathBuf>);

impl Files {
    /// These files of a folder.
    pub(super) fn of(folder: &Path, names: &[&str]) -> Self {
        Self(names.iter().map(|name| folder.join(name)).collect())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Lines in each; 0 where there is no file yet.
    pub(super) fn lines(&self) -> Result<Vec<usize>, Failure> {
        let lines = |path: &PathBuf| match fs::read(path) {
            Ok(bytes) => Ok(bytes.iter().filter(|byte| **byte == b'\n').count()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(io(path)(error)),
        };
        self.0.iter().map(lines).collect()
    }

    /// When the last of them was written, by the file system's clock.
    pub(super) fn last_write(&self) -> Result<SystemTime, Failure> {
        let written =
            |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).map_err(io(path));
        let times = self.0.iter().map(written).collect::<Result<Vec<_>, _>>()?;
        Ok(times.into_iter().max().unwrap_or(SystemTime::UNIX_EPOCH))
    }
}
