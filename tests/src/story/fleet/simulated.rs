//! A story's fleet in virtual time: the real engine in a pretend world, every checker looking on.
//!
//! Refused here: an answer of its own. What is asked goes to a host's door, what is seen of work
//! comes from the world.

mod authors;
mod census;

use super::{
    Agent, Branch, DEVICES, DeviceSeen, FOUNDER, Fleet, Heard, LAPTOP, Order, Program, Progress,
    RULES, Refused, SETTINGS, Signers, Status, Task, Tells, Verdict, level_name,
};
use belay_crdt::case::{self, BranchState};
use belay_identity::body::{
    Approve, Hold, Lift, OnSilence, Policy, Reason, Release, ReleaseVersion, Restore, Revoke, Role,
    Subject, Term, Wall,
};
use belay_identity::chain;
use belay_identity::key::{hex, unhex};
use belay_identity::principal::{AgentId, ClassId, OperatorId, ProjectId, UserId};
use belay_identity::{Body, SecretKey, StatementId};
use belay_mesh::Request;
use belay_mesh::epoch::Change;
use belay_mesh::gate::Act;
use belay_mesh::input::{AnswerAt, Offload, Run};
use belay_mesh::output::{Answer, RefusalKind};
use belay_mesh::status::LeaseReach;
use belay_mesh::why::{Why, WhyOf};
use belay_node::policy_folder::Source;
use belay_simulator::{NoAnswer, Plan, Planted, Report, Stage, Ticket};
use std::collections::BTreeMap;
use std::time::Duration;

const PLAN: &str = include_str!("plan.toml");

/// How often a story looks.
const TICK: Duration = Duration::from_millis(20);

/// The user who owns every simulated device.
const USER: &str = "user";

/// A fleet in a world of its own.
pub struct Simulated {
    stage: Stage,
    works: BTreeMap<Task, Work>,
    orders: Vec<(StatementId, Order)>,
    restores: Vec<(StatementId, String)>,
    /// Whether the agent outside runs.
    outside: bool,
    /// The seeds of the keys of operators that the story has named.
    authors: BTreeMap<String, [u8; 32]>,
}

/// How far one task of a path has come.
enum Work {
    /// Its giver, or its user, has asked for it.
    Asked(Ticket),
    /// Its giver is not there yet.
    Waiting,
    /// It was awarded.
    Awarded(StatementId),
    /// It will not run.
    Refused(Refused),
}

impl Simulated {
    /// A fleet that the laptop has founded, by a seed.
    pub fn found(seed: u64) -> Self {
        Self::found_with(seed, None)
    }

    /// The same with a planted defect on every device.
    pub fn found_with(seed: u64, planted: Option<Planted>) -> Self {
        let plan = Plan::read(PLAN, None).unwrap_or_else(|error| panic!("the plan: {error}"));
        let stage = Stage::set(&plan, &source(RULES).policy, &DEVICES, seed, planted);
        let stage = stage.unwrap_or_else(|error| panic!("the names: {error}"));
        let (works, authors) = (BTreeMap::new(), BTreeMap::new());
        let (orders, restores) = (Vec::new(), Vec::new());
        Self { stage, works, orders, restores, outside: false, authors }
    }

    /// Lets the world come to rest; what its checkers have found.
    pub fn end(self) -> Report {
        self.stage.end()
    }

    fn asked(&mut self, device: &str, request: Request) -> Answer {
        let answer = self.stage.ask(node(device), request);
        answer.unwrap_or_else(|no| panic!("{device} does not answer: {no}"))
    }

    fn award(&self, task: &Task) -> Option<StatementId> {
        match self.works.get(task)? {
            Work::Awarded(award) => Some(*award),
            Work::Asked(_) | Work::Waiting | Work::Refused(_) => None,
        }
    }

    fn start(&mut self, task: &Task, agent: &Agent) -> Work {
        let manifest = self.manifest(agent.program);
        let run = Run {
            agent: agent.name.clone(),
            project: agent.project.clone(),
            class: agent.class.clone(),
            argv: vec!["work".into()],
            program: chain::Program::of(hash(&manifest)),
            wall: Wall::None,
        };
        Work::Asked(self.stage.put(node(&task.device), Request::Run(run)))
    }

    /// A task that acts hands work on, as the script of a real one does when it begins.
    fn hand_on(&mut self, giver: &Task, award: StatementId, to: &Task) -> Work {
        if !self.stage.lives(&award) {
            let why = "its giver has ended".into();
            return if self.stage.ended(&award) {
                Work::Refused(Refused { denied: false, why })
            } else {
                Work::Waiting
            };
        }
        let offload = Offload {
            parent: Some(award),
            device: Some(self.stage.device(node(&to.device)).clone()),
            needs: Vec::new(),
            agent: to.agent.clone(),
            argv: vec!["work".into()],
            tools: Vec::new(),
            on_silence: OnSilence::End,
            payload: None,
            answer: AnswerAt::Start,
        };
        Work::Asked(self.stage.put(node(&giver.device), Request::Offload(offload)))
    }

    /// Brings every path on by what was answered meanwhile.
    fn go_on(&mut self) {
        let tasks: Vec<Task> = self.works.keys().cloned().collect();
        for task in tasks {
            let next = match self.works.get(&task) {
                Some(Work::Asked(ticket)) => self.stage.heard(*ticket).map(read),
                Some(Work::Waiting) => self.given(&task),
                Some(Work::Awarded(_) | Work::Refused(_)) | None => None,
            };
            if let Some(next) = next {
                self.works.insert(task, next);
            }
        }
    }

    /// What becomes of a task whose giver was not there yet.
    fn given(&mut self, task: &Task) -> Option<Work> {
        let giver = self.works.keys().find(|giver| giver.number + 1 == task.number)?.clone();
        match self.works.get(&giver)? {
            Work::Awarded(award) => {
                let award = *award;
                Some(self.hand_on(&giver, award, task))
            }
            Work::Refused(refused) => Some(Work::Refused(refused.clone())),
            Work::Asked(_) | Work::Waiting => None,
        }
    }

    /// What an order says, from a device.
    fn words_of(&mut self, at: &str, order: &Order) -> (Body, Vec<StatementId>) {
        let subject = self.subject(order.subject());
        let Answer::Standing(standing) = self.asked(at, Request::Standing { subject }) else {
            panic!("{at} answers something else than what stands")
        };
        let wall_ms = self.stage.wall_ms();
        let (subject, reason) = (self.subject(order.subject()), Reason("story".into()));
        let home = self.stage.device(node(at)).clone();
        match order {
            Order::Stop(_) => {
                let (until_ms, pause) = (None, None);
                let hold = Hold { subject, home, reason, until_ms, pause };
                (Body::Hold(hold), standing.hold_refs)
            }
            Order::For(_, secs) => {
                let (until_ms, pause) = (Some(wall_ms + secs * 1000), None);
                let hold = Hold { subject, home, reason, until_ms, pause };
                (Body::Hold(hold), standing.hold_refs)
            }
            Order::Revoke(words) => {
                (Body::Revoke(Revoke { subject, home, reason }), self.restores_of(words))
            }
        }
    }

    fn operator(&self, name: &str) -> OperatorId {
        let id = OperatorId::new(self.stage.domain(), name);
        id.unwrap_or_else(|error| panic!("“{name}”: {error}"))
    }

    /// The key of the operator who sits at this device.
    fn key_at(&self, device: &str) -> SecretKey {
        let founder = || self.stage.operator().seed();
        SecretKey::from_seed(&if device == LAPTOP { *founder() } else { seed_at(device) })
    }

    /// The root founds the next epoch with one change, at the laptop.
    fn found_next(&mut self, change: Change) -> Result<(), Refused> {
        let (at, change) = (node(LAPTOP), Box::new(change));
        let Answer::NextEpoch(draft) =
            self.stage.ask(at, Request::NextEpoch { change }).map_err(refused)?
        else {
            panic!("{LAPTOP} answers something else than an epoch")
        };
        let key = SecretKey::from_seed(&self.stage.root().seed());
        let (root, refs) = (Body::Root(draft.root), vec![draft.parent]);
        let of = self.stage.say_as(at, &key, root, refs, Vec::new()).map_err(refused)?;
        let yes = Body::from(Approve { of });
        let said = self.stage.say_as(at, &key, yes, Vec::new(), Vec::new());
        said.map(|_| ()).map_err(refused)
    }

    /// What a new revoke must name to cut the generation that is in use.
    fn restores_of(&self, subject: &str) -> Vec<StatementId> {
        self.restores.iter().filter(|(_, of)| of == subject).map(|(id, _)| *id).collect()
    }

    fn subject(&self, words: &str) -> Subject {
        let terms = words.split(" and ").map(|word| self.term(word)).collect();
        Subject::new(terms).unwrap_or_else(|error| panic!("“{words}”: {error}"))
    }

    fn term(&self, word: &str) -> Term {
        let domain = self.stage.domain();
        let (kind, name) = word.split_once(':').unwrap_or_default();
        let term = match kind {
            "agent" => AgentId::new(domain, name).map(Term::Agent),
            "user" => UserId::new(domain, name).map(Term::User),
            "project" => ProjectId::new(domain, name).map(Term::Project),
            "class" => ClassId::new(domain, name).map(Term::Class),
            "device" => Ok(Term::Device(self.stage.device(node(name)).clone())),
            "operator" => Ok(Term::Operator(self.operator(name))),
            "manifest" => Ok(Term::Manifest(hash(name))),
            _ => panic!("“{word}” is no subject"),
        };
        term.unwrap_or_else(|error| panic!("“{word}”: {error}"))
    }
}

impl Fleet for Simulated {
    fn now(&self) -> Duration {
        self.stage.now()
    }

    fn tick(&mut self) {
        self.stage.pass(TICK);
        self.go_on();
    }

    fn blur(&self) -> Duration {
        // A bound is exact to one event, rounded up.
        Duration::from_millis(1)
    }

    fn join(&mut self, device: &str) {
        self.stage.restart(node(device));
    }

    fn begin(&mut self, agent: &Agent, path: &[&str]) -> Vec<Task> {
        let first = self.works.len();
        let task = |(level, device): (usize, &&str)| {
            let agent = level_name(&agent.name, level);
            Task { agent, device: (*device).to_owned(), number: first + level }
        };
        let tasks: Vec<Task> = path.iter().enumerate().map(task).collect();
        for task in &tasks {
            let begins = task.number == first;
            let work = if begins { self.start(task, agent) } else { Work::Waiting };
            // A number is never used twice, so that a giver is found by it; a path's first task
            // waits for nobody.
            self.works.insert(task.clone(), work);
        }
        tasks
    }

    fn begun(&mut self, tasks: &[Task]) -> Option<Result<(), Refused>> {
        self.go_on();
        let works = || tasks.iter().filter_map(|task| self.works.get(task));
        let refused = works().find_map(|work| match work {
            Work::Refused(refused) => Some(refused.clone()),
            Work::Asked(_) | Work::Waiting | Work::Awarded(_) => None,
        });
        let all = works().all(|work| matches!(work, Work::Awarded(_)));
        refused.map(Err).or(all.then_some(Ok(())))
    }

    fn order(&mut self, at: &str, order: &Order) -> Result<String, Refused> {
        let (body, refs) = self.words_of(at, order);
        let said = self.stage.say(node(at), body, refs, Vec::new()).map_err(refused)?;
        self.orders.push((said, order.clone()));
        Ok(said.to_hex())
    }

    fn resume(&mut self, at: &str, subject: &str) -> Result<(), Refused> {
        let of = |wanted: fn(&Order) -> bool| -> Vec<StatementId> {
            let named = self.orders.iter().filter(|(_, one)| wanted(one));
            named.filter(|(_, one)| one.subject() == subject).map(|(id, _)| *id).collect()
        };
        let reason = || Reason("story".into());
        let holds = of(|one| matches!(one, Order::Stop(_)));
        let revokes = of(|one| matches!(one, Order::Revoke(_)));
        if !holds.is_empty() {
            let lift = Body::Lift(Lift { reason: reason() });
            self.stage.say(node(at), lift, holds, Vec::new()).map_err(refused)?;
        }
        if !revokes.is_empty() {
            let subject_said = self.subject(subject);
            let restore = Body::Restore(Restore { subject: subject_said, reason: reason() });
            let said = self.stage.say(node(at), restore, revokes, Vec::new()).map_err(refused)?;
            self.restores.push((said, subject.to_owned()));
        }
        Ok(())
    }

    fn publish_for(&mut self, at: &str, rules: &str, programs: &str) -> Result<String, Refused> {
        let source = source_for(rules, programs);
        let Answer::Status(status) = self.asked(at, Request::Status) else {
            panic!("{at} answers something else than its status")
        };
        let newest = status.releases.iter().map(|line| line.version.clone()).max();
        let newest = newest.unwrap_or_else(|| panic!("{at} knows no release"));
        let version = ReleaseVersion { number: newest.number + 1, ..newest };
        let body = source.policy.to_bytes();
        let beacons = status.devices.iter().filter(|line| line.beacon);
        let header = Release {
            version: version.clone(),
            ring: "default".into(),
            body: Policy::hash(&body),
            beacons: beacons.map(|line| line.key).collect(),
            quorum: 1,
            liars: 0,
            autonomy: source.autonomy,
            adopt_by_ms: self.stage.wall_ms(),
            language: 1,
            drafts: Vec::new(),
            gateways: Vec::new(),
            profiles: Vec::new(),
            reason: None,
        };
        let (at, header) = (node(at), Body::Release(header));
        let of = self.stage.say(at, header, Vec::new(), vec![body]).map_err(refused)?;
        let yes = Body::from(Approve { of });
        self.stage.say(at, yes, Vec::new(), Vec::new()).map_err(refused)?;
        Ok(format!("{}.{}", version.epoch, version.number))
    }

    fn name_operator(&mut self, name: &str, at: &str, roles: &[Role]) -> Result<(), Refused> {
        let (id, key) = (self.operator(name), SecretKey::from_seed(&seed_at(at)).public());
        self.found_next(Change::AddOperator { id, key, roles: roles.to_vec() })
    }

    fn another_epoch(&mut self) -> Result<(), Refused> {
        let id = self.operator(FOUNDER);
        self.found_next(Change::SetRoles { id, roles: Role::OFFICES.to_vec() })
    }

    fn remove_operator(&mut self, name: &str) -> Result<(), Refused> {
        let id = self.operator(name);
        self.found_next(Change::RemoveOperator { id, cause: None })
    }

    fn order_by(&mut self, at: &str, order: &Order) -> Result<String, Refused> {
        let (body, refs) = self.words_of(at, order);
        let key = self.key_at(at);
        let said = self.stage.say_as(node(at), &key, body, refs, Vec::new());
        said.map(|id| id.to_hex()).map_err(refused)
    }

    fn answer_by(&mut self, at: &str, subject: &str, order: &str) -> Result<String, Refused> {
        let (subject, reason) = (self.subject(subject), Reason("story".into()));
        let body = Body::Restore(Restore { subject, reason });
        let answers = vec![StatementId(hash(order))];
        let key = self.key_at(at);
        let said = self.stage.say_as(node(at), &key, body, answers, Vec::new());
        said.map(|id| id.to_hex()).map_err(refused)
    }

    fn approve_by(&mut self, at: &str, id: &str) -> Result<(), Refused> {
        let yes = Body::from(Approve { of: StatementId(hash(id)) });
        let key = self.key_at(at);
        let said = self.stage.say_as(node(at), &key, yes, Vec::new(), Vec::new());
        said.map(|_| ()).map_err(refused)
    }

    fn waiting(&mut self, at: &str) -> Vec<String> {
        match self.asked(at, Request::Waiting { id: None }) {
            Answer::Waiting(all) => all.iter().map(|waiting| waiting.id.to_hex()).collect(),
            other => panic!("{at} answers something else than what waits: {other:?}"),
        }
    }

    fn signers(&mut self, at: &str, order: &str) -> Signers {
        let of = WhyOf::Id(order.to_owned());
        let Answer::Why(Why::Order(why)) = self.asked(at, Request::Why { of, asker: None }) else {
            panic!("{at} answers something else than why {order} stands")
        };
        let name = |who: &String| {
            let name = who.rsplit('/').next().unwrap_or_default();
            format!("operator:{name}")
        };
        let answered_by = why.answered_by.iter().map(name).collect();
        Signers { author: name(&why.order.author), answered_by }
    }

    fn runs_outside(&mut self, runs: bool) {
        self.outside = runs;
    }

    fn looks(&mut self, device: &str, tells: Tells) {
        self.stage.look(node(device), census::found(tells, self.outside));
    }

    fn who_is_here(&mut self, at: &str) -> Vec<Heard> {
        let Answer::Devices(reports) = self.asked(at, Request::Devices) else {
            panic!("{at} answers something else than its devices")
        };
        reports.iter().map(census::heard).collect()
    }

    fn cut(&mut self, device: &str) {
        self.stage.cut(node(device));
    }

    fn heal(&mut self, device: &str) {
        self.stage.heal(node(device));
    }

    fn kill(&mut self, device: &str) {
        self.stage.crash(node(device));
    }

    fn restart(&mut self, device: &str) {
        self.stage.restart(node(device));
    }

    fn status(&mut self, device: &str) -> Status {
        let Answer::Status(status) = self.asked(device, Request::Status) else {
            panic!("{device} answers something else than its status")
        };
        let seen = |line: &belay_mesh::status::DeviceLine| DeviceSeen {
            name: line.name.clone(),
            linked: line.linked,
            cut: line.cut,
        };
        let version = |line: &belay_mesh::status::ReleaseLine| {
            (format!("{}.{}", line.version.epoch, line.version.number), line.whole)
        };
        let orders = status.orders.iter();
        Status {
            epoch: status.epoch,
            fleet: status.fleet,
            devices: status.devices.iter().map(seen).collect(),
            releases: status.releases.iter().map(version).collect(),
            orders: orders.map(|line| (line.id.to_hex(), line.subject.clone())).collect(),
            leased: status.run != LeaseReach::Lapsed,
        }
    }

    fn last_act(&self, task: &Task) -> Option<Duration> {
        self.stage.last_act(&self.award(task)?)
    }

    fn lives(&self, task: &Task) -> bool {
        self.award(task).is_some_and(|award| self.stage.lives(&award))
    }

    fn ask(&mut self, task: &Task, action: &str, target: &str) -> Option<Verdict> {
        let award = self.award(task)?;
        let (action, target) = (action.to_owned(), target.to_owned());
        let act = Act { task: award, action, target, args: Vec::new() };
        match self.stage.ask(node(&task.device), Request::Act(act)) {
            Ok(Answer::Verdict(verdict)) => Some(Verdict {
                decision: verdict.decision.as_str().to_owned(),
                rule: verdict.rule,
                release: verdict.release.map(|v| format!("{}.{}", v.epoch, v.number)),
                why: verdict.why,
            }),
            Ok(_) | Err(_) => None,
        }
    }

    fn progress(&mut self, at: &str, order: &str) -> Progress {
        let order = StatementId(hash(order));
        let Answer::Progress(progress) = self.asked(at, Request::Progress { order }) else {
            panic!("{at} answers something else than how far {order} has come")
        };
        let mut branches: Vec<Branch> = progress.case.branches.iter().map(branch).collect();
        branches.sort();
        Progress {
            complete: progress.case.reads_complete(),
            proven: progress.case.reads_proven(),
            in_force: progress.in_force_ms.is_some(),
            bound: progress.bound_ms.map(Duration::from_millis),
            branches,
        }
    }

    fn case(&mut self, at: &str, order: &str) -> Vec<u8> {
        let order = StatementId(hash(order));
        match self.asked(at, Request::Case { order }) {
            Answer::Case(bytes) => bytes,
            other => panic!("{at} answers something else than a case: {other:?}"),
        }
    }

    fn user(&self) -> String {
        USER.to_owned()
    }

    fn manifest(&self, program: Program) -> String {
        // What every simulated device finds when it looks a program up, and something else.
        hex(&match program {
            Program::Usual => [7; 32],
            Program::Other => [9; 32],
        })
    }
}

/// The stories' settings with these rules.
fn source(rules: &str) -> Source {
    source_for(rules, "")
}

fn source_for(rules: &str, programs: &str) -> Source {
    let settings = format!("{SETTINGS}\n{programs}");
    let source = Source::read_texts("the stories' policy", rules, &settings);
    source.unwrap_or_else(|fault| panic!("{fault:?}"))
}

/// What an answer to a run or an offload makes of a task.
fn read(answer: Result<Answer, NoAnswer>) -> Work {
    match answer {
        Ok(Answer::Run(grant)) => Work::Awarded(grant.award),
        Ok(Answer::Offloaded(offloaded)) => Work::Awarded(offloaded.award),
        Ok(other) => panic!("work is answered by {other:?}"),
        Err(no) => Work::Refused(refused(no)),
    }
}

fn refused(no: NoAnswer) -> Refused {
    let denied = matches!(&no, NoAnswer::Refused(no) if no.kind == RefusalKind::Denied);
    Refused { denied, why: no.to_string() }
}

fn branch(branch: &case::Branch) -> Branch {
    let (state, facts) = match &branch.state {
        BranchState::Proven(facts) | BranchState::Unproven(facts) => {
            (facts.outcome.as_str(), Some(facts))
        }
        BranchState::Refused => ("refused", None),
        BranchState::Missing(_) => ("missing", None),
    };
    Branch {
        agent: branch.agent.as_ref().map_or("-", |agent| agent.name()).to_owned(),
        device: branch.device.as_ref().map_or("", |device| device.name()).to_owned(),
        state: state.to_owned(),
        cause: facts.map(|facts| facts.cause.as_str().to_owned()),
        proven: matches!(branch.state, BranchState::Proven(_) | BranchState::Refused),
    }
}

/// The seed of the key of an operator who sits at this device.
fn seed_at(device: &str) -> [u8; 32] {
    let number = u8::try_from(node(device)).unwrap_or_else(|error| panic!("{device}: {error}"));
    [0xb0 + number; 32]
}

/// The place of a device in the world.
fn node(device: &str) -> usize {
    let place = DEVICES.iter().position(|known| *known == device);
    place.unwrap_or_else(|| panic!("no story knows a device {device}"))
}

fn hash(hex: &str) -> [u8; 32] {
    let bytes = unhex(hex).and_then(|bytes| bytes.try_into().ok());
    bytes.unwrap_or_else(|| panic!("“{hex}” is no hash"))
}
