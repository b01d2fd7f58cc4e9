//! Seals: which statements the pins of an epoch cover.
//!
//! A pin covers what it names and everything before it along the hash links. A statement with a low
//! number on another branch of a forked log is not covered: the root never saw it. So a forged twin
//! of an order cannot get the real one sealed away, and a grant cannot be slipped in below a pin.
//!
//! Refused here: guessing across a gap. Until the links between are held, a grant is outside and
//! an order is above.

use super::Epoch;
use crate::set::Set;
use belay_identity::StatementId;
use belay_identity::body::Pin;
use std::collections::{BTreeMap, BTreeSet};

/// What the epochs cover, and where their walks ended for want of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seals {
    covered: BTreeMap<StatementId, BTreeSet<StatementId>>,
    gaps: BTreeSet<StatementId>,
}

/// Walks every pin of every epoch.
pub(super) fn fold<'a>(set: &Set, epochs: impl Iterator<Item = &'a Epoch>) -> Seals {
    let mut seals = Seals::default();
    for epoch in epochs {
        let mut covered = BTreeSet::new();
        let ends = epoch.root.pins.iter().filter_map(|pin| walk(set, pin, &mut covered));
        seals.gaps.extend(ends);
        seals.covered.insert(epoch.id, covered);
    }
    seals
}

/// Adds what a pin covers; names the statement that the walk wants next and does not find.
fn walk(set: &Set, pin: &Pin, covered: &mut BTreeSet<StatementId>) -> Option<StatementId> {
    let log = pin.log();
    let (mut seq, mut at) = (pin.seq, Some(pin.id));
    while let Some(id) = at {
        let Some(held) = set.get(&id) else { return Some(id) };
        if held.seq != seq || held.log(held.key()) != log {
            return None;
        }
        covered.insert(id);
        (seq, at) = (seq.saturating_sub(1), held.prev);
    }
    None
}

impl Seals {
    /// True when the pins of this epoch cover the statement.
    pub(super) fn covers(&self, epoch: &StatementId, statement: &StatementId) -> bool {
        self.covered.get(epoch).is_some_and(|covered| covered.contains(statement))
    }

    /// True when a walk ended because this statement was not held.
    pub(super) fn await_it(&self, statement: &StatementId) -> bool {
        self.gaps.contains(statement)
    }
}
