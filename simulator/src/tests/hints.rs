//! Announcements on the local network: whose they are, whom they make a device dial, and what false
//! ones cost.

use super::lab::Lab;
use belay_crdt::Set;
use belay_crdt::authority::Authority;
use belay_crdt::registry::Registry;
use belay_identity::PublicKey;
use belay_identity::body::{Hold, Reason, Subject, Term};
use belay_mesh::hints::{Hint, Tag, whose};
use belay_mesh::limits::{HINT_KEPT_MS, HINTS_AT_ONCE_MAX, HINTS_PER_DEVICE_MAX, NEIGHBOUR_NEAR};
use belay_mesh::output::Answer;
use belay_mesh::status::Status;
use belay_mesh::{Input, Request};
use std::collections::BTreeSet;

/// Where a device is heard on the local network.
fn on_link(node: usize) -> String {
    format!("/ip4/192.168.1.{node}/udp/7411/quic-v1")
}

fn tag(lab: &Lab, node: usize) -> Tag {
    lab.devices[node].engine.announced_as().expect("a gateway is announced")
}

fn key(lab: &Lab, node: usize) -> PublicKey {
    lab.fleet.devices[node].key
}

fn hear(lab: &mut Lab, node: usize, hints: Vec<Hint>) {
    lab.give(node, Input::Hinted { hints });
    let own = vec![on_link(node)];
    lab.give(node, Input::ChooseNeighbours { own, dialled: BTreeSet::new() });
}

fn status(lab: &mut Lab, node: usize) -> Status {
    let ask = lab.request(node, Request::Status);
    let answer = lab.answers.remove(&ask).expect("answered").expect("a status");
    let Answer::Status(status) = *answer else { panic!("another answer") };
    status
}

fn devices(count: usize) -> Lab {
    Lab::new(&vec![Some(&[] as &[&str]); count])
}

/// Goal: whoever is heard is dialled there although he said no address, near ones two at most, and
/// not for ever; his name is shown to nobody who does not know it. Method: five devices that have
/// said no address, four of them heard by the fifth, and its own name among them.
#[test]
fn whoever_is_heard_is_dialled() {
    let mut lab = devices(5);
    let hints: Vec<Hint> =
        (0..5).map(|node| Hint { tag: tag(&lab, node), address: on_link(node) }).collect();
    hear(&mut lab, 4, Vec::new());
    assert!(lab.devices[4].dials.is_empty(), "nobody has said where he is");
    hear(&mut lab, 4, hints);
    let dials = lab.devices[4].dials.clone();
    assert!(!dials.contains_key(&key(&lab, 4)), "never itself");
    assert!(dials.contains_key(&key(&lab, 0)) && dials.len() > NEIGHBOUR_NEAR, "{dials:?}");
    for (node, at) in (0..4).filter_map(|node| Some((node, dials.get(&key(&lab, node))?))) {
        assert_eq!(*at, [on_link(node)]);
    }
    let status = status(&mut lab, 4);
    let line = |node| status.devices.iter().find(|line| line.key == key(&lab, node)).unwrap();
    assert_eq!((line(0).heard_at.clone(), line(4).heard_at.len()), (vec![on_link(0)], 0));
    assert_eq!(line(0).kept_as.map(|kind| kind.as_str()), Some("beacon"));
    lab.run(HINT_KEPT_MS + 1_000);
    hear(&mut lab, 4, Vec::new());
    assert!(lab.devices[4].dials.is_empty(), "what was not heard again is believed no longer");
}

/// Goal: a name is good on its day and the days beside it, is another one every day and for every
/// device, and a held device's leads to no dial. Method: the pure function over the registry's
/// devices with other days; then a hold.
#[test]
fn a_name_is_good_for_its_day() {
    let mut lab = devices(3);
    let (first, second) = (tag(&lab, 1), tag(&lab, 2));
    assert_ne!(first, second);
    let hint = Hint { tag: first, address: on_link(1) };
    let mut set = Set::new(lab.fleet.id);
    for statement in lab.disk(0) {
        set.insert(statement);
    }
    let registry = Registry::fold(&set, &Authority::fold(&set));
    let today = crate::clock::WALL_AT_START_MS / 86_400_000;
    let owners = |day: u64| whose(std::slice::from_ref(&hint), day, registry.devices());
    for day in [today - 1, today, today + 1] {
        assert_eq!(owners(day), [(key(&lab, 1), on_link(1))]);
    }
    assert!(owners(today - 2).is_empty() && owners(today + 2).is_empty());
    let device = lab.fleet.devices[1].id.clone();
    let subject = Subject::new(vec![Term::Device(device)]).unwrap();
    let (home, reason) = (lab.fleet.devices[0].id.clone(), Reason("lost".into()));
    let hold = Hold { subject, home, reason, until_ms: None, pause: None };
    let said = lab.ordered(hold);
    lab.hand(1, 0, &[said]);
    lab.settle();
    hear(&mut lab, 2, vec![hint]);
    assert!(!lab.devices[2].dials.contains_key(&key(&lab, 1)));
    assert_eq!(lab.devices[1].engine.announced_as(), None, "who is held keeps silent");
}

/// Goal (INV-NET-1): a flood of announcements leaves nothing behind but a few addresses of the
/// member whose name is replayed. Method: names of nobody, more than are looked at; then one true
/// name from hundreds of addresses, a batch at a time.
#[test]
fn a_flood_of_announcements_is_bounded() {
    let mut lab = devices(3);
    let nobody = |number: usize| {
        let tag = Tag([u8::try_from(number % 251).unwrap(); 16]);
        Hint { tag, address: format!("/ip4/192.168.2.1/udp/{number}/quic-v1") }
    };
    hear(&mut lab, 2, (1..1_000).map(nobody).collect());
    assert!(lab.devices[2].dials.is_empty());
    let mut over: Vec<Hint> = (0..HINTS_AT_ONCE_MAX).map(nobody).collect();
    over.push(Hint { tag: tag(&lab, 1), address: on_link(1) });
    hear(&mut lab, 2, over);
    assert!(lab.devices[2].dials.is_empty(), "one over the bound is not looked at");
    for port in 1..500 {
        let address = format!("/ip4/192.168.2.9/udp/{port}/quic-v1");
        let tag = tag(&lab, 1);
        hear(&mut lab, 2, vec![Hint { tag, address }]);
        let at = lab.devices[2].dials[&key(&lab, 1)].len();
        assert!((1..=HINTS_PER_DEVICE_MAX).contains(&at), "{at}");
    }
    let status = status(&mut lab, 2);
    let heard: Vec<usize> = status.devices.iter().map(|line| line.heard_at.len()).collect();
    assert_eq!(heard.iter().sum::<usize>(), HINTS_PER_DEVICE_MAX, "{heard:?}");
}
