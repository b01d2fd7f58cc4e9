//! Waiting for observed states, with a deadline. Refused here: waiting for luck.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How often a state is looked at: well within the 50 ms in which the work writes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Long enough for anything that comes at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Looks until the state comes; panics with its name when it does not come in time.
pub fn wait_for<T>(state: &str, max: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < max, "not seen within {max:?}: {state}");
        thread::sleep(LOOK_EVERY);
    }
}

/// The value, or a panic that says what was done.
pub(super) fn must<T, E: Display>(result: Result<T, E>, doing: impl Display) -> T {
    result.unwrap_or_else(|error| panic!("{doing}: {error}"))
}
