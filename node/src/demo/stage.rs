//! Where the demo plays: a temporary folder, the nodes in it, and their end.
//!
//! Whatever ends the demo, striking the stage ends what runs on it: nodes by `down`, and what is
//! left after that by pid, if it carries the stage's mark. Refused here: leaving anything.

use super::cast::Phase;
use super::command::{Answer, Belay, Running};
use super::failure::{Failure, io};
use super::limits::{COMMAND_MAX, KILLED_MAX, LEAVE_MAX, LOG_LINES};
use super::relay::Relay;
use super::said::Status;
use super::waiting::Patience;
use super::witness::{self, ProcessId};
use crate::screen::Format;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `status` and `up` end with 1 as long as a node lacks something, such as its admission.
const HOW_IT_STANDS: [i32; 2] = [0, 1];

/// The demo's stage; dropping it strikes it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) belay: Belay,
    /// The executable, resolved.
    pub(super) exe: PathBuf,
    pub(super) patience: Patience,
    /// Random, and in the marks of everything that the demo starts.
    mark: String,
    /// The ways through the relay.
    pub(super) relays: Vec<Relay>,
    /// The agent that runs in the foreground of its own process.
    pub(super) planner: Option<Running>,
    folder: Option<TempDir>,
    path: String,
    nodes: Vec<&'static str>,
    voice: Voice,
    steps: Cell<usize>,
    reached: Cell<Option<Phase>>,
}

/// Where the story is told: on stdout where it is what was asked for, else beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice(pub(super) Format);

impl Voice {
    /// Says one line. A reader who has left does not end the demo.
    pub(super) fn say(self, line: &str) {
        let _heard = match self.0 {
            Format::Words => writeln!(std::io::stdout(), "{line}"),
            Format::Json => writeln!(std::io::stderr(), "{line}"),
        };
    }
}

impl Stage {
    /// Sets the stage: an empty folder that only this user can read, and ears for Ctrl-C.
    pub(super) fn set(exe: &Path, voice: Voice) -> Result<Self, Failure> {
        let temporary = std::env::temp_dir();
        let made = tempfile::Builder::new().prefix("belay-demo-").rand_bytes(8).tempdir();
        let folder = made.map_err(io(&temporary))?;
        let (Some(path), Some(mark)) = (folder.path().to_str(), folder.path().file_name()) else {
            let what = format!("{}: this path is not UTF-8", temporary.display());
            return Err(Failure::Machine { what, hint: "set TMPDIR to another folder" });
        };
        let (path, mark) = (path.to_owned(), mark.to_string_lossy().into_owned());
        let home = folder.path().join("home");
        fs::create_dir(&home).map_err(io(&home))?;
        let patience = Patience::until_interrupted()?;
        let (belay, folder) = (Belay::new(exe, home, stage_mark(&mark)), Some(folder));
        let (exe, nodes) = (exe.to_owned(), Vec::new());
        Ok(Self {
            belay,
            exe,
            patience,
            mark,
            relays: Vec::new(),
            planner: None,
            folder,
            path,
            nodes,
            voice,
            steps: Cell::new(0),
            reached: Cell::new(None),
        })
    }

    /// Says what is going to be seen, and where it leaves its traces.
    pub(super) fn open(&self, count: &str) {
        let what = format!("belay demo: {count} nodes on this machine, one order, one proof");
        self.voice
            .say(&format!("{what}\nstate in {}, removed at the end; Ctrl-C ends it", self.path));
    }

    /// A path on the stage.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The home and working folder of whoever plays.
    pub(super) fn home(&self) -> String {
        self.path("home")
    }

    /// How the marks of the agents' work begin.
    pub(super) fn work_mark(&self) -> String {
        format!("{}+work", self.mark)
    }

    /// One of the commands' executable, for somebody with another home.
    pub(super) fn stranger(&self, home: PathBuf) -> Belay {
        Belay::new(&self.exe, home, stage_mark(&self.mark))
    }

    /// Writes a file on the stage.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<String, Failure> {
        let path = PathBuf::from(self.path(name));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io(parent))?;
        }
        fs::write(&path, text).map_err(io(&path))?;
        Ok(self.path(name))
    }

    /// Opens a step of the story.
    pub(super) fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        self.voice.say(&format!("\n{}  {title}", self.steps.get()));
    }

    /// The telling has come so far.
    pub(super) fn reach(&self, phase: Phase) {
        self.reached.set(Some(phase));
    }

    /// Tells what was observed.
    pub(super) fn say(&self, what: &str) {
        self.voice.say(&format!("   {what}"));
    }

    /// Asks a node, and wants one of these exit codes.
    pub(super) fn ask(&self, node: &str, args: &[&str], exits: &[i32]) -> Result<Answer, Failure> {
        let state = self.path(node);
        let all = [&["--json", "--state", &state], args].concat();
        self.belay.run(&self.patience, &all, COMMAND_MAX)?.wants(exits)
    }

    /// The same, however it ends.
    pub(super) fn try_ask(&self, node: &str, args: &[&str]) -> Result<Answer, Failure> {
        let state = self.path(node);
        let all = [&["--json", "--state", &state], args].concat();
        self.belay.run(&self.patience, &all, COMMAND_MAX)
    }

    /// Starts a command at a node, to be waited for later.
    pub(super) fn start(&self, node: &str, args: &[&str]) -> Result<Running, Failure> {
        let state = self.path(node);
        self.belay.start(&[&["--json", "--state", &state], args].concat())
    }

    /// How a node stands.
    pub(super) fn status(&self, node: &str) -> Result<Status, Failure> {
        self.ask(node, &["status"], &HOW_IT_STANDS)?.data()
    }

    /// Brings a node up; from here on it has to be ended.
    pub(super) fn up(&mut self, node: &'static str, args: &[&str]) -> Result<Answer, Failure> {
        self.nodes.push(node);
        self.ask(node, &[&["up"], args].concat(), &HOW_IT_STANDS)
    }

    /// How far it came, and the last lines of every node's log, for somebody who wants to know why.
    pub(super) fn show_logs(&self) {
        let reached = self.reached.get().map_or("nothing", Phase::as_str);
        eprintln!("\nhow far it had come: {reached}");
        for node in &self.nodes {
            let path = self.path(&format!("{node}/node.log"));
            let log = fs::read(&path).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("\nlast lines of {path}:{}", if tail.is_empty() { " none" } else { "" });
            for line in tail {
                eprintln!("  {line}");
            }
        }
    }

    /// Ends everything and removes the folder; says what had to be killed. Does nothing the second
    /// time.
    pub(super) fn strike(&mut self) -> Result<(), Failure> {
        let Some(folder) = self.folder.take() else { return Ok(()) };
        let ended = self.end_all();
        let path = folder.path().to_owned();
        folder.close().map_err(io(&path))?;
        ended
    }

    fn end_all(&mut self) -> Result<(), Failure> {
        // Whoever pressed Ctrl-C wants this done, so it is not interrupted.
        let patience = Patience::default();
        let marks = [stage_mark(&self.mark), self.work_mark()];
        let marks = [marks[0].as_str(), marks[1].as_str()];
        let mut left = witness::household(&marks)?;
        for node in std::mem::take(&mut self.nodes) {
            let state = self.path(node);
            let down = ["--json", "--state", &state, "down"];
            // A node that never came up, or is gone, has nothing to end; what is left is looked at
            // below.
            let _down = self.belay.run(&patience, &down, COMMAND_MAX);
        }
        let look = |running: &mut Option<Running>, left: &mut BTreeSet<ProcessId>| {
            if let Some(planner) = running {
                // Reaps it as soon as it has ended.
                let _ended = planner.ended();
            }
            left.extend(witness::household(&marks)?);
            left.retain(|process| process.lives());
            Ok(left.is_empty().then_some(()))
        };
        let mut planner = self.planner.take();
        let state = "every process of the demo has ended";
        if patience.wait_for(state, LEAVE_MAX, || look(&mut planner, &mut left)).is_err() {
            self.say(&format!("killed {} processes that did not end by themselves", left.len()));
            let kill = || {
                left.iter().for_each(|process| process.kill());
                look(&mut planner, &mut left)
            };
            patience.wait_for(state, KILLED_MAX, kill)?;
        }
        self.relays.clear();
        Ok(())
    }
}

/// No file or folder is named like this, so whoever only looks at the stage does not carry it.
fn stage_mark(mark: &str) -> String {
    format!("{mark}+stage")
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(failure) = self.strike() {
            eprintln!("{failure}");
        }
    }
}
