//! A world that somebody outside plays on, step by step: time passes only as far as he lets it.
//!
//! He asks at hosts' doors with the requests that a real node hears, pulls cables, kills nodes and
//! starts them again; every checker looks on, and the report at the end is that of any run. The
//! script of the plan is played as well, if it has one.
//!
//! Refused here: a way past a door, and looking into an engine. What a stage shows of a task is
//! what its tree did, never what its node believes.

use super::weather::Happens;
use super::{What, World};
use crate::checker::Sight;
use crate::clock::{MS, Time, WALL_AT_START_MS};
use crate::fleet::Fleet;
use crate::host::Asked;
use crate::ledger::{Ledger, Task};
use crate::limits::{ANSWER_MAX, QUIET_MIN, READ_EVERY};
use crate::plan::{Plan, Step};
use crate::planted::Planted;
use crate::report::Report;
use belay_identity::body::{Body, Inventory, Policy};
use belay_identity::principal::{DeviceId, NameError, Principal, TrustDomain};
use belay_identity::{Class, Scope, SecretKey, Statement, StatementId, sign};
use belay_mesh::drafts;
use belay_mesh::gate::Decision;
use belay_mesh::output::{Answer, Refusal};
use belay_mesh::{Input, Request};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the doors have answered and nobody has fetched yet.
pub(crate) type Heard = BTreeMap<Ticket, Result<Answer, Refusal>>;

/// A question that was put at a door and is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Why a question has no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The node said No.
    #[error("{}; {}", .0.why, .0.hint)]
    Refused(Refusal),
    /// Nobody answered: the node is dead, asleep, or died meanwhile.
    #[error("nobody answers at this door")]
    Silent,
    /// It answered something else than was asked.
    #[error("the answer is of another kind than the question: {0}")]
    Odd(String),
}

/// A world, and who plays on it.
pub struct Stage {
    pub(super) world: World,
    pub(super) tickets: u64,
}

impl Stage {
    /// A world of this plan, founded with this policy instead of the simulator's own, whose devices
    /// are called so. Those that join by invite are switched off at first; [`Stage::restart`]
    /// switches one on.
    pub fn set(
        plan: &Plan,
        policy: &Policy,
        names: &[&str],
        seed: u64,
        planted: Option<Planted>,
    ) -> Result<Self, NameError> {
        let mut world = World::new(plan, seed, planted)?;
        let name = |node: usize| names.get(node).map_or(format!("d{node}"), ToString::to_string);
        world.fleet = Fleet::found_with(plan, seed, policy.to_bytes(), name)?;
        world.ledger = Ledger::new(plan, &world.fleet);
        world.begin();
        for newcomer in plan.nodes - plan.fleet.joins..plan.nodes {
            world.happens(newcomer, Happens::Crash);
        }
        Ok(Self { world, tickets: 0 })
    }

    /// The world's time from its beginning.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.world.now)
    }

    /// The true wall time, Unix milliseconds; every host's own is a little wrong.
    pub fn wall_ms(&self) -> u64 {
        WALL_AT_START_MS + self.world.now / MS
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, span: Duration) {
        self.world.play_until(self.world.now.saturating_add(nanos(span)));
    }

    /// Asks at a host's door and lets time pass until it has answered.
    pub fn ask(&mut self, node: usize, request: Request) -> Result<Answer, NoAnswer> {
        let ticket = self.put(node, request);
        self.answer(ticket)
    }

    /// Asks at a host's door and lets no time pass, so that two can ask at one moment.
    pub fn put(&mut self, node: usize, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let acting = if let Request::Act(act) = &request { Some(act.task) } else { None };
        self.world.ask(node, Asked::Stage { ticket, acting }, request);
        ticket
    }

    /// The answer to a question, once there is one; each is handed out once.
    pub fn heard(&mut self, ticket: Ticket) -> Option<Result<Answer, NoAnswer>> {
        match self.world.heard.remove(&ticket) {
            Some(answer) => Some(answer.map_err(NoAnswer::Refused)),
            None if self.world.waits_for(ticket) => None,
            None => Some(Err(NoAnswer::Silent)),
        }
    }

    /// Lets time pass until a question is answered.
    pub fn answer(&mut self, ticket: Ticket) -> Result<Answer, NoAnswer> {
        let end = self.world.now.saturating_add(ANSWER_MAX);
        while self.world.waits_for(ticket) && self.world.play_one(end) {}
        self.heard(ticket).unwrap_or(Err(NoAnswer::Silent))
    }

    /// The fleet's operator sits down at a host, signs this and hands it in; back when it is on
    /// that host's disk. The answers name statements said before.
    pub fn say(
        &mut self,
        node: usize,
        body: Body,
        answers: Vec<StatementId>,
        with: Vec<Vec<u8>>,
    ) -> Result<StatementId, NoAnswer> {
        let secret = SecretKey::from_seed(&self.world.fleet.operator.seed());
        self.say_as(node, &secret, body, answers, with)
    }

    /// The same by whoever holds this key: another operator, or the root.
    pub fn say_as(
        &mut self,
        node: usize,
        secret: &SecretKey,
        body: Body,
        answers: Vec<StatementId>,
        with: Vec<Vec<u8>>,
    ) -> Result<StatementId, NoAnswer> {
        let class = body.class().unwrap_or(Class::AuthorityMinus);
        let place = self.ask(node, Request::Place { key: secret.public(), class })?;
        let Answer::Place(place) = place else { return Err(odd(&place)) };
        let stranger = || NoAnswer::Odd("this host knows no operator by that key".into());
        let author = match place.root {
            true => Principal::Root(self.world.fleet.domain.clone()),
            false => Principal::Operator(place.operator.clone().ok_or_else(stranger)?),
        };
        let expires = matches!(body, Body::Release(_));
        let statement = Statement {
            class,
            scope: Scope::Fleet,
            author,
            incarnation: place.incarnation,
            seq: place.seq,
            prev: place.prev,
            epoch: place.epoch,
            expiry_ms: expires.then_some(crate::fleet::RELEASE_EXPIRY_MS),
            refs: answers,
            body,
        };
        let signed = sign(statement, secret, &place.fleet);
        let (id, is_order) = (signed.id(), signed.is_order());
        let accepted =
            self.ask(node, Request::Submit { statements: vec![signed], bodies: with })?;
        let Answer::Accepted(_) = accepted else { return Err(odd(&accepted)) };
        if is_order {
            self.world.schedule(self.world.now + READ_EVERY, node, What::Read(id));
        }
        Ok(id)
    }

    /// A host looks which agents run on it; nothing comes of it while its node is dead.
    pub fn look(&mut self, node: usize, found: Inventory) {
        self.world.give(node, Input::Inventory(found));
    }

    /// Cuts a host off from all others, until healed.
    pub fn cut(&mut self, node: usize) {
        self.world.happens(node, Happens::Cut(cut_of(node), BTreeSet::from([node])));
    }

    /// Links it again.
    pub fn heal(&mut self, node: usize) {
        self.world.happens(node, Happens::Heal(cut_of(node)));
    }

    /// Kills a host's node; what it runs is left alone with its warden.
    pub fn crash(&mut self, node: usize) {
        self.world.happens(node, Happens::Crash);
    }

    /// Starts a host's node again over what its disk holds.
    pub fn restart(&mut self, node: usize) {
        self.world.happens(node, Happens::Restart);
    }

    /// Does what a step of a script says, now.
    pub fn step(&mut self, step: Step) {
        self.world.step(step);
    }

    /// The key of the operator who founded the fleet.
    pub fn operator(&self) -> &SecretKey {
        &self.world.fleet.operator
    }

    /// The fleet's root key.
    pub fn root(&self) -> &SecretKey {
        &self.world.fleet.root
    }

    /// The fleet's trust domain.
    pub fn domain(&self) -> &TrustDomain {
        &self.world.fleet.domain
    }

    /// The fleet's root fingerprint.
    pub fn fleet(&self) -> belay_identity::FleetId {
        self.world.fleet.id
    }

    /// The name of a host.
    pub fn device(&self, node: usize) -> &DeviceId {
        &self.world.fleet.devices[node].id
    }

    /// When the tree of an award last did something that can be seen outside it.
    pub fn last_act(&self, award: &StatementId) -> Option<Duration> {
        self.task(award)?.acted.map(Duration::from_nanos)
    }

    /// True while the tree of an award has a process, running or frozen.
    pub fn lives(&self, award: &StatementId) -> bool {
        self.task(award).is_some_and(|task| task.began.is_some() && task.emptied.is_none())
    }

    /// True once the last process of an award's tree has ended.
    pub fn ended(&self, award: &StatementId) -> bool {
        self.task(award).is_some_and(|task| task.emptied.is_some())
    }

    fn task(&self, award: &StatementId) -> Option<&Task> {
        self.world.ledger.tasks.get(award)
    }

    /// Lets the world come to rest and reports what its checkers have found.
    pub fn end(mut self) -> Report {
        self.world.play_until(self.world.now.saturating_add(QUIET_MIN));
        self.world.end()
    }
}

impl World {
    /// True while a living node has heard this question and not answered it.
    fn waits_for(&self, ticket: Ticket) -> bool {
        let asks = self.hosts.iter().flat_map(|host| host.asks.values());
        let mut tickets = asks.filter_map(|asked| match asked {
            Asked::Stage { ticket, .. } => Some(*ticket),
            Asked::Place(_) | Asked::Submit | Asked::Grow(_) | Asked::Act(_) | Asked::Case(_) => {
                None
            }
        });
        tickets.any(|asked| asked == ticket)
    }

    fn play_until(&mut self, end: Time) {
        while self.play_one(end) {}
    }

    /// Lets the next thing happen, unless it comes after `end`; then it is `end`.
    fn play_one(&mut self, end: Time) -> bool {
        match self.queue.peek() {
            Some(Reverse(next)) if next.at <= end => {}
            Some(_) | None => {
                self.now = end;
                return false;
            }
        }
        if let Some(Reverse(next)) = self.queue.pop() {
            self.now = next.at;
            self.happen(next);
        }
        true
    }

    /// A door has answered somebody outside: the checkers look, and what may run is started, as at
    /// the script's own questions.
    pub(super) fn hear(
        &mut self,
        node: usize,
        ticket: Ticket,
        acting: Option<StatementId>,
        answer: Result<Answer, Refusal>,
    ) {
        match (&answer, acting) {
            (Ok(Answer::Verdict(verdict)), Some(award)) if verdict.decision == Decision::Permit => {
                self.counts.permits += 1;
                let sight = Sight::Permitted { node, award };
                self.checkers.see(self.now, &sight, &self.ledger);
            }
            (Ok(Answer::Run(grant)), _) => {
                self.counts.runs += 1;
                self.start_tree(node, grant.award, grant.until, grant.lapse_grace_ms);
            }
            (Ok(Answer::Offloaded(_)), _) => self.counts.offloads += 1,
            (Ok(Answer::Progress(progress)), _) => {
                self.note_printed(node, &progress.case.order, progress);
                let sight = Sight::CaseRead { order: progress.case.order, case: &progress.case };
                self.checkers.see(self.now, &sight, &self.ledger);
            }
            (Ok(Answer::Draft(draft)), _) => match drafts::read((**draft).clone()) {
                Ok(mut report) => {
                    self.hosts[node].wrapper.draft(&mut report);
                    let sight = Sight::DraftRead { node, report: &report };
                    self.checkers.see(self.now, &sight, &self.ledger);
                }
                Err(refusal) => self.counts.refuse(&refusal),
            },
            (Ok(Answer::Devices(reports)), _) => {
                let sight = Sight::DevicesRead { node, reports };
                self.checkers.see(self.now, &sight, &self.ledger);
            }
            (Err(refusal), _) => self.counts.refuse(refusal),
            (Ok(_), _) => {}
        }
        self.heard.insert(ticket, answer);
    }
}

fn cut_of(node: usize) -> String {
    format!("stage {node}")
}

fn odd(answer: &Answer) -> NoAnswer {
    NoAnswer::Odd(format!("{answer:?}"))
}

fn nanos(span: Duration) -> Time {
    Time::try_from(span.as_nanos()).unwrap_or(Time::MAX)
}
