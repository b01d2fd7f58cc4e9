//! Freshness passed on by a gateway, honest and not.
//!
//! One beacon, one gateway that reaches it, and a device that reaches only the gateway.

use super::adopting::{all_but, hold, publish, release};
use super::lab::{Held, Lab, Sent};
use belay_identity::body::{Drill, Reason, Subject, Term};
use belay_identity::lease::{Answer, Talk};
use belay_identity::principal::AgentId;
use belay_identity::{Incarnation, SecretKey, Statement, sign};
use belay_mesh::Request;
use belay_mesh::output::Answer as Reply;
use belay_mesh::status::{LeaseReach, Status};
use belay_mesh::wire::{self, Lane};
use std::collections::BTreeSet;
use std::sync::Arc;

const ANYTHING: Option<&[&str]> = Some(&[]);
const BEACON: usize = 0;
const GATEWAY: usize = 1;
const FAR: usize = 2;

fn far_from_the_beacon(_: &Lab, sent: &Sent) -> bool {
    let ends = [sent.from, sent.to];
    ends.contains(&BEACON) && ends.contains(&FAR)
}

fn and_the_gateway_falls_silent(lab: &Lab, sent: &Sent) -> bool {
    far_from_the_beacon(lab, sent) || (sent.from, sent.to) == (GATEWAY, FAR)
}

/// A release that lets the gateway pass answers on, known to all; then the device is out of the
/// beacon's reach.
fn lab(gateways: &[usize]) -> Lab {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    let policy = all_but("fetch");
    let mut header = release(&lab, 2, &policy, vec![lab.fleet.devices[BEACON].key]);
    header.gateways = gateways.iter().map(|node| lab.fleet.devices[*node].key).collect();
    publish(&mut lab, BEACON, header, &policy);
    lab.run(8_000);
    lab.loses = far_from_the_beacon;
    lab
}

fn status(lab: &mut Lab, node: usize) -> Status {
    let ask = lab.request(node, Request::Status);
    match lab.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
        Some(Ok(Reply::Status(status))) => status,
        other => panic!("a status is answered with {other:?}"),
    }
}

/// How long trees may run on a device, milliseconds from now.
fn reach_ms(lab: &mut Lab, node: usize) -> u64 {
    match status(lab, node).run {
        LeaseReach::ForMs(ms) => ms,
        LeaseReach::Lapsed => 0,
        LeaseReach::Unbounded => panic!("a device that is no beacon is never unbounded"),
    }
}

/// The lease of this plan, milliseconds.
fn lease_ms(lab: &Lab) -> u64 {
    release(lab, 9, &all_but("x"), Vec::new()).autonomy.unsealed_run_ms
}

/// Every answer that the gateway passed on to the far device, so far.
fn passed(lab: &Lab) -> Vec<Answer> {
    let from = lab.sent.iter().filter(|sent| (sent.from, sent.to) == (GATEWAY, FAR));
    let answers = from.filter_map(|sent| match &*lab.talk(sent)? {
        Talk::Answer(answer) if !answer.passed.is_empty() => Some(answer.clone()),
        _ => None,
    });
    answers.collect()
}

/// The gateway answers the far device's last draw with this, signed.
fn answer(lab: &mut Lab, answer: &Answer) {
    let draws = lab.sent.iter().rev().filter(|sent| (sent.from, sent.to) == (FAR, GATEWAY));
    let nonce = draws.filter_map(|sent| match &*lab.talk(sent)? {
        Talk::Draw(draw) if draw.award.is_none() => Some(draw.nonce),
        _ => None,
    });
    let Some(nonce) = nonce.take(1).next() else { return };
    let secret = SecretKey::from_seed(&lab.fleet.devices[GATEWAY].secret);
    let talk = Talk::Answer(Answer { nonce, ..answer.clone() });
    let (kind, body) = wire::write_talk(&sign(talk, &secret, &lab.fleet.id));
    lab.deliver(&Sent { from: GATEWAY, to: FAR, lane: Lane::Urgent, kind, body });
}

/// Goal: a device that only a gateway reaches goes on, its lease no longer than if it had asked
/// when the gateway did, and its screen names the gateway. Method: an hour; then the gateway falls
/// silent too.
#[test]
fn a_device_behind_a_gateway_goes_on_by_the_beacons_answers() {
    let mut lab = lab(&[GATEWAY]);
    let lease = lease_ms(&lab);
    lab.run(2 * lease);
    assert!(reach_ms(&mut lab, FAR) > 0, "{:?}", status(&mut lab, FAR).leases);
    assert!(reach_ms(&mut lab, FAR) < reach_ms(&mut lab, GATEWAY), "no longer than its source's");
    assert_eq!(status(&mut lab, FAR).rests_on, ["d1"]);
    assert!(status(&mut lab, GATEWAY).rests_on.is_empty());
    lab.loses = and_the_gateway_falls_silent;
    lab.run(lease);
    assert_eq!(reach_ms(&mut lab, FAR), 0);
}

/// Goal: nobody passes answers on whom the release does not name.
#[test]
fn who_is_not_named_passes_nothing_on() {
    let mut lab = lab(&[]);
    let lease = lease_ms(&lab);
    lab.run(2 * lease);
    assert!(passed(&lab).is_empty());
    assert_eq!(reach_ms(&mut lab, FAR), 0);
}

/// Goal: an order on the beacon's disk reaches the device before any lease starts that the answers
/// to come would give. Method: the gateway's words but its answers are lost.
#[test]
fn answers_passed_on_name_the_orders_on_the_beacons_disk() {
    let mut lab = lab(&[GATEWAY]);
    let lease = lease_ms(&lab);
    lab.loses = |lab, sent| {
        let answers = lab.talk(sent).is_some_and(|talk| matches!(&*talk, Talk::Answer(_)));
        far_from_the_beacon(lab, sent) || sent.to == FAR && !answers
    };
    hold(&mut lab, BEACON, "planner");
    lab.run(2 * lease);
    assert!(!passed(&lab).is_empty());
    assert_eq!(reach_ms(&mut lab, FAR), 0, "it has not heard of the order");
}

/// Goal: who leaves more short logs behind than a frame names keeps nobody from a lease, at a
/// beacon or behind a gateway, and no lease starts before the orders are there. Method: 1,000
/// drills, each the first of a log of its own, are heard by the beacon while the others hear
/// nobody.
#[test]
fn more_logs_than_an_answer_names_keep_nobody_from_a_lease() {
    let mut lab = lab(&[GATEWAY]);
    let lease = lease_ms(&lab);
    lab.cut.extend([GATEWAY, FAR]);
    let agent = Term::Agent(AgentId::new(&lab.fleet.domain, "planner").unwrap());
    let subject = Subject::new(vec![agent]).unwrap();
    let (home, reason) = (lab.fleet.devices[BEACON].id.clone(), Reason("test".into()));
    let first = lab.ordered(Drill { subject, home, reason });
    let life = |counter: u64| Incarnation { counter, drawn: [0xdd; 16] };
    let said = (0..1_000).map(|number| {
        let drill = Statement { incarnation: life(100 + number), ..(**first).clone() };
        Arc::new(sign(drill, &lab.fleet.operator, &lab.fleet.id))
    });
    let said: Vec<Held> = said.collect();
    said.chunks(64).for_each(|some| lab.hand(3, BEACON, some));
    lab.run(lease);
    assert_eq!([GATEWAY, FAR].map(|node| reach_ms(&mut lab, node)), [0, 0]);
    lab.cut.clear();
    lab.run(lease);
    for node in [GATEWAY, FAR] {
        assert!(reach_ms(&mut lab, node) > 0, "{node}: {:?}", status(&mut lab, node).leases);
        let disk: BTreeSet<_> = lab.disk(node).iter().map(|held| held.id()).collect();
        assert!(said.iter().all(|drill| disk.contains(&drill.id())));
    }
}

/// The last moment at which the far device had a lease, while the gateway hands out this answer as
/// new again and again, for three leases.
fn last_reach_ms(lab: &mut Lab, old: &Answer, lease: u64) -> u64 {
    let begins = lab.now_ms;
    let mut last = begins;
    while lab.now_ms < begins + 3 * lease {
        lab.run(200);
        answer(lab, &Answer { upstream_age_ms: 0, ..old.clone() });
        if reach_ms(lab, FAR) > 0 {
            last = lab.now_ms;
        }
    }
    last
}

/// Goal: a gateway that calls old answers new gains nothing once the device knows the time, and
/// one that alters them is not heard. Method: it hands out one answer for three leases, aged
/// nought; the device goes on for one lease from the moment at which the gateway asked.
#[test]
fn a_gateway_that_lies_about_an_age_extends_no_lease() {
    let mut lab = lab(&[GATEWAY]);
    let lease = lease_ms(&lab);
    lab.run(lease / 2);
    let old = passed(&lab).pop().unwrap();
    lab.loses = and_the_gateway_falls_silent;
    let begins = lab.now_ms;
    let last = last_reach_ms(&mut lab, &old, lease);
    assert!(last > begins && last <= begins + lease, "{} ms too long", last - begins - lease);
}

/// Goal: the same at a device that has just started: it gains what the answer is old and no more,
/// however often it is handed out.
#[test]
fn at_a_fresh_start_old_answers_are_good_for_one_lease() {
    let mut lab = lab(&[GATEWAY]);
    let lease = lease_ms(&lab);
    lab.run(lease / 2);
    let old = passed(&lab).pop().unwrap();
    lab.loses = and_the_gateway_falls_silent;
    lab.run(3 * lease);
    lab.restart(FAR);
    let begins = lab.now_ms;
    let last = last_reach_ms(&mut lab, &old, lease);
    assert!(last <= begins + lease + 200, "{} ms after its start", last - begins);
}

/// Goal: what a gateway changes in an answer is found: another's answer, an age or none, older
/// orders, a second hop. Method: each change alone.
#[test]
fn answers_that_a_gateway_has_altered_start_nothing() {
    let mut lab = lab(&[GATEWAY]);
    let lease = lease_ms(&lab);
    lab.run(lease / 2);
    let good = passed(&lab).pop().unwrap();
    lab.loses = and_the_gateway_falls_silent;
    lab.run(2 * lease);
    let secret = SecretKey::from_seed(&lab.fleet.devices[GATEWAY].secret);
    let heads = lab.fleet.devices[BEACON].disk.iter().take(1).map(|held| {
        let log = held.log(held.key());
        let (class, scope, incarnation) = (log.class, log.scope, log.incarnation);
        belay_identity::LogHead { key: log.key, class, scope, incarnation, seq: 1, id: held.id() }
    });
    let own = |bytes: Vec<u8>| belay_identity::codec::Bytes(bytes);
    let forged = Answer { passed: Vec::new(), disk: good.disk, ..good.clone() };
    let forged = sign(Talk::Answer(forged), &secret, &lab.fleet.id);
    let hop = sign(Talk::Answer(good.clone()), &secret, &lab.fleet.id);
    let mut bent = good.passed[0].0.clone();
    *bent.last_mut().unwrap() ^= 1;
    let altered = [
        ("older orders", Answer { heads: heads.collect(), ..good.clone() }),
        ("its own word", Answer { passed: vec![own(forged.bytes().to_vec())], ..good.clone() }),
        ("a second hop", Answer { passed: vec![own(hop.bytes().to_vec())], ..good.clone() }),
        ("a bent signature", Answer { passed: vec![own(bent)], ..good.clone() }),
        ("no bytes", Answer { passed: vec![own(vec![0])], ..good.clone() }),
        ("an age and nothing", Answer { passed: Vec::new(), ..good }),
    ];
    for (what, altered) in altered {
        lab.run(1_000);
        answer(&mut lab, &altered);
        assert_eq!(reach_ms(&mut lab, FAR), 0, "{what}");
    }
}
