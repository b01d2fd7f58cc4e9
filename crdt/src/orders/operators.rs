//! Orders on operators, and what a removal for cause has voided.
//!
//! One operator alone holds another's grants for a day; two hold them until the root answers; the
//! root's threshold cuts them for ever. His orders go on counting: only a removal for cause, as an
//! epoch says it, voids those above its pins, and `Revived` names them, so that nobody finds out
//! by surprise what acts again.
//!
//! A hold names in its refs the last that was known of his logs: what he granted up to there goes
//! on counting, and what the epoch under which it was given had sealed in, or a fleet would lose
//! its policy and its devices with one order. A hold with a time is over when the caller says so;
//! what he granted under it then counts, unless the root or a second operator has spoken.
//!
//! A revoke of an operator cuts what he granted up to the epoch in which the root restored him.
//! Refused here: comparing a time.

use super::generations::{Line, Sources};
use super::{Order, OrderKind, answers, budget};
use crate::authority::{Authority, Reach, Table, Void};
use crate::limits::OPERATOR_HOLD_MS;
use crate::set::Held;
use belay_identity::body::{Subject, Term};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};

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

/// A hold that begins and ends by time, on an operator, or one that silences a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedHold {
    /// The order.
    pub order: StatementId,
    /// From when on, Unix milliseconds; nothing for always.
    pub from_ms: Option<u64>,
    /// Until when, Unix milliseconds.
    pub until_ms: u64,
}

/// Which holds with a time bind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Timed<'a> {
    /// None: what they held counts once they are over.
    Over,
    /// All but those that have not begun or have ended.
    AllBut(&'a BTreeSet<StatementId>),
}

impl Timed<'_> {
    fn binds(self, order: &StatementId) -> bool {
        match self {
            Timed::Over => false,
            Timed::AllBut(idle) => !idle.contains(order),
        }
    }
}

/// Operators whose grants are cut, by the lowest order that does it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cutters {
    by_operator: BTreeMap<OperatorId, Vec<Cutter>>,
    /// Links between what a hold names and what lies below that are not held.
    gaps: BTreeSet<StatementId>,
    rules: Table,
}

/// One order that cuts an operator's grants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cutter {
    order: StatementId,
    reach: Reach,
    timed: bool,
    /// What it leaves alone: the statements that it names, and those before them in their logs.
    left: BTreeSet<StatementId>,
    /// The epoch under which a hold was given: what that sealed in, it leaves alone too.
    under: Option<StatementId>,
}

impl Cutters {
    /// Whether a grant counts and its author's grants are not cut.
    pub(crate) fn grant_counts(
        &self,
        authority: &Authority,
        grant: &Verified<Statement>,
    ) -> Result<(), Void> {
        authority.grant_counts(grant)?;
        let Principal::Operator(author) = &grant.author else { return Ok(()) };
        let id = grant.id();
        let mut cutters = self.by_operator.get(author).into_iter().flatten();
        let cuts = |cutter: &&Cutter| {
            let sealed = |epoch: &StatementId| authority.sealed_in(epoch, &id);
            let left = cutter.left.contains(&id) || cutter.under.as_ref().is_some_and(sealed);
            cutter.reach.covers(Some(grant.epoch)) && (self.rules.0.holds_grant)(left, cutter.timed)
        };
        match cutters.find(cuts) {
            Some(cutter) => Err(Void::Held(cutter.order)),
            None => Ok(()),
        }
    }

    /// The lowest order that holds what this operator grants now.
    pub(super) fn holding(&self, operator: &OperatorId) -> Option<StatementId> {
        self.by_operator.get(operator)?.first().map(|cutter| cutter.order)
    }

    /// True when nobody's grants are cut.
    pub(super) fn is_empty(&self) -> bool {
        self.by_operator.is_empty()
    }

    /// True when this statement was looked for below what a hold names, and not found.
    pub(super) fn awaits(&self, id: &StatementId) -> bool {
        self.gaps.contains(id)
    }

    fn add(&mut self, sources: &Sources<'_>, operator: &OperatorId, order: &Order, reach: Reach) {
        let hold = match order.kind {
            OrderKind::Hold => sources.set.get(&order.id),
            OrderKind::Revoke => None,
        };
        let mut left = BTreeSet::new();
        for id in hold.into_iter().flat_map(|hold| &hold.refs) {
            self.walk(sources, operator, *id, &mut left);
        }
        let under = hold.and_then(|hold| sources.authority.epoch(hold.epoch));
        let (under, timed) = (under.map(|epoch| epoch.id), order.until_ms.is_some());
        let cutter = Cutter { order: order.id, reach, timed, left, under };
        self.by_operator.entry(operator.clone()).or_default().push(cutter);
    }

    /// Adds a statement of this operator and all before it, along the hash links of its log.
    fn walk(
        &mut self,
        sources: &Sources<'_>,
        operator: &OperatorId,
        from: StatementId,
        left: &mut BTreeSet<StatementId>,
    ) {
        let his = |held: &&Held| held.author == Principal::Operator(operator.clone());
        let mut at = Some(from);
        let mut above: Option<&Held> = None;
        while let Some(id) = at {
            let Some(held) = sources.set.get(&id) else {
                self.gaps.insert(id);
                return;
            };
            let follows = |above: &Held| {
                held.seq + 1 == above.seq && held.log(held.key()) == above.log(above.key())
            };
            if !his(&held) || !above.is_none_or(follows) || !left.insert(id) {
                return;
            }
            (at, above) = (held.prev, Some(held));
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

/// Operators cut until answered, or for as long as a hold binds; the answers to orders on operators
/// are the root's, so this does not depend on whom the operators cut.
pub(super) fn cutters(
    sources: &Sources<'_>,
    answered: &BTreeMap<StatementId, StatementId>,
    lines: &BTreeMap<Term, Line>,
    timed: Timed<'_>,
) -> Cutters {
    let mut cutters = Cutters { rules: Table(*sources.rules), ..Cutters::default() };
    let standing = sources.orders.values().filter(|order| !answered.contains_key(&order.id));
    for order in standing {
        let [term @ Term::Operator(id)] = order.subject.terms() else { continue };
        if order.until_ms.is_none() || timed.binds(&order.id) {
            let reach = left_after_restore(sources, order, lines.get(term));
            cutters.add(sources, id, order, reach);
        }
    }
    cutters
}

/// The holds on operators that begin and end by time and that nobody has answered.
pub(super) fn timed(
    orders: &BTreeMap<StatementId, Order>,
    answered: &BTreeMap<StatementId, StatementId>,
) -> Vec<TimedHold> {
    let standing = orders.values().filter(|order| !answered.contains_key(&order.id));
    let timed = standing.filter_map(|order| match (order.subject.terms(), order.until_ms) {
        ([Term::Operator(_)], Some(until_ms)) => {
            Some(TimedHold { order: order.id, from_ms: alone_from(order), until_ms })
        }
        ([Term::Device(_)], Some(until_ms)) if order.cosigned => {
            Some(TimedHold { order: order.id, from_ms: None, until_ms })
        }
        _ => None,
    });
    timed.collect()
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
