//! What is said at the local doors: one JSON line each way, the same for every command.
//!
//! Refused here: deciding. The engine answers; this file only names the words.

pub(crate) mod approval;
pub(crate) mod authority;
pub(crate) mod connector;
pub(crate) mod draft;
pub(crate) mod event;
pub(crate) mod listing;
pub(crate) mod policy;
pub(crate) mod programs;
pub(crate) mod standing;
pub(crate) mod statements;
pub(crate) mod why;

use belay_identity::body::Payload;
use belay_identity::key::{hex, unhex};
use belay_mesh::gate::Flip;
use belay_mesh::output::{Refusal, RefusalKind};
use serde::{Deserialize, Serialize};

/// What a command asks of its own node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// How things stand.
    Status,
    /// Where the next statement of an operator's key stands; class by its number.
    Place { key: String, class: u64 },
    /// Statements an operator signed, in hex, with the policies they name.
    Submit { statements: Vec<String>, bodies: Vec<String> },
    /// Statements that others are still to approve, in hex.
    Propose { statements: Vec<String> },
    /// What waits for a yes: everything, or one act.
    Waiting { id: Option<String> },
    /// The next root epoch with one change.
    NextEpoch { change: approval::ChangeAsk },
    /// Who may do what.
    Authority,
    /// Root epochs with their approvals, in hex.
    Roots,
    /// Addresses this node listens on.
    Addresses,
    /// Run an agent here; the stream then belongs to its warden.
    Run(RunAsk),
    /// May the calling task act?
    Act { action: String, target: String, args: Vec<(String, String)> },
    /// What came of a permitted act of the calling task.
    Outcome(event::ToldAsk),
    /// Which permits one call of a hooked agent's tool has.
    Call(event::CallAsk),
    /// Rows of the audit log from this number on.
    AuditRows { from: u64 },
    /// What may the calling task expect for these acts?
    Outlook { acts: Vec<OutlookAsk> },
    /// Connectors: what agents reach through the gateway.
    Connector(connector::ConnectorAsk),
    /// Give work to a device.
    Offload(Box<OffloadAsk>),
    /// How far an order has come.
    Progress { order: String },
    /// The case file of an order, in hex.
    Case { order: String },
    /// The devices of the fleet.
    Devices,
    /// The wardens of this node, each with its task.
    Wardens,
    /// The agents known here, or one.
    Agents { name: Option<String> },
    /// Pieces of work: `open`, `all`, `tree` of an award, or of an `agent`.
    Tasks { of: String, name: String },
    /// End one piece of work and everything below it.
    Cancel { award: String, reason: String },
    /// What stands behind an id; the last decision without one.
    Why { id: Option<String> },
    /// What stands against exactly this subject, as `stop` reads one.
    Standing { subject: Vec<String> },
    /// What stands of these orders.
    StandingNamed { ids: Vec<String> },
    /// Every release of the ring.
    History,
    /// One release that was in force, with its policy.
    Release { version: String },
    /// Every draft of policy.
    Drafts,
    /// One draft, by its name or the beginning of its id.
    Draft { name: String },
    /// The statements held here, of a kind and of an author's name, or of any.
    Statements { kind: Option<String>, author: Option<String> },
    /// The original bytes of one statement, in hex.
    Statement { id: String },
    /// Every manifest that stands.
    Manifests,
    /// Programs: all, or those of a name, an id or a hash.
    Programs { named: Option<String> },
    /// Which policy judges here; of one agent's rules, or all.
    Policy { agent: Option<String> },
    /// End the node.
    Down,
}

/// An agent that is to run in the calling terminal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunAsk {
    pub(crate) agent: String,
    pub(crate) project: String,
    pub(crate) class: String,
    pub(crate) argv: Vec<String>,
    pub(crate) program: String,
    pub(crate) cwd: String,
    /// Its own hooks ask the gate at each of its calls.
    #[serde(default)]
    pub(crate) hooked: bool,
    /// What asks nobody, for people.
    #[serde(default)]
    pub(crate) open: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

/// Work for another device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OffloadAsk {
    pub(crate) device: Option<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) agent: String,
    pub(crate) argv: Vec<String>,
    pub(crate) tools: Vec<String>,
    pub(crate) on_silence: String,
    pub(crate) wait: bool,
    /// A file that travels with it, as an absolute path.
    pub(crate) send: Option<String>,
    /// The same once the node has taken it in; never said at a door.
    #[serde(skip)]
    pub(crate) payload: Option<Payload>,
}

/// Where the next statement stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlaceSaid {
    pub(crate) fleet: String,
    pub(crate) domain: String,
    /// This device; empty where its key is no member's.
    pub(crate) device: String,
    /// The enrolment by which a device's key stands.
    #[serde(default)]
    pub(crate) enrol: Option<String>,
    pub(crate) operator: Option<String>,
    pub(crate) root: bool,
    pub(crate) counter: u64,
    pub(crate) drawn: String,
    pub(crate) seq: u64,
    pub(crate) prev: Option<String>,
    pub(crate) epoch: u64,
}

/// A run was granted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunSaid {
    pub(crate) award: String,
}

/// What the gate said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VerdictSaid {
    pub(crate) decision: String,
    pub(crate) rule: String,
    pub(crate) release: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) why: String,
    pub(crate) hint: String,
    pub(crate) would_deny: Option<String>,
    /// Rules that came nearest to permitting it; told with a No only.
    #[serde(default)]
    pub(crate) nearest: Vec<String>,
    /// The one attribute that would turn a No into a permit, where there is one.
    #[serde(default)]
    pub(crate) flip: Option<FlipSaid>,
    /// Who signed and approved the release; told with a No only.
    #[serde(default)]
    pub(crate) signed: Vec<String>,
    /// A No in two sentences, for the agent that asked; empty otherwise.
    #[serde(default)]
    pub(crate) short: String,
    /// What `belay why` explains.
    #[serde(default)]
    pub(crate) id: Option<String>,
}

/// The one attribute that would turn a No into a permit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FlipSaid {
    pub(crate) attribute: String,
    pub(crate) to: String,
    pub(crate) rule: String,
}

impl From<Flip> for FlipSaid {
    fn from(flip: Flip) -> Self {
        let Flip { attribute, to, rule } = flip;
        Self { attribute, to, rule }
    }
}

/// An act that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutlookAsk {
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) args: Vec<(String, String)>,
}

/// What the calling task may expect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OutlookSaid {
    /// The No that it gets whatever it asks for.
    pub(crate) standing: Option<VerdictSaid>,
    /// For each act, whether some arguments may get a Yes or an approval.
    pub(crate) open: Vec<bool>,
}

/// What became of an offload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OffloadSaid {
    pub(crate) award: String,
    pub(crate) device: String,
    pub(crate) how: String,
    pub(crate) tried: Vec<TriedSaid>,
    pub(crate) ended: Option<EndedSaid>,
}

/// A device that did not take the work.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TriedSaid {
    pub(crate) device: String,
    pub(crate) why: String,
}

/// How a task ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EndedSaid {
    pub(crate) outcome: String,
    pub(crate) cause: String,
    pub(crate) exit: Option<u64>,
    pub(crate) signal: Option<u64>,
    pub(crate) tail: String,
}

/// How far an order has come.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProgressSaid {
    pub(crate) order: String,
    pub(crate) subject: String,
    pub(crate) fault: Option<String>,
    pub(crate) complete: bool,
    pub(crate) proven: bool,
    pub(crate) in_force: bool,
    pub(crate) unconfirmed: Vec<String>,
    /// Those of them that are their own beacons: nothing bounds them until they confirm.
    pub(crate) unbounded: Vec<String>,
    /// When the order waits for them no longer, where only releases before name them.
    pub(crate) waits_until_ms: Option<u64>,
    pub(crate) bound_ms: Option<u64>,
    pub(crate) branches: Vec<BranchSaid>,
}

/// One branch below an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BranchSaid {
    pub(crate) agent: Option<String>,
    pub(crate) device: String,
    pub(crate) award: Option<String>,
    pub(crate) depth: u64,
    pub(crate) state: String,
    pub(crate) seen: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) wall: Option<String>,
    pub(crate) attempts: u64,
    pub(crate) proven: bool,
    pub(crate) missing: Option<String>,
}

/// How the node stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatusSaid {
    pub(crate) fleet: String,
    pub(crate) domain: String,
    pub(crate) epoch: u64,
    pub(crate) device: Option<String>,
    pub(crate) devices: Vec<DeviceSaid>,
    pub(crate) tasks: Vec<TaskSaid>,
    pub(crate) releases: Vec<ReleaseSaid>,
    pub(crate) leases: Vec<LeaseSaid>,
    pub(crate) run: String,
    pub(crate) orders: Vec<OrderSaid>,
    pub(crate) security_operators: u64,
    /// Authors who have used most of what this device keeps of one.
    #[serde(default)]
    pub(crate) full: Vec<FullSaid>,
    /// Devices whose audit log is shorter than they have said.
    #[serde(default)]
    pub(crate) audit_cuts: Vec<AuditCutSaid>,
    pub(crate) statements: u64,
    pub(crate) pid: u32,
    pub(crate) disk: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) refused: Option<String>,
    pub(crate) quorum: u64,
    pub(crate) clock_off_ms: Option<i64>,
    pub(crate) contact_lost: bool,
    /// The gateways that passed the beacons' answers on.
    #[serde(default)]
    pub(crate) rests_on: Vec<String>,
    /// Spans that the configuration makes longer than the release does.
    #[serde(default)]
    pub(crate) ignored: Vec<String>,
    /// Every bound of the links with what is used of it.
    pub(crate) bounds: Vec<BoundSaid>,
}

/// An author who has used most of his share.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FullSaid {
    /// His name; none for all whom nobody here knows, together.
    pub(crate) author: Option<String>,
    pub(crate) percent: u64,
}

/// A device whose audit log is shorter than it has said.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditCutSaid {
    pub(crate) device: String,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// One bound of the links.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BoundSaid {
    pub(crate) what: String,
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

/// One device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeviceSaid {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) key: String,
    pub(crate) linked: bool,
    pub(crate) beacon: bool,
    pub(crate) cut: bool,
    /// Where it says that it listens.
    pub(crate) addresses: Vec<String>,
    /// Where it was heard on the local network by mDNS, lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) heard_at: Vec<String>,
    /// As what this device keeps it dialled: `beacon`, `anchor`, `near` or `far`; absent where it
    /// does not choose, or did not choose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept_as: Option<String>,
    /// How the link with it runs; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathSaid>,
}

/// How a link reaches its device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PathSaid {
    /// `quic`, `tcp`, `relay` or `direct-quic`.
    pub(crate) carrier: String,
    /// The member that it leads over, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) via: Option<String>,
    /// `out` where this device dialled, `in` where the other did.
    pub(crate) way: String,
}

/// One task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TaskSaid {
    pub(crate) award: String,
    pub(crate) agent: String,
    pub(crate) phase: String,
    pub(crate) depth: u64,
    pub(crate) wall: String,
    pub(crate) warden: String,
    /// What it may do without being asked, for people.
    #[serde(default)]
    pub(crate) open: Vec<String>,
    #[serde(default)]
    pub(crate) programs: Vec<programs::ProgramSaid>,
}

/// A warden of this node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WardenSaid {
    pub(crate) pid: u32,
    /// In clock ticks since boot.
    pub(crate) start_time: u64,
    /// Its task, by the award.
    pub(crate) award: String,
}

/// One release.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReleaseSaid {
    pub(crate) version: String,
    pub(crate) whole: bool,
    pub(crate) modes: Vec<(String, String)>,
}

/// One lease.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LeaseSaid {
    pub(crate) class: String,
    pub(crate) reach: String,
}

/// One standing order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderSaid {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) in_force: bool,
    /// Devices that are their own beacons and have not confirmed it: nothing bounds them.
    pub(crate) unbounded: Vec<String>,
}

/// The word under which a kind of refusal travels; it chooses the exit code.
pub(crate) fn code_of(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Failed => "failed",
        RefusalKind::WrongUse => "wrong-use",
        RefusalKind::Denied => "denied",
        RefusalKind::NotEnrolled => "not-enrolled",
        RefusalKind::Unreachable => "unreachable",
        RefusalKind::ApprovalNeeded => "approval-needed",
        RefusalKind::Differs => "differs",
    }
}

/// The exit code of a refusal that came over a door.
pub(crate) fn exit_of(code: &str) -> u8 {
    match code {
        "wrong-use" | "malformed" | "too-long" => 2,
        "denied" | "other-user" | "caller-unknown" => 3,
        "not-enrolled" => 4,
        "unreachable" | "too-many" => 5,
        "differs" => 7,
        "approval-needed" => 8,
        _ => 1,
    }
}

/// The engine's refusal in a door's words.
pub(crate) fn refusal(refusal: &Refusal) -> crate::door::Refusal {
    crate::door::Refusal::new(code_of(refusal.kind), &refusal.why, &refusal.hint)
}

/// Bytes for a JSON line.
pub(crate) fn to_text(bytes: &[u8]) -> String {
    hex(bytes)
}

/// Bytes of a JSON line, or what is wrong with them.
pub(crate) fn from_text(text: &str) -> Result<Vec<u8>, Refusal> {
    unhex(text).ok_or_else(|| {
        let hint = "send lowercase hex, as `belay` does";
        Refusal::new(RefusalKind::WrongUse, "a field is not hex", hint)
    })
}

/// Characters of a wrong id that are said back: as many as a right one has.
const ID_CHARS_SHOWN: usize = 64;

/// Exactly 32 bytes of a JSON line.
pub(crate) fn id_from_text(text: &str) -> Result<[u8; 32], Refusal> {
    unhex(text).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        let hint = "an id has 64 hex digits; `belay status` shows whole ids";
        let shown: String = text.chars().take(ID_CHARS_SHOWN).collect();
        Refusal::new(RefusalKind::WrongUse, format!("“{shown}” is no whole id"), hint)
    })
}
