//! The founding of a fleet, and how newcomers join: the same first statements as for real devices.
//!
//! Root epoch 1 with its approval; one user; the enrolment of every founding device; an invite for
//! each that joins; a release with its approval. A newcomer's first disk holds the root epochs, its
//! invite, and an enrolment that it signed itself with the invite's key.
//!
//! Refused here: anything that a real fleet could not sign. Only the dice replace entropy.

use crate::clock::WALL_AT_START_MS;
use crate::dice::Dice;
use crate::plan::Plan;
use belay_identity::body::{
    Approve, Autonomy, DeviceKind, Enrol, Invite, Mode, Modes, Named, Operator, Policy, Release,
    ReleaseVersion, Role, Root,
};
use belay_identity::codec::Bytes;
use belay_identity::principal::{
    AgentId, DeviceId, InviteId, NameError, OperatorId, Principal, TrustDomain, UserId,
};
use belay_identity::{
    Body, Class, FleetId, Incarnation, PublicKey, Scope, SecretKey, Statement, StatementId,
    Verified, sign,
};
use belay_mesh::{Folded, Restored};
use std::rc::Rc;
use std::sync::Arc;

/// The ring that every simulated device follows.
pub(crate) const RING: &str = "default";

/// What agents may do: run, lend work, call one tool.
const RULES: &str = r#"
@id("sim.local")
permit (principal, action in Belay::Action::"local", resource);
@id("sim.tool")
permit (principal, action in Belay::Action::"tool", resource);
@id("sim.work")
permit (principal, action in Belay::Action::"work", resource);
"#;

/// When every release of a run ends, Unix milliseconds.
pub(crate) const RELEASE_EXPIRY_MS: u64 = WALL_AT_START_MS + 365 * 86_400_000;
const INVITE_LIFE_MS: u64 = 86_400_000;

type Held = Arc<Verified<Statement>>;

/// A fleet before its first event.
pub(crate) struct Fleet {
    pub(crate) id: FleetId,
    pub(crate) domain: TrustDomain,
    pub(crate) root: SecretKey,
    pub(crate) operator: SecretKey,
    pub(crate) devices: Vec<Member>,
    pub(crate) policy: Vec<u8>,
    /// What every founding device holds at first, folded once for all of them.
    pub(crate) founded: Folded,
}

/// One device and what its disk holds at first.
pub(crate) struct Member {
    pub(crate) secret: [u8; 32],
    pub(crate) key: PublicKey,
    pub(crate) id: DeviceId,
    pub(crate) disk: Rc<[Held]>,
    pub(crate) has_policy: bool,
}

impl Fleet {
    /// Founds the fleet of a plan.
    pub(crate) fn found(plan: &Plan, seed: u64) -> Result<Self, NameError> {
        Self::found_with(plan, seed, policy_bytes(), |node| format!("d{node}"))
    }

    /// Founds it with another policy than that of every plan, and these names.
    pub(crate) fn found_with(
        plan: &Plan,
        seed: u64,
        policy: Vec<u8>,
        name: impl Fn(usize) -> String,
    ) -> Result<Self, NameError> {
        let mut dice = Dice::of(seed, "keys");
        let domain = TrustDomain::new("sim.belay")?;
        let (root, operator) = (key(&mut dice), key(&mut dice));
        let kept = SecretKey::from_seed(&root.seed());
        let secrets: Vec<[u8; 32]> = (0..plan.nodes).map(|_| dice.bytes()).collect();
        let ids = (0..plan.nodes).map(|node| DeviceId::new(&domain, &name(node)));
        let ids: Vec<DeviceId> = ids.collect::<Result<_, _>>()?;
        let mut first = FirstWords::new(domain.clone(), root, operator, &mut dice)?;
        let joins = plan.nodes - plan.fleet.joins;
        let mut newcomers = Vec::new();
        for (node, (secret, id)) in secrets.iter().zip(&ids).enumerate() {
            let device = SecretKey::from_seed(secret);
            if node < joins {
                let enrol = enrolment(first.fleet, &device, id.clone(), first.owner.clone());
                first.grants.say(Class::AuthorityPlus, enrol.into());
            } else {
                newcomers.push(first.invite(&device, id, &ids[0], &mut dice)?);
            }
        }
        let keys: Vec<PublicKey> =
            secrets.iter().map(|secret| SecretKey::from_seed(secret).public()).collect();
        let (beacons, others) = keys.split_at(plan.fleet.beacons);
        let gateways = others.iter().take(plan.fleet.gateways).copied().collect();
        first.release(plan, beacons.to_vec(), gateways, &policy);
        let FirstWords { fleet, operator, roots, grants, orders, .. } = first;
        let roots: Vec<Held> = roots.said;
        let whole: Rc<[Held]> = [roots.clone(), grants.said, orders.said].concat().into();
        let restored = Restored { statements: whole.to_vec(), bodies: vec![policy.clone()] };
        let founded = Folded::of(fleet, RING, restored);
        let mut newcomers = newcomers.into_iter();
        let member = |(node, (secret, id)): (usize, ([u8; 32], DeviceId))| {
            let joined = if node < joins { None } else { newcomers.next() };
            let has_policy = joined.is_none();
            let disk = match joined {
                None => whole.clone(),
                Some(papers) => [roots.clone(), papers].concat().into(),
            };
            Member { key: SecretKey::from_seed(&secret).public(), secret, id, disk, has_policy }
        };
        let devices = secrets.into_iter().zip(ids).enumerate().map(member).collect();
        Ok(Self { id: fleet, domain, root: kept, operator, devices, policy, founded })
    }

    /// The agent of this name.
    pub(crate) fn agent(&self, name: &str) -> Result<AgentId, NameError> {
        AgentId::new(&self.domain, name)
    }
}

fn key(dice: &mut Dice) -> SecretKey {
    SecretKey::from_seed(&dice.bytes())
}

/// The logs in which a fleet's first words stand.
struct FirstWords {
    fleet: FleetId,
    owner: UserId,
    domain: TrustDomain,
    operator: SecretKey,
    roots: Log,
    grants: Log,
    orders: Log,
}

impl FirstWords {
    fn new(
        domain: TrustDomain,
        root: SecretKey,
        operator: SecretKey,
        dice: &mut Dice,
    ) -> Result<Self, NameError> {
        let id = OperatorId::new(&domain, "operator")?;
        let owner = UserId::new(&domain, "user")?;
        let epoch = root_one(&domain, &root, &id, &operator);
        let author = Principal::Root(domain.clone());
        let mut roots = Log::new(root, author, dice.bytes(), FleetId([0; 32]));
        let epoch = roots.say(Class::AuthorityMinus, epoch);
        let fleet = FleetId(epoch.0);
        roots.fleet = fleet;
        roots.say(Class::AuthorityMinus, Approve { of: epoch }.into());
        let drawn = dice.bytes();
        let again = || SecretKey::from_seed(&operator.seed());
        let author = Principal::Operator(id);
        let mut grants = Log::new(again(), author.clone(), drawn, fleet);
        let user = Named { id: Principal::User(owner.clone()) };
        grants.say(Class::AuthorityPlus, Body::User(user));
        let orders = Log::new(again(), author, drawn, fleet);
        Ok(Self { fleet, owner, domain, operator, roots, grants, orders })
    }

    /// An invite, and the enrolment that the newcomer makes of it.
    fn invite(
        &mut self,
        device: &SecretKey,
        id: &DeviceId,
        witness: &DeviceId,
        dice: &mut Dice,
    ) -> Result<Vec<Held>, NameError> {
        let secret = key(dice);
        let body = Invite {
            key: secret.public(),
            witness: witness.clone(),
            device: Some(id.clone()),
            owner: self.owner.clone(),
        };
        self.grants.expiry_ms = Some(WALL_AT_START_MS + INVITE_LIFE_MS);
        let invite = self.grants.say(Class::AuthorityPlus, body.into());
        self.grants.expiry_ms = None;
        let author = InviteId::new(&self.domain, &secret.public().to_hex()[..32])?;
        let mut log = Log::new(secret, Principal::Invite(author), dice.bytes(), self.fleet);
        log.refs = vec![invite];
        let enrol = enrolment(self.fleet, device, id.clone(), self.owner.clone());
        log.say(Class::AuthorityPlus, enrol.into());
        let invite = self.grants.said.last().cloned();
        Ok(invite.into_iter().chain(log.said).collect())
    }

    fn release(
        &mut self,
        plan: &Plan,
        beacons: Vec<PublicKey>,
        gateways: Vec<PublicKey>,
        policy: &[u8],
    ) {
        let act_ms = plan.lease.act.ms();
        let header = Release {
            version: ReleaseVersion { epoch: 1, number: 1 },
            ring: RING.to_owned(),
            body: Policy::hash(policy),
            beacons,
            quorum: plan.fleet.quorum as u64,
            liars: plan.fleet.liars as u64,
            autonomy: Autonomy {
                local_ms: act_ms,
                tool_ms: act_ms,
                outward_ms: act_ms,
                work_ms: act_ms,
                motion_ms: act_ms,
                unsealed_run_ms: plan.lease.run.ms(),
                lapse_grace_ms: plan.lease.lapse_grace.ms(),
            },
            adopt_by_ms: WALL_AT_START_MS,
            language: 1,
            drafts: Vec::new(),
            gateways,
            profiles: Vec::new(),
            reason: None,
        };
        self.orders.expiry_ms = Some(RELEASE_EXPIRY_MS);
        let release = self.orders.say(Class::AuthorityMinus, header.into());
        self.orders.expiry_ms = None;
        self.orders.say(Class::AuthorityMinus, Approve { of: release }.into());
    }
}

fn root_one(domain: &TrustDomain, root: &SecretKey, id: &OperatorId, key: &SecretKey) -> Body {
    let operator = Operator { id: id.clone(), key: key.public(), roles: Role::OFFICES.to_vec() };
    Body::Root(Root {
        domain: domain.clone(),
        number: 1,
        keys: vec![root.public()],
        threshold: 1,
        operators: vec![operator],
        pins: Vec::new(),
        reaffirmed: Vec::new(),
        floors: Vec::new(),
        removals: Vec::new(),
        wall_ms: WALL_AT_START_MS,
        pins_in: Vec::new(),
    })
}

/// The enrolment of a device by its key, with the proof that it has it.
pub(crate) fn enrolment(
    fleet: FleetId,
    secret: &SecretKey,
    device: DeviceId,
    owner: UserId,
) -> Enrol {
    let key = secret.public();
    let words = Enrol::possession_words(&fleet.0, &key, &device);
    let possession = Bytes(secret.sign(&words).to_vec());
    Enrol { key, device, site: None, kind: DeviceKind::Gateway, owner, possession }
}

fn policy_bytes() -> Vec<u8> {
    let mode = Mode::Enforce;
    let policy = Policy {
        rules: RULES.to_owned(),
        modes: Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode },
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: vec!["default".to_owned()],
        classes: vec!["default".to_owned()],
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    };
    policy.to_bytes()
}

/// One log while its first statements are signed.
pub(crate) struct Log {
    secret: SecretKey,
    author: Principal,
    incarnation: Incarnation,
    fleet: FleetId,
    expiry_ms: Option<u64>,
    refs: Vec<StatementId>,
    said: Vec<Held>,
}

impl Log {
    pub(crate) fn new(
        secret: SecretKey,
        author: Principal,
        drawn: [u8; 16],
        fleet: FleetId,
    ) -> Self {
        let incarnation = Incarnation { counter: 1, drawn };
        let (expiry_ms, refs, said) = (None, Vec::new(), Vec::new());
        Self { secret, author, incarnation, fleet, expiry_ms, refs, said }
    }

    /// Everything that was said.
    pub(crate) fn said(&self) -> &[Held] {
        &self.said
    }

    /// Signs the next statement.
    pub(crate) fn say(&mut self, class: Class, body: Body) -> StatementId {
        let statement = Statement {
            class,
            scope: Scope::Fleet,
            author: self.author.clone(),
            incarnation: self.incarnation,
            seq: self.said.len() as u64 + 1,
            prev: self.said.last().map(|said| said.id()),
            epoch: 1,
            expiry_ms: self.expiry_ms,
            refs: self.refs.clone(),
            body,
        };
        let signed = sign(statement, &self.secret, &self.fleet);
        let id = signed.id();
        self.said.push(Arc::new(signed));
        id
    }
}
