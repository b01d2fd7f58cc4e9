//! What this node itself says: numbered, signed, kept, written, and only then sent.
//!
//! INV-LOG-1: a number is taken from what the set holds, so two statements of one call never share
//! one; after a set-back a new incarnation begins, and no number is guessed.

use crate::engine::{Effect, Engine};
use crate::output::{Event, Record};
use belay_identity::body::Body;
use belay_identity::principal::{DeviceId, Principal};
use belay_identity::{
    Class, Incarnation, LogId, Scope, SecretKey, Statement, StatementId, Verified, sign,
};
use std::sync::Arc;

/// What goes into a statement besides its place in a log.
pub(crate) struct Words {
    pub(crate) scope: Scope,
    pub(crate) refs: Vec<StatementId>,
    pub(crate) expiry_ms: Option<u64>,
    pub(crate) body: Body,
}

impl Words {
    pub(crate) fn new(scope: Scope, body: impl Into<Body>) -> Self {
        Self { scope, refs: Vec::new(), expiry_ms: None, body: body.into() }
    }

    pub(crate) fn answering(mut self, refs: Vec<StatementId>) -> Self {
        self.refs = refs;
        self
    }

    pub(crate) fn until(mut self, expiry_ms: u64) -> Self {
        self.expiry_ms = Some(expiry_ms);
        self
    }
}

impl Engine {
    /// Says something with the device's key; it spreads once it is on disk.
    pub(crate) fn say(&mut self, words: Words) -> Option<StatementId> {
        let author = Principal::Device(self.own_id()?);
        let incarnation = self.incarnation;
        let statement = self.placed(self.key, author, incarnation, words);
        let signed = sign(statement, &self.config.device, &self.config.fleet);
        Some(self.keep_own(Arc::new(signed)))
    }

    /// Says something with a credential's key.
    pub(crate) fn say_as(
        &mut self,
        secret: &SecretKey,
        author: Principal,
        words: Words,
    ) -> StatementId {
        let incarnation = Incarnation { counter: 1, drawn: self.chance.bytes16() };
        let statement = self.placed(secret.public(), author, incarnation, words);
        let signed = sign(statement, secret, &self.config.fleet);
        self.keep_own(Arc::new(signed))
    }

    fn placed(
        &self,
        key: belay_identity::PublicKey,
        author: Principal,
        incarnation: Incarnation,
        words: Words,
    ) -> Statement {
        let class = words.body.class().unwrap_or(Class::Task);
        let log = LogId { key, class, scope: words.scope.clone(), incarnation };
        let (seq, prev) = self.known.set.next_place(&log);
        Statement {
            class,
            scope: words.scope,
            author,
            incarnation,
            seq,
            prev,
            epoch: self.known.epoch(),
            expiry_ms: words.expiry_ms,
            refs: words.refs,
            body: words.body,
        }
    }

    /// Takes in a statement of this node: acts at once, is written, then spreads.
    pub(crate) fn keep_own(&mut self, statement: Arc<Verified<Statement>>) -> StatementId {
        let id = statement.id();
        if matches!(statement.body, Body::Receipt(_)) || statement.is_order() {
            self.write_reserved();
        }
        if self.known.get(&id).is_some() {
            // Held already, hence written or being written.
            return id;
        }
        self.hold_back(id);
        self.learn(&statement);
        self.once_written(Effect::Spread(id));
        id
    }

    /// Takes a statement into the set and acts on it; its write joins this call's.
    pub(crate) fn learn(&mut self, statement: &Arc<Verified<Statement>>) -> bool {
        use belay_crdt::set::Inserted;
        let (bill, head) = (self.bill(statement), self.audit_before(statement));
        if self.known.intake(statement) == Inserted::Known {
            return false;
        }
        self.note_cost(statement, bill);
        self.weigh_audit(statement, head);
        self.write(Record::Statement { id: statement.id(), bytes: statement.bytes().clone() });
        self.on_learnt(statement);
        self.note_forks();
        true
    }

    /// A peer showed a statement of ours that we do not hold: our disk was set back, so the last
    /// number is uncertain and a new incarnation begins.
    pub(crate) fn note_set_back(&mut self) {
        self.begin_incarnation();
        self.tell(Event::SetBack);
    }

    /// Goes on in a new log: the number that comes next in the old one may be somebody else's.
    pub(crate) fn begin_incarnation(&mut self) {
        let counter = self.incarnation.counter.saturating_add(1);
        self.incarnation = Incarnation { counter, drawn: self.chance.bytes16() };
    }

    /// This device's id, once it is enrolled.
    pub(crate) fn own_id(&self) -> Option<DeviceId> {
        self.known.registry.device_by_key(&self.key).map(|device| device.id.clone())
    }
}
