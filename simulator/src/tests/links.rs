//! Links: whom a device dials by itself, and how a revoked device's links end.

use super::lab::Lab;
use belay_identity::PublicKey;
use belay_identity::body::{Body, Hold, Reason, Revoke, Subject, Term};
use belay_mesh::Input;
use belay_mesh::limits::{
    NEIGHBOUR_ANCHORS, NEIGHBOUR_BEACONS, NEIGHBOUR_OTHERS, PRESENCE_EVERY_MS, WIND_DOWN_MS,
};
use belay_mesh::wire::FrameKind;
use std::collections::BTreeSet;

/// Gives every device an order by the operator, and lets it settle.
fn order(lab: &mut Lab, body: Body) {
    let said = lab.ordered(body);
    lab.hand(1, 0, &[said]);
    lab.settle();
}

fn against(lab: &Lab, node: usize) -> (Subject, belay_identity::principal::DeviceId, Reason) {
    let device = lab.fleet.devices[node].id.clone();
    let subject = Subject::new(vec![Term::Device(device)]).unwrap();
    (subject, lab.fleet.devices[0].id.clone(), Reason("lost".into()))
}

/// Goal: a device that is held for a time is a member again when that time is over, without a
/// lift. Method: a hold of a minute; work is offered within it and after it.
#[test]
fn a_device_held_for_a_time_is_a_member_again_afterwards() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&["camera"]), Some(&[])]);
    let (subject, home, reason) = against(&lab, 2);
    let until_ms = Some(crate::clock::WALL_AT_START_MS + lab.now_ms + 60_000);
    order(&mut lab, Hold { subject, home, reason, until_ms, pause: None }.into());
    let within = lab.offload(0, None, &["camera"]);
    lab.run(10_000);
    assert!(lab.offloaded(within).is_err());
    lab.run(60_000);
    let after = lab.offload(0, None, &["camera"]);
    lab.settle();
    assert!(lab.offloaded(after).is_ok(), "{:?}", lab.offloaded(after));
}

/// Goal: the link of a revoked device takes no work from the moment of the order, and is closed
/// after its wind-down with a word that says why; the others stay. Method: a revoke, then virtual
/// time on both sides of the end.
#[test]
fn a_revoked_devices_links_wind_down() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&["camera"]), Some(&[])]);
    let (subject, home, reason) = against(&lab, 2);
    order(&mut lab, Revoke { subject, home, reason }.into());
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    assert!(lab.offloaded(ask).is_err());
    assert_eq!(lab.frames(0, 2, FrameKind::Offer), 0);
    lab.run(WIND_DOWN_MS - 1_000);
    assert!(lab.devices[0].closed.is_empty(), "orders in, receipts out");
    let byes = lab.frames(0, 2, FrameKind::Bye);
    lab.run(2_000);
    assert_eq!(lab.devices[0].closed, [lab.fleet.devices[2].key]);
    assert_eq!(lab.frames(0, 2, FrameKind::Bye), byes + 1, "it is told why, once");
}

/// Goal: a device that is only held keeps its links: it may come back.
#[test]
fn a_held_devices_links_stay() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[]), Some(&[])]);
    let (subject, home, reason) = against(&lab, 2);
    order(&mut lab, Hold { subject, home, reason, until_ms: None, pause: None }.into());
    lab.run(2 * WIND_DOWN_MS);
    assert!(lab.devices[0].closed.is_empty());
}

fn address(node: usize) -> String {
    format!("/ip4/10.0.0.{node}/udp/7411/quic-v1")
}

/// Devices that have all said where they listen: on the network, on loopback and at a direct door.
fn told(count: usize) -> Lab {
    let mut lab = Lab::new(&vec![Some(&[] as &[&str]); count]);
    for node in 0..count {
        let direct = format!("/ip4/10.0.0.{node}/udp/7412/quic-v1/tls");
        let addresses = vec![address(node), "/ip4/127.0.0.1/tcp/7411".into(), direct];
        lab.give(node, Input::Present { load: 0, addresses });
    }
    lab.run(2 * PRESENCE_EVERY_MS);
    lab
}

fn choose(lab: &mut Lab, node: usize) {
    choose_over(lab, node, &[]);
}

/// Lets a device choose, which is linked with these after dialling them.
fn choose_over(lab: &mut Lab, node: usize, dialled: &[usize]) {
    let dialled = dialled.iter().map(|node| lab.fleet.devices[*node].key).collect();
    lab.give(node, Input::ChooseNeighbours { own: vec![address(node)], dialled });
}

/// Goal: a device keeps a place at two members that it dialled, keeps those while their links
/// stand, takes another for one that is gone or held, and none at a device that only relays reach;
/// a device that only its machine reaches keeps none; two with a place at one relay dial each other
/// over it. Method: six devices that have said where they
/// listen; one of them says places alone.
#[test]
fn places_are_kept_at_two_that_were_dialled() {
    let mut lab = told(6);
    let key = |lab: &Lab, node: usize| lab.fleet.devices[node].key;
    let place = "/p2p/12D3KooWGjqLw5zmGGmUWy41xmoqk6SJfLWwmQ2UEJTc2mTwQ6aJ/p2p-circuit".to_owned();
    lab.give(4, Input::Present { load: 0, addresses: vec![place.clone()] });
    lab.run(2 * PRESENCE_EVERY_MS);
    let own = vec![address(5), place.clone()];
    lab.give(5, Input::ChooseNeighbours { own, dialled: [].into() });
    let dialled = &lab.devices[5].dials[&key(&lab, 4)];
    assert_eq!(*dialled, [place], "two with a place at one relay dial each other there");
    choose_over(&mut lab, 5, &[4]);
    assert_eq!(lab.devices[5].relays, [], "nobody is led over two relays");
    choose_over(&mut lab, 5, &[1, 2, 3, 4]);
    let first = lab.devices[5].relays.clone();
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(!first.contains(&key(&lab, 4)) && !first.contains(&key(&lab, 0)), "{first:?}");
    choose_over(&mut lab, 5, &[0, 1, 2, 3, 4]);
    assert_eq!(lab.devices[5].relays, first, "a beacon that is linked later moves nobody");
    let gone = (1..4).find(|node| key(&lab, *node) == first[0]).expect("one of them");
    let left: Vec<usize> = (1..4).filter(|node| *node != gone).collect();
    choose_over(&mut lab, 5, &left);
    let second = lab.devices[5].relays.clone();
    assert!(second.len() == 2 && second[0] == first[1] && !second.contains(&first[0]));
    let held = (1..4).find(|node| key(&lab, *node) == second[0]).expect("one of them");
    let (subject, home, reason) = against(&lab, held);
    order(&mut lab, Hold { subject, home, reason, until_ms: None, pause: None }.into());
    lab.run(PRESENCE_EVERY_MS);
    choose_over(&mut lab, 5, &left);
    assert!(!lab.devices[5].relays.contains(&second[0]));
    let own = vec!["/ip4/127.0.0.1/tcp/7411".to_owned()];
    let dialled = left.iter().map(|node| key(&lab, *node)).collect();
    lab.give(5, Input::ChooseNeighbours { own, dialled });
    assert_eq!(lab.devices[5].relays, []);
}

/// Goal: a device dials a bounded few: the beacon first, never itself, never a loopback address of
/// another machine or a door for leaves; asked again it changes nothing; and it dials a held device
/// no longer. Method: eleven devices; then a hold on one that was chosen.
#[test]
fn a_few_neighbours_are_dialled() {
    let mut lab = told(11);
    choose(&mut lab, 5);
    let dials = lab.devices[5].dials.clone();
    assert!(dials.contains_key(&lab.fleet.devices[0].key), "the beacon is dialled");
    let most = NEIGHBOUR_BEACONS + NEIGHBOUR_ANCHORS + NEIGHBOUR_OTHERS;
    assert!((1 + NEIGHBOUR_OTHERS..=most).contains(&dials.len()), "{dials:?}");
    for (key, addresses) in &dials {
        let node = lab.fleet.devices.iter().position(|device| device.key == *key).unwrap();
        assert_eq!(*addresses, [address(node)]);
        assert_ne!(node, 5);
    }
    let engine = &mut lab.devices[5].engine;
    assert!(engine.poll().is_none());
    choose(&mut lab, 5);
    assert_eq!(lab.devices[5].dials, dials);
    let held = lab.fleet.devices.iter().skip(1).position(|device| dials.contains_key(&device.key));
    let held = held.unwrap() + 1;
    let (subject, home, reason) = against(&lab, held);
    order(&mut lab, Hold { subject, home, reason, until_ms: None, pause: None }.into());
    choose(&mut lab, 5);
    let now = &lab.devices[5].dials;
    assert!(!now.contains_key(&lab.fleet.devices[held].key) && now.len() == dials.len(), "{now:?}");
}

/// Goal: the links that devices choose by themselves hold together without the one that invited
/// them all. Method: fifteen devices choose; the first is taken away; whoever is reached from one
/// of the others by what was chosen.
#[test]
fn what_is_chosen_holds_together_without_the_inviter() {
    let mut lab = told(15);
    (0..15).for_each(|node| choose(&mut lab, node));
    let keys: Vec<PublicKey> = lab.fleet.devices.iter().map(|device| device.key).collect();
    let linked = |a: usize, b: usize| {
        let dials = |a: usize, b: usize| lab.devices[a].dials.contains_key(&keys[b]);
        dials(a, b) || dials(b, a)
    };
    let mut reached = BTreeSet::from([1]);
    loop {
        let next = (1..15).find(|b| !reached.contains(b) && reached.iter().any(|a| linked(*a, *b)));
        match next {
            Some(node) => reached.insert(node),
            None => break,
        };
    }
    assert_eq!(reached.len(), 14, "{reached:?}");
}
