//! From one release to the next: who judges between header and policy, and under whose beacons an
//! order is in force until the new ones are known.

use super::lab::{Lab, Sent};
use belay_identity::body::{
    Approve, Autonomy, Body, DeviceKind, Hold, Mode, Modes, Policy, Profile, Reason, Release,
    ReleaseVersion, Subject, Term,
};
use belay_identity::principal::{AgentId, Principal};
use belay_identity::{Class, PublicKey, Scope, Statement, StatementId, sign};
use belay_mesh::Request;
use belay_mesh::gate::{Act, Decision, Verdict};
use belay_mesh::output::Answer;
use belay_mesh::status::{LeaseReach, Progress};
use belay_mesh::wire::FrameKind;

const ANYTHING: Option<&[&str]> = Some(&[]);
const ADOPT_MS: u64 = 5_000;

fn policy(rules: &str) -> Policy {
    let all = Mode::Enforce;
    Policy {
        rules: rules.to_owned(),
        modes: Modes { local: all, tool: all, outward: all, work: all, motion: all },
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: vec!["default".into()],
        classes: vec!["default".into()],
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    }
}

/// Everything but what these targets name.
pub(super) fn all_but(target: &str) -> Policy {
    policy(&format!(
        "@id(\"all\") permit (principal, action, resource);\n@id(\"no-{target}\") forbid \
         (principal, action, resource == Belay::Target::\"{target}\");"
    ))
}

/// The operator signs this at a device and hands it in.
pub(super) fn say(
    lab: &mut Lab,
    node: usize,
    bodies: Vec<Body>,
    with: Vec<Vec<u8>>,
) -> Vec<StatementId> {
    let key = lab.fleet.operator.public();
    let ask = lab.request(node, Request::Place { key, class: Class::AuthorityMinus });
    let place = match lab.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
        Some(Ok(Answer::Place(place))) => place,
        other => panic!("a place is answered with {other:?}"),
    };
    let (mut seq, mut prev, mut signed) = (place.seq, place.prev, Vec::new());
    for body in bodies {
        let body = match body {
            Body::Approve(_) => Body::Approve(Approve { of: prev.unwrap() }),
            other => other,
        };
        let expires = matches!(body, Body::Release(_));
        let statement = Statement {
            class: Class::AuthorityMinus,
            scope: Scope::Fleet,
            author: Principal::Operator(place.operator.clone().unwrap()),
            incarnation: place.incarnation,
            seq,
            prev,
            epoch: place.epoch,
            expiry_ms: expires.then_some(crate::fleet::RELEASE_EXPIRY_MS),
            refs: Vec::new(),
            body,
        };
        let one = sign(statement, &lab.fleet.operator, &place.fleet);
        (seq, prev) = (seq + 1, Some(one.id()));
        signed.push(one);
    }
    let ids = signed.iter().map(|one| one.id()).collect();
    let ask = lab.request(node, Request::Submit { statements: signed, bodies: with });
    let answer = lab.answers.remove(&ask).unwrap();
    assert!(answer.is_ok(), "{answer:?}");
    ids
}

pub(super) fn release(lab: &Lab, number: u64, policy: &Policy, beacons: Vec<PublicKey>) -> Release {
    let wall_ms = crate::clock::WALL_AT_START_MS + lab.now_ms;
    let first = lab.fleet.devices[0].disk.iter().find_map(|held| match &held.body {
        Body::Release(header) => Some(header.clone()),
        _ => None,
    });
    Release {
        version: ReleaseVersion { epoch: 1, number },
        body: Policy::hash(&policy.to_bytes()),
        beacons,
        adopt_by_ms: wall_ms + ADOPT_MS,
        ..first.unwrap()
    }
}

pub(super) fn publish(lab: &mut Lab, node: usize, header: Release, policy: &Policy) {
    let approve = Body::Approve(Approve { of: StatementId([0; 32]) });
    say(lab, node, vec![Body::Release(header), approve], vec![policy.to_bytes()]);
    lab.settle();
}

pub(super) fn hold(lab: &mut Lab, node: usize, agent: &str) -> StatementId {
    let agent = AgentId::new(&lab.fleet.domain, agent).unwrap();
    let subject = Subject::new(vec![Term::Agent(agent)]).unwrap();
    let home = lab.fleet.devices[node].id.clone();
    let reason = Reason("test".into());
    let hold = Hold { subject, home, reason, until_ms: None, pause: None };
    let ids = say(lab, node, vec![Body::Hold(hold)], Vec::new());
    lab.settle();
    ids[0]
}

fn progress(lab: &mut Lab, node: usize, order: StatementId) -> Progress {
    let ask = lab.request(node, Request::Progress { order });
    match lab.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
        Some(Ok(Answer::Progress(progress))) => progress,
        other => panic!("progress is answered with {other:?}"),
    }
}

/// What runs on the second device, given by the first.
fn lent(lab: &mut Lab) -> StatementId {
    let ask = lab.offload(0, Some(1), &[]);
    lab.settle();
    lab.offloaded(ask).unwrap().award
}

fn asked(lab: &mut Lab, task: StatementId, target: &str) -> Verdict {
    let (action, target) = ("tool.call".to_owned(), target.to_owned());
    lab.verdict(1, Act { task, action, target, args: Vec::new() })
}

fn version(verdict: &Verdict) -> String {
    verdict.release.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn policies_to_the_second(_: &Lab, sent: &Sent) -> bool {
    sent.to == 1 && sent.kind == FrameKind::Bodies
}

/// Goal: a device that has a new header and not its policy goes on by the release before it until
/// adopt-by, is permitted nothing from then on, and by the new one once the policy is there.
/// Method: the policy is lost on the way, and then it is not.
#[test]
fn between_header_and_policy_the_release_before_judges_until_adopt_by() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    let task = lent(&mut lab);
    assert_eq!(version(&asked(&mut lab, task, "search")), "1.1");
    lab.loses = policies_to_the_second;
    let next = all_but("fetch");
    let header = release(&lab, 2, &next, vec![lab.fleet.devices[0].key]);
    publish(&mut lab, 0, header, &next);
    lab.run(1_000);
    let said = asked(&mut lab, task, "search");
    assert_eq!((said.decision, version(&said)), (Decision::Permit, "1.1".into()), "{said:?}");
    lab.run(ADOPT_MS);
    let said = asked(&mut lab, task, "search");
    assert_eq!((said.decision, said.rule.as_str()), (Decision::Deny, "release"), "{said:?}");
    lab.loses = |_, _| false;
    lab.run(60_000);
    let said = asked(&mut lab, task, "search");
    assert_eq!((said.decision, version(&said)), (Decision::Permit, "1.2".into()), "{said:?}");
    assert_eq!(asked(&mut lab, task, "fetch").rule, "no-fetch");
}

/// Goal: before adopt-by both releases judge and the stricter answer holds; from then on the new
/// one alone. Method: what the old one forbids and the new one does not, and the other way round.
#[test]
fn until_adopt_by_both_releases_judge() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    let task = lent(&mut lab);
    let beacons = vec![lab.fleet.devices[0].key];
    let (first, second) = (all_but("search"), all_but("fetch"));
    let header = release(&lab, 2, &first, beacons.clone());
    publish(&mut lab, 0, header, &first);
    lab.run(ADOPT_MS + 1_000);
    assert_eq!(asked(&mut lab, task, "fetch").decision, Decision::Permit);
    let header = release(&lab, 3, &second, beacons);
    publish(&mut lab, 0, header, &second);
    lab.run(1_000);
    let old = asked(&mut lab, task, "search");
    assert_eq!((old.rule.as_str(), version(&old)), ("no-search", "1.2".into()));
    let new = asked(&mut lab, task, "fetch");
    assert_eq!((new.rule.as_str(), version(&new)), ("no-fetch", "1.3".into()));
    let both = asked(&mut lab, task, "look");
    assert_eq!((both.decision, version(&both)), (Decision::Permit, "1.3".into()));
    lab.run(ADOPT_MS);
    assert_eq!(asked(&mut lab, task, "search").decision, Decision::Permit);
    assert_eq!(asked(&mut lab, task, "fetch").rule, "no-fetch");
}

/// Goal: an order given while a new list of beacons is on its way is in force only once the old
/// ones have it too, and screens name those that have not confirmed; once the old ones hold the
/// new release they are asked no more. Method: the only old beacon is cut off, then linked, then
/// cut off again.
#[test]
fn until_beacons_are_handed_over_an_order_is_in_force_under_both() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    lab.cut.insert(0);
    let next = all_but("fetch");
    let header = release(&lab, 2, &next, vec![lab.fleet.devices[1].key]);
    publish(&mut lab, 1, header, &next);
    let order = hold(&mut lab, 1, "planner");
    lab.run(ADOPT_MS + 21_000);
    for node in [1, 2, 3] {
        let shown = progress(&mut lab, node, order);
        assert_eq!(shown.in_force_ms, None, "d0 may still freshen who has not heard");
        assert_eq!(shown.unconfirmed, ["d0"]);
        assert_eq!(shown.unbounded, ["d0"], "and goes on by itself");
        // Only the release before names it, and ends at last.
        assert_eq!(shown.waits_until_ms, Some(crate::fleet::RELEASE_EXPIRY_MS));
    }
    lab.cut.clear();
    lab.run(45_000);
    for node in [1, 2, 3] {
        let shown = progress(&mut lab, node, order);
        assert!(shown.in_force_ms.is_some(), "{:?}", shown.unconfirmed);
        assert!(shown.unbounded.is_empty());
        assert_eq!(shown.waits_until_ms, None);
    }
    lab.cut.insert(0);
    let later = hold(&mut lab, 1, "scout");
    lab.run(21_000);
    for node in [1, 2, 3] {
        let shown = progress(&mut lab, node, later);
        assert!(shown.in_force_ms.is_some(), "handed over: {:?}", shown.unconfirmed);
    }
}

/// Goal: an order that its last beacon has confirmed reads in force at once, not once this device
/// has written that down. Method: a device that writes nothing and hears nothing but the order and
/// the beacon's receipt for it.
#[test]
fn an_order_is_in_force_as_soon_as_its_beacons_have_said_so() {
    let mut lab = Lab::new(&[ANYTHING; 3]);
    lab.devices[2].full = true;
    lab.cut.insert(2);
    let order = hold(&mut lab, 1, "planner");
    let said: Vec<_> = lab.disk(1).into_iter().filter(|held| held.id() == order).collect();
    lab.hand(0, 2, &said);
    assert_eq!(progress(&mut lab, 2, order).unconfirmed, ["d0"]);
    let receipts = lab.wrote(0, "receipt");
    lab.hand(0, 2, &receipts);
    let shown = progress(&mut lab, 2, order);
    assert!(shown.unconfirmed.is_empty(), "{:?}", shown.unconfirmed);
    assert!(shown.in_force_ms.is_some(), "all of them have confirmed it");
}

/// Goal: what a release says of a kind of device holds for that kind and no other. Method: a
/// profile of half the span for robots, then for gateways; the devices are gateways.
#[test]
fn a_profile_holds_for_its_kind_alone() {
    for (number, kind) in [(2, DeviceKind::Robot), (3, DeviceKind::Gateway)] {
        let mut lab = Lab::new(&[ANYTHING; 4]);
        let policy = all_but("fetch");
        let beacons = vec![lab.fleet.devices[0].key];
        let mut header = release(&lab, 2, &policy, beacons);
        let short = header.autonomy.unsealed_run_ms / 2;
        let autonomy = Autonomy { unsealed_run_ms: short, ..header.autonomy.clone() };
        header.profiles = vec![Profile { kind, autonomy }];
        publish(&mut lab, 0, header.clone(), &policy);
        lab.run(ADOPT_MS + 1_000);
        let own = header.autonomy_of(Some(DeviceKind::Gateway)).unsealed_run_ms;
        assert_eq!(own == short, number == 3);
        let ask = lab.request(1, Request::Status);
        let run = match lab.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
            Some(Ok(Answer::Status(status))) => status.run,
            other => panic!("a status is answered with {other:?}"),
        };
        let LeaseReach::ForMs(reach) = run else { panic!("{run:?}") };
        assert!(reach <= own && reach + 21_000 > own, "{kind}: {reach} of {own} ms");
    }
}
