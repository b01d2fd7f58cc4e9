//! Places at relays, and paths punched past them.
//!
//! The owner says at which members this device wants a place; one is asked for over a connection
//! that this side dialled, because only whoever can be dialled is of use as a relay. Both ends of a
//! circuit then try for a path of their own; libp2p does that, and the link prefers what comes of
//! it. A place that is wanted no longer is not given back but left to end with its connection:
//! libp2p's client panics when a listener goes while its relay's answer is on the way.
//!
//! Refused here: choosing relays, and relaying, which libp2p does on the terms in `circuit`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::atomic::Ordering,
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId, core::transport::ListenerId, dcutr, identify, multiaddr::Protocol, relay,
    swarm::ConnectionId,
};

use super::{
    behaviour::LinksEvent,
    circuit::place_at,
    key::{DeviceKey, device_key, peer_id},
    limits::{PLACE_RETRY, PLACES_WANTED_MAX},
    link::{Link, Side},
    message::NetEvent,
    swarm::{Shell, Stopping},
    way::Carrier,
};

/// Where this device has a place, or wants one.
#[derive(Debug, Default)]
pub(crate) struct Places {
    wanted: Vec<DeviceKey>,
    asked: BTreeMap<DeviceKey, Place>,
    /// Relays that refused, or were lost: not asked again before this time.
    resting: BTreeMap<DeviceKey, Instant>,
    /// Members that have a place here.
    given: BTreeSet<PeerId>,
    /// Circuits that lead over this device.
    circuits: usize,
}

#[derive(Debug)]
struct Place {
    listener: ListenerId,
    granted: bool,
}

/// The name under which a relay hands out places: its own, and no address, because whoever comes to
/// it knows where it is.
pub(crate) fn place_name(own: &DeviceKey) -> Option<Multiaddr> {
    Some(Multiaddr::from(Protocol::P2p(peer_id(own).ok()?)))
}

impl Shell {
    /// From now on places are wanted at these relays.
    pub(crate) async fn reserve(&mut self, mut relays: Vec<DeviceKey>) -> Result<(), Stopping> {
        relays.truncate(PLACES_WANTED_MAX);
        let before = std::mem::replace(&mut self.places.wanted, relays.clone());
        for relay in before.iter().filter(|relay| !relays.contains(relay)) {
            self.places.resting.remove(relay);
            if self.places.is_granted(relay) {
                self.tell_place_lost(relay).await?;
            }
        }
        for relay in relays.iter().filter(|relay| !before.contains(relay)) {
            if self.places.is_granted(relay) {
                self.tell_place(relay).await?;
            }
        }
        self.ask_for_places();
        Ok(())
    }

    /// When a relay is asked again.
    pub(crate) fn next_place(&self) -> Option<Instant> {
        self.places.resting.values().min().copied()
    }

    pub(crate) async fn on_time(&mut self) -> Result<(), Stopping> {
        let now = Instant::now();
        self.places.resting.retain(|_, until| *until > now);
        self.ask_for_places();
        let ended: Vec<_> = self.links.values_mut().flat_map(|link| link.take_ended(now)).collect();
        ended.into_iter().for_each(|connection| self.close_connection(connection));
        self.end_lobbies().await
    }

    /// Asks every relay that is wanted, linked, and has not been asked.
    pub(crate) fn ask_for_places(&mut self) {
        for relay in self.places.to_ask() {
            let dialled = self.links.get(&relay).is_some_and(Link::is_dialled_straight);
            let Some(address) = ask_at(&relay).filter(|_| dialled) else { continue };
            match self.swarm.listen_on(address) {
                Ok(listener) => {
                    self.places.asked.insert(relay, Place { listener, granted: false });
                }
                Err(_) => self.places.rest(relay),
            }
        }
    }

    /// What libp2p's behaviours besides the lanes tell.
    pub(crate) async fn on_reach(&mut self, event: LinksEvent) -> Result<(), Stopping> {
        match event {
            LinksEvent::Limits(never) | LinksEvent::Memory(never) => match never {},
            LinksEvent::Lanes(event) => self.on_lane(event).await,
            LinksEvent::Relay(event) => {
                self.places.count(&event);
                let gauges = &self.table.gauges;
                gauges.places.store(self.places.given.len(), Ordering::Relaxed);
                gauges.circuits.store(self.places.circuits, Ordering::Relaxed);
                Ok(())
            }
            LinksEvent::Places(relay::client::Event::ReservationReqAccepted {
                relay_peer_id,
                ..
            }) => self.on_granted(&relay_peer_id).await,
            LinksEvent::Places(
                relay::client::Event::OutboundCircuitEstablished { .. }
                | relay::client::Event::InboundCircuitEstablished { .. },
            ) => Ok(()),
            LinksEvent::Punch(event) => self.on_punched(event).await,
            LinksEvent::Identify(identify::Event::Received { connection_id, peer_id, info }) => {
                self.on_seen_at(&peer_id, connection_id, info.observed_addr);
                Ok(())
            }
            LinksEvent::Identify(
                identify::Event::Sent { .. }
                | identify::Event::Pushed { .. }
                | identify::Event::Error { .. },
            ) => Ok(()),
        }
    }

    async fn on_granted(&mut self, relay: &PeerId) -> Result<(), Stopping> {
        let Some(relay) = device_key(relay) else { return Ok(()) };
        let fresh = self.places.grant(&relay);
        match fresh && self.places.wanted.contains(&relay) {
            true => self.tell_place(&relay).await,
            false => Ok(()),
        }
    }

    /// A listener is gone: a place at a relay, or a socket of this device's own.
    pub(crate) async fn on_listener_closed(
        &mut self,
        listener: ListenerId,
        reason: io::Result<()>,
    ) -> Result<(), Stopping> {
        let Some((relay, granted)) = self.places.lose(listener) else {
            return match reason {
                Ok(()) => Ok(()),
                Err(error) => {
                    self.announce(NetEvent::ListenFailed { why: error.to_string() }).await
                }
            };
        };
        self.places.rest(relay);
        match granted && self.places.wanted.contains(&relay) {
            true => self.tell_place_lost(&relay).await,
            false => Ok(()),
        }
    }

    async fn tell_place(&mut self, relay: &DeviceKey) -> Result<(), Stopping> {
        match place_at(relay) {
            Some(address) => self.announce(NetEvent::Listening { address }).await,
            None => Ok(()),
        }
    }

    async fn tell_place_lost(&mut self, relay: &DeviceKey) -> Result<(), Stopping> {
        match place_at(relay) {
            Some(address) => self.announce(NetEvent::NotListening { address }).await,
            None => Ok(()),
        }
    }

    async fn on_punched(&mut self, event: dcutr::Event) -> Result<(), Stopping> {
        let Some(peer) = device_key(&event.remote_peer_id) else { return Ok(()) };
        let result = event.result.map(drop).map_err(|error| error.to_string());
        self.announce(NetEvent::Punched { peer, result }).await
    }

    /// A member sees this device at an address: of connections that this side dialled from where it
    /// listens that is the address at which a path may be punched, port included.
    fn on_seen_at(&mut self, peer: &PeerId, connection: ConnectionId, address: Multiaddr) {
        let member = device_key(peer).filter(|key| self.doorway.members.contains(key));
        let link = member.and_then(|key| self.links.get(&key));
        let way = link.and_then(|link| link.way_of(connection));
        let dialled = way.is_some_and(|way| match way.carrier {
            Carrier::Quic | Carrier::Tcp => way.side == Side::Own,
            Carrier::Relay | Carrier::Direct => false,
        });
        if dialled {
            self.swarm.behaviour_mut().lanes.seen_at(address);
        }
    }

    /// Notes how a link that stands reaches its peer.
    pub(crate) fn note_way(&self, peer: &DeviceKey) {
        if let Some(way) = self.links.get(peer).and_then(Link::way) {
            self.table.note_way(peer, way);
        }
    }
}

impl Places {
    /// Counts whom this device relays for, and how much.
    fn count(&mut self, event: &relay::Event) {
        match event {
            relay::Event::ReservationReqAccepted { src_peer_id, .. } => {
                self.given.insert(*src_peer_id);
            }
            relay::Event::ReservationClosed { src_peer_id }
            | relay::Event::ReservationTimedOut { src_peer_id } => {
                self.given.remove(src_peer_id);
            }
            relay::Event::CircuitReqAccepted { .. } => self.circuits += 1,
            relay::Event::CircuitClosed { .. } => self.circuits = self.circuits.saturating_sub(1),
            // Refusals, and kinds that libp2p tells of no more.
            _ => {}
        }
    }

    fn to_ask(&self) -> Vec<DeviceKey> {
        let idle = |relay: &&DeviceKey| {
            !self.asked.contains_key(*relay) && !self.resting.contains_key(*relay)
        };
        self.wanted.iter().filter(idle).copied().collect()
    }

    fn is_granted(&self, relay: &DeviceKey) -> bool {
        self.asked.get(relay).is_some_and(|place| place.granted)
    }

    /// True when it was not granted before.
    fn grant(&mut self, relay: &DeviceKey) -> bool {
        let place = self.asked.get_mut(relay);
        place.is_some_and(|place| !std::mem::replace(&mut place.granted, true))
    }

    fn lose(&mut self, listener: ListenerId) -> Option<(DeviceKey, bool)> {
        let found = self.asked.iter().find(|(_, place)| place.listener == listener);
        let (relay, granted) = found.map(|(relay, place)| (*relay, place.granted))?;
        self.asked.remove(&relay);
        Some((relay, granted))
    }

    fn rest(&mut self, relay: DeviceKey) {
        if self.wanted.contains(&relay) {
            self.resting.insert(relay, Instant::now() + PLACE_RETRY);
        }
    }
}

/// Where a place is asked for: the relay is linked, so its name would do, but libp2p asks for some
/// address before it.
fn ask_at(relay: &DeviceKey) -> Option<Multiaddr> {
    let place = place_at(relay)?;
    Some(place.iter().fold(Multiaddr::from(Protocol::Memory(0)), Multiaddr::with))
}
