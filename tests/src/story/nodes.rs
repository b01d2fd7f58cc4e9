//! A fleet of real nodes in one temporary folder, and its end.
//!
//! The laptop founds and is the only beacon; the robot knows it by way of a relay alone. Whatever
//! ends a story, dropping the fleet ends what it started: nodes by `down`, and what is left after
//! that by pid, if it carries the fleet's mark. Refused here: a node that shares anything with
//! another.

use super::command::{Answer, Belay, Running};
use super::relay::Relay;
use super::script;
use super::waiting::{SOON, must, wait_for};
use super::witness::{Process, Work};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The near device, which founds.
pub const LAPTOP: &str = "laptop";
/// The far device, whose only path is the relay.
pub const ROBOT: &str = "robot";
/// How long a device may run work without contact, by the stories' policy.
pub const LEASE: Duration = Duration::from_secs(4);
/// A loopback port that the node draws.
pub const ANY_PORT: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A loopback port that is free and that the kernel draws for nobody: while a node is down, what
/// another story starts meanwhile cannot take it.
fn own_port() -> String {
    const BELOW_THE_DRAWN: std::ops::Range<u32> = 10_000..32_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let places = BELOW_THE_DRAWN.end - BELOW_THE_DRAWN.start;
    let begin = std::process::id().wrapping_mul(677);
    loop {
        let place = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % places;
        let port = must(u16::try_from(BELOW_THE_DRAWN.start + place), "a port");
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
        }
    }
}

/// Nobody dials past the relay whom the story wants cut off.
const NAMED: &str = "--dial=named";

const RULES: &str = include_str!("../../../configs/policies/demo/policy.cedar");
const RELEASE: &str = include_str!("../../../configs/policies/demo/release.toml");

/// `status` and `up` end with 1 as long as a node lacks something, such as its admission.
const HOW_IT_STANDS: [i32; 2] = [0, 1];

/// Lines of each node's log that a failed story shows.
const LOG_LINES: usize = 30;

/// Real nodes; dropping it ends them.
#[derive(Debug)]
pub struct Nodes {
    belay: Belay,
    mark: String,
    relay: Option<Relay>,
    running: Vec<Running>,
    nodes: Vec<String>,
    folder: Option<TempDir>,
    path: PathBuf,
}

impl Nodes {
    /// A folder with a policy and an unlock file, and no node yet.
    pub fn empty(exe: &Path) -> Self {
        let made = tempfile::Builder::new().prefix("belay-story-").rand_bytes(8).tempdir();
        let folder = must(made, "a temporary folder");
        let path = folder.path().to_owned();
        let mark = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for name in ["home", "seen", "policy"] {
            must(fs::create_dir(path.join(name)), name);
        }
        must(fs::write(path.join("policy/policy.cedar"), RULES), "policy.cedar");
        must(fs::write(path.join("policy/release.toml"), RELEASE), "release.toml");
        script::worker(&path);
        let belay = Belay::new(&must(exe.canonicalize(), exe.display()), &path.join("home"));
        let (relay, running, nodes) = (None, Vec::new(), Vec::new());
        let fleet = Self { belay, mark, relay, running, nodes, folder: Some(folder), path };
        fleet.belay.run(&["key", "unlock-file", "--out", &fleet.unlock()]).wants(0);
        fleet
    }

    /// The laptop alone, with leases of [`LEASE`].
    pub fn alone(exe: &Path) -> Self {
        let mut fleet = Self::empty(exe);
        fleet.found(LAPTOP, "story.belay");
        fleet
    }

    /// Laptop and robot, linked by way of the relay; the robot holds a lease.
    pub fn pair(exe: &Path) -> Self {
        let mut fleet = Self::alone(exe);
        let relay = Relay::start(fleet.address_of(LAPTOP));
        let by_relay = format!("/ip4/127.0.0.1/udp/{}/quic-v1", relay.address().port());
        fleet.relay = Some(relay);
        let file = fleet.invite(LAPTOP, &["--device", ROBOT, "--address", &by_relay]);
        fleet.join(ROBOT, &file, &[]).wants(0);
        fleet.wait_linked(LAPTOP, ROBOT);
        fleet
    }

    /// Founds a fleet of its own at this node.
    pub fn found(&mut self, node: &str, domain: &str) -> Answer {
        self.found_by(&[], node, domain)
    }

    /// Founds a fleet by way of a program that executes `belay` in the end.
    pub fn found_by(&mut self, by: &[&str], node: &str, domain: &str) -> Answer {
        self.founded(by, node, domain, &["--listen", &own_port()])
    }

    /// The same, listening as these words say.
    pub fn found_so(&mut self, by: &[String], node: &str, domain: &str, so: &[&str]) -> Answer {
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        self.founded(&by, node, domain, so)
    }

    fn founded(&mut self, by: &[&str], node: &str, domain: &str, so: &[&str]) -> Answer {
        let (policy, unlock, state) = (self.path("policy"), self.unlock(), self.path(node));
        let who = ["--state", &state, "up", "--fleet", domain, "--device", node];
        let how = ["--kind", "laptop", "--policy", &policy, NAMED, "--unlock-file", &unlock];
        self.nodes.push(node.to_owned());
        self.belay.start_by(by, &[who.as_slice(), &how, so].concat()).end(SOON).wants(0)
    }

    /// Joins with an invite file by way of a program that executes `belay` in the end, listening as
    /// these words say.
    pub fn join_so(&mut self, by: &[String], node: &str, file: &str, so: &[&str]) -> Answer {
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        let (unlock, state) = (self.unlock(), self.path(node));
        let who = ["--state", &state, "up", "--join", file, NAMED, "--unlock-file", &unlock];
        self.nodes.push(node.to_owned());
        self.belay.start_by(&by, &[&who, so].concat()).end(SOON)
    }

    /// Joins with an invite file; however that ends.
    pub fn join(&mut self, node: &str, file: &str, more: &[&str]) -> Answer {
        let (at, unlock) = (own_port(), self.unlock());
        let join = ["up", "--join", file, "--listen", &at, NAMED, "--unlock-file", &unlock];
        self.up(node, &[&join, more].concat())
    }

    /// Starts a node again on its own state.
    pub fn again(&mut self, node: &str) -> Answer {
        let up = self.up(node, &["up", "--unlock-file", &self.unlock()]);
        assert!(up.stdout.contains("node pid"), "it did not start: {up:#?}");
        up.wants_one_of(&HOW_IT_STANDS)
    }

    fn up(&mut self, node: &str, args: &[&str]) -> Answer {
        if !self.nodes.iter().any(|known| known == node) {
            self.nodes.push(node.to_owned());
        }
        self.ask(node, args)
    }

    /// Writes an invite file; its path.
    pub fn invite(&self, node: &str, more: &[&str]) -> String {
        let file =
            self.path(&format!("{}.invite", fs::read_dir(&self.path).map_or(0, Iterator::count)));
        let invite = ["device", "invite", "--out", &file, "--unlock-file", &self.unlock()];
        self.ask(node, &[&invite, more].concat()).wants(0);
        file
    }

    /// A path in the fleet's folder.
    pub fn path(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    /// The file that opens every node's keys.
    pub fn unlock(&self) -> String {
        self.path("unlock")
    }

    /// The commands, in a home of the fleet.
    pub fn belay(&self) -> &Belay {
        &self.belay
    }

    /// Runs a command at a node, in words.
    pub fn ask(&self, node: &str, args: &[&str]) -> Answer {
        self.belay.run(&[&["--state", &self.path(node)], args].concat())
    }

    /// Runs a command at a node, in JSON.
    pub fn json(&self, node: &str, args: &[&str]) -> Answer {
        self.belay.run(&[&["--json", "--state", &self.path(node)], args].concat())
    }

    /// Starts a command at a node, in JSON, to be waited for later.
    pub fn start(&self, node: &str, args: &[&str]) -> Running {
        self.belay.start(&[&["--json", "--state", &self.path(node)], args].concat())
    }

    /// How a node stands; panics when it does not answer.
    pub fn status(&self, node: &str) -> Value {
        self.json(node, &["status"]).wants_one_of(&HOW_IT_STANDS).data()
    }

    /// Stops a subject from a node, waiting so long for the proof.
    pub fn stop(&self, node: &str, subject: &str, timeout: &str) -> Answer {
        let stop = ["stop", subject, "--reason", "story", "--timeout", timeout];
        self.json(node, &[stop.as_slice(), &["--unlock-file", &self.unlock()]].concat())
    }

    /// Waits until both list the other as linked and the second holds a lease and a release.
    pub fn wait_linked(&self, near: &str, far: &str) {
        let links = |status: &Value, name: &str| {
            let devices = status["devices"].as_array().cloned().unwrap_or_default();
            devices.iter().any(|device| device["name"] == name && device["linked"] == true)
        };
        let state = format!("{near} and {far} list each other as linked, and {far} holds a lease");
        wait_for(&state, SOON, || {
            let (one, other) = (self.status(near), self.status(far));
            let leased = other["run"] != "lapsed" && other["releases"][0]["whole"] == true;
            (links(&one, far) && links(&other, near) && leased).then_some(())
        });
    }

    /// The first loopback address on which a node listens.
    pub fn address_of(&self, node: &str) -> SocketAddr {
        let status = self.status(node);
        let address = status["addresses"][0].as_str().unwrap_or_default();
        let port = address.split('/').nth(4).and_then(|port| port.parse::<u16>().ok());
        let port = port.unwrap_or_else(|| panic!("{node} names no port in {address}"));
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A node's log.
    pub fn log(&self, node: &str) -> String {
        fs::read_to_string(self.path.join(node).join("node.log")).unwrap_or_default()
    }

    /// The process of a node, as its lock file names it.
    pub fn node(&self, node: &str) -> Process {
        let pid = fs::read_to_string(self.path.join(node).join("lock")).unwrap_or_default();
        let process = pid.trim().parse().ok().and_then(Process::read);
        process.unwrap_or_else(|| panic!("{node} has no living node"))
    }

    /// The process that answers as this node, if one does.
    pub fn living(&self, node: &str) -> Option<Process> {
        let status = self.json(node, &["status"]);
        // A dying node may still take a question, and leaves it without an answer.
        let pid = (!status.stdout.is_empty()).then(|| status.data()["pid"].as_u64())??;
        Process::read(u32::try_from(pid).ok()?)
    }

    /// Kills a node with `kill -9` and waits until it is gone.
    pub fn kill(&self, node: &str) {
        self.node(node).signal(Signal::KILL);
        self.wait_until_free(node);
    }

    /// Waits until no process holds a node's state, not even the last thread of a killed one.
    pub fn wait_until_free(&self, node: &str) {
        let lock = self.path.join(node).join("lock");
        wait_for("the killed node is gone", SOON, || {
            let file = must(fs::File::open(&lock), lock.display());
            file.try_lock().is_ok().then_some(())
        });
    }

    /// A mark that only one work of this fleet carries.
    pub fn mark(&self, name: &str) -> String {
        format!("{}-{name}", self.mark)
    }

    /// The argv of a worker with this mark.
    pub fn worker(&self, mark: &str) -> [String; 3] {
        ["/bin/sh".into(), self.path("worker.sh"), mark.into()]
    }

    /// A worker that a node runs under an award, for the eyes.
    pub fn work(&self, node: &str, award: &str, mark: &str) -> Work {
        let folder = self.path.join(node).join("tasks").join(award);
        let files = script::WORKER_FILES.map(|name| folder.join(name)).to_vec();
        Work { mark: mark.to_owned(), files, exe: self.belay.exe().to_owned() }
    }

    /// Gives a worker to a device as the user of a node; what is to be seen of it.
    pub fn offload(&self, from: &str, to: &str, name: &str) -> Work {
        let mark = self.mark(name);
        let [shell, script, mark] = self.worker(&mark);
        let offload = ["task", "offload", "--to", to, "--name", name, "--", &shell, &script, &mark];
        let said = self.json(from, &offload).wants(0).data();
        self.work(to, said["award"].as_str().unwrap_or_default(), &mark)
    }

    /// A script that may `ask NAME ARGS…`; see [`Nodes::answered`].
    pub fn script(&self, name: &str, lines: &str) -> String {
        script::asking(&self.path, name, self.belay.exe(), lines)
    }

    /// Runs an agent in the foreground of a process of its own: it asks what the lines say, then
    /// writes every 50 ms. What is to be seen of it.
    pub fn agent(&mut self, node: &str, name: &str, lines: &str) -> Work {
        self.agent_by(node, name, "/bin/sh", lines)
    }

    /// The same by a shell of the story's own.
    pub fn agent_by(&mut self, node: &str, name: &str, shell: &str, lines: &str) -> Work {
        let mark = self.mark(name);
        let file = self.path(&format!("seen/{name}.log"));
        let keep = format!(
            "STORY_MARK={mark}; export STORY_MARK\n{lines}\nround=0\n\
             while [ $round -lt 4000 ]; do echo $round >>{file}; round=$((round + 1)); \
             sleep 0.05; done"
        );
        let script = self.script(name, &keep);
        let state = self.path(node);
        let run = ["--state", &state, "agent", "run", "--name", name, "--", shell, &script];
        // In a session of its own no terminal is lent to it.
        self.running.push(self.belay.start_by(&["setsid"], &run));
        Work { mark, files: vec![file.into()], exe: self.belay.exe().to_owned() }
    }

    /// What a script's `ask` of that name was told.
    pub fn answered(&mut self, name: &str) -> Answer {
        let part = |part: &str| fs::read_to_string(self.path.join(format!("seen/{name}.{part}")));
        let exit = wait_for(&format!("the script's `ask {name}` is answered"), SOON, || {
            part("exit").ok().and_then(|text| text.trim().parse().ok())
        });
        let (stdout, stderr) = (part("out").unwrap_or_default(), part("err").unwrap_or_default());
        Answer { command: format!("ask {name}"), exit: Some(exit), stdout, stderr }
    }

    fn end(&mut self) {
        for node in std::mem::take(&mut self.nodes) {
            // A node that never came up, or was killed, has nothing to end.
            let _answer = self.ask(&node, &["down"]);
        }
        wait_for("nothing of the fleet is left", SOON, || {
            let left = Process::marked(&self.mark);
            left.iter().for_each(|process| process.signal(Signal::KILL));
            self.running.retain_mut(|running| running.ended().is_none());
            left.is_empty().then_some(())
        });
    }

    fn show_logs(&self) {
        for node in &self.nodes {
            let log = self.log(node);
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ");
            eprintln!("last lines of {node}'s log:\n  {tail}");
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if thread::panicking() {
            self.show_logs();
        }
        let ended = catch_unwind(AssertUnwindSafe(|| self.end()));
        if let Some(Err(error)) = self.folder.take().map(TempDir::close) {
            eprintln!("{}: {error}", self.path.display());
        }
        if ended.is_err() {
            eprintln!("something of {} is left; its mark is in its environment", self.mark);
        }
    }
}
