//! Histories: what three operators and three root keys say, made from steps of four small numbers.
//!
//! Every step can be taken at any time, so a shrunken history is one too. Refused here: knowing
//! what counts; a step may be as void as it likes.

use belay_identity::body::{
    Approve, Autonomy, Body, Generations, Hold, Lift, Operator, Pin, Release, ReleaseVersion,
    Restore, Revoke, Role, Root, Subject, Term,
};
use belay_identity::chain::Link;
use belay_identity::principal::{
    AgentId, ClassId, DeviceId, OperatorId, Principal, ProjectId, TrustDomain, UserId,
};
use belay_identity::{
    Chain, Class, FleetId, Incarnation, PublicKey, Scope, SecretKey, Statement, StatementId, sign,
};
use belay_tests::model::Said;
use std::sync::Arc;

/// The ring of all releases.
pub(super) const RING: &str = "all";

/// What somebody does, by whom, about what, and how.
pub(super) type Step = (u8, u8, u8, u8);

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cast {
    Root(u8),
    Anna,
    Ben,
    Cleo,
}

impl Cast {
    /// The operators' keys.
    pub(super) const KEYS: [Self; 3] = [Self::Anna, Self::Ben, Self::Cleo];

    fn operator(choice: u8) -> Self {
        Self::KEYS[usize::from(choice) % 3]
    }

    fn secret(self) -> SecretKey {
        let seed = match self {
            Self::Root(number) => 10 + number,
            Self::Anna => 1,
            Self::Ben => 2,
            Self::Cleo => 3,
        };
        SecretKey::from_seed(&[seed; 32])
    }

    pub(super) fn key(self) -> PublicKey {
        self.secret().public()
    }

    fn author(self) -> Principal {
        let name = match self {
            Self::Root(_) => return Principal::Root(domain()),
            Self::Anna => "anna",
            Self::Ben => "ben",
            Self::Cleo => "cleo",
        };
        Principal::Operator(OperatorId::new(&domain(), name).unwrap())
    }

    fn line(self, roles: &[Role]) -> Operator {
        let Principal::Operator(id) = self.author() else { panic!("roots have no line") };
        Operator { id, key: self.key(), roles: roles.to_vec() }
    }
}

fn domain() -> TrustDomain {
    TrustDomain::new("model.belay").unwrap()
}

/// The agent of whom most is said.
pub(super) fn gus() -> Term {
    Term::Agent(AgentId::new(&domain(), "gus").unwrap())
}

fn subjects(choice: u8) -> Vec<Term> {
    let user = Term::User(UserId::new(&domain(), "ursula").unwrap());
    let far = Term::Device(DeviceId::new(&domain(), "far").unwrap());
    let project = Term::Project(ProjectId::new(&domain(), "night").unwrap());
    match choice % 5 {
        0 => vec![gus()],
        1 => vec![far],
        2 => vec![user, far],
        3 => vec![project],
        _ => vec![gus(), far, project],
    }
}

/// The chains that are asked about.
pub(super) fn probes() -> Vec<Chain> {
    let link = |agent: &str, on: &str, generation: Option<u64>, epoch: Option<u64>| Link {
        agent: AgentId::new(&domain(), agent).unwrap(),
        user: UserId::new(&domain(), "ursula").unwrap(),
        project: ProjectId::new(&domain(), if agent == "gus" { "night" } else { "day" }).unwrap(),
        class: ClassId::new(&domain(), "default").unwrap(),
        manifest: Some([7; 32]),
        run_by: Vec::new(),
        device: DeviceId::new(&domain(), on).unwrap(),
        generations: generation.map(|agent| Generations {
            agent,
            user: 1,
            project: 1,
            class: 1,
            device: 1,
        }),
        epoch,
    };
    let chains = [
        vec![link("gus", "near", Some(1), Some(1))],
        vec![link("gus", "near", Some(2), Some(1))],
        vec![link("gus", "near", Some(2), Some(2))],
        vec![link("gus", "near", Some(3), Some(3))],
        vec![link("gus", "near", None, None)],
        vec![link("gus", "near", Some(1), Some(1)), link("pim", "far", Some(1), Some(2))],
        vec![link("pim", "far", Some(1), Some(1)), link("pim", "near", Some(1), Some(3))],
        vec![link("pim", "near", Some(1), Some(1))],
    ];
    chains.into_iter().map(|links| Chain::new(links).unwrap()).collect()
}

/// True when the acting link alone carries all that an order names.
pub(super) fn acting_alone_is_met(said: &[Said], order: &StatementId, chain: &Chain) -> bool {
    let subject = said.iter().find(|one| one.id() == *order).and_then(|one| match &one.body {
        Body::Hold(hold) => Some(&hold.subject),
        Body::Revoke(revoke) => Some(&revoke.subject),
        _ => None,
    });
    let acting = chain.acting().unwrap();
    subject.is_some_and(|subject| subject.terms().iter().all(|term| acting.carries(term)))
}

/// One log while it is written: the author's ordinary one, or one of a single statement.
#[derive(Clone, Copy)]
struct Place {
    drawn: u8,
    seq: u64,
    prev: Option<StatementId>,
}

/// What was said, in the order in which it was.
pub(super) struct History {
    pub(super) fleet: FleetId,
    pub(super) said: Vec<Said>,
    drawn: u8,
}

impl History {
    /// Takes every step after the founding.
    pub(super) fn of(steps: &[Step]) -> Self {
        let mut history = Self { fleet: FleetId([0; 32]), said: Vec::new(), drawn: 100 };
        let first = history.root(1, Vec::new(), Vec::new(), 0);
        let first = history.alone(Cast::Root(1), 1, Vec::new(), first);
        history.fleet = FleetId(first.id().0);
        history.said.push(first.clone());
        history.approve(&first, &[Cast::Root(1), Cast::Root(2)], 1);
        steps.iter().for_each(|step| history.take(*step));
        history
    }

    /// What is left where these are not heard of; the founding always is.
    pub(super) fn without(&self, held_back: &[u8]) -> Vec<Said> {
        let places = self.said.len().saturating_sub(3).max(1);
        let gone = |at: usize| held_back.iter().any(|back| 3 + usize::from(*back) % places == at);
        let kept = self.said.iter().enumerate().filter(|(at, _)| !gone(*at));
        kept.map(|(_, said)| said.clone()).collect()
    }

    /// In words, for whoever looks at a difference.
    pub(super) fn told(&self, said: &[Said]) -> String {
        let line = |one: &Said| {
            let refs: Vec<String> = one.refs.iter().map(ToString::to_string).collect();
            format!(
                "{} {} by {} epoch {} number {} refs {refs:?}: {:?}",
                one.id(),
                one.body.kind(),
                one.author,
                one.epoch,
                one.seq,
                one.body
            )
        };
        said.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn take(&mut self, (what, who, about, how): Step) {
        let author = Cast::operator(who);
        match what % 9 {
            0 | 1 => self.hold(author, about, how),
            2 => self.revoke(author, how),
            3 | 4 => self.lift(author, about, how),
            5 => self.restore(author, how),
            6 => self.epoch(who, about, how),
            7 => self.release(author, about, how),
            _ => self.twin(author, about),
        }
    }

    fn hold(&mut self, author: Cast, about: u8, how: u8) {
        let subject = Subject::new(subjects(about)).unwrap();
        let home = DeviceId::new(&domain(), "home").unwrap();
        let hold = Hold { subject, home, reason: Default::default(), until_ms: None, pause: None };
        self.write(author, self.epoch_by(how), Vec::new(), Body::Hold(hold));
    }

    fn revoke(&mut self, author: Cast, how: u8) {
        let restores = self.ids(|body| matches!(body, Body::Restore(_)));
        let refs = if how.is_multiple_of(2) { restores } else { Vec::new() };
        let subject = Subject::new(vec![gus()]).unwrap();
        let home = DeviceId::new(&domain(), "home").unwrap();
        let revoke = Revoke { subject, home, reason: Default::default() };
        self.write(author, self.epoch_by(how / 2), refs, Body::Revoke(revoke));
    }

    fn lift(&mut self, author: Cast, about: u8, how: u8) {
        let holds = self.ids(|body| matches!(body, Body::Hold(_)));
        let one = holds.get(usize::from(about) % holds.len().max(1)).copied();
        let lift = Body::Lift(Lift { reason: Default::default() });
        let epoch = self.epoch_by(how / 4);
        let said = self.write(author, epoch, one.into_iter().collect(), lift);
        self.approve_some(&said, how, epoch);
    }

    fn restore(&mut self, author: Cast, how: u8) {
        let mut refs = self.ids(|body| matches!(body, Body::Revoke(_) | Body::Restore(_)));
        if how.is_multiple_of(5) {
            refs.pop();
        }
        let subject = Subject::new(vec![gus()]).unwrap();
        let restore = Body::Restore(Restore { subject, reason: Default::default() });
        let epoch = self.epoch_by(how / 4);
        let said = self.write(author, epoch, refs, restore);
        self.approve_some(&said, how, epoch);
    }

    fn release(&mut self, author: Cast, about: u8, how: u8) {
        let epoch = self.epoch_by(how / 4);
        let release = Body::Release(Release {
            version: ReleaseVersion { epoch, number: u64::from(about % 4) + 1 },
            ring: RING.into(),
            body: [about; 32],
            beacons: vec![Cast::Anna.key()],
            quorum: 1,
            liars: 0,
            autonomy: Autonomy {
                local_ms: 1,
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
        });
        let said = self.write(author, epoch, Vec::new(), release);
        self.approve_some(&said, how, epoch);
    }

    /// Another statement for the place of an author's last one.
    fn twin(&mut self, author: Cast, about: u8) {
        let last = self.last(author).map(|last| (last.seq, last.prev, last.epoch));
        let Some((seq, prev, epoch)) = last else { return };
        let subject = Subject::new(subjects(about / 2)).unwrap();
        let home = DeviceId::new(&domain(), "home").unwrap();
        let body = if about.is_multiple_of(2) {
            Body::Hold(Hold {
                subject,
                home,
                reason: Default::default(),
                until_ms: None,
                pause: None,
            })
        } else {
            Body::Lift(Lift { reason: Default::default() })
        };
        let said = self.sign(author, epoch, Place { drawn: 0, seq, prev }, Vec::new(), body);
        if !self.said.iter().any(|other| other.id() == said.id()) {
            self.said.push(said);
        }
    }

    /// A root epoch after the last one, or a rival of it.
    fn epoch(&mut self, who: u8, about: u8, how: u8) {
        let roots: Vec<Said> =
            self.said.iter().filter(|one| matches!(one.body, Body::Root(_))).cloned().collect();
        let parent = if about.is_multiple_of(4) && roots.len() > 1 {
            &roots[roots.len() - 2]
        } else {
            &roots[roots.len() - 1]
        };
        let Body::Root(before) = &parent.body else { return };
        let (number, parent) = (before.number + 1, parent.id());
        let orders = self.ids(|body| matches!(body, Body::Hold(_) | Body::Revoke(_)));
        let reaffirmed = match how % 3 {
            0 => orders,
            1 => orders.into_iter().step_by(2).collect(),
            _ => Vec::new(),
        };
        let pins = self.pins((how / 3).is_multiple_of(4));
        let body = self.root(number, pins, reaffirmed, about / 4);
        let by = [Cast::Root(1 + who % 3), Cast::Root(1 + (who % 3 + 1) % 3)];
        let proposal = self.alone(by[0], number - 1, vec![parent], body);
        self.said.push(proposal.clone());
        self.approve(&proposal, &by, number - 1);
    }

    /// A root with three keys, two of which are needed, and operators by choice.
    fn root(&self, number: u64, pins: Vec<Pin>, reaffirmed: Vec<StatementId>, who: u8) -> Body {
        let lines = match who % 5 {
            0 | 1 => [Some(Role::OFFICES), Some(Role::OFFICES), Some(Role::OFFICES)],
            2 => [Some(Role::OFFICES), Some(Role::OFFICES), Some(&[Role::Orders][..])],
            3 => [Some(Role::OFFICES), None, None],
            _ => [Some(&[Role::Policy][..]), Some(&[Role::Security][..]), None],
        };
        let operators = Cast::KEYS.iter().zip(lines);
        Body::Root(Root {
            domain: domain(),
            number,
            keys: (1..=3).map(|key| Cast::Root(key).key()).collect(),
            threshold: 2,
            operators: operators.filter_map(|(who, roles)| Some(who.line(roles?))).collect(),
            pins,
            reaffirmed,
            floors: Vec::new(),
            removals: Vec::new(),
            wall_ms: number,
            pins_in: Vec::new(),
        })
    }

    /// A pin for the last statement of every log, or of every log but the last operator's.
    fn pins(&self, leave_one_out: bool) -> Vec<Pin> {
        let mut lasts: Vec<&Said> = Vec::new();
        for said in self.said.iter().filter(|said| !matches!(said.author, Principal::Root(_))) {
            let log = said.log(said.key());
            lasts.retain(|last| last.log(last.key()) != log);
            lasts.push(said);
        }
        if leave_one_out {
            lasts.pop();
        }
        let pin = |said: &&Said| {
            let log = said.log(said.key());
            Pin {
                key: log.key,
                class: log.class,
                scope: log.scope,
                incarnation: log.incarnation,
                seq: said.seq,
                id: said.id(),
            }
        };
        lasts.iter().map(pin).collect()
    }

    fn ids(&self, of: fn(&Body) -> bool) -> Vec<StatementId> {
        self.said.iter().filter(|said| of(&said.body)).map(|said| said.id()).collect()
    }

    /// The last epoch that there is, mostly; sometimes the one before it.
    fn epoch_by(&self, how: u8) -> u64 {
        let number = |said: &Said| match &said.body {
            Body::Root(root) => Some(root.number),
            _ => None,
        };
        let last = self.said.iter().filter_map(number).max().unwrap_or(1);
        if how.is_multiple_of(5) { last.saturating_sub(1).max(1) } else { last }
    }

    fn approve_some(&mut self, said: &Said, how: u8, epoch: u64) {
        let by: &[Cast] = match how % 4 {
            0 => &[],
            1 => &[Cast::Anna],
            2 => &[Cast::Ben],
            _ => &[Cast::Anna, Cast::Ben],
        };
        self.approve(said, by, epoch);
    }

    fn approve(&mut self, said: &Said, by: &[Cast], epoch: u64) {
        for who in by {
            let yes = Body::Approve(Approve { of: said.id() });
            let yes = self.alone(*who, epoch, Vec::new(), yes);
            self.said.push(yes);
        }
    }

    fn last(&self, author: Cast) -> Option<&Said> {
        let own = |said: &&Said| said.key() == author.key() && said.incarnation.drawn == [0; 16];
        self.said.iter().filter(own).max_by_key(|said| said.seq)
    }

    /// The next statement of an author's ordinary log.
    fn write(&mut self, author: Cast, epoch: u64, refs: Vec<StatementId>, body: Body) -> Said {
        let last = self.last(author);
        let (seq, prev) = last.map_or((1, None), |last| (last.seq + 1, Some(last.id())));
        let said = self.sign(author, epoch, Place { drawn: 0, seq, prev }, refs, body);
        self.said.push(said.clone());
        said
    }

    /// A statement in a log of its own.
    fn alone(&mut self, author: Cast, epoch: u64, refs: Vec<StatementId>, body: Body) -> Said {
        self.drawn += 1;
        let place = Place { drawn: self.drawn, seq: 1, prev: None };
        self.sign(author, epoch, place, refs, body)
    }

    fn sign(
        &self,
        author: Cast,
        epoch: u64,
        place: Place,
        refs: Vec<StatementId>,
        body: Body,
    ) -> Said {
        let statement = Statement {
            class: body.class().unwrap_or(Class::AuthorityMinus),
            scope: Scope::Fleet,
            author: author.author(),
            incarnation: Incarnation { counter: 1, drawn: [place.drawn; 16] },
            seq: place.seq,
            prev: place.prev,
            epoch,
            expiry_ms: None,
            refs,
            body,
        };
        Arc::new(sign(statement, &author.secret(), &self.fleet))
    }
}
