//! A state folder that was copied to two places: two nodes with one key.

use super::exe;
use belay_identity::key::unhex;
use belay_identity::{FleetId, LogId, Signed, Statement, StatementId};
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const COPY: &str = "copy";

/// Goal: a device whose state was copied to two machines never says two things under one number,
/// also while both live and neither hears the other. Method: the folder of a node that has run an
/// agent is copied while it is down; both are started and each runs another; every statement of
/// both is exported and placed by log and number.
#[test]
fn two_copies_of_a_state_never_use_one_number_twice() {
    let mut fleet = Nodes::alone(exe());
    runs(&fleet, LAPTOP, "before");
    fleet.ask(LAPTOP, &["down"]).wants(0);
    let (from, to) = (fleet.path(LAPTOP), fleet.path(COPY));
    let copied = Command::new("cp").args(["-a", &from, &to]).status().unwrap();
    assert!(copied.success());
    // Another machine has ports of its own.
    let settings = format!("{to}/node.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let ports = text.split(['/', '"']).filter(|part| part.parse::<u16>().is_ok());
    let moved = ports.fold(text.clone(), |text, port| {
        let text = text.replace(&format!("/{port}/"), "/0/");
        text.replace(&format!("/{port}\""), "/0\"")
    });
    assert_ne!(text, moved, "it listens somewhere");
    fs::write(&settings, moved).unwrap();
    fleet.again(LAPTOP);
    fleet.again(COPY);
    runs(&fleet, LAPTOP, "here");
    runs(&fleet, COPY, "there");
    let (here, there) = (said(&fleet, LAPTOP), said(&fleet, COPY));
    let both = here.iter().filter(|(place, id)| there.get(*place) == Some(*id)).count();
    assert!(both >= 5, "they share their past: {both}");
    for (place, id) in &here {
        let other = there.get(place);
        assert!(other.is_none_or(|other| other == id), "{place:?} is used twice");
    }
    let only = |one: &Places, other: &Places| one.keys().any(|place| !other.contains_key(place));
    assert!(only(&here, &there) && only(&there, &here), "each has said something since");
}

/// Goal: a device whose folder was set back to an earlier day is found out: by itself, when its log
/// is checked, and by its peer. Method: the laptop's folder is kept while it is down, the laptop
/// acts on and tells the robot how far its log goes; then the kept folder takes the other's place.
#[test]
fn an_audit_log_that_was_set_back_is_found_out() {
    let mut fleet = Nodes::pair(exe());
    runs(&fleet, LAPTOP, "before");
    fleet.ask(LAPTOP, &["down"]).wants(0);
    let (state, kept) = (fleet.path(LAPTOP), fleet.path("kept"));
    let copy = |from: &str, to: &str| {
        assert!(Command::new("cp").args(["-a", from, to]).status().unwrap().success());
    };
    copy(&state, &kept);
    fleet.again(LAPTOP);
    (0..3).for_each(|_| runs(&fleet, LAPTOP, "since"));
    let said = wait_for("the robot holds the newer head", SOON, || {
        let rows = fleet.json(LAPTOP, &["audit", "verify"]).wants(0).data()["rows"].as_u64()?;
        (rows_said(&fleet, ROBOT)? >= 2 && rows >= 4).then_some(rows)
    });
    fleet.kill(LAPTOP);
    fs::remove_dir_all(&state).unwrap();
    copy(&kept, &state);
    fleet.again(LAPTOP);
    let found = wait_for("the laptop hears what it has said", SOON, || {
        let checked = fleet.ask(LAPTOP, &["audit", "verify"]);
        (checked.exit == Some(7)).then_some(checked)
    });
    found.refuses(7, &["has told the fleet of", "keep this state directory"]);
    runs(&fleet, LAPTOP, "after");
    assert!(said >= 4);
    let status = wait_for("the robot knows", SOON, || {
        let status = fleet.ask(ROBOT, &["status"]).wants(0).stdout;
        status.contains("the audit log of laptop was cut").then_some(status)
    });
    assert!(status.contains("before you believe what its log says"), "{status}");
}

/// How many rows the laptop has told of, as a peer holds it.
fn rows_said(fleet: &Nodes, at: &str) -> Option<u64> {
    let all = fleet.json(at, &["statement", "list", "--kind", "audit-head"]).wants(0).data();
    let of_laptop = |one: &&serde_json::Value| {
        one["author"].as_str().is_some_and(|author| author.ends_with("laptop"))
    };
    let id = all.as_array()?.iter().find(of_laptop)?["id"].as_str()?.to_owned();
    // A newer head may have taken its place since.
    let shown = fleet.json(at, &["statement", "show", &id]);
    let shown = (shown.exit == Some(0)).then(|| shown.data())?;
    let body = shown["payload"].as_str()?.split("11: {1: ").nth(1)?.to_owned();
    body.split(',').next()?.parse().ok()
}

type Places = BTreeMap<(LogId, u64), StatementId>;

fn runs(fleet: &Nodes, node: &str, agent: &str) {
    fleet.ask(node, &["agent", "run", "--name", agent, "--", "/bin/true"]).wants(0);
}

/// Every statement that a node holds, by its place.
fn said(fleet: &Nodes, node: &str) -> Places {
    let root = fleet.status(node)["fleet"].as_str().and_then(unhex).unwrap();
    let root = FleetId(root.try_into().unwrap());
    let all = fleet.json(node, &["statement", "list"]).wants(0).data();
    let place = |one: &serde_json::Value| {
        let (file, id) = (fleet.path("one.cose"), one["id"].as_str().unwrap());
        fleet.ask(node, &["statement", "export", id, "--cbor", "--out", &file]).wants(0);
        let signed = Signed::<Statement>::parse(&fs::read(&file).unwrap()).unwrap();
        let statement = signed.verify(&root).unwrap();
        ((statement.log(statement.key()), statement.seq), statement.id())
    };
    all.as_array().unwrap().iter().map(place).collect()
}
