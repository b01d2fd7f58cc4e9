//! Work between devices, frame by frame: who is asked, who gets it, and who never starts it.

use super::lab::{Lab, Sent};
use belay_identity::body::{Body, Cancel, OnSilence, Outcome, Term};
use belay_identity::chain::Program;
use belay_identity::lease::Talk;
use belay_mesh::Input;
use belay_mesh::input::AnswerAt;
use belay_mesh::limits::{
    LOAD_FULL, OFFER_ANSWER_MS, RESERVATION_MS, RESERVATIONS_MAX, RESERVATIONS_PER_LINK_MAX,
    STANDING_MS, STANDING_PLACES, TASKS_MAX,
};
use belay_mesh::output::{Event, How, RefusalKind};
use belay_mesh::wire::FrameKind;

const ANYTHING: Option<&[&str]> = Some(&[]);
const CAMERA: Option<&[&str]> = Some(&["camera"]);

/// One giver that can do nothing itself, and three that have a camera.
fn lab() -> Lab {
    Lab::new(&[ANYTHING, CAMERA, CAMERA, CAMERA])
}

fn node_of(lab: &Lab, name: &str) -> usize {
    lab.fleet.devices.iter().position(|device| device.id.name() == name).unwrap()
}

/// Goal: work that fits stays here. Method: nothing is needed, the device is idle.
#[test]
fn work_that_fits_runs_here() {
    let mut lab = lab();
    let ask = lab.offload(0, None, &[]);
    lab.settle();
    let offloaded = lab.offloaded(ask).unwrap();
    assert_eq!((offloaded.how, offloaded.device.name()), (How::Here, "d0"));
    assert_eq!(lab.devices[0].started, [offloaded.award]);
    assert!(lab.sent.iter().all(|sent| sent.kind != FrameKind::Offer), "nobody was asked");
}

/// Goal: a busy device says why it is not here, and asks the others.
#[test]
fn a_busy_device_refuses_itself_and_says_so() {
    let mut lab = lab();
    lab.load(0, LOAD_FULL);
    let ask = lab.offload(0, None, &[]);
    lab.settle();
    let offloaded = lab.offloaded(ask).unwrap();
    assert_eq!(offloaded.how, How::Negotiated);
    assert_eq!(offloaded.tried[0].device, "d0");
    assert!(offloaded.tried[0].refusal.why.contains("750"), "{:?}", offloaded.tried);
}

/// Goal: three are asked at once, the first place is awarded, the others' places lapse unaided.
/// Method: nobody is told of the loss; then offers fill a loser up to its bound for one link, which
/// it can only take once the lost place is gone.
#[test]
fn the_places_of_losers_lapse_unaided() {
    let mut lab = lab();
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    let offloaded = lab.offloaded(ask).unwrap();
    assert_eq!(offloaded.how, How::Negotiated);
    let winner = node_of(&lab, offloaded.device.name());
    let losers: Vec<usize> = (1..4).filter(|node| *node != winner).collect();
    for loser in &losers {
        assert_eq!(lab.frames(*loser, 0, FrameKind::Bid), 1, "d{loser} had bid");
        assert!(lab.devices[*loser].started.is_empty());
        let told = lab.sent.iter().filter(|s| s.to == *loser && s.kind == FrameKind::Refuse);
        assert_eq!(told.count(), 0, "d{loser} is told nothing");
    }
    let loser = losers[0];
    lab.loses = |lab, sent| lab.has_award(sent);
    let bids = lab.frames(loser, 0, FrameKind::Bid);
    for _ in 0..RESERVATIONS_PER_LINK_MAX {
        lab.offload(0, Some(loser), &[]);
    }
    lab.settle();
    let refused = lab.frames(loser, 0, FrameKind::Refuse);
    assert_eq!(lab.frames(loser, 0, FrameKind::Bid) - bids, RESERVATIONS_PER_LINK_MAX - 1);
    assert_eq!(refused, 1, "the lost place still stands, so one is too many");
    lab.run(RESERVATION_MS + 100);
    lab.offload(0, Some(loser), &[]);
    lab.settle();
    assert_eq!(lab.frames(loser, 0, FrameKind::Refuse), refused, "every place has lapsed");
}

/// Goal: an offer carries terms only; nothing is signed before somebody has room. Method: every
/// device refuses; afterwards the giver has written neither credential nor delegation.
#[test]
fn nothing_is_signed_for_those_who_refuse() {
    let mut lab = lab();
    (1..4).for_each(|node| lab.load(node, LOAD_FULL));
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    let refusal = lab.offloaded(ask).unwrap_err();
    for name in ["d0: it has no “camera”", "d1: refuses", "d2: refuses", "d3: refuses"] {
        assert!(refusal.why.contains(name), "{name} is not in “{}”", refusal.why);
    }
    for kind in ["credential", "delegation", "award"] {
        assert!(lab.wrote(0, kind).is_empty(), "a {kind} was signed for nobody");
    }
}

/// Goal: a device that is silent makes way for the next. Method: two of four hear no offer.
#[test]
fn a_silent_candidate_makes_way() {
    let mut lab = lab();
    lab.cut = [1, 2, 3].into();
    let ask = lab.offload(0, None, &["camera"]);
    lab.run(OFFER_ANSWER_MS / 2);
    assert!(lab.answers.is_empty(), "they have a while to answer");
    lab.run(OFFER_ANSWER_MS);
    let refusal = lab.offloaded(ask).unwrap_err();
    assert_eq!(refusal.why.matches("did not answer in time").count(), 3, "{}", refusal.why);
}

/// Goal: nobody under an order is asked. Method: a hold on one of the three, then many offers.
#[test]
fn no_device_under_an_order_is_asked() {
    let mut lab = lab();
    let held = lab.fleet.devices[2].id.clone();
    let held = lab.hold_of(Term::Device(held));
    lab.hand(1, 0, &[held]);
    lab.settle();
    for _ in 0..6 {
        let ask = lab.offload(0, None, &["camera"]);
        lab.settle();
        lab.offloaded(ask).unwrap();
    }
    assert_eq!(lab.frames(0, 2, FrameKind::Offer), 0);
}

/// Goal: an award of an earlier process of the executor is refused by name, and the work goes on
/// to the next under a higher fence. Method: the winner starts again between bid and award.
#[test]
fn an_award_of_an_earlier_process_is_refused_by_name() {
    let mut lab = lab();
    lab.loses = |lab, sent| lab.has_award(sent) || sent.kind == FrameKind::Want;
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    let (lost, winner) = lost_award(&lab);
    lab.loses = |_, _| false;
    lab.restart(winner);
    lab.settle();
    lab.deliver(&lost);
    lab.settle();
    let offloaded = lab.offloaded(ask).unwrap();
    assert_eq!(offloaded.tried[1].device, format!("d{winner}"), "{:?}", offloaded.tried);
    assert!(offloaded.tried[1].refusal.why.contains("keeps no place"), "{:?}", offloaded.tried);
    assert!(lab.devices[winner].started.is_empty());
    assert_ne!(node_of(&lab, offloaded.device.name()), winner);
    assert_eq!(fences(&lab), [1, 2]);
}

/// Goal: a device that bids and vanishes keeps the work until its lease has ended, and no longer.
/// Method: the award to the winner is lost and the winner cut off; leases are 10 s.
#[test]
fn work_of_a_device_that_vanished_waits_for_its_lease() {
    let mut lab = lab();
    lab.loses = |lab, sent| lab.has_award(sent);
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    let (_, winner) = lost_award(&lab);
    lab.cut = [winner].into();
    lab.loses = |_, _| false;
    lab.run(9_500);
    assert_eq!(fences(&lab), [1], "the lease of the first award may still run");
    assert!(lab.answers.is_empty(), "the asker waits: it is shorter than he would");
    lab.run(1_000);
    assert_eq!(fences(&lab), [1, 2]);
    let offloaded = lab.offloaded(ask).unwrap();
    assert_ne!(node_of(&lab, offloaded.device.name()), winner);
    assert!(offloaded.tried.iter().any(|tried| tried.refusal.why.contains("its lease has ended")));
    // Back again, it finds the cancel before the award, or with it, and starts nothing.
    lab.cut.clear();
    lab.restart(winner);
    lab.run(12_000);
    assert!(lab.devices[winner].started.is_empty());
}

/// Goal: a device that takes an award and never starts it does not hold its giver up for ever, and
/// what it was told is taken back. Method: named, so nobody else can do it.
#[test]
fn work_that_never_starts_is_cancelled_and_said_so() {
    let mut lab = lab();
    lab.devices[1].idle = true;
    let ask = lab.offload(0, Some(1), &[]);
    lab.run(OFFER_ANSWER_MS + 100);
    let refusal = lab.offloaded(ask).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Unreachable);
    assert!(refusal.why.contains("did not answer in time"), "{refusal:?}");
    assert!(refusal.hint.contains("cancelled"), "{refusal:?}");
    assert_eq!(lab.wrote(0, "cancel").len(), 1);
    let receipts = lab.wrote(1, "receipt");
    let Body::Receipt(receipt) = &receipts[0].body else { panic!("{receipts:?}") };
    assert_ne!(receipt.outcome, Outcome::FinishedBefore);
}

/// Goal: of two awards for one place one starts, and the other is refused by name. Method: the
/// giver's own device signs a second award over the same delegation.
#[test]
fn two_awards_for_one_place_start_one() {
    let mut lab = lab();
    let ask = lab.offload(0, Some(1), &[]);
    lab.settle();
    let award = lab.offloaded(ask).unwrap().award;
    let first = lab.wrote(0, "award").pop().unwrap();
    let Body::Award(body) = &first.body else { panic!("{first:?}") };
    let second =
        lab.forge(0, &first, Body::Award(belay_identity::body::Award { fence: 2, ..body.clone() }));
    lab.hand(0, 1, &[first, second.clone()]);
    lab.settle();
    assert_eq!(lab.devices[1].started, [award]);
    let refused = lab.wrote(1, "refused");
    let Body::Refused(refusal) = &refused[0].body else { panic!("{refused:?}") };
    assert_eq!(refusal.award, second.id());
    assert!(refusal.reason.contains("keeps no place"), "{}", refusal.reason);
}

/// Goal: whoever gave work once may award the next at once, without offer and bid; it does not use
/// more places than were promised, nor for longer. Method: frames are counted.
#[test]
fn a_standing_offer_saves_the_bid_and_lapses() {
    let mut lab = lab();
    let first = lab.offload(0, Some(1), &[]);
    lab.settle();
    assert_eq!(lab.offloaded(first).unwrap().how, How::Named);
    assert_eq!(lab.frames(1, 0, FrameKind::Standing), 1);
    let bids = lab.frames(1, 0, FrameKind::Bid);
    for _ in 0..STANDING_PLACES {
        let ask = lab.offload(0, Some(1), &[]);
        lab.settle();
        assert_eq!(lab.offloaded(ask).unwrap().how, How::Standing);
    }
    assert_eq!(lab.frames(1, 0, FrameKind::Bid), bids, "no bid was waited for");
    let said = lab.frames(1, 0, FrameKind::Standing);
    assert!(said >= 2, "use renewed it");
    lab.run(STANDING_MS + 100);
    assert_eq!(lab.frames(1, 0, FrameKind::Standing), said, "nobody used it, so it lapsed");
    let late = lab.offload(0, Some(1), &[]);
    lab.settle();
    assert_eq!(lab.offloaded(late).unwrap().how, How::Named);
}

/// Goal: a burst beyond the promised places is negotiated, and every piece starts once.
#[test]
fn a_burst_takes_each_place_once() {
    let mut lab = lab();
    let first = lab.offload(0, Some(1), &[]);
    lab.settle();
    lab.offloaded(first).unwrap();
    let asks: Vec<u64> = (0..2 * STANDING_PLACES).map(|_| lab.offload(0, Some(1), &[])).collect();
    lab.settle();
    let how: Vec<How> = asks.iter().map(|ask| lab.offloaded(*ask).unwrap().how).collect();
    let at_once = how.iter().filter(|how| **how == How::Standing).count() as u64;
    assert_eq!(at_once, STANDING_PLACES, "{how:?}");
    let mut started = lab.devices[1].started.clone();
    started.sort();
    started.dedup();
    assert_eq!(started.len() as u64, 1 + 2 * STANDING_PLACES);
}

/// Goal: a standing offer dies with the process that said it, and the work goes on to the next.
/// Method: offer and award are on their way while the executor starts again.
#[test]
fn a_standing_offer_does_not_outlive_its_process() {
    let mut lab = lab();
    let first = lab.offload(0, Some(1), &[]);
    lab.settle();
    lab.offloaded(first).unwrap();
    lab.devices[1].started.clear();
    let before = lab.sent.len();
    lab.loses = |lab, sent| sent.kind == FrameKind::Offer || lab.has_award(sent);
    let ask = lab.offload(0, None, &["camera"]);
    lab.settle();
    let on_the_way: Vec<Sent> = lab.sent[before..]
        .iter()
        .filter(|s| s.to == 1 && (s.kind == FrameKind::Offer || lab.has_award(s)))
        .cloned()
        .collect();
    assert_eq!(on_the_way[0].kind, FrameKind::Offer, "the award follows its offer");
    // Repair would bring the award before its offer; refused by name as well, but as another.
    lab.loses = |_, sent| sent.kind == FrameKind::Heads;
    lab.restart(1);
    lab.settle();
    on_the_way.iter().for_each(|sent| lab.deliver(sent));
    lab.settle();
    let offloaded = lab.offloaded(ask).unwrap();
    assert!(lab.devices[1].started.is_empty());
    let tried = offloaded.tried.iter().find(|tried| tried.device == "d1").unwrap();
    assert!(tried.refusal.why.contains("none of this process"), "{tried:?}");
    assert_eq!(fences(&lab).last(), Some(&2));
}

/// Goal: an award that repair brings before what it rests on is answered all the same. Method: the
/// award alone first, then its papers.
#[test]
fn an_award_before_its_papers_is_answered() {
    let mut lab = lab();
    lab.loses = |_, sent| sent.from == 0 && sent.kind == FrameKind::Statements;
    lab.offload(0, Some(1), &[]);
    lab.settle();
    let papers: Vec<_> = ["award", "delegation", "credential"]
        .iter()
        .map(|kind| lab.wrote(0, kind).pop().unwrap())
        .collect();
    lab.devices[1].idle = true;
    lab.restart(1);
    lab.settle();
    for paper in papers {
        assert!(lab.wrote(1, "refused").is_empty());
        lab.hand(2, 1, &[paper]);
        lab.settle();
    }
    assert_eq!(lab.wrote(1, "refused").len(), 1);
}

/// Goal: a cancel that comes before its award is kept, and the award never starts.
#[test]
fn a_cancel_of_an_unknown_award_is_kept() {
    let mut lab = lab();
    lab.loses = |lab, sent| lab.has_award(sent);
    lab.offload(0, Some(1), &[]);
    lab.settle();
    let (lost, _) = lost_award(&lab);
    let award = lab.wrote(0, "award").pop().unwrap();
    let cancel = Cancel { award: award.id(), reason: "changed my mind".into() };
    let cancel = lab.forge(0, &award, cancel.into());
    lab.loses = |_, _| false;
    lab.hand(0, 1, &[cancel]);
    lab.settle();
    lab.deliver(&lost);
    lab.settle();
    assert!(lab.devices[1].started.is_empty());
    let receipts = lab.wrote(1, "receipt");
    let Body::Receipt(receipt) = &receipts[0].body else { panic!("{receipts:?}") };
    assert_eq!(receipt.outcome, Outcome::NeverStarted);
}

/// Goal: a result that comes after a cancel is dropped by name. Method: the cancel reaches the
/// giver, and the work, which did not hear of it, ends by itself.
#[test]
fn a_result_after_a_cancel_is_dropped_by_name() {
    let mut lab = lab();
    let ask = lab.offload_until(0, Some(1), &[], AnswerAt::End);
    lab.settle();
    let award = lab.wrote(0, "award").pop().unwrap();
    let cancel = Cancel { award: award.id(), reason: "changed my mind".into() };
    let cancel = lab.forge(0, &award, cancel.into());
    lab.loses = |_, sent| sent.from == 0;
    lab.hand(2, 0, &[cancel]);
    lab.settle();
    lab.ends(1, award.id());
    lab.settle();
    let refusal = lab.offloaded(ask).unwrap_err();
    assert!(refusal.why.contains("its result is dropped"), "{refusal:?}");
    let dropped = |event: &Event| matches!(event, Event::ResultDropped(id, _) if *id == award.id());
    assert!(lab.devices[0].events.iter().any(dropped));
}

/// Goal: an idle fleet says nothing of itself again. Method: a minute passes, then another.
#[test]
fn an_idle_fleet_does_not_chatter() {
    let mut lab = lab();
    lab.run(2_000);
    let presences = |lab: &Lab| (0..4).map(|node| lab.wrote(node, "presence").len()).sum::<usize>();
    let before = (presences(&lab), lab.sent.len());
    assert_eq!(before.0, 16, "each of four devices holds four words");
    lab.run(60_000);
    assert_eq!(presences(&lab), before.0);
    let bulk = lab.sent[before.1..].iter().filter(|sent| sent.lane == belay_mesh::wire::Lane::Bulk);
    assert_eq!(bulk.count(), 0, "nothing new was said in a minute");
    // A wavering load is no news; a full step is, but not at once.
    lab.load(1, 130);
    lab.load(1, 240);
    lab.run(61_000);
    assert_eq!(presences(&lab), before.0);
    lab.load(1, 800);
    lab.run(61_000);
    assert_eq!(presences(&lab), before.0 + 4);
}

/// Goal: work that runs to its deadline is not given anew before it; the asker is told at once.
#[test]
fn work_without_an_end_of_lease_is_not_given_anew() {
    let mut lab = lab();
    lab.loses = |lab, sent| lab.has_award(sent);
    let ask = lab.offload_so(0, OnSilence::RunToDeadline);
    lab.run(OFFER_ANSWER_MS + 100);
    let refusal = lab.offloaded(ask).unwrap_err();
    assert!(refusal.hint.contains("to its deadline"), "{refusal:?}");
    assert_eq!(fences(&lab), [1]);
}

/// The award that was lost, and to whom it went.
fn lost_award(lab: &Lab) -> (Sent, usize) {
    let award = lab.sent.iter().find(|sent| lab.has_award(sent) && sent.from == 0).unwrap();
    (award.clone(), award.to)
}

/// The fences of the awards that the giver wrote.
fn fences(lab: &Lab) -> Vec<u64> {
    let fence = |body: &Body| match body {
        Body::Award(award) => award.fence,
        _ => 0,
    };
    lab.wrote(0, "award").iter().map(|award| fence(&award.body)).collect()
}

/// Goal: a standing offer is one frame of a known size. Method: the frame is read back.
#[test]
fn a_standing_offer_says_who_may_use_it() {
    let mut lab = lab();
    let ask = lab.offload(0, Some(1), &[]);
    lab.settle();
    lab.offloaded(ask).unwrap();
    let sent = lab.sent.iter().find(|sent| sent.kind == FrameKind::Standing).unwrap();
    let talk = lab.talk(sent).unwrap();
    let Talk::Standing(offer) = &*talk else { panic!("{talk:?}") };
    assert_eq!((offer.holder, offer.places), (lab.fleet.devices[0].key, STANDING_PLACES));
    assert!(sent.body.len() < 300, "{} bytes", sent.body.len());
}

const EXACT: &str = r#"
about = "Three devices on links of exactly 10 ms and disks of exactly 4 ms."
nodes = 3
duration = "100s"
[fleet]
degree = 2
[lease]
act = "20s"
run = "20s"
lapse_grace = "1s"
[network]
latency = ["10ms", "10ms"]
jitter = "0ms"
loss = 0.0
repair = ["0ms", "0ms"]
idle = "10s"
[disk]
write = ["4ms", "4ms"]
lookup = ["0ms", "0ms"]
[task]
start = ["2ms", "2ms"]
act_every = "10s"
deaf = 0.0
ends = ["1ms", "1ms"]
[clock]
ppm = 0
wall = "0s"
[lend]
capabilities = ["camera"]
share = 0.5
load_every = "1s"
load_until = "0s"
load_max = 0
[[script]]
at = "5s"
offload = { agent = "helper", node = 0, needs = ["camera"] }
[[script]]
at = "7s"
offload = { agent = "helper", node = 0, needs = ["camera"] }
"#;

/// Goal: a start costs 1.5 round trips and two writes where it is negotiated, half a round trip
/// and two writes on a standing offer, and not a microsecond more. Method: links and disks of exact
/// length in virtual time, from the asking to the word to the warden.
#[test]
fn a_start_takes_its_round_trips_and_two_writes() {
    let plan = super::plan(EXACT);
    let mut seen = [0, 0, 0];
    for seed in 1..=12 {
        let report = crate::run(&plan, seed, None);
        super::assert_green(&report);
        for (place, (how, ms)) in
            [("negotiated", 38.0), ("standing", 18.0), ("here", 4.0)].into_iter().enumerate()
        {
            let Some(took) = report.offload_start_ms.get(how) else { continue };
            seen[place] += 1;
            assert_eq!((took.p50, took.max), (ms, ms), "{how}, seed {seed}");
        }
    }
    assert!(seen.iter().all(|seen| *seen > 0), "each way was taken: {seen:?}");
}

/// Goal: a fleet that lends work without naming anybody keeps every invariant, through loads that
/// change, a death and an order; and the work was lent by every way there is.
#[test]
fn a_lending_fleet_is_green() {
    let plan = super::plan(super::OFFLOAD);
    let mut ways = std::collections::BTreeSet::new();
    for seed in 1..=10 {
        let report = crate::run(&plan, seed, None);
        super::assert_green(&report);
        ways.extend(report.offload_start_ms.keys().cloned());
    }
    assert_eq!(ways.len(), 3, "{ways:?}");
}

/// Goal: whoever gives himself more work than a device runs is refused in time, and never brings
/// its node down (INV-NET-1). Method: two crowds of work whose programs are all looked up late.
#[test]
fn a_crowd_of_own_work_is_refused_and_ends_no_node() {
    let mut lab = Lab::new(&[Some(&[]), None]);
    let mut asks = Vec::new();
    for _ in 0..2 {
        lab.devices[0].wanted = Some(Vec::new());
        asks.extend((0..200).map(|_| lab.offload(0, None, &[])));
        for nonce in lab.devices[0].wanted.take().unwrap() {
            lab.give(0, Input::Inspected { nonce, program: Ok(Program::of([7; 32])) });
        }
        lab.settle();
    }
    let begun = lab.devices[0].started.len();
    assert!((1..=TASKS_MAX + RESERVATIONS_MAX).contains(&begun), "{begun} began");
    lab.run(OFFER_ANSWER_MS + 1_000);
    let refused = asks.into_iter().filter(|ask| lab.offloaded(*ask).is_err()).count();
    assert_eq!(refused, 400 - lab.devices[0].started.len());
}
