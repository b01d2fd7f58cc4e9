//! What stands against a subject, what would end it, and whose yes is missing.
//!
//! An answer names orders: a lift the holds it ends, a restore every revoke that counts. What is
//! not named goes on standing, and is listed here with everything else that names the same terms,
//! so that nobody believes a subject free that is not. Refused here: signing an answer.

use crate::engine::Engine;
use crate::names::UnknownName;
use crate::output::{Refusal, RefusalKind};
use belay_crdt::authority::Void;
use belay_crdt::orders::{Order, OrderKind};
use belay_identity::StatementId;
use belay_identity::body::{Body, Role, Subject, Term};
use belay_identity::principal::OperatorId;
use std::collections::{BTreeMap, BTreeSet};

/// What stands against whom.
#[derive(Debug)]
pub struct StandingReport {
    /// Terms that nothing known here carries.
    pub unknown: Vec<UnknownName>,
    /// The orders that were asked about: on exactly this subject, or named by id.
    pub asked: Vec<StandingOrder>,
    /// Other standing orders that name one of the same terms.
    pub others: Vec<StandingOrder>,
    /// What a new revoke of each single term names in its refs.
    pub revoke_refs: Vec<StatementId>,
    /// What a new hold names in its refs: of an operator the last that is known of his logs.
    pub hold_refs: Vec<StatementId>,
    /// How many more of his logs it has no room for: what he granted there it holds too.
    pub hold_left_out: u64,
    /// What a restore of each revoked subject must list.
    pub restore_refs: BTreeMap<Subject, Vec<StatementId>>,
    /// Answers to these orders that lack approvals.
    pub pending: Vec<PendingAnswer>,
    /// Restores of these subjects that fell to a revoke they do not list.
    pub fallen: Vec<StatementId>,
    /// Operators who can lift and restore.
    pub operators: Vec<OperatorId>,
}

/// One standing order.
#[derive(Debug, Clone)]
pub struct StandingOrder {
    /// Its id.
    pub id: StatementId,
    /// Hold or revoke.
    pub kind: OrderKind,
    /// Whom it names.
    pub subject: Subject,
    /// Who gave it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// True when it is in force.
    pub in_force: bool,
}

/// A lift or restore without the yes it needs.
#[derive(Debug, Clone)]
pub struct PendingAnswer {
    /// Its id.
    pub id: StatementId,
    /// Who signed it.
    pub author: String,
    /// Who approved it.
    pub approved: Vec<String>,
    /// The orders that it answers.
    pub answers: Vec<StatementId>,
    /// How many operators it needs.
    pub need: usize,
}

impl Engine {
    /// What stands against exactly this subject, and beside it.
    pub(crate) fn standing_against(&self, subject: &Subject) -> StandingReport {
        let asked = self.known.orders.standing().filter(|order| order.subject == *subject);
        let asked: Vec<&Order> = asked.collect();
        let unknown = if asked.is_empty() { self.unknown_names(subject) } else { Vec::new() };
        let revoke_refs = match subject.terms() {
            [term] => self.known.orders.refs_for_revoke(term),
            [..] => Vec::new(),
        };
        let terms = subject.terms().iter().cloned().collect();
        let (hold_refs, hold_left_out) = self.refs_for_hold(subject.terms());
        StandingReport {
            unknown,
            revoke_refs,
            hold_refs,
            hold_left_out,
            ..self.standing_report(&asked, &terms)
        }
    }

    /// What stands of these orders, and beside them.
    pub(crate) fn standing_named(&self, ids: &[String]) -> Result<StandingReport, Refusal> {
        let ids: BTreeSet<StatementId> =
            ids.iter().map(|digits| self.statement_named(digits)).collect::<Result<_, _>>()?;
        let orders = ids.iter().map(|id| self.still_stands(id)).collect::<Result<Vec<_>, _>>()?;
        let terms = orders.iter().flat_map(|order| order.subject.terms()).cloned().collect();
        Ok(self.standing_report(&orders, &terms))
    }

    fn still_stands(&self, id: &StatementId) -> Result<&Order, Refusal> {
        let no = |why: String, hint: &str| Refusal::new(RefusalKind::WrongUse, why, hint);
        let list = "`belay status` lists the orders that stand";
        let Some(order) = self.known.orders.order(id) else {
            return Err(no(format!("{id} is no hold or revoke that counts"), list));
        };
        match self.known.orders.lifted_by(id) {
            None => Ok(order),
            Some(by) => {
                Err(no(format!("{} does not stand: {by} answered it", order.subject), list))
            }
        }
    }

    fn standing_report(&self, asked: &[&Order], terms: &BTreeSet<Term>) -> StandingReport {
        let orders = &self.known.orders;
        let ids: BTreeSet<StatementId> = asked.iter().map(|order| order.id).collect();
        let beside = |order: &&Order| {
            !ids.contains(&order.id) && order.subject.terms().iter().any(|t| terms.contains(t))
        };
        let revoked = asked.iter().filter(|order| order.kind == OrderKind::Revoke);
        let restore_refs = revoked.filter_map(|order| match order.subject.terms() {
            [term] => Some((order.subject.clone(), orders.refs_for_restore(term))),
            [..] => None,
        });
        let epoch = self.known.epoch();
        let operators = self.known.authority.operators_at(Role::Security, epoch);
        StandingReport {
            unknown: Vec::new(),
            asked: asked.iter().map(|order| self.standing_order(order)).collect(),
            others: orders.standing().filter(beside).map(|o| self.standing_order(o)).collect(),
            revoke_refs: Vec::new(),
            hold_refs: Vec::new(),
            hold_left_out: 0,
            restore_refs: restore_refs.collect(),
            pending: self.pending(&ids),
            fallen: self.fallen(&ids),
            operators: operators.into_iter().cloned().collect(),
        }
    }

    pub(crate) fn standing_order(&self, order: &Order) -> StandingOrder {
        StandingOrder {
            id: order.id,
            kind: order.kind,
            subject: order.subject.clone(),
            author: order.author.to_string(),
            reason: order.reason.clone(),
            until_ms: order.until_ms,
            in_force: self.in_force(&order.id),
        }
    }

    /// Lifts and restores of these orders that wait for approvals.
    fn pending(&self, orders: &BTreeSet<StatementId>) -> Vec<PendingAnswer> {
        let void = self.known.orders.void().iter().filter_map(|(id, why)| match why {
            Void::Approvals { need, .. } => Some((id, *need)),
            _ => None,
        });
        let pending = void.filter_map(|(id, need)| {
            let held = self.known.get(id)?;
            let answer = matches!(held.body, Body::Lift(_) | Body::Restore(_));
            if !answer || !held.refs.iter().any(|order| orders.contains(order)) {
                return None;
            }
            let yes = self.known.set.approvals(id).map(|one| one.author.to_string());
            let (author, answers) = (held.author.to_string(), held.refs.clone());
            Some(PendingAnswer { id: *id, author, approved: yes.collect(), answers, need })
        });
        pending.collect()
    }

    /// Restores that list one of these orders, have every yes, and open nothing all the same.
    fn fallen(&self, orders: &BTreeSet<StatementId>) -> Vec<StatementId> {
        let restores = self.known.set.of_kind("restore").filter(|held| {
            held.refs.iter().any(|order| orders.contains(order))
                && self.known.orders.void().get(&held.id()).is_none()
        });
        restores.map(|held| held.id()).collect()
    }
}
