//! The rules whose mistakes would be silent, each a small function in one table.
//!
//! The product folds with `Rules::OURS` and nothing else. The lattice folds copies in which one
//! rule is wrong, to show that its properties would find it; so no planted defect needs a feature
//! or a condition in the product's own path.

use crate::authority::Reach;
use crate::limits::WIDE_ORDERS_PER_EPOCH_MAX;
use crate::orders::Order;
use belay_identity::body::Subject;
use belay_identity::chain::Link;
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{Chain, PublicKey, StatementId};
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
    /// Whether an epoch counts while so many parts of its list of pins are missing.
    pub(crate) list_is_whole: fn(usize) -> bool,
    /// What an epoch of this number leaves of an order's reach; nothing: sealed away.
    pub(crate) order_at_pin: fn(Option<Reach>, AtPin, u64) -> Option<Reach>,
    /// Whether what an epoch beside the standing branch leaves out is taken away.
    pub(crate) drop_counts: fn(bool) -> bool,
    /// Whether a removal for cause voids a statement: covered by the removing epoch's pins, or of
    /// an epoch that names its author again.
    pub(crate) removal_voids: fn(bool, bool) -> bool,
    /// Whether a fork at the second number voids a grant at the first.
    pub(crate) fork_voids: fn(u64, u64) -> bool,
    /// Whether an approval is another principal's word beside the order's author.
    pub(crate) cosigns: fn(&Voice, &Voice) -> bool,
    /// How many said yes, of these by these keys.
    pub(crate) principals: fn(&BTreeSet<(OperatorId, PublicKey)>) -> usize,
    /// Whether a wide order counts alone after so many of its log and epoch.
    pub(crate) within_budget: fn(u64) -> bool,
    /// Whether a hold of one operator alone on another counts after so many of its log and epoch.
    pub(crate) may_hold_operator: fn(u64) -> bool,
    /// Whether a standing order silences a device as a beacon: by whether it is co-signed.
    pub(crate) silences: fn(bool) -> bool,
    /// Whether a hold on an operator cuts a grant of his: by whether the grant is among what the
    /// hold names as said before it, and whether the hold has a time.
    pub(crate) holds_grant: fn(bool, bool) -> bool,
    /// What is left of an order on an operator once the root restored him in this epoch.
    pub(crate) after_restore: fn(Reach, u64) -> Reach,
    /// Whether the grants of a device's key count: it is the one of the enrolment that stands.
    pub(crate) device_grants: fn(bool) -> bool,
}

/// Who says something, and by which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Voice<'a> {
    /// Who.
    pub(crate) author: &'a Principal,
    /// By which of his keys.
    pub(crate) key: PublicKey,
}

impl Rules {
    /// The rules of the product.
    pub(crate) const OURS: Rules = Rules {
        lift_answers,
        restore_opens,
        chain_matches,
        release_fallback,
        better_epoch,
        list_is_whole: |missing| missing == 0,
        order_at_pin,
        drop_counts: |dropped| dropped,
        removal_voids: |covered, again| !covered && !again,
        fork_voids: |seq, fork| seq >= fork,
        cosigns,
        principals,
        within_budget: |before| before < WIDE_ORDERS_PER_EPOCH_MAX,
        may_hold_operator: |before| before == 0,
        silences: |cosigned| cosigned,
        holds_grant: |before, _| !before,
        after_restore: Reach::at_most,
        device_grants: |current| current,
    };
}

/// Thresholds count principals: two keys of one operator are one yes.
fn principals(yes: &BTreeSet<(OperatorId, PublicKey)>) -> usize {
    yes.iter().map(|(who, _)| who).collect::<BTreeSet<_>>().len()
}

/// Thresholds count principals: neither the author's further key nor his key under another name is
/// a second word.
fn cosigns(author: &Voice<'_>, other: &Voice<'_>) -> bool {
    author.author != other.author && author.key != other.key
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
