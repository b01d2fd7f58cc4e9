//! Who may do what, in the doors' words.

use super::policy::short_name;
use super::standing::StandingOrderSaid;
use belay_identity::PublicKey;
use belay_mesh::authority_report::{AuthorityReport, EpochLine, GoneLine, OperatorLine};
use serde::{Deserialize, Serialize};

/// Who may do what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AuthoritySaid {
    pub(crate) keys: Vec<String>,
    pub(crate) threshold: u64,
    pub(crate) operators: Vec<OperatorSaid>,
    pub(crate) gone: Vec<GoneSaid>,
    pub(crate) epochs: Vec<EpochSaid>,
    /// Valid epochs of branches that do not stand.
    #[serde(default)]
    pub(crate) rivals: Vec<EpochSaid>,
    pub(crate) cut_keys: Vec<String>,
}

/// One operator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OperatorSaid {
    pub(crate) name: String,
    pub(crate) keys: Vec<String>,
    pub(crate) orders_keys: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) wide_left: u64,
    /// Keys by which more wide orders were given in this epoch than one may give alone.
    #[serde(default)]
    pub(crate) overspent: Vec<String>,
    pub(crate) orders: Vec<StandingOrderSaid>,
    pub(crate) held_by: Vec<StandingOrderSaid>,
    pub(crate) grants_held: Option<String>,
}

/// One operator who is none now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GoneSaid {
    pub(crate) name: String,
    pub(crate) last_epoch: u64,
    pub(crate) cause: Option<String>,
    pub(crate) orders: Vec<StandingOrderSaid>,
    pub(crate) revived: Vec<RevivedSaid>,
}

/// An order that a removal for cause made void.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RevivedSaid {
    pub(crate) order: String,
    pub(crate) subject: String,
}

/// One epoch of the root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EpochSaid {
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) threshold: u64,
    pub(crate) keys: u64,
    pub(crate) operators: Vec<String>,
    pub(crate) wall_ms: u64,
    pub(crate) approved: Vec<String>,
}

impl From<&AuthorityReport> for AuthoritySaid {
    fn from(report: &AuthorityReport) -> Self {
        Self {
            keys: hexes(&report.keys),
            threshold: report.threshold,
            operators: report.operators.iter().map(Into::into).collect(),
            gone: report.gone.iter().map(Into::into).collect(),
            epochs: report.epochs.iter().map(Into::into).collect(),
            rivals: report.rivals.iter().map(Into::into).collect(),
            cut_keys: hexes(&report.cut_keys),
        }
    }
}

impl From<&OperatorLine> for OperatorSaid {
    fn from(line: &OperatorLine) -> Self {
        Self {
            name: line.id.name().to_owned(),
            keys: hexes(&line.keys),
            orders_keys: hexes(&line.orders_keys),
            roles: line.roles.iter().map(ToString::to_string).collect(),
            wide_left: line.wide_left,
            overspent: hexes(&line.overspent),
            orders: line.orders.iter().map(Into::into).collect(),
            held_by: line.held_by.iter().map(Into::into).collect(),
            grants_held: line.grants_held.map(|order| order.to_hex()),
        }
    }
}

impl From<&GoneLine> for GoneSaid {
    fn from(line: &GoneLine) -> Self {
        let revived = line.revived.iter();
        Self {
            name: line.id.name().to_owned(),
            last_epoch: line.last_epoch,
            cause: line.cause.clone(),
            orders: line.orders.iter().map(Into::into).collect(),
            revived: revived
                .map(|(order, subject)| RevivedSaid {
                    order: order.to_hex(),
                    subject: subject.to_string(),
                })
                .collect(),
        }
    }
}

impl From<&EpochLine> for EpochSaid {
    fn from(line: &EpochLine) -> Self {
        Self {
            number: line.number,
            id: line.id.to_hex(),
            threshold: line.threshold.0,
            keys: line.threshold.1,
            operators: line.operators.clone(),
            wall_ms: line.wall_ms,
            approved: line.approved.iter().map(|who| short_name(who)).collect(),
        }
    }
}

fn hexes(keys: &[PublicKey]) -> Vec<String> {
    keys.iter().map(PublicKey::to_hex).collect()
}
