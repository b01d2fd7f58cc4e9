//! Direct links as their owner sees them: raw keys, who is let in, and a phone that moves.

use std::{collections::BTreeSet, net::Ipv4Addr, path::Path, time::Instant};

use super::{
    super::direct::{
        BUSY, COMES, Content, Direct, DirectNews, Doorway, Fetch, LEND_BLOCK_MAX,
        LENDS_PER_DEVICE_MAX, Pieces, Source, Strangers, direct_socket, raw_client,
    },
    *,
};
use libp2p::futures::{AsyncReadExt as _, AsyncWriteExt as _};
use quinn::{ReadError, ReadExactError, RecvStream};

const DIRECT: &str = "/ip4/127.0.0.1/udp/0/quic-v1/tls";

/// A node that takes leaves in at a direct door.
async fn direct_gateway() -> Node {
    Node::start_at(1, DIRECT.parse().expect("an address")).await
}

fn doorway(members: &[u8], strangers: Strangers) -> Doorway {
    let members = members.iter().map(|seed| key(*seed)).collect();
    Doorway { members, strangers, ..Doorway::default() }
}

fn know(node: &Node, members: &[u8], strangers: Strangers) {
    node.tell(NetCommand::Know { doorway: doorway(members, strangers) });
}

/// A gateway with a direct door and a phone that it knows, linked and admitted.
async fn leaf() -> (Node, Node) {
    let (mut gateway, mut phone) = (direct_gateway().await, Node::start(2).await);
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
    let (mut gateway, mut phone) = (direct_gateway().await, Node::start(2).await);
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
    let (mut gateway, mut phone) = (direct_gateway().await, Node::start(2).await);
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
    let (gateway, mut phone) = (direct_gateway().await, Node::start(2).await);
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

/// A payload on a disk, and a fetch of it by the phone.
fn payload(folder: &Path, bytes: usize) -> (Vec<u8>, Pieces, Source) {
    let whole: Vec<u8> =
        (0..bytes).map(|place| (place / 7 + place / 4099).to_le_bytes()[0]).collect();
    let (path, list) = (folder.join("kept"), folder.join("kept.list"));
    let pieces = Pieces::seal(&whole[..], std::fs::File::create(&path).expect("a file"), 1 << 30);
    let pieces = pieces.expect("small");
    std::fs::write(&list, pieces.list()).expect("written");
    (whole, pieces, Source::File { path, list })
}

fn order(gateway: &Node, folder: &Path, pieces: &Pieces) -> Fetch {
    Fetch {
        ticket: 7,
        peer: gateway.key,
        addresses: vec![gateway.address.clone()],
        content: Content::Pieces(pieces.root()),
        bytes: pieces.bytes,
        draft: folder.join("7.draft"),
        into: folder.join("model.bin"),
    }
}

/// The next wish of a peer, past whatever else happens.
async fn wanted(node: &mut Node) -> (u64, DeviceKey, Content) {
    loop {
        if let NetEvent::Wanted { ticket, peer, content } = node.event().await {
            return (ticket, peer, content);
        }
    }
}

async fn fetched(node: &mut Node) -> Result<(), String> {
    loop {
        if let NetEvent::Fetched { ticket: 7, result } = node.event().await {
            return result;
        }
    }
}

/// Goal: a payload arrives whole, by a link where one stands and by a connection of its own where
/// none does, and the owner is asked each time with the key that the handshake proved.
#[tokio::test]
async fn a_payload_arrives_with_and_without_a_link() {
    for linked in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut gateway, mut phone) = if linked {
            leaf().await
        } else {
            let pair = (direct_gateway().await, Node::start(2).await);
            know(&pair.0, &[2], Strangers::Refused);
            pair
        };
        let (whole, pieces, source) = payload(folder.path(), (5 << 20) + 3);
        phone.tell(NetCommand::Fetch(Box::new(order(&gateway, folder.path(), &pieces))));
        let (ticket, peer, content) = wanted(&mut gateway).await;
        assert_eq!((peer, content), (phone.key, Content::Pieces(pieces.root())));
        gateway.tell(NetCommand::Lend { ticket, source: Ok(source) });
        assert_eq!(fetched(&mut phone).await, Ok(()));
        let got = std::fs::read(folder.path().join("model.bin")).expect("fetched");
        assert!(got == whole, "{} of {} bytes, or others", got.len(), whole.len());
        assert!(!folder.path().join("7.draft").exists());
    }
}

/// Goal: a transfer that is cut goes on behind the last verified piece. Method: the first time the
/// key is forgotten while pieces arrive, which cuts it; the second wish must ask for fewer pieces,
/// seen by the bytes that the lender reads: it is given a file whose first piece is spoilt.
#[tokio::test]
async fn a_cut_transfer_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut gateway, mut phone) = (direct_gateway().await, Node::start(2).await);
    know(&gateway, &[2], Strangers::Refused);
    let (whole, pieces, source) = payload(folder.path(), 64 << 20);
    phone.tell(NetCommand::Fetch(Box::new(order(&gateway, folder.path(), &pieces))));
    let (ticket, ..) = wanted(&mut gateway).await;
    gateway.tell(NetCommand::Lend { ticket, source: Ok(source.clone()) });
    let draft = folder.path().join("7.draft");
    wait_for_bytes(&draft).await;
    know(&gateway, &[], Strangers::Refused);
    know(&gateway, &[2], Strangers::Refused);
    let (ticket, ..) = wanted(&mut gateway).await;
    let Source::File { path, .. } = &source else { panic!("a file") };
    let spoilt = std::fs::File::options().write(true).open(path).expect("opened");
    std::os::unix::fs::FileExt::write_all_at(&spoilt, &[0; 4096], 0).expect("spoilt");
    gateway.tell(NetCommand::Lend { ticket, source: Ok(source) });
    assert_eq!(fetched(&mut phone).await, Ok(()));
    let got = std::fs::read(folder.path().join("model.bin")).expect("fetched");
    assert!(got == whole, "{} of {} bytes, or others", got.len(), whole.len());
}

/// Waits until the first piece of a draft was written.
async fn wait_for_bytes(draft: &Path) {
    let deadline = Instant::now() + DEADLINE;
    while std::fs::metadata(draft).map_or(0, |about| about.len()) < 1 << 20 {
        assert!(Instant::now() < deadline, "nothing arrived");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Goal: whatever is wrong with a payload is told by name and nothing is left: a refusal, bytes
/// that are not what the hash names, a file that ends early or goes on, a list of another payload,
/// a folder that is none, a peer that is not there.
#[tokio::test]
async fn a_payload_that_is_not_what_was_named_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut gateway, mut phone) = leaf().await;
    let spoil = |change: fn(&mut Vec<u8>)| {
        move |source: Source| {
            let Source::File { path, .. } = &source else { return Ok(source) };
            let mut bytes = std::fs::read(path).expect("read");
            change(&mut bytes);
            std::fs::write(path, bytes).expect("written");
            Ok(source)
        }
    };
    type Spoil = Box<dyn Fn(Source) -> Result<Source, String>>;
    let cases: [(&str, Spoil); 5] = [
        ("the peer refuses: not for you", Box::new(|_| Err("not for you".to_owned()))),
        ("piece 1 from", Box::new(spoil(|bytes| bytes[1 << 20] ^= 1))),
        ("were named: another length", Box::new(spoil(|bytes| bytes.truncate(10)))),
        ("were named: another length", Box::new(spoil(|bytes| bytes.push(0)))),
        (
            "not what the hash names",
            Box::new(|source| {
                let Source::File { list, .. } = &source else { return Ok(source) };
                std::fs::write(list, [9; 96]).expect("written");
                Ok(source)
            }),
        ),
    ];
    for (said, spoil) in cases {
        let (_, pieces, source) = payload(folder.path(), (2 << 20) + 5);
        phone.tell(NetCommand::Fetch(Box::new(order(&gateway, folder.path(), &pieces))));
        let (ticket, ..) = wanted(&mut gateway).await;
        gateway.tell(NetCommand::Lend { ticket, source: spoil(source) });
        let why = fetched(&mut phone).await.expect_err(said);
        assert!(why.contains(said), "{why} instead of {said}");
        assert!(
            !folder.path().join("7.draft").exists() && !folder.path().join("model.bin").exists()
        );
    }
    let (_, pieces, _) = payload(folder.path(), 5);
    let nowhere =
        Fetch { draft: "/dev/full/7.draft".into(), ..order(&gateway, folder.path(), &pieces) };
    phone.tell(NetCommand::Fetch(Box::new(nowhere)));
    assert!(fetched(&mut phone).await.expect_err("no folder").contains("/dev/full/7.draft"));
    let away =
        Fetch { peer: key(9), addresses: Vec::new(), ..order(&gateway, folder.path(), &pieces) };
    phone.tell(NetCommand::Fetch(Box::new(away)));
    let why = fetched(&mut phone).await.expect_err("nobody");
    assert!(why.contains("no direct address") && why.contains("0 of 1 pieces"), "{why}");
}

/// Goal: a member that asks for much and reads nothing keeps no other waiting, and is let go in the
/// end. Method: one asks eight times on a bare connection and never reads; another fetches whole;
/// then every stream of the first that was served is ended within the time that one block may take,
/// its first byte with it where another stream's bytes had filled the connection.
#[tokio::test]
async fn who_reads_nothing_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut gateway, mut phone) = (direct_gateway().await, Node::start(2).await);
    know(&gateway, &[2, 3], Strangers::Refused);
    let (whole, pieces, source) = payload(folder.path(), 24 << 20);
    let config = raw_client((&[3; 32], &key(3)), gateway.key).expect("a config");
    let hog = quinn::Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bound");
    let socket = direct_socket(&gateway.address).expect("a direct address");
    let hog = hog.connect_with(config, socket, "belay").expect("dials").await.expect("linked");
    let wish = [&[0x20, 0][..], &pieces.root(), &[0; 4]].concat();
    let mut unread = Vec::new();
    for _ in 0..8 {
        let (mut send, recv) = hog.open_bi().await.expect("a stream");
        send.write_all(&wish).await.expect("asked");
        let (ticket, peer, _) = wanted(&mut gateway).await;
        assert_eq!(peer, key(3));
        gateway.tell(NetCommand::Lend { ticket, source: Ok(source.clone()) });
        unread.push((send, recv));
    }
    phone.tell(NetCommand::Fetch(Box::new(order(&gateway, folder.path(), &pieces))));
    let (ticket, peer, _) = wanted(&mut gateway).await;
    assert_eq!(peer, phone.key);
    gateway.tell(NetCommand::Lend { ticket, source: Ok(source) });
    assert_eq!(fetched(&mut phone).await, Ok(()));
    assert!(std::fs::read(folder.path().join("model.bin")).expect("fetched") == whole);
    let (mut ended, mut busy) = (0, 0);
    for (_, recv) in &mut unread {
        match timeout(LEND_BLOCK_MAX + DEADLINE, end_of(recv)).await.expect("in time") {
            End::Reset => ended += 1,
            End::Busy => busy += 1,
        }
    }
    assert_eq!((ended, busy), (LENDS_PER_DEVICE_MAX, 8 - LENDS_PER_DEVICE_MAX));
}

/// How a stream that nobody read ended.
enum End {
    Reset,
    Busy,
}

async fn end_of(recv: &mut RecvStream) -> End {
    let mut status = [0];
    match recv.read_exact(&mut status).await {
        Ok(()) if status == [BUSY] => End::Busy,
        Ok(()) => {
            assert_eq!(status, [COMES]);
            assert!(recv.received_reset().await.expect("no fault").is_some());
            End::Reset
        }
        Err(ReadExactError::ReadError(ReadError::Reset(_))) => End::Reset,
        Err(other) => panic!("{other}"),
    }
}

/// Goal: a device that an order cuts gets no payload, whoever says yes; what was being sent to it
/// stops. Method: cut before it asks.
#[tokio::test]
async fn a_cut_device_gets_no_payload() {
    let folder = tempfile::tempdir().expect("a folder");
    let (gateway, mut phone) = leaf().await;
    let cut = BTreeSet::from([phone.key]);
    let members = BTreeSet::new();
    let doorway = Doorway { members, cut, ..Doorway::default() };
    gateway.tell(NetCommand::Know { doorway });
    let (_, pieces, _) = payload(folder.path(), 5);
    phone.tell(NetCommand::Fetch(Box::new(order(&gateway, folder.path(), &pieces))));
    let why = fetched(&mut phone).await.expect_err("cut");
    assert!(why.contains("only members have payloads"), "{why}");
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
