//! Frames between peers: their bounds, their bytes, and the only maker of `Checked`.
//!
//! A frame is a type and a CBOR body. `check` decodes it and verifies every signature inside; it is
//! pure, so the shell may run it on any thread and the simulator may remember its answers. What
//! comes out proves "these keys signed these bytes for this fleet" and nothing more.
//!
//! Refused here: frames over their bounds, before anything is allocated for them; one bad statement
//! refuses its whole frame, because an honest peer passes on only what it has verified.

use crate::limits::{
    FRAME_BYTES_MAX, FRAME_HEADS_MAX, FRAME_IDS_MAX, FRAME_STATEMENTS_MAX, URGENT_FRAME_BYTES_MAX,
};
use belay_identity::codec::{self, Bytes, CodecError, Field, Problem, Value};
use belay_identity::lease::Talk;
use belay_identity::limits::POLICY_BYTES_MAX;
use belay_identity::{
    FleetId, LogHead, Signed, SignedError, Statement, StatementId, Verified, codes, record,
};
use std::sync::Arc;

/// The version of the wire that this build speaks.
pub const WIRE_VERSION: u64 = 1;

codes! {
    /// The lanes of a link, most urgent first.
    pub enum Lane {
        /// Orders and what gives them force.
        Urgent = 1 "urgent",
        /// Everything else that is new.
        Bulk = 2 "bulk",
        /// What was missed.
        Repair = 3 "repair",
    }
}

codes! {
    /// The type byte of a frame.
    pub enum FrameKind {
        /// The first frame of a link.
        Hello = 0 "hello",
        /// The last one, with its reason.
        Bye = 1 "bye",
        /// Statements.
        Statements = 2 "statements",
        /// Ids of statements that can be asked for.
        Ids = 3 "ids",
        /// Ids of statements that are asked for.
        Want = 4 "want",
        /// How far every log is held.
        Heads = 5 "heads",
        /// A lease is drawn.
        Draw = 6 "draw",
        /// A lease is granted.
        Answer = 7 "answer",
        /// Work is offered.
        Offer = 8 "offer",
        /// A place is kept.
        Bid = 9 "bid",
        /// No.
        Refuse = 10 "refuse",
        /// Policies, each named by its hash.
        Bodies = 11 "bodies",
        /// Work may be awarded at once.
        Standing = 12 "standing",
    }
}

record! {
    /// Who is there, and the statements that show it.
    pub struct Hello("hello") {
        /// The wire's version.
        1 => version: u64,
        /// The fleet.
        2 => fleet: FleetId,
        /// Root epochs, invite and enrolment of the speaker.
        3 => chain: Vec<Bytes>,
        /// The highest root epoch it holds.
        4 => epoch: u64,
        /// Present where the speaker relays nothing.
        5 => leaf: Option<bool>,
    }
}

record! {
    /// Why a link ends.
    pub struct Bye("bye") {
        /// For people and logs.
        1 => reason: String,
    }
}

record! {
    /// How far the speaker holds every log.
    pub struct Heads("heads") {
        /// Digest of everything it holds.
        1 => digest: [u8; 32],
        /// This part of the list; absent in a mere comparison.
        2 => heads: Vec<LogHead>,
        /// Which part, from 1; absent in a mere comparison.
        3 => part: Option<u64>,
        /// Of how many.
        4 => parts: Option<u64>,
    }
}

/// One thing that a peer says.
#[derive(Debug, Clone)]
pub enum Frame {
    /// The first frame of a link.
    Hello(Hello, Vec<Arc<Verified<Statement>>>),
    /// The last one.
    Bye(Bye),
    /// Statements, signatures checked.
    Statements(Vec<Arc<Verified<Statement>>>),
    /// Ids that can be asked for.
    Ids(Vec<StatementId>),
    /// Ids that are asked for.
    Want(Vec<StatementId>),
    /// How far every log is held.
    Heads(Heads),
    /// Leases and offers, signature checked.
    Talk(Box<Verified<Talk>>),
    /// Policies; whoever asked compares the hash.
    Bodies(Vec<Bytes>),
}

/// Decoded and verified; made by `check` alone.
#[derive(Debug, Clone)]
pub struct Checked<T>(T);

impl<T> Checked<T> {
    /// What was checked.
    pub fn into_inner(self) -> T {
        self.0
    }
    /// A look at what was checked.
    pub fn as_inner(&self) -> &T {
        &self.0
    }
}

/// Why a frame is refused; always the peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No such frame type.
    #[error("frame type {0} is unknown to this version")]
    Kind(u8),
    /// Over the bound of its lane.
    #[error("a {lane} frame of {bytes} bytes is over the bound of {max}")]
    TooLong {
        /// The lane.
        lane: Lane,
        /// What came.
        bytes: usize,
        /// What may come.
        max: usize,
    },
    /// More items than its type allows.
    #[error("more than {0} items in one frame")]
    TooMany(usize),
    /// Not the record that its type names.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// Something inside is not signed as it must be.
    #[error("{0}")]
    Signed(#[from] SignedError),
}

/// Decodes a frame within the bounds of its lane and verifies everything signed in it.
pub fn check(
    fleet: &FleetId,
    lane: Lane,
    kind: u8,
    body: &[u8],
) -> Result<Checked<Frame>, WireError> {
    let max = bytes_max(lane);
    if body.len() > max {
        return Err(WireError::TooLong { lane, bytes: body.len(), max });
    }
    let known = FrameKind::ALL.iter().copied().find(|k| k.code() == u64::from(kind));
    decode(fleet, known.ok_or(WireError::Kind(kind))?, body).map(Checked)
}

/// The most bytes a frame of this lane may have.
pub fn bytes_max(lane: Lane) -> usize {
    match lane {
        Lane::Urgent => URGENT_FRAME_BYTES_MAX,
        Lane::Bulk | Lane::Repair => FRAME_BYTES_MAX,
    }
}

fn decode(fleet: &FleetId, kind: FrameKind, body: &[u8]) -> Result<Frame, WireError> {
    match kind {
        FrameKind::Hello => {
            let hello = Hello::from_value(value(body)?)?;
            let chain = statements(&hello.fleet, &hello.chain)?;
            Ok(Frame::Hello(hello, chain))
        }
        FrameKind::Bye => Ok(Frame::Bye(Bye::from_value(value(body)?)?)),
        FrameKind::Statements => {
            Ok(Frame::Statements(statements(fleet, &list(body, FRAME_STATEMENTS_MAX)?)?))
        }
        FrameKind::Ids => Ok(Frame::Ids(list(body, FRAME_IDS_MAX)?)),
        FrameKind::Want => Ok(Frame::Want(list(body, FRAME_IDS_MAX)?)),
        FrameKind::Heads => {
            let heads = Heads::from_value(value(body)?)?;
            let few = heads.heads.len() <= FRAME_HEADS_MAX;
            if few { Ok(Frame::Heads(heads)) } else { Err(WireError::TooMany(FRAME_HEADS_MAX)) }
        }
        FrameKind::Draw
        | FrameKind::Answer
        | FrameKind::Offer
        | FrameKind::Bid
        | FrameKind::Refuse
        | FrameKind::Standing => {
            Ok(Frame::Talk(Box::new(Signed::<Talk>::parse(body)?.verify(fleet)?)))
        }
        FrameKind::Bodies => {
            let bodies: Vec<Bytes> = list(body, FRAME_STATEMENTS_MAX)?;
            let small = bodies.iter().all(|b| b.0.len() <= POLICY_BYTES_MAX);
            if small {
                Ok(Frame::Bodies(bodies))
            } else {
                Err(WireError::TooMany(POLICY_BYTES_MAX))
            }
        }
    }
}

fn value(body: &[u8]) -> Result<Value, CodecError> {
    Ok(codec::read(body)?)
}

fn list<T: Field>(body: &[u8], items_max: usize) -> Result<Vec<T>, WireError> {
    let shape = |problem: Problem| CodecError::Shape { record: "list", problem };
    let items: Vec<T> = Vec::decode(value(body)?).map_err(shape)?;
    if items.len() > items_max { Err(WireError::TooMany(items_max)) } else { Ok(items) }
}

fn statements(
    fleet: &FleetId,
    items: &[Bytes],
) -> Result<Vec<Arc<Verified<Statement>>>, WireError> {
    let check = |item: &Bytes| Ok(Arc::new(Signed::parse(&item.0)?.verify(fleet)?));
    items.iter().map(check).collect()
}

/// The type and body of a frame that carries these statements.
pub fn write_statements(items: &[Arc<Verified<Statement>>]) -> (FrameKind, Vec<u8>) {
    let items = items.iter().map(|s| Value::Bytes(s.bytes().to_vec())).collect();
    (FrameKind::Statements, codec::write(&Value::Array(items)))
}

/// The type and body of a frame that carries talk.
pub fn write_talk(talk: &Verified<Talk>) -> (FrameKind, Vec<u8>) {
    let kind = match &**talk {
        Talk::Draw(_) => FrameKind::Draw,
        Talk::Answer(_) | Talk::TaskAnswer(_) => FrameKind::Answer,
        Talk::Offer(_) => FrameKind::Offer,
        Talk::Bid(_) => FrameKind::Bid,
        Talk::Refuse(_) => FrameKind::Refuse,
        Talk::Standing(_) => FrameKind::Standing,
    };
    (kind, talk.bytes().to_vec())
}

/// The body of a frame that is a list.
pub fn write_list<T: Field>(items: &[T]) -> Vec<u8> {
    codec::write(&Value::Array(items.iter().filter_map(Field::encode).collect()))
}
