//! Every bound of the vault, with its reason.

/// Largest sealed key file, in bytes: a header of one recipient and 60 bytes of content.
pub const SEALED_BYTES_MAX: u64 = 4096;

/// Largest unlock file, in bytes: one identity and some lines of comment.
pub const UNLOCK_FILE_BYTES_MAX: u64 = 16 * 1024;

/// Shortest passphrase for a new key, in characters: the shortest that NIST SP 800-63B allows.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

/// Work to turn a passphrase into a key, as a power of two: 128 MiB and about half a second, what
/// OWASP advises for scrypt, and still possible on a small gateway.
pub(super) const SCRYPT_WORK_LOG2: u8 = 17;

/// Most work that a key file may ask for, as a power of two: a planted file must not eat 1 GiB.
pub(super) const SCRYPT_WORK_LOG2_MAX: u8 = 19;
