//! A program about an operator whose grants are held: what he had granted before, what he grants
//! under the hold, and his orders.

use super::programs::{A1, B1, Expected, Program, Role, What, chain, element, gus, sees};
use super::world::{Who, World, agent, hold, hold_until, lift, link, operator};
use belay_identity::body::Term;

/// Ben lifts one hold, is held by anna for a day, by her and cleo for longer, lifts another and
/// orders; the root answers.
pub(super) fn held() -> Program {
    let w = &mut World::new(&[A1, B1, Who::Cleo]);
    let on_ben = || vec![Term::Operator(operator("ben"))];
    let on = |name: &str| vec![Term::Agent(agent(name))];
    let on_gus = w.one(Who::Cleo, 1, &[], hold(vec![gus()]));
    let on_ida = w.one(Who::Cleo, 1, &[], hold(on("ida")));
    let mut ben = w.pen(B1, 1);
    let before = ben.write(&[on_gus.id()], lift());
    let yes_before = w.approval(A1, &before, 1);
    let day = w.one(A1, 1, &[before.id()], hold_until(on_ben(), Some(5)));
    let longer = w.one(A1, 1, &[before.id()], hold(on_ben()));
    let by_cleo = w.approval(Who::Cleo, &longer, 1);
    let under = ben.write(&[on_ida.id()], lift());
    let yes_under = w.approval(A1, &under, 1);
    let his = w.one(B1, 1, &[], hold(on("tom")));
    let up = w.one(Who::Root(1), 1, &[day.id()], lift());
    let up = w.approved(up, &[Who::Root(2)], 1);
    use Role::{Denial, Grant};
    Program {
        name: "held",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element("hold on gus", Denial, vec![on_gus]),
            element("hold on ida", Denial, vec![on_ida]),
            element("lift of gus before", Grant, vec![before]),
            element("anna's yes to it", Grant, vec![yes_before]),
            element("a day", Denial, vec![day]),
            element("longer", Denial, vec![longer]),
            element("cleo's yes to longer", Denial, vec![by_cleo]),
            element("lift of ida under it", Grant, vec![under, yes_under]),
            element("ben's order under it", Denial, vec![his]),
            element("the root lifts the day", Grant, up),
        ],
        probes: vec![
            chain(&[link("gus", "near", 1, 1)]),
            chain(&[link("ida", "near", 1, 1)]),
            chain(&[link("tom", "near", 1, 1)]),
        ],
        expected: expected_of_held(),
    }
}

fn expected_of_held() -> Vec<Expected> {
    vec![
        sees(&["hold on gus", "lift of gus before"], What::Cut(0), true),
        sees(
            &["hold on gus", "lift of gus before", "anna's yes to it", "a day"],
            What::Cut(0),
            false,
        ),
        sees(&["hold on ida", "lift of gus before", "lift of ida under it"], What::Cut(1), false),
        sees(
            &["hold on ida", "lift of gus before", "lift of ida under it", "a day"],
            What::Cut(1),
            true,
        ),
        sees(&["hold on ida", "lift of ida under it", "longer"], What::Cut(1), false),
        sees(
            &["hold on ida", "lift of ida under it", "longer", "cleo's yes to longer"],
            What::Cut(1),
            true,
        ),
        sees(
            &["hold on ida", "lift of ida under it", "a day", "the root lifts the day"],
            What::Cut(1),
            false,
        ),
        sees(
            &[
                "hold on ida",
                "lift of ida under it",
                "a day",
                "the root lifts the day",
                "longer",
                "cleo's yes to longer",
            ],
            What::Cut(1),
            true,
        ),
        sees(&["a day", "ben's order under it"], What::Cut(2), true),
    ]
}
