//! The stories' own eyes: processes in `/proc`, and files that the work writes.
//!
//! A process is known by a random mark in its command line or environment. Refused here: believing
//! a node, and ending a process that does not carry the mark.

use super::waiting::{SOON, must, wait_for};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, pidfd_send_signal, prlimit,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many writes into each file count as "goes on".
const GROWTH_LINES: usize = 3;

/// One process as it was seen.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// Its session.
    pub session: u32,
    /// Its parent.
    pub parent: u32,
    start: u64,
    state: char,
    words: Vec<u8>,
}

impl Process {
    /// The process of that pid, if there is one.
    pub fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in brackets and may hold anything, brackets and blanks too.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let narrow = |at: usize| u32::try_from(number(at)?).ok();
        let mut words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.extend(fs::read(format!("/proc/{pid}/environ")).unwrap_or_default());
        let (parent, session, start) = (narrow(1)?, narrow(3)?, number(19)?);
        let state = fields.first()?.chars().next()?;
        Some(Self { pid, session, parent, start, state, words })
    }

    /// Every living process that carries the mark, this one excepted.
    pub fn marked(mark: &str) -> Vec<Self> {
        let entries = must(fs::read_dir("/proc"), "/proc, which the stories look at");
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut seen: Vec<Self> = pids.filter_map(Self::read).collect();
        seen.retain(|p| p.pid != std::process::id() && p.is_alive() && p.carries(mark));
        seen
    }

    /// True while this very process lives.
    pub fn lives(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.start == self.start && now.is_alive())
    }

    /// Sends it a signal; nothing when it is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(fd) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
            return;
        };
        if self.lives() {
            // The only refusal left is that it has just ended.
            let _sent = pidfd_send_signal(&fd, signal);
        }
    }

    /// Kills it, whatever it is doing.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// True when it ignores terminate.
    pub fn ignores_terminate(&self) -> bool {
        const TERMINATE_BIT: u64 = 1 << 14;
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & TERMINATE_BIT != 0)
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }

    fn carries(&self, mark: &str) -> bool {
        self.words.windows(mark.len()).any(|window| window == mark.as_bytes())
    }

    fn runs(&self, exe: &Path) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok_and(|link| link == exe)
    }
}

/// Lets no file of a process grow beyond so many bytes, as a full disk would.
pub fn limit_files(process: &Process, bytes: u64) {
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: Some(bytes), maximum: None };
    must(prlimit(pid, Resource::Fsize, limit), "a limit for another process");
}

/// One task's work as an outsider knows it: its mark, and the files that it writes.
#[derive(Debug, Clone)]
pub struct Work {
    /// In the command line or environment of each of its processes.
    pub mark: String,
    /// What it writes, every 50 ms.
    pub files: Vec<PathBuf>,
    /// `belay` itself, which is no work.
    pub exe: PathBuf,
}

impl Work {
    /// Its processes.
    pub fn processes(&self) -> Vec<Process> {
        let mut seen = Process::marked(&self.mark);
        seen.retain(|process| !process.runs(&self.exe));
        seen
    }

    /// The process that holds it: the parent of its first, which is `belay` again.
    pub fn warden(&self) -> Process {
        wait_for(&format!("a warden holds {}", self.mark), SOON, || {
            let parents = self.processes().into_iter().filter_map(|p| Process::read(p.parent));
            parents.into_iter().find(|parent| parent.runs(&self.exe))
        })
    }

    /// Waits until every file has grown by some lines from what it is now.
    pub fn wait_for_growth(&self) {
        let before = self.lines();
        let state = format!("every file of {} grows", self.mark);
        wait_for(&state, SOON, || {
            let now = self.lines();
            let grown = before.iter().zip(&now).all(|(then, now)| *now >= then + GROWTH_LINES);
            grown.then_some(())
        });
    }

    /// Waits until one file has grown by some lines from what it is now.
    pub fn wait_for_growth_of(&self, name: &str) {
        let file = self.files.iter().filter(|file| file.ends_with(name)).cloned().collect();
        Self { files: file, ..self.clone() }.wait_for_growth();
    }

    /// Waits until no process of it is left. One may be missed while it starts another, so gone
    /// takes two looks in a row.
    pub fn wait_until_gone(&self, max: std::time::Duration) {
        let mut empty_before = false;
        let state = format!("no process of {} is left", self.mark);
        wait_for(&state, max, || {
            let empty = self.processes().is_empty();
            let gone = empty && empty_before;
            empty_before = empty;
            gone.then_some(())
        });
    }

    /// Lines in each file; 0 where there is no file yet.
    pub fn lines(&self) -> Vec<usize> {
        let lines = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.iter().filter(|byte| **byte == b'\n').count()
        };
        self.files.iter().map(lines).collect()
    }

    /// When the last of its files was written, by the file system's clock.
    pub fn last_write(&self) -> SystemTime {
        let written = |path: &PathBuf| {
            let meta = must(fs::metadata(path), path.display());
            must(meta.modified(), path.display())
        };
        self.files.iter().map(written).max().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Checks how hard it is to end: in two sessions at least, one process ignoring terminate.
    pub fn wait_until_whole(&self) {
        let state = format!("{} runs in two sessions, a part ignoring terminate", self.mark);
        wait_for(&state, SOON, || {
            let seen = self.processes();
            let sessions: BTreeSet<u32> = seen.iter().map(|process| process.session).collect();
            (sessions.len() > 1 && seen.iter().any(Process::ignores_terminate)).then_some(())
        });
    }
}
