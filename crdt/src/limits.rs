//! Every bound of this room, with its reason.
//!
//! A bound that is checked anywhere in `crdt` stands here and nowhere else.

/// Wide orders of one key in one epoch that count without a second operator: more than an honest
/// operator gives by hand between two epochs, few enough that a stolen key cannot stop a fleet.
pub const WIDE_ORDERS_PER_EPOCH_MAX: u64 = 32;

/// Operators that a lift, a restore or a release needs, where the fleet has that many.
pub const OPERATORS_NEEDED: usize = 2;

/// How long one operator alone may hold another one's grants, milliseconds: a day to find the root.
pub const OPERATOR_HOLD_MS: u64 = 24 * 60 * 60 * 1000;

/// Bytes of a case file: ten thousand statements with the logs of their trees, and small enough to
/// be read into memory on a phone.
pub const CASE_BYTES_MAX: usize = 64 << 20;

/// Statements of a case file: bounds the work of judging one below its byte limit.
pub const CASE_STATEMENTS_MAX: usize = 1 << 18;

/// Subjects, and holds of one subject, that are asked one by one about a chain: below it that costs
/// less than to look up everything that the chain carries.
pub const HOLDS_ASKED_MAX: usize = 8;
