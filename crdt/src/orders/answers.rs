//! Answers: whether a lift or a restore has the yes of as many operators as it needs.
//!
//! Signing the answer is its author's yes; every approval that names it adds the operator who
//! signed it. Two operators are needed, or one where its own epoch has only one: the own epoch, so
//! that an answer that lacked a yes does not come to count because somebody left.
//!
//! Refused here: what an answer does. Who is cut lastingly is handed in, his yes does not count.

use super::Cutters;
use crate::authority::{Authority, Void};
use crate::limits::OPERATORS_NEEDED;
use crate::set::{Held, Set};
use belay_identity::PublicKey;
use belay_identity::body::Role;
use belay_identity::principal::{OperatorId, Principal};
use std::collections::BTreeSet;

/// How many operators say yes to a proposal in this role: by approvals that count.
pub(crate) fn operators(
    set: &Set,
    authority: &Authority,
    cut: &Cutters,
    proposal: &Held,
    role: Role,
) -> usize {
    (authority.rules().0.principals)(&voices(set, authority, cut, proposal, role))
}

fn voices(
    set: &Set,
    authority: &Authority,
    cut: &Cutters,
    proposal: &Held,
    role: Role,
) -> BTreeSet<(OperatorId, PublicKey)> {
    let counts = |one: &&Held| cut.grant_counts(authority, one).is_ok();
    let approvals = set.approvals(&proposal.id()).filter(counts);
    approvals.filter_map(|one| as_operator(authority, one, role)).collect()
}

/// How many operators an act of this epoch needs in this role, by the lines of that epoch: whom an
/// epoch beside it or a removal for cause takes away lowers no threshold.
pub(crate) fn needed(authority: &Authority, role: Role, epoch: u64) -> usize {
    let lines = authority.epoch(epoch).into_iter().flat_map(|epoch| &epoch.root.operators);
    let holders = lines.filter(|line| line.roles.contains(&role)).map(|line| &line.id);
    holders.collect::<BTreeSet<_>>().len().clamp(1, OPERATORS_NEEDED)
}

/// Checks that a lift or restore counts and has every yes it needs: of operators, or of the root.
pub(super) fn check(
    set: &Set,
    authority: &Authority,
    cut: &Cutters,
    answer: &Held,
) -> Result<(), Void> {
    cut.grant_counts(authority, answer)?;
    let mut yes = voices(set, authority, cut, answer, Role::Security);
    yes.extend(as_operator(authority, answer, Role::Security));
    let have = (authority.rules().0.principals)(&yes);
    let need = needed(authority, Role::Security, answer.epoch);
    if have >= need || by_root(set, authority, answer) {
        return Ok(());
    }
    Err(Void::Approvals { have, need })
}

/// True when the threshold of the answer's own root epoch says yes.
pub(super) fn by_root(set: &Set, authority: &Authority, answer: &Held) -> bool {
    let Some(epoch) = authority.epoch(answer.epoch) else { return false };
    let as_root = |one: &Held| {
        let counts = authority.grant_counts(one).is_ok() || one.id() == answer.id();
        counts && matches!(one.author, Principal::Root(_))
    };
    let said = set.approvals(&answer.id()).chain([answer]).filter(|one| as_root(one));
    let keys: BTreeSet<PublicKey> = said.map(|one| one.key()).collect();
    let yes = keys.iter().filter(|key| authority.is_root_key_in(key, epoch));
    yes.count() as u64 >= epoch.root.threshold
}

/// True when the threshold of a root ever valid says yes to this order; what gives an order force
/// is not voided by later pins.
pub(super) fn ordered_by_root(set: &Set, authority: &Authority, order: &Held) -> bool {
    let as_root = |one: &&Held| matches!(one.author, Principal::Root(_));
    let said = set.approvals(&order.id()).chain([order]).filter(as_root);
    let keys: BTreeSet<PublicKey> = said.map(|one| one.key()).collect();
    let number = authority.order_epoch(order).unwrap_or(order.epoch);
    authority.any_epochs(number).any(|epoch| {
        let yes = epoch.root.keys.iter().filter(|key| keys.contains(*key)).count();
        yes as u64 >= epoch.root.threshold
    })
}

fn as_operator(authority: &Authority, one: &Held, role: Role) -> Option<(OperatorId, PublicKey)> {
    let operator = authority.operator_of(one, role)?;
    (one.author == Principal::Operator(operator.clone())).then(|| (operator.clone(), one.key()))
}
