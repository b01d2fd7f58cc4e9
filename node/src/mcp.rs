//! The gateway for the Model Context Protocol: what an agent names as its one server, and behind
//! which all others stand.
//!
//! `gateway` thinks; it is made of `json` and `message` (what was said), `method` (the table),
//! `name`, `argument` (what the gate looks at), `pin` (what was approved) and `denial` (how a No
//! looks). `connectors` is the file of what may be reached; `session` and `child` are its hands.
//! It runs below the agent's warden, and so do the servers that it starts: they end with the agent.
//! Refused here: deciding. The node's gate does, at the agents' door.

mod argument;
pub(crate) mod child;
pub(crate) mod connectors;
mod denial;
mod gate;
mod gateway;
pub(crate) mod http;
pub(crate) mod json;
pub(crate) mod limits;
pub(crate) mod message;
mod method;
pub(crate) mod name;
pub(crate) mod pin;
mod posing;
pub(crate) mod session;
