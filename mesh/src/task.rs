//! The work of this device: what runs here, and what it was given for.
//!
//! A task is one award that this device executes. Its warden runs the tree only as far as it is
//! fed, and it is fed only as far as its leases reach: the device's own, and its delegator's. This
//! file keeps the table; `tend` feeds, `papers` draws up credentials, `offload` makes awards,
//! `stop` ends them.
//!
//! INV-TASK-1: a child never holds more than its parent (checked where delegations are made and
//! where they arrive).

use crate::author::Words;
use crate::engine::{Effect, Engine};
use crate::errand::Offers;
use crate::gate::{Act, Decision, GateTask};
use crate::input::{AskId, OnDisk, Run, TaskEvent};
use crate::lease::Lease;
use crate::limits::TASKS_MAX;
use crate::lineage::Lineage;
use crate::output::{Answer, Output, Refusal, RefusalKind, RunGrant};
use crate::papers::Papers;
use crate::tend::Tended;
use crate::time::BootTime;
use belay_identity::body::{Award, Cause, Made, OnSilence, Started, Wall};
use belay_identity::chain::Link;
use belay_identity::principal::{AgentId, ClassId, ProjectId, TrustDomain};
use belay_identity::{Chain, PublicKey, Scope, SecretKey, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that runs here, and what is being arranged.
#[derive(Default)]
pub(crate) struct Work {
    tasks: BTreeMap<StatementId, Task>,
    /// Those that may have changed since the gate's picture was made.
    touched: BTreeSet<StatementId>,
    pub(crate) tended: Option<Tended>,
    /// Awards of an earlier process whose end nobody has told yet.
    pub(crate) orphans: BTreeMap<StatementId, Orphan>,
    pub(crate) offers: Offers,
}

/// An award of an earlier process: how its main process ended by itself, if it did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Orphan {
    pub(crate) finished: bool,
    pub(crate) exit: Option<u64>,
    pub(crate) signal: Option<u64>,
}

/// One award that runs here.
pub(crate) struct Task {
    pub(crate) chain: Chain,
    pub(crate) credential: StatementId,
    pub(crate) secret: SecretKey,
    pub(crate) tree: StatementId,
    pub(crate) argv: Vec<String>,
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) delegator: Option<PublicKey>,
    pub(crate) lent: Option<Lent>,
    /// The place that was kept here for it; none for work that was not offered.
    pub(crate) place: Option<[u8; 16]>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) cargo: Option<crate::payload::Cargo>,
    pub(crate) phase: Phase,
    /// What its program's files hold now, as far as they were looked at.
    pub(crate) on_disk: OnDisk,
    pub(crate) lineage: Lineage,
    /// What stands around it.
    pub(crate) wall: Wall,
    pub(crate) ending: Option<(Cause, Option<StatementId>)>,
    pub(crate) paused: Option<StatementId>,
    pub(crate) made: Vec<Made>,
    /// Classes of data that it has met, as the releases name them.
    pub(crate) carried: Vec<String>,
    pub(crate) attempts: u64,
    pub(crate) effects: u64,
    pub(crate) exit: Option<u64>,
    pub(crate) signal: Option<u64>,
    pub(crate) fed: BootTime,
    pub(crate) feed_at: BootTime,
}

/// The task lease that a delegator gave.
pub(crate) struct Lent {
    pub(crate) asked: BootTime,
    pub(crate) lease_ms: u64,
    pub(crate) on_silence: OnSilence,
}

/// How far a task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its papers are being written.
    Arranged,
    /// Its payload is being fetched.
    Fetching,
    /// Its warden was told to start it.
    Starting,
    /// It runs.
    Running,
    /// It stands still.
    Frozen,
    /// It was told to end.
    Ending,
}

impl Phase {
    /// The word on a screen.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Phase::Arranged => "arranged",
            Phase::Fetching => "fetching",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Frozen => "frozen",
            Phase::Ending => "ending",
        }
    }
}

impl Work {
    pub(crate) fn task(&self, award: &StatementId) -> Option<&Task> {
        self.tasks.get(award)
    }

    pub(crate) fn task_mut(&mut self, award: &StatementId) -> Option<&mut Task> {
        self.touched.insert(*award);
        self.tasks.get_mut(award)
    }

    /// The same to feed it: how far it is fed is not in the gate's picture.
    pub(crate) fn task_to_feed(&mut self, award: &StatementId) -> Option<&mut Task> {
        self.tasks.get_mut(award)
    }

    pub(crate) fn take(&mut self, award: &StatementId) -> Option<Task> {
        self.touched.insert(*award);
        self.tasks.remove(award)
    }

    fn insert(&mut self, award: StatementId, task: Task) {
        self.touched.insert(award);
        self.tasks.insert(award, task);
    }

    /// The tasks that may have changed since this was asked last.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<StatementId> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn touched(&self) -> impl Iterator<Item = StatementId> {
        self.touched.iter().copied()
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = (&StatementId, &Task)> {
        self.tasks.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Awards whose task lease is drawn, and from whom.
    pub(crate) fn drawn(&self) -> Vec<(StatementId, PublicKey)> {
        let lent = self.tasks.iter().filter(|(_, task)| task.lent.is_some());
        lent.filter_map(|(award, task)| Some((*award, task.delegator?))).collect()
    }

    pub(crate) fn renewed(&mut self, award: &StatementId, asked: BootTime) {
        if let Some(lent) = self.task_mut(award).and_then(|task| task.lent.as_mut()) {
            lent.asked = lent.asked.max(asked);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<BootTime> {
        [self.next_feed(), self.offers.next_deadline()].into_iter().flatten().min()
    }

    /// When the first of those that go on is fed again, or looked at whether it still stands still.
    pub(crate) fn next_feed(&self) -> Option<BootTime> {
        self.tasks.values().filter(|task| task.goes_on()).map(|task| task.feed_at).min()
    }

    pub(crate) fn count(&mut self, act: &Act, decision: Decision) {
        let Some(task) = self.task_mut(&act.task) else { return };
        match decision {
            Decision::Permit => task.effects += 1,
            Decision::Ask | Decision::Deny => task.attempts += 1,
        }
    }

    /// Notes which classes of data a task has met by now.
    pub(crate) fn meet(&mut self, award: &StatementId, met: Vec<String>) {
        let news = self.task(award).is_some_and(|task| task.carried != met);
        if news && let Some(task) = self.task_mut(award) {
            task.carried = met;
        }
    }

    pub(crate) fn withdraw(&mut self, act: &Act) {
        let Some(task) = self.task_mut(&act.task) else { return };
        task.effects = task.effects.saturating_sub(1);
        task.attempts += 1;
    }
}

impl Task {
    /// How far its delegator lets it run.
    pub(crate) fn lent_lease(&self) -> Lease {
        match &self.lent {
            Some(lent) if lent.on_silence == OnSilence::End => {
                Lease::Until(lent.asked.plus_ms(lent.lease_ms))
            }
            Some(_) | None => Lease::Own,
        }
    }

    /// True for what was begun and not told to end, also while it stands still.
    pub(crate) fn goes_on(&self) -> bool {
        match self.phase {
            Phase::Starting | Phase::Running | Phase::Frozen => self.ending.is_none(),
            Phase::Arranged | Phase::Fetching | Phase::Ending => false,
        }
    }
}

impl Engine {
    /// Runs an agent on this device, for its owner.
    pub(crate) fn on_run(&mut self, ask: AskId, run: Run) {
        match self.arrange_run(&run) {
            Ok(grant) => self.once_written(Effect::Grant(ask, Box::new(grant))),
            Err(refusal) => {
                // A refused run has left a credential that an order may match and nothing runs
                // under.
                self.answer_orders();
                self.answer(ask, Err(refusal));
            }
        }
    }

    fn arrange_run(&mut self, run: &Run) -> Result<RunGrant, Refusal> {
        if self.work.len() >= TASKS_MAX {
            let why = format!("{TASKS_MAX} tasks run here already");
            return Err(Refusal::new(RefusalKind::Failed, why, "wait until one ends, or stop one"));
        }
        self.has_share_for_work()?;
        self.check_named(run)?;
        // The gate first: a refused run leaves no credential that somebody would have to answer
        // for.
        let link = self.root_link(run)?;
        let act = Act {
            task: StatementId([0; 32]),
            action: "work.run".into(),
            target: run.argv.first().cloned().unwrap_or_default(),
            args: crate::gate::command_of(&run.argv),
        };
        let lineage = self.begin_lineage(&link);
        let chain = self.promised(&link);
        let own = GateTask { lineage, wall: run.wall, ..self.own_act(&chain) };
        self.ask_gate_as(own, &act)?;
        let papers = self.mint(Chain::default(), link, None, Vec::new())?;
        let credential = papers.credential;
        let lifts = self.lifts_of(&papers.chain);
        let lease_ms = self.autonomy().map_or(0, |a| a.unsealed_run_ms);
        let executor = self.own_id().ok_or_else(not_enrolled)?;
        let award = Award {
            credential,
            delegation: None,
            executor,
            fence: 1,
            argv: crate::arriving::argv_hash(&run.argv),
            on_silence: OnSilence::RunToDeadline,
            lease_ms,
            deadline_ms: None,
            payload: None,
        };
        let words = Words::new(Scope::Tree(papers.tree), award).answering(lifts);
        let award = self.say(words).ok_or_else(not_enrolled)?;
        let mut task = Task::new(papers, run.argv.clone(), Phase::Arranged);
        task.lineage = lineage;
        task.wall = run.wall;
        self.work.insert(award, task);
        let until = self.feed_until(&award).unwrap_or(self.now.boot);
        let lapse_grace_ms = self.lapse_grace_ms();
        Ok(RunGrant { award, credential, until, lapse_grace_ms })
    }

    /// The last look before a run leaves: one ended while its papers were written is answered for.
    pub(crate) fn hand_over(&mut self, ask: AskId, mut grant: RunGrant) {
        self.sweep_task(grant.award);
        let until = self.feed_until(&grant.award);
        let Some(task) = self.work.task_mut(&grant.award) else {
            let why = "an order came while this run was being written down";
            let hint = "`belay status` lists the orders that stand";
            return self.answer(ask, Err(Refusal::new(RefusalKind::Denied, why, hint)));
        };
        task.phase = Phase::Starting;
        grant.until = until.unwrap_or(self.now.boot);
        self.answer(ask, Ok(Answer::Run(grant)));
    }

    /// A run names only what every release that judges names.
    fn check_named(&self, run: &Run) -> Result<(), Refusal> {
        for policy in self.policies().into_iter().flatten().map(|body| &body.policy) {
            let named = [
                ("project", &run.project, &policy.projects),
                ("class", &run.class, &policy.classes),
            ];
            if let Some((what, name, all)) =
                named.into_iter().find(|(_, name, all)| !all.contains(name))
            {
                let why = format!("the release names no {what} “{name}”");
                let hint = format!("it names {}", all.join(", "));
                return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
            }
        }
        Ok(())
    }

    /// The first link of a tree: an agent of this device's owner.
    pub(crate) fn root_link(&self, run: &Run) -> Result<Link, Refusal> {
        let domain = self.domain().ok_or_else(not_enrolled)?;
        let device = self.known.registry.device_by_key(&self.key).ok_or_else(not_enrolled)?;
        let bad = |error: belay_identity::principal::NameError| {
            Refusal::new(RefusalKind::WrongUse, error.to_string(), "choose another with --name")
        };
        Ok(Link {
            agent: AgentId::new(&domain, &run.agent).map_err(bad)?,
            user: device.owner.clone(),
            project: ProjectId::new(&domain, &run.project).map_err(bad)?,
            class: ClassId::new(&domain, &run.class).map_err(bad)?,
            manifest: Some(run.program.file),
            run_by: run.program.run_by.clone(),
            device: device.id.clone(),
            generations: None,
            epoch: None,
        })
    }

    /// Enters an award into the table; it starts once everything about it is on disk.
    pub(crate) fn enter(&mut self, award: StatementId, task: Task) {
        self.work.insert(award, task);
        self.once_written(Effect::Start(award));
        // A cancel may have come before its award, an order while the place was kept.
        self.sweep_task(award);
    }

    /// Starts a warden, unless an order or cancel came while the papers were written, or the lease
    /// ended: after that the work may have been given to somebody else.
    pub(crate) fn start(&mut self, award: StatementId) {
        let Some(until) = self.feed_until(&award) else { return };
        let lapse_grace_ms = self.lapse_grace_ms();
        let lapsed = !self.work_is_observed() && !self.run_lease().holds(self.now.boot);
        let Some(task) = self.work.task_mut(&award) else { return };
        if task.ending.is_some() {
            return;
        }
        if until <= self.now.boot {
            let cause = if lapsed { Cause::Lapse } else { Cause::Silence };
            return self.end_task(award, cause, None);
        }
        // INV-TASK-2
        assert!(
            task.delegator.is_none() || task.place.is_some(),
            "INV-TASK-2: an award starts only in a place that this process kept for it"
        );
        if self.awaits_payload(award) {
            return;
        }
        let Some(task) = self.work.task_mut(&award) else { return };
        task.phase = Phase::Starting;
        let argv = task.argv.clone();
        let acting = task.chain.acting();
        let agent = acting.map(|link| link.agent.name().to_owned()).unwrap_or_default();
        let program = acting.map(Link::program).unwrap_or_default();
        self.out(Output::Start { award, argv, agent, program, until, lapse_grace_ms });
    }

    pub(crate) fn on_task(&mut self, award: StatementId, event: TaskEvent) {
        if self.work.orphans.contains_key(&award) {
            return self.on_orphan(award, event);
        }
        let Some(task) = self.work.task_mut(&award) else { return };
        match event {
            TaskEvent::Started => self.on_started(award),
            TaskEvent::Frozen if task.ending.is_none() => task.phase = Phase::Frozen,
            TaskEvent::Thawed if task.ending.is_none() => task.phase = Phase::Running,
            TaskEvent::Frozen | TaskEvent::Thawed => {}
            TaskEvent::Looked(on_disk) => self.on_looked(award, on_disk),
            TaskEvent::Exited { code, signal } => (task.exit, task.signal) = (code, signal),
            TaskEvent::Empty { .. }
            | TaskEvent::NotStarted { .. }
            | TaskEvent::NotProven { .. }
            | TaskEvent::Rebooted => self.on_end(award, event),
        }
    }

    fn on_started(&mut self, award: StatementId) {
        let Some(task) = self.work.task_mut(&award) else { return };
        if task.phase == Phase::Starting {
            task.phase = Phase::Running;
        }
        let (credential, tree, delegator) = (task.credential, task.tree, task.delegator);
        let words = Words::new(Scope::Tree(tree), Started { award, credential });
        if let Some(id) = self.say(words) {
            self.push_once_written(delegator, id);
        }
    }

    /// Sends statements whole to one device as soon as they are on disk, before anybody hears of
    /// them by id.
    pub(crate) fn push_first(&mut self, to: PublicKey, ids: Vec<StatementId>) {
        self.first_once_written(Effect::Push(to, ids));
    }

    /// Sends a statement whole to one device as soon as it is on disk.
    pub(crate) fn push_once_written(&mut self, to: Option<PublicKey>, id: StatementId) {
        if let Some(link) = to {
            self.once_written(Effect::Push(link, vec![id]));
        }
    }

    pub(crate) fn lapse_grace_ms(&self) -> u64 {
        self.autonomy().map_or(0, |autonomy| autonomy.lapse_grace_ms)
    }

    /// The wall time for what this device dates.
    pub(crate) fn wall_now_ms(&self) -> u64 {
        self.interval().map_or(self.now.wall_ms, |interval| interval.late_ms)
    }

    pub(crate) fn domain(&self) -> Option<TrustDomain> {
        self.known.authority.standing().map(|epoch| epoch.root.domain.clone())
    }
}

impl Task {
    pub(crate) fn new(papers: Papers, argv: Vec<String>, phase: Phase) -> Self {
        Self {
            chain: papers.chain,
            credential: papers.credential,
            secret: papers.secret,
            tree: papers.tree,
            argv,
            tools: None,
            delegator: None,
            lent: None,
            place: None,
            deadline_ms: None,
            cargo: None,
            phase,
            on_disk: OnDisk::AsStarted,
            lineage: Lineage::Unbroken,
            wall: Wall::None,
            ending: None,
            paused: None,
            made: Vec::new(),
            carried: Vec::new(),
            attempts: 0,
            effects: 0,
            exit: None,
            signal: None,
            fed: BootTime(0),
            feed_at: BootTime(0),
        }
    }
}

/// This device is nobody yet.
pub(crate) fn not_enrolled() -> Refusal {
    let why = "this device is not enrolled in the fleet";
    Refusal::new(RefusalKind::NotEnrolled, why, "join with `belay up --join FILE`")
}
