//! Following a set statement by statement is folding it whole, at every step, by any order.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::Views;
use crate::lattice;
use crate::lattice::world::{Who, World, agent, hold, lift, release, restore, revoke, user};
use crate::set::{Held, Set};
use belay_identity::body::{Approve, Build, DeviceKind, Enrol, Manifest, Named, ProgramName, Term};
use belay_identity::codec::Bytes;
use belay_identity::{Body, FleetId, SecretKey, StatementId};

/// Follows the statements in this order and compares with the whole fold after each one.
fn assert_followed(fleet: FleetId, statements: &[Held]) {
    let mut set = Set::new(fleet);
    let mut views = Views::fold(&set);
    for held in statements {
        let inserted = set.insert(held.clone());
        views.apply(&set, held, inserted);
        assert_same(&views, &Views::fold(&set), held);
    }
}

fn assert_same(followed: &Views, whole: &Views, last: &Held) {
    let last = last.body.kind();
    assert_eq!(followed.authority, whole.authority, "authority after {last}");
    assert_eq!(followed.orders, whole.orders, "orders after {last}");
    assert_eq!(followed.releases, whole.releases, "releases after {last}");
    assert_eq!(followed.manifests, whole.manifests, "manifests after {last}");
    assert_eq!(followed.presences, whole.presences, "presences after {last}");
    let text = |views: &Views| format!("{:?} {:?}", views.registry, views.tasks);
    assert_eq!(text(followed), text(whole), "registry and tasks after {last}");
}

/// Goal: rival epochs, seals, forks, proofs, revokes and restores leave nothing behind.
/// Method: every program of the lattice in 64 orders, drawn by a fixed stride.
#[test]
fn every_program_is_followed_in_many_orders() {
    for (fleet, statements) in lattice::statements() {
        for turn in 0..64 {
            let mut order = statements.clone();
            shuffle(&mut order, turn);
            assert_followed(fleet, &order);
        }
    }
}

/// A few exchanges decided by the turn: xorshift, so that a failure can be run again.
fn shuffle(order: &mut [Held], turn: u64) {
    let mut state = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = usize::try_from(state % (at as u64 + 1)).unwrap();
        order.swap(at, other);
    }
}

/// Goal: a restore that names a statement of another class opens nothing until that one is held,
/// whichever comes first. Method: the enrolment of a device, named by a restore, comes last.
#[test]
fn what_a_restore_names_is_waited_for_whatever_its_class() {
    let mut world = World::new(&[Who::Anna(1)]);
    let gus = || Term::Agent(agent("gus"));
    let cut = world.one(Who::Anna(1), 1, &[], revoke(gus()));
    let named = Body::User(Named { id: user("una").into() });
    let named = world.one(Who::Anna(1), 1, &[], named);
    let up = world.one(Who::Anna(1), 1, &[cut.id(), named.id()], restore(gus()));
    let statements: Vec<Held> = world.root.iter().cloned().chain([cut, up, named]).collect();
    assert_followed(world.fleet, &statements);
    let mut set = Set::new(world.fleet);
    statements.iter().for_each(|held| _ = set.insert(held.clone()));
    assert_eq!(Views::fold(&set).orders.generation(&gus()), 2);
}

/// Goal: a manifest names its files while its author's grant counts, and no longer; a faulty one
/// never does; of two for one file the shorter stop grace counts; in whichever order all of it
/// comes. Method: two operators sign, the second is held by the first and a third; every step
/// against the whole fold.
#[test]
fn a_manifest_stands_while_its_author_does() {
    let mut world = World::new(&[Who::Anna(1), Who::Ben(1), Who::Cleo]);
    let manifest = |name: &str, files: &[u8], stop_grace_ms| {
        let build = |file: &u8| Build { platform: format!("linux/{file}"), file: [*file; 32] };
        Body::Manifest(Manifest {
            name: ProgramName::new(name).unwrap(),
            version: "1".into(),
            publisher: "somebody".into(),
            builds: files.iter().map(build).collect(),
            tools: Vec::new(),
            stop_grace_ms,
            rings: Vec::new(),
        })
    };
    let anna = world.one(Who::Anna(1), 1, &[], manifest("crawler", &[1, 2], Some(900)));
    let bea = world.one(Who::Ben(1), 1, &[], manifest("crawler-too", &[2], Some(400)));
    let bare = world.one(Who::Anna(1), 1, &[], manifest("nothing", &[], None));
    let cut = world.one(Who::Anna(1), 1, &[], hold(vec![Term::Operator(Who::Ben(1).line().id)]));
    let yes = world.approval(Who::Cleo, &cut, 1);
    let fold = |held: &[&Held]| {
        let all: Vec<Held> = world.root.iter().chain(held.iter().copied()).cloned().collect();
        assert_followed(world.fleet, &all);
        let backwards: Vec<Held> = all.iter().rev().cloned().collect();
        assert_followed(world.fleet, &backwards);
        let mut set = Set::new(world.fleet);
        all.into_iter().for_each(|held| _ = set.insert(held));
        Views::fold(&set).manifests
    };
    let both = fold(&[&anna, &bea, &bare]);
    assert_eq!(both.all().count(), 2, "a manifest of no file names nothing");
    assert_eq!((both.naming(&[2; 32]).count(), both.stop_grace_ms(&[2; 32])), (2, Some(400)));
    let one = fold(&[&anna, &bea, &bare, &cut, &yes]);
    assert_eq!(one.all().map(|vouched| vouched.id).collect::<Vec<_>>(), [anna.id()]);
    assert_eq!(one.stop_grace_ms(&[2; 32]), Some(900));
}

/// Goal: who is let in under a hold on the operator who does it is held like him; whom he let in
/// before is not, another one's yes frees, and the end of the hold frees. Method: ben enrols two
/// devices around anna's hold of a day; the enrolments are followed in both directions.
#[test]
fn who_is_let_in_under_a_hold_is_held() {
    let mut world = World::new(&[Who::Anna(1), Who::Ben(1), Who::Cleo]);
    let enrol = |device: &str, key: u8| {
        let key = SecretKey::from_seed(&[key; 32]);
        let id = lattice::world::device(device);
        let words = Enrol::possession_words(&world.fleet.0, &key.public(), &id);
        let possession = Bytes(key.sign(&words).to_vec());
        let (site, kind, owner) = (None, DeviceKind::Laptop, user("ursula"));
        Body::Enrol(Enrol { key: key.public(), device: id, site, kind, owner, possession })
    };
    let (early, late) = (enrol("early", 91), enrol("late", 92));
    let mut ben = world.pen(Who::Ben(1), 1);
    let (early, late) = (ben.write(&[], early), ben.write(&[], late));
    let on_ben = vec![Term::Operator(Who::Ben(1).line().id)];
    let day = lattice::world::hold_until(on_ben, Some(5));
    let day = world.one(Who::Anna(1), 1, &[early.id()], day);
    let yes = world.approval(Who::Cleo, &late, 1);
    let held = |statements: &[&Held], idle: &[StatementId]| {
        let all: Vec<Held> = world.root.iter().chain(statements.iter().copied()).cloned().collect();
        assert_followed(world.fleet, &all);
        let backwards: Vec<Held> = all.iter().rev().cloned().collect();
        assert_followed(world.fleet, &backwards);
        let mut set = Set::new(world.fleet);
        all.into_iter().for_each(|held| _ = set.insert(held));
        let mut views = Views::fold(&set);
        views.rest(&set, idle.iter().copied().collect());
        let cut = |name: &str| views.let_in_cut(&set, &lattice::world::device(name));
        ["early", "late"].map(|name| cut(name).map(|cut| cut.order))
    };
    assert_eq!(held(&[&early, &late], &[]), [None, None]);
    assert_eq!(held(&[&early, &late, &day], &[]), [None, Some(day.id())]);
    assert_eq!(held(&[&late, &day], &[]), [None, Some(day.id())], "with a gap below it");
    assert_eq!(held(&[&early, &late, &day, &yes], &[]), [None, None]);
    assert_eq!(held(&[&early, &late, &day], &[day.id()]), [None, None], "it is over");
}

/// Goal: what a statement bears on is followed also where it comes below another of its log, or
/// before what approves it. Method: two operators, a log each: a hold, a release and an approval;
/// a lift that one alone may not give, and an approval; every order of arrival, each step against
/// the whole fold.
#[test]
fn what_comes_below_another_is_followed() {
    let mut world = World::new(&[Who::Anna(1), Who::Ben(1)]);
    let yes = |of: &Held| Body::Approve(Approve { of: of.id() });
    let (mut anna, mut ben) = (world.pen(Who::Anna(1), 1), world.pen(Who::Ben(1), 1));
    let cut = anna.write(&[], hold(vec![Term::Agent(agent("gus"))]));
    let release = anna.write(&[], release(1, 1, 9));
    let up = ben.write(&[cut.id()], lift());
    let (for_up, for_release) = (anna.write(&[], yes(&up)), ben.write(&[], yes(&release)));
    let all = [cut, release, up, for_up, for_release];
    let mut seen = [false; 3];
    permute(&mut all.clone(), 0, &mut |order| {
        let statements: Vec<Held> = world.root.iter().chain(order).cloned().collect();
        assert_followed(world.fleet, &statements);
        let mut set = Set::new(world.fleet);
        for held in &statements {
            set.insert(held.clone());
            let orders = Views::fold(&set).orders;
            seen[0] |= orders.void().contains_key(&all[2].id());
            seen[1] |= orders.standing().count() == 1;
            seen[2] |= orders.lifted_by(&all[0].id()) == Some(all[2].id());
        }
    });
    assert_eq!(seen, [true; 3], "the lift was void, the hold stood, and the lift answered it");
}

/// Every order of these, each place taken by every one of the rest in turn.
fn permute(all: &mut [Held], from: usize, each: &mut impl FnMut(&[Held])) {
    if from == all.len() {
        return each(all);
    }
    for at in from..all.len() {
        all.swap(from, at);
        permute(all, from + 1, each);
        all.swap(from, at);
    }
}
