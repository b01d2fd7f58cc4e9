//! Drafts: policy that operators edit together, offline too, and that comes together by itself.
//!
//! Each change is a statement. A draft is a pure function of the statements held: which changes
//! count is decided in `graph` from what `scan` counted, and only then does `document` hand them to
//! Automerge, in one topological order. Enforcement reads releases only, so the worst that a liar
//! among the operators can do is to spoil a draft.
//!
//! An author counts while his key holds the policy role now and no order cuts him. Changes of one
//! who no longer counts stay where somebody who does has built on them (the builder saw and kept
//! them), and are left out elsewhere: so an excision never orphans an honest change.
//!
//! Refused here: asking Automerge what counts; a clock; dropping what was left out, which is named.

pub mod document;
mod graph;
pub mod lines;
pub mod scan;

pub use document::{Document, DocumentError};
pub use graph::Aside;
pub use scan::{ChangeHash, ScanError, Scanned, scan};

use crate::authority::Authority;
use crate::orders::Orders;
use crate::set::{Held, Set};
use belay_identity::body::{Body, DocumentId, Draft as Said, Founding, Role};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{PublicKey, StatementId};
use graph::{Graph, Node};
use std::collections::{BTreeMap, BTreeSet};

/// One draft as the statements held make it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Which document.
    pub id: DocumentId,
    /// Its name and what tells it apart; absent while its founding has not come.
    pub founding: Option<Founding>,
    /// The changes that count, each after those it builds on.
    pub changes: Vec<Placed>,
    /// What is left out, and why; by hash of the change, or of the statement where it has none.
    pub aside: Vec<LeftOut>,
    /// The changes that nothing builds on, ascending.
    pub heads: Vec<ChangeHash>,
    nodes: BTreeMap<ChangeHash, Candidate>,
    unread: Vec<LeftOut>,
    broken: BTreeMap<ChangeHash, String>,
}

/// One change that counts.
#[derive(Debug, Clone)]
pub struct Placed {
    /// What it says of itself.
    pub scanned: Scanned,
    /// Who made it.
    pub author: OperatorId,
    /// The statement that carries it.
    pub statement: StatementId,
    /// False where its author no longer counts, and it stays because somebody built on it.
    pub author_stands: bool,
}

/// One change that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Who signed it.
    pub author: String,
    /// The statement that carries it.
    pub statement: StatementId,
    /// Why, and what to do.
    pub why: Aside,
}

#[derive(Debug, Clone)]
struct Candidate {
    scanned: Scanned,
    held: Held,
    author: OperatorId,
    key: PublicKey,
    stands: bool,
    founding: Option<Founding>,
}

/// Every draft of which a statement is held, by id.
pub fn fold(set: &Set, authority: &Authority, orders: &Orders) -> BTreeMap<DocumentId, Draft> {
    let mut all: BTreeMap<DocumentId, Vec<&Held>> = BTreeMap::new();
    for held in set.of_kind("draft") {
        if let Body::Draft(said) = &held.body {
            all.entry(said.document).or_default().push(held);
        }
    }
    let of = |(id, held)| (id, Draft::of(id, held, authority, orders));
    all.into_iter().map(of).collect()
}

impl Draft {
    /// One draft of its statements, by ascending id.
    fn of(id: DocumentId, held: Vec<&Held>, authority: &Authority, orders: &Orders) -> Self {
        let (mut nodes, mut unread) = (BTreeMap::new(), Vec::new());
        for held in held {
            match candidate(id, held, authority, orders) {
                Ok(candidate) => {
                    // Two statements of one change: the lowest id carries it.
                    nodes.entry(candidate.scanned.hash).or_insert(candidate);
                }
                Err(why) => unread.push(left_out(held, why)),
            }
        }
        let (founding, changes, aside, heads) = <_>::default();
        let broken = BTreeMap::new();
        let mut draft = Self { id, founding, changes, aside, heads, nodes, unread, broken };
        draft.judge();
        draft
    }

    /// Leaves out a change that Automerge would not take, and whatever builds on it.
    pub(crate) fn without(&mut self, change: ChangeHash, why: String) {
        self.broken.insert(change, why);
        self.judge();
    }

    fn judge(&mut self) {
        let nodes: BTreeMap<ChangeHash, Node<'_>> =
            self.nodes.iter().map(|(hash, candidate)| (*hash, candidate.node())).collect();
        let Graph { order, aside, heads } = Graph::of(&nodes, &self.broken);
        let all = &self.nodes;
        self.founding = order.first().and_then(|hash| all.get(hash)?.founding.clone());
        self.changes = order.iter().filter_map(|hash| Some(all.get(hash)?.placed())).collect();
        let aside = aside.into_iter().filter_map(|(hash, why)| Some((all.get(&hash)?, why)));
        self.aside = aside.map(|(one, why)| left_out(&one.held, why)).collect();
        self.aside.extend(self.unread.iter().cloned());
        self.heads = heads;
    }

    /// The original bytes of every change that counts, in their order.
    pub fn bytes(&self) -> impl Iterator<Item = (&Scanned, &[u8])> {
        let all = self.changes.iter().filter_map(|placed| self.nodes.get(&placed.scanned.hash));
        all.filter_map(|one| match &one.held.body {
            Body::Draft(said) => Some((&one.scanned, said.change.0.as_slice())),
            _ => None,
        })
    }

    /// What people call it; nothing while its founding has not come.
    pub fn name(&self) -> Option<&str> {
        self.founding.as_ref().map(|founding| founding.name.as_str())
    }

    /// The statements that carry the heads, ascending: what a release made of this draft names.
    pub fn head_statements(&self) -> Vec<StatementId> {
        let heads: BTreeSet<&ChangeHash> = self.heads.iter().collect();
        let of = self.changes.iter().filter(|placed| heads.contains(&placed.scanned.hash));
        let mut ids: Vec<StatementId> = of.map(|placed| placed.statement).collect();
        ids.sort_unstable();
        ids
    }

    /// True when this statement carries a change that counts.
    pub fn counts(&self, statement: &StatementId) -> bool {
        self.changes.iter().any(|placed| placed.statement == *statement)
    }

    /// Why this statement is left out.
    pub fn why_aside(&self, statement: &StatementId) -> Option<&Aside> {
        self.aside.iter().find(|left| left.statement == *statement).map(|left| &left.why)
    }

    /// The changes at or below these, of those that count.
    pub fn below(&self, heads: &[ChangeHash]) -> BTreeSet<ChangeHash> {
        let mut below: BTreeSet<ChangeHash> = heads.iter().copied().collect();
        for placed in self.changes.iter().rev() {
            if below.contains(&placed.scanned.hash) {
                below.extend(placed.scanned.deps.iter().copied());
            }
        }
        below
    }

    /// The ends of a set of changes: those that no other of the set builds on.
    pub fn ends(&self, of: &BTreeSet<ChangeHash>) -> Vec<ChangeHash> {
        let inside = self.changes.iter().filter(|placed| of.contains(&placed.scanned.hash));
        let built_on: BTreeSet<ChangeHash> =
            inside.flat_map(|placed| placed.scanned.deps.iter().copied()).collect();
        of.difference(&built_on).copied().collect()
    }
}

impl Candidate {
    fn node(&self) -> Node<'_> {
        let Self { scanned, key, stands, founding, .. } = self;
        Node { scanned, key: *key, stands: *stands, founds: founding.is_some() }
    }

    fn placed(&self) -> Placed {
        Placed {
            scanned: self.scanned.clone(),
            author: self.author.clone(),
            statement: self.held.id(),
            author_stands: self.stands,
        }
    }
}

fn candidate(
    document: DocumentId,
    held: &Held,
    authority: &Authority,
    orders: &Orders,
) -> Result<Candidate, Aside> {
    let (Body::Draft(said), Principal::Operator(author)) = (&held.body, &held.author) else {
        return Err(Aside::NoRole);
    };
    let key = held.key();
    let mut epochs = authority.any_epochs(held.epoch);
    if !epochs.any(|epoch| authority.held_in(held, Role::Policy, epoch)) {
        return Err(Aside::NoRole);
    }
    let scanned = check(document, key, said)?;
    let cut = orders.operator_cut(author).is_some_and(|cut| cut.until_ms.is_none());
    let named = authority.operator(&key) == Some(author);
    let stands = named && authority.role_now(&key, Role::Policy) && !cut;
    let founding = said.founding.clone().filter(|_| scanned.deps.is_empty());
    Ok(Candidate { scanned, held: held.clone(), author: author.clone(), key, stands, founding })
}

/// What one change must be by itself: readable, its author's own, and of this document.
pub fn check(document: DocumentId, author: PublicKey, said: &Said) -> Result<Scanned, Aside> {
    let scanned = scan(&said.change.0).map_err(Aside::Unreadable)?;
    if scanned.actor != document.actor(author) {
        return Err(Aside::OtherActor);
    }
    let founds = said.founding.as_ref().is_some_and(|f| f.document(author) == document);
    if scanned.deps.is_empty() != founds {
        return Err(Aside::NotFounder);
    }
    Ok(scanned)
}

fn left_out(held: &Held, why: Aside) -> LeftOut {
    LeftOut { author: held.author.to_string(), statement: held.id(), why }
}

#[cfg(test)]
mod tests;
