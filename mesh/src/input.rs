//! Everything that can happen to a node.

use crate::epoch::Change;
use crate::event::Told;
use crate::gate::Act;
use crate::hints::Hint;
use crate::listing::TasksOf;
use crate::programs::ProgramsOf;
use crate::why::WhyOf;
use crate::wire::{Checked, Frame, Lane, WireError};
use belay_identity::body::{Inventory, OnSilence, Payload, Seen, Subject, Wall};
use belay_identity::chain::Program;
use belay_identity::principal::DeviceId;
use belay_identity::{Class, PublicKey, Statement, StatementId, Verified};
use std::collections::BTreeSet;

/// Ties an answer to its question at a local door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// Ties an acknowledgement to its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// What a device saw of how it is kept, with no more rights than its node has; `false` stands also
/// where it could not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Posture {
    /// The node's state lies on a disk that the kernel encrypts.
    pub disk_encrypted: bool,
    /// The firmware says that it started with Secure Boot.
    pub secure_boot: bool,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A link to this device key stands; nothing has been said on it.
    LinkUp {
        /// Whom it leads to, as its handshake proved.
        link: PublicKey,
    },
    /// The link is gone.
    LinkDown {
        /// Whom it led to.
        link: PublicKey,
    },
    /// A frame came and was checked.
    Frame {
        /// From whom.
        link: PublicKey,
        /// In which lane.
        lane: Lane,
        /// What it says.
        frame: Checked<Frame>,
    },
    /// A frame came and was refused by the check.
    Malformed {
        /// From whom.
        link: PublicKey,
        /// Why.
        why: WireError,
    },
    /// A write is on disk.
    Persisted {
        /// Which.
        write: WriteId,
    },
    /// A write is not on disk and will not be.
    WriteFailed {
        /// Which.
        write: WriteId,
        /// Why, and what to do.
        why: String,
    },
    /// Somebody asks at a door of this device.
    Ask {
        /// Names the question.
        ask: AskId,
        /// What is asked.
        request: Box<Request>,
    },
    /// A warden says what became of its tree.
    Task {
        /// Which award it runs.
        award: StatementId,
        /// What happened.
        event: TaskEvent,
    },
    /// The program that an offer names was looked up on this device's disk.
    Inspected {
        /// The offer.
        nonce: [u8; 16],
        /// What it is, or why there is none.
        program: Result<Program, String>,
    },
    /// What came of fetching the payload of a task.
    Fetched {
        /// The task's award.
        award: StatementId,
        /// It is in the task's folder, or why it is not.
        result: Result<(), String>,
    },
    /// The audit log is on disk so far.
    Audited {
        /// The number of its last row.
        rows: u64,
        /// Hash of that row.
        hash: [u8; 32],
    },
    /// How this device stands, measured now and then.
    Present {
        /// Thousandths of one core, on average over its cores.
        load: u64,
        /// Where it can be reached.
        addresses: Vec<String>,
    },
    /// What runs on this device was looked at; or it is not to be told.
    Inventory(Inventory),
    /// What this device saw of how it is kept.
    Posture(Posture),
    /// Time to choose whom to dial, where that is left to this device.
    ChooseNeighbours {
        /// Where this device listens.
        own: Vec<String>,
        /// Members that this device is linked with after dialling them where they listen.
        dialled: BTreeSet<PublicKey>,
    },
    /// Devices announced themselves on the local network.
    Hinted {
        /// What was heard.
        hints: Vec<Hint>,
    },
    /// The deadline that was asked for has come.
    Deadline,
}

/// What a warden saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEvent {
    /// The program runs.
    Started,
    /// The tree stands still.
    Frozen,
    /// The tree goes on.
    Thawed,
    /// The main process ended; others of the tree may be left.
    Exited {
        /// Its exit status.
        code: Option<u64>,
        /// The signal that ended it.
        signal: Option<u64>,
    },
    /// Nobody of the tree is left, and that is on disk.
    Empty {
        /// How it was seen.
        seen: Seen,
        /// The last bytes of its output.
        tail: Vec<u8>,
    },
    /// The program could not be started; nothing ran.
    NotStarted {
        /// Why.
        why: String,
    },
    /// The end was not seen, or could not be recorded.
    NotProven {
        /// Why.
        why: String,
    },
    /// A restart of the device ended everything that ran before it.
    Rebooted,
    /// The files of the program that it runs were looked at again.
    Looked(OnDisk),
}

/// What the disk holds in the place of a program that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnDisk {
    /// What was started.
    #[default]
    AsStarted,
    /// Other bytes.
    Changed(Program),
    /// Nothing that could be started, and why.
    Gone(String),
}

/// What can be asked at a door.
#[derive(Debug)]
pub enum Request {
    /// How things stand.
    Status,
    /// Where the next statement of a key stands in its log.
    Place {
        /// Whose.
        key: PublicKey,
        /// In which class.
        class: Class,
    },
    /// Root epochs with their approvals, as an invite carries them.
    Roots,
    /// Statements that an operator signed in his own process, with policies they name by hash.
    Submit {
        /// In the order in which they were signed.
        statements: Vec<Verified<Statement>>,
        /// Policies.
        bodies: Vec<Vec<u8>>,
    },
    /// The same, of an act that counts for nothing, or for less, until others approve it.
    Propose {
        /// In the order in which they were signed.
        statements: Vec<Verified<Statement>>,
    },
    /// What waits for a yes: everything, or the one act of this id.
    Waiting {
        /// Its id, or as many first digits as name only one.
        id: Option<String>,
    },
    /// The next root epoch with one change, drawn up for a root key to sign.
    NextEpoch {
        /// What it is to change.
        change: Box<Change>,
    },
    /// Who may do what, by the root epoch that stands.
    Authority,
    /// Run an agent on this device.
    Run(Run),
    /// May this task act?
    Act(Act),
    /// What may this task expect for these acts? None of them is done, and nothing is recorded.
    Outlook {
        /// Which task.
        task: StatementId,
        /// Acts of its own.
        acts: Vec<Act>,
    },
    /// Give work to a device, named or found.
    Offload(Offload),
    /// How far an order has come.
    Progress {
        /// Which.
        order: StatementId,
    },
    /// An order and everything that proves what became of it.
    Case {
        /// Which.
        order: StatementId,
    },
    /// The devices of the fleet.
    Devices,
    /// The agents known here, or the one of this name.
    Agents {
        /// Its name.
        name: Option<String>,
    },
    /// Pieces of work.
    Tasks {
        /// Which.
        of: TasksOf,
    },
    /// End one piece of work and everything below it.
    Cancel {
        /// The id of its award, or as many first digits as name only one.
        award: String,
        /// The task that asks, where an agent does.
        by: Option<StatementId>,
        /// Why, for people.
        reason: String,
    },
    /// What came of a permitted act.
    Outcome {
        /// The task that acted.
        task: StatementId,
        /// What it tells.
        told: Told,
    },
    /// What stands behind an id.
    Why {
        /// Which.
        of: WhyOf,
        /// The task that asks, where an agent does.
        asker: Option<StatementId>,
    },
    /// What stands against exactly this subject.
    Standing {
        /// Whom.
        subject: Subject,
    },
    /// What stands of these orders.
    StandingNamed {
        /// Their ids, or as many first digits as name only one.
        ids: Vec<String>,
    },
    /// Every release of this device's ring.
    History,
    /// One release that was in force, with its policy.
    Release {
        /// Its version.
        version: String,
    },
    /// Every draft of policy known here.
    Drafts,
    /// One draft as it reads here.
    Draft {
        /// Its name, or the beginning of its id.
        name: String,
    },
    /// The statements held here, of a kind and of an author's name, or of any.
    Statements {
        /// Only of this kind.
        kind: Option<String>,
        /// Only by this author, by the last part of his id.
        author: Option<String>,
    },
    /// The original bytes of one statement.
    Statement {
        /// Its id, or as many first digits as name only one.
        id: String,
    },
    /// Every manifest that stands.
    Manifests,
    /// Programs, and how each stands.
    Programs {
        /// Which.
        of: ProgramsOf,
    },
    /// Which policy judges here.
    Policy {
        /// Only the rules that may meet the agent of this name.
        agent: Option<String>,
    },
}

/// An agent that is to run here.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name.
    pub agent: String,
    /// The project, or `default`.
    pub project: String,
    /// The policy class, or `default`.
    pub class: String,
    /// The command line, program first.
    pub argv: Vec<String>,
    /// What it is on this disk.
    pub program: Program,
    /// What stands around it, as whoever starts it says: its hooks, or nothing.
    pub wall: Wall,
}

/// Work that is to run on another device, or on any.
#[derive(Debug, Clone)]
pub struct Offload {
    /// The task that gives it; absent for a task of the device's owner.
    pub parent: Option<StatementId>,
    /// Who is to do it; absent where any device that can may.
    pub device: Option<DeviceId>,
    /// What that device must be able to do.
    pub needs: Vec<String>,
    /// The agent that is to run there.
    pub agent: String,
    /// The command line, program first.
    pub argv: Vec<String>,
    /// Actions it may take there.
    pub tools: Vec<String>,
    /// What happens when this device falls silent.
    pub on_silence: OnSilence,
    /// The file that travels with it, held ready by the shell under its content hash.
    pub payload: Option<Payload>,
    /// Whether the answer comes with the start or with the end.
    pub answer: AnswerAt,
}

/// When an offload is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerAt {
    /// As soon as it runs.
    Start,
    /// When it has ended.
    End,
}
