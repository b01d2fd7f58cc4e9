//! The doors: Unix sockets on which the programs of one user talk to their node.
//!
//! One request is one line of JSON, and so is its answer; a connection may carry several. Read in
//! this order: `serve` (the node's side), `caller` (who calls), `client` (the other side),
//! `message` and `lines` (what goes over the wire). Requests and answers are the caller's types.

mod caller;
mod client;
mod error;
mod limits;
mod lines;
mod message;
mod serve;
#[cfg(test)]
mod tests;

pub use caller::{Caller, Process};
pub use client::DoorClient;
pub use error::{CallerError, DoorError, ListenError, VisitEnd};
pub use limits::{
    ANCESTRY_DEPTH_MAX, ANSWER_BYTES_MAX, ANSWER_MS_MAX, FIRST_REQUEST_MS_MAX, NEXT_REQUEST_MS_MAX,
    REQUEST_BYTES_MAX, VISITS_MAX,
};
pub use message::Refusal;
pub use serve::{Door, DoorName, Seat, Visit};
