//! INV-DRAFT-1: hosts that count the same changes of a draft read the same files.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_identity::StatementId;
use belay_mesh::drafts::FileReport;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Draft {
    read: BTreeMap<Vec<StatementId>, (usize, Vec<FileReport>)>,
}

impl Checker for Draft {
    fn id(&self) -> &'static str {
        "INV-DRAFT-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, _ledger: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::DraftRead { node, report } => {
                let mut counted: Vec<StatementId> =
                    report.changes.iter().map(|change| change.statement).collect();
                counted.sort_unstable();
                let many = counted.len();
                let first = || (*node, report.files.clone());
                let (other, files) = self.read.entry(counted).or_insert_with(first);
                tally.expect(*files == report.files, now, || {
                    format!("nodes {other} and {node} read {many} changes in two ways")
                });
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
            | Sight::DevicesRead { .. }
            | Sight::CaseRead { .. }
            | Sight::End { .. } => {}
        }
    }
}
