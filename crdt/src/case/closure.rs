//! Everything on which the statements of a case rest: what they name, and why their signers count.

use super::gather::Known;
use crate::registry::{Issued, Registry};
use belay_identity::body::Release;
use belay_identity::principal::{DeviceId, Principal};
use belay_identity::{Body, Class, LogId, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};

/// Ids that a case needs.
pub(super) struct Needed(BTreeSet<StatementId>);

impl Needed {
    pub(super) fn new(order: StatementId) -> Self {
        Self(BTreeSet::from([order]))
    }

    pub(super) fn insert(&mut self, id: StatementId) {
        self.0.insert(id);
    }

    pub(super) fn extend(&mut self, ids: impl IntoIterator<Item = StatementId>) {
        self.0.extend(ids);
    }

    pub(super) fn credentials<'a>(
        &'a self,
        registry: &'a Registry,
    ) -> impl Iterator<Item = &'a Issued> {
        self.0.iter().filter_map(|id| registry.claim(id))
    }

    /// These statements and everything they rest on, as far as it is held, by ascending id.
    pub(super) fn closed(self, known: &Known<'_>) -> Vec<StatementId> {
        let mut closed = BTreeSet::new();
        let mut devices = BTreeSet::new();
        let mut open: Vec<StatementId> = self.0.into_iter().collect();
        open.extend(known.set.of_kind("root").map(|root| root.id()));
        open.extend(known.set.of_kind("proof").map(|proof| proof.id()));
        open.extend(releases(known));
        while let Some(id) = open.pop() {
            let Some(statement) = known.set.get(&id) else { continue };
            if closed.insert(id) {
                open.extend(named_by(statement));
                let new = devices_in(statement).into_iter().filter(|id| devices.insert(*id));
                open.extend(new.flat_map(|device| known.registry.papers_of(device)));
                open.extend(behind(known, statement));
                open.extend(known.set.approvals(&id).map(|approval| approval.id()));
            }
        }
        closed.into_iter().collect()
    }
}

/// What a statement names that must be there for it to mean anything.
pub(super) fn named_by(statement: &Statement) -> Vec<StatementId> {
    let mut named = match &statement.body {
        Body::Credential(credential) => credential.tree.into_iter().collect(),
        Body::Delegation(delegation) => vec![delegation.from],
        Body::Award(award) => std::iter::once(award.credential).chain(award.delegation).collect(),
        Body::Started(started) => vec![started.award, started.credential],
        Body::Refused(refused) => vec![refused.award],
        Body::Cancel(cancel) => vec![cancel.award],
        Body::Receipt(receipt) => receipt.award.into_iter().collect(),
        Body::Witness(witness) => vec![witness.invite, witness.enrol],
        Body::Root(root) => root.pins_in.clone(),
        Body::Pins(_)
        | Body::Approve(_)
        | Body::FurtherKey(_)
        | Body::Release(_)
        | Body::Hold(_)
        | Body::Revoke(_)
        | Body::Drill(_)
        | Body::Lift(_)
        | Body::Restore(_)
        | Body::Proof(_)
        | Body::Enrol(_)
        | Body::Invite(_)
        | Body::User(_)
        | Body::Project(_)
        | Body::Class(_)
        | Body::Manifest(_)
        | Body::Agent(_)
        | Body::Presence(_)
        | Body::Inventory(_)
        | Body::AuditHead(_)
        | Body::Draft(_)
        | Body::Unknown { .. } => Vec::new(),
    };
    named.extend_from_slice(&statement.refs);
    named
}

/// Why a statement of authority counts or not: the log between it and the pins that cover it, and
/// what forks its log.
fn behind(known: &Known<'_>, statement: &Verified<Statement>) -> Vec<StatementId> {
    if !matches!(statement.class, Class::AuthorityMinus | Class::AuthorityPlus) {
        return Vec::new();
    }
    let log = statement.log(statement.key());
    let mut found = pinned_above(known, statement, &log);
    let fork = known.set.fork(&log);
    let at_fork = known.set.log(&log).filter(|other| Some(other.seq) == fork);
    found.extend(at_fork.map(|other| other.id()));
    found
}

/// The devices that a statement speaks of.
fn devices_in(statement: &Statement) -> Vec<&DeviceId> {
    let author = match &statement.author {
        Principal::Device(device) => Some(device),
        Principal::Root(_)
        | Principal::Operator(_)
        | Principal::User(_)
        | Principal::Agent(_)
        | Principal::Project(_)
        | Principal::Class(_)
        | Principal::Invite(_) => None,
    };
    let named = if let Body::Credential(credential) = &statement.body {
        Some(&credential.device)
    } else if let Body::Award(award) = &statement.body {
        Some(&award.executor)
    } else {
        None
    };
    author.into_iter().chain(named).collect()
}

/// The log from every pin of this log down to the statement.
fn pinned_above(
    known: &Known<'_>,
    statement: &Verified<Statement>,
    log: &LogId,
) -> Vec<StatementId> {
    let mut found = Vec::new();
    for epoch in known.authority.epochs().chain(known.authority.rivals()) {
        for pin in epoch.pins_of(log) {
            let mut at = Some(pin.id);
            while let Some(held) = at.and_then(|id| known.set.get(&id)) {
                if held.seq <= statement.seq {
                    break;
                }
                found.push(held.id());
                at = held.prev;
            }
        }
    }
    found
}

/// The header of the newest release that counts in each ring: the bound that screens show.
fn releases(known: &Known<'_>) -> Vec<StatementId> {
    let mut newest: BTreeMap<&str, (&Release, StatementId)> = BTreeMap::new();
    for held in known.set.of_kind("release") {
        let Body::Release(release) = &held.body else { continue };
        if known.orders.grant_counts(known.authority, held).is_err() {
            continue;
        }
        let place = newest.entry(&release.ring).or_insert((release, held.id()));
        if place.0.version < release.version {
            *place = (release, held.id());
        }
    }
    newest.into_values().map(|(_, id)| id).collect()
}
