//! INV-GATE-1: no permit after an order that this host has accepted.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;

pub(super) struct Gate;

impl Checker for Gate {
    fn id(&self) -> &'static str {
        "INV-GATE-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        let Sight::Permitted { node, award } = sight else { return };
        let accepted = ledger.against(award).find(|(_, order)| order.taken.contains_key(node));
        tally.expect(accepted.is_none(), now, || {
            let order = accepted.map(|(id, _)| id.to_string()).unwrap_or_default();
            format!("node {node} permits an act of {award:?} after it took in order {order}")
        });
    }
}
