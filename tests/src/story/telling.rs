//! The demo's story, told once more by the public commands, with room for a blow at any moment.
//!
//! Cast, links, agents and phases are the demo's own data, and so is the script of its agents; only
//! the telling is another, because it goes on where the demo would give up: what a blow has undone
//! is not waited for. Refused here: a hook in a node.

use super::command::Running;
use super::nodes::{LEASE, Nodes};
use super::relay::Relay;
use super::waiting::{SOON, wait_for};
use super::witness::{Process, Work};
use belay_node::demo::cast::{Agent, Device, Phase, Telling, Way};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SCRIPT: &str = include_str!("../../../node/src/demo/scripts/agent.sh");
const FILES: [&str; 3] = ["main.log", "ignores-terminate.log", "new-session.log"];
/// What a node says that no beacon has answered since it started.
const NO_TIME: &str = "no beacon has told this node the time since it started";
/// A tree is frozen as soon as the kernel runs its warden; a busy machine takes its time.
const SCHEDULING: Duration = Duration::from_millis(100);
/// A tree that was told to end has this long before it is killed, whatever became of its node.
const STOP_GRACE: Duration = Duration::from_millis(250);
/// From the heal to the last receipt: a link that is dialled anew, a repair.
const FOLLOW: &str = "25s";

/// One node that is killed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The moment.
    pub phase: Phase,
    /// The node.
    pub node: &'static str,
}

/// How a story with a blow ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Every branch has its proof.
    pub proven: bool,
    /// The branches that have none: agent, device, and what is said of them.
    pub gaps: Vec<(String, String, String)>,
    /// From the order to the last write anywhere; negative when the last write came first.
    /// Milliseconds.
    pub last_write_ms: i64,
    /// The bound that was printed. Milliseconds.
    pub bound_ms: i64,
    /// From the blow until the node had its links again, as far as there was a path. Milliseconds.
    pub relinked_ms: i64,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proven, gaps, last_write_ms, bound_ms, relinked_ms } = self;
        let gap = |(agent, device, said): &(String, String, String)| {
            format!("{agent} on {device}: {said}")
        };
        match proven {
            true => f.write_str("complete and proven")?,
            false => f.write_str(&gaps.iter().map(gap).collect::<Vec<_>>().join("; "))?,
        }
        write!(f, "; linked again {relinked_ms} ms after it; ")?;
        write!(f, "last write {last_write_ms} ms after the order, the bound {bound_ms} ms")
    }
}

/// A story on its way.
struct Told {
    nodes: Nodes,
    telling: &'static Telling,
    cell: Cell,
    ways: BTreeMap<&'static str, String>,
    relays: Vec<Relay>,
    planner: Option<Running>,
    /// When the node was killed; from then on only its consequences are waited for.
    struck: Option<SystemTime>,
    restarting: Option<Running>,
    relinked_ms: i64,
    given: Option<SystemTime>,
    order: String,
}

/// Tells the whole story with one blow, checks what must hold whatever it undid, and says how it
/// ended.
pub(super) fn tell(exe: &Path, telling: &'static Telling, cell: Cell) -> End {
    let mut told = Told::begin(exe, telling, cell);
    told.found();
    told.join_all();
    told.work();
    told.cut();
    told.give_order();
    told.wait_for_lapse();
    told.heal();
    let end = told.receive();
    told.check_case(&end);
    end
}

impl Told {
    fn begin(exe: &Path, telling: &'static Telling, cell: Cell) -> Self {
        let nodes = Nodes::empty(exe);
        let (ways, relays) = (BTreeMap::new(), Vec::new());
        let (planner, struck, restarting, given) = (None, None, None, None);
        Self {
            nodes,
            telling,
            cell,
            ways,
            relays,
            planner,
            struck,
            restarting,
            relinked_ms: 0,
            given,
            order: String::new(),
        }
    }

    fn founder(&self) -> &'static str {
        self.telling.founder()
    }

    fn found(&mut self) {
        self.nodes.found(self.founder(), "demo.belay");
        self.note_way(self.founder());
        self.pass(Phase::Founded);
    }

    fn note_way(&mut self, node: &'static str) {
        let port = self.nodes.address_of(node).port();
        self.ways.insert(node, format!("/ip4/127.0.0.1/udp/{port}/quic-v1"));
    }

    fn join_all(&mut self) {
        for device in self.telling.devices.iter().skip(1) {
            self.join(device);
        }
        self.wait_until_linked();
        self.pass(Phase::Joined);
        self.wait_until_linked();
    }

    fn join(&mut self, device: &'static Device) {
        let mut dialled = Vec::new();
        for dial in device.dials {
            let straight = self.ways[dial.to].clone();
            let way = match dial.way {
                Way::Direct => straight,
                Way::Relay => {
                    let relay = Relay::start(self.nodes.address_of(dial.to));
                    let way = format!("/ip4/127.0.0.1/udp/{}/quic-v1", relay.address().port());
                    self.relays.push(relay);
                    way
                }
            };
            dialled.push((dial.to, way));
        }
        let (_, inviter) = &dialled[0];
        let members: Vec<String> =
            dialled[1..].iter().map(|(name, way)| format!("{name}={way}")).collect();
        let mut terms = vec!["--device", device.name, "--kind", device.kind, "--address", inviter];
        terms.extend(members.iter().flat_map(|member| ["--member", member]));
        let file = self.nodes.invite(self.founder(), &terms);
        self.nodes.join(device.name, &file, &[]).wants(0);
        self.note_way(device.name);
    }

    fn wait_until_linked(&self) {
        for device in self.telling.devices {
            let state = format!("{} is linked as told, and holds a lease", device.name);
            wait_for(&state, SOON, || {
                let status = self.nodes.status(device.name);
                let linked = device.dials.iter().all(|dial| links(&status, dial.to));
                (linked && may_work(&status)).then_some(())
            });
        }
    }

    /// Starts the planner, and follows its work down as far as it comes.
    fn work(&mut self) {
        let Some((planner, below)) = self.telling.agents.split_first() else { return };
        let script = self.nodes.path("agent.sh");
        fs::write(&script, SCRIPT).unwrap_or_else(|error| panic!("{script}: {error}"));
        let (state, exe) = (self.nodes.path(planner.device), self.nodes.belay().exe().display());
        let (mark, begin) = (self.mark(planner), self.nodes.mark("work"));
        let exe = exe.to_string();
        let run = ["--state", &state, "agent", "run", "--name", planner.name, "--", "/bin/sh"];
        let own = [script.as_str(), &mark, &exe, &begin, planner.act.word()];
        let below = below.iter().flat_map(|next| [next.device, next.name, next.act.word()]);
        let all: Vec<&str> = run.into_iter().chain(own).chain(below).collect();
        // In a session of its own no terminal is lent to it.
        self.planner = Some(self.nodes.belay().start_by(&["setsid"], &all));
        self.wait_for_denial();
        self.pass(Phase::Denied);
        if !self.has_undone() {
            self.sites().iter().for_each(Work::wait_until_whole);
            self.sites().iter().for_each(Work::wait_for_growth);
        }
        self.pass(Phase::Working);
    }

    fn wait_for_denial(&self) {
        wait_for("an act of an agent is denied", SOON, || {
            let answers = self.telling.agents.iter().flat_map(|agent| self.folders(agent));
            let exits = answers.filter_map(|at| fs::read_to_string(format!("{at}/act.exit")).ok());
            exits.into_iter().any(|exit| exit.trim() == "3").then_some(())
        });
    }

    fn mark(&self, agent: &Agent) -> String {
        format!("{}+{}", self.nodes.mark("work"), agent.device)
    }

    /// Where an agent of this story works: the planner at home, the others below their award.
    fn folders(&self, agent: &Agent) -> Vec<String> {
        if Some(agent) == self.telling.agents.first() {
            return vec![self.nodes.path("home")];
        }
        let tasks = fs::read_dir(self.nodes.path(&format!("{}/tasks", agent.device)));
        let tasks = tasks.into_iter().flatten().filter_map(Result::ok);
        tasks.map(|task| task.path().display().to_string()).collect()
    }

    /// The work of every agent, as far as it has files.
    fn sites(&self) -> Vec<Work> {
        self.telling.agents.iter().map(|agent| self.site(agent)).collect()
    }

    fn site(&self, agent: &Agent) -> Work {
        let folders = self.folders(agent);
        let all = folders.iter().flat_map(|at| FILES.map(|name| Path::new(at).join(name)));
        let files = all.filter(|file| file.exists()).collect();
        Work { mark: self.mark(agent), files, exe: self.nodes.belay().exe().to_owned() }
    }

    fn cut(&mut self) {
        self.relays.iter().for_each(Relay::cut);
        if !self.has_undone() {
            self.sites().iter().for_each(Work::wait_for_growth);
        }
        self.pass(Phase::Cut);
    }

    fn give_order(&mut self) {
        self.given = Some(SystemTime::now());
        let stop = self.nodes.stop(self.founder(), "agent:planner", "1ms");
        let stop = stop.wants_one_of(&[0, 6]).data();
        self.order = stop["order"].as_str().unwrap_or_default().to_owned();
        self.pass(Phase::Ordered);
    }

    fn wait_for_lapse(&mut self) {
        for work in self.sites() {
            work.wait_until_gone(LEASE + SOON);
        }
        self.pass(Phase::Lapsed);
    }

    fn heal(&mut self) {
        self.relays.iter().for_each(Relay::heal);
        self.pass(Phase::Healed);
    }

    fn receive(&mut self) -> End {
        self.wait_until_up();
        let node = self.cell.node;
        if self.struck.is_some() {
            self.wait_until_heard(node);
        }
        let mut end = self.follow();
        self.pass(Phase::Received);
        if self.cell.phase == Phase::Received {
            self.wait_until_up();
            self.wait_until_heard(node);
            assert_eq!(self.follow(), end, "what was acknowledged is on disk");
        }
        end.last_write_ms = self.check_last_writes(end.bound_ms);
        end.relinked_ms = self.relinked_ms;
        let left: Vec<Process> = self.sites().iter().flat_map(Work::processes).collect();
        assert!(left.is_empty(), "work is left: {left:?}");
        end
    }

    /// The node that missed the order learns it, once it can.
    fn wait_until_heard(&self, node: &str) {
        wait_for(&format!("{node} holds the order"), SOON, || {
            let orders = self.nodes.status(node)["orders"].as_array().cloned();
            orders.into_iter().flatten().any(|o| o["id"] == *self.order).then_some(())
        });
    }

    fn follow(&self) -> End {
        let follow = ["stop", "--follow", &self.order, "--timeout", FOLLOW];
        let end = self.nodes.json(self.founder(), &follow).wants_one_of(&[0, 6]).data();
        let branches = end["branches"].as_array().cloned().unwrap_or_default();
        assert!(!branches.is_empty(), "the order names nobody: {end:#}");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let gap = |branch: &Value| {
            let said = match branch["missing"].as_str() {
                Some(missing) => format!("missing: {missing}"),
                None => text(&branch["state"]),
            };
            (text(&branch["agent"]), text(&branch["device"]), said)
        };
        let gaps = branches.iter().filter(|branch| branch["proven"] != true).map(gap).collect();
        let bound_ms = end["bound_ms"].as_i64().unwrap_or_else(|| ms(LEASE));
        End { proven: end["proven"] == true, gaps, last_write_ms: 0, bound_ms, relinked_ms: 0 }
    }

    /// Nothing acted later than the bound allows, nor on the killed node after its death.
    fn check_last_writes(&self, bound_ms: i64) -> i64 {
        let given = self.given.unwrap_or_else(SystemTime::now);
        let mut last = i64::MIN;
        for agent in self.telling.agents {
            let work = self.site(agent);
            if work.files.is_empty() {
                continue;
            }
            let written = work.last_write();
            let after = ms_between(given, written);
            let late = ms(SCHEDULING);
            assert!(after <= bound_ms + late, "{} wrote {after} ms after the order", agent.device);
            let died = self.has_undone() && agent.device == self.cell.node;
            if let Some(struck) = self.struck.filter(|_| died) {
                let after = ms_between(struck, written);
                let ending = self.cell.phase == Phase::Ordered;
                let late = if ending { late + ms(STOP_GRACE) } else { late };
                assert!(after <= late, "{} wrote {after} ms after its node died", agent.device);
            }
            last = last.max(after);
        }
        last
    }

    /// A separate process agrees with what the node said.
    fn check_case(&self, end: &End) {
        let (case, root) = (self.nodes.path("it.belaycase"), self.nodes.status(self.founder()));
        let root = root["fleet"].as_str().unwrap_or_default().to_owned();
        let exit = if end.proven { 0 } else { 6 };
        self.nodes.ask(self.founder(), &["prove", &self.order, "--out", &case]).wants(exit);
        self.nodes.belay().run(&["verify", &case, "--root", &root]).wants(exit);
        let undone = |gap: &(String, String, String)| !self.may_lack_proof(&gap.1);
        let more: Vec<_> = end.gaps.iter().filter(|gap| undone(gap)).collect();
        assert!(more.is_empty(), "what the blow did not touch lacks its proof: {more:?}");
        assert_eq!(end.proven, end.gaps.is_empty(), "an unproven case names its gap: {end:?}");
        assert!(end.proven || self.has_undone(), "nothing was undone: {end:?}");
    }

    /// The blow touches the node that died, and the one to which it was handing work.
    fn may_lack_proof(&self, device: &str) -> bool {
        let agents = self.telling.agents;
        let at = agents.iter().position(|agent| agent.device == self.cell.node);
        let next = at.and_then(|at| agents.get(at + 1));
        device == self.cell.node || next.is_some_and(|next| next.device == device)
    }

    /// The story has come to this phase: the blow falls, if it is its moment.
    fn pass(&mut self, phase: Phase) {
        if self.cell.phase != phase {
            return;
        }
        let node = self.cell.node;
        let process = self.nodes.node(node);
        self.struck = Some(SystemTime::now());
        process.signal(Signal::KILL);
        let up = ["up", "--unlock-file", &self.nodes.unlock()];
        self.restarting = Some(self.nodes.start(node, &up));
        wait_for(&format!("{node} answers again"), SOON, || {
            let living = self.nodes.living(node);
            living.filter(|living| living.pid != process.pid)
        });
        self.check_first_work(node);
        if !self.is_cut_off(node) {
            self.wait_until_up();
        }
        self.wait_until_linked_again(node);
        self.relinked_ms = ms_between(self.struck.unwrap_or(UNIX_EPOCH), SystemTime::now());
    }

    /// A node that was started anew starts work only once it has drawn a lease. Before that it
    /// lacks even the time its policy ends by, and says so first; cut off, it never learns it.
    fn check_first_work(&self, node: &str) {
        let run = ["agent", "run", "--name", "probe", "--", "/bin/true"];
        let answer = self.nodes.ask(node, &run);
        let untimed = answer.stderr.contains(NO_TIME);
        match self.is_cut_off(node) {
            true => answer.refuses(3, &[NO_TIME]),
            false if answer.exit == Some(0) => {
                assert!(may_work(&self.nodes.status(node)), "it worked without a lease");
            }
            false if untimed => answer.refuses(3, &[NO_TIME]),
            false => answer.refuses(3, &["lease"]),
        }
    }

    /// True once the blow has fallen upon running work.
    fn has_undone(&self) -> bool {
        self.struck.is_some() && self.cell.phase >= Phase::Denied
    }

    /// Waits until the node has every link again that the relay lets through.
    fn wait_until_linked_again(&self, node: &str) {
        let cut = self.is_cut();
        let through = |way: Way| way == Way::Direct || !cut;
        let all = self.telling.devices.iter().flat_map(|device| {
            let dials = device.dials.iter().filter(|dial| through(dial.way));
            dials.flat_map(|dial| [(device.name, dial.to), (dial.to, device.name)])
        });
        let others: Vec<&str> =
            all.filter(|(one, _)| *one == node).map(|(_, other)| other).collect();
        let up = self.cell.phase != Phase::Founded;
        wait_for(&format!("{node} is linked with {} again", others.join(", ")), SOON, || {
            let status = self.nodes.status(node);
            others.iter().filter(|_| up).all(|other| links(&status, other)).then_some(())
        });
    }

    fn is_cut(&self) -> bool {
        [Phase::Cut, Phase::Ordered, Phase::Lapsed].contains(&self.cell.phase)
    }

    fn is_cut_off(&self, node: &str) -> bool {
        self.is_cut() && self.telling.is_behind_relay(node)
    }

    /// Waits until the `up` of the killed node has ended: with a lease, or without having found
    /// anybody in time.
    fn wait_until_up(&mut self) {
        if let Some(up) = self.restarting.take() {
            up.end(SOON).wants_one_of(&[0, 1, 5]);
        }
    }
}

fn links(status: &Value, name: &str) -> bool {
    let devices = status["devices"].as_array().cloned().unwrap_or_default();
    devices.iter().any(|device| device["name"] == name && device["linked"] == true)
}

fn may_work(status: &Value) -> bool {
    status["run"] != "lapsed" && status["releases"][0]["whole"] == true
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// From one moment to another, negative when the other came first. Milliseconds.
fn ms_between(from: SystemTime, to: SystemTime) -> i64 {
    to.duration_since(from).map_or_else(|error| -ms(error.duration()), ms)
}
