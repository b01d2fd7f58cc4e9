//! INV-LOG-1: never two statements of one log with one number by an honest host, through any crash.
//!
//! A statement counts once it is on its author's disk or another host has it; what was neither when
//! its author crashed was never said.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_identity::{LogId, StatementId};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Log {
    places: BTreeMap<(LogId, u64), StatementId>,
}

impl Checker for Log {
    fn id(&self) -> &'static str {
        "INV-LOG-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, _: &Ledger, tally: &mut Tally) {
        let Sight::Said { node, statement } = sight else { return };
        let place = (statement.log(statement.key()), statement.seq);
        let other = *self.places.entry(place).or_insert(statement.id());
        tally.expect(other == statement.id(), now, || {
            let (id, seq) = (statement.id(), statement.seq);
            format!(
                "node {node}: {} {id:?} and {other:?} both are number {seq}",
                statement.body.kind()
            )
        });
    }
}
