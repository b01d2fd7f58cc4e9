//! The program about a device's keys: an enrolment that replaces another, credentials by both keys,
//! twins, a proof, and epochs that pin one or both.

use super::programs::{A1, B1, Expected, OPERATORS, Program, Role, What, element, sees};
use super::world::{Who, World, credential, enrol, pin, root, user};
use belay_identity::body::{Body, Named, Proof};
use belay_identity::codec::Bytes;

/// A device that is enrolled again under a new key; its old key and its enroller sign twins.
pub(super) fn members() -> Program {
    let w = &mut World::new(OPERATORS);
    let (old, new) = (Who::Near(1), Who::Near(2));
    let first = w.one(A1, 1, &[], enrol(w.fleet, old));
    let mut anna = w.pen(A1, 1);
    let second = anna.write(&[first.id()], enrol(w.fleet, new));
    let twin_of_second = anna.twin(&[], Body::User(Named { id: user("mallory").into() }));
    let mut pen = w.pen(old, 1);
    let one = pen.write(&[], credential(60));
    let twin = pen.twin(&[], credential(61));
    let later = pen.write(&[], credential(62));
    let proof = Proof { first: Bytes(one.bytes().to_vec()), second: Bytes(twin.bytes().to_vec()) };
    let proof = w.one(B1, 1, &[], Body::Proof(proof));
    let by_new = w.one(new, 1, &[], credential(63));
    let (mut without, mut with) = (root(2, OPERATORS), root(2, OPERATORS));
    if let (Body::Root(without), Body::Root(with)) = (&mut without, &mut with) {
        without.pins = vec![pin(&first)];
        with.pins = vec![pin(&first), pin(&second)];
    }
    let founding = w.root[0].clone();
    let without = w.epoch(&founding, without, &[Who::Root(1), Who::Root(2)]);
    let with = w.epoch(&founding, with, &[Who::Root(2), Who::Root(3)]);
    let again = w.one(B1, 2, &[first.id(), second.id()], enrol(w.fleet, new));
    use Role::{Denial, Grant, Seal};
    Program {
        name: "members",
        fleet: w.fleet,
        base: w.root.clone(),
        elements: vec![
            element("first enrolment", Grant, vec![first]),
            element("second enrolment", Grant, vec![second]),
            element("twin of the second enrolment", Denial, vec![twin_of_second]),
            element("by the old key", Grant, vec![one]),
            element("its twin", Denial, vec![twin]),
            element("later by the old key", Grant, vec![later]),
            element("proof", Denial, vec![proof]),
            element("by the new key", Grant, vec![by_new]),
            element("epoch that pins the first alone", Seal, without),
            element("epoch that pins both", Role::Epoch, with),
            element("enrolled again in epoch two", Grant, vec![again]),
        ],
        probes: Vec::new(),
        expected: expected_of_members(),
    }
}

fn expected_of_members() -> Vec<Expected> {
    vec![
        sees(&["first enrolment", "by the old key"], What::Issued("by the old key"), true),
        sees(
            &["first enrolment", "by the old key", "its twin"],
            What::Issued("by the old key"),
            false,
        ),
        sees(
            &["first enrolment", "by the old key", "proof"],
            What::Issued("by the old key"),
            false,
        ),
        sees(
            &["first enrolment", "later by the old key", "proof"],
            What::Issued("later by the old key"),
            false,
        ),
        sees(
            &["first enrolment", "second enrolment", "by the old key"],
            What::Issued("by the old key"),
            false,
        ),
        sees(
            &["first enrolment", "second enrolment", "by the new key"],
            What::Issued("by the new key"),
            true,
        ),
        sees(
            &[
                "first enrolment",
                "second enrolment",
                "twin of the second enrolment",
                "by the old key",
            ],
            What::Issued("by the old key"),
            false,
        ),
        sees(
            &[
                "first enrolment",
                "second enrolment",
                "epoch that pins the first alone",
                "by the old key",
            ],
            What::Issued("by the old key"),
            false,
        ),
        sees(
            &[
                "first enrolment",
                "second enrolment",
                "epoch that pins the first alone",
                "enrolled again in epoch two",
                "by the new key",
            ],
            What::Issued("by the new key"),
            true,
        ),
    ]
}
