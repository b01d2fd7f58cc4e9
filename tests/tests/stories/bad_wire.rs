//! Strangers on the wire.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, SOON, wait_for};
use serde_json::Value;
use std::net::UdpSocket;

/// Goal: garbage on its port moves a node not at all. Method: datagrams of every size and of fixed
/// pseudo-random bytes, some of which begin like QUIC; then a device joins as ever.
#[test]
fn garbage_on_the_port_changes_nothing() {
    let mut fleet = Nodes::alone(exe());
    let (before, target) = (fleet.status(LAPTOP), fleet.address_of(LAPTOP));
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let mut drawn = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..4_000_usize {
        let mut datagram = vec![0; round % 1_500];
        for byte in &mut datagram {
            drawn ^= drawn << 13;
            drawn ^= drawn >> 7;
            drawn ^= drawn << 17;
            *byte = drawn.to_le_bytes()[0];
        }
        if let Some(first) = datagram.first_mut().filter(|_| round % 2 == 0) {
            // A long header of QUIC version 1.
            *first |= 0xc0;
            datagram.iter_mut().skip(1).zip([0, 0, 0, 1]).for_each(|(byte, of)| *byte = of);
        }
        // A full socket buffer drops it, which is as good.
        let _sent = socket.send_to(&datagram, target);
    }
    let after = fleet.status(LAPTOP);
    assert_eq!((&after["pid"], &after["statements"]), (&before["pid"], &before["statements"]));
    let file = fleet.invite(LAPTOP, &["--device", "robot"]);
    fleet.join("robot", &file, &[]);
    fleet.wait_linked(LAPTOP, "robot");
    assert!(!fleet.log(LAPTOP).contains("panicked"), "{}", fleet.log(LAPTOP));
}

/// Goal: a device of another fleet is told so, and neither side takes anything from the other.
/// Method: its `node.toml` is pointed at the laptop.
#[test]
fn a_stranger_is_told_whose_fleet_it_dialled() {
    let mut fleet = Nodes::alone(exe());
    fleet.found("stranger", "stranger.belay");
    fleet.ask("stranger", &["down"]).wants(0);
    let (ours, theirs) = (fleet.status(LAPTOP), fleet.path("stranger/node.toml"));
    let (key, address) = (&ours["devices"][0]["key"], &ours["addresses"][0]);
    let mut lines = std::fs::read_to_string(&theirs).unwrap().replace("peers = []\n", "");
    lines += &format!("[[mesh.peers]]\nkey = {key}\naddresses = [{address}]\n");
    std::fs::write(&theirs, lines).unwrap();
    fleet.again("stranger");
    // Both refuse at once, so either log may hold one bye or two; each names a fleet.
    for node in ["stranger", LAPTOP] {
        wait_for("both logs say that another fleet was met", SOON, || {
            let log = fleet.log(node);
            (log.contains("refused") && log.contains("belongs to fleet")).then_some(())
        });
    }
    let after = fleet.status(LAPTOP);
    let held = fleet.json(LAPTOP, &["statement", "list"]).wants(0).data();
    let of_ours = |one: &Value| !one["author"].as_str().unwrap().contains("//stranger.belay/");
    let held = held.as_array().unwrap();
    assert!(
        !held.is_empty() && held.iter().all(of_ours),
        "nothing of a stranger is kept: {held:?}"
    );
    assert_eq!(after["devices"].as_array().unwrap().len(), 1);
    fleet.ask(LAPTOP, &["status"]).wants(0);
    fleet.ask("stranger", &["status"]).wants_one_of(&[0, 1]);
}

/// Goal: a configuration that cannot be is refused with its key before the node starts. Method: a
/// key that does not exist, and one that is no duration.
#[test]
fn a_wrong_configuration_is_refused_by_its_key() {
    let mut fleet = Nodes::alone(exe());
    fleet.ask(LAPTOP, &["down"]).wants(0);
    let (file, unlock) = (fleet.path("laptop/node.toml"), fleet.unlock());
    let good = std::fs::read_to_string(&file).unwrap();
    let cases = [("[enforce]\nwrok = \"1s\"\n", "wrok"), ("[enforce]\nwork = \"one\"\n", "one")];
    for (more, word) in cases {
        std::fs::write(&file, format!("{good}{more}")).unwrap();
        let up = fleet.ask(LAPTOP, &["up", "--unlock-file", &unlock]);
        assert!(up.exit.is_some_and(|exit| exit == 1 || exit == 2), "{up:#?}");
        let log = fleet.log(LAPTOP);
        assert!(up.stderr.contains(word) || log.contains(word), "{up:#?}\n{log}");
    }
    std::fs::write(&file, good).unwrap();
    fleet.again(LAPTOP);
    fleet.ask(LAPTOP, &["status"]).wants(0);
}
