//! What this device says of itself: where it can be reached, what it can do, how busy it is.
//!
//! It is said once a device is a member and has been measured, and again when it has changed by a
//! named step, never more often than a named interval, shorter where an address changed: an idle
//! fleet says nothing. The load is
//! rounded to the step, so that what is said is news. Refused here: measuring; the shell hands the
//! figures in.

use crate::author::Words;
use crate::engine::Engine;
use crate::limits::{
    ADDRESSES_EVERY_MS, LOAD_MAX, LOAD_STEP, PRESENCE_CHARS_MAX, PRESENCE_EVERY_MS,
    PRESENCE_ITEMS_MAX,
};
use crate::time::BootTime;
use belay_identity::body::{Body, Presence};
use belay_identity::{Class, Scope};

/// What was measured last, and when it was last said.
#[derive(Default)]
pub(crate) struct Present {
    measured: bool,
    load: u64,
    addresses: Vec<String>,
    /// When it was last said, where it was.
    said: Option<BootTime>,
}

impl Engine {
    /// Says anew what has changed, if that is due.
    pub(crate) fn tend_presence(&mut self) {
        let Some(presence) = self.news_of_itself() else { return };
        if self.now.boot < self.due_to_say(&presence) {
            return;
        }
        self.outlive_own(Class::Presence);
        self.present.said = Some(self.now.boot);
        self.say(Words::new(Scope::Fleet, presence));
    }

    pub(crate) fn on_present(&mut self, load: u64, addresses: Vec<String>) {
        self.present.measured = true;
        self.present.load = load.min(LOAD_MAX);
        self.present.addresses = bounded(addresses);
    }

    /// How busy this device is, thousandths of one core on average over its cores.
    pub(crate) fn own_load(&self) -> u64 {
        self.present.load
    }

    pub(crate) fn next_presence(&self) -> Option<BootTime> {
        self.news_of_itself().map(|presence| self.due_to_say(&presence))
    }

    /// When that may be said.
    fn due_to_say(&self, presence: &Presence) -> BootTime {
        let Some(said) = self.present.said else { return self.now.boot };
        match self.known.presences.addresses_of(&self.key) == presence.addresses {
            true => said.plus_ms(PRESENCE_EVERY_MS),
            false => said.plus_ms(ADDRESSES_EVERY_MS),
        }
    }

    /// What this device would say of itself now, where it differs from what the fleet holds of it.
    fn news_of_itself(&self) -> Option<Presence> {
        if !self.present.measured {
            return None;
        }
        // Whoever lends nothing is still dialled, and fetched from; he is asked for work last, and
        // says no.
        let (capabilities, load) = match &self.config.lends {
            Some(lends) => (bounded(lends.capabilities.clone()), self.present.load),
            None => (Vec::new(), LOAD_MAX),
        };
        let device = self.known.registry.device_by_key(&self.key)?;
        if self.device_cut(&device.id) {
            return None;
        }
        let said = self.known.presences.by(&self.key).map(|held| &held.body);
        let rounded = (load + LOAD_STEP / 2) / LOAD_STEP * LOAD_STEP;
        let addresses = self.present.addresses.clone();
        let Some(Body::Presence(said)) = said else {
            return Some(Presence { addresses, capabilities, load: rounded });
        };
        let same = (&said.addresses, &said.capabilities) == (&addresses, &capabilities);
        // A load that wavers around half a step is no news.
        let moved = said.load.abs_diff(load) >= LOAD_STEP;
        (!same || moved).then_some(Presence { addresses, capabilities, load: rounded })
    }

    /// Of a register the greatest life counts: a word of this device from a life that its disk has
    /// forgotten would silence this one.
    pub(crate) fn outlive_own(&mut self, class: Class) {
        self.outlive_own_in(class, &Scope::Fleet);
    }

    /// The same of a register of one scope.
    pub(crate) fn outlive_own_in(&mut self, class: Class, scope: &Scope) {
        let Some(held) = self.known.set.register(&self.key, class, scope) else { return };
        let theirs = held.incarnation;
        if theirs != self.incarnation && theirs.counter >= self.incarnation.counter {
            self.incarnation.counter = theirs.counter;
            self.note_set_back();
        }
    }
}

/// Sorted, each once, each short, and not too many.
fn bounded(mut words: Vec<String>) -> Vec<String> {
    words.retain(|word| !word.is_empty() && word.chars().count() <= PRESENCE_CHARS_MAX);
    words.sort();
    words.dedup();
    words.truncate(PRESENCE_ITEMS_MAX);
    words
}
