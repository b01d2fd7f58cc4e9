//! Time as it is given: a boot clock that counts through suspend, and an interval for wall time.
//!
//! A device knows no exact wall time. It knows what beacons told it and how long ago, so the true
//! time lies in an interval. Whatever lets ends at its late end, whatever takes away at its early
//! one. The own wall clock is only shown.
//!
//! Refused here: reading a clock.

use crate::limits::CLOCK_PPM;

/// A moment on the boot clock, nanoseconds; suspend counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(pub u64);

impl BootTime {
    /// This moment, later by so many milliseconds.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Milliseconds from an earlier moment to this one; 0 if it is later.
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

/// The time as the caller read it, once per call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The boot clock.
    pub boot: BootTime,
    /// The device's own wall clock, Unix milliseconds: shown, and trusted by nobody else.
    pub wall_ms: u64,
}

/// What one beacon said of the wall time, and when it was asked and heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The beacon's wall clock, Unix milliseconds.
    pub wall_ms: u64,
    /// When the question left.
    pub asked: BootTime,
    /// When the answer came.
    pub heard: BootTime,
}

/// Between these two the true wall time lies, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Not before.
    pub early_ms: u64,
    /// Not after.
    pub late_ms: u64,
}

impl Heard {
    /// The interval now, widened by the clock-rate error since.
    pub fn interval(&self, now: BootTime) -> Interval {
        let since_heard = now.since_ms(self.heard);
        let since_asked = now.since_ms(self.asked);
        Interval {
            early_ms: self.wall_ms.saturating_add(since_heard).saturating_sub(drift(since_heard)),
            late_ms: self.wall_ms.saturating_add(since_asked).saturating_add(drift(since_asked)),
        }
    }
}

impl Interval {
    /// An interval of no width, for a device whose own clock is the beacon's.
    pub fn exact(wall_ms: u64) -> Self {
        Self { early_ms: wall_ms, late_ms: wall_ms }
    }

    /// The span of both.
    pub fn join(self, other: Self) -> Self {
        Self {
            early_ms: self.early_ms.min(other.early_ms),
            late_ms: self.late_ms.max(other.late_ms),
        }
    }
}

/// What another device's clock may call so many milliseconds: two clocks, each wrong by its own
/// rate, so that nothing is promised before it is true.
pub(crate) fn with_drift(ms: u64) -> u64 {
    ms.saturating_add(ms.saturating_mul(2 * CLOCK_PPM) / 1_000_000 + 1)
}

fn drift(elapsed_ms: u64) -> u64 {
    (elapsed_ms.saturating_mul(CLOCK_PPM) / 1_000_000) + 1
}
