//! What nobody may bring about by lending work: two starts of one piece, a start after its lease,
//! words that no peer can read.

use super::adopting::say;
use super::lab::{Held, Lab, Sent, work};
use belay_crdt::case::{Case, MissingWhy};
use belay_crdt::set::Set;
use belay_crdt::views::Views;
use belay_identity::body::{Award, Body, Hold, Outcome, Pause, Policy, Reason, Subject, Term};
use belay_identity::limits::{REASON_BYTES_MAX, STATEMENT_BYTES_MAX};
use belay_identity::{Incarnation, SecretKey, Statement, StatementId, sign};
use belay_mesh::gate::{Act, Decision};
use belay_mesh::input::Offload;
use belay_mesh::limits::{ACT_ARGS_MAX, OUTLOOK_ACTS_MAX, PAUSE_LOOK_MS};
use belay_mesh::output::RefusalKind;
use belay_mesh::wire::{self, FrameKind, Lane};
use belay_mesh::{Input, Request};
use std::collections::BTreeSet;
use std::sync::Arc;

const ANYTHING: Option<&[&str]> = Some(&[]);

/// Goal: one piece of work is awarded once, though a device that may be awarded at once is found
/// while another still thinks about its bid. Method: the giver looks its own program up for so long
/// that a standing offer comes; its own No makes it ask one device and award the other.
#[test]
fn a_late_bid_does_not_start_the_work_twice() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    // Chance decides who of the others is asked first: the standing offer is each one's once.
    for standing in 1..4 {
        lab.devices[0].wanted = Some(Vec::new());
        let ask = lab.offload(0, None, &[]);
        lab.settle();
        let own = lab.devices[0].wanted.take().unwrap();
        let named = lab.offload(0, Some(standing), &[]);
        lab.settle();
        lab.offloaded(named).unwrap();
        lab.devices.iter_mut().for_each(|device| device.started.clear());
        for nonce in own {
            let program = Err("no such program here".to_owned());
            lab.give(0, Input::Inspected { nonce, program });
        }
        lab.settle();
        lab.offloaded(ask).unwrap();
        let started: usize = lab.devices.iter().map(|device| device.started.len()).sum();
        assert_eq!(started, 1, "d{standing} had a standing offer");
        lab.run(70_000);
    }
}

/// Goal: an award whose papers come to disk after its lease has ended starts nothing: somebody
/// else may have the work by then. Method: the executor's disk is full for longer than the lease of
/// 10 s, and its giver cannot tell it of the cancel.
#[test]
fn an_award_written_after_its_lease_never_starts() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    lab.devices[1].full = true;
    lab.offload(0, Some(1), &[]);
    lab.settle();
    lab.cut = [1].into();
    lab.run(12_000);
    lab.devices[1].full = false;
    lab.run(2_000);
    assert!(lab.devices[1].started.is_empty());
    let receipts = lab.wrote(1, "receipt");
    let Some(Body::Receipt(receipt)) = receipts.first().map(|r| &r.body) else {
        panic!("the award is answered: {receipts:?}")
    };
    assert_eq!(receipt.outcome, Outcome::NeverStarted);
}

/// Goal: a permit needs the task lease beside the device's own. Method: the giver is cut off while
/// the beacon answers on; the work asks before and after its lease of 10 s.
#[test]
fn no_permit_without_the_task_lease() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    let ask = lab.offload(1, Some(2), &[]);
    lab.settle();
    let task = lab.offloaded(ask).unwrap().award;
    let (action, target) = ("tool.call", "search");
    let act = || Act { task, action: action.into(), target: target.into(), args: Vec::new() };
    lab.run(15_000);
    let verdict = lab.verdict(2, act());
    assert_eq!(verdict.decision, Decision::Permit, "{verdict:?}");
    lab.cut = [1].into();
    lab.run(11_000);
    let verdict = lab.verdict(2, act());
    assert_eq!((verdict.decision, &*verdict.rule), (Decision::Deny, "lease:task"));
}

/// Goal: no agent keeps the loop busy that hears orders: what it asks at once is bounded, and told.
/// Method: acts and outlooks at the bound and one above it.
#[test]
fn what_an_agent_asks_at_once_is_bounded() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    let ask = lab.offload(1, Some(2), &[]);
    lab.settle();
    let task = lab.offloaded(ask).unwrap().award;
    let act = |args: usize| {
        let args = (0..args).map(|number| ("item".to_owned(), number.to_string())).collect();
        Act { task, action: "tool.call".into(), target: "search".into(), args }
    };
    assert_eq!(lab.verdict(2, act(ACT_ARGS_MAX)).decision, Decision::Permit);
    let many = |acts: usize| Request::Outlook { task, acts: vec![act(0); acts] };
    let one = Request::Outlook { task, acts: vec![act(ACT_ARGS_MAX + 1)] };
    let ask = lab.request(2, many(OUTLOOK_ACTS_MAX));
    assert!(lab.answers.remove(&ask).unwrap().is_ok());
    let refused = [Request::Act(act(ACT_ARGS_MAX + 1)), one, many(OUTLOOK_ACTS_MAX + 1)];
    for request in refused {
        let ask = lab.request(2, request);
        let refusal = lab.answers.remove(&ask).unwrap().expect_err("it is over the bound");
        assert_eq!(refusal.kind, RefusalKind::WrongUse, "{refusal:?}");
        assert!(refusal.hint.contains("at a time"), "{refusal:?}");
    }
}

/// Goal: nobody at this device's door makes it say what its peers would hang up on. Method: a
/// command line over the bound of an offer.
#[test]
fn work_too_long_to_offer_is_refused_at_the_door() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    let device = Some(lab.fleet.devices[1].id.clone());
    let argv = vec!["work".to_owned(), "x".repeat(2 * STATEMENT_BYTES_MAX)];
    let ask = lab.ask(0, Offload { device, argv, ..work() });
    lab.settle();
    let refusal = lab.offloaded(ask).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::WrongUse, "{refusal:?}");
}

/// Goal: what a giver asks for does not become a long word in the log of whoever refuses it.
/// Method: a need of 8 kB behind a standing offer, so that the refusal is a statement.
#[test]
fn a_refusal_quotes_a_short_reason() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    lab.offload(0, Some(1), &[]);
    lab.settle();
    lab.offload(0, Some(1), &["é".repeat(4_000).as_str()]);
    lab.settle();
    let refused = lab.wrote(1, "refused");
    let Body::Refused(refusal) = &refused[0].body else { panic!("{refused:?}") };
    assert!(refusal.reason.contains("it has no"), "{}", refusal.reason);
    assert!(refusal.reason.len() <= REASON_BYTES_MAX, "{} bytes", refusal.reason.len());
}

/// Goal: a small wish is not answered by a thousand policies. Method: one policy, named a thousand
/// times in one frame.
#[test]
fn a_policy_wished_for_many_times_is_sent_once() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    let policy = StatementId(Policy::hash(&lab.fleet.policy));
    let body = wire::write_list(&vec![policy; 1_000]);
    let before = lab.frames(0, 1, FrameKind::Bodies);
    lab.deliver(&Sent { from: 1, to: 0, lane: Lane::Bulk, kind: FrameKind::Want, body });
    assert_eq!(lab.frames(0, 1, FrameKind::Bodies) - before, 1);
}

/// Goal: a device that has given much work away still answers an order in words that its peers can
/// read, and lists everything. Method: a thousand awards of one tree, then a hold on its agent.
#[test]
fn much_given_away_is_listed_in_several_receipts() {
    let mut lab = Lab::new(&[ANYTHING; 4]);
    lab.offload(0, Some(1), &[]);
    lab.settle();
    let first = lab.wrote(0, "award").pop().unwrap();
    let Body::Award(award) = first.body.clone() else { panic!("{first:?}") };
    lab.cut = [1].into();
    let given = many_like(&lab, &first, &award);
    given.chunks(50).for_each(|some| lab.hand(1, 0, some));
    let hold = lab.hold_of(Term::Agent(lab.fleet.agent("helper").unwrap()));
    let order = hold.id();
    lab.hand(1, 0, &[hold]);
    let none_ran = lab.wrote(0, "receipt");
    let mut listed = BTreeSet::new();
    for receipt in &none_ran {
        let bytes = receipt.bytes().len();
        assert!(bytes <= STATEMENT_BYTES_MAX, "{bytes} bytes are read by nobody");
        let Body::Receipt(body) = &receipt.body else { panic!("{receipt:?}") };
        listed.extend(body.made.iter().map(|made| made.award));
    }
    assert!(given.iter().all(|award| listed.contains(&award.id())), "{} listed", listed.len());
    let mut set = Set::new(lab.fleet.id);
    for statement in lab.disk(0) {
        set.insert(statement);
    }
    let Views { authority, orders, registry, tasks, .. } = &Views::fold(&set);
    let case = Case::gather(&set, authority, orders, registry, tasks, order);
    let unlisted = |why: &MissingWhy| matches!(why, MissingWhy::Unlisted { .. });
    assert!(case.branches.len() > given.len(), "every one of them is a branch");
    assert!(!case.missing().any(|(_, why)| unlisted(why)));
}

/// A thousand awards like this one, in a log of another life of its giver.
fn many_like(lab: &Lab, first: &Statement, award: &Award) -> Vec<Held> {
    let secret = SecretKey::from_seed(&lab.fleet.devices[0].secret);
    let incarnation = Incarnation { counter: 99, drawn: [0xf0; 16] };
    let (mut prev, mut all) = (None, Vec::new());
    for seq in 1..=1_000 {
        let body = Body::Award(Award { fence: 1 + seq, ..award.clone() });
        let statement = Statement { incarnation, seq, prev, body, ..first.clone() };
        let signed = Arc::new(sign(statement, &secret, &lab.fleet.id));
        prev = Some(signed.id());
        all.push(signed);
    }
    all
}

/// Goal: a stop ends what a pause has frozen, also where the pause lasts longer. Method: a pause
/// without end, then a stop for an hour, on the same agent.
#[test]
fn a_stop_ends_what_a_longer_pause_has_frozen() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[])]);
    let ask = lab.offload(0, Some(1), &[]);
    lab.settle();
    let award = lab.offloaded(ask).unwrap().award;
    let agent = Term::Agent(lab.fleet.agent("helper").unwrap());
    let subject = Subject::new(vec![agent]).unwrap();
    let until_ms = crate::clock::WALL_AT_START_MS + lab.now_ms + 3_600_000;
    let hold = |until_ms, pause| {
        let (subject, reason) = (subject.clone(), Reason("enough".into()));
        Body::Hold(Hold { subject, home: lab.fleet.devices[0].id.clone(), reason, until_ms, pause })
    };
    let (pause, stop) = (hold(None, Some(Pause)), hold(Some(until_ms), None));
    let ended = |lab: &Lab| {
        let all = lab.wrote(1, "receipt");
        all.iter().any(|held| matches!(&held.body, Body::Receipt(r) if r.award == Some(award)))
    };
    say(&mut lab, 0, vec![pause], Vec::new());
    lab.settle();
    assert!(!ended(&lab), "it stands still");
    say(&mut lab, 0, vec![stop], Vec::new());
    lab.settle();
    assert!(ended(&lab), "the stop ends it");
}

/// Goal: what stands still for a time goes on by itself when that is over. Method: a pause of five
/// seconds at a device that nobody talks to meanwhile; it is woken when it asked to be, no sooner.
#[test]
fn a_pause_for_a_time_ends_by_itself() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[])]);
    let ask = lab.offload(0, None, &[]);
    lab.settle();
    let agent = Term::Agent(lab.fleet.agent("helper").unwrap());
    let award = lab.offloaded(ask).unwrap().award;
    let node = usize::from(lab.devices[0].started != [award]);
    let (home, reason) = (lab.fleet.devices[0].id.clone(), Reason("enough".into()));
    let until_ms = Some(lab.wall_ms() + 5_000);
    let subject = Subject::new(vec![agent]).unwrap();
    let pause = Hold { subject, home, reason, until_ms, pause: Some(Pause) };
    say(&mut lab, 0, vec![pause.into()], Vec::new());
    lab.settle();
    assert!(lab.devices[node].still.contains(&award), "it stands still");
    lab.cut.extend([0, 1]);
    let began_ms = lab.now_ms;
    while lab.devices[node].still.contains(&award) {
        let wake = lab.devices[node].engine.next_deadline().expect("it asks to be woken");
        lab.now_ms = lab.now_ms.max(wake.0.div_ceil(1_000_000));
        lab.give(node, Input::Deadline);
        assert!(lab.now_ms - began_ms < 5_000 + 2 * PAUSE_LOOK_MS, "nothing let it go on");
    }
    assert!(lab.now_ms - began_ms >= 5_000, "it went on too soon");
}
