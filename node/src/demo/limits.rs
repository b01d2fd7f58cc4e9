//! Every bound of the demo, with its reason.

use std::time::Duration;

/// How often a state is looked at: half of the 50 ms in which the work writes.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The longest that a command may take which only has to answer: unsealing keys and a few syncs, on
/// a slow machine, in a debug build.
pub(super) const COMMAND_MAX: Duration = Duration::from_secs(30);

/// The longest until two devices are linked: a handshake, joining, catching up, one redial pause.
pub(super) const LINKED_MAX: Duration = Duration::from_secs(30);

/// The longest until the planner has asked three times and the far device runs its work.
pub(super) const WORK_MAX: Duration = Duration::from_secs(30);

/// The longest until files that are written every 50 ms are seen to have grown.
pub(super) const GROWTH_MAX: Duration = Duration::from_secs(10);

/// How many writes into each file count as "goes on".
pub(super) const GROWTH_LINES: usize = 3;

/// How long `stop` waits for receipts before it says what is missing.
pub(super) const STOP_TIMEOUT: &str = "3s";

/// How long `stop --follow` waits where it is only asked how far the order has come.
pub(super) const GLANCE_TIMEOUT: &str = "1ms";

/// How long `stop --follow` waits once the path is healed: an idle timeout, redials, a repair.
pub(super) const FOLLOW_TIMEOUT: &str = "60s";

/// As long as that, and time for the command to end.
pub(super) const FOLLOW_MAX: Duration = Duration::from_secs(75);

/// Beyond the bound, the longest until nothing is left of cut-off work: the lapse grace of one
/// second, the stop grace, and a machine that is busy.
pub(super) const LAPSE_ROOM: Duration = Duration::from_secs(15);

/// The longest that an ended node's wardens may take: they freeze, wait one second, end.
pub(super) const LEAVE_MAX: Duration = Duration::from_secs(8);

/// The longest until killed processes are gone.
pub(super) const KILLED_MAX: Duration = Duration::from_secs(5);

/// Lines of a node's log that are shown when a step fails.
pub(super) const LOG_LINES: usize = 12;
