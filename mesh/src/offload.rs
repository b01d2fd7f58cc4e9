//! Work given away: who gives it, on what terms, and the award. `errand` finds somebody for it,
//! `arriving` is the other side.
//!
//! Nothing is signed before somebody has room: an offer carries the terms, and only with the award
//! the credential, the delegation and the award are written together and leave together. So a
//! start costs one write on each side, and whoever merely bid holds nothing. Each side asks its own
//! gate; the giver asks twice, and what it recorded is the answer that came with the grant.
//!
//! Refused here: signing more than the giver holds (INV-TASK-1), and awarding what was stopped
//! since the offer.

use crate::arriving::{argv_hash, check_words};
use crate::author::Words;
use crate::engine::Engine;
use crate::errand::{Errand, Given, Giver, Heard, Holding};
use crate::gate::{Act, Decision, GateTask, Origin, Verb, Verdict};
use crate::input::{AskId, Offload, OnDisk, Run};
use crate::lease::Lease;
use crate::limits::{
    CARRIED_KEPT, DELEGATION_BUDGET, DELEGATION_DEPTH, DELEGATION_MS, ERRANDS_MAX, MADE_MAX,
    OFFER_ANSWER_MS,
};
use crate::lineage::Lineage;
use crate::output::{How, Refusal, RefusalKind};
use crate::papers::Papers;
use crate::payload::{check_payload, fetching_ms};
use crate::task::Task;
use crate::time::{BootTime, with_drift};
use belay_identity::body::{Award, Body, Delegation, Made, OnSilence, Wall};
use belay_identity::chain::{Link, Program, check_narrows, covers};
use belay_identity::lease::Terms;
use belay_identity::principal::{AgentId, DeviceId, Principal};
use belay_identity::{Chain, PublicKey, Scope, SecretKey, StatementId};

impl Engine {
    /// Somebody here gives work away.
    pub(crate) fn on_offload(&mut self, ask: AskId, want: Offload) {
        match self.arrange_offload(ask, want) {
            Ok(errand) => self.go_on(errand),
            Err(refusal) => self.answer(ask, Err(refusal)),
        }
    }

    fn arrange_offload(&mut self, ask: AskId, want: Offload) -> Result<u64, Refusal> {
        if self.work.offers.waiting() >= ERRANDS_MAX {
            let why = format!("{ERRANDS_MAX} pieces of work wait here to be begun already");
            return Err(Refusal::new(RefusalKind::Failed, why, "wait until one is taken"));
        }
        check_words(&want.argv, &want.tools, &want.needs).map_err(|why| {
            let hint = "hand long arguments over in a file";
            Refusal::new(RefusalKind::WrongUse, why, hint)
        })?;
        check_payload(want.payload.as_ref()).map_err(|why| {
            Refusal::new(RefusalKind::WrongUse, why, "send a smaller file, or rename it")
        })?;
        self.has_share_for_work()?;
        let giver = self.giver(&want)?;
        let terms = self.terms(&giver, &want)?;
        let mut errand = Errand::new(ask, want, giver, terms);
        match errand.want.device.clone() {
            Some(device) => errand.queue.push_back(device),
            None => {
                match self.has_no_room(&errand.want.needs) {
                    None => errand.queue.extend(self.own_id()),
                    Some(why) => errand.note(self.own_name(), RefusalKind::Denied, why),
                }
                let others = self.candidates(&errand.want.needs);
                errand.queue.extend(others);
            }
        }
        Ok(self.work.offers.begin(errand))
    }

    pub(crate) fn own_name(&self) -> String {
        self.own_id().map(|id| id.name().to_owned()).unwrap_or_default()
    }

    fn giver(&mut self, want: &Offload) -> Result<Giver, Refusal> {
        let Some(award) = want.parent else {
            let link = self.root_link(&root_run(want))?;
            let draft = self.draft(Chain::default(), link, None)?;
            return Ok(Giver {
                task: None,
                holding: Holding::Drafted(Box::new(draft)),
                above: None,
            });
        };
        let gone = || {
            let why = "the task that gives this work has ended";
            Refusal::new(RefusalKind::Denied, why, "nothing to do: it was stopped or is done")
        };
        let task = self.work.task(&award).filter(|t| t.ending.is_none()).ok_or_else(gone)?;
        has_given_less(task)?;
        let papers = Papers {
            chain: task.chain.clone(),
            credential: task.credential,
            secret: SecretKey::from_seed(&task.secret.seed()),
            tree: task.tree,
        };
        let above = self.delegation_of(&papers.credential);
        Ok(Giver { task: Some(award), holding: Holding::Signed(Box::new(papers)), above })
    }

    fn delegation_of(&self, credential: &StatementId) -> Option<Delegation> {
        let id = self.known.get(credential)?.refs.first().copied()?;
        match &self.known.get(&id)?.body {
            Body::Delegation(delegation) => Some(delegation.clone()),
            _ => None,
        }
    }

    /// What the delegation will say: no more than its giver holds (INV-TASK-1). The device is
    /// filled in for each that is asked.
    fn terms(&self, giver: &Giver, want: &Offload) -> Result<Terms, Refusal> {
        check_tools(&want.tools)?;
        let domain = self.domain().ok_or_else(crate::task::not_enrolled)?;
        let agent = AgentId::new(&domain, &want.agent).map_err(|error| {
            Refusal::new(RefusalKind::WrongUse, error.to_string(), "choose another with --name")
        })?;
        let above = giver.above.as_ref();
        let task = giver.task.and_then(|award| self.work.task(&award));
        let spent = task.map_or(0, |task| task.effects);
        let task_ends_ms = task.and_then(|task| task.deadline_ms).unwrap_or(u64::MAX);
        let terms = Terms {
            agent,
            device: self.own_id().ok_or_else(crate::task::not_enrolled)?,
            tools: match (&*want.tools, above) {
                ([], Some(above)) => above.tools.clone(),
                ([], None) => vec!["*".to_owned()],
                (tools, _) => tools.to_vec(),
            },
            data: above.map_or(u64::MAX, |d| d.data),
            depth: above.map_or(DELEGATION_DEPTH, |d| d.depth.saturating_sub(1)),
            budget: above.map_or(DELEGATION_BUDGET, |d| d.budget.saturating_sub(spent)),
            deadline_ms: above
                .map_or(self.wall_now_ms().saturating_add(DELEGATION_MS), |d| d.deadline_ms)
                .min(task_ends_ms),
            carried: giver.task.map(|task| self.carried_by(&task)).unwrap_or_default(),
        };
        if let Some(above) = above {
            check_narrows(above, &terms.under(above.from)).map_err(|error| {
                let hint = "ask the agent above for a wider delegation, or do less";
                Refusal::new(RefusalKind::Denied, error.to_string(), hint)
            })?;
        }
        Ok(terms)
    }

    /// May this work go to that device? Asked before the offer; a No is recorded.
    pub(crate) fn may_offer(&mut self, errand: u64, device: &DeviceId) -> Result<(), Refusal> {
        let Some((task, act)) = self.giving_act(errand, device) else { return Ok(()) };
        let verdict = self.weigh_own_first(task, &act);
        permitted(&verdict, &act)
    }

    /// The same with the award, recorded in its write.
    fn may_award(&mut self, errand: u64, device: &DeviceId) -> Result<(), Refusal> {
        let Some((task, act)) = self.giving_act(errand, device) else { return Ok(()) };
        self.ask_gate_as(task, &act)
    }

    fn giving_act(&self, errand: u64, device: &DeviceId) -> Option<(GateTask, Act)> {
        let errand = self.work.offers.errand(errand)?;
        let parent = errand.giver.task;
        let giver = match parent.map(|parent| self.work.task(&parent)) {
            // A task gives as it acts: behind its wall, from where it came, with what it met.
            Some(Some(task)) => self.gate_task(task),
            Some(None) => GateTask { ending: true, ..self.own_act(errand.giver.chain()) },
            None => self.own_act(errand.giver.chain()),
        };
        let program = errand.want.argv.first().map(|p| ("program".to_owned(), p.clone()));
        let act = Act {
            task: parent.unwrap_or(StatementId([0; 32])),
            action: "work.offload".into(),
            target: device.name().to_owned(),
            args: program.into_iter().collect(),
        };
        Some((giver, act))
    }

    /// Classes of data that a task has met, as far as a delegation names them.
    fn carried_by(&self, task: &StatementId) -> Vec<String> {
        let task = self.work.task(task).map(|task| self.gate_task(task));
        let carried = task.map(|task| task.carried).unwrap_or_default();
        carried.into_iter().take(CARRIED_KEPT).collect()
    }

    /// What the device's owner does himself: no task of his runs, so nothing bounds it but orders.
    pub(crate) fn own_act(&self, chain: &Chain) -> GateTask {
        GateTask {
            cut: self.cut_of(chain),
            credential_until_ms: u64::MAX,
            budget_left: u64::MAX,
            ending: false,
            on_disk: OnDisk::AsStarted,
            lineage: Lineage::Unbroken,
            chain: chain.clone(),
            tools: None,
            lent: Lease::Own,
            origin: Origin::Here,
            wall: Wall::None,
            carried: Vec::new(),
            data_most: u64::MAX,
        }
    }

    /// Asks the gate about an act of this node itself; a No is a refusal that names its rule.
    pub(crate) fn ask_gate_as(&mut self, task: GateTask, act: &Act) -> Result<(), Refusal> {
        let verdict = self.judge_own(task, act);
        permitted(&verdict, act)
    }

    /// Signs the delegation and the award and sends both as soon as both are on disk.
    pub(crate) fn award(&mut self, id: u64, to: &DeviceId, link: PublicKey, over: Over) {
        if let Err(refusal) = self.may_still_give(id).and_then(|()| self.may_award(id, to)) {
            return self.give_up(id, refusal);
        }
        match self.sign_award(id, to, link, over) {
            Ok((award, papers)) if link != self.key => {
                self.push_first(link, papers.into_iter().chain([award]).collect());
            }
            Ok(_) => {}
            Err(refusal) => self.give_up(id, refusal),
        }
    }

    fn sign_award(
        &mut self,
        id: u64,
        to: &DeviceId,
        link: PublicKey,
        over: Over,
    ) -> Result<(StatementId, Vec<StatementId>), Refusal> {
        let mut signed = self.issue_root(id)?;
        let gone = crate::task::not_enrolled;
        let errand = self.work.offers.errand(id).ok_or_else(gone)?;
        let Holding::Signed(papers) = &errand.giver.holding else { return Err(gone()) };
        let (credential, tree, fence) = (papers.credential, papers.tree, errand.fence);
        let secret = SecretKey::from_seed(&papers.secret.seed());
        let above = papers.chain.clone();
        let acting = above.acting().map(|link| link.agent.clone());
        let terms = Terms { device: to.clone(), ..errand.terms.clone() };
        let (argv, on_silence) = (argv_hash(&errand.want.argv), errand.want.on_silence);
        let (parent, payload) = (errand.giver.task, errand.want.payload.clone());
        let author = acting.map(Principal::Agent).ok_or_else(gone)?;
        let promised = terms.under(credential);
        let chain = above.acting().map(|acting| Link::promised(&promised, acting));
        let chain = chain.and_then(|link| above.extended(link.granted(self.known.epoch())).ok());
        let lifts = chain.map(|chain| self.lifts_of(&chain)).unwrap_or_default();
        let words = Words::new(Scope::Tree(tree), promised);
        let delegation = self.say_as(&secret, author, words);
        signed.push(delegation);
        let lease_ms = self.autonomy().map_or(0, |autonomy| autonomy.unsealed_run_ms);
        let until = match on_silence {
            OnSilence::End => Some(over.lease_from.plus_ms(with_drift(lease_ms))),
            OnSilence::RunToDeadline => None,
        };
        let award = Award {
            credential,
            delegation: Some(delegation),
            executor: to.clone(),
            fence,
            argv,
            on_silence,
            lease_ms,
            deadline_ms: None,
            payload,
        };
        let patience_ms = OFFER_ANSWER_MS + fetching_ms(award.payload.as_ref());
        let heard = Heard::NothingUntil(self.now.boot.plus_ms(patience_ms));
        let given = |award| Given { award, device: to.clone(), how: over.how, heard, until };
        let words = Words::new(Scope::Tree(tree), award).answering(lifts);
        let award = self.say(words).ok_or_else(gone)?;
        self.work.offers.give(id, given(award));
        if let Some(task) = parent.and_then(|parent| self.work.task_mut(&parent)) {
            task.made.push(Made { award, executor: to.clone() });
        }
        if link == self.key {
            self.take_own(award);
        }
        Ok((award, signed))
    }

    /// Signs the first credential of a new tree, once there is somebody to do its work.
    fn issue_root(&mut self, id: u64) -> Result<Vec<StatementId>, Refusal> {
        let Some(errand) = self.work.offers.errand(id) else { return Ok(Vec::new()) };
        let Holding::Drafted(draft) = &errand.giver.holding else { return Ok(Vec::new()) };
        let draft = draft.again();
        let papers = self.issue(draft, Vec::new())?;
        let credential = papers.credential;
        self.work.offers.hold(id, papers);
        Ok(vec![credential])
    }

    /// The second look before an award: no order, cancel or end came since the offer, and no other
    /// errand of the same task was awarded the last piece.
    fn may_still_give(&self, id: u64) -> Result<(), Refusal> {
        let Some(errand) = self.work.offers.errand(id) else { return Ok(()) };
        errand.giver.task.and_then(|task| self.work.task(&task)).map_or(Ok(()), has_given_less)?;
        let lives = |task: &Task| task.ending.is_none() && task.paused.is_none();
        let parent = errand.giver.task.map(|task| self.work.task(&task).is_some_and(lives));
        let met = errand.giver.task.map(|task| self.carried_by(&task)).unwrap_or_default();
        if met != errand.terms.carried {
            let why = "whoever gives this work has met other data since the offer";
            return Err(Refusal::new(RefusalKind::Denied, why, "give it again"));
        }
        if self.cut_of(errand.giver.chain()).is_none() && parent.unwrap_or(true) {
            return Ok(());
        }
        let why = "whoever gives this work has been stopped since the offer";
        Err(Refusal::new(RefusalKind::Denied, why, "nothing to do: it was stopped"))
    }
}

/// What an award rests on: how the device was found, and from when on at the latest its lease
/// counts.
pub(crate) struct Over {
    pub(crate) how: How,
    pub(crate) lease_from: BootTime,
}

/// A receipt lists everything that a task gave away.
fn has_given_less(task: &Task) -> Result<(), Refusal> {
    if task.made.len() < MADE_MAX {
        return Ok(());
    }
    let why = format!("this task has given {MADE_MAX} pieces of work away");
    Err(Refusal::new(RefusalKind::Denied, why, "end it and start another"))
}

/// A tool that covers no action is a slip: the work could do nothing with it.
fn check_tools(tools: &[String]) -> Result<(), Refusal> {
    let covers_some = |tool: &&String| {
        Verb::ALL.iter().any(|verb| covers(std::slice::from_ref(*tool), verb.text()))
    };
    let Some(odd) = tools.iter().find(|tool| !covers_some(tool)) else { return Ok(()) };
    let hint = format!("name class.*, or one of {}", Verb::ALL.map(Verb::text).join(", "));
    Err(Refusal::new(RefusalKind::WrongUse, format!("“{odd}” covers no action"), hint))
}

fn permitted(verdict: &Verdict, act: &Act) -> Result<(), Refusal> {
    let kind = match verdict.decision {
        Decision::Permit => return Ok(()),
        Decision::Ask => RefusalKind::ApprovalNeeded,
        Decision::Deny => RefusalKind::Denied,
    };
    Err(Refusal::new(kind, verdict.of(act), verdict.hint.clone()))
}

/// Work that the device's owner gives himself: a tree without a process of its own.
fn root_run(want: &Offload) -> Run {
    Run {
        agent: want.agent.clone(),
        project: "default".into(),
        class: "default".into(),
        argv: want.argv.clone(),
        program: Program::default(),
        wall: Wall::None,
    }
}
