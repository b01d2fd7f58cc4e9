//! The world: one queue with one total order, and everything that happens in it.
//!
//! An event is (time, kind, node, sequence); at one moment clocks come before what they stop. Each
//! event gives one host's engine one input, carries out every output, and shows both to the
//! checkers. Every output's bytes are folded into the run's fingerprint.
//!
//! Refused here: real time, real chance, and any rule of the fleet; engines have those.

mod doors;
mod hands;
mod perform;
mod stage;
mod weather;

pub use stage::{NoAnswer, Stage, Ticket};

use crate::checker::{Checkers, Sight};
use crate::clock::{MS, Time, WALL_AT_START_MS};
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::limits::SPINS_MAX;
use crate::network::{Arrival, Carried, Network};
use crate::plan::Plan;
use crate::planted::Planted;
use crate::report::{Counts, Report};
use crate::trace::Trace;
use belay_crdt::case::Case;
use belay_identity::chain::Program;
use belay_identity::principal::NameError;
use belay_identity::{PublicKey, StatementId, key::hex};
use belay_mesh::input::TaskEvent;
use belay_mesh::wire::{FrameKind, Lane};
use belay_mesh::{Input, Output};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Everything there is.
pub(crate) struct World {
    pub(super) plan: Plan,
    pub(super) seed: u64,
    pub(super) now: Time,
    pub(super) fleet: Fleet,
    pub(super) hosts: Vec<Host>,
    pub(super) network: Network,
    pub(super) ledger: Ledger,
    pub(super) checkers: Checkers,
    pub(super) trace: Trace,
    pub(super) counts: Counts,
    pub(super) dice: Dice,
    pub(super) groups: weather::Groups,
    pub(super) cases: Vec<(StatementId, Option<Case>)>,
    pub(super) heard: stage::Heard,
    /// When each host first said that somebody forked his log.
    pub(super) fenced: BTreeMap<usize, Time>,
    /// Every frame that was sent, while somebody takes them down.
    pub(super) tape: Option<Vec<Recorded>>,
    /// How often work was let begin.
    pub(super) begun: u64,
    /// Who was let in and is no host: where, and by which key.
    pub(super) guests: BTreeSet<(usize, PublicKey)>,
    /// True once frames with root epochs are lost.
    pub(super) loses_epochs: bool,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
}

/// A frame as it was sent.
pub(crate) struct Recorded {
    pub(crate) to: usize,
    pub(crate) lane: Lane,
    pub(crate) kind: FrameKind,
    pub(crate) body: Vec<u8>,
}

/// One thing that will happen.
struct Scheduled {
    at: Time,
    kind: u8,
    node: usize,
    seq: u64,
    life: u32,
    what: What,
}

/// What it is.
pub(super) enum What {
    /// A device wakes.
    Wake,
    /// A warden looks at its tree.
    Warden(StatementId),
    /// Something of the script or the weather.
    Happens(weather::Happens),
    /// Two hosts try to link.
    Dial(usize),
    /// An end notices that nothing comes on its link of that session.
    Gone(usize, u64),
    /// An end learns that its link of that session was closed.
    Closed(usize, u64),
    /// A frame reaches the end of its way.
    Frame { from: usize, session: u64, frame: Carried },
    /// The oldest write is on disk.
    Written,
    /// A program was looked up.
    Inspected([u8; 16]),
    /// An engine asked to be called.
    Deadline,
    /// An operator reads a case.
    Read(StatementId),
    /// A tree acts.
    Act(StatementId),
}

impl What {
    fn kind(&self) -> u8 {
        match self {
            Self::Wake => 0,
            Self::Warden(_) => 1,
            Self::Happens(_) => 2,
            Self::Dial(_) => 3,
            Self::Gone(..) | Self::Closed(..) => 4,
            Self::Frame { .. } => 5,
            Self::Written => 6,
            Self::Inspected(_) => 7,
            Self::Deadline => 8,
            Self::Read(_) => 9,
            Self::Act(_) => 10,
        }
    }

    /// True for what an earlier process of a node has left and a later one must not hear.
    fn is_of_one_life(&self) -> bool {
        match self {
            Self::Written | Self::Inspected(_) | Self::Deadline | Self::Frame { .. } => true,
            Self::Wake
            | Self::Warden(_)
            | Self::Happens(_)
            | Self::Dial(_)
            | Self::Gone(..)
            | Self::Closed(..)
            | Self::Read(_)
            | Self::Act(_) => false,
        }
    }

    /// True for what comes from outside and happens to a sleeping device too.
    fn wakes(&self) -> bool {
        matches!(self, Self::Wake | Self::Happens(_))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |s: &Self| (s.at, s.kind, s.node, s.seq);
        order(self).cmp(&order(other))
    }
}

impl World {
    /// Runs a plan from its seed to its end.
    pub(crate) fn run(
        plan: &Plan,
        seed: u64,
        planted: Option<Planted>,
    ) -> Result<Report, NameError> {
        let mut world = Self::new(plan, seed, planted)?;
        world.begin();
        while let Some(Reverse(next)) = world.queue.pop() {
            if next.at > world.plan.duration.0 {
                break;
            }
            world.now = next.at;
            world.happen(next);
        }
        world.now = world.plan.duration.0;
        Ok(world.end())
    }

    fn new(plan: &Plan, seed: u64, planted: Option<Planted>) -> Result<Self, NameError> {
        let fleet = Fleet::found(plan, seed)?;
        let ledger = Ledger::new(plan, &fleet);
        let hosts = (0..plan.nodes).map(|node| Host::new(plan, seed, node, planted)).collect();
        Ok(Self {
            network: Network::build(plan, seed),
            plan: plan.clone(),
            seed,
            now: 0,
            hosts,
            ledger,
            fleet,
            checkers: Checkers::new(),
            trace: Trace::default(),
            counts: Counts::default(),
            dice: Dice::of(seed, "world"),
            groups: weather::Groups::default(),
            cases: Vec::new(),
            heard: stage::Heard::new(),
            fenced: BTreeMap::new(),
            tape: None,
            begun: 0,
            guests: BTreeSet::new(),
            loses_epochs: false,
            queue: BinaryHeap::new(),
            scheduled: 0,
        })
    }

    fn begin(&mut self) {
        (0..self.plan.nodes).for_each(|node| self.ledger.founded(node, &self.fleet));
        for node in 0..self.plan.nodes {
            self.hosts[node].start(&self.fleet, node, &self.ledger, 0);
            self.drain(node);
        }
        let pairs: Vec<(usize, usize)> = self.network.pairs().collect();
        for (a, b) in pairs {
            let at = self.dice.below(crate::limits::REDIAL);
            self.schedule(at, a, What::Dial(b));
        }
        self.schedule_weather();
    }

    pub(super) fn schedule(&mut self, at: Time, node: usize, what: What) {
        self.scheduled += 1;
        let (kind, seq, life) = (what.kind(), self.scheduled, self.hosts[node].life);
        let at = at.max(self.now);
        self.queue.push(Reverse(Scheduled { at, kind, node, seq, life, what }));
    }

    fn happen(&mut self, next: Scheduled) {
        let Scheduled { node, life, what, .. } = next;
        if what.is_of_one_life() && life != self.hosts[node].life {
            return;
        }
        if let Some(wakes) = self.hosts[node].asleep
            && !what.wakes()
        {
            return self.schedule(wakes, node, what);
        }
        self.counts.events += 1;
        match what {
            What::Wake => self.wake(node),
            What::Warden(award) => self.look(node, award),
            What::Happens(happens) => self.happens(node, happens),
            What::Dial(peer) => self.dial(node, peer),
            What::Gone(peer, session) => self.gone(node, peer, session),
            What::Closed(peer, session) => self.closed(node, peer, session),
            What::Frame { from, session, frame } => self.frame(node, from, session, frame),
            What::Written => self.written(node),
            What::Inspected(nonce) => {
                let program = Ok(Program::of([7; 32]));
                self.give(node, Input::Inspected { nonce, program });
            }
            What::Deadline => self.deadline(node),
            What::Read(order) => self.read(node, order),
            What::Act(award) => self.act(node, award),
        }
    }

    /// Gives a host's engine one input, and carries out everything that comes of it.
    pub(super) fn give(&mut self, node: usize, input: Input) {
        let now = self.now;
        let host = &mut self.hosts[node];
        let clock = host.now(now);
        let Some(engine) = host.engine.as_mut() else { return };
        engine.handle(clock, input);
        self.counts.inputs += 1;
        self.drain(node);
    }

    /// Carries out what an engine wants.
    pub(super) fn drain(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let Some(engine) = host.engine.as_mut() else { return };
        let mut outputs: Vec<Output> = std::iter::from_fn(|| engine.poll()).collect();
        outputs.iter_mut().for_each(|output| host.wrapper.output(output));
        self.take_in(node, &outputs);
        let mut back = Vec::new();
        for output in outputs {
            self.trace.fold(self.now, node, &output);
            back.extend(self.perform(node, output));
        }
        self.arm(node);
        back.into_iter().for_each(|input| self.give(node, input));
    }

    /// Asks to be called when the engine wants to be.
    fn arm(&mut self, node: usize) {
        let host = &self.hosts[node];
        let Some(boot) = host.engine.as_ref().and_then(|engine| engine.next_deadline()) else {
            return;
        };
        let at = host.when(boot).max(self.now);
        if host.armed.is_none_or(|armed| at < armed) {
            self.hosts[node].armed = Some(at);
            self.schedule(at, node, What::Deadline);
        }
    }

    fn deadline(&mut self, node: usize) {
        let now = self.now;
        let host = &mut self.hosts[node];
        if host.armed.is_some_and(|armed| armed <= now) {
            host.armed = None;
        }
        let wanted = host.engine.as_ref().and_then(|engine| engine.next_deadline());
        if wanted.is_none_or(|boot| boot > host.now(now).boot) {
            return self.arm(node);
        }
        host.spins = if host.called == now { host.spins + 1 } else { 0 };
        host.called = now;
        if host.spins > SPINS_MAX {
            self.counts.spinning = Some(node);
            return;
        }
        self.give(node, Input::Deadline);
    }

    fn frame(&mut self, node: usize, from: usize, session: u64, frame: Carried) {
        let Arrival::Read(frame) = self.network.arrive(node, from, session, frame) else { return };
        let link = self.fleet.devices[from].key;
        let input = match &*frame.frame {
            Ok(checked) => {
                let (host, inner) = (&self.hosts[node], checked.as_inner());
                let lost = self.loses_epochs && crate::planted::has_epoch(inner);
                if lost || host.wrapper.loses(inner, host.depth) {
                    return;
                }
                let wall_ms = WALL_AT_START_MS + self.now / MS;
                let misread = host.wrapper.misreads(inner, &self.fleet, from, wall_ms);
                self.counts.payloads += crate::planted::holds_in(inner).len() as u64;
                let frame_read = misread.unwrap_or_else(|| checked.clone());
                Input::Frame { link, lane: frame.lane, frame: frame_read }
            }
            Err(why) => Input::Malformed { link, why: why.clone() },
        };
        self.give(node, input);
    }

    fn written(&mut self, node: usize) {
        let Some((write, ids)) = self.hosts[node].written() else { return };
        for id in ids {
            self.ledger.on_disk(node, id, self.now);
            self.said(node, id);
        }
        self.note_policies(node);
        self.give(node, Input::Persisted { write });
    }

    /// What a host's disk holds of policies since the founding.
    pub(super) fn note_policies(&mut self, node: usize) {
        for policy in self.hosts[node].policies() {
            self.ledger.keep_policy(node, policy);
        }
    }

    /// A statement can no longer be unsaid, if it is on its author's disk or on another's mind.
    pub(super) fn said(&mut self, node: usize, id: StatementId) {
        if self.ledger.said(id)
            && let Some(statement) = self.ledger.statements.get(&id)
        {
            let sight = Sight::Said { node, statement };
            self.checkers.see(self.now, &sight, &self.ledger);
        }
    }

    fn act(&mut self, node: usize, award: StatementId) {
        let host = &self.hosts[node];
        let Some(tree) = host.trees.get(&award).filter(|tree| !tree.is_over()) else { return };
        let acts = tree.acts();
        if acts {
            self.counts.acts += 1;
            self.ledger.acted(&award, self.now);
            self.checkers.see(self.now, &Sight::Acted { award }, &self.ledger);
            let late = self.ledger.passed(&award, self.now).is_some();
            self.counts.acts_after_bound += u64::from(late);
            self.ask_act(node, award);
        }
        self.schedule(self.now + self.plan.task.act_every.0, node, What::Act(award));
    }

    /// A warden looks at its tree.
    pub(super) fn look(&mut self, node: usize, award: StatementId) {
        let host = &mut self.hosts[node];
        let boot = host.now(self.now).boot;
        let Some(tree) = host.trees.get_mut(&award) else { return };
        let look = tree.look(self.now, boot);
        self.looked(node, award, look);
    }

    /// What a look at a tree brought: truths for the ledger, words for the engine.
    pub(super) fn looked(&mut self, node: usize, award: StatementId, look: crate::tree::Look) {
        let now = self.now;
        if let Some(task) = self.ledger.tasks.get_mut(&award) {
            if look.emptied {
                task.emptied.get_or_insert(now);
            }
            if look.said.contains(&TaskEvent::Started) {
                task.began.get_or_insert(now);
            }
        }
        let host = &self.hosts[node];
        if let Some(tree) = host.trees.get(&award) {
            let (at, boot) = tree.next();
            let next = [at, boot.map(|boot| host.when(boot))].into_iter().flatten().min();
            if let Some(next) = next.filter(|next| *next > now) {
                self.schedule(next, node, What::Warden(award));
            }
        }
        if self.hosts[node].trees.get(&award).is_some_and(|tree| !tree.alone || tree.is_over()) {
            for event in look.said {
                self.give(node, Input::Task { award, event });
            }
        }
    }

    fn end(mut self) -> Report {
        let orders: Vec<(StatementId, usize)> =
            self.ledger.orders.iter().map(|(id, order)| (*id, order.from)).collect();
        for (order, from) in orders {
            self.cases.retain(|(read, _)| *read != order);
            self.cases.push((order, None));
            self.read(from, order);
        }
        let cases = std::mem::take(&mut self.cases);
        self.checkers.see(self.now, &Sight::End { cases: &cases }, &self.ledger);
        let found = self.checkers.found();
        let fingerprint = hex(&self.trace.fingerprint());
        Report::of(
            &self.plan,
            self.seed,
            fingerprint,
            found,
            &self.ledger,
            self.counts,
            &self.network,
        )
    }
}
