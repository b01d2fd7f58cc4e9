//! What must hold after every call, checked in every build. The register is `tests/invariants.md`.

use crate::engine::Engine;
use crate::limits::{RESERVATIONS_MAX, TASKS_MAX};
use crate::task::{Phase, Task};
use belay_identity::StatementId;

impl Engine {
    /// Looks at every live task where something was learnt or an order ended, and otherwise at
    /// those that may have changed: what is asserted of the others has not.
    ///
    /// # Panics
    /// When an invariant of this engine does not hold: our own fault, and never a peer's.
    pub(crate) fn check_invariants(&mut self) {
        let mut unproven = std::mem::take(&mut self.unproven);
        let (pictured, touched) = (self.pictured == Some(self.now_pictured()), self.work.touched());
        unproven.extend(touched);
        for (award, task) in self.work.live() {
            if !pictured || unproven.contains(award) {
                self.check_end(award, task);
            } else {
                debug_assert!(self.is_told_to_end(task), "{award} has changed unseen");
            }
        }
        assert!(self.work.len() <= TASKS_MAX + RESERVATIONS_MAX, "INV-NET-1: tasks are bounded");
    }

    fn check_end(&self, award: &StatementId, task: &Task) {
        assert!(
            self.is_told_to_end(task),
            "INV-STOP-2: what an order matches is told to end in the call that learnt it: {award}"
        );
        assert!(task.ending.is_none() || task.phase == Phase::Ending, "an end is final: {award}");
    }

    fn is_told_to_end(&self, task: &Task) -> bool {
        task.ending.is_some() || self.ending_cut_of(&task.chain).is_none()
    }
}
