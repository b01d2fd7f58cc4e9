//! The engine's deadline on the boot clock, which counts through suspend.

use belay_mesh::BootTime;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

const NS_PER_S: u64 = 1_000_000_000;

/// One timer.
pub(super) struct Timer {
    fd: AsyncFd<OwnedFd>,
    set: Option<BootTime>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { fd: AsyncFd::new(fd)?, set: None })
    }

    /// Sets the moment; none stops the timer.
    pub(super) fn set(&mut self, at: Option<BootTime>) -> io::Result<()> {
        if at == self.set {
            return Ok(());
        }
        // A moment that has passed is now: zero would stop the timer.
        let ns = at.map_or(0, |at| at.0.max(1));
        let spec = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(ns / NS_PER_S).unwrap_or(i64::MAX),
                tv_nsec: (ns % NS_PER_S) as i64,
            },
        };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        self.set = at;
        Ok(())
    }

    /// Waits for the moment.
    pub(super) async fn due(&mut self) {
        if let Ok(mut guard) = self.fd.readable().await {
            let mut count = [0; 8];
            // A count that was taken already leaves nothing to read: the same moment, not an error.
            let _ = rustix::io::read(self.fd.get_ref(), &mut count);
            guard.clear_ready();
        }
        self.set = None;
    }
}
