//! What stands behind an id, in the doors' words.

use super::listing::WorkSaid;
use super::policy::{RuleSaid, short_name};
use super::standing::StandingOrderSaid;
use belay_identity::key::hex;
use belay_mesh::why::{Decided, Why, WhyDecision, WhyOrder};
use serde::{Deserialize, Serialize};

/// What stands behind an id; one of the three.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhySaid {
    pub(crate) decision: Option<WhyDecisionSaid>,
    pub(crate) order: Option<WhyOrderSaid>,
    pub(crate) task: Option<WorkSaid>,
}

/// A decision, and who answers for it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhyDecisionSaid {
    pub(crate) decided: DecidedSaid,
    pub(crate) rule: Option<RuleSaid>,
    pub(crate) signed: Vec<String>,
    pub(crate) order: Option<StandingOrderSaid>,
    pub(crate) operators: Vec<String>,
}

/// An order, and what became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WhyOrderSaid {
    pub(crate) order: StandingOrderSaid,
    pub(crate) answered: Option<String>,
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
}

impl From<&Why> for WhySaid {
    fn from(why: &Why) -> Self {
        let (decision, order, task) = match why {
            Why::Decision(decision) => (Some((&**decision).into()), None, None),
            Why::Order(order) => (None, Some((&**order).into()), None),
            Why::Task(task) => (None, None, Some((&**task).into())),
        };
        Self { decision, order, task }
    }
}

impl From<&WhyDecision> for WhyDecisionSaid {
    fn from(why: &WhyDecision) -> Self {
        Self {
            decided: (&why.decided).into(),
            rule: why.rule.as_ref().map(Into::into),
            signed: why.signed.iter().map(|who| short_name(who)).collect(),
            order: why.order.as_ref().map(Into::into),
            operators: why.operators.iter().map(|who| short_name(who)).collect(),
        }
    }
}

impl From<&WhyOrder> for WhyOrderSaid {
    fn from(why: &WhyOrder) -> Self {
        Self {
            order: (&why.order).into(),
            answered: why.answered.map(|id| id.to_hex()),
            operators: why.operators.iter().map(|who| short_name(who)).collect(),
        }
    }
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
        }
    }
}
