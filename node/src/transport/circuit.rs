//! Addresses over a relay, and on what terms one device relays for another.
//!
//! A device that cannot be dialled says `/p2p/RELAY/p2p-circuit`: at which member it has a place.
//! Whoever dials it knows from that member's own word where the member listens, so a relay that
//! moves takes nobody's address with it. Refused here: relaying for anybody but members, over two
//! relays, or without a bound.

use std::time::Instant;

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::Protocol,
    relay::{self, RateLimiter},
};

use super::{
    direct::Porter,
    key::{DeviceKey, device_key, peer_id},
    limits::{
        CIRCUIT_BYTES_MAX, CIRCUIT_TIME, CIRCUITS_MAX, CIRCUITS_PER_PEER_MAX, PLACE_TIME,
        PLACES_MAX, PLACES_PER_PEER_MAX, RELAY_ADDRESSES_MAX, RELAY_ASK_EVERY, RELAY_ASKS_MAX,
    },
};

/// True for an address that leads over a relay.
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// What a device says that has a place at this relay; `None` for a key that is none.
pub fn place_at(relay: &DeviceKey) -> Option<Multiaddr> {
    let relay = peer_id(relay).ok()?;
    Some(Multiaddr::empty().with(Protocol::P2p(relay)).with(Protocol::P2pCircuit))
}

/// The relay at which somebody says that he has a place; `None` for any other address, longer ones
/// included.
pub fn relay_of(place: &Multiaddr) -> Option<DeviceKey> {
    let mut parts = place.iter();
    let (Protocol::P2p(relay), Protocol::P2pCircuit) = (parts.next()?, parts.next()?) else {
        return None;
    };
    parts.next().is_none().then(|| device_key(&relay))?
}

/// How a place at this relay is dialled, given where the relay says that it listens.
pub fn over(relay: &DeviceKey, addresses: &[Multiaddr]) -> Vec<Multiaddr> {
    let Some(place) = place_at(relay) else { return Vec::new() };
    let straight = addresses.iter().filter(|address| {
        let named = |part| matches!(part, Protocol::P2p(_) | Protocol::Tls);
        !is_relayed(address) && !address.iter().any(named)
    });
    let over = |address: &Multiaddr| place.iter().fold(address.clone(), Multiaddr::with);
    straight.take(RELAY_ADDRESSES_MAX).map(over).collect()
}

/// The member that an address leads over, where it names one.
pub(crate) fn via(address: &Multiaddr) -> Option<DeviceKey> {
    let before = address.iter().take_while(|part| *part != Protocol::P2pCircuit);
    let named = before.filter_map(|part| match part {
        Protocol::P2p(peer) => device_key(&peer),
        _ => None,
    });
    named.last().filter(|_| is_relayed(address))
}

/// On what terms this device relays: for whom the doorway says, within the bounds.
pub(crate) fn terms(porter: &Porter) -> relay::Config {
    let terms = relay::Config {
        max_reservations: PLACES_MAX,
        // Of both bounds per peer libp2p lets one more through than it is told.
        max_reservations_per_peer: PLACES_PER_PEER_MAX - 1,
        reservation_duration: PLACE_TIME,
        reservation_rate_limiters: vec![members(porter.clone())],
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: CIRCUITS_PER_PEER_MAX - 1,
        max_circuit_duration: CIRCUIT_TIME,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        circuit_src_rate_limiters: vec![members(porter.clone())],
    };
    terms
        .reservation_rate_per_peer(RELAY_ASKS_MAX, RELAY_ASK_EVERY)
        .circuit_src_per_peer(RELAY_ASKS_MAX, RELAY_ASK_EVERY)
}

fn members(porter: Porter) -> Box<dyn RateLimiter> {
    Box::new(move |peer: PeerId, _: &Multiaddr, _: Instant| {
        device_key(&peer).is_some_and(|key| porter.relays_for(&key))
    })
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    fn relay() -> DeviceKey {
        let pair = Keypair::ed25519_from_bytes([7; 32]).expect("any 32 bytes are a seed");
        device_key(&pair.public().to_peer_id()).expect("an Ed25519 name")
    }

    fn at(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    /// Goal: a place names its relay, and nothing else is taken for one. Method: its own words, and
    /// five that are malformed or longer.
    #[test]
    fn a_place_names_its_relay() {
        let place = place_at(&relay()).expect("a key");
        assert_eq!(relay_of(&place), Some(relay()));
        assert_eq!(relay_of(&at(&place.to_string())), Some(relay()));
        let name = place.iter().next().expect("a part").to_string();
        for other in [
            name.clone(),
            format!("{name}/p2p-circuit/p2p-circuit"),
            format!("{name}/p2p-circuit{name}"),
            format!("/ip4/192.0.2.7/tcp/1{name}/p2p-circuit"),
            "/p2p-circuit".to_owned(),
        ] {
            assert_eq!(relay_of(&at(&other)), None, "{other}");
        }
    }

    /// Goal: a circuit is dialled where its relay listens, and never over two relays, at a door for
    /// leaves, or at another device's name. Method: each such address beside two good ones.
    #[test]
    fn a_circuit_leads_over_the_relays_own_addresses() {
        let name = place_at(&relay()).expect("a key");
        let good = [at("/ip4/192.0.2.7/udp/1/quic-v1"), at("/ip4/192.0.2.7/tcp/1")];
        let bad = [
            name.clone(),
            at("/ip4/192.0.2.7/udp/2/quic-v1/tls"),
            at(&format!("/ip4/192.0.2.7/tcp/1{}", name.iter().next().expect("a part"))),
        ];
        let dialled = over(&relay(), &[&bad[..], &good[..]].concat());
        assert_eq!(dialled, good.clone().map(|address| at(&format!("{address}{name}"))));
        assert!(dialled.iter().all(|address| via(address) == Some(relay())));
        assert_eq!(over(&relay(), &vec![good[0].clone(); 9]).len(), RELAY_ADDRESSES_MAX);
        assert_eq!(via(&bad[2]), None, "a name alone is no relay");
    }
}
