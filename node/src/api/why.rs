//! What stands behind an id, in the doors' words.

use super::approval::WaitingSaid;
use super::listing::WorkSaid;
use super::policy::{RuleSaid, short_name};
use super::programs::ProgramSaid;
use super::standing::StandingOrderSaid;
use belay_identity::key::hex;
use belay_mesh::why::{Decided, Why, WhyAct, WhyDecision, WhyOrder};
use serde::{Deserialize, Serialize};

/// What stands behind an id; one of the four.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhySaid {
    pub(crate) decision: Option<WhyDecisionSaid>,
    pub(crate) order: Option<WhyOrderSaid>,
    pub(crate) task: Option<WorkSaid>,
    pub(crate) act: Option<WhyActSaid>,
}

/// An act of authority, and whether it counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhyActSaid {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) what: String,
    pub(crate) author: String,
    pub(crate) approved: Vec<String>,
    pub(crate) epoch: u64,
    pub(crate) void: Option<String>,
    pub(crate) waiting: Option<WaitingSaid>,
    pub(crate) changes: Vec<String>,
}

/// A decision, and who answers for it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhyDecisionSaid {
    pub(crate) decided: DecidedSaid,
    pub(crate) rule: Option<RuleSaid>,
    /// The rules that came nearest to permitting it.
    #[serde(default)]
    pub(crate) nearest: Vec<RuleSaid>,
    pub(crate) signed: Vec<String>,
    pub(crate) order: Option<StandingOrderSaid>,
    #[serde(default)]
    pub(crate) programs: Vec<ProgramSaid>,
    pub(crate) operators: Vec<String>,
}

/// An order, and what became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhyOrderSaid {
    pub(crate) order: StandingOrderSaid,
    pub(crate) approved: Vec<String>,
    pub(crate) epoch: u64,
    pub(crate) waiting: Option<WaitingSaid>,
    pub(crate) answered: Option<String>,
    pub(crate) answered_by: Vec<String>,
    pub(crate) pending: Vec<WaitingSaid>,
    pub(crate) operators: Vec<String>,
}

/// One decision.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DecidedSaid {
    pub(crate) id: String,
    pub(crate) wall_ms: u64,
    pub(crate) task: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) args: Vec<String>,
    pub(crate) agent: String,
    pub(crate) user: String,
    pub(crate) project: String,
    pub(crate) class: String,
    pub(crate) depth: u64,
    pub(crate) arriving: bool,
    pub(crate) decision: String,
    pub(crate) rule: String,
    pub(crate) release: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) why: String,
    pub(crate) hint: String,
    pub(crate) would_deny: Option<String>,
    /// The class of the data that it touched.
    #[serde(default)]
    pub(crate) data_class: Option<String>,
    /// Classes of data that who acted had met before.
    #[serde(default)]
    pub(crate) met: Vec<String>,
}

impl From<&Why> for WhySaid {
    fn from(why: &Why) -> Self {
        let none = Self { decision: None, order: None, task: None, act: None };
        match why {
            Why::Decision(decision) => Self { decision: Some((&**decision).into()), ..none },
            Why::Order(order) => Self { order: Some((&**order).into()), ..none },
            Why::Task(task) => Self { task: Some((&**task).into()), ..none },
            Why::Act(act) => Self { act: Some((&**act).into()), ..none },
        }
    }
}

impl From<&WhyDecision> for WhyDecisionSaid {
    fn from(why: &WhyDecision) -> Self {
        Self {
            decided: (&why.decided).into(),
            rule: why.rule.as_ref().map(Into::into),
            nearest: why.nearest.iter().map(Into::into).collect(),
            signed: why.signed.iter().map(|who| short_name(who)).collect(),
            order: why.order.as_ref().map(Into::into),
            programs: why.programs.iter().map(Into::into).collect(),
            operators: why.operators.iter().map(|who| short_name(who)).collect(),
        }
    }
}

impl From<&WhyOrder> for WhyOrderSaid {
    fn from(why: &WhyOrder) -> Self {
        Self {
            order: (&why.order).into(),
            approved: shorts(&why.approved),
            epoch: why.epoch,
            waiting: why.waiting.as_ref().map(Into::into),
            answered: why.answered.map(|id| id.to_hex()),
            answered_by: shorts(&why.answered_by),
            pending: why.pending.iter().map(Into::into).collect(),
            operators: why.operators.iter().map(|who| short_name(who)).collect(),
        }
    }
}

impl From<&WhyAct> for WhyActSaid {
    fn from(why: &WhyAct) -> Self {
        Self {
            id: why.id.to_hex(),
            kind: why.kind.clone(),
            what: why.what.clone(),
            author: short_name(&why.author),
            approved: shorts(&why.approved),
            epoch: why.epoch,
            void: why.void.clone(),
            waiting: why.waiting.as_ref().map(Into::into),
            changes: why.changes.clone(),
        }
    }
}

fn shorts(all: &[String]) -> Vec<String> {
    all.iter().map(|who| short_name(who)).collect()
}

impl From<&Decided> for DecidedSaid {
    fn from(decided: &Decided) -> Self {
        Self {
            id: hex(&decided.id),
            wall_ms: decided.wall_ms,
            task: decided.task.to_hex(),
            action: decided.action.clone(),
            target: decided.target.clone(),
            args: decided.args.clone(),
            agent: decided.agent.clone(),
            user: decided.user.clone(),
            project: decided.project.clone(),
            class: decided.class.clone(),
            depth: decided.depth,
            arriving: decided.arriving,
            decision: decided.decision.as_str().to_owned(),
            rule: decided.rule.clone(),
            release: decided.release.as_ref().map(ToString::to_string),
            mode: decided.mode.map(|mode| mode.as_str().to_owned()),
            why: decided.why.clone(),
            hint: decided.hint.clone(),
            would_deny: decided.would_deny.clone(),
            data_class: decided.data.clone(),
            met: decided.carried.clone(),
        }
    }
}
