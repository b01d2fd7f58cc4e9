//! Devices that were let in under a hold: who let them in was held already, by what the hold says.
//!
//! Such a device is held as if the order named it: what runs there ends, its links shrink to leases
//! and orders. It stays a member and gives its leases, for one operator alone silences no beacon.
//! The yes of another enrol operator frees it.
//!
//! Refused here: whom an operator let in before he was held, and whom one let in whom the root has
//! revoked; they are named one by one.

use super::Views;
use crate::orders::{Cut, OrderKind};
use crate::registry::{Device, Via};
use crate::set::{Held, Set};
use belay_identity::StatementId;
use belay_identity::body::Role;
use belay_identity::principal::DeviceId;

impl Views {
    /// The hold on the operator who let this device in, where it came in under it.
    pub fn let_in_cut(&self, set: &Set, device: &DeviceId) -> Option<Cut> {
        if !self.orders.any_grants_held() {
            return None;
        }
        let device = self.registry.device_by_id(device)?;
        let order = self.orders.order(&self.held_by(set, device)?)?;
        let yes = set.approvals(&device.enrol).any(|yes| self.vouches(yes));
        (order.kind == OrderKind::Hold && !yes).then(|| Cut::by(order))
    }

    fn held_by(&self, set: &Set, device: &Device) -> Option<StatementId> {
        let grant = match device.via {
            Via::Operator => device.enrol,
            Via::Invite { invite, .. } => invite,
        };
        self.orders.holder_of(&self.authority, set.get(&grant)?)
    }

    fn vouches(&self, yes: &Held) -> bool {
        let entitled = self.authority.operator_of(yes, Role::Enrol).is_some();
        entitled && self.orders.grant_counts(&self.authority, yes).is_ok()
    }
}
