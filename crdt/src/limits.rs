//! Every bound of this room, with its reason.
//!
//! A bound that is checked anywhere in `crdt` stands here and nowhere else.

/// Wide orders of one key in one epoch that count without a second operator: more than an honest
/// operator gives by hand between two epochs, few enough that a stolen key cannot stop a fleet.
pub const WIDE_ORDERS_PER_EPOCH_MAX: u64 = 32;

/// Statements that list the pins of one epoch: 96 of 62 KiB name 50,000 logs of devices or 33,000
/// of trees of tasks, 5,000 devices with ten logs each; and as text the whole draft still fits an
/// answer at the operator's door, 16 MiB.
pub const EPOCH_PARTS_MAX: usize = 96;

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

/// Operations of one change of a draft: every character of the largest change twice, and the room
/// that a run-length column gets to claim.
pub const DRAFT_OPS_MAX: u64 = 1 << 17;

/// The end of operation numbers: Automerge counts in 32 bits and checks only a change's first, so
/// nobody comes near it (protocol notes, section 3, fault 2).
pub const DRAFT_OP_NUMBER_END: u64 = 1 << 31;

/// Changes that one change may come after: each author's changes are one chain, so a draft has at
/// most as many heads as it has authors.
pub const DRAFT_DEPS_MAX: usize = 64;

/// Other authors that one change may name.
pub const DRAFT_ACTORS_MAX: usize = 64;

/// Columns of one change: the format has fourteen.
pub const DRAFT_COLUMNS_MAX: usize = 32;

/// Bytes of what an author says about his change: a paragraph.
pub const DRAFT_MESSAGE_BYTES_MAX: usize = 1024;

/// Bytes of one name inside a change: a file of a policy folder.
pub const DRAFT_STRING_BYTES_MAX: usize = 256;

/// Changes of one author in one draft; the next one begins a new draft. With sixteen operators
/// at their bound a draft still opens in about a second.
pub const DRAFT_CHANGES_PER_AUTHOR_MAX: u64 = 1024;

/// Operations of one author in one draft: a policy of the largest size, written four times over.
pub const DRAFT_OPS_PER_AUTHOR_MAX: u64 = 1 << 18;

/// Bytes of a policy folder's files in a draft, together.
pub const DRAFT_TEXT_BYTES_MAX: usize = 256 * 1024;

/// Files of a draft.
pub const DRAFT_FILES_MAX: usize = 64;

/// Cells of the table that compares two texts of a draft: two of two thousand lines, 16 MiB. Above
/// it what differs counts as one piece.
pub const DRAFT_COMPARED_CELLS_MAX: usize = 1 << 22;
