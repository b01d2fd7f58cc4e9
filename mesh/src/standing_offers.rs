//! Standing offers: a device with room lets a linked one award small pieces of work at once.
//!
//! It saves the giver the round trip of offer and bid. One is said to a link that has just given
//! work, and again once it is half used up: use renews it, so an idle fleet says none. It lapses
//! by itself, ends with the link, and dies with the process: whoever awards on one of an earlier
//! life is refused by name.
//!
//! Refused here: leave to start. The work is inspected and the gate asked all the same.

use crate::engine::Engine;
use crate::limits::{RESERVATION_MS, STANDING_MS, STANDING_PLACES, STANDING_PLACES_MAX, TASKS_MAX};
use crate::time::{BootTime, with_drift};
use belay_identity::PublicKey;
use belay_identity::lease::{StandingOffer, Talk};
use std::collections::BTreeMap;

/// What this device lets others do, and what others let it do. Of what was said to a link the two
/// newest stand: the older one may be taken up by a word that is on its way.
#[derive(Default)]
pub(crate) struct Standing {
    said: BTreeMap<PublicKey, Vec<Stand>>,
    held: BTreeMap<PublicKey, Stand>,
}

struct Stand {
    nonce: [u8; 16],
    places: u64,
    until: BootTime,
}

/// A place of somebody's standing offer, taken up.
pub(crate) struct TakenUp {
    pub(crate) nonce: [u8; 16],
    /// After this moment whoever said it lets nothing begin on it any more, however slow its clock.
    pub(crate) over: BootTime,
}

impl Standing {
    /// The link is gone, or whoever is behind it has begun a new life.
    pub(crate) fn forget(&mut self, link: &PublicKey) {
        self.said.remove(link);
        self.held.remove(link);
    }

    /// True while a place of this device's may be taken up.
    pub(crate) fn is_held(&self, link: &PublicKey, now: BootTime) -> bool {
        self.held.get(link).is_some_and(|stand| stand.places > 0 && stand.until > now)
    }

    /// Takes a place of this device's.
    pub(crate) fn take_up(&mut self, link: &PublicKey, now: BootTime) -> Option<TakenUp> {
        let stand = self.held.get_mut(link).filter(|s| s.places > 0 && s.until > now)?;
        stand.places -= 1;
        let slow_ms = with_drift(STANDING_MS + RESERVATION_MS) - STANDING_MS;
        Some(TakenUp { nonce: stand.nonce, over: stand.until.plus_ms(slow_ms) })
    }

    /// Somebody takes up a place that was offered to him.
    pub(crate) fn spend(
        &mut self,
        link: &PublicKey,
        nonce: [u8; 16],
        now: BootTime,
    ) -> Result<(), String> {
        let said = self.said.get_mut(link).into_iter().flatten();
        let Some(stand) = said.into_iter().find(|stand| stand.nonce == nonce) else {
            return Err("that standing offer is none of this process: the node has started \
                        again, or newer ones replaced it"
                .into());
        };
        // What was sent in time may be one slow round trip on its way.
        if stand.until.plus_ms(RESERVATION_MS) <= now {
            return Err("that standing offer has lapsed".into());
        }
        if stand.places == 0 {
            return Err("every place of that standing offer is taken".into());
        }
        stand.places -= 1;
        Ok(())
    }

    fn places_said(&self, now: BootTime) -> u64 {
        let said = self.said.values().flatten();
        said.filter(|stand| stand.until > now).map(|stand| stand.places).sum()
    }
}

impl Engine {
    /// Lets a link that has just given work award the next pieces at once, if there is room.
    pub(crate) fn stand_for(&mut self, link: PublicKey) {
        let now = self.now.boot;
        let standing = &self.work.offers.standing;
        let last = standing.said.get(&link).and_then(|said| said.last());
        let fresh = last.is_some_and(|stand| {
            stand.places > STANDING_PLACES / 2 && stand.until > now.plus_ms(STANDING_MS / 2)
        });
        let full = standing.places_said(now) + STANDING_PLACES > STANDING_PLACES_MAX
            || self.work.len() as u64 + STANDING_PLACES_MAX > TASKS_MAX as u64;
        if fresh || full || !self.links.is_member(&link) || self.has_no_room(&[]).is_some() {
            return;
        }
        let nonce = self.chance.bytes16();
        let (places, until) = (STANDING_PLACES, now.plus_ms(STANDING_MS));
        let said = self.work.offers.standing.said.entry(link).or_default();
        said.push(Stand { nonce, places, until });
        said.drain(..said.len().saturating_sub(2));
        let incarnation = self.incarnation;
        let (holder, lasts_ms) = (link, STANDING_MS);
        let offer = StandingOffer { nonce, holder, incarnation, places, lasts_ms };
        self.say_to(link, Talk::Standing(offer));
    }

    /// Somebody lets this device award at once.
    pub(crate) fn on_standing_offer(&mut self, link: PublicKey, offer: &StandingOffer) {
        if offer.holder != self.key || !self.links.is_member(&link) {
            return;
        }
        let until = self.now.boot.plus_ms(offer.lasts_ms.min(STANDING_MS));
        let places = offer.places.min(STANDING_PLACES);
        let stand = Stand { nonce: offer.nonce, places, until };
        self.work.offers.standing.held.insert(link, stand);
    }
}
