//! What each system does its own way: process trees and the boot clock.
//!
//! One file per system, the same names in each, so that the callers above never ask which system
//! they run on. Nothing here decides anything; it looks, signals and reports.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::*;

/// A process named so that a reused pid is never taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub start_time: u64,
}

/// What became of the processes that a dead warden left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// Those that were found and are gone.
    pub ended: Vec<Process>,
    /// Those that are still there, each with the reason.
    pub left: Vec<(Process, String)>,
}
