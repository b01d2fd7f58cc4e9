//! Phones at the direct doors of real nodes, and files that travel there.

use super::{exe, order_of, wait_for_order};
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
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

/// Goal: a file that is sent along lies in the folder where the work runs, byte for byte, and is
/// gone from the giver's state once the work is done; a file that cannot travel is refused by name
/// before anything is signed. Method: 3 MiB are summed on the robot and on this device itself.
#[test]
fn a_file_travels_with_the_work() {
    let mut nodes = Nodes::pair(exe());
    // However busy the machine of these tests is, the laptop has room for work of its own.
    nodes.ask(LAPTOP, &["down"]).wants(0);
    let toml = nodes.path("laptop/node.toml");
    let roomy = fs::read_to_string(&toml).expect("written by `up`") + "[device]\nbusy_at = 5000\n";
    fs::write(&toml, roomy).expect("written");
    nodes.again(LAPTOP);
    nodes.wait_linked(LAPTOP, ROBOT);
    for (name, said) in [("nothing", "No such file"), ("policy", "no regular file")] {
        let path = nodes.path(name);
        let ask = ["task", "offload", "--to", ROBOT, "--send", &path, "--", "true"];
        nodes.ask(LAPTOP, &ask).refuses(2, &[said, "--send FILE"]);
    }
    let bytes: Vec<u8> = (0..3_000_001u32).map(|place| (place / 13).to_le_bytes()[0]).collect();
    let (file, sum) = (nodes.path("scan.bin"), format!("{} {}", cksum(&bytes), bytes.len()));
    fs::write(&file, &bytes).expect("written");
    wait_for("the robot to know the laptop's direct door", SOON, || {
        let status = nodes.status(ROBOT);
        let devices = status["devices"].as_array()?;
        let laptop = devices.iter().find(|device| device["name"] == LAPTOP)?;
        let doors = laptop["addresses"].as_array()?.iter().filter_map(|text| text.as_str());
        doors.into_iter().any(|text| text.ends_with("/quic-v1/tls")).then_some(())
    });
    for to in [&["--to", ROBOT][..], &[]] {
        let work = ["--wait", "--name", "summer", "--send", &file, "--", "cksum", "scan.bin"];
        let ask = [&["task", "offload"], to, &work].concat();
        let done = nodes.json(LAPTOP, &ask).wants(0).data();
        let tail = done["ended"]["tail"].as_str().unwrap_or_default();
        assert!(tail.contains(&sum), "{done:#} does not say {sum}");
    }
    wait_for("the giver keeps nothing that nobody may fetch", SOON, || {
        fs::read_dir(nodes.path("laptop/payloads")).ok()?.next().is_none().then_some(())
    });
    let kept = fs::read_dir(nodes.path("robot/payloads")).expect("a folder").count();
    assert_eq!(kept, 0, "the robot keeps no draft");
}

/// What POSIX `cksum` prints of these bytes.
fn cksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: u8| {
        (0..8).fold(sum ^ (u32::from(byte) << 24), |sum, _| {
            if sum & 0x8000_0000 == 0 { sum << 1 } else { (sum << 1) ^ 0x04c1_1db7 }
        })
    };
    let sum = bytes.iter().fold(0, |sum, byte| step(sum, *byte));
    let length = bytes.len().to_le_bytes();
    let used = length.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    !length[..used].iter().fold(sum, |sum, byte| step(sum, *byte))
}
