//! Calls of hooked agents' tools between their beginning and their end: which permits each has.
//!
//! An agent's hook is one process before a call and another after it, and neither remembers; so the
//! node does, in its memory alone. What is lost is an outcome that nobody tells, never a permit.
//! Refused here: another task's calls, and more of them than a bound.

use crate::api::event::{CallAsk, CallSaid};
use belay_identity::StatementId;
use belay_mesh::output::{Refusal, RefusalKind};
use std::collections::VecDeque;

/// Calls of one task that are open at a time: many more than any agent has; a call that its user
/// stopped at the agent's own question never ends, so the oldest make room.
const OPEN_OF_TASK_MAX: usize = 64;

/// The same of all tasks together.
const OPEN_MAX: usize = 1024;

/// Bytes of a call's name: a hash.
const NAME_BYTES_MAX: usize = 64;

/// Permits of one call: the files of one patch, each by an id of 32 digits.
const IDS_MAX: usize = 64;
const ID_BYTES_MAX: usize = 64;

/// Open calls, oldest first.
#[derive(Default)]
pub(super) struct Calls {
    open: VecDeque<Open>,
}

struct Open {
    task: StatementId,
    call: String,
    ids: Vec<String>,
    since_ms: u64,
}

impl Calls {
    /// What a hook says of a call of its task.
    pub(super) fn on(
        &mut self,
        task: StatementId,
        ask: CallAsk,
        now_ms: u64,
    ) -> Result<CallSaid, Refusal> {
        match ask {
            CallAsk::Keep { call, ids } => {
                let fits = call.len() <= NAME_BYTES_MAX
                    && ids.len() <= IDS_MAX
                    && ids.iter().all(|id| id.len() <= ID_BYTES_MAX);
                if !fits {
                    let why = "a call is named by a hash, and has few permits";
                    let hint = "use `belay` of the version that runs the node";
                    return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
                }
                self.make_room(task);
                self.open.push_back(Open { task, call, ids, since_ms: now_ms });
                Ok(CallSaid::default())
            }
            CallAsk::Take { call } => {
                // Where an agent makes the same call twice, the last one is the open one.
                let at = self.open.iter().rposition(|open| open.task == task && open.call == call);
                let open = at.and_then(|at| self.open.remove(at));
                let said = |open: Open| CallSaid {
                    took_ms: now_ms.saturating_sub(open.since_ms),
                    ids: open.ids,
                };
                Ok(open.map(said).unwrap_or_default())
            }
        }
    }

    fn make_room(&mut self, task: StatementId) {
        if self.open.iter().filter(|open| open.task == task).count() >= OPEN_OF_TASK_MAX
            && let Some(oldest) = self.open.iter().position(|open| open.task == task)
        {
            self.open.remove(oldest);
        }
        if self.open.len() >= OPEN_MAX {
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(call: &str, id: &str) -> CallAsk {
        CallAsk::Keep { call: call.into(), ids: vec![id.into()] }
    }

    fn taken(calls: &mut Calls, task: StatementId, call: &str) -> Vec<String> {
        let said = calls.on(task, CallAsk::Take { call: call.into() }, 9);
        said.expect("an answer").ids
    }

    /// Goal: a call's permits are told once, to its own task. Method: two tasks, the same call
    /// twice, one that nobody kept.
    #[test]
    fn permits_are_told_once_to_their_own_task() {
        let (mut calls, one, other) =
            (Calls::default(), StatementId([1; 32]), StatementId([2; 32]));
        for id in ["a", "b"] {
            calls.on(one, keep("c", id), 2).expect("kept");
        }
        assert_eq!(taken(&mut calls, other, "c"), [""; 0]);
        let said = calls.on(one, CallAsk::Take { call: "c".into() }, 9).expect("an answer");
        assert_eq!((said.ids, said.took_ms), (vec!["b".to_owned()], 7));
        assert_eq!(taken(&mut calls, one, "c"), ["a"]);
        assert_eq!(taken(&mut calls, one, "c"), [""; 0]);
    }

    /// Goal: no task fills the memory. Method: one over each bound.
    #[test]
    fn calls_have_bounds() {
        let (mut calls, task) = (Calls::default(), StatementId([1; 32]));
        for at in 0..=OPEN_OF_TASK_MAX {
            calls.on(task, keep(&at.to_string(), "a"), 0).expect("kept");
        }
        assert_eq!(calls.open.len(), OPEN_OF_TASK_MAX);
        assert_eq!(taken(&mut calls, task, "0"), [""; 0]);
        for at in 0..=OPEN_MAX {
            let task = StatementId([u8::try_from(at % 200).expect("small"); 32]);
            calls.on(task, keep("x", "a"), 0).expect("kept");
        }
        assert_eq!(calls.open.len(), OPEN_MAX);
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert!(calls.on(task, keep(&long, "a"), 0).is_err());
        assert!(calls.on(task, keep("x", &long), 0).is_err());
    }
}
