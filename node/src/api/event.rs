//! What is said of events: rows of the audit log at the door, one flat record for people.
//!
//! Every field of an event stands here once, for `event tail`, `event query` and their JSON lines.
//! Refused here: guessing; what an event does not say is absent.

use crate::store::AuditRow;
use belay_identity::StatementId;
use belay_identity::key::{hex, unhex};
use belay_mesh::event::{Came, Event, Outcome, Told};
use belay_mesh::output::{Refusal, RefusalKind};
use belay_mesh::why::{Decided, VerdictId};
use serde::{Deserialize, Serialize};

/// A page of the audit log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RowsSaid {
    /// Rows as they are on disk, in hex, oldest first.
    pub(crate) rows: Vec<String>,
    /// The number of the last row on disk.
    pub(crate) last: u64,
    /// Its hash.
    pub(crate) last_hash: String,
    /// How many rows the fleet was told of last; none are 0.
    pub(crate) said: u64,
    /// The hash of the last of those.
    pub(crate) said_hash: String,
    /// The device whose log it is.
    pub(crate) device: String,
}

/// An outcome, as it is told at the agents' door.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ToldAsk {
    /// The decision, by its whole id.
    pub(crate) of: String,
    /// done, failed, cancelled or not-tried.
    pub(crate) came: String,
    #[serde(default)]
    pub(crate) note: String,
    #[serde(default)]
    pub(crate) effects: Vec<String>,
    #[serde(default)]
    pub(crate) took_ms: Option<u64>,
    #[serde(default)]
    pub(crate) tokens: Option<u64>,
    #[serde(default)]
    pub(crate) micro_usd: Option<u64>,
}

/// A call of a hooked agent's tool: its hook is another process before it and after it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallAsk {
    /// It was permitted by these decisions.
    Keep { call: String, ids: Vec<String> },
    /// It is over; which decisions were they?
    Take { call: String },
}

/// The permits of a call that is over.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct CallSaid {
    /// The decisions, by their whole ids; none where the call is not known.
    pub(crate) ids: Vec<String>,
    /// How long ago they were kept, milliseconds.
    pub(crate) took_ms: u64,
}

impl ToldAsk {
    /// What it tells, in the engine's words.
    pub(crate) fn read(self) -> Result<Told, Refusal> {
        let bad = |why: String, hint: &str| Refusal::new(RefusalKind::WrongUse, why, hint);
        let id: Option<[u8; 16]> = unhex(&self.of).and_then(|id| id.try_into().ok());
        let hint = "name the decision by its whole id, as `belay act --json` says it";
        let of = id.ok_or_else(|| bad(format!("“{}” is no id of a decision", self.of), hint))?;
        let hint = "done, failed, cancelled or not-tried";
        let came = Came::from_word(&self.came)
            .ok_or_else(|| bad(format!("“{}” is no outcome", self.came), hint))?;
        let Self { note, effects, took_ms, tokens, micro_usd, .. } = self;
        Ok(Told { of: VerdictId(of), came, note, effects, took_ms, tokens, micro_usd })
    }
}

/// One event.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct EventSaid {
    /// Its number in the log of its device.
    pub(crate) number: u64,
    /// When, own wall clock, RFC 3339.
    pub(crate) at: String,
    #[serde(skip)]
    pub(crate) wall_ms: u64,
    /// The device's boot clock, milliseconds.
    pub(crate) boot_ms: u64,
    pub(crate) device: String,
    /// decision, or outcome.
    pub(crate) kind: &'static str,
    /// The decision that it is, or that it is about.
    pub(crate) id: Option<String>,
    /// The run that acted, by its award.
    pub(crate) session: Option<String>,
    #[serde(flatten)]
    pub(crate) tried: Option<TriedSaid>,
    /// The act with all its arguments, by hash.
    pub(crate) act_sha256: String,
    /// permit, ask or deny; of an outcome nothing.
    pub(crate) verdict: Option<String>,
    /// The rule that decided.
    pub(crate) rule: Option<String>,
    /// The release that holds it, by id.
    pub(crate) release_id: Option<String>,
    #[serde(flatten)]
    pub(crate) came: Option<CameSaid>,
}

/// What was tried, and why the gate said what it said.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TriedSaid {
    pub(crate) agent: String,
    pub(crate) user: String,
    pub(crate) project: String,
    pub(crate) class: String,
    /// agent@device, from the one that began.
    pub(crate) chain: Vec<String>,
    /// What it is for, in the agent's own words.
    pub(crate) intent: Option<String>,
    pub(crate) action: String,
    pub(crate) target: String,
    /// Names of its arguments.
    pub(crate) arguments: Vec<String>,
    /// Whether it came from another device.
    pub(crate) arriving: bool,
    /// What stood around who acted.
    pub(crate) wall: Option<&'static str>,
    /// The class of the data that it touched.
    pub(crate) data_class: Option<String>,
    /// Classes of data that who acted had met before.
    pub(crate) met: Vec<String>,
    pub(crate) mode: Option<String>,
    /// In observe mode: the rule that would have said No.
    pub(crate) would_deny: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) why: String,
    pub(crate) hint: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CameSaid {
    pub(crate) outcome: &'static str,
    pub(crate) note: String,
    pub(crate) effects: Vec<String>,
    pub(crate) took_ms: Option<u64>,
    pub(crate) tokens: Option<u64>,
    pub(crate) micro_usd: Option<u64>,
}

impl EventSaid {
    /// A row with the event that stands in it.
    pub(crate) fn of(row: &AuditRow, device: &str) -> Self {
        let entry = &row.entry;
        let own = Self {
            number: row.seq,
            at: crate::clock::rfc3339(entry.wall_ms),
            wall_ms: entry.wall_ms,
            boot_ms: entry.boot_ms,
            device: device.to_owned(),
            act_sha256: hex(&entry.act),
            ..Self::default()
        };
        let session = |task: StatementId| (task.0 != [0; 32]).then(|| task.to_hex());
        match Event::read(&entry.event) {
            Some(Event::Outcome(said)) => Self {
                kind: "outcome",
                id: Some(VerdictId(said.of).to_hex()),
                session: session(said.task),
                came: Some(CameSaid::of(said)),
                ..own
            },
            read => {
                let decided = match read {
                    Some(Event::Decided(decided)) => Some(decided),
                    Some(Event::Outcome(_)) | None => None,
                };
                Self {
                    kind: "decision",
                    id: decided.as_ref().map(|decided| VerdictId(decided.id).to_hex()),
                    session: decided.as_ref().and_then(|decided| session(decided.task)),
                    verdict: Some(entry.kind.clone()),
                    rule: Some(entry.rule.clone()),
                    release_id: entry.release.map(|id| hex(&id)),
                    tried: decided.map(|decided| TriedSaid::of(*decided)),
                    ..own
                }
            }
        }
    }
}

impl TriedSaid {
    fn of(decided: Decided) -> Self {
        Self {
            agent: decided.agent,
            user: decided.user,
            project: decided.project,
            class: decided.class,
            chain: decided.chain,
            intent: decided.intent,
            action: decided.action,
            target: decided.target,
            arguments: decided.args,
            arriving: decided.arriving,
            wall: decided.wall.map(|wall| wall.as_str()),
            data_class: decided.data,
            met: decided.carried,
            mode: decided.mode.map(|mode| mode.as_str().to_owned()),
            would_deny: decided.would_deny,
            release: decided.release.map(|version| version.to_string()),
            why: decided.why,
            hint: decided.hint,
        }
    }
}

impl CameSaid {
    fn of(said: Outcome) -> Self {
        let Outcome { came, note, effects, took_ms, tokens, micro_usd, .. } = said;
        Self { outcome: came.as_str(), note, effects, took_ms, tokens, micro_usd }
    }
}
