//! At whom to keep a place, so that whoever cannot dial this device reaches it over a member.
//!
//! No device can know that it is dialled from everywhere: an address that a neighbour reaches leads
//! nowhere from another network, and a gateway may stand behind a network's one address as well. So
//! every device keeps a place at two members that it has dialled itself, anchors first, except
//! leaves, which are linked with their gateways anyway, and devices that only this machine reaches.
//! Where a place is stays while that member's link does, because each change is told to the fleet.
//!
//! Refused here: asking for the place, and leading over a device that is itself reached so.

use crate::engine::Engine;
use crate::limits::RELAYS_KEPT;
use crate::neighbours::{Kind, is_direct, is_loopback, is_relayed};
use crate::output::Output;
use belay_crdt::registry::Device;
use belay_identity::PublicKey;
use belay_identity::body::DeviceKind;
use std::collections::BTreeSet;

/// At whom this device was told to keep a place.
#[derive(Default)]
pub(crate) struct Relays(Vec<PublicKey>);

impl Engine {
    /// Chooses anew among the members that were dialled, and says what changed. `own` is where this
    /// device listens.
    pub(crate) fn choose_relays(&mut self, own: &[String], dialled: &BTreeSet<PublicKey>) {
        let relays = match self.wants_relays(own) {
            true => self.best_relays(dialled),
            false => Vec::new(),
        };
        if relays != self.relays.0 {
            self.relays.0.clone_from(&relays);
            self.out(Output::Reserve { relays });
        }
    }

    /// Where a member says that it listens; of one that says nothing, nowhere.
    pub fn addresses_of(&self, key: &PublicKey) -> &[String] {
        self.known.presences.addresses_of(key)
    }

    fn wants_relays(&self, own: &[String]) -> bool {
        let member = self.known.registry.device_by_key(&self.key);
        let far = own.iter().any(|address| !is_relayed(address) && !is_loopback(address));
        let stands = member.is_some_and(|own| !self.device_cut(&own.id));
        far && stands && !self.is_leaf()
    }

    fn best_relays(&self, dialled: &BTreeSet<PublicKey>) -> Vec<PublicKey> {
        let mut fit: Vec<&Device> = self.known.registry.devices().collect();
        fit.retain(|device| dialled.contains(&device.key) && self.may_relay(device));
        fit.sort_by_cached_key(|device| {
            let kept = self.relays.0.iter().position(|key| *key == device.key);
            let [anchor, beacon] =
                [Kind::Anchor, Kind::Beacon].map(|kind| self.is_kind(device, kind));
            (kept.unwrap_or(RELAYS_KEPT), !anchor, !beacon, self.rank(&device.key))
        });
        fit.iter().map(|device| device.key).take(RELAYS_KEPT).collect()
    }

    /// A member that no order cuts, that is no leaf, and that others can dial.
    fn may_relay(&self, device: &Device) -> bool {
        let straight = |at: &String| !is_relayed(at) && !is_loopback(at) && !is_direct(at);
        device.key != self.key
            && device.kind != DeviceKind::Phone
            && !self.device_cut(&device.id)
            && self.addresses_of(&device.key).iter().any(straight)
    }
}
