//! What opens the servers of connectors: headers, sealed below the device's own key.
//!
//! Agents run as the same user and may read this folder: what they find there opens with the device
//! key alone, which only the node holds while it runs. A device key that was replaced opens them no
//! more; they are given anew. Refused here: telling one to anybody but the node's own requests.

use super::error::SealError;
use super::keys::{Vault, failed, read_private, sync};
use super::limits::{HELD_BYTES_MAX, HELD_WORK_LOG2};
use age::secrecy::SecretString;
use age::{Decryptor, Identity, scrypt};
use belay_identity::SecretKey;
use belay_identity::key::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Headers by name.
pub(crate) type Headers = Vec<(String, String)>;

/// What is kept for connectors.
#[derive(Clone)]
pub(crate) struct Held {
    vault: Vault,
    /// Of 256 bits, so that it needs no stretching.
    opener: SecretString,
}

impl Held {
    /// What is kept in this state, for who has the device key.
    pub(crate) fn of(state: &Path, device: &SecretKey) -> Self {
        let hash = Sha256::new().chain_update(b"belay connectors 1\0");
        let hash: Zeroizing<[u8; 32]> =
            Zeroizing::new(hash.chain_update(*device.seed()).finalize().into());
        Self { vault: Vault::at(state), opener: SecretString::from(hex(&*hash)) }
    }

    /// Keeps these for a connector in place of what was kept; on disk when this returns.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn keep(&self, connector: &str, headers: &Headers) -> Result<(), SealError> {
        let path = self.path(connector);
        let mut content = Zeroizing::new(label(connector).into_bytes());
        let written = serde_json::to_writer(&mut *content, headers).map_err(io::Error::other);
        written.map_err(failed("seal", &path))?;
        let mut recipient = scrypt::Recipient::new(self.opener.clone());
        recipient.set_work_factor(HELD_WORK_LOG2);
        let sealed = age::encrypt(&recipient, &content).map_err(io::Error::other);
        let sealed = sealed.map_err(failed("seal", &path))?;
        let mut file =
            NamedTempFile::new_in(self.vault.folder()).map_err(failed("create", &path))?;
        file.write_all(&sealed).map_err(failed("write", &path))?;
        file.as_file().sync_all().map_err(failed("sync", &path))?;
        file.persist(&path).map_err(|error| failed("replace", &path)(error.error))?;
        sync(self.vault.folder())
    }

    /// What is kept for a connector; nothing where nothing is.
    ///
    /// # Errors
    /// Why it does not open, in words.
    pub(crate) fn open(&self, connector: &str) -> Result<Headers, String> {
        let path = self.path(connector);
        if !path.exists() {
            return Ok(Headers::new());
        }
        let no = || {
            format!(
                "what opens {connector} is sealed for another key of this device; whoever answers \
                 for the device gives it anew: `belay connector approve {connector} --header-file F`"
            )
        };
        let sealed = read_private(&path).map_err(|error| error.to_string())?;
        let mut identity = scrypt::Identity::new(self.opener.clone());
        identity.set_max_work_factor(HELD_WORK_LOG2);
        let decryptor = Decryptor::new_buffered(sealed.as_slice()).map_err(|_| no())?;
        let by: &dyn Identity = &identity;
        let mut content = Zeroizing::new(Vec::with_capacity(sealed.len()));
        let mut opened = decryptor.decrypt(iter::once(by)).map_err(|_| no())?;
        opened.read_to_end(&mut content).map_err(|_| no())?;
        let content = content.strip_prefix(label(connector).as_bytes()).ok_or_else(no)?;
        serde_json::from_slice(content).map_err(|_| no())
    }

    /// Forgets what is kept for a connector.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn forget(&self, connector: &str) -> Result<(), SealError> {
        let path = self.path(connector);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove", &path)(error)),
            Ok(()) => sync(self.vault.folder()),
        }
    }

    fn path(&self, connector: &str) -> PathBuf {
        self.vault.folder().join(format!("connector-{connector}.age"))
    }
}

/// Whether so much can be kept for one connector.
pub(crate) fn fits(headers: &Headers) -> bool {
    headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>()
        <= HELD_BYTES_MAX
}

/// The name is sealed in, so that files that were swapped do not open as each other.
fn label(connector: &str) -> String {
    format!("belay.connector/1 {connector}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is kept opens for its own connector and its own device alone, in the clear
    /// nowhere, and a new one takes the place of the old.
    #[test]
    fn headers_are_kept_sealed() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("keys")).unwrap();
        let device = SecretKey::from_seed(&[1; 32]);
        let held = Held::of(state.path(), &device);
        assert_eq!(held.open("jira").unwrap(), []);
        let headers = |value: &str| vec![("Authorization".to_owned(), format!("Bearer {value}"))];
        held.keep("jira", &headers("one")).unwrap();
        held.keep("jira", &headers("two")).unwrap();
        assert_eq!(held.open("jira").unwrap(), headers("two"));
        let path = state.path().join("keys/connector-jira.age");
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(3).any(|window| window == b"two"));
        let other = Held::of(state.path(), &SecretKey::from_seed(&[2; 32]));
        assert!(other.open("jira").unwrap_err().contains("give"), "another device");
        fs::copy(&path, state.path().join("keys/connector-mail.age")).unwrap();
        assert!(held.open("mail").is_err(), "another connector");
        held.forget("jira").unwrap();
        held.forget("jira").unwrap();
        assert_eq!(held.open("jira").unwrap(), []);
    }

    /// Goal: as much as fits can be opened again.
    #[test]
    fn the_most_that_fits_opens() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("keys")).unwrap();
        let held = Held::of(state.path(), &SecretKey::from_seed(&[1; 32]));
        let headers = vec![("X-Key".to_owned(), "x".repeat(HELD_BYTES_MAX - 13))];
        assert!(fits(&headers));
        held.keep("a", &headers).unwrap();
        assert_eq!(held.open("a").unwrap(), headers);
    }
}
