//! Devices, agents and tasks as lists: what is known here, from whom, and what is not.
//!
//! A list says what the enforcer would say, from the same folds. What is silent is counted apart,
//! and a hop of a tree that is not held is drawn as unknown. Refused here: a second opinion on who
//! is stopped.

use crate::engine::Engine;
use crate::lineage::Lineage;
use crate::output::{Refusal, RefusalKind};
use crate::programs::ProgramReport;
use crate::standing::StandingOrder;
use crate::status::LeaseReach;
use crate::time::BootTime;
use crate::why::Decided;
use belay_crdt::registry::Device;
use belay_identity::body::{DeviceKind, Inventory, Outcome, Receipt, ReleaseVersion, Seen, Term};
use belay_identity::principal::AgentId;
use belay_identity::{Chain, StatementId, codes};
use std::collections::BTreeSet;

/// Last decisions shown of one agent.
const DECISIONS_SHOWN: usize = 10;

/// One device of the fleet.
#[derive(Debug)]
pub struct DeviceReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The site it belongs to.
    pub site: Option<String>,
    /// Whose agents run there.
    pub owner: String,
    /// Whether it answers.
    pub reach: DeviceReach,
    /// True when it gives device leases.
    pub beacon: bool,
    /// How far its lease for runs reaches, where it is this device.
    pub lease: Option<LeaseReach>,
    /// How long ago it drew a lease here, milliseconds.
    pub drew_ms_ago: Option<u64>,
    /// The highest release that it is known to hold.
    pub release: Option<ReleaseVersion>,
    /// Orders against the device as a whole.
    pub orders: Vec<StandingOrder>,
    /// What it said last of the agents on it; none where it has not yet.
    pub inventory: Option<Inventory>,
}

/// Whether a device answers; the three populations of every list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceReach {
    /// It is this device.
    Here,
    /// It is linked now, for so many milliseconds.
    Linked(u64),
    /// It is not reachable; since so many milliseconds, or since this node began.
    Silent(Option<u64>),
    /// It refused this device, with its reason.
    Refused(String),
}

codes! {
    /// Where a device stands when it is asked what runs on it; each stands in one of the three.
    pub enum Population {
        /// It is reached, and tells.
        Answered = 1 "answered",
        /// It is not reached, or has not said anything yet.
        NotReachable = 2 "not-reachable",
        /// It does not tell, or refuses this device.
        Refused = 3 "refused",
    }
}

impl DeviceReport {
    /// Where it stands. A device that does not tell refuses also while it is away.
    pub fn population(&self) -> Population {
        let untold = self.inventory.as_ref().is_some_and(|said| said.untold.is_some());
        match (&self.reach, &self.inventory) {
            _ if untold => Population::Refused,
            (DeviceReach::Refused(_), _) => Population::Refused,
            (DeviceReach::Silent(_), _) | (_, None) => Population::NotReachable,
            (DeviceReach::Here | DeviceReach::Linked(_), Some(_)) => Population::Answered,
        }
    }
}

/// One agent.
#[derive(Debug)]
pub struct AgentReport {
    /// Its name.
    pub name: String,
    /// For whom it acts.
    pub users: BTreeSet<String>,
    /// In which projects.
    pub projects: BTreeSet<String>,
    /// In which policy classes.
    pub classes: BTreeSet<String>,
    /// Which programs, by hash.
    pub manifests: BTreeSet<[u8; 32]>,
    /// The same with how each stands.
    pub programs: Vec<ProgramReport>,
    /// Programs that bore its name on this device without being of its lineage.
    pub strangers: Vec<Lineage>,
    /// Work under its name, as known here.
    pub tasks: Vec<TaskReport>,
    /// Agents that it gave work to.
    pub delegates: BTreeSet<String>,
    /// Orders that cut it now.
    pub orders: Vec<StandingOrder>,
    /// Last decisions of this device about it, newest first.
    pub decisions: Vec<Decided>,
}

/// One piece of work.
#[derive(Debug, Clone)]
pub struct TaskReport {
    /// Its award.
    pub award: StatementId,
    /// The award it was made under.
    pub parent: Option<StatementId>,
    /// Who does it.
    pub agent: Option<String>,
    /// For whom.
    pub user: Option<String>,
    /// Where.
    pub device: Option<String>,
    /// Which device gave it.
    pub giver: Option<String>,
    /// How far it has come.
    pub state: TaskState,
    /// True when its executor said that it began.
    pub began: bool,
    /// How many permits it may have.
    pub budget: Option<u64>,
    /// When it ends in any case, Unix milliseconds.
    pub deadline_ms: Option<u64>,
    /// The cancel that counts against it.
    pub cancelled: Option<StatementId>,
}

/// How far a piece of work has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Somebody names it, and its own statement is not held here.
    Unknown,
    /// It was given; its executor has not answered yet.
    Awarded,
    /// Its executor said No.
    Refused,
    /// It runs on this device, in this phase.
    Here(&'static str),
    /// Its executor said that it began, and not that it ended.
    Running,
    /// Its executor signed how it ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// What showed it.
        seen: Seen,
        /// True when that proves that nothing of it is left.
        proven: bool,
    },
}

/// Which tasks are listed.
#[derive(Debug, Clone)]
pub enum TasksOf {
    /// What has not ended.
    Open,
    /// Everything held.
    All,
    /// The tree to which this award belongs.
    Tree(String),
    /// The trees in which this agent works.
    Agent(String),
}

impl TaskState {
    /// True when nothing more is to come.
    pub fn is_final(&self) -> bool {
        match self {
            TaskState::Refused | TaskState::Ended { .. } => true,
            TaskState::Unknown | TaskState::Awarded | TaskState::Here(_) | TaskState::Running => {
                false
            }
        }
    }
}

impl Engine {
    /// Every device of the fleet.
    pub(crate) fn device_reports(&self) -> Vec<DeviceReport> {
        self.known.registry.devices().map(|device| self.device_report(device)).collect()
    }

    fn device_report(&self, device: &Device) -> DeviceReport {
        let own = device.key == self.key;
        let term = Term::Device(device.id.clone());
        let against =
            self.known.orders.standing().filter(|order| order.subject.terms() == [term.clone()]);
        let ago = |at: BootTime| BootTime::since_ms(self.now.boot, at);
        let first = |all: &[belay_crdt::releases::ReleaseInForce]| {
            all.first().map(|release| release.header.version.clone())
        };
        let judging = self.known.releases.judging(&self.config.ring);
        DeviceReport {
            name: device.id.name().to_owned(),
            kind: device.kind,
            site: device.site.clone(),
            owner: device.owner.name().to_owned(),
            reach: self.device_reach(device),
            beacon: self.is_beacon(&device.key),
            lease: own.then(|| self.reach(self.run_lease())),
            drew_ms_ago: self.holder.drew_at(&device.key).map(ago),
            release: if own { first(judging.all()) } else { self.holder.version_of(&device.key) },
            orders: against.map(|order| self.standing_order(order)).collect(),
            inventory: self.inventory_of(device).cloned(),
        }
    }

    fn device_reach(&self, device: &Device) -> DeviceReach {
        if device.key == self.key {
            return DeviceReach::Here;
        }
        if let Some(since) = self.links.linked_at(&device.key) {
            return DeviceReach::Linked(BootTime::since_ms(self.now.boot, since));
        }
        if let Some(reason) = self.links.refusal_by(&device.key) {
            return DeviceReach::Refused(reason.to_owned());
        }
        let gone = self.links.gone_at(&device.key);
        DeviceReach::Silent(gone.map(|at| BootTime::since_ms(self.now.boot, at)))
    }

    /// Every agent that something known here names.
    pub(crate) fn agent_reports(&self) -> Vec<AgentReport> {
        let terms = self.known_terms();
        let agents = terms.iter().filter_map(|term| match term {
            Term::Agent(id) => Some(id),
            _ => None,
        });
        let tasks = self.every_task();
        agents.map(|id| self.agent_report(id, &tasks)).collect()
    }

    /// One agent.
    pub(crate) fn agent_named(&self, name: &str) -> Result<AgentReport, Refusal> {
        let mut reports = self.agent_reports();
        match reports.iter().position(|report| report.name == name) {
            Some(at) => Ok(reports.swap_remove(at)),
            // The same refusal with the nearest names as everywhere.
            None => Err(self.link_of_agent(name).err().unwrap_or_else(|| {
                Refusal::new(RefusalKind::Failed, "the agent has just gone", "try again")
            })),
        }
    }

    fn agent_report(&self, id: &AgentId, tasks: &[TaskReport]) -> AgentReport {
        let claims =
            || self.known.registry.claims().filter(|issued| issued.credential.agent == *id);
        let own: Vec<TaskReport> =
            tasks.iter().filter(|task| task.agent.as_deref() == Some(id.name())).cloned().collect();
        let below =
            tasks.iter().filter(|task| own.iter().any(|above| Some(above.award) == task.parent));
        let manifests = claims().map(|issued| issued.credential.manifest);
        let manifests: BTreeSet<[u8; 32]> = manifests.filter(|hash| *hash != [0; 32]).collect();
        AgentReport {
            name: id.name().to_owned(),
            users: claims().map(|issued| issued.credential.user.name().to_owned()).collect(),
            projects: claims().map(|issued| issued.credential.project.name().to_owned()).collect(),
            classes: claims().map(|issued| issued.credential.class.name().to_owned()).collect(),
            strangers: self.own_id().map(|own| self.strangers(id, &own)).unwrap_or_default(),
            programs: manifests.iter().map(|file| self.program_report(file)).collect(),
            manifests,
            delegates: below.filter_map(|task| task.agent.clone()).collect(),
            orders: self.orders_against(id),
            decisions: self.decisions_of(id.name()).take(DECISIONS_SHOWN).cloned().collect(),
            tasks: own,
        }
    }

    /// What the gate would find against this agent, by name or by what its chains carry.
    fn orders_against(&self, id: &AgentId) -> Vec<StandingOrder> {
        let orders = &self.known.orders;
        let term = Term::Agent(id.clone());
        let named = orders.standing().filter(|order| order.subject.terms() == [term.clone()]);
        let mut ids: BTreeSet<StatementId> = named.map(|order| order.id).collect();
        let claims = self.known.registry.claims().filter(|i| i.credential.agent == *id);
        let now_ms = self.wall_now_ms();
        let live = claims.filter(|issued| issued.expiry_ms.is_none_or(|end| now_ms < end));
        let chains: Vec<Chain> = live
            .filter_map(|i| self.known.tasks.chain_of(&self.known.registry, &i.id).ok())
            .collect();
        ids.extend(chains.iter().flat_map(|chain| orders.all_cuts(chain)).map(|cut| cut.order));
        let all = ids.iter().filter_map(|id| orders.order(id));
        all.map(|order| self.standing_order(order)).collect()
    }

    /// The tasks that were asked for; of a tree, whatever stands above a branch comes before it.
    pub(crate) fn task_reports(&self, of: &TasksOf) -> Result<Vec<TaskReport>, Refusal> {
        let all = self.every_task();
        let trees = |roots: BTreeSet<StatementId>| -> Vec<TaskReport> {
            let roots = all.iter().map(|task| task.award).filter(|id| roots.contains(id));
            roots.flat_map(|root| below(&all, root)).collect()
        };
        match of {
            TasksOf::Open => Ok(all.into_iter().filter(|task| !task.state.is_final()).collect()),
            TasksOf::All => Ok(all),
            TasksOf::Tree(digits) => {
                let id = self.statement_named(digits)?;
                let at = all.iter().find(|task| task.award == id);
                let at = at.ok_or_else(|| {
                    let why = format!("{id} is no award");
                    Refusal::new(RefusalKind::WrongUse, why, "`belay task list` shows awards")
                })?;
                Ok(trees(BTreeSet::from([root_of(&all, at.award)])))
            }
            TasksOf::Agent(name) => {
                self.link_of_agent(name)?;
                let own = all.iter().filter(|task| task.agent.as_ref() == Some(name));
                let roots = own.map(|task| root_of(&all, task.award)).collect();
                Ok(trees(roots))
            }
        }
    }

    fn every_task(&self) -> Vec<TaskReport> {
        let tasks = &self.known.tasks;
        let mut ids: BTreeSet<StatementId> = tasks.awards().map(|award| award.id()).collect();
        ids.extend(tasks.named_awards_not_held().map(|(award, _)| *award));
        ids.iter().map(|id| self.task_report(id)).collect()
    }

    /// One piece of work.
    pub(crate) fn task_report(&self, award: &StatementId) -> TaskReport {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        let given = tasks.award(award);
        let reach = tasks.reach_of_award(registry, award);
        let promised = given.and_then(|said| tasks.delegation(&said.body.delegation?));
        let link = reach.chain.acting();
        let agent = promised.map(|said| said.body.agent.name().to_owned());
        let giver = given.and_then(|said| registry.device_by_key(&said.key()));
        TaskReport {
            award: *award,
            parent: tasks.parents(registry, award).first().copied(),
            agent: agent.or_else(|| link.map(|link| link.agent.name().to_owned())),
            user: link.map(|link| link.user.name().to_owned()),
            device: given.map(|said| said.body.executor.name().to_owned()),
            giver: giver.map(|device| device.id.name().to_owned()),
            state: self.task_state(award),
            began: !tasks.started(registry, award).is_empty(),
            budget: promised.map(|said| said.body.budget),
            deadline_ms: given
                .and_then(|said| said.body.deadline_ms)
                .or(promised.map(|said| said.body.deadline_ms)),
            cancelled: tasks.cancelled(registry, award),
        }
    }

    fn task_state(&self, award: &StatementId) -> TaskState {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        if tasks.award(award).is_none() {
            return TaskState::Unknown;
        }
        if let Some(task) = self.work.task(award) {
            return TaskState::Here(task.phase.as_str());
        }
        if let Some(last) = tasks.receipts(registry, award).last() {
            let Receipt { outcome, seen, .. } = *last.body;
            return TaskState::Ended { outcome, seen, proven: shows_the_end(outcome, seen) };
        }
        if !tasks.refused(registry, award).is_empty() {
            return TaskState::Refused;
        }
        match tasks.started(registry, award).is_empty() {
            true => TaskState::Awarded,
            false => TaskState::Running,
        }
    }
}

fn shows_the_end(outcome: Outcome, seen: Seen) -> bool {
    match outcome {
        Outcome::NeverStarted | Outcome::StoppedByRestart => true,
        Outcome::FinishedBefore | Outcome::Stopped => seen != Seen::NotSeen,
        Outcome::NotProven | Outcome::Unstoppable => false,
    }
}

fn root_of(all: &[TaskReport], award: StatementId) -> StatementId {
    let mut at = award;
    // A chain of hashes cannot close on itself; the count only bounds what is held.
    for _ in 0..all.len() {
        let parent = all.iter().find(|task| task.award == at).and_then(|task| task.parent);
        match parent {
            Some(parent) => at = parent,
            None => break,
        }
    }
    at
}

/// A task and everything below it, each before what it made.
fn below(all: &[TaskReport], root: StatementId) -> Vec<TaskReport> {
    let mut found: Vec<TaskReport> = Vec::new();
    let mut open = vec![root];
    while let Some(at) = open.pop() {
        if found.iter().any(|task| task.award == at) {
            continue;
        }
        found.extend(all.iter().find(|task| task.award == at).cloned());
        open.extend(all.iter().filter(|task| task.parent == Some(at)).map(|task| task.award));
    }
    found
}
