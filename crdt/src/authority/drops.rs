//! What epochs that do not stand have taken away: "the removals of both count" (DESIGN 5).
//!
//! A valid epoch beside the standing branch gives nothing. What its parent named and it leaves
//! out, a root key, an operator's key or a role of it, is taken from grants all the same, from its
//! number on and until a later epoch of the standing branch names it again; unless the standing
//! root sealed the grant in. So hearing of a rival never gives anybody a right.
//!
//! Refused here: orders, which count by what their author ever held; and removals for cause, which
//! name a person and not a key.

use super::roots::Roots;
use belay_identity::PublicKey;
use belay_identity::body::{Role, Root};
use std::collections::{BTreeMap, BTreeSet};

/// One thing that an epoch gives: a root key, or a role to an operator's key.
pub(super) type Place = (PublicKey, Option<Role>);

/// What was taken away beside the standing branch, with the numbers of the epochs that did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Drops(BTreeMap<Place, BTreeSet<u64>>);

/// Compares every valid epoch that does not stand with the one that it follows.
pub(super) fn fold(roots: &Roots) -> Drops {
    let mut drops = Drops::default();
    if roots.valid.len() == roots.standing.len() {
        return drops;
    }
    let beside = roots.parents.iter().filter(|(id, _)| !roots.standing.contains(id));
    for (id, parent) in beside {
        let (Some(epoch), Some(before)) = (roots.valid.get(id), roots.valid.get(parent)) else {
            continue;
        };
        let left = places(&epoch.root);
        for place in places(&before.root).difference(&left) {
            drops.0.entry(*place).or_default().insert(epoch.number);
        }
    }
    drops
}

impl Drops {
    /// The numbers, up to this one, of the epochs that took this away.
    pub(super) fn up_to(&self, place: &Place, number: u64) -> impl Iterator<Item = u64> {
        let numbers = self.0.get(place).into_iter();
        numbers.flat_map(move |numbers| numbers.range(..=number)).copied()
    }
}

/// Everything that a root gives.
pub(super) fn places(root: &Root) -> BTreeSet<Place> {
    let keys = root.keys.iter().map(|key| (*key, None));
    let lines = root.operators.iter();
    let roles = lines.flat_map(|line| line.roles.iter().map(|role| (line.key, Some(*role))));
    keys.chain(roles).collect()
}
