//! Events: what an agent tried on this device, what the gate said, and what came of it.
//!
//! Every decision is one event and every outcome another, which names the decision; both are typed
//! here, once, and stand as they are in the row that the audit log links by hash. Who acted tells
//! what came of it, through its own door and for its own permits alone, once for each: a log of
//! attempts would not say what was done.
//!
//! Refused here: values of arguments (their digest is kept with the act's), believing that an
//! outcome was as it was told, and an outcome of what was not permitted.

use crate::engine::{Effect, Engine};
use crate::gate::Decision;
use crate::input::AskId;
use crate::limits::{DECISIONS_KEPT, EVENT_EFFECTS_MAX, EVENT_TEXT_CHARS_MAX, WRITES_OPEN_MAX};
use crate::output::{Record, Refusal, RefusalKind};
use crate::why::{Decided, VerdictId};
use belay_identity::{StatementId, codec, codes, record};

/// What stands behind one row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something was tried, and the gate said this.
    Decided(Box<Decided>),
    /// What came of something permitted.
    Outcome(Outcome),
}

codes! {
    /// What came of a permitted act.
    pub enum Came {
        /// It was done.
        Done = 1 "done",
        /// It was tried and failed.
        Failed = 2 "failed",
        /// It was broken off.
        Cancelled = 3 "cancelled",
        /// It was not tried.
        NotTried = 4 "not-tried",
    }
}

record! {
    /// What came of a permitted act, as the agent's side tells it.
    pub struct Outcome("outcome") {
        /// The decision that permitted it.
        1 => of: [u8; 16],
        /// The task that acted.
        2 => task: StatementId,
        /// When it was told, own wall clock, Unix milliseconds.
        3 => wall_ms: u64,
        /// What came of it.
        4 => came: Came,
        /// In a few words, such as an exit status or an error's first line.
        5 => note: String,
        /// What it touched outside itself: files, hosts, devices.
        6 => effects: Vec<String>,
        /// How long it took, milliseconds.
        7 => took_ms: Option<u64>,
        /// Tokens that a model took for it.
        8 => tokens: Option<u64>,
        /// What it cost, millionths of a US dollar.
        9 => micro_usd: Option<u64>,
    }
}

/// An outcome as it is told at the agents' door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The decision, by its whole id.
    pub of: VerdictId,
    /// What came of it.
    pub came: Came,
    /// In a few words.
    pub note: String,
    /// What it touched.
    pub effects: Vec<String>,
    /// How long it took, milliseconds.
    pub took_ms: Option<u64>,
    /// Tokens that a model took for it.
    pub tokens: Option<u64>,
    /// What it cost, millionths of a US dollar.
    pub micro_usd: Option<u64>,
}

impl Event {
    /// Reads what `Record::Audit` and `Record::Outcome` told; none where it does not read.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let value = || codec::read(bytes).ok();
        let outcome = || Outcome::from_value(value()?).ok().map(Self::Outcome);
        let decided = Decided::from_value(value()?).ok();
        decided.map(|decided| Self::Decided(Box::new(decided))).or_else(outcome)
    }

    /// The decision that it is, or that it is about.
    pub fn id(&self) -> VerdictId {
        match self {
            Self::Decided(decided) => VerdictId(decided.id),
            Self::Outcome(outcome) => VerdictId(outcome.of),
        }
    }
}

impl Engine {
    /// Takes down what came of a permitted act.
    pub(crate) fn on_told(&mut self, ask: AskId, task: StatementId, told: Told) {
        match self.weigh_told(task, &told) {
            Ok(act) => {
                let of = told.of;
                self.note_told(of);
                self.write(outcome(task, act, told, self.now.wall_ms));
                self.once_written(Effect::Noted(ask, of));
            }
            Err(refusal) => self.answer(ask, Err(refusal)),
        }
    }

    /// The hash of the act, where its outcome may be told.
    fn weigh_told(&self, task: StatementId, told: &Told) -> Result<[u8; 32], Refusal> {
        let no = |kind, why: &str, hint: &str| Err(Refusal::new(kind, why, hint));
        if self.writes_open() >= WRITES_OPEN_MAX {
            let why = "this device's disk is behind with its audit log";
            return no(RefusalKind::Failed, why, "try again in a moment");
        }
        let decided = self.decision(told.of).filter(|decided| decided.task == task);
        let Some(decided) = decided else {
            let why = format!(
                "no decision {} of this task is among the last {DECISIONS_KEPT} of this device",
                told.of.to_hex()
            );
            let hint = "tell what came of an act soon after it, with the id of its permit";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        };
        if decided.decision != Decision::Permit {
            let why = "this act was not permitted: nothing can have come of it";
            return no(RefusalKind::WrongUse, why, "`belay why` says what was decided");
        }
        if self.was_told(told.of) {
            let why = "what came of this act was told already";
            return no(RefusalKind::WrongUse, why, "an outcome is told once");
        }
        Ok(decided.act)
    }
}

fn outcome(task: StatementId, act: [u8; 32], told: Told, wall_ms: u64) -> Record {
    let Told { of, came, note, mut effects, took_ms, tokens, micro_usd } = told;
    effects.truncate(EVENT_EFFECTS_MAX);
    effects.iter_mut().for_each(|effect| *effect = cut(effect));
    let note = cut(&note);
    let of = of.0;
    let outcome = Outcome { of, task, wall_ms, came, note, effects, took_ms, tokens, micro_usd };
    Record::Outcome { act, came, wall_ms, told: codec::write(&outcome.to_value()) }
}

fn cut(text: &str) -> String {
    text.chars().take(EVENT_TEXT_CHARS_MAX).collect()
}
