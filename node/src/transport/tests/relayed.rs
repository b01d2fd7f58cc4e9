//! Links over a relay: a device that nobody can dial is reached over a member that can be.

use std::collections::BTreeSet;

use super::{
    super::{
        circuit::{over, place_at},
        direct::{Circuits, Doorway},
    },
    *,
};

/// A net that nobody can dial: it listens nowhere.
async fn undialled(seed: u8) -> Node {
    let secret = Zeroizing::new([seed; 32]);
    let config = NetConfig { secret, listen: Vec::new(), peers: Vec::new() };
    let (handle, events) = Net::start(config).await.expect("starts");
    Node { key: key(seed), address: Multiaddr::empty(), handle, events }
}

/// A relay for these members.
async fn relay(seed: u8, by: By, members: &[u8]) -> Node {
    let relay = Node::start_by(seed, by).await;
    let members: BTreeSet<_> = members.iter().map(|seed| key(*seed)).collect();
    let doorway = Doorway { members, circuits: Circuits::Given, ..Doorway::default() };
    relay.tell(NetCommand::Know { doorway });
    relay
}

/// Links a net with a relay that it dials, both admitted.
async fn attach(node: &mut Node, relay: &mut Node) {
    node.dial(relay.key, &relay.address);
    node.until(&NetEvent::LinkUp { peer: relay.key }).await;
    relay.until(&NetEvent::LinkUp { peer: node.key }).await;
    relay.tell(NetCommand::Admit { peer: node.key });
    node.tell(NetCommand::Admit { peer: relay.key });
}

/// Gets a place at a relay that is linked.
async fn settle(node: &mut Node, relay: &Node) {
    node.tell(NetCommand::Reserve { relays: vec![relay.key] });
    let address = place_at(&relay.key).expect("a key");
    node.until(&NetEvent::Listening { address }).await;
}

/// Dials a net where it has a place.
fn dial_over(node: &Node, relay: &Node, peer: DeviceKey) {
    let addresses = over(&relay.key, std::slice::from_ref(&relay.address));
    node.tell(NetCommand::Dial { peer, addresses });
}

fn used(node: &Node, what: &str) -> usize {
    let used = node.handle.used();
    used.iter().find(|bound| bound.what == what).expect("a bound of that name").used
}

/// Goal: two devices that nobody can dial are linked over a member that both dial, a frame of every
/// lane crosses both ways, and each knows over whom. Method: neither listens anywhere; by QUIC and
/// by TCP to the relay.
#[tokio::test]
async fn two_that_nobody_can_dial_are_linked_over_a_third() {
    for by in By::ALL {
        let mut relay = relay(1, by, &[2, 3]).await;
        let (mut a, mut c) = (undialled(2).await, undialled(3).await);
        attach(&mut a, &mut relay).await;
        attach(&mut c, &mut relay).await;
        settle(&mut c, &relay).await;
        dial_over(&a, &relay, c.key);
        a.until(&NetEvent::LinkUp { peer: c.key }).await;
        c.until(&NetEvent::LinkUp { peer: a.key }).await;
        a.tell(NetCommand::Admit { peer: c.key });
        c.tell(NetCommand::Admit { peer: a.key });
        for (lane, kind) in Lane::ALL.into_iter().zip(1..) {
            a.send(c.key, lane, kind, vec![kind; 500]);
            let body = vec![kind; 500];
            c.until(&NetEvent::Frame { peer: a.key, lane, kind, body: body.clone() }).await;
            c.send(a.key, lane, kind, body.clone());
            a.until(&NetEvent::Frame { peer: c.key, lane, kind, body }).await;
        }
        let way = |node: &Node, peer| node.handle.ways().get(&peer).copied().expect("a link");
        for (node, peer) in [(&a, c.key), (&c, a.key)] {
            let way = way(node, peer);
            assert_eq!((way.carrier, way.via), (Carrier::Relay, Some(relay.key)), "{by:?}");
        }
        assert_ne!(way(&a, relay.key).carrier, Carrier::Relay);
        assert_eq!(used(&relay, "circuits relayed"), 1);
        assert_eq!(used(&relay, "places kept for members"), 1);
    }
}

/// Goal: whoever is no member gets no circuit and no place. Method: a stranger dials a member over
/// the relay, and asks for a place of its own; a member beside it gets both.
#[tokio::test]
async fn a_stranger_gets_no_circuit_and_no_place() {
    let mut relay = relay(1, By::Quic, &[2, 3]).await;
    let (mut a, mut c, mut stranger) = (undialled(2).await, undialled(3).await, undialled(9).await);
    for node in [&mut a, &mut c, &mut stranger] {
        attach(node, &mut relay).await;
    }
    settle(&mut c, &relay).await;
    stranger.tell(NetCommand::Reserve { relays: vec![relay.key] });
    dial_over(&stranger, &relay, c.key);
    loop {
        match stranger.event().await {
            NetEvent::DialFailed { peer, why } => {
                assert_eq!(peer, c.key);
                assert!(why.contains("resource limit"), "{why}");
                break;
            }
            NetEvent::LinkUp { peer } => panic!("linked with {peer:?}"),
            NetEvent::Listening { address } => panic!("has a place at {address}"),
            _ => {}
        }
    }
    dial_over(&a, &relay, c.key);
    let before = c.until(&NetEvent::LinkUp { peer: a.key }).await;
    assert!(!before.contains(&NetEvent::LinkUp { peer: stranger.key }), "{before:?}");
    assert_eq!(used(&relay, "places kept for members"), 1);
    assert!(!stranger.handle.ways().contains_key(&c.key));
}

/// Goal: when a relay dies its place is told as lost, and the link is made anew over another.
/// Method: one place at each of two relays; the one that carries the link ends.
#[tokio::test]
async fn a_link_survives_the_death_of_its_relay() {
    let mut first = relay(1, By::Quic, &[2, 3]).await;
    let mut second = relay(4, By::Quic, &[2, 3]).await;
    let (mut a, mut c) = (undialled(2).await, undialled(3).await);
    for node in [&mut a, &mut c] {
        attach(node, &mut first).await;
        attach(node, &mut second).await;
    }
    c.tell(NetCommand::Reserve { relays: vec![first.key, second.key] });
    for _ in 0..2 {
        let told = c.event().await;
        assert!(matches!(told, NetEvent::Listening { .. }), "{told:?}");
    }
    let addresses =
        [&first, &second].map(|relay| over(&relay.key, std::slice::from_ref(&relay.address)));
    a.tell(NetCommand::Dial { peer: c.key, addresses: addresses.concat() });
    a.until(&NetEvent::LinkUp { peer: c.key }).await;
    assert_eq!(a.handle.ways()[&c.key].via, Some(first.key));
    let lost = place_at(&first.key).expect("a key");
    first.handle.shutdown().await;
    c.until(&NetEvent::NotListening { address: lost }).await;
    a.until(&NetEvent::LinkDown { peer: c.key }).await;
    a.until(&NetEvent::LinkUp { peer: c.key }).await;
    assert_eq!(a.handle.ways()[&c.key].via, Some(second.key));
}

/// Goal: two devices linked over a relay find the path between them, the link moves to it without
/// going down, and the circuit ends. Method: both listen on loopback, where nothing is in the way;
/// the one is dialled over the relay only.
#[tokio::test]
async fn a_direct_path_replaces_the_relayed_one() {
    let mut relay = relay(1, By::Quic, &[2, 3]).await;
    let (mut a, mut c) = (Node::start(2).await, Node::start(3).await);
    for node in [&mut a, &mut c] {
        let members = BTreeSet::from([relay.key]);
        node.tell(NetCommand::Know { doorway: Doorway { members, ..Doorway::default() } });
        attach(node, &mut relay).await;
    }
    settle(&mut c, &relay).await;
    dial_over(&a, &relay, c.key);
    a.until(&NetEvent::LinkUp { peer: c.key }).await;
    let before = c.until(&NetEvent::Punched { peer: a.key, result: Ok(()) }).await;
    assert!(!before.contains(&NetEvent::LinkDown { peer: a.key }), "{before:?}");
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while used(&relay, "circuits relayed") > 0 || a.handle.ways()[&c.key].is_relayed() {
        assert!(tokio::time::Instant::now() < deadline, "the circuit goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    a.send(c.key, Lane::Urgent, 7, vec![1]);
    let frame = NetEvent::Frame { peer: a.key, lane: Lane::Urgent, kind: 7, body: vec![1] };
    let before = c.until(&frame).await;
    assert!(!before.contains(&NetEvent::LinkDown { peer: a.key }), "the link stood throughout");
}
