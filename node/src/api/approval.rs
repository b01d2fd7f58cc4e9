//! What waits for a yes, and a root epoch to be signed, in the doors' words.

use super::policy::short_name;
use belay_identity::body::Role;
use belay_identity::codec;
use belay_identity::key::unhex;
use belay_identity::principal::{OperatorId, TrustDomain};
use belay_identity::{PublicKey, StatementId};
use belay_mesh::approval::{Needs, Tally, Waiting};
use belay_mesh::epoch::{Cause, Change, EpochDraft};
use belay_mesh::output::{Refusal, RefusalKind};
use serde::{Deserialize, Serialize};

/// One act that waits for a yes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WaitingSaid {
    pub(crate) id: String,
    pub(crate) act: String,
    pub(crate) what: String,
    pub(crate) reason: String,
    pub(crate) author: String,
    pub(crate) approved: Vec<String>,
    pub(crate) tallies: Vec<TallySaid>,
    /// `root`, or the role of the operators who are asked.
    pub(crate) needs: String,
    pub(crate) open: Vec<String>,
    pub(crate) changes: Vec<String>,
    pub(crate) epoch: u64,
}

/// How many have said yes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TallySaid {
    pub(crate) of: String,
    pub(crate) have: u64,
    pub(crate) need: u64,
}

impl From<&Waiting> for WaitingSaid {
    fn from(waiting: &Waiting) -> Self {
        let short = |all: &[String]| all.iter().map(|who| short_name(who)).collect();
        Self {
            id: waiting.id.to_hex(),
            act: waiting.act.to_string(),
            what: waiting.what.clone(),
            reason: waiting.reason.clone(),
            author: short_name(&waiting.author),
            approved: short(&waiting.approved),
            tallies: waiting.tallies.iter().map(Into::into).collect(),
            needs: match waiting.needs {
                Needs::Root => "root".to_owned(),
                Needs::Operators(role) => role.to_string(),
            },
            open: short(&waiting.open),
            changes: waiting.changes.clone(),
            epoch: waiting.epoch,
        }
    }
}

impl From<&Tally> for TallySaid {
    fn from(tally: &Tally) -> Self {
        Self { of: tally.of.clone(), have: tally.have, need: tally.need }
    }
}

impl TallySaid {
    /// `1 of 2 operators with the role security`
    pub(crate) fn words(&self) -> String {
        format!("{} of {} {}", self.have, self.need, self.of)
    }
}

/// What the next root epoch is to change; names and keys as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeAsk {
    AddOperator { id: String, key: String, roles: Vec<String> },
    AddOperatorKey { id: String, key: String },
    AddOrdersKey { id: String, key: String },
    RetireOperatorKey { key: String },
    SetRoles { name: String, roles: Vec<String> },
    RemoveOperator { name: String, cause: Option<String>, from: Option<String> },
    AddRootKey { key: String, threshold: Option<u64> },
    RetireRootKey { key: String, threshold: Option<u64> },
    ReplaceRootKey { old: String, new: String },
    SetThreshold { threshold: u64 },
}

impl ChangeAsk {
    /// The change in the engine's words, in this fleet.
    pub(crate) fn read(&self, domain: &TrustDomain) -> Result<Change, Refusal> {
        Ok(match self {
            Self::AddOperator { id, key, roles } => {
                Change::AddOperator { id: whole(id)?, key: public(key)?, roles: read_roles(roles)? }
            }
            Self::AddOperatorKey { id, key } => {
                Change::AddOperatorKey { id: whole(id)?, key: public(key)? }
            }
            Self::AddOrdersKey { id, key } => {
                Change::AddOrdersKey { id: whole(id)?, key: public(key)? }
            }
            Self::RetireOperatorKey { key } => Change::RetireOperatorKey { key: public(key)? },
            Self::SetRoles { name, roles } => {
                Change::SetRoles { id: named(domain, name)?, roles: read_roles(roles)? }
            }
            Self::RemoveOperator { name, cause, from } => {
                let from = from.as_deref().map(super::id_from_text).transpose()?.map(StatementId);
                let cause = cause.clone().map(|reason| Cause { reason, from });
                Change::RemoveOperator { id: named(domain, name)?, cause }
            }
            Self::AddRootKey { key, threshold } => {
                Change::AddRootKey { key: public(key)?, threshold: *threshold }
            }
            Self::RetireRootKey { key, threshold } => {
                Change::RetireRootKey { key: public(key)?, threshold: *threshold }
            }
            Self::ReplaceRootKey { old, new } => {
                Change::ReplaceRootKey { old: public(old)?, new: public(new)? }
            }
            Self::SetThreshold { threshold } => Change::SetThreshold { threshold: *threshold },
        })
    }
}

/// Roles as people write them.
pub(crate) fn read_roles(words: &[String]) -> Result<Vec<Role>, Refusal> {
    let all: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    let read = |word: &String| {
        Role::from_word(word).ok_or_else(|| {
            let hint = format!("the roles are {}", all.join(", "));
            Refusal::new(RefusalKind::WrongUse, format!("“{word}” is no role"), hint)
        })
    };
    words.iter().map(read).collect()
}

fn whole(id: &str) -> Result<OperatorId, Refusal> {
    OperatorId::parse(id).map_err(|error| bad_name(&error))
}

fn named(domain: &TrustDomain, name: &str) -> Result<OperatorId, Refusal> {
    OperatorId::new(domain, name).map_err(|error| bad_name(&error))
}

fn bad_name(error: &belay_identity::principal::NameError) -> Refusal {
    Refusal::new(RefusalKind::WrongUse, error.to_string(), "`belay operator list` shows names")
}

fn public(key: &str) -> Result<PublicKey, Refusal> {
    unhex(key).and_then(|bytes| bytes.try_into().ok()).map(PublicKey).ok_or_else(|| {
        let hint = "a key has 64 hex digits; a card holds one";
        Refusal::new(RefusalKind::WrongUse, "this is no key", hint)
    })
}

/// A root epoch to be signed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EpochDraftSaid {
    /// What it says, canonical, in hex.
    pub(crate) root: String,
    /// The parts of its list of pins, the same way; it is to name them in this order.
    #[serde(default)]
    pub(crate) parts: Vec<String>,
    pub(crate) parent: String,
    pub(crate) changes: Vec<String>,
    pub(crate) unpinned: u64,
}

impl From<&EpochDraft> for EpochDraftSaid {
    fn from(draft: &EpochDraft) -> Self {
        Self {
            root: hexed(&draft.root.to_value()),
            parts: draft.parts.iter().map(|part| hexed(&part.to_value())).collect(),
            parent: draft.parent.to_hex(),
            changes: draft.changes.clone(),
            unpinned: draft.unpinned,
        }
    }
}

fn hexed(value: &codec::Value) -> String {
    super::to_text(&codec::write(value))
}
