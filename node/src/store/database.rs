//! How the database file is opened, and reopened after a failure.
//!
//! The way in is a value, so that the same store runs on the real disk and on one that fails on
//! demand. Refused here: repairing. What the database itself cannot recover is reported.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Builder, Database, DatabaseError, Error};

use super::error::StoreError;
use super::limits::{LOCK_WAIT_MS, STORE_CACHE_BYTES};
use super::state::{StateDir, sync_dir};

type OpenDatabase = dyn Fn(&Builder, File) -> Result<Database, DatabaseError> + Send;

/// The way to one database file; holds the state directory's lock as long as it lives.
pub(super) struct Opening {
    state: StateDir,
    path: PathBuf,
    open: Box<OpenDatabase>,
}

impl Opening {
    pub(super) fn new(state: &StateDir, open: Box<OpenDatabase>) -> Self {
        Self { state: state.clone(), path: state.path().join("store.redb"), open }
    }

    /// Opens the file, creating it when absent.
    ///
    /// The state directory's lock is held, so a locked file can only be one that a process in the
    /// middle of being started still has from here; that is waited for.
    pub(super) fn open(&self) -> Result<Database, Error> {
        let until = Instant::now() + Duration::from_millis(LOCK_WAIT_MS);
        loop {
            match self.try_open() {
                Err(Error::DatabaseAlreadyOpen) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return opened,
            }
        }
    }

    fn try_open(&self) -> Result<Database, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.path)?;
        sync_dir(self.state.path())?;
        let mut builder = Builder::new();
        builder.set_cache_size(STORE_CACHE_BYTES);
        Ok((self.open)(&builder, file)?)
    }

    pub(super) fn state(&self) -> &Path {
        self.state.path()
    }

    /// Size of the file, in bytes; 0 when it cannot be seen.
    pub(super) fn file_bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |found| found.len())
    }

    pub(super) fn unreadable(&self, error: &Error) -> StoreError {
        StoreError::Unreadable { path: self.path.clone(), why: error.to_string() }
    }

    /// The error when the disk failed and the file did not open again.
    pub(super) fn unavailable(&self) -> StoreError {
        let why = "it did not open again after a failed write".into();
        StoreError::Unreadable { path: self.path.clone(), why }
    }
}
