//! What can go wrong with sealed keys, who is at fault, and what to do next.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use super::limits::PASSPHRASE_CHARS_MIN;

/// Why there is nothing to open keys with.
#[derive(Debug)]
pub enum UnlockError {
    /// No terminal to ask at, and no unlock file given.
    NoTerminal,
    /// The unlock file is not there.
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The service manager hands no credential over.
    NoCredential {
        /// Where it should be, if there is a folder of credentials at all.
        path: Option<PathBuf>,
    },
    /// The credential is a folder, a link or a device.
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// The credential belongs to somebody else.
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// The credential holds nothing.
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the unlock file.
    LooseMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no identity, or more than one.
    NotAnUnlockFile {
        /// The file.
        path: PathBuf,
    },
    /// A file of that name is there already.
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The new passphrase is too short.
    TooShort,
    /// The new passphrase was typed differently the second time.
    Mismatch,
    /// The system refused.
    Io {
        /// What was tried, and on which file.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl UnlockError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoTerminal => "run it in a terminal, or give --unlock-file FILE".into(),
            Self::Missing { .. } => "check the path given with --unlock-file".into(),
            Self::NoCredential { .. } | Self::NotAFile { .. } | Self::Empty { .. } => {
                "name an unlock file in the unit: LoadCredential=belay:FILE; \
                 `belay key unlock-file --out FILE` makes one"
                    .into()
            }
            Self::OtherOwner { path, .. } => {
                format!("let root or the service's own user own {}", path.display())
            }
            Self::LooseMode { path, .. } => format!("chmod 600 {}", path.display()),
            Self::NotAnUnlockFile { .. } => {
                "give the file with one line that starts with AGE-SECRET-KEY-1".into()
            }
            Self::Exists { .. } => "choose another name; unlock files are never replaced".into(),
            Self::TooShort => format!("choose at least {PASSPHRASE_CHARS_MIN} characters"),
            Self::Mismatch => "type the same passphrase twice".into(),
            Self::Io { .. } => "check the path and its permissions".into(),
        }
    }
}

impl fmt::Display for UnlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTerminal => {
                write!(f, "the keys are sealed, and there is no terminal and no unlock file")
            }
            Self::Missing { path } => write!(f, "there is no unlock file {}", path.display()),
            Self::NoCredential { path: None } => f.write_str(
                "the service manager hands no credential over: CREDENTIALS_DIRECTORY is not set",
            ),
            Self::NoCredential { path: Some(path) } => {
                write!(f, "the service manager hands no credential {} over", path.display())
            }
            Self::NotAFile { path } => {
                write!(f, "credential {} is no plain file", path.display())
            }
            Self::OtherOwner { path, uid } => {
                write!(f, "credential {} belongs to user {uid}", path.display())
            }
            Self::Empty { path } => write!(f, "credential {} is empty", path.display()),
            Self::LooseMode { path, mode } => {
                write!(f, "unlock file {} has mode {mode:o}: others can read it", path.display())
            }
            Self::NotAnUnlockFile { path } => {
                write!(f, "{} does not hold exactly one identity", path.display())
            }
            Self::Exists { path } => write!(f, "{} is there already", path.display()),
            Self::TooShort => write!(f, "the passphrase is too short"),
            Self::Mismatch => write!(f, "the two passphrases differ"),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl error::Error for UnlockError {}

/// Why a key was not sealed; nothing is left behind.
#[derive(Debug)]
pub enum SealError {
    /// The key is there already.
    Exists {
        /// Its file.
        path: PathBuf,
    },
    /// Others may enter the keys' folder.
    LooseMode {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system refused.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl SealError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Exists { .. } => "keys are never replaced; choose another --state".into(),
            Self::LooseMode { path, .. } => format!("chmod 700 {}", path.display()),
            Self::Io { .. } => "free disk space and check that the folder is writable".into(),
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { path } => write!(f, "key {} is there already", path.display()),
            Self::LooseMode { path, mode } => {
                write!(f, "key folder {} has mode {mode:o}, not 700", path.display())
            }
            Self::Io { path, doing, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
        }
    }
}

impl error::Error for SealError {}

/// Why a sealed key did not open.
#[derive(Debug)]
pub enum OpenError {
    /// There is no such key.
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others may read the file.
    LooseMode {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// An unlock file was given, but the key is sealed by a passphrase.
    NeedsPassphrase {
        /// The key's file.
        path: PathBuf,
    },
    /// A passphrase was given, but the key is sealed to an unlock file.
    NeedsUnlockFile {
        /// The key's file.
        path: PathBuf,
    },
    /// The passphrase does not open it.
    WrongPassphrase {
        /// The key's file.
        path: PathBuf,
    },
    /// The unlock file does not open it.
    WrongUnlockFile {
        /// The key's file.
        path: PathBuf,
    },
    /// The file was changed after sealing, or is no sealed key.
    Tampered {
        /// The key's file.
        path: PathBuf,
    },
    /// The file holds a key of another name.
    OtherKey {
        /// The key's file.
        path: PathBuf,
    },
    /// The system refused.
    Io {
        /// The key's file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl OpenError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => "enrol this device first with `belay up`".into(),
            Self::LooseMode { path, .. } => {
                format!("others may have copied it; chmod 600 {}", path.display())
            }
            Self::NeedsPassphrase { .. } => {
                "leave --unlock-file out and type the passphrase in a terminal".into()
            }
            Self::NeedsUnlockFile { .. } => "give the file with --unlock-file FILE".into(),
            Self::WrongPassphrase { .. } => "try again; a lost passphrase cannot be reset".into(),
            Self::WrongUnlockFile { .. } => {
                "give the unlock file that was used when the key was made".into()
            }
            Self::Tampered { .. } | Self::OtherKey { .. } => {
                "restore the file from a backup".into()
            }
            Self::Io { .. } => "check the path and its permissions".into(),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Missing { path }
            | Self::LooseMode { path, .. }
            | Self::NeedsPassphrase { path }
            | Self::NeedsUnlockFile { path }
            | Self::WrongPassphrase { path }
            | Self::WrongUnlockFile { path }
            | Self::Tampered { path }
            | Self::OtherKey { path }
            | Self::Io { path, .. } => path,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: ", self.path().display())?;
        match self {
            Self::Missing { .. } => write!(f, "there is none"),
            Self::LooseMode { mode, .. } => write!(f, "mode {mode:o} lets others read it"),
            Self::NeedsPassphrase { .. } => write!(f, "it is sealed by a passphrase"),
            Self::NeedsUnlockFile { .. } => write!(f, "it is sealed to an unlock file"),
            Self::WrongPassphrase { .. } => write!(f, "the passphrase does not open it"),
            Self::WrongUnlockFile { .. } => write!(f, "the unlock file does not open it"),
            Self::Tampered { .. } => write!(f, "it was changed after it was sealed"),
            Self::OtherKey { .. } => write!(f, "it holds a key of another name"),
            Self::Io { source, .. } => write!(f, "cannot read it: {source}"),
        }
    }
}

impl error::Error for OpenError {}
