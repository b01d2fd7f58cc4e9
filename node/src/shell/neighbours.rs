//! Dials whom the engine chose, beside the members that the file names.
//!
//! A member that the file names is dialled where the file says first, and never forgotten. Refused
//! here: choosing.

use super::Shell;
use crate::config::Dials;
use crate::transport::limits::DIAL_ADDRESSES_MAX;
use crate::transport::{NetCommand, Side, Way, circuit};
use belay_identity::PublicKey;
use belay_mesh::Input;
use libp2p::Multiaddr;

impl Shell {
    /// Lets the engine choose anew, where the file leaves that to it.
    pub(super) fn choose_neighbours(&mut self) {
        match self.dials {
            Dials::Fleet => {
                let straight = |way: &Way| way.side == Side::Own && !way.is_relayed();
                let ways = self.net.ways().into_iter().filter(|(_, way)| straight(way));
                let dialled = ways.map(|(peer, _)| PublicKey(peer)).collect();
                self.give(Input::ChooseNeighbours { own: self.addresses.clone(), dialled });
            }
            Dials::Named => {}
        }
    }

    /// Keeps a member dialled; addresses that are none are somebody else's mistake.
    pub(super) fn dial(&self, link: PublicKey, said: &[String]) {
        let mut addresses = self.named.get(&link).cloned().unwrap_or_default();
        for address in said.iter().flat_map(|text| self.dialled_at(text)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.truncate(DIAL_ADDRESSES_MAX);
        if !addresses.is_empty() {
            self.net(NetCommand::Dial { peer: link.0, addresses });
        }
    }

    /// How an address that a member says of itself is dialled; a place at a relay over wherever the
    /// relay listens.
    fn dialled_at(&self, said: &str) -> Vec<Multiaddr> {
        let Ok(address) = said.parse::<Multiaddr>() else { return Vec::new() };
        match circuit::relay_of(&address) {
            Some(relay) if relay == self.device.0 => Vec::new(),
            Some(relay) => {
                let listens = self.engine.addresses_of(&PublicKey(relay)).iter();
                let listens: Vec<_> = listens.filter_map(|text| text.parse().ok()).collect();
                circuit::over(&relay, &listens)
            }
            None => vec![address],
        }
    }

    /// Keeps places at these members.
    pub(super) fn keep_places(&self, relays: &[PublicKey]) {
        self.net(NetCommand::Reserve { relays: relays.iter().map(|relay| relay.0).collect() });
    }

    /// Dials a member no longer, unless the file names it.
    pub(super) fn forget(&self, link: PublicKey) {
        match self.named.get(&link) {
            Some(addresses) => {
                self.net(NetCommand::Dial { peer: link.0, addresses: addresses.clone() });
            }
            None => self.net(NetCommand::Forget { peer: link.0 }),
        }
    }
}
