//! The state directory: one per node, private to its user, held by one process.
//!
//! Whoever holds a `StateDir` is the only node on it: the lock lives as long as the last clone,
//! and what may only happen under the lock (opening the store, replacing stale sockets) asks for
//! the `StateDir` as its proof. Programs that only talk to a node use `StateDir::place`.
//!
//! Refused here: directories that others may enter, and paths too long for a Unix socket.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::StateError;
use super::limits::{LOCK_WAIT_MS, SOCKET_NAME_LONGEST, SOCKET_PATH_BYTES_MAX};

/// A state directory that this process holds alone.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    _lock: Arc<Lock>,
}

impl StateDir {
    /// Creates the directory with mode 700 when absent and takes its lock.
    ///
    /// Fails when the path is too long, the mode is looser, the owner another, or a node runs on
    /// it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let path = Self::place(path)?;
        create(&path)?;
        check_private(&path)?;
        let lock = Arc::new(Lock::take(&path)?);
        Ok(Self { path, _lock: lock })
    }

    /// The absolute path of a state directory whose sockets can be reached; takes no lock.
    pub fn place(path: &Path) -> Result<PathBuf, StateError> {
        let absolute = path::absolute(path).map_err(failed("resolve", path))?;
        let bytes = absolute.as_os_str().as_bytes().len();
        let bytes_max = SOCKET_PATH_BYTES_MAX - SOCKET_NAME_LONGEST.len() - 2;
        if bytes > bytes_max {
            return Err(StateError::TooLong { path: absolute, bytes, bytes_max });
        }
        Ok(absolute)
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn create(path: &Path) -> Result<(), StateError> {
    match fs::metadata(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("look at", path)(error));
        }
        Err(_) => {}
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(failed("create", path))?;
    match path.parent() {
        Some(parent) => sync_dir(parent).map_err(failed("sync", parent)),
        None => Ok(()),
    }
}

fn check_private(path: &Path) -> Result<(), StateError> {
    let found = fs::metadata(path).map_err(failed("look at", path))?;
    if !found.is_dir() {
        return Err(StateError::NotADirectory { path: path.into() });
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(StateError::NotOurs { path: path.into(), uid: found.uid() });
    }
    match found.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(StateError::LooseMode { path: path.into(), mode }),
        _ => Ok(()),
    }
}

/// Makes names created or renamed in a directory survive a power cut.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The lock file, holding the pid of the node; emptied when the node lets go.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    fn take(state: &Path) -> Result<Self, StateError> {
        let path = state.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(failed("open", &path))?;
        wait_for(&file, state, &path)?;
        file.set_len(0).map_err(failed("write", &path))?;
        write!(file, "{}", std::process::id()).map_err(failed("write", &path))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only the pid shown to others is at stake; the lock itself ends with the file.
        let _ = self.0.set_len(0);
    }
}

/// Takes the lock. Waits a moment while nobody is named in the file: then its holder is about to
/// write its name, or has let go and only a process in the middle of being started still has it.
fn wait_for(file: &File, state: &Path, path: &Path) -> Result<(), StateError> {
    let until = Instant::now() + Duration::from_millis(LOCK_WAIT_MS);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
        let pid = holder(path);
        if pid.is_some() || Instant::now() >= until {
            return Err(StateError::InUse { path: state.into(), pid });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The pid in the lock file.
fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError + use<> {
    let path = path.to_path_buf();
    move |source| StateError::Io { path, doing, source }
}
