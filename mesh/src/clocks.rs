//! What this device knows of the time, and what that ends.
//!
//! Beacons say the time with every answer; the releases that judge say how many of them it takes
//! and how many may lie (`crate::time`). Whatever lets, and has an end, is judged by the late end
//! of the interval; before anybody has said the time since this process began there is none, and it
//! lives only as long as the lease of its action class is fresh. Whatever takes away ends when its
//! end is surely past.
//!
//! The own wall clock decides nothing, except at a beacon, where it is one of the words. It is
//! compared: where it parts from the boot clock, something was hidden from one of the two (a
//! paused, rewound or copied machine), every lease is void and drawn anew, and a new incarnation
//! begins.
//!
//! Refused here: comparing with the own wall clock what lets or takes away.

use crate::engine::Engine;
use crate::limits::OWN_CLOCK_EVERY_MS;
use crate::output::Event;
use crate::time::{Clock, Heard, Interval, Told};
use belay_crdt::releases::ReleaseInForce;
use belay_identity::body::Action;

impl Engine {
    /// The true wall time, as the beacons' answers bound it.
    pub(crate) fn interval(&self) -> Option<Interval> {
        match self.is_pictured_clock() {
            true => self.view.interval(self.now),
            false => self.clock().interval(self.now),
        }
    }

    /// True when what lets in this class, and ends then, is live no longer.
    pub(crate) fn has_ended(&self, end_ms: u64, action: Action) -> bool {
        match self.interval() {
            Some(interval) => interval.late_ms >= end_ms,
            None => !self.class_lease(action).holds(self.now.boot),
        }
    }

    /// True when this moment is surely past: in the time of this process it never comes back.
    pub(crate) fn is_surely_past(&self, end_ms: u64) -> bool {
        let early = self.interval().map(|interval| interval.early_ms);
        self.passed_ms.max(early).is_some_and(|early| early >= end_ms)
    }

    /// Everything that was said of the time.
    pub(crate) fn clock(&self) -> Clock {
        let told = |all: &[ReleaseInForce]| all.iter().map(|release| self.told(release)).collect();
        let before = self.known.releases.before(&self.config.ring);
        let before = before.get(..1).unwrap_or_default();
        Clock { judging: told(self.named_judges().all()), before: told(before) }
    }

    fn told(&self, release: &ReleaseInForce) -> Told {
        let header = &release.header;
        let heeded = header.beacons.iter().filter(|beacon| self.known.was_beacon(beacon));
        let (mut words, mut own) = (Vec::new(), None);
        for beacon in heeded {
            match self.holder.clock(beacon) {
                Some(word) if *beacon == self.key => own = Some(word),
                Some(word) => words.push(word),
                None => {}
            }
        }
        Told { words, own, quorum: header.quorum, liars: header.liars }
    }

    /// Reads the own clock from time to time, and notes when it parts from the boot clock.
    pub(crate) fn note_own_clock(&mut self) {
        let word = Heard::read(self.now);
        let due = self.holder.clock(&self.key).is_none_or(|own| {
            own.parts_from(word) || word.heard.since_ms(own.heard()) >= OWN_CLOCK_EVERY_MS
        });
        if !due {
            return;
        }
        if let Some(by_ms) = self.holder.hear_clock(self.key, word) {
            self.holder.void(&self.key);
            // A copy of this machine may go on from the same state: it must not say what we say.
            self.chance.stir(self.now);
            self.begin_incarnation();
            self.tell(Event::ClockStepped(by_ms));
        }
    }

    /// What has surely passed has passed, also when a clock steps back or another beacon is slower.
    pub(crate) fn note_passed(&mut self) {
        self.passed_ms = self.passed_ms.max(self.interval().map(|interval| interval.early_ms));
    }
}
