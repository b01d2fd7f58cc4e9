//! The tenants of a device: which nodes' agents the hooks of one place may meet.
//!
//! An agent's configuration belongs to the user of the system, and so may have the hooks of several
//! nodes, while the agent stands below the warden of one. A hook whose node does not know it asks
//! every other tenant that is listed at its own place: the user's hook reads the user's list, the
//! system's hook the list that only root writes. So whoever can list a tenant can take the hook
//! away too. The place stands in the hook's own words.
//!
//! Refused here: a list or an entry that somebody else could have written.

use super::limits::TENANTS_MAX;
use super::places::{Place, folder_from, name_of};
use crate::door::DoorName;
use crate::fault::{Fault, io};
use rustix::process::getuid;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A list of tenants: a folder with one file for each, which names its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenants {
    folder: PathBuf,
}

impl Tenants {
    /// The list at this place.
    pub(crate) fn of(place: Place, home: &Path) -> Self {
        let folder = match place {
            Place::User => folder_from("XDG_STATE_HOME", &home.join(".local/state")),
            Place::Managed => PathBuf::from("/etc"),
        };
        Self { folder: folder.join("belay/tenants") }
    }

    /// The list in this folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lists the node of this state.
    ///
    /// # Errors
    /// What the system says when it cannot be written.
    pub(crate) fn enter(&self, state: &Path) -> Result<(), Fault> {
        fs::create_dir_all(&self.folder).map_err(io(self.folder.display()))?;
        let entry = self.folder.join(name_of(state));
        fs::write(&entry, format!("{}\n", state.display())).map_err(io(entry.display()))
    }

    /// Takes the node of this state out.
    ///
    /// # Errors
    /// What the system says when it cannot be taken out.
    pub(crate) fn leave(&self, state: &Path) -> Result<(), Fault> {
        let entry = self.folder.join(name_of(state));
        match fs::remove_file(&entry) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io(entry.display())(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The agents' doors of every other tenant than that of this door, in the order of their names.
    pub(super) fn other_doors(&self, own: &Path) -> Vec<PathBuf> {
        if !is_kept(&self.folder) {
            return Vec::new();
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        entries.sort();
        let doors = entries.iter().filter(|entry| is_kept(entry)).filter_map(|entry| {
            let state = PathBuf::from(fs::read_to_string(entry).ok()?.trim_end());
            let is_itself = entry.file_name()?.to_str()? == name_of(&state);
            (is_itself && is_kept(&state)).then(|| DoorName::Agent.path(&state))
        });
        doors.filter(|door| door != own).take(TENANTS_MAX).collect()
    }
}

/// True where only root and this user can have written it.
fn is_kept(path: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    let own = |uid: u32| uid == 0 || uid == getuid().as_raw();
    fs::symlink_metadata(path)
        .is_ok_and(|meta| !meta.is_symlink() && own(meta.uid()) && meta.mode() & OTHERS_WRITE == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Goal: every other tenant is found, nobody else. Method: two that are listed, and entries
    /// under another's name, that are links, that others may write, that name nothing.
    #[test]
    fn every_other_tenant_is_found_and_nobody_else() {
        let made = tempfile::tempdir().expect("a folder");
        let at = |name: &str| made.path().join(name);
        let state = |name: &str| {
            fs::create_dir(at(name)).expect("a state");
            fs::set_permissions(at(name), PermissionsExt::from_mode(0o700)).expect("its rights");
            at(name)
        };
        let tenants = Tenants::of(Place::User, made.path());
        let (own, other, open) = (state("own"), state("other"), state("open"));
        for state in [&own, &other, &open, &at("gone")] {
            tenants.enter(state).expect("an entry");
        }
        let entry = |state: &Path| tenants.folder().join(name_of(state));
        fs::set_permissions(entry(&open), PermissionsExt::from_mode(0o666)).expect("its rights");
        fs::write(tenants.folder().join("00000000"), other.display().to_string()).expect("a file");
        let linked = state("linked");
        fs::write(at("entry"), linked.display().to_string()).expect("a file");
        symlink(at("entry"), entry(&linked)).expect("a link");
        let own = DoorName::Agent.path(&own);
        assert_eq!(tenants.other_doors(&own), [DoorName::Agent.path(&other)]);
        tenants.leave(&other).expect("no entry");
        tenants.leave(&other).expect("still none");
        assert!(tenants.other_doors(&own).is_empty());

        tenants.enter(&other).expect("an entry");
        fs::set_permissions(tenants.folder(), PermissionsExt::from_mode(0o777)).expect("rights");
        assert!(tenants.other_doors(&own).is_empty(), "anybody could have listed it");
    }
}
