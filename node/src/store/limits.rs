//! Every bound of the store, with its reason.

/// Longest path of a Unix socket with its closing zero byte, in bytes: `sun_path` on Linux.
pub const SOCKET_PATH_BYTES_MAX: usize = 108;

/// Longest file name of a socket that the node puts into its state directory.
pub(super) const SOCKET_NAME_LONGEST: &str = "operator.sock";

/// Largest statement, in bytes: the largest that a peer may send.
pub const STATEMENT_BYTES_MAX: usize = 64 * 1024;

/// Largest body kept by its hash, in bytes: a policy of 10,000 rules fits four times.
pub const BLOB_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest encoded audit row, in bytes: a decision of 21 texts (five, and 16 names of arguments) of
/// 240 letters at four bytes is 20,223 bytes, its chain of 32 links with the longest names 4,194,
/// its rules, programs and the rest below 3,000; a row that is kept and cannot be read again would
/// break the chain for ever.
pub const AUDIT_ROW_BYTES_MAX: usize = 32 * 1024;

/// What stands in an audit row around its texts and its event, at most, in bytes: nine keys, three
/// hashes and numbers of the longest form, and the heads of three texts.
pub(super) const AUDIT_ROW_AROUND_BYTES: usize = 160;

/// Longest kind and longest rule name in an audit row, in bytes.
pub const AUDIT_TEXT_BYTES_MAX: usize = 256;

/// Audit rows handed over at start, newest last: enough to link on and to show.
pub const AUDIT_TAIL_ROWS: usize = 64;

/// Most audit rows in one answer, so that a reader cannot hold up the writer.
pub const AUDIT_READ_ROWS_MAX: usize = 4096;

/// Longest key of a meta record, in bytes.
pub const META_KEY_BYTES_MAX: usize = 128;

/// Largest value of a meta record, in bytes.
pub const META_VALUE_BYTES_MAX: usize = 64 * 1024;

/// Most records in one submission: one commit must not starve the next caller.
pub const SUBMIT_RECORDS_MAX: usize = 1024;

/// Submissions that may wait for the writer.
pub const QUEUE_SUBMITS_MAX: usize = 4096;

/// Bytes that may wait for the writer.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Part of the queue, in submissions, that ordinary ones leave free for reserved ones.
pub const QUEUE_SUBMITS_RESERVED: usize = 1024;

/// Part of the queue, in bytes, that ordinary ones leave free for reserved ones.
pub const QUEUE_BYTES_RESERVED: usize = 8 * 1024 * 1024;

/// Most submissions in one commit: bounds what one failed commit takes along.
pub const GROUP_SUBMITS_MAX: usize = 1024;

/// Bytes after which a group is closed: bounds the memory and time of one commit.
pub const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Size of the database file above which ordinary records are refused, in bytes.
pub const STORE_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// Page cache of the database, in bytes: an idle node is meant to fit in 25 MB.
pub(super) const STORE_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Size of the reserved journal, in bytes: about 900 urgent statements of 1 KiB.
pub const RESERVE_BYTES: u64 = 1024 * 1024;

/// Time given to a lock that is about to be named or let go, in milliseconds.
pub(super) const LOCK_WAIT_MS: u64 = 500;
