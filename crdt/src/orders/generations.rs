//! Generations: what a revoke cuts and what a restore opens.
//!
//! Issuers never write a generation. A revoke cuts the first one, or, where its refs name restores,
//! up to the highest that those opened. A restore opens the one after the highest that anything it
//! lists has cut or opened. Both follow from the refs alone. Until a revoke's refs are held it cuts
//! every generation; until a restore's are held it opens none.
//!
//! Refused here: who may revoke or restore; only those that count are handed in.

use super::{Cutters, Order, OrderKind, answers};
use crate::authority::{Authority, Reach, Void};
use crate::rules::{RestoreCase, Rules};
use crate::set::{Held, Set};
use belay_identity::StatementId;
use belay_identity::body::{Body, Term};
use std::collections::{BTreeMap, BTreeSet};

/// The generations of one principal or group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line {
    /// The revokes that count, with the highest generation that each cuts.
    pub(super) revokes: BTreeMap<StatementId, (u64, Reach)>,
    /// The standing restores, with the generation that each opens.
    pub(super) opened: BTreeMap<StatementId, u64>,
    /// Restores that have every yes they need and fell to a revoke they do not list.
    pub(super) fallen: BTreeMap<StatementId, u64>,
}

impl Line {
    /// The generation for which credentials are made now.
    pub(super) fn current(&self) -> u64 {
        self.opened.values().max().copied().unwrap_or(1)
    }

    /// The revokes that cut this generation of a grant of this epoch.
    pub(super) fn cutting(&self, generation: u64, epoch: Option<u64>) -> Vec<StatementId> {
        let reaching = || self.revokes.iter().filter(|(_, (_, reach))| reach.covers(epoch));
        let cut: Vec<_> = reaching().filter(|(_, (to, _))| generation <= *to).collect();
        let open = generation == 1 || self.opened.values().any(|opened| *opened == generation);
        let cutting = if open || !cut.is_empty() { cut } else { reaching().collect() };
        cutting.into_iter().map(|(id, _)| *id).collect()
    }
}

/// Everything that orders and their answers are judged by.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) set: &'a Set,
    pub(super) authority: &'a Authority,
    pub(super) cut: &'a Cutters,
    pub(super) rules: &'a Rules,
    pub(super) orders: &'a BTreeMap<StatementId, Order>,
}

/// The lines of every term that some revoke or restore names, and why restores do not count.
pub(super) fn fold(sources: &Sources<'_>) -> (BTreeMap<Term, Line>, BTreeMap<StatementId, Void>) {
    let mut reached = Reached { set: sources.set, known: BTreeMap::new() };
    let mut lines: BTreeMap<Term, Line> = BTreeMap::new();
    for order in sources.orders.values().filter(|order| order.kind == OrderKind::Revoke) {
        if let [term] = order.subject.terms() {
            let to = reached.of(order.id).unwrap_or(u64::MAX);
            lines.entry(term.clone()).or_default().revokes.insert(order.id, (to, order.reach));
        }
    }
    let mut void = BTreeMap::new();
    let mut restores: BTreeMap<Term, Vec<(&Held, u64)>> = BTreeMap::new();
    for held in sources.set.of_kind("restore") {
        match restore_of(sources, held) {
            Ok(term) => {
                let opens = reached.of(held.id());
                restores.entry(term).or_default().extend(opens.map(|opens| (held, opens)));
            }
            Err(why) => drop(void.insert(held.id(), why)),
        }
    }
    for (term, restores) in restores {
        open(sources, lines.entry(term).or_default(), &restores);
    }
    (lines, void)
}

/// The lines of the operators alone: only the root answers there, whoever is cut.
pub(super) fn of_operators(sources: &Sources<'_>) -> BTreeMap<Term, Line> {
    let revoked = |order: &Order| {
        let operator = matches!(order.subject.terms(), [Term::Operator(_)]);
        operator && order.kind == OrderKind::Revoke
    };
    if sources.orders.values().any(revoked) { fold(sources).0 } else { BTreeMap::new() }
}

fn restore_of(sources: &Sources<'_>, held: &Held) -> Result<Term, Void> {
    let Body::Restore(restore) = &held.body else { return Err(Void::Kind) };
    let [term] = restore.subject.terms() else { return Err(Void::Subject) };
    if let Term::Operator(_) = term {
        let root = answers::by_root(sources.set, sources.authority, held);
        return if root { Ok(term.clone()) } else { Err(Void::Role("root")) };
    }
    answers::check(sources.set, sources.authority, sources.cut, held)?;
    Ok(term.clone())
}

/// First who falls to a revoke, then who would reopen what fell with them.
fn open(sources: &Sources<'_>, line: &mut Line, restores: &[(&Held, u64)]) {
    let none = BTreeSet::new();
    let stands = |held: &Held, fallen: &BTreeSet<StatementId>| {
        let listed: BTreeSet<StatementId> = held.refs.iter().copied().collect();
        let revokes = known_to(sources, line, held);
        (sources.rules.restore_opens)(&RestoreCase { listed: &listed, revokes: &revokes, fallen })
    };
    let (first, fallen): (Vec<_>, Vec<_>) =
        restores.iter().copied().partition(|(held, _)| stands(held, &none));
    let mut opened = BTreeMap::new();
    for (held, opens) in first {
        let higher = fallen.iter().filter(|(_, fell)| *fell >= opens);
        let higher: BTreeSet<StatementId> = higher.map(|(fell, _)| fell.id()).collect();
        if stands(held, &higher) {
            opened.insert(held.id(), opens);
        }
    }
    line.opened = opened;
    line.fallen = fallen.into_iter().map(|(held, opens)| (held.id(), opens)).collect();
}

/// The revokes of this line whose author held the role in the restore's own epoch.
fn known_to(sources: &Sources<'_>, line: &Line, restore: &Held) -> BTreeSet<StatementId> {
    let held = |id: &&StatementId| {
        let order = sources.set.get(id);
        order.is_some_and(|order| sources.authority.ordered_by_holder_in(order, restore.epoch))
    };
    line.revokes.keys().filter(held).copied().collect()
}

/// What every revoke cuts and every restore opens, by the refs alone.
struct Reached<'a> {
    set: &'a Set,
    known: BTreeMap<StatementId, Option<u64>>,
}

impl Reached<'_> {
    /// The generation up to which this revoke cuts, or which this restore opens; nothing while
    /// something it names is not held. Ids are hashes, so refs cannot run in a circle.
    fn of(&mut self, id: StatementId) -> Option<u64> {
        let mut open = vec![id];
        while let Some(at) = open.last().copied() {
            let before = self.unknown_refs(at);
            if before.is_empty() {
                open.pop();
                let value = self.value(at);
                self.known.insert(at, value);
            } else {
                open.extend(before);
            }
        }
        self.known.get(&id).copied().flatten()
    }

    fn unknown_refs(&self, id: StatementId) -> Vec<StatementId> {
        if self.known.contains_key(&id) {
            return Vec::new();
        }
        let Some(held) = self.set.get(&id) else { return Vec::new() };
        let unknown = |id: &&StatementId| !self.known.contains_key(*id) && self.speaks(held, id);
        held.refs.iter().filter(unknown).copied().collect()
    }

    /// True when `id` is held and is a revoke or restore of the same subject as `held`.
    fn speaks(&self, held: &Held, id: &StatementId) -> bool {
        let other = self.set.get(id).and_then(|other| subject_of(&other.body));
        other.is_some() && other == subject_of(&held.body)
    }

    fn value(&self, id: StatementId) -> Option<u64> {
        let held = self.set.get(&id)?;
        if held.refs.iter().any(|id| self.set.get(id).is_none()) {
            return None;
        }
        let is_restore = |held: &Held| matches!(held.body, Body::Restore(_));
        let restores = |id: &&StatementId| self.set.get(id).is_some_and(is_restore);
        let named = || held.refs.iter().filter(|id| self.speaks(held, id));
        let known = |id: &StatementId| self.known.get(id).copied().flatten();
        if matches!(held.body, Body::Revoke(_)) {
            let opened: Option<Vec<u64>> = named().filter(restores).map(known).collect();
            return Some(opened?.into_iter().max().unwrap_or(1));
        }
        let cut: Option<Vec<u64>> = named().map(known).collect();
        cut?.into_iter().max().map(|highest| highest.saturating_add(1))
    }
}

fn subject_of(body: &Body) -> Option<&Term> {
    let subject = if let Body::Revoke(revoke) = body {
        &revoke.subject
    } else if let Body::Restore(restore) = body {
        &restore.subject
    } else {
        return None;
    };
    let [term] = subject.terms() else { return None };
    Some(term)
}
