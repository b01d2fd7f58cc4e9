//! The kernel's keyring of a user: a secret that outlives a logout, never a reboot.
//!
//! It is kept under the user's persistent keyring (keyutils, `persistent-keyring(7)`), which the
//! kernel empties some days after the last use and at a reboot. Refused here: a kernel without a
//! persistent keyring, since what lies in a session's keyring alone is gone at the logout.

use keyring_core::Error;
use keyring_core::api::CredentialApi;
use linux_keyutils_keyring_store::Cred;
use std::fmt;
use zeroize::Zeroizing;

/// Why the keyring did not do it.
#[derive(Debug)]
pub enum KeyringError {
    /// This system has none, or closes it to this process.
    Absent {
        /// The system's answer.
        why: String,
    },
    /// There is one, and it holds nothing of that name.
    Missing,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { why } => write!(f, "the kernel keyring cannot be used here: {why}"),
            Self::Missing => f.write_str("the kernel keyring holds no such secret"),
        }
    }
}

impl std::error::Error for KeyringError {}

/// Keeps a secret under a name, in place of what was kept under it.
pub(crate) fn keep_secret(name: &str, secret: &[u8]) -> Result<(), KeyringError> {
    entry(name)?.set_secret(secret).map_err(refused)
}

/// The secret kept under a name; looking at it puts its end off again.
pub(crate) fn kept_secret(name: &str) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    entry(name)?.get_secret().map(Zeroizing::new).map_err(refused)
}

/// Forgets what is kept under a name.
pub(crate) fn forget_secret(name: &str) -> Result<(), KeyringError> {
    entry(name)?.delete_credential().map_err(refused)
}

fn entry(name: &str) -> Result<Cred, KeyringError> {
    let delimiters = [const { String::new() }; 3];
    let look = || Cred::build_from_specifiers(Some(name), &delimiters, false, "", "");
    // Where no login gave this process a session keyring, the first look leaves it with one of its
    // own that leads to the persistent one; only what lies in such a keyring may it read again.
    look().map_err(refused)?;
    let found = look().map_err(refused)?;
    match found.persistent {
        Some(_) => Ok(found),
        None => Err(KeyringError::Absent { why: "it keeps nothing beyond a logout".into() }),
    }
}

fn refused(error: Error) -> KeyringError {
    match error {
        Error::NoEntry => KeyringError::Missing,
        other => KeyringError::Absent { why: root_cause(&other) },
    }
}

/// The kernel's own word, without what libraries put around it.
fn root_cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
