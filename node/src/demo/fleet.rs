//! The first step: two devices become a fleet, the second one by way of a relay only.

use super::failure::Failure;
use super::limits::{COMMAND_MAX, LINKED_MAX};
use super::relay::Relay;
use super::said::{Up, short};
use super::stage::Stage;
use std::net::SocketAddr;
use std::time::Instant;

/// The demo's rules.
pub(super) const RULES: &str = include_str!("../../../configs/policies/demo/policy.cedar");
/// The demo's release.
pub(super) const RELEASE: &str = include_str!("../../../configs/policies/demo/release.toml");

/// The near device.
pub(super) const LAPTOP: &str = "laptop";
/// The far device.
pub(super) const ROBOT: &str = "robot";

const ANY_PORT: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A fleet of two linked devices.
#[derive(Debug)]
pub(super) struct Fleet {
    /// The root's fingerprint.
    pub(super) root: String,
    /// What unlocks the operator's keys on the laptop.
    pub(super) unlock: String,
    /// Devices that both nodes list as linked.
    pub(super) nodes: usize,
}

/// Founds the fleet on the laptop and lets the robot join.
pub(super) fn meet(stage: &mut Stage) -> Result<Fleet, Failure> {
    stage.step(1, "Two devices become a fleet, with no server");
    let (laptop, unlock) = found(stage)?;
    let listening = port(&laptop)?;
    let (relay, at) = Relay::start(listening).map_err(|error| Failure::Machine {
        what: format!("the relay cannot listen on loopback: {error}"),
        hint: "the demo needs UDP on 127.0.0.1",
    })?;
    stage.relay = Some(relay);
    stage.say(&format!("a relay at {at} is the robot's only path to the laptop"));
    join(stage, at, &unlock)?;
    let begun = Instant::now();
    let nodes = linked(stage)?;
    let took = begun.elapsed().as_millis();
    stage.say(&format!("each lists the other as linked, {took} ms later; the robot holds a lease"));
    Ok(Fleet { root: laptop.fleet, unlock, nodes })
}

fn found(stage: &mut Stage) -> Result<(Up, String), Failure> {
    stage.write("policy/policy.cedar", RULES)?;
    stage.write("policy/release.toml", RELEASE)?;
    let (policy, unlock) = (stage.path("policy"), new_unlock_file(stage, LAPTOP)?);
    let who = ["--fleet", "demo.belay", "--device", LAPTOP, "--operator", "op", "--kind", LAPTOP];
    let how = ["--listen", ANY_PORT, "--policy", &policy, "--unlock-file", &unlock];
    let up: Up = stage.up(LAPTOP, &[who.as_slice(), how.as_slice()].concat())?.data()?;
    stage.say(&format!("laptop is up: process {}, fleet {}", up.pid, short(&up.fleet)));
    Ok((up, unlock))
}

fn join(stage: &mut Stage, relay: SocketAddr, unlock: &str) -> Result<(), Failure> {
    let by_relay = format!("/ip4/{}/udp/{}/quic-v1", relay.ip(), relay.port());
    let invite = stage.path("robot.invite");
    let who = ["device", "invite", "--device", ROBOT, "--kind", ROBOT];
    let how = ["--address", &by_relay, "--out", &invite, "--unlock-file", unlock];
    stage.ask(LAPTOP, &[who.as_slice(), how.as_slice()].concat(), &[0])?;
    let own = new_unlock_file(stage, ROBOT)?;
    let join = ["--join", &invite, "--listen", ANY_PORT, "--unlock-file", &own];
    let up: Up = stage.up(ROBOT, &join)?.data()?;
    stage.say(&format!("robot joined by an invite file: process {}", up.pid));
    Ok(())
}

fn new_unlock_file(stage: &Stage, node: &str) -> Result<String, Failure> {
    let file = stage.path(&format!("{node}.unlock"));
    let make = ["--json", "key", "unlock-file", "--out", &file];
    stage.belay.run(&stage.patience, &make, COMMAND_MAX)?.wants(&[0])?;
    Ok(file)
}

/// Waits until each lists the other as linked and the robot may work; how many devices there are.
fn linked(stage: &Stage) -> Result<usize, Failure> {
    let state =
        "laptop and robot list each other as linked, and the robot holds a lease and the release";
    stage.patience.wait_for(state, LINKED_MAX, || {
        let (laptop, robot) = (stage.status(LAPTOP)?, stage.status(ROBOT)?);
        let meet = laptop.links(ROBOT) && robot.links(LAPTOP);
        let leased = robot.run != "lapsed" && robot.releases.iter().any(|release| release.whole);
        let nodes = laptop.devices.iter().filter(|device| device.linked).count();
        Ok((meet && leased).then_some(nodes))
    })
}

/// Where the laptop listens, from the multiaddress that it printed.
fn port(up: &Up) -> Result<SocketAddr, Failure> {
    let mut ports = up.addresses.iter().filter_map(|address| {
        let mut parts = address.strip_prefix("/ip4/127.0.0.1/udp/")?.split('/');
        parts.next()?.parse().ok()
    });
    let port: Option<u16> = ports.rfind(|port| *port != 0);
    port.map(|port| SocketAddr::from(([127, 0, 0, 1], port))).ok_or_else(|| {
        let what = format!("the laptop names no loopback address among {:?}", up.addresses);
        Failure::Contradiction(what)
    })
}
