//! Files that stand in the state for a run of an agent which takes its hook from no word of its
//! command line.
//!
//! One for each run; those of runs that are over go when the next one begins. Refused here: a file
//! of the user's.

use crate::fault::{Fault, io};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a file for this process's run; its name ends so.
pub(super) fn write(state: &Path, end: &str, text: &str) -> Result<PathBuf, Fault> {
    let folder = state.join("hooks").join("lent");
    fs::create_dir_all(&folder).map_err(io(folder.display()))?;
    remove_those_over(&folder);
    let path = folder.join(format!("{}-{end}", std::process::id()));
    fs::write(&path, text).map_err(io(path.display()))?;
    Ok(path)
}

fn remove_those_over(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // The next one tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: files of runs that are over go, others stay. Method: one of a process that cannot be.
    #[test]
    fn files_of_runs_that_are_over_go() {
        let state = tempfile::tempdir().expect("a folder");
        let own = write(state.path(), "a.json", "x").expect("a file");
        let over = own.with_file_name("4294967295-a.json");
        fs::write(&over, "x").expect("a file");
        let other = write(state.path(), "b.json", "x").expect("a file");
        assert!(own.exists() && other.exists() && !over.exists());
    }
}
