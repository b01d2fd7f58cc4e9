//! Every bound of the vault, with its reason.

use std::time::Duration;

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

/// Longest answer of an ssh-agent, in bytes: hundreds of keys fit, and OpenSSH refuses longer ones.
pub(super) const AGENT_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// An agent lists its keys within this; it asks nobody for that.
pub(super) const AGENT_LIST_TIME_MAX: Duration = Duration::from_secs(5);

/// An agent signs within this; it may ask its user to confirm first.
pub(super) const AGENT_SIGN_TIME_MAX: Duration = Duration::from_secs(60);

/// Headers of one connector as they are kept, in bytes: a token of 2 KiB and its name; sealed they
/// stay below [`SEALED_BYTES_MAX`].
pub(super) const HELD_BYTES_MAX: usize = 3072;

/// Work to open them, as a power of two: what opens them is a key of 256 bits.
pub(super) const HELD_WORK_LOG2: u8 = 1;
