//! Programs about who holds authority: keys and principals, removals, operators held by operators,
//! and what one key may order alone.

use super::programs::{
    A1, A2, B1, B2, Element, Expected, OPERATORS, Program, Role, What, chain, element, gus, sees,
};
use super::world::{
    Who, World, device, hold, hold_until, lift, link, operator, pin, restore, revoke, root, user,
};
use crate::limits::WIDE_ORDERS_PER_EPOCH_MAX;
use crate::set::Held;
use belay_identity::StatementId;
use belay_identity::body::{Body, Named, Removal, Term};
use belay_identity::principal::ProjectId;

fn on_ben() -> Vec<Term> {
    vec![Term::Operator(operator("ben"))]
}

fn named(name: &str) -> Body {
    Body::User(Named { id: user(name).into() })
}

/// Further keys of one operator, and an epoch that gives one to somebody else: yes is said by
/// principals.
pub(super) fn principals() -> Program {
    let w = &mut World::new(OPERATORS);
    let near = w.one(A1, 1, &[], hold(vec![Term::Device(device("near"))]));
    let by_key = w.approval(A2, &near, 1);
    let by_ben = w.approval(B1, &near, 1);
    let up = w.one(A1, 1, &[near.id()], lift());
    let up_by_key = w.approval(A2, &up, 1);
    let up_by_ben = w.approval(B1, &up, 1);
    let endless = w.one(A1, 1, &[], hold(on_ben()));
    let endless_by_key = w.approval(A2, &endless, 1);
    let endless_by_root = w.approval(Who::Root(1), &endless, 1);
    let first = w.root[0].clone();
    let body = root(2, &[A1, Who::AnnaAsBen, B1]);
    let posing = w.epoch(&first, body, &[Who::Root(1), Who::Root(2)]);
    let as_ben = w.approval(Who::AnnaAsBen, &near, 2);
    use Role::{Denial, Epoch, Grant};
    let (hold, cosigned) = ("hold on near", "approval by ben");
    Program {
        name: "principals",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element(hold, Denial, vec![near]),
            element("approval by anna's other key", Denial, vec![by_key]),
            element(cosigned, Denial, vec![by_ben]),
            element("lift", Grant, vec![up]),
            element("its yes by anna's other key", Grant, vec![up_by_key]),
            element("its yes by ben", Grant, vec![up_by_ben]),
            element("endless hold on ben", Denial, vec![endless]),
            element("its approval by anna's other key", Denial, vec![endless_by_key]),
            element("its approval by a root key", Denial, vec![endless_by_root]),
            element("epoch that calls anna's key ben's", Epoch, posing),
            element("approval under that name", Denial, vec![as_ben]),
        ],
        probes: vec![chain(&[link("gus", "near", 1, 1)])],
        expected: vec![
            sees(&["hold on near"], What::Silenced, false),
            sees(&["hold on near", "approval by anna's other key"], What::Silenced, false),
            sees(&["hold on near", "approval by ben"], What::Silenced, true),
            sees(
                &["hold on near", "epoch that calls anna's key ben's", "approval under that name"],
                What::Silenced,
                false,
            ),
            sees(&["hold on near", "lift", "its yes by anna's other key"], What::Cut(0), true),
            sees(&["hold on near", "lift", "its yes by ben"], What::Cut(0), false),
            sees(
                &["endless hold on ben", "its approval by anna's other key"],
                What::Orders("endless hold on ben"),
                false,
            ),
            sees(
                &["endless hold on ben", "its approval by a root key"],
                What::Orders("endless hold on ben"),
                true,
            ),
        ],
    }
}

/// Two rival epochs: one leaves out a key of ben and removes cleo for cause, the other keeps both.
pub(super) fn removals() -> Program {
    let all = [A1, A2, B1, B2, Who::Cleo];
    let w = &mut World::new(&all);
    let mut cleo = w.pen(Who::Cleo, 1);
    let kept = cleo.write(&[], hold(vec![Term::Agent(super::world::agent("ida"))]));
    let sealed = cleo.write(&[], hold(vec![gus()]));
    let sealed_pin = pin(&sealed);
    let late = cleo.write(&[], hold(vec![gus()]));
    let anna = w.one(A1, 1, &[], hold(on_ben()));
    let by_cleo = w.approval(Who::Cleo, &anna, 1);
    let other = w.one(A2, 1, &[], hold(vec![gus()]));
    let (mut second, mut rival) = (root(2, &all), root(2, &[A1, A2, B2]));
    if let (Body::Root(second), Body::Root(rival)) = (&mut second, &mut rival) {
        second.pins = vec![sealed_pin.clone(), pin(&anna)];
        second.reaffirmed = vec![kept.id(), anna.id()];
        rival.pins = vec![sealed_pin];
        rival.reaffirmed = vec![kept.id()];
        rival.removals = vec![Removal { operator: operator("cleo"), reason: "theft".into() }];
    }
    let first = w.root[0].clone();
    let second = w.epoch(&first, second, &[Who::Root(1), Who::Root(2)]);
    let rival = losing(w, &first, rival, &second[0]);
    let by_left_out = w.one(B1, 2, &[], named("mallory"));
    let by_other_key = w.one(B2, 2, &[], named("ursula"));
    let mut third = root(3, &all);
    if let (Body::Root(third), Body::Root(before)) = (&mut third, &second[0].body) {
        third.pins = before.pins.clone();
        third.reaffirmed = before.reaffirmed.clone();
    }
    let third = w.epoch(&second[0], third, &[Who::Root(1), Who::Root(3)]);
    let in_third = w.one(B1, 3, &[], named("victor"));
    use Role::{Denial, Epoch, Grant};
    Program {
        name: "removals",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element("second", Epoch, second),
            element("rival", Epoch, rival),
            element("third of second", Epoch, third),
            element("kept", Denial, vec![kept]),
            element("sealed", Denial, vec![sealed]),
            element("late", Denial, vec![late]),
            element("anna's hold on ben", Denial, vec![anna]),
            element("cleo's yes to it", Denial, vec![by_cleo]),
            element("another hold on gus", Denial, vec![other]),
            element("by the key left out, epoch two", Grant, vec![by_left_out]),
            element("by ben's other key, epoch two", Grant, vec![by_other_key]),
            element("by the key left out, epoch three", Grant, vec![in_third]),
        ],
        probes: vec![
            chain(&[link("gus", "near", 1, 1)]),
            chain(&[link("ida", "near", 1, 1)]),
            chain(&[link("gus", "near", 1, 2)]),
        ],
        expected: expected_of_removals(),
    }
}

fn expected_of_removals() -> Vec<Expected> {
    vec![
        sees(&["kept", "sealed", "late"], What::Cut(0), true),
        sees(&["kept", "sealed", "late", "rival"], What::Cut(0), false),
        sees(&["kept", "sealed", "late", "rival"], What::Cut(1), true),
        sees(&["kept", "sealed", "late", "rival"], What::Revived("late"), true),
        sees(&["kept", "sealed", "late", "rival"], What::Revived("sealed"), false),
        sees(&["kept", "sealed", "late", "rival"], What::Revived("kept"), false),
        sees(&["late", "rival", "another hold on gus"], What::Cut(0), true),
        sees(&["late", "second"], What::Revived("late"), false),
        sees(
            &["second", "by the key left out, epoch two"],
            What::Grants("by the key left out, epoch two"),
            true,
        ),
        sees(
            &["second", "rival", "by the key left out, epoch two"],
            What::Grants("by the key left out, epoch two"),
            false,
        ),
        sees(
            &["second", "rival", "by ben's other key, epoch two"],
            What::Grants("by ben's other key, epoch two"),
            true,
        ),
        sees(
            &["second", "third of second", "rival", "by the key left out, epoch three"],
            What::Grants("by the key left out, epoch three"),
            true,
        ),
        sees(&["anna's hold on ben", "cleo's yes to it"], What::Orders("anna's hold on ben"), true),
    ]
}

/// An epoch of this body whose id is higher than that of its rival: between equals it loses.
fn losing(w: &mut World, parent: &Held, mut body: Body, rival: &Held) -> Vec<Held> {
    loop {
        let epoch = w.epoch(parent, body.clone(), &[Who::Root(2), Who::Root(3)]);
        if epoch[0].id() > rival.id() {
            return epoch;
        }
        if let Body::Root(root) = &mut body {
            root.wall_ms += 1;
        }
    }
}

/// Holds of one operator on another, day after day; the root's revoke and restore of one.
pub(super) fn operators() -> Program {
    let w = &mut World::new(&[A1, A2, B1, B2, Who::Cleo]);
    let mut anna = w.pen(A1, 1);
    let day = anna.write(&[], hold_until(on_ben(), Some(5)));
    let again = anna.write(&[], hold_until(on_ben(), Some(9)));
    let again_by_cleo = w.approval(Who::Cleo, &again, 1);
    let of_ben = w.one(B1, 1, &[], hold(vec![gus()]));
    let his = w.one(B1, 1, &[], hold(vec![Term::Agent(super::world::agent("ida"))]));
    let up = w.one(B1, 1, &[of_ben.id()], lift());
    let cut = w.one(Who::Root(1), 1, &[], revoke(on_ben().remove(0)));
    let cut_by_root = w.approval(Who::Root(2), &cut, 1);
    let back = w.one(Who::Root(1), 1, &[cut.id()], restore(on_ben().remove(0)));
    let back = w.approved(back, &[Who::Root(2)], 1);
    let mut second = root(2, &[A1, A2, B1, B2, Who::Cleo]);
    if let Body::Root(second) = &mut second {
        let kept = [&of_ben, &his, &up, &cut, &cut_by_root, &again];
        second.pins = kept.into_iter().chain(&back).map(pin).collect();
        second.reaffirmed = [&of_ben, &his, &cut, &day, &again].map(|held| held.id()).to_vec();
    }
    let first = w.root[0].clone();
    let second = w.epoch(&first, second, &[Who::Root(1), Who::Root(2)]);
    let up_in_two = w.one(B1, 2, &[of_ben.id()], lift());
    use Role::{Denial, Epoch, Grant};
    Program {
        name: "operators",
        fleet: w.fleet,
        base: [w.root.clone(), vec![of_ben, his]].concat(),
        elements: vec![
            element("a day", Denial, vec![day]),
            element("another day", Denial, vec![again]),
            element("cleo's yes to another day", Denial, vec![again_by_cleo]),
            element("ben lifts his hold", Grant, vec![up]),
            element("root revokes ben", Denial, vec![cut, cut_by_root]),
            element("root restores ben", Grant, back),
            element("second", Epoch, second),
            element("ben lifts his hold in epoch two", Grant, vec![up_in_two]),
        ],
        probes: vec![
            chain(&[link("gus", "near", 1, 1)]),
            chain(&[link("ida", "near", 1, 1)]),
            chain(&[link("gus", "near", 1, 2)]),
        ],
        expected: expected_of_operators(),
    }
}

fn expected_of_operators() -> Vec<Expected> {
    vec![
        sees(&["a day"], What::Orders("a day"), true),
        sees(&["a day", "another day"], What::Orders("another day"), false),
        sees(
            &["a day", "another day", "cleo's yes to another day"],
            What::Orders("another day"),
            true,
        ),
        sees(&["another day"], What::Orders("another day"), false),
        sees(&["ben lifts his hold"], What::Cut(0), false),
        sees(&["ben lifts his hold", "root revokes ben"], What::Cut(0), true),
        sees(&["root revokes ben"], What::Cut(1), true),
        sees(&["ben lifts his hold", "root revokes ben", "root restores ben"], What::Cut(0), true),
        sees(
            &["second", "root revokes ben", "ben lifts his hold in epoch two"],
            What::Cut(0),
            true,
        ),
        sees(
            &["second", "root revokes ben", "root restores ben", "ben lifts his hold in epoch two"],
            What::Cut(2),
            false,
        ),
    ]
}

/// Wide orders around the thirty-second of one log, a gap before them, and an epoch between.
pub(super) fn budget() -> Program {
    let w = &mut World::new(OPERATORS);
    let mut anna = w.pen(A1, 1);
    let project = |number: u64| {
        let name = format!("project-{number}");
        let id = ProjectId::new(&super::world::domain(), &name).expect("a constant name");
        hold(vec![Term::Project(id)])
    };
    let before = WIDE_ORDERS_PER_EPOCH_MAX - 2;
    let base: Vec<Held> = (0..before).map(|number| anna.write(&[], project(number))).collect();
    let wide = |name: &str| hold(vec![Term::User(user(name))]);
    let link_31 = anna.write(&[], wide("thirty-one"));
    let link_32 = anna.write(&[], wide("thirty-two"));
    let link_33 = anna.write(&[], wide("ursula"));
    let narrow = anna.write(&[], hold(vec![gus()]));
    let by_ben = w.approval(B1, &link_33, 1);
    let by_anna = w.approval(A2, &link_33, 1);
    let mut second = root(2, OPERATORS);
    if let Body::Root(second) = &mut second {
        let all = base.iter().chain([&link_31, &link_32, &link_33, &narrow]);
        second.pins = vec![pin(&narrow)];
        second.reaffirmed = all.map(|held| held.id()).collect::<Vec<StatementId>>();
    }
    let first = w.root[0].clone();
    let second = w.epoch(&first, second, &[Who::Root(1), Who::Root(2)]);
    let next = anna.of_epoch(2).write(&[], wide("ursula"));
    use Role::{Denial, Epoch};
    let one = |name: &'static str, held: Held| -> Element { element(name, Denial, vec![held]) };
    Program {
        name: "budget",
        fleet: w.fleet,
        base: [w.root.clone(), base].concat(),
        elements: vec![
            one("31st", link_31),
            one("32nd", link_32),
            one("33rd", link_33),
            one("narrow", narrow),
            one("ben's yes to the 33rd", by_ben),
            one("anna's other key's yes", by_anna),
            element("second", Epoch, second),
            one("first of epoch two", next),
        ],
        probes: vec![
            chain(&[link("gus", "near", 1, 1)]),
            chain(&[link("ida", "near", 1, 1)]),
            chain(&[link("ida", "near", 1, 2)]),
        ],
        expected: vec![
            sees(&["31st", "32nd"], What::Orders("32nd"), true),
            sees(&["31st", "32nd", "33rd"], What::Orders("33rd"), false),
            sees(&["32nd"], What::Orders("32nd"), true),
            sees(&["33rd", "narrow"], What::Orders("narrow"), true),
            sees(&["31st", "32nd", "33rd", "anna's other key's yes"], What::Cut(1), false),
            sees(&["31st", "32nd", "33rd", "ben's yes to the 33rd"], What::Cut(1), true),
            sees(
                &["31st", "32nd", "33rd", "narrow", "second", "first of epoch two"],
                What::Cut(2),
                true,
            ),
        ],
    }
}
