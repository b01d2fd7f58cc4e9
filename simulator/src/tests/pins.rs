//! A fleet of more devices than one root epoch has room to pin: nobody is left out by a turn of its
//! epoch, whoever slept through it catches up, and whoever comes afterwards is let in.

use super::lab::{Held, Lab};
use crate::fleet::enrolment;
use belay_crdt::set::{Set, is_register};
use belay_crdt::views::Views;
use belay_identity::body::{Agent, Approve, Credential, Generations, Invite, Pins, Role, Term};
use belay_identity::principal::{
    AgentId, ClassId, DeviceId, InviteId, OperatorId, Principal, ProjectId, UserId,
};
use belay_identity::{
    Body, Class, Incarnation, Scope, SecretKey, Statement, StatementId, Verified, sign,
};
use belay_mesh::Request;
use belay_mesh::epoch::{Change, EpochDraft};
use belay_mesh::output::{Answer, Refusal};
use std::collections::BTreeSet;
use std::sync::Arc;

const YEAR_MS: u64 = 365 * 86_400_000;

/// Somebody's log, as it is written beside every device.
struct Pen {
    secret: SecretKey,
    author: Principal,
    fleet: belay_identity::FleetId,
    epoch: u64,
    drawn: u8,
    last: Option<(u64, StatementId)>,
}

impl Pen {
    fn of(lab: &Lab, secret: SecretKey, author: Principal, epoch: u64) -> Self {
        Self { secret, author, fleet: lab.fleet.id, epoch, drawn: 0xcc, last: None }
    }

    fn write(&mut self, refs: &[StatementId], expiry_ms: Option<u64>, body: Body) -> Held {
        let statement = Statement {
            class: body.class().unwrap(),
            scope: Scope::Fleet,
            author: self.author.clone(),
            incarnation: Incarnation { counter: 1, drawn: [self.drawn; 16] },
            seq: self.last.map_or(1, |(seq, _)| seq + 1),
            prev: self.last.map(|(_, id)| id),
            epoch: self.epoch,
            expiry_ms,
            refs: refs.to_vec(),
            body,
        };
        let held = Arc::new(sign(statement, &self.secret, &self.fleet));
        self.last = Some((held.seq, held.id()));
        held
    }
}

/// A device that came in by an invite, and the credential of its agent.
struct Invited {
    id: DeviceId,
    papers: Vec<Held>,
    credential: StatementId,
}

fn secret(kind: u8, number: usize) -> SecretKey {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    SecretKey::from_seed(&seed)
}

/// So many devices, each with an invite of the operator's, its enrolment, and an agent at work: a
/// log of class A+ and one of class I each, beside the operator's own.
fn crowd(lab: &Lab, names: std::ops::Range<usize>, epoch: u64) -> Vec<Invited> {
    let domain = &lab.fleet.domain;
    let operator = OperatorId::new(domain, "operator").unwrap();
    let key = SecretKey::from_seed(&lab.fleet.operator.seed());
    let mut office = Pen::of(lab, key, operator.into(), epoch);
    names.map(|number| one_invited(lab, &mut office, number, epoch)).collect()
}

fn one_invited(lab: &Lab, office: &mut Pen, number: usize, epoch: u64) -> Invited {
    let domain = &lab.fleet.domain;
    let (invitee, device) = (secret(0x11, number), secret(0x22, number));
    let id = DeviceId::new(domain, &format!("crowd-{number}")).unwrap();
    let owner = UserId::new(domain, "user").unwrap();
    let invite = Invite {
        key: invitee.public(),
        witness: lab.fleet.devices[0].id.clone(),
        device: Some(id.clone()),
        owner: owner.clone(),
    };
    let invite = office.write(&[], Some(lab.wall_ms() + YEAR_MS), invite.into());
    let name = InviteId::new(domain, &invitee.public().to_hex()[..32]).unwrap();
    let enrol = enrolment(lab.fleet.id, &device, id.clone(), owner.clone());
    let enrol = Pen::of(lab, invitee, name.into(), epoch).write(&[invite.id()], None, enrol.into());
    let agent = AgentId::new(domain, &format!("agent-{number}")).unwrap();
    let mut own = Pen::of(lab, device, id.clone().into(), epoch);
    let named = own.write(&[], None, Agent { agent: agent.clone() }.into());
    let credential = Credential {
        key: secret(0x33, number).public(),
        agent,
        user: owner,
        project: ProjectId::new(domain, "default").unwrap(),
        class: ClassId::new(domain, "default").unwrap(),
        manifest: [7; 32],
        device: id.clone(),
        generations: Generations { agent: 1, user: 1, project: 1, class: 1, device: 1 },
        tree: None,
        run_by: Vec::new(),
    };
    let credential = own.write(&[], Some(lab.wall_ms() + YEAR_MS), credential.into());
    let papers = vec![invite, enrol, named, credential.clone()];
    Invited { id, papers, credential: credential.id() }
}

/// Draws the next epoch up at a device's door.
fn draw_up(lab: &mut Lab, node: usize, name: &str) -> EpochDraft {
    let id = OperatorId::new(&lab.fleet.domain, name).unwrap();
    let key = secret(0x44, name.len()).public();
    let change = Box::new(Change::AddOperator { id, key, roles: vec![Role::Audit] });
    match asked(lab, node, Request::NextEpoch { change }) {
        Ok(Answer::NextEpoch(draft)) => *draft,
        other => panic!("no epoch: {other:?}"),
    }
}

fn asked(lab: &mut Lab, node: usize, request: Request) -> Result<Answer, Refusal> {
    let ask = lab.request(node, request);
    lab.answers.remove(&ask).expect("an answer").map(|answer| *answer)
}

/// What the root signs for a draft: the parts of its list, the proposal, and its yes.
fn signed(
    lab: &mut Lab,
    node: usize,
    draft: &EpochDraft,
    parts: &[Pins],
) -> Vec<Verified<Statement>> {
    let secret = SecretKey::from_seed(&lab.fleet.root.seed());
    let place = Request::Place { key: secret.public(), class: Class::AuthorityMinus };
    let Ok(Answer::Place(place)) = asked(lab, node, place) else { panic!("no place") };
    let author = Principal::Root(lab.fleet.domain.clone());
    let (mut seq, mut prev) = (place.seq, place.prev);
    let mut say = |refs: Vec<StatementId>, body: Body| {
        let statement = Statement {
            class: Class::AuthorityMinus,
            scope: Scope::Fleet,
            author: author.clone(),
            incarnation: place.incarnation,
            seq,
            prev,
            epoch: place.epoch,
            expiry_ms: None,
            refs,
            body,
        };
        let said = sign(statement, &secret, &place.fleet);
        (seq, prev) = (seq + 1, Some(said.id()));
        said
    };
    let mut all: Vec<_> = parts.iter().map(|part| say(Vec::new(), part.clone().into())).collect();
    let named = all.iter().map(|part| part.id()).collect();
    all.push(say(vec![draft.parent], Body::Root(draft.naming(named))));
    let of = all.last().unwrap().id();
    all.push(say(Vec::new(), Approve { of }.into()));
    all
}

fn submit(lab: &mut Lab, node: usize, all: Vec<Verified<Statement>>) -> Result<Answer, Refusal> {
    asked(lab, node, Request::Submit { statements: all, bodies: Vec::new() })
}

/// Turns the epoch at a device: drawn up, signed, handed in.
fn turn(lab: &mut Lab, node: usize, name: &str) -> EpochDraft {
    let draft = draw_up(lab, node, name);
    let all = signed(lab, node, &draft, &draft.parts);
    submit(lab, node, all).expect("the epoch is taken");
    draft
}

fn epoch(lab: &mut Lab, node: usize) -> u64 {
    match asked(lab, node, Request::Status) {
        Ok(Answer::Status(status)) => status.epoch,
        other => panic!("no status: {other:?}"),
    }
}

/// Everything on a device's disk, folded whole.
fn folded(lab: &Lab, node: usize) -> (Set, Views) {
    let mut set = Set::new(lab.fleet.id);
    lab.disk(node).into_iter().for_each(|held| _ = set.insert(held));
    let views = Views::fold(&set);
    (set, views)
}

/// Every one of them is a member, and its agent's credential counts, on this device's disk and to
/// its engine.
fn assert_all_in(lab: &mut Lab, node: usize, crowd: &[Invited]) {
    let (set, views) = folded(lab, node);
    for one in crowd {
        let device = views.registry.device_by_id(&one.id);
        assert!(device.is_some(), "{} is no member on {node}", one.id);
        let credential = set.get(&one.credential).expect("its credential came");
        assert_eq!(views.authority.grant_counts(credential), Ok(()), "{} on {node}", one.id);
        assert!(views.registry.credential(&one.credential).is_some(), "{} on {node}", one.id);
    }
    let Ok(Answer::Devices(known)) = asked(lab, node, Request::Devices) else { panic!("no list") };
    let missing = crowd.iter().filter(|one| !known.iter().any(|line| line.name == one.id.name()));
    assert_eq!(missing.count(), 0, "the engine of {node} follows what a whole fold says");
}

/// Lets time pass until these hold the same, at most three minutes.
fn settle(lab: &mut Lab, nodes: &[usize]) {
    let held = |lab: &Lab, node: usize| -> BTreeSet<StatementId> {
        let logs = lab.disk(node).into_iter().filter(|held| !is_register(held.class));
        logs.map(|held| held.id()).collect()
    };
    for _ in 0..90 {
        lab.run(2_000);
        let first = held(lab, nodes[0]);
        if nodes.iter().all(|node| held(lab, *node) == first) {
            return;
        }
    }
    panic!("{nodes:?} do not come to hold the same");
}

/// A bench of four, with so many devices beside them that all four know.
fn crowded(count: usize) -> (Lab, Vec<Invited>) {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[]), Some(&[])]);
    let crowd = crowd(&lab, 0..count, 1);
    let papers: Vec<Held> = crowd.iter().flat_map(|one| one.papers.clone()).collect();
    papers.chunks(64).for_each(|some| lab.hand(1, 0, some));
    settle(&mut lab, &[0, 1, 2, 3]);
    for node in 0..4 {
        assert_eq!(lab.wrote(node, "enrol").len(), count + 4, "{node} heard of everybody");
    }
    (lab, crowd)
}

/// Goal: a fleet of 700 invited devices turns its epoch twice; nobody loses membership or a
/// credential, nothing is left unpinned; a device that slept through both catches up; a case made
/// then verifies by itself; who is invited then joins. Method: four engines on a bench, the others
/// by what they signed; every view against a whole fold.
#[test]
fn an_epoch_has_room_for_every_log() {
    let (mut lab, crowd) = crowded(700);
    lab.cut.insert(2);
    for (name, number) in [("bob", 2), ("carol", 3)] {
        let draft = turn(&mut lab, 0, name);
        let pins: usize = draft.parts.iter().map(|part| part.pins.len()).sum();
        assert!(draft.root.pins.is_empty() && draft.parts.len() > 1 && pins > 1_400, "{pins}");
        assert_eq!(draft.unpinned, 0);
        settle(&mut lab, &[0, 1, 3]);
        for node in [0, 1, 3] {
            assert_eq!(epoch(&mut lab, node), number, "{node}");
            assert_all_in(&mut lab, node, &crowd);
        }
        assert_eq!(epoch(&mut lab, 2), 1, "it sleeps");
    }
    lab.cut.remove(&2);
    settle(&mut lab, &[0, 1, 2, 3]);
    assert_eq!(epoch(&mut lab, 2), 3, "it catches up");
    assert_all_in(&mut lab, 2, &crowd);
    verifies(&mut lab, &crowd[5]);
    join(&mut lab);
}

/// Newcomers with nothing but their papers and the roots that an invite file holds: all of them, or
/// the founding alone, where the others have no room.
fn join(lab: &mut Lab) {
    let Ok(Answer::Roots(roots)) = asked(lab, 0, Request::Roots) else { panic!("no roots") };
    for (node, roots) in [(3, &roots[..]), (2, &roots[..2])] {
        let number = 9_000 + node;
        let newcomer = invited_later(lab, number);
        let read = |bytes: &Vec<u8>| {
            let read = belay_identity::Signed::<Statement>::parse(bytes).unwrap();
            Arc::new(read.verify(&lab.fleet.id).unwrap())
        };
        let roots: Vec<Held> = roots.iter().map(read).collect();
        let disk = [roots, newcomer.papers[..2].to_vec()].concat();
        lab.replace(node, &secret(0x22, number), newcomer.id.clone(), &disk);
        settle(lab, &[0, 1, node]);
        assert_eq!(epoch(lab, node), 3);
        for other in [0, 1, node] {
            let views = folded(lab, other).1;
            assert!(views.registry.device_by_id(&newcomer.id).is_some(), "let in on {other}");
        }
        assert!(lab.wrote(node, "enrol").len() > 700, "it heard of everybody");
    }
}

/// A device that the operator invites under the third epoch.
fn invited_later(lab: &Lab, number: usize) -> Invited {
    let operator = OperatorId::new(&lab.fleet.domain, "operator").unwrap();
    let key = SecretKey::from_seed(&lab.fleet.operator.seed());
    let drawn = u8::try_from(number % 256).unwrap();
    let mut office = Pen { drawn, ..Pen::of(lab, key, operator.into(), 3) };
    one_invited(lab, &mut office, number, 3)
}

/// The case of an order given now, from its file and the root's fingerprint alone.
fn verifies(lab: &mut Lab, one: &Invited) {
    let agent = AgentId::new(&lab.fleet.domain, "agent-5").unwrap();
    let order = lab.hold_of(Term::Agent(agent));
    lab.hand(1, 0, std::slice::from_ref(&order));
    lab.run(5_000);
    let case = Request::Case { order: order.id() };
    let Ok(Answer::Case(case)) = asked(lab, 0, case) else { panic!("no case") };
    let report = belay_crdt::case::verify(&case, Some(lab.fleet.id)).expect("it verifies");
    let mut branches = report.case.branches.iter();
    let found = branches.any(|branch| branch.device.as_ref() == Some(&one.id));
    assert!(found && report.holds(), "its device is found: {report:?}");
    let mut set = Set::new(lab.fleet.id);
    for bytes in belay_crdt::case::CaseFile::read(&case).expect("it reads").statements {
        let read = belay_identity::Signed::<Statement>::parse(&bytes).unwrap();
        set.insert(Arc::new(read.verify(&lab.fleet.id).unwrap()));
    }
    let views = Views::fold(&set);
    assert_eq!(views.authority.standing().map(|epoch| epoch.number), Some(3), "all three in it");
    let credential = set.get(&one.credential).expect("its credential is in it");
    assert_eq!(views.authority.grant_counts(credential), Ok(()));
    println!("case: {} bytes", case.len());
}

fn pins_credentials(held: &Held) -> bool {
    let Body::Pins(part) = &held.body else { return false };
    part.pins.first().is_some_and(|pin| pin.class == Class::Identity)
}

/// Goal: an epoch whose list has not come whole does not count, and what stood before stands; when
/// the missing part comes it counts. Method: every frame that carries the part of the credentials'
/// pins is lost.
#[test]
fn an_epoch_waits_for_the_whole_of_its_list() {
    let (mut lab, crowd) = crowded(400);
    lab.loses = |lab, sent| lab.statements(sent).iter().any(pins_credentials);
    turn(&mut lab, 0, "bob");
    lab.run(25_000);
    assert_eq!(epoch(&mut lab, 0), 2, "it stands where it was handed in");
    let disk = lab.disk(1);
    assert!(disk.iter().any(|held| matches!(&held.body, Body::Root(root) if root.number == 2)));
    assert!(
        disk.iter().any(|held| held.body.kind() == "pins") && !disk.iter().any(pins_credentials)
    );
    for node in [1, 2, 3] {
        assert_eq!(epoch(&mut lab, node), 1, "it does not count on {node}");
        assert_all_in(&mut lab, node, &crowd);
    }
    lab.loses = |_, _| false;
    settle(&mut lab, &[0, 1, 2, 3]);
    for node in 0..4 {
        assert_eq!(epoch(&mut lab, node), 2, "it counts on {node}");
        assert_all_in(&mut lab, node, &crowd);
    }
}

/// Goal: a list of pins that cannot count is refused at the door by name, and nothing is kept of
/// it. Method: parts out of order, one twice, one that is missing, one of something else, an empty
/// one, too many, a list in two places, and a part that an operator signs.
#[test]
fn a_bent_list_is_refused_by_name() {
    let (mut lab, _) = crowded(400);
    let draft = draw_up(&mut lab, 0, "bob");
    let [one, other, ..] = &draft.parts[..] else { panic!("one part") };
    let mut twice = other.clone();
    twice.pins[0] = one.pins[0].clone();
    let rest = || draft.parts[2..].to_vec();
    let bent: [(&str, Vec<Pins>); 4] = [
        ("part 2 of its pins is out of order", [vec![other.clone(), one.clone()], rest()].concat()),
        ("part 2 of its pins is out of order", [vec![one.clone(), twice], rest()].concat()),
        ("part 2 of its pins is out of order", vec![one.clone(), one.clone()]),
        ("lists no pins", vec![one.clone(), Pins { pins: Vec::new() }]),
    ];
    for (words, parts) in bent {
        let all = signed(&mut lab, 0, &draft, &parts);
        let no = submit(&mut lab, 0, all).expect_err(words);
        assert!(no.why.contains(words) && !no.hint.is_empty(), "{no:?}");
    }
    let mut missing = signed(&mut lab, 0, &draft, &draft.parts);
    missing.remove(1);
    let no = submit(&mut lab, 0, missing).expect_err("a part is missing");
    assert!(no.why.contains("part 2 of its pins") && no.why.contains("has not come"), "{no:?}");
    let mut both = draft.clone();
    both.root.pins.push(one.pins[0].clone());
    let all = signed(&mut lab, 0, &both, &draft.parts);
    let no = submit(&mut lab, 0, all).expect_err("two lists");
    assert!(no.why.contains("names parts of a list too"), "{no:?}");
    let many = vec![one.clone(); belay_crdt::limits::EPOCH_PARTS_MAX + 1];
    let all = signed(&mut lab, 0, &draft, &many);
    let no = submit(&mut lab, 0, all).expect_err("too many");
    assert!(no.why.contains("96 are the most"), "{no:?}");
    let stranger = lab.ordered(one.clone());
    let no = submit(&mut lab, 0, vec![(*stranger).clone()]).expect_err("by an operator");
    assert!(no.why.contains("a root's to sign"), "{no:?}");
    assert_eq!(lab.wrote(0, "pins").len(), 0, "nothing is kept");
    assert_eq!(epoch(&mut lab, 0), 1);
}
