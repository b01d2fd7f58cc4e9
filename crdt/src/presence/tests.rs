//! The newest word counts, whatever came first, and only of enrolled devices.

use super::Presences;
use crate::authority::Authority;
use crate::lattice::world::{Who, World, device, domain};
use crate::registry::Registry;
use crate::set::{Held, Inserted, Set};
use belay_identity::body::{Body, DeviceKind, Enrol, Named, Presence};
use belay_identity::codec::Bytes;
use belay_identity::principal::UserId;
use belay_identity::{Class, Incarnation, Scope, SecretKey, Statement, StatementId, sign};
use std::sync::Arc;

/// Goal: folds and every order of arrival end with one view. Method: two devices, two lives each,
/// three words a life and a twin; every rotation and its reverse, one by one, against the fold.
#[test]
fn every_order_ends_with_the_newest_word() {
    let world = World::new(&[Who::Anna(1)]);
    let words: Vec<Held> = [(8, 1), (8, 2), (9, 1), (9, 2)]
        .into_iter()
        .flat_map(|(seed, counter)| (1..=3).map(move |seq| (seed, counter, seq, seq)))
        .chain([(8, 2, 3, 99)])
        .map(|(seed, counter, seq, load)| word(&world, seed, counter, seq, load))
        .collect();
    let whole = set_of(&world, &words);
    let newest = Presences::fold(&whole);
    assert_eq!(whole.len(), 2, "of each device one word is kept");
    for turn in 0..words.len() {
        let mut order = words.clone();
        order.rotate_left(turn);
        let back: Vec<Held> = order.iter().rev().cloned().collect();
        for order in [order, back] {
            let (mut set, mut view) = (Set::new(world.fleet), Presences::default());
            for one in order.iter().chain(&order) {
                if set.insert(one.clone()) == Inserted::New {
                    view.apply(one);
                }
                assert_eq!(view, Presences::fold(&set));
            }
            assert_eq!((set.digest(), &view), (whole.digest(), &newest));
        }
    }
}

/// Goal: a key that is nobody's is read by nobody, and a device speaks for itself alone.
#[test]
fn only_the_enrolled_are_read() {
    let mut world = World::new(&[Who::Anna(1)]);
    let owner = UserId::new(&domain(), "ursula").unwrap();
    let user = Body::User(Named { id: owner.clone().into() });
    let user = world.one(Who::Anna(1), 1, &[], user);
    let secret = SecretKey::from_seed(&[8; 32]);
    let (key, name) = (secret.public(), device("near"));
    let words = Enrol::possession_words(&world.fleet.0, &key, &name);
    let possession = Bytes(secret.sign(&words).to_vec());
    let (site, kind) = (None, DeviceKind::Robot);
    let enrol = Enrol { key, device: name.clone(), site, kind, owner, possession };
    let enrol = world.one(Who::Anna(1), 1, &[], Body::Enrol(enrol));
    let (known, stranger) = (word(&world, 8, 1, 1, 5), word(&world, 9, 1, 1, 7));
    let all: Vec<Held> =
        world.root.iter().chain([&user, &enrol, &known, &stranger]).cloned().collect();
    let set = set_of(&world, &all);
    let registry = Registry::fold(&set, &Authority::fold(&set));
    let presences = Presences::fold(&set);
    let read: Vec<_> = presences.devices(&registry).map(|(d, p)| (d.id.clone(), p.load)).collect();
    assert_eq!(read, [(name, 5)]);
}

fn set_of(world: &World, statements: &[Held]) -> Set {
    let mut set = Set::new(world.fleet);
    for one in statements {
        set.insert(one.clone());
    }
    set
}

fn word(world: &World, seed: u8, counter: u64, seq: u64, load: u64) -> Held {
    let statement = Statement {
        class: Class::Presence,
        scope: Scope::Fleet,
        author: device("near").into(),
        incarnation: Incarnation { counter, drawn: [1; 16] },
        seq,
        prev: (seq > 1).then_some(StatementId([1; 32])),
        epoch: 1,
        expiry_ms: None,
        refs: Vec::new(),
        body: Presence { addresses: Vec::new(), capabilities: vec!["gpu".into()], load }.into(),
    };
    Arc::new(sign(statement, &SecretKey::from_seed(&[seed; 32]), &world.fleet))
}
