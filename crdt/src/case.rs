//! A case: an order, and everything that proves what became of it.
//!
//! Completeness is computed downward from the order, never upward from what came home. Class I
//! names the roots: every device that holds a credential whose chain the order matches. Each owes a
//! receipt for every award that it executed below the match, and, for a credential under which it
//! executed none, a receipt that says so. From each receipt downward every award that the task ever
//! made owes one as well. INV-STOP-3: a case is never complete while a branch is unknown, left out,
//! or below an award that its maker did not list.
//!
//! Nor before the order is in force: a beacon answers every hold and revoke, from disk, and until
//! |B| - q + 1 + f of each release's have, devices may be freshened that have not heard of it, so
//! those that are silent are missing. A device that is its own beacon is one of them. What a device
//! begins after that without having heard the order, its lease bounds; no statement shows the end
//! of that time, so a complete case speaks for the devices that have answered, and screens say how
//! long others may go on.
//!
//! What begins after an order was lifted is none of its case: every award of it names the lift that
//! let it begin.
//!
//! A chain that cannot be followed to its end may match: its branch is missing until its device has
//! answered. A credential that no enrolled device signed is missing too: nobody can answer for it.
//!
//! Refused here: a clock, and believing an index; a case file is gathered again from its
//! statements.

mod asked;
mod closure;
mod file;
mod gather;
mod report;
#[cfg(test)]
pub(crate) mod scenario;
#[cfg(test)]
mod tests;

pub use file::{CaseError, CaseFile};
pub use report::{Check, Found, Report, verify};

use crate::authority::Authority;
use crate::orders::Orders;
use crate::registry::Registry;
use crate::set::Set;
use crate::tasks::{ChainGap, Tasks};
use belay_identity::StatementId;
use belay_identity::body::{Cause, Outcome, Receipt, Seen, Wall};
use belay_identity::principal::{AgentId, DeviceId};

/// What became of an order, branch by branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The order, or the cancel.
    pub order: StatementId,
    /// What is wrong with the order itself; nothing in a good case.
    pub fault: Option<OrderFault>,
    /// Every task below it, parents before what they made.
    pub branches: Vec<Branch>,
    /// Everything that proves it, by ascending id.
    pub statements: Vec<StatementId>,
    /// True when every branch has its signed answer.
    pub complete: bool,
    /// True when it is complete and every answer says that the task is seen to have ended.
    pub proven: bool,
}

/// Why there is nothing to gather.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderFault {
    /// It is not held.
    #[error("the order is not held here; wait for it, or check the id")]
    NotHeld,
    /// It is no hold, revoke, drill or cancel.
    #[error("it is a {0}, not an order; name a hold, revoke, drill or cancel")]
    NotAnOrder(String),
    /// Its author was not entitled to give it.
    #[error("it does not count: {0}")]
    Void(String),
}

/// One task below an order, or one credential under which its device executed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The award; none for a credential without one.
    pub award: Option<StatementId>,
    /// The agent, as far as it is known.
    pub agent: Option<AgentId>,
    /// The device that owes the answer, as far as it is known.
    pub device: Option<DeviceId>,
    /// The award under which it was made.
    pub parent: Option<StatementId>,
    /// How long the award may run without its delegator, milliseconds.
    pub lease_ms: Option<u64>,
    /// What is known of its end.
    pub state: BranchState,
}

/// What is known of the end of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BranchState {
    /// Its device signed that it ended and was seen to have ended, or that it never ran.
    Proven(Facts),
    /// Its device refused the award before beginning.
    Refused,
    /// Its device answered, and the answer does not show that it ended.
    Unproven(Facts),
    /// No answer that can be relied on.
    Missing(MissingWhy),
}

/// What one receipt says, for a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The receipt.
    pub receipt: StatementId,
    /// What became of the task.
    pub outcome: Outcome,
    /// What ended it.
    pub cause: Cause,
    /// How the end was seen.
    pub seen: Seen,
    /// The enclosure it ran in.
    pub wall: Wall,
    /// The device's own wall clock, Unix milliseconds; only shown.
    pub wall_clock_ms: u64,
    /// Acts refused to it.
    pub attempts: u64,
    /// Acts permitted to it that left the device or changed it.
    pub effects: u64,
    /// Exit status of its main process.
    pub exit: Option<u64>,
    /// Signal that ended its main process.
    pub signal: Option<u64>,
}

/// Why a branch has no answer that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingWhy {
    /// Its device said nothing.
    #[error("no receipt; wait for the device, or for the end of its lease")]
    Silent,
    /// Its device is its own beacon and has not answered the order.
    #[error("this device is its own beacon and has not confirmed the order; nothing bounds it yet")]
    OwnBeacon,
    /// It is a beacon that has not answered the order, and too few others have.
    #[error("this beacon has not confirmed the order, and too few others have: not in force yet")]
    Unconfirmed,
    /// Somebody else signed the receipt.
    #[error("receipt {receipt} is not signed by the device that was to do the work")]
    WrongSigner {
        /// The receipt.
        receipt: StatementId,
    },
    /// Somebody names the award and its statement is not held.
    #[error("the award is named and not held; fetch the tree of its maker")]
    AwardNotHeld,
    /// The maker's receipt does not list an award that it made.
    #[error("its receipt leaves out award {award}, which it made; do not trust this device")]
    Unlisted {
        /// The award.
        award: StatementId,
    },
    /// The receipt lists an award with another executor than the award itself.
    #[error("its receipt names another executor for award {award} than the award does")]
    ListsOtherwise {
        /// The award.
        award: StatementId,
    },
    /// The log of the tree on that device is not held up to the receipt.
    #[error("the log before receipt {receipt} has a gap below number {seq}; fetch it")]
    LogGap {
        /// The receipt.
        receipt: StatementId,
        /// The number above the gap.
        seq: u64,
    },
    /// The receipt stands in another log than that of its tree, or marks another end of it.
    #[error("receipt {receipt} does not stand at the end of the log that it marks")]
    OutOfPlace {
        /// The receipt.
        receipt: StatementId,
    },
    /// Its device says that it began and that it did not.
    #[error("its device says both that it began and that it never did; do not trust this device")]
    Contradiction,
    /// The chain cannot be followed, so it may match, and its device has not answered.
    #[error("it may be matched: {0}")]
    ChainUnknown(ChainGap),
    /// No enrolled device signed the credential.
    #[error("credential {credential} is signed by no enrolled key of its device")]
    NotEnrolled {
        /// The credential.
        credential: StatementId,
    },
}

impl Case {
    /// Gathers the case of an order from what is held.
    pub fn gather(
        set: &Set,
        authority: &Authority,
        orders: &Orders,
        registry: &Registry,
        tasks: &Tasks,
        order: StatementId,
    ) -> Self {
        gather::gather(gather::Known { set, authority, orders, registry, tasks }, order)
    }

    /// True when every branch that was found has an answer, and one was found at all: a case that
    /// names nobody shows nothing about anybody.
    pub fn reads_complete(&self) -> bool {
        self.complete && !self.branches.is_empty()
    }

    /// True when every branch that was found is proven, and one was found at all.
    pub fn reads_proven(&self) -> bool {
        self.proven && !self.branches.is_empty()
    }

    /// The branches without an answer that can be relied on.
    pub fn missing(&self) -> impl Iterator<Item = (&Branch, &MissingWhy)> {
        self.branches.iter().filter_map(|branch| match &branch.state {
            BranchState::Missing(why) => Some((branch, why)),
            BranchState::Proven(_) | BranchState::Refused | BranchState::Unproven(_) => None,
        })
    }
}

impl Facts {
    pub(crate) fn of(id: StatementId, receipt: &Receipt) -> Self {
        Self {
            receipt: id,
            outcome: receipt.outcome,
            cause: receipt.cause,
            seen: receipt.seen,
            wall: receipt.wall,
            wall_clock_ms: receipt.wall_clock_ms,
            attempts: receipt.attempts,
            effects: receipt.effects,
            exit: receipt.exit,
            signal: receipt.signal,
        }
    }

    /// True when this says that nothing is left running, and on whose eyes that rests.
    pub fn is_proof(&self) -> bool {
        match self.outcome {
            Outcome::NeverStarted | Outcome::StoppedByRestart => true,
            Outcome::FinishedBefore | Outcome::Stopped => self.seen != Seen::NotSeen,
            Outcome::NotProven | Outcome::Unstoppable => false,
        }
    }
}
