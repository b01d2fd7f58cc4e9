//! The node's log: one line per event on stderr, which `up` leads to `STATE/node.log`.
//!
//! Refused here: secrets, payloads, and anything a machine should read (that is the audit log).

use crate::clock;
use belay_mesh::output::Event;

/// Writes lines.
pub(super) struct Log;

impl Log {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn line(&self, text: &str) {
        eprintln!("{} {text}", clock::rfc3339(clock::wall_ms()));
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
