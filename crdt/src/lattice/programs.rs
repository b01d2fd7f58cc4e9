//! The programs: what varies, what is probed, and a few subsets whose outcome is written by hand.

use super::further::further;
use super::held::held;
use super::listed::listed;
use super::members::members;
use super::people::{budget, operators, principals, removals};
use super::world::{
    Who, World, agent, device, hold, hold_until, lift, link, operator, pin, presence, release,
    restore, revoke, root, user,
};
use crate::set::Held;
use belay_identity::Chain;
use belay_identity::FleetId;
use belay_identity::body::{Approve, Body, Named, Proof, Removal, RingFloor, Term};
use belay_identity::chain::Link;
use belay_identity::codec::Bytes;

/// What an element is for the properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It takes away: an order, the twin of a grant, a proof.
    Denial,
    /// It lets or answers.
    Grant,
    /// A root epoch that keeps every order and every operator: it only seals.
    Seal,
    /// Any other root epoch.
    Epoch,
}

/// One thing that is there or not.
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) held: Vec<Held>,
}

/// What is written by hand about one subset.
pub(super) struct Expected {
    pub(super) present: &'static [&'static str],
    pub(super) what: What,
    pub(super) holds: bool,
}

/// What is asked of a subset.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// Some order cuts this probe.
    Cut(usize),
    /// The first statement of this element counts as an order.
    Orders(&'static str),
    /// The same as a grant.
    Grants(&'static str),
    /// The same as a credential, issued by its device.
    Issued(&'static str),
    /// The same is an order that a removal for cause has voided.
    Revived(&'static str),
    /// The device `near` is silenced as a beacon.
    Silenced,
}

/// A program of the lattice.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) fleet: FleetId,
    pub(super) base: Vec<Held>,
    pub(super) elements: Vec<Element>,
    pub(super) probes: Vec<Chain>,
    pub(super) expected: Vec<Expected>,
}

/// All programs, those with fewer subsets first.
pub(super) fn all() -> Vec<Program> {
    let known = [releases(), answers(), epochs(), logs(), registers()];
    let authority = [principals(), removals(), operators(), budget(), further(), held(), members()];
    let mut all: Vec<Program> = known.into_iter().chain(authority).chain([listed()]).collect();
    all.sort_by_key(|program| program.elements.len());
    all
}

pub(super) const A1: Who = Who::Anna(1);
pub(super) const A2: Who = Who::Anna(2);
pub(super) const B1: Who = Who::Ben(1);
pub(super) const B2: Who = Who::Ben(2);
pub(super) const OPERATORS: &[Who] = &[A1, A2, B1, B2];

pub(super) fn chain(links: &[Link]) -> Chain {
    Chain::new(links.to_vec()).expect("a short chain")
}

pub(super) fn gus() -> Term {
    Term::Agent(agent("gus"))
}

fn expect(present: &'static [&'static str], probe: usize, cut: bool) -> Expected {
    sees(present, What::Cut(probe), cut)
}

pub(super) fn sees(present: &'static [&'static str], what: What, holds: bool) -> Expected {
    Expected { present, what, holds }
}

pub(super) fn element(name: &'static str, role: Role, held: Vec<Held>) -> Element {
    Element { name, role, held }
}

/// Words of two keys about themselves, two logs each with a twin, beside a hold: of a register one
/// is kept, and none of them lets or takes away.
fn registers() -> Program {
    let w = &mut World::new(OPERATORS);
    let hold = w.one(A1, 1, &[], hold(vec![gus()]));
    let mut elements = vec![element("hold", Role::Denial, vec![hold])];
    let names = [
        ["a1", "a2", "a3", "a twin"],
        ["b1", "b2", "b3", "b twin"],
        ["other a1", "other a2", "other a3", "other a twin"],
    ];
    for (who, names) in [A1, B1, A1].into_iter().zip(names) {
        let mut pen = w.pen(who, 1);
        let mut words: Vec<Held> = (1..=3).map(|load| pen.write(&[], presence(load))).collect();
        words.push(pen.twin(&[], presence(9)));
        let said = names.into_iter().zip(words);
        elements.extend(said.map(|(name, word)| element(name, Role::Denial, vec![word])));
    }
    Program {
        name: "registers",
        fleet: w.fleet,
        base: w.root.clone(),
        elements,
        probes: vec![chain(&[link("gus", "near", 1, 1)])],
        expected: vec![expect(&["hold", "a1", "other a3"], 0, true), expect(&["a3"], 0, false)],
    }
}

/// Holds of one and two terms, lifts, revokes and restores, a forked lift, an operator cut.
fn answers() -> Program {
    let w = &mut World::new(OPERATORS);
    let h1 = w.one(A1, 1, &[], hold(vec![gus()]));
    let two = vec![Term::User(user("ursula")), Term::Device(device("far"))];
    let h2 = w.one(B1, 1, &[], hold(two));
    let l1 = w.one(A2, 1, &[h1.id()], lift());
    let mut pen = w.pen(A1, 1);
    let l2 = pen.write(&[h2.id()], lift());
    let twin = pen.twin(&[], lift());
    let ap2 = w.approval(B2, &l2, 1);
    let r1 = w.one(A1, 1, &[], revoke(gus()));
    let r1b = w.one(B1, 1, &[], revoke(gus()));
    let ra = w.one(A2, 1, &[r1.id()], restore(gus()));
    let ra_all = w.approved(ra.clone(), &[B1], 1);
    let rb = w.one(A2, 1, &[r1.id(), r1b.id()], restore(gus()));
    let rb_all = w.approved(rb.clone(), &[B1], 1);
    let rc = w.one(A1, 1, &[r1.id(), r1b.id(), ra.id()], restore(gus()));
    let rc_all = w.approved(rc, &[B2], 1);
    let r2 = w.one(B2, 1, &[rb.id()], revoke(gus()));
    let on_ben = w.one(A1, 1, &[], hold(vec![Term::Operator(operator("ben"))]));
    let on_ben_all = w.approved(on_ben, &[Who::Root(1)], 1);
    let timed = w.one(A1, 1, &[], hold_until(vec![gus()], Some(5)));
    use Role::{Denial, Grant};
    Program {
        name: "answers",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element("hold", Denial, vec![h1]),
            element("two-term hold", Denial, vec![h2]),
            element("lift of hold", Grant, vec![l1]),
            element("lift of two-term hold", Grant, vec![l2]),
            element("its approval", Grant, vec![ap2]),
            element("twin of that lift", Denial, vec![twin]),
            element("revoke", Denial, vec![r1]),
            element("concurrent revoke", Denial, vec![r1b]),
            element("restore of the first", Grant, ra_all),
            element("restore of both", Grant, rb_all),
            element("restore of all", Grant, rc_all),
            element("second revoke", Denial, vec![r2]),
            element("co-signed hold on ben", Denial, on_ben_all),
            element("timed hold", Denial, vec![timed]),
        ],
        probes: vec![
            chain(&[link("gus", "near", 1, 1)]),
            chain(&[link("gus", "near", 2, 1)]),
            chain(&[link("gus", "near", 3, 1)]),
            chain(&[link("ida", "far", 1, 1)]),
            chain(&[link("gus", "near", 2, 1), link("ida", "far", 1, 1)]),
        ],
        expected: expected_of_answers(),
    }
}

/// What must come out of [`answers`].
fn expected_of_answers() -> Vec<Expected> {
    vec![
        expect(&["hold"], 0, true),
        expect(&["hold", "lift of hold"], 0, false),
        expect(&["hold", "timed hold", "lift of hold"], 0, true),
        expect(&["two-term hold"], 0, false),
        expect(&["two-term hold"], 4, true),
        expect(&["two-term hold", "lift of two-term hold"], 4, true),
        expect(&["two-term hold", "lift of two-term hold", "its approval"], 4, false),
        expect(
            &["two-term hold", "lift of two-term hold", "its approval", "twin of that lift"],
            4,
            true,
        ),
        expect(
            &["two-term hold", "lift of two-term hold", "its approval", "co-signed hold on ben"],
            4,
            true,
        ),
        expect(&["revoke"], 0, true),
        expect(&["revoke"], 1, true),
        expect(&["revoke", "restore of the first"], 0, true),
        expect(&["revoke", "restore of the first"], 1, false),
        expect(&["revoke", "restore of the first", "concurrent revoke"], 1, true),
        expect(&["revoke", "restore of both", "concurrent revoke"], 1, false),
        expect(&["second revoke"], 2, true),
        expect(&["revoke", "concurrent revoke", "restore of both", "second revoke"], 1, true),
        expect(
            &["revoke", "concurrent revoke", "restore of the first", "restore of both"],
            1,
            true,
        ),
        expect(
            &["revoke", "concurrent revoke", "restore of the first", "restore of all"],
            2,
            false,
        ),
    ]
}

/// Two rival second epochs and their successors, orders below and above their pins, a leaver.
fn epochs() -> Program {
    let all = [A1, A2, B1, B2, Who::Cleo];
    let w = &mut World::new(&all);
    let mut anna = w.pen(A1, 1);
    let dropped = anna.write(&[], hold(vec![gus()]));
    let kept = anna.write(&[], hold(vec![Term::User(user("ursula"))]));
    let r0 = w.one(B1, 1, &[], revoke(gus()));
    let anna_pin = pin(&kept);
    let late = anna.write(&[], hold(vec![gus()]));
    let ben = w.one(B1, 1, &[], hold(vec![gus()]));
    let cleo = w.one(Who::Cleo, 1, &[], hold(vec![gus()]));
    let cleo_revoke = w.one(Who::Cleo, 1, &[], revoke(gus()));
    let name = |name: &str| Body::User(Named { id: user(name).into() });
    let sealed_in = w.one(B2, 1, &[], name("ursula"));
    let sealed_out = w.one(B2, 1, &[], name("mallory"));
    let mut second = root(2, OPERATORS);
    let mut rival = root(2, OPERATORS);
    if let (Body::Root(second), Body::Root(rival)) = (&mut second, &mut rival) {
        second.pins = vec![anna_pin.clone(), pin(&r0), pin(&sealed_in)];
        second.reaffirmed = vec![kept.id(), r0.id()];
        rival.pins = vec![pin(&r0), pin(&sealed_in)];
        rival.reaffirmed = vec![r0.id(), dropped.id()];
        rival.removals = vec![Removal { operator: operator("ben"), reason: "theft".into() }];
    }
    let first = w.root[0].clone();
    let second = w.epoch(&first, second, &[Who::Root(1), Who::Root(2)]);
    let rival = w.epoch(&first, rival, &[Who::Root(2), Who::Root(3)]);
    let third_of_second = third(w, &second[0]);
    let third_of_rival = third(w, &rival[0]);
    let lift_late = w.one(A1, 2, &[late.id(), cleo.id()], lift());
    let lift_late = w.approved(lift_late, &[B1], 2);
    let again = w.one(A1, 2, &[r0.id()], restore(gus()));
    let again = w.approved(again, &[B1], 2);
    let weak = w.epoch(&first, root(2, &[Who::Cleo]), &[Who::Root(1)]);
    use Role::{Denial, Epoch, Grant};
    Program {
        name: "epochs",
        fleet: w.fleet,
        base: [w.root.clone(), vec![sealed_in, sealed_out], weak].concat(),
        elements: vec![
            element("second", Epoch, second),
            element("rival", Epoch, rival),
            element("third of second", Epoch, third_of_second),
            element("third of rival", Epoch, third_of_rival),
            element("dropped", Denial, vec![dropped]),
            element("kept", Denial, vec![kept]),
            element("late", Denial, vec![late]),
            element("of ben", Denial, vec![ben]),
            element("of cleo", Denial, vec![cleo]),
            element("revoke", Denial, vec![r0]),
            element("revoke of cleo", Denial, vec![cleo_revoke]),
            element("lift of late ones", Grant, lift_late),
            element("restore", Grant, again),
        ],
        probes: vec![
            chain(&[link("gus", "near", 1, 1)]),
            chain(&[link("gus", "near", 1, 2)]),
            chain(&[link("gus", "near", 2, 2)]),
            chain(&[link("ida", "near", 1, 1), link("gus", "near", 2, 2)]),
            chain(&[link("ida", "near", 1, 3)]),
        ],
        expected: expected_of_epochs(),
    }
}

/// An epoch after a second one, with its pins and what it re-affirms.
fn third(w: &mut World, parent: &Held) -> Vec<Held> {
    let mut body = root(3, OPERATORS);
    if let (Body::Root(body), Body::Root(before)) = (&mut body, &parent.body) {
        body.pins = before.pins.clone();
        body.reaffirmed = before.reaffirmed.clone();
    }
    w.epoch(parent, body, &[Who::Root(1), Who::Root(3)])
}

/// What must come out of [`epochs`].
fn expected_of_epochs() -> Vec<Expected> {
    vec![
        expect(&["dropped", "kept"], 0, true),
        expect(&["late"], 0, true),
        expect(&["late", "second"], 0, true),
        expect(&["late", "second"], 2, false),
        expect(&["kept", "second"], 2, true),
        expect(&["dropped", "kept", "second"], 2, true),
        expect(&["of cleo", "second"], 0, true),
        expect(&["of cleo", "second"], 2, false),
        expect(&["of cleo", "second", "lift of late ones"], 0, false),
        expect(&["of ben", "rival"], 0, false),
        expect(&["of ben", "rival"], 1, false),
        expect(&["revoke", "second"], 2, true),
        expect(&["revoke", "second", "restore"], 2, false),
        expect(&["revoke", "second", "restore", "revoke of cleo"], 2, false),
        expect(&["revoke", "second", "restore", "revoke of cleo"], 0, true),
    ]
}

/// Releases of three strictnesses, forks and a hold that take their approvals away, seals.
fn releases() -> Program {
    let w = &mut World::new(OPERATORS);
    let yes = |of: &Held| Body::Approve(Approve { of: of.id() });
    let r1 = w.one(A1, 1, &[], release(1, 1, 500));
    let r1_all = w.approved(r1.clone(), &[A2, B1], 1);
    let r2 = w.one(A1, 1, &[], release(1, 2, 100));
    let mut pen = w.pen(B1, 1);
    let r2_yes = pen.write(&[], yes(&r2));
    let r2_twin = pen.twin(&[], yes(&r1));
    let r2_all = [w.approved(r2.clone(), &[A1], 1), vec![r2_yes]].concat();
    let tie = w.one(B1, 1, &[], release(1, 2, 200));
    let tie_all = w.approved(tie, &[A1, B1], 1);
    let mut pen = w.pen(A2, 1);
    let r3 = pen.write(&[], release(1, 3, 300));
    let r3_twin = pen.twin(&[], release(1, 3, 900));
    let proof =
        Proof { first: Bytes(r3.bytes().to_vec()), second: Bytes(r3_twin.bytes().to_vec()) };
    let proof = w.one(B2, 1, &[], Body::Proof(proof));
    let r3_yes = w.approval(B2, &r3, 1);
    let r3_all = w.approved(r3, &[A1], 1);
    let on_anna = w.one(B1, 1, &[], hold(vec![Term::Operator(operator("anna"))]));
    let on_anna_all = w.approved(on_anna.clone(), &[Who::Root(2)], 1);
    let lift_anna = w.one(Who::Root(1), 1, &[on_anna.id()], lift());
    let lift_anna = w.approved(lift_anna, &[Who::Root(2)], 1);
    let (mut seal, mut floor) = (root(2, OPERATORS), root(2, OPERATORS));
    if let (Body::Root(seal), Body::Root(floor)) = (&mut seal, &mut floor) {
        seal.pins = r1_all.iter().map(pin).collect();
        floor.floors = vec![RingFloor { ring: "all".into(), release: r1.id() }];
    }
    let first = w.root[0].clone();
    let seal = w.epoch(&first, seal, &[Who::Root(1), Who::Root(2)]);
    let floor = w.epoch(&first, floor, &[Who::Root(1), Who::Root(3)]);
    let r4 = w.one(B1, 2, &[], release(2, 1, 400));
    let r4_all = w.approved(r4, &[A1, B2], 2);
    use Role::{Denial, Epoch, Grant, Seal};
    Program {
        name: "releases",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element("loose", Grant, r1_all),
            element("strict", Grant, r2_all),
            element("middle of the same version", Grant, tie_all),
            element("third, one approval", Grant, r3_all),
            element("its second approval", Grant, vec![r3_yes]),
            element("twin of strict's approval", Denial, vec![r2_twin]),
            element("proof against third", Denial, vec![proof]),
            element("co-signed hold on anna", Denial, on_anna_all),
            element("the root's lift of it", Grant, lift_anna),
            element("seal", Seal, seal),
            element("epoch that names the loose one", Epoch, floor),
            element("release of epoch two", Grant, r4_all),
        ],
        probes: Vec::new(),
        expected: Vec::new(),
    }
}

/// One log, link by link, and a forged branch of it that an epoch pins in good faith.
fn logs() -> Program {
    let w = &mut World::new(OPERATORS);
    let project = link("gus", "near", 1, 1).project;
    let mut anna = w.pen(A1, 1);
    let one = anna.write(&[], hold(vec![gus()]));
    let mut forger = w.pen_at(A1, 1, &anna);
    let two = anna.write(&[], hold(vec![Term::Project(project)]));
    let three = anna.write(&[one.id()], lift());
    let four = anna.write(&[], revoke(gus()));
    let forged_one = forger.write(&[], lift());
    let forged_two = forger.write(&[], lift());
    let back = w.one(B1, 1, &[four.id()], restore(gus()));
    let back = w.approved(back, &[A2], 1);
    let (mut second, mut rival) = (root(2, OPERATORS), root(2, OPERATORS));
    if let (Body::Root(second), Body::Root(rival)) = (&mut second, &mut rival) {
        second.pins = vec![pin(&forged_two)];
        rival.pins = [vec![pin(&four)], back.iter().map(pin).collect()].concat();
        rival.reaffirmed = vec![two.id(), four.id()];
    }
    let first = w.root[0].clone();
    let second = w.epoch(&first, second, &[Who::Root(1), Who::Root(2)]);
    let rival = w.epoch(&first, rival, &[Who::Root(1), Who::Root(3)]);
    let third = w.epoch(&rival[0], root(3, OPERATORS), &[Who::Root(2), Who::Root(3)]);
    use Role::{Denial, Epoch, Grant};
    Program {
        name: "logs",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element("one", Denial, vec![one]),
            element("two", Denial, vec![two]),
            element("three lifts one", Grant, vec![three]),
            element("four revokes", Denial, vec![four]),
            element("forged one", Denial, vec![forged_one]),
            element("forged two", Denial, vec![forged_two]),
            element("restore", Grant, back),
            element("epoch that pins the forged", Epoch, second),
            element("epoch that pins the true", Epoch, rival),
            element("third", Epoch, third),
        ],
        probes: vec![
            chain(&[link("gus", "near", 1, 1)]),
            chain(&[link("gus", "near", 2, 1)]),
            chain(&[link("gus", "near", 1, 2)]),
            chain(&[link("gus", "near", 2, 3)]),
        ],
        expected: vec![
            expect(&["one"], 0, true),
            expect(&["one", "three lifts one"], 0, false),
            expect(&["one", "three lifts one", "forged one"], 0, true),
            expect(&["one", "forged one", "forged two", "epoch that pins the forged"], 0, true),
            expect(&["one", "forged one", "forged two", "epoch that pins the forged"], 2, false),
            expect(&["four revokes", "restore"], 0, true),
            expect(&["four revokes", "restore"], 1, false),
            expect(
                &["one", "two", "three lifts one", "four revokes", "epoch that pins the true"],
                2,
                true,
            ),
        ],
    }
}
