//! The first step: the devices become a fleet, some of them by way of a relay only.

use super::cast::{Device, Phase, Telling, Way};
use super::failure::Failure;
use super::limits::{COMMAND_MAX, LINKED_MAX};
use super::relay::Relay;
use super::said::{Status, Up, short};
use super::stage::Stage;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// The demo's rules.
pub(super) const RULES: &str = include_str!("../../../configs/policies/demo/policy.cedar");
/// The demo's release.
pub(super) const RELEASE: &str = include_str!("../../../configs/policies/demo/release.toml");

const ANY_PORT: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A fleet whose devices are linked as its telling says.
#[derive(Debug)]
pub(super) struct Fleet {
    /// Who plays.
    pub(super) telling: &'static Telling,
    /// The root's fingerprint.
    pub(super) root: String,
    /// What unlocks the operator's keys on the founding device.
    pub(super) unlock: String,
    /// Devices that the founding device lists as linked, itself among them.
    pub(super) nodes: usize,
    /// Where each device listens.
    listening: BTreeMap<&'static str, SocketAddr>,
}

impl Fleet {
    /// The device that listens at an address.
    pub(super) fn name_at(&self, address: SocketAddr) -> &'static str {
        let mut all = self.listening.iter();
        all.find(|(_, at)| **at == address).map_or("nobody", |(name, _)| name)
    }
}

/// Founds the fleet on the first device and lets the others join.
pub(super) fn meet(stage: &mut Stage, telling: &'static Telling) -> Result<Fleet, Failure> {
    stage.step(&format!("{} devices become a fleet, with no server", capital(telling.count)));
    let mut fleet = found(stage, telling)?;
    for device in telling.devices.iter().skip(1) {
        join(stage, &mut fleet, device)?;
    }
    let begun = Instant::now();
    fleet.nodes = linked(stage, telling)?;
    stage.reach(Phase::Joined);
    let took = begun.elapsed().as_millis();
    stage.say(&format!(
        "each lists whom it dials as linked, {took} ms after the last one joined, and holds a lease"
    ));
    Ok(fleet)
}

fn found(stage: &mut Stage, telling: &'static Telling) -> Result<Fleet, Failure> {
    let founder = telling.devices.first().ok_or_else(|| {
        Failure::Contradiction("a telling without a device cannot be played".to_owned())
    })?;
    stage.write("policy/policy.cedar", RULES)?;
    stage.write("policy/release.toml", RELEASE)?;
    let (policy, unlock) = (stage.path("policy"), new_unlock_file(stage, founder.name)?);
    let who = ["--fleet", "demo.belay", "--device", founder.name, "--operator", "op"];
    let how =
        ["--kind", founder.kind, "--listen", ANY_PORT, "--dial", "named", "--policy", &policy];
    let with = ["--unlock-file", &unlock];
    let up: Up = stage.up(founder.name, &[who.as_slice(), &how, &with].concat())?.data()?;
    stage.say(&format!(
        "{}: process {}; founds fleet {} and gives the leases",
        introduced(founder),
        up.pid,
        short(&up.fleet)
    ));
    stage.reach(Phase::Founded);
    let listening = BTreeMap::from([(founder.name, port(founder.name, &up)?)]);
    Ok(Fleet { telling, root: up.fleet, unlock, nodes: 1, listening })
}

fn join(stage: &mut Stage, fleet: &mut Fleet, device: &'static Device) -> Result<(), Failure> {
    let invite = stage.path(&format!("{}.invite", device.name));
    let mut dialled = Vec::new();
    for dial in device.dials {
        let straight = fleet.listening.get(dial.to).copied().ok_or_else(|| {
            let what = format!("{} dials {}, which is not up yet", device.name, dial.to);
            Failure::Contradiction(what)
        })?;
        let at = match dial.way {
            Way::Direct => straight,
            Way::Relay => relay_to(stage, straight)?,
        };
        dialled.push((dial.to, format!("/ip4/{}/udp/{}/quic-v1", at.ip(), at.port())));
    }
    let member = |(name, address): &(&str, String)| format!("{name}={address}");
    let members: Vec<String> = dialled.iter().skip(1).map(member).collect();
    let mut ask = vec!["device", "invite", "--device", device.name, "--kind", device.kind];
    // The first is the one that invites.
    ask.extend(dialled.first().into_iter().flat_map(|(_, address)| ["--address", address]));
    ask.extend(members.iter().flat_map(|member| ["--member", member]));
    ask.extend(["--out", &invite, "--unlock-file", &fleet.unlock]);
    stage.ask(fleet.telling.founder(), &ask, &[0])?;
    let own = new_unlock_file(stage, device.name)?;
    let join = ["--join", &invite, "--listen", ANY_PORT, "--dial", "named", "--unlock-file", &own];
    let up: Up = stage.up(device.name, &join)?.data()?;
    fleet.listening.insert(device.name, port(device.name, &up)?);
    stage.say(&format!("{}: process {}; dials {}", introduced(device), up.pid, ways(device)));
    Ok(())
}

/// A way through the relay to that address.
fn relay_to(stage: &mut Stage, target: SocketAddr) -> Result<SocketAddr, Failure> {
    let (relay, at) = Relay::start(target).map_err(|error| Failure::Machine {
        what: format!("the relay cannot listen on loopback: {error}"),
        hint: "the demo needs UDP on 127.0.0.1",
    })?;
    stage.relays.push(relay);
    Ok(at)
}

/// A device's name, and what it is where the name does not say so.
fn introduced(device: &Device) -> String {
    match device.role.strip_prefix("the ") {
        Some(role) if role == device.name => role.to_owned(),
        Some(_) | None => format!("{}, {}", device.name, device.role),
    }
}

/// Whom a device dials, in words.
fn ways(device: &Device) -> String {
    let names: Vec<&str> = device.dials.iter().map(|dial| dial.to).collect();
    let all = names.join(" and ");
    match (device.dials.iter().all(|dial| dial.way == Way::Relay), device.kind) {
        (true, _) => format!("{all}, through the relay only"),
        (false, "phone") => format!("{all}; a leaf: it relays nothing"),
        (false, _) => all,
    }
}

fn new_unlock_file(stage: &Stage, node: &str) -> Result<String, Failure> {
    let file = stage.path(&format!("{node}.unlock"));
    let make = ["--json", "key", "unlock-file", "--out", &file];
    stage.belay.run(&stage.patience, &make, COMMAND_MAX)?.wants(&[0])?;
    Ok(file)
}

/// Waits until every link of the telling stands and everybody may work; how many devices there are.
fn linked(stage: &Stage, telling: &Telling) -> Result<usize, Failure> {
    for device in telling.devices {
        let all: Vec<&str> = device.dials.iter().map(|dial| dial.to).collect();
        let state = format!(
            "{} lists {} as linked, and holds a lease and the release",
            device.name,
            if all.is_empty() { "itself".to_owned() } else { all.join(" and ") }
        );
        stage.patience.wait_for(&state, LINKED_MAX, || {
            let status = stage.status(device.name)?;
            let ready = device.dials.iter().all(|dial| status.links(dial.to)) && status.may_work();
            Ok(ready.then_some(()))
        })?;
    }
    let state = format!("{} lists every device as linked", telling.founder());
    stage.patience.wait_for(&state, LINKED_MAX, || {
        let nodes = stage.status(telling.founder())?.linked();
        Ok((nodes == telling.devices.len()).then_some(nodes))
    })
}

impl Status {
    fn may_work(&self) -> bool {
        self.run != "lapsed" && self.releases.iter().any(|release| release.whole)
    }

    fn linked(&self) -> usize {
        self.devices.iter().filter(|device| device.linked).count()
    }
}

/// Where a device listens, from the multiaddress that it printed.
fn port(name: &str, up: &Up) -> Result<SocketAddr, Failure> {
    let mut ports = up.addresses.iter().filter_map(|address| {
        address.strip_prefix("/ip4/127.0.0.1/udp/")?.strip_suffix("/quic-v1")?.parse().ok()
    });
    let port: Option<u16> = ports.rfind(|port| *port != 0);
    port.map(|port| SocketAddr::from(([127, 0, 0, 1], port))).ok_or_else(|| {
        let what = format!("{name} names no loopback address among {:?}", up.addresses);
        Failure::Contradiction(what)
    })
}

/// The word as a sentence begins.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
