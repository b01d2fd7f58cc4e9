//! A device whose network drops UDP joins over TCP and is stopped like any other.
//!
//! Two devices stand in network namespaces of their own with a router between them, which drops
//! every UDP packet in silence. How long a join takes is measured there and, on the same machine,
//! with the router letting UDP through. Refused here: touching the machine's own network; what is
//! made is named after this process and taken away again.

use super::figures::Figures;
use super::nodes::{LAPTOP, Nodes, ROBOT};
use super::waiting::{SOON, must, wait_for};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What `node.toml` is told: every interface, over QUIC and over TCP.
const LISTEN: [&str; 4] =
    ["--listen", "/ip4/0.0.0.0/udp/0/quic-v1", "--listen", "/ip4/0.0.0.0/tcp/0"];

/// Plays it so often, and prints what was measured.
pub fn run(exe: &Path, times: usize) {
    for (udp, router) in [(Udp::Passes, "a router"), (Udp::Dropped, "a router that drops UDP")] {
        let played = (0..times).map(|_| join_stop_and_cut(exe, udp));
        let (joined, noticed): (Vec<i64>, Vec<i64>) = played.unzip();
        println!("a device joins through {router}, ms: {}", Figures::of(joined));
        println!("a cut path through {router} is noticed, ms: {}", Figures::of(noticed));
    }
}

/// What the router does with UDP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Udp {
    Passes,
    Dropped,
}

/// One fleet over two networks: joined, given work, stopped and proven, then cut off. How long the
/// join took, and how long until the near device no longer said that the far one is linked.
fn join_stop_and_cut(exe: &Path, udp: Udp) -> (i64, i64) {
    let net = Networks::make(udp);
    let mut fleet = Nodes::empty(exe);
    fleet.found_so(&net.inside("a"), LAPTOP, "story.belay", &LISTEN);
    let file = fleet.invite(LAPTOP, &["--device", ROBOT]);
    let begun = Instant::now();
    fleet.join_so(&net.inside("b"), ROBOT, &file, &LISTEN).wants(0);
    let joined = begun.elapsed();
    fleet.wait_linked(LAPTOP, ROBOT);
    let work = fleet.offload(LAPTOP, ROBOT, "worker");
    work.wait_until_whole();
    fleet.stop(LAPTOP, "agent:worker", "20s").wants(0);
    assert!(work.processes().is_empty(), "{:?}", work.processes());
    net.within("r", &["link", "set", "to-b", "down"]);
    let cut = Instant::now();
    wait_for("the cut path is noticed", SOON, || {
        let devices = fleet.status(LAPTOP)["devices"].as_array().cloned().unwrap_or_default();
        let linked = devices.iter().any(|one| one["name"] == ROBOT && one["linked"] == true);
        (!linked).then_some(())
    });
    (millis(joined), millis(cut.elapsed()))
}

fn millis(took: Duration) -> i64 {
    i64::try_from(took.as_millis()).unwrap_or(i64::MAX)
}

/// Two networks and a router between them; dropping it takes them away.
struct Networks {
    mark: String,
}

impl Networks {
    fn make(udp: Udp) -> Self {
        let net = Self { mark: format!("belay-{}", std::process::id()) };
        for side in ["a", "b", "r"] {
            ip(&["netns", "add", &net.name(side)]);
            net.within(side, &["link", "set", "lo", "up"]);
        }
        for (number, side) in [("1", "a"), ("2", "b")] {
            let (near, far) = (net.name(side), net.name("r"));
            let port = format!("to-{side}");
            let pair = ["link", "add", "out", "netns", &near, "type", "veth"];
            ip(&[&pair[..], &["peer", "name", &port, "netns", &far]].concat());
            let (host, gate) = (format!("10.77.{number}.2/24"), format!("10.77.{number}.1/24"));
            net.within(side, &["address", "add", &host, "dev", "out"]);
            net.within(side, &["link", "set", "out", "up"]);
            net.within("r", &["address", "add", &gate, "dev", &port]);
            net.within("r", &["link", "set", &port, "up"]);
            let gate = format!("10.77.{number}.1");
            net.within(side, &["route", "add", "default", "via", &gate]);
        }
        let forward = ["netns", "exec", &net.name("r"), "sysctl", "-qw", "net.ipv4.ip_forward=1"];
        ip(&forward);
        if udp == Udp::Dropped {
            net.within("r", &["rule", "add", "pref", "1", "ipproto", "udp", "blackhole"]);
        }
        net
    }

    fn name(&self, side: &str) -> String {
        format!("{}-{side}", self.mark)
    }

    /// The words by which a program is started on one side.
    fn inside(&self, side: &str) -> [String; 4] {
        ["ip".to_owned(), "netns".to_owned(), "exec".to_owned(), self.name(side)]
    }

    fn within(&self, side: &str, args: &[&str]) {
        ip(&[&["-n", &self.name(side)], args].concat());
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for side in ["a", "b", "r"] {
            // One that was never made is not there to be taken away.
            let _gone = Command::new("ip").args(["netns", "delete", &self.name(side)]).status();
        }
    }
}

fn ip(args: &[&str]) {
    let ended = must(Command::new("ip").args(args).status(), "ip");
    assert!(ended.success(), "ip {} ended with {ended}", args.join(" "));
}
