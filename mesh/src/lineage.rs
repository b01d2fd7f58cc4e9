//! Lineage: whether an agent that begins here is by its program the one that bore its name before.
//!
//! What an agent ran when its name was first used on this device is its lineage. It goes on with
//! the same program, and with one that a standing manifest names as the same: that is how an
//! operator vouches for a new version. With any other the lineage is broken, for good: whoever
//! takes a name inherits nothing by it, also at the second try. Work that another agent gives is no
//! session of its own: there the giver chose the program.
//!
//! Refused here: ending anything. What a rule grants to the name is not granted to the stranger.

use crate::engine::Engine;
use crate::output::Event;
use belay_crdt::manifests::Vouched;
use belay_crdt::registry::Issued;
use belay_identity::chain::Link;
use belay_identity::principal::{AgentId, DeviceId};

/// Whether a session continues the name that it bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lineage {
    /// It does, or begins it.
    #[default]
    Unbroken,
    /// Another program bore this name before.
    Broken {
        /// The program of its lineage.
        was: [u8; 32],
        /// What bears it now.
        now: [u8; 32],
    },
}

impl Lineage {
    /// What bears the name, where another program bore it before.
    pub(crate) fn stranger(self) -> Option<[u8; 32]> {
        match self {
            Self::Unbroken => None,
            Self::Broken { now, .. } => Some(now),
        }
    }
}

impl Engine {
    /// The lineage of a session that begins here; a break is told.
    pub(crate) fn begin_lineage(&mut self, link: &Link) -> Lineage {
        let lineage = self.lineage_of(link);
        if let Lineage::Broken { was, now } = lineage {
            self.tell(Event::LineageBroken { agent: link.agent.name().to_owned(), was, now });
        }
        lineage
    }

    fn lineage_of(&self, link: &Link) -> Lineage {
        let Some(now) = link.manifest else { return Lineage::Unbroken };
        match self.lineage_program(&link.agent, &link.device) {
            Some(was) if !self.are_kin(&was, &now) => Lineage::Broken { was, now },
            Some(_) | None => Lineage::Unbroken,
        }
    }

    /// The program under which an agent's name was first used on a device.
    pub(crate) fn lineage_program(&self, agent: &AgentId, device: &DeviceId) -> Option<[u8; 32]> {
        let place = |issued: &&Issued| {
            let held = self.known.get(&issued.id);
            held.map(|held| (held.incarnation.counter, held.seq))
        };
        self.sessions(agent, device).min_by_key(place).map(|issued| issued.credential.manifest)
    }

    /// What bore an agent's name on a device without being of its lineage.
    pub(crate) fn strangers(&self, agent: &AgentId, device: &DeviceId) -> Vec<Lineage> {
        let Some(was) = self.lineage_program(agent, device) else { return Vec::new() };
        let mut all: Vec<[u8; 32]> =
            self.sessions(agent, device).map(|issued| issued.credential.manifest).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|now| !self.are_kin(&was, now));
        all.into_iter().map(|now| Lineage::Broken { was, now }).collect()
    }

    /// Credentials by which an agent acted for its user on a device.
    fn sessions<'a>(
        &'a self,
        agent: &'a AgentId,
        device: &'a DeviceId,
    ) -> impl Iterator<Item = &'a Issued> {
        let claims = self.known.registry.claims();
        claims.filter(move |issued| {
            let said = &issued.credential;
            said.agent == *agent
                && said.device == *device
                && said.manifest != [0; 32]
                && issued.delegation.is_none()
                && self.known.registry.is_issued_there(issued)
        })
    }

    /// True for one program, and for two that manifests of one name call versions of each other.
    fn are_kin(&self, one: &[u8; 32], other: &[u8; 32]) -> bool {
        let manifests = &self.known.manifests;
        let name = |vouched: &Vouched| vouched.manifest.name.clone();
        let same =
            |vouched: &Vouched| manifests.naming(other).any(|named| name(named) == name(vouched));
        one == other || manifests.naming(one).any(same)
    }
}
