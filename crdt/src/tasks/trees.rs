//! From an award to what was made under it, to what it stands under, and to its cancels.
//!
//! An award is made by whoever runs under the credential that it names; the awards of one run are
//! those under any of its renewed credentials. Where the same work was given twice (a higher fence)
//! what was made belongs to both: better followed twice than not at all.
//!
//! Refused here: awards that somebody else signed in a delegator's name.

use super::{Said, Tasks};
use crate::registry::{Registry, Run};
use belay_identity::StatementId;
use belay_identity::body::Award;
use std::collections::BTreeSet;

impl Tasks {
    /// The awards that the executor of this one made, by id.
    pub fn children(&self, registry: &Registry, award: &StatementId) -> BTreeSet<StatementId> {
        let runs = self.runs_of(registry, award);
        let credentials = runs.iter().flat_map(|run| registry.credentials_of(run));
        let made = credentials.flat_map(|issued| self.awards_under(&issued.id));
        made.filter(|made| made.body.delegation.is_some() && made.id() != *award)
            .filter(|made| self.check_award(registry, made).is_ok())
            .map(|made| made.id())
            .collect()
    }

    /// This award and everything below it, by id.
    pub fn tree(&self, registry: &Registry, award: &StatementId) -> BTreeSet<StatementId> {
        let mut found = BTreeSet::from([*award]);
        let mut open = vec![*award];
        while let Some(at) = open.pop() {
            open.extend(self.children(registry, &at).into_iter().filter(|id| found.insert(*id)));
        }
        found
    }

    /// The awards under which this one was made: one, or several of the same work.
    pub fn parents(&self, registry: &Registry, award: &StatementId) -> BTreeSet<StatementId> {
        let given = self.award(award).filter(|given| given.body.delegation.is_some());
        let by = given.and_then(|given| registry.claim(&given.body.credential));
        let mut above =
            by.map(|issued| self.awards_of_run(registry, &issued.run())).unwrap_or_default();
        // Whoever names somebody else's delegation in an award of his own stands above nothing.
        above.retain(|id| {
            let fault = self.award(id).and_then(|at| self.check_award(registry, &at).err());
            fault.is_none_or(|gap| gap.is_unknown())
        });
        above
    }

    /// The award where the tree of this one begins: itself where nothing above it is held.
    pub fn root_of(&self, registry: &Registry, award: &StatementId) -> StatementId {
        let above = self.ancestors(registry, award);
        above.last().copied().unwrap_or(*award)
    }

    /// The awards above this one, nearest first.
    pub fn ancestors(&self, registry: &Registry, award: &StatementId) -> Vec<StatementId> {
        let mut found: Vec<StatementId> = Vec::new();
        let mut open = vec![*award];
        while let Some(at) = open.pop() {
            for parent in self.parents(registry, &at) {
                if parent != *award && !found.contains(&parent) {
                    found.push(parent);
                    open.push(parent);
                }
            }
        }
        found
    }

    /// The cancel of lowest id that ends this award: of itself or of one above it.
    pub fn cancelled(&self, registry: &Registry, award: &StatementId) -> Option<StatementId> {
        let above = self.ancestors(registry, award);
        let all = above.iter().chain([award]);
        all.filter_map(|at| self.cancels_that_count(registry, at).first().copied()).min()
    }

    /// The cancels of this very award that count, by id: signed by the device that gave it or by
    /// the device of any link above.
    pub fn cancels_that_count(
        &self,
        registry: &Registry,
        award: &StatementId,
    ) -> BTreeSet<StatementId> {
        let Some(given) = self.award(award) else { return BTreeSet::new() };
        let reach = self.reach_of(registry, &given.body.credential);
        let links = reach.chain.links();
        let may = |key| links.iter().any(|link| registry.speaks_for(&key, &link.device));
        self.cancels(award).filter(|word| may(word.key())).map(|word| word.id()).collect()
    }

    /// The awards that a run executes: those on its delegation, or, where a tree begins, those
    /// without one under its credentials.
    pub fn awards_of_run(&self, registry: &Registry, run: &Run) -> BTreeSet<StatementId> {
        let mut found = BTreeSet::new();
        if let Some(delegation) = run.delegation {
            let on = self.awards_on(&delegation).filter(|on| on.body.executor == run.device);
            found.extend(on.map(|on| on.id()));
        } else {
            let under =
                registry.credentials_of(run).flat_map(|issued| self.awards_under(&issued.id));
            found.extend(under.filter(|at| at.body.delegation.is_none()).map(|at| at.id()));
        }
        found
    }

    /// The runs that execute an award: as its delegation promises, and as its executor says.
    pub fn runs_of(&self, registry: &Registry, award: &StatementId) -> BTreeSet<Run> {
        let Some(given) = self.award(award) else { return BTreeSet::new() };
        let begun = self.started(registry, award);
        let mut runs: BTreeSet<Run> = begun
            .iter()
            .filter_map(|word| registry.claim(&word.body.credential))
            .map(|issued| issued.run())
            .collect();
        runs.extend(self.promised_run(registry, &given));
        runs
    }

    fn promised_run(&self, registry: &Registry, given: &Said<'_, Award>) -> Option<Run> {
        let by = registry.claim(&given.body.credential)?;
        let Some(id) = given.body.delegation else { return Some(by.run()) };
        let agent = self.delegation(&id)?.body.agent.clone();
        let device = given.body.executor.clone();
        Some(Run { tree: by.tree(), device, agent, delegation: Some(id) })
    }
}
