//! Every bound of this room, with its reason.
//!
//! A bound that is checked anywhere in `identity` stands here and nowhere else.

/// Bytes of a statement that may travel in the urgent lane: it must fit one datagram-sized write
/// with its frame, so that an order never waits for the tail of another.
pub const URGENT_STATEMENT_BYTES_MAX: usize = 1024;

/// Bytes of any other statement; larger bodies travel by content hash.
pub const STATEMENT_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a policy body: a whole fleet's rules in text, and small enough for a phone to hold two.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one change of a draft: with its envelope it fits a statement, and a frame of repair.
pub const DRAFT_CHANGE_BYTES_MAX: usize = 44 * 1024;

/// Characters of a kind's name: unknown kinds reach screens, so they are short and plain.
pub const KIND_CHARS_MAX: usize = 32;

/// Nesting of any CBOR item: our deepest type needs six; sixteen leaves room and bounds recursion.
pub const NESTING_MAX: usize = 16;

/// Items of one CBOR item in all: a case file of 2^18 statements and its head. One byte on the wire
/// is 32 bytes and more in memory, so a bound on bytes alone would let a small file fill a phone.
pub const ITEMS_MAX: usize = (1 << 18) + 64;

/// Items of any list in a body: bounds work per statement below its byte limit.
pub const LIST_ITEMS_MAX: usize = 4096;

/// Characters of one name in an id: fits a table column and a file name.
pub const NAME_CHARS_MAX: usize = 64;

/// Characters of a trust domain: the longest DNS name.
pub const TRUST_DOMAIN_CHARS_MAX: usize = 253;

/// Terms of one hold: agent, project and device together name anything an operator means.
pub const TERMS_MAX: usize = 3;

/// Bytes of a reason or other free text in an urgent statement: leaves room for ids and signature.
pub const REASON_BYTES_MAX: usize = 256;

/// References of one statement: a restore lists every standing revoke, an epoch re-affirms by body.
pub const REFS_MAX: usize = 64;

/// Links of one delegation chain: the depth to which denial is measured to be flat.
pub const CHAIN_LINKS_MAX: usize = 32;

/// Bytes of a result's tail in a receipt: enough for a last error message.
pub const RESULT_TAIL_BYTES_MAX: usize = 4096;

/// Arguments of one offered command, and bytes of all of them: a command line, not a payload.
pub const ARGV_ITEMS_MAX: usize = 256;

/// Bytes of all arguments of one offered command.
pub const ARGV_BYTES_MAX: usize = 16 * 1024;

/// Files of one manifest: every system and processor that anybody builds for, with room.
pub const BUILDS_MAX: usize = 32;

/// Tools and rings of one manifest, each: a list that a person reads before he signs.
pub const MANIFEST_ITEMS_MAX: usize = 64;

/// Characters of one word of a manifest: fits a table column.
pub const MANIFEST_TEXT_CHARS_MAX: usize = 64;

/// The longest stop grace that a manifest may ask for, milliseconds: longer than any program needs
/// to put a file down, and short beside every lease.
pub const MANIFEST_STOP_GRACE_MS_MAX: u64 = 10_000;
