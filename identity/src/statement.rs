//! The statement: one signed record, its place in a log, and its body.
//!
//! A log is (author key, class, scope, incarnation); its statements are numbered from 1 and each
//! names the hash of the one before. Payload keys 1 to 11 as in the register below; an unknown key
//! is refused, an unknown kind is kept and passed on by its class and read by no view.
//!
//! Refused here: saying whether a statement counts. That is a fold's decision (`belay-crdt`).

use crate::body::{Body, Direction};
use crate::codec::{self, CodecError, Field, Fields, Problem, Value};
use crate::key::PublicKey;
use crate::limits::REFS_MAX;
use crate::principal::Principal;
use crate::signed::{Content, FleetId, StatementId};

/// One statement before or after signing; whether it is believed is said by the type around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where it stands: class, scope, incarnation; with the key this names its log.
    pub class: Class,
    /// Who needs it.
    pub scope: Scope,
    /// Who says it.
    pub author: Principal,
    /// Which life of the author's state numbers it.
    pub incarnation: Incarnation,
    /// Its number in its log, from 1.
    pub seq: u64,
    /// The statement before it in its log; absent at number 1.
    pub prev: Option<StatementId>,
    /// The root epoch its author knew.
    pub epoch: u64,
    /// When it ends by itself, Unix milliseconds.
    pub expiry_ms: Option<u64>,
    /// The statements it answers or stands on.
    pub refs: Vec<StatementId>,
    /// What it says.
    pub body: Body,
}

crate::codes! {
    /// Who holds a statement and in which lane it travels.
    pub enum Class {
        /// All that takes away, and what gives it force: everyone.
        AuthorityMinus = 0 "A-",
        /// Enrolments, users, groups: full nodes.
        AuthorityPlus = 1 "A+",
        /// Agents, credentials, posture: the site.
        Identity = 2 "I",
        /// Awards, delegations, cancels, receipts: participants.
        Task = 3 "T",
        /// Quota rights and spends.
        Quota = 4 "Q",
        /// Addresses, capabilities, load.
        Presence = 5 "P",
        /// Audit heads.
        Audit = 6 "L",
        /// Drafts of policy.
        Draft = 7 "D",
    }
}

/// Whom a log concerns: the fleet, one site, or the participants of one task tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everyone who holds the class.
    Fleet,
    /// One site.
    Site(String),
    /// One tree of tasks, named by the statement id of its first credential.
    Tree(StatementId),
}

/// Which life of its author's state a log belongs to: a counter, and 16 bytes drawn for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    /// Counts the lives of one state.
    pub counter: u64,
    /// Tells two states with one counter apart.
    pub drawn: [u8; 16],
}

/// The name of a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The key that signs it.
    pub key: PublicKey,
    /// Its class.
    pub class: Class,
    /// Its scope.
    pub scope: Scope,
    /// Its incarnation.
    pub incarnation: Incarnation,
}

impl Statement {
    /// The log in which a statement signed by `key` stands.
    pub fn log(&self, key: PublicKey) -> LogId {
        let Self { class, scope, incarnation, .. } = self;
        LogId { key, class: *class, scope: scope.clone(), incarnation: *incarnation }
    }

    /// True for what takes away: it travels first and is never weakened.
    pub fn is_order(&self) -> bool {
        self.body.direction() == Some(Direction::Order)
    }
}

impl Content for Statement {
    fn kind(&self) -> &str {
        self.body.kind()
    }

    fn payload(&self) -> Value {
        codec::map([
            (1, Some(Value::from(1u64))),
            (2, self.class.encode()),
            (3, self.scope.encode()),
            (4, self.author.encode()),
            (5, self.incarnation.encode()),
            (6, self.seq.encode()),
            (7, self.prev.encode()),
            (8, self.epoch.encode()),
            (9, self.expiry_ms.encode()),
            (10, self.refs.encode()),
            (11, Some(self.body.to_value())),
        ])
    }

    fn decode(kind: &str, payload: Value) -> Result<Self, CodecError> {
        let mut fields = Fields::open("statement", payload)?;
        let wrong = |key, problem| CodecError::Field { record: "statement", key, problem };
        if fields.take::<u64>(1)? != 1 {
            return Err(wrong(1, Problem::Invalid));
        }
        let class: Class = fields.take(2)?;
        let statement = Self {
            class,
            scope: fields.take(3)?,
            author: fields.take(4)?,
            incarnation: fields.take(5)?,
            seq: fields.take(6)?,
            prev: fields.take(7)?,
            epoch: fields.take(8)?,
            expiry_ms: fields.take(9)?,
            refs: fields.take(10)?,
            body: Body::from_value(kind, fields.take::<Raw>(11)?.0)?,
        };
        fields.done()?;
        statement.check_place().map_err(|(key, problem)| wrong(key, problem))?;
        Ok(statement)
    }

    fn bytes_max(kind: &str) -> usize {
        Body::bytes_max(kind)
    }

    fn external<'a>(&self, fleet: &'a FleetId) -> &'a [u8] {
        match &self.body {
            Body::Root(root) if root.number == 1 => &[],
            _ => &fleet.0,
        }
    }

    fn inner_holds(&self, fleet: &FleetId) -> bool {
        if let Body::Enrol(enrol) = &self.body {
            enrol.is_possessed(fleet)
        } else if let Body::FurtherKey(further) = &self.body {
            further.is_possessed(fleet, &self.author)
        } else {
            true
        }
    }
}

impl Statement {
    fn check_place(&self) -> Result<(), (u64, Problem)> {
        if self.body.class().is_some_and(|class| class != self.class) {
            return Err((2, Problem::Invalid));
        }
        if self.seq == 0 || (self.seq == 1) != self.prev.is_none() {
            return Err((6, Problem::Invalid));
        }
        if self.refs.len() > REFS_MAX {
            return Err((10, Problem::Bounds));
        }
        Ok(())
    }
}

/// A body's value, read later by its kind.
struct Raw(Value);

impl Field for Raw {
    fn encode(&self) -> Option<Value> {
        Some(self.0.clone())
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        Ok(Raw(value))
    }
}

impl Field for Scope {
    fn encode(&self) -> Option<Value> {
        Some(Value::Text(match self {
            Scope::Fleet => String::new(),
            Scope::Site(name) => format!("site/{name}"),
            Scope::Tree(id) => format!("tree/{id}"),
        }))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let text = String::decode(value)?;
        if text.is_empty() {
            return Ok(Scope::Fleet);
        }
        match text.split_once('/') {
            Some(("site", name)) => crate::principal::TrustDomain::new(name)
                .map(|name| Scope::Site(name.as_str().to_owned()))
                .map_err(|_| Problem::Invalid),
            Some(("tree", id)) if !id.bytes().any(|b| b.is_ascii_uppercase()) => {
                let bytes = crate::key::unhex(id).and_then(|bytes| bytes.try_into().ok());
                bytes.map(|id| Scope::Tree(StatementId(id))).ok_or(Problem::Invalid)
            }
            _ => Err(Problem::Invalid),
        }
    }
}

impl Field for Incarnation {
    fn encode(&self) -> Option<Value> {
        Some(Value::Array(vec![self.counter.into(), Value::Bytes(self.drawn.to_vec())]))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let Value::Array(parts) = value else { return Err(Problem::Type) };
        let [counter, drawn] = <[Value; 2]>::try_from(parts).map_err(|_| Problem::Bounds)?;
        Ok(Self { counter: u64::decode(counter)?, drawn: <[u8; 16]>::decode(drawn)? })
    }
}
crate::record! {
    /// The last statement of a log that somebody holds without a gap.
    pub struct LogHead("log head") {
        /// Author key.
        1 => key: PublicKey,
        /// Class.
        2 => class: Class,
        /// Scope.
        3 => scope: Scope,
        /// Incarnation.
        4 => incarnation: Incarnation,
        /// The number up to which there is no gap.
        5 => seq: u64,
        /// The hash of that statement.
        6 => id: StatementId,
    }
}

impl LogHead {
    /// The log it is the head of.
    pub fn log(&self) -> LogId {
        LogId {
            key: self.key,
            class: self.class,
            scope: self.scope.clone(),
            incarnation: self.incarnation,
        }
    }
}
