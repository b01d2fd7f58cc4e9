//! The words of a lease: a draw by nonce, and the answer of somebody entitled.
//!
//! The holder draws a nonce at t0 on its boot clock, the answer signs it, the lease ends at t0 + A
//! (Gray and Cheriton 1989: the holder counts from when it asked). A replayed or delayed answer can
//! therefore never make a lease longer.
//!
//! Refused here: saying who is entitled, and when a lease ends. That is the engine's decision.

use crate::body::{Credential, Delegation, Payload, ReleaseVersion};
use crate::codec::{Bytes, CodecError, Problem, Value};
use crate::key::PublicKey;
use crate::limits::STATEMENT_BYTES_MAX;
use crate::principal::{AgentId, DeviceId};
use crate::record;
use crate::signed::{Content, StatementId};
use crate::statement::{Incarnation, LogHead};

record! {
    /// Asks for a lease: the device's own, or that of one award.
    pub struct Draw("draw") {
        /// Fresh for every draw.
        1 => nonce: [u8; 16],
        /// The award whose lease is asked for; absent for the device's own.
        2 => award: Option<StatementId>,
        /// Hash of the order heads that the asker holds.
        3 => heads: [u8; 32],
    }
}

record! {
    /// Grants a device lease; signed by a beacon, or passed on by a gateway.
    pub struct Answer("answer") {
        /// The draw's nonce.
        1 => nonce: [u8; 16],
        /// The device that drew it.
        2 => holder: PublicKey,
        /// Order logs that this beacon holds on disk and the asker did not show; none where equal,
        /// and none where there are too many: `disk` tells the two apart.
        3 => heads: Vec<LogHead>,
        /// The release in force at the beacon.
        4 => release: Option<StatementId>,
        /// Its version.
        5 => version: Option<ReleaseVersion>,
        /// How old what is passed on is at most, milliseconds; 0 at a root beacon.
        6 => upstream_age_ms: u64,
        /// The beacon's wall clock, Unix milliseconds.
        7 => wall_ms: u64,
        /// Hash of all order heads that its signer holds on disk, so that the answer says by
        /// itself which orders he has heard.
        8 => disk: Option<[u8; 32]>,
        /// The beacons' own answers to a gateway, whole, where it passes them on.
        9 => passed: Vec<Bytes>,
    }
}

record! {
    /// Grants a task lease; signed by the delegator's device while its own lease holds.
    pub struct TaskAnswer("task answer") {
        /// The draw's nonce.
        1 => nonce: [u8; 16],
        /// The device that drew it.
        2 => holder: PublicKey,
        /// The award it keeps alive.
        3 => award: StatementId,
    }
}

record! {
    /// What a delegation would say, before there is one: nothing is granted to whoever only bids.
    pub struct Terms("terms") {
        /// The agent that may act.
        1 => agent: AgentId,
        /// The device it may act on: the one that is asked.
        2 => device: DeviceId,
        /// The actions it may take.
        3 => tools: Vec<String>,
        /// The highest data class it may touch.
        4 => data: u64,
        /// How many links may follow.
        5 => depth: u64,
        /// How many permits it may use.
        6 => budget: u64,
        /// When it ends, Unix milliseconds.
        7 => deadline_ms: u64,
        /// Classes of data that the giver had met.
        8 => carried: Vec<String>,
    }
}

impl Terms {
    /// The delegation that these terms make once this credential signs it.
    pub fn under(&self, from: StatementId) -> Delegation {
        let Self { agent, device, tools, data, depth, budget, deadline_ms, carried } = self.clone();
        Delegation { from, agent, device, tools, data, depth, budget, deadline_ms, carried }
    }
}

record! {
    /// Asks a device to take work; the credentials and delegations above come beside it.
    pub struct Offer("offer") {
        /// Fresh for every offer.
        1 => nonce: [u8; 16],
        /// The credential that would delegate; absent where a tree begins with this work.
        2 => from: Option<StatementId>,
        /// Where a tree begins: its first credential, as it will be signed with the award.
        3 => root: Option<Credential>,
        /// What the delegation would say.
        4 => terms: Terms,
        /// The command line, program first.
        5 => argv: Vec<String>,
        /// What the device must be able to do.
        6 => needs: Vec<String>,
        /// True where this device was named: its load is then no reason to refuse.
        7 => named: bool,
        /// The standing offer that is taken up: the award follows without a bid.
        8 => standing: Option<[u8; 16]>,
        /// The file that would travel with the award.
        9 => payload: Option<Payload>,
    }
}

record! {
    /// Lets one device award small pieces of work at once, for a while; void with the process that
    /// said it.
    pub struct StandingOffer("standing offer") {
        /// Fresh for every standing offer.
        1 => nonce: [u8; 16],
        /// The device that may take it up.
        2 => holder: PublicKey,
        /// The life of the device that says it.
        3 => incarnation: Incarnation,
        /// How many pieces.
        4 => places: u64,
        /// For how long, milliseconds.
        5 => lasts_ms: u64,
    }
}

record! {
    /// Holds a place for an offer for a short time.
    pub struct Bid("bid") {
        /// The offer's nonce.
        1 => nonce: [u8; 16],
        /// The device that offered.
        2 => offerer: PublicKey,
        /// How long the reservation stands, milliseconds.
        3 => reserved_ms: u64,
    }
}

record! {
    /// Says No to an offer or an award, with the reason that the offerer may show.
    pub struct Refuse("refuse") {
        /// The offer's nonce.
        1 => nonce: [u8; 16],
        /// The device that offered.
        2 => offerer: PublicKey,
        /// Why, and what would change it.
        3 => reason: String,
    }
}

/// What two devices say to each other about leases and offers; never a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Talk {
    /// Asks for a lease.
    Draw(Draw),
    /// Grants a device lease.
    Answer(Answer),
    /// Grants a task lease.
    TaskAnswer(TaskAnswer),
    /// Offers work.
    Offer(Box<Offer>),
    /// Holds a place.
    Bid(Bid),
    /// Says No.
    Refuse(Refuse),
    /// Lets a device award at once.
    Standing(StandingOffer),
}

impl Content for Talk {
    fn kind(&self) -> &str {
        match self {
            Talk::Draw(_) => "draw",
            Talk::Answer(_) => "answer",
            Talk::TaskAnswer(_) => "task-answer",
            Talk::Offer(_) => "offer",
            Talk::Bid(_) => "bid",
            Talk::Refuse(_) => "refuse",
            Talk::Standing(_) => "standing-offer",
        }
    }

    fn payload(&self) -> Value {
        match self {
            Talk::Draw(body) => body.to_value(),
            Talk::Answer(body) => body.to_value(),
            Talk::TaskAnswer(body) => body.to_value(),
            Talk::Offer(body) => body.to_value(),
            Talk::Bid(body) => body.to_value(),
            Talk::Refuse(body) => body.to_value(),
            Talk::Standing(body) => body.to_value(),
        }
    }

    fn decode(kind: &str, payload: Value) -> Result<Self, CodecError> {
        match kind {
            "draw" => Draw::from_value(payload).map(Talk::Draw),
            "answer" => Answer::from_value(payload).map(Talk::Answer),
            "task-answer" => TaskAnswer::from_value(payload).map(Talk::TaskAnswer),
            "offer" => Offer::from_value(payload).map(|offer| Talk::Offer(Box::new(offer))),
            "bid" => Bid::from_value(payload).map(Talk::Bid),
            "refuse" => Refuse::from_value(payload).map(Talk::Refuse),
            "standing-offer" => StandingOffer::from_value(payload).map(Talk::Standing),
            _ => Err(CodecError::Shape { record: "talk", problem: Problem::Invalid }),
        }
    }

    fn bytes_max(_kind: &str) -> usize {
        STATEMENT_BYTES_MAX
    }
}
