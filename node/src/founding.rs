//! The first words of a fleet, signed in the process of whoever founds it.
//!
//! Root epoch 1, its approval, the enrolment of the first device, its owner, and the first release
//! with its approval. Refused here: writing them; the caller does, before anything is sent.

use crate::policy_folder::Source;
use belay_identity::body::{
    Approve, Body, DeviceKind, Enrol, Named, Operator, Release, ReleaseVersion, Role, Root,
};
use belay_identity::codec::Bytes;
use belay_identity::principal::{DeviceId, OperatorId, Principal, TrustDomain, UserId};
use belay_identity::{
    Class, FleetId, Incarnation, Scope, SecretKey, Statement, StatementId, Verified, sign,
};

/// How long a release judges unless a new one is published, milliseconds: a year.
pub(crate) const RELEASE_LIFE_MS: u64 = 365 * 86_400_000;

/// How long after it is published a release judges beside the one before it, milliseconds: the
/// time in which header and policy reach every device that can be reached.
pub(crate) const ADOPT_WITHIN_MS: u64 = 5_000;

/// Who founds what.
pub struct Founding<'a> {
    /// The trust domain.
    pub domain: TrustDomain,
    /// The first operator.
    pub operator: OperatorId,
    /// The first device.
    pub device: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// Whose agents run there.
    pub owner: UserId,
    /// The first release.
    pub source: &'a Source,
    /// Fresh bytes for the two incarnations.
    pub drawn: [[u8; 16]; 2],
    /// Own wall clock, Unix milliseconds.
    pub wall_ms: u64,
}

/// A founded fleet.
pub struct Founded {
    /// Its root fingerprint.
    pub fleet: FleetId,
    /// Its first statements, in the order in which they were signed.
    pub statements: Vec<Verified<Statement>>,
    /// The first policy.
    pub body: Vec<u8>,
}

/// Signs the first words of a fleet.
pub fn found(
    founding: &Founding<'_>,
    root: &SecretKey,
    operator: &SecretKey,
    device: &SecretKey,
) -> Founded {
    let author = Principal::Root(founding.domain.clone());
    let unknown = FleetId([0; 32]);
    let mut roots = Log::new(root, author, founding.drawn[0], unknown);
    let epoch = roots.say(Class::AuthorityMinus, root_one(founding, root, operator));
    let fleet = FleetId(epoch.0);
    roots.fleet = fleet;
    roots.say(Class::AuthorityMinus, Approve { of: epoch }.into());

    let author = Principal::Operator(founding.operator.clone());
    let mut grants = Log::new(operator, author, founding.drawn[1], fleet);
    let owner = Named { id: Principal::User(founding.owner.clone()) };
    grants.say(Class::AuthorityPlus, Body::User(owner));
    grants.say(Class::AuthorityPlus, enrol(founding, fleet, device).into());

    let author = Principal::Operator(founding.operator.clone());
    let mut orders = Log::new(operator, author, founding.drawn[1], fleet);
    let body = founding.source.policy.to_bytes();
    orders.expiry_ms = Some(founding.wall_ms + RELEASE_LIFE_MS);
    let release = orders.say(Class::AuthorityMinus, release(founding, device, &body).into());
    orders.expiry_ms = None;
    orders.say(Class::AuthorityMinus, Approve { of: release }.into());

    let statements = [roots.said, grants.said, orders.said].into_iter().flatten().collect();
    Founded { fleet, statements, body }
}

fn root_one(founding: &Founding<'_>, root: &SecretKey, operator: &SecretKey) -> Body {
    let (id, key) = (founding.operator.clone(), operator.public());
    Body::Root(Root {
        domain: founding.domain.clone(),
        number: 1,
        keys: vec![root.public()],
        threshold: 1,
        operators: vec![Operator { id, key, roles: Role::OFFICES.to_vec() }],
        pins: Vec::new(),
        reaffirmed: Vec::new(),
        floors: Vec::new(),
        removals: Vec::new(),
        wall_ms: founding.wall_ms,
        pins_in: Vec::new(),
    })
}

fn enrol(founding: &Founding<'_>, fleet: FleetId, device: &SecretKey) -> Enrol {
    let (kind, owner) = (founding.kind, founding.owner.clone());
    enrolment(fleet, device, founding.device.clone(), kind, owner)
}

/// An enrolment with its proof that the device key is there.
pub(crate) fn enrolment(
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

fn release(founding: &Founding<'_>, device: &SecretKey, body: &[u8]) -> Release {
    Release {
        version: ReleaseVersion { epoch: 1, number: 1 },
        ring: DEFAULT_RING.to_owned(),
        body: belay_identity::body::Policy::hash(body),
        beacons: vec![device.public()],
        quorum: 1,
        liars: 0,
        autonomy: founding.source.autonomy.clone(),
        adopt_by_ms: founding.wall_ms,
        language: belay_mesh::gate::LANGUAGE,
        drafts: Vec::new(),
        gateways: Vec::new(),
        profiles: founding.source.profiles.clone(),
        reason: None,
    }
}

/// The ring that devices follow unless told otherwise.
pub(crate) const DEFAULT_RING: &str = "default";

/// One log while its first statements are signed.
pub(crate) struct Log<'a> {
    secret: &'a SecretKey,
    author: Principal,
    incarnation: Incarnation,
    fleet: FleetId,
    epoch: u64,
    expiry_ms: Option<u64>,
    refs: Vec<StatementId>,
    pub(crate) said: Vec<Verified<Statement>>,
}

impl<'a> Log<'a> {
    pub(crate) fn new(
        secret: &'a SecretKey,
        author: Principal,
        drawn: [u8; 16],
        fleet: FleetId,
    ) -> Self {
        let incarnation = Incarnation { counter: 1, drawn };
        let (epoch, expiry_ms, refs, said) = (1, None, Vec::new(), Vec::new());
        Self { secret, author, incarnation, fleet, epoch, expiry_ms, refs, said }
    }

    /// What answers a statement is said under the root epoch of that one: later pins would seal
    /// out what names an earlier epoch.
    pub(crate) fn answering(mut self, one: &Verified<Statement>) -> Self {
        (self.refs, self.epoch) = (vec![one.id()], one.epoch);
        self
    }

    pub(crate) fn say(&mut self, class: Class, body: Body) -> StatementId {
        let statement = Statement {
            class,
            scope: Scope::Fleet,
            author: self.author.clone(),
            incarnation: self.incarnation,
            seq: self.said.len() as u64 + 1,
            prev: self.said.last().map(Verified::id),
            epoch: self.epoch,
            expiry_ms: self.expiry_ms,
            refs: self.refs.clone(),
            body,
        };
        let signed = sign(statement, self.secret, &self.fleet);
        let id = signed.id();
        self.said.push(signed);
        id
    }
}
