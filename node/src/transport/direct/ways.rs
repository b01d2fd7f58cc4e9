//! Roaming: noticing that the way to a peer now begins at another address of this device.
//!
//! The question is put to the system's own routes: a UDP socket that is connected, and sends
//! nothing, knows the source address that would be used. That answers for a new address, a lost
//! interface and a changed route alike, on every system, and costs three calls.
//!
//! Refused here: watching interfaces; an address that no way to a peer begins at is of no concern.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use super::limits::PAYLOAD_WINDOW_BYTES;

/// Where the way to this peer begins now; `None` while there is no way.
pub(crate) fn source_towards(peer: SocketAddr) -> Option<IpAddr> {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let socket = UdpSocket::bind((unspecified_like(peer.ip()), 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A socket to dial from, at any address: for both IP versions where the system has both.
pub(crate) fn any_socket() -> io::Result<UdpSocket> {
    let both = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
    both.or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))
}

/// A socket with room for a whole window of a payload, as far as the system gives it: what it drops
/// has to be sent again, and slows the sender down.
pub(crate) fn with_room(socket: UdpSocket) -> UdpSocket {
    let most = usize::try_from(PAYLOAD_WINDOW_BYTES).unwrap_or(usize::MAX);
    // Without it a payload is slower, and arrives all the same.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, most);
    socket
}

/// A fresh socket of the kind in use, at this address; unspecified leaves the choice to the system.
pub(crate) fn socket_at(ip: IpAddr, in_use: SocketAddr) -> io::Result<UdpSocket> {
    let ip = match (ip, in_use) {
        (ip, SocketAddr::V6(_)) if ip.is_unspecified() => Ipv6Addr::UNSPECIFIED.into(),
        (IpAddr::V4(ip), SocketAddr::V6(_)) => ip.to_ipv6_mapped().into(),
        (ip, _) => ip,
    };
    UdpSocket::bind((ip, 0))
}

fn unspecified_like(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
