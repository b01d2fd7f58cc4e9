//! Further keys of operators, and operators whose grants are held, at one engine's door.

use super::desk::{ALICE, Desk, ROOT, key};
use belay_identity::StatementId;
use belay_identity::body::{FurtherKey, Hold, Lift, Reason, Role, Subject, Term};
use belay_identity::codec::Bytes;
use belay_identity::principal::AgentId;
use belay_mesh::Request;
use belay_mesh::approval::ActKind;
use belay_mesh::epoch::Change;
use belay_mesh::output::{Answer, RefusalKind};

const BOB: u8 = 11;
const CAROL: u8 = 12;
/// The seed of bob's next key.
const NEXT: u8 = 13;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn three() -> Desk {
    let mut desk = Desk::founded();
    for (name, seed, roles) in
        [("bob", BOB, &[Role::Policy, Role::Security][..]), ("carol", CAROL, &[Role::Audit])]
    {
        let change = desk.naming(name, seed, roles);
        desk.propose(ROOT, change).expect("the root names him");
    }
    desk
}

fn further(desk: &Desk, seed: u8, of: &str) -> FurtherKey {
    let public = key(seed).public();
    let words = FurtherKey::possession_words(&desk.fleet.0, &public, &desk.operator(of));
    FurtherKey { key: public, possession: Bytes(key(seed).sign(&words).to_vec()) }
}

fn on_agent(desk: &mut Desk, name: &str) -> Hold {
    let agent = AgentId::new(&desk.domain, name).expect("an agent");
    hold(desk, Term::Agent(agent), None)
}

fn hold(desk: &mut Desk, term: Term, until_ms: Option<u64>) -> Hold {
    let home = desk.place(key(ALICE).public()).device.expect("a member");
    let subject = Subject::new(vec![term]).expect("a subject");
    Hold { subject, home, reason: Reason("test".into()), until_ms, pause: None }
}

fn lift() -> Lift {
    Lift { reason: Reason("test".into()) }
}

fn stand(desk: &mut Desk) -> usize {
    desk.status().orders.len()
}

/// Goal: a further key signs for its operator once another operator has said yes, never by his own
/// yes or that of who lacks the role, and the next epoch names it. Method: every wrong word and
/// yes, then alice's; a lift that takes two is signed by the new key.
#[test]
fn a_further_key_takes_another_operators_yes() {
    let mut desk = three();
    let mut stolen = further(&desk, NEXT, "bob");
    stolen.possession.0[0] ^= 1;
    let no = desk.say(BOB, stolen, &[]).expect_err("the key did not sign");
    assert!(no.kind == RefusalKind::WrongUse && no.why.contains("did not sign"), "{no:?}");
    let alices = further(&desk, ALICE, "bob");
    let no = desk.say(BOB, alices, &[]).expect_err("somebody's key");
    assert!(no.why.contains("belongs to somebody"), "{no:?}");

    let word = further(&desk, NEXT, "bob");
    let word = desk.say(BOB, word, &[]).expect("bob's own word");
    let waits = desk.waiting();
    assert_eq!((waits[0].id, waits[0].act), (word, ActKind::FurtherKey), "{waits:?}");
    assert_eq!(waits[0].open, [desk.operator("alice").to_string()]);
    let no = desk.approve(BOB, word).expect_err("his own certificate");
    assert!(no.kind == RefusalKind::Denied && no.why.contains("a key of his own"), "{no:?}");
    let no = desk.approve(CAROL, word).expect_err("without the role");
    assert!(no.kind == RefusalKind::Denied && no.why.contains("role security"), "{no:?}");
    let order = on_agent(&mut desk, "mole");
    let no = desk.say(NEXT, order.clone(), &[]).expect_err("not certified yet");
    assert_eq!(no.kind, RefusalKind::Denied, "{no:?}");

    desk.approve(ALICE, word).expect("another operator's");
    assert!(desk.waiting().is_empty());
    let order = desk.say(NEXT, order, &[]).expect("an order by the further key");
    let up = desk.say(NEXT, lift(), &[order]).expect("his own lift");
    assert_eq!(stand(&mut desk), 0, "{up:?} ended it");
    let again = further(&desk, 14, "bob");
    let no = desk.say(NEXT, again, &[]).expect_err("a further key names none");
    assert!(no.why.contains("names no other"), "{no:?}");

    let (id, roles) = (desk.operator("carol"), vec![Role::Audit]);
    desk.propose(ROOT, Change::SetRoles { id, roles }).expect("the next epoch");
    let Ok(Answer::Authority(report)) = desk.ask(Request::Authority) else { panic!("no report") };
    let bob = report.operators.iter().find(|line| line.id.name() == "bob").expect("bob");
    assert!(bob.keys.contains(&key(NEXT).public()), "the epoch names it: {:?}", bob.keys);
    let order = on_agent(&mut desk, "owl");
    desk.say(NEXT, order, &[]).expect("an order in the next epoch");
    assert_eq!(stand(&mut desk), 1);
}

/// Goal: a hold of a day begins with its day and ends with it; what the held one grants is refused
/// by the order's id, his orders and his yes to orders are not. Method: alice holds bob until ten
/// days from now, then for an instant.
#[test]
fn a_hold_on_an_operator_begins_and_ends_by_time() {
    let mut desk = three();
    let bob = Term::Operator(desk.operator("bob"));
    let kept = on_agent(&mut desk, "vole");
    let kept = desk.say(BOB, kept, &[]).expect("bob's order");
    let up = desk.say(BOB, lift(), &[kept]).expect("his own lift, before any hold");
    let order = on_agent(&mut desk, "mole");
    let order = desk.say(BOB, order, &[]).expect("bob's order");

    let far = hold(&mut desk, bob.clone(), None);
    let far = Hold { until_ms: Some(desk.wall_ms() + 10 * DAY_MS), ..far };
    desk.say(ALICE, far, &[up]).expect("alice may, for the last day before that");
    assert_eq!(held(&mut desk), None, "its day has not begun");
    let (id, roles) = (desk.operator("carol"), vec![Role::Audit]);
    desk.propose(ROOT, Change::SetRoles { id, roles }).expect("an epoch of its own");

    let until_ms = desk.wall_ms() + 60_000;
    let soon = Hold { until_ms: Some(until_ms), ..hold(&mut desk, bob, None) };
    let soon = desk.say(ALICE, soon, &[up]).expect("alice may");
    assert_eq!(held(&mut desk), Some(soon));
    assert_eq!(stand(&mut desk), 3, "what he lifted before stays lifted");
    let no = desk.say(BOB, lift(), &[order]).expect_err("a grant");
    assert!(no.kind == RefusalKind::Denied && no.why.contains(&soon.to_hex()), "{no:?}");
    let another = on_agent(&mut desk, "owl");
    desk.say(BOB, another, &[]).expect("an order");
    desk.pass(30_000);
    assert_eq!(held(&mut desk), Some(soon));
    desk.pass(31_000);
    assert_eq!(held(&mut desk), None, "its end is past");
    desk.say(BOB, lift(), &[order]).expect("he grants again");
}

/// The order that holds bob's grants now.
fn held(desk: &mut Desk) -> Option<StatementId> {
    let Ok(Answer::Authority(report)) = desk.ask(Request::Authority) else { panic!("no report") };
    let bob = report.operators.into_iter().find(|line| line.id.name() == "bob");
    bob.expect("bob is an operator").grants_held
}
