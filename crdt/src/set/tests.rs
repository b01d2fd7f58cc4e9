//! Heads, what is lacking, forks by proof, registers: by the public door of the set.

use super::*;
use crate::lattice::world::{Pen, Who, World, agent, hold, lift};
use belay_identity::body::{Presence, Term};
use belay_identity::codec::Bytes;
use belay_identity::{SecretKey, sign};

fn world() -> World {
    World::new(&[Who::Anna(1), Who::Ben(1)])
}

fn order(pen: &mut Pen, name: &str) -> Held {
    pen.write(&[], hold(vec![Term::Agent(agent(name))]))
}

fn set_of(world: &World, held: &[Held]) -> Set {
    let mut set = Set::new(world.fleet);
    held.iter().for_each(|one| assert_eq!(set.insert(one.clone()), Inserted::New));
    set
}

/// Goal: a head never skips a gap. Method: number 3 before number 2.
#[test]
fn heads_stop_at_a_gap() {
    let mut world = world();
    let mut pen = world.pen(Who::Anna(1), 1);
    let [one, two, three] = ["a", "b", "c"].map(|name| order(&mut pen, name));
    let mut set = set_of(&world, &[three.clone(), one.clone()]);
    assert_eq!(set.heads()[0].id, one.id());
    assert_eq!(set.next_place(&one.log(one.key())), (4, Some(three.id())));
    assert_eq!(set.insert(two), Inserted::New);
    assert_eq!(set.heads()[0].id, three.id());
    assert!(set.holds(&set.heads()));
}

/// Goal: showing heads names exactly what the other side lacks, orders first, by number.
/// Method: two sets with a common beginning, one of them with a fork.
#[test]
fn lacking_is_what_was_not_shown() {
    let mut world = world();
    let mut pen = world.pen(Who::Anna(1), 1);
    let [one, two, three] = ["a", "b", "c"].map(|name| order(&mut pen, name));
    let ours = set_of(&world, &[three.clone(), two.clone(), one.clone()]);
    let theirs = set_of(&world, std::slice::from_ref(&one));
    assert_eq!(ours.lacking(&theirs.heads()), [two.id(), three.id()]);
    assert_eq!(ours.lacking(&ours.heads()), []);
    assert_eq!(theirs.lacking(&ours.heads()), []);
    assert!(!theirs.holds(&ours.heads()));

    let twin = pen.twin(&[], lift());
    let mut forked = ours.clone();
    assert_eq!(forked.insert(twin.clone()), Inserted::Fork { other: three.id() });
    assert!(forked.lacking(&ours.heads()).contains(&twin.id()));
    assert_eq!(forked.fork(&twin.log(twin.key())), Some(3));
}

/// Goal: a proof is as good as both statements, and a false one is nothing.
/// Method: the proof of a fork, and one of two statements with different numbers.
#[test]
fn a_proof_shows_a_fork() {
    let mut world = world();
    let mut pen = world.pen(Who::Anna(1), 1);
    let (one, two) = (order(&mut pen, "a"), order(&mut pen, "b"));
    let twin = pen.twin(&[], lift());
    let proof = |first: &Held, second: &Held| {
        let bytes = |held: &Held| Bytes(held.bytes().to_vec());
        Body::Proof(Proof { first: bytes(first), second: bytes(second) })
    };
    let honest = world.one(Who::Ben(1), 1, &[], proof(&two, &twin));
    let wrong = world.one(Who::Ben(1), 1, &[], proof(&one, &two));
    let log = one.log(one.key());
    assert_eq!(set_of(&world, &[wrong]).fork(&log), None);
    assert_eq!(set_of(&world, &[honest]).fork(&log), Some(2));
}

/// Goal: of a register only the greatest is held, whatever came first. Method: both orders.
#[test]
fn a_register_keeps_the_greatest() {
    let world = world();
    let presence = |counter: u64, seq: u64| {
        let body = Presence { addresses: Vec::new(), capabilities: Vec::new(), load: seq };
        let statement = Statement {
            class: Class::Presence,
            scope: Scope::Fleet,
            author: crate::lattice::world::device("near").into(),
            incarnation: Incarnation { counter, drawn: [1; 16] },
            seq,
            prev: (seq > 1).then_some(StatementId([1; 32])),
            epoch: 1,
            expiry_ms: None,
            refs: Vec::new(),
            body: Body::Presence(body),
        };
        Arc::new(sign(statement, &SecretKey::from_seed(&[9; 32]), &world.fleet))
    };
    let (old, new) = (presence(1, 9), presence(2, 3));
    let mut one = set_of(&world, &[old.clone(), new.clone()]);
    let other = set_of(&world, std::slice::from_ref(&new));
    assert_eq!(one.insert(old.clone()), Inserted::Known);
    assert_eq!((one.len(), one.digest()), (1, other.digest()));
    assert!(one == other);
    assert_eq!(one.lacking(&set_of(&world, &[old]).heads()), [new.id()]);
    assert_eq!(one.lacking(&other.heads()), []);
}

/// Goal: whoever holds one branch of a forked order log does not count as holding the other.
/// Method: a log forked at number 2; what a beacon with both shows, and what each branch leads to.
#[test]
fn every_branch_of_a_forked_order_log_is_shown() {
    let mut world = world();
    let mut pen = world.pen(Who::Anna(1), 1);
    let (one, two) = (order(&mut pen, "a"), order(&mut pen, "b"));
    let twin = pen.twin(&[], hold(vec![Term::Agent(agent("c"))]));
    let mut both = set_of(&world, &[one.clone(), two.clone()]);
    assert_eq!(both.insert(twin.clone()), Inserted::Fork { other: two.id() });
    let heads = both.order_heads(&BTreeSet::from([one.key()]));
    let ends: BTreeSet<StatementId> = heads.iter().map(|head| head.id).collect();
    assert_eq!(ends, BTreeSet::from([two.id(), twin.id()]));
    let half = set_of(&world, &[one.clone(), two.clone()]);
    assert!(!half.holds(&heads), "a lease would start without the twin");
    for head in &heads {
        let other = if head.id == two.id() { twin.id() } else { two.id() };
        assert!(both.leads_to(head, &head.id) && both.leads_to(head, &one.id()));
        assert!(!both.leads_to(head, &other));
    }
}
