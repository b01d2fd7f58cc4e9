//! What an earlier process of this node left behind: its wardens' facts, and trees without a feed.
//!
//! A restart neither thaws nor adopts. What still lives below an old warden is ended, the warden
//! sees it and writes it down, and from its facts this process signs. Another boot means that the
//! restart ended it; the same boot and no record is not proven.

use super::wardens::{WARDEN_NOTE, WardenNews, last_word, note_tag};
use super::{News, Shell};
use crate::os::{self, Process};
use crate::warden::{FromWarden, read_facts};
use belay_identity::StatementId;
use belay_mesh::Input;
use belay_mesh::input::TaskEvent;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long an old warden is given to see its tree empty and write it down.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(10);
const SETTLE_LOOK_EVERY: Duration = Duration::from_millis(25);

impl Shell {
    /// Finds out what became of every award that the engine still waits for.
    pub(super) fn settle_orphans(&mut self) {
        let awards: Vec<StatementId> = self.engine.orphans().copied().collect();
        for award in awards {
            let folder = self.records_of(&award);
            let key = self.facts_key(&award);
            if booted_since(&folder, &key) && last_word(&folder, &key).is_none() {
                self.give(Input::Task { award, event: TaskEvent::Rebooted });
            } else {
                let marks = self.marks_of(&award);
                tokio::spawn(settle(award, (key, marks), folder, self.news.clone()));
            }
        }
    }
}

/// Ends what lives below an old warden until its facts tell the end, then passes them on.
async fn settle(
    award: StatementId,
    (key, marks): ([u8; 32], [String; 2]),
    folder: PathBuf,
    news: mpsc::Sender<News>,
) {
    let started = Instant::now();
    while last_word(&folder, &key).is_none() && started.elapsed() < SETTLE_TIME_MAX {
        let Some(warden) = warden_of(&folder, &key) else { break };
        if !os::process_alive(warden.pid, warden.start_time) {
            break;
        }
        // One suspended with its terminal sees nothing until it is woken.
        let _ = os::wake(warden);
        let _ended = tokio::task::spawn_blocking(move || os::end_below(warden)).await;
        tokio::time::sleep(SETTLE_LOOK_EVERY).await;
    }
    let word = last_word(&folder, &key);
    let ended = tokio::task::spawn_blocking(move || os::end_strays(&marks)).await;
    let strays = WardenNews::Strays(ended.map(|ended| ended.len()).unwrap_or(0));
    let exit = word.as_ref().and_then(|_| own_exit(&folder, &key));
    let end = word.map_or(WardenNews::NoRecord, WardenNews::Said);
    for said in [strays].into_iter().chain(exit.map(WardenNews::Said)).chain([end]) {
        // The node may have ended meanwhile.
        let _ = news.send(News::Warden(award, said)).await;
    }
}

/// How the main process ended, where nothing had frozen it before: then it ended by itself.
fn own_exit(folder: &Path, key: &[u8; 32]) -> Option<FromWarden> {
    let records = read_facts(folder, key).ok()?.records;
    let first = records
        .into_iter()
        .find(|said| matches!(said, FromWarden::Exited { .. } | FromWarden::Frozen { .. }))?;
    matches!(first, FromWarden::Exited { code: Some(_), .. }).then_some(first)
}

fn warden_of(folder: &Path, key: &[u8; 32]) -> Option<Process> {
    let note = std::fs::read_to_string(folder.join(WARDEN_NOTE)).ok()?;
    let [pid, start_time, tag] = note.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let process = Process { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? };
    (note_tag(key, process) == tag).then_some(process)
}

/// True when the machine has booted since the task started.
fn booted_since(folder: &Path, key: &[u8; 32]) -> bool {
    let Ok(facts) = read_facts(folder, key) else { return false };
    let then = facts.records.iter().find_map(|said| match said {
        FromWarden::Started { boot_id, .. } => Some(boot_id.clone()),
        FromWarden::Frozen { .. }
        | FromWarden::Thawed { .. }
        | FromWarden::Exited { .. }
        | FromWarden::Empty { .. }
        | FromWarden::NotProven { .. }
        | FromWarden::Refused { .. } => None,
    });
    then.is_some_and(|then| os::boot_id().is_ok_and(|now| now != then))
}
