//! Devices, agents and tasks, in the doors' words.

use super::programs::ProgramSaid;
use super::standing::StandingOrderSaid;
use super::why::DecidedSaid;
use crate::shell::reach_said;
use belay_identity::body::{AgentHere, ConnectorHere, Inventory};
use belay_identity::key::hex;
use belay_mesh::lineage::Lineage;
use belay_mesh::listing::{AgentReport, DeviceReach, DeviceReport, TaskReport, TaskState};
use serde::{Deserialize, Serialize};

/// One device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeviceReportSaid {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) site: Option<String>,
    pub(crate) owner: String,
    /// `here`, `linked`, `silent` or `refused`.
    pub(crate) reach: String,
    pub(crate) linked_ms: Option<u64>,
    pub(crate) silent_ms: Option<u64>,
    pub(crate) refused: Option<String>,
    pub(crate) beacon: bool,
    pub(crate) lease: Option<String>,
    pub(crate) drew_ms_ago: Option<u64>,
    pub(crate) release: Option<String>,
    pub(crate) orders: Vec<StandingOrderSaid>,
    /// What it said last of the agents on it; absent where it has said nothing.
    #[serde(default)]
    pub(crate) inventory: Option<InventorySaid>,
    /// Asked what runs on it: `answered`, `not-reachable` or `refused`.
    #[serde(default)]
    pub(crate) population: String,
}

/// What a device said of the agents on it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InventorySaid {
    /// False where it does not tell.
    pub(crate) told: bool,
    pub(crate) agents: Vec<AgentHereSaid>,
    pub(crate) connectors: Vec<ConnectorHereSaid>,
}

/// An agent that runs on a device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentHereSaid {
    pub(crate) agent: String,
    pub(crate) version: Option<String>,
    pub(crate) sha256: Option<String>,
    /// Its name in the fleet, where a warden holds it.
    pub(crate) governed_as: Option<String>,
}

/// A connector that an agent is configured with on a device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ConnectorHereSaid {
    pub(crate) agent: String,
    pub(crate) name: String,
    /// Whether it goes through a gateway.
    pub(crate) gateway: bool,
}

impl From<&Inventory> for InventorySaid {
    fn from(said: &Inventory) -> Self {
        let agent = |one: &AgentHere| AgentHereSaid {
            agent: one.agent.clone(),
            version: one.version.clone(),
            sha256: one.program.map(|hash| hex(&hash)),
            governed_as: one.governed_as.clone(),
        };
        let connector = |one: &ConnectorHere| ConnectorHereSaid {
            agent: one.agent.clone(),
            name: one.name.clone(),
            gateway: one.gateway,
        };
        Self {
            told: said.untold.is_none(),
            agents: said.agents.iter().map(agent).collect(),
            connectors: said.connectors.iter().map(connector).collect(),
        }
    }
}

/// One agent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgentSaid {
    pub(crate) name: String,
    pub(crate) users: Vec<String>,
    pub(crate) projects: Vec<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) manifests: Vec<String>,
    #[serde(default)]
    pub(crate) programs: Vec<ProgramSaid>,
    #[serde(default)]
    pub(crate) strangers: Vec<StrangerSaid>,
    pub(crate) tasks: Vec<WorkSaid>,
    pub(crate) delegates: Vec<String>,
    pub(crate) orders: Vec<StandingOrderSaid>,
    pub(crate) decisions: Vec<DecidedSaid>,
}

/// A program that bore an agent's name without being of its lineage.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StrangerSaid {
    pub(crate) was: String,
    pub(crate) now: String,
}

/// One piece of work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkSaid {
    pub(crate) award: String,
    pub(crate) parent: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) giver: Option<String>,
    pub(crate) state: String,
    pub(crate) here: bool,
    pub(crate) ended: bool,
    pub(crate) began: bool,
    pub(crate) seen: Option<String>,
    /// Present once its executor signed how it ended.
    pub(crate) proven: Option<bool>,
    pub(crate) budget: Option<u64>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) cancelled: Option<String>,
}

impl From<&DeviceReport> for DeviceReportSaid {
    fn from(report: &DeviceReport) -> Self {
        let linked_ms = match &report.reach {
            DeviceReach::Linked(since) => Some(*since),
            DeviceReach::Here | DeviceReach::Silent(_) | DeviceReach::Refused(_) => None,
        };
        let (reach, silent_ms, refused) = match &report.reach {
            DeviceReach::Here => ("here", None, None),
            DeviceReach::Linked(_) => ("linked", None, None),
            DeviceReach::Silent(since) => ("silent", *since, None),
            DeviceReach::Refused(reason) => ("refused", None, Some(reason.clone())),
        };
        Self {
            name: report.name.clone(),
            kind: report.kind.as_str().to_owned(),
            site: report.site.clone(),
            owner: report.owner.clone(),
            reach: reach.to_owned(),
            linked_ms,
            silent_ms,
            refused,
            beacon: report.beacon,
            lease: report.lease.map(reach_said),
            drew_ms_ago: report.drew_ms_ago,
            release: report.release.as_ref().map(ToString::to_string),
            orders: report.orders.iter().map(Into::into).collect(),
            inventory: report.inventory.as_ref().map(Into::into),
            population: report.population().as_str().to_owned(),
        }
    }
}

fn stranger(lineage: &Lineage) -> Option<StrangerSaid> {
    match lineage {
        Lineage::Unbroken => None,
        Lineage::Broken { was, now } => Some(StrangerSaid { was: hex(was), now: hex(now) }),
    }
}

impl From<&AgentReport> for AgentSaid {
    fn from(report: &AgentReport) -> Self {
        Self {
            name: report.name.clone(),
            users: report.users.iter().cloned().collect(),
            projects: report.projects.iter().cloned().collect(),
            classes: report.classes.iter().cloned().collect(),
            manifests: report.manifests.iter().map(|hash| hex(hash)).collect(),
            strangers: report.strangers.iter().filter_map(stranger).collect(),
            programs: report.programs.iter().map(Into::into).collect(),
            tasks: report.tasks.iter().map(Into::into).collect(),
            delegates: report.delegates.iter().cloned().collect(),
            orders: report.orders.iter().map(Into::into).collect(),
            decisions: report.decisions.iter().map(Into::into).collect(),
        }
    }
}

impl From<&TaskReport> for WorkSaid {
    fn from(task: &TaskReport) -> Self {
        let (state, seen, proven) = match &task.state {
            TaskState::Unknown => ("unknown", None, None),
            TaskState::Awarded => ("awarded", None, None),
            TaskState::Refused => ("refused", None, None),
            TaskState::Here(phase) => (*phase, None, None),
            TaskState::Running => ("running", None, None),
            TaskState::Ended { outcome, seen, proven } => {
                (outcome.as_str(), Some(seen.as_str().to_owned()), Some(*proven))
            }
        };
        Self {
            award: task.award.to_hex(),
            parent: task.parent.map(|id| id.to_hex()),
            agent: task.agent.clone(),
            user: task.user.clone(),
            device: task.device.clone(),
            giver: task.giver.clone(),
            state: state.to_owned(),
            here: matches!(task.state, TaskState::Here(_)),
            ended: task.state.is_final(),
            began: task.began,
            seen,
            proven,
            budget: task.budget,
            deadline_ms: task.deadline_ms,
            cancelled: task.cancelled.map(|id| id.to_hex()),
        }
    }
}
