//! Phones at the direct doors of real nodes.

use super::{exe, order_of, wait_for_order};
use belay_tests::story::{LAPTOP, Nodes, SOON, wait_for};
use std::fs;

/// Where a node keeps its direct door.
fn direct_door(nodes: &Nodes, node: &str) -> String {
    let status = nodes.status(node);
    let addresses = status["addresses"].as_array().into_iter().flatten();
    let mut doors = addresses.filter_map(|address| address.as_str());
    let door = doors.find(|text| text.starts_with("/ip4/127.") && text.ends_with("/quic-v1/tls"));
    door.unwrap_or_else(|| panic!("{node} names no direct door: {status:#}")).to_owned()
}

/// Goal: a phone joins, is linked and hears orders by a gateway's direct door alone, also after a
/// restart, when no invite is open any more; a device of another fleet is refused there inside the
/// handshake, and its log says so. Method: the only address that either is given is that door.
#[test]
fn a_phone_lives_at_a_direct_door() {
    let mut nodes = Nodes::alone(exe());
    let door = direct_door(&nodes, LAPTOP);
    let file = nodes.invite(LAPTOP, &["--device", "phone", "--kind", "phone", "--address", &door]);
    nodes.join("phone", &file, &[]).wants(0);
    nodes.wait_linked(LAPTOP, "phone");
    let toml = fs::read_to_string(nodes.path("phone/node.toml")).expect("written by `up`");
    assert!(toml.contains(&door) && toml.matches("/udp/").count() == 2, "{toml}");
    nodes.ask("phone", &["down"]).wants(0);
    nodes.again("phone");
    nodes.wait_linked(LAPTOP, "phone");
    let stopped = nodes.stop(LAPTOP, "project:default", "5s");
    wait_for_order(&nodes, "phone", &order_of(&stopped.data()));

    nodes.found("stranger", "other.belay");
    nodes.ask("stranger", &["down"]).wants(0);
    let path = nodes.path("stranger/node.toml");
    let mut toml = fs::read_to_string(&path).expect("written by `up`").replace("peers = []\n", "");
    let laptop = nodes.status(LAPTOP);
    let key = &laptop["devices"][0]["key"];
    toml += &format!("[[mesh.peers]]\nkey = {key}\naddresses = [\"{door}\"]\n");
    fs::write(&path, toml).expect("written");
    nodes.again("stranger");
    wait_for("the refusal in the log", SOON, || {
        nodes.log("stranger").contains("does not know this device's key").then_some(())
    });
}
