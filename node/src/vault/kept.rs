//! A second sealed copy of the device key, whose opener lies in the kernel keyring, so that `up`
//! asks nobody after a logout.
//!
//! `keys/device.kept.age` is sealed to an identity drawn for it alone. The keyring holds that
//! identity under the hash of both sealed files, so a device key that was sealed anew or replaced
//! is never opened by an old copy. `keys/device.age` stays as it is: when the keyring forgets, at a
//! reboot or some days after its last use, what was typed or handed in before opens the key again.
//!
//! Refused here: operators' and root keys. What the keyring holds, any program of this user can
//! use; it may start a node, it may not speak for a person.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use age::secrecy::ExposeSecret;
use age::x25519;
use belay_identity::key::hex;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::error::{OpenError, SealError};
use super::keys::{KeyName, Seed32, Vault, content, failed, open_sealed, read_private, seal, sync};
use super::unlock::{Unlock, Way};
use crate::os::{self, KeyringError};

/// Why the copy was not made, opened or taken away.
#[derive(Debug)]
pub enum KeptError {
    /// No copy was made, or it was taken away.
    NotKept,
    /// The keyring cannot be used.
    Keyring(KeyringError),
    /// There is a copy, and the keyring has nothing that opens it.
    Forgotten,
    /// The sealed device key does not open.
    Open(OpenError),
    /// The copy was not written or removed.
    Seal(SealError),
}

impl KeptError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NotKept => "keep it there first: `belay key keep`".into(),
            Self::Keyring(_) => {
                "go on with the passphrase, with --unlock-file FILE, or with a credential of the \
                 service manager; nothing was kept in any other place"
                    .into()
            }
            Self::Forgotten => {
                "open it as before (passphrase or --unlock-file), then `belay key keep` again"
                    .into()
            }
            Self::Open(error) => error.hint(),
            Self::Seal(error) => error.hint(),
        }
    }
}

impl fmt::Display for KeptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKept => f.write_str("the device key is not kept in the kernel keyring"),
            Self::Keyring(error) => error.fmt(f),
            Self::Forgotten => f.write_str(
                "the kernel keyring holds nothing that opens the device key: this device was \
                 started anew, some days passed, or the key was sealed anew",
            ),
            Self::Open(error) => error.fmt(f),
            Self::Seal(error) => error.fmt(f),
        }
    }
}

impl error::Error for KeptError {}

impl Vault {
    /// Opens the device key by what the keyring holds.
    pub fn open_kept(&self) -> Result<Seed32, KeptError> {
        let path = self.kept_path();
        let secret = os::kept_secret(&self.entry_name(&self.read_kept()?)?).map_err(missing)?;
        let identity = std::str::from_utf8(&secret).ok().and_then(|text| text.parse().ok());
        let unlock = Unlock(Way::File(identity.ok_or(KeptError::Forgotten)?));
        open_sealed(path, KeyName::Device, &unlock).map_err(KeptError::Open)
    }

    /// Makes the copy and hands what opens it to the keyring; seen to open when this returns.
    pub fn keep(&self, seed: &Seed32) -> Result<(), KeptError> {
        self.forget_kept()?;
        let path = self.kept_path();
        let identity = x25519::Identity::generate();
        let secret = identity.to_string();
        let unlock = Unlock(Way::File(identity));
        let copy = seal(&content(KeyName::Device, seed), &unlock).map_err(write(&path, "seal"))?;
        let name = self.entry_name(&copy)?;
        os::keep_secret(&name, secret.expose_secret().as_bytes()).map_err(KeptError::Keyring)?;
        let mut file = NamedTempFile::new_in(self.folder()).map_err(write(&path, "create"))?;
        file.write_all(&copy).map_err(write(&path, "write"))?;
        file.as_file().sync_all().map_err(write(&path, "sync"))?;
        file.persist(&path).map_err(|error| write(&path, "name")(error.error))?;
        sync(self.folder()).map_err(KeptError::Seal)?;
        self.open_kept().map(drop).inspect_err(|_| drop(self.forget_kept()))
    }

    /// Takes the copy away, and what opened it; nothing is done where there is none.
    pub fn forget_kept(&self) -> Result<(), KeptError> {
        let copy = match self.read_kept() {
            Err(KeptError::NotKept) => return Ok(()),
            copy => copy,
        };
        let path = self.kept_path();
        fs::remove_file(&path).map_err(write(&path, "remove"))?;
        sync(self.folder()).map_err(KeptError::Seal)?;
        // Without its copy the secret opens nothing, wherever the keyring still holds it.
        match copy.and_then(|copy| self.entry_name(&copy)).map(|name| os::forget_secret(&name)) {
            Ok(Ok(()) | Err(KeyringError::Missing | KeyringError::Absent { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// True when there is a copy, whether or not the keyring still opens it.
    pub fn is_kept(&self) -> bool {
        self.kept_path().exists()
    }

    fn kept_path(&self) -> PathBuf {
        self.path(KeyName::Device).with_extension("kept.age")
    }

    fn read_kept(&self) -> Result<Vec<u8>, KeptError> {
        match read_private(&self.kept_path()) {
            Err(OpenError::Missing { .. }) => Err(KeptError::NotKept),
            read => read.map_err(KeptError::Open),
        }
    }

    /// Under which name the keyring holds what opens this copy of the key as it is sealed now.
    fn entry_name(&self, copy: &[u8]) -> Result<String, KeptError> {
        let sealed = read_private(&self.path(KeyName::Device)).map_err(KeptError::Open)?;
        let hash = Sha256::new().chain_update(sealed).chain_update(copy).finalize();
        Ok(format!("belay:device:{}", hex(&hash)))
    }
}

fn missing(error: KeyringError) -> KeptError {
    match error {
        KeyringError::Missing => KeptError::Forgotten,
        KeyringError::Absent { .. } => KeptError::Keyring(error),
    }
}

fn write(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> KeptError + use<> {
    let failed = failed(doing, path);
    move |source| KeptError::Seal(failed(source))
}
