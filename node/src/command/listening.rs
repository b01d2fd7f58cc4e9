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
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Ports tried until one is free for QUIC and for TCP: each is free with a chance far above a half.
const PORTS_TRIED: usize = 16;

/// Where a device of this kind listens: for other members, and at a direct door for phones, which
/// keep none themselves.
pub(super) fn doors(listen: &[String], kind: DeviceKind) -> Result<Vec<String>, Fault> {
    let mut listen = drawn_port(listen)?;
    let sockets = listen.iter().filter_map(|at| at.parse::<Multiaddr>().ok());
    let mut sockets = sockets.filter_map(|at| direct_socket(&at.with(Protocol::Tls)));
    if let Some(socket) = sockets.next().filter(|_| kind != DeviceKind::Phone) {
        let direct = direct_address(SocketAddr::new(socket.ip(), 0)).to_string();
        listen.extend(drawn_port(&[direct])?);
    }
    Ok(listen)
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

/// Replaces port 0 by a free one, the same for QUIC and TCP, which the node then keeps.
fn drawn_port(listen: &[String]) -> Result<Vec<String>, Fault> {
    if !listen.iter().any(|at| at.contains("/udp/0") || at.contains("/tcp/0")) {
        return Ok(listen.to_vec());
    }
    let port = free_port().map_err(io("drawing a port"))?;
    let drawn = |at: &String| {
        let udp = at.replace("/udp/0/", &format!("/udp/{port}/"));
        udp.strip_suffix("/tcp/0").map_or(udp.clone(), |host| format!("{host}/tcp/{port}"))
    };
    Ok(listen.iter().map(drawn).collect())
}

/// A port on which nobody listens, by UDP or by TCP.
fn free_port() -> std::io::Result<u16> {
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind(("0.0.0.0", 0))?;
        let port = udp.local_addr()?.port();
        tries += 1;
        match TcpListener::bind(("0.0.0.0", port)) {
            Ok(_) => return Ok(port),
            Err(error) if tries == PORTS_TRIED => return Err(error),
            Err(_) => {}
        }
    }
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
        let any = &["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()];
        let two = doors(any, DeviceKind::Laptop).expect("ports");
        let sockets: Vec<_> = two
            .iter()
            .map(|text| direct_socket(&text.parse().expect("an address")).map(|at| at.port()))
            .collect();
        assert!(matches!(sockets[..], [None, Some(1..)]), "{two:?}");
        assert_eq!(doors(any, DeviceKind::Phone).expect("a port").len(), 1);
    }

    /// Goal: one drawn port serves QUIC and TCP, the direct door has another, and a port that was
    /// given is kept.
    #[test]
    fn one_port_is_drawn_for_both() {
        let given = ["/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/7"];
        let drawn = doors(&given.map(str::to_owned), DeviceKind::Laptop).expect("ports");
        let port: u16 = drawn[1].rsplit('/').next().and_then(|p| p.parse().ok()).expect("a port");
        assert_ne!(port, 0);
        assert_eq!(drawn[0], format!("/ip4/0.0.0.0/udp/{port}/quic-v1"));
        assert_eq!(drawn[1..3], [format!("/ip4/0.0.0.0/tcp/{port}"), given[2].to_owned()]);
        assert!(drawn[3].ends_with("/quic-v1/tls") && !drawn[3].contains(&format!("/{port}/")));
        assert_eq!(drawn.len(), 4);
    }
}
