//! What opens sealed keys: a passphrase typed by a person, or an unlock file.
//!
//! An unlock file is an ordinary age identity (X25519), so opening costs no scrypt; it may come
//! from `--unlock-file` or, under a service manager, as `$CREDENTIALS_DIRECTORY/belay`. Nothing
//! here prints what it holds, and an unlock file that others can read is refused; so is a
//! credential that is empty, no plain file, or of another user than this one and root.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use zeroize::Zeroizing;

use super::error::UnlockError;
use super::limits::{PASSPHRASE_CHARS_MIN, UNLOCK_FILE_BYTES_MAX};

/// A passphrase or an unlock file, held in memory until dropped.
pub struct Unlock(pub(super) Way);

pub(super) enum Way {
    Passphrase(SecretString),
    File(x25519::Identity),
}

impl Unlock {
    /// Takes the file given, else the service manager's, else asks at the terminal with `prompt`.
    ///
    /// Without a terminal and without a file the caller can only be told both ways out.
    pub fn from_choice(unlock_file: Option<&Path>, prompt: &str) -> Result<Self, UnlockError> {
        match Self::from_files(unlock_file)? {
            Some(unlock) => Ok(unlock),
            None => Self::from_typed(prompt),
        }
    }

    /// Asks at the terminal.
    pub fn from_typed(prompt: &str) -> Result<Self, UnlockError> {
        ask(prompt).map(|typed| Self(Way::Passphrase(typed)))
    }

    /// The same for keys about to be made: a passphrase is asked for twice and must not be short.
    pub fn for_new_keys(unlock_file: Option<&Path>, prompt: &str) -> Result<Self, UnlockError> {
        match Self::from_files(unlock_file)? {
            Some(unlock) => Ok(unlock),
            None => Self::for_new_passphrase(prompt),
        }
    }

    /// A passphrase for keys about to be made: asked for twice, and not short.
    pub fn for_new_passphrase(prompt: &str) -> Result<Self, UnlockError> {
        let typed = ask(prompt)?;
        if typed.expose_secret().chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(UnlockError::TooShort);
        }
        if ask("Again: ")?.expose_secret() != typed.expose_secret() {
            return Err(UnlockError::Mismatch);
        }
        Ok(Self(Way::Passphrase(typed)))
    }

    /// A passphrase that a person has typed already.
    pub fn from_passphrase(typed: String) -> Self {
        Self(Way::Passphrase(SecretString::from(typed)))
    }

    /// Reads an unlock file that only its owner may read.
    pub fn from_file(path: &Path) -> Result<Self, UnlockError> {
        read(path, 0o077)
    }

    /// Reads the credential that the service manager hands over.
    pub fn from_credential() -> Result<Self, UnlockError> {
        let path = credential().ok_or(UnlockError::NoCredential { path: None })?;
        match read_credential(&path) {
            Err(UnlockError::Missing { path }) => {
                Err(UnlockError::NoCredential { path: Some(path) })
            }
            read => read,
        }
    }

    /// The file given, else the service manager's credential if it hands one over.
    pub fn from_files(given: Option<&Path>) -> Result<Option<Self>, UnlockError> {
        if let Some(path) = given {
            return Self::from_file(path).map(Some);
        }
        let Some(path) = credential() else { return Ok(None) };
        match read_credential(&path) {
            Err(UnlockError::Missing { .. }) => Ok(None),
            read => read.map(Some),
        }
    }
}

fn credential() -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    (!folder.is_empty()).then(|| PathBuf::from(folder).join("belay"))
}

fn read_credential(path: &Path) -> Result<Unlock, UnlockError> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(UnlockError::Missing { path: path.into() });
        }
        looked => looked.map_err(failed("look at", path))?,
    };
    let path_buf = || path.to_path_buf();
    if !meta.is_file() {
        return Err(UnlockError::NotAFile { path: path_buf() });
    }
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != own && meta.uid() != 0 {
        return Err(UnlockError::OtherOwner { path: path_buf(), uid: meta.uid() });
    }
    if meta.len() == 0 {
        return Err(UnlockError::Empty { path: path_buf() });
    }
    // A service manager may open the file to its service by an access list, which shows as group
    // bits; the folder itself is closed to everybody else.
    read(path, 0o007)
}

/// Writes a fresh unlock file that only its owner may read; replaces nothing.
pub fn new_unlock_file(path: &Path) -> Result<(), UnlockError> {
    let identity = x25519::Identity::generate();
    let mut options = OpenOptions::new();
    let mut file = match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(UnlockError::Exists { path: path.into() });
        }
        opened => opened.map_err(failed("create", path))?,
    };
    let text = Zeroizing::new(format!(
        "# Opens the sealed keys of a Belay node. Keep it private.\n{}\n",
        identity.to_string().expose_secret()
    ));
    file.write_all(text.as_bytes()).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

fn read(path: &Path, forbidden: u32) -> Result<Unlock, UnlockError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(UnlockError::Missing { path: path.into() });
        }
        opened => opened.map_err(failed("open", path))?,
    };
    let mode = file.metadata().map_err(failed("look at", path))?.mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(UnlockError::LooseMode { path: path.into(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(UNLOCK_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed("read", path))?;
    let identity =
        only_identity(&text).ok_or(UnlockError::NotAnUnlockFile { path: path.into() })?;
    Ok(Unlock(Way::File(identity)))
}

fn only_identity(text: &str) -> Option<x25519::Identity> {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identity = lines.next()?.parse().ok()?;
    lines.next().is_none().then_some(identity)
}

fn ask(prompt: &str) -> Result<SecretString, UnlockError> {
    // The terminal is opened apart from the standard streams, as they may be pipes.
    if File::open("/dev/tty").is_err() {
        return Err(UnlockError::NoTerminal);
    }
    let typed = rpassword::prompt_password(prompt);
    let doing = || "read the passphrase from the terminal".to_owned();
    typed.map(SecretString::from).map_err(|source| UnlockError::Io { doing: doing(), source })
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnlockError + use<> {
    let doing = format!("{doing} {}", path.display());
    move |source| UnlockError::Io { doing, source }
}
