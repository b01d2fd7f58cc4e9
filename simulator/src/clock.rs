//! Clocks: the world's own time, and what each host reads of it.
//!
//! The world counts nanoseconds from its beginning. A host's boot clock starts somewhere, runs a
//! little fast or slow, and counts through suspend; its wall clock is wrong by an amount of its
//! own.

use crate::plan::{Set, Span};
use belay_mesh::{BootTime, Now};

/// The world's time, nanoseconds from its beginning.
pub(crate) type Time = u64;

/// Nanoseconds of a millisecond.
pub(crate) const MS: Time = 1_000_000;

/// Nanoseconds of a second.
pub(crate) const SECOND: Time = 1_000 * MS;

/// The true wall time at which every world begins, Unix milliseconds.
pub(crate) const WALL_AT_START_MS: u64 = 1_800_000_000_000;

/// What one host's clocks show.
#[derive(Debug, Clone)]
pub(crate) struct HostClock {
    /// What the boot clock showed when the world began.
    pub(crate) offset_ns: u64,
    /// How much faster than true time it runs, parts per million.
    pub(crate) rate_ppm: i64,
    /// How wrong its wall clock is, milliseconds.
    pub(crate) wall_error_ms: i64,
}

impl HostClock {
    /// What the host reads at this moment.
    pub(crate) fn read(&self, at: Time) -> Now {
        let run = i128::from(at) * (1_000_000 + i128::from(self.rate_ppm)) / 1_000_000;
        let boot = BootTime(self.offset_ns + u64::try_from(run).unwrap_or(u64::MAX / 2));
        let wall = (WALL_AT_START_MS + at / MS).saturating_add_signed(self.wall_error_ms);
        Now { boot, wall_ms: wall }
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set(&mut self, to: &Set) {
        let ms = |span: Span| i64::try_from(span.ms()).unwrap_or(i64::MAX);
        let by = ms(to.ahead).saturating_sub(ms(to.back));
        self.wall_error_ms = self.wall_error_ms.saturating_add(by);
    }

    /// The first moment at which the boot clock shows this or more.
    pub(crate) fn when(&self, boot: BootTime) -> Time {
        let run = i128::from(boot.0.saturating_sub(self.offset_ns)) * 1_000_000;
        let rate = 1_000_000 + i128::from(self.rate_ppm);
        u64::try_from((run + rate - 1) / rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the moment named for a boot time is the first that shows it, fast clock or slow.
    #[test]
    fn moments_and_boot_times_agree() {
        for rate_ppm in [-200, 0, 137, 200] {
            let clock = HostClock { offset_ns: 12_345, rate_ppm, wall_error_ms: -7 };
            for at in [1, 999, SECOND, 3_600 * SECOND + 17] {
                let boot = BootTime(clock.read(at).boot.0 + 1);
                let when = clock.when(boot);
                assert!(clock.read(when).boot >= boot && clock.read(when - 1).boot < boot);
            }
        }
    }
}
