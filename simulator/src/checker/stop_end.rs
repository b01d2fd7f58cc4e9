//! INV-STOP-2: in a fair network every reachable task below the subject ends and its receipt
//! arrives.
//!
//! Three things: what runs on a host that nothing keeps from hearing ends promptly; after quiet
//! nothing that an order matches is left; and the case, read at home, is complete.

use super::{Checker, Sight, Tally};
use crate::clock::{MS, Time};
use crate::ledger::{Ledger, Order, Task};
use crate::limits::PROMPT_MAX;
use belay_crdt::case::Case;
use belay_identity::StatementId;

pub(super) struct StopEnd;

impl Checker for StopEnd {
    fn id(&self) -> &'static str {
        "INV-STOP-2"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::Acted { award } => promptly(now, *award, ledger, tally),
            Sight::End { cases } => at_end(now, cases, ledger, tally),
            Sight::Taken { .. }
            | Sight::Said { .. }
            | Sight::Permitted { .. }
            | Sight::LetGoOn { .. }
            | Sight::Digest { .. }
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

/// Since when an order and a host had nothing between them.
fn reachable_since(order: &Order, task: &Task, ledger: &Ledger) -> Option<Time> {
    let (home, host) = (&ledger.hosts[order.from], &ledger.hosts[task.node]);
    let well = !home.unwell && !host.unwell;
    well.then(|| order.given.max(home.well_since).max(host.well_since))
}

fn promptly(now: Time, award: StatementId, ledger: &Ledger, tally: &mut Tally) {
    let Some(task) = ledger.tasks.get(&award) else { return };
    let late = ledger.against(&award).find(|(_, order)| {
        reachable_since(order, task, ledger).is_some_and(|since| now > since + PROMPT_MAX)
    });
    tally.expect(late.is_none(), now, || {
        format!("{award:?} on node {} still acts, and nothing kept the order away", task.node)
    });
}

fn at_end(now: Time, cases: &[(StatementId, Option<Case>)], ledger: &Ledger, tally: &mut Tally) {
    for (award, task) in &ledger.tasks {
        let ordered = ledger.against(award).any(|(_, order)| !order.pause);
        let lives = task.began.is_some() && task.emptied.is_none();
        if ordered {
            tally.expect(!lives, now, || {
                format!("after quiet {award:?} still lives on node {}", task.node)
            });
        }
    }
    // Who runs after an answer by name is matched by the order's words and under it no more.
    let answered =
        |order: &StatementId| ledger.orders.get(order).is_some_and(|order| order.lifted.is_some());
    for (order, case) in cases.iter().filter(|(order, _)| !answered(order)) {
        let complete = case.as_ref().is_some_and(|case| case.complete);
        tally.expect(complete, now, || match case {
            None => format!("the case of order {order:?} cannot be read at home"),
            Some(case) => {
                let missing: Vec<String> = case
                    .missing()
                    .map(|(branch, why)| {
                        let device = branch.device.as_ref().map(|d| d.name().to_owned());
                        let what = branch.award.map_or("no award".into(), |a| format!("{a:?}"));
                        let truth = branch.award.and_then(|award| ledger.tasks.get(&award));
                        let began = truth.and_then(|task| task.began).map(|at| at / MS);
                        let ended = truth.and_then(|task| task.emptied).map(|at| at / MS);
                        let device = device.unwrap_or_default();
                        format!("{device} {what} (began {began:?}, empty {ended:?} ms): {why}")
                    })
                    .collect();
                format!("after quiet the case of {order:?} lacks {}", missing.join("; "))
            }
        });
    }
}
