//! Seals: which statements the pins of an epoch cover.
//!
//! A pin covers what it names and everything before it along the hash links. A statement with a low
//! number on another branch of a forked log is not covered: the root never saw it. So a forged twin
//! of an order cannot get the real one sealed away, and a grant cannot be slipped in below a pin.
//! Pins of many epochs lie on one path of a log, which is walked and kept once, under the id of its
//! highest pin. Where a path ended for want of a statement, that log alone is walked again when it
//! comes; what is then kept is what a fold of the whole set keeps.
//!
//! Refused here: guessing across a gap. Until the links between are held, a grant is outside and
//! an order is above.

use super::Epoch;
use crate::set::{Held, Set};
use belay_identity::body::Pin;
use belay_identity::{LogId, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// What the epochs cover, and where their walks ended for want of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seals {
    /// The paths on which a statement lies, by their highest pin, with its number.
    places: BTreeMap<StatementId, Vec<(StatementId, u64)>>,
    /// How far along each path an epoch has pinned.
    pinned: BTreeMap<StatementId, BTreeMap<StatementId, u64>>,
    /// What is missing below pins, with the logs of those.
    gaps: BTreeMap<StatementId, BTreeSet<LogId>>,
}

/// Walks the pins of every epoch.
pub(super) fn fold<'a>(set: &Set, epochs: impl Iterator<Item = &'a Epoch>) -> Seals {
    let mut by_log: BTreeMap<LogId, Vec<(StatementId, &Pin)>> = BTreeMap::new();
    for epoch in epochs {
        for pin in epoch.pins() {
            by_log.entry(pin.log()).or_default().push((epoch.id, pin));
        }
    }
    let mut seals = Seals::default();
    by_log.into_iter().for_each(|(log, pins)| _ = seals.walk_log(set, &log, pins));
    seals
}

impl Seals {
    /// Walks the logs again in which this statement, which is held now, was missing below a pin.
    /// Gives all that lies on their paths.
    pub(super) fn follow(
        &mut self,
        set: &Set,
        epochs: &[&Epoch],
        came: &StatementId,
    ) -> BTreeSet<StatementId> {
        let mut passed = BTreeSet::new();
        for log in self.gaps.remove(came).unwrap_or_default() {
            let mut pins: Vec<(StatementId, &Pin)> = Vec::new();
            for epoch in epochs {
                pins.extend(epoch.pins_of(&log).map(|pin| (epoch.id, pin)));
            }
            self.forget(set, &log, &pins);
            passed.extend(self.walk_log(set, &log, pins));
        }
        passed
    }

    /// Takes the paths below these pins of one log away.
    fn forget(&mut self, set: &Set, log: &LogId, pins: &[(StatementId, &Pin)]) {
        for (_, pin) in pins {
            for held in path(set, log, pin) {
                self.places.remove(&held.id());
            }
            self.pinned.values_mut().for_each(|paths| _ = paths.remove(&pin.id));
        }
        self.pinned.retain(|_, paths| !paths.is_empty());
    }

    /// Walks one log from its highest pin down. Gives all that lies on its paths.
    fn walk_log(
        &mut self,
        set: &Set,
        log: &LogId,
        mut pins: Vec<(StatementId, &Pin)>,
    ) -> Vec<StatementId> {
        let mut passed = Vec::new();
        pins.sort_by_key(|(epoch, pin)| (std::cmp::Reverse(pin.seq), pin.id, *epoch));
        for (epoch, pin) in pins {
            let known = self.places.get(&pin.id).and_then(|places| places.first());
            let top = match (known, path(set, log, pin).next()) {
                (Some((top, seq)), Some(_)) if *seq == pin.seq => *top,
                (_, Some(_)) => {
                    passed.extend(self.walk(set, log, pin));
                    pin.id
                }
                (_, None) => {
                    self.note_gap(set, log, pin.id);
                    continue;
                }
            };
            let reach = self.pinned.entry(epoch).or_default().entry(top).or_default();
            *reach = pin.seq.max(*reach);
        }
        passed
    }

    fn walk(&mut self, set: &Set, log: &LogId, pin: &Pin) -> Vec<StatementId> {
        let mut passed = Vec::new();
        let mut below = None;
        for held in path(set, log, pin) {
            self.places.entry(held.id()).or_default().push((pin.id, held.seq));
            passed.push(held.id());
            below = held.prev;
        }
        below.into_iter().for_each(|id| self.note_gap(set, log, id));
        passed
    }

    fn note_gap(&mut self, set: &Set, log: &LogId, id: StatementId) {
        if set.get(&id).is_none() {
            self.gaps.entry(id).or_default().insert(log.clone());
        }
    }

    /// True when the pins of this epoch cover the statement.
    pub(super) fn covers(&self, epoch: &StatementId, statement: &StatementId) -> bool {
        let Some(pinned) = self.pinned.get(epoch) else { return false };
        let places = self.places.get(statement).into_iter().flatten();
        places.into_iter().any(|(path, seq)| pinned.get(path).is_some_and(|reach| seq <= reach))
    }

    /// True when a walk ended because this statement was not held.
    pub(super) fn await_it(&self, statement: &StatementId) -> bool {
        self.gaps.contains_key(statement)
    }
}

/// What a pin names and all before it along the links of its log, as far as it is held.
fn path<'a>(set: &'a Set, log: &'a LogId, pin: &Pin) -> impl Iterator<Item = &'a Held> {
    let (mut seq, mut at) = (pin.seq, Some(pin.id));
    std::iter::from_fn(move || {
        let held = at.and_then(|id| set.get(&id))?;
        if held.seq != seq || held.log(held.key()) != *log {
            return None;
        }
        (seq, at) = (seq.saturating_sub(1), held.prev);
        Some(held)
    })
}
