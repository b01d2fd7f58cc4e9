//! INV-SET-3: no restart, replay or clock step lets a held subject act again; a lift alone does.
//!
//! Seen where a host lets work go on: not after an order against it is on that host's own disk,
//! however often its node has been started again since.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;

pub(super) struct SetTime;

impl Checker for SetTime {
    fn id(&self) -> &'static str {
        "INV-SET-3"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        let (Sight::LetGoOn { node, award } | Sight::Permitted { node, award }) = sight else {
            return;
        };
        let held = ledger.against(award).find(|(_, order)| order.disks.contains(node));
        tally.expect(held.is_none(), now, || {
            let order = held.map(|(id, _)| id.to_string()).unwrap_or_default();
            format!("node {node} lets {award:?} go on; order {order} is on its disk")
        });
    }
}
