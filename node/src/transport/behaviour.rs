//! What libp2p runs for us: connection limits with our numbers, the lanes, and what reaches devices
//! that cannot be dialled.
//!
//! That is relaying for members, places at relays, hole punching, and how a peer sees this device's
//! address, without which there is nothing to punch. Refused here: every further libp2p protocol,
//! and telling by identify where this device listens. The limits stand first, so that a refused
//! connection never gets a handler.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    connection_limits::{self, ConnectionLimits, Exceeded},
    core::{Endpoint, transport::PortUse},
    dcutr, identify,
    identity::Keypair,
    relay,
    swarm::{ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, ToSwarm},
};

use super::{
    circuit,
    direct::Porter,
    handler::{LaneHandler, LaneNews},
    limits::{
        Bound, CONNECTIONS_PER_PEER, ESTABLISHED_INCOMING, ESTABLISHED_OUTGOING, ESTABLISHED_TOTAL,
        IDENTIFY_EVERY, PENDING_INCOMING, PENDING_OUTGOING,
    },
    memory::{Memory, OverMemory},
};

/// Everything that runs on our connections.
#[derive(NetworkBehaviour)]
pub(crate) struct Links {
    limits: connection_limits::Behaviour,
    memory: Memory,
    pub(crate) lanes: Lanes,
    relay: relay::Behaviour,
    places: relay::client::Behaviour,
    punch: dcutr::Behaviour,
    identify: identify::Behaviour,
}

impl Links {
    /// The behaviours with our limits, relaying for whom the porter lets.
    pub(crate) fn new(pair: &Keypair, porter: &Porter, places: relay::client::Behaviour) -> Self {
        let own = pair.public().to_peer_id();
        let identify = identify::Config::new("/belay/1".to_owned(), pair.public())
            .with_agent_version("belay".to_owned())
            .with_interval(IDENTIFY_EVERY)
            .with_cache_size(0)
            .with_hide_listen_addrs(true);
        Self {
            limits: limits(),
            memory: Memory::default(),
            lanes: Lanes::default(),
            relay: relay::Behaviour::new(own, circuit::terms(porter)),
            places,
            punch: dcutr::Behaviour::new(own),
            identify: identify::Behaviour::new(identify),
        }
    }
}

fn limits() -> connection_limits::Behaviour {
    connection_limits::Behaviour::new(
        ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_INCOMING))
            .with_max_pending_outgoing(Some(PENDING_OUTGOING))
            .with_max_established_incoming(Some(ESTABLISHED_INCOMING))
            .with_max_established_outgoing(Some(ESTABLISHED_OUTGOING))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER))
            .with_max_established(Some(ESTABLISHED_TOTAL)),
    )
}

/// The limit that denied a connection; `None` when something else did. libp2p keeps the kind of
/// limit private and tells it only in its sentence.
pub(crate) fn limit_of(cause: &ConnectionDenied) -> Option<Bound> {
    if cause.downcast_ref::<OverMemory>().is_some() {
        return Some(Bound::Memory);
    }
    let sentence = cause.downcast_ref::<Exceeded>()?.to_string();
    let kinds = [
        ("pending incoming", Bound::PendingIncoming),
        ("pending outgoing", Bound::PendingOutgoing),
        ("established incoming", Bound::EstablishedIncoming),
        ("established outgoing", Bound::EstablishedOutgoing),
        ("per peer", Bound::ConnectionsPerPeer),
    ];
    let named = kinds.into_iter().find(|(words, _)| sentence.contains(words));
    Some(named.map_or(Bound::EstablishedTotal, |(_, bound)| bound))
}

/// News of one connection's lanes.
#[derive(Debug)]
pub(crate) struct LaneEvent {
    /// The peer at the other end.
    pub(crate) peer: PeerId,
    /// The connection that it came on.
    pub(crate) connection: ConnectionId,
    /// What happened.
    pub(crate) news: LaneNews,
}

/// The lanes of all connections: passes on what the handlers tell.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    news: VecDeque<LaneEvent>,
    seen_at: VecDeque<Multiaddr>,
}

impl Lanes {
    /// A member sees this device at that address: a path may be punched there.
    pub(crate) fn seen_at(&mut self, address: Multiaddr) {
        self.seen_at.push_back(address);
    }
}

impl NetworkBehaviour for Lanes {
    type ConnectionHandler = LaneHandler;
    type ToSwarm = LaneEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<LaneHandler, ConnectionDenied> {
        Ok(LaneHandler::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<LaneHandler, ConnectionDenied> {
        Ok(LaneHandler::new())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        news: LaneNews,
    ) {
        self.news.push_back(LaneEvent { peer, connection, news });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<LaneEvent, std::convert::Infallible>> {
        let seen_at = self.seen_at.pop_front().map(ToSwarm::NewExternalAddrCandidate);
        let news = || self.news.pop_front().map(ToSwarm::GenerateEvent);
        seen_at.or_else(news).map_or(Poll::Pending, Poll::Ready)
    }
}

#[cfg(test)]
mod tests {
    use libp2p::{
        core::ConnectedPoint,
        swarm::behaviour::{ConnectionEstablished, FromSwarm},
    };

    use super::*;

    fn connection(number: u32) -> ConnectionId {
        ConnectionId::new_unchecked(usize::try_from(number).expect("small"))
    }

    fn somewhere() -> Multiaddr {
        "/ip4/192.0.2.1/udp/4001/quic-v1".parse().expect("an address")
    }

    /// Lets `count` connections in, each of its own peer, in the given direction.
    fn establish(limits: &mut connection_limits::Behaviour, count: u32, inbound: bool) {
        let endpoint = match inbound {
            true => {
                ConnectedPoint::Listener { local_addr: somewhere(), send_back_addr: somewhere() }
            }
            false => ConnectedPoint::Dialer {
                address: somewhere(),
                role_override: Endpoint::Dialer,
                port_use: PortUse::New,
            },
        };
        for number in 0..count {
            limits.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: PeerId::random(),
                connection_id: connection(number + 1000 * u32::from(inbound)),
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
        }
    }

    /// Goal: our number of connections of one peer stands, one more is refused by name.
    #[test]
    fn connections_of_one_peer_are_bounded() {
        let (mut limits, peer) = (limits(), PeerId::random());
        let endpoint =
            ConnectedPoint::Listener { local_addr: somewhere(), send_back_addr: somewhere() };
        for number in 0..CONNECTIONS_PER_PEER {
            assert_eq!(next_inbound(&mut limits, peer), None, "connection {number}");
            limits.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: connection(number),
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: usize::try_from(number).expect("small"),
            }));
        }
        assert_eq!(next_inbound(&mut limits, peer), Some(Bound::ConnectionsPerPeer));
    }

    fn denied<T>(answer: Result<T, ConnectionDenied>) -> Option<Bound> {
        limit_of(&answer.err()?)
    }

    fn next_inbound(limits: &mut connection_limits::Behaviour, peer: PeerId) -> Option<Bound> {
        let (id, address) = (connection(9999), somewhere());
        denied(limits.handle_established_inbound_connection(id, peer, &address, &address))
    }

    fn next_outbound(limits: &mut connection_limits::Behaviour) -> Option<Bound> {
        let (id, peer, address) = (connection(9999), PeerId::random(), somewhere());
        denied(limits.handle_established_outbound_connection(
            id,
            peer,
            &address,
            Endpoint::Dialer,
            PortUse::New,
        ))
    }

    /// Goal: our number of handshakes is let through, one more is refused by name.
    #[test]
    fn handshakes_are_bounded_both_ways() {
        let (mut limits, address) = (limits(), somewhere());
        for number in 0..PENDING_INCOMING {
            let id = connection(number);
            assert!(
                limits.handle_pending_inbound_connection(id, &address, &address).is_ok(),
                "handshake {number}"
            );
        }
        let over = limits.handle_pending_inbound_connection(connection(99), &address, &address);
        assert_eq!(denied(over), Some(Bound::PendingIncoming));
        let mut dial = |number| {
            let id = connection(number);
            limits.handle_pending_outbound_connection(id, None, &[], Endpoint::Dialer)
        };
        for number in 100..100 + PENDING_OUTGOING {
            assert!(dial(number).is_ok(), "dial {number}");
        }
        assert_eq!(denied(dial(199)), Some(Bound::PendingOutgoing));
    }

    /// Goal: our numbers of connections stand, one more is refused by name, in every direction.
    #[test]
    fn connections_are_bounded_in_all_ways() {
        let stranger = PeerId::random();
        let mut inbound = limits();
        establish(&mut inbound, ESTABLISHED_INCOMING - 1, true);
        assert_eq!(next_inbound(&mut inbound, stranger), None);
        establish(&mut inbound, ESTABLISHED_INCOMING, true);
        assert_eq!(next_inbound(&mut inbound, stranger), Some(Bound::EstablishedIncoming));

        let mut outbound = limits();
        establish(&mut outbound, ESTABLISHED_OUTGOING, false);
        assert_eq!(next_outbound(&mut outbound), Some(Bound::EstablishedOutgoing));

        let mut both = limits();
        establish(&mut both, ESTABLISHED_TOTAL / 2, false);
        establish(&mut both, ESTABLISHED_TOTAL / 2, true);
        assert_eq!(next_inbound(&mut both, stranger), Some(Bound::EstablishedTotal));
        assert_eq!(next_outbound(&mut both), Some(Bound::EstablishedTotal));
    }
}
