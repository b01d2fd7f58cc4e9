//! A direct door under handshakes that nobody finishes: from a bound on, whoever comes must first
//! prove his address.

use tokio::net::UdpSocket;

use super::{
    super::direct::{
        Doorway, HANDSHAKES_UNPROVEN_MAX, Strangers, direct_socket, raw_client, raw_socket,
    },
    *,
};
use quinn::{Endpoint, EndpointConfig};

/// What a long QUIC header says of its packet (RFC 9000, section 17.2), whose low bits are hidden.
const PACKET_TYPE: u8 = 0xf0;
const INITIAL: u8 = 0xc0;
const RETRY: u8 = 0xf0;

/// The first packet of a real handshake, caught before it came anywhere.
async fn first_packet(gateway: DeviceKey) -> Vec<u8> {
    let trap = UdpSocket::bind(("127.0.0.1", 0)).await.expect("a socket");
    let config = raw_client((&[3; 32], &key(3)), gateway).expect("a config");
    let runtime = quinn::default_runtime().expect("a runtime");
    let socket = raw_socket().expect("a socket");
    let client = Endpoint::new(EndpointConfig::default(), None, socket, runtime).expect("an end");
    let at = trap.local_addr().expect("bound");
    let _connecting = client.connect_with(config, at, "belay").expect("dialled");
    let mut packet = vec![0; 2048];
    let (bytes, _) = trap.recv_from(&mut packet).await.expect("a packet");
    packet.truncate(bytes);
    packet
}

/// Sends that packet from a port of its own, which never goes on; what kind of packet came back.
async fn half_open(door: SocketAddr, packet: &[u8]) -> u8 {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.expect("a socket");
    socket.send_to(packet, door).await.expect("sent");
    let mut answer = vec![0; 2048];
    let came = timeout(DEADLINE, socket.recv_from(&mut answer)).await.expect("in time");
    assert!(came.expect("an answer").0 > 0);
    answer[0] & PACKET_TYPE
}

/// Goal: so many handshakes are answered at once, one more is asked to come again from the address
/// that it names, and an honest phone that does so is linked meanwhile. Method: first packets of
/// real handshakes, each sent once from another port, then a phone as every other.
#[tokio::test]
async fn one_handshake_over_the_bound_must_prove_its_address() {
    let mut gateway =
        Node::start_at(1, "/ip4/127.0.0.1/udp/0/quic-v1/tls".parse().expect("an address")).await;
    let members = [key(2), key(3)].into();
    let doorway = Doorway { members, strangers: Strangers::Refused, ..Doorway::default() };
    gateway.tell(NetCommand::Know { doorway });
    let mut phone = Node::start(2).await;
    let door = direct_socket(&gateway.address).expect("a direct door");
    let mut packets = Vec::new();
    for _ in 0..=HANDSHAKES_UNPROVEN_MAX {
        packets.push(first_packet(gateway.key).await);
    }
    let mut answers = Vec::new();
    for packet in &packets {
        answers.push(half_open(door, packet).await);
    }
    let (one_over, within) = answers.split_last().expect("some");
    assert_eq!(*within, [INITIAL; HANDSHAKES_UNPROVEN_MAX], "these were answered at once");
    assert_eq!(*one_over, RETRY, "this one must come again");
    phone.dial(gateway.key, &gateway.address);
    gateway.until(&NetEvent::LinkUp { peer: phone.key }).await;
    phone.until(&NetEvent::LinkUp { peer: gateway.key }).await;
}
