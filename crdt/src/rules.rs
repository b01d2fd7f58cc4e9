//! The rules whose mistakes would be silent, each a small function in one table.
//!
//! The product folds with `Rules::OURS` and nothing else. The lattice folds copies in which one
//! rule is wrong, to show that its properties would find it; so no planted defect needs a feature
//! or a condition in the product's own path.

use crate::authority::Reach;
use crate::orders::Order;
use belay_identity::body::Subject;
use belay_identity::chain::Link;
use belay_identity::{Chain, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// One branch of root epochs below a common parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Valid epochs on it, its first one included.
    pub(crate) epochs: u64,
    /// Its first epoch.
    pub(crate) first: StatementId,
}

/// Where an order stands relative to the pins of one later epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtPin {
    /// Re-affirmed by the epoch.
    Reaffirmed,
    /// Inside its pins, and not re-affirmed.
    Inside,
    /// Above its pins, or on a path that they do not show.
    Above,
}

/// What is asked of a restore before it opens its generation.
pub(crate) struct RestoreCase<'a> {
    /// What it lists.
    pub(crate) listed: &'a BTreeSet<StatementId>,
    /// The revokes of its subject that count and whose author held the role in its epoch.
    pub(crate) revokes: &'a BTreeSet<StatementId>,
    /// Fallen restores of its subject that opened its generation or a higher one.
    pub(crate) fallen: &'a BTreeSet<StatementId>,
}

/// One release that could judge; given highest version first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its version, epoch first.
    pub(crate) version: (u64, u64),
    /// True when it stands; otherwise it only reached its threshold once.
    pub(crate) stands: bool,
}

/// The table.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Which of the holds that count a standing lift with these refs answers.
    pub(crate) lift_answers: fn(&[StatementId], &BTreeMap<StatementId, Order>) -> Vec<StatementId>,
    /// Whether a restore opens its generation.
    pub(crate) restore_opens: fn(&RestoreCase<'_>) -> bool,
    /// Whether an order of this subject and reach cuts this chain.
    pub(crate) chain_matches: fn(&Chain, &Subject, Reach) -> bool,
    /// Which of the candidates judge.
    pub(crate) release_fallback: fn(&[Candidate]) -> Vec<usize>,
    /// Whether the first branch is better than the second.
    pub(crate) better_epoch: fn(&Branch, &Branch) -> bool,
    /// What an epoch of this number leaves of an order's reach; nothing: sealed away.
    pub(crate) order_at_pin: fn(Option<Reach>, AtPin, u64) -> Option<Reach>,
}

impl Rules {
    /// The rules of the product.
    pub(crate) const OURS: Rules = Rules {
        lift_answers,
        restore_opens,
        chain_matches,
        release_fallback,
        better_epoch,
        order_at_pin,
    };
}

/// A lift answers what it names and nothing else.
fn lift_answers(refs: &[StatementId], orders: &BTreeMap<StatementId, Order>) -> Vec<StatementId> {
    refs.iter().filter(|id| orders.contains_key(id)).copied().collect()
}

/// A restore lists every revoke that could have been known to it, and the fallen restores of its
/// generation: otherwise credentials that fell with them would come back under the same number.
fn restore_opens(case: &RestoreCase<'_>) -> bool {
    case.revokes.is_subset(case.listed) && case.fallen.is_subset(case.listed)
}

/// Every term is carried by some link that the order reaches, the acting one included.
fn chain_matches(chain: &Chain, subject: &Subject, reach: Reach) -> bool {
    let reached = |link: &&Link| reach.covers(link.epoch);
    let carried = |term| chain.links().iter().filter(reached).any(|link| link.carries(term));
    subject.terms().iter().all(carried)
}

/// All that reached the threshold judge, down to the best one that stands; none where none stands.
fn release_fallback(candidates: &[Candidate]) -> Vec<usize> {
    let best = candidates.iter().filter(|one| one.stands).map(|one| one.version).max();
    let judges = |one: &Candidate| best.is_some_and(|best| one.version >= best);
    (0..candidates.len()).filter(|at| judges(&candidates[*at])).collect()
}

/// More valid epochs, then the lower id.
fn better_epoch(one: &Branch, other: &Branch) -> bool {
    (one.epochs, other.first) > (other.epochs, one.first)
}

/// Re-affirmed it counts on; inside the pins it is sealed away; above them it counts against what
/// was granted before the epoch.
fn order_at_pin(reach: Option<Reach>, at: AtPin, epoch: u64) -> Option<Reach> {
    match at {
        AtPin::Reaffirmed => Some(Reach::All),
        AtPin::Inside => None,
        AtPin::Above => reach.map(|reach| reach.at_most(epoch - 1)),
    }
}
