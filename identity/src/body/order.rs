//! Orders, and the grants that answer them by name.

use crate::codec::{Bytes, Field, Fields, Problem, Value, map};
use crate::key::hex;
use crate::limits::{REASON_BYTES_MAX, TERMS_MAX};
use crate::principal::{AgentId, ClassId, DeviceId, OperatorId, ProjectId, UserId};
use crate::record;

record! {
    /// Holds everything that matches, all generations, until lifted by name or until its time.
    pub struct Hold("hold") {
        /// What is held.
        1 => subject: Subject,
        /// The device to which receipts come home.
        2 => home: DeviceId,
        /// Why, for people.
        3 => reason: Reason,
        /// When it ends by itself, Unix milliseconds.
        4 => until_ms: Option<u64>,
        /// True where work is to freeze instead of end.
        5 => pause: Option<Pause>,
    }
}

record! {
    /// Cuts the generation of one principal or group that its refs show, and all before it.
    pub struct Revoke("revoke") {
        /// Who is cut; exactly one term.
        1 => subject: Subject,
        /// The device to which receipts come home.
        2 => home: DeviceId,
        /// Why, for people.
        3 => reason: Reason,
    }
}

record! {
    /// A no-op through the same path as an order.
    pub struct Drill("drill") {
        /// What would be stopped.
        1 => subject: Subject,
        /// The device to which receipts come home.
        2 => home: DeviceId,
        /// Why, for people.
        3 => reason: Reason,
    }
}

record! {
    /// Ends holds; they stand in its refs.
    pub struct Lift("lift") {
        /// Why, for people.
        1 => reason: Reason,
    }
}

record! {
    /// Opens the generation after the revokes in its refs, which must be all that stand.
    pub struct Restore("restore") {
        /// Who is restored; exactly one term.
        1 => subject: Subject,
        /// Why, for people.
        2 => reason: Reason,
    }
}

record! {
    /// Two statements with one (log, number): their author forked his log.
    pub struct Proof("proof") {
        /// One of them, original bytes.
        1 => first: Bytes,
        /// The other.
        2 => second: Bytes,
    }
}

/// The mark of a hold that freezes instead of ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause;

impl Field for Pause {
    fn encode(&self) -> Option<Value> {
        Some(Value::Bool(true))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        // Absence says "no": one meaning has one encoding.
        if value == Value::Bool(true) { Ok(Self) } else { Err(Problem::Invalid) }
    }
}

/// A short text for people; read by no rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reason(pub String);

impl Field for Reason {
    fn encode(&self) -> Option<Value> {
        self.0.encode()
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let text = String::decode(value)?;
        if text.len() > REASON_BYTES_MAX { Err(Problem::Bounds) } else { Ok(Self(text)) }
    }
}

/// One thing that a credential carries and an order can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// An agent.
    Agent(AgentId),
    /// A user.
    User(UserId),
    /// A project.
    Project(ProjectId),
    /// A policy class.
    Class(ClassId),
    /// A program, by the SHA-256 of its manifest.
    Manifest([u8; 32]),
    /// A device.
    Device(DeviceId),
    /// An operator.
    Operator(OperatorId),
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Term::Agent(id) => write!(f, "agent:{}", id.name()),
            Term::User(id) => write!(f, "user:{}", id.name()),
            Term::Project(id) => write!(f, "project:{}", id.name()),
            Term::Class(id) => write!(f, "class:{}", id.name()),
            Term::Manifest(hash) => write!(f, "manifest:{}", hex(hash)),
            Term::Device(id) => write!(f, "device:{}", id.name()),
            Term::Operator(id) => write!(f, "operator:{}", id.name()),
        }
    }
}

impl Field for Term {
    fn encode(&self) -> Option<Value> {
        let (code, value) = match self {
            Term::Agent(id) => (1, id.encode()),
            Term::User(id) => (2, id.encode()),
            Term::Project(id) => (3, id.encode()),
            Term::Class(id) => (4, id.encode()),
            Term::Manifest(hash) => (5, hash.encode()),
            Term::Device(id) => (6, id.encode()),
            Term::Operator(id) => (7, id.encode()),
        };
        Some(map([(code, value)]))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let Value::Map(pairs) = &value else { return Err(Problem::Type) };
        let [(key, _)] = pairs.as_slice() else { return Err(Problem::Bounds) };
        let code = u64::decode(key.clone())?;
        let mut fields = Fields::open("term", value).map_err(|_| Problem::Type)?;
        let bad = |_| Problem::Invalid;
        Ok(match code {
            1 => Term::Agent(fields.take(1).map_err(bad)?),
            2 => Term::User(fields.take(2).map_err(bad)?),
            3 => Term::Project(fields.take(3).map_err(bad)?),
            4 => Term::Class(fields.take(4).map_err(bad)?),
            5 => Term::Manifest(fields.take(5).map_err(bad)?),
            6 => Term::Device(fields.take(6).map_err(bad)?),
            7 => Term::Operator(fields.take(7).map_err(bad)?),
            _ => return Err(Problem::Invalid),
        })
    }
}

/// Up to three terms that must all match; sorted and distinct.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Vec<Term>);

/// Why terms are not a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// None, or more than three.
    #[error("an order names one to three terms, this one names {0}")]
    Count(usize),
    /// The same term twice.
    #[error("an order names each term once")]
    Twice,
}

impl Subject {
    /// A subject of these terms, in any order.
    pub fn new(mut terms: Vec<Term>) -> Result<Self, SubjectError> {
        if terms.is_empty() || terms.len() > TERMS_MAX {
            return Err(SubjectError::Count(terms.len()));
        }
        terms.sort();
        if terms.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(SubjectError::Twice);
        }
        Ok(Self(terms))
    }

    /// The terms, sorted.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.0.iter().map(Term::to_string).collect();
        f.pad(&words.join(" and "))
    }
}

impl Field for Subject {
    fn encode(&self) -> Option<Value> {
        self.0.encode()
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let terms = Vec::<Term>::decode(value)?;
        let sorted = terms.windows(2).all(|pair| pair[0] < pair[1]);
        if sorted { Self::new(terms).map_err(|_| Problem::Bounds) } else { Err(Problem::Invalid) }
    }
}
