//! INV-SET-1: hosts that hold the same statements name the same digest, others another one; and
//! after quiet all that can hear each other hold the same.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Set {
    by_digest: BTreeMap<[u8; 32], ([u8; 32], u64)>,
    by_set: BTreeMap<([u8; 32], u64), [u8; 32]>,
}

impl Checker for Set {
    fn id(&self) -> &'static str {
        "INV-SET-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::Digest { node, digest } => {
                let holds = ledger.hosts[*node].holds;
                let set = *self.by_digest.entry(*digest).or_insert(holds);
                let named = *self.by_set.entry(holds).or_insert(*digest);
                tally.expect(set == holds && named == *digest, now, || {
                    format!("node {node} holds {} statements under another set's digest", holds.1)
                });
            }
            Sight::End { .. } => all_equal(now, ledger, tally),
            Sight::Taken { .. }
            | Sight::Said { .. }
            | Sight::Permitted { .. }
            | Sight::LetGoOn { .. }
            | Sight::Acted { .. }
            | Sight::Sent { .. }
            | Sight::Talked { .. }
            | Sight::Restarted { .. }
            | Sight::Links { .. }
            | Sight::DraftRead { .. }
            | Sight::DevicesRead { .. }
            | Sight::CaseRead { .. } => {}
        }
    }
}

fn all_equal(now: Time, ledger: &Ledger, tally: &mut Tally) {
    let hears = |node: usize| !ledger.hosts[node].unwell && !ledger.is_held(node);
    let mut well = ledger.hosts.iter().enumerate().filter(|(node, _)| hears(*node));
    let Some((first, model)) = well.next() else { return };
    for (node, host) in well {
        tally.expect(host.holds == model.holds, now, || {
            let (mine, theirs) = (model.holds.1, host.holds.1);
            let odd = ledger.odd_one(first, node);
            format!("after quiet node {first} holds {mine} statements, node {node} {theirs}: {odd}")
        });
    }
}
