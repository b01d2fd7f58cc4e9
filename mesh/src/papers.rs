//! Credentials: an agent's short-lived right to be itself on this device, drawn up and signed here.
//!
//! A credential that nobody has signed may still come to nothing: work that is offered is drawn up
//! first and signed only for whoever takes it. Refused here: judging whether an agent may run; the
//! gate has done that.

use crate::author::Words;
use crate::engine::Engine;
use crate::limits::CREDENTIAL_MS;
use crate::output::{Refusal, RefusalKind};
use crate::task::not_enrolled;
use belay_identity::body::{Credential, Generations, Term};
use belay_identity::chain::Link;
use belay_identity::{Chain, Scope, SecretKey, StatementId};

/// A credential that is not signed yet, and the chain that it would end.
pub(crate) struct Draft {
    pub(crate) credential: Credential,
    pub(crate) secret: SecretKey,
    pub(crate) chain: Chain,
}

/// What makes a task, before its award has an id.
pub(crate) struct Papers {
    pub(crate) chain: Chain,
    pub(crate) credential: StatementId,
    pub(crate) secret: SecretKey,
    pub(crate) tree: StatementId,
}

impl Engine {
    /// The chain that a first link would make, as the gate judges it before there is a credential.
    pub(crate) fn promised(&self, link: &Link) -> Chain {
        let (generations, epoch) = (Some(self.generations(link)), Some(self.known.epoch()));
        Chain::new(vec![Link { generations, epoch, ..link.clone() }]).unwrap_or_default()
    }

    /// Makes a credential of this device for one more link of a chain.
    pub(crate) fn mint(
        &mut self,
        above: Chain,
        link: Link,
        tree: Option<StatementId>,
        refs: Vec<StatementId>,
    ) -> Result<Papers, Refusal> {
        let draft = self.draft(above, link, tree)?;
        self.issue(draft, refs)
    }

    /// Draws up a credential that nobody has signed: it may still come to nothing.
    pub(crate) fn draft(
        &mut self,
        above: Chain,
        link: Link,
        tree: Option<StatementId>,
    ) -> Result<Draft, Refusal> {
        let secret = SecretKey::from_seed(&self.chance.bytes32());
        let generations = self.generations(&link);
        let credential = Credential {
            key: secret.public(),
            agent: link.agent.clone(),
            user: link.user.clone(),
            project: link.project.clone(),
            class: link.class.clone(),
            manifest: link.manifest.unwrap_or_default(),
            run_by: link.run_by.clone(),
            device: link.device.clone(),
            generations: generations.clone(),
            tree,
        };
        let epoch = Some(self.known.epoch());
        let link = Link { generations: Some(generations), epoch, ..link };
        let wrong = |error: belay_identity::chain::Widened| {
            Refusal::new(RefusalKind::Denied, error.to_string(), "delegate less deep")
        };
        let chain = above.extended(link).map_err(wrong)?;
        Ok(Draft { credential, secret, chain })
    }

    /// Signs a credential as it was drawn up.
    pub(crate) fn issue(
        &mut self,
        draft: Draft,
        refs: Vec<StatementId>,
    ) -> Result<Papers, Refusal> {
        let Draft { credential, secret, chain } = draft;
        let (until, tree) = (self.wall_now_ms().saturating_add(CREDENTIAL_MS), credential.tree);
        let words = Words::new(Scope::Fleet, credential).answering(refs).until(until);
        let credential = self.say(words).ok_or_else(not_enrolled)?;
        Ok(Papers { chain, credential, secret, tree: tree.unwrap_or(credential) })
    }

    pub(crate) fn generations(&self, link: &Link) -> Generations {
        let of = |term: Term| self.known.orders.generation(&term);
        Generations {
            agent: of(Term::Agent(link.agent.clone())),
            user: of(Term::User(link.user.clone())),
            project: of(Term::Project(link.project.clone())),
            class: of(Term::Class(link.class.clone())),
            device: of(Term::Device(link.device.clone())),
        }
    }
}
