//! Manifests: which operators answer for which programs.
//!
//! A manifest stands while its author's grant does: one whose author is held, removed or outside a
//! pin names nothing any more, and a release that lists it by its id lists no file by it. Several
//! may name one file; all of them are kept, lowest id first, and where they differ the narrower
//! word counts.
//!
//! Refused here: a verdict. Releases and orders speak it.

use crate::authority::Authority;
use crate::orders::Orders;
use crate::set::{Held, Set};
use belay_identity::StatementId;
use belay_identity::body::{Body, Manifest};
use belay_identity::principal::Principal;
use std::collections::{BTreeMap, BTreeSet};

/// The manifests that stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifests {
    standing: BTreeMap<StatementId, Vouched>,
    by_file: BTreeMap<[u8; 32], BTreeSet<StatementId>>,
}

/// A manifest that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Its statement.
    pub id: StatementId,
    /// Who answers for it.
    pub author: Principal,
    /// What it says.
    pub manifest: Manifest,
}

impl Manifests {
    /// Folds the manifests of a set.
    pub fn fold(set: &Set, authority: &Authority, orders: &Orders) -> Self {
        let mut manifests = Self::default();
        for held in set.of_kind("manifest") {
            if let Some(vouched) = stands(authority, orders, held) {
                manifests.file(vouched);
            }
        }
        manifests
    }

    /// The manifest of this id, if it stands.
    pub fn get(&self, id: &StatementId) -> Option<&Vouched> {
        self.standing.get(id)
    }

    /// Every manifest that stands, by id.
    pub fn all(&self) -> impl Iterator<Item = &Vouched> {
        self.standing.values()
    }

    /// Every manifest that names this file, lowest id first.
    pub fn naming(&self, file: &[u8; 32]) -> impl Iterator<Item = &Vouched> {
        let ids = self.by_file.get(file).into_iter().flatten();
        ids.filter_map(|id| self.standing.get(id))
    }

    /// How long a program may tidy up, milliseconds: the shortest that a manifest of it says.
    pub fn stop_grace_ms(&self, file: &[u8; 32]) -> Option<u64> {
        let said = self.naming(file).map(|vouched| vouched.manifest.stop_grace_ms.unwrap_or(0));
        said.min().filter(|grace_ms| *grace_ms > 0)
    }

    fn file(&mut self, vouched: Vouched) {
        for build in &vouched.manifest.builds {
            self.by_file.entry(build.file).or_default().insert(vouched.id);
        }
        self.standing.insert(vouched.id, vouched);
    }
}

/// A manifest ends with its author's role, never by a time: a view reads no clock.
fn stands(authority: &Authority, orders: &Orders, held: &Held) -> Option<Vouched> {
    let Body::Manifest(manifest) = &held.body else { return None };
    let counts = orders.grant_counts(authority, held).is_ok();
    let whole = manifest.check().is_ok() && held.expiry_ms.is_none();
    let (id, author) = (held.id(), held.author.clone());
    (counts && whole).then(|| Vouched { id, author, manifest: manifest.clone() })
}
