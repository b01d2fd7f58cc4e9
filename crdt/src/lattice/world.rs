//! The cast: root keys, operators, devices and agents, and pens that write their logs.

use crate::set::Held;
use belay_identity::body::{
    Approve, Autonomy, Body, Credential, DeviceKind, Enrol, FurtherKey, Generations, Hold, Lift,
    Operator, Pin, Pins, Presence, Release, ReleaseVersion, Restore, Revoke, Role, Root, Subject,
    Term,
};
use belay_identity::chain::Link;
use belay_identity::codec::Bytes;
use belay_identity::principal::{
    AgentId, ClassId, DeviceId, OperatorId, Principal, ProjectId, TrustDomain, UserId,
};
use belay_identity::{
    Class, FleetId, Incarnation, PublicKey, Scope, SecretKey, Statement, StatementId, sign,
};
use std::sync::Arc;

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::new("lattice.belay").expect("a constant domain")
}

macro_rules! named {
    ($($function:ident $id:ident;)*) => {$(
        pub(crate) fn $function(name: &str) -> $id {
            $id::new(&domain(), name).expect("a constant name")
        }
    )*};
}
named! { agent AgentId; device DeviceId; user UserId; operator OperatorId; }

/// Who signs in the lattice; the number is the seed of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root(u8),
    Anna(u8),
    Ben(u8),
    Cleo,
    /// Anna's second key, under the name of ben.
    AnnaAsBen,
    /// The device `near`, by one of the keys that it has had.
    Near(u8),
}

impl Who {
    fn secret(self) -> SecretKey {
        let seed = match self {
            Who::Root(n) => n,
            Who::Anna(n) => 20 + n,
            Who::Ben(n) => 30 + n,
            Who::Cleo => 40,
            Who::AnnaAsBen => 22,
            Who::Near(n) => 50 + n,
        };
        SecretKey::from_seed(&[seed; 32])
    }

    pub(crate) fn key(self) -> PublicKey {
        self.secret().public()
    }

    pub(crate) fn author(self) -> Principal {
        match self {
            Who::Root(_) => Principal::Root(domain()),
            Who::Anna(_) => operator("anna").into(),
            Who::Ben(_) | Who::AnnaAsBen => operator("ben").into(),
            Who::Near(_) => device("near").into(),
            Who::Cleo => operator("cleo").into(),
        }
    }

    /// The operator's line in a root, with every role.
    pub(crate) fn line(self) -> Operator {
        let Principal::Operator(id) = self.author() else { panic!("roots have no line") };
        Operator { id, key: self.key(), roles: Role::OFFICES.to_vec() }
    }
}

/// Writes one log, statement after statement.
pub(crate) struct Pen {
    who: Who,
    fleet: FleetId,
    epoch: u64,
    drawn: u8,
    last: Option<(u64, StatementId)>,
    before: Option<(u64, StatementId)>,
}

impl Pen {
    /// A new log of this author; `drawn` tells his logs apart.
    pub(crate) fn new(fleet: FleetId, who: Who, epoch: u64, drawn: u8) -> Self {
        Self { who, fleet, epoch, drawn, last: None, before: None }
    }

    /// The next statement of the log.
    pub(crate) fn write(&mut self, refs: &[StatementId], body: Body) -> Held {
        let held = self.at(self.last, refs, body);
        (self.before, self.last) = (self.last, Some((held.seq, held.id())));
        held
    }

    /// The same log, going on under this epoch.
    pub(crate) fn of_epoch(&mut self, epoch: u64) -> &mut Self {
        self.epoch = epoch;
        self
    }

    /// Another statement for the place of the last one.
    pub(crate) fn twin(&self, refs: &[StatementId], body: Body) -> Held {
        self.at(self.before, refs, body)
    }

    fn at(&self, last: Option<(u64, StatementId)>, refs: &[StatementId], body: Body) -> Held {
        let class = body.class().unwrap_or(Class::AuthorityMinus);
        let statement = Statement {
            class,
            scope: Scope::Fleet,
            author: self.who.author(),
            incarnation: Incarnation { counter: 1, drawn: [self.drawn; 16] },
            seq: last.map_or(1, |(seq, _)| seq + 1),
            prev: last.map(|(_, id)| id),
            epoch: self.epoch,
            expiry_ms: None,
            refs: refs.to_vec(),
            body,
        };
        Arc::new(sign(statement, &self.who.secret(), &self.fleet))
    }
}

/// Makes the statements of one program, each approval and each single act in a log of its own.
pub(crate) struct World {
    pub(crate) fleet: FleetId,
    pub(crate) root: Vec<Held>,
    drawn: u8,
}

impl World {
    /// A fleet whose first root has three keys, two of which are needed, and these operators.
    pub(crate) fn new(operators: &[Who]) -> Self {
        let body = root(1, operators);
        let proposal = Pen::new(FleetId([0; 32]), Who::Root(1), 1, 0).write(&[], body);
        let fleet = FleetId(proposal.id().0);
        let mut world = Self { fleet, root: Vec::new(), drawn: 0 };
        let approved = world.approved(proposal, &[Who::Root(1), Who::Root(2)], 1);
        world.root = approved;
        world
    }

    /// A pen for a log of its own.
    pub(crate) fn pen(&mut self, who: Who, epoch: u64) -> Pen {
        self.drawn += 1;
        Pen::new(self.fleet, who, epoch, self.drawn)
    }

    /// A pen that writes a log of the same name as another's from its beginning: a forger's.
    pub(crate) fn pen_at(&self, who: Who, epoch: u64, other: &Pen) -> Pen {
        Pen::new(self.fleet, who, epoch, other.drawn)
    }

    /// One statement in a log of its own.
    pub(crate) fn one(&mut self, who: Who, epoch: u64, refs: &[StatementId], body: Body) -> Held {
        self.pen(who, epoch).write(refs, body)
    }

    /// One approval in a log of its own.
    pub(crate) fn approval(&mut self, who: Who, of: &Held, epoch: u64) -> Held {
        self.one(who, epoch, &[], Body::Approve(Approve { of: of.id() }))
    }

    /// A proposal with these approvals.
    pub(crate) fn approved(&mut self, proposal: Held, by: &[Who], epoch: u64) -> Vec<Held> {
        let approvals: Vec<Held> =
            by.iter().map(|who| self.approval(*who, &proposal, epoch)).collect();
        [vec![proposal], approvals].concat()
    }

    /// The next epoch after `parent`, approved by these root keys.
    pub(crate) fn epoch(&mut self, parent: &Held, body: Body, by: &[Who]) -> Vec<Held> {
        let Body::Root(root) = &body else { panic!("only roots make epochs") };
        let number = root.number;
        let proposal = self.one(by[0], number - 1, &[parent.id()], body);
        self.approved(proposal, by, number - 1)
    }
}

/// A part of a list of pins.
pub(crate) fn pins(pins: Vec<Pin>) -> Body {
    Pins { pins }.into()
}

/// A root with three keys, two of which are needed, and these operators.
pub(crate) fn root(number: u64, operators: &[Who]) -> Body {
    Body::Root(Root {
        domain: domain(),
        number,
        keys: (1..=3).map(|n| Who::Root(n).key()).collect(),
        threshold: 2,
        operators: operators.iter().map(|who| who.line()).collect(),
        pins: Vec::new(),
        reaffirmed: Vec::new(),
        floors: Vec::new(),
        removals: Vec::new(),
        wall_ms: number,
        pins_in: Vec::new(),
    })
}

/// The pin of a log at this statement.
pub(crate) fn pin(held: &Held) -> Pin {
    let log = held.log(held.key());
    Pin {
        key: log.key,
        class: log.class,
        scope: log.scope,
        incarnation: log.incarnation,
        seq: held.seq,
        id: held.id(),
    }
}

/// The enrolment of `near` by this key.
pub(crate) fn enrol(fleet: FleetId, key: Who) -> Body {
    let device = device("near");
    let words = Enrol::possession_words(&fleet.0, &key.key(), &device);
    let possession = Bytes(key.secret().sign(&words).to_vec());
    let (site, kind, owner) = (None, DeviceKind::Robot, user("ursula"));
    Body::Enrol(Enrol { key: key.key(), device, site, kind, owner, possession })
}

/// The right of gus to act on `near`, by a key of its own.
pub(crate) fn credential(number: u8) -> Body {
    let link = link("gus", "near", 1, 1);
    let key = SecretKey::from_seed(&[number; 32]).public();
    let Link { agent, user, project, class, device, .. } = link;
    let generations = Generations { agent: 1, user: 1, project: 1, class: 1, device: 1 };
    let (manifest, tree) = ([7; 32], None);
    Body::Credential(Credential {
        key,
        agent,
        user,
        project,
        class,
        manifest,
        run_by: Vec::new(),
        device,
        generations,
        tree,
    })
}

/// An operator's word that another key is his.
pub(crate) fn further_key(fleet: FleetId, key: Who) -> Body {
    let Principal::Operator(operator) = key.author() else { panic!("operators have further keys") };
    let words = FurtherKey::possession_words(&fleet.0, &key.key(), &operator);
    let possession = Bytes(key.secret().sign(&words).to_vec());
    Body::FurtherKey(FurtherKey { key: key.key(), possession })
}

/// A word about itself.
pub(crate) fn presence(load: u64) -> Body {
    Body::Presence(Presence { addresses: Vec::new(), capabilities: Vec::new(), load })
}

/// A hold of these terms, without end.
pub(crate) fn hold(terms: Vec<Term>) -> Body {
    hold_until(terms, None)
}

/// A hold of these terms, with an end.
pub(crate) fn hold_until(terms: Vec<Term>, until_ms: Option<u64>) -> Body {
    let subject = Subject::new(terms).expect("one to three terms");
    let (home, reason) = (device("home"), Default::default());
    Body::Hold(Hold { subject, home, reason, until_ms, pause: None })
}

/// A revoke of one term.
pub(crate) fn revoke(term: Term) -> Body {
    let subject = Subject::new(vec![term]).expect("one term");
    Body::Revoke(Revoke { subject, home: device("home"), reason: Default::default() })
}

/// A lift; what it ends stands in its refs.
pub(crate) fn lift() -> Body {
    Body::Lift(Lift { reason: Default::default() })
}

/// A restore of one term.
pub(crate) fn restore(term: Term) -> Body {
    let subject = Subject::new(vec![term]).expect("one term");
    Body::Restore(Restore { subject, reason: Default::default() })
}

/// A release whose local lease says how strict it is: the longer, the looser.
pub(crate) fn release(epoch: u64, number: u64, local_ms: u64) -> Body {
    Body::Release(Release {
        version: ReleaseVersion { epoch, number },
        ring: "all".into(),
        body: [number as u8; 32],
        beacons: vec![Who::Anna(1).key()],
        quorum: 1,
        liars: 0,
        autonomy: Autonomy {
            local_ms,
            tool_ms: 1,
            outward_ms: 1,
            work_ms: 1,
            motion_ms: 1,
            unsealed_run_ms: 1,
            lapse_grace_ms: 1,
        },
        adopt_by_ms: 1,
        language: 1,
        drafts: Vec::new(),
        gateways: Vec::new(),
        profiles: Vec::new(),
        reason: None,
    })
}

/// One link of a chain: this agent on this device, its agent's generation, its epoch.
pub(crate) fn link(name: &str, on: &str, generation: u64, epoch: u64) -> Link {
    let id = |kind: &str| format!("{kind}-of-{name}");
    Link {
        agent: agent(name),
        user: user("ursula"),
        project: ProjectId::new(&domain(), &id("project")).expect("a constant name"),
        class: ClassId::new(&domain(), &id("class")).expect("a constant name"),
        manifest: Some([7; 32]),
        run_by: Vec::new(),
        device: device(on),
        generations: Some(Generations {
            agent: generation,
            user: 1,
            project: 1,
            class: 1,
            device: 1,
        }),
        epoch: Some(epoch),
    }
}
