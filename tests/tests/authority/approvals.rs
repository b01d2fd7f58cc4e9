//! Approvals that must not count, and those that do.

use super::desk::{ALICE, Desk, ROOT, reason, subject};
use belay_identity::body::{Hold, Lift, Restore, Revoke, Role, Subject, Term};
use belay_identity::{Body, StatementId};
use belay_mesh::Request;
use belay_mesh::approval::ActKind;
use belay_mesh::epoch::{Cause, Change};
use belay_mesh::output::{Answer, RefusalKind};

const BOB: u8 = 11;
const CAROL: u8 = 12;

/// Alice, bob with policy and security, carol with audit alone.
fn three() -> Desk {
    let mut desk = Desk::founded();
    let bob = desk.naming("bob", BOB, &[Role::Policy, Role::Security]);
    desk.propose(ROOT, bob).expect("bob");
    let carol = desk.naming("carol", CAROL, &[Role::Audit]);
    desk.propose(ROOT, carol).expect("carol");
    assert_eq!(desk.status().epoch, 3);
    desk
}

fn revoked(desk: &mut Desk, by: u8, agent: &str) -> StatementId {
    let (subject, home) = (subject(desk, agent), desk.place(super::desk::key(by).public()).device);
    let revoke = Revoke { subject, home: home.expect("a member"), reason: reason() };
    desk.say(by, Body::Revoke(revoke), &[]).expect("a revoke")
}

fn restored(desk: &mut Desk, by: u8, agent: &str, of: StatementId) -> StatementId {
    let restore = Restore { subject: subject(desk, agent), reason: reason() };
    desk.say(by, Body::Restore(restore), &[of]).expect("a restore")
}

fn stand(desk: &mut Desk) -> usize {
    desk.status().orders.len()
}

/// Goal: an approval counts once, of whoever is entitled, for what waits; anything else is refused
/// by name before it is counted. Method: a restore that needs two; every wrong yes, then the right.
#[test]
fn a_yes_counts_once_of_whoever_is_entitled() {
    let mut desk = three();
    let revoke = revoked(&mut desk, BOB, "mole");
    let restore = restored(&mut desk, ALICE, "mole", revoke);
    let waits = desk.waiting();
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert_eq!((waits[0].id, waits[0].act), (restore, ActKind::Restore));
    assert_eq!((waits[0].tallies[0].have, waits[0].tallies[0].need), (1, 2));
    assert_eq!(waits[0].open, [desk.operator("bob").to_string()]);

    let no = desk.approve(BOB, StatementId([9; 32])).expect_err("an id that nobody knows");
    assert!(no.kind == RefusalKind::WrongUse && no.why.contains("nothing known here"), "{no:?}");
    let no = desk.approve(ALICE, restore).expect_err("its own author");
    assert!(no.why.contains("has said yes to this already"), "{no:?}");
    let no = desk.approve(CAROL, restore).expect_err("without the role");
    assert!(no.kind == RefusalKind::Denied && no.why.contains("role security"), "{no:?}");
    let no = desk.approve(99, restore).expect_err("a stranger");
    assert_eq!(no.kind, RefusalKind::Denied, "{no:?}");
    let no = desk.approve(BOB, desk.one()).expect_err("what stands");
    assert!(no.kind == RefusalKind::Denied || no.why.contains("has every yes"), "{no:?}");
    assert_eq!(stand(&mut desk), 1, "nothing of that counted");

    desk.approve(BOB, restore).expect("bob may");
    assert_eq!(stand(&mut desk), 0);
    assert!(desk.waiting().is_empty());
    let no = desk.approve(BOB, restore).expect_err("twice");
    assert!(no.why.contains("has said yes to this already"), "{no:?}");
}

/// Goal: an order on a device counts alone; co-signed it also silences the device as a beacon.
/// Method: bob holds the only beacon, alice co-signs, both lift.
#[test]
fn a_quarantined_beacon_is_silenced_by_two() {
    let mut desk = three();
    let device = desk.place(super::desk::key(BOB).public()).device.expect("a member");
    let subject = Subject::new(vec![Term::Device(device.clone())]).expect("a subject");
    let hold = Hold { subject, home: device, reason: reason(), until_ms: None, pause: None };
    let order = desk.say(BOB, hold, &[]).expect("it counts alone");
    let gives = |desk: &mut Desk| desk.status().devices[0].beacon;
    assert!(stand(&mut desk) == 1 && gives(&mut desk));
    let waits = desk.waiting();
    assert_eq!((waits[0].id, waits[0].act), (order, ActKind::Silence), "{waits:?}");
    desk.approve(ALICE, order).expect("a co-signature");
    assert!(!gives(&mut desk) && desk.waiting().is_empty());
    let lift = desk.say(BOB, Lift { reason: reason() }, &[order]).expect("a lift");
    assert_eq!(stand(&mut desk), 1, "one of two");
    desk.approve(ALICE, lift).expect("the second");
    assert!(stand(&mut desk) == 0 && gives(&mut desk));
}

/// Goal: a hold on an operator that lasts counts only co-signed; the root alone ends it. Method:
/// bob holds alice until lifted; it waits; alice's yes on herself counts as any other's.
#[test]
fn a_lasting_hold_on_an_operator_takes_two() {
    let mut desk = three();
    let alice = Subject::new(vec![Term::Operator(desk.operator("alice"))]).expect("a subject");
    let home = desk.place(super::desk::key(BOB).public()).device.expect("a member");
    let hold = Hold { subject: alice, home, reason: reason(), until_ms: None, pause: None };
    let signed = desk.signed(BOB, Body::Hold(hold), &[]);
    let (id, statements) = (signed.id(), vec![signed.clone()]);
    let no = desk.submit(vec![signed]).expect_err("alone it would not count");
    assert_eq!(no.kind, RefusalKind::ApprovalNeeded, "{no:?}");
    let Ok(Answer::Accepted(_)) = desk.ask(Request::Propose { statements }) else {
        panic!("it may wait")
    };
    assert_eq!(stand(&mut desk), 0, "it waits");
    let waits = desk.waiting();
    assert_eq!((waits[0].id, waits[0].act), (id, ActKind::OperatorOrder), "{waits:?}");
    desk.approve(ALICE, id).expect("another security operator");
    assert_eq!(stand(&mut desk), 1);

    // Two operators cannot lift it; the root does.
    let lift = desk.say(BOB, Lift { reason: reason() }, &[id]).expect("a lift");
    assert_eq!(stand(&mut desk), 1, "{:?}", desk.waiting());
    assert!(desk.waiting().iter().any(|waiting| waiting.id == lift));
    desk.say(ROOT, Lift { reason: reason() }, &[id]).expect("the root's lift");
    assert_eq!(stand(&mut desk), 0);
}

/// Goal: only orders wait by way of a proposal; nothing else comes in unchecked. Method: a bad root
/// and an approval of nothing, handed in as proposals.
#[test]
fn nothing_but_an_order_is_let_wait() {
    let mut desk = Desk::founded();
    let mut root = desk.second();
    root.threshold = 0;
    let one = desk.one();
    let signed = desk.signed(ROOT, root, &[one]);
    let no = desk.ask(Request::Propose { statements: vec![signed] }).expect_err("no order");
    assert!(no.why.contains("is no order"), "{no:?}");
}

/// Goal: an order outlives its author's removal, and for cause it falls from the named one on, with
/// what that revives said beforehand. Method: bob orders twice and is removed, once plainly, once
/// for cause from his second order on.
#[test]
fn orders_outlive_who_gave_them_unless_for_cause() {
    let remove = |desk: &Desk, cause: Option<Cause>| Change::RemoveOperator {
        id: desk.operator("bob"),
        cause,
    };
    let mut desk = three();
    let orders = [revoked(&mut desk, BOB, "mole"), revoked(&mut desk, BOB, "owl")];
    let plain = remove(&desk, None);
    desk.propose(ROOT, plain).expect("removed");
    assert_eq!((desk.status().epoch, stand(&mut desk)), (4, 2));
    let no = desk.approve(BOB, orders[0]).expect_err("he is none any more");
    assert_eq!(no.kind, RefusalKind::Denied, "{no:?}");

    let mut desk = three();
    let (mole, owl) = (revoked(&mut desk, BOB, "mole"), revoked(&mut desk, BOB, "owl"));
    let cause = Cause { reason: "stolen key".into(), from: Some(owl) };
    let removal = remove(&desk, Some(cause));
    let draft = desk.draw_up(removal.clone()).expect("drawn up");
    let revives = draft.changes.iter().filter(|line| line.contains("revives agent:owl"));
    assert_eq!(revives.count(), 1, "{:?}", draft.changes);
    assert!(!draft.changes.iter().any(|line| line.contains("revives agent:mole")));
    desk.propose(ROOT, removal).expect("removed");
    let left: Vec<StatementId> = desk.status().orders.iter().map(|order| order.id).collect();
    assert_eq!(left, [mole]);
    let Ok(Answer::Authority(report)) = desk.ask(Request::Authority) else { panic!("a report") };
    assert_eq!(report.gone[0].cause.as_deref(), Some("stolen key"));
    assert_eq!(report.gone[0].revived.first().map(|(order, _)| *order), Some(owl));
}
