//! What a device says of the agents on it, governed or not.

use crate::{codes, record};

record! {
    /// Agents and connectors of a device, as its node found them; a register.
    pub struct Inventory("inventory") {
        /// Agents that run there.
        1 => agents: Vec<AgentHere>,
        /// Connectors that agents are configured with there.
        2 => connectors: Vec<ConnectorHere>,
        /// Where it does not tell; nothing else is said then.
        3 => untold: Option<Untold>,
    }
}

codes! {
    /// Why a device does not tell.
    pub enum Untold {
        /// Whoever answers for it does not want it told.
        Refused = 1 "refused",
    }
}

record! {
    /// An agent that runs on a device.
    pub struct AgentHere("agent-here") {
        /// The word for it, such as `codex`.
        1 => agent: String,
        /// Its version, as its package says.
        2 => version: Option<String>,
        /// SHA-256 of its program's file.
        3 => program: Option<[u8; 32]>,
        /// The agent's name in the fleet, where a warden holds it.
        4 => governed_as: Option<String>,
    }
}

record! {
    /// A connector that an agent is configured with.
    pub struct ConnectorHere("connector-here") {
        /// The agent, by the word for it.
        1 => agent: String,
        /// Its name in the agent's configuration.
        2 => name: String,
        /// Whether it goes through a gateway of the fleet's.
        3 => gateway: bool,
    }
}
