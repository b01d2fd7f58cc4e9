//! The only reader of clocks and entropy in the node.

use crate::os;
use belay_mesh::{BootTime, Now};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time, read once for one call of the engine.
pub(crate) fn now() -> Now {
    Now { boot: BootTime(os::boot_now_ns()), wall_ms: wall_ms() }
}

/// The own wall clock, Unix milliseconds: shown, and signed by a beacon.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Fresh bytes from the operating system.
///
/// # Panics
/// When the operating system has none: nothing safe can be done without.
pub(crate) fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has entropy");
    bytes
}

/// A wall time for people and JSON: UTC, RFC 3339.
pub(crate) fn rfc3339(wall_ms: u64) -> String {
    let stamp =
        i64::try_from(wall_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map(|stamp| stamp.to_string()).unwrap_or_else(|| format!("{wall_ms} ms"))
}
