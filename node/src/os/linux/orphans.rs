//! The node's side of process keeping: it is the subreaper above its wardens, so what a killed
//! warden leaves behind comes to the node, which ends it and reports it.

use super::super::{OrphanReport, Process};
use super::process::{find_process, raw_pid};
use super::tree::{Sweep, Tree};
use rustix::io::Errno;
use rustix::process::{
    PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, set_child_subreaper, waitpid,
};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Killed processes vanish within milliseconds; one that hangs in the kernel longer is reported.
const ORPHANS_TIME_MAX: Duration = Duration::from_millis(2_000);
const ORPHANS_LOOK_EVERY: Duration = Duration::from_millis(2);

/// Ends every child of this process that is not one of `wardens`, with all below it.
///
/// `wardens` must name every child that is to live, also one just started, so the caller holds
/// whatever guards the starting of wardens. Takes 2 s at most.
pub fn end_orphans(wardens: &[u32]) -> OrphanReport {
    let tree = Tree::below_me_except(wardens);
    let started = Instant::now();
    let mut seen = BTreeSet::new();
    loop {
        let heads = tree.heads();
        if heads.is_empty() {
            return report(&seen, &Sweep::default());
        }
        let sweep = tree.kill();
        seen.extend(sweep.members.iter().copied());
        heads.into_iter().for_each(reap);
        if started.elapsed() > ORPHANS_TIME_MAX {
            return report(&seen, &sweep);
        }
        sleep(ORPHANS_LOOK_EVERY);
    }
}

/// Kills everything below another process, which is left to see and to write down that nobody is
/// left. One pass; call it until that process has said so.
pub fn end_below(warden: Process) {
    if find_process(warden.pid) == Some(warden) {
        let _sweep = Tree::below(warden.pid).kill();
    }
}

fn report(seen: &BTreeSet<Process>, last: &Sweep) -> OrphanReport {
    let mut report = OrphanReport::default();
    for &process in seen {
        if !super::process_alive(process.pid, process.start_time) {
            report.ended.push(process);
            continue;
        }
        let refused = last.refused.iter().find(|(known, _)| *known == process);
        let why = refused.map_or("it was killed and has not ended".to_owned(), |(_, error)| {
            format!("it cannot be signalled ({error}): it runs as another user")
        });
        report.left.push((process, why));
    }
    report
}

fn reap(pid: u32) {
    // "Not our child" and "still there" both mean that there is nothing to reap now.
    let _status = raw_pid(pid).map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
}

/// Makes this process the one to which orphaned descendants come.
///
/// # Errors
/// What the kernel says; it does not refuse this on Linux since 3.4.
pub fn become_subreaper() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// A descriptor that becomes readable when this child or process ends.
///
/// # Errors
/// `ESRCH` when no such process exists.
pub fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = raw_pid(pid).ok_or(Errno::SRCH)?;
    Ok(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// Reaps this child if it has ended, without waiting; true once it is gone.
pub fn has_ended(pid: u32) -> bool {
    let Some(pid) = raw_pid(pid) else { return true };
    !matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None))
}

/// Wakes a warden that was suspended with its terminal (Ctrl-Z), so that it reads its channel.
/// Its task stays suspended.
///
/// # Errors
/// `ESRCH` when that very process no longer exists, `EPERM` when it belongs to another user.
pub fn wake(warden: Process) -> io::Result<()> {
    let pid = raw_pid(warden.pid).ok_or(Errno::SRCH)?;
    if find_process(warden.pid) != Some(warden) {
        return Err(Errno::SRCH.into());
    }
    Ok(kill_process(pid, Signal::CONT)?)
}
