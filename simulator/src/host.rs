//! One host: a real engine, a pretend disk, pretend process trees, and its clocks.
//!
//! Its disk acknowledges writes in order after a while; a crash forgets what was not on disk, and
//! of what was on its way a first part may have arrived. Refused here: deciding; it only keeps.

use crate::clock::{HostClock, MS, SECOND, Time};
use crate::dice::Dice;
use crate::fleet::{Fleet, RING};
use crate::ledger::Ledger;
use crate::plan::{LendPlan, Plan};
use crate::planted::{Planted, Wrapper};
use crate::tree::Tree;
use crate::world::Ticket;
use belay_identity::{Class, SecretKey, StatementId};
use belay_mesh::input::{AskId, WriteId};
use belay_mesh::limits::LOAD_FULL;
use belay_mesh::output::Record;
use belay_mesh::{BootTime, Config, Engine, Lends, Now, Restored};
use std::collections::{BTreeMap, VecDeque};

/// One host.
pub(crate) struct Host {
    pub(crate) engine: Option<Engine>,
    pub(crate) wrapper: Wrapper,
    pub(crate) clock: HostClock,
    /// Grows each time its node's process ends; what was meant for an earlier one is void.
    pub(crate) life: u32,
    /// Until when it sleeps.
    pub(crate) asleep: Option<Time>,
    pub(crate) trees: BTreeMap<StatementId, Tree>,
    pub(crate) asks: BTreeMap<AskId, Asked>,
    pub(crate) armed: Option<Time>,
    pub(crate) spins: u32,
    /// When its engine was last called because it had asked for it.
    pub(crate) called: Time,
    pub(crate) links: usize,
    pub(crate) depth: usize,
    slept: Time,
    falls: Time,
    writes: VecDeque<(WriteId, Vec<StatementId>, Vec<Vec<u8>>)>,
    last_ack: Time,
    later: Vec<StatementId>,
    policies: Vec<Vec<u8>>,
    asks_made: u64,
    dice: Dice,
    /// What it can do, and how busy it is.
    capabilities: Option<Vec<String>>,
    loads: Dice,
}

/// What the world waits for at a door.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// The place of an operator's next statement.
    Place(Intent),
    /// An operator's statement is accepted.
    Submit,
    /// An agent runs, or work runs below one.
    Grow(Grow),
    /// A permit.
    Act(StatementId),
    /// A case.
    Case(StatementId),
    /// Whatever somebody outside the world asked; about an act of this award, if it was one.
    Stage { ticket: Ticket, acting: Option<StatementId> },
}

/// What an operator means to say.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    /// A hold on an agent.
    Hold { agent: String, pause: bool },
    /// A lift of every hold on an agent.
    Lift { agent: String },
}

/// How far a tree of work is to grow from here.
#[derive(Debug, Clone)]
pub(crate) struct Grow {
    pub(crate) agent: String,
    pub(crate) level: usize,
    pub(crate) depth: usize,
    pub(crate) fan: usize,
    pub(crate) run_on: bool,
    /// Where it runs, the origin first.
    pub(crate) path: Vec<usize>,
    /// When it was asked for.
    pub(crate) at: Time,
}

impl Host {
    pub(crate) fn new(plan: &Plan, seed: u64, node: usize, planted: Option<Planted>) -> Self {
        let mut dice = Dice::of(seed, &format!("host {node}"));
        let ppm = plan.clock.ppm;
        let rate = dice.between(0, 2 * ppm);
        let wall = plan.clock.wall.ms();
        let error = dice.between(0, 2 * wall);
        let clock = HostClock {
            offset_ns: dice.between(1_000 * SECOND, 100_000 * SECOND),
            rate_ppm: signed(rate, ppm),
            wall_error_ms: signed(error, wall),
        };
        Self {
            engine: None,
            wrapper: Wrapper::new(planted),
            clock,
            life: 0,
            asleep: None,
            trees: BTreeMap::new(),
            asks: BTreeMap::new(),
            armed: None,
            spins: 0,
            called: 0,
            links: 0,
            depth: 0,
            slept: 0,
            falls: 0,
            writes: VecDeque::new(),
            last_ack: 0,
            later: Vec::new(),
            policies: Vec::new(),
            asks_made: 0,
            dice,
            capabilities: plan.lend.as_ref().map(|lend| capabilities(lend, seed, node)),
            loads: Dice::of(seed, &format!("load {node}")),
        }
    }

    /// Starts its node over what its disk holds.
    pub(crate) fn start(&mut self, fleet: &Fleet, node: usize, ledger: &Ledger, now: Time) {
        let member = &fleet.devices[node];
        let config = Config {
            fleet: fleet.id,
            device: SecretKey::from_seed(&member.secret),
            seed: self.dice.bytes(),
            ring: RING.to_owned(),
            tighten: None,
            lends: self
                .capabilities
                .clone()
                .map(|capabilities| Lends { capabilities, busy_at: LOAD_FULL }),
        };
        let founding = self.life == 0 && member.has_policy;
        self.engine = Some(if founding {
            Engine::over(config, self.now(now), fleet.founded.clone())
        } else {
            Engine::new(config, self.now(now), self.restored(fleet, node, ledger))
        });
    }

    /// What its disk shows its node.
    fn restored(&self, fleet: &Fleet, node: usize, ledger: &Ledger) -> Restored {
        let member = &fleet.devices[node];
        let mut statements = member.disk.to_vec();
        let later = self.later.iter().filter_map(|id| ledger.statements.get(id));
        statements.extend(later.cloned());
        if self.life > 0 {
            self.wrapper.snapshot(&mut statements);
        }
        let policy = member.has_policy.then(|| fleet.policy.clone());
        let bodies = policy.into_iter().chain(self.policies.clone()).collect();
        Restored { statements, bodies }
    }

    /// What its clocks show, as its node reads them.
    pub(crate) fn now(&self, now: Time) -> Now {
        let shown = self.clock.read(now);
        let hidden = self.wrapper.hidden(self.slept);
        let boot = BootTime(shown.boot.0.saturating_sub(hidden));
        Now { boot, wall_ms: shown.wall_ms.saturating_sub(hidden / MS) }
    }

    /// The first moment at which its node reads this on the boot clock, if it sleeps no more.
    pub(crate) fn when(&self, boot: BootTime) -> Time {
        let hidden = self.wrapper.hidden(self.slept);
        self.clock.when(BootTime(boot.0.saturating_add(hidden)))
    }

    /// Falls asleep.
    pub(crate) fn sleep(&mut self, now: Time, until: Time) {
        self.asleep = Some(until);
        self.falls = now;
    }

    /// Wakes.
    pub(crate) fn wake(&mut self, now: Time) {
        self.asleep = None;
        // In its own clock's nanoseconds: that is what it does not see.
        self.slept += self.clock.read(now).boot.0 - self.clock.read(self.falls).boot.0;
    }

    /// A write is on its way to disk; says when it is there.
    pub(crate) fn write(
        &mut self,
        plan: &Plan,
        now: Time,
        id: WriteId,
        records: Vec<Record>,
    ) -> Time {
        let mut statements = Vec::new();
        let mut bodies = Vec::new();
        for record in records {
            match record {
                Record::Statement { id, .. } => statements.push(id),
                Record::Body { bytes, .. } => bodies.push(bytes),
                Record::Audit { .. } | Record::Outcome { .. } => {}
            }
        }
        self.writes.push_back((id, statements, bodies));
        let at = now + self.dice.between(plan.disk.write.low, plan.disk.write.high);
        self.last_ack = at.max(self.last_ack + 1);
        self.last_ack
    }

    /// True when this statement has reached its disk since the founding.
    pub(crate) fn wrote(&self, id: &StatementId) -> bool {
        self.later.contains(id)
    }

    /// The policies that have reached its disk since the founding.
    pub(crate) fn policies(&self) -> &[Vec<u8>] {
        &self.policies
    }

    /// The oldest write is on disk.
    pub(crate) fn written(&mut self) -> Option<(WriteId, Vec<StatementId>)> {
        let (id, statements, bodies) = self.writes.pop_front()?;
        self.later.extend(&statements);
        self.policies.extend(bodies);
        Some((id, statements))
    }

    /// Its node's process is killed: what had not reached the disk is forgotten.
    pub(crate) fn crash(&mut self) -> Vec<StatementId> {
        self.life += 1;
        (self.engine, self.armed) = (None, None);
        self.asks.clear();
        let arrived = self.dice.index(self.writes.len() + 1);
        let written =
            (0..arrived).filter_map(|_| self.written()).flat_map(|(_, ids)| ids).collect();
        self.writes.clear();
        self.trees.values_mut().for_each(|tree| tree.alone = true);
        written
    }

    /// Names a question.
    pub(crate) fn ask(&mut self, asked: Asked) -> AskId {
        self.asks_made += 1;
        let ask = AskId(self.asks_made);
        self.asks.insert(ask, asked);
        ask
    }

    /// A tree is started here.
    pub(crate) fn plant(
        &mut self,
        plan: &Plan,
        now: Time,
        award: StatementId,
        until: BootTime,
        grace_ms: u64,
    ) {
        let tree = Tree::new(&plan.task, &mut self.dice, now, until, grace_ms);
        self.trees.insert(award, tree);
    }

    /// How long a program takes to be looked up.
    pub(crate) fn lookup(&mut self, plan: &Plan) -> Time {
        self.dice.between(plan.disk.lookup.low, plan.disk.lookup.high)
    }

    /// How busy it is now.
    pub(crate) fn load(&mut self, lend: &LendPlan) -> u64 {
        self.loads.below(lend.load_max + 1)
    }

    /// When a tree's first act comes.
    pub(crate) fn first_act(&mut self, plan: &Plan) -> Time {
        1 + self.dice.below(plan.task.act_every.0)
    }
}

fn capabilities(lend: &LendPlan, seed: u64, node: usize) -> Vec<String> {
    let mut dice = Dice::of(seed, &format!("capabilities {node}"));
    lend.capabilities.iter().filter(|_| dice.happens(lend.share.0)).cloned().collect()
}

fn signed(drawn: u64, middle: u64) -> i64 {
    i64::try_from(drawn).unwrap_or(0) - i64::try_from(middle).unwrap_or(0)
}

/// The class of operators' orders.
pub(crate) const ORDERS: Class = Class::AuthorityMinus;
