//! Whom to dial: a few members, so that the mesh does not hang on whoever invited whom.
//!
//! First beacons, because a lease needs their answers; then anchors, members with a stable address;
//! then near ones, that were heard on the local network; then others that can be dialled. Within
//! each kind a keyed hash decides, drawn anew at every start and turned every hour, so that nobody
//! can place himself beside a victim, and the links of a fleet form no stars. Members that linked
//! themselves to this device stay linked beside these. Refused here: dialling, and addresses that
//! lead back to this device itself.

use crate::engine::Engine;
use crate::limits::{
    LEAF_NEIGHBOURS, NEIGHBOUR_ANCHORS, NEIGHBOUR_BEACONS, NEIGHBOUR_NEAR, NEIGHBOUR_OTHERS,
    NEIGHBOURS_TURN_MS,
};
use crate::output::Output;
use belay_crdt::registry::Device;
use belay_identity::PublicKey;
use belay_identity::body::DeviceKind;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Whom this device was told to dial, as what, and where.
#[derive(Default)]
pub(crate) struct Neighbours(BTreeMap<PublicKey, (Kind, Vec<String>)>);

impl Engine {
    /// Chooses anew, and says what changed. `own` is where this device listens.
    pub(crate) fn choose_neighbours(&mut self, own: &[String]) {
        let chosen = self.chosen(own);
        let before = std::mem::take(&mut self.neighbours.0);
        for link in before.keys().filter(|link| !chosen.contains_key(link)) {
            self.out(Output::Forget { link: *link });
        }
        for (link, (_, addresses)) in &chosen {
            if before.get(link).map(|(_, at)| at) != Some(addresses) {
                self.out(Output::Dial { link: *link, addresses: addresses.clone() });
            }
        }
        self.neighbours.0 = chosen;
    }

    /// As what this device keeps a member dialled; none where it does not.
    pub(crate) fn kept_as(&self, member: &PublicKey) -> Option<Kind> {
        self.neighbours.0.get(member).map(|(kind, _)| *kind)
    }

    fn chosen(&self, own: &[String]) -> BTreeMap<PublicKey, (Kind, Vec<String>)> {
        let mut left = self.dialable(own);
        left.sort_by_cached_key(|(device, _)| self.rank(&device.key));
        let shares: &[(Kind, usize)] = match self.is_leaf() {
            true => &[(Kind::Anchor, LEAF_NEIGHBOURS)],
            false => &[
                (Kind::Beacon, NEIGHBOUR_BEACONS),
                (Kind::Anchor, NEIGHBOUR_ANCHORS),
                (Kind::Near, NEIGHBOUR_NEAR),
                (Kind::Far, NEIGHBOUR_OTHERS),
            ],
        };
        let mut chosen = BTreeMap::new();
        for (kind, share) in shares {
            let fits = |(device, _): &&(&Device, Vec<String>)| {
                self.is_kind(device, *kind) && !chosen.contains_key(&device.key)
            };
            let taken: Vec<_> = left.iter().filter(fits).take(*share).cloned().collect();
            chosen.extend(taken.into_iter().map(|(device, at)| (device.key, (*kind, at))));
        }
        chosen
    }

    /// Members that no order cuts and of which is known where they can be reached from here: where
    /// they were heard, then where they say.
    fn dialable(&self, own: &[String]) -> Vec<(&Device, Vec<String>)> {
        let (near, leaf) = (own.iter().all(|address| is_loopback(address)), self.is_leaf());
        let reachable = |address: &&String| {
            let (loopback, direct) = (is_loopback(address), is_direct(address));
            // Two devices with a place at one relay say the same of themselves.
            let own = own.contains(address) && !is_relayed(address);
            !own && (near || !loopback) && (leaf || !direct)
        };
        let dialable = |device: &&Device| {
            device.key != self.key
                && device.kind != DeviceKind::Phone
                && !self.device_cut(&device.id)
        };
        let devices = self.known.registry.devices().filter(dialable);
        let with_addresses = devices.map(|device| {
            let said = self.known.presences.addresses_of(&device.key);
            let heard = self.heard_at(&device.key);
            let mut at: Vec<String> = heard.filter(reachable).cloned().collect();
            let said = said.iter().filter(reachable).filter(|said| !at.contains(said));
            let said: Vec<String> = said.cloned().collect();
            at.extend(said);
            (device, at)
        });
        with_addresses.filter(|(_, addresses)| !addresses.is_empty()).collect()
    }

    pub(crate) fn is_kind(&self, device: &Device, kind: Kind) -> bool {
        match kind {
            Kind::Beacon => self.is_beacon(&device.key),
            Kind::Anchor => matches!(device.kind, DeviceKind::Gateway | DeviceKind::Server),
            Kind::Near => self.heard_at(&device.key).next().is_some(),
            Kind::Far => true,
        }
    }

    pub(crate) fn rank(&self, key: &PublicKey) -> [u8; 32] {
        let turn = self.now.boot.0 / 1_000_000 / NEIGHBOURS_TURN_MS;
        let hash = Sha256::new().chain_update(b"belay neighbour 1").chain_update(self.config.seed);
        hash.chain_update(turn.to_be_bytes()).chain_update(key.0).finalize().into()
    }
}

/// As what a member is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It gives leases.
    Beacon,
    /// It has a stable address.
    Anchor,
    /// It was heard on the local network.
    Near,
    /// Nothing more: wherever it is, so that the fleet stays one piece.
    Far,
}

impl Kind {
    /// The kind in one word, for screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beacon => "beacon",
            Self::Anchor => "anchor",
            Self::Near => "near",
            Self::Far => "far",
        }
    }
}

/// Only the machine itself is reached there.
pub(crate) fn is_loopback(address: &str) -> bool {
    address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/")
}

/// A place at a relay.
pub(crate) fn is_relayed(address: &str) -> bool {
    address.ends_with("/p2p-circuit")
}

/// A direct door, where only leaves come in.
pub(crate) fn is_direct(address: &str) -> bool {
    address.ends_with("/tls")
}
