//! What must hold after every call, checked in every build. The register is `tests/invariants.md`.

use crate::engine::Engine;
use crate::limits::{RESERVATIONS_MAX, TASKS_MAX};
use crate::task::Phase;

impl Engine {
    /// # Panics
    /// When an invariant of this engine does not hold: our own fault, and never a peer's.
    pub(crate) fn check_invariants(&self) {
        for (award, task) in self.work.live() {
            let cut = self.ending_cut_of(&task.chain);
            assert!(
                cut.is_none() || task.ending.is_some(),
                "INV-STOP-2: what an order matches is told to end in the call that learnt it: {award}"
            );
            assert!(
                task.ending.is_none() || task.phase == Phase::Ending,
                "an end is final: {award}"
            );
        }
        assert!(self.work.len() <= TASKS_MAX + RESERVATIONS_MAX, "INV-NET-1: tasks are bounded");
    }
}
