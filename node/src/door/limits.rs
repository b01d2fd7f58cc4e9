//! Every bound of the doors, with its reason.

/// Longest request line without its end, in bytes: four of the largest statements, as text.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Longest answer line without its end, in bytes: a case of some thousand receipts, as text.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Visits that may be open at one door.
pub const VISITS_MAX: usize = 64;

/// Time for the first request of a visit, in milliseconds: nobody keeps a seat by saying nothing.
pub const FIRST_REQUEST_MS_MAX: u64 = 5_000;

/// Time for each later request, in milliseconds: long enough to type a passphrase in between.
pub const NEXT_REQUEST_MS_MAX: u64 = 120_000;

/// Time for the caller to take an answer, in milliseconds.
pub const ANSWER_MS_MAX: u64 = 10_000;

/// Parents read above a caller; a deeper tree is refused, not cut.
pub const ANCESTRY_DEPTH_MAX: usize = 1024;

/// How often parents are read twice until both readings agree, while processes come and go.
pub(super) const ANCESTRY_READINGS_MAX: usize = 8;

/// Bytes read from a socket at a time.
pub(super) const CHUNK_BYTES: usize = 8 * 1024;
