//! Devices that dial each other although nobody named them to each other.

use super::exe;
use belay_tests::story::{ANY_PORT, LAPTOP, Nodes, ROBOT, wait_for};
use std::time::Duration;

/// A node looks for neighbours every 15 s; a busy machine takes its time.
const LOOKED: Duration = Duration::from_secs(90);

fn is_linked(nodes: &Nodes, near: &str, far: &str) -> bool {
    let devices = nodes.status(near)["devices"].as_array().cloned().unwrap_or_default();
    devices.iter().any(|device| device["name"] == far && device["linked"] == true)
}

/// Goal: a fleet survives whoever invited everybody: two devices that know only the inviter find
/// each other by what they say of themselves, and an order given at one reaches the other after the
/// inviter is gone. Method: the laptop invites robot and pad and is killed once the two are linked;
/// then an order at the robot, seen at the pad.
#[test]
fn a_fleet_survives_its_inviter() {
    let mut nodes = Nodes::empty(exe());
    let so = ["--listen", ANY_PORT, "--dial", "fleet"];
    nodes.found_so(&[], LAPTOP, "story.belay", &so);
    for device in [ROBOT, "pad"] {
        let file = nodes.invite(LAPTOP, &["--device", device]);
        nodes.join_so(&[], device, &file, &so).wants(0);
    }
    wait_for("robot and pad are linked", LOOKED, || {
        (is_linked(&nodes, ROBOT, "pad") && is_linked(&nodes, "pad", ROBOT)).then_some(())
    });
    nodes.kill(LAPTOP);
    let (key, unlock) = (nodes.path("laptop/keys/operator.age"), nodes.unlock());
    let words = ["stop", "device:laptop", "--reason", "story", "--timeout", "1s"];
    let said = nodes.ask(ROBOT, &[&words[..], &["--key", &key, "--unlock-file", &unlock]].concat());
    assert!(!said.stdout.is_empty(), "the order was refused: {said:#?}");
    wait_for("the order stands at the pad", LOOKED, || {
        let orders = nodes.status("pad")["orders"].as_array().cloned().unwrap_or_default();
        orders
            .iter()
            .any(|order| order["subject"].as_str().is_some_and(|s| s.contains("laptop")))
            .then_some(())
    });
}
