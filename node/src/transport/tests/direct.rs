//! Direct links as their owner sees them: raw keys, who is let in, and a phone that moves.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Instant};

use super::{
    super::direct::{Direct, DirectNews, Doorway, Strangers, direct_socket},
    *,
};
use libp2p::futures::{AsyncReadExt as _, AsyncWriteExt as _};

const DIRECT: &str = "/ip4/127.0.0.1/udp/0/quic-v1/tls";

fn doorway(members: &[u8], strangers: Strangers) -> Doorway {
    let members = members.iter().map(|seed| key(*seed)).collect();
    Doorway { members, cut: BTreeSet::new(), strangers }
}

fn know(node: &Node, members: &[u8], strangers: Strangers) {
    node.tell(NetCommand::Know { doorway: doorway(members, strangers) });
}

/// A gateway with a direct door and a phone that it knows, linked and admitted.
async fn leaf() -> (Node, Node) {
    let (mut gateway, mut phone) =
        (Node::start_at(1, DIRECT.parse().expect("an address")).await, Node::start(2).await);
    know(&gateway, &[2], Strangers::Refused);
    phone.dial(gateway.key, &gateway.address);
    gateway.until(&NetEvent::LinkUp { peer: phone.key }).await;
    phone.until(&NetEvent::LinkUp { peer: gateway.key }).await;
    gateway.tell(NetCommand::Admit { peer: phone.key });
    phone.tell(NetCommand::Admit { peer: gateway.key });
    (gateway, phone)
}

/// Goal: a direct link carries what a libp2p link carries: every lane, both ways, empty and longest
/// frames, in order; and a hangup's last word arrives before its end.
#[tokio::test]
async fn a_direct_link_carries_every_lane_both_ways() {
    let (mut gateway, mut phone) = leaf().await;
    for lane in Lane::ALL {
        let longest = vec![0xab; lane.body_bytes_max()];
        for (kind, body) in [(0, Vec::new()), (7, longest)] {
            gateway.send(phone.key, lane, kind, body.clone());
            assert_eq!(phone.frame().await, (gateway.key, lane, kind, body.clone()));
            phone.send(gateway.key, lane, kind, body.clone());
            assert_eq!(gateway.frame().await, (phone.key, lane, kind, body));
        }
    }
    gateway.send(phone.key, Lane::Urgent, 1, b"bye".to_vec());
    gateway.tell(NetCommand::Hangup { peer: phone.key });
    assert_eq!(phone.frame().await.3, b"bye");
    phone.until(&NetEvent::LinkDown { peer: gateway.key }).await;
    gateway.until(&NetEvent::LinkDown { peer: phone.key }).await;
}

/// Goal: a key that the registry does not know ends in the handshake: its owner is told why, and
/// the gateway never hears of it. Once it is known, the next dial links.
#[tokio::test]
async fn an_unknown_key_is_refused_in_the_handshake() {
    let (mut gateway, mut phone) =
        (Node::start_at(1, DIRECT.parse().expect("an address")).await, Node::start(2).await);
    know(&gateway, &[3], Strangers::Refused);
    phone.dial(gateway.key, &gateway.address);
    let NetEvent::DialFailed { peer, why } = phone.event().await else { panic!("a failed dial") };
    assert_eq!(peer, gateway.key);
    assert!(why.contains("does not know this device's key"), "{why}");
    assert!(why.contains("127.0.0.1:"), "{why}");
    know(&gateway, &[2, 3], Strangers::Refused);
    assert_eq!(gateway.event().await, NetEvent::LinkUp { peer: phone.key });
    phone.until(&NetEvent::LinkUp { peer: gateway.key }).await;
}

/// Goal: where somebody may join, an unknown key comes into the lobby and no further: 16 KiB, and
/// urgent alone.
#[tokio::test]
async fn a_stranger_stays_in_the_lobby() {
    let (mut gateway, mut phone) =
        (Node::start_at(1, DIRECT.parse().expect("an address")).await, Node::start(2).await);
    know(&gateway, &[], Strangers::Lobby);
    phone.dial(gateway.key, &gateway.address);
    gateway.until(&NetEvent::LinkUp { peer: phone.key }).await;
    phone.until(&NetEvent::LinkUp { peer: gateway.key }).await;
    phone.send(gateway.key, Lane::Bulk, 9, vec![0; 1024]);
    phone.send(gateway.key, Lane::Urgent, 1, vec![0; 8 * 1024]);
    assert_eq!(gateway.frame().await.1, Lane::Urgent);
    phone.send(gateway.key, Lane::Urgent, 2, vec![0; 8 * 1024]);
    let refused = NetEvent::Refused { peer: Some(phone.key), bound: Bound::LobbyBytes };
    let before = gateway.until(&refused).await;
    assert!(before.is_empty(), "{before:?}");
}

/// Goal: whoever answers at a direct address with another key is refused by the dialler, by name.
#[tokio::test]
async fn the_wrong_device_at_a_direct_address_is_refused() {
    let (gateway, mut phone) =
        (Node::start_at(1, DIRECT.parse().expect("an address")).await, Node::start(2).await);
    know(&gateway, &[2], Strangers::Refused);
    phone.dial(key(3), &gateway.address);
    let NetEvent::DialFailed { why, .. } = phone.event().await else { panic!("a failed dial") };
    let hex: String = gateway.key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(why.contains(&format!("another device answers there: {hex}")), "{why}");
}

/// Goal: where the direct door does not let in, the other addresses of the same member are tried.
#[tokio::test]
async fn a_phone_falls_back_to_the_other_addresses() {
    let (mut gateway, mut phone) = (Node::start(1).await, Node::start(2).await);
    let closed = "/ip4/127.0.0.1/udp/9/quic-v1/tls".parse().expect("an address");
    let addresses = vec![closed, gateway.address.clone()];
    phone.tell(NetCommand::Dial { peer: gateway.key, addresses });
    phone.until(&NetEvent::LinkUp { peer: gateway.key }).await;
    gateway.until(&NetEvent::LinkUp { peer: phone.key }).await;
}

/// Goal: a leaf that changes its address mid-transfer keeps its link, and no byte is lost. Method:
/// 24 bulk frames are under way, four have arrived, and then the phone's socket is replaced by one
/// at another address; every byte still arrives, in order, on the link that stood before.
#[tokio::test]
async fn a_leaf_that_moves_keeps_its_link_and_every_byte() {
    let (mut gateway, phone) = leaf().await;
    let body = |number: u8| -> Vec<u8> {
        (0..64 * 1024).map(|place: u32| place.to_le_bytes()[0] ^ number).collect()
    };
    for number in 0..24 {
        phone.send(gateway.key, Lane::Bulk, number, body(number));
    }
    for number in 0..4 {
        assert_eq!(gateway.frame().await, (phone.key, Lane::Bulk, number, body(number)));
    }
    phone.tell(NetCommand::Moved { to: Ipv4Addr::new(127, 0, 0, 2).into() });
    for number in 4..24 {
        assert_eq!(gateway.frame().await, (phone.key, Lane::Bulk, number, body(number)));
    }
    phone.send(gateway.key, Lane::Urgent, 1, vec![5]);
    assert_eq!(gateway.frame().await, (phone.key, Lane::Urgent, 1, vec![5]));
}

/// Goal: the same one floor below, where addresses can be seen: the gateway's connection is the one
/// that stood before, and its peer is now at the other address. Method: 8 MiB on one stream, moved
/// after the first.
#[tokio::test]
async fn the_connection_itself_moves() {
    let (mut gateway, mut phone) = (
        Direct::start((&[1; 32], &key(1)), &[SocketAddr::from(([127, 0, 0, 1], 0))])
            .expect("starts"),
        Direct::start((&[2; 32], &key(2)), &[]).expect("starts"),
    );
    gateway.know(doorway(&[2], Strangers::Refused));
    let listens = gateway.listens_at(None);
    let socket = direct_socket(&listens[0]).expect("a direct address");
    phone.dial(key(1), vec![socket], Vec::new());
    let DirectNews::Up { door, .. } = phone.next().await else { panic!("the link stands") };
    let DirectNews::Up { connection: there, .. } = gateway.next().await else {
        panic!("the link stands")
    };
    let before = there.remote_address();
    assert_eq!(before.ip(), Ipv4Addr::LOCALHOST);
    let mut out = open(&door, Lane::Bulk).await;
    let sent: Vec<u8> = (0..8 << 20).map(|place: u32| (place / 251).to_le_bytes()[0]).collect();
    let whole = sent.clone();
    let writing = tokio::spawn(async move {
        out.write_all(&whole).await.expect("written");
        out.close().await.expect("ended");
        out
    });
    let DirectNews::Opened { stream: mut incoming, .. } = gateway.next().await else {
        panic!("a lane was opened")
    };
    let mut got = vec![0; 1 << 20];
    incoming.read_exact(&mut got).await.expect("the first MiB");
    phone.moved(Ipv4Addr::new(127, 0, 0, 2).into()).expect("moved");
    timeout(DEADLINE, incoming.read_to_end(&mut got)).await.expect("in time").expect("the rest");
    assert!(got == sent, "{} of {} bytes, or others", got.len(), sent.len());
    assert_eq!(there.remote_address().ip(), Ipv4Addr::new(127, 0, 0, 2));
    assert!(there.close_reason().is_none());
    drop(writing.await);
}

/// Goal: a key that is no longer let in loses its connection within a second. Method: linked as a
/// member, then unknown.
#[tokio::test]
async fn a_key_that_is_forgotten_loses_its_connection() {
    let (mut gateway, mut phone) = leaf().await;
    let began = Instant::now();
    know(&gateway, &[], Strangers::Refused);
    gateway.until(&NetEvent::LinkDown { peer: phone.key }).await;
    phone.until(&NetEvent::LinkDown { peer: gateway.key }).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
