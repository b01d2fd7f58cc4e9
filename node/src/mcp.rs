//! The gateway for the Model Context Protocol: what an agent names as its one server, and behind
//! which all others stand.
//!
//! `gateway` thinks; it is made of `json` and `message` (what was said), `method` (the table),
//! `name`, `argument` (what the gate looks at), `pin` (what was approved) and `denial` (how a No
//! looks). `connectors` is the file of what may be reached; `session` is its hands, `child`,
//! `remote` and `relay` are the ways to a server, with `bridge` between the eras; `http` is its
//! other door. It runs below the agent's warden, and so do the programs that it starts: they end
//! with the agent. Servers that something secret opens are reached by the node, where the same
//! gateway stands once more.
//! Refused here: deciding. The node's gate does, at the agents' door.

mod argument;
mod bridge;
pub(crate) mod child;
pub(crate) mod connectors;
pub(crate) mod credential;
mod denial;
mod events;
pub(crate) mod gate;
mod gateway;
pub(crate) mod http;
pub(crate) mod json;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod method;
pub(crate) mod name;
mod param;
pub(crate) mod pin;
mod posing;
pub(crate) mod reached;
mod relay;
pub(crate) mod remote;
pub(crate) mod session;
