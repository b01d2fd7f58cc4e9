//! Every bound of this room, with its reason.

use crate::clock::{SECOND, Time};

/// Nodes of one fleet: what fits the memory of one large machine.
pub(crate) const NODES_MAX: usize = 100_000;

/// Beacons of one release: its header is at most 1 KiB and names each by 32 bytes.
pub(crate) const BEACONS_MAX: usize = 16;

/// Links that one device keeps besides those to beacons: below the engine's 40 seats.
pub(crate) const DEGREE_MAX: usize = 12;

/// Seats of a beacon that the fleet may fill: below the engine's 40, with room for the lobby.
pub(crate) const SEATS_MAX: usize = 30;

/// Levels below a root task: one less than the links that a chain may have, by the engine's
/// default depth of a delegation.
pub(crate) const DEPTH_MAX: usize = 8;

/// Quiet before the end: two rounds of repair, so that what was missed had its chance.
pub(crate) const QUIET_MIN: Time = 20 * SECOND;

/// Checked frames remembered for other receivers; beyond it all are forgotten at once.
pub(crate) const FRAMES_SHARED_MAX: usize = 65_536;

/// Calls that an engine may ask for without time passing; beyond it the shell would spin.
pub(crate) const SPINS_MAX: u32 = 1_000;

/// Violations of one invariant that are kept in words; the rest is counted.
pub(crate) const VIOLATIONS_TOLD_MAX: usize = 8;

/// Work that ends on a connected device ends within this, or somebody did not hear of the order:
/// a few lost frames, a stop grace, a few writes.
pub(crate) const PROMPT_MAX: Time = 2 * SECOND;

/// Clock-rate error between two hosts, millionths: twice what one clock may be wrong by.
pub(crate) const CLOCK_PPM_BOTH: Time = 400;

/// An order's bound is exact to this: one event, rounded up.
pub(crate) const ONE_EVENT: Time = crate::clock::MS;

/// The first pause before a lost link is dialled again, at most.
pub(crate) const REDIAL: Time = SECOND;

/// The pause before a link that was refused is dialled again.
pub(crate) const REDIAL_REFUSED: Time = 30 * SECOND;

/// After a host is linked again it is given this long before "promptly" is asked of it: the idle
/// time of a dead link, a dial, and a repair.
pub(crate) const RECOVERY: Time = 12 * SECOND;

/// A door of a living node answers within this: an offload waits for its peer for 5 s at most.
pub(crate) const ANSWER_MAX: Time = 15 * SECOND;

/// How often an operator reads the case of an order that he has given.
pub(crate) const READ_EVERY: Time = 250 * crate::clock::MS;
