//! The warden: the small process that holds one task's process tree and outlives a crash of the
//! node.
//!
//! It is parent and subreaper of the whole tree. The tree runs only while a lease on the boot
//! clock lasts, fed over a socket a few seconds ahead; when the feed ends, for whatever reason,
//! the tree is frozen at once, and ended when nothing comes within the lapse grace. What the
//! warden saw is written and synced to the task's folder before it is sent, so the facts remain
//! when the node does not.
//!
//! It decides nothing, speaks to nobody but the node, starts no thread and no async runtime, and
//! never says "empty" unless the kernel answered that it has no child left. A listener that it
//! opens for its task's gateway it hands on unheard. It can be killed by
//! its user; then its task's first process dies with it, and the node ends the rest
//! ([`crate::os::end_orphans`]), unproven.
//!
//! One task's life: `Begin` → first `Run` → `Started` → (`Frozen` ⇄ `Thawed`)* → `Exited` →
//! `Empty`. `Empty` is the last record of every task that ended provably, also of one that never
//! started or was refused.

mod capture;
pub mod channel;
mod exec_task;
mod facts;
mod keeper;
mod launch;
mod lease;
pub mod limits;
mod link;
mod message;
mod signals;
mod terminal;
mod tools_door;

pub use exec_task::exec_task;
pub(crate) use facts::facts_in;
pub use facts::{Fact, Facts, FactsError, read_facts};
pub(crate) use launch::THIS_PROGRAM;
pub use message::{FileSeen, FromWarden, Seen, TaskSpec, TaskStdio, ToWarden};

use crate::os;
use keeper::Keeper;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::{fs, io};

/// The hidden subcommand that starts a warden on its standard input.
pub const WARDEN: &str = "warden";
/// The hidden subcommand that prepares itself and becomes the task's first process.
pub const EXEC_TASK: &str = "exec-task";

/// Serves one task until its tree is gone; reads `Begin` from the channel first.
///
/// Call it from a process with one thread and no child. It answers with the task's exit status,
/// in the convention of shells: 128 and the signal's number when killed, 127 when refused.
pub fn run(channel: UnixStream) -> ExitCode {
    os::be_named(os::WARDEN_NAME);
    match Keeper::begin(channel) {
        Ok(keeper) => keeper.serve(),
        Err(refused) => {
            refused.tell();
            ExitCode::from(limits::EXIT_REFUSED)
        }
    }
}

/// Serves one task over the socket that is this process's standard input, as [`spawn`] sets it.
pub fn run_on_stdin() -> ExitCode {
    match take_stdin() {
        Ok(channel) => run(channel),
        Err(_not_a_socket) => ExitCode::from(limits::EXIT_REFUSED),
    }
}

fn take_stdin() -> io::Result<UnixStream> {
    let channel = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?;
    Ok(UnixStream::from(channel))
}

/// Starts `exe warden` and gives its pid and the node's end of its channel.
///
/// The warden gets nothing of this process's environment, folder or terminal. The caller reaps it
/// ([`crate::os::open_pidfd`], [`crate::os::has_ended`]).
///
/// # Errors
/// What the system says when the program cannot be started or no descriptors are left.
pub fn spawn(exe: &Path) -> io::Result<(u32, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let warden = Command::new(exe)
        .arg(WARDEN)
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((warden.id(), ours))
}
