//! INV-NET-1, what one author may cost: a flood takes its own share, and keeps nobody else from
//! anything.

use super::lab::{Held, Lab};
use belay_identity::body::Wall;
use belay_identity::chain::Program;
use belay_identity::principal::{AgentId, Principal};
use belay_identity::{Body, Class, Incarnation, Scope, SecretKey, Statement, StatementId, sign};
use belay_mesh::input::Run;
use belay_mesh::limits::{MEMBER_SHARE, STRANGERS_SHARE};
use belay_mesh::output::Answer;
use belay_mesh::{Request, ShareLine};
use std::sync::Arc;

/// Bytes of what fills a statement; with the envelope it stays below 64 KiB.
const FILLING: usize = 60 << 10;

/// A large statement of a kind that nobody reads, the first of a log of its own.
fn filler(lab: &Lab, by: &SecretKey, author: Principal, class: Class, number: u64) -> Held {
    let bytes = belay_identity::codec::write(&belay_identity::codec::map([(
        1,
        Some(belay_identity::codec::Value::Bytes(vec![number as u8; FILLING])),
    )]));
    let mut tree = [0x77; 32];
    tree[..8].copy_from_slice(&number.to_be_bytes());
    let statement = Statement {
        class,
        scope: Scope::Tree(StatementId(tree)),
        author,
        incarnation: Incarnation { counter: 1, drawn: [7; 16] },
        seq: 1,
        prev: None,
        epoch: 1,
        expiry_ms: None,
        refs: Vec::new(),
        body: Body::Unknown { kind: "filler".into(), bytes },
    };
    Arc::new(sign(statement, by, &lab.fleet.id))
}

/// Such statements, each by a key of its own that no credential names.
fn by_strangers(lab: &Lab, class: Class, from: u64, count: u64) -> Vec<Held> {
    let author = |number: u64| AgentId::new(&lab.fleet.domain, &format!("ghost-{number}")).unwrap();
    let key = |number: u64| {
        let mut seed = [0x5a; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        SecretKey::from_seed(&seed)
    };
    let all = from..from + count;
    all.map(|number| filler(lab, &key(number), author(number).into(), class, number)).collect()
}

fn hand_each(lab: &mut Lab, from: usize, to: usize, items: &[Held]) {
    items.chunks(1).for_each(|one| lab.hand(from, to, one));
}

fn kept(lab: &Lab, node: usize) -> (usize, usize) {
    let disk = lab.disk(node);
    let fillers = disk.iter().filter(|held| held.body.kind() == "filler");
    fillers.fold((0, 0), |(count, bytes), held| (count + 1, bytes + held.bytes().len()))
}

/// An agent begins on a device.
fn run(lab: &mut Lab, node: usize) {
    let run = Run {
        agent: "planner".into(),
        project: "default".into(),
        class: "default".into(),
        argv: vec!["planner".into()],
        program: Program::of([9; 32]),
        wall: Wall::None,
    };
    let ask = lab.request(node, Request::Run(run));
    lab.settle();
    assert!(matches!(lab.answers.get(&ask), Some(Ok(_))), "{:?}", lab.answers.get(&ask));
}

fn full(lab: &mut Lab, node: usize) -> Vec<ShareLine> {
    let ask = lab.request(node, Request::Status);
    match lab.answers.get(&ask) {
        Some(Ok(answer)) => match &**answer {
            Answer::Status(status) => status.full.clone(),
            other => panic!("no status: {other:?}"),
        },
        other => panic!("no answer: {other:?}"),
    }
}

/// Goal: whatever a member signs with keys of its own making costs a device 4 MiB at most, and work
/// goes on. Method: ninety large statements by ninety keys; then work between two others; then the
/// device starts again over what it kept.
#[test]
fn keys_of_nobody_share_one_small_room() {
    let mut lab = Lab::new(&[Some(&[]), Some(&["camera"]), Some(&[])]);
    let flood = by_strangers(&lab, Class::Task, 0, 90);
    hand_each(&mut lab, 2, 0, &flood);
    let (count, bytes) = kept(&lab, 0);
    assert!(bytes <= STRANGERS_SHARE.bytes && bytes + 2 * FILLING > STRANGERS_SHARE.bytes);
    assert!(count > 60, "{count}");
    let shown = full(&mut lab, 0);
    assert!(matches!(&shown[..], [ShareLine { author: None, percent: 98.. }]), "{shown:?}");
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    assert!(lab.offloaded(ask).is_ok(), "{:?}", lab.offloaded(ask));
    lab.restart(0);
    hand_each(&mut lab, 2, 0, &flood);
    assert_eq!(kept(&lab, 0), (count, bytes), "a restart makes no room");
}

/// Goal: what a device signs, and what the keys sign that it gave credentials to, is charged to
/// one share; an order against it and the work of others pass. Method: a flood of 80 MiB by a
/// device, then the same by an agent's key of its own; then work, then an order.
#[test]
fn a_member_and_its_agents_have_one_share() {
    let mut lab = Lab::new(&[Some(&[]), Some(&["camera"]), Some(&[])]);
    run(&mut lab, 2);
    let secret = SecretKey::from_seed(&lab.fleet.devices[2].secret);
    let author: Principal = lab.fleet.devices[2].id.clone().into();
    let credential = lab.wrote(2, "credential").pop().expect("its work has a credential");
    let Body::Credential(mut said) = credential.body.clone() else { panic!("a credential") };
    let agent_key = SecretKey::from_seed(&[0x41; 32]);
    said.key = agent_key.public();
    let agent: Principal = said.agent.clone().into();
    let papers = lab.forge(2, &credential, said.into());
    lab.hand(2, 0, &[papers]);
    for number in 0..700 {
        let own = filler(&lab, &secret, author.clone(), Class::Task, number);
        let of_agent = filler(&lab, &agent_key, agent.clone(), Class::Task, number);
        hand_each(&mut lab, 2, 0, &[own, of_agent]);
    }
    let (_, bytes) = kept(&lab, 0);
    assert!(bytes <= MEMBER_SHARE.bytes && bytes + 2 * FILLING > MEMBER_SHARE.bytes, "{bytes}");
    let name = lab.fleet.devices[2].id.name().to_owned();
    let shown = full(&mut lab, 0);
    assert!(matches!(&shown[..], [ShareLine { author: Some(who), percent: 99.. }] if *who == name));
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    assert!(lab.offloaded(ask).is_ok(), "{:?}", lab.offloaded(ask));
    let order = lab.hold_of(belay_identity::body::Term::Device(lab.fleet.devices[2].id.clone()));
    lab.hand(1, 0, std::slice::from_ref(&order));
    assert!(lab.disk(0).iter().any(|held| held.id() == order.id()), "the order is kept");
}

/// Goal: two devices that hold different parts of a flood, each more than a round of repair brings
/// and each refusing the other's, still bring each other everything else. Method: cut off, each
/// takes its part of class I, which goes before work; one of them begins work; they are linked.
#[test]
fn a_flood_keeps_nothing_else_from_repair() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[])]);
    for (node, from) in [(0, 0), (1, 1_000)] {
        let part = by_strangers(&lab, Class::Identity, from, 70);
        lab.loses = |_, _| true;
        hand_each(&mut lab, 1 - node, node, &part);
    }
    run(&mut lab, 0);
    let award = lab.wrote(0, "award").pop().expect("work began");
    let holds = |lab: &Lab| lab.disk(1).iter().any(|held| held.id() == award.id());
    assert!(!holds(&lab), "nothing has passed yet");
    lab.loses = |_, _| false;
    lab.run(60_000);
    assert!(holds(&lab), "the award passed beside the flood");
}

/// Goal: of a register there is one place for each device. Method: what a device says of itself,
/// said to a tree too, and said by a key of nobody.
#[test]
fn a_register_has_one_place_for_each_device() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[])]);
    let secret = SecretKey::from_seed(&lab.fleet.devices[1].secret);
    let author: Principal = lab.fleet.devices[1].id.clone().into();
    let elsewhere = filler(&lab, &secret, author, Class::Presence, 1);
    let nobodys = by_strangers(&lab, Class::Audit, 0, 1);
    hand_each(&mut lab, 1, 0, &[elsewhere, nobodys[0].clone()]);
    assert_eq!(kept(&lab, 0), (0, 0));
}
