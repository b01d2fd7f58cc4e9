//! Dials whom the engine chose, beside the members that the file names.
//!
//! A member that the file names is dialled where the file says first, and never forgotten. Refused
//! here: choosing.

use super::Shell;
use crate::config::Dials;
use crate::transport::NetCommand;
use crate::transport::limits::DIAL_ADDRESSES_MAX;
use belay_identity::PublicKey;
use belay_mesh::Input;
use libp2p::Multiaddr;

impl Shell {
    /// Lets the engine choose anew, where the file leaves that to it.
    pub(super) fn choose_neighbours(&mut self) {
        match self.dials {
            Dials::Fleet => self.give(Input::ChooseNeighbours { own: self.addresses.clone() }),
            Dials::Named => {}
        }
    }

    /// Keeps a member dialled; addresses that are none are somebody else's mistake.
    pub(super) fn dial(&self, link: PublicKey, said: &[String]) {
        let mut addresses = self.named.get(&link).cloned().unwrap_or_default();
        for address in said.iter().filter_map(|text| text.parse::<Multiaddr>().ok()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.truncate(DIAL_ADDRESSES_MAX);
        if !addresses.is_empty() {
            self.net(NetCommand::Dial { peer: link.0, addresses });
        }
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
