//! Links that behave: lanes, priority, breaking and coming back.

use std::time::Instant;

use super::{
    super::frame::{read_body, read_head},
    *,
};
use crate::demo::relay::Relay;

/// Goal: every lane carries its empty and its longest frame both ways, in order. Method: two nets.
#[tokio::test]
async fn frames_cross_on_all_lanes_both_ways() {
    for by in By::ALL {
        frames_cross(linked_by(by).await).await;
    }
}

async fn frames_cross((mut a, mut b): (Node, Node)) {
    for lane in Lane::ALL {
        let longest = vec![0xab; lane.body_bytes_max()];
        for (kind, body) in [(0, Vec::new()), (7, longest)] {
            a.send(b.key, lane, kind, body.clone());
            assert_eq!(b.frame().await, (a.key, lane, kind, body.clone()));
            b.send(a.key, lane, kind, body.clone());
            assert_eq!(a.frame().await, (b.key, lane, kind, body));
        }
    }
    for number in 0..100 {
        a.send(b.key, Lane::Urgent, number, vec![number]);
    }
    for number in 0..100 {
        assert_eq!(b.frame().await, (a.key, Lane::Urgent, number, vec![number]));
    }
}

/// Goal: an urgent frame overtakes a bulk backlog. Method: 30 bulk frames of 64 KiB are under way
/// and two have arrived when the urgent one is queued; it must arrive with most of the backlog
/// behind it.
#[tokio::test]
async fn an_urgent_frame_overtakes_a_bulk_backlog() {
    for by in By::ALL {
        urgent_overtakes(linked_by(by).await).await;
    }
}

async fn urgent_overtakes((a, mut b): (Node, Node)) {
    for number in 0..30 {
        a.send(b.key, Lane::Bulk, number, vec![number; 64 * 1024]);
    }
    for number in 0..2 {
        assert_eq!(b.frame().await.2, number);
    }
    a.send(b.key, Lane::Urgent, 200, vec![1]);
    let mut bulk_before = 2;
    while b.frame().await.1 == Lane::Bulk {
        bulk_before += 1;
    }
    assert!(bulk_before < 20, "the urgent frame came after {bulk_before} of 30 bulk frames");
    for number in bulk_before..30 {
        let (_, lane, kind, body) = b.frame().await;
        assert_eq!((lane, kind, body.len()), (Lane::Bulk, number, 64 * 1024));
    }
}

/// Goal: bulk sent by a peer that is not admitted stays unread until it is, and urgent does not
/// wait.
#[tokio::test]
async fn bulk_is_read_only_after_admission() {
    for by in By::ALL {
        bulk_waits(Node::start_by(1, by).await, Node::start_by(2, by).await).await;
    }
}

async fn bulk_waits(mut a: Node, mut b: Node) {
    b.dial(a.key, &a.address);
    a.until(&NetEvent::LinkUp { peer: b.key }).await;
    b.until(&NetEvent::LinkUp { peer: a.key }).await;
    for number in 0..4 {
        b.send(a.key, Lane::Bulk, number, vec![0; 60 * 1024]);
    }
    for number in 0..5 {
        b.send(a.key, Lane::Urgent, number, vec![0; 1024]);
        assert_eq!(a.frame().await.1, Lane::Urgent);
    }
    a.tell(NetCommand::Admit { peer: b.key });
    for number in 0..4 {
        let (_, lane, kind, _) = a.frame().await;
        assert_eq!((lane, kind), (Lane::Bulk, number));
    }
}

/// Goal: a cut path shows as `LinkDown` on both sides once the idle timeout has passed, and the
/// link returns by itself after healing. Method: the relay is the only path. QUIC counts its idle
/// time anew from the first sign of life that it sends into the silence, so the keep-alive interval
/// adds to it.
#[tokio::test]
async fn a_cut_link_goes_down_and_comes_back() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    let (relay, listen) = Relay::start(socket_of(&a.address)).expect("a relay");
    b.dial(a.key, &quic(listen));
    let (up_a, up_b) = (NetEvent::LinkUp { peer: b.key }, NetEvent::LinkUp { peer: a.key });
    a.until(&up_a).await;
    b.until(&up_b).await;
    for _ in 0..2 {
        a.tell(NetCommand::Admit { peer: b.key });
        b.tell(NetCommand::Admit { peer: a.key });
        relay.cut();
        let cut = Instant::now();
        b.until(&NetEvent::LinkDown { peer: a.key }).await;
        a.until(&NetEvent::LinkDown { peer: b.key }).await;
        let longest = limits::IDLE_TIMEOUT + limits::KEEP_ALIVE + Duration::from_secs(5);
        assert!(cut.elapsed() < longest, "{:?}", cut.elapsed());
        assert_eq!(
            b.handle.send(NetCommand::Send {
                peer: a.key,
                lane: Lane::Urgent,
                kind: 1,
                body: Vec::new()
            }),
            Err(Unsent::NoLink(a.key))
        );
        relay.heal();
        a.until(&up_a).await;
        b.until(&up_b).await;
        b.send(a.key, Lane::Urgent, 1, vec![5]);
        assert_eq!(a.frame().await, (b.key, Lane::Urgent, 1, vec![5]));
    }
}

/// Goal: another device at an address is refused, and told by its key and address.
#[tokio::test]
async fn the_wrong_device_at_an_address_is_refused() {
    let (a, mut b) = (Node::start(1).await, Node::start(2).await);
    b.dial(key(3), &a.address);
    let event = b.event().await;
    let NetEvent::DialFailed { peer, why } = event else {
        panic!("expected DialFailed, got {event:?}");
    };
    assert_eq!(peer, key(3));
    let address = a.address.to_string();
    assert!(why.contains(&super::super::key::hex(&a.key)) && why.contains(&address), "{why}");
}

/// Goal: nobody at an address is told once in words, and a peer that appears later is linked by
/// redial.
#[tokio::test]
async fn a_silent_address_is_told_once_and_redialled() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let listen = quic(free.local_addr().expect("bound"));
    let mut b = Node::start(2).await;
    b.dial(key(1), &listen);
    let event = b.event().await;
    let NetEvent::DialFailed { peer, why } = event else {
        panic!("expected DialFailed, got {event:?}");
    };
    assert!(peer == key(1) && why.contains(&listen.to_string()), "{why}");
    drop(free);
    let config =
        NetConfig { secret: Zeroizing::new([1; 32]), listen: vec![listen], peers: Vec::new() };
    let (_handle, _events) = Net::start(config).await.expect("starts");
    assert_eq!(b.event().await, NetEvent::LinkUp { peer: key(1) });
}

/// Goal: both sides dialling gives one link: one `LinkUp` each, frames in order, no `LinkDown`.
#[tokio::test]
async fn dialling_each_other_gives_one_link() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    a.dial(b.key, &b.address);
    b.dial(a.key, &a.address);
    assert_eq!(a.event().await, NetEvent::LinkUp { peer: b.key });
    assert_eq!(b.event().await, NetEvent::LinkUp { peer: a.key });
    for number in 0..50 {
        a.send(b.key, Lane::Urgent, number, vec![number]);
        b.send(a.key, Lane::Urgent, number, vec![number]);
    }
    for number in 0..50 {
        assert_eq!(a.frame().await, (b.key, Lane::Urgent, number, vec![number]));
        assert_eq!(b.frame().await, (a.key, Lane::Urgent, number, vec![number]));
    }
}

/// Goal: a stream that the peer throws away is opened again and carries the next frame.
#[tokio::test]
async fn a_stream_that_the_peer_resets_is_reopened() {
    let (mut node, mut rogue) = (Node::start(1).await, Rogue::start(9));
    rogue.connect(&node).await;
    node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
    for _ in 0..3 {
        drop(rogue.opened(Lane::Urgent).await);
    }
    let (_, mut stream) = rogue.opened(Lane::Urgent).await;
    node.send(rogue.key, Lane::Urgent, 3, vec![8]);
    let head = read_head(&mut stream).await.expect("a head");
    let body = read_body(&mut stream, head).await.expect("a body");
    assert_eq!((head.kind, body), (3, vec![8]));
}

/// Goal: a newer connection of a peer replaces the older at once, and the link stays one link.
/// Method: the rogue dials again and again and closes nothing; each time its older connection is
/// closed, and the next frame comes on the newest.
#[tokio::test]
async fn a_newer_connection_replaces_the_older_at_once() {
    let (mut node, mut rogue) = (Node::start(1).await, Rogue::start(9));
    rogue.connect(&node).await;
    node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
    rogue.opened(Lane::Urgent).await;
    for kind in 0..4 {
        rogue.dial(&node);
        let mut closed = false;
        let (newest, mut stream) = loop {
            match rogue.news().await {
                News::Lane(connection, LaneNews::Opened(Lane::Urgent, stream)) => {
                    break (connection, stream);
                }
                News::Lane(..) => {}
                News::Closed => closed = true,
            }
        };
        while !closed {
            closed = matches!(rogue.news().await, News::Closed);
        }
        node.send(rogue.key, Lane::Urgent, kind, vec![8]);
        let head = read_head(&mut stream).await.expect("a head");
        assert_eq!(head.kind, kind);
        assert_eq!(read_body(&mut stream, head).await.expect("a body"), vec![8]);
        if kind == 3 {
            rogue.asks.send(Ask::Close(newest)).expect("running");
        }
    }
    assert_eq!(node.event().await, NetEvent::LinkDown { peer: rogue.key });
}

/// Goal: a peer that was told something and answers nothing is dropped after 3 s, long before QUIC
/// calls it dead, and dialled again at once. Method: the relay is cut, one frame is sent; then the
/// path heals. The peer never says anything, so the silence may count from the first word to it.
#[tokio::test]
async fn a_silent_peer_is_dropped_and_redialled() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    let (relay, listen) = Relay::start(socket_of(&a.address)).expect("a relay");
    let asked = Instant::now();
    b.dial(a.key, &quic(listen));
    a.until(&NetEvent::LinkUp { peer: b.key }).await;
    b.until(&NetEvent::LinkUp { peer: a.key }).await;
    b.send(a.key, Lane::Urgent, 1, vec![1]);
    assert_eq!(a.frame().await.2, 1);
    relay.cut();
    b.send(a.key, Lane::Urgent, 2, vec![2]);
    b.until(&NetEvent::LinkDown { peer: a.key }).await;
    let took = asked.elapsed();
    assert!(took >= limits::SILENCE_MAX && took < limits::IDLE_TIMEOUT, "{took:?}");
    relay.heal();
    b.until(&NetEvent::LinkUp { peer: a.key }).await;
    b.send(a.key, Lane::Urgent, 3, vec![3]);
    let last = NetEvent::Frame { peer: b.key, lane: Lane::Urgent, kind: 3, body: vec![3] };
    a.until(&last).await;
}

/// Goal: a peer whose process died without a word and was started anew at the same address is
/// linked again before QUIC's idle time, by whoever has something to say to it. Method: the first
/// process is a runtime of its own that is thrown away.
#[tokio::test]
async fn a_peer_that_was_started_anew_is_linked_again() {
    let mut b = Node::start(2).await;
    let (alive, die) = (oneshot::channel(), oneshot::channel::<()>());
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let node = runtime.block_on(async {
            let node = Node::start(1).await;
            alive.0.send((node.key, node.address.clone())).expect("waited for");
            // Whoever drops its sender wants the same.
            let _ = die.1.await;
            node
        });
        // Nothing of it runs any more, so it says no goodbye.
        drop(runtime);
        drop(node);
    });
    let (key, address) = alive.1.await.expect("starts");
    b.dial(key, &address);
    b.until(&NetEvent::LinkUp { peer: key }).await;
    die.0.send(()).expect("it lives");
    process.join().expect("thrown away");
    let config =
        NetConfig { secret: Zeroizing::new([1; 32]), listen: vec![address], peers: Vec::new() };
    let (_handle, _events) = Net::start(config).await.expect("starts again");
    let asked = Instant::now();
    b.send(key, Lane::Urgent, 1, vec![1]);
    b.until(&NetEvent::LinkDown { peer: key }).await;
    b.until(&NetEvent::LinkUp { peer: key }).await;
    assert!(asked.elapsed() < limits::IDLE_TIMEOUT, "{:?}", asked.elapsed());
}

/// Goal: a peer that answers at two addresses at once is linked once, and loses no frame to the
/// choice between them. Method: two relays before one peer; neither side hears of a link that ends.
#[tokio::test]
async fn a_peer_with_two_addresses_is_linked_once() {
    let (mut a, mut b) = (Node::start(1).await, Node::start(2).await);
    let relays = [(); 2].map(|()| Relay::start(socket_of(&a.address)).expect("a relay"));
    let addresses = relays.iter().map(|(_, listen)| quic(*listen)).collect();
    b.tell(NetCommand::Dial { peer: a.key, addresses });
    assert_eq!(b.event().await, NetEvent::LinkUp { peer: a.key });
    b.send(a.key, Lane::Urgent, 1, vec![1]);
    assert_eq!(a.event().await, NetEvent::LinkUp { peer: b.key });
    let frame = NetEvent::Frame { peer: b.key, lane: Lane::Urgent, kind: 1, body: vec![1] };
    assert_eq!(a.event().await, frame);
    let quiet = timeout(limits::QUIET_BEFORE_ASKING, b.event()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// Goal: a peer that lives and has nothing to say is never dropped. Method: frames to a rogue that
/// says nothing, for longer than silence may last.
#[tokio::test]
async fn a_living_peer_that_says_nothing_is_kept() {
    let (mut node, mut rogue) = (Node::start(1).await, Rogue::start(9));
    rogue.connect(&node).await;
    node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
    node.tell(NetCommand::Admit { peer: rogue.key });
    for kind in 0..3 {
        node.send(rogue.key, Lane::Urgent, kind, vec![1]);
        let quiet = timeout(limits::SILENCE_MAX / 2, node.events.recv()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    }
}

/// Goal: a peer that comes again while its lost connection is being asked for a sign of life keeps
/// its link. Method: a rogue that says nothing loses its path, is told something, and dials again
/// in the middle of the question; the link outlives the time that the silence may last.
#[tokio::test]
async fn a_peer_that_comes_again_while_it_is_asked_keeps_its_link() {
    let (mut node, mut rogue) = (Node::start(1).await, Rogue::start(9));
    let (relay, listen) = Relay::start(socket_of(&node.address)).expect("a relay");
    rogue.dial_at(&node, quic(listen));
    rogue.ready().await;
    node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
    node.tell(NetCommand::Admit { peer: rogue.key });
    rogue.opened(Lane::Urgent).await;
    relay.cut();
    node.send(rogue.key, Lane::Urgent, 1, vec![1]);
    let asked = limits::QUIET_BEFORE_ASKING + limits::QUIET_BEFORE_ASKING / 2;
    let quiet = timeout(asked, node.events.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    rogue.connect(&node).await;
    let quiet = timeout(limits::SILENCE_MAX, node.events.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// Goal: a hangup delivers what is queued on urgent (the `bye`), then closes, although bulk is
/// stuck.
#[tokio::test]
async fn a_hangup_delivers_the_last_urgent_frames() {
    for by in By::ALL {
        hangup_delivers(Node::start_by(1, by).await, Node::start_by(2, by).await).await;
    }
}

async fn hangup_delivers(mut a: Node, mut b: Node) {
    b.dial(a.key, &a.address);
    a.until(&NetEvent::LinkUp { peer: b.key }).await;
    b.until(&NetEvent::LinkUp { peer: a.key }).await;
    for number in 0..10 {
        a.send(b.key, Lane::Bulk, number, vec![0; 64 * 1024]);
    }
    a.send(b.key, Lane::Urgent, 1, b"bye".to_vec());
    a.tell(NetCommand::Hangup { peer: b.key });
    assert_eq!(
        b.event().await,
        NetEvent::Frame { peer: a.key, lane: Lane::Urgent, kind: 1, body: b"bye".to_vec() }
    );
    assert_eq!(b.event().await, NetEvent::LinkDown { peer: a.key });
    let before = a.until(&NetEvent::LinkDown { peer: b.key }).await;
    let told = |event: &NetEvent| match event {
        NetEvent::Overflow { lane: Lane::Bulk, dropped, .. } => *dropped > 0,
        _ => false,
    };
    assert!(before.iter().any(told), "the stuck bulk is counted: {before:?}");
}

/// Goal: a shutdown tells the peers at once and frees the port. Method: the peer's `LinkDown` must
/// come well before its idle timeout.
#[tokio::test]
async fn a_shutdown_closes_links_and_frees_the_port() {
    let (mut a, b) = linked().await;
    b.send(a.key, Lane::Urgent, 1, b"bye".to_vec());
    let (listen, start) = (socket_of(&b.address), Instant::now());
    b.handle.shutdown().await;
    assert_eq!(a.frame().await.3, b"bye");
    assert_eq!(a.event().await, NetEvent::LinkDown { peer: b.key });
    assert!(start.elapsed() < limits::IDLE_TIMEOUT / 2, "{:?}", start.elapsed());
    let free = async {
        while std::net::UdpSocket::bind(listen).is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, free).await.expect("the port is free again");
}

/// Goal: what cannot start says where and why. Method: an address of plain UDP, a port in use, a
/// peer without address.
#[tokio::test]
async fn a_bad_configuration_is_refused() {
    let start = |listen: Multiaddr, peers| {
        let secret = Zeroizing::new([4; 32]);
        Net::start(NetConfig { secret, listen: vec![listen], peers })
    };
    let udp: Multiaddr = "/ip4/127.0.0.1/udp/0".parse().expect("an address");
    let error = start(udp.clone(), Vec::new()).await.expect_err("neither QUIC nor TCP");
    assert!(matches!(error, NetError::Listen { address, .. } if address == udp));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let taken: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("an address");
    let error = start(taken.clone(), Vec::new()).await.expect_err("in use");
    assert!(matches!(error, NetError::Listen { address, .. } if address == taken));
    let other = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let taken = quic(other.local_addr().expect("bound"));
    let error = start(taken.clone(), Vec::new()).await.expect_err("in use");
    assert!(matches!(error, NetError::Listen { address, .. } if address == taken));
    let free: Multiaddr = "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address");
    let error = start(free, vec![(key(1), Vec::new())]).await.expect_err("no address");
    assert!(matches!(error, NetError::Peer { peer, .. } if peer == key(1)));
}
