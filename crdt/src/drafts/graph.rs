//! Which changes of a draft count, and in which order: a function of the set, never of arrival.
//!
//! A change counts when everything it builds on counts (an orphan waits, unseen by Automerge), its
//! number follows its author's last, and its operations are numbered from one above everything
//! before it, so no counter can be poisoned. Of two changes with one author and number the one
//! counts on which more others have built, and of equals the lowest hash: so a liar cannot void an
//! honest change by signing a second branch below it afterwards.
//!
//! Refused here: looking at operations, or at who anybody is.

use super::scan::{ChangeHash, ScanError, Scanned};
use crate::limits::{DRAFT_CHANGES_PER_AUTHOR_MAX, DRAFT_OPS_PER_AUTHOR_MAX};
use belay_identity::PublicKey;
use belay_identity::key::hex;
use std::collections::{BTreeMap, BTreeSet};

/// Why a change is left out of its draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Aside {
    /// Its author held no policy role.
    #[error("its author held no policy role when it was signed")]
    NoRole,
    /// Its bytes are no change that a draft takes.
    #[error("{0}")]
    Unreadable(ScanError),
    /// It writes under another key's actor.
    #[error("it writes in the name of another key")]
    OtherActor,
    /// It begins the document, and its signer is not who founded it, or it founds in its middle.
    #[error("only the founder of a draft begins it, and only once")]
    NotFounder,
    /// What it builds on has not come.
    #[error("it waits for change {} that has not come", &hex(.0)[..12])]
    Waits(ChangeHash),
    /// What it builds on is left out.
    #[error("it builds on change {} that is left out; make the edit again", &hex(.0)[..12])]
    RestsOn(ChangeHash),
    /// Its author signed another one for the same place.
    #[error("its author signed change {} for the same place; make the edit again", &hex(.0)[..12])]
    Fork(ChangeHash),
    /// Its number does not follow its author's last.
    #[error("its number does not follow its author's last change")]
    Number,
    /// Its operations are not numbered from one above all before it.
    #[error("its operations are numbered out of order")]
    Counter,
    /// Its author has said more in this draft than one may.
    #[error("its author's room in this draft is used up; begin a new one from it")]
    Full,
    /// Its author no longer counts, and nobody who does has built on it.
    #[error("its author no longer holds the policy role, and nobody who does has built on it")]
    AuthorLeft,
    /// Automerge would not take it.
    #[error("Automerge refused it: {0}")]
    Broken(String),
}

/// One change with what is known of its author.
pub(super) struct Node<'a> {
    pub(super) scanned: &'a Scanned,
    pub(super) key: PublicKey,
    pub(super) stands: bool,
    pub(super) founds: bool,
}

/// What counts.
pub(super) struct Graph {
    pub(super) order: Vec<ChangeHash>,
    pub(super) aside: BTreeMap<ChangeHash, Aside>,
    pub(super) heads: Vec<ChangeHash>,
}

type Nodes<'a> = BTreeMap<ChangeHash, Node<'a>>;
type Children = BTreeMap<ChangeHash, Vec<ChangeHash>>;

impl Graph {
    pub(super) fn of(nodes: &Nodes<'_>, broken: &BTreeMap<ChangeHash, String>) -> Self {
        let mut children = Children::new();
        for (hash, node) in nodes {
            for dep in &node.scanned.deps {
                children.entry(*dep).or_default().push(*hash);
            }
        }
        let chosen = chosen(nodes, &children);
        let (mut order, mut aside) = accepted(nodes, &children, &chosen, broken);
        leave_out_unadopted(nodes, &mut order, &mut aside);
        name_the_rest(nodes, &order, &mut aside);
        let built_on: BTreeSet<&ChangeHash> =
            order.iter().flat_map(|hash| &nodes[hash].scanned.deps).collect();
        let mut heads: Vec<ChangeHash> =
            order.iter().filter(|hash| !built_on.contains(hash)).copied().collect();
        heads.sort_unstable();
        Self { order, aside, heads }
    }
}

/// Of every author and number the change that counts, if it is in order.
fn chosen(nodes: &Nodes<'_>, children: &Children) -> BTreeMap<([u8; 32], u64), ChangeHash> {
    let mut places: BTreeMap<([u8; 32], u64), Vec<ChangeHash>> = BTreeMap::new();
    for (hash, node) in nodes {
        places.entry((node.scanned.actor, node.scanned.seq)).or_default().push(*hash);
    }
    let forked = places.values().any(|place| place.len() > 1);
    let built = if forked { builders(nodes, children) } else { BTreeMap::new() };
    let others = |hash: &ChangeHash| built.get(hash).map_or(0, |all| all.count_ones());
    let best = |place: Vec<ChangeHash>| {
        // Ascending by hash; the last of the greatest from behind is the lowest.
        place.into_iter().rev().max_by_key(others)
    };
    places.into_iter().filter_map(|(place, all)| Some((place, best(all)?))).collect()
}

/// For every change which other authors that count have built on it, one bit each.
fn builders(nodes: &Nodes<'_>, children: &Children) -> BTreeMap<ChangeHash, u128> {
    let keys: BTreeSet<PublicKey> = nodes.values().map(|node| node.key).collect();
    // From the 128th author on they count as one.
    let bits: BTreeMap<PublicKey, u128> =
        keys.into_iter().zip(0..).map(|(key, at)| (key, 1 << u32::min(at, 127))).collect();
    let mut open: BTreeMap<ChangeHash, usize> = BTreeMap::new();
    let mut ready: Vec<ChangeHash> = Vec::new();
    for hash in nodes.keys() {
        match children.get(hash).map_or(0, Vec::len) {
            0 => ready.push(*hash),
            many => _ = open.insert(*hash, many),
        }
    }
    let mut all: BTreeMap<ChangeHash, u128> = BTreeMap::new();
    while let Some(hash) = ready.pop() {
        let node = &nodes[&hash];
        let own = bits.get(&node.key).copied().unwrap_or(0);
        let above = all.entry(hash).or_default();
        let below = *above | if node.stands { own } else { 0 };
        // An author's own changes do not speak for him.
        *above &= !own;
        for dep in node.scanned.deps.iter().filter(|dep| nodes.contains_key(*dep)) {
            *all.entry(*dep).or_default() |= below;
            if let Some(left) = open.get_mut(dep) {
                *left -= 1;
                if *left == 0 {
                    ready.push(*dep);
                }
            }
        }
    }
    all
}

/// How far each author has come below a change.
type Clock = BTreeMap<[u8; 32], u64>;

fn accepted(
    nodes: &Nodes<'_>,
    children: &Children,
    chosen: &BTreeMap<([u8; 32], u64), ChangeHash>,
    broken: &BTreeMap<ChangeHash, String>,
) -> (Vec<ChangeHash>, BTreeMap<ChangeHash, Aside>) {
    let (mut order, mut aside) = (Vec::new(), BTreeMap::new());
    let mut clocks: BTreeMap<ChangeHash, Clock> = BTreeMap::new();
    let mut spent: BTreeMap<[u8; 32], u64> = BTreeMap::new();
    let mut ready: BTreeSet<(u64, ChangeHash)> = nodes
        .iter()
        .filter(|(_, node)| node.founds)
        .map(|(hash, node)| (node.scanned.start_op, *hash))
        .collect();
    while let Some((_, hash)) = ready.pop_first() {
        let scanned = nodes[&hash].scanned;
        let clock = clock_below(scanned, &clocks);
        let place = (scanned.actor, scanned.seq);
        let ops = spent.get(&scanned.actor).copied().unwrap_or(0) + scanned.ops;
        let why = match (chosen.get(&place), broken.get(&hash)) {
            (_, Some(why)) => Some(Aside::Broken(why.clone())),
            (Some(other), None) if *other != hash => Some(Aside::Fork(*other)),
            (Some(_) | None, None) => out_of_order(scanned, &clock, nodes, ops),
        };
        if let Some(why) = why {
            aside.insert(hash, why);
            continue;
        }
        spent.insert(scanned.actor, ops);
        let mut clock = clock;
        clock.insert(scanned.actor, scanned.seq);
        clocks.insert(hash, clock);
        order.push(hash);
        for child in children.get(&hash).into_iter().flatten() {
            let child_of = nodes[child].scanned;
            if child_of.deps.iter().all(|dep| clocks.contains_key(dep)) {
                ready.insert((child_of.start_op, *child));
            }
        }
    }
    (order, aside)
}

fn clock_below(scanned: &Scanned, clocks: &BTreeMap<ChangeHash, Clock>) -> Clock {
    let mut below = Clock::new();
    for (actor, seq) in scanned.deps.iter().filter_map(|dep| clocks.get(dep)).flatten() {
        let at = below.entry(*actor).or_default();
        *at = (*at).max(*seq);
    }
    below
}

fn out_of_order(scanned: &Scanned, clock: &Clock, nodes: &Nodes<'_>, ops: u64) -> Option<Aside> {
    let last = clock.get(&scanned.actor).copied().unwrap_or(0);
    let before = scanned.deps.iter().filter_map(|dep| nodes.get(dep));
    let before = before.map(|node| node.scanned.max_op()).max().unwrap_or(0);
    if scanned.seq != last + 1 {
        return Some(Aside::Number);
    }
    if scanned.start_op != before + 1 {
        return Some(Aside::Counter);
    }
    let full = scanned.seq > DRAFT_CHANGES_PER_AUTHOR_MAX || ops > DRAFT_OPS_PER_AUTHOR_MAX;
    full.then_some(Aside::Full)
}

/// Keeps what an author who counts made, and everything below it.
fn leave_out_unadopted(
    nodes: &Nodes<'_>,
    order: &mut Vec<ChangeHash>,
    aside: &mut BTreeMap<ChangeHash, Aside>,
) {
    let mut kept: BTreeSet<ChangeHash> = BTreeSet::new();
    for hash in order.iter().rev() {
        if nodes[hash].stands || kept.contains(hash) {
            kept.insert(*hash);
            kept.extend(nodes[hash].scanned.deps.iter().copied());
        }
    }
    order.retain(|hash| {
        let keeps = kept.contains(hash);
        if !keeps {
            aside.insert(*hash, Aside::AuthorLeft);
        }
        keeps
    });
}

/// What was never ready waits for a change that is not here, or rests on one that is left out.
fn name_the_rest(nodes: &Nodes<'_>, order: &[ChangeHash], aside: &mut BTreeMap<ChangeHash, Aside>) {
    let counts: BTreeSet<&ChangeHash> = order.iter().collect();
    for (hash, node) in nodes {
        if counts.contains(hash) || aside.contains_key(hash) {
            continue;
        }
        let unheld = node.scanned.deps.iter().find(|dep| !nodes.contains_key(*dep));
        let out = node.scanned.deps.iter().find(|dep| !counts.contains(dep));
        let why = match (unheld, out) {
            (Some(dep), _) => Aside::Waits(*dep),
            (None, Some(dep)) => Aside::RestsOn(*dep),
            (None, None) => Aside::NotFounder,
        };
        aside.insert(*hash, why);
    }
}
