//! INV-STOP-1: "stopped" is signed only after the tree was seen empty.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_identity::Body;
use belay_identity::body::Outcome;

pub(super) struct StopSigned;

impl Checker for StopSigned {
    fn id(&self) -> &'static str {
        "INV-STOP-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        let Sight::Taken { node, statement, first: true } = sight else { return };
        let Body::Receipt(receipt) = &statement.body else { return };
        let Some(task) = receipt.award.and_then(|award| ledger.tasks.get(&award)) else { return };
        let ended = match receipt.outcome {
            Outcome::Stopped | Outcome::FinishedBefore | Outcome::StoppedByRestart => {
                task.emptied.is_some()
            }
            Outcome::NeverStarted => task.began.is_none(),
            Outcome::NotProven | Outcome::Unstoppable => true,
        };
        tally.expect(ended, now, || {
            let award = receipt.award.map(|award| format!("{award:?}")).unwrap_or_default();
            format!("node {node} signs “{}” for {award}, whose tree lives", receipt.outcome)
        });
    }
}
