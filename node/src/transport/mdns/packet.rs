//! What is said on the local network, in the words of multicast DNS (RFC 6762) and its service
//! discovery (RFC 6763).
//!
//! An announcement is a service `TAG._belay._udp.local` at a host `TAG.local`: where it listens,
//! and nothing of who it is. The address must be the one that the packet came from, so nobody is
//! sent elsewhere by a packet that does not pretend to come from there. Refused here: names of any
//! other service, texts, and packets that do not parse.

use std::net::{Ipv4Addr, SocketAddrV4};

use belay_identity::key::{hex, unhex};
use belay_mesh::hints::Tag;
use hickory_proto::{
    ProtoError,
    op::{Message, MessageType, OpCode, Query},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, PTR, SRV, TXT},
    },
};

use super::limits::{KEPT_FOR_S, RECORDS_MAX};

/// The service under which every fleet's devices are announced.
const SERVICE: &str = "_belay._udp.local.";

/// What a packet of the local network says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Who is there?
    Question,
    /// These are, each at the packet's own address.
    Announcements(Vec<(Tag, SocketAddrV4)>),
    /// Nothing that concerns us.
    Nothing,
}

/// How many devices a packet from this address announces; none where it neither announces nor asks.
pub fn announced_in(packet: &[u8], from: Ipv4Addr) -> Option<usize> {
    match read(packet, from) {
        Said::Question => Some(0),
        Said::Announcements(all) => Some(all.len()),
        Said::Nothing => None,
    }
}

/// Reads a packet from this address.
pub(super) fn read(packet: &[u8], from: Ipv4Addr) -> Said {
    // Most of what comes is other people's services: no parser is started for it.
    if !packet.windows(WORD.len()).any(|bytes| bytes.eq_ignore_ascii_case(WORD)) {
        return Said::Nothing;
    }
    let (Ok(message), Ok(service)) = (Message::from_vec(packet), Name::from_ascii(SERVICE)) else {
        return Said::Nothing;
    };
    match message.metadata.message_type {
        MessageType::Query => {
            let asks = |query: &Query| {
                matches!(query.query_type(), RecordType::PTR | RecordType::ANY)
                    && *query.name() == service
            };
            if message.queries.iter().any(asks) { Said::Question } else { Said::Nothing }
        }
        MessageType::Response => {
            let records = message.answers.iter().chain(&message.additionals).take(RECORDS_MAX);
            let records: Vec<&Record> = records.collect();
            let instances = records.iter().filter_map(|record| match &record.data {
                RData::PTR(PTR(instance)) if record.name == service => Some(instance),
                _ => None,
            });
            let found: Vec<_> =
                instances.filter_map(|name| announced(name, &records, from)).collect();
            if found.is_empty() { Said::Nothing } else { Said::Announcements(found) }
        }
    }
}

/// The label that every packet of the service carries.
const WORD: &[u8] = b"\x06_belay\x04_udp";

/// The announcement of one instance, where its records are whole and lead to this address.
fn announced(name: &Name, records: &[&Record], from: Ipv4Addr) -> Option<(Tag, SocketAddrV4)> {
    let label = std::str::from_utf8(name.iter().next()?).ok()?;
    let tag = Tag(unhex(label)?.try_into().ok()?);
    let (port, host) = records.iter().find_map(|record| match &record.data {
        RData::SRV(srv) if record.name == *name => Some((srv.port, &srv.target)),
        _ => None,
    })?;
    let lives = |record: &&Record| match record.data {
        RData::A(A(address)) => record.name == *host && address == from,
        _ => false,
    };
    let there = records.iter().any(lives) && record_lives(records, name);
    (there && port != 0).then_some((tag, SocketAddrV4::new(from, port)))
}

/// False where whoever said it takes it back (RFC 6762, section 10.1).
fn record_lives(records: &[&Record], instance: &Name) -> bool {
    let points = |record: &&&Record| match &record.data {
        RData::PTR(PTR(name)) => name == instance,
        _ => false,
    };
    records.iter().filter(points).all(|record| record.ttl > 0)
}

/// Who is there?
pub(super) fn question() -> Result<Vec<u8>, ProtoError> {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(SERVICE)?, RecordType::PTR));
    message.to_vec()
}

/// The packet by which a device says that under this name one listens here, by QUIC. Fails only
/// where DNS has no room for it.
pub fn announcement(tag: Tag, at: SocketAddrV4) -> Result<Vec<u8>, ProtoError> {
    let service = Name::from_ascii(SERVICE)?;
    let label = hex(&tag.0);
    let instance = Name::from_ascii(format!("{label}.{SERVICE}"))?;
    let host = Name::from_ascii(format!("{label}.local."))?;
    let record = |name: &Name, data| Record::from_rdata(name.clone(), KEPT_FOR_S, data);
    let unique = |name: &Name, data| {
        let mut record = record(name, data);
        record.mdns_cache_flush = true;
        record
    };
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    message.add_answer(record(&service, RData::PTR(PTR(instance.clone()))));
    let place = SRV::new(0, 0, at.port(), host.clone());
    message.add_answer(unique(&instance, RData::SRV(place)));
    message.add_answer(unique(&instance, RData::TXT(TXT::new(vec![String::new()]))));
    message.add_answer(unique(&host, RData::A(A(*at.ip()))));
    message.to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::limits::PACKET_BYTES_MAX;
    use super::*;

    const TAG: Tag = Tag([0xa7; 16]);

    fn at() -> SocketAddrV4 {
        "192.168.1.7:7411".parse().expect("a socket")
    }

    /// Goal: what is announced is heard, from its own address alone, and says nothing but its tag,
    /// where and that it is Belay. Method: bytes of one, read as from itself and from another.
    #[test]
    fn an_announcement_is_heard_from_its_own_address() {
        let packet = announcement(TAG, at()).expect("encodes");
        assert!(packet.len() < PACKET_BYTES_MAX / 4, "{} bytes", packet.len());
        assert_eq!(read(&packet, *at().ip()), Said::Announcements(vec![(TAG, at())]));
        assert_eq!(read(&packet, Ipv4Addr::new(192, 168, 1, 8)), Said::Nothing);
        assert_eq!(read(&question().expect("encodes"), *at().ip()), Said::Question);
    }

    /// Goal: no packet, however broken, is taken for more than it says. Method: an announcement cut
    /// at every byte, and with every byte turned; what is still heard has the packet's address.
    #[test]
    fn broken_packets_say_nothing_else() {
        let packet = announcement(TAG, at()).expect("encodes");
        for cut in 0..packet.len() {
            assert_eq!(read(&packet[..cut], *at().ip()), Said::Nothing, "cut at {cut}");
        }
        for place in 0..packet.len() {
            let mut bent = packet.clone();
            bent[place] ^= 0xff;
            if let Said::Announcements(all) = read(&bent, *at().ip()) {
                assert!(all.iter().all(|(_, socket)| socket.ip() == at().ip()), "at {place}");
            }
        }
    }

    /// Goal: other services, and a name of ours that is no tag, are nobody's. Method: the same
    /// packet with another label or word.
    #[test]
    fn other_services_are_nobodys() {
        let packet = announcement(TAG, at()).expect("encodes");
        let with = |from: &[u8], to: &[u8]| {
            let place = packet.windows(from.len()).position(|bytes| bytes == from);
            let place = place.expect("it is there");
            let mut other = packet.clone();
            other[place..place + to.len()].copy_from_slice(to);
            other
        };
        assert_eq!(read(&with(b"_belay", b"_delay"), *at().ip()), Said::Nothing);
        assert_eq!(read(&with(b"a7a7", b"zzzz"), *at().ip()), Said::Nothing);
    }
}
