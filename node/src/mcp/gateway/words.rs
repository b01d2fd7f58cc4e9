//! What goes into the gateway's thinking and what comes out of it, for those who move it.
//!
//! Refused here: thinking.

use crate::api::{OutlookAsk, OutlookSaid, VerdictSaid};
use crate::mcp::json::Json;
use crate::mcp::message::Message;
use crate::mcp::pin::{Change, Pins};

/// A server that may be used, and what was approved of it.
#[derive(Debug, Clone)]
pub(crate) struct Approved {
    /// The connector's name.
    pub(crate) name: String,
    /// How it is reached, as far as that is part of what was approved.
    pub(crate) reached: Json,
    /// Who judges what is asked of it.
    pub(crate) judged: Judged,
    /// What was approved; none while somebody looks at it in order to approve it.
    pub(crate) pins: Option<Pins>,
}

/// Who judges what is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// This gateway asks.
    Here,
    /// The one that the node hosts for it does, and is the only way to it.
    Elsewhere,
}

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// The client says something, on a channel of its own.
    Client { via: u64, bytes: Vec<u8> },
    /// The client says something that was read already.
    Said { via: u64, message: Box<Message> },
    /// The client does not listen on this channel any more, which is how its era takes back what it
    /// asked there.
    Hangup { via: u64 },
    /// The client's message was longer than any may be, and is forgotten.
    ClientTooLong { via: u64 },
    /// A server says something.
    Server { at: usize, bytes: Vec<u8> },
    /// A server is gone.
    Gone { at: usize, why: String },
    /// The gate has answered.
    Judged { ask: u64, said: Said },
    /// Time has passed.
    Tick,
    /// The client is gone, and nothing more is said to it.
    Left,
}

/// What the gate said.
#[derive(Debug)]
pub(crate) enum Said {
    /// To an act.
    Act(Box<VerdictSaid>),
    /// What may be expected.
    Outlook(Box<OutlookSaid>),
    /// Nothing; what went wrong, and what to do next.
    Nothing { what: String, hint: String },
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Say this to the client; `last` where it answers what was asked on that channel.
    Client { via: u64, message: Json, last: bool },
    /// Start a server.
    Start { at: usize },
    /// Say this to a server.
    Server { at: usize, message: Json },
    /// End a server.
    End { at: usize },
    /// Ask the gate.
    Ask { ask: u64, question: Question },
    /// Tell the node what came of a permit.
    Outcome { of: String, came: Came, took_ms: u64 },
    /// Tell the node how a server differs from what was approved.
    Differs { at: usize, changes: Vec<Change> },
}

/// What came of a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was done.
    Done,
    /// It was tried and failed.
    Failed,
    /// It was taken back while it was being done.
    Cancelled,
    /// It was never sent.
    NotTried,
}

/// What the gate is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// For a permit.
    Act(OutlookAsk),
    /// What may be expected for these, and whether the agent may act at all.
    Outlook(Vec<OutlookAsk>),
}
