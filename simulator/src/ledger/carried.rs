//! What the chain of an award carries, and whether an order matches it: plain code of the world's
//! own, link by link from the award up to the user.
//!
//! Refused here: generations. A revoke is taken to meet whoever carries its subject until a restore
//! names it, and nobody from then on. Nor is the program known that a delegated award will run: an
//! order on a manifest meets it by the links above it only.

use super::{Ledger, Order, Task};
use belay_identity::body::{Award, Credential, Term};
use belay_identity::principal::AgentId;
use belay_identity::{Body, StatementId};

/// Links that are followed: more than any chain may have.
const LINKS_MAX: usize = 64;

/// The agents of a chain, the user's first, and everything that its links carry.
#[derive(Debug, Clone, Default)]
pub(super) struct Carried {
    pub(super) agents: Vec<AgentId>,
    pub(super) terms: Vec<Term>,
}

impl Order {
    /// True when every term of the order is carried by some link of the task's chain.
    pub(crate) fn matches(&self, task: &Task) -> bool {
        self.subject.terms().iter().all(|term| task.terms.contains(term))
    }

    /// The agent, where the order names one and nothing else.
    pub(crate) fn agent(&self) -> Option<&AgentId> {
        if let [Term::Agent(agent)] = self.subject.terms() { Some(agent) } else { None }
    }
}

impl Ledger {
    /// Walks from an award up to the user's own credential.
    pub(super) fn carried(&self, award: &Award) -> Carried {
        let mut carried = Carried::default();
        carried.terms.push(Term::Device(award.executor.clone()));
        let mut at = Some(award.credential);
        if let Some(delegation) = award.delegation.and_then(|id| self.delegation(&id)) {
            carried.agents.push(delegation.agent.clone());
            carried.terms.push(Term::Agent(delegation.agent.clone()));
            at = Some(delegation.from);
        }
        for _ in 0..LINKS_MAX {
            let Some((credential, above)) = at.and_then(|id| self.credential(&id)) else { break };
            carried.agents.push(credential.agent.clone());
            carried.terms.extend(terms(credential));
            at = above;
        }
        carried.agents.reverse();
        carried
    }

    /// A credential, and the one from which its holder was delegated to.
    fn credential(&self, id: &StatementId) -> Option<(&Credential, Option<StatementId>)> {
        let statement = self.statements.get(id)?;
        let Body::Credential(credential) = &statement.body else { return None };
        let above = statement.refs.first().and_then(|id| self.delegation(id));
        Some((credential, above.map(|delegation| delegation.from)))
    }
}

fn terms(credential: &Credential) -> [Term; 6] {
    [
        Term::Agent(credential.agent.clone()),
        Term::User(credential.user.clone()),
        Term::Project(credential.project.clone()),
        Term::Class(credential.class.clone()),
        Term::Device(credential.device.clone()),
        Term::Manifest(credential.manifest),
    ]
}
