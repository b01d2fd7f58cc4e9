//! Root epochs: which are valid, and which branch of them stands.
//!
//! Epoch 1 is the fleet's id and is approved by its own threshold. Epoch N + 1 names the epoch it
//! follows in its refs, is proposed by a key of that one, and is approved by the thresholds of
//! both. A key is one principal's for ever: no epoch gives it to another than its branch knows, so
//! who counts principals by their keys counts right. Validity never depends on rivals. An epoch
//! whose list of pins lies in parts counts once all of them are held (`super::pins`).
//!
//! What this does not hold against: whoever has the threshold of one epoch's root keys, also long
//! after they were retired, can write another successor of that epoch and as many epochs after it
//! as he likes, with keys of his own; the longer branch then stands, and he grants. Nothing in the
//! set tells the two branches apart. Each is approved by a majority of the same keys, which share a
//! key that signed both; each can name any operators, pin what the other pins and be as long as its
//! author pleases; wall times and numbers are his to choose, and a key's own log, which could say
//! which approval came first, can be begun anew by whoever has the key. So no function of the set
//! alone can know which was there first: the known limit of every chain whose old keys still sign
//! (Daian, Pass and Shi 2019 call it posterior corruption). Rules that seem to help do not:
//! - Keeping to the branch that was accepted first is knowledge of one node. Two nodes that heard
//!   in two orders would never agree again, and a newcomer has accepted nothing (INV-SET-1).
//! - Not counting approvals by keys that an epoch retired: the rival's epochs retire just as well,
//!   so the thief's branch takes the approvals of the honest one away.
//! - Counting those keys of the parent that approved one branch alone: it helps where honest keys
//!   outnumber stolen ones, and gives the fleet away to a single epoch where all are stolen.
//! - Letting neither branch grant: then old keys, which today can be used once, and seen, would end
//!   every fleet's grants for good.
//!
//! What is held all the same: a rival sets no order free, for removals and re-affirmations of both
//! branches count; who signed both is cut; and every node sees it, for both are kept and `status`
//! names them. What prevents it is outside the set: a root key that was retired is destroyed (`key
//! rotate root` does), and k > n/2 of them lie in different hands.
//!
//! Refused here: pins, roles and orders. Approvals of epochs are judged by themselves: a fork of a
//! root key's log voids none of them, the rival rule answers who signed both.

use super::{Epoch, pins};
use crate::rules::{Branch, Rules};
use crate::set::{Held, Set};
use belay_identity::body::{Body, Root};
use belay_identity::principal::Principal;
use belay_identity::{PublicKey, StatementId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Every valid epoch, and the branch that stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Roots {
    /// Valid epochs of all branches by id.
    pub(super) valid: BTreeMap<StatementId, Epoch>,
    /// Of each valid epoch but the first, the one that it follows.
    pub(super) parents: BTreeMap<StatementId, StatementId>,
    /// The standing branch from epoch 1.
    pub(super) standing: Vec<StatementId>,
    /// Root keys that approved two successors of one epoch.
    pub(super) cut: BTreeSet<PublicKey>,
    /// Of each part of a list of pins, the proposals that name it.
    pub(super) named_in: BTreeMap<StatementId, BTreeSet<StatementId>>,
}

impl Roots {
    /// True when some proposal names this part, and all its parts are held.
    pub(super) fn completes(&self, set: &Set, part: &StatementId) -> bool {
        let whole = |id: &StatementId| {
            let held = set.get(id).and_then(as_root);
            held.is_some_and(|(_, root)| root.pins_in.iter().all(|part| set.get(part).is_some()))
        };
        self.named_in.get(part).into_iter().flatten().any(whole)
    }
}

/// Children of one epoch by id, with the keys that approved each.
type Children = BTreeMap<StatementId, BTreeMap<StatementId, BTreeSet<PublicKey>>>;

/// Whose each key is, as one branch has named them up to some epoch.
type Owners = Rc<BTreeMap<PublicKey, Principal>>;

/// Folds the root epochs of a set.
pub(super) fn fold(set: &Set, rules: &Rules) -> Roots {
    let mut proposals: Vec<(&Held, &Root)> =
        set.of_kind("root").filter_map(|held| as_root(held)).collect();
    proposals.sort_by_key(|(held, root)| (root.number, held.id()));
    let mut roots = Roots::default();
    let mut children = Children::new();
    let mut owners: BTreeMap<StatementId, Owners> = BTreeMap::new();
    for (held, root) in proposals {
        for part in &root.pins_in {
            roots.named_in.entry(*part).or_default().insert(held.id());
        }
        let Some((parent, approvers)) = check(set, &roots.valid, held, root) else { continue };
        let Some(parts) = pins::parts_of(set, root, rules) else { continue };
        let known = parent.and_then(|parent| owners.get(&parent)).cloned().unwrap_or_default();
        let Some(known) = with_owners_of(root, known) else { continue };
        owners.insert(held.id(), known);
        let epoch = Epoch { number: root.number, id: held.id(), root: root.clone(), parts };
        roots.valid.insert(held.id(), epoch);
        if let Some(parent) = parent {
            roots.parents.insert(held.id(), parent);
            children.entry(parent).or_default().insert(held.id(), approvers);
        }
    }
    roots.cut = children.values().flat_map(signed_twice).collect();
    roots.standing = standing(set, &roots.valid, &children, rules);
    roots
}

fn as_root(held: &Held) -> Option<(&Held, &Root)> {
    let Body::Root(root) = &held.body else { return None };
    Some((held, root))
}

/// The parent and the approvers of a valid epoch.
fn check(
    set: &Set,
    valid: &BTreeMap<StatementId, Epoch>,
    held: &Held,
    root: &Root,
) -> Option<(Option<StatementId>, BTreeSet<PublicKey>)> {
    let approvers = approvers(set, held, root);
    let by_root = held.author == Principal::Root(root.domain.clone());
    if !by_root || !well_formed(root) || !reaches(root, &approvers) {
        return None;
    }
    if root.number == 1 {
        let founds = held.id().0 == set.fleet().0 && root.keys.contains(&held.key());
        return founds.then_some((None, approvers));
    }
    let [parent] = held.refs.as_slice() else { return None };
    let before = &valid.get(parent)?.root;
    let follows = before.number.checked_add(1) == Some(root.number) && before.domain == root.domain;
    let proposed = before.keys.contains(&held.key());
    (follows && proposed && reaches(before, &approvers)).then_some((Some(*parent), approvers))
}

fn approvers(set: &Set, held: &Held, root: &Root) -> BTreeSet<PublicKey> {
    let as_root = |one: &&Held| one.author == Principal::Root(root.domain.clone());
    set.approvals(&held.id()).filter(as_root).map(|one| one.key()).collect()
}

fn reaches(root: &Root, approvers: &BTreeSet<PublicKey>) -> bool {
    let yes = root.keys.iter().filter(|key| approvers.contains(*key)).count();
    yes as u64 >= root.threshold
}

/// Adds the keys of an epoch to those of its branch; nothing where it gives one to another.
fn with_owners_of(root: &Root, mut known: Owners) -> Option<Owners> {
    let of_root = root.keys.iter().map(|key| (key, Principal::Root(root.domain.clone())));
    let operators = root.operators.iter().map(|line| (&line.key, line.id.clone().into()));
    for (key, owner) in of_root.chain(operators) {
        match known.get(key) {
            Some(before) if *before != owner => return None,
            Some(_) => {}
            None => drop(Rc::make_mut(&mut known).insert(*key, owner)),
        }
    }
    Some(known)
}

/// More than half of distinct keys, and no operator's key on two lines.
fn well_formed(root: &Root) -> bool {
    let keys: BTreeSet<_> = root.keys.iter().collect();
    let operators: BTreeSet<_> = root.operators.iter().map(|operator| operator.key).collect();
    let count = root.keys.len() as u64;
    let threshold = root.threshold <= count && root.threshold > count / 2;
    threshold && keys.len() == root.keys.len() && operators.len() == root.operators.len()
}

fn signed_twice(rivals: &BTreeMap<StatementId, BTreeSet<PublicKey>>) -> BTreeSet<PublicKey> {
    let mut times: BTreeMap<PublicKey, usize> = BTreeMap::new();
    rivals.values().flatten().for_each(|key| *times.entry(*key).or_default() += 1);
    times.into_iter().filter(|(_, times)| *times > 1).map(|(key, _)| key).collect()
}

fn standing(
    set: &Set,
    valid: &BTreeMap<StatementId, Epoch>,
    children: &Children,
    rules: &Rules,
) -> Vec<StatementId> {
    let epochs = branch_lengths(valid, children);
    let first = StatementId(set.fleet().0);
    let mut at = valid.contains_key(&first).then_some(first);
    let mut standing = Vec::new();
    while let Some(id) = at {
        standing.push(id);
        let rivals = children.get(&id).into_iter().flat_map(BTreeMap::keys);
        let branches = rivals.map(|id| Branch { epochs: epochs[id], first: *id });
        let best = branches.reduce(|a, b| if (rules.better_epoch)(&b, &a) { b } else { a });
        at = best.map(|branch| branch.first);
    }
    standing
}

/// The length of the longest branch from each epoch on; children have higher numbers.
fn branch_lengths(
    valid: &BTreeMap<StatementId, Epoch>,
    children: &Children,
) -> BTreeMap<StatementId, u64> {
    let mut by_number: Vec<&Epoch> = valid.values().collect();
    by_number.sort_by_key(|epoch| std::cmp::Reverse(epoch.number));
    let mut lengths = BTreeMap::new();
    for epoch in by_number {
        let below = children.get(&epoch.id).into_iter().flat_map(BTreeMap::keys);
        let longest = below.filter_map(|id| lengths.get(id)).max().copied().unwrap_or(0);
        lengths.insert(epoch.id, longest + 1);
    }
    lengths
}
