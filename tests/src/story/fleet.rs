//! A fleet as a story sees it, whichever world it lives in: the few things that can be done to it,
//! and the few that can be seen.
//!
//! Two thin adapters play it: `real` on nodes that are processes, `simulated` on engines in virtual
//! time. A story speaks of devices and agents by name, waits in the fleet's own time, and believes
//! what work does before what a node says of it.
//!
//! Refused here: anything that only one of the two worlds can do. A story that needs `/proc`, a
//! full disk or a broken socket is told once, and stands under `real_only`.

mod authors;
pub mod real;
pub mod simulated;

pub use authors::{Author, Authors, DraftSeen, ReleaseSeen};

use belay_identity::FleetId;
use belay_identity::body::Role;
use std::time::Duration;

/// The device that founds the fleet: an operator sits there, and it alone gives leases.
pub const LAPTOP: &str = "laptop";
/// A device that joins; its only way to the others can be cut.
pub const ROBOT: &str = "robot";
/// Another one.
pub const GATEWAY: &str = "gateway";
/// All of them.
pub const DEVICES: [&str; 3] = [LAPTOP, ROBOT, GATEWAY];

/// The operator who founds the fleet; his keys lie at the laptop.
pub const FOUNDER: &str = "operator";

/// How long a device may act without contact, by the stories' policy.
pub const LEASE: Duration = Duration::from_secs(4);
/// Long enough for anything that comes at once, on a busy machine, in a fleet's own time.
pub const SOON: Duration = Duration::from_secs(30);

/// The rules of the stories' first release.
pub const RULES: &str = include_str!("fleet/policy.cedar");
/// The settings of all their releases.
pub const SETTINGS: &str = include_str!("fleet/release.toml");

/// A fleet that the laptop has founded.
pub trait Fleet: Authors {
    /// The fleet's own time, from its beginning.
    fn now(&self) -> Duration;
    /// Lets a little of it pass.
    fn tick(&mut self);
    /// How far the moments that this world names may be off.
    fn blur(&self) -> Duration;

    /// Invites a device, and lets it join.
    fn join(&mut self, device: &str);
    /// Starts an agent on the first device, which hands work to the second, and so on, each by a
    /// name of [`level_name`]; back before it is known how far that comes.
    fn begin(&mut self, agent: &Agent, path: &[&str]) -> Vec<Task>;
    /// How far that has come: nothing yet, or all of it runs, or why no more of it will.
    fn begun(&mut self, tasks: &[Task]) -> Option<Result<(), Refused>>;
    /// The operator gives an order on a device; its id once that device has it on disk.
    fn order(&mut self, at: &str, order: &Order) -> Result<String, Refused>;
    /// The operator answers every order on exactly this subject, on a device that knows them.
    fn resume(&mut self, at: &str, subject: &str) -> Result<(), Refused>;
    /// The operator publishes these rules, and the settings that stand; the version.
    fn publish(&mut self, at: &str, rules: &str) -> Result<String, Refused> {
        self.publish_for(at, rules, "")
    }
    /// The same with what it says of programs, as `release.toml` writes it.
    fn publish_for(&mut self, at: &str, rules: &str, programs: &str) -> Result<String, Refused>;
    /// Names an operator whose key lies at a device, in the next root epoch.
    fn name_operator(&mut self, name: &str, at: &str, roles: &[Role]) -> Result<(), Refused>;
    /// Names the founder's roles anew, in the next root epoch: nothing else changes.
    fn another_epoch(&mut self) -> Result<(), Refused>;
    /// Removes an operator, in the next root epoch.
    fn remove_operator(&mut self, name: &str) -> Result<(), Refused>;
    /// Whoever's key lies at this device gives an order there; its id.
    fn order_by(&mut self, at: &str, order: &Order) -> Result<String, Refused>;
    /// Whoever's key lies at this device answers an order there; the id of the answer.
    fn answer_by(&mut self, at: &str, subject: &str, order: &str) -> Result<String, Refused>;
    /// Whoever's key lies at this device says yes to an act there.
    fn approve_by(&mut self, at: &str, id: &str) -> Result<(), Refused>;
    /// The ids of what waits for a yes, as a device knows it.
    fn waiting(&mut self, at: &str) -> Vec<String>;
    /// Who signed an order, and who answered it, as a device knows it.
    fn signers(&mut self, at: &str, order: &str) -> Signers;
    /// An agent that nobody governs begins or ends, in the sight of every device.
    fn runs_outside(&mut self, runs: bool);
    /// A device looks anew which agents run on it, and tells the fleet or refuses to.
    fn looks(&mut self, device: &str, tells: Tells);
    /// What each device says of the agents that nobody governs on it, as a device knows it.
    fn who_is_here(&mut self, at: &str) -> Vec<Heard>;
    /// Cuts a device off from all others.
    fn cut(&mut self, device: &str);
    /// Links it again.
    fn heal(&mut self, device: &str);
    /// Kills the node of a device; its wardens live on.
    fn kill(&mut self, device: &str);
    /// Starts it again.
    fn restart(&mut self, device: &str);

    /// How a device stands, by its own word.
    fn status(&mut self, device: &str) -> Status;
    /// When a task last did something that can be seen outside it.
    fn last_act(&self, task: &Task) -> Option<Duration>;
    /// True while a task has a process.
    fn lives(&self, task: &Task) -> bool;
    /// What the gate says to a task that wants to act; nothing if there is nobody left to ask.
    fn ask(&mut self, task: &Task, action: &str, target: &str) -> Option<Verdict>;
    /// How far an order has come, as a device knows it.
    fn progress(&mut self, at: &str, order: &str) -> Progress;
    /// The case file of an order.
    fn case(&mut self, at: &str, order: &str) -> Vec<u8>;
    /// The user who owns the devices.
    fn user(&self) -> String;
    /// The manifest of a program, in hex.
    fn manifest(&self, program: Program) -> String;
}

/// An agent that is to run.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// The project it works for.
    pub project: String,
    /// Its policy class.
    pub class: String,
    /// What it runs.
    pub program: Program,
}

/// What an agent runs: the same work by two programs of different manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// What every agent runs.
    Usual,
    /// What none of the others does.
    Other,
}

/// One agent at work on one device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// The agent's name.
    pub agent: String,
    /// The device that runs it.
    pub device: String,
    /// Which it is, of all that the story has begun.
    pub number: usize,
}

/// What an operator orders.
#[derive(Debug, Clone)]
pub enum Order {
    /// A hold on `agent:NAME`, `user:NAME` and so on, up to three of them with `and` between.
    Stop(String),
    /// A hold of so many seconds on one of them.
    For(String, u64),
    /// A revoke of one of them: what carries it now never comes back.
    Revoke(String),
}

impl Order {
    /// Whom it names.
    pub fn subject(&self) -> &str {
        match self {
            Self::Stop(subject) | Self::For(subject, _) | Self::Revoke(subject) => subject,
        }
    }
}

/// Whether a device tells which agents run on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// It does.
    All,
    /// It says that it does not.
    Nothing,
}

/// What a device is known to say of the agents on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The device.
    pub device: String,
    /// `answered`, `not-reachable` or `refused`.
    pub population: String,
    /// True where it is away, so that this is from before.
    pub before: bool,
    /// Whether the agent outside is among those that it tells of.
    pub outside: bool,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// True for a No of the gate or of an order.
    pub denied: bool,
    /// In words.
    pub why: String,
}

/// How a device stands, by its own word.
#[derive(Debug, Clone)]
pub struct Status {
    /// The fleet's root fingerprint.
    pub fleet: FleetId,
    /// The root epoch that stands there.
    pub epoch: u64,
    /// The devices it knows.
    pub devices: Vec<DeviceSeen>,
    /// The versions of the releases that judge there, and whether their policies are there.
    pub releases: Vec<(String, bool)>,
    /// The orders that stand there: id and subject.
    pub orders: Vec<(String, String)>,
    /// True while it may run work.
    pub leased: bool,
}

/// Who signed an order, and who ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    /// Who gave it, as `operator:NAME`.
    pub author: String,
    /// Who signed what answered it, then who approved that.
    pub answered_by: Vec<String>,
}

/// One device as another one sees it.
#[derive(Debug, Clone)]
pub struct DeviceSeen {
    /// Its name.
    pub name: String,
    /// True when they are linked.
    pub linked: bool,
    /// True when an order stands against it.
    pub cut: bool,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `permit`, `deny` or `ask`.
    pub decision: String,
    /// The rule that decided.
    pub rule: String,
    /// The release that holds it.
    pub release: Option<String>,
    /// Why.
    pub why: String,
}

/// How far an order has come.
#[derive(Debug, Clone)]
pub struct Progress {
    /// True when every branch has its signed answer.
    pub complete: bool,
    /// True when every answer says that the task was seen to have ended.
    pub proven: bool,
    /// True when the order is in force.
    pub in_force: bool,
    /// What is cut off ends no later than this after in force; as printed.
    pub bound: Option<Duration>,
    /// What became of each task below it.
    pub branches: Vec<Branch>,
}

/// One task below an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Branch {
    /// The agent; `-` where it is not known.
    pub agent: String,
    /// The device that owes the answer.
    pub device: String,
    /// What became of it.
    pub state: String,
    /// What ended it.
    pub cause: Option<String>,
    /// True when that is proven.
    pub proven: bool,
}

impl Agent {
    /// An agent of the usual project, class and program.
    pub fn named(name: &str) -> Self {
        let usual = || "default".to_owned();
        Self { name: name.into(), project: usual(), class: usual(), program: Program::Usual }
    }

    /// The same in another project.
    pub fn of_project(self, project: &str) -> Self {
        Self { project: project.into(), ..self }
    }

    /// The same in another class.
    pub fn of_class(self, class: &str) -> Self {
        Self { class: class.into(), ..self }
    }

    /// The same by another program.
    pub fn by(self, program: Program) -> Self {
        Self { program, ..self }
    }
}

/// The agent's name on a level of its path, 0 for the first.
pub fn level_name(agent: &str, level: usize) -> String {
    if level == 0 { agent.to_owned() } else { format!("{agent}-{}", level + 1) }
}

/// Looks until the state comes; panics with its name when it does not come in time.
pub fn until<T>(
    fleet: &mut dyn Fleet,
    state: &str,
    max: Duration,
    mut look: impl FnMut(&mut dyn Fleet) -> Option<T>,
) -> T {
    let end = fleet.now() + max;
    loop {
        if let Some(seen) = look(fleet) {
            return seen;
        }
        assert!(fleet.now() < end, "not seen within {max:?}: {state}");
        fleet.tick();
    }
}

/// Looks for the whole span and panics with the state's name as soon as it does not hold.
pub fn holds(
    fleet: &mut dyn Fleet,
    state: &str,
    span: Duration,
    mut look: impl FnMut(&mut dyn Fleet) -> bool,
) {
    let end = fleet.now() + span;
    while fleet.now() < end {
        assert!(look(fleet), "did not hold for {span:?}: {state}");
        fleet.tick();
    }
}

/// Starts an agent and waits until all of its path runs, or no more of it will.
pub fn run(fleet: &mut dyn Fleet, agent: &Agent, path: &[&str]) -> Result<Vec<Task>, Refused> {
    let tasks = fleet.begin(agent, path);
    let state = format!("{} runs along {path:?}", agent.name);
    until(fleet, &state, SOON, |fleet| fleet.begun(&tasks)).map(|()| tasks)
}

/// Starts an agent, waits until all of its path runs, and sees each of it act.
pub fn running(fleet: &mut dyn Fleet, agent: &Agent, path: &[&str]) -> Vec<Task> {
    let tasks = run(fleet, agent, path);
    let tasks = tasks.unwrap_or_else(|no| panic!("{} does not run: {no:?}", agent.name));
    acts_again(fleet, &tasks);
    tasks
}

/// Waits until each of these has acted after now.
pub fn acts_again(fleet: &mut dyn Fleet, tasks: &[Task]) {
    let now = fleet.now() + fleet.blur();
    until(fleet, &format!("all of {tasks:?} act"), SOON, |fleet| {
        tasks.iter().all(|task| fleet.last_act(task).is_some_and(|act| act > now)).then_some(())
    });
}

/// Gives an order that must be taken.
pub fn ordered(fleet: &mut dyn Fleet, at: &str, order: &Order) -> String {
    let given = fleet.order(at, order);
    given.unwrap_or_else(|no| panic!("{order:?} is refused on {at}: {no:?}"))
}

/// Waits until the case of an order is complete on a device.
pub fn completed(fleet: &mut dyn Fleet, at: &str, order: &str) -> Progress {
    let mut last = None;
    until(fleet, &format!("the case of {order} is complete on {at}"), SOON, |fleet| {
        let progress = fleet.progress(at, order);
        let complete = progress.complete && progress.in_force;
        last = Some(progress.clone());
        complete.then_some(progress)
    })
}

/// Waits until none of these has a process.
pub fn gone(fleet: &mut dyn Fleet, tasks: &[Task]) {
    let state = format!("no process of {tasks:?} is left");
    until(fleet, &state, LEASE + SOON, |fleet| {
        tasks.iter().all(|task| !fleet.lives(task)).then_some(())
    });
}
