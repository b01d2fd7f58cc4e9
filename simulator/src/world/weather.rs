//! What happens to hosts and links: the script's steps, chance cuts, sleeps and crashes.

use super::{What, World};
use crate::checker::Sight;
use crate::clock::Time;
use crate::dice::Dice;
use crate::host::{Grow, Intent};
use crate::limits::{RECOVERY, REDIAL};
use crate::plan::{Cut, Gives, Step};
use belay_identity::StatementId;
use belay_mesh::Input;
use belay_mesh::input::TaskEvent;
use std::collections::{BTreeMap, BTreeSet};

/// Groups that are cut off, by name.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    cut: BTreeMap<String, BTreeSet<usize>>,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Happens {
    /// A step of the script, by its place.
    Step(usize),
    /// A group is cut off.
    Cut(String, BTreeSet<usize>),
    /// It is linked again.
    Heal(String),
    /// This node's process is killed.
    Crash,
    /// It is started again.
    Restart,
    /// This device sleeps until then.
    Sleep(Time),
    /// A device looks how busy it is.
    Look,
    /// An agent is started though an order may stand against it.
    Try(String),
}

impl World {
    /// Puts the script's steps and the chance events into the queue.
    pub(super) fn schedule_weather(&mut self) {
        for place in 0..self.plan.script.len() {
            let at = self.plan.script[place].begins();
            self.schedule(at, 0, What::Happens(Happens::Step(place)));
        }
        for node in 0..self.plan.nodes {
            if self.plan.lend.is_some() {
                self.schedule(0, node, What::Happens(Happens::Look));
            }
        }
        let weather = self.plan.weather.clone();
        let mut dice = Dice::of(self.seed, "weather");
        let nodes = self.plan.nodes;
        for cut in 0..weather.cuts {
            let (at, node) = (dice.between(weather.when.low, weather.when.high), dice.index(nodes));
            let end = at + dice.between(weather.lasts.low, weather.lasts.high);
            let name = format!("weather {cut}");
            let group = BTreeSet::from([node]);
            self.schedule(at, node, What::Happens(Happens::Cut(name.clone(), group)));
            self.schedule(end, node, What::Happens(Happens::Heal(name)));
        }
        for _ in 0..weather.suspends {
            let (at, node) = (dice.between(weather.when.low, weather.when.high), dice.index(nodes));
            let end = at + dice.between(weather.lasts.low, weather.lasts.high);
            self.schedule(at, node, What::Happens(Happens::Sleep(end)));
        }
        for _ in 0..weather.crashes {
            let (at, node) = (dice.between(weather.when.low, weather.when.high), dice.index(nodes));
            let end = at + dice.between(weather.lasts.low, weather.lasts.high);
            self.schedule(at, node, What::Happens(Happens::Crash));
            self.schedule(end, node, What::Happens(Happens::Restart));
        }
    }

    pub(super) fn happens(&mut self, node: usize, happens: Happens) {
        let door = match &happens {
            Happens::Step(place) => self.plan.script[*place].door(),
            Happens::Restart | Happens::Try(_) => Some(node),
            Happens::Cut(..)
            | Happens::Heal(_)
            | Happens::Crash
            | Happens::Sleep(_)
            | Happens::Look => None,
        };
        if let Some(wakes) = door.and_then(|door| self.hosts[door].asleep) {
            // Nobody sits at a sleeping device.
            return self.schedule(wakes + 1, node, What::Happens(happens));
        }
        match happens {
            Happens::Step(place) => self.step(self.plan.script[place].clone()),
            Happens::Cut(name, group) => self.cut(name, group),
            Happens::Heal(name) => self.heal(&name),
            Happens::Crash => self.crash(node),
            Happens::Restart => self.restart(node),
            Happens::Sleep(until) => self.sleep(node, until),
            Happens::Look => return self.look_how_busy(node),
            Happens::Try(agent) => {
                let (level, depth, fan, run_on) = (0, 0, 1, false);
                self.run_agent(
                    node,
                    Grow { agent, level, depth, fan, run_on, path: vec![node], at: self.now },
                );
            }
        }
        self.weigh_hosts();
    }

    pub(super) fn step(&mut self, step: Step) {
        if let Some(run) = step.run {
            let run_on = run.silence == Gives::RunOn;
            let (level, path) = (0, vec![run.node]);
            let (agent, depth, fan) = (run.agent, run.depth, run.fan);
            self.run_agent(run.node, Grow { agent, level, depth, fan, run_on, path, at: self.now });
        }
        if let Some(lend) = step.offload {
            (0..lend.times).for_each(|_| self.lend(&lend));
        }
        if let Some(order) = step.order {
            self.intend(order.from, Intent::Hold { agent: order.agent, pause: order.pause });
        }
        if let Some(lift) = step.lift {
            self.intend(lift.from, Intent::Lift { agent: lift.agent });
        }
        if let Some(cut) = step.cut {
            let group = self.draw_group(&cut);
            self.cut(cut.group, group);
        }
        if let Some(heal) = step.heal {
            self.heal(&heal.group);
        }
        if let Some(hit) = step.crash {
            self.crash(hit.node);
        }
        if let Some(hit) = step.restart {
            self.restart(hit.node);
        }
        if let Some(clock) = step.clock {
            self.hosts[clock.node].clock.set(&clock);
        }
        if let Some(suspend) = step.suspend {
            self.sleep(suspend.node, self.now + suspend.lasts.0);
        }
    }

    /// A device looks how busy it is, unless it sleeps or its node is dead.
    fn look_how_busy(&mut self, node: usize) {
        let Some(lend) = self.plan.lend.clone() else { return };
        let load = self.hosts[node].load(&lend);
        if self.hosts[node].asleep.is_none() {
            self.give(node, Input::Present { load, addresses: Vec::new() });
        }
        let next = self.now + lend.load_every.0;
        if next <= lend.load_until.0 {
            self.schedule(next, node, What::Happens(Happens::Look));
        }
    }

    fn draw_group(&mut self, cut: &Cut) -> BTreeSet<usize> {
        let orders = self.plan.script.iter().filter_map(|step| step.order.as_ref());
        let orderers: BTreeSet<usize> = orders.map(|order| order.from).collect();
        let mut group: BTreeSet<usize> = cut.nodes.iter().copied().collect();
        if let Some(share) = cut.share {
            for node in 0..self.plan.nodes {
                if self.dice.happens(share.0) && !orderers.contains(&node) {
                    group.insert(node);
                }
            }
        }
        group
    }

    fn cut(&mut self, name: String, group: BTreeSet<usize>) {
        self.groups.cut.insert(name, group);
        let idle = self.plan.network.idle.0;
        for (a, b) in self.network.pairs().collect::<Vec<_>>() {
            if self.is_cut(a, b) && !self.network.link(a, b).cut {
                self.network.cut(a, b);
                let session = self.network.link(a, b).session;
                self.schedule(self.now + idle, a, What::Gone(b, session));
                self.schedule(self.now + idle, b, What::Gone(a, session));
            }
        }
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.groups.cut.values().any(|group| group.contains(&a) != group.contains(&b))
    }

    fn heal(&mut self, name: &str) {
        self.groups.cut.remove(name);
        for (a, b) in self.network.pairs().collect::<Vec<_>>() {
            if self.is_cut(a, b) || !self.network.link(a, b).cut {
                continue;
            }
            let session = self.network.link(a, b).session;
            for (to, from, at, frame) in self.network.heal(a, b, self.now) {
                self.schedule(at, to, What::Frame { from, session, frame });
            }
            let redial = self.now + self.dice.below(REDIAL);
            self.schedule(redial, a, What::Dial(b));
        }
    }

    /// An end notices that nothing comes any more, if its link is still cut or its peer still dead.
    pub(super) fn gone(&mut self, node: usize, peer: usize, session: u64) {
        let link = self.network.link(node, peer);
        if link.session == session && (link.cut || self.hosts[peer].engine.is_none()) {
            self.link_down(node, peer);
        }
    }

    /// An end learns that its link was closed.
    pub(super) fn closed(&mut self, node: usize, peer: usize, session: u64) {
        if self.network.link(node, peer).session == session {
            self.link_down(node, peer);
        }
    }

    fn link_down(&mut self, node: usize, peer: usize) {
        if self.network.disconnect(node, peer) {
            self.hosts[node].links -= 1;
            let link = self.fleet.devices[peer].key;
            self.give(node, Input::LinkDown { link });
        }
    }

    /// Two hosts link, if both live and nothing is between them.
    pub(super) fn dial(&mut self, node: usize, peer: usize) {
        let whole = self.network.is_up(node, peer) && self.network.is_up(peer, node);
        let cut = self.network.link(node, peer).cut;
        let dead = self.hosts[node].engine.is_none() || self.hosts[peer].engine.is_none();
        if whole || cut || dead {
            return;
        }
        if let Some(wakes) = self.hosts[peer].asleep {
            return self.schedule(wakes, node, What::Dial(peer));
        }
        for (here, there) in [(node, peer), (peer, node)] {
            self.link_down(here, there);
        }
        self.network.connect(node, peer);
        for (here, there) in [(node, peer), (peer, node)] {
            self.hosts[here].links += 1;
            let links = self.hosts[here].links;
            let sight = crate::checker::Sight::Links { node: here, links };
            self.checkers.see(self.now, &sight, &self.ledger);
            let link = self.fleet.devices[there].key;
            self.give(here, Input::LinkUp { link });
        }
    }

    fn crash(&mut self, node: usize) {
        if self.hosts[node].engine.is_none() {
            return;
        }
        for id in self.hosts[node].crash() {
            self.ledger.on_disk(node, id, self.now);
            self.said(node, id);
        }
        self.note_policies(node);
        self.counts.crashes += 1;
        let idle = self.plan.network.idle.0;
        for peer in self.network.neighbours(node).to_vec() {
            let session = self.network.link(node, peer).session;
            if self.network.disconnect(node, peer) {
                self.schedule(self.now + idle, peer, What::Gone(node, session));
            }
        }
        self.hosts[node].links = 0;
        let trees: Vec<StatementId> = self.hosts[node].trees.keys().copied().collect();
        trees.into_iter().for_each(|award| self.look(node, award));
    }

    fn restart(&mut self, node: usize) {
        if self.hosts[node].engine.is_some() {
            return;
        }
        self.ledger.restarted(node);
        self.checkers.see(self.now, &Sight::Restarted { node }, &self.ledger);
        self.hosts[node].start(&self.fleet, node, &self.ledger, self.now);
        self.drain(node);
        self.settle_orphans(node);
        for (award, until, grace_ms) in self.hosts[node].wrapper.taken_up() {
            self.start_tree(node, award, until, grace_ms);
        }
        for peer in self.network.neighbours(node).to_vec() {
            let at = self.now + self.dice.below(REDIAL);
            self.schedule(at, node, What::Dial(peer));
        }
        let agents = self.ledger.orders.values().filter_map(|order| order.agent());
        let agents: Vec<String> = agents.map(|agent| agent.name().to_owned()).collect();
        for agent in agents {
            self.schedule(self.now + 1, node, What::Happens(Happens::Try(agent)));
        }
    }

    /// Tells an engine that starts again what became of what ran before: it is ended, then told.
    fn settle_orphans(&mut self, node: usize) {
        let Some(engine) = &self.hosts[node].engine else { return };
        let orphans: Vec<StatementId> = engine.orphans().copied().collect();
        for award in orphans {
            let now = self.now;
            match self.hosts[node].trees.get_mut(&award) {
                None => {
                    let why = "no record of it was found".to_owned();
                    self.give(node, Input::Task { award, event: TaskEvent::NotProven { why } });
                }
                Some(tree) if tree.is_over() => {
                    let seen = belay_identity::body::Seen::NoChildrenLeft;
                    let event = TaskEvent::Empty { seen, tail: Vec::new() };
                    self.give(node, Input::Task { award, event });
                }
                Some(tree) => {
                    let look = tree.kill(now);
                    self.looked(node, award, look);
                }
            }
        }
    }

    fn sleep(&mut self, node: usize, until: Time) {
        if self.hosts[node].asleep.is_some() {
            return;
        }
        self.hosts[node].sleep(self.now, until);
        self.schedule(until, node, What::Wake);
    }

    /// A device wakes: its wardens look at once, then everything that waited comes.
    pub(super) fn wake(&mut self, node: usize) {
        let now = self.now;
        self.hosts[node].wake(now);
        let trees: Vec<StatementId> = self.hosts[node].trees.keys().copied().collect();
        trees.into_iter().for_each(|award| self.look(node, award));
        self.schedule(self.now, node, What::Deadline);
        self.weigh_hosts();
    }

    /// Who can hear whom now; whoever could not is given time to catch up.
    fn weigh_hosts(&mut self) {
        let nodes = self.plan.nodes;
        let can = |node: usize| {
            let host = &self.hosts[node];
            host.engine.is_some() && host.asleep.is_none()
        };
        let mut best: BTreeSet<usize> = BTreeSet::new();
        let mut seen = vec![false; nodes];
        for start in 0..nodes {
            if seen[start] || !can(start) {
                continue;
            }
            let mut part = BTreeSet::new();
            let mut open = vec![start];
            while let Some(node) = open.pop() {
                if std::mem::replace(&mut seen[node], true) {
                    continue;
                }
                part.insert(node);
                let next = self.network.neighbours(node).iter().copied();
                open.extend(
                    next.filter(|p| !seen[*p] && can(*p) && !self.network.link(node, *p).cut),
                );
            }
            if part.len() > best.len() {
                best = part;
            }
        }
        for node in 0..nodes {
            let truth = &mut self.ledger.hosts[node];
            let unwell = !best.contains(&node);
            if truth.unwell && !unwell {
                truth.well_since = self.now + RECOVERY;
            }
            truth.unwell = unwell;
        }
    }
}
