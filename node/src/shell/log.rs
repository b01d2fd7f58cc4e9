//! The node's log: one line per event on stderr, which `up` leads to `STATE/node.log`.
//!
//! Strangers can cause lines, so their number is bounded: the same words once a minute, and no more
//! than a hundred lines in any. What this node did itself is never left out for them, and what they
//! say never looks like a line of its own.
//! Refused here: secrets, payloads, and anything a machine should read (that is the audit log).

use crate::{clock, screen};
use belay_identity::PublicKey;
use belay_identity::key::hex;
use belay_mesh::input::OnDisk;
use belay_mesh::output::Event;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Lines of one minute; a person reads no more, and a disk should not hold more of what strangers
/// do.
const LINES_PER_MINUTE: usize = 100;

const MINUTE_MS: u64 = 60_000;

/// Writes lines.
pub(super) struct Log {
    minute: RefCell<Minute>,
    disk: RefCell<(u64, String)>,
}

#[derive(Default)]
struct Minute {
    number: u64,
    said: BTreeSet<String>,
    left_out: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { minute: RefCell::default(), disk: RefCell::default() }
    }

    /// A line that somebody else may have caused: bounded.
    pub(super) fn line(&self, text: &str) {
        let now_ms = clock::wall_ms();
        let mut minute = self.minute.borrow_mut();
        if minute.number != now_ms / MINUTE_MS {
            if minute.left_out > 0 {
                say(now_ms, &format!("{} lines left out", minute.left_out));
            }
            *minute = Minute { number: now_ms / MINUTE_MS, ..Minute::default() };
        }
        if minute.said.len() >= LINES_PER_MINUTE || !minute.said.insert(text.to_owned()) {
            minute.left_out += 1;
            return;
        }
        say(now_ms, text);
    }

    /// A path past a relay was tried.
    pub(super) fn punched(&self, peer: &PublicKey, result: Result<(), String>) {
        self.line(&match result {
            Ok(()) => format!("the link with {peer:?} needs no relay any more"),
            Err(why) => format!("the link with {peer:?} stays on its relay: {why}"),
        });
    }

    pub(super) fn event(&self, event: &Event) {
        let own = match event {
            Event::Linked(key) => return self.line(&format!("linked with {key:?}")),
            Event::Refused(key, why) => {
                return self.line(&format!("link with {key:?} refused: {why}"));
            }
            Event::Ordered(id) => format!("order {id} is held here"),
            Event::LineageBroken { agent, was, now } => format!(
                "agent {agent} is another program ({}) than bore its name first ({}): it inherits \
                 nothing that rules grant to the name",
                hex(now),
                hex(was)
            ),
            Event::Swapped(award, OnDisk::AsStarted) => {
                format!("the program of task {award} is on disk as it was started again")
            }
            Event::Swapped(award, OnDisk::Changed(now)) => {
                format!("the program of task {award} was swapped on disk: now {}", hex(&now.file))
            }
            Event::Swapped(award, OnDisk::Gone(why)) => {
                format!("the program of task {award} is no longer on disk: {why}")
            }
            Event::Ending(award, cause) => format!("task {award} is told to end: {cause}"),
            Event::Ended(award, outcome) => format!("task {award} has ended: {outcome}"),
            Event::ResultDropped(award, why) => format!("result of task {award} dropped: {why}"),
            Event::DiskFailed(why) => return self.disk_failed(why),
            Event::Forked(key, seq) => format!(
                "{key:?} signed two statements with number {seq} of one log: its grants there \
                 count no more from that one on; ask the root to replace the key"
            ),
            Event::AuditCut(key, before, after) => format!(
                "the audit log of {key:?} was cut: it had {before} rows, and says now {after}"
            ),
            Event::SetBack => "peers hold statements of this device that it had lost: \
                               a new incarnation begins"
                .to_owned(),
            Event::ClockStepped(by_ms) => format!(
                "this device's clock has stepped by {by_ms} ms against the time since it booted: \
                 every lease is void and drawn anew, and a new incarnation begins"
            ),
        };
        say(clock::wall_ms(), &own);
    }

    /// Every act fails on a full disk, and the same words again say no more.
    fn disk_failed(&self, why: &str) {
        let now_ms = clock::wall_ms();
        let failed = (now_ms / MINUTE_MS, why.to_owned());
        if self.disk.replace(failed.clone()) != failed {
            say(now_ms, &format!("a write failed: {why}"));
        }
    }
}

fn say(now_ms: u64, text: &str) {
    screen::talk(format_args!("{} {}", clock::rfc3339(now_ms), screen::one_line(text)));
}
