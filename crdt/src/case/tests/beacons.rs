//! Devices that are their own beacons: each owes every order an answer (INV-STOP-3).

use super::{Fleet, running};
use crate::case::scenario::{Frame, Scenario, agent_term, secret};
use crate::case::{BranchState, CaseFile, MissingWhy, verify};
use belay_identity::body::{Approve, Autonomy, Lift, Reason, Release, ReleaseVersion, Term};
use belay_identity::{Body, StatementId};

/// Olga publishes who gives leases, and how many of them it takes.
fn publish(scenario: &mut Scenario, beacons: &[&str], quorum: u64) -> StatementId {
    let autonomy = Autonomy {
        local_ms: 1,
        tool_ms: 1,
        outward_ms: 1,
        work_ms: 1,
        motion_ms: 1,
        unsealed_run_ms: 1,
        lapse_grace_ms: 1,
    };
    let release = Release {
        version: ReleaseVersion { epoch: 1, number: 1 },
        ring: "default".into(),
        body: [1; 32],
        beacons: beacons.iter().map(|name| secret(name).public()).collect(),
        quorum,
        liars: 0,
        autonomy,
        adopt_by_ms: 1,
        language: 1,
        drafts: Vec::new(),
        gateways: Vec::new(),
        profiles: Vec::new(),
        reason: None,
    };
    let id = scenario.olga(Frame::default(), Body::Release(release));
    scenario.olga(Frame::default(), Body::Approve(Approve { of: id }));
    id
}

/// helper's tree was stopped and every device of it has answered; "spare" runs nothing of it.
fn stopped_with_spare(quorum: u64) -> (Fleet, StatementId) {
    let mut fleet = running();
    fleet.scenario.enrol("spare");
    publish(&mut fleet.scenario, &["laptop", "spare"], quorum);
    let order = fleet.stop();
    fleet.answer(order, &super::ALL);
    fleet.scenario.none_ran("laptop", &[], order);
    (fleet, order)
}

/// Goal: a case waits for a beacon that may have begun what nobody has heard of, offline too.
/// Method: everything known has answered; then the spare beacon does.
#[test]
fn a_case_waits_for_every_device_that_is_its_own_beacon() {
    let (mut fleet, order) = stopped_with_spare(1);
    let case = fleet.scenario.case(order);
    assert!(!case.complete);
    let missing: Vec<_> = case.missing().map(|(branch, why)| (&branch.device, why)).collect();
    let spare = Some(super::device("spare"));
    assert_eq!(missing, [(&spare, &MissingWhy::OwnBeacon)]);
    let file = CaseFile::of(&case, &fleet.scenario.set()).to_bytes();
    assert!(!verify(&file, Some(fleet.scenario.fleet)).unwrap().case.complete);

    fleet.scenario.none_ran("spare", &[], order);
    let case = fleet.scenario.case(order);
    assert!(case.complete && case.proven, "{:?}", case.branches);
    let file = CaseFile::of(&case, &fleet.scenario.set()).to_bytes();
    assert!(verify(&file, Some(fleet.scenario.fleet)).unwrap().case.complete);
}

/// Goal: what such a device began and lists is missing until it is held, and then must have ended.
/// Method: the spare beacon's answer comes before its award, the award before its receipt.
#[test]
fn what_a_beacon_lists_is_followed() {
    let (mut fleet, order) = stopped_with_spare(1);
    let fresh = fleet.scenario.root_agent("helper", "spare");
    let award = fleet.scenario.award(&fresh, None, "spare");
    fleet.scenario.none_ran("spare", &[(award, "spare")], order);
    let early = fleet.scenario.set_without(&[fresh.id, award]);
    let state = |set| {
        let case = crate::case::scenario::Views::of(set).case(order);
        let branch = case.branches.iter().find(|branch| branch.award == Some(award)).unwrap();
        (case.complete, branch.state.clone())
    };
    let unheld = BranchState::Missing(MissingWhy::AwardNotHeld);
    assert_eq!(state(early), (false, unheld));
    let silent = BranchState::Missing(MissingWhy::Silent);
    assert_eq!(state(fleet.scenario.set()), (false, silent));
    fleet.scenario.receipt(award, fresh.tree, "spare", &[], order);
    assert!(state(fleet.scenario.set()).0);
}

/// Goal: with a quorum of two of three, a case waits until two beacons have answered, since one
/// that has not may freshen somebody with the third; whoever is silent then is named.
#[test]
fn a_case_waits_until_its_order_is_in_force() {
    let mut fleet = running();
    fleet.scenario.enrol("spare");
    publish(&mut fleet.scenario, &["laptop", "robot", "spare"], 2);
    let order = fleet.stop();
    fleet.answer(order, &super::ALL);
    fleet.scenario.none_ran("laptop", &[], order);
    let case = fleet.scenario.case(order);
    let missing: Vec<_> = case.missing().map(|(branch, why)| (&branch.device, why)).collect();
    let (robot, spare) = (Some(super::device("robot")), Some(super::device("spare")));
    assert_eq!(missing.len(), 2, "{missing:?}");
    for device in [&robot, &spare] {
        assert!(missing.contains(&(device, &MissingWhy::Unconfirmed)), "{missing:?}");
    }
    fleet.scenario.none_ran("spare", &[], order);
    let case = fleet.scenario.case(order);
    assert!(case.complete && case.proven, "{:?}", case.branches);
    let file = CaseFile::of(&case, &fleet.scenario.set()).to_bytes();
    assert!(verify(&file, Some(fleet.scenario.fleet)).unwrap().case.complete);
}

/// Goal: a beacon that is silenced is not waited for, and is no answer either: whoever has not
/// heard that it is silenced may still be freshened by it and by one that has not heard the order.
/// Method: of three with a quorum of two one is silenced and one answers; then the third does.
#[test]
fn a_silenced_beacon_confirms_nothing() {
    let mut fleet = running();
    fleet.scenario.enrol("spare");
    publish(&mut fleet.scenario, &["laptop", "robot", "spare"], 2);
    let order = fleet.stop();
    fleet.answer(order, &super::ALL);
    fleet.scenario.none_ran("laptop", &[], order);
    silence(&mut fleet.scenario, "spare");
    let case = fleet.scenario.case(order);
    let missing: Vec<_> = case.missing().map(|(branch, why)| (&branch.device, why)).collect();
    let robot = Some(super::device("robot"));
    assert_eq!(missing, [(&robot, &MissingWhy::Unconfirmed)]);
    fleet.scenario.none_ran("robot", &[], order);
    assert!(fleet.scenario.case(order).complete, "nobody is left who could be asked");
}

/// Olga's order on a device, which the root co-signs.
fn silence(scenario: &mut Scenario, device: &str) {
    let of = scenario.hold(vec![Term::Device(super::device(device))]);
    scenario.root_approves(of);
}

/// Goal: a beacon that another one must freshen owes nothing of its own, and one that was left out
/// of a case file is missed. Method: a quorum of two; then a file without the spare's enrolment.
#[test]
fn only_who_is_alone_owes_an_answer_and_leaving_him_out_is_seen() {
    let (fleet, order) = stopped_with_spare(2);
    assert!(fleet.scenario.case(order).complete);
    let (mut fleet, order) = stopped_with_spare(1);
    fleet.scenario.none_ran("spare", &[], order);
    let is_spare = |held: &&crate::set::Held| match &held.body {
        Body::Enrol(enrol) => enrol.device == super::device("spare"),
        _ => false,
    };
    let enrol = fleet.scenario.said.iter().find(is_spare).unwrap().id();
    let without = fleet.scenario.set_without(&[enrol]);
    assert!(!crate::case::scenario::Views::of(without).case(order).complete);
    let of_nobody = fleet.scenario.hold(vec![agent_term("nobody")]);
    assert!(!fleet.scenario.case(of_nobody).complete);
}

/// Goal: the case of an order that was lifted reads the same to whoever holds only its file.
/// Method: the spare beacon never answers, and the order is lifted.
#[test]
fn the_case_of_a_lifted_order_shows_the_lift() {
    let (mut fleet, order) = stopped_with_spare(1);
    let frame = Frame { refs: vec![order], ..Frame::default() };
    let lift = Body::Lift(Lift { reason: Reason("done".to_owned()) });
    let lift = fleet.scenario.olga(frame, lift);
    let case = fleet.scenario.case(order);
    assert!(case.complete, "nobody owes an answer any more: {:?}", case.branches);
    let file = CaseFile::of(&case, &fleet.scenario.set());
    let report = verify(&file.to_bytes(), Some(fleet.scenario.fleet)).unwrap();
    assert_eq!((report.case.complete, report.case.proven), (case.complete, case.proven));
    assert!(case.statements.contains(&lift));
}
