//! The node's log: one line per event on stderr, which `up` leads to `STATE/node.log`.
//!
//! Strangers can cause lines, so their number is bounded: the same words once a minute, and no more
//! than a hundred lines in any. Refused here: secrets, payloads, and anything a machine should read
//! (that is the audit log).

use crate::clock;
use belay_mesh::output::Event;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Lines of one minute; a person reads no more, and a disk should not hold more of what strangers do.
const LINES_PER_MINUTE: usize = 100;

const MINUTE_MS: u64 = 60_000;

/// Writes lines.
pub(super) struct Log {
    minute: RefCell<Minute>,
}

#[derive(Default)]
struct Minute {
    number: u64,
    said: BTreeSet<String>,
    left_out: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { minute: RefCell::default() }
    }

    pub(super) fn line(&self, text: &str) {
        let now_ms = clock::wall_ms();
        let mut minute = self.minute.borrow_mut();
        if minute.number != now_ms / MINUTE_MS {
            if minute.left_out > 0 {
                eprintln!("{} {} lines left out", clock::rfc3339(now_ms), minute.left_out);
            }
            *minute = Minute { number: now_ms / MINUTE_MS, ..Minute::default() };
        }
        if minute.said.len() >= LINES_PER_MINUTE || !minute.said.insert(text.to_owned()) {
            minute.left_out += 1;
            return;
        }
        eprintln!("{} {text}", clock::rfc3339(now_ms));
    }

    pub(super) fn event(&self, event: &Event) {
        let text = match event {
            Event::Linked(key) => format!("linked with {key:?}"),
            Event::Refused(key, why) => format!("link with {key:?} refused: {why}"),
            Event::Ordered(id) => format!("order {id} is held here"),
            Event::Ending(award, cause) => format!("task {award} is told to end: {cause}"),
            Event::Ended(award, outcome) => format!("task {award} has ended: {outcome}"),
            Event::DiskFailed(why) => format!("a write failed: {why}"),
            Event::SetBack => "peers hold statements of this device that it had lost: \
                               a new incarnation begins"
                .to_owned(),
        };
        self.line(&text);
    }
}
