//! A phone that roams: its address changes under it, and its link stays.
//!
//! Two network namespaces and one cable between them: a gateway with a direct door, and a phone
//! that dials it. Nobody tells the phone's node that it has moved. Needs root and `ip`.
//! Refused here: calling a link kept that was made anew.

use super::command::{Answer, Belay};
use super::figures::Figures;
use super::waiting::{SOON, must, wait_for};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longer than a link may be silent: one that did not move with its phone is down by then.
const KEPT_AFTER: Duration = Duration::from_secs(15);

/// Moves the phone so often, each time to another address, and gives an order at once; how long
/// each took to arrive, milliseconds.
pub fn run(exe: &Path, moves: usize) -> Figures {
    let cable = Cable::lay();
    let home = must(tempfile::tempdir(), "a folder for two nodes");
    let place = |name: &str| home.path().join(name).display().to_string();
    let (unlock, invite) = (place("unlock"), place("phone.invite"));
    let belay = Belay::new(exe, home.path());
    belay.run(&["key", "unlock-file", "--out", &unlock]).wants(0);
    let ask = |side: &Side, args: &[&str]| {
        let (state, by) = (place(side.name), ["ip", "netns", "exec", &side.netns]);
        let unlocked = [&["--json", "--state", &state], args, &["--unlock-file", &unlock]].concat();
        belay.start_by(&by, &unlocked).end(SOON)
    };
    let up = ["up", "--fleet", "roaming.belay", "--device", "gateway", "--kind", "gateway"];
    ask(&cable.gateway, &up).wants(0);
    let door = direct_door(&belay, &place("gateway"));
    let ask_in = ["device", "invite", "--device", "phone", "--kind", "phone"];
    let dialled = ["--address", &door, "--out", &invite];
    ask(&cable.gateway, &[ask_in.as_slice(), &dialled].concat()).wants(0);
    ask(&cable.phone, &["up", "--join", &invite]).wants(0);
    let log = || fs::read_to_string(home.path().join("phone/node.log")).unwrap_or_default();
    let took = (0..moves).map(|turn| {
        cable.move_phone(turn);
        let began = Instant::now();
        let stop = ["stop", "project:default", "--reason", "story", "--timeout", "10s"];
        let order = ask(&cable.gateway, &stop).data();
        let order = order["order"].as_str().expect("an order").to_owned();
        wait_for("the order on the phone that moved", SOON, || {
            log().contains(&format!("order {order} is held here")).then_some(())
        });
        i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)
    });
    let took = Figures::of(took);
    std::thread::sleep(KEPT_AFTER);
    let linked = log().matches("linked with").count();
    for side in [&cable.phone, &cable.gateway] {
        let state = place(side.name);
        belay.run(&["--state", &state, "down"]).wants(0);
    }
    assert_eq!(linked, 1, "the link was kept through every move, not made anew:\n{}", log());
    took
}

/// Where the gateway listens for phones, on the cable.
fn direct_door(belay: &Belay, state: &str) -> String {
    wait_for("the gateway's direct door", SOON, || {
        let said: Answer = belay.run(&["--json", "--state", state, "status"]);
        let status = said.data();
        let mut doors = status["addresses"].as_array()?.iter().filter_map(|text| text.as_str());
        let door = doors.find(|text| text.starts_with("/ip4/10.") && text.ends_with("/tls"));
        door.map(str::to_owned)
    })
}

/// One end of the cable.
struct Side {
    name: &'static str,
    netns: String,
    link: String,
}

/// Two namespaces and the cable between them; dropping it removes both.
struct Cable {
    gateway: Side,
    phone: Side,
}

impl Cable {
    fn lay() -> Self {
        let pid = std::process::id();
        let side = |name, end| {
            let (netns, link) = (format!("belay-{end}-{pid}"), format!("b{end}{pid}"));
            Side { name, netns, link }
        };
        let cable = Self { gateway: side("gateway", "g"), phone: side("phone", "p") };
        let (gateway, phone) = (&cable.gateway, &cable.phone);
        ip(&["netns", "add", &gateway.netns]);
        ip(&["netns", "add", &phone.netns]);
        let ends = ["link", "add", &gateway.link, "type", "veth", "peer", "name", &phone.link];
        ip(&ends);
        for (side, address) in [(gateway, "10.91.0.1/24"), (phone, "10.91.0.2/24")] {
            ip(&["link", "set", &side.link, "netns", &side.netns]);
            side.ip(&["addr", "add", address, "dev", &side.link]);
            side.ip(&["link", "set", &side.link, "up"]);
            side.ip(&["link", "set", "lo", "up"]);
        }
        cable
    }

    /// The old address is gone before the new one is there, as when a phone changes networks.
    fn move_phone(&self, turn: usize) {
        let fresh = format!("10.91.0.{}/24", 10 + turn % 200);
        self.phone.ip(&["addr", "flush", "dev", &self.phone.link, "scope", "global"]);
        self.phone.ip(&["addr", "add", &fresh, "dev", &self.phone.link]);
    }
}

impl Side {
    fn ip(&self, words: &[&str]) {
        ip(&[&["-n", &self.netns], words].concat());
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for side in [&self.gateway, &self.phone] {
            // One that was never laid is not there.
            let _ = Command::new("ip").args(["netns", "del", &side.netns]).output();
        }
    }
}

fn ip(words: &[&str]) {
    let done = must(Command::new("ip").args(words).output(), "running ip");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {}: {said}", words.join(" "));
}
