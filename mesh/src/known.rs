//! What this node knows: the set, the views folded from it, and the policies that releases name.
//!
//! Refused here: acting on what is learnt.

use crate::engine::Restored;
use crate::gate::{DataClasses, Programs, Rules};
use crate::shares::Shares;
use belay_crdt::authority::Epoch;
use belay_crdt::releases::ReleaseInForce;
use belay_crdt::set::{Inserted, Set};
use belay_crdt::views::{Followed, Views};
use belay_identity::body::Policy;
use belay_identity::principal::Principal;
use belay_identity::{Class, FleetId, PublicKey, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

/// What was on a disk, folded once: engines that start over equal disks share it.
#[derive(Clone)]
pub struct Folded {
    pub(crate) known: Known,
    pub(crate) shares: Shares,
}

impl Folded {
    /// Folds what was on a disk, for a device that follows this ring of releases.
    pub fn of(fleet: FleetId, ring: &str, restored: Restored) -> Self {
        let mut known = Known::new(fleet, ring, restored.statements);
        for body in &restored.bodies {
            // A policy that no longer reads (a newer language) is as good as absent: denied.
            let _ = known.keep_body(body);
        }
        let shares = Shares::of(&known);
        Self { known, shares }
    }
}

/// The set and its views, which are read as if they were its own.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) set: Set,
    views: Views,
    bodies: BTreeMap<[u8; 32], Arc<Body>>,
    /// What each of them says of programs, while the manifests stand that stand now.
    programs: BTreeMap<[u8; 32], Arc<Programs>>,
    ring: String,
    beacons: Beacons,
    changes: u64,
    authority_changes: u64,
}

/// The beacons of every release that judges, by key.
#[derive(Clone, Default)]
struct Beacons {
    /// Those that are members and that no order silences.
    heeded: BTreeSet<PublicKey>,
    /// Members that a release before these named, and that no order silences.
    former: BTreeSet<PublicKey>,
}

impl Deref for Known {
    type Target = Views;
    fn deref(&self) -> &Views {
        &self.views
    }
}

/// A policy that was read, with its rules ready to judge.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) policy: Policy,
    pub(crate) rules: Rules,
    pub(crate) data: DataClasses,
}

impl Body {
    pub(crate) fn of(bytes: Vec<u8>, policy: Policy, rules: Rules) -> Self {
        let data = DataClasses::of(&policy);
        Self { bytes, policy, rules, data }
    }
}

impl Known {
    pub(crate) fn new(
        fleet: FleetId,
        ring: &str,
        statements: Vec<Arc<Verified<Statement>>>,
    ) -> Self {
        let mut set = Set::new(fleet);
        for statement in statements {
            set.insert(statement);
        }
        let mut views = Views::fold(&set);
        set.freeze();
        views.freeze();
        let beacons = Beacons::of(&views, ring);
        let ring = ring.to_owned();
        let (bodies, programs) = (BTreeMap::new(), BTreeMap::new());
        Self { set, views, bodies, programs, ring, beacons, changes: 0, authority_changes: 0 }
    }

    /// Takes a statement in; says whether it was new.
    pub(crate) fn intake(&mut self, statement: &Arc<Verified<Statement>>) -> Inserted {
        let inserted = self.set.insert(statement.clone());
        self.changes += 1;
        match statement.class {
            Class::AuthorityMinus | Class::AuthorityPlus => self.authority_changes += 1,
            Class::Identity | Class::Task | Class::Quota | Class::Presence => {}
            Class::Audit | Class::Draft => {}
        }
        if self.views.apply(&self.set, statement, inserted) == Followed::Judged {
            self.beacons = Beacons::of(&self.views, &self.ring);
        }
        let names = matches!(statement.body, belay_identity::Body::Manifest(_));
        if names || statement.class == Class::AuthorityMinus {
            self.weigh_programs();
        }
        inserted
    }

    /// Says which of the timed holds do not bind now; true when that is news.
    pub(crate) fn rest(&mut self, idle: BTreeSet<StatementId>) -> bool {
        let news = self.views.rest(&self.set, idle);
        if news {
            self.beacons = Beacons::of(&self.views, &self.ring);
            self.changes += 1;
            self.authority_changes += 1;
            self.weigh_programs();
        }
        news
    }

    fn weigh_programs(&mut self) {
        let (manifests, bodies) = (&self.views.manifests, &self.bodies);
        let programs = |body: &Body| Arc::new(Programs::of(&body.policy, manifests));
        self.programs = bodies.iter().map(|(hash, body)| (*hash, programs(body))).collect();
    }

    /// Grows with everything that is learnt.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Grows with everything that may change who belongs to the fleet.
    pub(crate) fn authority_changes(&self) -> u64 {
        self.authority_changes
    }

    /// True when a release that judges names this key among its beacons, its device is a member,
    /// and no order silences it.
    pub(crate) fn is_beacon(&self, key: &PublicKey) -> bool {
        self.beacons.heeded.contains(key)
    }

    /// True when some release of this ring, of now or before, names this key among its beacons, its
    /// device is a member, and no order silences it.
    pub(crate) fn was_beacon(&self, key: &PublicKey) -> bool {
        self.is_beacon(key) || self.beacons.former.contains(key)
    }

    /// Keeps a policy whose hash some release names; says why not otherwise.
    pub(crate) fn keep_body(&mut self, bytes: &[u8]) -> Result<[u8; 32], String> {
        let hash = Policy::hash(bytes);
        let policy = Policy::from_bytes(bytes).map_err(|error| error.to_string())?;
        let rules = Rules::load(&policy.rules).map_err(|error| error.to_string())?;
        let programs = Programs::of(&policy, &self.views.manifests);
        self.programs.insert(hash, Arc::new(programs));
        self.bodies.insert(hash, Arc::new(Body::of(bytes.to_vec(), policy, rules)));
        self.changes += 1;
        Ok(hash)
    }

    pub(crate) fn body(&self, hash: &[u8; 32]) -> Option<&Arc<Body>> {
        self.bodies.get(hash)
    }

    /// What a policy says of programs; of one that is not here, nothing.
    pub(crate) fn programs(&self, hash: &[u8; 32]) -> Arc<Programs> {
        self.programs.get(hash).cloned().unwrap_or_default()
    }

    pub(crate) fn get(&self, id: &StatementId) -> Option<&Arc<Verified<Statement>>> {
        self.set.get(id)
    }

    /// Valid root epochs above `shown`, oldest first, each after the parts of its list of pins and
    /// with one approval of each root key: what gives an order force, and nothing that just anybody
    /// signed.
    pub(crate) fn epochs_after(&self, shown: u64) -> Vec<Arc<Verified<Statement>>> {
        let epochs = self.authority.epochs().chain(self.authority.rivals());
        let mut epochs: Vec<_> = epochs.filter(|epoch| epoch.number > shown).collect();
        epochs.sort_by_key(|epoch| (epoch.number, epoch.id));
        let keys = self.authority.order_keys();
        let with_approvals = |epoch: &Epoch| {
            let id = epoch.id;
            let approvals = self.set.approvals(&id).filter(|yes| keys.contains(&yes.key()));
            let mut by_key = BTreeMap::new();
            for yes in approvals.filter(|yes| matches!(yes.author, Principal::Root(_))) {
                by_key.entry(yes.key()).or_insert_with(|| yes.clone());
            }
            let proposal = self.set.get(&id).cloned();
            epoch.parts.clone().into_iter().chain(proposal).chain(by_key.into_values())
        };
        epochs.into_iter().flat_map(with_approvals).collect()
    }

    /// An enrolment of this device key, whether it counts or not.
    pub(crate) fn enrolment_of(&self, key: &PublicKey) -> Option<StatementId> {
        let of_key = |held: &&Arc<Verified<Statement>>| match &held.body {
            belay_identity::Body::Enrol(enrol) => enrol.key == *key,
            _ => false,
        };
        self.set.of_kind("enrol").find(of_key).map(|held| held.id())
    }

    /// The number of the standing root epoch; 0 before there is one.
    pub(crate) fn epoch(&self) -> u64 {
        self.authority.standing().map_or(0, |epoch| epoch.number)
    }

    /// True when the executor has said what became of an award, or that it refuses it.
    pub(crate) fn is_answered(&self, award: &StatementId) -> bool {
        self.tasks.is_answered(&self.registry, award)
    }
}

impl Beacons {
    fn of(views: &Views, ring: &str) -> Self {
        let keys = |all: &[ReleaseInForce]| -> BTreeSet<PublicKey> {
            all.iter().flat_map(|release| release.header.beacons.iter().copied()).collect()
        };
        let heeded = |key: &PublicKey| {
            let device = views.registry.device_by_key(key);
            device.is_some_and(|device| views.beacon_silenced(&device.id).is_none())
        };
        let mut named = keys(views.releases.judging(ring).all());
        named.retain(heeded);
        let mut former = keys(views.releases.before(ring));
        former.retain(heeded);
        Self { heeded: named, former }
    }
}
