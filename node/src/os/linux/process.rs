//! One process: who it is, who stands above it, whether it can still run, and a signal to it.

use super::super::Process;
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, pidfd_send_signal,
    set_dumpable_behavior, setrlimit,
};
use rustix::thread::set_name;
use std::ffi::CStr;
use std::{fs, io};

/// The longest chain of parents that is followed. Kernels allow deeper nesting only through
/// deliberate effort, and such a caller is better taken for "under no warden".
const PARENTS_MAX: usize = 4096;

/// The ancestors of `pid`, nearest first, up to the first process of the system.
///
/// A link is taken only while parent and child stood together, so a chain that changes during
/// the walk is cut short instead of bent to a stranger.
pub fn parents_of(pid: u32) -> Vec<(u32, u64)> {
    let mut chain = Vec::new();
    let Some(mut child) = read_stat(pid) else { return chain };
    while chain.len() < PARENTS_MAX && child.parent != 0 {
        let Some(parent) = read_stat(child.parent) else { break };
        let Some(again) = read_stat(child.process.pid) else { break };
        if again.process != child.process || again.parent != child.parent {
            break;
        }
        chain.push((parent.process.pid, parent.process.start_time));
        child = parent;
    }
    chain
}

/// The name of every warden. A process can only be renamed by itself, so no task takes it away.
pub(crate) const WARDEN_NAME: &CStr = c"belay-warden";

/// The name of every node; what its killed wardens leave behind stands below it.
pub(crate) const NODE_NAME: &CStr = c"belay-node";

/// Gives this process a name; call it from the first thread.
pub(crate) fn be_named(name: &CStr) {
    // The kernel refuses no name; it cuts long ones.
    let _ = set_name(name);
}

/// Whether a process is a warden or the node of some fleet, by its name, or by its command line
/// while it has not yet named itself.
pub fn is_warden(pid: u32) -> bool {
    is_named(pid, NODE_NAME) || keeps_a_task(pid)
}

/// Whether a process is a warden: what stands below it has a keeper.
pub(super) fn keeps_a_task(pid: u32) -> bool {
    is_named(pid, WARDEN_NAME) || is_called_warden(pid)
}

fn is_named(pid: u32, ours: &CStr) -> bool {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_ascii_end() == ours.to_bytes()
}

fn is_called_warden(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let ours = words.first().is_some_and(|program| program.ends_with(b"belay"));
    let hidden = words.get(1) == Some(&b"warden".as_slice());
    let in_terminal = words.windows(2).any(|pair| pair == [b"agent".as_slice(), b"run"]);
    hidden || (ours && in_terminal)
}

/// Whether that very process exists and is not a corpse waiting to be reaped.
pub fn process_alive(pid: u32, start_time: u64) -> bool {
    read_stat(pid).is_some_and(|stat| {
        stat.process.start_time == start_time && threads(pid).iter().any(|(_, s)| !s.dead())
    })
}

/// The process that has this pid now.
pub(crate) fn find_process(pid: u32) -> Option<Process> {
    read_stat(pid).map(|stat| stat.process)
}

/// Closes this process to debuggers and memory readers of the same user, and lets it leave no core
/// dump: a task must not be able to make its warden lie, and no secret reaches a disk in the clear.
/// The limit is inherited by whatever it starts.
pub(crate) fn hide_memory() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) process: Process,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
}

/// Reads who a pid is; `None` when it is gone.
pub(super) fn read_stat(pid: u32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let fields = after_name(&text)?;
    let number = |index: usize| fields.get(index)?.parse().ok();
    Some(Stat {
        process: Process { pid, start_time: fields.get(19)?.parse().ok()? },
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
    })
}

/// The calling process's own group; `None` when its first process is out of sight, as in a
/// container entered from outside, where the kernel names the group 0.
pub(crate) fn own_group() -> Option<Pid> {
    raw_pid(read_stat(std::process::id())?.group)
}

/// The fields from the state on. The name before them may hold anything, brackets too.
fn after_name(stat: &[u8]) -> Option<Vec<&str>> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    Some(rest.split_ascii_whitespace().collect())
}

/// What one thread is doing, as far as it matters for freezing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThreadState {
    /// It runs or may run at any moment.
    Live,
    /// It waits inside the kernel, or is held by a debugger, and meets a pending stop before it
    /// runs its program again.
    Held,
    /// It is stopped.
    Stopped,
    /// It has ended.
    Dead,
}

impl ThreadState {
    pub(super) fn dead(self) -> bool {
        self == Self::Dead
    }

    fn read(letter: &str) -> Self {
        match letter {
            "T" => Self::Stopped,
            "D" | "t" => Self::Held,
            "Z" | "X" | "x" => Self::Dead,
            _ => Self::Live,
        }
    }
}

/// Every thread of a process with its state. The first thread may be dead while others run.
pub(super) fn threads(pid: u32) -> Vec<(u32, ThreadState)> {
    thread_ids(pid).into_iter().filter_map(|tid| Some((tid, thread_state(pid, tid)?))).collect()
}

fn thread_state(pid: u32, tid: u32) -> Option<ThreadState> {
    let text = fs::read(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    Some(ThreadState::read(after_name(&text)?.first()?))
}

fn thread_ids(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The children of every thread of `pid`.
pub(super) fn children_of(pid: u32) -> Vec<u32> {
    let of_thread = |tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children"));
    thread_ids(pid)
        .into_iter()
        .filter_map(|tid| of_thread(tid).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The kernel took it.
    Delivered,
    /// That process no longer exists.
    Gone,
    /// The kernel refused.
    Refused(Errno),
}

/// Signals that very process: the pidfd is held before the start time is compared, so the pid
/// cannot pass to another one in between.
pub(super) fn send(process: Process, signal: Signal) -> Sent {
    let Some(pid) = raw_pid(process.pid) else { return Sent::Gone };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(Errno::SRCH) => return Sent::Gone,
        Err(error) => return Sent::Refused(error),
    };
    if find_process(process.pid) != Some(process) {
        return Sent::Gone;
    }
    match pidfd_send_signal(&pidfd, signal) {
        Ok(()) => Sent::Delivered,
        Err(Errno::SRCH) => Sent::Gone,
        Err(error) => Sent::Refused(error),
    }
}

/// The pid in the kernel's own type; `None` for numbers that no process has.
pub(super) fn raw_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a name full of brackets and blanks cannot shift the fields.
    #[test]
    fn stat_fields_start_after_the_last_bracket() {
        let stat = b"7 (a) S 1 (b)) R 12 13 14 0";
        assert_eq!(after_name(stat).unwrap_or_default(), ["R", "12", "13", "14", "0"]);
    }

    /// Goal: wardens and nodes are seen however they were started. Method: a program under the
    /// name that they give themselves.
    #[test]
    fn wardens_and_nodes_are_seen_by_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, barred) in [("belay-warden", true), ("belay-node", true), ("belay", false)] {
            let program = folder.path().join(name);
            std::os::unix::fs::symlink("/bin/sleep", &program).expect("a link");
            let mut child = std::process::Command::new(program).arg("60").spawn().expect("sleep");
            // The kernel lets the parent go on a moment before it names the child.
            let comm = format!("/proc/{}/comm", child.id());
            let began = std::time::Instant::now();
            while fs::read_to_string(&comm).expect("it runs").trim_end() != name {
                assert!(began.elapsed().as_secs() < 20, "the child never got its name");
                std::thread::yield_now();
            }
            let seen = is_warden(child.id());
            child.kill().and_then(|()| child.wait()).expect("it ends");
            assert_eq!(seen, barred, "{name}");
        }
    }

    /// Goal: the walk ends at the first process and starts with the direct parent.
    #[test]
    fn parents_lead_to_the_first_process() {
        let chain = parents_of(std::process::id());
        assert_eq!(chain.first().map(|p| p.0), Some(std::os::unix::process::parent_id()));
        assert_eq!(chain.last().map(|p| p.0), Some(1));
    }

    /// Goal: the same pid with another start time is another process.
    #[test]
    fn another_start_time_is_another_process() {
        let me = find_process(std::process::id()).expect("the test runs");
        assert!(process_alive(me.pid, me.start_time));
        assert!(!process_alive(me.pid, me.start_time + 1));
        let other = Process { start_time: me.start_time + 1, ..me };
        assert_eq!(send(other, Signal::KILL), Sent::Gone);
    }
}
