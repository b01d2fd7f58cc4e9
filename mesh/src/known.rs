//! What this node knows: the set, and the views folded from it, kept in step.
//!
//! An authority statement refolds everything that rests on authority (they are rare and few); any
//! other statement is applied to the views of its class. Refused here: acting on what is learnt.

use crate::gate::Rules;
use belay_crdt::authority::Authority;
use belay_crdt::orders::Orders;
use belay_crdt::registry::Registry;
use belay_crdt::releases::Releases;
use belay_crdt::set::{Inserted, Set};
use belay_crdt::tasks::Tasks;
use belay_identity::body::{Body as Words, Policy};
use belay_identity::{Class, FleetId, Statement, StatementId, Verified};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The set and its views.
pub(crate) struct Known {
    pub(crate) set: Set,
    pub(crate) authority: Authority,
    pub(crate) orders: Orders,
    pub(crate) releases: Releases,
    pub(crate) registry: Registry,
    pub(crate) tasks: Tasks,
    bodies: BTreeMap<[u8; 32], Arc<Body>>,
}

/// A policy that was read, with its rules ready to judge.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) policy: Policy,
    pub(crate) rules: Rules,
}

impl Known {
    pub(crate) fn new(fleet: FleetId, statements: Vec<Arc<Verified<Statement>>>) -> Self {
        let mut set = Set::new(fleet);
        for statement in statements {
            set.insert(statement);
        }
        let authority = Authority::fold(&set);
        let orders = Orders::fold(&set, &authority);
        let releases = Releases::fold(&set, &authority, &orders);
        let registry = Registry::fold(&set, &authority);
        let tasks = Tasks::fold(&set);
        Self { set, authority, orders, releases, registry, tasks, bodies: BTreeMap::new() }
    }

    /// Takes a statement in; says whether it was new.
    pub(crate) fn intake(&mut self, statement: &Arc<Verified<Statement>>) -> Inserted {
        let inserted = self.set.insert(statement.clone());
        match inserted {
            Inserted::Known => {}
            Inserted::Fork { .. } => self.refold(),
            // It may link a log to a pin of a later epoch, and so change what counts.
            Inserted::New if statement.epoch < self.epoch() => self.refold(),
            Inserted::New => match statement.class {
                Class::AuthorityMinus => self.refold(),
                Class::AuthorityPlus | Class::Identity => {
                    self.registry.apply(&self.set, &self.authority, statement);
                }
                Class::Task => self.tasks.apply(statement),
                Class::Quota | Class::Presence | Class::Audit | Class::Draft => {}
            },
        }
        inserted
    }

    fn refold(&mut self) {
        self.authority = Authority::fold(&self.set);
        self.orders = Orders::fold(&self.set, &self.authority);
        self.releases = Releases::fold(&self.set, &self.authority, &self.orders);
        self.registry = Registry::fold(&self.set, &self.authority);
        self.tasks = Tasks::fold(&self.set);
    }

    /// Keeps a policy whose hash some release names; says why not otherwise.
    pub(crate) fn keep_body(&mut self, bytes: &[u8]) -> Result<[u8; 32], String> {
        let hash = Policy::hash(bytes);
        let policy = Policy::from_bytes(bytes).map_err(|error| error.to_string())?;
        let rules = Rules::load(&policy.rules).map_err(|error| error.to_string())?;
        self.bodies.insert(hash, Arc::new(Body { bytes: bytes.to_vec(), policy, rules }));
        Ok(hash)
    }

    pub(crate) fn body(&self, hash: &[u8; 32]) -> Option<&Arc<Body>> {
        self.bodies.get(hash)
    }

    pub(crate) fn get(&self, id: &StatementId) -> Option<&Arc<Verified<Statement>>> {
        self.set.get(id)
    }

    /// Root epochs above `shown` with their approvals, oldest first: what gives an order force.
    pub(crate) fn epochs_after(&self, shown: u64) -> Vec<Arc<Verified<Statement>>> {
        let mut roots: Vec<_> = self.set.of_kind("root").cloned().collect();
        roots.retain(|root| matches!(&root.body, Words::Root(root) if root.number > shown));
        roots.sort_by_key(|root| root.epoch);
        let with_approvals = |root: Arc<Verified<Statement>>| {
            let approvals: Vec<_> = self.set.approvals(&root.id()).cloned().collect();
            std::iter::once(root).chain(approvals)
        };
        roots.into_iter().flat_map(with_approvals).collect()
    }

    /// The number of the standing root epoch; 0 before there is one.
    pub(crate) fn epoch(&self) -> u64 {
        self.authority.standing().map_or(0, |epoch| epoch.number)
    }

    /// True when the executor has said what became of an award, or that it refuses it.
    pub(crate) fn is_answered(&self, award: &StatementId) -> bool {
        let (tasks, registry) = (&self.tasks, &self.registry);
        !tasks.receipts(registry, award).is_empty() || !tasks.refused(registry, award).is_empty()
    }
}
