//! Work between devices: delegations, awards, and what became of them.
//!
//! This view only files: every statement goes under what it names, so that the order of arrival
//! changes nothing. Who may have said it is judged when it is read, against the registry: `chains`
//! walks from a credential up to a user, `trees` from an award to its children, ancestors, cancels.
//!
//! Refused here: saying whether an order cuts a chain, and judging what a receipt proves.

mod chains;
#[cfg(test)]
mod tests;
mod trees;

pub use chains::{ChainGap, Reach};

use crate::registry::Registry;
use crate::set::{Held, Set};
use belay_identity::body::{Award, Cancel, Delegation, Receipt, Refused, Started};
use belay_identity::{Body, PublicKey, Scope, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};

/// A statement and its body, of one kind.
#[derive(Debug)]
pub struct Said<'a, T> {
    /// The whole statement.
    pub statement: &'a Verified<Statement>,
    /// What it says.
    pub body: &'a T,
}

impl<T> Clone for Said<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Said<'_, T> {}

impl<T> Said<'_, T> {
    /// Its statement's id.
    pub fn id(&self) -> StatementId {
        self.statement.id()
    }

    /// The key that signed it.
    pub fn key(&self) -> PublicKey {
        self.statement.key()
    }
}

type Index = BTreeMap<StatementId, BTreeSet<StatementId>>;

/// Everything of class T, by what it names.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    held: BTreeMap<StatementId, Held>,
    awards: BTreeSet<StatementId>,
    awards_by_tree: Index,
    awards_by_credential: Index,
    awards_by_delegation: Index,
    started: Index,
    refused: Index,
    cancels: Index,
    receipts: Index,
    none_ran: Index,
}

impl Tasks {
    /// The tasks of a whole set.
    pub fn fold(set: &Set) -> Self {
        let mut tasks = Self::default();
        set.iter().for_each(|statement| tasks.apply(statement));
        tasks
    }

    /// Takes in one statement; equal to a fold of the whole set.
    pub fn apply(&mut self, statement: &Held) {
        let id = statement.id();
        if let Body::Award(award) = &statement.body {
            self.file_award(statement, award);
        } else if let Body::Started(started) = &statement.body {
            file(&mut self.started, started.award, id);
        } else if let Body::Refused(refused) = &statement.body {
            file(&mut self.refused, refused.award, id);
        } else if let Body::Cancel(cancel) = &statement.body {
            file(&mut self.cancels, cancel.award, id);
        } else if let Body::Receipt(receipt) = &statement.body {
            match receipt.award {
                Some(award) => file(&mut self.receipts, award, id),
                None => statement.refs.iter().for_each(|of| file(&mut self.none_ran, *of, id)),
            }
        } else if !matches!(statement.body, Body::Delegation(_)) {
            return;
        }
        self.held.insert(id, statement.clone());
    }

    fn file_award(&mut self, statement: &Held, award: &Award) {
        let id = statement.id();
        self.awards.insert(id);
        file(&mut self.awards_by_credential, award.credential, id);
        if let Some(delegation) = award.delegation {
            file(&mut self.awards_by_delegation, delegation, id);
        }
        if let Scope::Tree(tree) = &statement.scope {
            file(&mut self.awards_by_tree, *tree, id);
        }
    }

    /// A delegation as signed, by whomever.
    pub fn delegation(&self, id: &StatementId) -> Option<Said<'_, Delegation>> {
        let statement = self.held(id)?;
        let Body::Delegation(body) = &statement.body else { return None };
        Some(Said { statement, body })
    }

    /// An award as signed, by whomever.
    pub fn award(&self, id: &StatementId) -> Option<Said<'_, Award>> {
        let statement = self.held(id)?;
        let Body::Award(body) = &statement.body else { return None };
        Some(Said { statement, body })
    }

    /// Every award, by id.
    pub fn awards(&self) -> impl Iterator<Item = Said<'_, Award>> {
        self.awards.iter().filter_map(|id| self.award(id))
    }

    /// The awards that say they belong to the tree of this first credential, by id.
    pub fn awards_in(&self, tree: &StatementId) -> impl Iterator<Item = Said<'_, Award>> {
        under(&self.awards_by_tree, tree).filter_map(|id| self.award(id))
    }

    /// The awards given under this very credential, by id.
    pub fn awards_under(&self, credential: &StatementId) -> impl Iterator<Item = Said<'_, Award>> {
        under(&self.awards_by_credential, credential).filter_map(|id| self.award(id))
    }

    /// The awards that rest on this delegation, by id; the highest fence is the live one.
    pub fn awards_on(&self, delegation: &StatementId) -> impl Iterator<Item = Said<'_, Award>> {
        under(&self.awards_by_delegation, delegation).filter_map(|id| self.award(id))
    }

    /// What its executor says it began, by id.
    pub fn started(&self, registry: &Registry, award: &StatementId) -> Vec<Said<'_, Started>> {
        let words = under(&self.started, award).filter_map(|id| self.held(id));
        let words = words.filter_map(|statement| {
            let Body::Started(body) = &statement.body else { return None };
            Some(Said { statement, body })
        });
        words.filter(|word| self.is_by_executor(registry, award, word.statement)).collect()
    }

    /// Its executor's refusals, by id.
    pub fn refused(&self, registry: &Registry, award: &StatementId) -> Vec<Said<'_, Refused>> {
        let words = under(&self.refused, award).filter_map(|id| self.held(id));
        let words = words.filter_map(|statement| {
            let Body::Refused(body) = &statement.body else { return None };
            Some(Said { statement, body })
        });
        words.filter(|word| self.is_by_executor(registry, award, word.statement)).collect()
    }

    /// Its executor's receipts, by id; one that somebody else signed is not among them.
    pub fn receipts(&self, registry: &Registry, award: &StatementId) -> Vec<Said<'_, Receipt>> {
        let all = self.receipts_by_anyone(award);
        all.filter(|word| self.is_by_executor(registry, award, word.statement)).collect()
    }

    /// Receipts that name this award, whoever signed them, by id.
    pub fn receipts_by_anyone(
        &self,
        award: &StatementId,
    ) -> impl Iterator<Item = Said<'_, Receipt>> {
        under(&self.receipts, award).filter_map(|id| self.receipt(id))
    }

    /// Receipts that say nothing of this order's ran, whoever signed them, by id.
    pub fn none_ran(&self, order: &StatementId) -> impl Iterator<Item = Said<'_, Receipt>> {
        under(&self.none_ran, order).filter_map(|id| self.receipt(id))
    }

    /// Cancels that name this award, whoever signed them, by id; `cancelled` says which count.
    pub fn cancels(&self, award: &StatementId) -> impl Iterator<Item = Said<'_, Cancel>> {
        under(&self.cancels, award).filter_map(|id| self.held(id)).filter_map(|statement| {
            let Body::Cancel(body) = &statement.body else { return None };
            Some(Said { statement, body })
        })
    }

    /// Awards that somebody began, refused or reported and whose own statement is not held, with
    /// the statements that name them.
    pub fn named_awards_not_held(
        &self,
    ) -> impl Iterator<Item = (&StatementId, &BTreeSet<StatementId>)> {
        let named = self.started.iter().chain(&self.refused).chain(&self.receipts);
        named.filter(|(award, _)| !self.awards.contains(award))
    }

    /// True when its executor said what became of it, or that it would not do it.
    pub fn is_answered(&self, registry: &Registry, award: &StatementId) -> bool {
        !self.refused(registry, award).is_empty() || !self.receipts(registry, award).is_empty()
    }

    fn receipt(&self, id: &StatementId) -> Option<Said<'_, Receipt>> {
        let statement = self.held(id)?;
        let Body::Receipt(body) = &statement.body else { return None };
        Some(Said { statement, body })
    }

    fn held(&self, id: &StatementId) -> Option<&Verified<Statement>> {
        self.held.get(id).map(|held| &**held)
    }

    fn is_by_executor(
        &self,
        registry: &Registry,
        award: &StatementId,
        word: &Verified<Statement>,
    ) -> bool {
        let executor = self.award(award).map(|award| &award.body.executor);
        executor.is_some_and(|executor| registry.speaks_for(&word.key(), executor))
    }
}

fn file(index: &mut Index, under: StatementId, id: StatementId) {
    index.entry(under).or_default().insert(id);
}

fn under<'a>(index: &'a Index, key: &StatementId) -> impl Iterator<Item = &'a StatementId> {
    index.get(key).into_iter().flatten()
}
