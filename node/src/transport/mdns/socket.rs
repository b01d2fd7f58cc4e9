//! One interface's ear and mouth on the local network: the group 224.0.0.251, port 5353.
//!
//! An interface is named by the address at which this device listens there, so nothing is said on
//! one that it does not listen on. The port is shared with other programs that do the same. Refused
//! here: IPv6, because every network that has mDNS has IPv4 on it too.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// Where multicast DNS is spoken (RFC 6762, section 3).
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353);
/// So that whoever hears it can tell that it crossed no router (RFC 6762, section 11).
const HOPS: u32 = 255;

/// Joins the group on the interface with this address.
pub(super) fn open(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    socket.set_nonblocking(true)?;
    // The group's own address: what is sent to this port by unicast is for other programs.
    #[cfg(unix)]
    socket.bind(&GROUP.into())?;
    #[cfg(not(unix))]
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, GROUP.port()).into())?;
    socket.join_multicast_v4(GROUP.ip(), &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    socket.set_multicast_ttl_v4(HOPS)?;
    socket.set_multicast_loop_v4(true)?;
    UdpSocket::from_std(socket.into())
}

/// Says this to everybody there.
pub(super) async fn say(socket: &UdpSocket, packet: &[u8]) -> io::Result<()> {
    socket.send_to(packet, GROUP).await.map(drop)
}
