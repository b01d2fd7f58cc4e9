//! The warden's loop: wait for word, signal, output or deadline; then bring the tree to where the
//! lease and the orders want it.
//!
//! Every turn looks at everything, so a lost wake-up costs a delay at worst, never a step. Orders
//! only change what is wanted; [`Keeper::tick`] alone starts, freezes, thaws and kills.

use super::capture::Capture;
use super::channel::receive;
use super::facts::Ledger;
use super::launch::{Launch, Launched, Place};
use super::lease::Lease;
use super::limits::{
    EXIT_REFUSED, FROZEN_LOOK_NS, KILL_PAUSE_NS_MAX, KILL_PAUSE_NS_MIN, KILL_PROOF_NS,
};
use super::link::Link;
use super::signals::{Heard, Signals};
use super::terminal::Terminal;
use super::tools_door::ToolsDoor;
use super::{FromWarden, Seen, TaskSpec, TaskStdio, ToWarden};
use crate::os::{
    BootTimer, Process, Sweep, Tree, become_subreaper, boot_id, boot_now_ns, find_process,
    hide_memory,
};
use belay_mesh::limits::STOP_GRACE_MS;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus, setsid, wait};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

const NS_PER_MS: u64 = 1_000_000;

/// One task in the hands of this process.
#[derive(Debug)]
pub(super) struct Keeper {
    spec: TaskSpec,
    boot_id: String,
    link: Link,
    facts: Ledger,
    signals: Signals,
    timer: BootTimer,
    tree: Tree,
    terminal: Option<Terminal>,
    capture: Option<Capture>,
    launch: Option<Launch>,
    first: Option<Process>,
    lease: Lease,
    stage: Stage,
    frozen: Option<Frozen>,
    lapsed_since: Option<u64>,
    suspended: bool,
    last_doubt: Option<String>,
    exit_status: u8,
}

/// How far the task's life has come. It only moves downward.
#[derive(Debug)]
enum Stage {
    /// No lease yet: nothing has been started.
    Waiting,
    /// The tree runs or stands, as the lease wants it.
    Held,
    /// The processes have been asked to end.
    Asked { kill_at: u64 },
    /// The processes are being killed.
    Killing { since: u64, next_at: u64, pause: u64 },
    /// The last record has been written.
    Over,
}

/// A tree that stands still, as far as could be done.
#[derive(Debug)]
struct Frozen {
    sweep: Sweep,
    told: bool,
    look_at: u64,
}

/// A task that could not even be accepted; nothing was started and no fact exists.
#[derive(Debug)]
pub(super) struct NotBegun {
    link: Option<Link>,
    why: String,
}

impl NotBegun {
    pub(super) fn tell(mut self) {
        if let Some(link) = &mut self.link {
            link.send(&FromWarden::Refused { why: self.why });
            link.finish();
        }
    }
}

impl Keeper {
    /// Reads the task from the channel and makes this process its warden.
    pub(super) fn begin(mut channel: UnixStream) -> Result<Self, NotBegun> {
        let signals = Signals::block();
        let first = receive::<ToWarden>(&mut channel);
        let link = Link::new(channel);
        let (signals, link) = match (signals, link) {
            (Ok(signals), Ok(link)) => (signals, link),
            (Err(error), link) => {
                return Err(NotBegun { link: link.ok(), why: not_prepared(&error) });
            }
            (Ok(_), Err(error)) => return Err(NotBegun { link: None, why: not_prepared(&error) }),
        };
        match first {
            Ok(Some(ToWarden::Begin(spec))) => Self::prepare(spec, signals, link),
            Ok(Some(ToWarden::Run { .. } | ToWarden::Freeze | ToWarden::End { .. })) => {
                let why = "the first message to a warden is the task".to_owned();
                Err(NotBegun { link: Some(link), why })
            }
            Ok(None) => Err(NotBegun { link: None, why: "nobody gave a task".to_owned() }),
            Err(error) => Err(NotBegun { link: Some(link), why: error.to_string() }),
        }
    }

    fn prepare(spec: TaskSpec, signals: Signals, link: Link) -> Result<Self, NotBegun> {
        let prepared = become_warden(&spec.stdio).and_then(|tree| {
            let facts = Ledger::create(&spec.folder, &spec.facts_key)
                .map_err(|error| no_facts(&spec, &error))?;
            Ok((tree, facts, BootTimer::new()?, boot_id()?))
        });
        let (tree, facts, timer, boot_id) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err(NotBegun { link: Some(link), why: not_prepared(&error) }),
        };
        let terminal = match spec.stdio {
            TaskStdio::Inherit => Terminal::open(),
            TaskStdio::Captured { .. } => None,
        };
        Ok(Self {
            spec,
            boot_id,
            link,
            facts,
            signals,
            timer,
            tree,
            terminal,
            capture: None,
            launch: None,
            first: None,
            lease: Lease::default(),
            stage: Stage::Waiting,
            frozen: None,
            lapsed_since: None,
            suspended: false,
            last_doubt: None,
            exit_status: 0,
        })
    }

    /// Keeps the task until its last record is written; answers with its exit status.
    pub(super) fn serve(mut self) -> ExitCode {
        while !matches!(self.stage, Stage::Over) {
            if self.wait_for_news().is_err() {
                // Without its clock a warden cannot keep a lease, so it keeps nothing alive.
                self.kill(boot_now_ns());
            }
            self.hear_signals();
            self.obey_orders();
            if let Some(capture) = &mut self.capture {
                capture.drain();
            }
            self.look_at_launch();
            let nobody_left = self.reap();
            self.tick(boot_now_ns(), nobody_left);
        }
        self.take_terminal_back();
        self.link.finish();
        ExitCode::from(self.exit_status)
    }

    fn wait_for_news(&mut self) -> io::Result<()> {
        self.link.flush();
        self.timer.set(self.next_deadline())?;
        let always = [(self.timer.as_fd(), PollFlags::IN), (self.signals.as_fd(), PollFlags::IN)];
        let sometimes = [
            self.link.interest(),
            self.capture.as_ref().and_then(Capture::interest),
            self.launch.as_ref().map(Launch::interest),
        ];
        let watched = always.into_iter().chain(sometimes.into_iter().flatten());
        let mut news: Vec<PollFd<'_>> =
            watched.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect();
        match poll(&mut news, None) {
            Ok(_) | Err(Errno::INTR) => self.timer.clear(),
            Err(error) => Err(error.into()),
        }
    }

    /// The next moment at which something must be done though nothing happens.
    fn next_deadline(&self) -> Option<u64> {
        match self.stage {
            Stage::Waiting | Stage::Over => None,
            Stage::Asked { kill_at } => Some(kill_at),
            Stage::Killing { next_at, .. } => Some(next_at),
            Stage::Held => {
                let lapse = self.lease.ends_at().filter(|_| self.lapsed_since.is_none());
                let look = self.frozen.as_ref().map(|frozen| frozen.look_at);
                [lapse, look, self.lapse_grace_ends_at()].into_iter().flatten().min()
            }
        }
    }

    fn lapse_grace_ends_at(&self) -> Option<u64> {
        let grace_ns = self.spec.lapse_grace_ms.saturating_mul(NS_PER_MS);
        self.lapsed_since.map(|since| since.saturating_add(grace_ns))
    }

    fn obey_orders(&mut self) {
        for order in self.link.receive() {
            let now = boot_now_ns();
            match order {
                ToWarden::Run { until_boot_ns } => self.renew(until_boot_ns, now),
                ToWarden::Freeze => self.lease.withdraw(),
                ToWarden::End { grace_ms } => self.end(grace_ms, now),
                // One warden, one task: a second one changes nothing.
                ToWarden::Begin(_) => {}
            }
        }
    }

    /// Takes a new lease, unless the end has begun.
    fn renew(&mut self, until_boot_ns: u64, now: u64) {
        match self.stage {
            Stage::Waiting | Stage::Held => self.lease.renew(until_boot_ns, now),
            Stage::Asked { .. } | Stage::Killing { .. } | Stage::Over => {}
        }
    }

    /// Begins the end. Processes are asked first only while the lease lets them answer.
    fn end(&mut self, grace_ms: u64, now: u64) {
        match self.stage {
            Stage::Waiting => self.stage = Stage::Killing { since: now, next_at: now, pause: 0 },
            Stage::Held if grace_ms > 0 && self.lease.lasts(now) => self.ask(grace_ms, now),
            Stage::Held => self.kill(now),
            Stage::Asked { .. } | Stage::Killing { .. } | Stage::Over => {}
        }
    }

    fn ask(&mut self, grace_ms: u64, now: u64) {
        let grace_ends = now.saturating_add(grace_ms.saturating_mul(NS_PER_MS));
        let kill_at = grace_ends.min(self.lease.ends_at().unwrap_or(now));
        self.stage = Stage::Asked { kill_at };
        if self.frozen.take().is_some() {
            self.tell(FromWarden::Thawed { boot_ns: now });
        }
        let sweep = self.tree.terminate();
        self.doubt(now, sweep.why());
    }

    fn kill(&mut self, now: u64) {
        match self.stage {
            Stage::Waiting | Stage::Held | Stage::Asked { .. } => {
                self.stage = Stage::Killing { since: now, next_at: now, pause: KILL_PAUSE_NS_MIN };
            }
            Stage::Killing { .. } | Stage::Over => {}
        }
    }

    /// Brings the tree to where the moment wants it.
    fn tick(&mut self, now: u64, nobody_left: bool) {
        if nobody_left && !matches!(self.stage, Stage::Waiting) {
            return self.finish();
        }
        match self.stage {
            Stage::Waiting if self.link.closed() => self.finish(),
            Stage::Waiting if self.lease.lasts(now) => self.start(now),
            Stage::Held => self.hold(now),
            Stage::Asked { kill_at } if now >= kill_at => {
                self.kill(now);
                self.kill_round(now);
            }
            Stage::Killing { next_at, .. } if now >= next_at => self.kill_round(now),
            Stage::Waiting | Stage::Asked { .. } | Stage::Killing { .. } | Stage::Over => {}
        }
    }

    fn hold(&mut self, now: u64) {
        let lasts = self.lease.lasts(now) && !self.link.closed();
        // Whoever is told to stand still waits for the next word, as long as somebody is there.
        let waits = lasts || (self.lease.is_paused() && !self.link.closed());
        self.lapsed_since = if waits { None } else { self.lapsed_since.or(Some(now)) };
        match (lasts && !self.suspended, &self.frozen) {
            (true, Some(_)) => self.thaw(),
            (false, None) => self.freeze(),
            (false, Some(frozen)) if now >= frozen.look_at => self.freeze(),
            (true, None) | (false, Some(_)) => {}
        }
        if self.lapse_grace_ends_at().is_some_and(|end| now >= end) {
            self.kill(now);
            self.kill_round(now);
        }
    }

    fn start(&mut self, now: u64) {
        self.stage = Stage::Held;
        if let Err(error) = self.launch_task() {
            let (program, cwd) = (self.spec.program.display(), self.spec.cwd.display());
            let why = format!(
                "cannot run {program} in {cwd}: {error}; check that the folder exists, then the \
                 length of arguments and environment"
            );
            self.refuse(why);
            self.kill(now);
        }
    }

    fn launch_task(&mut self) -> io::Result<()> {
        let in_front = self.terminal.as_ref().is_some_and(Terminal::is_ours);
        let (place, output) = match self.spec.stdio {
            TaskStdio::Inherit if in_front => (Place::Terminal, None),
            TaskStdio::Inherit => (Place::Group, None),
            TaskStdio::Captured { limit_bytes } => {
                let (capture, output) = Capture::create(&self.spec.folder, limit_bytes)?;
                self.capture = Some(capture);
                (Place::Session, Some(output))
            }
        };
        let tools_door = ToolsDoor::open_for(&mut self.spec);
        let (pid, launch) = Launch::start(&self.spec, place, output)?;
        self.launch = Some(launch);
        // A task without such a door has less, never more.
        if let Err(error) = tools_door.and_then(|door| ToolsDoor::begin(door, &self.spec, pid)) {
            self.say_in_terminal(&format!("no gateway listens on loopback: {error}"));
        }
        // Nobody but this process reaps it, so it is still there, alive or dead.
        self.first = find_process(pid);
        if let Some(terminal) = &mut self.terminal {
            terminal.belongs_to(pid, place);
        }
        Ok(())
    }

    /// Tells once whether the program took over from the trampoline.
    fn look_at_launch(&mut self) {
        let Some(launch) = &mut self.launch else { return };
        match launch.look() {
            Launched::Pending => return,
            Launched::Refused(why) => self.refuse(why),
            Launched::Running => {
                if let Some(Process { pid, start_time }) = self.first {
                    let boot_id = self.boot_id.clone();
                    self.tell(FromWarden::Started { pid, start_time, boot_id });
                }
            }
        }
        self.launch = None;
    }

    fn refuse(&mut self, why: String) {
        self.first = None;
        self.exit_status = EXIT_REFUSED;
        self.tell(FromWarden::Refused { why });
    }

    fn freeze(&mut self) {
        let mut sweep = self.tree.freeze();
        let now = boot_now_ns();
        let mut told = false;
        if let Some(before) = self.frozen.take() {
            sweep.asleep = before.sweep.asleep;
            told = before.told;
        } else {
            self.take_terminal_back();
        }
        if sweep.complete() && !told {
            self.tell(FromWarden::Frozen { boot_ns: now });
            self.say_in_terminal(
                "frozen until its permission to run is renewed; Ctrl-Z for a shell",
            );
            told = true;
        }
        self.doubt(now, sweep.why());
        let pause = if sweep.settled { FROZEN_LOOK_NS } else { 0 };
        self.frozen = Some(Frozen { sweep, told, look_at: now.saturating_add(pause) });
    }

    fn thaw(&mut self) {
        let Some(frozen) = self.frozen.take() else { return };
        self.last_doubt = None;
        // The record comes first, so nothing runs of which the facts still say "frozen".
        self.tell(FromWarden::Thawed { boot_ns: boot_now_ns() });
        self.say_in_terminal("goes on");
        self.lend_terminal();
        self.tree.thaw(&frozen.sweep);
        if let (Some(terminal), Some(_)) = (&self.terminal, self.first) {
            terminal.continue_task();
        }
    }

    fn kill_round(&mut self, now: u64) {
        let Stage::Killing { since, pause, .. } = self.stage else { return };
        self.frozen = None;
        let sweep = self.tree.kill();
        let after = boot_now_ns();
        self.stage = Stage::Killing {
            since,
            next_at: after.saturating_add(pause),
            pause: pause.saturating_mul(2).min(KILL_PAUSE_NS_MAX),
        };
        let slow = now.saturating_sub(since) >= KILL_PROOF_NS;
        let refused = !sweep.refused.is_empty();
        let hangs = || "killed processes have not ended: they hang in the kernel".to_owned();
        if refused || slow {
            self.doubt(after, sweep.why().or_else(|| Some(hangs())));
        }
    }

    /// Takes the dead; true when the kernel says that this process has no child left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((pid, status))) => {
                    let pid = pid.as_raw_nonzero().get().unsigned_abs();
                    if self.first.is_some_and(|first| first.pid == pid) {
                        self.note_first(status);
                    }
                }
                Ok(None) => return false,
                Err(Errno::CHILD) => {
                    self.look_at_launch();
                    return self.tree.heads().is_empty();
                }
                Err(_) => return false,
            }
        }
    }

    fn note_first(&mut self, status: WaitStatus) {
        if let Some(signal) = status.stopping_signal() {
            return self.pause_with(signal);
        }
        self.look_at_launch();
        if self.first.take().is_none() {
            return;
        }
        if let Some(capture) = &mut self.capture {
            capture.drain();
        }
        let (code, signal) = (status.exit_status(), status.terminating_signal());
        self.exit_status = exit_status(code, signal);
        self.take_terminal_back();
        self.tell(FromWarden::Exited { code, signal });
    }

    /// The first process was stopped by the terminal, so the whole job pauses.
    fn pause_with(&mut self, signal: i32) {
        let by_terminal = [Signal::TSTP, Signal::TTIN, Signal::TTOU];
        if by_terminal.iter().any(|one| one.as_raw() == signal) {
            self.pause();
        }
    }

    fn pause(&mut self) {
        let (Stage::Held, Some(_)) = (&self.stage, &self.terminal) else { return };
        self.suspended = true;
        if self.frozen.is_none() {
            self.freeze();
        }
        if let Some(terminal) = &mut self.terminal {
            // Refused or not, the task stays frozen until somebody continues this process.
            let _stopped = terminal.hand_to_shell();
        }
    }

    fn hear_signals(&mut self) {
        while let Some(heard) = self.signals.next() {
            match heard {
                // Keys reach this process only while the task does not have the terminal.
                Heard::Pause if self.terminal.as_ref().is_some_and(Terminal::is_ours) => {
                    self.pause();
                }
                // The node wakes a suspended warden only to be heard.
                Heard::Continue { sender } if Some(sender) == self.link.peer() => {}
                Heard::Continue { .. } => self.go_on(),
                Heard::End if self.spec.stdio == TaskStdio::Inherit => {
                    self.end(STOP_GRACE_MS, boot_now_ns());
                }
                Heard::Pause | Heard::End | Heard::Other => {}
            }
        }
    }

    /// The shell continued its job, in front or in the background.
    fn go_on(&mut self) {
        self.suspended = false;
        if self.frozen.is_none() {
            self.lend_terminal();
        }
    }

    fn lend_terminal(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.lend();
        }
    }

    fn take_terminal_back(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.take_back();
        }
    }

    /// Writes the last record. INVARIANT: the kernel said that no child is left, or none was ever
    /// started; and "empty" is told only when it is on disk.
    fn finish(&mut self) {
        if let Some(capture) = &mut self.capture {
            capture.finish();
        }
        let boot_ns = boot_now_ns();
        let empty = FromWarden::Empty { boot_ns, seen: Seen::NoChildrenLeft };
        match self.facts.append(&empty) {
            Ok(()) => self.link.send(&empty),
            Err(error) => {
                let why =
                    format!("the tree was seen empty, but that could not be recorded: {error}");
                self.link.send(&FromWarden::NotProven { boot_ns, why });
            }
        }
        self.stage = Stage::Over;
    }

    /// Tells what stands in the way of a proof, once for each new reason.
    fn doubt(&mut self, boot_ns: u64, why: Option<String>) {
        if let Some(why) = why.filter(|why| self.last_doubt.as_ref() != Some(why)) {
            self.last_doubt = Some(why.clone());
            self.tell(FromWarden::NotProven { boot_ns, why });
        }
    }

    /// Records and sends. A record that the disk refuses is still sent: none of those told here
    /// proves an end.
    fn tell(&mut self, fact: FromWarden) {
        let _recorded = self.facts.append(&fact);
        self.link.send(&fact);
    }

    fn say_in_terminal(&self, what: &str) {
        if self.terminal.is_some() {
            // A terminal that went away needs no word.
            let _said = writeln!(io::stderr(), "belay: {}: {what}", self.spec.program.display());
        }
    }
}

/// Makes this process parent, subreaper and nothing else.
fn become_warden(stdio: &TaskStdio) -> io::Result<Tree> {
    hide_memory()?;
    become_subreaper()?;
    match stdio {
        TaskStdio::Inherit => {}
        TaskStdio::Captured { .. } => leave_terminal(),
    }
    let tree = Tree::below_me();
    if tree.heads().is_empty() {
        return Ok(tree);
    }
    Err(io::Error::other("it already has children of its own; start it from a fresh process"))
}

fn leave_terminal() {
    // Refused only to the leader of a group, which a warden started by the node is not; one that
    // is stays where it is, since all signals are blocked anyway.
    let _left = setsid();
}

fn not_prepared(error: &io::Error) -> String {
    format!("this process cannot become a warden: {error}")
}

fn no_facts(spec: &TaskSpec, error: &io::Error) -> io::Error {
    let folder = spec.folder.display();
    io::Error::new(error.kind(), format!("no new facts can be written in {folder}: {error}"))
}

/// A task's end as a shell would show it.
fn exit_status(code: Option<i32>, signal: Option<i32>) -> u8 {
    const KILLED: i32 = 128;
    let status = code.or(signal.map(|signal| KILLED + signal));
    status.and_then(|status| u8::try_from(status).ok()).unwrap_or(u8::MAX)
}
