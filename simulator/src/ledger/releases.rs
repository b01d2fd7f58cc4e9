//! Which release each host has on its disk, whole and approved, and which programs it blocks.
//!
//! Read from what hosts wrote. Refused here: older releases that judge beside the newest one, and
//! programs that are listed by a manifest's id.

use super::Ledger;
use crate::clock::{MS, Time, WALL_AT_START_MS};
use belay_identity::body::{Mode, Policy, Release, ReleaseVersion, Role};
use belay_identity::principal::Principal;
use belay_identity::{Body, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// How many operators approve a release at most.
const APPROVALS_NEEDED: usize = 2;

/// What hosts have on disk of releases.
#[derive(Debug, Clone, Default)]
pub(super) struct OnDisk {
    /// Per host the releases and approvals.
    said: BTreeMap<usize, BTreeSet<StatementId>>,
    /// Per host the policies.
    policies: BTreeMap<usize, BTreeSet<[u8; 32]>>,
    /// Every policy that some host wrote, read once.
    read: BTreeMap<[u8; 32], Policy>,
}

/// A release as it binds a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted<'a> {
    pub(crate) version: &'a ReleaseVersion,
    policy: &'a Policy,
}

impl Accepted<'_> {
    /// True when it blocks this file and does more than observe work.
    pub(crate) fn blocks(&self, file: &[u8; 32]) -> bool {
        let Policy { sanctioned, tolerated, unknown, modes, .. } = self.policy;
        let listed = sanctioned.contains(file) || tolerated.contains(file);
        unknown.is_some() && modes.work != Mode::Observe && !listed
    }
}

impl Ledger {
    /// A host's disk holds a release or an approval.
    pub(super) fn keep_release(&mut self, node: usize, id: StatementId) {
        let Some(statement) = self.statements.get(&id) else { return };
        if matches!(statement.body, Body::Release(_) | Body::Approve(_)) {
            self.releases.said.entry(node).or_default().insert(id);
        }
    }

    /// A host's disk holds a policy.
    pub(crate) fn keep_policy(&mut self, node: usize, bytes: &[u8]) {
        let hash = Policy::hash(bytes);
        if self.releases.policies.get(&node).is_some_and(|here| here.contains(&hash)) {
            return;
        }
        if let Ok(policy) = Policy::from_bytes(bytes) {
            self.releases.read.entry(hash).or_insert(policy);
            self.releases.policies.entry(node).or_default().insert(hash);
        }
    }

    /// The newest release that a host holds with its policy and its approvals; one that has ended
    /// at this moment binds nobody.
    pub(crate) fn newest_release(&self, node: usize, now: Time) -> Option<Accepted<'_>> {
        let policies = self.releases.policies.get(&node)?;
        let wall_ms = WALL_AT_START_MS + now / MS;
        let said = self.releases.said.get(&node)?;
        let whole = said.iter().filter_map(|id| {
            let statement = self.statements.get(id)?;
            let Body::Release(release) = &statement.body else { return None };
            let live = statement.expiry_ms.is_none_or(|end| wall_ms < end);
            let here = policies.contains(&release.body);
            let approved = || self.approvals(said, id) >= self.needed_for(release);
            (here && live && approved()).then_some(release)
        });
        let newest = whole.max_by_key(|release| (release.version.epoch, release.version.number))?;
        let policy = self.releases.read.get(&newest.body)?;
        Some(Accepted { version: &newest.version, policy })
    }

    /// The program of work that a device does for its own user.
    pub(crate) fn program_of(&self, award: &StatementId) -> Option<[u8; 32]> {
        let Body::Award(award) = &self.statements.get(award)?.body else { return None };
        let Body::Credential(credential) = &self.statements.get(&award.credential)?.body else {
            return None;
        };
        award.delegation.is_none().then_some(credential.manifest)
    }

    fn approvals(&self, said: &BTreeSet<StatementId>, of: &StatementId) -> usize {
        let authors = said.iter().filter_map(|id| {
            let statement = self.statements.get(id)?;
            let Body::Approve(approve) = &statement.body else { return None };
            let operator = matches!(statement.author, Principal::Operator(_));
            (operator && approve.of == *of).then_some(&statement.author)
        });
        authors.collect::<BTreeSet<_>>().len()
    }

    /// As many operators with the role as an epoch of its number names, two at most.
    fn needed_for(&self, release: &Release) -> usize {
        let roots = self.statements.values().filter_map(|statement| match &statement.body {
            Body::Root(root) if root.number == release.version.epoch => Some(root),
            _ => None,
        });
        let policy = roots.map(|root| {
            let lines = root.operators.iter().filter(|line| line.roles.contains(&Role::Policy));
            lines.map(|line| &line.id).collect::<BTreeSet<_>>().len()
        });
        policy.max().unwrap_or(0).clamp(1, APPROVALS_NEEDED)
    }
}
