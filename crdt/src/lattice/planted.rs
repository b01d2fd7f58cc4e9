//! Wrong rules, each a likely mistake, each in a copy of the table.

use crate::authority::Reach;
use crate::orders::{Order, OrderKind};
use crate::rules::{AtPin, Branch, Candidate, RestoreCase, Rules};
use crate::set::Held;
use belay_identity::body::Subject;
use belay_identity::{Chain, StatementId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

thread_local! {
    /// The order in which the fold's statements came, for the one rule that asks who was first.
    static ARRIVAL: RefCell<Vec<StatementId>> = const { RefCell::new(Vec::new()) };
}

/// Notes in which order the statements of the next fold came.
pub(super) fn arrived(statements: Vec<Held>) {
    ARRIVAL.with_borrow_mut(|arrival| {
        *arrival = statements.iter().map(|held| held.id()).collect();
    });
}

/// Every planted table with its name.
pub(super) fn all() -> Vec<(&'static str, Rules)> {
    let ours = Rules::OURS;
    vec![
        ("an unnamed lift ends holds", Rules { lift_answers: answers_everything, ..ours }),
        ("a release falls back to the looser", Rules { release_fallback: best_alone, ..ours }),
        ("a chain is judged by its last link", Rules { chain_matches: last_link, ..ours }),
        ("a restore may list too little", Rules { restore_opens: |_| true, ..ours }),
        ("of equal epochs the first seen", Rules { better_epoch: first_seen, ..ours }),
        ("a late order is dropped at a pin", Rules { order_at_pin: dropped, ..ours }),
        ("only the floor and the best standing judge", Rules { release_fallback: two, ..ours }),
        ("a restore reopens what fell", Rules { restore_opens: revokes_only, ..ours }),
    ]
}

fn answers_everything(
    _refs: &[StatementId],
    orders: &BTreeMap<StatementId, Order>,
) -> Vec<StatementId> {
    let holds = orders.values().filter(|order| order.kind == OrderKind::Hold);
    holds.map(|order| order.id).collect()
}

fn best_alone(candidates: &[Candidate]) -> Vec<usize> {
    candidates.iter().position(|one| one.stands).into_iter().collect()
}

fn two(candidates: &[Candidate]) -> Vec<usize> {
    let best = candidates.iter().position(|one| one.stands);
    let judges = best.into_iter().flat_map(|best| [0, best]);
    judges.collect::<BTreeSet<usize>>().into_iter().collect()
}

fn revokes_only(case: &RestoreCase<'_>) -> bool {
    case.revokes.is_subset(case.listed)
}

fn last_link(chain: &Chain, subject: &Subject, reach: Reach) -> bool {
    let Some(last) = chain.acting().filter(|link| reach.covers(link.epoch)) else { return false };
    subject.terms().iter().all(|term| last.carries(term))
}

fn first_seen(one: &Branch, other: &Branch) -> bool {
    let place = |branch: &Branch| {
        ARRIVAL.with_borrow(|arrival| arrival.iter().position(|id| *id == branch.first))
    };
    (one.epochs, place(other)) > (other.epochs, place(one))
}

fn dropped(reach: Option<Reach>, at: AtPin, _epoch: u64) -> Option<Reach> {
    match at {
        AtPin::Reaffirmed => reach,
        AtPin::Inside | AtPin::Above => None,
    }
}
