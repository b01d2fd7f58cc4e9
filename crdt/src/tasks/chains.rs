//! From a credential up to the user behind it.
//!
//! A credential names the delegation it acts under, a delegation the credential that signed it, and
//! so on to a user's own agent. Every step is checked: the delegation is signed by the key of the
//! credential above, names the agent and the device of the one below, user, project and class stay,
//! and no link holds more than the one above (INV-TASK-1). Ids are hashes, so a chain cannot close
//! on itself; its length is bounded all the same.
//!
//! Refused here: a clock. When a delegation ends, the gate judges.

use super::{Said, Tasks};
use crate::registry::{Issued, Registry};
use belay_identity::body::{Award, Delegation};
use belay_identity::chain::{Chain, Link, Widened, check_narrows};
use belay_identity::limits::CHAIN_LINKS_MAX;
use belay_identity::principal::DeviceId;
use belay_identity::{Scope, StatementId};

/// Why a chain does not lead to a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainGap {
    /// A credential of the chain is not held here.
    #[error("the credential {0} of the chain is not held here; it comes with class I")]
    UnknownCredential(StatementId),
    /// A delegation of the chain is not held here.
    #[error("the delegation {0} of the chain is not held here; it comes with its tree")]
    UnknownDelegation(StatementId),
    /// An award is not held here.
    #[error("the award {0} is not held here; it comes with its tree")]
    UnknownAward(StatementId),
    /// A credential that its device did not sign, or whose device is not enrolled.
    #[error("the credential {credential} is not signed by an enrolled key of {device}")]
    NotByDevice {
        /// The credential.
        credential: StatementId,
        /// The device that it names.
        device: DeviceId,
    },
    /// A credential or delegation of somebody who signed two statements for one place.
    #[error(
        "{0} stands at or after a place of its log that was signed twice; issue it by a new log"
    )]
    Forked(StatementId),
    /// A delegation that the credential above did not sign.
    #[error("the delegation {0} is not signed by the key of the credential that it names")]
    NotByParent(StatementId),
    /// A credential that is not the one which the delegation promised.
    #[error("the credential {credential} has another {what} than the chain above it")]
    Differs {
        /// The credential.
        credential: StatementId,
        /// In what: agent, device, user, project, class or tree.
        what: &'static str,
    },
    /// An award that is not its delegator's to give, or not what its delegation says.
    #[error("the award {award} has another {what} than the credential it is given under")]
    AwardDiffers {
        /// The award.
        award: StatementId,
        /// In what: signer, tree, executor or delegation.
        what: &'static str,
    },
    /// A link that holds more than the one above.
    #[error("the delegation {delegation} holds more than it was given: {why}")]
    Widened {
        /// The delegation.
        delegation: StatementId,
        /// How.
        why: Widened,
    },
    /// More links than a chain may have.
    #[error("the chain has more than 32 links")]
    TooLong,
}

impl ChainGap {
    /// True when more statements may close the gap; false when what is held breaks the chain.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::UnknownCredential(_) | Self::UnknownDelegation(_) | Self::UnknownAward(_) => true,
            Self::NotByDevice { .. }
            | Self::Forked(_)
            | Self::NotByParent(_)
            | Self::Differs { .. }
            | Self::AwardDiffers { .. }
            | Self::Widened { .. }
            | Self::TooLong => false,
        }
    }
}

/// How far up a chain could be followed, and what was wrong first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// The links that were found, as claimed, the acting one last.
    pub chain: Chain,
    /// The lowest fault; none when the chain leads to a user and every step holds.
    pub gap: Option<ChainGap>,
    /// What the chain could not be followed past; none when its upper end is a user's own agent.
    pub open: Option<ChainGap>,
}

impl Reach {
    fn new(mut links: Vec<Link>, gap: Option<ChainGap>, open: Option<ChainGap>) -> Self {
        links.reverse();
        links.truncate(CHAIN_LINKS_MAX);
        Self { chain: Chain::new(links).unwrap_or_default(), gap, open }
    }

    fn into_chain(self) -> Result<Chain, ChainGap> {
        match self.gap {
            None => Ok(self.chain),
            Some(gap) => Err(gap),
        }
    }
}

impl Tasks {
    /// The chain behind a credential, every step checked.
    pub fn chain_of(
        &self,
        registry: &Registry,
        credential: &StatementId,
    ) -> Result<Chain, ChainGap> {
        self.reach_of(registry, credential).into_chain()
    }

    /// The chain behind an award: of what its executor says it runs under, else of what the
    /// delegation promises, else of the credential it is given under.
    pub fn chain_of_award(
        &self,
        registry: &Registry,
        award: &StatementId,
    ) -> Result<Chain, ChainGap> {
        self.reach_of_award(registry, award).into_chain()
    }

    /// As much of the chain behind a credential as is held, with what is wrong in it: for telling
    /// who owes an answer, never for letting anybody act.
    pub fn reach_of(&self, registry: &Registry, credential: &StatementId) -> Reach {
        self.climb(registry, *credential, Climb::default())
    }

    /// The same of an award.
    pub fn reach_of_award(&self, registry: &Registry, award: &StatementId) -> Reach {
        let Some(award) = self.award(award) else {
            let gap = Some(ChainGap::UnknownAward(*award));
            return Reach { chain: Chain::default(), gap: gap.clone(), open: gap };
        };
        let fault = self.check_award(registry, &award).err();
        let reach = match award.body.delegation {
            None => self.reach_of(registry, &award.body.credential),
            Some(delegation) => self.reach_of_executor(registry, &award, &delegation),
        };
        Reach { gap: fault.or(reach.gap), ..reach }
    }

    /// The delegation under which a credential acts; none for a user's own agent.
    pub fn acting_delegation(
        &self,
        registry: &Registry,
        credential: &StatementId,
    ) -> Option<Said<'_, Delegation>> {
        self.delegation(&registry.credential(credential)?.delegation?)
    }

    fn reach_of_executor(
        &self,
        registry: &Registry,
        award: &Said<'_, Award>,
        delegation: &StatementId,
    ) -> Reach {
        let begun = self.started(registry, &award.id());
        if let Some(word) = begun.first() {
            return self.reach_of(registry, &word.body.credential);
        }
        let Some(promise) = self.delegation(delegation) else {
            let open = ChainGap::UnknownDelegation(*delegation);
            return Reach::new(Vec::new(), Some(open.clone()), Some(open));
        };
        let links = registry
            .claim(&promise.body.from)
            .map(|parent| Link::promised(promise.body, &Link::of(&parent.credential)))
            .map(|link| link.granted(promise.statement.epoch));
        let below = Climb { links: links.into_iter().collect(), ..Climb::default() };
        self.climb(registry, promise.body.from, Climb { below: Some(promise), ..below })
    }

    fn climb<'a>(
        &'a self,
        registry: &'a Registry,
        from: StatementId,
        mut climb: Climb<'a>,
    ) -> Reach {
        let mut at = from;
        loop {
            let Some(issued) = registry.claim(&at) else {
                return climb.ends_open(ChainGap::UnknownCredential(at));
            };
            climb.take(registry, issued);
            if climb.links.len() > CHAIN_LINKS_MAX {
                return climb.ends_open(ChainGap::TooLong);
            }
            let Some(id) = issued.delegation else {
                climb.note(check_root(registry, issued));
                return Reach::new(climb.links, climb.gap, None);
            };
            let Some(delegation) = self.delegation(&id) else {
                return climb.ends_open(ChainGap::UnknownDelegation(id));
            };
            let said = delegation.statement;
            if registry.is_forked(&said.log(said.key()), said.seq) {
                climb.note(Err(ChainGap::Forked(id)));
            }
            climb.pass(issued, delegation);
            at = delegation.body.from;
        }
    }

    /// Checks that an award is signed by the device of the credential it is given under, stands in
    /// that credential's tree, and says what its delegation says.
    pub fn check_award(
        &self,
        registry: &Registry,
        award: &Said<'_, Award>,
    ) -> Result<(), ChainGap> {
        let differs = |what| Err(ChainGap::AwardDiffers { award: award.id(), what });
        let Some(parent) = registry.claim(&award.body.credential) else {
            return Err(ChainGap::UnknownCredential(award.body.credential));
        };
        if !registry.speaks_for(&award.key(), &parent.credential.device) {
            return differs("signer");
        }
        if award.statement.scope != Scope::Tree(parent.tree()) {
            return differs("tree");
        }
        let Some(id) = award.body.delegation else {
            let own = award.body.executor == parent.credential.device;
            return if own { Ok(()) } else { differs("executor") };
        };
        let Some(delegation) = self.delegation(&id) else {
            return Err(ChainGap::UnknownDelegation(id));
        };
        if delegation.body.device != award.body.executor {
            return differs("executor");
        }
        let from = registry.claim(&delegation.body.from);
        if from.is_some_and(|from| from.run() == parent.run()) {
            Ok(())
        } else {
            differs("delegation")
        }
    }
}

/// The links found so far, the acting one first, and the step that comes next.
#[derive(Default)]
struct Climb<'a> {
    links: Vec<Link>,
    child: Option<&'a Issued>,
    below: Option<Said<'a, Delegation>>,
    gap: Option<ChainGap>,
}

impl<'a> Climb<'a> {
    fn note(&mut self, step: Result<(), ChainGap>) {
        if let Err(gap) = step {
            self.gap.get_or_insert(gap);
        }
    }

    fn take(&mut self, registry: &Registry, issued: &'a Issued) {
        if registry.is_fenced(issued) {
            self.note(Err(ChainGap::Forked(issued.id)));
        } else if !registry.is_issued_there(issued) {
            let device = issued.credential.device.clone();
            self.note(Err(ChainGap::NotByDevice { credential: issued.id, device }));
        }
        if let Some(below) = self.below
            && below.key() != issued.credential.key
        {
            self.note(Err(ChainGap::NotByParent(below.id())));
        }
        if let Some(child) = self.child {
            self.note(check_same(issued, child));
        }
        self.links.push(Link::of(&issued.credential).granted(issued.epoch));
        self.child = Some(issued);
    }

    fn pass(&mut self, issued: &Issued, delegation: Said<'a, Delegation>) {
        let differs = |what| Err(ChainGap::Differs { credential: issued.id, what });
        if delegation.body.agent != issued.credential.agent {
            self.note(differs("agent"));
        }
        if delegation.body.device != issued.credential.device {
            self.note(differs("device"));
        }
        if let Some(below) = self.below {
            let narrows = check_narrows(delegation.body, below.body);
            let delegation = below.id();
            self.note(narrows.map_err(|why| ChainGap::Widened { delegation, why }));
        }
        self.below = Some(delegation);
    }

    fn ends_open(mut self, open: ChainGap) -> Reach {
        self.note(Err(open.clone()));
        Reach::new(self.links, self.gap, Some(open))
    }
}

fn check_same(parent: &Issued, child: &Issued) -> Result<(), ChainGap> {
    let (above, below) = (&parent.credential, &child.credential);
    let same = [
        ("user", above.user == below.user),
        ("project", above.project == below.project),
        ("class", above.class == below.class),
        ("tree", parent.tree() == child.tree()),
    ];
    match same.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => Err(ChainGap::Differs { credential: child.id, what }),
    }
}

/// A renewed root credential names the first one of its tree and is issued to the same agent by
/// the same device.
fn check_root(registry: &Registry, issued: &Issued) -> Result<(), ChainGap> {
    let Some(first) = issued.credential.tree else { return Ok(()) };
    let first = registry.claim(&first).ok_or(ChainGap::UnknownCredential(first))?;
    let differs = |what| Err(ChainGap::Differs { credential: issued.id, what });
    if first.delegation.is_some() || first.credential.tree.is_some() {
        return differs("tree");
    }
    if first.credential.device != issued.credential.device {
        return differs("device");
    }
    if first.credential.agent != issued.credential.agent {
        return differs("agent");
    }
    check_same(first, issued)
}
