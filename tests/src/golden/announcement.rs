//! What a device says on its local network: its name for a day, and where it listens.

use super::{Sample, id};
use belay_mesh::hints::Tag;
use belay_node::transport::mdns;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The announcement of one device on one day.
pub fn announcement() -> Sample {
    let at = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 7411);
    let packet = mdns::announcement(Tag::of(&id(0x71), 20_000), at);
    let bytes = packet.expect("a short name has room in DNS");
    Sample { name: "announcement".into(), id: None, bytes }
}
