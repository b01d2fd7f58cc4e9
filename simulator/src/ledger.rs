//! What is true in the world, whatever any node believes: every statement there is, who holds it,
//! which trees live, which orders stand and when each came into force.
//!
//! Everything here is read from what hosts wrote and what trees did, by plain code of its own, so
//! that a checker never asks an engine about itself. Refused here: judging; checkers do.

mod carried;
mod releases;

use crate::clock::{MS, Time};
use crate::limits::{CLOCK_PPM_BOTH, ONE_EVENT};
use crate::plan::Plan;
use belay_identity::body::{Award, Delegation, Subject, Term};
use belay_identity::principal::{AgentId, DeviceId};
use belay_identity::{
    Body, Class, FleetId, Incarnation, PublicKey, Signed, Statement, StatementId, Verified,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

type Held = Arc<Verified<Statement>>;

/// Of each host and author the register that counts, with what makes it the greatest.
type Registers = BTreeMap<(usize, PublicKey), (u64, u64, Incarnation, StatementId)>;

/// Everything that is true.
pub(crate) struct Ledger {
    pub(crate) fleet: FleetId,
    pub(crate) statements: HashMap<StatementId, Held>,
    pub(crate) tasks: BTreeMap<StatementId, Task>,
    pub(crate) orders: BTreeMap<StatementId, Order>,
    pub(crate) hosts: Vec<HostTruth>,
    pub(crate) policy_run: Time,
    pub(crate) needed: usize,
    pub(crate) beacons: usize,
    said: HashSet<StatementId>,
    releases: releases::OnDisk,
    /// Registers in mind, and those on disk.
    held: Registers,
    written: Registers,
    devices: BTreeMap<DeviceId, usize>,
    keys: BTreeMap<PublicKey, usize>,
}

/// One host as the world sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostTruth {
    /// The sum of what it has taken in: exclusive or of all ids, and how many.
    pub(crate) holds: ([u8; 32], u64),
    /// The same of what its disk has acknowledged.
    pub(crate) on_disk: ([u8; 32], u64),
    /// Since when nothing kept it from hearing and acting.
    pub(crate) well_since: Time,
    /// True while it is cut off, asleep or dead.
    pub(crate) unwell: bool,
}

/// One award that was made.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Who executes it.
    pub(crate) node: usize,
    /// The agents of its chain, the user's first; as far as the awards tell.
    pub(crate) agents: Vec<AgentId>,
    /// Everything that the links of its chain carry.
    pub(crate) terms: Vec<Term>,
    /// True once the award is on its maker's disk, or another host has it.
    pub(crate) said: bool,
    /// When its warden was told to start it.
    pub(crate) told: Option<Time>,
    /// When its tree began.
    pub(crate) began: Option<Time>,
    /// When it last did something that can be seen outside it.
    pub(crate) acted: Option<Time>,
    /// When the last process of it ended.
    pub(crate) emptied: Option<Time>,
}

/// One order that was given.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Whom it names.
    pub(crate) subject: Subject,
    /// True where it freezes instead of ending.
    pub(crate) pause: bool,
    /// Where its operator sits.
    pub(crate) from: usize,
    /// When it left its node.
    pub(crate) given: Time,
    /// Who could be reached from there when it was given.
    pub(crate) connected: BTreeSet<usize>,
    /// When each host took it in.
    pub(crate) taken: BTreeMap<usize, Time>,
    /// On whose disk it is.
    pub(crate) disks: BTreeSet<usize>,
    /// When so many beacons had it on disk that no quorum can freshen a device without it.
    pub(crate) in_force: Option<Time>,
    /// The earliest "cannot act after" that a screen has printed.
    pub(crate) printed: Option<Time>,
    /// When a lift named it.
    pub(crate) lifted: Option<Time>,
}

impl Ledger {
    pub(crate) fn new(plan: &Plan, fleet: &crate::fleet::Fleet) -> Self {
        let members = || fleet.devices.iter().enumerate();
        let quiet = HostTruth::default();
        Self {
            fleet: fleet.id,
            statements: HashMap::new(),
            tasks: BTreeMap::new(),
            orders: BTreeMap::new(),
            hosts: vec![quiet; plan.nodes],
            policy_run: plan.lease.run.0,
            needed: plan.fleet.beacons - plan.fleet.quorum + 1 + plan.fleet.liars,
            beacons: plan.fleet.beacons,
            said: HashSet::new(),
            releases: releases::OnDisk::default(),
            held: Registers::new(),
            written: Registers::new(),
            devices: members().map(|(node, member)| (member.id.clone(), node)).collect(),
            keys: members().map(|(node, member)| (member.key, node)).collect(),
        }
    }

    /// Reads bytes that a host wrote; each statement is read once. True when it is new to the
    /// world.
    pub(crate) fn read(&mut self, id: StatementId, bytes: &[u8]) -> bool {
        if self.statements.contains_key(&id) {
            return false;
        }
        let read = Signed::<Statement>::parse(bytes).and_then(|signed| signed.verify(&self.fleet));
        if let Ok(statement) = read {
            self.statements.insert(id, Arc::new(statement));
        }
        self.statements.contains_key(&id)
    }

    /// A statement is on its author's disk, or another host has it; true the first time.
    pub(crate) fn said(&mut self, id: StatementId) -> bool {
        let first = self.said.insert(id);
        if let Some(task) = self.tasks.get_mut(&id) {
            task.said = true;
        }
        first
    }

    /// Hosts that nothing keeps from hearing.
    pub(crate) fn well(&self) -> BTreeSet<usize> {
        let hosts = self.hosts.iter().enumerate();
        hosts.filter(|(_, host)| !host.unwell).map(|(node, _)| node).collect()
    }

    /// A host begins with what its first disk holds; those with one disk hold the same.
    pub(crate) fn founded(&mut self, node: usize, fleet: &crate::fleet::Fleet) {
        let disk = &fleet.devices[node].disk;
        if let Some(like) = node.checked_sub(1)
            && Rc::ptr_eq(disk, &fleet.devices[like].disk)
        {
            self.hosts[node] = self.hosts[like].clone();
            return;
        }
        for statement in disk.iter() {
            let id = statement.id();
            self.statements.entry(id).or_insert_with(|| statement.clone());
            self.taken(node, id, 0);
            self.on_disk(node, id, 0);
            self.said(id);
        }
    }

    /// A host has taken a statement in.
    pub(crate) fn taken(&mut self, node: usize, id: StatementId, now: Time) {
        let read = self.statements.get(&id);
        count(&mut self.hosts[node].holds, &mut self.held, node, id, read);
        let Some(statement) = self.statements.get(&id).cloned() else { return };
        match &statement.body {
            Body::Award(award) => self.award(id, award),
            Body::Hold(hold) => {
                let order = self.ordered(&hold.subject, hold.pause.is_some(), &hold.home, now);
                self.orders.entry(id).or_insert(order).taken.entry(node).or_insert(now);
            }
            Body::Revoke(revoke) => {
                let order = self.ordered(&revoke.subject, false, &revoke.home, now);
                self.orders.entry(id).or_insert(order).taken.entry(node).or_insert(now);
            }
            Body::Lift(_) | Body::Restore(_) => {
                for held in &statement.refs {
                    if let Some(order) = self.orders.get_mut(held) {
                        order.lifted.get_or_insert(now);
                    }
                }
            }
            _ => {}
        }
    }

    /// A host's disk has acknowledged a statement.
    pub(crate) fn on_disk(&mut self, node: usize, id: StatementId, now: Time) {
        let read = self.statements.get(&id);
        count(&mut self.hosts[node].on_disk, &mut self.written, node, id, read);
        self.keep_release(node, id);
        let (beacons, needed) = (self.beacons, self.needed);
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.disks.insert(node);
        let confirmed = order.disks.iter().filter(|node| **node < beacons).count();
        if confirmed >= needed {
            order.in_force.get_or_insert(now);
        }
    }

    /// The tree of an award did something that can be seen outside it.
    pub(crate) fn acted(&mut self, award: &StatementId, now: Time) {
        if let Some(task) = self.tasks.get_mut(award) {
            task.acted = Some(now);
        }
    }

    /// A host begins again with what its disk holds.
    pub(crate) fn restarted(&mut self, node: usize) {
        let truth = &mut self.hosts[node];
        truth.holds = truth.on_disk;
        self.held.retain(|(of, _), _| *of != node);
        let written = self.written.iter().filter(|((of, _), _)| *of == node);
        self.held.extend(written.map(|(place, rank)| (*place, *rank)));
        let said = &self.said;
        // What was neither on disk nor heard by anybody was never said.
        self.orders.retain(|id, _| said.contains(id));
        self.tasks.retain(|_, task| task.said || task.node != node);
        for order in self.orders.values_mut().filter(|order| !order.disks.contains(&node)) {
            order.taken.remove(&node);
        }
    }

    /// In words: the one statement that two hosts do not both hold.
    pub(crate) fn odd_one(&self, a: usize, b: usize) -> String {
        let (a, b) = (self.hosts[a].holds.0, self.hosts[b].holds.0);
        let mut id = a;
        id.iter_mut().zip(b).for_each(|(byte, other)| *byte ^= other);
        match self.statements.get(&StatementId(id)) {
            None => "several".to_owned(),
            Some(s) => format!("{} number {} of {}", s.body.kind(), s.seq, s.author),
        }
    }

    fn ordered(&self, subject: &Subject, pause: bool, home: &DeviceId, now: Time) -> Order {
        Order {
            subject: subject.clone(),
            pause,
            from: self.devices.get(home).copied().unwrap_or(0),
            given: now,
            connected: self.well(),
            taken: BTreeMap::new(),
            disks: BTreeSet::new(),
            in_force: None,
            printed: None,
            lifted: None,
        }
    }

    /// True while an order stands against a device: its links carry leases and orders only.
    pub(crate) fn is_held(&self, node: usize) -> bool {
        let mut standing = self.orders.values().filter(|order| order.lifted.is_none());
        standing.any(|order| match order.subject.terms() {
            [Term::Device(device)] => self.devices.get(device) == Some(&node),
            [..] => false,
        })
    }

    /// The host of a device key.
    pub(crate) fn node_of(&self, key: &PublicKey) -> Option<usize> {
        self.keys.get(key).copied()
    }

    /// The host of the device that people call so.
    pub(crate) fn node_called(&self, name: &str) -> Option<usize> {
        let named = self.devices.iter().find(|(id, _)| id.name() == name);
        named.map(|(_, node)| *node)
    }

    fn award(&mut self, id: StatementId, award: &Award) {
        let Some(node) = self.devices.get(&award.executor).copied() else { return };
        if self.tasks.contains_key(&id) {
            return;
        }
        let carried::Carried { agents, terms } = self.carried(award);
        let (said, told, began, acted, emptied) = (false, None, None, None, None);
        self.tasks.insert(id, Task { node, agents, terms, said, told, began, acted, emptied });
    }

    /// A delegation by its id.
    pub(crate) fn delegation(&self, id: &StatementId) -> Option<&Delegation> {
        match &self.statements.get(id)?.body {
            Body::Delegation(delegation) => Some(delegation),
            _ => None,
        }
    }

    /// Orders that stand against a task, whether or not anybody has told its host.
    pub(crate) fn against(
        &self,
        award: &StatementId,
    ) -> impl Iterator<Item = (&StatementId, &Order)> {
        let task = self.tasks.get(award);
        let matches = move |order: &Order| task.is_some_and(|task| order.matches(task));
        self.orders.iter().filter(move |(_, order)| order.lifted.is_none() && matches(order))
    }

    /// A screen says that nothing an order matches acts after this moment.
    pub(crate) fn print(&mut self, order: &StatementId, bound: Time) {
        if let Some(order) = self.orders.get_mut(order) {
            order.printed = Some(order.printed.map_or(bound, |printed| printed.min(bound)));
        }
    }

    /// The bound that an act of this award leaves too late for, if there is one: what the world
    /// computes, or what a screen has printed, to one event.
    pub(crate) fn passed(&self, award: &StatementId, now: Time) -> Option<Time> {
        let bounds = |order| [self.bound(order), order.printed].into_iter().flatten();
        let mut bounds = self.against(award).flat_map(|(_, order)| bounds(order));
        bounds.find(|bound| now > bound + ONE_EVENT)
    }

    /// After this moment nothing that the order matches may act anywhere.
    pub(crate) fn bound(&self, order: &Order) -> Option<Time> {
        let lease = self.policy_run;
        order.in_force.map(|at| at + lease + lease / 1_000_000 * CLOCK_PPM_BOTH + MS)
    }
}

/// Counts a statement into what a host holds; of a register only the greatest is held.
fn count(
    sum: &mut ([u8; 32], u64),
    registers: &mut Registers,
    node: usize,
    id: StatementId,
    statement: Option<&Held>,
) {
    let Some(word) = statement.filter(|word| word.class == Class::Presence) else {
        return add(sum, &id);
    };
    let rank = (word.incarnation.counter, word.seq, word.incarnation, id);
    match registers.get(&(node, word.key())).copied() {
        Some(old) if old >= rank => return,
        Some((.., old)) => {
            // The sum is exclusive-or: what is added twice is gone.
            add(sum, &old);
            sum.1 -= 2;
        }
        None => {}
    }
    registers.insert((node, word.key()), rank);
    add(sum, &id);
}

fn add(sum: &mut ([u8; 32], u64), id: &StatementId) {
    sum.0.iter_mut().zip(id.0).for_each(|(byte, other)| *byte ^= other);
    sum.1 += 1;
}
