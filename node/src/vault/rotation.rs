//! Two keys of one kind side by side, while one takes the other's place.
//!
//! `operator.next.age` is made and sealed first; later the one in use gets a second name,
//! `operator.old.age`, and the next one takes its place in one step of the file system, so at every
//! moment the usual name opens a key. Refused here: dropping a key that is not set aside.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::error::{OpenError, SealError};
use super::keys::{KeyName, Sealed, Seed32, Vault, failed, open_sealed, sealed_by, sync};
use super::unlock::Unlock;

/// Which of the keys of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The one in use.
    Now,
    /// The one that is to take its place.
    Next,
    /// The one whose place was taken.
    Old,
}

impl Vault {
    /// The file of a key.
    pub fn path_of(&self, name: KeyName, turn: Turn) -> PathBuf {
        let usual = self.path(name);
        match turn {
            Turn::Now => usual,
            Turn::Next => usual.with_extension("next.age"),
            Turn::Old => usual.with_extension("old.age"),
        }
    }

    /// True when there is such a key.
    pub fn has_of(&self, name: KeyName, turn: Turn) -> bool {
        self.path_of(name, turn).exists()
    }

    /// How a key is sealed.
    pub fn sealed_of(&self, name: KeyName, turn: Turn) -> Result<Sealed, OpenError> {
        sealed_by(&self.path_of(name, turn))
    }

    /// Opens the seed of a key.
    pub fn open_of(&self, name: KeyName, turn: Turn, unlock: &Unlock) -> Result<Seed32, OpenError> {
        open_sealed(self.path_of(name, turn), name, unlock)
    }

    /// Seals the seed that is to take the place of the one in use.
    pub fn seal_next(
        &self,
        name: KeyName,
        seed: &Seed32,
        unlock: &Unlock,
    ) -> Result<(), SealError> {
        self.seal_at(self.path_of(name, Turn::Next), name, seed, unlock)
    }

    /// Gives the key in use its second name.
    pub fn set_aside(&self, name: KeyName) -> Result<(), SealError> {
        let (now, old) = (self.path_of(name, Turn::Now), self.path_of(name, Turn::Old));
        match fs::hard_link(&now, &old) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("set aside", &now)(error)),
        }
        sync(self.folder())
    }

    /// Lets the next key take the place of the one in use, which must have been set aside.
    pub fn take_over(&self, name: KeyName) -> Result<(), SealError> {
        let (next, now) = (self.path_of(name, Turn::Next), self.path_of(name, Turn::Now));
        fs::rename(&next, &now).map_err(failed("put in place", &next))?;
        sync(self.folder())
    }

    /// Removes the key that was set aside.
    pub fn drop_old(&self, name: KeyName) -> Result<(), SealError> {
        let old = self.path_of(name, Turn::Old);
        fs::remove_file(&old).map_err(failed("remove", &old))?;
        sync(self.folder())
    }
}
