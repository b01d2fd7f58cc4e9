//! Where a new device listens and what it dials, by its kind.
//!
//! A phone is a leaf: it dials gateways at their direct doors, moves, and is dialled by nobody
//! there. Every other device keeps a direct door for phones beside the one for members. Ports are
//! drawn once and kept. Refused here: choosing members.

use crate::fault::{Fault, io};
use crate::transport::direct::{direct_address, direct_socket};
use crate::transport::limits::DIAL_ADDRESSES_MAX;
use belay_identity::body::DeviceKind;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use std::net::{SocketAddr, UdpSocket};

/// Where a device of this kind listens: for other members, and at a direct door for phones, which
/// keep none themselves.
pub(super) fn doors(listen: &str, kind: DeviceKind) -> Result<Vec<String>, Fault> {
    let listen = drawn_port(listen)?;
    let socket = match (kind, listen.parse::<Multiaddr>()) {
        (DeviceKind::Phone, _) | (_, Err(_)) => None,
        (_, Ok(address)) => direct_socket(&address.with(Protocol::Tls)),
    };
    let Some(socket) = socket else { return Ok(vec![listen]) };
    let direct = direct_address(SocketAddr::new(socket.ip(), 0)).to_string();
    Ok(vec![listen, drawn_port(&direct)?])
}

/// What a device of this kind dials of a member's addresses: a phone its direct doors and, where
/// those do not let it in, the others; any other device only those others.
pub(super) fn dialled(addresses: &[String], kind: DeviceKind) -> Vec<String> {
    let is_direct = |text: &&String| {
        text.parse().is_ok_and(|address: Multiaddr| direct_socket(&address).is_some())
    };
    let (direct, others): (Vec<&String>, Vec<&String>) = addresses.iter().partition(is_direct);
    let direct = match kind {
        DeviceKind::Phone => direct,
        DeviceKind::Laptop | DeviceKind::Robot | DeviceKind::Gateway | DeviceKind::Server => {
            Vec::new()
        }
    };
    let half = DIAL_ADDRESSES_MAX / 2;
    direct.into_iter().take(half).chain(others.into_iter().take(half)).cloned().collect()
}

/// Replaces port 0 by a free one, which the node then keeps.
fn drawn_port(listen: &str) -> Result<String, Fault> {
    if !listen.contains("/udp/0/") {
        return Ok(listen.to_owned());
    }
    let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(io("drawing a port"))?;
    let port = socket.local_addr().map_err(io("drawing a port"))?.port();
    Ok(listen.replace("/udp/0/", &format!("/udp/{port}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: &str = "/ip4/192.0.2.7/udp/1/quic-v1";
    const DIRECT: &str = "/ip4/192.0.2.7/udp/2/quic-v1/tls";

    /// Goal: a phone dials direct doors first and keeps the others; nobody else dials a direct one.
    #[test]
    fn only_a_phone_dials_direct_doors() {
        let all = [MEMBER.to_owned(), DIRECT.to_owned()];
        assert_eq!(dialled(&all, DeviceKind::Phone), [DIRECT, MEMBER]);
        assert_eq!(dialled(&all, DeviceKind::Laptop), [MEMBER]);
        let many: Vec<String> = (0..20).flat_map(|_| all.clone()).collect();
        assert_eq!(dialled(&many, DeviceKind::Phone).len(), DIAL_ADDRESSES_MAX);
    }

    /// Goal: a laptop listens twice, a phone once, each at a port of its own that is drawn.
    #[test]
    fn a_phone_keeps_no_direct_door() {
        let any = "/ip4/127.0.0.1/udp/0/quic-v1";
        let two = doors(any, DeviceKind::Laptop).expect("ports");
        let sockets: Vec<_> = two
            .iter()
            .map(|text| direct_socket(&text.parse().expect("an address")).map(|at| at.port()))
            .collect();
        assert!(matches!(sockets[..], [None, Some(1..)]), "{two:?}");
        assert_eq!(doors(any, DeviceKind::Phone).expect("a port").len(), 1);
    }
}
