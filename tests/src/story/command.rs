//! The public commands of one executable, each a process of its own with an end in sight.
//!
//! What a command says goes to unnamed files, never to pipes: a node that a command leaves behind
//! would hold a pipe open. Refused here: any other way into a node.

use super::waiting::{SOON, must, wait_for};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Kept of this process's environment: where programs are, and who the user is.
const KEPT: [&str; 4] = ["PATH", "USER", "LOGNAME", "TMPDIR"];

/// The executable, and the home folder of whoever calls it.
#[derive(Debug, Clone)]
pub struct Belay {
    exe: PathBuf,
    home: PathBuf,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Answer {
    /// The command as somebody would type it.
    pub command: String,
    /// Its exit code; absent when a signal ended it.
    pub exit: Option<i32>,
    /// What it wrote as data.
    pub stdout: String,
    /// What it wrote as talk.
    pub stderr: String,
}

/// A command that has not ended yet; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    stdout: File,
    stderr: File,
}

impl Belay {
    /// `home` is every command's home and working folder.
    pub fn new(exe: &Path, home: &Path) -> Self {
        Self { exe: exe.to_owned(), home: home.to_owned() }
    }

    /// The executable.
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Answer {
        self.start(args).end(SOON)
    }

    /// Starts a command.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = Command::new(&self.exe);
        command.args(args);
        self.spawn(command, args)
    }

    /// Starts a command by way of a program that executes it in the end, such as `setsid`.
    pub fn start_by(&self, by: &[&str], args: &[&str]) -> Running {
        let (program, first) = by.split_first().unwrap_or((&"env", &[]));
        let mut command = Command::new(program);
        command.args(first).arg(&self.exe).args(args);
        self.spawn(command, args)
    }

    /// Starts another program, as the commands are started.
    pub fn start_other(&self, argv: &[&str]) -> Running {
        let (program, args) = argv.split_first().unwrap_or((&"true", &[]));
        let mut command = Command::new(program);
        command.args(args);
        self.spawn(command, argv)
    }

    fn spawn(&self, mut command: Command, args: &[&str]) -> Running {
        let unnamed = || must(tempfile::tempfile_in(&self.home), "a file for what is said");
        let (stdout, stderr) = (unnamed(), unnamed());
        let clone = |file: &File| must(file.try_clone(), "a second descriptor");
        let kept = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(kept).env("HOME", &self.home).current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(clone(&stdout)).stderr(clone(&stderr));
        let child = must(command.spawn(), self.exe.display());
        let typed: Vec<&str> = std::iter::once("belay").chain(args.iter().copied()).collect();
        Running { command: typed.join(" "), child, stdout, stderr }
    }
}

impl Running {
    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn end(mut self, max: Duration) -> Answer {
        let state = format!("`{}` ends", self.command);
        wait_for(&state, max, || self.ended())
    }

    /// What it said, if it has ended.
    pub fn ended(&mut self) -> Option<Answer> {
        let status = must(self.child.try_wait(), &self.command)?;
        let (stdout, stderr) = (read(&mut self.stdout), read(&mut self.stderr));
        Some(Answer { command: self.command.clone(), exit: status.code(), stdout, stderr })
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
    /// Itself, if it ended with this exit code.
    pub fn wants(self, exit: i32) -> Self {
        self.wants_one_of(&[exit])
    }

    /// Itself, if it ended with one of these exit codes.
    pub fn wants_one_of(self, exits: &[i32]) -> Self {
        let fits = self.exit.is_some_and(|exit| exits.contains(&exit));
        assert!(fits, "wanted exit {exits:?} of {self:#?}");
        self
    }

    /// The `data` of its line of JSON.
    pub fn data(&self) -> Value {
        let line = self.stdout.lines().rfind(|line| !line.trim().is_empty());
        let value = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
        let Some(mut value) = value else { panic!("no line of JSON in {self:#?}") };
        value["data"].take()
    }

    /// Checks a refusal: this exit code, these words in what it says, and a next step.
    pub fn refuses(&self, exit: i32, words: &[&str]) {
        assert_eq!(self.exit, Some(exit), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "“{word}” is not named in {self:#?}");
        }
        let next = self.stderr.lines().find_map(|line| line.trim().strip_prefix("next: "));
        assert!(next.is_some_and(|step| !step.trim().is_empty()), "no next step in {self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
    }
}

fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    must(file.rewind(), "what was said");
    must(file.read_to_end(&mut bytes), "what was said");
    String::from_utf8_lossy(&bytes).into_owned()
}
