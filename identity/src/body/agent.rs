//! Agents, what they are for a while, and what they hand on.

use crate::key::PublicKey;
use crate::principal::{AgentId, ClassId, DeviceId, ProjectId, UserId};
use crate::record;
use crate::signed::StatementId;

record! {
    /// An agent is known on the device that says so.
    pub struct Agent("agent") {
        /// Who it is.
        1 => agent: AgentId,
    }
}

record! {
    /// An agent's short-lived right to be itself on its author's device; the expiry stands in the
    /// statement, the delegation it acts under, if any, in its refs.
    pub struct Credential("credential") {
        /// The fresh key, held in the node's memory only.
        1 => key: PublicKey,
        /// Who acts.
        2 => agent: AgentId,
        /// Whose reach it borrows.
        3 => user: UserId,
        /// For which project.
        4 => project: ProjectId,
        /// Under which policy class.
        5 => class: ClassId,
        /// The program, by SHA-256.
        6 => manifest: [u8; 32],
        /// Where it acts.
        7 => device: DeviceId,
        /// The generations of all of them.
        8 => generations: Generations,
        /// The statement id of the tree's first credential; absent in that one.
        9 => tree: Option<StatementId>,
        /// The interpreters that read the program, by SHA-256, where it is a script.
        10 => run_by: Vec<[u8; 32]>,
    }
}

record! {
    /// Which generation of each principal a credential was made for.
    pub struct Generations("generations") {
        /// Of the agent.
        1 => agent: u64,
        /// Of the user.
        2 => user: u64,
        /// Of the project.
        3 => project: u64,
        /// Of the policy class.
        4 => class: u64,
        /// Of the device.
        5 => device: u64,
    }
}

record! {
    /// A narrowing grant, signed by the delegating credential's key.
    pub struct Delegation("delegation") {
        /// The credential that delegates.
        1 => from: StatementId,
        /// The agent that may act.
        2 => agent: AgentId,
        /// The device it may act on.
        3 => device: DeviceId,
        /// The actions it may take, as `class.verb` or `class.*`.
        4 => tools: Vec<String>,
        /// The highest data class it may touch.
        5 => data: u64,
        /// How many links may follow.
        6 => depth: u64,
        /// How many permits it may use.
        7 => budget: u64,
        /// When it ends, Unix milliseconds.
        8 => deadline_ms: u64,
        /// Classes of data that the giver had met: what it hands over may hold them.
        9 => carried: Vec<String>,
    }
}
