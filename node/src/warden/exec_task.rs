//! The trampoline: a process that prepares itself by safe calls and then becomes the task.
//!
//! Nothing can be run between fork and exec in safe Rust, so the preparation happens after an exec
//! of this program: place, death with the warden, limits, signals, standard input; then the task's
//! own program takes over, with the same pid. It never returns to its caller on success.

use super::launch::Place;
use super::limits::{EXIT_REFUSED, USER_THREADS_MAX};
use super::terminal::take_for_this_group;
use crate::program::{self, Seen};
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::unistd::close;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
    setsid,
};
use rustix::stdio::{dup2_stdin, stdin};
use std::ffi::OsString;
use std::fs;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// The first descriptor that is not a standard stream.
const FIRST_FREE: i32 = 3;

/// Becomes the task named by `args`: the warden's pid, the place, what the program's files
/// must hold, the program, its arguments.
///
/// Only a warden starts it; returns only when the program could not be started, after telling the
/// warden why.
pub fn exec_task(args: impl Iterator<Item = OsString>) -> ExitCode {
    if let Ok(mut warden) = fcntl_dupfd_cloexec(stdin(), FIRST_FREE).map(UnixStream::from) {
        let why = become_task(&warden, args);
        // A warden that is gone needs no reason.
        let _told = warden.write_all(why.as_bytes());
    }
    ExitCode::from(EXIT_REFUSED)
}

/// Everything up to the exec; the answer is why that did not happen.
fn become_task(warden: &UnixStream, args: impl Iterator<Item = OsString>) -> String {
    let Some(order) = Order::read(args) else {
        return "exec-task is started by a warden only".to_owned();
    };
    if let Err(error) = prepare(warden, &order) {
        return format!("the task's first process could not be prepared: {error}");
    }
    if !order.files.is_empty() {
        let program = order.program.to_string_lossy();
        return program::begin(&program, &order.files, order.args);
    }
    let error = Command::new(&order.program).args(&order.args).exec();
    format!(
        "cannot run {}: {error}; give a path, or a program on the task's own PATH",
        order.program.display()
    )
}

struct Order {
    warden: u32,
    place: Place,
    files: Vec<Seen>,
    program: OsString,
    args: Vec<OsString>,
}

impl Order {
    fn read(mut args: impl Iterator<Item = OsString>) -> Option<Self> {
        Some(Self {
            warden: args.next()?.to_str()?.parse().ok()?,
            place: Place::from_name(args.next()?.to_str()?)?,
            files: serde_json::from_str(args.next()?.to_str()?).ok()?,
            program: args.next()?,
            args: args.collect(),
        })
    }
}

fn prepare(warden: &UnixStream, order: &Order) -> io::Result<()> {
    // Taking a terminal from the background would stop us otherwise.
    SigSet::all().thread_block()?;
    die_with(order.warden)?;
    dup2_stdin(receive_input(warden)?)?;
    match order.place {
        Place::Session => {
            setsid()?;
            close_inherited(warden)?;
        }
        Place::Group => {}
        Place::Terminal => take_for_this_group()?,
    }
    lower(Resource::Core, 0)?;
    lower(Resource::Nproc, USER_THREADS_MAX)?;
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Ties this process's life to the warden's; the second look covers a warden that died before.
fn die_with(warden: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == warden { Ok(()) } else { Err(io::Error::other("its warden is gone")) }
}

/// Closes what the node inherited and did not mark: a task in the background gets three streams
/// and nothing else. In the foreground further descriptors are the user's own gift.
fn close_inherited(keep: &UnixStream) -> io::Result<()> {
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<OsString> = names.collect::<io::Result<_>>()?;
    let numbers = names.iter().filter_map(|name| name.to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|&n| n >= FIRST_FREE && n != keep.as_raw_fd()) {
        match close(number) {
            // The listing's own descriptor is closed already.
            Ok(()) | Err(Errno::EBADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Lowers one limit for this process and all that come from it; never raises one.
fn lower(resource: Resource, to: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let least = |limit: Option<u64>| Some(limit.map_or(to, |limit| limit.min(to)));
    let lowered = Rlimit { current: least(now.current), maximum: least(now.maximum) };
    Ok(setrlimit(resource, lowered)?)
}

/// The task's standard input, as the warden sent it.
fn receive_input(warden: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(warden, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let sent = ancillary.drain().find_map(|message| {
        let RecvAncillaryMessage::ScmRights(mut descriptors) = message else { return None };
        descriptors.next()
    });
    sent.ok_or_else(|| io::Error::other("its warden sent no standard input"))
}
