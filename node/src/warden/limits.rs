//! Every bound of the warden, each with its reason.

/// How far ahead a lease may reach: what a node that died can leave running.
pub const LEASE_AHEAD_NS_MAX: u64 = 30_000_000_000;
/// The length of a frame is two bytes, so `Begin` with its whole environment must fit in this.
pub const FRAME_BYTES_MAX: usize = 65_535;
/// Our messages nest three levels; more is not ours.
pub const FRAME_DEPTH_MAX: usize = 16;
/// What may wait for a node that does not read, before it counts as gone.
pub const OUTBOX_BYTES_MAX: usize = 65_536;
/// How long a finished warden waits for the node to take its last words; they are on disk anyway.
pub const FLUSH_MS_MAX: u64 = 1_000;
/// The facts of one task: about ten thousand freezes and thaws.
pub const FACTS_BYTES_MAX: u64 = 1_048_576;
/// Kept free in the facts, and reserved on disk at the start, for the records of the end.
pub const FACTS_RESERVE_BYTES: u64 = 8_192;
/// While frozen the tree is looked over this often: another process may have continued a part.
pub const FROZEN_LOOK_NS: u64 = 1_000_000_000;
/// The first pause between two rounds of killing; each next one doubles.
pub const KILL_PAUSE_NS_MIN: u64 = 2_000_000;
/// The longest pause between two rounds of killing.
pub const KILL_PAUSE_NS_MAX: u64 = 1_000_000_000;
/// Killed processes vanish within milliseconds; after this the tree is reported as not proven.
pub const KILL_PROOF_NS: u64 = 3_000_000_000;
/// One turn of the loop reads at most this much output, so that a talkative task cannot keep the
/// warden from its deadlines.
pub const OUTPUT_TURN_BYTES_MAX: usize = 1_048_576;
/// Why a task could not start, in bytes; an operating system's message is far shorter.
pub const REFUSAL_BYTES_MAX: u64 = 1_024;
/// Processes and threads of the user while the task runs: a fork bomb meets this before it takes
/// every pid of the device, and no honest session comes near it.
pub const USER_THREADS_MAX: u64 = 16_384;
/// The exit status of a task that could not be started, as shells have it.
pub const EXIT_REFUSED: u8 = 127;
