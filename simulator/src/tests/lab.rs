//! A few engines on a bench: every frame passes through the test's hands, every clock is one clock.
//!
//! Writes are on disk at once and programs are found at once, unless a test says otherwise; frames
//! are delivered in order, and a test may drop those that it names. Nothing is sent behind its
//! back. Refused here: chance and weather; the world has those.

use crate::fleet::{Fleet, RING};
use crate::plan::Plan;
use belay_identity::body::{Hold, OnSilence, Reason, Seen, Subject, Term};
use belay_identity::chain::Program;
use belay_identity::principal::{DeviceId, OperatorId, Principal};
use belay_identity::{Body, Class, Incarnation, Scope, Statement, StatementId, Verified, sign};
use belay_identity::{PublicKey, SecretKey, lease::Talk};
use belay_mesh::gate::{Act, Verdict};
use belay_mesh::input::{AnswerAt, AskId, Offload, TaskEvent};
use belay_mesh::output::{Answer, Event, Offloaded, Record, Refusal};
use belay_mesh::wire::{self, Frame, FrameKind, Lane};
use belay_mesh::{BootTime, Config, Engine, Input, Lends, Now, Output, Request, Restored, limits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A statement as disks hold it.
pub(super) type Held = Arc<Verified<Statement>>;

/// A frame on its way.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) lane: Lane,
    pub(super) kind: FrameKind,
    pub(super) body: Vec<u8>,
}

/// One device on the bench.
pub(super) struct Device {
    pub(super) engine: Engine,
    statements: Vec<Arc<Verified<Statement>>>,
    /// Awards whose program was started.
    pub(super) started: Vec<StatementId>,
    /// Awards whose payload is being fetched, with its hash.
    pub(super) fetching: Vec<(StatementId, [u8; 32])>,
    pub(super) events: Vec<Event>,
    /// Awards that were told to stand still and not fed since.
    pub(super) still: BTreeSet<StatementId>,
    /// Starts nothing, though it is told to.
    pub(super) idle: bool,
    /// Looks a program up only when the test says so: the offers whose program is wanted.
    pub(super) wanted: Option<Vec<[u8; 16]>>,
    /// Writes nothing: every write fails.
    pub(super) full: bool,
    /// What it can do; none where it takes only work for which it was named.
    pub(super) can: Option<Vec<String>>,
    /// Links that it closed.
    pub(super) closed: Vec<PublicKey>,
    /// Whom it dials, and where.
    pub(super) dials: BTreeMap<PublicKey, Vec<String>>,
    /// At whom it keeps a place.
    pub(super) relays: Vec<PublicKey>,
    lives: u8,
}

/// The bench.
pub(super) struct Lab {
    pub(super) fleet: Fleet,
    pub(super) devices: Vec<Device>,
    pub(super) now_ms: u64,
    wire: VecDeque<Sent>,
    /// Every frame that was sent.
    pub(super) sent: Vec<Sent>,
    /// Says which frames are lost.
    pub(super) loses: fn(&Lab, &Sent) -> bool,
    /// Frames to and from these are lost.
    pub(super) cut: BTreeSet<usize>,
    pub(super) answers: BTreeMap<u64, Result<Box<Answer>, Refusal>>,
    asks: u64,
}

const WALL_MS: u64 = crate::clock::WALL_AT_START_MS;

impl Lab {
    /// Devices that can do this, all linked with all; the first is the beacon.
    pub(super) fn new(can: &[Option<&[&str]>]) -> Self {
        let text = include_str!("../../../configs/plans/offload.toml");
        // The plan's script speaks of more devices; here the tests say what happens.
        let mut plan = Plan::read(text, None).unwrap();
        plan.nodes = can.len();
        let fleet = Fleet::found(&plan, 1).unwrap();
        let words = |can: &&[&str]| can.iter().map(|word| (*word).to_owned()).collect();
        let mut lab = Self {
            devices: Vec::new(),
            fleet,
            now_ms: 0,
            wire: VecDeque::new(),
            sent: Vec::new(),
            loses: |_, _| false,
            cut: BTreeSet::new(),
            answers: BTreeMap::new(),
            asks: 0,
        };
        for (node, can) in can.iter().enumerate() {
            let statements = lab.fleet.devices[node].disk.to_vec();
            let can = can.as_ref().map(words);
            let engine = lab.engine(node, 0, can.clone(), statements.clone());
            let (started, events, fetching) = (Vec::new(), Vec::new(), Vec::new());
            let (idle, wanted, full, lives) = (false, None, false, 0);
            let (closed, dials) = (Vec::new(), BTreeMap::new());
            let device = Device {
                engine,
                statements,
                started,
                fetching,
                events,
                still: BTreeSet::new(),
                idle,
                wanted,
                full,
                can,
                closed,
                dials,
                relays: Vec::new(),
                lives,
            };
            lab.devices.push(device);
        }
        for a in 0..can.len() {
            for b in 0..can.len() {
                if a != b {
                    let link = lab.fleet.devices[b].key;
                    lab.give(a, Input::LinkUp { link });
                }
            }
        }
        (0..can.len()).for_each(|node| lab.load(node, 0));
        lab.run(1_500);
        lab
    }

    /// What its clocks say.
    pub(super) fn wall_ms(&self) -> u64 {
        WALL_MS + self.now_ms
    }

    /// Another device takes this one's place on the bench, with what is on its first disk.
    pub(super) fn replace(&mut self, node: usize, secret: &SecretKey, id: DeviceId, disk: &[Held]) {
        let peers: Vec<usize> = (0..self.devices.len()).filter(|peer| *peer != node).collect();
        let gone = self.fleet.devices[node].key;
        peers.iter().for_each(|peer| self.give(*peer, Input::LinkDown { link: gone }));
        let member = &mut self.fleet.devices[node];
        (member.secret, member.key, member.id) = (*secret.seed(), secret.public(), id);
        self.devices[node].statements = disk.to_vec();
        self.restart(node);
        let link = secret.public();
        peers.iter().for_each(|peer| self.give(*peer, Input::LinkUp { link }));
    }

    /// The operator's first words, in a log of their own that no device numbers.
    pub(super) fn ordered(&self, body: impl Into<Body>) -> Held {
        let operator = OperatorId::new(&self.fleet.domain, "operator").unwrap();
        let statement = Statement {
            class: Class::AuthorityMinus,
            scope: Scope::Fleet,
            author: Principal::Operator(operator),
            incarnation: Incarnation { counter: 1, drawn: [0xaa; 16] },
            seq: 1,
            prev: None,
            epoch: 1,
            expiry_ms: None,
            refs: Vec::new(),
            body: body.into(),
        };
        Arc::new(sign(statement, &self.fleet.operator, &self.fleet.id))
    }

    /// His hold on one principal, without end.
    pub(super) fn hold_of(&self, term: Term) -> Held {
        let subject = Subject::new(vec![term]).unwrap();
        let (home, reason) = (self.fleet.devices[0].id.clone(), Reason("enough".into()));
        self.ordered(Hold { subject, home, reason, until_ms: None, pause: None })
    }

    fn engine(
        &self,
        node: usize,
        life: u8,
        can: Option<Vec<String>>,
        statements: Vec<Arc<Verified<Statement>>>,
    ) -> Engine {
        let config = Config {
            fleet: self.fleet.id,
            device: SecretKey::from_seed(&self.fleet.devices[node].secret),
            seed: [node as u8 * 16 + life + 1; 32],
            ring: RING.to_owned(),
            tighten: None,
            lends: can.map(|capabilities| Lends { capabilities, busy_at: limits::LOAD_FULL }),
        };
        let restored = Restored { statements, bodies: vec![self.fleet.policy.clone()] };
        Engine::new(config, self.now(), restored)
    }

    fn now(&self) -> Now {
        Now { boot: BootTime(self.now_ms * 1_000_000), wall_ms: WALL_MS + self.now_ms }
    }

    /// Gives one input and carries out what comes of it; frames wait on the wire.
    pub(super) fn give(&mut self, node: usize, input: Input) {
        let now = self.now();
        let engine = &mut self.devices[node].engine;
        engine.handle(now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll()).collect();
        for output in outputs {
            self.perform(node, output);
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { link, lane, kind, body } => {
                let to = self.fleet.devices.iter().position(|device| device.key == link).unwrap();
                let sent = Sent { from: node, to, lane, kind, body };
                self.wire.push_back(sent.clone());
                self.sent.push(sent);
            }
            Output::Persist { write, .. } if self.devices[node].full => {
                self.give(node, Input::WriteFailed { write, why: "the disk is full".into() });
            }
            Output::Persist { write, records, .. } => {
                for record in records {
                    if let Record::Statement { bytes, .. } = record {
                        let read = belay_identity::Signed::<Statement>::parse(&bytes).unwrap();
                        let read = read.verify(&self.fleet.id).unwrap();
                        self.devices[node].statements.push(Arc::new(read));
                    }
                }
                self.give(node, Input::Persisted { write });
            }
            Output::Inspect { nonce, .. } => match &mut self.devices[node].wanted {
                Some(wanted) => wanted.push(nonce),
                None => {
                    self.give(node, Input::Inspected { nonce, program: Ok(Program::of([7; 32])) })
                }
            },
            Output::Fetch { award, payload, .. } => {
                self.devices[node].fetching.push((award, payload.hash));
            }
            Output::Abandon { award } => {
                self.devices[node].fetching.retain(|(fetching, _)| *fetching != award);
            }
            Output::Start { award, .. } => {
                self.devices[node].started.push(award);
                if !self.devices[node].idle {
                    self.give(node, Input::Task { award, event: TaskEvent::Started });
                }
            }
            Output::End { award, .. } => self.ends(node, award),
            Output::Answer { ask, answer } => drop(self.answers.insert(ask.0, answer)),
            Output::Tell(event) => self.devices[node].events.push(event),
            Output::Hangup { link } => self.devices[node].closed.push(link),
            Output::Dial { link, addresses } => {
                self.devices[node].dials.insert(link, addresses);
            }
            Output::Forget { link } => drop(self.devices[node].dials.remove(&link)),
            Output::Reserve { relays } => self.devices[node].relays = relays,
            Output::Freeze { award } => drop(self.devices[node].still.insert(award)),
            Output::Feed { award, .. } => drop(self.devices[node].still.remove(&award)),
            Output::Admit { .. } => {}
        }
    }

    /// The tree of an award is empty.
    pub(super) fn ends(&mut self, node: usize, award: StatementId) {
        let event = TaskEvent::Exited { code: Some(0), signal: None };
        self.give(node, Input::Task { award, event });
        let (seen, tail) = (Seen::NoChildrenLeft, b"forty-two".to_vec());
        self.give(node, Input::Task { award, event: TaskEvent::Empty { seen, tail } });
    }

    /// Delivers what is on the wire, until nothing is.
    pub(super) fn settle(&mut self) {
        while let Some(sent) = self.wire.pop_front() {
            let cut = self.cut.contains(&sent.from) || self.cut.contains(&sent.to);
            if !cut && !(self.loses)(self, &sent) {
                self.deliver(&sent);
            }
        }
    }

    /// Delivers one frame.
    pub(super) fn deliver(&mut self, sent: &Sent) {
        let link = self.fleet.devices[sent.from].key;
        let kind = u8::try_from(sent.kind.code()).unwrap();
        let frame = wire::check(&self.fleet.id, sent.lane, kind, &sent.body).unwrap();
        self.give(sent.to, Input::Frame { link, lane: sent.lane, frame });
    }

    /// Lets time pass in small steps, with everything that it brings.
    pub(super) fn run(&mut self, ms: u64) {
        self.settle();
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms = (self.now_ms + 50).min(end);
            for node in 0..self.devices.len() {
                self.give(node, Input::Deadline);
            }
            self.settle();
        }
    }

    /// A device's process ends and begins again over what was on its disk.
    pub(super) fn restart(&mut self, node: usize) {
        let device = &mut self.devices[node];
        device.lives += 1;
        let (life, can, statements) = (device.lives, device.can.clone(), device.statements.clone());
        self.devices[node].engine = self.engine(node, life, can, statements);
        let orphans: Vec<StatementId> = self.devices[node].engine.orphans().copied().collect();
        for award in orphans {
            let why = "no record of it was found".to_owned();
            self.give(node, Input::Task { award, event: TaskEvent::NotProven { why } });
        }
        for peer in (0..self.devices.len()).filter(|peer| *peer != node) {
            let link = self.fleet.devices[peer].key;
            self.give(node, Input::LinkUp { link });
        }
    }

    /// Gives work away at a device's door; says under which number its answer comes.
    pub(super) fn offload(&mut self, node: usize, to: Option<usize>, needs: &[&str]) -> u64 {
        self.offload_until(node, to, needs, AnswerAt::Start)
    }

    /// The same, answered at its start or its end.
    pub(super) fn offload_until(
        &mut self,
        node: usize,
        to: Option<usize>,
        needs: &[&str],
        answer: AnswerAt,
    ) -> u64 {
        let device = to.map(|to| self.fleet.devices[to].id.clone());
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        let want = Offload { device, needs, answer, ..work() };
        self.ask(node, want)
    }

    /// Gives away work that needs a camera, with a word on what it does when its giver is silent.
    pub(super) fn offload_so(&mut self, node: usize, on_silence: OnSilence) -> u64 {
        self.ask(node, Offload { needs: vec!["camera".into()], on_silence, ..work() })
    }

    pub(super) fn ask(&mut self, node: usize, want: Offload) -> u64 {
        self.request(node, Request::Offload(want))
    }

    /// Asks at a device's door; says under which number its answer comes.
    pub(super) fn request(&mut self, node: usize, request: Request) -> u64 {
        self.asks += 1;
        let request = Box::new(request);
        self.give(node, Input::Ask { ask: AskId(self.asks), request });
        self.asks
    }

    /// What the gate of a device says of an act.
    pub(super) fn verdict(&mut self, node: usize, act: Act) -> Verdict {
        let ask = self.request(node, Request::Act(act));
        match self.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
            Some(Ok(Answer::Verdict(verdict))) => verdict,
            other => panic!("an act is answered by {other:?}"),
        }
    }

    /// How an offload was answered.
    pub(super) fn offloaded(&mut self, ask: u64) -> Result<Offloaded, Refusal> {
        match self.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
            Some(Ok(Answer::Offloaded(offloaded))) => Ok(offloaded),
            Some(Err(refusal)) => Err(refusal),
            other => panic!("offload {ask} is answered by {other:?}"),
        }
    }

    /// Frames of a type from one device to another, so far.
    pub(super) fn frames(&self, from: usize, to: usize, kind: FrameKind) -> usize {
        let such = |s: &&Sent| (s.from, s.to, s.kind) == (from, to, kind);
        self.sent.iter().filter(such).count()
    }

    /// The statements that a frame carries.
    pub(super) fn statements(&self, sent: &Sent) -> Vec<Arc<Verified<Statement>>> {
        let kind = u8::try_from(sent.kind.code()).unwrap();
        match wire::check(&self.fleet.id, sent.lane, kind, &sent.body).unwrap().into_inner() {
            Frame::Statements(items) => items,
            _ => Vec::new(),
        }
    }

    /// What a frame says of offers, if anything.
    pub(super) fn talk(&self, sent: &Sent) -> Option<Verified<Talk>> {
        let kind = u8::try_from(sent.kind.code()).unwrap();
        match wire::check(&self.fleet.id, sent.lane, kind, &sent.body).unwrap().into_inner() {
            Frame::Talk(talk) => Some(*talk),
            _ => None,
        }
    }

    /// True when a frame carries an award.
    pub(super) fn has_award(&self, sent: &Sent) -> bool {
        self.statements(sent).iter().any(|item| matches!(item.body, Body::Award(_)))
    }

    /// How busy a device is.
    pub(super) fn load(&mut self, node: usize, load: u64) {
        self.give(node, Input::Present { load, addresses: Vec::new() });
    }

    /// A statement that a device signs beside its log: another life of it, as far as anybody sees.
    pub(super) fn forge(
        &self,
        node: usize,
        like: &Statement,
        body: Body,
    ) -> Arc<Verified<Statement>> {
        let drawn = [0xf0; 16];
        let incarnation = belay_identity::Incarnation { counter: 99, drawn };
        let author = self.fleet.devices[node].id.clone().into();
        let (seq, prev, refs, expiry_ms) = (1, None, Vec::new(), None);
        let statement =
            Statement { incarnation, author, seq, prev, refs, expiry_ms, body, ..like.clone() };
        let secret = SecretKey::from_seed(&self.fleet.devices[node].secret);
        Arc::new(belay_identity::sign(statement, &secret, &self.fleet.id))
    }

    /// Hands statements to a device as if another had sent them.
    pub(super) fn hand(&mut self, from: usize, to: usize, items: &[Arc<Verified<Statement>>]) {
        let (kind, body) = wire::write_statements(items);
        self.deliver(&Sent { from, to, lane: Lane::Bulk, kind, body });
    }

    /// Everything that a device wrote.
    pub(super) fn disk(&self, node: usize) -> Vec<Held> {
        self.devices[node].statements.clone()
    }

    /// What a device wrote, of one kind, the newest last.
    pub(super) fn wrote(&self, node: usize, kind: &str) -> Vec<Arc<Verified<Statement>>> {
        let all = self.devices[node].statements.iter();
        all.filter(|item| item.body.kind() == kind).cloned().collect()
    }
}

pub(super) fn work() -> Offload {
    Offload {
        parent: None,
        device: None,
        needs: Vec::new(),
        agent: "helper".into(),
        argv: vec!["work".into()],
        tools: Vec::new(),
        on_silence: OnSilence::End,
        payload: None,
        answer: AnswerAt::Start,
    }
}
