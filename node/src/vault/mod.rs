//! The vault: keys sealed on disk, never bare.
//!
//! Three seeds live in `STATE/keys`: the device's, an operator's and the root's, each an age file
//! sealed by a passphrase or to an unlock file. `keys` seals and opens them, `rotation` lets one
//! take another's place, `unlock` finds what opens them, `kept` has the kernel keyring open the
//! device's too; `ssh_agent` signs by a key that never comes here.
//!
//! Refused here: keeping a seed longer than its caller does, printing one, and putting another in
//! the place of one that was not set aside.

mod error;
mod kept;
mod keys;
mod limits;
mod rotation;
mod ssh_agent;
#[cfg(test)]
mod tests;
mod unlock;

pub use error::{OpenError, SealError, UnlockError};
pub use kept::KeptError;
pub use keys::{KeyName, Sealed, Seed32, Vault, open_sealed};
pub use limits::{PASSPHRASE_CHARS_MIN, SEALED_BYTES_MAX, UNLOCK_FILE_BYTES_MAX};
pub use rotation::Turn;
pub use ssh_agent::{AgentError, AgentKey};
pub use unlock::{Unlock, new_unlock_file};
