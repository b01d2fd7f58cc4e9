//! Seals: which statements the pins of an epoch cover.
//!
//! A pin covers what it names and everything before it along the hash links. A statement with a low
//! number on another branch of a forked log is not covered: the root never saw it. So a forged twin
//! of an order cannot get the real one sealed away, and a grant cannot be slipped in below a pin.
//! Pins of many epochs lie on one path of a log, which is walked and kept once.
//!
//! Refused here: guessing across a gap. Until the links between are held, a grant is outside and
//! an order is above.

use super::Epoch;
use crate::set::Set;
use belay_identity::body::Pin;
use belay_identity::{LogId, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// What the epochs cover, and where their walks ended for want of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seals {
    /// The paths on which a statement lies, with its number.
    places: BTreeMap<StatementId, Vec<(usize, u64)>>,
    /// How far along each path an epoch has pinned.
    pinned: BTreeMap<StatementId, BTreeMap<usize, u64>>,
    gaps: BTreeSet<StatementId>,
    paths: usize,
}

/// Walks the pins of every epoch.
pub(super) fn fold<'a>(set: &Set, epochs: impl Iterator<Item = &'a Epoch>) -> Seals {
    let mut by_log: BTreeMap<LogId, Vec<(StatementId, &Pin)>> = BTreeMap::new();
    for epoch in epochs {
        for pin in &epoch.root.pins {
            by_log.entry(pin.log()).or_default().push((epoch.id, pin));
        }
    }
    let mut seals = Seals::default();
    for (log, mut pins) in by_log {
        pins.sort_by_key(|(epoch, pin)| (std::cmp::Reverse(pin.seq), pin.id, *epoch));
        for (epoch, pin) in pins {
            seals.note(set, &log, epoch, pin);
        }
    }
    seals
}

impl Seals {
    /// Notes how far a pin reaches: along a path that is known, else along a new one.
    fn note(&mut self, set: &Set, log: &LogId, epoch: StatementId, pin: &Pin) {
        let on = |(_, seq): &&(usize, u64)| *seq == pin.seq;
        let known = self.places.get(&pin.id).and_then(|places| places.iter().find(on));
        let path = match known {
            Some((path, _)) => *path,
            None => self.walk(set, log, pin),
        };
        let reach = self.pinned.entry(epoch).or_default().entry(path).or_default();
        *reach = pin.seq.max(*reach);
    }

    fn walk(&mut self, set: &Set, log: &LogId, pin: &Pin) -> usize {
        self.paths += 1;
        let (mut seq, mut at) = (pin.seq, Some(pin.id));
        while let Some(id) = at {
            let Some(held) = set.get(&id) else {
                self.gaps.insert(id);
                break;
            };
            if held.seq != seq || held.log(held.key()) != *log {
                break;
            }
            self.places.entry(id).or_default().push((self.paths, seq));
            (seq, at) = (seq.saturating_sub(1), held.prev);
        }
        self.paths
    }

    /// True when the pins of this epoch cover the statement.
    pub(super) fn covers(&self, epoch: &StatementId, statement: &StatementId) -> bool {
        let Some(pinned) = self.pinned.get(epoch) else { return false };
        let places = self.places.get(statement).into_iter().flatten();
        places.into_iter().any(|(path, seq)| pinned.get(path).is_some_and(|reach| seq <= reach))
    }

    /// True when a walk ended because this statement was not held.
    pub(super) fn await_it(&self, statement: &StatementId) -> bool {
        self.gaps.contains(statement)
    }
}
