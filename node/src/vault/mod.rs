//! The vault: keys sealed on disk, never bare.
//!
//! Three seeds live in `STATE/keys`: the device's, an operator's and the root's, each an age file
//! sealed by a passphrase or to an unlock file. `keys` seals and opens them, `rotation` lets one
//! take another's place, `unlock` finds what opens them, `kept` has the kernel keyring open the
//! device's too; `ssh_agent` signs by a key that never comes here.
//!
//! From the most durable to the most fleeting, a device key opens by a passphrase that somebody
//! types; by an unlock file, named or handed over by a service manager as `LoadCredential=belay:F`
//! (which `systemd-creds encrypt --with-key=tpm2` may seal to a TPM); by the kernel keyring, which
//! a reboot empties, and which therefore never is a key's only opener. An operator's or root key
//! opens by the first two alone, for one command. A device whose opener is lost joins again.
//!
//! Refused here: keeping a seed longer than its caller does, printing one, and putting another in
//! the place of one that was not set aside.

mod error;
mod held;
mod kept;
mod keys;
mod limits;
mod rotation;
mod ssh_agent;
#[cfg(test)]
mod tests;
mod unlock;

pub use error::{OpenError, SealError, UnlockError};
pub(crate) use held::{Headers, Held, fits};
pub use kept::KeptError;
pub use keys::{KeyName, Sealed, Seed32, Vault, open_sealed};
pub use limits::{PASSPHRASE_CHARS_MIN, SEALED_BYTES_MAX, UNLOCK_FILE_BYTES_MAX};
pub use rotation::Turn;
pub use ssh_agent::{AgentError, AgentKey};
pub use unlock::{Unlock, new_unlock_file};
