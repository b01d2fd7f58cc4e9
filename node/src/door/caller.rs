//! Who calls: the process at the other end of a socket, found from where it stands.
//!
//! The kernel remembers who connected. A descriptor of that very process (SO_PEERPIDFD, Linux 6.5)
//! tells afterwards whether it still lives, so that a reused pid is never taken for it; on older
//! kernels the descriptor is opened by pid right after the connection. What a caller says about
//! itself counts for nothing, and a socket that was handed on still names who connected it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::UnixStream;

use super::error::CallerError;
use super::limits::{ANCESTRY_DEPTH_MAX, ANCESTRY_READINGS_MAX};

/// The calling process.
#[derive(Debug)]
pub struct Caller {
    process: Process,
    uid: u32,
    pidfd: OwnedFd,
}

/// A process by pid and start; together they name it until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its pid, as this node sees it.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

impl Caller {
    pub(super) fn of(stream: &UnixStream) -> Result<Self, CallerError> {
        let peer = stream.peer_cred().map_err(CallerError::Io)?;
        let pid = peer.pid().filter(|pid| *pid > 0).ok_or(CallerError::OutOfSight)?;
        let pidfd = peer_pidfd(stream, pid)?;
        let (start_time, _) = stat(pid.unsigned_abs())?;
        let process = Process { pid: pid.unsigned_abs(), start_time };
        let caller = Self { process, uid: peer.uid(), pidfd };
        // Only now is it certain that the start time was this process's own.
        if caller.still_alive() { Ok(caller) } else { Err(CallerError::Gone) }
    }

    /// Its pid and start.
    pub fn process(&self) -> Process {
        self.process
    }

    /// The user it ran as when it connected.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// A descriptor of the process, readable once it has ended.
    pub fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// False once the process has ended, also when its pid was given to another.
    pub fn still_alive(&self) -> bool {
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut ended, Some(&at_once)), Ok(0))
    }

    /// The caller, then its parents up to the first process; read until two readings agree.
    ///
    /// Fails when the caller ended meanwhile: then nothing that was read can be relied on.
    pub fn ancestry(&self) -> Result<Vec<Process>, CallerError> {
        for _ in 0..ANCESTRY_READINGS_MAX {
            let (first, second) = (self.read_ancestry()?, self.read_ancestry()?);
            match first {
                Some(found) if Some(&found) == second.as_ref() => {
                    return if self.still_alive() { Ok(found) } else { Err(CallerError::Gone) };
                }
                Some(_) | None => {}
            }
        }
        Err(CallerError::Restless)
    }

    /// One reading; none when a parent ended in the middle of it.
    fn read_ancestry(&self) -> Result<Option<Vec<Process>>, CallerError> {
        let mut found = Vec::new();
        let mut pid = self.process.pid;
        while pid != 0 {
            let (start_time, parent) = match stat(pid) {
                Err(CallerError::Gone) if self.still_alive() => return Ok(None),
                read => read?,
            };
            found.push(Process { pid, start_time });
            if found.len() > ANCESTRY_DEPTH_MAX {
                return Err(CallerError::TooDeep);
            }
            pid = parent;
        }
        Ok(Some(found))
    }
}

fn peer_pidfd(stream: &UnixStream, pid: i32) -> Result<OwnedFd, CallerError> {
    match getsockopt(&stream.as_fd(), PeerPidfd) {
        Ok(pidfd) => Ok(pidfd),
        Err(nix::Error::ENOPROTOOPT) => {
            let pid = Pid::from_raw(pid).ok_or(CallerError::OutOfSight)?;
            pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| ended_or(errno.into()))
        }
        Err(errno) => Err(ended_or(errno.into())),
    }
}

/// Start time and parent of a process; its name may hold spaces and brackets.
fn stat(pid: u32) -> Result<(u64, u32), CallerError> {
    let text = fs::read(format!("/proc/{pid}/stat")).map_err(ended_or)?;
    let text = String::from_utf8_lossy(&text);
    let fields = text.rsplit_once(')').map(|(_, fields)| fields.split_ascii_whitespace());
    // Behind the name stand the state, the parent, and 17 fields later the start time.
    let mut fields = fields.into_iter().flatten().skip(1);
    let parent = fields.next().and_then(|field| field.parse().ok());
    let start_time = fields.nth(17).and_then(|field| field.parse().ok());
    start_time.zip(parent).ok_or_else(|| {
        CallerError::Io(io::Error::new(io::ErrorKind::InvalidData, "unreadable /proc/PID/stat"))
    })
}

fn ended_or(error: io::Error) -> CallerError {
    let no_process = rustix::io::Errno::SRCH.raw_os_error();
    if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(no_process) {
        return CallerError::Gone;
    }
    CallerError::Io(error)
}
