//! Each bound, one over, by a rogue that keeps none.

use std::collections::BTreeSet;

use libp2p::futures::AsyncWriteExt as _;

use super::{
    super::{direct::Doorway, frame::encode},
    *,
};

fn urgent(bytes: usize) -> Vec<u8> {
    encode(Lane::Urgent, 0, &vec![0; bytes]).expect("within the frame bound")
}

/// A node in whose lobby a rogue stands, with the rogue's connection.
async fn lobby() -> (Node, Rogue, Door) {
    lobby_by(By::Quic).await
}

async fn lobby_by(by: By) -> (Node, Rogue, Door) {
    let (mut node, mut rogue) = (Node::start_by(1, by).await, Rogue::start(9));
    let (_, door) = rogue.connect(&node).await;
    node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
    (node, rogue, door)
}

async fn refused(node: &mut Node, rogue: &Rogue, bound: Bound) -> Vec<NetEvent> {
    let refused = NetEvent::Refused { peer: Some(rogue.key), bound };
    let before = node.until(&refused).await;
    node.until(&NetEvent::LinkDown { peer: rogue.key }).await;
    before
}

/// Goal: 16 KiB are read in the lobby and not a frame more. Method: 17 KiB in four frames.
#[tokio::test]
async fn a_peer_that_is_not_admitted_gets_sixteen_kib() {
    for by in By::ALL {
        let (mut node, rogue, door) = lobby_by(by).await;
        let mut stream = open(&door, Lane::Urgent).await;
        let frame = urgent(17 * 1024 / 4);
        for _ in 0..4 {
            stream.write_all(&frame).await.expect("written");
        }
        stream.flush().await.expect("sent");
        let before = refused(&mut node, &rogue, Bound::LobbyBytes).await;
        assert_eq!(before.len(), 3, "three frames fit over {by:?}: {before:?}");
    }
}

/// Goal: an admission that comes while the lobby is full lets the peer go on. Method: as above, but
/// the owner admits at the third frame.
#[tokio::test]
async fn an_admission_in_time_saves_the_link() {
    let (mut node, rogue, door) = lobby().await;
    let mut stream = open(&door, Lane::Urgent).await;
    let frame = urgent(17 * 1024 / 4);
    for _ in 0..4 {
        stream.write_all(&frame).await.expect("written");
    }
    for _ in 0..3 {
        node.frame().await;
    }
    node.tell(NetCommand::Admit { peer: rogue.key });
    assert_eq!(node.frame().await.0, rogue.key);
}

/// Goal: the lobby ends after 10 s, and bulk was never read: the rogue could place no more than one
/// stream's window of it. Method: the rogue writes bulk until its link is gone.
#[tokio::test]
async fn the_lobby_ends_and_read_no_bulk() {
    tokio::join!(lobby_reads_no_bulk(By::Quic), lobby_reads_no_bulk(By::Tcp));
}

async fn lobby_reads_no_bulk(by: By) {
    let (mut node, rogue, door) = lobby_by(by).await;
    let mut stream = open(&door, Lane::Bulk).await;
    let writing = tokio::spawn(async move {
        let mut placed = 0;
        while let Ok(bytes) = stream.write(&[0; 1024]).await {
            placed += bytes;
        }
        placed
    });
    let before = refused(&mut node, &rogue, Bound::LobbyTime).await;
    assert_eq!(before, Vec::new());
    let placed = timeout(DEADLINE, writing).await.expect("ends").expect("no panic");
    let window = by.window_bytes();
    assert!(placed <= window && placed > window / 2, "{placed}");
}

/// Goal: eight strangers stand in the lobby at most, and the ninth takes the place of the one that
/// has stayed longest; a peer that we dial needs no seat, one that was admitted holds none. What is
/// used is told. Method: nine strangers, then one that is dialled, then a tenth.
#[tokio::test]
async fn the_ninth_stranger_takes_the_longest_held_seat() {
    let mut node = Node::start(1).await;
    let mut strangers = Vec::new();
    for seed in 10..18 {
        let mut rogue = Rogue::start(seed);
        rogue.connect(&node).await;
        assert_eq!(node.event().await, NetEvent::LinkUp { peer: rogue.key });
        strangers.push(rogue);
    }
    let used = |node: &Node| {
        let lobby = node.handle.used().into_iter().find(|used| used.what.contains("lobby"));
        lobby.map(|lobby| (lobby.used, lobby.limit))
    };
    let ninth = Rogue::start(18);
    ninth.dial(&node);
    let longest = strangers[0].key;
    let refused = NetEvent::Refused { peer: Some(longest), bound: Bound::LobbyPeers };
    assert_eq!(node.event().await, refused);
    node.until(&NetEvent::LinkUp { peer: ninth.key }).await;
    let known = Node::start(2).await;
    node.dial(known.key, &known.address);
    node.until(&NetEvent::LinkUp { peer: known.key }).await;
    assert_eq!(used(&node), Some((limits::LOBBY_PEERS_MAX, limits::LOBBY_PEERS_MAX)));
    node.tell(NetCommand::Admit { peer: strangers[1].key });
    let tenth = Rogue::start(19);
    tenth.dial(&node);
    let before = node.until(&NetEvent::LinkUp { peer: tenth.key }).await;
    assert!(!before.iter().any(|event| matches!(event, NetEvent::Refused { .. })), "{before:?}");
}

/// Goal: thirty devices that an order cuts hold eight seats at most, a member is linked beside them
/// although the lobby is full too, and links that stand when the order comes shrink to eight at
/// once. Method: thirty rogues, half of them linked before the order.
#[tokio::test]
async fn cut_devices_fill_no_seats_of_others() {
    let mut node = Node::start(1).await;
    let mut cut: Vec<Rogue> = (30..60).map(Rogue::start).collect();
    let member = Rogue::start(9);
    let keys = |rogues: &[Rogue]| rogues.iter().map(|rogue| rogue.key).collect();
    let doorway = |members, cut| Doorway { members, cut, ..Doorway::default() };
    node.tell(NetCommand::Know { doorway: doorway(keys(&cut), BTreeSet::new()) });
    for rogue in &mut cut[..15] {
        rogue.connect(&node).await;
        node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
        node.tell(NetCommand::Admit { peer: rogue.key });
    }
    node.tell(NetCommand::Know { doorway: doorway([member.key].into(), keys(&cut)) });
    for rogue in &cut[..7] {
        let bound = Bound::CutPeers;
        node.until(&NetEvent::Refused { peer: Some(rogue.key), bound }).await;
    }
    for rogue in &cut[15..] {
        rogue.dial(&node);
        node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
    }
    let _strangers: Vec<Rogue> =
        (60..70).map(Rogue::start).inspect(|rogue| rogue.dial(&node)).collect();
    member.dial(&node);
    node.until(&NetEvent::LinkUp { peer: member.key }).await;
    let used = node.handle.used();
    let cut_links = used.iter().find(|used| used.what.contains("cut")).expect("told");
    assert_eq!((cut_links.used, cut_links.limit), (limits::CUT_PEERS_MAX, limits::CUT_PEERS_MAX));
}

/// Goal: an urgent frame of 8 KiB and one byte closes the link by its length alone, in the lobby
/// too.
#[tokio::test]
async fn an_oversized_urgent_frame_is_refused_by_its_length() {
    for by in By::ALL {
        let (mut node, rogue, door) = lobby_by(by).await;
        let mut stream = open(&door, Lane::Urgent).await;
        let length = u32::try_from(limits::URGENT_BODY_BYTES_MAX + 1).expect("small");
        stream.write_all(&[&length.to_be_bytes()[..], &[2]].concat()).await.expect("written");
        assert_eq!(refused(&mut node, &rogue, Bound::UrgentFrame).await, Vec::new());
    }
}

/// Goal: the same for bulk and repair of an admitted peer, up to the largest length there is.
#[tokio::test]
async fn oversized_bulk_and_repair_frames_are_refused_by_their_length() {
    let over = u32::try_from(limits::BULK_BODY_BYTES_MAX + 1).expect("small");
    for (lane, length) in [(Lane::Bulk, over), (Lane::Repair, u32::MAX)] {
        let (mut node, rogue, door) = lobby().await;
        node.tell(NetCommand::Admit { peer: rogue.key });
        let mut stream = open(&door, lane).await;
        stream.write_all(&[&length.to_be_bytes()[..], &[2]].concat()).await.expect("written");
        assert_eq!(refused(&mut node, &rogue, Bound::BulkFrame).await, Vec::new());
    }
}

/// Goal: the ninth stream opened in the lobby closes the link. Method: each is thrown away at once.
#[tokio::test]
async fn the_ninth_stream_in_the_lobby_is_refused() {
    for by in By::ALL {
        let (mut node, rogue, door) = lobby_by(by).await;
        for _ in 0..limits::LOBBY_STREAMS_MAX {
            drop(open(&door, Lane::Urgent).await);
        }
        // The node may close the connection before this one is agreed on.
        let (answer, _opened) = oneshot::channel();
        door.send(Wish::Lane(Lane::Urgent, answer)).await.expect("the connection lives");
        assert_eq!(refused(&mut node, &rogue, Bound::LobbyStreams).await, Vec::new());
    }
}

/// Goal: a newer stream of a lane replaces the older, after what had arrived on the older. Method:
/// more frames on the first stream than the owner's queue holds, and half of one; it stays open.
/// Then a frame on a second stream, and only then does the owner look.
#[tokio::test]
async fn a_newer_stream_replaces_the_older_in_order() {
    let (mut node, _rogue, door) = lobby().await;
    let mut older = open(&door, Lane::Urgent).await;
    let one = encode(Lane::Urgent, 1, &[1; 9]).expect("short");
    let count = limits::FIRST_EVENTS_QUEUED + 44;
    older.write_all(&one.repeat(count)).await.expect("written");
    older.write_all(&one[..7]).await.expect("written");
    let mut newer = open(&door, Lane::Urgent).await;
    newer.write_all(&encode(Lane::Urgent, 2, &[2]).expect("short")).await.expect("written");
    for _ in 0..count {
        assert_eq!(node.frame().await.2, 1);
    }
    assert_eq!(node.frame().await.2, 2);
}

/// Goal: urgent frames beyond the queue are counted and told, never lost in silence; what was
/// queued first arrives. Method: 300 frames without giving the writer a chance to run.
#[tokio::test]
async fn a_full_urgent_queue_is_told() {
    let (mut a, mut b) = linked().await;
    for number in 0..300u16 {
        a.send(b.key, Lane::Urgent, 0, number.to_be_bytes().to_vec());
    }
    let dropped = 300 - u32::try_from(limits::URGENT_QUEUE_FRAMES).expect("small");
    let overflow = NetEvent::Overflow { peer: b.key, lane: Lane::Urgent, dropped };
    assert_eq!(a.event().await, overflow);
    for number in 0..256u16 {
        assert_eq!(b.frame().await.3, number.to_be_bytes());
    }
}

/// Goal: a body that no peer would accept is never queued.
#[tokio::test]
async fn too_long_a_body_is_the_callers_mistake() {
    let (a, b) = linked().await;
    for lane in Lane::ALL {
        let bytes = lane.body_bytes_max() + 1;
        let command = NetCommand::Send { peer: b.key, lane, kind: 0, body: vec![0; bytes] };
        assert_eq!(a.handle.send(command), Err(Unsent::TooLong { lane, bytes }));
    }
}
