//! Doors: operators who order, agents who run and hand work on, trees that ask the gate.
//!
//! An operator's statement is signed outside the node, as for real: ask for the place, sign,
//! submit.

use super::{What, World};
use crate::checker::Sight;
use crate::clock::{MS, Time};
use crate::host::{Asked, Grow, Intent, ORDERS};
use crate::limits::READ_EVERY;
use crate::plan::Lend;
use belay_identity::body::{Hold, Lift, OnSilence, Pause, Reason, Subject, Term, Wall};
use belay_identity::chain::Program;
use belay_identity::principal::Principal;
use belay_identity::{Body, Scope, Statement, StatementId, sign};
use belay_mesh::gate::{Act, Decision};
use belay_mesh::input::{AnswerAt, AskId, Offload, Run};
use belay_mesh::output::{Answer, Offloaded, Place, Refusal};
use belay_mesh::status::Progress;
use belay_mesh::{Input, Request};

impl World {
    /// Asks at a host's door.
    pub(super) fn ask(&mut self, node: usize, asked: Asked, request: Request) {
        let host = &mut self.hosts[node];
        if host.engine.is_none() || host.asleep.is_some() {
            return;
        }
        let ask = host.ask(asked);
        host.wrapper.asked(ask, &request);
        self.give(node, Input::Ask { ask, request: Box::new(request) });
    }

    /// An operator sits down at a host.
    pub(super) fn intend(&mut self, node: usize, intent: Intent) {
        let key = self.fleet.operator.public();
        self.ask(node, Asked::Place(intent), Request::Place { key, class: ORDERS });
    }

    /// An agent starts, and is to hand on work.
    pub(super) fn run_agent(&mut self, node: usize, grow: Grow) {
        let run = Run {
            agent: grow.agent.clone(),
            project: "default".into(),
            class: "default".into(),
            argv: vec!["work".into()],
            program: Program::of([7; 32]),
            wall: Wall::None,
        };
        self.counts.runs += 1;
        self.ask(node, Asked::Grow(grow), Request::Run(run));
    }

    /// A device's owner gives work to whoever takes it.
    pub(super) fn lend(&mut self, lend: &Lend) {
        let (agent, node, level, depth, fan) = (lend.agent.clone(), lend.node, 0, 0, 1);
        let grow = Grow { agent, level, depth, fan, run_on: false, path: vec![node], at: self.now };
        let want = Offload {
            parent: None,
            device: None,
            needs: lend.needs.clone(),
            agent: lend.agent.clone(),
            argv: vec!["work".into()],
            tools: Vec::new(),
            on_silence: OnSilence::End,
            payload: None,
            answer: AnswerAt::Start,
        };
        self.ask(node, Asked::Grow(grow), Request::Offload(want));
    }

    /// How long it took from the asking to the warden's start.
    fn note_start(&mut self, offloaded: &Offloaded, asked: Time) {
        if let Some(at) = self.ledger.tasks.get(&offloaded.award).and_then(|task| task.told) {
            let took = at.saturating_sub(asked);
            self.counts.starts.entry(offloaded.how).or_default().push(took);
        }
    }

    pub(super) fn ask_act(&mut self, node: usize, award: StatementId) {
        let (action, target) = ("tool.call".to_owned(), "search".to_owned());
        let act = Act { task: award, action, target, args: Vec::new() };
        self.ask(node, Asked::Act(award), Request::Act(act));
    }

    /// An operator reads how far an order has come.
    pub(super) fn read(&mut self, node: usize, order: StatementId) {
        self.ask(node, Asked::Case(order), Request::Progress { order });
        let done = self
            .cases
            .iter()
            .any(|(read, case)| *read == order && case.as_ref().is_some_and(|case| case.complete));
        if !done {
            self.schedule(self.now + READ_EVERY, node, What::Read(order));
        }
    }

    pub(super) fn answered(
        &mut self,
        node: usize,
        ask: AskId,
        answer: Result<Box<Answer>, Refusal>,
    ) {
        let Some(asked) = self.hosts[node].asks.remove(&ask) else { return };
        match (asked, answer.map(|answer| *answer)) {
            (Asked::Stage { ticket, acting }, answer) => self.hear(node, ticket, acting, answer),
            (Asked::Place(intent), Ok(Answer::Place(place))) => self.say(node, intent, place),
            (Asked::Grow(grow), Ok(Answer::Run(grant))) => {
                self.start_tree(node, grant.award, grant.until, grant.lapse_grace_ms);
                self.hand_on(node, grant.award, &grow);
            }
            (Asked::Grow(grow), Ok(Answer::Offloaded(offloaded))) => {
                self.counts.offloads += 1;
                self.note_start(&offloaded, grow.at);
                let runs = grow.path.last().copied().unwrap_or(node);
                self.hand_on(runs, offloaded.award, &grow);
            }
            (Asked::Grow(_), Err(refusal)) => self.counts.refuse(&refusal),
            (Asked::Act(award), Ok(Answer::Verdict(verdict))) => {
                if verdict.decision == Decision::Permit {
                    self.counts.permits += 1;
                    let sight = Sight::Permitted { node, award };
                    self.checkers.see(self.now, &sight, &self.ledger);
                } else {
                    self.counts.denials += 1;
                }
            }
            (Asked::Case(order), Ok(Answer::Progress(progress))) => {
                self.note_printed(node, &order, &progress);
                let case = progress.case;
                let sight = Sight::CaseRead { order, case: &case };
                self.checkers.see(self.now, &sight, &self.ledger);
                self.cases.retain(|(read, _)| *read != order);
                if case.complete {
                    self.counts.complete.entry(order).or_insert(self.now);
                }
                self.cases.push((order, Some(case)));
            }
            (Asked::Submit, Ok(_)) => {}
            (Asked::Submit | Asked::Place(_) | Asked::Case(_) | Asked::Act(_), Err(refusal)) => {
                self.counts.refuse(&refusal);
            }
            (asked, Ok(answer)) => {
                self.counts.odd.push(format!("{asked:?} is answered by {answer:?}"));
            }
        }
    }

    /// What a screen prints as "cannot act after", in the world's time: from when the order was
    /// seen in force, by the same wall clock.
    pub(super) fn note_printed(&mut self, node: usize, order: &StatementId, progress: &Progress) {
        let (Some(seen_ms), Some(bound_ms)) = (progress.in_force_ms, progress.bound_ms) else {
            return;
        };
        let ago_ms = self.hosts[node].now(self.now).wall_ms.saturating_sub(seen_ms);
        let bound = (self.now + bound_ms * MS).saturating_sub(ago_ms * MS);
        self.ledger.print(order, bound);
    }

    /// The operator's own process signs and hands in.
    fn say(&mut self, node: usize, intent: Intent, place: Place) {
        let (Some(operator), Some(home)) = (place.operator.clone(), place.device.clone()) else {
            return;
        };
        let Some((body, refs)) = self.words(&intent, home) else { return };
        let statement = Statement {
            class: ORDERS,
            scope: Scope::Fleet,
            author: Principal::Operator(operator),
            incarnation: place.incarnation,
            seq: place.seq,
            prev: place.prev,
            epoch: place.epoch,
            expiry_ms: None,
            refs,
            body,
        };
        let signed = sign(statement, &self.fleet.operator, &place.fleet);
        let id = signed.id();
        let submit = Request::Submit { statements: vec![signed], bodies: Vec::new() };
        self.ask(node, Asked::Submit, submit);
        if matches!(intent, Intent::Hold { .. }) {
            self.schedule(self.now + READ_EVERY, node, What::Read(id));
        }
    }

    fn words(
        &self,
        intent: &Intent,
        home: belay_identity::principal::DeviceId,
    ) -> Option<(Body, Vec<StatementId>)> {
        match intent {
            Intent::Hold { agent, pause } => {
                let agent = self.fleet.agent(agent).ok()?;
                let hold = Hold {
                    subject: Subject::new(vec![Term::Agent(agent)]).ok()?,
                    home,
                    reason: Reason("the script says so".into()),
                    until_ms: None,
                    pause: pause.then_some(Pause),
                };
                Some((hold.into(), Vec::new()))
            }
            Intent::Lift { agent } => {
                let agent = self.fleet.agent(agent).ok()?;
                let holds =
                    self.ledger.orders.iter().filter(|(_, order)| order.agent() == Some(&agent));
                let refs = holds.map(|(id, _)| *id).collect();
                Some((Lift { reason: Reason("the script says so".into()) }.into(), refs))
            }
        }
    }

    /// A task hands work to linked devices that can hold a lease, until its tree is deep enough.
    fn hand_on(&mut self, node: usize, award: StatementId, grow: &Grow) {
        if grow.level >= grow.depth {
            return;
        }
        for child in 0..grow.fan {
            let beacons = self.plan.fleet.beacons;
            let can = |peer: &usize| {
                let leased = *peer < beacons
                    || self.network.neighbours(*peer).iter().any(|next| *next < beacons);
                leased && !grow.path.contains(peer) && self.network.is_up(node, *peer)
            };
            let peers: Vec<usize> =
                self.network.neighbours(node).iter().copied().filter(can).collect();
            if peers.is_empty() {
                self.counts.stranded += 1;
                return;
            }
            let peer = peers[self.dice.index(peers.len())];
            let level = grow.level + 1;
            let root = grow.agent.split(':').next().unwrap_or_default();
            let path = grow.path.iter().copied().chain([peer]).collect();
            let below = Grow { level, path, at: self.now, ..grow.clone() };
            let name = format!("{root}-{}-{child}", level + 1);
            let offload = Offload {
                parent: Some(award),
                device: Some(self.fleet.devices[peer].id.clone()),
                needs: Vec::new(),
                agent: name,
                argv: vec!["work".into()],
                tools: Vec::new(),
                on_silence: if grow.run_on { OnSilence::RunToDeadline } else { OnSilence::End },
                payload: None,
                answer: AnswerAt::Start,
            };
            self.ask(node, Asked::Grow(below), Request::Offload(offload));
        }
    }
}
