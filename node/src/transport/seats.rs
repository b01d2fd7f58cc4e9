//! Seats: who may hold a link here at once, so that nobody shuts out whoever belongs here.
//!
//! A member holds a seat of his own. Strangers share the lobby, and devices that an order cuts
//! share a few seats for their wind-down; of both, the one that has stayed longest gives way to one
//! more.
//! Refused here: judging a key; the owner hands in who is who.

use std::sync::atomic::Ordering;

use super::{
    direct::Doorway,
    key::DeviceKey,
    limits::{Bound, CUT_PEERS_MAX, LOBBY_PEERS_MAX},
    link::{Link, Seat},
    swarm::{Shell, Stopping},
};

impl Shell {
    /// The seat that this peer takes; whom we keep dialled, strangers must not shut out.
    pub(crate) fn seat_of(&self, peer: &DeviceKey) -> Seat {
        if self.doorway.cut.contains(peer) {
            Seat::Cut
        } else if self.doorway.members.contains(peer) || self.dials.keeps(peer) {
            Seat::Own
        } else {
            Seat::Stranger
        }
    }

    /// Makes room for one more on a seat of this kind.
    pub(crate) async fn free_a_seat(&mut self, seat: Seat) -> Result<(), Stopping> {
        match seat {
            Seat::Own => Ok(()),
            Seat::Stranger => self.keep(seat, LOBBY_PEERS_MAX - 1, Bound::LobbyPeers).await,
            Seat::Cut => self.keep(seat, CUT_PEERS_MAX - 1, Bound::CutPeers).await,
        }
    }

    /// Takes in who is who from now on, and seats every link anew.
    pub(crate) async fn know(&mut self, doorway: Doorway) -> Result<(), Stopping> {
        self.direct.know(doorway.clone());
        self.doorway = doorway;
        let peers: Vec<DeviceKey> = self.links.keys().copied().collect();
        for peer in peers {
            let seat = self.seat_of(&peer);
            if let Some(link) = self.links.get_mut(&peer) {
                link.sit(seat);
            }
        }
        self.keep(Seat::Cut, CUT_PEERS_MAX, Bound::CutPeers).await
    }

    /// Ends links on seats of this kind, the longest held first, until so many are left.
    async fn keep(&mut self, seat: Seat, most: usize, bound: Bound) -> Result<(), Stopping> {
        let mut seated: Vec<_> = self.seated(seat).collect();
        seated.sort_unstable();
        let over = seated.len().saturating_sub(most);
        for (_, peer) in seated.into_iter().take(over) {
            self.refuse_link(peer, bound).await?;
        }
        Ok(())
    }

    fn seated(&self, seat: Seat) -> impl Iterator<Item = (u64, DeviceKey)> {
        let seated = self.links.iter().filter(move |(_, link)| link.holds(seat));
        seated.map(|(peer, link)| (link.number(), *peer))
    }

    /// Writes down what is used of the bounds.
    pub(crate) fn measure(&self) {
        let counters = self.swarm.network_info().connection_counters().clone();
        let established = usize::try_from(counters.num_established()).unwrap_or(usize::MAX);
        let gauges = &self.table.gauges;
        gauges.connections.store(established, Ordering::Relaxed);
        gauges.strangers.store(self.seated(Seat::Stranger).count(), Ordering::Relaxed);
        gauges.cut.store(self.seated(Seat::Cut).count(), Ordering::Relaxed);
        let streams = self.links.values().map(Link::streams).max().unwrap_or(0);
        gauges.streams.store(streams, Ordering::Relaxed);
    }
}
