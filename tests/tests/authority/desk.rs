//! One engine at which several people sign: the founder, and whoever he names.

use belay_identity::body::{Approve, DeviceKind, Operator, Reason, Role, Root, Subject, Term};
use belay_identity::principal::{AgentId, DeviceId, OperatorId, Principal, TrustDomain, UserId};
use belay_identity::{
    Body, Class, FleetId, PublicKey, Scope, SecretKey, Statement, StatementId, Verified, sign,
};
use belay_mesh::approval::Waiting;
use belay_mesh::epoch::{Change, EpochDraft};
use belay_mesh::input::AskId;
use belay_mesh::output::{Answer, Place, Refusal};
use belay_mesh::status::Status;
use belay_mesh::{BootTime, Config, Engine, Input, Now, Output, Request, Restored};
use belay_node::founding::{Founding, found};
use belay_node::policy_folder::Source;
use std::sync::Arc;

const RULES: &str = include_str!("../../../configs/policies/demo/policy.cedar");
const RELEASE: &str = include_str!("../../../configs/policies/demo/release.toml");
const WALL_MS: u64 = 1_800_000_000_000;

/// The seed of the founder's root key.
pub(super) const ROOT: u8 = 5;
/// The seed of the founder's operator key.
pub(super) const ALICE: u8 = 4;

/// An order's subject: one agent of the desk's fleet.
pub(super) fn subject(desk: &Desk, agent: &str) -> Subject {
    let agent = AgentId::new(&desk.domain, agent).expect("an agent");
    Subject::new(vec![Term::Agent(agent)]).expect("a subject")
}

/// Why, for people.
pub(super) fn reason() -> Reason {
    Reason("test".into())
}

/// A device, and who signs at it.
pub(super) struct Desk {
    pub(super) fleet: FleetId,
    pub(super) domain: TrustDomain,
    pub(super) first: Root,
    engine: Engine,
    founded: Vec<Arc<Verified<Statement>>>,
    body: Vec<u8>,
    boot_ms: u64,
}

impl Desk {
    /// A fleet of one device and one operator, alice.
    pub(super) fn founded() -> Self {
        let source = Source::read_texts("the demo's policy", RULES, RELEASE).expect("it reads");
        let domain = TrustDomain::new("desk.belay").expect("a domain");
        let founding = Founding {
            domain: domain.clone(),
            operator: OperatorId::new(&domain, "alice").expect("an operator"),
            device: DeviceId::new(&domain, "laptop").expect("a device"),
            kind: DeviceKind::Laptop,
            owner: UserId::new(&domain, "somebody").expect("a user"),
            source: &source,
            drawn: [[1; 16], [2; 16]],
            wall_ms: WALL_MS,
        };
        let founded = found(&founding, &key(ROOT), &key(ALICE), &key(1));
        let statements: Vec<_> = founded.statements.into_iter().map(Arc::new).collect();
        let Body::Root(first) = statements[0].body.clone() else { panic!("the root is first") };
        let (fleet, body) = (founded.fleet, founded.body);
        let engine = engine(fleet, &body, statements.clone(), 0);
        Self { fleet, domain, first, engine, founded: statements, body, boot_ms: 0 }
    }

    /// The same device over a disk on which somebody has put more than its own engine took.
    pub(super) fn with_on_disk(&self, more: Vec<Verified<Statement>>) -> Self {
        let more = more.into_iter().map(Arc::new);
        let statements: Vec<_> = self.founded.iter().cloned().chain(more).collect();
        let engine = engine(self.fleet, &self.body, statements.clone(), self.boot_ms);
        let (domain, first, body) = (self.domain.clone(), self.first.clone(), self.body.clone());
        let (fleet, boot_ms) = (self.fleet, self.boot_ms);
        Self { fleet, domain, first, engine, founded: statements, body, boot_ms }
    }

    /// Asks at its door.
    pub(super) fn ask(&mut self, request: Request) -> Result<Answer, Refusal> {
        let ask = AskId(1);
        self.handle(Input::Ask { ask, request: Box::new(request) }).expect("an answer")
    }

    fn handle(&mut self, input: Input) -> Option<Result<Answer, Refusal>> {
        let (mut answer, mut inputs) = (None, vec![input]);
        while let Some(input) = inputs.pop() {
            self.boot_ms += 1;
            let boot = BootTime(self.boot_ms * 1_000_000);
            self.engine.handle(Now { boot, wall_ms: WALL_MS + self.boot_ms }, input);
            while let Some(output) = self.engine.poll() {
                match output {
                    Output::Persist { write, .. } => inputs.push(Input::Persisted { write }),
                    Output::Answer { answer: said, .. } => answer = Some(said.map(|said| *said)),
                    _ => {}
                }
            }
        }
        answer
    }

    /// Its own clock, which is the fleet's.
    pub(super) fn wall_ms(&self) -> u64 {
        WALL_MS + self.boot_ms
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: u64) {
        self.boot_ms += ms;
        self.handle(Input::Deadline);
    }

    pub(super) fn status(&mut self) -> Status {
        match self.ask(Request::Status) {
            Ok(Answer::Status(status)) => status,
            other => panic!("no status: {other:?}"),
        }
    }

    pub(super) fn place(&mut self, key: PublicKey) -> Place {
        match self.ask(Request::Place { key, class: Class::AuthorityMinus }) {
            Ok(Answer::Place(place)) => place,
            other => panic!("no place: {other:?}"),
        }
    }

    /// Signs a body with the key of this seed, at its place; as whom it is known, or as the root.
    pub(super) fn signed(
        &mut self,
        seed: u8,
        body: impl Into<Body>,
        refs: &[StatementId],
    ) -> Verified<Statement> {
        let place = self.place(key(seed).public());
        let author = match place.operator.clone().filter(|_| !place.root) {
            Some(operator) => Principal::Operator(operator),
            None => Principal::Root(self.domain.clone()),
        };
        let body = body.into();
        let statement = Statement {
            class: body.class().expect("a known kind"),
            scope: Scope::Fleet,
            author,
            incarnation: place.incarnation,
            seq: place.seq,
            prev: place.prev,
            epoch: place.epoch,
            expiry_ms: None,
            refs: refs.to_vec(),
            body,
        };
        sign(statement, &key(seed), &self.fleet)
    }

    /// Signs and hands in; its id.
    pub(super) fn say(
        &mut self,
        seed: u8,
        body: impl Into<Body>,
        refs: &[StatementId],
    ) -> Result<StatementId, Refusal> {
        let signed = self.signed(seed, body, refs);
        self.submit(vec![signed])
    }

    /// Hands in; the id of the first.
    pub(super) fn submit(
        &mut self,
        statements: Vec<Verified<Statement>>,
    ) -> Result<StatementId, Refusal> {
        let request = Request::Submit { statements, bodies: Vec::new() };
        match self.ask(request)? {
            Answer::Accepted(ids) => Ok(ids[0]),
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(super) fn approve(&mut self, seed: u8, of: StatementId) -> Result<StatementId, Refusal> {
        self.say(seed, Approve { of }, &[])
    }

    /// What waits for a yes.
    pub(super) fn waiting(&mut self) -> Vec<Waiting> {
        match self.ask(Request::Waiting { id: None }) {
            Ok(Answer::Waiting(all)) => all,
            other => panic!("no list: {other:?}"),
        }
    }

    /// Draws up the next epoch with one change.
    pub(super) fn draw_up(&mut self, change: Change) -> Result<EpochDraft, Refusal> {
        match self.ask(Request::NextEpoch { change: Box::new(change) })? {
            Answer::NextEpoch(draft) => Ok(*draft),
            other => panic!("no epoch: {other:?}"),
        }
    }

    /// Draws up, signs and approves the next epoch with the root key of this seed; its id.
    pub(super) fn propose(&mut self, seed: u8, change: Change) -> Result<StatementId, Refusal> {
        let draft = self.draw_up(change)?;
        let mut parts = Vec::new();
        for part in draft.parts.clone() {
            parts.push(self.say(seed, part, &[])?);
        }
        let id = self.say(seed, draft.naming(parts), &[draft.parent])?;
        self.approve(seed, id)?;
        Ok(id)
    }

    pub(super) fn operator(&self, name: &str) -> OperatorId {
        OperatorId::new(&self.domain, name).expect("an operator")
    }

    /// The change that names an operator by the key of this seed.
    pub(super) fn naming(&self, name: &str, seed: u8, roles: &[Role]) -> Change {
        let (id, key) = (self.operator(name), key(seed).public());
        Change::AddOperator { id, key, roles: roles.to_vec() }
    }

    /// A second epoch that says what the first said, to be bent.
    pub(super) fn second(&self) -> Root {
        Root { number: 2, ..self.first.clone() }
    }

    /// The id of the first epoch.
    pub(super) fn one(&self) -> StatementId {
        StatementId(self.fleet.0)
    }
}

/// The key of a seed.
pub(super) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// One line of an epoch.
pub(super) fn line(desk: &Desk, name: &str, seed: u8, roles: &[Role]) -> Operator {
    Operator { id: desk.operator(name), key: key(seed).public(), roles: roles.to_vec() }
}

fn engine(
    fleet: FleetId,
    body: &[u8],
    statements: Vec<Arc<Verified<Statement>>>,
    boot_ms: u64,
) -> Engine {
    let config = Config {
        fleet,
        device: key(1),
        seed: [7; 32],
        ring: "default".to_owned(),
        tighten: None,
        lends: None,
    };
    let now = Now { boot: BootTime(boot_ms * 1_000_000), wall_ms: WALL_MS + boot_ms };
    let restored = Restored { statements, bodies: vec![body.to_vec()] };
    let mut engine = Engine::new(config, now, restored);
    // What it says at its start concerns nobody here.
    while engine.poll().is_some() {}
    engine
}
