//! Heads of audit logs: this device says how far its own goes, and hears what others say of theirs.
//!
//! A log is linked row by row on its device's own disk, where whoever owns the disk could cut it.
//! So its head is signed and spread now and then, and every member keeps the newest. A device whose
//! log is shorter than it has said, or holds another row in that place, is found out: by itself,
//! when it reads what the fleet holds of it, and by everybody, at its next head.
//!
//! Refused here: the rows, and knowing what was written between two heads.

use crate::author::Words;
use crate::engine::Engine;
use crate::limits::AUDIT_HEAD_EVERY_MS;
use crate::output::Event;
use crate::time::BootTime;
use belay_identity::body::AuditHead;
use belay_identity::{Body, Class, PublicKey, Scope, Statement, Verified};
use std::collections::BTreeMap;

/// What is known of audit logs beside what the set holds.
#[derive(Default)]
pub(crate) struct Audits {
    own: Option<AuditHead>,
    said: Option<BootTime>,
    /// Devices whose log was cut: how far it went before, and how far it goes now.
    cut: BTreeMap<PublicKey, (u64, u64)>,
}

/// A device whose audit log is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCut {
    /// Its name.
    pub device: String,
    /// How many rows it had said to have.
    pub before: u64,
    /// How many it said to have afterwards.
    pub after: u64,
}

impl Engine {
    /// The audit log of this device is on disk so far.
    pub(crate) fn on_audited(&mut self, rows: u64, hash: [u8; 32]) {
        self.audits.own = Some(AuditHead { rows, hash });
    }

    /// Says how far the own log goes, if that is news and due.
    pub(crate) fn tend_audit(&mut self) {
        let due = self.next_audit().is_some_and(|at| at <= self.now.boot);
        let Some(head) = self.audits.own.clone().filter(|_| due) else { return };
        self.outlive_own(Class::Audit);
        self.audits.said = Some(self.now.boot);
        self.say(Words::new(Scope::Fleet, head));
    }

    /// When that is due.
    pub(crate) fn next_audit(&self) -> Option<BootTime> {
        let own = self.audits.own.as_ref()?;
        let device = self.known.registry.device_by_key(&self.key)?;
        if self.audit_said(&self.key) == Some(own) || self.device_cut(&device.id) {
            return None;
        }
        Some(self.audits.said.map_or(self.now.boot, |said| said.plus_ms(AUDIT_HEAD_EVERY_MS)))
    }

    /// True until a head was said in the life of this process.
    pub fn audit_unsaid(&self) -> bool {
        self.audits.said.is_none()
    }

    /// What the fleet holds of the audit log of this device, as far as is known here.
    pub fn own_audit_said(&self) -> Option<&AuditHead> {
        self.audit_said(&self.key)
    }

    fn audit_said(&self, key: &PublicKey) -> Option<&AuditHead> {
        let held = self.known.set.register(key, Class::Audit, &Scope::Fleet)?;
        match &held.body {
            Body::AuditHead(head) => Some(head),
            _ => None,
        }
    }

    /// The head that this statement would replace, where it is one.
    pub(crate) fn audit_before(&self, statement: &Verified<Statement>) -> Option<AuditHead> {
        matches!(statement.body, Body::AuditHead(_)).then(|| ())?;
        self.audit_said(&statement.key()).cloned()
    }

    /// Compares a device's new head with the one that it has replaced; one that comes late has
    /// replaced nothing.
    pub(crate) fn weigh_audit(&mut self, statement: &Verified<Statement>, old: Option<AuditHead>) {
        let (Body::AuditHead(new), Some(old)) = (&statement.body, old) else { return };
        if new.rows < old.rows || (new.rows == old.rows && new.hash != old.hash) {
            let (key, cut) = (statement.key(), (old.rows, new.rows));
            self.audits.cut.insert(key, cut);
            self.tell(Event::AuditCut(key, cut.0, cut.1));
        }
    }

    /// Every device whose log was cut in the life of this process.
    pub(crate) fn audit_cuts(&self) -> Vec<AuditCut> {
        let line = |(key, (before, after)): (&PublicKey, &(u64, u64))| AuditCut {
            device: self.name_of(key),
            before: *before,
            after: *after,
        };
        self.audits.cut.iter().map(line).collect()
    }
}
