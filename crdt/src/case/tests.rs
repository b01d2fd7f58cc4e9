//! Stopped trees that are complete, and every way not to be (INV-STOP-3).

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod beacons;
mod forged;
mod lifts;

use super::scenario::{Frame, Papers, Scenario, Views, agent_term, device, domain};
use super::{
    Branch, BranchState, Case, CaseError, CaseFile, Found, MissingWhy, OrderFault, Report, verify,
};
use crate::tasks::ChainGap;
use belay_identity::body::{Delegation, Hold, Outcome, Receipt, Seen, Subject, Term};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{Body, Scope, StatementId};

/// helper on laptop gave work to digger on robot, who gave work to sorter on gateway.
#[derive(Clone)]
struct Fleet {
    scenario: Scenario,
    helper: Papers,
    digger: Papers,
    delegations: [StatementId; 2],
    root: StatementId,
    dig: StatementId,
    sort: StatementId,
}

type Listed<'a> = &'a [(StatementId, &'a str)];

const ALL: [&str; 3] = ["laptop", "robot", "gateway"];

fn running() -> Fleet {
    let mut scenario = Scenario::new();
    ALL.iter().for_each(|name| _ = scenario.enrol(name));
    let helper = scenario.root_agent("helper", "laptop");
    let root = scenario.award(&helper, None, "laptop");
    scenario.started(root, &helper);
    let (first, dig, digger) = handed(&mut scenario, &helper, ("digger", "robot"), 5);
    let (second, sort, _) = handed(&mut scenario, &digger, ("sorter", "gateway"), 4);
    let delegations = [first, second];
    Fleet { scenario, helper, digger, delegations, root, dig, sort }
}

fn handed(
    scenario: &mut Scenario,
    from: &Papers,
    (to, on): (&str, &'static str),
    depth: u64,
) -> (StatementId, StatementId, Papers) {
    let body = Delegation { depth, ..scenario.delegation_body(from.id, to, on) };
    let delegation = scenario.delegate(from, body);
    let award = scenario.award(from, Some(delegation), on);
    let papers = scenario.agent_under(delegation, from.tree, to, on);
    scenario.started(award, &papers);
    (delegation, award, papers)
}

impl Fleet {
    fn stop(&mut self) -> StatementId {
        self.scenario.hold(vec![agent_term("helper")])
    }

    /// Signs the receipts of these devices, the lowest in the tree first.
    fn answer(&mut self, order: StatementId, devices: &[&str]) {
        let (tree, root, dig, sort) = (self.helper.tree, self.root, self.dig, self.sort);
        let all: [(&str, StatementId, Listed<'_>); 3] = [
            ("gateway", sort, &[]),
            ("robot", dig, &[(sort, "gateway")]),
            ("laptop", root, &[(dig, "robot")]),
        ];
        for (name, award, made) in all.into_iter().filter(|(name, ..)| devices.contains(name)) {
            self.scenario.receipt(award, tree, name, made, order);
        }
    }

    fn receipt_with(
        &mut self,
        award: StatementId,
        by: &str,
        made: &[(StatementId, &str)],
        change: impl FnOnce(Receipt) -> Receipt,
    ) {
        let scope = Scope::Tree(self.helper.tree);
        let body = change(self.scenario.receipt_body(Some(award), by, &scope, made));
        self.scenario.by_device(by, scope, Vec::new(), Body::Receipt(body));
    }
}

fn stopped() -> (Fleet, StatementId) {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &ALL);
    (fleet, order)
}

fn branch(case: &Case, award: StatementId) -> &Branch {
    case.branches.iter().find(|branch| branch.award == Some(award)).unwrap()
}

fn why(case: &Case, award: StatementId) -> &MissingWhy {
    match &branch(case, award).state {
        BranchState::Missing(why) => why,
        other => panic!("{other:?}"),
    }
}

fn bytes_of(scenario: &Scenario, order: StatementId) -> Vec<u8> {
    let views = scenario.views();
    CaseFile::of(&views.case(order), &views.set).to_bytes()
}

fn lacks_nothing(report: &Report) -> bool {
    report.checks.iter().all(|check| check.found == Found::Holds)
}

#[test]
fn a_stopped_tree_is_complete_and_proven() {
    let (fleet, order) = stopped();
    let case = fleet.scenario.case(order);
    assert_eq!((case.fault.clone(), case.complete, case.proven), (None, true, true), "{case:#?}");
    let awards: Vec<_> = case.branches.iter().map(|branch| branch.award.unwrap()).collect();
    assert_eq!(awards, [fleet.root, fleet.dig, fleet.sort], "makers before what they made");
    assert_eq!(branch(&case, fleet.sort).parent, Some(fleet.dig));
    assert_eq!(branch(&case, fleet.dig).lease_ms, Some(30_000));
    let BranchState::Proven(facts) = &branch(&case, fleet.sort).state else { panic!() };
    assert_eq!((facts.outcome, facts.signal), (Outcome::Stopped, Some(15)));
}

#[test]
fn a_case_is_the_same_after_any_arrival_and_from_its_own_statements() {
    let (fleet, order) = stopped();
    let case = fleet.scenario.case(order);
    let mut other = fleet.scenario.clone();
    other.said.reverse();
    assert_eq!(other.case(order), case);
    other.said.retain(|held| case.statements.contains(&held.id()));
    assert_eq!(other.case(order), case);
}

#[test]
fn a_case_carries_how_its_devices_came_in() {
    let mut fleet = running();
    let invite = fleet.scenario.invite("ticket", "robot");
    let enrol = fleet.scenario.use_invite("ticket", invite, "drone");
    fleet.scenario.use_invite("ticket", invite, "thief");
    fleet.scenario.witness("robot", invite, enrol);
    let digger = fleet.digger.clone();
    let (_, fly, _) = handed(&mut fleet.scenario, &digger, ("flyer", "drone"), 4);
    fleet.scenario.seal();
    fleet.scenario.enrol("server");
    let order = fleet.stop();
    let tree = fleet.helper.tree;
    fleet.scenario.receipt(fly, tree, "drone", &[], order);
    fleet.answer(order, &["gateway", "laptop"]);
    let made = [(fleet.sort, "gateway"), (fly, "drone")];
    fleet.scenario.receipt(fleet.dig, tree, "robot", &made, order);
    let case = fleet.scenario.case(order);
    assert!(case.complete && case.proven, "{case:#?}");
    for id in [invite, enrol] {
        assert!(case.statements.contains(&id));
    }
    let report = verify(&bytes_of(&fleet.scenario, order), Some(fleet.scenario.fleet)).unwrap();
    assert_eq!(report.case, case);
    assert!(lacks_nothing(&report), "{:#?}", report.checks);
}

#[test]
fn another_tree_stays_out_of_the_case() {
    let (mut fleet, order) = stopped();
    let before = fleet.scenario.case(order);
    let other = fleet.scenario.root_agent("writer", "laptop");
    let award = fleet.scenario.award(&other, None, "laptop");
    fleet.scenario.started(award, &other);
    assert_eq!(fleet.scenario.case(order), before);
}

#[test]
fn an_order_on_a_link_below_leaves_the_links_above_alone() {
    let mut fleet = running();
    let order = fleet.scenario.hold(vec![agent_term("digger"), Term::Device(device("gateway"))]);
    let case = fleet.scenario.case(order);
    let awards: Vec<_> = case.branches.iter().map(|branch| branch.award).collect();
    assert_eq!(awards, [Some(fleet.sort)]);
}

#[test]
fn each_missing_receipt_is_a_missing_branch() {
    for silent in ALL {
        let mut fleet = running();
        let order = fleet.stop();
        let others: Vec<&str> = ALL.into_iter().filter(|name| *name != silent).collect();
        fleet.answer(order, &others);
        let case = fleet.scenario.case(order);
        assert!(!case.complete && !case.proven, "{silent} said nothing");
        let missing: Vec<_> = case.missing().collect();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].0.device, Some(device(silent)));
        assert_eq!(*missing[0].1, MissingWhy::Silent);
    }
}

#[test]
fn an_award_left_out_by_its_maker_names_the_maker() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["gateway", "laptop"]);
    let (dig, tree) = (fleet.dig, fleet.helper.tree);
    fleet.scenario.receipt(dig, tree, "robot", &[], order);
    let case = fleet.scenario.case(order);
    assert_eq!(*why(&case, dig), MissingWhy::Unlisted { award: fleet.sort });
    assert!(matches!(branch(&case, fleet.sort).state, BranchState::Proven(_)));
    assert!(!case.complete);
}

#[test]
fn an_award_made_after_the_receipt_is_left_out_too_and_followed() {
    let (mut fleet, order) = stopped();
    let digger = fleet.digger.clone();
    let (_, late, _) = handed(&mut fleet.scenario, &digger, ("mole", "gateway"), 4);
    let case = fleet.scenario.case(order);
    assert_eq!(*why(&case, fleet.dig), MissingWhy::Unlisted { award: late });
    assert_eq!(*why(&case, late), MissingWhy::Silent);
}

#[test]
fn a_listed_award_that_is_not_held_is_missing() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["gateway", "laptop"]);
    let unseen = StatementId([5; 32]);
    let made = [(fleet.sort, "gateway"), (unseen, "laptop")];
    fleet.receipt_with(fleet.dig, "robot", &made, |receipt| receipt);
    let case = fleet.scenario.case(order);
    assert_eq!(*why(&case, unseen), MissingWhy::AwardNotHeld);
    assert_eq!(branch(&case, unseen).device, Some(device("laptop")));
    assert_eq!(branch(&case, unseen).parent, Some(fleet.dig));
    assert!(!case.complete);
}

#[test]
fn an_award_that_only_its_executor_names_is_missing() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["gateway", "laptop"]);
    let views = Views::of(fleet.scenario.set_without(&[fleet.sort]));
    let case = views.case(order);
    assert_eq!(*why(&case, fleet.sort), MissingWhy::AwardNotHeld);
    assert_eq!(branch(&case, fleet.sort).device, Some(device("gateway")));
}

#[test]
fn a_receipt_that_names_another_executor_is_not_relied_on() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["gateway", "laptop"]);
    fleet.receipt_with(fleet.dig, "robot", &[(fleet.sort, "laptop")], |receipt| receipt);
    let case = fleet.scenario.case(order);
    assert_eq!(*why(&case, fleet.dig), MissingWhy::ListsOtherwise { award: fleet.sort });
}

#[test]
fn a_gap_in_the_log_below_a_receipt_is_missing() {
    let (fleet, order) = stopped();
    let robots = |held: &&crate::set::Held| {
        held.author == Principal::Device(device("robot")) && matches!(held.scope, Scope::Tree(_))
    };
    let started = fleet.scenario.said.iter().find(robots).unwrap().id();
    let case = Views::of(fleet.scenario.set_without(&[started])).case(order);
    assert!(matches!(why(&case, fleet.dig), MissingWhy::LogGap { seq: 2, .. }), "{case:#?}");
    assert!(!case.complete);
}

#[test]
fn a_receipt_that_marks_another_end_of_its_log_is_out_of_place() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["gateway", "laptop"]);
    let made = [(fleet.sort, "gateway")];
    fleet.receipt_with(fleet.dig, "robot", &made, |receipt| Receipt { log: None, ..receipt });
    let case = fleet.scenario.case(order);
    assert!(matches!(why(&case, fleet.dig), MissingWhy::OutOfPlace { .. }));

    let mut elsewhere = running();
    let order = elsewhere.stop();
    let body = elsewhere.scenario.receipt_body(Some(elsewhere.sort), "gateway", &Scope::Fleet, &[]);
    elsewhere.scenario.by_device("gateway", Scope::Fleet, Vec::new(), Body::Receipt(body));
    let case = elsewhere.scenario.case(order);
    assert!(matches!(why(&case, elsewhere.sort), MissingWhy::OutOfPlace { .. }));
}

#[test]
fn a_receipt_by_another_device_counts_for_nothing() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["robot", "laptop"]);
    let (sort, tree) = (fleet.sort, fleet.helper.tree);
    let receipt = fleet.scenario.receipt(sort, tree, "robot", &[], order);
    let case = fleet.scenario.case(order);
    assert_eq!(*why(&case, sort), MissingWhy::WrongSigner { receipt });
    assert!(!case.complete);
}

#[test]
fn a_device_that_holds_a_credential_and_ran_nothing_must_say_so() {
    let (mut fleet, order) = stopped();
    fleet.scenario.root_agent("helper", "robot");
    let case = fleet.scenario.case(order);
    let (silent, reason) = case.missing().next().unwrap();
    assert_eq!((silent.award, silent.device.clone()), (None, Some(device("robot"))));
    assert_eq!(*reason, MissingWhy::Silent);

    let mut foreign = fleet.clone();
    foreign.scenario.none_ran("gateway", &[], order);
    assert!(!foreign.scenario.case(order).complete, "nobody says it for another");

    fleet.scenario.none_ran("robot", &[], order);
    let case = fleet.scenario.case(order);
    assert!(case.complete && case.proven, "{case:#?}");
}

#[test]
fn a_sponsor_without_a_task_of_its_own_lists_what_it_gave() {
    let mut scenario = Scenario::new();
    ALL.iter().for_each(|name| _ = scenario.enrol(name));
    let helper = scenario.root_agent("helper", "laptop");
    let (_, dig, _) = handed(&mut scenario, &helper, ("digger", "robot"), 5);
    let order = scenario.hold(vec![agent_term("helper")]);
    scenario.receipt(dig, helper.tree, "robot", &[], order);
    assert!(!scenario.case(order).complete);
    let mut liar = scenario.clone();
    liar.none_ran("laptop", &[], order);
    let case = liar.case(order);
    let (branch, reason) = case.missing().next().unwrap();
    assert_eq!(branch.device, Some(device("laptop")));
    assert_eq!(*reason, MissingWhy::Unlisted { award: dig });

    scenario.none_ran("laptop", &[(dig, "robot")], order);
    let case = scenario.case(order);
    assert!(case.complete && case.proven, "{case:#?}");
}

#[test]
fn a_credential_that_no_enrolled_device_signed_is_missing() {
    let (mut fleet, order) = stopped();
    let body = fleet.scenario.credential_body("helper", "ghost", "ghost-agent", None);
    let credential =
        fleet.scenario.by_device("ghost", Scope::Fleet, Vec::new(), Body::Credential(body));
    let case = fleet.scenario.case(order);
    let (_, reason) = case.missing().next().unwrap();
    assert_eq!(*reason, MissingWhy::NotEnrolled { credential });
}

#[test]
fn a_chain_that_cannot_be_followed_may_match() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["laptop"]);
    let views = Views::of(fleet.scenario.set_without(&[fleet.delegations[1]]));
    let case = views.case(order);
    let gap = ChainGap::UnknownDelegation(fleet.delegations[1]);
    assert_eq!(*why(&case, fleet.sort), MissingWhy::ChainUnknown(gap));

    // User, project and class stay along a chain: what is missing cannot bring in another user.
    let other = belay_identity::principal::UserId::new(&domain(), "bob").unwrap();
    let order = fleet.scenario.hold(vec![agent_term("helper"), Term::User(other)]);
    let case = Views::of(fleet.scenario.set_without(&[fleet.delegations[1]])).case(order);
    assert!(case.complete && case.branches.is_empty());
}

#[test]
fn an_answer_that_shows_no_end_is_complete_and_not_proven() {
    let unproven: [(Outcome, Seen); 4] = [
        (Outcome::NotProven, Seen::NotSeen),
        (Outcome::Unstoppable, Seen::GroupEmpty),
        (Outcome::Stopped, Seen::NotSeen),
        (Outcome::FinishedBefore, Seen::NotSeen),
    ];
    for (outcome, seen) in unproven {
        let mut fleet = running();
        let order = fleet.stop();
        fleet.answer(order, &["robot", "laptop"]);
        fleet.receipt_with(fleet.sort, "gateway", &[], |r| Receipt { outcome, seen, ..r });
        let case = fleet.scenario.case(order);
        assert_eq!((case.complete, case.proven), (true, false), "{outcome} {seen}");
        assert!(matches!(branch(&case, fleet.sort).state, BranchState::Unproven(_)));
    }
}

#[test]
fn a_refused_award_never_ran_unless_it_was_begun() {
    let mut scenario = Scenario::new();
    ALL.iter().for_each(|name| _ = scenario.enrol(name));
    let helper = scenario.root_agent("helper", "laptop");
    let root = scenario.award(&helper, None, "laptop");
    scenario.started(root, &helper);
    let body = scenario.delegation_body(helper.id, "digger", "robot");
    let delegation = scenario.delegate(&helper, body);
    let award = scenario.award(&helper, Some(delegation), "robot");
    scenario.refused(award, helper.tree, "robot");
    let order = scenario.hold(vec![agent_term("helper")]);
    scenario.receipt(root, helper.tree, "laptop", &[(award, "robot")], order);
    let case = scenario.case(order);
    assert_eq!(branch(&case, award).state, BranchState::Refused);
    assert!(case.complete && case.proven, "{case:#?}");

    let digger = scenario.agent_under(delegation, helper.tree, "digger", "robot");
    scenario.started(award, &digger);
    assert_eq!(*why(&scenario.case(order), award), MissingWhy::Contradiction);
}

#[test]
fn never_started_contradicts_begun() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["robot", "laptop"]);
    let never = |r| Receipt { outcome: Outcome::NeverStarted, ..r };
    fleet.receipt_with(fleet.sort, "gateway", &[], never);
    assert_eq!(*why(&fleet.scenario.case(order), fleet.sort), MissingWhy::Contradiction);
}

#[test]
fn a_cancel_has_a_case_of_its_own() {
    let mut fleet = running();
    let (dig, tree) = (fleet.dig, fleet.helper.tree);
    let cancel = fleet.scenario.cancel(dig, tree, "laptop");
    fleet.answer(cancel, &["robot", "gateway"]);
    let case = fleet.scenario.case(cancel);
    assert!(case.complete && case.proven, "{case:#?}");
    assert_eq!(case.branches.len(), 2, "what stands above the cancel is not part of it");

    let void = fleet.scenario.cancel(dig, tree, "robot");
    let case = fleet.scenario.case(void);
    assert!(matches!(case.fault, Some(OrderFault::Void(_))) && !case.complete);
}

#[test]
fn an_order_that_does_not_count_has_no_complete_case() {
    let (mut fleet, order) = stopped();
    let body = Body::Hold(Hold {
        subject: Subject::new(vec![agent_term("helper")]).unwrap(),
        home: device("laptop"),
        reason: Default::default(),
        until_ms: None,
        pause: None,
    });
    let olga = Principal::Operator(OperatorId::new(&domain(), "olga").unwrap());
    let forged = fleet.scenario.say("robot", olga, Frame::default(), body);
    let case = fleet.scenario.case(forged);
    assert!(matches!(case.fault, Some(OrderFault::Void(_))) && !case.complete);
    assert_eq!(fleet.scenario.case(StatementId([1; 32])).fault, Some(OrderFault::NotHeld));
    let fault = fleet.scenario.case(fleet.root).fault;
    assert_eq!(fault, Some(OrderFault::NotAnOrder("award".into())));
    assert!(fleet.scenario.case(order).complete);
}

#[test]
fn a_renewed_credential_stays_one_branch() {
    let mut fleet = running();
    let tree = Some(fleet.helper.tree);
    let body = fleet.scenario.credential_body("helper", "laptop", "helper@laptop", tree);
    let renewed =
        fleet.scenario.by_device("laptop", Scope::Fleet, Vec::new(), Body::Credential(body));
    let papers = Papers { id: renewed, ..fleet.helper.clone() };
    let (_, late, _) = handed(&mut fleet.scenario, &papers, ("mole", "gateway"), 5);
    let order = fleet.stop();
    fleet.answer(order, &["gateway", "robot"]);
    fleet.scenario.receipt(late, fleet.helper.tree, "gateway", &[], order);
    let made = [(fleet.dig, "robot"), (late, "gateway")];
    fleet.scenario.receipt(fleet.root, fleet.helper.tree, "laptop", &made, order);
    let case = fleet.scenario.case(order);
    assert!(case.complete && case.proven, "{case:#?}");
    assert_eq!((case.branches.len(), branch(&case, late).parent), (4, Some(fleet.root)));
}

#[test]
fn a_case_file_proves_itself() {
    let (fleet, order) = stopped();
    let case = fleet.scenario.case(order);
    let bytes = bytes_of(&fleet.scenario, order);
    let report = verify(&bytes, Some(fleet.scenario.fleet)).unwrap();
    assert_eq!(report.case, case);
    assert!(report.compared && report.holds() && lacks_nothing(&report), "{:#?}", report.checks);
    assert!(report.checks.iter().any(|check| {
        let line = check.to_string();
        line.starts_with("signature of receipt ") && line.ends_with(" by device robot: holds")
    }));
    let unknown = verify(&bytes, None).unwrap();
    assert_eq!((unknown.compared, unknown.fleet), (false, fleet.scenario.fleet));
    let given = belay_identity::FleetId([3; 32]);
    let found = fleet.scenario.fleet;
    assert_eq!(verify(&bytes, Some(given)), Err(CaseError::OtherFleet { given, found }));
    assert_eq!(CaseFile::read(&bytes).unwrap().to_bytes(), bytes);
}

/// Goal: whoever changes one bit is found, and the statement is named. Method: every statement of a
/// case in turn, with a bit of its signature and one of its payload changed.
#[test]
fn a_changed_statement_is_named_exactly() {
    let (fleet, order) = stopped();
    let file = CaseFile::read(&bytes_of(&fleet.scenario, order)).unwrap();
    let of = file.statements.len();
    for at in 0..of {
        let length = file.statements[at].len();
        for (place, is_signature) in [(length - 1, true), (length - 80, false)] {
            let mut forged = file.clone();
            let mut changed = forged.statements[at].to_vec();
            changed[place] ^= 1;
            forged.statements[at] = changed.into();
            let error = verify(&forged.to_bytes(), Some(fleet.scenario.fleet)).unwrap_err();
            // A changed founding root is another fleet's, whatever else it is.
            if let CaseError::Statement { number, of: all, what, .. } = &error {
                assert_eq!((*number, *all), (at + 1, of));
                assert!(!is_signature || what.contains(" by "), "{what}");
            } else {
                assert!(!is_signature, "{error}");
                let founds = matches!(error, CaseError::OtherFleet { .. } | CaseError::NoRoot);
                assert!(founds, "{error}");
            }
        }
    }
    let robot = |held: &&crate::set::Held| {
        matches!(held.body, Body::Receipt(_)) && held.author == Principal::Device(device("robot"))
    };
    let receipt = fleet.scenario.said.iter().find(robot).unwrap();
    let at = file.statements.iter().position(|bytes| bytes == receipt.bytes()).unwrap();
    let mut forged = file.clone();
    let mut changed = receipt.bytes().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    forged.statements[at] = changed.into();
    let error = verify(&forged.to_bytes(), None).unwrap_err().to_string();
    let expected = format!("statement {} of {of} (receipt by device robot): the signature", at + 1);
    assert!(error.starts_with(&expected), "{error}");
}

/// Goal: nothing can be left out of a case file unseen. Method: every statement in turn.
#[test]
fn a_statement_left_out_is_noticed() {
    let (fleet, order) = stopped();
    let file = CaseFile::read(&bytes_of(&fleet.scenario, order)).unwrap();
    for at in 0..file.statements.len() {
        let mut less = file.clone();
        let gone = less.statements.remove(at);
        let kind = &fleet.scenario.said.iter().find(|held| *held.bytes() == gone).unwrap().body;
        match verify(&less.to_bytes(), Some(fleet.scenario.fleet)) {
            Err(CaseError::NoRoot) => assert_eq!(kind.kind(), "root"),
            Err(error) => panic!("{error}"),
            Ok(report) => assert!(!lacks_nothing(&report), "without its {}", kind.kind()),
        }
    }
}

#[test]
fn what_is_no_case_is_refused() {
    let (fleet, order) = stopped();
    let bytes = bytes_of(&fleet.scenario, order);
    let file = CaseFile::read(&bytes).unwrap();
    let mut twice = file.clone();
    twice.statements.insert(1, twice.statements[0].clone());
    assert!(matches!(
        verify(&twice.to_bytes(), None),
        Err(CaseError::Disorder { number: 2, .. } | CaseError::SeveralRoots)
    ));
    let mut swapped = file.clone();
    swapped.statements.swap(0, 1);
    let error = verify(&swapped.to_bytes(), Some(fleet.scenario.fleet)).unwrap_err();
    assert!(matches!(error, CaseError::Disorder { number: 2, .. }), "{error}");
    assert!(matches!(CaseFile::read(&bytes[..bytes.len() - 1]), Err(CaseError::Scan(_))));
    let trailing = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(CaseFile::read(&trailing), Err(CaseError::Scan(_))));
    let mut newer = bytes.clone();
    newer[1] = 2;
    assert_eq!(CaseFile::read(&newer), Err(CaseError::Version(2)));
    assert!(matches!(CaseFile::read(&[0x80]), Err(CaseError::Shape(_))));
    let large = vec![0; crate::limits::CASE_BYTES_MAX + 1];
    assert_eq!(CaseFile::read(&large), Err(CaseError::TooLarge));
    let empty = CaseFile { order, statements: Vec::new() };
    assert_eq!(verify(&empty.to_bytes(), None), Err(CaseError::NoRoot));
}

#[test]
fn an_incomplete_case_file_says_what_is_missing() {
    let mut fleet = running();
    let order = fleet.stop();
    fleet.answer(order, &["laptop", "robot"]);
    let report = verify(&bytes_of(&fleet.scenario, order), None).unwrap();
    assert!(report.holds() && !report.case.complete, "incomplete is no forgery");
    let line = report.checks.iter().map(ToString::to_string).find(|line| line.contains("lacking"));
    let expected = format!("end of sorter on gateway, award {}", &fleet.sort.to_hex()[..8]);
    assert!(line.unwrap().starts_with(&expected));
}
