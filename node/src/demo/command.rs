//! The public commands of the same executable, each started as a process of its own.
//!
//! Whatever a command says goes to unnamed files, never to pipes: a node that a command leaves
//! behind would hold a pipe open. Refused here: any other way into a node.

use super::failure::{Failure, io};
use super::waiting::Patience;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Kept of this process's environment: where programs are, and who the user is.
const KEPT: [&str; 4] = ["PATH", "USER", "LOGNAME", "TMPDIR"];

/// The variable that holds the mark.
const MARK: &str = "BELAY_DEMO";

/// The executable whose commands are used.
#[derive(Debug)]
pub(super) struct Belay {
    exe: PathBuf,
    home: PathBuf,
    mark: String,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(super) struct Answer {
    command: String,
    /// Its exit code; absent when a signal ended it.
    pub(super) exit: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// A command that has not ended yet; dropping it ends it.
#[derive(Debug)]
pub(super) struct Running {
    command: String,
    child: Child,
    stdout: File,
    stderr: File,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Refused {
    message: String,
    hint: Option<String>,
}

impl Belay {
    /// `home` becomes every command's home and working folder; `mark` stands in its environment,
    /// and in that of the node which it may leave behind.
    pub(super) fn new(exe: &Path, home: PathBuf, mark: String) -> Self {
        Self { exe: exe.to_owned(), home, mark }
    }

    /// Runs a command to its end.
    pub(super) fn run(
        &self,
        patience: &Patience,
        args: &[&str],
        max: Duration,
    ) -> Result<Answer, Failure> {
        let mut running = self.start(args)?;
        let state = format!("`{}` ends", running.command);
        patience.wait_for(&state, max, || running.ended())
    }

    /// Starts a command in a process group of its own, so that Ctrl-C reaches the demo alone.
    pub(super) fn start(&self, args: &[&str]) -> Result<Running, Failure> {
        let mut command = Command::new(&self.exe);
        command.args(args).process_group(0);
        self.spawn(command, args)
    }

    /// Starts a command in a session of its own: no terminal is lent to what it runs.
    pub(super) fn start_without_terminal(&self, args: &[&str]) -> Result<Running, Failure> {
        let mut command = Command::new("setsid");
        command.arg(&self.exe).args(args);
        self.spawn(command, args)
    }

    fn spawn(&self, mut command: Command, args: &[&str]) -> Result<Running, Failure> {
        let unnamed = || tempfile::tempfile_in(&self.home).map_err(io(&self.home));
        let (stdout, stderr) = (unnamed()?, unnamed()?);
        let clone = |file: &File| file.try_clone().map_err(io(&self.home));
        let kept = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(kept).env("HOME", &self.home);
        command.env(MARK, &self.mark).current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(clone(&stdout)?).stderr(clone(&stderr)?);
        let child = command.spawn().map_err(|error| Failure::Machine {
            what: format!("{}: {error}", command.get_program().display()),
            hint: "the demo starts this very program, and `setsid` of util-linux",
        })?;
        Ok(Running { command: spoken(args), child, stdout, stderr })
    }
}

impl Running {
    /// What it said, if it has ended.
    pub(super) fn ended(&mut self) -> Result<Option<Answer>, Failure> {
        let path = Path::new(&self.command);
        let Some(status) = self.child.try_wait().map_err(io(path))? else { return Ok(None) };
        let stdout = read(&mut self.stdout).map_err(io(path))?;
        let stderr = read(&mut self.stderr).map_err(io(path))?;
        Ok(Some(Answer { command: self.command.clone(), exit: status.code(), stdout, stderr }))
    }

    /// Fails with what it said if it has ended, which it should not have.
    pub(super) fn goes_on(&mut self) -> Result<(), Failure> {
        match self.ended()? {
            None => Ok(()),
            Some(answer) => Err(answer.failure("ended too early")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A command that has ended is neither killed nor waited for again.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Answer {
    /// Of a command that somebody else ran, and wrote down.
    pub(super) fn noted(command: &str, exit: i32, stdout: String, stderr: String) -> Self {
        Self { command: command.to_owned(), exit: Some(exit), stdout, stderr }
    }

    /// The `data` of its one line on stdout.
    pub(super) fn data<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let Some(line) = self.stdout.lines().rfind(|line| !line.trim().is_empty()) else {
            return Err(self.failure("said nothing on stdout"));
        };
        let envelope = serde_json::from_str::<Envelope<T>>(line);
        envelope.map(|envelope| envelope.data).map_err(|error| Failure::Command {
            command: self.command.clone(),
            ended: format!("said something unexpected ({error})"),
            said: line.to_owned(),
        })
    }

    /// Itself, if it ended with one of these exit codes.
    pub(super) fn wants(self, exits: &[i32]) -> Result<Self, Failure> {
        match self.exit {
            Some(code) if exits.contains(&code) => Ok(self),
            Some(code) => Err(self.failure(&format!("ended with exit {code}, not {exits:?}"))),
            None => Err(self.failure("was ended by a signal")),
        }
    }

    fn failure(&self, ended: &str) -> Failure {
        let (command, ended) = (self.command.clone(), ended.to_owned());
        Failure::Command { command, ended, said: self.last_words() }
    }

    /// What it said last on stderr, in words.
    pub(super) fn last_words(&self) -> String {
        let line = self.stderr.lines().rfind(|line| !line.trim().is_empty());
        let line = line.unwrap_or("it said nothing");
        match serde_json::from_str::<Refused>(line) {
            Ok(Refused { message, hint: Some(hint) }) => format!("{message} ({hint})"),
            Ok(Refused { message, hint: None }) => message,
            Err(_) => line.to_owned(),
        }
    }
}

fn read(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A command as somebody would type it.
fn spoken(args: &[&str]) -> String {
    std::iter::once("belay").chain(args.iter().copied()).collect::<Vec<_>>().join(" ")
}
