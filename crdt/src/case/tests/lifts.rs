//! What begins after an order was lifted is none of its case (INV-STOP-3).

use super::{Fleet, lacks_nothing, stopped};
use crate::case::scenario::{Frame, Papers, Views};
use crate::case::{CaseFile, verify};
use crate::set::Held;
use belay_identity::body::{Lift, Reason};
use belay_identity::{Body, StatementId};

/// helper was stopped, everything answered, and the order was lifted.
fn lifted() -> (Fleet, StatementId, StatementId) {
    let (mut fleet, order) = stopped();
    let frame = Frame { refs: vec![order], ..Frame::default() };
    let lift = Body::Lift(Lift { reason: Reason("done".to_owned()) });
    let lift = fleet.scenario.olga(frame, lift);
    (fleet, order, lift)
}

/// helper runs anew on the gateway, its award naming these.
fn again(fleet: &mut Fleet, lifts: Vec<StatementId>) -> (Papers, StatementId) {
    let papers = fleet.scenario.root_agent("helper", "gateway");
    let award = fleet.scenario.award_naming(&papers, None, "gateway", lifts);
    fleet.scenario.started(award, &papers);
    (papers, award)
}

/// What a lift names, chosen in its fleet.
type Named<'a> = &'a dyn Fn(&mut Fleet) -> Vec<StatementId>;

/// Goal: a new run of a resumed agent leaves the old case whole, in the fleet and in its file.
#[test]
fn a_run_that_names_the_lift_is_no_branch_of_the_lifted_order() {
    let (mut fleet, order, lift) = lifted();
    assert!(fleet.scenario.case(order).complete);
    let (_, award) = again(&mut fleet, vec![lift]);
    let case = fleet.scenario.case(order);
    assert!(case.complete && case.proven, "{:?}", case.branches);
    assert!(case.branches.iter().all(|branch| branch.award != Some(award)));
    let file = CaseFile::of(&case, &fleet.scenario.set()).to_bytes();
    let report = verify(&file, Some(fleet.scenario.fleet)).unwrap();
    assert!(lacks_nothing(&report) && report.case.complete, "{report:?}");
}

/// Goal: nobody leaves a branch out by naming what answers no order of its own. Method: no lift,
/// another order's lift, the order itself, a lift of nobody's.
#[test]
fn a_run_that_names_no_lift_of_this_order_is_missed() {
    let (fleet, order, _) = lifted();
    let other = |fleet: &mut Fleet| {
        let other = fleet.scenario.hold(vec![crate::case::scenario::agent_term("nobody")]);
        let frame = Frame { refs: vec![other], ..Frame::default() };
        fleet.scenario.olga(frame, Body::Lift(Lift { reason: Reason("other".to_owned()) }))
    };
    let of_nobody = |fleet: &mut Fleet| {
        let frame = Frame { refs: vec![order], ..Frame::default() };
        let author = belay_identity::principal::Principal::Device(super::device("robot"));
        let lift = Body::Lift(Lift { reason: Reason("mine".to_owned()) });
        fleet.scenario.say("robot", author, frame, lift)
    };
    let names: [(&str, Named); 4] = [
        ("nothing", &|_| Vec::new()),
        ("the order", &|_| vec![order]),
        ("another lift", &|fleet| vec![other(fleet)]),
        ("nobody's lift", &|fleet| vec![of_nobody(fleet)]),
    ];
    for (what, lifts) in names {
        let mut fleet = fleet.clone();
        let lifts = lifts(&mut fleet);
        let (_, award) = again(&mut fleet, lifts);
        let case = fleet.scenario.case(order);
        assert!(!case.complete, "{what}");
        assert!(case.missing().any(|(branch, _)| branch.award == Some(award)), "{what}");
    }
}

/// Goal: an award of the stopped tree hides nothing else of it. Method: helper's old tree gives one
/// more piece away and names the lift; its robot's receipt is missing.
#[test]
fn one_award_that_names_the_lift_hides_no_other_of_its_tree() {
    let (mut fleet, order, lift) = lifted();
    let helper = fleet.helper.clone();
    fleet.scenario.award_naming(&helper, None, "laptop", vec![lift]);
    let digs = |held: &&Held| match &held.body {
        Body::Receipt(receipt) => receipt.award == Some(fleet.dig),
        _ => false,
    };
    let receipt = fleet.scenario.said.iter().find(digs).unwrap().id();
    let without = fleet.scenario.set_without(&[receipt]);
    let case = Views::of(without).case(order);
    assert!(case.missing().any(|(branch, _)| branch.award == Some(fleet.dig)));
}
