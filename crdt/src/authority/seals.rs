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

/// What each epoch covers, by the epoch's id.
pub(super) type Seals = BTreeMap<StatementId, BTreeSet<StatementId>>;

/// Walks every pin of every epoch.
pub(super) fn fold<'a>(set: &Set, epochs: impl Iterator<Item = &'a Epoch>) -> Seals {
    let covered = |epoch: &Epoch| epoch.root.pins.iter().flat_map(|pin| walk(set, pin)).collect();
    epochs.map(|epoch| (epoch.id, covered(epoch))).collect()
}

fn walk(set: &Set, pin: &Pin) -> Vec<StatementId> {
    let (log, mut covered) = (pin.log(), Vec::new());
    let (mut seq, mut at) = (pin.seq, Some(pin.id));
    while let Some(held) = at.and_then(|id| set.get(&id)) {
        if held.seq != seq || held.log(held.key()) != log {
            break;
        }
        covered.push(held.id());
        (seq, at) = (seq.saturating_sub(1), held.prev);
    }
    covered
}
