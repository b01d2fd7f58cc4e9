//! The hooks of real coding agents: what an agent is about to do becomes acts for the gate, and
//! what the gate says goes back in that agent's own words.
//!
//! A dialect is pure: bytes in, acts out; a saying in, bytes out. One file holds each. `answer`
//! alone touches the world: it reads the call, finds where paths lead, asks the node, and says No
//! whenever it cannot. `lend` gives an agent its hook for one run.
//!
//! Refused here: deciding, and believing that a hook holds an agent which may run any program as
//! its user; that is the wall's work, and `hooks only` is said wherever a hook is all there is.

mod acts;
mod answer;
mod behind;
mod call;
mod change;
mod claude_code;
mod cline;
mod codex;
mod connector_files;
mod dialect;
mod format;
mod gemini;
mod lend;
mod lent_connectors;
mod lent_files;
mod limits;
mod open_ways;
mod openclaw;
mod opencode;
mod places;
mod plugin;
mod plugin_entry;
mod rewire;
mod shell_line;
mod tenants;
mod trust;
mod wrap;

pub(crate) use answer::answer;
pub(crate) use behind::{Behind, Gateway, Left, Move, is_gateway};
pub(crate) use change::{Change, Serves};
pub(crate) use connector_files::{ConnectorFile, connector_files};
pub(crate) use dialect::Dialect;
pub(crate) use lend::{HookCommand, Lending, Lent, lend};
pub(crate) use lent_connectors::{LentConnector, configured, for_a_run};
pub(crate) use open_ways::{open_ways, open_ways_of_a_run};
pub(crate) use places::{
    Place, companions, hook_change, hook_file, managed_connectors, managed_connectors_file,
};
pub(crate) use tenants::Tenants;
pub(crate) use trust::holds as codex_calls;
pub(crate) use wrap::{Base, Stands, Undone, Wrap};
