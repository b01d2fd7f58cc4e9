//! Budgets, operators, devices, leavers, and which of several orders decides.

use super::*;
use crate::lattice::world::{
    Who, World, agent, device, hold, hold_until, lift, operator, revoke, root, user,
};
use crate::limits::{OPERATOR_HOLD_MS, WIDE_ORDERS_PER_EPOCH_MAX};

const OPERATORS: &[Who] = &[Who::Anna(1), Who::Ben(1)];

fn fold(world: &World, held: &[Held]) -> (Authority, Orders) {
    let mut set = Set::new(world.fleet);
    for one in world.root.iter().chain(held) {
        set.insert(one.clone());
    }
    let authority = Authority::fold(&set);
    let orders = Orders::fold(&set, &authority);
    (authority, orders)
}

fn on_user(number: usize) -> Body {
    hold(vec![Term::User(user(&format!("user-{number}")))])
}

/// Goal: a key gives 32 wide orders alone, the next one needs a co-signer, narrow ones go on.
/// Method: 34 orders of one log; the same with the first one missing, which must free nobody later.
#[test]
fn wide_orders_have_a_budget() {
    let mut world = World::new(OPERATORS);
    let mut pen = world.pen(Who::Anna(1), 1);
    let allowed = WIDE_ORDERS_PER_EPOCH_MAX as usize;
    let mut held: Vec<Held> = (0..=allowed).map(|n| pen.write(&[], on_user(n))).collect();
    let narrow = pen.write(&[], hold(vec![Term::Agent(agent("gus"))]));
    held.push(narrow.clone());
    let last = held[allowed].clone();
    let (_, orders) = fold(&world, &held);
    assert_eq!(orders.void().get(&last.id()), Some(&Void::Budget));
    assert!(orders.order(&held[allowed - 1].id()).is_some());
    assert!(orders.order(&narrow.id()).is_some());
    let (_, with_gap) = fold(&world, &held[1..]);
    assert_eq!(with_gap.void().get(&last.id()), Some(&Void::Budget));
    held.push(world.approval(Who::Ben(1), &last, 1));
    assert!(fold(&world, &held).1.order(&last.id()).is_some());
}

/// Goal: one operator holds another for a day at most; two, until the root answers.
/// Method: the four shapes of an order on an operator.
#[test]
fn an_operator_is_held_for_a_day_by_one() {
    let mut world = World::new(OPERATORS);
    let ben = Term::Operator(operator("ben"));
    let of_ben = world.one(Who::Ben(1), 1, &[], hold(vec![Term::Agent(agent("gus"))]));
    let endless = world.one(Who::Anna(1), 1, &[], hold(vec![ben.clone()]));
    let day =
        world.one(Who::Anna(1), 1, &[], hold_until(vec![ben.clone()], Some(10 * OPERATOR_HOLD_MS)));
    let for_ever = world.one(Who::Anna(1), 1, &[], revoke(ben));
    let (_, orders) =
        fold(&world, &[endless.clone(), day.clone(), for_ever.clone(), of_ben.clone()]);
    assert_eq!(orders.void().get(&endless.id()), Some(&Void::Alone));
    assert_eq!(orders.void().get(&for_ever.id()), Some(&Void::Role("root")));
    assert!(orders.order(&of_ben.id()).is_some());
    let cut = orders.operator_cut(&operator("ben")).expect("the timed hold");
    assert_eq!((cut.order, cut.from_ms), (day.id(), Some(9 * OPERATOR_HOLD_MS)));

    let yes = world.approval(Who::Root(1), &endless, 1);
    let lift_of_anna = world.one(Who::Anna(1), 1, &[endless.id()], lift());
    let (authority, orders) =
        fold(&world, &[endless.clone(), yes.clone(), of_ben.clone(), lift_of_anna]);
    let cut = orders.operator_cut(&operator("ben")).expect("the co-signed hold");
    assert_eq!((cut.order, cut.until_ms), (endless.id(), None));
    let grant = world.one(Who::Ben(1), 1, &[], lift());
    assert_eq!(orders.grant_counts(&authority, &grant), Err(Void::Held(endless.id())));
    assert!(orders.order(&of_ben.id()).is_some());
}

/// Goal: a hold on a whole device takes two to lift, and co-signed it silences the beacon.
/// Method: its own author's lift with and without a second yes.
#[test]
fn a_device_takes_two_to_lift() {
    let mut world = World::new(OPERATORS);
    let held = world.one(Who::Anna(1), 1, &[], hold(vec![Term::Device(device("near"))]));
    let up = world.one(Who::Anna(1), 1, &[held.id()], lift());
    let cosign = world.approval(Who::Ben(1), &held, 1);
    let second = world.approval(Who::Ben(1), &up, 1);
    let near = device("near");
    let (_, orders) = fold(&world, &[held.clone(), up.clone()]);
    assert_eq!(orders.device_cut(&near, 1).map(|cut| cut.order), Some(held.id()));
    assert_eq!(orders.void().get(&up.id()), Some(&Void::Approvals { have: 1, need: 2 }));
    assert_eq!(orders.beacon_silenced(&near), None);
    let (_, orders) = fold(&world, &[held.clone(), cosign]);
    assert_eq!(orders.beacon_silenced(&near), Some(held.id()));
    let (_, orders) = fold(&world, &[held.clone(), up.clone(), second]);
    assert_eq!(orders.device_cut(&near, 1), None);
    assert_eq!(orders.lifted_by(&held.id()), Some(up.id()));
}

/// Goal: a co-signed hold on a device with a time silences the beacon until that time is over, and
/// its own fold reads no clock. Method: the views are told that it is over, and that it is not.
#[test]
fn a_timed_hold_silences_a_beacon_for_its_time() {
    let mut world = World::new(OPERATORS);
    let near = device("near");
    let held =
        world.one(Who::Anna(1), 1, &[], hold_until(vec![Term::Device(near.clone())], Some(9)));
    let cosign = world.approval(Who::Ben(1), &held, 1);
    let mut set = Set::new(world.fleet);
    let all = world.root.iter().chain([&held, &cosign]);
    all.for_each(|one| _ = set.insert(one.clone()));
    let mut views = crate::views::Views::fold(&set);
    let timed: Vec<_> = views.orders.timed().iter().map(|one| (one.order, one.until_ms)).collect();
    assert_eq!(timed, [(held.id(), 9)]);
    assert_eq!(views.beacon_silenced(&near), Some(held.id()));
    assert!(views.rest(&set, [held.id()].into()));
    assert_eq!(views.beacon_silenced(&near), None);
    assert!(views.rest(&set, BTreeSet::new()));
    assert_eq!(views.beacon_silenced(&near), Some(held.id()), "no time is known any more");
}

/// Goal: a lift that lacked a yes does not come to count because an operator left.
/// Method: a lift by one of two operators, then an epoch with one operator that pins it.
#[test]
fn leaving_completes_no_lift() {
    let mut world = World::new(OPERATORS);
    let held = world.one(Who::Ben(1), 1, &[], hold(vec![Term::Agent(agent("gus"))]));
    let up = world.one(Who::Anna(1), 1, &[held.id()], lift());
    let mut next = root(2, &[Who::Anna(1)]);
    if let Body::Root(next) = &mut next {
        next.pins = vec![crate::lattice::world::pin(&held), crate::lattice::world::pin(&up)];
        next.reaffirmed = vec![held.id()];
    }
    let first = world.root[0].clone();
    let next = world.epoch(&first, next, &[Who::Root(1), Who::Root(2)]);
    let (authority, orders) = fold(&world, &[vec![held.clone(), up], next].concat());
    assert_eq!(authority.standing().map(|epoch| epoch.number), Some(2));
    assert_eq!(authority.security_operators(), 1);
    assert_eq!(orders.lifted_by(&held.id()), None);
    assert_eq!(orders.standing().count(), 1);
}

/// Goal: of several orders the one that lasts longest decides, then the one that ends work.
/// Method: a timed hold, a later one, one without end.
#[test]
fn the_order_that_lasts_longest_decides() {
    let mut world = World::new(OPERATORS);
    let gus = || vec![Term::Agent(agent("gus"))];
    let early = world.one(Who::Anna(1), 1, &[], hold_until(gus(), Some(5)));
    let later = world.one(Who::Anna(1), 1, &[], hold_until(gus(), Some(9)));
    let endless = world.one(Who::Ben(1), 1, &[], hold(gus()));
    let link = crate::lattice::world::link("gus", "near", 1, 1);
    let chain = Chain::new(vec![link]).expect("one link");
    let (_, orders) = fold(&world, &[early.clone(), later.clone()]);
    let cuts = orders.all_cuts(&chain);
    assert_eq!(cuts.iter().map(|cut| cut.order).collect::<Vec<_>>(), [later.id(), early.id()]);
    let (_, orders) = fold(&world, &[early, later, endless.clone()]);
    assert_eq!(orders.cuts(&chain).map(|cut| cut.order), Some(endless.id()));
}

/// Goal: a hold on an operator leaves what the epoch under which it is given had sealed in, and
/// nothing that came later. Method: ben lifts one hold, an epoch pins that, anna holds him under it
/// naming nothing, and he lifts another.
#[test]
fn what_its_epoch_sealed_in_no_hold_cuts() {
    let mut world = World::new(OPERATORS);
    let on = |name: &str| hold(vec![Term::Agent(agent(name))]);
    let [first, second] = ["gus", "ida"].map(|name| world.one(Who::Anna(1), 1, &[], on(name)));
    let mut ben = world.pen(Who::Ben(1), 1);
    let before = ben.write(&[first.id()], lift());
    let yes = world.approval(Who::Anna(1), &before, 1);
    let mut next = root(2, OPERATORS);
    if let Body::Root(next) = &mut next {
        next.pins = [&first, &second, &before, &yes].map(crate::lattice::world::pin).to_vec();
        next.reaffirmed = vec![first.id(), second.id()];
    }
    let founding = world.root[0].clone();
    let next = world.epoch(&founding, next, &[Who::Root(1), Who::Root(2)]);
    let after = ben.of_epoch(2).write(&[second.id()], lift());
    let yes_after = world.approval(Who::Anna(1), &after, 2);
    let on_ben = hold(vec![Term::Operator(operator("ben"))]);
    let held = world.one(Who::Anna(1), 2, &[], on_ben);
    let by_root = world.approval(Who::Root(1), &held, 2);
    let all = [first.clone(), second.clone(), before, yes, after, yes_after];
    let without = [all.to_vec(), next.clone()].concat();
    assert_eq!(fold(&world, &without).1.standing().count(), 0, "both are lifted");
    let (_, orders) = fold(&world, &[without, vec![held.clone(), by_root]].concat());
    let standing: Vec<StatementId> = orders.standing().map(|order| order.id).collect();
    assert!(orders.lifted_by(&first.id()).is_some(), "sealed in before the hold");
    assert!(standing.contains(&second.id()) && standing.contains(&held.id()), "{standing:?}");
}
