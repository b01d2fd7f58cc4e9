//! A key that counts for orders only: it takes away, and nothing that it grants counts.

use super::desk::{ALICE, Desk, ROOT, key, reason, subject};
use belay_identity::body::{Approve, Hold, Lift, Restore, Revoke, Role};
use belay_identity::{Body, Statement, StatementId, Verified};
use belay_mesh::epoch::Change;
use belay_mesh::output::RefusalKind;

/// The seed of bob's own key.
const BOB: u8 = 11;
/// The seed of the key that signs for him without asking him.
const HIS_AGENT: u8 = 12;

/// Alice, and bob with two keys, one of them for orders.
fn two() -> Desk {
    let mut desk = Desk::founded();
    let bob = desk.naming("bob", BOB, &[Role::Policy, Role::Security]);
    desk.propose(ROOT, bob).expect("bob");
    let (id, key) = (desk.operator("bob"), key(HIS_AGENT).public());
    desk.propose(ROOT, Change::AddOrdersKey { id, key }).expect("a further key");
    desk
}

fn hold(desk: &mut Desk, agent: &str) -> Body {
    let home = desk.place(key(ALICE).public()).device.expect("a member");
    let (subject, reason) = (subject(desk, agent), reason());
    Body::Hold(Hold { subject, home, reason, until_ms: None, pause: None })
}

fn revoke(desk: &mut Desk, agent: &str) -> Body {
    let home = desk.place(key(ALICE).public()).device.expect("a member");
    Body::Revoke(Revoke { subject: subject(desk, agent), home, reason: reason() })
}

fn standing(desk: &mut Desk) -> usize {
    desk.status().orders.len()
}

/// Goal: what such a key takes away counts as an operator's order does, through later epochs too,
/// and his other key lifts it alone, as its author. Method: a hold and a revoke by that key, then
/// an epoch that changes its owner's roles, then a lift by his own.
#[test]
fn what_it_takes_away_counts() {
    let mut desk = two();
    let (held, cut) = (hold(&mut desk, "mole"), revoke(&mut desk, "rat"));
    let held = desk.say(HIS_AGENT, held, &[]).expect("a hold");
    desk.say(HIS_AGENT, cut, &[]).expect("a revoke");
    assert_eq!(standing(&mut desk), 2);
    let (id, roles) = (desk.operator("bob"), vec![Role::Security]);
    let draft = desk.draw_up(Change::SetRoles { id: id.clone(), roles: roles.clone() });
    let lines = draft.expect("an epoch").root.operators;
    let of = |seed: u8| lines.iter().find(|line| line.key == key(seed).public()).map(|l| &l.roles);
    assert_eq!(of(BOB), Some(&roles));
    assert_eq!(of(HIS_AGENT), Some(&vec![Role::Orders]), "a key is not a person");
    desk.propose(ROOT, Change::SetRoles { id, roles }).expect("an epoch");
    assert_eq!(standing(&mut desk), 2, "both are re-affirmed");
    let lift = Lift { reason: reason() };
    desk.say(BOB, Body::Lift(lift), &[held]).expect("its author by his own key");
    assert_eq!(standing(&mut desk), 1);
}

/// Goal: such a key approves, lifts and restores nothing, also where a device without scruples put
/// what it signed on the disk, and adds no pair of eyes. Method: each at the door; then a restore
/// of alice's with that key's approval, and one of that key's with hers, straight into the set.
#[test]
fn what_it_grants_does_not() {
    let (mut desk, mut told) = (Desk::founded(), Vec::new());
    let naming = desk.naming("bob", BOB, &[Role::Policy, Role::Security]);
    let (id, orders) = (desk.operator("bob"), key(HIS_AGENT).public());
    for change in [naming, Change::AddOrdersKey { id, key: orders }] {
        let draft = desk.draw_up(change).expect("an epoch");
        let of = tell(&mut desk, &mut told, ROOT, draft.root.into(), &[draft.parent]);
        tell(&mut desk, &mut told, ROOT, Approve { of }.into(), &[]);
    }
    assert_eq!(desk.status().security_operators, 2, "two people, however many keys");
    let cut = revoke(&mut desk, "rat");
    let cut = tell(&mut desk, &mut told, ALICE, cut, &[]);
    let by_it = desk.signed(HIS_AGENT, restoring(&desk, "rat"), &[cut]);
    let its = Approve { of: by_it.id() };
    let restore = restoring(&desk, "rat");
    let restore = tell(&mut desk, &mut told, ALICE, restore, &[cut]);
    let no = desk.approve(HIS_AGENT, restore).expect_err("an approval");
    assert!(no.kind == RefusalKind::Denied && no.why.contains("role security"), "{no:?}");
    let yes = desk.signed(HIS_AGENT, Approve { of: restore }, &[]);
    let yes_of_hers = desk.signed(ALICE, its, &[]);
    told.extend([by_it, yes, yes_of_hers]);
    let mut spoilt = desk.with_on_disk(told.clone());
    assert_eq!(standing(&mut spoilt), 1, "the revoke stands");
    let yes = desk.signed(BOB, Approve { of: restore }, &[]);
    told.push(yes.clone());
    desk.submit(vec![yes]).expect("the same man by his own key");
    assert_eq!(standing(&mut desk), 0);
    assert_eq!(standing(&mut desk.with_on_disk(told)), 0, "that disk takes what counts");
}

/// Signs, hands in, and keeps a copy; its id.
fn tell(
    desk: &mut Desk,
    told: &mut Vec<Verified<Statement>>,
    seed: u8,
    body: Body,
    refs: &[StatementId],
) -> StatementId {
    let signed = desk.signed(seed, body, refs);
    told.push(signed.clone());
    desk.submit(vec![signed]).expect("it is taken")
}

fn restoring(desk: &Desk, agent: &str) -> Body {
    Body::Restore(Restore { subject: subject(desk, agent), reason: reason() })
}

/// Goal: no epoch mixes the role with another, and one person may have such a key alone. Method:
/// `orders` beside `security`; then carol with nothing else, whose order counts.
#[test]
fn the_role_stands_alone() {
    let mut desk = Desk::founded();
    let mixed = desk.naming("bob", BOB, &[Role::Security, Role::Orders]);
    let no = desk.draw_up(mixed).expect_err("two kinds of presence in one key");
    assert!(no.kind == RefusalKind::WrongUse && no.why.contains("stands alone"), "{no:?}");
    let (id, seed) = (desk.operator("carol"), HIS_AGENT);
    let change = Change::AddOrdersKey { id, key: key(seed).public() };
    let _epoch: StatementId = desk.propose(ROOT, change).expect("carol");
    assert_eq!(desk.status().security_operators, 1);
    let held = hold(&mut desk, "mole");
    desk.say(seed, held, &[]).expect("her hold");
    assert_eq!(standing(&mut desk), 1);
}
