//! Ending one piece of work: who may, and the word that does.
//!
//! A cancel is signed by this device, for its owner or for a task above. It counts when this device
//! gave the work or runs a link above it; anybody else is refused here by name, before a word is
//! signed that no device would act on. The executor ends the tree and signs what it saw, as for an
//! order; a result that comes after a cancel is not handed over.
//!
//! Refused here: ending what somebody else gave. An operator's stop does that.

use crate::author::Words;
use crate::engine::{Effect, Engine};
use crate::input::AskId;
use crate::output::{Answer, Refusal, RefusalKind};
use belay_identity::body::Cancel;
use belay_identity::limits::REASON_BYTES_MAX;
use belay_identity::{Scope, StatementId};

impl Engine {
    /// Somebody here ends a piece of work and everything below it.
    pub(crate) fn on_cancel(
        &mut self,
        ask: AskId,
        award: &str,
        by: Option<StatementId>,
        reason: String,
    ) {
        match self.cancel(award, by, reason) {
            Ok(id) => self.once_written(Effect::Answer(ask, Box::new(Answer::Cancelled(id)))),
            Err(refusal) => self.answer(ask, Err(refusal)),
        }
    }

    fn cancel(
        &mut self,
        digits: &str,
        by: Option<StatementId>,
        reason: String,
    ) -> Result<StatementId, Refusal> {
        if reason.len() > REASON_BYTES_MAX {
            let why = format!("the reason has {} bytes; at most {REASON_BYTES_MAX}", reason.len());
            return Err(Refusal::new(RefusalKind::WrongUse, why, "say it shorter"));
        }
        let award = self.statement_named(digits)?;
        self.may_cancel(&award, by)?;
        // A second cancel of the same work would add nothing: the first is answered for.
        let counts = self.known.tasks.cancels_that_count(&self.known.registry, &award);
        if let Some(cancel) = counts.first() {
            return Ok(*cancel);
        }
        let Some(statement) = self.known.get(&award).cloned() else { return Err(no_award(&award)) };
        let Scope::Tree(tree) = statement.scope else { return Err(no_award(&award)) };
        let executor = self.known.tasks.award(&award).map(|said| said.body.executor.clone());
        let link = executor.and_then(|id| self.known.registry.device_by_id(&id).map(|d| d.key));
        let words = Words::new(Scope::Tree(tree), Cancel { award, reason });
        let id = self.say(words).ok_or_else(crate::task::not_enrolled)?;
        self.push_once_written(link.filter(|link| *link != self.key), id);
        Ok(id)
    }

    /// The device that gave the work and those of the links above may; of agents, only those above.
    fn may_cancel(&self, award: &StatementId, by: Option<StatementId>) -> Result<(), Refusal> {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        let given = tasks.award(award).ok_or_else(|| no_award(award))?;
        if tasks.is_answered(registry, award) {
            let why = format!("{award} has ended already");
            return Err(Refusal::new(RefusalKind::WrongUse, why, "see `belay task list --all`"));
        }
        if by.is_some_and(|task| !tasks.ancestors(registry, award).contains(&task)) {
            let why = "an agent ends only work that it or its own work gave";
            let hint = "whoever stands above both may, or an operator: `belay stop`";
            return Err(Refusal::new(RefusalKind::Denied, why, hint));
        }
        let reach = tasks.reach_of(registry, &given.body.credential);
        let links = reach.chain.links();
        if links.iter().any(|link| registry.speaks_for(&self.key, &link.device)) {
            return Ok(());
        }
        let mut names: Vec<&str> = links.iter().map(|link| link.device.name()).collect();
        names.dedup();
        let why = "this device neither gave the work nor runs a link above it";
        let hint = match names.as_slice() {
            [] => "nobody above it is known here; an operator may: `belay stop`".to_owned(),
            names => format!("cancel it at {}, or `belay stop` it", names.join(" or ")),
        };
        Err(Refusal::new(RefusalKind::Denied, why, hint))
    }
}

fn no_award(id: &StatementId) -> Refusal {
    let why = format!("{id} is no award known here");
    Refusal::new(RefusalKind::WrongUse, why, "`belay task list` shows those that are")
}
