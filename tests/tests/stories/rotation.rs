//! Keys that turn: killed at every step, nobody is ever locked out, and the old key ends retired.
//!
//! A rotation says each step before it takes it. Its talk leads into a pipe that holds one line at
//! a time, so it stands between two steps until the story has read the line before: there it is
//! killed, and nowhere by luck.

use super::authority::{add, sign, sign_in_words, wait_for_epoch, wait_for_proposal};
use super::{exe, order_of, wait_for_order};
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The least that a pipe can hold: one page, which is one packet.
const ONE_PACKET: usize = 4096;

/// A rotation that waits before each of its steps.
struct Stepped {
    child: Child,
    words: File,
}

impl Stepped {
    fn start(fleet: &Nodes, which: &str) -> Self {
        let (read, write) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).unwrap();
        fcntl_setpipe_size(&write, ONE_PACKET).unwrap();
        let mut fill = File::from(write.try_clone().unwrap());
        fill.write_all(b"full").unwrap();
        let (state, unlock) = (fleet.path(LAPTOP), fleet.unlock());
        let child = Command::new(fleet.belay().exe())
            .args(["--state", &state, "key", "rotate", which, "--unlock-file", &unlock])
            .env("HOME", fleet.path("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(write))
            .spawn()
            .unwrap();
        Self { child, words: File::from(read) }
    }

    /// Lets it take one step more: what it says is read, so that it can say the next.
    fn step(&mut self) {
        let mut packet = [0; ONE_PACKET];
        let read = self.words.read(&mut packet).unwrap();
        assert!(read > 0, "it has ended before its time");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn key(fleet: &Nodes, file: &str) -> PathBuf {
    Path::new(&fleet.path(LAPTOP)).join("keys").join(file)
}

fn rotated(fleet: &Nodes, which: &str) -> String {
    let data = sign(fleet, LAPTOP, &["key", "rotate", which]).wants(0).data();
    for left in [format!("{which}.next.age"), format!("{which}.old.age")] {
        assert!(!key(fleet, &left).exists(), "{left} is left");
    }
    data["public"].as_str().expect("a key").to_owned()
}

/// The operator of the laptop orders, and both devices hear it.
fn orders(fleet: &Nodes, what: &str) {
    let stop = sign(fleet, LAPTOP, &["stop", &format!("agent:{what}"), "--ahead"]).wants(0);
    wait_for_order(fleet, ROBOT, &order_of(&stop.data()));
}

/// What can be seen once a rotation of the operator's key has taken so many steps.
fn has_come(fleet: &Nodes, steps: usize, epoch: u64) -> bool {
    let is = |file: &str| key(fleet, file).exists();
    let stands = || fleet.status(LAPTOP)["epoch"].as_u64().unwrap_or_default();
    match steps {
        0 => true,
        1 => is("operator.next.age"),
        2 => stands() == epoch + 1,
        3 => is("operator.old.age"),
        4 => !is("operator.next.age"),
        _ => stands() == epoch + 2,
    }
}

/// Goal: wherever a rotation of an operator's key is killed, the state's operator orders on and is
/// heard on both devices; the same command ends it, and then the old key orders nothing. Method:
/// six kill points, one rotation each, seen from the laptop and from the robot.
#[test]
fn an_operators_key_turns_though_killed_at_every_step() {
    let fleet = Nodes::pair(exe());
    for steps in 0..=5 {
        let before = fleet.status(LAPTOP)["epoch"].as_u64().expect("an epoch");
        let saved = fleet.path(&format!("saved-{steps}.age"));
        fs::copy(key(&fleet, "operator.age"), &saved).unwrap();
        let mut rotation = Stepped::start(&fleet, "operator");
        (0..steps).for_each(|_| rotation.step());
        wait_for(&format!("{steps} steps are taken"), SOON, || {
            has_come(&fleet, steps, before).then_some(())
        });
        orders(&fleet, &format!("between-{steps}"));
        rotation.kill();
        orders(&fleet, &format!("killed-{steps}"));
        rotated(&fleet, "operator");
        let after = fleet.status(LAPTOP)["epoch"].as_u64().expect("an epoch");
        assert_eq!(after, before + 2, "killed after {steps} steps");
        wait_for_epoch(&fleet, ROBOT, after);
        orders(&fleet, &format!("turned-{steps}"));
        let old = ["stop", "agent:late", "--ahead", "--key", &saved];
        sign(&fleet, LAPTOP, &old).wants(3);
        sign(&fleet, ROBOT, &old).wants(3);
    }
    let list = fleet.json(ROBOT, &["operator", "list"]).wants(0).data();
    assert_eq!(list["operators"][0]["keys"].as_array().map(Vec::len), Some(1), "{list:#}");
}

/// Goal: the same of the root's key: wherever it is killed, the same command ends it, the new key
/// founds epochs and the old one none. Method: five kill points; the robot hears each epoch.
#[test]
fn a_root_key_turns_though_killed_at_every_step() {
    let fleet = Nodes::pair(exe());
    for steps in 0..=4 {
        let before = fleet.status(LAPTOP)["epoch"].as_u64().expect("an epoch");
        let saved = fleet.path(&format!("saved-root-{steps}.age"));
        fs::copy(key(&fleet, "root.age"), &saved).unwrap();
        let mut rotation = Stepped::start(&fleet, "root");
        (0..steps).for_each(|_| rotation.step());
        let is = |file: &str| key(&fleet, file).exists();
        let stands = || fleet.status(LAPTOP)["epoch"].as_u64().unwrap_or_default();
        wait_for(&format!("{steps} steps are taken"), SOON, || {
            let come = match steps {
                0 => true,
                1 => is("root.next.age"),
                2 => stands() == before + 1,
                3 => is("root.old.age"),
                _ => !is("root.next.age"),
            };
            come.then_some(())
        });
        rotation.kill();
        let public = rotated(&fleet, "root");
        let root = fleet.json(LAPTOP, &["root", "show"]).wants(0).data();
        assert_eq!(root["keys"], serde_json::json!([public]), "killed after {steps} steps");
        let roles = ["operator", "roles", "operator", "policy,security,enrol", "--yes"];
        let old = sign(&fleet, LAPTOP, &[roles.as_slice(), &["--key", &saved]].concat());
        assert_eq!(old.exit, Some(3), "the old key founds nothing: {old:#?}");
        sign(&fleet, LAPTOP, &roles).wants(0);
        wait_for_epoch(&fleet, ROBOT, before + 2);
    }
}

/// Goal: an operator without a root key turns his key with the yes of another operator, never by
/// his own; the new key orders, and the old one is left for the root to retire. Method: bob sits
/// at the robot, the founder, who holds the root, at the laptop.
#[test]
fn an_operators_key_turns_by_another_operators_yes() {
    let fleet = Nodes::pair(exe());
    add(&fleet, ROBOT, "bob", "policy,security").wants(0);
    wait_for_epoch(&fleet, ROBOT, 2);
    let rotate = || sign(&fleet, ROBOT, &["key", "rotate", "operator"]);
    let waits = rotate();
    assert_eq!(waits.exit, Some(8), "{waits:#?}");
    assert!(waits.stderr.contains("further key"), "{waits:#?}");
    let list = fleet.json(ROBOT, &["approve"]).wants(0).data();
    let word = list["waiting"][0]["id"].as_str().expect("his word waits").to_owned();
    assert_eq!(list["waiting"][0]["open"], serde_json::json!(["operator:operator"]), "{list:#}");
    sign_in_words(&fleet, ROBOT, &["approve", &word, "--yes"]).refuses(3, &["a key of his own"]);
    assert_eq!(rotate().exit, Some(8), "one word is enough");
    wait_for_proposal(&fleet, LAPTOP, &word);
    sign(&fleet, LAPTOP, &["approve", &word, "--yes"]).wants(0);
    wait_for("the robot has heard it", SOON, || {
        let list = fleet.json(ROBOT, &["approve"]).wants(0).data();
        list["waiting"].as_array().is_some_and(Vec::is_empty).then_some(())
    });

    let left = rotate();
    assert!(left.exit == Some(8) && left.stderr.contains("operator retire"), "{left:#?}");
    let list = fleet.json(ROBOT, &["operator", "list"]).wants(0).data();
    let bob = &list["operators"][0];
    let next = bob["keys"][1].as_str().expect("two keys side by side").to_owned();
    let stop = sign(&fleet, ROBOT, &["stop", "agent:late", "--ahead"]).wants(0);
    wait_for_order(&fleet, LAPTOP, &order_of(&stop.data()));
    let old = bob["keys"][0].as_str().expect("the old one").to_owned();
    sign(&fleet, LAPTOP, &["operator", "retire", &old[..16], "--yes"]).wants(0);
    wait_for_epoch(&fleet, ROBOT, 3);
    assert_eq!(rotate().wants(0).data()["public"], next, "the epoch names it");
    let list = fleet.json(ROBOT, &["operator", "list"]).wants(0).data();
    assert_eq!(list["operators"][0]["keys"], serde_json::json!([next]), "{list:#}");
}

/// Goal: a device's key turns by one command: it stays the same device, runs work by the new key,
/// and the old key is refused; a device that gives leases is not turned. Method: the robot turns
/// with the founder's key, then starts again with the old one in place.
#[test]
fn a_devices_key_turns() {
    let fleet = Nodes::pair(exe());
    let no = sign_in_words(&fleet, LAPTOP, &["key", "rotate", "device"]);
    no.refuses(2, &["gives or passes on leases"]);
    let file = Path::new(&fleet.path(ROBOT)).join("keys").join("device.age");
    let saved = fs::read(&file).unwrap();
    let founders = fleet.path("laptop/keys/operator.age");
    let rotate = ["key", "rotate", "device", "--key", &founders];
    let wrong = fleet.path("laptop/keys/root.age");
    let by_root = sign_in_words(&fleet, ROBOT, &["key", "rotate", "device", "--key", &wrong]);
    by_root.refuses(2, &["root.age"]);
    let turned = sign(&fleet, ROBOT, &rotate).wants(0);
    assert!(turned.stderr.contains("starting the node by the new key"), "{turned:#?}");
    assert_ne!(fs::read(&file).unwrap(), saved);
    for left in ["device.next.age", "device.old.age"] {
        assert!(!file.with_file_name(left).exists(), "{left} is left");
    }
    fleet.wait_linked(LAPTOP, ROBOT);
    let work = fleet.offload(LAPTOP, ROBOT, "worker");
    work.wait_for_growth();
    let stop = fleet.stop(LAPTOP, "agent:worker", "20s").wants(0).data();
    assert_eq!(stop["proven"], true, "{stop}");

    fleet.kill(ROBOT);
    fs::write(&file, &saved).unwrap();
    let up = ["up", "--unlock-file", &fleet.unlock()];
    let refused = fleet.belay().run(&[&["--state", &fleet.path(ROBOT)], up.as_slice()].concat());
    assert!(matches!(refused.exit, Some(1 | 4 | 5)), "the old key is nobody's: {refused:#?}");
    wait_for("the laptop has no link with the robot", SOON, || {
        let devices = fleet.json(LAPTOP, &["device", "list"]).data();
        let robot = devices["devices"].as_array().unwrap().iter().find(|one| one["name"] == ROBOT);
        (robot.expect("it is a member")["reach"] != "linked").then_some(())
    });
}
