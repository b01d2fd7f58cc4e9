//! What stands against whom, in the doors' words.

use super::policy::short_name;
use belay_crdt::orders::OrderKind;
use belay_mesh::standing::{PendingAnswer, StandingOrder, StandingReport};
use serde::{Deserialize, Serialize};

/// What stands against a subject.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StandingSaid {
    pub(crate) unknown: Vec<UnknownSaid>,
    pub(crate) asked: Vec<StandingOrderSaid>,
    pub(crate) others: Vec<StandingOrderSaid>,
    pub(crate) revoke_refs: Vec<String>,
    pub(crate) hold_refs: Vec<String>,
    pub(crate) hold_left_out: u64,
    pub(crate) restore_refs: Vec<RestoreSaid>,
    pub(crate) pending: Vec<PendingSaid>,
    pub(crate) fallen: Vec<String>,
    pub(crate) operators: Vec<String>,
}

/// A name that nothing known carries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnknownSaid {
    pub(crate) term: String,
    pub(crate) nearest: Vec<String>,
}

/// One standing order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StandingOrderSaid {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) author: String,
    pub(crate) reason: String,
    pub(crate) until_ms: Option<u64>,
    pub(crate) in_force: bool,
}

/// What a restore of a subject must list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RestoreSaid {
    pub(crate) subject: String,
    pub(crate) refs: Vec<String>,
}

/// An answer that lacks approvals.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PendingSaid {
    pub(crate) id: String,
    pub(crate) author: String,
    pub(crate) approved: Vec<String>,
    pub(crate) answers: Vec<String>,
    pub(crate) need: usize,
}

impl From<&StandingReport> for StandingSaid {
    fn from(report: &StandingReport) -> Self {
        let hexes =
            |ids: &[belay_identity::StatementId]| ids.iter().map(|id| id.to_hex()).collect();
        let unknown = report.unknown.iter();
        let restores = report.restore_refs.iter();
        Self {
            unknown: unknown
                .map(|name| UnknownSaid { term: name.term.clone(), nearest: name.nearest.clone() })
                .collect(),
            asked: report.asked.iter().map(Into::into).collect(),
            others: report.others.iter().map(Into::into).collect(),
            revoke_refs: hexes(&report.revoke_refs),
            hold_refs: hexes(&report.hold_refs),
            hold_left_out: report.hold_left_out,
            restore_refs: restores
                .map(|(who, refs)| RestoreSaid { subject: who.to_string(), refs: hexes(refs) })
                .collect(),
            pending: report.pending.iter().map(Into::into).collect(),
            fallen: hexes(&report.fallen),
            operators: report.operators.iter().map(|id| id.name().to_owned()).collect(),
        }
    }
}

impl From<&StandingOrder> for StandingOrderSaid {
    fn from(order: &StandingOrder) -> Self {
        let kind = match order.kind {
            OrderKind::Hold => "hold",
            OrderKind::Revoke => "revoke",
        };
        Self {
            id: order.id.to_hex(),
            kind: kind.to_owned(),
            subject: order.subject.to_string(),
            author: short_name(&order.author),
            reason: order.reason.clone(),
            until_ms: order.until_ms,
            in_force: order.in_force,
        }
    }
}

impl From<&PendingAnswer> for PendingSaid {
    fn from(pending: &PendingAnswer) -> Self {
        Self {
            id: pending.id.to_hex(),
            author: short_name(&pending.author),
            approved: pending.approved.iter().map(|who| short_name(who)).collect(),
            answers: pending.answers.iter().map(|id| id.to_hex()).collect(),
            need: pending.need,
        }
    }
}
