//! INV-TASK-1: a child never holds more than its parent: tools, data class, time, depth, budget.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_identity::Body;
use belay_identity::body::Delegation;

pub(super) struct Task;

impl Checker for Task {
    fn id(&self) -> &'static str {
        "INV-TASK-1"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        let Sight::Taken { node, statement, first: true } = sight else { return };
        let Body::Delegation(child) = &statement.body else { return };
        let from = ledger.statements.get(&child.from);
        let parent = from.and_then(|from| from.refs.first()).and_then(|id| ledger.delegation(id));
        let Some(parent) = parent else { return };
        tally.expect(narrows(parent, child), now, || {
            format!("node {node} lets {} hold more than its giver", child.agent)
        });
    }
}

fn narrows(parent: &Delegation, child: &Delegation) -> bool {
    let tools = |tool: &String| parent.tools.iter().any(|held| held == "*" || held == tool);
    child.tools.iter().all(tools)
        && child.data <= parent.data
        && child.depth < parent.depth
        && child.budget <= parent.budget
        && child.deadline_ms <= parent.deadline_ms
}
