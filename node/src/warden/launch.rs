//! The warden's half of starting a task: the trampoline, and what it answers.
//!
//! The trampoline's standard input is a socket. The input that the task is to have travels to it
//! over that socket; the answer comes back the same way: nothing and an end when the program has
//! taken over, otherwise the reason why not.

use super::limits::REFUSAL_BYTES_MAX;
use super::{EXEC_TASK, TaskSpec};
use rustix::event::PollFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, ErrorKind, IoSlice, PipeWriter, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The same program file that runs here, even if its path has been replaced.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// Where the task stands towards sessions and terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a session of its own.
    Session,
    /// In a process group of its own.
    Group,
    /// In a process group of its own that takes the terminal.
    Terminal,
}

impl Place {
    const ALL: [Self; 3] = [Self::Session, Self::Group, Self::Terminal];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Group => "group",
            Self::Terminal => "terminal",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }
}

/// A task on its way from trampoline to program.
#[derive(Debug)]
pub(super) struct Launch {
    status: UnixStream,
    said: Vec<u8>,
}

/// What became of a launch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Launched {
    /// Not known yet.
    Pending,
    /// The program runs, or ran.
    Running,
    /// It could not be started.
    Refused(String),
}

impl Launch {
    /// Starts the trampoline; gives its pid too.
    pub(super) fn start(
        spec: &TaskSpec,
        place: Place,
        output: Option<PipeWriter>,
    ) -> io::Result<(u32, Self)> {
        let (ours, theirs) = UnixStream::pair()?;
        pass_on(&ours, rustix::stdio::stdin())?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(THIS_PROGRAM);
        command
            .arg(EXEC_TASK)
            .args([&std::process::id().to_string(), place.name()])
            .arg(serde_json::to_string(&spec.files).map_err(io::Error::other)?)
            .arg(&spec.program)
            .args(&spec.args)
            .env_clear()
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&spec.cwd)
            .stdin(OwnedFd::from(theirs));
        if let Some(output) = output {
            command.stderr(output.try_clone()?).stdout(output);
        } else {
            command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
        }
        if place != Place::Session {
            command.process_group(0);
        }
        let child = command.spawn()?;
        Ok((child.id(), Self { status: ours, said: Vec::new() }))
    }

    /// What to wait for until the launch is known.
    pub(super) fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        (self.status.as_fd(), PollFlags::IN)
    }

    /// Looks, without waiting, how it went.
    pub(super) fn look(&mut self) -> Launched {
        let read = (&self.status).take(REFUSAL_BYTES_MAX).read_to_end(&mut self.said);
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Launched::Pending,
            Err(error) => Launched::Refused(format!("the task's start was not seen: {error}")),
            Ok(_) if self.said.is_empty() => Launched::Running,
            Ok(_) => Launched::Refused(String::from_utf8_lossy(&self.said).into_owned()),
        }
    }
}

/// Sends a descriptor over a socket, with the one byte that has to carry it.
fn pass_on(socket: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::empty())?;
    Ok(())
}
