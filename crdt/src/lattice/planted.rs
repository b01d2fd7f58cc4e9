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

/// A wrong table.
pub(super) struct Plant {
    /// The mistake, in words.
    pub(super) name: &'static str,
    /// The program that is to show it.
    pub(super) program: &'static str,
    pub(super) rules: Rules,
}

fn plant(name: &'static str, program: &'static str, rules: Rules) -> Plant {
    Plant { name, program, rules }
}

/// Every planted table.
pub(super) fn all() -> Vec<Plant> {
    of_answers().into_iter().chain(of_epochs()).chain(of_people()).collect()
}

/// About what answers an order, and whom one meets.
fn of_answers() -> Vec<Plant> {
    let ours = Rules::OURS;
    vec![
        plant(
            "a chain is judged by its last link",
            "answers",
            Rules { chain_matches: last_link, ..ours },
        ),
        plant(
            "a restore may list too little",
            "answers",
            Rules { restore_opens: |_| true, ..ours },
        ),
        plant(
            "a restore reopens what fell",
            "answers",
            Rules { restore_opens: revokes_only, ..ours },
        ),
    ]
}

/// About root epochs and releases.
fn of_epochs() -> Vec<Plant> {
    let ours = Rules::OURS;
    vec![
        plant(
            "a release falls back to the looser",
            "releases",
            Rules { release_fallback: best_alone, ..ours },
        ),
        plant(
            "of equal epochs the first seen",
            "removals",
            Rules { better_epoch: first_seen, ..ours },
        ),
        plant(
            "a late order is dropped at a pin",
            "epochs",
            Rules { order_at_pin: dropped, ..ours },
        ),
        plant(
            "an epoch counts before its list is whole",
            "listed",
            Rules { list_is_whole: |_| true, ..ours },
        ),
        plant(
            "only the floor and the best standing judge",
            "releases",
            Rules { release_fallback: two, ..ours },
        ),
        plant(
            "what a rival leaves out is overlooked",
            "removals",
            Rules { drop_counts: |_| false, ..ours },
        ),
        plant(
            "a removal for cause voids nothing",
            "removals",
            Rules { removal_voids: |_, _| false, ..ours },
        ),
        plant(
            "it voids what its epoch sealed in",
            "removals",
            Rules { removal_voids: |_, again| !again, ..ours },
        ),
    ]
}

/// About who counts, how often, and by which key.
fn of_people() -> Vec<Plant> {
    let ours = Rules::OURS;
    vec![
        plant(
            "an unnamed lift ends holds",
            "operators",
            Rules { lift_answers: answers_everything, ..ours },
        ),
        plant(
            "the twin itself goes on counting",
            "members",
            Rules { fork_voids: |seq, at| seq > at, ..ours },
        ),
        plant(
            "who co-signs is told by the key",
            "principals",
            Rules { cosigns: |a, b| a.key != b.key, ..ours },
        ),
        plant(
            "a further key is one's own to certify",
            "further",
            Rules { cosigns: |_, _| true, ..ours },
        ),
        plant(
            "two keys of one are two yes",
            "principals",
            Rules { principals: BTreeSet::len, ..ours },
        ),
        plant("wide orders have no budget", "budget", Rules { within_budget: |_| true, ..ours }),
        plant(
            "one holds another day after day",
            "operators",
            Rules { may_hold_operator: |_| true, ..ours },
        ),
        plant(
            "a day's hold cuts no grant",
            "held",
            Rules { holds_grant: |before, timed| !before && !timed, ..ours },
        ),
        plant(
            "a hold cuts what came before it",
            "held",
            Rules { holds_grant: |_, _| true, ..ours },
        ),
        plant("one alone silences a beacon", "principals", Rules { silences: |_| true, ..ours }),
        plant(
            "a restore reaches back",
            "operators",
            Rules { after_restore: |_, _| Reach::UpTo(0), ..ours },
        ),
        plant(
            "a replaced key goes on letting",
            "members",
            Rules { device_grants: |_| true, ..ours },
        ),
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
