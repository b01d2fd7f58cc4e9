//! The wind-down of a revoked device: orders in, receipts out, for a minute, then its link is
//! closed.
//!
//! A device that is only held keeps its links for leases and orders: it may come back. One that was
//! revoked comes back as another, if at all. Refused here: what a cut link may say meanwhile; the
//! links decide that.

use crate::engine::Engine;
use crate::limits::WIND_DOWN_MS;
use crate::time::BootTime;
use belay_identity::PublicKey;
use belay_identity::body::Term;

impl Engine {
    /// Closes the links of revoked devices whose time is over.
    pub(crate) fn wind_down(&mut self) {
        let now = self.now.boot;
        let over = |ends: Option<BootTime>| ends.is_some_and(|ends| ends <= now);
        let links = self.links.links.iter().filter(|(_, link)| over(link.ends));
        let links: Vec<PublicKey> = links.map(|(link, _)| *link).collect();
        for link in links {
            if let Some(state) = self.links.links.get_mut(&link) {
                state.ends = None;
            }
            self.refuse_link(link, "this device was revoked; enrol it anew under another name");
        }
    }

    /// Begins, keeps or calls off the wind-down of a link, as the orders stand now.
    pub(crate) fn weigh_wind_down(&mut self, link: PublicKey) {
        let device = self.known.registry.device_by_key(&link);
        let revoked = device.is_some_and(|device| {
            let generation = self.known.orders.generation(&Term::Device(device.id.clone()));
            self.known.orders.device_revoked(&device.id, generation)
        });
        let ends = self.now.boot.plus_ms(WIND_DOWN_MS);
        if let Some(state) = self.links.links.get_mut(&link) {
            state.ends = revoked.then(|| state.ends.unwrap_or(ends));
        }
    }
}
