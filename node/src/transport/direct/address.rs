//! The address of a direct door: `/ip4/192.0.2.7/udp/7412/quic-v1/tls`.
//!
//! libp2p's own is the same without `/tls`, because its QUIC carries libp2p's handshake; this one
//! carries plain TLS 1.3 with raw keys. libp2p refuses the longer form, so neither is dialled by
//! the other. Refused here: names that must be resolved.

use std::net::SocketAddr;

use libp2p::{Multiaddr, multiaddr::Protocol};

/// The socket behind a direct address; `None` for an address of another kind.
pub fn direct_socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let Protocol::Udp(port) = parts.next()? else { return None };
    let rest = (parts.next(), parts.next(), parts.next());
    matches!(rest, (Some(Protocol::QuicV1), Some(Protocol::Tls), None))
        .then_some(SocketAddr::new(ip, port))
}

/// The address of a direct door at this socket.
pub fn direct_address(socket: SocketAddr) -> Multiaddr {
    let address = Multiaddr::from(socket.ip()).with(Protocol::Udp(socket.port()));
    address.with(Protocol::QuicV1).with(Protocol::Tls)
}

/// Direct sockets, and everything else.
pub(crate) fn split(addresses: Vec<Multiaddr>) -> (Vec<SocketAddr>, Vec<Multiaddr>) {
    let mut sockets = Vec::new();
    let mut others = Vec::new();
    for address in addresses {
        match direct_socket(&address) {
            Some(socket) => sockets.push(socket),
            None => others.push(address),
        }
    }
    (sockets, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a direct address survives its own words, and libp2p's are never taken for one.
    #[test]
    fn a_direct_address_is_told_apart() {
        for socket in ["192.0.2.7:7412", "[2001:db8::7]:1"] {
            let socket: SocketAddr = socket.parse().expect("a socket");
            let address = direct_address(socket);
            assert_eq!(direct_socket(&address), Some(socket), "{address}");
            let again: Multiaddr = address.to_string().parse().expect("its own words");
            assert_eq!(again, address);
        }
        for other in
            ["/ip4/192.0.2.7/udp/1/quic-v1", "/ip4/192.0.2.7/tcp/1/tls", "/udp/1/quic-v1/tls"]
        {
            assert_eq!(direct_socket(&other.parse().expect("an address")), None, "{other}");
        }
    }
}
