//! A leaf relays nothing: three real engines in a row, the middle one a phone or not.
//!
//! Frames are carried by hand and every write succeeds, so what arrives is what was decided to be
//! told.

use belay_identity::body::{DeviceKind, Enrol, Hold, Reason, Subject, Term};
use belay_identity::codec::Bytes;
use belay_identity::principal::{AgentId, DeviceId, OperatorId, Principal, TrustDomain, UserId};
use belay_identity::{
    Body, Class, FleetId, PublicKey, Scope, SecretKey, Statement, StatementId, Verified, sign,
};
use belay_mesh::input::AskId;
use belay_mesh::output::{Answer, Place, Record};
use belay_mesh::{BootTime, Config, Engine, Input, Now, Output, Request, Restored, wire};
use belay_node::founding::{Founding, found};
use belay_node::policy_folder::Source;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

const RULES: &str = include_str!("../../configs/policies/demo/policy.cedar");
const RELEASE: &str = include_str!("../../configs/policies/demo/release.toml");
const WALL_MS: u64 = 1_800_000_000_000;
const LAPTOP: usize = 0;
const PHONE: usize = 1;
const ROBOT: usize = 2;
/// Several rounds of repair with every link.
const A_WHILE_MS: u64 = 60_000;

/// Three devices of one fleet, linked as a test wants.
struct Row {
    fleet: FleetId,
    operator: SecretKey,
    domain: TrustDomain,
    body: Vec<u8>,
    devices: Vec<Device>,
    links: BTreeSet<(usize, usize)>,
    boot_ms: u64,
}

struct Device {
    seed: [u8; 32],
    engine: Engine,
    disk: Vec<Arc<Verified<Statement>>>,
    /// What is still to be handed in, in order.
    inbox: VecDeque<Input>,
    answers: Vec<Answer>,
}

impl Row {
    /// A fleet that knows itself; its middle device is of this kind.
    fn founded(middle: DeviceKind) -> Self {
        let source = Source::read_texts("the demo's policy", RULES, RELEASE).expect("it reads");
        let domain = TrustDomain::new("leaf.belay").expect("a domain");
        let owner = UserId::new(&domain, "somebody").expect("a user");
        let keys: Vec<SecretKey> = (1..=5u8).map(|n| SecretKey::from_seed(&[n; 32])).collect();
        let id = |name| DeviceId::new(&domain, name).expect("a device");
        let founding = Founding {
            domain: domain.clone(),
            operator: OperatorId::new(&domain, "op").expect("an operator"),
            device: id("laptop"),
            kind: DeviceKind::Laptop,
            owner: owner.clone(),
            source: &source,
            drawn: [[1; 16], [2; 16]],
            wall_ms: WALL_MS,
        };
        let founded = found(&founding, &keys[4], &keys[3], &keys[LAPTOP]);
        let mut disk: Vec<_> = founded.statements.into_iter().map(Arc::new).collect();
        for (at, name, kind) in [(PHONE, "phone", middle), (ROBOT, "robot", DeviceKind::Robot)] {
            let enrol = enrolment(founded.fleet, &keys[at], id(name), kind, owner.clone());
            let mut said = disk.iter().filter(|s| s.key() == keys[3].public());
            let last = said.rfind(|s| s.class == Class::AuthorityPlus);
            let last = last.expect("the operator enrolled the first device");
            let next = Statement {
                seq: last.seq + 1,
                prev: Some(last.id()),
                refs: Vec::new(),
                body: enrol.into(),
                ..Statement::clone(last)
            };
            disk.push(Arc::new(sign(next, &keys[3], &founded.fleet)));
        }
        let mut row = Self {
            fleet: founded.fleet,
            operator: SecretKey::from_seed(&keys[3].seed()),
            domain,
            body: founded.body,
            devices: Vec::new(),
            links: BTreeSet::new(),
            boot_ms: 0,
        };
        for key in &keys[..3] {
            let seed = *key.seed();
            let engine = row.engine(seed, disk.clone());
            let (disk, inbox, answers) = (disk.clone(), VecDeque::new(), Vec::new());
            row.devices.push(Device { seed, engine, disk, inbox, answers });
        }
        row
    }

    fn engine(&self, seed: [u8; 32], statements: Vec<Arc<Verified<Statement>>>) -> Engine {
        let config = Config {
            fleet: self.fleet,
            device: SecretKey::from_seed(&seed),
            // Another life draws otherwise.
            seed: [u8::try_from(self.boot_ms % 251).unwrap_or(0); 32],
            ring: "default".to_owned(),
            tighten: None,
            lends: None,
        };
        let now = Now { boot: BootTime(self.boot_ms * 1_000_000), wall_ms: WALL_MS + self.boot_ms };
        Engine::new(config, now, Restored { statements, bodies: vec![self.body.clone()] })
    }

    fn key(&self, at: usize) -> PublicKey {
        SecretKey::from_seed(&self.devices[at].seed).public()
    }

    fn link(&mut self, one: usize, other: usize) {
        self.links.extend([(one, other), (other, one)]);
        for (at, to) in [(one, other), (other, one)] {
            let link = self.key(to);
            self.devices[at].inbox.push_back(Input::LinkUp { link });
        }
        self.pass(2_000);
    }

    fn unlink(&mut self, one: usize, other: usize) {
        self.links.retain(|pair| *pair != (one, other) && *pair != (other, one));
        for (at, to) in [(one, other), (other, one)] {
            let link = self.key(to);
            self.devices[at].inbox.push_back(Input::LinkDown { link });
        }
        self.pass(10);
    }

    /// Lets so much time pass, in steps in which everything that is said arrives.
    fn pass(&mut self, ms: u64) {
        let end = self.boot_ms + ms;
        while self.boot_ms < end {
            self.boot_ms += 10;
            for device in &mut self.devices {
                device.inbox.push_back(Input::Deadline);
            }
            while let Some(at) = self.devices.iter().position(|d| !d.inbox.is_empty()) {
                self.step(at);
            }
        }
    }

    fn step(&mut self, at: usize) {
        let now = Now { boot: BootTime(self.boot_ms * 1_000_000), wall_ms: WALL_MS + self.boot_ms };
        let device = &mut self.devices[at];
        let outputs: Vec<Output> = std::iter::from_fn(|| device.engine.poll()).collect();
        if outputs.is_empty()
            && let Some(input) = device.inbox.pop_front()
        {
            device.engine.handle(now, input);
        }
        let all = outputs.into_iter().chain(std::iter::from_fn(|| device.engine.poll()));
        for output in all.collect::<Vec<_>>() {
            self.carry_out(at, output);
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        let from = self.key(at);
        match output {
            Output::Send { link, lane, kind, body } => {
                let to = (0..self.devices.len()).find(|to| self.key(*to) == link);
                let to = to.filter(|to| self.links.contains(&(at, *to)));
                let kind = u8::try_from(kind.code()).expect("a byte");
                let frame = wire::check(&self.fleet, lane, kind, &body).expect("well said");
                if let Some(to) = to {
                    self.devices[to].inbox.push_back(Input::Frame { link: from, lane, frame });
                }
            }
            Output::Persist { write, records, .. } => {
                let known: BTreeSet<StatementId> =
                    self.devices[at].disk.iter().map(|statement| statement.id()).collect();
                for record in records {
                    if let Record::Statement { id, bytes } = record
                        && !known.contains(&id)
                    {
                        let signed = belay_identity::Signed::<Statement>::parse(&bytes);
                        let signed = signed.expect("reads").verify(&self.fleet).expect("holds");
                        self.devices[at].disk.push(Arc::new(signed));
                    }
                }
                self.devices[at].inbox.push_back(Input::Persisted { write });
            }
            Output::Answer { answer, .. } => {
                self.devices[at].answers.push(*answer.expect("no refusal"));
            }
            Output::Hangup { .. } => panic!("no link is refused here"),
            _ => {}
        }
    }

    fn ask(&mut self, at: usize, request: Request) -> Answer {
        let request = Box::new(request);
        self.devices[at].inbox.push_back(Input::Ask { ask: AskId(1), request });
        self.pass(100);
        self.devices[at].answers.pop().expect("an answer")
    }

    /// The operator stops an agent from this device.
    fn stop(&mut self, at: usize, agent: &str) -> StatementId {
        let key = self.operator.public();
        let class = Class::AuthorityMinus;
        let Answer::Place(place) = self.ask(at, Request::Place { key, class }) else {
            panic!("a place was asked for")
        };
        let signed = self.hold(place, agent);
        let id = signed.id();
        let submit = Request::Submit { statements: vec![signed], bodies: Vec::new() };
        assert!(matches!(self.ask(at, submit), Answer::Accepted(_)));
        id
    }

    fn hold(&self, place: Place, agent: &str) -> Verified<Statement> {
        let agent = AgentId::new(&self.domain, agent).expect("an agent");
        let hold = Hold {
            subject: Subject::new(vec![Term::Agent(agent)]).expect("a subject"),
            home: place.device.expect("a member"),
            reason: Reason("test".into()),
            until_ms: None,
            pause: None,
        };
        let statement = Statement {
            class: Class::AuthorityMinus,
            scope: Scope::Fleet,
            author: Principal::Operator(place.operator.expect("an operator")),
            incarnation: place.incarnation,
            seq: place.seq,
            prev: place.prev,
            epoch: place.epoch,
            expiry_ms: None,
            refs: Vec::new(),
            body: Body::Hold(hold),
        };
        sign(statement, &self.operator, &self.fleet)
    }

    fn restart(&mut self, at: usize) {
        let (seed, disk) = (self.devices[at].seed, self.devices[at].disk.clone());
        self.devices[at].engine = self.engine(seed, disk);
    }

    fn holds(&self, at: usize, order: StatementId) -> bool {
        self.devices[at].disk.iter().any(|statement| statement.id() == order)
    }
}

fn enrolment(
    fleet: FleetId,
    secret: &SecretKey,
    device: DeviceId,
    kind: DeviceKind,
    owner: UserId,
) -> Enrol {
    let key = secret.public();
    let words = Enrol::possession_words(&fleet.0, &key, &device);
    let possession = Bytes(secret.sign(&words).to_vec());
    Enrol { key, device, site: None, kind, owner, possession }
}

/// Goal: a leaf holds an order and passes it to nobody, neither at once nor by repair; any other
/// device in its place does. Method: laptop - middle - robot, an order at the laptop, a minute.
#[test]
fn a_leaf_passes_nothing_on() {
    for (kind, passes) in [(DeviceKind::Phone, false), (DeviceKind::Gateway, true)] {
        let mut row = Row::founded(kind);
        row.link(LAPTOP, PHONE);
        row.link(PHONE, ROBOT);
        let order = row.stop(LAPTOP, "planner");
        row.pass(A_WHILE_MS);
        assert!(row.holds(PHONE, order), "whoever is linked hears it");
        assert_eq!(row.holds(ROBOT, order), passes, "by way of a {}", kind.as_str());
        row.link(LAPTOP, ROBOT);
        assert!(row.holds(ROBOT, order), "the robot hears it of whoever may tell");
    }
}

/// Goal: what was said on a leaf is never kept back, also when it restarts before anybody is there
/// to hear it. Method: an order given on the lonely phone, a restart, then the laptop.
#[test]
fn a_leaf_tells_what_was_said_on_it() {
    for restarts in [0, 1, 2] {
        let mut row = Row::founded(DeviceKind::Phone);
        row.link(LAPTOP, PHONE);
        row.unlink(LAPTOP, PHONE);
        let order = row.stop(PHONE, "planner");
        for _ in 0..restarts {
            row.restart(PHONE);
            row.pass(100);
        }
        assert!(!row.holds(LAPTOP, order), "nobody told it yet");
        row.link(LAPTOP, PHONE);
        row.pass(A_WHILE_MS);
        assert!(row.holds(LAPTOP, order), "after {restarts} restarts");
    }
}
