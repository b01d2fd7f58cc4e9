//! A program about a further key: who may certify it, what is said by it, and what outlives it.

use super::programs::{A1, B1, B2, Element, Program, Role, What, chain, element, gus, sees};
use super::world::{Who, World, agent, further_key, hold, lift, link, pin, root};
use crate::set::Held;
use belay_identity::body::{Body, Term};

/// Ben names another key as his; he, anna and a device of his own say yes; by it he orders and
/// lifts; a twin voids his word; an epoch names the key.
pub(super) fn further() -> Program {
    let w = &mut World::new(&[A1, B1, Who::Cleo]);
    let on_ida = w.one(Who::Cleo, 1, &[], hold(vec![Term::Agent(agent("ida"))]));
    let mut ben = w.pen(B1, 1);
    let word = ben.write(&[], further_key(w.fleet, B2));
    let twin = ben.twin(&[], lift());
    let by_himself = w.approval(B1, &word, 1);
    let by_key = w.approval(B2, &word, 1);
    let by_anna = w.approval(A1, &word, 1);
    let order = w.one(B2, 1, &[], hold(vec![gus()]));
    let up = w.one(B2, 1, &[on_ida.id()], lift());
    let up_yes = w.approval(A1, &up, 1);
    let mut second = root(2, &[A1, B1, B2, Who::Cleo]);
    if let Body::Root(second) = &mut second {
        let all = [&on_ida, &word, &by_anna, &order, &up, &up_yes];
        second.pins = all.into_iter().map(pin).collect();
        second.reaffirmed = [&on_ida, &order].map(|held| held.id()).to_vec();
    }
    let first = w.root[0].clone();
    let second = w.epoch(&first, second, &[Who::Root(1), Who::Root(2)]);
    use Role::{Denial, Epoch, Grant};
    let grant = |name: &'static str, held: Vec<Held>| -> Element { element(name, Grant, held) };
    Program {
        name: "further",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element("hold on ida", Denial, vec![on_ida]),
            grant("ben's word", vec![word]),
            element("its twin", Denial, vec![twin]),
            grant("his own yes", vec![by_himself, by_key]),
            grant("anna's yes", vec![by_anna]),
            element("order by the key", Denial, vec![order]),
            grant("lift by the key", vec![up, up_yes]),
            element("second", Epoch, second),
        ],
        probes: vec![chain(&[link("gus", "near", 1, 1)]), chain(&[link("ida", "near", 1, 1)])],
        expected: vec![
            sees(&["ben's word", "his own yes", "order by the key"], What::Cut(0), false),
            sees(&["ben's word", "anna's yes", "order by the key"], What::Cut(0), true),
            sees(&["anna's yes", "order by the key"], What::Cut(0), false),
            sees(
                &["hold on ida", "ben's word", "his own yes", "lift by the key"],
                What::Cut(1),
                true,
            ),
            sees(
                &["hold on ida", "ben's word", "anna's yes", "lift by the key"],
                What::Cut(1),
                false,
            ),
            sees(
                &["hold on ida", "ben's word", "its twin", "anna's yes", "lift by the key"],
                What::Cut(1),
                true,
            ),
            sees(&["ben's word", "its twin", "anna's yes", "order by the key"], What::Cut(0), true),
            sees(&["ben's word", "anna's yes", "order by the key", "second"], What::Cut(0), true),
        ],
    }
}
