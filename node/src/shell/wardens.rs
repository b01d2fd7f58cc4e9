//! The node's side of its wardens: one stream each, translated both ways.
//!
//! A program is looked at once more before its warden starts, beside the loop: no order waits until
//! a large file is hashed. What the engine says of a task meanwhile holds when it begins.
//!
//! Refused here: saying that a tree is empty. A warden says so, after it is on disk; if the warden
//! is gone, its facts do, and if they do not, nobody does.

use super::doors::Reply;
use super::programs::look;
use super::{News, Shell};
use crate::api::{RunAsk, RunSaid, WardenSaid};
use crate::os::{self, Process};
use crate::program::{Remembered, find};
use crate::warden::{
    self, FromWarden, Seen as WardenSeen, TaskSpec, TaskStdio, ToWarden, channel, read_facts,
};
use belay_identity::StatementId;
use belay_identity::body::Seen;
use belay_identity::chain::Program;
use belay_identity::key::hex;
use belay_identity::limits::RESULT_TAIL_BYTES_MAX;
use belay_mesh::input::TaskEvent;
use belay_mesh::output::RunGrant;
use belay_mesh::{BootTime, Input};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Bytes of a task's captured output; what follows is read and dropped.
const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;

/// Messages waiting for one warden; it reads at once or is dead.
const TO_WARDEN_QUEUED: usize = 64;

/// A warden whose stream has ended exits within this, or hangs and is treated as gone.
const ENDS_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// The wardens of this process's tasks.
#[derive(Default)]
pub(super) struct Wardens {
    all: BTreeMap<StatementId, Warden>,
    /// Tasks whose program is being looked at.
    beginning: BTreeMap<StatementId, Beginning>,
}

struct Warden {
    process: Process,
    place: Place,
    to: mpsc::Sender<ToWarden>,
    /// What its task may do without being asked, as whoever started it says.
    open: Vec<String>,
}

/// A task that is to begin in the background.
pub(super) struct Begin {
    pub(super) argv: Vec<String>,
    pub(super) agent: String,
    /// What was judged.
    pub(super) program: Program,
    pub(super) lapse_grace_ms: u64,
}

/// A task whose program is being looked at, and how far it may run once it begins.
struct Beginning {
    begin: Begin,
    until: BootTime,
}

/// Where a program was found, and what it holds.
pub(crate) type Judged = Result<(PathBuf, Remembered), String>;

/// How far what is to stand still may run.
const NOT_AT_ALL: BootTime = BootTime(0);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Background,
    Foreground,
}

/// What one warden's stream brought.
pub(crate) enum WardenNews {
    /// A record.
    Said(FromWarden),
    /// The stream ended.
    Gone,
    /// An earlier process's warden left no record of an end.
    NoRecord,
    /// So many processes of a task without a warden were ended.
    Strays(usize),
}

impl Wardens {
    /// The task below whose warden a caller stands, by its chain of parents.
    pub(super) fn standing_below(&self, ancestry: &[(u32, u64)]) -> Option<StatementId> {
        let below =
            |warden: &Warden| ancestry.contains(&(warden.process.pid, warden.process.start_time));
        self.all.iter().find(|(_, warden)| below(warden)).map(|(award, _)| *award)
    }

    /// Every warden's process, with its task.
    pub(super) fn processes(&self) -> Vec<(Process, StatementId)> {
        self.all.iter().map(|(award, warden)| (warden.process, *award)).collect()
    }

    /// Every warden, for whoever asks which processes stand below one.
    pub(super) fn said(&self) -> Value {
        let said = |(award, warden): (&StatementId, &Warden)| WardenSaid {
            pid: warden.process.pid,
            start_time: warden.process.start_time,
            award: award.to_hex(),
        };
        let all: Vec<WardenSaid> = self.all.iter().map(said).collect();
        serde_json::to_value(all).unwrap_or(Value::Null)
    }

    pub(super) fn feed(&mut self, award: &StatementId, until: BootTime) {
        match self.beginning.get_mut(award) {
            Some(beginning) => beginning.until = until,
            None => self.send(award, ToWarden::Run { until_boot_ns: until.0 }),
        }
    }

    pub(super) fn freeze(&mut self, award: &StatementId) {
        match self.beginning.get_mut(award) {
            Some(beginning) => beginning.until = NOT_AT_ALL,
            None => self.send(award, ToWarden::Freeze),
        }
    }

    /// Ends a task; what has not begun never does, and comes back as an input.
    pub(super) fn end(&mut self, award: &StatementId, grace_ms: u64) -> Option<Input> {
        if self.beginning.remove(award).is_some() {
            let why = "it was told to end before it began".to_owned();
            return Some(Input::Task { award: *award, event: TaskEvent::NotStarted { why } });
        }
        let warden = self.all.get(award)?;
        if let Err(TrySendError::Full(end)) = warden.to.try_send(ToWarden::End { grace_ms }) {
            // An end is never dropped: it waits until the warden reads again.
            let to = warden.to.clone();
            tokio::spawn(async move { to.send(end).await });
        }
        if warden.place == Place::Foreground {
            // A warden suspended with its terminal reads nothing until it is woken.
            let _ = os::wake(warden.process);
        }
        None
    }

    /// The word for a screen.
    pub(super) fn kind(&self, award: &StatementId) -> &'static str {
        match self.all.get(award).map(|warden| warden.place) {
            Some(Place::Background) => "background warden",
            Some(Place::Foreground) => "foreground warden",
            None => "no warden",
        }
    }

    /// What a task may do without being asked.
    pub(super) fn open_ways(&self, award: &StatementId) -> &[String] {
        self.all.get(award).map(|warden| warden.open.as_slice()).unwrap_or_default()
    }

    fn send(&self, award: &StatementId, message: ToWarden) {
        if let Some(warden) = self.all.get(award) {
            // A full queue is a warden that no longer reads: its feed runs out by itself.
            let _ = warden.to.try_send(message);
        }
    }

    fn pids(&self) -> Vec<u32> {
        self.all.values().map(|warden| warden.process.pid).collect()
    }
}

impl Shell {
    /// Looks at the program of a task that is to begin in the background.
    pub(super) fn start_warden(&mut self, award: StatementId, begin: Begin, until: BootTime) {
        let program = begin.argv.first().cloned().unwrap_or_default();
        self.wardens.beginning.insert(award, Beginning { begin, until });
        let news = self.news.clone();
        tokio::spawn(async move {
            let looked = tokio::task::spawn_blocking(move || judged(&program)).await;
            let judged = looked.unwrap_or_else(|error| Err(error.to_string()));
            // The node may have ended meanwhile.
            let _ = news.send(News::Judged(award, judged)).await;
        });
    }

    /// Its program was looked at: starts the warden, unless the task has ended meanwhile.
    pub(super) fn on_judged(&mut self, award: StatementId, judged: Judged) {
        let Some(Beginning { begin, until }) = self.wardens.beginning.remove(&award) else {
            return;
        };
        let started = judged.and_then(|found| self.try_start(award, begin, until, found));
        if let Err(why) = started {
            self.give(Input::Task { award, event: TaskEvent::NotStarted { why } });
        }
    }

    fn try_start(
        &mut self,
        award: StatementId,
        begin: Begin,
        until: BootTime,
        (found, seen): (PathBuf, Remembered),
    ) -> Result<(), String> {
        let Begin { argv, agent, program: judged, lapse_grace_ms } = begin;
        let folder = self.records_folder(&award)?;
        let cwd = self.task_folder(&award)?;
        let (program, args) = argv.split_first().ok_or("there is nothing to run")?;
        if seen.identity() != judged {
            return Err(format!("{program} was changed after it was judged; give the work again"));
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let spec = TaskSpec {
            program: found,
            files: seen.files().to_vec(),
            args: args.to_vec(),
            env: vec![
                ("PATH".to_owned(), path),
                ("HOME".to_owned(), cwd.display().to_string()),
                ("BELAY_AGENT".to_owned(), agent),
                ("BELAY_SOCKET".to_owned(), self.agent_socket()),
                ("BELAY_AWARD".to_owned(), award.to_hex()),
            ],
            cwd,
            stdio: TaskStdio::Captured { limit_bytes: OUTPUT_BYTES_MAX },
            tools_door: self.has_connectors(),
            facts_key: self.facts_key(&award),
            folder,
            lapse_grace_ms,
        };
        let (pid, stream) =
            warden::spawn(Path::new(warden::THIS_PROGRAM)).map_err(|error| error.to_string())?;
        let process = os::find_process(pid).ok_or("the warden ended before it began")?;
        stream.set_nonblocking(true).map_err(|error| error.to_string())?;
        let stream = UnixStream::from_std(stream).map_err(|error| error.to_string())?;
        self.keep(award, process, Place::Background, spec, until, Stream::Here(stream))?;
        self.programs.begin(award, seen);
        Ok(())
    }

    /// A granted run: the calling process becomes its warden.
    pub(super) fn hand_over_run(
        &mut self,
        grant: &RunGrant,
        (ask, seen): (RunAsk, Remembered),
        (pid, start_time): (u32, u64),
    ) -> Reply {
        let (award, news) = (grant.award, self.news.clone());
        let refuse = |what: String| {
            let hint = "look at the node's log and its disk";
            let said = WardenNews::Said(FromWarden::Refused { why: what.clone() });
            // A full queue drains in a moment; the send waits for it beside the loop.
            tokio::spawn(async move { news.send(News::Warden(award, said)).await });
            Reply::Said(Err(crate::door::Refusal::new("failed", what, hint)))
        };
        let folder = match self.records_folder(&grant.award) {
            Ok(folder) => folder,
            Err(why) => return refuse(why),
        };
        let mut env = ask.env;
        env.retain(|(name, _)| !name.starts_with("BELAY_"));
        env.push(("BELAY_AGENT".to_owned(), ask.agent));
        env.push(("BELAY_SOCKET".to_owned(), self.agent_socket()));
        env.push(("BELAY_AWARD".to_owned(), grant.award.to_hex()));
        let spec = TaskSpec {
            program: PathBuf::from(ask.program),
            files: seen.files().to_vec(),
            args: ask.argv.into_iter().skip(1).collect(),
            env,
            cwd: PathBuf::from(ask.cwd),
            stdio: TaskStdio::Inherit,
            tools_door: self.has_connectors(),
            facts_key: self.facts_key(&grant.award),
            folder,
            lapse_grace_ms: grant.lapse_grace_ms,
        };
        let (take, stream) = oneshot::channel();
        let process = Process { pid, start_time };
        let stream = Stream::Coming(stream);
        let kept = self.keep(grant.award, process, Place::Foreground, spec, grant.until, stream);
        if let Err(why) = kept {
            return refuse(why);
        }
        if let Some(warden) = self.wardens.all.get_mut(&grant.award) {
            warden.open = ask.open;
        }
        self.programs.begin(grant.award, seen);
        let said = RunSaid { award: grant.award.to_hex() };
        Reply::Handed(serde_json::to_value(said).unwrap_or_default(), take)
    }

    fn keep(
        &mut self,
        award: StatementId,
        process: Process,
        place: Place,
        spec: TaskSpec,
        until: BootTime,
        stream: Stream,
    ) -> Result<(), String> {
        let tag = note_tag(&spec.facts_key, process);
        let note = format!("{} {} {tag}\n", process.pid, process.start_time);
        std::fs::write(spec.folder.join(WARDEN_NOTE), note).map_err(|error| error.to_string())?;
        let (to, messages) = mpsc::channel(TO_WARDEN_QUEUED);
        let spec = ToWarden::Begin(spec);
        channel::encode(&spec).map_err(|error| {
            format!("command and environment do not fit: {error}; run it with fewer variables")
        })?;
        let first = [spec, ToWarden::Run { until_boot_ns: until.0 }];
        for message in first {
            to.try_send(message).map_err(|error| error.to_string())?;
        }
        self.wardens.all.insert(award, Warden { process, place, to, open: Vec::new() });
        tokio::spawn(converse((award, process), stream, messages, self.news.clone()));
        Ok(())
    }

    pub(super) fn on_warden(&mut self, award: StatementId, news: WardenNews) {
        match news {
            WardenNews::Said(said) => {
                if let Some(event) = self.event_of(&award, said) {
                    self.give(Input::Task { award, event });
                }
            }
            WardenNews::Gone => self.on_warden_gone(award),
            WardenNews::Strays(0) => {}
            WardenNews::Strays(count) => {
                self.log.line(&format!("task {award}: ended {count} processes without a warden"));
            }
            WardenNews::NoRecord => {
                let why = "the node died, and its warden left no record of the end".to_owned();
                self.give(Input::Task { award, event: TaskEvent::NotProven { why } });
            }
        }
    }

    fn event_of(&self, award: &StatementId, said: FromWarden) -> Option<TaskEvent> {
        Some(match said {
            FromWarden::Started { .. } => TaskEvent::Started,
            FromWarden::Frozen { .. } => TaskEvent::Frozen,
            FromWarden::Thawed { .. } => TaskEvent::Thawed,
            FromWarden::Exited { code, signal } => TaskEvent::Exited {
                code: code.and_then(|code| u64::try_from(code).ok()),
                signal: signal.and_then(|signal| u64::try_from(signal).ok()),
            },
            FromWarden::Empty { seen, .. } => {
                TaskEvent::Empty { seen: seen_of(seen), tail: self.tail_of(award) }
            }
            FromWarden::Refused { why } => TaskEvent::NotStarted { why },
            FromWarden::NotProven { why, .. } => {
                // The warden goes on trying; only its end makes this final.
                self.log.line(&format!("task {award}: not proven yet: {why}"));
                return None;
            }
        })
    }

    /// A warden's stream has ended; if its task has not, nobody saw it end.
    fn on_warden_gone(&mut self, award: StatementId) {
        self.programs.end(&award);
        let Some(warden) = self.wardens.all.remove(&award) else { return };
        if warden.place == Place::Background {
            let report = os::end_orphans(&self.wardens.pids());
            for process in &report.ended {
                self.log.line(&format!("ended an orphan of task {award}: pid {}", process.pid));
            }
        }
        let (marks, log_award) = (self.marks_of(&award), award);
        let news = self.news.clone();
        tokio::spawn(async move {
            let ended = tokio::task::spawn_blocking(move || os::end_strays(&marks)).await;
            let said = WardenNews::Strays(ended.map(|ended| ended.len()).unwrap_or(0));
            // The node may have ended meanwhile.
            let _ = news.send(News::Warden(log_award, said)).await;
        });
        // A warden tells the end before it goes: one that went without a word saw none.
        let why = "its warden was ended before it saw the tree empty".to_owned();
        self.give(Input::Task { award, event: TaskEvent::NotProven { why } });
    }

    pub(super) fn tail_of(&self, award: &StatementId) -> Vec<u8> {
        let path = self.records_of(award).join("output");
        tail(&path).unwrap_or_default()
    }

    /// What every process of a task carries in its environment.
    pub(super) fn marks_of(&self, award: &StatementId) -> [String; 2] {
        [format!("BELAY_SOCKET={}", self.agent_socket()), format!("BELAY_AWARD={award}")]
    }

    /// The key that seals one task's facts.
    pub(super) fn facts_key(&self, award: &StatementId) -> [u8; 32] {
        let hash = Sha256::new().chain_update(b"belay facts 1\0");
        let hash = hash.chain_update(*self.facts_root).chain_update(award.0);
        hash.finalize().into()
    }

    /// Where a warden keeps its records: beside the task's own folder, which the task may empty.
    pub(super) fn records_of(&self, award: &StatementId) -> PathBuf {
        self.state.path().join("wardens").join(award.to_hex())
    }

    fn records_folder(&self, award: &StatementId) -> Result<PathBuf, String> {
        made(self.records_of(award))
    }

    pub(super) fn task_folder(&self, award: &StatementId) -> Result<PathBuf, String> {
        made(self.state.path().join("tasks").join(award.to_hex()))
    }

    fn agent_socket(&self) -> String {
        crate::door::DoorName::Agent.path(self.state.path()).display().to_string()
    }
}

/// Finds a program and looks at it.
fn judged(program: &str) -> Judged {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = find(program, &path)?;
    let seen = look(&found.display().to_string()).map_err(|error| error.to_string())?;
    Ok((found, seen))
}

/// Where a warden's records say which process it is.
pub(super) const WARDEN_NOTE: &str = "warden";

/// Shows that the node wrote the note: what is below the process it names is ended after a restart.
pub(super) fn note_tag(key: &[u8; 32], process: Process) -> String {
    let hash = Sha256::new().chain_update(b"belay warden note 1\0").chain_update(key);
    let hash = hash.chain_update(process.pid.to_be_bytes());
    hex(&hash.chain_update(process.start_time.to_be_bytes()).finalize())
}

pub(super) fn made(folder: PathBuf) -> Result<PathBuf, String> {
    let made = std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
    made.map_err(|error| format!("{}: {error}", folder.display()))
}

enum Stream {
    Here(UnixStream),
    Coming(oneshot::Receiver<UnixStream>),
}

/// The last record in a task's folder, if it tells an end.
pub(super) fn last_word(folder: &Path, key: &[u8; 32]) -> Option<FromWarden> {
    let facts = read_facts(folder, key).ok()?;
    facts
        .records
        .into_iter()
        .rev()
        .find(|said| matches!(said, FromWarden::Empty { .. } | FromWarden::Refused { .. }))
}

pub(super) fn seen_of(seen: WardenSeen) -> Seen {
    match seen {
        WardenSeen::NoChildrenLeft => Seen::NoChildrenLeft,
        WardenSeen::GroupEmpty => Seen::GroupEmpty,
        WardenSeen::NotSeen => Seen::NotSeen,
    }
}

fn tail(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(RESULT_TAIL_BYTES_MAX as u64)))?;
    let mut bytes = Vec::new();
    file.take(RESULT_TAIL_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn converse(
    (award, process): (StatementId, Process),
    stream: Stream,
    messages: mpsc::Receiver<ToWarden>,
    news: mpsc::Sender<News>,
) {
    let stream = match stream {
        Stream::Here(stream) => Some(stream),
        Stream::Coming(coming) => coming.await.ok(),
    };
    if let Some(stream) = stream {
        let (read, write) = stream.into_split();
        let writing = tokio::spawn(write_all(write, messages));
        read_all(award, read, &news).await;
        writing.abort();
        until_ended(process).await;
    } else {
        let why = "the terminal went away before the agent began".to_owned();
        let said = WardenNews::Said(FromWarden::Refused { why });
        // The node may have ended meanwhile.
        let _ = news.send(News::Warden(award, said)).await;
    }
    // The node may have ended meanwhile.
    let _ = news.send(News::Warden(award, WardenNews::Gone)).await;
}

/// A warden closes its stream a moment before it ends; until then it is no orphan.
async fn until_ended(process: Process) {
    let began = std::time::Instant::now();
    while os::process_alive(process.pid, process.start_time) && began.elapsed() < ENDS_WITHIN {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn write_all(
    mut stream: tokio::net::unix::OwnedWriteHalf,
    mut messages: mpsc::Receiver<ToWarden>,
) {
    while let Some(message) = messages.recv().await {
        let Ok(bytes) = channel::encode(&message) else { return };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read_all(
    award: StatementId,
    mut stream: tokio::net::unix::OwnedReadHalf,
    news: &mpsc::Sender<News>,
) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match channel::take::<FromWarden>(&mut buffer) {
            Ok(Some(said)) => {
                if news.send(News::Warden(award, WardenNews::Said(said))).await.is_err() {
                    return;
                }
            }
            Ok(None) => match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            },
            Err(_no_frame_of_ours) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is said of a task while its program is looked at holds when it begins: it stands
    /// still, goes on, or never begins. Method: each word in turn, on a task without a warden.
    #[test]
    fn a_task_hears_before_it_begins() {
        let award = StatementId([7; 32]);
        let mut wardens = Wardens::default();
        let (argv, agent) = (vec!["/bin/true".to_owned()], "scout".to_owned());
        let begin = Begin { argv, agent, program: Program::default(), lapse_grace_ms: 0 };
        wardens.beginning.insert(award, Beginning { begin, until: BootTime(5) });
        wardens.freeze(&award);
        assert_eq!(wardens.beginning[&award].until, NOT_AT_ALL);
        wardens.feed(&award, BootTime(9));
        assert_eq!(wardens.beginning[&award].until, BootTime(9));
        let ended = wardens.end(&award, 250);
        let Some(Input::Task { award: of, event: TaskEvent::NotStarted { .. } }) = ended else {
            panic!("{ended:?}");
        };
        assert_eq!(of, award);
        assert!(wardens.beginning.is_empty() && wardens.end(&award, 250).is_none());
    }
}
