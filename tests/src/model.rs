//! Who may act, said plainly: the sentences of the design as functions over a list of statements.
//!
//! Nothing is kept, indexed or folded: every question reads the whole list again, so that each
//! function can be compared with its sentence by eye. It shares no code with `crdt`; a property
//! test asks both about the same small histories.
//!
//! Not modelled: time (expiries, the ends of holds), removals for cause, orders on operators and
//! devices as such, the budget of wide orders, answers and floors by the root, enrolment, and what
//! proves a case.

mod answers;
mod epochs;
mod orders;
mod releases;

use belay_identity::body::Body;
use belay_identity::{FleetId, Statement, StatementId, Verified};
use std::sync::Arc;

/// A statement whose signature holds.
pub type Said = Arc<Verified<Statement>>;

/// Everything that was said in a fleet, in any order, each once.
#[derive(Debug, Clone)]
pub struct Model {
    fleet: FleetId,
    said: Vec<Said>,
}

impl Model {
    /// A fleet and what was said in it.
    pub fn new(fleet: FleetId, said: Vec<Said>) -> Self {
        Self { fleet, said }
    }

    fn find(&self, id: &StatementId) -> Option<&Said> {
        self.said.iter().find(|said| said.id() == *id)
    }

    /// "A threshold act is one proposal plus k approvals that name its id."
    fn approvals(&self, of: &StatementId) -> Vec<&Said> {
        let names = |said: &&Said| matches!(&said.body, Body::Approve(yes) if yes.of == *of);
        self.said.iter().filter(names).collect()
    }
}
