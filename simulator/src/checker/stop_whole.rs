//! INV-STOP-3: a case never reads complete while a branch is unknown, left out, or alive.
//!
//! The world knows every award that was ever made; the case of an order that reads complete names
//! each of those whose chain it matches and that were made before it was read.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_crdt::case::Case;
use belay_identity::StatementId;
use std::collections::BTreeSet;

pub(super) struct StopWhole;

impl Checker for StopWhole {
    fn id(&self) -> &'static str {
        "INV-STOP-3"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::CaseRead { order, case } => whole(now, order, case, ledger, tally),
            Sight::End { cases } => {
                for (order, case) in *cases {
                    case.iter().for_each(|case| whole(now, order, case, ledger, tally));
                }
            }
            Sight::Taken { .. }
            | Sight::Said { .. }
            | Sight::Permitted { .. }
            | Sight::LetGoOn { .. }
            | Sight::Acted { .. }
            | Sight::Digest { .. }
            | Sight::Sent { .. }
            | Sight::Talked { .. }
            | Sight::Restarted { .. }
            | Sight::Links { .. }
            | Sight::DraftRead { .. }
            | Sight::DevicesRead { .. } => {}
        }
    }
}

fn whole(now: Time, order: &StatementId, case: &Case, ledger: &Ledger, tally: &mut Tally) {
    let Some(truth) = ledger.orders.get(order) else { return };
    // Who runs after an answer by name is matched by the order's words and under it no more.
    if !case.reads_complete() || truth.lifted.is_some() {
        return tally.expect(true, now, String::new);
    }
    let named: BTreeSet<StatementId> = case.branches.iter().filter_map(|b| b.award).collect();
    for (award, task) in &ledger.tasks {
        if !task.said || !truth.matches(task) {
            continue;
        }
        let lives = task.began.is_some() && task.emptied.is_none();
        let node = task.node;
        tally.expect(named.contains(award), now, || {
            format!("the case of {order:?} reads complete without {award:?} of node {node}")
        });
        tally.expect(!lives || truth.pause, now, || {
            format!("the case of {order:?} reads complete while {award:?} lives on node {node}")
        });
    }
}
