//! INV-TASK-2: an award starts only in a place that this life of its executor has kept for it: for
//! an offer of the giver it has bid, or has said before that the giver may award at once.
//!
//! Offers, bids and standing offers are read off the wire as they leave, and each is used up by one
//! start. What a device gives to itself is on no wire, and is not judged here.

use super::{Checker, Sight, Tally};
use crate::clock::Time;
use crate::ledger::Ledger;
use belay_identity::lease::{Offer, Talk};
use belay_identity::{Body, PublicKey, StatementId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Place {
    /// Offers, by their nonce: from whom, and what.
    offers: BTreeMap<[u8; 16], (PublicKey, Offer)>,
    /// Bids of each host's life that no start has used up.
    bids: BTreeSet<(usize, [u8; 16])>,
    /// Places of standing offers of each host's life.
    standing: BTreeMap<(usize, [u8; 16]), u64>,
    begun: BTreeSet<(usize, StatementId)>,
}

impl Checker for Place {
    fn id(&self) -> &'static str {
        "INV-TASK-2"
    }

    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally) {
        match sight {
            Sight::Talked { node, key, talk } => self.hear(*node, *key, talk),
            Sight::Restarted { node } => {
                self.bids.retain(|(of, _)| of != node);
                self.standing.retain(|(of, _), _| of != node);
                self.begun.retain(|(of, _)| of != node);
            }
            Sight::LetGoOn { node, award } => {
                if !self.begun.insert((*node, *award)) {
                    return;
                }
                let Some(kept) = self.use_place(*node, award, ledger) else { return };
                tally.expect(kept, now, || {
                    format!("node {node} starts {award:?} in no place of this life")
                });
            }
            Sight::Taken { .. }
            | Sight::Said { .. }
            | Sight::Permitted { .. }
            | Sight::Acted { .. }
            | Sight::Digest { .. }
            | Sight::Sent { .. }
            | Sight::Links { .. }
            | Sight::DraftRead { .. }
            | Sight::DevicesRead { .. }
            | Sight::CaseRead { .. }
            | Sight::End { .. } => {}
        }
    }
}

impl Place {
    fn hear(&mut self, node: usize, key: PublicKey, talk: &Talk) {
        match talk {
            Talk::Offer(offer) => {
                self.offers.insert(offer.nonce, (key, (**offer).clone()));
            }
            Talk::Bid(bid) => drop(self.bids.insert((node, bid.nonce))),
            Talk::Standing(offer) => {
                self.standing.insert((node, offer.nonce), offer.places);
            }
            Talk::Draw(_) | Talk::Answer(_) | Talk::TaskAnswer(_) | Talk::Refuse(_) => {}
        }
    }

    /// Uses up the place of an award that somebody else gave; none where it is the host's own.
    fn use_place(&mut self, node: usize, award: &StatementId, ledger: &Ledger) -> Option<bool> {
        let statement = ledger.statements.get(award)?;
        let Body::Award(body) = &statement.body else { return None };
        let delegation = ledger.delegation(&body.delegation?)?;
        if ledger.node_of(&statement.key()) == Some(node) {
            return None;
        }
        let fits = |(key, offer): &(PublicKey, Offer)| {
            *key == statement.key() && offer.terms.under(delegation.from) == *delegation
        };
        let (bids, standing) = (&mut self.bids, &mut self.standing);
        let used = self.offers.iter().filter(|(_, said)| fits(said)).find(|(nonce, (_, offer))| {
            let stands = offer.standing.and_then(|nonce| standing.get_mut(&(node, nonce)));
            match stands.filter(|places| **places > 0) {
                Some(places) => {
                    *places -= 1;
                    true
                }
                None => bids.remove(&(node, **nonce)),
            }
        });
        let used = used.map(|(nonce, _)| *nonce);
        Some(used.is_some_and(|nonce| self.offers.remove(&nonce).is_some()))
    }
}
