//! A small fleet for tests: real signatures by fixed keys, numbered logs, no clock and no chance.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::Case;
use crate::authority::Authority;
use crate::orders::Orders;
use crate::registry::Registry;
use crate::set::{Held, Set};
use crate::tasks::Tasks;
use belay_identity::body::{
    Approve, Award, Cancel, Cause, Credential, Delegation, DeviceKind, Enrol, Generations, Hold,
    Invite, LogMark, Made, Named, OnSilence, Operator, Outcome, Pin, Reason, Receipt, Refused,
    Role, Root, Seen, Started, Subject, Term, Wall, Witness,
};
use belay_identity::codec::Bytes;
use belay_identity::principal::{
    AgentId, ClassId, DeviceId, InviteId, OperatorId, Principal, ProjectId, TrustDomain, UserId,
};
use belay_identity::{
    Body, FleetId, Incarnation, LogId, Scope, SecretKey, Statement, StatementId, sign,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything said so far, and where each log stands.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) fleet: FleetId,
    pub(crate) said: Vec<Held>,
    epoch: u64,
    logs: BTreeMap<LogId, (u64, StatementId)>,
}

/// A credential and whose it is.
#[derive(Clone)]
pub(crate) struct Papers {
    pub(crate) id: StatementId,
    pub(crate) tree: StatementId,
    pub(crate) device: &'static str,
    pub(crate) seed: String,
}

/// The views of one set.
pub(crate) struct Views {
    pub(crate) set: Set,
    pub(crate) authority: Authority,
    pub(crate) orders: Orders,
    pub(crate) registry: Registry,
    pub(crate) tasks: Tasks,
}

/// What a statement says besides its body.
#[derive(Clone, Default)]
pub(crate) struct Frame {
    pub(crate) scope: Option<Scope>,
    pub(crate) refs: Vec<StatementId>,
    pub(crate) expiry_ms: Option<u64>,
    pub(crate) life: u8,
}

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::new("test.belay").unwrap()
}

pub(crate) fn secret(name: &str) -> SecretKey {
    let mut seed = [7u8; 32];
    name.bytes()
        .enumerate()
        .for_each(|(at, byte)| seed[at % 32] ^= byte.rotate_left(at as u32 / 32));
    SecretKey::from_seed(&seed)
}

pub(crate) fn device(name: &str) -> DeviceId {
    DeviceId::new(&domain(), name).unwrap()
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::new(&domain(), name).unwrap()
}

pub(crate) fn agent_term(name: &str) -> Term {
    Term::Agent(agent(name))
}

fn user() -> UserId {
    UserId::new(&domain(), "ann").unwrap()
}

fn operator() -> OperatorId {
    OperatorId::new(&domain(), "olga").unwrap()
}

impl Scenario {
    /// A fleet with one root key, and one operator, olga, who holds every role.
    pub(crate) fn new() -> Self {
        let mut world =
            Self { fleet: FleetId([0; 32]), said: Vec::new(), epoch: 1, logs: BTreeMap::new() };
        let by_root = Principal::Root(domain());
        let root = world.root_body();
        let first = world.say("root", by_root.clone(), Frame::default(), Body::Root(root));
        world.fleet = FleetId(first.0);
        world.say("root", by_root, Frame::default(), Body::Approve(Approve { of: first }));
        world
    }

    fn root_body(&self) -> Root {
        let pin = |(log, (seq, id)): (&LogId, &(u64, StatementId))| Pin {
            key: log.key,
            class: log.class,
            scope: log.scope.clone(),
            incarnation: log.incarnation,
            seq: *seq,
            id: *id,
        };
        Root {
            domain: domain(),
            number: self.epoch,
            keys: vec![secret("root").public()],
            threshold: 1,
            operators: vec![Operator {
                id: operator(),
                key: secret("olga").public(),
                roles: vec![Role::Policy, Role::Security, Role::Enrol],
            }],
            pins: self.logs.iter().map(pin).collect(),
            reaffirmed: Vec::new(),
            floors: Vec::new(),
            removals: Vec::new(),
            wall_ms: self.epoch,
            pins_in: Vec::new(),
        }
    }

    /// The root begins its next epoch and pins every log as it stands.
    pub(crate) fn seal(&mut self) -> StatementId {
        let by_root = Principal::Root(domain());
        let last = self.said.iter().rfind(|held| matches!(held.body, Body::Root(_)));
        let refs = vec![last.unwrap().id()];
        self.epoch += 1;
        let body = Body::Root(self.root_body());
        let root = self.say("root", by_root.clone(), Frame { refs, ..Frame::default() }, body);
        self.say("root", by_root, Frame::default(), Body::Approve(Approve { of: root }));
        root
    }

    pub(crate) fn say(
        &mut self,
        key: &str,
        author: Principal,
        frame: Frame,
        body: Body,
    ) -> StatementId {
        let incarnation = Incarnation { counter: 1, drawn: [frame.life; 16] };
        let mut statement = Statement {
            class: body.class().unwrap(),
            scope: frame.scope.unwrap_or(Scope::Fleet),
            author,
            incarnation,
            seq: 1,
            prev: None,
            epoch: self.epoch,
            expiry_ms: frame.expiry_ms,
            refs: frame.refs,
            body,
        };
        let secret = secret(key);
        let log = statement.log(secret.public());
        if let Some((seq, id)) = self.logs.get(&log) {
            (statement.seq, statement.prev) = (seq + 1, Some(*id));
        }
        let seq = statement.seq;
        let signed = sign(statement, &secret, &self.fleet);
        let id = signed.id();
        self.logs.insert(log, (seq, id));
        self.said.push(Arc::new(signed));
        id
    }

    pub(crate) fn olga(&mut self, frame: Frame, body: Body) -> StatementId {
        self.say("olga", Principal::Operator(operator()), frame, body)
    }

    pub(crate) fn by_device(
        &mut self,
        name: &str,
        scope: Scope,
        refs: Vec<StatementId>,
        body: Body,
    ) -> StatementId {
        let frame = Frame { scope: Some(scope), refs, ..Frame::default() };
        self.say(name, Principal::Device(device(name)), frame, body)
    }

    pub(crate) fn enrolment(&self, key: &str, name: &str) -> Enrol {
        let words = Enrol::possession_words(&self.fleet.0, &secret(key).public(), &device(name));
        Enrol {
            key: secret(key).public(),
            device: device(name),
            site: None,
            kind: DeviceKind::Laptop,
            owner: user(),
            possession: Bytes(secret(key).sign(&words).to_vec()),
        }
    }

    /// Olga enrols a device whose key is that of its name.
    pub(crate) fn enrol(&mut self, name: &str) -> StatementId {
        let body = Body::Enrol(self.enrolment(name, name));
        self.olga(Frame::default(), body)
    }

    /// Olga makes an invite whose key is that of its name and whose witness is a device.
    pub(crate) fn invite(&mut self, key: &str, witness: &str) -> StatementId {
        let body = Body::Invite(Invite {
            key: secret(key).public(),
            witness: device(witness),
            device: None,
            owner: user(),
        });
        self.olga(Frame { expiry_ms: Some(9_000), ..Frame::default() }, body)
    }

    /// A device whose key is that of its name uses an invite.
    pub(crate) fn use_invite(&mut self, key: &str, invite: StatementId, name: &str) -> StatementId {
        let life = name.bytes().fold(0u8, u8::wrapping_add);
        let frame = Frame { refs: vec![invite], life, ..Frame::default() };
        let author = Principal::Invite(InviteId::new(&domain(), "newcomer").unwrap());
        let body = Body::Enrol(self.enrolment(name, name));
        self.say(key, author, frame, body)
    }

    pub(crate) fn witness(
        &mut self,
        by: &str,
        invite: StatementId,
        enrol: StatementId,
    ) -> StatementId {
        self.by_device(by, Scope::Fleet, Vec::new(), Body::Witness(Witness { invite, enrol }))
    }

    pub(crate) fn approve(&mut self, of: StatementId) -> StatementId {
        self.olga(Frame::default(), Body::Approve(Approve { of }))
    }

    /// The root says yes to it.
    pub(crate) fn root_approves(&mut self, of: StatementId) -> StatementId {
        let by_root = Principal::Root(domain());
        self.say("root", by_root, Frame::default(), Body::Approve(Approve { of }))
    }

    pub(crate) fn user(&mut self) -> Principal {
        let id = Principal::User(user());
        self.olga(Frame::default(), Body::User(Named { id: id.clone() }));
        id
    }

    pub(crate) fn credential_body(
        &self,
        name: &str,
        on: &str,
        key: &str,
        tree: Option<StatementId>,
    ) -> Credential {
        Credential {
            key: secret(key).public(),
            agent: agent(name),
            user: user(),
            project: ProjectId::new(&domain(), "default").unwrap(),
            class: ClassId::new(&domain(), "default").unwrap(),
            manifest: [9; 32],
            run_by: Vec::new(),
            device: device(on),
            generations: Generations { agent: 0, user: 0, project: 0, class: 0, device: 0 },
            tree,
        }
    }

    /// A user's own agent begins a tree on a device.
    pub(crate) fn root_agent(&mut self, name: &str, on: &'static str) -> Papers {
        let seed = format!("{name}@{on}");
        let body = Body::Credential(self.credential_body(name, on, &seed, None));
        let id = self.by_device(on, Scope::Fleet, Vec::new(), body);
        Papers { id, tree: id, device: on, seed }
    }

    /// The executor makes its credential under a delegation.
    pub(crate) fn agent_under(
        &mut self,
        delegation: StatementId,
        tree: StatementId,
        name: &str,
        on: &'static str,
    ) -> Papers {
        let seed = format!("{name}@{on}");
        let body = Body::Credential(self.credential_body(name, on, &seed, Some(tree)));
        let id = self.by_device(on, Scope::Fleet, vec![delegation], body);
        Papers { id, tree, device: on, seed }
    }

    pub(crate) fn delegation_body(&self, from: StatementId, to: &str, on: &str) -> Delegation {
        Delegation {
            from,
            agent: agent(to),
            device: device(on),
            tools: vec!["work.*".into()],
            data: 1,
            depth: 5,
            budget: 100,
            deadline_ms: 90_000,
            carried: Vec::new(),
        }
    }

    /// A credential's key hands on.
    pub(crate) fn delegate(&mut self, from: &Papers, body: Delegation) -> StatementId {
        let scope = Some(Scope::Tree(from.tree));
        let author = Principal::Agent(agent(from.seed.split('@').next().unwrap()));
        let frame = Frame { scope, ..Frame::default() };
        self.say(&from.seed, author, frame, Body::Delegation(body))
    }

    pub(crate) fn award(
        &mut self,
        by: &Papers,
        delegation: Option<StatementId>,
        executor: &str,
    ) -> StatementId {
        self.award_naming(by, delegation, executor, Vec::new())
    }

    /// The same, naming the lifts that let it begin.
    pub(crate) fn award_naming(
        &mut self,
        by: &Papers,
        delegation: Option<StatementId>,
        executor: &str,
        lifts: Vec<StatementId>,
    ) -> StatementId {
        let body = Body::Award(Award {
            credential: by.id,
            delegation,
            executor: device(executor),
            fence: 1,
            argv: [1; 32],
            on_silence: OnSilence::End,
            lease_ms: 30_000,
            deadline_ms: None,
            payload: None,
        });
        self.by_device(by.device, Scope::Tree(by.tree), lifts, body)
    }

    pub(crate) fn started(&mut self, award: StatementId, by: &Papers) -> StatementId {
        let body = Body::Started(Started { award, credential: by.id });
        self.by_device(by.device, Scope::Tree(by.tree), Vec::new(), body)
    }

    pub(crate) fn refused(&mut self, award: StatementId, tree: StatementId, by: &str) {
        let body = Body::Refused(Refused { award, reason: "busy".into() });
        self.by_device(by, Scope::Tree(tree), Vec::new(), body);
    }

    pub(crate) fn cancel(
        &mut self,
        award: StatementId,
        tree: StatementId,
        by: &str,
    ) -> StatementId {
        let body = Body::Cancel(Cancel { award, reason: "enough".into() });
        self.by_device(by, Scope::Tree(tree), Vec::new(), body)
    }

    /// The receipt that a device would sign now, with the end of its log in that scope.
    pub(crate) fn receipt_body(
        &self,
        award: Option<StatementId>,
        by: &str,
        scope: &Scope,
        made: &[(StatementId, &str)],
    ) -> Receipt {
        let log = LogId {
            key: secret(by).public(),
            class: belay_identity::Class::Task,
            scope: scope.clone(),
            incarnation: Incarnation { counter: 1, drawn: [0; 16] },
        };
        let made = made.iter().map(|(award, on)| Made { award: *award, executor: device(on) });
        Receipt {
            award,
            outcome: if award.is_some() { Outcome::Stopped } else { Outcome::NeverStarted },
            cause: Cause::Order,
            seen: Seen::GroupEmpty,
            wall: Wall::None,
            wall_clock_ms: 5,
            made: made.collect(),
            attempts: 0,
            effects: 0,
            log: self.logs.get(&log).map(|(seq, id)| LogMark { seq: *seq, id: *id }),
            exit: None,
            signal: Some(15),
            tail: None,
        }
    }

    pub(crate) fn receipt(
        &mut self,
        award: StatementId,
        tree: StatementId,
        by: &str,
        made: &[(StatementId, &str)],
        order: StatementId,
    ) -> StatementId {
        let scope = Scope::Tree(tree);
        let body = self.receipt_body(Some(award), by, &scope, made);
        self.by_device(by, scope, vec![order], Body::Receipt(body))
    }

    pub(crate) fn none_ran(
        &mut self,
        by: &str,
        made: &[(StatementId, &str)],
        order: StatementId,
    ) -> StatementId {
        let body = self.receipt_body(None, by, &Scope::Fleet, made);
        self.by_device(by, Scope::Fleet, vec![order], Body::Receipt(body))
    }

    /// Olga stops whatever carries these terms.
    pub(crate) fn hold(&mut self, terms: Vec<Term>) -> StatementId {
        let body = Body::Hold(Hold {
            subject: Subject::new(terms).unwrap(),
            home: device("laptop"),
            reason: Reason("incident".into()),
            until_ms: None,
            pause: None,
        });
        self.olga(Frame::default(), body)
    }

    pub(crate) fn set(&self) -> Set {
        self.set_without(&[])
    }

    pub(crate) fn set_without(&self, left_out: &[StatementId]) -> Set {
        let mut set = Set::new(self.fleet);
        for held in self.said.iter().filter(|held| !left_out.contains(&held.id())) {
            set.insert(held.clone());
        }
        set
    }

    pub(crate) fn views(&self) -> Views {
        Views::of(self.set())
    }

    pub(crate) fn case(&self, order: StatementId) -> Case {
        self.views().case(order)
    }
}

impl Views {
    pub(crate) fn of(set: Set) -> Self {
        let authority = Authority::fold(&set);
        let orders = Orders::fold(&set, &authority);
        let registry = Registry::fold(&set, &authority);
        let tasks = Tasks::fold(&set);
        Self { set, authority, orders, registry, tasks }
    }

    pub(crate) fn case(&self, order: StatementId) -> Case {
        let Self { set, authority, orders, registry, tasks } = self;
        Case::gather(set, authority, orders, registry, tasks, order)
    }
}
