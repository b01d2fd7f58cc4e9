//! Invites that do not admit: malformed, expired, used, and of another fleet.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, SOON, wait_for};
use std::fs;
use std::path::Path;

/// Goal: what is no invite is refused by name, and leaves no state behind. Method: files that are
/// missing, empty, cut short, changed in one byte, of another kind, or far too long.
#[test]
fn a_malformed_invite_enrols_nobody() {
    let mut fleet = Nodes::alone(exe());
    let good = fs::read(fleet.invite(LAPTOP, &["--device", "robot"])).unwrap();
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let over = vec![0; 2 * 1024 * 1024];
    let nested = [vec![0x81; 4096], vec![0]].concat();
    let text = b"not an invite\n".to_vec();
    let cases = [
        ("empty", Vec::new()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("longer", [good.clone(), vec![0]].concat()),
        ("changed", changed),
        ("over", over),
        ("nested", nested),
        ("text", text),
    ];
    for (name, bytes) in cases {
        let file = fleet.path(name);
        fs::write(&file, bytes).unwrap();
        fleet.join("newcomer", &file, &[]).refuses(2, &[name, "invite"]);
    }
    fleet.join("newcomer", "/nowhere/at.all", &[]).refuses(2, &["/nowhere/at.all"]);
    assert!(!Path::new(&fleet.path("newcomer/node.toml")).exists(), "nothing was begun");
    assert_eq!(fleet.status(LAPTOP)["devices"].as_array().unwrap().len(), 1);
}

/// Goal: an expired invite is refused before anything is written. Method: one that lives for a
/// second, used as soon as it is over.
#[test]
fn an_expired_invite_enrols_nobody() {
    let mut fleet = Nodes::alone(exe());
    let file = fleet.invite(LAPTOP, &["--device", "robot", "--ttl", "1s"]);
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    wait_for("the invite's second is over", SOON, || {
        (written.elapsed().unwrap_or_default().as_millis() > 1_050).then_some(())
    });
    fleet.join("newcomer", &file, &[]).refuses(2, &["invite", "expired"]);
    assert!(!Path::new(&fleet.path("newcomer/node.toml")).exists(), "nothing was begun");
    fleet.ask(LAPTOP, &["status"]).wants(0);
}

/// Goal: of two devices that use one invite the first stands and the second is told no. Method: two
/// states join with one file; the second's log names the reason and the next step, and the laptop
/// lists one of them.
#[test]
fn a_used_invite_enrols_one() {
    let mut fleet = Nodes::alone(exe());
    let file = fleet.invite(LAPTOP, &[]);
    fleet.join("first", &file, &["--device", "first"]).wants(0);
    fleet.wait_linked(LAPTOP, "first");
    let second = fleet.join("second", &file, &["--device", "second"]);
    second.refuses(4, &["used by first", "fresh invite"]);
    let stands = fleet.ask("second", &["status"]).wants(1);
    assert!(stands.stdout.contains("used by first"), "{stands:#?}");
    let status = fleet.status(LAPTOP);
    let names: Vec<&str> =
        status["devices"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["first", LAPTOP], "{status:#}");
    fleet.ask("first", &["status"]).wants(0);
    // What was refused may try again with an invite of its own, on a state of its own.
    let fresh = fleet.invite(LAPTOP, &["--device", "third"]);
    fleet.join("second", &fresh, &[]).refuses(2, &["state"]);
    fleet.join("third", &fresh, &[]).wants(0);
    fleet.wait_linked(LAPTOP, "third");
}

/// Goal: an invite of another fleet takes no device away from its own. Method: a member joins with
/// it while its node runs, and once more while it does not; then a newcomer with an invite whose
/// address leads to a device of yet another fleet.
#[test]
fn an_invite_of_another_fleet_moves_nobody() {
    let mut fleet = Nodes::alone(exe());
    fleet.found("other", "other.belay");
    let theirs = fleet.invite("other", &["--device", "robot"]);
    fleet.join(LAPTOP, &theirs, &[]).refuses(2, &["a node runs on this state already"]);
    fleet.ask(LAPTOP, &["down"]).wants(0);
    fleet.join(LAPTOP, &theirs, &[]).refuses(2, &["belongs to a fleet already"]);
    fleet.again(LAPTOP);
    assert_eq!(fleet.status(LAPTOP)["domain"], "story.belay");

    let port = fleet.address_of(LAPTOP).port();
    let astray = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
    let file = fleet.invite("other", &["--device", "stray", "--address", &astray]);
    fleet.join("stray", &file, &[]).refuses(5, &["no member"]);
    let log = fleet.log("stray");
    assert!(log.contains("another device answers at"), "{log}");
    assert!(log.contains("give this device's own address"), "{log}");
    fleet.ask("stray", &["status"]).wants(1);
    assert_eq!(fleet.status(LAPTOP)["devices"].as_array().unwrap().len(), 1);
}
