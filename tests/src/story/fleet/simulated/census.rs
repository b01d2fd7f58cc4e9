//! What a simulated device finds on it, and what it is known to say.

use super::super::{Heard, Tells};
use belay_identity::body::{AgentHere, Inventory, Untold};
use belay_mesh::listing::{DeviceReach, DeviceReport};

/// The word for the agent that nobody governs.
const OUTSIDE: &str = "codex";

/// What a device tells, while the agent outside runs or does not.
pub(super) fn found(tells: Tells, outside: bool) -> Inventory {
    let agent =
        || AgentHere { agent: OUTSIDE.into(), version: None, program: None, governed_as: None };
    let (agents, untold) = match tells {
        Tells::All => (outside.then(agent).into_iter().collect(), None),
        Tells::Nothing => (Vec::new(), Some(Untold::Refused)),
    };
    Inventory { agents, connectors: Vec::new(), untold }
}

/// A line of the list.
pub(super) fn heard(report: &DeviceReport) -> Heard {
    let mut agents = report.inventory.iter().flat_map(|said| &said.agents);
    Heard {
        device: report.name.clone(),
        population: report.population().as_str().to_owned(),
        before: !matches!(report.reach, DeviceReach::Here | DeviceReach::Linked(_)),
        outside: agents.any(|one| one.agent == OUTSIDE && one.governed_as.is_none()),
    }
}
