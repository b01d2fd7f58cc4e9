//! Who may come in at the direct doors: what registry and orders say of every device key.
//!
//! A handshake on another thread cannot ask the engine, so the shell hangs this picture beside the
//! door and renews it when `doorway_changes` has grown. A key that is unknown here is refused
//! inside the handshake, unless an invite stands that nobody has used: then it may be a newcomer,
//! and is heard in the lobby. A member that this device has not heard of yet comes in by its other
//! addresses, where the lobby is open to all.
//!
//! Refused here: a word on what is said once inside; the links weigh that anew.

use crate::engine::Engine;
use belay_crdt::registry::Via;
use belay_identity::PublicKey;
use std::collections::BTreeSet;

/// What is said of every device key that may knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doorway {
    /// Devices of the fleet that no order cuts.
    pub members: BTreeSet<PublicKey>,
    /// Devices of the fleet that an order cuts: leases and orders only.
    pub cut: BTreeSet<PublicKey>,
    /// What becomes of a key that is neither.
    pub strangers: Strangers,
    /// Whether this device relays.
    pub circuits: Circuits,
}

/// Whether this device relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuits {
    /// A leaf relays for nobody.
    Refused,
    /// From member to member.
    Given,
}

/// What becomes of a key that the registry does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// No invite waits for anybody.
    Refused,
    /// Somebody may come with an invite.
    Lobby,
}

impl Engine {
    /// Another value whenever the doorway may be another: what was learnt, and what has ended by
    /// its time.
    pub fn doorway_changes(&self) -> (u64, usize) {
        (self.known.authority_changes(), self.ended_orders())
    }

    /// The picture as of the last call: one look at every device.
    pub fn doorway(&self) -> Doorway {
        let (mut members, mut cut) = (BTreeSet::new(), BTreeSet::new());
        for device in self.known.registry.devices() {
            match self.device_cut(&device.id) {
                true => cut.insert(device.key),
                false => members.insert(device.key),
            };
        }
        let strangers = if self.expects_somebody() { Strangers::Lobby } else { Strangers::Refused };
        let circuits = if self.is_leaf() { Circuits::Refused } else { Circuits::Given };
        Doorway { members, cut, strangers, circuits }
    }

    /// True while an invite stands that nobody has used and that has not surely ended.
    fn expects_somebody(&self) -> bool {
        let used: BTreeSet<_> = self
            .known
            .registry
            .devices()
            .filter_map(|device| match device.via {
                Via::Invite { invite, .. } => Some(invite),
                Via::Operator => None,
            })
            .collect();
        let passed_ms = self.passed_ms.unwrap_or(0);
        self.known.set.of_kind("invite").any(|invite| {
            !used.contains(&invite.id()) && invite.expiry_ms.is_some_and(|end| end > passed_ms)
        })
    }
}
