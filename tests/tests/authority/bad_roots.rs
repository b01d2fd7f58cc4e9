//! Roots that must never stand: refused at the door by name, and void where a liar put them in.

use super::desk::{ALICE, Desk, ROOT, key, line};
use belay_identity::body::{Approve, Role, Root};
use belay_identity::codec::{self, Value};
use belay_identity::principal::Principal;
use belay_identity::{Signed, Statement, Verified, sign};
use belay_mesh::epoch::Change;
use belay_mesh::output::RefusalKind;

/// One bent second epoch, and the words by which it is refused.
type Bent = (&'static str, fn(&Desk, &mut Root), &'static str);

/// Everything that a second epoch may not say.
const BENT: [Bent; 9] = [
    ("threshold 0", |_, root| root.threshold = 0, "is no threshold"),
    ("half of two keys", |_, root| root.keys.push(key(9).public()), "is no threshold"),
    ("more than there are", |_, root| root.threshold = 2, "is no threshold"),
    (
        "no keys",
        |_, root| {
            root.keys.clear();
            root.threshold = 0;
        },
        "is no threshold",
    ),
    (
        "one root key twice",
        |_, root| {
            root.keys.push(root.keys[0]);
            root.threshold = 2;
        },
        "stands in it twice",
    ),
    (
        "two names for one key",
        |desk, root| root.operators.push(line(desk, "bob", ALICE, &[Role::Audit])),
        "belongs to alice already",
    ),
    (
        "one line twice",
        |_, root| root.operators.push(root.operators[0].clone()),
        "belongs to alice already",
    ),
    ("the wrong number", |_, root| root.number = 3, "does not come after"),
    (
        "a root key for an operator",
        |desk, root| root.operators.push(line(desk, "bob", ROOT, &[Role::Audit])),
        "is a root key",
    ),
];

/// Those that the fold counts all the same, and only the door refuses: nothing is won by them.
const BY_THE_DOOR_ALONE: [&str; 1] = ["a root key for an operator"];

fn signed_root(desk: &mut Desk, seed: u8, root: Root) -> Vec<Verified<Statement>> {
    let one = desk.one();
    let proposal = desk.signed(seed, root, &[one]);
    let yes = Statement {
        seq: proposal.seq + 1,
        prev: Some(proposal.id()),
        refs: Vec::new(),
        body: Approve { of: proposal.id() }.into(),
        ..Statement::clone(&proposal)
    };
    let yes = sign(yes, &key(seed), &desk.fleet);
    vec![proposal, yes]
}

/// Goal: a root epoch that is badly formed is refused before anybody counts, with its fault named,
/// and stands nowhere even if a disk holds it with every approval. Method: each bent epoch, signed
/// and approved by the true root key, at the door and on a disk; then the straight one.
#[test]
fn a_badly_formed_root_never_stands() {
    for (what, bend, words) in BENT {
        let mut desk = Desk::founded();
        let mut root = desk.second();
        bend(&desk, &mut root);
        let statements = signed_root(&mut desk, ROOT, root);
        let no = desk.submit(statements.clone()).expect_err(what);
        assert!(no.why.contains(words) && !no.hint.is_empty(), "{what}: {no:?}");
        assert_eq!(desk.status().epoch, 1, "{what}");
        if !BY_THE_DOOR_ALONE.contains(&what) {
            assert_eq!(desk.with_on_disk(statements).status().epoch, 1, "{what} on disk");
        }
    }
    let mut desk = Desk::founded();
    let root = desk.second();
    let statements = signed_root(&mut desk, ROOT, root);
    desk.submit(statements).expect("the straight one");
    assert_eq!(desk.status().epoch, 2);
}

/// Goal: a root cannot sign itself in. Method: a second epoch whose only root key is a stranger's,
/// signed and approved by that key, by an operator's key, and by nobody of the old root.
#[test]
fn a_self_signed_root_never_stands() {
    for seed in [9, ALICE] {
        let mut desk = Desk::founded();
        let root = Root { keys: vec![key(9).public()], ..desk.second() };
        let mut statements = signed_root(&mut desk, seed, root);
        if seed == ALICE {
            // As the root, by a key that is only an operator's.
            let author = Principal::Root(desk.domain.clone());
            let as_root = |one: &Verified<Statement>| Statement {
                author: author.clone(),
                ..Statement::clone(one)
            };
            statements =
                statements.iter().map(|one| sign(as_root(one), &key(seed), &desk.fleet)).collect();
        }
        let no = desk.submit(statements.clone()).expect_err("self-signed");
        assert_eq!(no.kind, RefusalKind::Denied, "{no:?}");
        assert_eq!(desk.with_on_disk(statements).status().epoch, 1);
    }
}

/// Goal: a role that nobody knows is no role: such a root does not even read. Method: the golden
/// way of a second epoch, with role 9 in place of role 1.
#[test]
fn an_unknown_role_does_not_read() {
    let mut desk = Desk::founded();
    let root = Root { operators: vec![line(&desk, "bob", 8, &[Role::Policy])], ..desk.second() };
    let good = codec::write(&root.to_value());
    let Value::Map(mut fields) = root.to_value() else { panic!("a root is a map") };
    for (_, value) in &mut fields {
        let Value::Array(lines) = value else { continue };
        for line in lines {
            let Value::Map(line) = line else { continue };
            let roles = line.iter_mut().filter_map(|(_, value)| match value {
                Value::Array(roles) => Some(roles),
                _ => None,
            });
            roles.for_each(|roles| roles.fill(Value::from(9)));
        }
    }
    let bad = codec::write(&Value::Map(fields));
    assert_ne!(good, bad);
    assert!(Root::from_value(codec::read(&good).expect("canonical")).is_ok());
    assert!(Root::from_value(codec::read(&bad).expect("canonical")).is_err());
    let statements = signed_root(&mut desk, ROOT, root);
    assert!(Signed::<Statement>::parse(statements[0].bytes()).is_ok());
}

/// Goal: what cannot be is refused when it is drawn up, before anybody signs. Method: one change
/// after the other that would make a bad root, each with the words that name its fault.
#[test]
fn a_bad_change_is_not_drawn_up() {
    let mut desk = Desk::founded();
    let root = key(ROOT).public();
    let two = Some(2);
    let none = Change::RemoveOperator { id: desk.operator("nobody"), cause: None };
    let last = Change::RemoveOperator { id: desk.operator("alice"), cause: None };
    let roleless = Change::SetRoles { id: desk.operator("alice"), roles: Vec::new() };
    let audit = Change::SetRoles { id: desk.operator("alice"), roles: vec![Role::Audit] };
    let changes = [
        (Change::SetThreshold { threshold: 0 }, "is no threshold"),
        (Change::SetThreshold { threshold: 2 }, "is no threshold"),
        (Change::AddRootKey { key: key(9).public(), threshold: Some(1) }, "is no threshold"),
        (Change::AddRootKey { key: root, threshold: two }, "stands in it twice"),
        (Change::RetireRootKey { key: key(9).public(), threshold: None }, "is no root key"),
        (desk.naming("alice", 8, &[Role::Policy]), "is an operator already"),
        (desk.naming("bob", ALICE, &[Role::Policy]), "belongs to alice already"),
        (desk.naming("bob", ROOT, &[Role::Policy]), "is a root key"),
        (desk.naming("bob", 8, &[]), "hold no role"),
        (none, "there is no operator nobody"),
        (last, "nobody would hold"),
        (roleless, "hold no role"),
        (audit, "nobody would hold"),
        (Change::RetireOperatorKey { key: key(ALICE).public() }, "has no other key"),
        (Change::RetireOperatorKey { key: key(8).public() }, "is no operator's key"),
    ];
    for (change, words) in changes {
        let said = format!("{change:?}");
        let no = desk.draw_up(change).expect_err(&said);
        assert!(no.why.contains(words) && !no.hint.is_empty(), "{said}: {no:?}");
    }
    assert_eq!(desk.status().epoch, 1);
}
