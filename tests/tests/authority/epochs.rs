//! Root keys of several people: the thresholds of both epochs, and what is carried from one to the
//! next.

use super::desk::{ALICE, Desk, ROOT, key};
use belay_identity::body::{Hold, Reason, Role, Subject, Term};
use belay_identity::principal::AgentId;
use belay_mesh::epoch::Change;
use belay_mesh::output::RefusalKind;

const SECOND: u8 = 21;
const THIRD: u8 = 22;

fn adding(seed: u8) -> Change {
    Change::AddRootKey { key: key(seed).public(), threshold: None }
}

/// Goal: with more root keys an epoch needs the thresholds of both, its own and the one before.
/// Method: one key, then two, then three of which two agree; then one leaves, with his own yes.
#[test]
fn an_epoch_takes_the_thresholds_of_both() {
    let mut desk = Desk::founded();
    // The first alone is not enough: from two keys on both must agree.
    let two = desk.propose(ROOT, adding(SECOND)).expect("proposed");
    assert_eq!(desk.status().epoch, 1, "the new key has not said yes");
    let waits = desk.waiting();
    let tallies: Vec<_> = waits[0].tallies.iter().map(|tally| (tally.have, tally.need)).collect();
    assert_eq!(tallies, [(1, 1), (1, 2)], "{waits:?}");
    let no = desk.approve(ALICE, two).expect_err("an operator's key");
    assert_eq!(no.kind, RefusalKind::Denied, "{no:?}");
    desk.approve(SECOND, two).expect("the new key");
    assert_eq!(desk.status().epoch, 2);

    let three = desk.propose(SECOND, adding(THIRD)).expect("proposed");
    let no = desk.approve(SECOND, three).expect_err("twice by one key");
    assert!(no.why.contains("already"), "{no:?}");
    assert_eq!(desk.status().epoch, 2, "one of two");
    desk.approve(ROOT, three).expect("the second of two");
    assert_eq!(desk.status().epoch, 3);

    // A key that leaves counts for the epoch that it leaves, and not for the next.
    let retire = Change::RetireRootKey { key: key(ROOT).public(), threshold: None };
    let four = desk.propose(ROOT, retire).expect("proposed");
    desk.approve(SECOND, four).expect("the second of two");
    assert_eq!(desk.status().epoch, 3, "the next epoch has one of its two");
    desk.approve(THIRD, four).expect("the second of the next");
    assert_eq!(desk.status().epoch, 4);
    let role = Change::SetRoles { id: desk.operator("alice"), roles: Role::OFFICES.to_vec() };
    let no = desk.propose(ROOT, role).expect_err("a key that left");
    assert_eq!(no.kind, RefusalKind::Denied, "{no:?}");
}

/// Goal: an epoch carries on what stood before it: orders, the release that judges, the devices.
/// Method: a hold, then three epochs; what is not pinned is named before anybody approves.
#[test]
fn an_epoch_carries_on_what_stood() {
    let mut desk = Desk::founded();
    let before = desk.status();
    let agent = AgentId::new(&desk.domain, "mole").expect("an agent");
    let subject = Subject::new(vec![Term::Agent(agent)]).expect("a subject");
    let home = desk.place(key(ALICE).public()).device.expect("a member");
    let hold = Hold { subject, home, reason: Reason::default(), until_ms: None, pause: None };
    let order = desk.say(ALICE, hold, &[]).expect("a hold");
    for (name, seed) in [("bob", 11), ("carol", 12), ("dave", 13)] {
        let naming = desk.naming(name, seed, &[Role::Security]);
        desk.propose(ROOT, naming).expect("an epoch");
    }
    let after = desk.status();
    assert_eq!((after.epoch, after.security_operators), (4, 4));
    assert_eq!(after.orders.iter().map(|order| order.id).collect::<Vec<_>>(), [order]);
    assert_eq!(after.releases.len(), before.releases.len());
    assert_eq!(after.releases[0].version, before.releases[0].version);
    assert_eq!(after.devices.len(), before.devices.len());
}

/// Goal: what is granted after an epoch was drawn up, and falls outside its pins, is named to
/// whoever approves it. Method: two root keys; between the proposal and the second yes alice names
/// a project.
#[test]
fn what_falls_outside_the_pins_is_named() {
    let mut desk = Desk::founded();
    let two = desk.propose(ROOT, adding(SECOND)).expect("proposed");
    desk.approve(SECOND, two).expect("both");
    let naming = desk.naming("bob", 11, &[Role::Security]);
    let three = desk.propose(ROOT, naming).expect("proposed");
    let outside = |desk: &mut Desk| {
        let waits = desk.waiting();
        let lines = waits.iter().flat_map(|waiting| waiting.changes.clone());
        lines.filter(|line| line.contains("outside its pins")).collect::<Vec<_>>()
    };
    assert_eq!(outside(&mut desk), Vec::<String>::new());
    let name = belay_identity::principal::ProjectId::new(&desk.domain, "night").expect("a name");
    let project = belay_identity::Body::Project(belay_identity::body::Named { id: name.into() });
    desk.say(ALICE, project, &[]).expect("a project");
    let lines = outside(&mut desk);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("project"), "{lines:?}");
    desk.approve(SECOND, three).expect("the second yes");
    assert_eq!(desk.status().epoch, 3);
}
