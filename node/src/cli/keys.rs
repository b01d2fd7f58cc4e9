//! The words of keys at rest: how `up` opens this device's key, and where an operator's key lies.

use super::Unlocking;
use clap::{Args, ValueEnum};
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// By what `up` opens or seals this device's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnlockBy {
    /// A passphrase, typed at the terminal.
    Typed,
    /// The service manager's credential: `$CREDENTIALS_DIRECTORY/belay`, an unlock file.
    Credential,
    /// The kernel keyring, once `belay key keep` has kept it there; it forgets at a reboot.
    Keyring,
    /// A TPM: not built in; the refusal names another way to one.
    Tpm,
}

/// `belay up`: how sealed keys are opened.
#[derive(Args)]
pub(crate) struct Opening {
    /// By what alone the device key is opened, or sealed where it is made. Unless given, the first
    /// there is of: --unlock-file, the credential, the kernel keyring, a typed passphrase.
    #[arg(long = "unlock", value_name = "WAY", value_enum, conflicts_with = "unlock_file")]
    pub(crate) by: Option<UnlockBy>,
    #[command(flatten)]
    pub(crate) unlock: Unlocking,
}

/// Where the key lies that signs a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// In a sealed file.
    File(PathBuf),
    /// In the user's ssh-agent, under this comment, in this .pub file, or with these 64 digits.
    Agent(String),
}

impl FromStr for KeySource {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(match word.strip_prefix("ssh-agent:") {
            Some(key) => Self::Agent(key.to_owned()),
            None if word == "ssh-agent" => Self::Agent(String::new()),
            None => Self::File(PathBuf::from(word)),
        })
    }
}
