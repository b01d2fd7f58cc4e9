//! Who may come in: a picture of the registry, asked inside the handshake.
//!
//! The engine judges; this holds what it said last, where handshakes on other threads can ask it.
//! Refused here: judging, and letting anybody in before the engine has said anything.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use super::super::key::DeviceKey;

/// What is said of every device key that may knock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doorway {
    /// Devices of the fleet that no order cuts.
    pub members: BTreeSet<DeviceKey>,
    /// Devices of the fleet that an order cuts: their links carry leases and orders, nothing else.
    pub cut: BTreeSet<DeviceKey>,
    /// What becomes of a key that the fleet does not know.
    pub strangers: Strangers,
    /// Whether this device relays.
    pub circuits: Circuits,
}

/// Whether this device relays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Circuits {
    /// For nobody.
    #[default]
    Refused,
    /// From member to member.
    Given,
}

/// What becomes of a key that the fleet does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strangers {
    /// Refused inside the handshake.
    #[default]
    Refused,
    /// Heard in the lobby: somebody may join with an invite.
    Lobby,
}

/// How far a key may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A link, and payloads.
    Member,
    /// A link that the engine shrinks; no payload.
    Cut,
    /// The lobby; no payload.
    Lobby,
    /// Nothing: the handshake fails.
    Refused,
}

impl Doorway {
    /// How far this key may come.
    pub fn entry(&self, key: &DeviceKey) -> Entry {
        match self.strangers {
            _ if self.members.contains(key) => Entry::Member,
            _ if self.cut.contains(key) => Entry::Cut,
            Strangers::Lobby => Entry::Lobby,
            Strangers::Refused => Entry::Refused,
        }
    }
}

/// The picture in force, shared with every handshake.
#[derive(Debug, Clone, Default)]
pub(crate) struct Porter(Arc<RwLock<Doorway>>);

impl Porter {
    /// From now on this is what is said. Nothing is left half changed by a panic elsewhere.
    pub(crate) fn hang(&self, doorway: Doorway) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = doorway;
    }

    /// Whether this device relays for that key now.
    pub(crate) fn relays_for(&self, key: &DeviceKey) -> bool {
        let doorway = self.0.read().unwrap_or_else(PoisonError::into_inner);
        doorway.circuits == Circuits::Given && doorway.entry(key) == Entry::Member
    }

    /// How far this key may come now.
    pub(crate) fn entry(&self, key: &DeviceKey) -> Entry {
        self.0.read().unwrap_or_else(PoisonError::into_inner).entry(key)
    }
}
