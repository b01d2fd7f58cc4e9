//! INV-LEASE-1: no act leaves a task later than the bound that the world computes itself: the
//! moment at which enough beacons had the order on disk, the lease, what clocks may be wrong by,
//! and one event; nor later than any bound that a screen has printed.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;

#[derive(Default)]
pub(super) struct Lease {}

impl Checker for Lease {
    fn id(&self) -> &'static str {
        "INV-LEASE-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        let Sight::Acted { award } = sight else { return };
        let late = ledger.passed(award, now);
        tally.expect(late.is_none(), now, || {
            let bound = late.unwrap_or(now);
            let node = ledger.tasks.get(award).map(|task| task.node).unwrap_or(0);
            let over = (now - bound) as f64 / 1e6;
            format!("{award:?} on node {node} acts {over:.3} ms after the bound of its order")
        });
    }
}
