//! Who stands in the registry, by every way in and every order of arrival.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::{Registry, Via};
use crate::authority::Authority;
use crate::case::scenario::{Frame, Scenario, agent_term, device, secret};
use crate::set::{Held, Set};
use crate::views::Views;
use belay_identity::body::{Enrol, Subject};
use belay_identity::codec::Bytes;
use belay_identity::{Body, FleetId, Scope, StatementId};

fn registry(scenario: &Scenario) -> Registry {
    let set = scenario.set();
    Registry::fold(&set, &Authority::fold(&set))
}

fn enrol_of(registry: &Registry, name: &str) -> Option<StatementId> {
    registry.device_by_id(&device(name)).map(|device| device.enrol)
}

/// Folds statement by statement in this order and compares with the whole fold after each one.
fn assert_incremental(fleet: FleetId, statements: &[Held]) {
    let mut set = Set::new(fleet);
    let mut views = Views::fold(&set);
    for held in statements {
        let inserted = set.insert(held.clone());
        views.apply(&set, held, inserted);
        let whole = Registry::fold(&set, &Authority::fold(&set));
        let registry = &views.registry;
        assert_eq!(format!("{registry:?}"), format!("{whole:?}"), "after {}", held.body.kind());
    }
}

#[test]
fn an_operator_enrols_a_device() {
    let mut scenario = Scenario::new();
    let enrol = scenario.enrol("laptop");
    let registry = registry(&scenario);
    let laptop = registry.device_by_key(&secret("laptop").public()).unwrap();
    assert_eq!((laptop.enrol, laptop.via), (enrol, Via::Operator));
    assert_eq!(laptop.provisional_until_ms, None);
    assert!(registry.speaks_for(&secret("laptop").public(), &device("laptop")));
    assert_eq!(registry.devices().count(), 1);
}

#[test]
fn nobody_else_enrols_and_possession_is_proved() {
    let mut scenario = Scenario::new();
    let body = Body::Enrol(scenario.enrolment("thief", "thief"));
    scenario.by_device("thief", Scope::Fleet, Vec::new(), body);
    let stolen = Enrol { possession: Bytes(vec![0; 64]), ..scenario.enrolment("robot", "robot") };
    scenario.olga(Frame::default(), Body::Enrol(stolen));
    assert_eq!(registry(&scenario).devices().count(), 0);
}

#[test]
fn one_use_of_an_invite_stands_until_the_invite_ends() {
    let mut scenario = Scenario::new();
    scenario.enrol("laptop");
    let invite = scenario.invite("ticket", "laptop");
    let enrol = scenario.use_invite("ticket", invite, "robot");
    let provisional = registry(&scenario);
    let robot = provisional.device_by_id(&device("robot")).unwrap();
    assert_eq!(robot.via, Via::Invite { invite, witnessed: false });
    assert_eq!(robot.provisional_until_ms, Some(9_000));

    scenario.witness("laptop", invite, enrol);
    let robot = registry(&scenario).device_by_id(&device("robot")).unwrap().clone();
    assert_eq!(robot.via, Via::Invite { invite, witnessed: true });
    assert_eq!(robot.provisional_until_ms, Some(9_000), "a witness decides, it does not vouch");

    scenario.approve(enrol);
    let robot = registry(&scenario).device_by_id(&device("robot")).unwrap().clone();
    assert_eq!(robot.provisional_until_ms, None);
}

#[test]
fn of_two_uses_the_witnessed_one_stands_and_of_two_unwitnessed_neither() {
    let mut scenario = Scenario::new();
    scenario.enrol("laptop");
    let invite = scenario.invite("ticket", "laptop");
    let first = scenario.use_invite("ticket", invite, "robot");
    let second = scenario.use_invite("ticket", invite, "thief");
    let neither = registry(&scenario);
    assert_eq!((enrol_of(&neither, "robot"), enrol_of(&neither, "thief")), (None, None));

    let mut witnessed = scenario.clone();
    witnessed.witness("laptop", invite, first);
    let one = registry(&witnessed);
    assert_eq!((enrol_of(&one, "robot"), enrol_of(&one, "thief")), (Some(first), None));

    let mut both = witnessed.clone();
    both.witness("laptop", invite, second);
    let none = registry(&both);
    assert_eq!((enrol_of(&none, "robot"), enrol_of(&none, "thief")), (None, None));

    both.approve(first);
    let approved = registry(&both);
    assert_eq!((enrol_of(&approved, "robot"), enrol_of(&approved, "thief")), (Some(first), None));
}

#[test]
fn a_provisional_device_is_no_witness_not_even_of_itself() {
    let mut scenario = Scenario::new();
    let invite = scenario.invite("ticket", "robot");
    let first = scenario.use_invite("ticket", invite, "robot");
    scenario.use_invite("ticket", invite, "other");
    scenario.witness("robot", invite, first);
    assert_eq!(registry(&scenario).devices().count(), 0);
}

#[test]
fn a_copied_invite_key_cannot_undo_a_witnessed_use() {
    let mut scenario = Scenario::new();
    scenario.enrol("laptop");
    let invite = scenario.invite("ticket", "laptop");
    let before = scenario.clone();
    let first = scenario.use_invite("ticket", invite, "robot");
    scenario.witness("laptop", invite, first);
    // The same place in the same log, signed a second time: a fork on purpose.
    let mut thief = before;
    let life = "robot".bytes().fold(0u8, u8::wrapping_add);
    let author = scenario.said.iter().find(|held| held.id() == first).unwrap().author.clone();
    let body = Body::Enrol(thief.enrolment("thief", "thief"));
    thief.say("ticket", author, Frame { refs: vec![invite], life, ..Frame::default() }, body);
    scenario.said.extend(thief.said.last().cloned());
    assert_eq!(enrol_of(&registry(&scenario), "robot"), Some(first));
    assert_eq!(enrol_of(&registry(&scenario), "thief"), None);
}

#[test]
fn two_keys_for_one_name_stand_only_once_an_operator_decides() {
    let mut scenario = Scenario::new();
    let first = scenario.enrol("robot");
    let rival = Body::Enrol(scenario.enrolment("robot-new", "robot"));
    let second = scenario.olga(Frame::default(), rival.clone());
    assert_eq!(enrol_of(&registry(&scenario), "robot"), None, "both are the operator's word");

    let mut approved = scenario.clone();
    approved.approve(second);
    assert_eq!(enrol_of(&registry(&approved), "robot"), Some(second));

    let refs = vec![first, second];
    let third = scenario.olga(Frame { refs, ..Frame::default() }, rival);
    let replaced = registry(&scenario);
    assert_eq!(enrol_of(&replaced, "robot"), Some(third));
    let old = secret("robot").public();
    assert!(replaced.speaks_for(&old, &device("robot")), "what it signed stays its word");
    assert!(replaced.device_by_key(&old).is_none(), "and it signs nothing more");
}

#[test]
fn an_invite_cannot_take_the_name_of_a_vouched_device() {
    let mut scenario = Scenario::new();
    let first = scenario.enrol("robot");
    let invite = scenario.invite("ticket", "robot");
    let body = Body::Enrol(scenario.enrolment("thief", "robot"));
    let author =
        belay_identity::principal::InviteId::new(&crate::case::scenario::domain(), "newcomer");
    let frame = Frame { refs: vec![invite, first], ..Frame::default() };
    scenario.say("ticket", author.unwrap().into(), frame, body);
    assert_eq!(enrol_of(&registry(&scenario), "robot"), Some(first));
}

#[test]
fn names_and_credentials_are_known() {
    let mut scenario = Scenario::new();
    scenario.enrol("laptop");
    let user = scenario.user();
    let papers = scenario.root_agent("helper", "laptop");
    let stray = scenario.credential_body("helper", "laptop", "stray", None);
    let stray = scenario.by_device("thief", Scope::Fleet, Vec::new(), Body::Credential(stray));
    let registry = registry(&scenario);
    assert!(registry.named(&user).is_some());
    assert_eq!(registry.credential(&papers.id).unwrap().tree(), papers.id);
    assert!(registry.credential(&stray).is_none() && registry.claim(&stray).is_some());
    let helper = Subject::new(vec![agent_term("helper")]).unwrap();
    let found: Vec<StatementId> =
        registry.credentials_matching(&helper).map(|issued| issued.id).collect();
    assert_eq!(found, [papers.id]);
}

#[test]
fn a_renewed_credential_is_found_by_its_key_latest_first() {
    let mut scenario = Scenario::new();
    scenario.enrol("laptop");
    let papers = scenario.root_agent("helper", "laptop");
    let body = scenario.credential_body("helper", "laptop", "helper@laptop", Some(papers.id));
    let author = belay_identity::principal::Principal::Device(device("laptop"));
    let frame = Frame { expiry_ms: Some(7), ..Frame::default() };
    let renewed = scenario.say("laptop", author, frame, Body::Credential(body));
    let registry = registry(&scenario);
    let key = secret("helper@laptop").public();
    assert_eq!(registry.credential_by_key(&key).unwrap().id, renewed);
    let run = registry.credential(&papers.id).unwrap().run();
    assert_eq!(registry.credentials_of(&run).count(), 2);
}

/// Goal: statements fold to the same registry in any order, one by one or at once. Method: invites
/// used twice, a witness that is replaced, rivals for a name, approvals, an epoch with pins and a
/// fork, in rotations and reversals of their order of writing, each compared with the whole fold
/// after every step.
#[test]
fn every_order_of_arrival_folds_to_the_same_registry() {
    let mut scenario = Scenario::new();
    let laptop = scenario.enrol("laptop");
    let invite = scenario.invite("ticket", "laptop");
    let first = scenario.use_invite("ticket", invite, "robot");
    scenario.use_invite("ticket", invite, "thief");
    scenario.witness("laptop", invite, first);
    let rival = Body::Enrol(scenario.enrolment("laptop-new", "laptop"));
    scenario.olga(Frame { refs: vec![laptop], ..Frame::default() }, rival);
    let squatter = Body::Enrol(scenario.enrolment("robot", "gateway"));
    let gateway = scenario.olga(Frame::default(), squatter);
    scenario.approve(gateway);
    scenario.approve(first);
    scenario.user();
    scenario.root_agent("helper", "robot");
    let before = scenario.clone();
    scenario.seal();
    scenario.enrol("server");
    // Olga forks her log: the same place, signed twice.
    let mut fork = before;
    fork.enrol("phantom");
    scenario.said.extend(fork.said.last().cloned());
    let count = scenario.said.len();
    for turn in 0..count {
        let mut order = scenario.said.clone();
        order.rotate_left(turn);
        assert_incremental(scenario.fleet, &order);
        order.reverse();
        assert_incremental(scenario.fleet, &order);
    }
}
