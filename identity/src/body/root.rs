//! Root epochs: who may say what, sealed by the threshold of the epoch before.

use crate::codec::Bytes;
use crate::key::PublicKey;
use crate::principal::{OperatorId, Principal, TrustDomain};
use crate::record;
use crate::signed::{FleetId, StatementId};
use crate::statement::{Class, Incarnation, LogId, Scope};

record! {
    /// One epoch of the root: keys, operators, and a pin for every log.
    pub struct Root("root") {
        /// The fleet's trust domain; the same in every epoch.
        1 => domain: TrustDomain,
        /// The epoch's number, from 1.
        2 => number: u64,
        /// The root keys.
        3 => keys: Vec<PublicKey>,
        /// How many of them must approve; more than half.
        4 => threshold: u64,
        /// Who holds which roles by which keys.
        5 => operators: Vec<Operator>,
        /// Where every log stood, where that fits in here; grants beyond are void.
        6 => pins: Vec<Pin>,
        /// Orders at or below the pins that go on counting.
        7 => reaffirmed: Vec<StatementId>,
        /// The lowest release version per ring.
        8 => floors: Vec<RingFloor>,
        /// Operators whose orders above the pins are void, with the reason.
        9 => removals: Vec<Removal>,
        /// When it was proposed, Unix milliseconds.
        10 => wall_ms: u64,
        /// The statements that list the pins, in order, where they do not fit in here.
        11 => pins_in: Vec<StatementId>,
    }
}

record! {
    /// A part of the list of pins of an epoch, which names it by its id: whoever signed it, the
    /// epoch's threshold vouches for every byte.
    pub struct Pins("pins") {
        /// Where these logs stood, ascending by `Pin::place`.
        1 => pins: Vec<Pin>,
    }
}

record! {
    /// One principal's yes to one proposal.
    pub struct Approve("approve") {
        /// The proposal.
        1 => of: StatementId,
    }
}

record! {
    /// An operator's word, by a key that the root has named, that another key is his too.
    pub struct FurtherKey("further key") {
        /// The other key.
        1 => key: PublicKey,
        /// The other key's signature over `possession_words`.
        2 => possession: Bytes,
    }
}

impl FurtherKey {
    /// What the further key signs to show that it is there: never a COSE structure.
    pub fn possession_words(fleet: &[u8], key: &PublicKey, operator: &OperatorId) -> Vec<u8> {
        let mut words = b"belay further key 1\0".to_vec();
        words.extend_from_slice(fleet);
        words.extend_from_slice(&key.0);
        words.extend_from_slice(operator.as_str().as_bytes());
        words
    }

    /// True when the further key signed that it is there, for this author.
    pub(crate) fn is_possessed(&self, fleet: &FleetId, author: &Principal) -> bool {
        let Principal::Operator(operator) = author else { return false };
        let words = Self::possession_words(&fleet.0, &self.key, operator);
        let signature = <&[u8; 64]>::try_from(self.possession.0.as_slice());
        signature.is_ok_and(|signature| self.key.verify_strict(&words, signature))
    }
}

record! {
    /// One operator of an epoch; one key of his is one line.
    pub struct Operator("operator") {
        /// Who he is.
        1 => id: OperatorId,
        /// One of his keys.
        2 => key: PublicKey,
        /// What he may do.
        3 => roles: Vec<Role>,
    }
}

crate::codes! {
    /// What an operator may sign.
    pub enum Role {
        /// Releases.
        Policy = 1 "policy",
        /// Orders, lifts and restores.
        Security = 2 "security",
        /// Enrolments, users and groups.
        Enrol = 3 "enrol",
        /// Reading everything.
        Audit = 4 "audit",
        /// Orders alone, which only take away: the role of a key that signs without its holder's
        /// touch or typed secret. It lifts, restores, approves and grants nothing.
        Orders = 5 "orders",
    }
}

impl Role {
    /// What is held in person: all that a founder gives himself.
    pub const OFFICES: &'static [Self] = &[Self::Policy, Self::Security, Self::Enrol, Self::Audit];
}

record! {
    /// Where a log stood when an epoch was made.
    pub struct Pin("pin") {
        /// The author's key.
        1 => key: PublicKey,
        /// The log's class.
        2 => class: Class,
        /// The log's scope.
        3 => scope: Scope,
        /// The log's incarnation.
        4 => incarnation: Incarnation,
        /// The last number inside.
        5 => seq: u64,
        /// The hash of that statement.
        6 => id: StatementId,
    }
}

impl Pin {
    /// The log that is pinned.
    pub fn log(&self) -> LogId {
        let Self { key, class, scope, incarnation, .. } = self;
        LogId { key: *key, class: *class, scope: scope.clone(), incarnation: *incarnation }
    }

    /// Where it stands in a list of pins: authority and membership first.
    pub fn place(&self) -> (Class, PublicKey, &Scope, Incarnation) {
        (self.class, self.key, &self.scope, self.incarnation)
    }
}

record! {
    /// The lowest release version that a ring may fall to.
    pub struct RingFloor("ring floor") {
        /// The ring's name.
        1 => ring: String,
        /// The release.
        2 => release: StatementId,
    }
}

record! {
    /// A removal for cause: the one thing that voids orders above a pin.
    pub struct Removal("removal") {
        /// Who is removed.
        1 => operator: OperatorId,
        /// Why.
        2 => reason: String,
    }
}
