//! What a node keeps of finished work and of its log, so that neither grows for ever.
//!
//! A task leaves two folders: its own below `STATE/tasks`, and its warden's records below
//! `STATE/wardens`. Both stay for people to look at, and go when they are old or too many. Refused
//! here: dropping anything of a task whose receipt is not on disk, for from these records a
//! restarted node signs it.

use super::Shell;
use belay_identity::StatementId;
use belay_identity::key::unhex;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long the folders of a finished task stay: a month is what anybody looks back.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Finished tasks whose folders stay at most: with an output of 1 MiB each, a gibibyte of records.
const KEPT_MAX: usize = 1_024;

/// Bytes of `node.log`; one log before it stays, so twice as many in all: some weeks of an ordinary
/// device, some hours of one that strangers shout at.
const LOG_BYTES_MAX: u64 = 4 << 20;

impl Shell {
    /// Lets go of what is older, or more, than is kept; beside the loop, and again at the next look
    /// where something could not be removed.
    pub(super) fn sweep_finished(&self) {
        let now = SystemTime::now();
        let settled = |award: &StatementId| self.engine.is_settled(award);
        let over: Vec<PathBuf> = ["wardens", "tasks"]
            .into_iter()
            .flat_map(|name| overdue(finished(&self.state.path().join(name), settled), now))
            .collect();
        let log = self.state.path().join("node.log");
        tokio::task::spawn_blocking(move || {
            for folder in over {
                // Tried again at the next look.
                let _ = fs::remove_dir_all(folder);
            }
            // A log that cannot be turned is written on.
            let _ = turn(&log, LOG_BYTES_MAX);
        });
    }
}

/// The folders of settled awards in this one, with the time of their last change.
fn finished(folder: &Path, settled: impl Fn(&StatementId) -> bool) -> Vec<(SystemTime, PathBuf)> {
    // None yet: nothing has run here.
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let of_settled = |entry: fs::DirEntry| {
        let award = entry.file_name().to_str().and_then(unhex)?.try_into().ok().map(StatementId)?;
        let changed = entry.metadata().ok()?.modified().ok()?;
        settled(&award).then(|| (changed, entry.path()))
    };
    entries.filter_map(|entry| of_settled(entry.ok()?)).collect()
}

/// Those that are too old, and the oldest of those that are too many.
fn overdue(mut kept: Vec<(SystemTime, PathBuf)>, now: SystemTime) -> Vec<PathBuf> {
    kept.sort_unstable_by(|one, other| other.cmp(one));
    let old = |changed: SystemTime| now.duration_since(changed).is_ok_and(|age| age > KEPT_FOR);
    let over = kept.into_iter().enumerate();
    over.filter(|(at, (changed, _))| *at >= KEPT_MAX || old(*changed))
        .map(|(_, (_, p))| p)
        .collect()
}

/// Begins a log anew once it is this long; what it held stands in `node.log.1`. Whoever writes to
/// it appends, so its next line is the first of the new one.
fn turn(log: &Path, bytes_max: u64) -> io::Result<()> {
    if fs::metadata(log)?.len() <= bytes_max {
        return Ok(());
    }
    fs::copy(log, log.with_extension("log.1"))?;
    fs::OpenOptions::new().write(true).open(log)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Goal: what is old goes, and of the rest the oldest that are too many; never what is not
    /// settled. Method: folders of every age, one beyond the bound.
    #[test]
    fn the_oldest_go_first_and_nothing_unsettled() {
        let now = SystemTime::now();
        let aged = |minutes: usize| {
            let age = Duration::from_secs(60 * minutes as u64);
            (now - age, PathBuf::from(format!("{minutes}")))
        };
        let mut kept: Vec<_> = (0..=KEPT_MAX).map(aged).collect();
        assert_eq!(overdue(kept.clone(), now), [aged(KEPT_MAX).1]);
        let month = 30 * 24 * 60;
        kept.truncate(2);
        kept.extend([aged(month - 1), aged(month + 1)]);
        assert_eq!(overdue(kept, now), [aged(month + 1).1]);

        let state = tempfile::tempdir().expect("a folder");
        let (done, open) = (StatementId([1; 32]), StatementId([2; 32]));
        for name in [done.to_hex(), open.to_hex(), "no award".to_owned()] {
            fs::create_dir(state.path().join(name)).expect("a folder");
        }
        let found = finished(state.path(), |award| *award == done);
        let found: Vec<_> = found.into_iter().map(|(_, path)| path).collect();
        assert_eq!(found, [state.path().join(done.to_hex())]);
    }

    /// Goal: a log that is turned loses no line, and whoever has it open goes on at its beginning.
    #[test]
    fn a_log_is_turned_under_its_writer() {
        let state = tempfile::tempdir().expect("a folder");
        let log = state.path().join("node.log");
        let mut writer =
            fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        writer.write_all(b"before\n").expect("written");
        turn(&log, 7).expect("short enough");
        assert!(!state.path().join("node.log.1").exists());
        writer.write_all(b"over\n").expect("written");
        turn(&log, 7).expect("turned");
        writer.write_all(b"after\n").expect("written");
        let read = |name: &str| fs::read_to_string(state.path().join(name)).expect("it is there");
        assert_eq!(read("node.log.1"), "before\nover\n");
        assert_eq!(read("node.log"), "after\n");
    }
}
