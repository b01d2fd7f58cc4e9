//! Devices on one local network that find each other by mDNS alone, and one that keeps silent.
//!
//! A gateway, a robot and a laptop stand in network namespaces of their own on one switch, on whose
//! wire every packet is counted. Gateway and robot both take other addresses while they are down:
//! no address that anybody knows leads anywhere any more. They find each other by what they
//! announce; the laptop announces nothing and hears nothing until a release names it; and after a
//! second such move a robot whose own file says no is silent, and is not found. Needs root and
//! `ip`. Refused here: touching the machine's own network.

use super::command::{Answer, Belay};
use super::figures::Figures;
use super::waiting::{must, wait_for};
use crate::house;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketType, recv, socket, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A device announces itself a second after it is up and is dialled at once; a loaded machine takes
/// its time.
const FOUND_MAX: Duration = Duration::from_secs(60);

/// Longer than a device that is announced takes to say so twice, and longer than two looks of a
/// node at how it stands: one that is silent as long stays so.
const SILENT_FOR: Duration = Duration::from_secs(35);

/// Where each listens: the gateway at a port that the invites name, the others at any.
const GATEWAY_LISTENS: [&str; 2] = ["--listen", "/ip4/0.0.0.0/udp/7411/quic-v1"];
const DRAWN: [&str; 2] = ["--listen", "/ip4/0.0.0.0/udp/0/quic-v1"];

/// Addresses before the move, after it, and after the second.
const GATEWAY: [&str; 3] = ["10.93.0.1", "10.93.0.11", "10.93.0.21"];
const ROBOT: [&str; 3] = ["10.93.0.2", "10.93.0.12", "10.93.0.22"];
const LAPTOP: &str = "10.93.0.3";

/// Plays it so often, and prints how long finding each other took.
pub fn run(exe: &Path, times: usize) {
    let found = (0..times).map(|_| play(exe));
    println!("started anew, found and linked by mDNS alone, ms: {}", Figures::of(found));
}

fn play(exe: &Path) -> i64 {
    let net = Switch::make();
    let home = must(tempfile::tempdir(), "a folder for three nodes");
    let fleet = Fleet::of(exe, home.path(), &net);
    let policy = house::top().join("configs/policies/starter").display().to_string();
    let founds = ["--fleet", "local.belay", "--device", "gateway", "--kind", "gateway"];
    fleet.up("gateway", &[&founds[..], &["--policy", &policy], &GATEWAY_LISTENS].concat());
    for side in ["robot", "laptop"] {
        fleet.invited(side);
    }
    fleet.wait_linked("gateway", "robot");
    fleet.wait_linked("gateway", "laptop");
    let found = moved_and_found(&fleet, &net);
    the_laptop_was_silent(&fleet, &net);
    fleet.named_by_a_release(&policy, &net);
    fleet.silenced_by_its_file(&net);
    found
}

/// Both take other addresses while they are down, and find each other; how long that took.
fn moved_and_found(fleet: &Fleet<'_>, net: &Switch) -> i64 {
    for (side, [before, after, _]) in [("gateway", GATEWAY), ("robot", ROBOT)] {
        fleet.ask(side, &["down"]).wants(0);
        net.readdress(side, before, after);
    }
    fleet.again("gateway");
    let began = Instant::now();
    fleet.again("robot");
    fleet.wait_linked("gateway", "robot");
    let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let heard = |from: &str, to: &str, at: &str| {
        let device = fleet.device(from, to);
        let all = device["heard_at"].as_array().cloned().unwrap_or_default();
        all.iter().any(|one| one.as_str().is_some_and(|text| text.contains(&format!("/{at}/"))))
    };
    wait_for("one of them says that it heard the other", FOUND_MAX, || {
        let either = heard("gateway", "robot", ROBOT[1]) || heard("robot", "gateway", GATEWAY[1]);
        either.then_some(())
    });
    took
}

/// Nothing of it was on the wire although both others were heard there, and it was not found.
fn the_laptop_was_silent(fleet: &Fleet<'_>, net: &Switch) {
    thread::sleep(SILENT_FOR);
    let said = net.wire.counts();
    let of = |at: &str| said.get(&must(at.parse::<Ipv4Addr>(), at)).copied().unwrap_or(0);
    assert!(of(GATEWAY[1]) > 0 && of(ROBOT[1]) > 0, "the wire was listened to: {said:?}");
    assert_eq!(of(LAPTOP), 0, "a laptop said something on its own: {said:?}");
    assert_ne!(fleet.device("gateway", "laptop")["linked"], true, "nobody told it where to dial");
}

/// The three nodes and how they are asked.
struct Fleet<'a> {
    belay: Belay,
    home: &'a Path,
    net: &'a Switch,
}

impl<'a> Fleet<'a> {
    fn of(exe: &Path, home: &'a Path, net: &'a Switch) -> Self {
        let fleet = Self { belay: Belay::new(exe, home), home, net };
        fleet.belay.run(&["key", "unlock-file", "--out", &fleet.place("unlock")]).wants(0);
        fleet
    }

    fn place(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }

    fn ask(&self, side: &str, args: &[&str]) -> Answer {
        let (state, inside) = (self.place(side), self.net.name(side));
        let by = ["ip", "netns", "exec", &inside];
        let words = [&["--json", "--state", &state], args].concat();
        self.belay.start_by(&by, &words).end(FOUND_MAX)
    }

    fn signed(&self, side: &str, args: &[&str]) -> Answer {
        let unlock = self.place("unlock");
        self.ask(side, &[args, &["--unlock-file", &unlock]].concat())
    }

    fn up(&self, side: &str, how: &[&str]) {
        self.signed(side, &[&["up"], how].concat()).wants(0);
    }

    /// Starts a node that was down; whether it reaches anybody is looked at afterwards.
    fn again(&self, side: &str) {
        self.signed(side, &["up"]).wants_one_of(&[0, 1, 5]);
    }

    /// Lets a device of this kind join by way of the gateway, which knows its own address.
    fn invited(&self, kind: &str) {
        let file = self.place(&format!("{kind}.invite"));
        let at = format!("/ip4/{}/udp/7411/quic-v1", GATEWAY[0]);
        let invite = ["device", "invite", "--device", kind, "--kind", kind];
        let where_to = ["--address", &at, "--out", &file];
        self.signed("gateway", &[&invite[..], &where_to].concat()).wants(0);
        self.up(kind, &[&["--join", &file], &DRAWN[..]].concat());
    }

    fn device(&self, from: &str, to: &str) -> Value {
        let status = self.ask(from, &["status"]).wants_one_of(&[0, 1]).data();
        let devices = status["devices"].as_array().cloned().unwrap_or_default();
        devices.into_iter().find(|device| device["name"] == to).unwrap_or_default()
    }

    fn wait_linked(&self, from: &str, to: &str) {
        wait_for(&format!("{from} is linked with {to}"), FOUND_MAX, || {
            (self.device(from, to)["linked"] == true).then_some(())
        });
    }

    /// Back at an address that it knows, the laptop learns of a release that names its kind, and is
    /// heard on the wire.
    fn named_by_a_release(&self, policy: &str, net: &Switch) {
        net.address("gateway", "add", GATEWAY[0]);
        self.wait_linked("gateway", "laptop");
        let folder = self.place("policy");
        must(fs::create_dir(&folder), &folder);
        for name in ["policy.cedar", "release.toml"] {
            let text = must(fs::read_to_string(Path::new(policy).join(name)), name);
            let more = if name == "release.toml" { "\n[links]\nmdns = [\"laptop\"]\n" } else { "" };
            must(fs::write(Path::new(&folder).join(name), text + more), name);
        }
        let published = self.signed("gateway", &["policy", "publish", &folder]).wants(0).data();
        let settings = published["changes"]["settings"].to_string();
        assert!(settings.contains("links.mdns") && settings.contains("laptop"), "{published:#}");
        wait_for("a laptop that a release names is heard", FOUND_MAX, || {
            net.wire.of(LAPTOP).filter(|packets| *packets > 0)
        });
    }

    /// A robot whose file says `mdns = false` says nothing, and after a move like the first the two
    /// do not find each other. The laptop is down, or either would learn of the other from it.
    fn silenced_by_its_file(&self, net: &Switch) {
        for side in SIDES {
            self.ask(side, &["down"]).wants(0);
        }
        net.address("gateway", "del", GATEWAY[0]);
        net.readdress("gateway", GATEWAY[1], GATEWAY[2]);
        net.readdress("robot", ROBOT[1], ROBOT[2]);
        let file = self.home.join("robot/node.toml");
        let text = must(fs::read_to_string(&file), "node.toml");
        let silent = text.replacen("[mesh]\n", "[mesh]\nmdns = false\n", 1);
        assert_ne!(text, silent, "node.toml has its [mesh]");
        must(fs::write(&file, silent), "node.toml");
        self.again("gateway");
        self.again("robot");
        wait_for("the gateway is heard where it is now", FOUND_MAX, || net.wire.of(GATEWAY[2]));
        thread::sleep(SILENT_FOR);
        assert_eq!(net.wire.of(ROBOT[2]), None, "its own file says that it keeps silent");
        assert_ne!(self.device("gateway", "robot")["linked"], true, "what else told them?");
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for side in SIDES {
            if thread::panicking() {
                let log = fs::read_to_string(self.home.join(side).join("node.log"));
                eprintln!("{side}: {}", log.unwrap_or_default());
            }
            // A node that never came up has nothing to end.
            let _ended = self.ask(side, &["down"]);
        }
    }
}

const SIDES: [&str; 3] = ["gateway", "robot", "laptop"];

/// Three namespaces on one switch; dropping it takes them away.
struct Switch {
    mark: String,
    wire: Wire,
}

impl Switch {
    fn make() -> Self {
        let mark = format!("belay-{}", std::process::id());
        let name = |side: &str| format!("{mark}-{side}");
        ip(&["netns", "add", &name("switch")]);
        let wire = Wire::listen(&name("switch"));
        let net = Self { mark, wire };
        net.within("switch", &["link", "add", "joint", "type", "bridge", "mcast_snooping", "0"]);
        net.within("switch", &["link", "set", "joint", "up"]);
        for (side, at) in SIDES.into_iter().zip([GATEWAY[0], ROBOT[0], LAPTOP]) {
            let (here, there) = (net.name(side), net.name("switch"));
            ip(&["netns", "add", &here]);
            net.within(side, &["link", "set", "lo", "up"]);
            let pair = ["link", "add", "out", "netns", &here, "type", "veth", "peer", "name"];
            ip(&[&pair[..], &[side, "netns", &there]].concat());
            net.within("switch", &["link", "set", side, "master", "joint"]);
            net.within("switch", &["link", "set", side, "up"]);
            net.address(side, "add", at);
            net.within(side, &["link", "set", "out", "up"]);
        }
        net
    }

    fn readdress(&self, side: &str, before: &str, after: &str) {
        self.address(side, "del", before);
        self.address(side, "add", after);
    }

    fn address(&self, side: &str, change: &str, at: &str) {
        self.within(side, &["address", change, &format!("{at}/24"), "dev", "out"]);
    }

    fn name(&self, side: &str) -> String {
        format!("{}-{side}", self.mark)
    }

    fn within(&self, side: &str, args: &[&str]) {
        ip(&[&["-n", &self.name(side)], args].concat());
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for side in ["switch", "gateway", "robot", "laptop"] {
            // One that was never made is not there to be taken away.
            let _gone = Command::new("ip").args(["netns", "delete", &self.name(side)]).output();
        }
    }
}

fn ip(args: &[&str]) {
    let ended = must(Command::new("ip").args(args).status(), "ip");
    assert!(ended.success(), "ip {} ended with {ended}", args.join(" "));
}

/// Packets to port 5353 that crossed the switch, by who sent them; each is seen at every port.
struct Wire {
    counts: Arc<Mutex<BTreeMap<Ipv4Addr, usize>>>,
    leaving: Arc<AtomicBool>,
    ear: Option<JoinHandle<()>>,
}

impl Wire {
    fn listen(namespace: &str) -> Self {
        let file = must(File::open(format!("/run/netns/{namespace}")), namespace);
        let (counts, leaving) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (into, until): (Arc<Mutex<BTreeMap<_, _>>>, _) = (counts.clone(), leaving.clone());
        let ear = thread::spawn(move || {
            let moved = move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
            must(moved, "into the namespace");
            let socket = tap();
            let mut packet = [0; 2048];
            while !until.load(Ordering::Relaxed) {
                let Ok((got, _)) = recv(&socket, &mut packet, RecvFlags::empty()) else { continue };
                if let Some(from) = asks_by_mdns(&packet[..got]) {
                    let mut counts = into.lock().unwrap_or_else(PoisonError::into_inner);
                    *counts.entry(from).or_default() += 1;
                }
            }
        });
        Self { counts, leaving, ear: Some(ear) }
    }

    fn counts(&self) -> BTreeMap<Ipv4Addr, usize> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn of(&self, at: &str) -> Option<usize> {
        self.counts().get(&must(at.parse::<Ipv4Addr>(), at)).copied()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Relaxed);
        let ended = self.ear.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || ended.is_some_and(|end| end.is_ok()),
            "the wire's ear ended"
        );
    }
}

/// Every packet of every port, from its IP header on; reading gives up after a moment.
fn tap() -> OwnedFd {
    /// `ETH_P_ALL`, in the byte order of the network.
    const ALL: u16 = 3_u16.to_be();
    let all = NonZeroU32::new(u32::from(ALL)).map(Protocol::from_raw);
    let opened = must(socket(AddressFamily::PACKET, SocketType::DGRAM, all), "a tap");
    let wait = Some(Duration::from_millis(200));
    must(sockopt::set_socket_timeout(&opened, sockopt::Timeout::Recv, wait), "a timeout");
    opened
}

/// Who sent this IPv4 packet, where it is one to the port of multicast DNS.
fn asks_by_mdns(packet: &[u8]) -> Option<Ipv4Addr> {
    const UDP: u8 = 17;
    let version = *packet.first()?;
    let header = usize::from(version & 0x0f) * 4;
    let port = packet.get(header + 2..header + 4)?;
    let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let mdns = version >> 4 == 4 && packet.get(9) == Some(&UDP) && port == 5353_u16.to_be_bytes();
    mdns.then(|| Ipv4Addr::from(from))
}
