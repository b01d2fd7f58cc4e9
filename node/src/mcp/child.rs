//! A server as a program: its three streams, its lines, its end.
//!
//! Between it and the gateway stands a keeper, a small process to which whatever it started comes
//! that left its group or outlived its parent: when the server ends, or is ended, the keeper leaves
//! nobody. Both die with the gateway: by the closing of the server's input, and by a signal of the
//! kernel where it does not mind that. What it says on stderr goes where the gateway's own goes.
//! Refused here: a shell, lines without end, and waiting for a program that does not read.

use super::limits::{END_GRACE_MS, MESSAGE_BYTES_MAX, QUEUE_MAX};
use crate::os;
use nix::sys::signal::SigSet;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getppid, kill_process, kill_process_group,
    set_parent_process_death_signal, wait, waitid,
};
use rustix::stdio::{dup2_stdin, dup2_stdout};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The hidden word that makes this program the keeper of a server, tied to the gateway's life.
pub(crate) const KEEP: &str = "mcp-keeper";

/// The hidden word that makes this program the server's, tied to the keeper's life.
pub(crate) const BEGIN: &str = "mcp-server";

/// Variables that every server is given: who the user is, and where programs are.
const KEPT: [&str; 8] = ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER"];

/// What an exit adds to the signal that ended a program, as shells have it.
const SIGNALLED: i32 = 128;

/// A running server.
pub(super) struct Server {
    group: Arc<Group>,
    lines: Option<SyncSender<String>>,
    ended: Receiver<()>,
}

/// A process group, as long as its number can be nobody else's.
struct Group(Mutex<Option<Pid>>);

/// What a server's streams say.
pub(super) enum Heard {
    /// A line without its end.
    Line(Vec<u8>),
    /// A line that is longer than any may be.
    TooLong,
    /// It has ended.
    Ended(String),
}

impl Server {
    /// Starts a command, and calls `hear` from other threads with whatever comes of it.
    ///
    /// The calling thread has to outlive it: the kernel ends it with that thread.
    ///
    /// # Errors
    /// What the system says when no process can be had.
    pub(super) fn start(
        command: &[String],
        env: &[String],
        hear: impl Fn(Heard) + Send + Clone + 'static,
    ) -> io::Result<Self> {
        let kept = KEPT.iter().copied().chain(env.iter().map(String::as_str));
        let given = kept.filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(crate::warden::THIS_PROGRAM)
            .arg(KEEP)
            .arg(std::process::id().to_string())
            .args(command)
            .env_clear()
            .envs(given)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let group = Arc::new(Group::of(&child));
        let (lines, queued) = sync_channel(QUEUE_MAX);
        let (end, ended) = sync_channel(1);
        if let Some(stdin) = child.stdin.take() {
            thread::spawn(move || write_lines(stdin, &queued));
        }
        let stdout = child.stdout.take();
        let heard = hear.clone();
        let reader = thread::spawn(move || stdout.map(|stdout| read_lines(stdout, &heard)));
        let own = Arc::clone(&group);
        thread::spawn(move || {
            let why = own.wait(child);
            // What it said before it ended is heard first, unless another still holds its output.
            let until = Instant::now() + Duration::from_millis(END_GRACE_MS);
            while !reader.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
            hear(Heard::Ended(why));
            // Nobody may wait for it.
            let _ = end.send(());
        });
        Ok(Self { group, lines: Some(lines), ended })
    }

    /// Says a line to it; false where it does not read.
    pub(super) fn say(&self, line: String) -> bool {
        let Some(lines) = &self.lines else { return false };
        match lines.try_send(line) {
            // Its end is heard on its own.
            Ok(()) | Err(TrySendError::Disconnected(_)) => true,
            Err(TrySendError::Full(_)) => false,
        }
    }

    /// Ends it and what it started: its input first, its life after the grace.
    pub(super) fn end(mut self, grace_ms: u64) {
        self.lines = None;
        // Whether it ended or not, whatever is left is ended.
        let _ = self.ended.recv_timeout(Duration::from_millis(grace_ms));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.group.hang_up() {
            // A keeper that does not come to an end is ended with its group.
            let _ = self.ended.recv_timeout(Duration::from_millis(END_GRACE_MS));
            self.group.kill();
        }
    }
}

impl Group {
    fn of(child: &Child) -> Self {
        Self(Mutex::new(i32::try_from(child.id()).ok().and_then(Pid::from_raw)))
    }

    fn held(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        kill(*self.held());
    }

    /// Tells the keeper to leave nobody; false when it has ended.
    fn hang_up(&self) -> bool {
        // It may end at this moment.
        self.held().is_some_and(|keeper| kill_process(keeper, Signal::HUP).is_ok())
    }

    /// Waits for the server's end and ends what it started, before its number can be another's.
    fn wait(&self, mut child: Child) -> String {
        let leader = *self.held();
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let seen = |pid| waitid(WaitId::Pid(pid), ended).err() != Some(Errno::INTR);
        while !leader.is_none_or(seen) {}
        let mut held = self.held();
        kill(held.take());
        match child.wait() {
            Ok(status) => said(status),
            Err(error) => format!("its end was not seen: {error}"),
        }
    }
}

fn kill(group: Option<Pid>) {
    if let Some(group) = group {
        // Nobody may be left in it.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn said(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) if (SIGNALLED + 1..=SIGNALLED + 64).contains(&code) => {
            format!("signal {} ended it", code - SIGNALLED)
        }
        (Some(127), _) => "its program could not be started (exit 127)".to_owned(),
        (Some(code), _) => format!("it ended with exit {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}

fn write_lines(mut stdin: ChildStdin, queued: &Receiver<String>) {
    while let Ok(mut line) = queued.recv() {
        line.push('\n');
        if stdin.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_lines(stdout: ChildStdout, hear: &impl Fn(Heard)) {
    lines(BufReader::new(stdout), |line| {
        match line {
            Line::Whole(bytes) => hear(Heard::Line(bytes)),
            Line::TooLong => {
                hear(Heard::TooLong);
                return false;
            }
        }
        true
    });
}

/// A line of a stream.
pub(super) enum Line {
    Whole(Vec<u8>),
    /// To be forgotten up to its end, if it has one.
    TooLong,
}

/// Reads lines until the stream ends or `take` has enough; never keeps more than one message.
pub(super) fn lines(mut stream: impl BufRead, mut take: impl FnMut(Line) -> bool) {
    loop {
        let mut line = Vec::new();
        let limit = MESSAGE_BYTES_MAX as u64 + 1;
        match (&mut stream).take(limit).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let whole = line.last() == Some(&b'\n');
        let line = match whole {
            true => {
                line.pop();
                Line::Whole(line)
            }
            // The last line of a stream may lack its end.
            false if line.len() <= MESSAGE_BYTES_MAX => Line::Whole(line),
            // Told before its end is looked for: it may have none.
            false => {
                drop(line);
                if !take(Line::TooLong) || skip_line(&mut stream).is_err() {
                    return;
                }
                continue;
            }
        };
        let empty = matches!(&line, Line::Whole(line) if line.trim_ascii().is_empty());
        if !empty && !take(line) {
            return;
        }
    }
}

fn skip_line(stream: &mut impl BufRead) -> io::Result<()> {
    loop {
        let seen = stream.fill_buf()?;
        let end = seen.iter().position(|byte| *byte == b'\n');
        let (used, done) =
            (end.map_or(seen.len(), |end| end + 1), end.is_some() || seen.is_empty());
        stream.consume(used);
        if done {
            return Ok(());
        }
    }
}

/// Starts the server, and ends with it when nothing that it started is left.
///
/// The exit is the server's own, or 128 and the signal that ended it, as shells have it.
pub(crate) fn keep(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    match tie(args.next()).and_then(|()| keep_one(args)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            crate::screen::talk(format_args!("belay: no server is started: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn keep_one(command: impl Iterator<Item = OsString>) -> io::Result<u8> {
    os::become_subreaper()?;
    // Of all threads, and of no program that is started: TERM is the server's own to obey, and HUP
    // is the gateway's word.
    let mut signals = SigSet::empty();
    signals.add(nix::sys::signal::SIGTERM);
    signals.add(nix::sys::signal::SIGHUP);
    signals.thread_block()?;
    let mut server = Command::new(crate::warden::THIS_PROGRAM);
    server.arg(BEGIN).arg(std::process::id().to_string()).args(command);
    let server = server.spawn()?;
    // Nobody else may hold its ends open.
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    thread::Builder::new().spawn(move || {
        while let Ok(signal) = signals.wait() {
            if signal == nix::sys::signal::SIGHUP {
                os::end_orphans(&[]);
            }
        }
    })?;
    let code = seen_to_end(server.id());
    os::end_orphans(&[]);
    Ok(code)
}

/// Takes leave of whoever ends, until the server does.
fn seen_to_end(server: u32) -> u8 {
    let low = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().unsigned_abs() == server => {
                let signal = status.terminating_signal().map(|signal| SIGNALLED + signal);
                return low(status.exit_status().or(signal).unwrap_or(1));
            }
            Ok(_) | Err(Errno::INTR) => {}
            // It was ended and taken leave of by the other thread.
            Err(_nobody) => return low(SIGNALLED + Signal::KILL.as_raw()),
        }
    }
}

/// Ties this process's life to the parent's that is named.
fn tie(parent: Option<OsString>) -> io::Result<()> {
    let parent = parent.and_then(|pid| pid.to_str()?.parse::<i32>().ok());
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The second look covers one that died before.
    let own = getppid().map(|pid| pid.as_raw_nonzero().get());
    match parent.is_some() && own == parent {
        true => Ok(()),
        false => Err(io::Error::other("only a gateway starts it")),
    }
}

/// Ties this process's life to the keeper's and becomes the server's program.
///
/// Returns only when that could not be started.
pub(crate) fn begin(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let tied = tie(args.next());
    let Some(program) = args.next() else { return ExitCode::from(2) };
    if tied.is_err() {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(args).exec();
    crate::screen::talk(format_args!("belay: cannot run {}: {error}", program.display()));
    ExitCode::from(127)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Goal: a line has its bound, and the one behind a line that was too long is read as it is.
    #[test]
    fn lines_have_their_bound() {
        let mut text = b"one\n\n".to_vec();
        text.extend(vec![b'x'; MESSAGE_BYTES_MAX]);
        text.push(b'\n');
        text.extend(vec![b'x'; MESSAGE_BYTES_MAX * 2]);
        text.extend(b"\nlast");
        let mut seen = Vec::new();
        lines(BufReader::new(&text[..]), |line| {
            seen.push(match line {
                Line::Whole(bytes) => Some(bytes.len()),
                Line::TooLong => None,
            });
            true
        });
        assert_eq!(seen, [Some(3), Some(MESSAGE_BYTES_MAX), None, Some(4)]);
    }

    /// Goal: what a server started ends with it, and its number is let go then. Method: a shell
    /// that leaves a helper behind, which holds its output open.
    #[test]
    fn helpers_end_with_their_server() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & exit 3"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (group, mut stdout) = (Group::of(&child), child.stdout.take().unwrap());
        assert_eq!(group.wait(child), "it ended with exit 3");
        let mut closed = [PollFd::new(&stdout, PollFlags::IN)];
        let soon = Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_eq!(poll(&mut closed, Some(&soon)), Ok(1), "the helper holds its output still");
        assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
        assert_eq!(*group.held(), None);
    }
}
