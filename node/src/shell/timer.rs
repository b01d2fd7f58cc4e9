//! The engine's deadline on the boot clock, which counts through suspend.
//!
//! The runtime's own clock stands still in suspend, so no wait is longer than a second: after
//! waking, the boot clock is read again. What must not be late at all, the end of a lease, is kept
//! by wardens with timers of the boot clock itself.

use crate::os;
use belay_mesh::BootTime;
use std::time::Duration;

/// A suspend makes a deadline late by at most this, once the device is awake.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Comes back when the moment has come; never, where there is none.
pub(super) async fn due(at: Option<BootTime>) {
    let Some(at) = at else { return std::future::pending().await };
    loop {
        let left = Duration::from_nanos(at.0.saturating_sub(os::boot_now_ns()));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(WAIT_MAX)).await;
    }
}
