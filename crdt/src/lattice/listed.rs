//! The program about an epoch whose list of pins lies in parts: they come before it, after it, or
//! never, and one proposal's list is out of order.

use super::programs::{Element, OPERATORS, Program, Role, What, chain, element, gus, sees};
use super::world::{Who, World, enrol, hold, lift, link, pin, pins, root, user};
use crate::set::Held;
use belay_identity::StatementId;
use belay_identity::body::{Body, Named};

/// An epoch that seals an enrolment in by one part and a user by the other, and an order without
/// re-affirming it; what is said under it; and a rival whose parts stand in the wrong order.
pub(super) fn listed() -> Program {
    let (anna, ben) = (Who::Anna(1), Who::Ben(1));
    let w = &mut World::new(OPERATORS);
    let near = w.one(anna, 1, &[], enrol(w.fleet, Who::Near(1)));
    let una = w.one(ben, 1, &[], Body::User(Named { id: user("una").into() }));
    let dropped = w.one(anna, 1, &[], hold(vec![gus()]));
    let late = w.one(ben, 1, &[], hold(vec![gus()]));
    let mut all = [&near, &una, &dropped].map(pin).to_vec();
    all.sort_by(|one, other| one.place().cmp(&other.place()));
    let last = all.split_off(2);
    let one = w.one(Who::Root(1), 1, &[], pins(all));
    let other = w.one(Who::Root(3), 1, &[], pins(last));
    let first = w.root[0].clone();
    let mut epoch = |in_order: &[StatementId]| {
        let mut body = root(2, OPERATORS);
        if let Body::Root(body) = &mut body {
            body.pins_in = in_order.to_vec();
        }
        w.epoch(&first, body, &[Who::Root(1), Who::Root(2)])
    };
    let second = epoch(&[one.id(), other.id()]);
    let disordered = epoch(&[other.id(), one.id()]);
    let ursula = w.one(anna, 2, &[], Body::User(Named { id: user("ursula").into() }));
    let up = w.one(ben, 2, &[late.id()], lift());
    use Role::{Denial, Epoch, Grant, Seal};
    let grant = |name: &'static str, held: Vec<Held>| -> Element { element(name, Grant, held) };
    Program {
        name: "listed",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            grant("enrolment", vec![near]),
            grant("una", vec![una]),
            element("dropped", Denial, vec![dropped]),
            element("late", Denial, vec![late]),
            element("second", Epoch, second),
            element("one part", Seal, vec![one]),
            element("other part", Seal, vec![other]),
            element("out of order", Seal, disordered),
            grant("ursula", vec![ursula]),
            grant("lift", vec![up]),
        ],
        probes: vec![chain(&[link("gus", "near", 1, 1)]), chain(&[link("gus", "near", 1, 2)])],
        expected: vec![
            sees(&["una", "second"], What::Grants("una"), true),
            sees(&["una", "second", "one part"], What::Grants("una"), true),
            sees(&["una", "second", "other part"], What::Grants("una"), true),
            sees(&["una", "second", "one part", "other part"], What::Grants("una"), true),
            sees(
                &["enrolment", "second", "one part", "other part"],
                What::Grants("enrolment"),
                true,
            ),
            sees(&["second", "one part", "ursula"], What::Grants("ursula"), false),
            sees(&["second", "one part", "other part", "ursula"], What::Grants("ursula"), true),
            sees(
                &["out of order", "one part", "other part", "ursula"],
                What::Grants("ursula"),
                false,
            ),
            sees(&["dropped", "second", "one part"], What::Orders("dropped"), true),
            sees(&["dropped", "second", "one part", "other part"], What::Orders("dropped"), false),
            sees(&["late", "second", "one part", "other part"], What::Cut(0), true),
            sees(&["late", "second", "one part", "other part"], What::Cut(1), false),
            sees(&["late", "second", "other part"], What::Cut(1), true),
            sees(&["late", "second", "one part", "lift"], What::Cut(0), true),
            sees(&["late", "second", "one part", "other part", "lift"], What::Cut(0), false),
        ],
    }
}
