//! Which role each kind of statement needs of its author.
//!
//! Refused here: saying who holds it.

use belay_identity::body::{Body, Role};

/// What the author of a grant must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Required {
    /// An operator with this role, or a root.
    Role(Role),
    /// An operator with this role, or the holder of an invite, which the registry checks.
    Invited,
    /// Any operator by a key that does more than order, or a root; what he approves says which role
    /// it needs.
    AnyOperator,
    /// A device, or a credential's key: the registry and the tasks say which.
    OfAnother,
}

impl Required {
    /// True when these roles are enough.
    pub(super) fn met_by(self, roles: &[Role]) -> bool {
        match self {
            Required::Role(role) => roles.contains(&role),
            Required::Invited => roles.contains(&Role::Enrol),
            Required::AnyOperator => roles.iter().any(|role| *role != Role::Orders),
            Required::OfAnother => false,
        }
    }

    /// What it is called where it is missing.
    pub(super) fn word(self) -> &'static str {
        match self {
            Required::Role(role) => role.as_str(),
            Required::Invited => Role::Enrol.as_str(),
            Required::AnyOperator => "operator",
            Required::OfAnother => "device",
        }
    }
}

/// What the author of a statement with this body must be.
pub(super) fn required_role(body: &Body) -> Required {
    match body {
        Body::Release(_) | Body::Draft(_) | Body::Manifest(_) => Required::Role(Role::Policy),
        Body::Lift(_) | Body::Restore(_) | Body::Hold(_) | Body::Revoke(_) | Body::Drill(_) => {
            Required::Role(Role::Security)
        }
        Body::Invite(_) | Body::User(_) | Body::Project(_) | Body::Class(_) => {
            Required::Role(Role::Enrol)
        }
        Body::Enrol(_) => Required::Invited,
        Body::Root(_) | Body::Pins(_) | Body::Approve(_) | Body::FurtherKey(_) => {
            Required::AnyOperator
        }
        Body::Proof(_)
        | Body::Witness(_)
        | Body::Agent(_)
        | Body::Credential(_)
        | Body::Delegation(_)
        | Body::Award(_)
        | Body::Started(_)
        | Body::Refused(_)
        | Body::Cancel(_)
        | Body::Receipt(_)
        | Body::Presence(_)
        | Body::Inventory(_)
        | Body::AuditHead(_)
        | Body::Unknown { .. } => Required::OfAnother,
    }
}
