//! The clock that counts while the device sleeps, and the name of this boot.
//!
//! Leases are judged by it alone: the wall clock can be set, the monotonic one stands still in
//! suspend.

use rustix::io::{Errno, retry_on_intr};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::{fs, io};

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds since boot, suspend counted.
pub fn boot_now_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    (now.tv_sec.unsigned_abs()) * NS_PER_SECOND + now.tv_nsec.unsigned_abs()
}

/// The random name that the kernel gave to this boot.
///
/// # Errors
/// When `/proc` is not mounted or not readable.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// A timer on the boot clock that can be waited for with `poll`.
#[derive(Debug)]
pub(crate) struct BootTimer(OwnedFd);

impl BootTimer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    /// Rings at `at_boot_ns`, at once if that has passed, never for `None`.
    pub(crate) fn set(&self, at_boot_ns: Option<u64>) -> io::Result<()> {
        let it_value = match at_boot_ns {
            // Zero would disarm the timer, so the earliest moment is 1 ns.
            Some(at) => timespec(at.max(1)),
            None => timespec(0),
        };
        let value = Itimerspec { it_interval: timespec(0), it_value };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &value)?;
        Ok(())
    }

    /// Takes the ring, so that `poll` waits again.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match retry_on_intr(|| rustix::io::read(&self.0, &mut [0_u8; 8])) {
            Ok(_) | Err(Errno::AGAIN | Errno::CANCELED) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for BootTimer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn timespec(ns: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(ns / NS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: (ns % NS_PER_SECOND).cast_signed(),
    }
}
