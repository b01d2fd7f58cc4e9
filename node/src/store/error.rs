//! What can go wrong with the disk, who is at fault, and what to do next.
//!
//! One small enum per operation. `Display` says what happened and where, `hint` what to do.

use std::path::PathBuf;
use std::{error, fmt, io};

use super::limits::{QUEUE_SUBMITS_MAX, SUBMIT_RECORDS_MAX};

/// Why a state directory could not be taken.
#[derive(Debug)]
pub enum StateError {
    /// Sockets inside would have a longer path than the system allows.
    TooLong {
        /// The directory as asked for.
        path: PathBuf,
        /// Its length, in bytes.
        bytes: usize,
        /// The longest that works, in bytes.
        bytes_max: usize,
    },
    /// Group or others may enter it.
    LooseMode {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Something else has that name.
    NotADirectory {
        /// What was found.
        path: PathBuf,
    },
    /// Another node runs on it.
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other node; none when it had not named itself in time.
        pid: Option<u32>,
    },
    /// The system refused.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl StateError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::TooLong { bytes_max, .. } => {
                format!("choose a directory of at most {bytes_max} bytes with --state")
            }
            Self::LooseMode { path, .. } => format!("chmod 700 {}", path.display()),
            Self::NotOurs { .. } => {
                "run as its owner, or choose another directory with --state".into()
            }
            Self::NotADirectory { .. } => "choose another directory with --state".into(),
            Self::InUse { .. } => {
                "stop that node with `belay down`, or choose another directory with --state".into()
            }
            Self::Io { .. } => "check that the path exists and that you may write there".into(),
        }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { path, bytes, bytes_max } => write!(
                f,
                "state directory {} is {bytes} bytes long; a Unix socket in it allows {bytes_max}",
                path.display()
            ),
            Self::LooseMode { path, mode } => {
                write!(f, "state directory {} has mode {mode:o}, not 700", path.display())
            }
            Self::NotOurs { path, uid } => {
                write!(f, "state directory {} belongs to user {uid}", path.display())
            }
            Self::NotADirectory { path } => write!(f, "{} is not a directory", path.display()),
            Self::InUse { path, pid: Some(pid) } => {
                write!(f, "state directory {} is in use by process {pid}", path.display())
            }
            Self::InUse { path, pid: None } => {
                write!(f, "state directory {} is in use by another process", path.display())
            }
            Self::Io { path, doing, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
        }
    }
}

impl error::Error for StateError {}

/// Why a store could not be opened.
#[derive(Debug)]
pub enum StoreError {
    /// The database did not open or could not be read.
    Unreadable {
        /// The database file.
        path: PathBuf,
        /// The database's own words.
        why: String,
    },
    /// The reserved journal is damaged in front of its records.
    ReserveDamaged {
        /// The journal.
        path: PathBuf,
    },
    /// The system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl StoreError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "free disk space and check the disk; a damaged state must be enrolled anew".into()
            }
            Self::ReserveDamaged { path } => format!(
                "records acknowledged while the disk was full may be lost; move {} aside to start",
                path.display()
            ),
            Self::Io { .. } => "free disk space and check that the directory is writable".into(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => {
                write!(f, "cannot read the store {}: {why}", path.display())
            }
            Self::ReserveDamaged { path } => {
                write!(f, "the reserved journal {} is damaged", path.display())
            }
            Self::Io { path, doing, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
        }
    }
}

impl error::Error for StoreError {}

/// Why a submission was not taken; nothing of it is written and no acknowledgement follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// More waits for the disk than may wait.
    QueueFull,
    /// It holds no record.
    Empty,
    /// It holds too many records.
    TooMany {
        /// How many.
        records: usize,
    },
    /// One record is larger than its kind allows.
    TooLarge {
        /// The kind.
        what: &'static str,
        /// Its size, in bytes.
        bytes: usize,
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// Bodies by hash are never reserved: they can be fetched again.
    BlobNotReservable,
    /// The writer has ended.
    Stopped,
}

impl Refused {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::QueueFull => "wait for acknowledgements, then submit again".into(),
            Self::Empty => "submit at least one record".into(),
            Self::TooMany { .. } => "submit in smaller parts".into(),
            Self::TooLarge { bytes_max, .. } => format!("keep it at {bytes_max} bytes or below"),
            Self::BlobNotReservable => "submit the body as ordinary, the statement apart".into(),
            Self::Stopped => "restart the node".into(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull => {
                write!(f, "the store's queue is full (at most {QUEUE_SUBMITS_MAX} submissions)")
            }
            Self::Empty => write!(f, "nothing to write"),
            Self::TooMany { records } => {
                write!(f, "{records} records in one submission; at most {SUBMIT_RECORDS_MAX}")
            }
            Self::TooLarge { what, bytes, bytes_max } => {
                write!(f, "a {what} of {bytes} bytes; at most {bytes_max}")
            }
            Self::BlobNotReservable => write!(f, "a body by hash cannot use reserved space"),
            Self::Stopped => write!(f, "the store's writer has ended"),
        }
    }
}

impl error::Error for Refused {}

/// Why a submission that was taken is not acknowledged as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFailed {
    /// The cause.
    pub why: Why,
    /// What is known about the bytes.
    pub written: Written,
}

/// What is known about the bytes of a failed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nothing of it is on disk.
    Nothing,
    /// The disk failed while it was told to keep them: all or nothing of it, unknown which.
    Unknown,
}

/// The cause of a failed write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No space, no quota or no larger file is left.
    DiskFull(String),
    /// The disk failed otherwise.
    Disk(String),
    /// An earlier write failed and only reserved records are taken until a retry works.
    Latched(String),
    /// The database has reached its largest size.
    StoreFull {
        /// The bound, in bytes.
        bytes_max: u64,
    },
    /// The reserved journal has no room for it.
    ReserveFull {
        /// What it needs, in bytes.
        bytes: u64,
        /// What is left, in bytes.
        bytes_free: u64,
    },
    /// An audit row does not follow the last one.
    AuditChain {
        /// The number that follows.
        seq_expected: u64,
        /// The number that came.
        seq: u64,
    },
}

impl WriteFailed {
    /// What to do next.
    pub fn hint(&self) -> String {
        match &self.why {
            Why::DiskFull(_) | Why::Latched(_) => {
                "free disk space; the node then goes on by itself".into()
            }
            Why::Disk(_) => "check the disk and the system log; then restart the node".into(),
            Why::StoreFull { .. } => "publish a root epoch that seals old statements".into(),
            Why::ReserveFull { .. } => "free disk space so that the reserve can be emptied".into(),
            Why::AuditChain { seq_expected, .. } => {
                format!("append the row again as number {seq_expected}")
            }
        }
    }
}

impl fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::DiskFull(cause) => write!(f, "the disk is full: {cause}"),
            Why::Disk(cause) => write!(f, "the disk failed: {cause}"),
            Why::Latched(cause) => write!(f, "the store takes no records since: {cause}"),
            Why::StoreFull { bytes_max } => {
                write!(f, "the store has reached its {bytes_max} bytes")
            }
            Why::ReserveFull { bytes, bytes_free } => {
                write!(f, "the reserved journal has {bytes_free} bytes left, {bytes} needed")
            }
            Why::AuditChain { seq_expected, seq } => {
                write!(f, "audit row {seq} does not follow; row {seq_expected} is next")
            }
        }
    }
}

impl error::Error for WriteFailed {}

/// Why something kept could not be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFailed {
    /// The database could not be read.
    Unreadable(String),
    /// The writer has ended.
    Stopped,
}

impl ReadFailed {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable(_) => "free disk space and check the disk, then try again".into(),
            Self::Stopped => "restart the node".into(),
        }
    }
}

impl fmt::Display for ReadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the store cannot be read: {why}"),
            Self::Stopped => write!(f, "the store's writer has ended"),
        }
    }
}

impl error::Error for ReadFailed {}
