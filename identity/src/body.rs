//! What statements say: the register of kinds, and their bodies below it.
//!
//! Every kind stands once in `kinds!`, with its class and its direction: a grant lets, an order
//! takes away, a record reports. Whatever narrows is an order. A new kind is a new line here, a new
//! record in a file below, and golden bytes.
//!
//! Refused here: an unknown body key. An unknown kind is kept whole, for nodes that know it.

mod agent;
mod audit;
mod draft;
mod enrol;
mod inventory;
mod manifest;
mod order;
mod release;
mod root;
mod task;

pub use agent::{Agent, Credential, Delegation, Generations};
pub use audit::AuditHead;
pub use draft::{Change, DocumentId, Draft, DraftName, Founding};
pub use enrol::{DeviceKind, Enrol, Invite, Named, Presence, Witness};
pub use inventory::{AgentHere, ConnectorHere, Inventory, Untold};
pub use manifest::{Build, Manifest, ManifestFault, ProgramName};
pub use order::{
    Drill, Hold, Lift, Pause, Proof, Reason, Restore, Revoke, Subject, SubjectError, Term,
};
pub use release::{
    Action, Autonomy, DataClass, DataMark, HeldBy, Mode, Modes, Policy, Profile, Release,
    ReleaseVersion, UnknownBlocked,
};
pub use root::{Approve, FurtherKey, Operator, Pin, Pins, Removal, RingFloor, Role, Root};
pub use task::{
    Award, Cancel, Cause, LogMark, Made, OnSilence, Outcome, Payload, Receipt, Refused, Seen,
    Started, Wall,
};

use crate::codec::{self, CodecError, Value};
use crate::limits::{STATEMENT_BYTES_MAX, URGENT_STATEMENT_BYTES_MAX};
use crate::statement::Class;

/// Whether a kind lets, takes away, or only reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It lets.
    Grant,
    /// It takes away.
    Order,
    /// It reports what was done.
    Record,
}

macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $text:literal $variant:ident $class:ident $direction:ident $bytes:ident,
    )*) => {
        /// The body of a statement.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Body {
            $($(#[$doc])* $variant(kinds!(@type $variant)),)*
            /// A kind that this version does not know: kept and passed on, read by no view.
            Unknown {
                /// Its kind as written.
                kind: String,
                /// Its canonical body.
                bytes: Vec<u8>,
            },
        }

        impl Body {
            /// Every kind known here, in order.
            pub const KINDS: &'static [&'static str] = &[$($text,)*];

            /// The kind as it stands in the content type.
            pub fn kind(&self) -> &str {
                match self {
                    $(Body::$variant(_) => $text,)*
                    Body::Unknown { kind, .. } => kind,
                }
            }

            /// The class this kind must have; nothing for an unknown kind.
            pub fn class(&self) -> Option<Class> {
                match self {
                    $(Body::$variant(_) => Some(Class::$class),)*
                    Body::Unknown { .. } => None,
                }
            }

            /// Whether it lets or takes away; nothing for an unknown kind.
            pub fn direction(&self) -> Option<Direction> {
                match self {
                    $(Body::$variant(_) => Some(Direction::$direction),)*
                    Body::Unknown { .. } => None,
                }
            }

            /// The body as a value.
            pub fn to_value(&self) -> Value {
                match self {
                    $(Body::$variant(body) => body.to_value(),)*
                    Body::Unknown { bytes, .. } => {
                        codec::read(bytes).expect("an unknown body was scanned when it was read")
                    }
                }
            }

            /// Reads the body of a kind.
            pub fn from_value(kind: &str, value: Value) -> Result<Self, CodecError> {
                match kind {
                    $($text => <kinds!(@type $variant)>::from_value(value).map(Body::$variant),)*
                    _ => Ok(Body::Unknown { kind: kind.to_owned(), bytes: codec::write(&value) }),
                }
            }

            /// The most bytes a statement of this kind may have.
            pub fn bytes_max(kind: &str) -> usize {
                match kind {
                    $($text => $bytes,)*
                    _ => STATEMENT_BYTES_MAX,
                }
            }
        }
    };
    (@type User) => { Named };
    (@type Project) => { Named };
    (@type Class) => { Named };
    (@type $variant:ident) => { $variant };
}

kinds! {
    /// An epoch of the fleet's root.
    "root" Root AuthorityMinus Grant STATEMENT_BYTES_MAX,
    /// A part of the list of pins of an epoch.
    "pins" Pins AuthorityMinus Grant STATEMENT_BYTES_MAX,
    /// One principal's yes to a proposal.
    "approve" Approve AuthorityMinus Grant URGENT_STATEMENT_BYTES_MAX,
    /// One more key of an operator, once another one has said yes.
    "further-key" FurtherKey AuthorityMinus Grant URGENT_STATEMENT_BYTES_MAX,
    /// The header of a policy.
    "release" Release AuthorityMinus Grant URGENT_STATEMENT_BYTES_MAX,
    /// Stops a subject until it is lifted.
    "hold" Hold AuthorityMinus Order URGENT_STATEMENT_BYTES_MAX,
    /// Cuts a generation for ever.
    "revoke" Revoke AuthorityMinus Order URGENT_STATEMENT_BYTES_MAX,
    /// A no-op through the same path.
    "drill" Drill AuthorityMinus Order URGENT_STATEMENT_BYTES_MAX,
    /// Ends holds by name.
    "lift" Lift AuthorityMinus Grant URGENT_STATEMENT_BYTES_MAX,
    /// Opens the next generation.
    "restore" Restore AuthorityMinus Grant URGENT_STATEMENT_BYTES_MAX,
    /// Two statements with one number.
    "proof" Proof AuthorityMinus Order STATEMENT_BYTES_MAX,
    /// A device joins.
    "enrol" Enrol AuthorityPlus Grant STATEMENT_BYTES_MAX,
    /// A one-use grant to enrol.
    "invite" Invite AuthorityPlus Grant STATEMENT_BYTES_MAX,
    /// Which enrolment of an invite was seen first.
    "witness" Witness AuthorityPlus Grant STATEMENT_BYTES_MAX,
    /// A user of the fleet.
    "user" User AuthorityPlus Grant STATEMENT_BYTES_MAX,
    /// A project.
    "project" Project AuthorityPlus Grant STATEMENT_BYTES_MAX,
    /// A policy class.
    "class" Class AuthorityPlus Grant STATEMENT_BYTES_MAX,
    /// A program, by the files that are it.
    "manifest" Manifest AuthorityPlus Grant STATEMENT_BYTES_MAX,
    /// An agent on a device.
    "agent" Agent Identity Grant STATEMENT_BYTES_MAX,
    /// An agent's short-lived right to be itself on a device.
    "credential" Credential Identity Grant STATEMENT_BYTES_MAX,
    /// A narrowing grant from one agent to the next.
    "delegation" Delegation Task Grant STATEMENT_BYTES_MAX,
    /// Work given to a device.
    "award" Award Task Record STATEMENT_BYTES_MAX,
    /// Work begun.
    "started" Started Task Record STATEMENT_BYTES_MAX,
    /// Work refused.
    "refused" Refused Task Record STATEMENT_BYTES_MAX,
    /// One task and all below it must end.
    "cancel" Cancel Task Order STATEMENT_BYTES_MAX,
    /// The executor's signed outcome.
    "receipt" Receipt Task Record STATEMENT_BYTES_MAX,
    /// Addresses, capabilities and load of a device.
    "presence" Presence Presence Record STATEMENT_BYTES_MAX,
    /// Agents and connectors on a device, governed or not.
    "inventory" Inventory Presence Record STATEMENT_BYTES_MAX,
    /// How far a device's audit log goes.
    "audit-head" AuditHead Audit Record URGENT_STATEMENT_BYTES_MAX,
    /// One change of policy that is edited together.
    "draft" Draft Draft Grant STATEMENT_BYTES_MAX,
}

macro_rules! into_body {
    ($($variant:ident)*) => {$(
        impl From<$variant> for Body {
            fn from(body: $variant) -> Self {
                Body::$variant(body)
            }
        }
    )*};
}
into_body!(Root Pins Approve FurtherKey Release Hold Revoke Drill Lift Restore Proof Enrol Invite
    Witness Manifest Agent Credential Delegation Award Started Refused Cancel Receipt Presence
    Inventory AuditHead Draft);
