//! Who could do a piece of work: linked devices, ranked by what they say of themselves.
//!
//! Presence chooses whom to ask and grants nothing: whoever is asked decides for himself. A device
//! that is not linked cannot be asked, and one under an order is not. Ties are broken by chance, so
//! that givers who see the same fleet do not all ask the same device.
//!
//! Refused here: asking; `errand` does.

use crate::engine::Engine;
use crate::limits::TASKS_MAX;
use crate::output::{Refusal, RefusalKind};
use belay_identity::PublicKey;
use belay_identity::principal::DeviceId;
use std::collections::VecDeque;

impl Engine {
    /// Linked devices that say they can do this, the best first: who may be awarded at once, then
    /// the least busy.
    pub(crate) fn candidates(&mut self, needs: &[String]) -> VecDeque<DeviceId> {
        let able: Vec<(PublicKey, DeviceId, u64)> = {
            let all = self.known.presences.devices(&self.known.registry);
            let able = all.filter(|(device, presence)| {
                device.key != self.key
                    && lacks(&presence.capabilities, needs).is_none()
                    && self.links.is_member(&device.key)
                    && !self.device_cut(&device.id)
            });
            able.map(|(device, presence)| (device.key, device.id.clone(), presence.load)).collect()
        };
        let mut ranked: Vec<(bool, u64, [u8; 16], DeviceId)> = Vec::new();
        for (key, id, load) in able {
            let standing = self.work.offers.standing.is_held(&key, self.now.boot);
            ranked.push((!standing, load, self.chance.bytes16(), id));
        }
        ranked.sort();
        ranked.into_iter().map(|(_, _, _, id)| id).collect()
    }

    /// Why this device takes no work that anybody may do; nothing where it would.
    pub(crate) fn has_no_room(&self, needs: &[String]) -> Option<String> {
        let Some(lends) = &self.config.lends else {
            return Some("it takes only work for which it is named".into());
        };
        if let Some(lacking) = self.cannot(needs) {
            return Some(lacking);
        }
        let (load, bound) = (self.own_load(), lends.busy_at);
        if load >= bound {
            return Some(format!(
                "it is busy: a load of {load} thousandths of a core, {bound} is its bound"
            ));
        }
        (self.work.len() >= TASKS_MAX).then(|| format!("{TASKS_MAX} tasks run there already"))
    }

    /// What this device is asked for and does not say it can.
    pub(crate) fn cannot(&self, needs: &[String]) -> Option<String> {
        let own = self.config.lends.as_ref().map(|lends| &*lends.capabilities);
        lacks(own.unwrap_or_default(), needs).map(|need| format!("it has no “{need}”"))
    }

    /// Nobody could be asked at all.
    pub(crate) fn nobody_can(needs: &[String]) -> Refusal {
        let why = match needs {
            [] => "no linked device says that it takes work".to_owned(),
            needs => format!("no linked device says that it has {}", needs.join(" and ")),
        };
        let hint = "`belay status` shows who is linked; name a device to ask it anyway";
        Refusal::new(RefusalKind::Unreachable, why, hint)
    }
}

fn lacks<'a>(own: &[String], needs: &'a [String]) -> Option<&'a String> {
    needs.iter().find(|need| !own.contains(need))
}
