//! Two devices behind two address translators, and one gateway that both can dial.
//!
//! Nobody can dial either of the two. They are linked over the gateway, at once the one gives the
//! other work, and they try for a path of their own: behind translators that keep a port it comes
//! up and the link moves to it; behind translators that draw another port for every destination it
//! cannot, and the link stays on the gateway. Either way an order that is given at
//! the gateway is held on both. Needs root and `ip`.
//! Refused here: touching the machine's own network.

use super::command::{Answer, Belay};
use super::figures::Figures;
use super::nat::{Ports, translate};
use super::waiting::{must, wait_for};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// A place is said after 10 s at the latest, its hearer dials within 15 s, and a lost race for a
/// port is run three times; a loaded machine takes its time.
const REACHED_MAX: Duration = Duration::from_secs(120);

/// What `node.toml` is told.
const LISTEN: [&str; 4] =
    ["--listen", "/ip4/0.0.0.0/udp/7411/quic-v1", "--listen", "/ip4/0.0.0.0/tcp/7411"];

/// Plays it so often behind either kind of translator, and prints what was measured.
pub fn run(exe: &Path, times: usize) {
    let kinds = [(Ports::Kept, "keep a port"), (Ports::Drawn, "draw a port by chance")];
    for (ports, kind) in kinds {
        let (mut linked, mut told) = (Vec::new(), Vec::new());
        for _ in 0..times {
            let (link, order, path) = play(exe, ports);
            println!("behind translators that {kind}: the path that is kept is {path}");
            linked.push(link);
            told.push(order);
        }
        println!(
            "behind translators that {kind}, linked after joining, ms: {}",
            Figures::of(linked)
        );
        println!("behind translators that {kind}, an order arrives, ms: {}", Figures::of(told));
    }
}

/// How long until the two were linked, how long an order took, and by what their link runs.
fn play(exe: &Path, ports: Ports) -> (i64, i64, String) {
    let net = Networks::make(ports);
    let home = must(tempfile::tempdir(), "a folder for three nodes");
    let fleet = Fleet::of(exe, home.path(), &net);
    fleet.up("p", &["--fleet", "nat.belay", "--device", "gateway", "--kind", "gateway"]);
    for side in ["a", "b"] {
        fleet.invited(side, net.gateway_of(side));
    }
    let joined = Instant::now();
    let first = wait_for("a and b are linked", REACHED_MAX, || fleet.path_between("a", "b"));
    let linked = millis(joined.elapsed());
    fleet.works_for("b", "a");
    let path = match ports {
        Ports::Kept => wait_for("a path of their own", REACHED_MAX, || {
            fleet.path_between("a", "b").filter(|path| path["carrier"] != "relay")
        }),
        Ports::Drawn => {
            wait_for("b says that no path of their own came up", REACHED_MAX, || {
                [fleet.log("a"), fleet.log("b")]
                    .concat()
                    .contains("stays on its relay")
                    .then_some(())
            });
            assert_eq!(first["carrier"], "relay", "{first}");
            wait_for("the link that is left", REACHED_MAX, || fleet.path_between("a", "b"))
        }
    };
    if ports == Ports::Drawn {
        assert_eq!(
            (&path["carrier"], &path["via"]),
            (&"relay".into(), &"gateway".into()),
            "{path}"
        );
    }
    let told = fleet.order_reaches("a", "b");
    (linked, told, path.to_string())
}

fn millis(took: Duration) -> i64 {
    i64::try_from(took.as_millis()).unwrap_or(i64::MAX)
}

/// The three nodes and how they are asked.
struct Fleet<'a> {
    belay: Belay,
    home: &'a Path,
    net: &'a Networks,
}

impl<'a> Fleet<'a> {
    fn of(exe: &Path, home: &'a Path, net: &'a Networks) -> Self {
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
        self.belay.start_by(&by, &words).end(REACHED_MAX)
    }

    fn up(&self, side: &str, how: &[&str]) -> Answer {
        let unlock = self.place("unlock");
        let words = [&["up"], how, &LISTEN, &["--unlock-file", &unlock]].concat();
        self.ask(side, &words).wants(0)
    }

    /// Lets this side join by way of the gateway.
    fn invited(&self, side: &str, gateway: &str) {
        let (file, unlock) = (self.place(&format!("{side}.invite")), self.place("unlock"));
        let at = format!("/ip4/{gateway}/udp/7411/quic-v1");
        let invite = ["device", "invite", "--device", side, "--address", &at, "--out", &file];
        self.ask("p", &[&invite[..], &["--unlock-file", &unlock]].concat()).wants(0);
        self.up(side, &["--join", &file]);
    }

    /// How the link from one to the other runs, if it stands.
    fn path_between(&self, from: &str, to: &str) -> Option<Value> {
        let status = self.ask(from, &["status"]).wants_one_of(&[0, 1]).data();
        let devices = status["devices"].as_array()?;
        let device = devices.iter().find(|device| device["name"] == to)?;
        device.get("path").filter(|_| device["linked"] == true).cloned()
    }

    fn log(&self, side: &str) -> String {
        fs::read_to_string(self.home.join(side).join("node.log")).unwrap_or_default()
    }

    /// One gives work to the other, which only a link between both carries.
    fn works_for(&self, to: &str, from: &str) {
        let offload = ["task", "offload", "--to", to, "--wait", "--", "/bin/echo", "carried"];
        let done = self.ask(from, &offload).wants(0).data();
        let said = done["ended"]["tail"].as_str().unwrap_or_default();
        assert_eq!(said.trim(), "carried", "{done:#}");
    }

    /// Gives an order at the gateway, and waits for it on both.
    fn order_reaches(&self, from: &str, to: &str) -> i64 {
        let (began, unlock) = (Instant::now(), self.place("unlock"));
        let stop = ["stop", "project:default", "--reason", "story", "--timeout", "10s"];
        let order = self.ask("p", &[&stop[..], &["--unlock-file", &unlock]].concat()).data();
        let order = order["order"].as_str().unwrap_or_default().to_owned();
        assert!(!order.is_empty(), "an order was given");
        let held = format!("order {order} is held here");
        wait_for("the order on both", REACHED_MAX, || {
            [from, to].iter().all(|side| self.log(side).contains(&held)).then_some(())
        });
        millis(began.elapsed())
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for side in ["a", "b", "p"] {
            if thread::panicking() {
                let status = self.ask(side, &["status"]);
                eprintln!("{side}: {}\n{}", status.stdout, self.log(side));
            }
            // A node that never came up has nothing to end.
            let _ended = self.ask(side, &["down"]);
        }
    }
}

/// Two inner networks, each behind a translator, and the outside with the gateway between them;
/// dropping it takes them away.
struct Networks {
    mark: String,
}

impl Networks {
    fn make(ports: Ports) -> Self {
        let net = Self { mark: format!("belay-{}", std::process::id()) };
        for side in SIDES {
            ip(&["netns", "add", &net.name(side)]);
            net.within(side, &["link", "set", "lo", "up"]);
        }
        for (number, inner, router) in [("1", "a", "na"), ("2", "b", "nb")] {
            net.cable((inner, "out"), (router, "in"), &format!("10.78.{number}"));
            net.cable((router, "out"), ("p", router), net.outside_of(router));
            translate(&net.name(router), "out", ports);
        }
        for router in ["na", "nb", "p"] {
            let inside = net.name(router);
            ip(&["netns", "exec", &inside, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        }
        net
    }

    /// A cable with `.2` at the one end, whose way out it becomes, and `.1` at the other.
    fn cable(&self, (near, near_port): (&str, &str), (far, far_port): (&str, &str), net: &str) {
        let (here, there) = (self.name(near), self.name(far));
        let pair = ["link", "add", near_port, "netns", &here, "type", "veth", "peer", "name"];
        ip(&[&pair[..], &[far_port, "netns", &there]].concat());
        for (side, port, last) in [(near, near_port, "2"), (far, far_port, "1")] {
            self.within(side, &["address", "add", &format!("{net}.{last}/24"), "dev", port]);
            self.within(side, &["link", "set", port, "up"]);
        }
        self.within(near, &["route", "add", "default", "via", &format!("{net}.1")]);
    }

    fn outside_of(&self, router: &str) -> &'static str {
        if router == "na" { "198.51.100" } else { "203.0.113" }
    }

    /// Where this side finds the gateway.
    fn gateway_of(&self, side: &str) -> &'static str {
        if side == "a" { "198.51.100.1" } else { "203.0.113.1" }
    }

    fn name(&self, side: &str) -> String {
        format!("{}-{side}", self.mark)
    }

    fn within(&self, side: &str, args: &[&str]) {
        ip(&[&["-n", &self.name(side)], args].concat());
    }
}

const SIDES: [&str; 5] = ["a", "b", "na", "nb", "p"];

impl Drop for Networks {
    fn drop(&mut self) {
        for side in SIDES {
            // One that was never made is not there to be taken away.
            let _gone = Command::new("ip").args(["netns", "delete", &self.name(side)]).output();
        }
    }
}

fn ip(args: &[&str]) {
    let ended = must(Command::new("ip").args(args).status(), "ip");
    assert!(ended.success(), "ip {} ended with {ended}", args.join(" "));
}
