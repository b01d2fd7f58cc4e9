//! INV-GATE-3: nothing is permitted to, and nothing is let go on of, a program that the newest
//! release on this host's disk blocks, unless it only observes work.
//!
//! Refused here: work of a delegated award, whose program the world does not know.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_identity::StatementId;

pub(super) struct Programs;

impl Checker for Programs {
    fn id(&self) -> &'static str {
        "INV-GATE-3"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::Permitted { node, award } => expect(now, *node, award, ledger, tally, "permits"),
            Sight::LetGoOn { node, award } => {
                expect(now, *node, award, ledger, tally, "lets go on");
            }
            Sight::Taken { .. }
            | Sight::Said { .. }
            | Sight::Acted { .. }
            | Sight::Digest { .. }
            | Sight::Sent { .. }
            | Sight::Talked { .. }
            | Sight::Restarted { .. }
            | Sight::Links { .. }
            | Sight::DraftRead { .. }
            | Sight::DevicesRead { .. }
            | Sight::CaseRead { .. }
            | Sight::End { .. } => {}
        }
    }
}

fn expect(
    now: Time,
    node: usize,
    award: &StatementId,
    ledger: &Ledger,
    tally: &mut Tally,
    does: &str,
) {
    let Some(file) = ledger.program_of(award) else { return };
    let blocking = ledger.newest_release(node, now).filter(|release| release.blocks(&file));
    tally.expect(blocking.is_none(), now, || {
        let version = blocking.map(|release| release.version.to_string()).unwrap_or_default();
        format!("node {node} {does} {award:?}, whose program release {version} blocks")
    });
}
