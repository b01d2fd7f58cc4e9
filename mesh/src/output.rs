//! Everything a node may ask of the world, each with the id of its answer.

use crate::approval::Waiting;
use crate::authority_report::AuthorityReport;
use crate::drafts::DraftLine;
use crate::epoch::EpochDraft;
use crate::event::Came;
use crate::gate::{Outlook, Verdict};
use crate::input::{AskId, OnDisk, WriteId};
use crate::listing::{AgentReport, DeviceReport, TaskReport};
use crate::policy_history::HistoryLine;
use crate::policy_report::{PolicyReport, ReleaseReport};
use crate::programs::{ManifestReport, ProgramReport};
use crate::standing::StandingReport;
use crate::statements::StatementList;
use crate::status::{Progress, Status};
use crate::time::BootTime;
use crate::why::Why;
use crate::wire::{FrameKind, Lane};
use belay_crdt::drafts::Draft;
use belay_identity::body::{Cause, Outcome, Payload};
use belay_identity::chain::Program;
use belay_identity::principal::{DeviceId, OperatorId};
use belay_identity::{FleetId, Incarnation, PublicKey, StatementId, codes};
use std::sync::Arc;

/// One thing to do.
#[derive(Debug)]
pub enum Output {
    /// Send a frame.
    Send {
        /// To whom.
        link: PublicKey,
        /// In which lane.
        lane: Lane,
        /// Its type.
        kind: FrameKind,
        /// Its body.
        body: Vec<u8>,
    },
    /// The link's other lanes may be read.
    Admit {
        /// Whose.
        link: PublicKey,
    },
    /// Say what is queued, then close the link.
    Hangup {
        /// Which.
        link: PublicKey,
    },
    /// Keep this member dialled.
    Dial {
        /// Whom.
        link: PublicKey,
        /// Where it says that it listens.
        addresses: Vec<String>,
    },
    /// Dial this member no longer; a link that stands stays.
    Forget {
        /// Whom.
        link: PublicKey,
    },
    /// Keep a place at these members, to be reached over them, and at no others.
    Reserve {
        /// At which, best first.
        relays: Vec<PublicKey>,
    },
    /// Write these, answer with `Persisted` or `WriteFailed`.
    Persist {
        /// Names the write.
        write: WriteId,
        /// What to write, in order.
        records: Vec<Record>,
        /// Whether reserved space may be used.
        urgency: Urgency,
    },
    /// Answer a question.
    Answer {
        /// Which.
        ask: AskId,
        /// What.
        answer: Result<Box<Answer>, Refusal>,
    },
    /// Look up a program on this device's disk, answer with `Inspected`.
    Inspect {
        /// The offer that names it.
        nonce: [u8; 16],
        /// The program as it was named.
        program: String,
    },
    /// Fetch the payload of a task into its folder, answer with `Fetched`.
    Fetch {
        /// The task's award.
        award: StatementId,
        /// What to fetch.
        payload: Payload,
        /// The device that has it; this one where it gives work to itself.
        from: PublicKey,
        /// Where that device says that it can be reached.
        addresses: Vec<String>,
    },
    /// That payload is not wanted any more; no answer.
    Abandon {
        /// The task's award.
        award: StatementId,
    },
    /// Start a warden for this award.
    Start {
        /// Which.
        award: StatementId,
        /// The command line, program first.
        argv: Vec<String>,
        /// The agent's name.
        agent: String,
        /// What the program must be.
        program: Program,
        /// How long it may run for now.
        until: BootTime,
        /// How long its warden waits frozen before it ends the tree, milliseconds.
        lapse_grace_ms: u64,
    },
    /// Let the tree run until this moment.
    Feed {
        /// Which.
        award: StatementId,
        /// The moment.
        until: BootTime,
    },
    /// Let the tree stand still.
    Freeze {
        /// Which.
        award: StatementId,
    },
    /// End the tree: terminate, wait, kill, look.
    End {
        /// Which.
        award: StatementId,
        /// Between terminate and kill, milliseconds.
        grace_ms: u64,
    },
    /// Something people may want to know.
    Tell(Event),
}

/// Whether a write may use the space reserved for what must not be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// An ordinary write.
    Ordinary,
    /// An order or a receipt.
    Reserved,
}

/// One thing to write.
#[derive(Debug, Clone)]
pub enum Record {
    /// A statement.
    Statement {
        /// Its id.
        id: StatementId,
        /// Its original bytes.
        bytes: Arc<[u8]>,
    },
    /// A policy.
    Body {
        /// Its hash.
        hash: [u8; 32],
        /// Its canonical bytes.
        bytes: Vec<u8>,
    },
    /// A verdict of the gate.
    Audit {
        /// The task that asked.
        task: StatementId,
        /// Hash of the act.
        act: [u8; 32],
        /// The verdict.
        verdict: Box<Verdict>,
        /// Own wall clock, Unix milliseconds.
        wall_ms: u64,
        /// How many decisions this device has taken before it.
        number: u64,
        /// The decision with what mattered, for `event::Event::read`, and for `Engine::recall`.
        told: Vec<u8>,
    },
    /// What came of a permitted act.
    Outcome {
        /// Hash of the act.
        act: [u8; 32],
        /// What came of it.
        came: Came,
        /// Own wall clock, Unix milliseconds.
        wall_ms: u64,
        /// The whole of it, for `event::Event::read`.
        told: Vec<u8>,
    },
}

/// What a question is answered with.
#[derive(Debug)]
pub enum Answer {
    /// How things stand.
    Status(Status),
    /// Where the next statement stands.
    Place(Place),
    /// Root epochs with their approvals, original bytes.
    Roots(Vec<Vec<u8>>),
    /// The statements are on disk and on their way.
    Accepted(Vec<StatementId>),
    /// What waits for a yes.
    Waiting(Vec<Waiting>),
    /// A root epoch to be signed.
    NextEpoch(Box<EpochDraft>),
    /// Who may do what.
    Authority(Box<AuthorityReport>),
    /// The agent may run.
    Run(RunGrant),
    /// What the gate said.
    Verdict(Verdict),
    /// What a task may expect.
    Outlook(Box<Outlook>),
    /// The work runs, or has ended.
    Offloaded(Offloaded),
    /// How far an order has come.
    Progress(Progress),
    /// A case file.
    Case(Vec<u8>),
    /// The devices of the fleet.
    Devices(Vec<DeviceReport>),
    /// Agents.
    Agents(Vec<AgentReport>),
    /// Pieces of work.
    Tasks(Vec<TaskReport>),
    /// What stands behind an id.
    Why(Why),
    /// A cancel is on disk and on its way.
    Cancelled(StatementId),
    /// An outcome is on disk.
    Noted,
    /// What stands against whom.
    Standing(Box<StandingReport>),
    /// Manifests.
    Manifests(Vec<ManifestReport>),
    /// Programs.
    Programs(Vec<ProgramReport>),
    /// What judges here.
    Policy(Box<PolicyReport>),
    /// Every release of the ring, newest first.
    History(Vec<HistoryLine>),
    /// One release with its policy.
    Release(Box<ReleaseReport>),
    /// Drafts of policy.
    Drafts(Vec<DraftLine>),
    /// One draft: which changes count in it, for `drafts::read`.
    Draft(Box<Draft>),
    /// Statements held here.
    Statements(StatementList),
    /// The original bytes of one statement.
    Statement(Vec<u8>),
}

/// Where the next statement of a log stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// The incarnation under which this state numbers the key.
    pub incarnation: Incarnation,
    /// The next number.
    pub seq: u64,
    /// The statement before it.
    pub prev: Option<StatementId>,
    /// The standing root epoch.
    pub epoch: u64,
    /// The fleet.
    pub fleet: FleetId,
    /// This device; the home of orders given here.
    pub device: Option<DeviceId>,
    /// The device whose key it is, with the enrolment by which it stands.
    pub member: Option<(DeviceId, StatementId)>,
    /// The operator whose key it is.
    pub operator: Option<OperatorId>,
    /// True for a key of the standing root, or of an epoch that waits for approvals.
    pub root: bool,
}

/// An agent may run here.
#[derive(Debug, Clone)]
pub struct RunGrant {
    /// Its award.
    pub award: StatementId,
    /// Its credential.
    pub credential: StatementId,
    /// How long for now.
    pub until: BootTime,
    /// How long its warden waits frozen before it ends the tree, milliseconds.
    pub lapse_grace_ms: u64,
}

/// What became of an offload so far.
#[derive(Debug, Clone)]
pub struct Offloaded {
    /// The award.
    pub award: StatementId,
    /// The device that took it.
    pub device: DeviceId,
    /// How it came to it.
    pub how: How,
    /// Who was asked before, or beside, and why it is not they.
    pub tried: Vec<Tried>,
    /// The outcome, once it has ended.
    pub ended: Option<Ended>,
}

codes! {
    /// How work came to its device.
    pub enum How {
        /// It fits here.
        Here = 1 "here",
        /// The device was named, and bid.
        Named = 2 "named",
        /// The device had said that it may be awarded at once.
        Standing = 3 "standing",
        /// It was offered to several, and this one bid first.
        Negotiated = 4 "negotiated",
    }
}

/// A device that did not take the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Its name.
    pub device: String,
    /// Why not.
    pub refusal: Refusal,
}

/// The end of a task as its receipt tells it.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What became of it.
    pub outcome: Outcome,
    /// What ended it.
    pub cause: Cause,
    /// Exit status.
    pub exit: Option<u64>,
    /// Signal.
    pub signal: Option<u64>,
    /// The last bytes of its output.
    pub tail: Vec<u8>,
}

/// A No at a door: what, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind; it chooses the exit code.
    pub kind: RefusalKind,
    /// What was refused and why.
    pub why: String,
    /// What to do next.
    pub hint: String,
}

/// Kinds of refusal, as the exit codes tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// It did not work.
    Failed,
    /// Asked for something that cannot be.
    WrongUse,
    /// The gate or an order says No.
    Denied,
    /// This device is not a member.
    NotEnrolled,
    /// Somebody needed cannot be reached.
    Unreachable,
    /// An approval is needed.
    ApprovalNeeded,
    /// Something stands otherwise than was expected.
    Differs,
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(kind: RefusalKind, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, why: why.into(), hint: hint.into() }
    }
}

/// Something people may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A link was admitted.
    Linked(PublicKey),
    /// A link was refused, with the reason that was sent.
    Refused(PublicKey, String),
    /// An order arrived or was given here.
    Ordered(StatementId),
    /// The files of a program that runs hold something else, or again what was started.
    Swapped(StatementId, OnDisk),
    /// An agent's name is borne by another program than before: it inherits nothing by it.
    LineageBroken {
        /// The agent's name.
        agent: String,
        /// The program of its lineage.
        was: [u8; 32],
        /// What bears it now.
        now: [u8; 32],
    },
    /// A task was told to end.
    Ending(StatementId, Cause),
    /// A task has ended.
    Ended(StatementId, Outcome),
    /// A result came for work that was cancelled or given anew; it is dropped, and why.
    ResultDropped(StatementId, String),
    /// A write failed.
    DiskFailed(String),
    /// Somebody signed two statements with this number of one log: what he grants by this key in
    /// that log counts no more from there on.
    Forked(PublicKey, u64),
    /// The audit log of this device went to the first number of rows, and goes to the second now.
    AuditCut(PublicKey, u64, u64),
    /// A peer showed statements of this device that it had lost: its state was set back.
    SetBack,
    /// This device's wall clock has parted from its boot clock by so many milliseconds: every lease
    /// is void and drawn anew, and a new incarnation begins.
    ClockStepped(i64),
}
