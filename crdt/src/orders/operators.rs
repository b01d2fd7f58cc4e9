//! Orders on operators, and what a removal for cause has voided.
//!
//! One operator alone holds another's grants for a day; two hold them until the root answers; the
//! root's threshold cuts them for ever. His orders go on counting: only a removal for cause, as an
//! epoch says it, voids those above its pins, and `Revived` names them, so that nobody finds out
//! by surprise what acts again.
//!
//! A revoke of an operator cuts what he granted up to the epoch in which the root restored him.
//! Refused here: comparing a time.

use super::generations::{Line, Sources};
use super::{Order, OrderKind, answers, budget};
use crate::authority::{Authority, Reach, Void};
use crate::limits::OPERATOR_HOLD_MS;
use crate::set::Held;
use belay_identity::body::{Subject, Term};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{Statement, StatementId, Verified};
use std::collections::BTreeMap;

/// What holds an operator's grants; never his orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCut {
    /// The order.
    pub order: StatementId,
    /// From when on, Unix milliseconds; nothing for always.
    pub from_ms: Option<u64>,
    /// Until when, Unix milliseconds; nothing until lifted.
    pub until_ms: Option<u64>,
}

/// An order that counts no more because its author, or who co-signed it, was removed for cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revived {
    /// The order.
    pub order: StatementId,
    /// Hold or revoke.
    pub kind: OrderKind,
    /// Whom it named; who is named by no other order acts again.
    pub subject: Subject,
    /// Who gave it.
    pub author: Principal,
    /// The epoch that removed him or the co-signer.
    pub epoch: u64,
    /// Why, as that epoch says.
    pub reason: String,
}

/// Operators whose grants are cut until somebody answers, by the lowest order that does it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cutters(BTreeMap<OperatorId, Vec<(StatementId, Reach)>>);

impl Cutters {
    /// Whether a grant counts and its author's grants are not cut.
    pub(crate) fn grant_counts(
        &self,
        authority: &Authority,
        grant: &Verified<Statement>,
    ) -> Result<(), Void> {
        authority.grant_counts(grant)?;
        let Principal::Operator(author) = &grant.author else { return Ok(()) };
        let mut cuts = self.0.get(author).into_iter().flatten();
        match cuts.find(|(_, reach)| reach.covers(Some(grant.epoch))) {
            Some((order, _)) => Err(Void::Held(*order)),
            None => Ok(()),
        }
    }
}

/// One operator alone holds another for a day, once in an epoch; co-signed until answered; for ever
/// only the root.
pub(super) fn check(sources: &Sources<'_>, held: &Held, order: &Order) -> Result<(), Void> {
    let Sources { set, authority, rules, .. } = sources;
    match order.kind {
        OrderKind::Hold if order.cosigned => Ok(()),
        OrderKind::Hold if order.until_ms.is_none() => Err(Void::Alone),
        OrderKind::Hold
            if budget::first_on_operator(set, authority, rules, held, &order.subject) =>
        {
            Ok(())
        }
        OrderKind::Hold => Err(Void::Repeated),
        OrderKind::Revoke if answers::ordered_by_root(set, authority, held) => Ok(()),
        OrderKind::Revoke => Err(Void::Role("root")),
    }
}

/// Operators cut until answered; the answers to orders on operators are the root's, so this does
/// not depend on whom the operators cut.
pub(super) fn cutters(
    sources: &Sources<'_>,
    answered: &BTreeMap<StatementId, StatementId>,
    lines: &BTreeMap<Term, Line>,
) -> Cutters {
    let mut cutters = Cutters::default();
    let standing = sources.orders.values().filter(|order| !answered.contains_key(&order.id));
    for order in standing {
        let lasting = order.kind == OrderKind::Revoke || order.cosigned;
        if let ([term @ Term::Operator(id)], true, None) =
            (order.subject.terms(), lasting, order.until_ms)
        {
            let reach = left_after_restore(sources, order, lines.get(term));
            cutters.0.entry(id.clone()).or_default().push((order.id, reach));
        }
    }
    cutters
}

/// What the root's restores that stand leave of a revoke of an operator: what he granted up to the
/// epoch of the earliest.
fn left_after_restore(sources: &Sources<'_>, order: &Order, line: Option<&Line>) -> Reach {
    let restores = line.into_iter().flat_map(|line| line.opened.keys());
    let restores = restores.filter_map(|id| sources.set.get(id));
    let naming = restores.filter(|restore| restore.refs.contains(&order.id));
    match naming.map(|restore| restore.epoch).min() {
        Some(epoch) => (sources.rules.after_restore)(order.reach, epoch),
        None => order.reach,
    }
}

/// From when one operator alone holds another: for the last day before its end.
pub(super) fn alone_from(order: &Order) -> Option<u64> {
    let until = order.until_ms.filter(|_| !order.cosigned)?;
    Some(until.saturating_sub(OPERATOR_HOLD_MS))
}

/// The orders that would count but for a removal for cause, of their author or of who co-signed
/// them, by id.
pub(super) fn revived(
    authority: &Authority,
    void: &BTreeMap<StatementId, Void>,
    read: impl Fn(&StatementId) -> Option<(Order, Held)>,
    approvals: impl Fn(&StatementId) -> Vec<Held>,
) -> Vec<Revived> {
    let removed = |held: &Held| Some((authority.removed_in(held)?, held.author.clone()));
    let revived = void.iter().filter_map(|(id, why)| {
        let (order, held) = read(id)?;
        let (epoch, who) = match why {
            Void::Removed(_) => removed(&held),
            Void::Alone | Void::Repeated | Void::Budget => approvals(id).iter().find_map(removed),
            Void::Kind
            | Void::Epoch(_)
            | Void::Role(_)
            | Void::Outside(_)
            | Void::Forked(_)
            | Void::CutRoot
            | Void::Sealed(_)
            | Void::Approvals { .. }
            | Void::Subject
            | Void::Held(_) => None,
        }?;
        authority.order_reach(&held).ok()?;
        let reason = authority.why_removed(&who, epoch)?;
        let Order { kind, subject, author, .. } = order;
        Some(Revived { order: *id, kind, subject, author, epoch, reason })
    });
    revived.collect()
}
