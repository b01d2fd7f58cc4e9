//! Sealing and opening the three seeds of a state directory.
//!
//! A sealed file appears whole or not at all, and is replaced only by one that opens the same. The
//! key's name is sealed in with the seed, so files that were swapped do not open as each other.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::iter;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use age::{DecryptError, Decryptor, EncryptError, Identity, scrypt};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::error::{OpenError, SealError};
use super::limits::{SCRYPT_WORK_LOG2, SCRYPT_WORK_LOG2_MAX, SEALED_BYTES_MAX};
use super::unlock::{Unlock, Way};

/// The folder of sealed keys in a state directory.
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
}

impl Vault {
    /// The vault of this state directory; touches nothing.
    pub fn at(state: &Path) -> Self {
        Self { folder: state.join("keys") }
    }

    /// Seals a seed under a name that is not taken yet; on disk when this returns.
    pub fn seal(&self, name: KeyName, seed: &Seed32, unlock: &Unlock) -> Result<(), SealError> {
        self.seal_at(self.path(name), name, seed, unlock)
    }

    /// The same under another file's name.
    pub(super) fn seal_at(
        &self,
        path: PathBuf,
        name: KeyName,
        seed: &Seed32,
        unlock: &Unlock,
    ) -> Result<(), SealError> {
        self.make_folder()?;
        if path.exists() {
            return Err(SealError::Exists { path });
        }
        let sealed = seal(&content(name, seed), unlock).map_err(failed("seal", &path))?;
        let mut file = NamedTempFile::new_in(&self.folder).map_err(failed("create", &path))?;
        file.write_all(&sealed).map_err(failed("write", &path))?;
        file.as_file().sync_all().map_err(failed("sync", &path))?;
        file.persist_noclobber(&path).map_err(|error| taken_or_failed(error.error, &path))?;
        sync(&self.folder)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Seals a seed in place of what is sealed under its name. The new file is whole, on disk and
    /// seen to open before it takes the place of the old one, so at every moment one of the two
    /// ways opens the key; on disk when this returns.
    pub fn reseal(&self, name: KeyName, seed: &Seed32, unlock: &Unlock) -> Result<(), SealError> {
        let path = self.path(name);
        let sealed = seal(&content(name, seed), unlock).map_err(failed("seal", &path))?;
        let mut file = NamedTempFile::new_in(&self.folder).map_err(failed("create", &path))?;
        file.write_all(&sealed).map_err(failed("write", &path))?;
        file.as_file().sync_all().map_err(failed("sync", &path))?;
        let opened = open_sealed(file.path().to_owned(), name, unlock);
        let same = opened.is_ok_and(|opened| opened.as_bytes() == seed.as_bytes());
        if !same {
            let why = io::Error::other("what was written does not open; the old file stays");
            return Err(failed("check", &path)(why));
        }
        file.persist(&path).map_err(|error| failed("replace", &path)(error.error))?;
        sync(&self.folder)
    }

    /// Opens the seed of that name.
    pub fn open(&self, name: KeyName, unlock: &Unlock) -> Result<Seed32, OpenError> {
        open_sealed(self.path(name), name, unlock)
    }

    /// True when a key of that name was sealed here.
    pub fn has(&self, name: KeyName) -> bool {
        self.path(name).exists()
    }

    /// The file of that key.
    pub fn path(&self, name: KeyName) -> PathBuf {
        self.folder.join(format!("{}.age", name.as_str()))
    }

    fn make_folder(&self) -> Result<(), SealError> {
        let path = &self.folder;
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => sync(path.parent().unwrap_or(path))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("create", path)(error)),
        }
        let mode = fs::metadata(path).map_err(failed("look at", path))?.mode() & 0o777;
        match mode & 0o077 {
            0 => Ok(()),
            _ => Err(SealError::LooseMode { path: path.clone(), mode }),
        }
    }
}

/// Opens a sealed file wherever it lies, as the key of that name.
pub fn open_sealed(path: PathBuf, name: KeyName, unlock: &Unlock) -> Result<Seed32, OpenError> {
    let sealed = read_private(&path)?;
    let decryptor = Decryptor::new_buffered(sealed.as_slice())
        .map_err(|_| OpenError::Tampered { path: path.clone() })?;
    let content = match (&unlock.0, decryptor.is_scrypt()) {
        (Way::Passphrase(_), false) => return Err(OpenError::NeedsUnlockFile { path }),
        (Way::File(_), true) => return Err(OpenError::NeedsPassphrase { path }),
        (Way::Passphrase(typed), true) => {
            let mut identity = scrypt::Identity::new(typed.clone());
            identity.set_max_work_factor(SCRYPT_WORK_LOG2_MAX);
            open(decryptor, &identity)
        }
        (Way::File(identity), false) => open(decryptor, identity),
    };
    let content = content.map_err(|error| wrong(error, unlock, &path))?;
    split(name, &content).ok_or(OpenError::OtherKey { path })
}

/// How a key lies on disk, as its file's header says; nothing is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// By a passphrase.
    Passphrase,
    /// To an unlock file, wherever that is handed over from.
    UnlockFile,
}

/// How the sealed file there is sealed.
pub(super) fn sealed_by(path: &Path) -> Result<Sealed, OpenError> {
    let sealed = read_private(path)?;
    let header = Decryptor::new_buffered(sealed.as_slice());
    let header = header.map_err(|_| OpenError::Tampered { path: path.into() })?;
    Ok(if header.is_scrypt() { Sealed::Passphrase } else { Sealed::UnlockFile })
}

/// Which of a node's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyName {
    /// The device's own key, which the node holds while it runs.
    Device,
    /// An operator's key, opened for one act.
    Operator,
    /// A root key, opened for one act.
    Root,
}

impl KeyName {
    /// Every key there can be.
    pub const ALL: [Self; 3] = [Self::Device, Self::Operator, Self::Root];

    /// The file's name without its ending.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Operator => "operator",
            Self::Root => "root",
        }
    }
}

/// The 32 secret bytes of a key; wiped when dropped, never printed.
pub struct Seed32(Zeroizing<[u8; 32]>);

impl Seed32 {
    /// Takes the bytes over.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes; whoever copies them has to wipe the copy.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

pub(super) fn content(name: KeyName, seed: &Seed32) -> Zeroizing<Vec<u8>> {
    let label = label(name);
    let mut content = Zeroizing::new(Vec::with_capacity(label.len() + 32));
    content.extend_from_slice(label.as_bytes());
    content.extend_from_slice(seed.as_bytes());
    content
}

fn split(name: KeyName, content: &[u8]) -> Option<Seed32> {
    let seed = content.strip_prefix(label(name).as_bytes())?;
    let mut copy = Zeroizing::new([0; 32]);
    (seed.len() == copy.len()).then(|| {
        copy.copy_from_slice(seed);
        Seed32(copy)
    })
}

fn label(name: KeyName) -> String {
    format!("belay.key/1 {}\n", name.as_str())
}

pub(super) fn seal(content: &[u8], unlock: &Unlock) -> io::Result<Vec<u8>> {
    let sealed = match &unlock.0 {
        Way::Passphrase(typed) => {
            let mut recipient = scrypt::Recipient::new(typed.clone());
            recipient.set_work_factor(SCRYPT_WORK_LOG2);
            age::encrypt(&recipient, content)
        }
        Way::File(identity) => age::encrypt(&identity.to_public(), content),
    };
    sealed.map_err(|error| {
        if let EncryptError::Io(error) = error { error } else { io::Error::other(error) }
    })
}

fn open(
    decryptor: Decryptor<&[u8]>,
    by: &dyn Identity,
) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    // Room for everything that a sealed file can hold, so that no unwiped copy is left by growing.
    let mut content = Zeroizing::new(Vec::with_capacity(SEALED_BYTES_MAX as usize));
    decryptor.decrypt(iter::once(by))?.read_to_end(&mut content)?;
    Ok(content)
}

fn wrong(error: DecryptError, unlock: &Unlock, path: &Path) -> OpenError {
    let path = path.to_path_buf();
    // What is sealed behind the key fails as a read error; these mean that the key did not fit.
    let not_ours = matches!(
        error,
        DecryptError::DecryptionFailed
            | DecryptError::KeyDecryptionFailed
            | DecryptError::NoMatchingKeys
    );
    match &unlock.0 {
        Way::Passphrase(_) if not_ours => OpenError::WrongPassphrase { path },
        Way::File(_) if not_ours => OpenError::WrongUnlockFile { path },
        Way::Passphrase(_) | Way::File(_) => OpenError::Tampered { path },
    }
}

pub(super) fn read_private(path: &Path) -> Result<Vec<u8>, OpenError> {
    let io = |source| OpenError::Io { path: path.into(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Missing { path: path.into() });
        }
        opened => opened.map_err(io)?,
    };
    let mode = file.metadata().map_err(io)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(OpenError::LooseMode { path: path.into(), mode });
    }
    let mut sealed = Vec::new();
    file.take(SEALED_BYTES_MAX + 1).read_to_end(&mut sealed).map_err(io)?;
    if sealed.len() as u64 > SEALED_BYTES_MAX {
        return Err(OpenError::Tampered { path: path.into() });
    }
    Ok(sealed)
}

pub(super) fn sync(folder: &Path) -> Result<(), SealError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed("sync", folder))
}

fn taken_or_failed(error: io::Error, path: &Path) -> SealError {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return SealError::Exists { path: path.into() };
    }
    failed("name", path)(error)
}

pub(super) fn failed(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> SealError + use<> {
    let path = path.to_path_buf();
    move |source| SealError::Io { path, doing, source }
}
