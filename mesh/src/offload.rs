//! Work given to another device: offer, bid, award. `arriving` is the other side of it.
//!
//! Each side asks its own gate. The delegation is signed by the delegating credential's key and
//! only narrows; before the award leaves, the giver is looked at once more.
//!
//! Refused here: choosing among candidates; the giver names the device.

use crate::arriving::Kept;
use crate::author::Words;
use crate::engine::{Effect, Engine};
use crate::gate::{Act, Decision, GateTask, Origin};
use crate::input::{AnswerAt, AskId, Offload, Run};
use crate::limits::{
    DELEGATION_BUDGET, DELEGATION_DEPTH, DELEGATION_MS, MADE_MAX, OFFER_ANSWER_MS,
};
use crate::output::{Answer, Ended, Offloaded, Refusal, RefusalKind};
use crate::task::{Papers, Task, argv_hash};
use crate::time::BootTime;
use crate::wire::{self, Lane};
use belay_identity::body::{Award, Body, Delegation, Made};
use belay_identity::chain::check_narrows;
use belay_identity::lease::{Bid, Offer, Refuse, Talk};
use belay_identity::principal::{AgentId, Principal};
use belay_identity::{Chain, PublicKey, Scope, SecretKey, Statement, StatementId, Verified, sign};
use std::collections::BTreeMap;

/// What is being arranged, on both sides.
#[derive(Default)]
pub(crate) struct Offers {
    made: BTreeMap<[u8; 16], Offered>,
    awaited: BTreeMap<StatementId, Awaited>,
    pub(crate) places: BTreeMap<[u8; 16], Kept>,
}

/// An offer of ours whose bid is on its way.
struct Offered {
    ask: AskId,
    want: Offload,
    link: PublicKey,
    credential: StatementId,
    delegation: StatementId,
    tree: StatementId,
    until: BootTime,
}

/// An award of ours somebody at a door waits for.
struct Awaited {
    ask: AskId,
    answer: AnswerAt,
    until: Option<BootTime>,
}

impl Offers {
    pub(crate) fn next_deadline(&self) -> Option<BootTime> {
        let made = self.made.values().map(|made| made.until);
        let awaited = self.awaited.values().filter_map(|awaited| awaited.until);
        made.chain(awaited).chain(self.places.values().map(|kept| kept.until)).min()
    }
}

/// Who delegates: the papers of a running task, or fresh ones of the device's owner.
struct Giver {
    task: Option<StatementId>,
    papers: Papers,
    delegation: Option<Delegation>,
}

impl Engine {
    /// Somebody here gives work to a named device.
    pub(crate) fn on_offload(&mut self, ask: AskId, want: Offload) {
        if let Err(refusal) = self.arrange_offload(ask, want) {
            self.answer_orders();
            self.answer(ask, Err(refusal));
        }
    }

    fn arrange_offload(&mut self, ask: AskId, want: Offload) -> Result<(), Refusal> {
        let link = self.reachable(&want)?;
        let (chain, tools) = self.giving_chain(&want)?;
        let act = Act {
            task: want.parent.unwrap_or(StatementId([0; 32])),
            action: "work.offload".into(),
            target: want.device.name().to_owned(),
            args: want
                .argv
                .first()
                .map(|p| ("program".to_owned(), p.clone()))
                .into_iter()
                .collect(),
        };
        self.ask_gate(&chain, tools, &act)?;
        let giver = self.giver(&want)?;
        let delegation = self.delegate(&giver, &want)?;
        let nonce = self.chance.bytes16();
        let made = Offered {
            ask,
            link,
            credential: giver.papers.credential,
            delegation,
            tree: giver.papers.tree,
            until: self.now.boot.plus_ms(OFFER_ANSWER_MS),
            want: Offload { parent: giver.task, ..want },
        };
        self.work.offers.made.insert(nonce, made);
        self.once_written(Effect::SendOffer(nonce));
        Ok(())
    }

    fn reachable(&self, want: &Offload) -> Result<PublicKey, Refusal> {
        if self.own_id().as_ref() == Some(&want.device) {
            let why = format!("{} is this device", want.device.name());
            let hint = "run it here with `belay agent run -- CMD`";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        }
        let Some(device) = self.known.registry.device_by_id(&want.device) else {
            let why = format!("no device {} is known in this fleet", want.device.name());
            let hint = "see `belay status` for the devices there are";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        };
        if self.links.is_known(&device.key) {
            return Ok(device.key);
        }
        let why = format!("{} cannot be reached from here now", want.device.name());
        Err(Refusal::new(RefusalKind::Unreachable, why, "try again when it is linked"))
    }

    /// Who would give, for the gate: nothing is minted before it has said yes.
    fn giving_chain(&self, want: &Offload) -> Result<(Chain, Option<Vec<String>>), Refusal> {
        match want.parent.and_then(|parent| self.work.task(&parent)) {
            Some(task) => Ok((task.chain.clone(), task.tools.clone())),
            None => Ok((self.promised(&self.root_link(&root_run(want))?), None)),
        }
    }

    fn giver(&mut self, want: &Offload) -> Result<Giver, Refusal> {
        let Some(award) = want.parent else {
            let link = self.root_link(&root_run(want))?;
            let papers = self.mint(Chain::default(), link, None, Vec::new())?;
            return Ok(Giver { task: None, papers, delegation: None });
        };
        let gone = || {
            let why = "the task that gives this work has ended";
            Refusal::new(RefusalKind::Denied, why, "nothing to do: it was stopped or is done")
        };
        let task = self.work.task(&award).filter(|t| t.ending.is_none()).ok_or_else(gone)?;
        if task.made.len() >= MADE_MAX {
            let why = format!("this task has given {MADE_MAX} pieces of work away");
            return Err(Refusal::new(RefusalKind::Denied, why, "end it and start another"));
        }
        let papers = Papers {
            chain: task.chain.clone(),
            credential: task.credential,
            secret: SecretKey::from_seed(&task.secret.seed()),
            tree: task.tree,
        };
        let delegation = self.delegation_of(&papers.credential);
        Ok(Giver { task: Some(award), papers, delegation })
    }

    fn delegation_of(&self, credential: &StatementId) -> Option<Delegation> {
        let id = self.known.get(credential)?.refs.first().copied()?;
        match &self.known.get(&id)?.body {
            Body::Delegation(delegation) => Some(delegation.clone()),
            _ => None,
        }
    }

    /// Signs a delegation that holds no more than its giver does (INV-TASK-1).
    fn delegate(&mut self, giver: &Giver, want: &Offload) -> Result<StatementId, Refusal> {
        let domain = self.domain().ok_or_else(crate::task::not_enrolled)?;
        let agent = AgentId::new(&domain, &want.agent).map_err(|error| {
            Refusal::new(RefusalKind::WrongUse, error.to_string(), "choose another with --name")
        })?;
        let above = giver.delegation.as_ref();
        let task = giver.task.and_then(|award| self.work.task(&award));
        let task_ends_ms = task.and_then(|task| task.deadline_ms).unwrap_or(u64::MAX);
        let delegation = Delegation {
            from: giver.papers.credential,
            agent,
            device: want.device.clone(),
            tools: match (&*want.tools, above) {
                ([], Some(above)) => above.tools.clone(),
                ([], None) => vec!["*".to_owned()],
                (tools, _) => tools.to_vec(),
            },
            data: above.map_or(0, |d| d.data),
            depth: above.map_or(DELEGATION_DEPTH, |d| d.depth.saturating_sub(1)),
            budget: above.map_or(DELEGATION_BUDGET, |d| d.budget),
            deadline_ms: above
                .map_or(self.wall_now_ms().saturating_add(DELEGATION_MS), |d| d.deadline_ms)
                .min(task_ends_ms),
        };
        if let Some(above) = above {
            check_narrows(above, &delegation).map_err(|error| {
                let hint = "ask the agent above for a wider delegation, or do less";
                Refusal::new(RefusalKind::Denied, error.to_string(), hint)
            })?;
        }
        let acting = giver.papers.chain.acting().map(|link| link.agent.clone());
        let author = acting.map(Principal::Agent).ok_or_else(crate::task::not_enrolled)?;
        let words = Words::new(Scope::Tree(giver.papers.tree), delegation);
        Ok(self.say_as(&giver.papers.secret, author, words))
    }

    /// Asks the gate about an act of this node itself; a No is a refusal that names its rule.
    pub(crate) fn ask_gate(
        &mut self,
        chain: &Chain,
        tools: Option<Vec<String>>,
        act: &Act,
    ) -> Result<(), Refusal> {
        let origin = Origin::Here;
        self.ask_gate_as(
            GateTask {
                cut: self.cut_of(chain),
                credential_until_ms: u64::MAX,
                budget_left: u64::MAX,
                ending: false,
                chain: chain.clone(),
                tools,
                origin,
            },
            act,
        )
    }

    pub(crate) fn ask_gate_as(&mut self, task: GateTask, act: &Act) -> Result<(), Refusal> {
        let verdict = self.judge_own(task, act);
        let kind = match verdict.decision {
            Decision::Permit => return Ok(()),
            Decision::Ask => RefusalKind::ApprovalNeeded,
            Decision::Deny => RefusalKind::Denied,
        };
        let why =
            format!("{} on {}: {} (rule {})", act.action, act.target, verdict.why, verdict.rule);
        Err(Refusal::new(kind, why, verdict.hint))
    }

    /// The delegation is on disk: send what proves it, then the offer, in one lane and in order.
    pub(crate) fn send_offer(&mut self, nonce: [u8; 16]) {
        let Some(made) = self.work.offers.made.get(&nonce) else { return };
        let (link, delegation, argv) = (made.link, made.delegation, made.want.argv.clone());
        let papers = self.papers_behind(delegation);
        self.push(link, &papers);
        let offer = Talk::Offer(Offer { nonce, delegation, argv });
        self.say_in_bulk(link, offer);
    }

    /// A delegation and every credential and delegation above it, the user's first.
    fn papers_behind(&self, delegation: StatementId) -> Vec<StatementId> {
        let mut papers = vec![delegation];
        let mut next = Some(delegation);
        while let Some(id) = next.take() {
            let Some(Body::Delegation(body)) = self.known.get(&id).map(|s| &s.body) else { break };
            papers.push(body.from);
            next = self.known.get(&body.from).and_then(|c| c.refs.first().copied());
            papers.extend(next);
            if papers.len() > 2 * belay_identity::limits::CHAIN_LINKS_MAX {
                break;
            }
        }
        papers.reverse();
        papers.dedup();
        papers
    }

    fn say_in_bulk(&mut self, link: PublicKey, talk: Talk) {
        let signed = sign(talk, &self.config.device, &self.config.fleet);
        let (kind, body) = wire::write_talk(&signed);
        self.send(link, Lane::Bulk, kind, body);
    }

    /// A place is kept for us: award.
    pub(crate) fn on_bid(&mut self, link: PublicKey, bid: &Bid) {
        if bid.offerer != self.key {
            return;
        }
        if self.work.offers.made.get(&bid.nonce).is_none_or(|made| made.link != link) {
            return;
        }
        let Some(made) = self.work.offers.made.remove(&bid.nonce) else { return };
        if !self.may_still_give(&made) {
            let why = "whoever gives this work has been stopped since the offer";
            let refusal = Refusal::new(RefusalKind::Denied, why, "nothing to do: it was stopped");
            return self.answer(made.ask, Err(refusal));
        }
        let lease_ms = self.autonomy().map_or(0, |autonomy| autonomy.unsealed_run_ms);
        let award = Award {
            credential: made.credential,
            delegation: Some(made.delegation),
            executor: made.want.device.clone(),
            fence: 1,
            argv: argv_hash(&made.want.argv),
            on_silence: made.want.on_silence,
            lease_ms,
            deadline_ms: None,
        };
        let executor = award.executor.clone();
        let Some(id) = self.say(Words::new(Scope::Tree(made.tree), award)) else { return };
        if let Some(task) = made.want.parent.and_then(|parent| self.work.task_mut(&parent)) {
            task.made.push(Made { award: id, executor });
        }
        let until = Some(self.now.boot.plus_ms(OFFER_ANSWER_MS));
        let awaited = Awaited { ask: made.ask, answer: made.want.answer, until };
        self.work.offers.awaited.insert(id, awaited);
        self.push_once_written(Some(link), id);
    }

    /// The second look before an award: no order, cancel or end came since the offer.
    fn may_still_give(&self, made: &Offered) -> bool {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        let chain = tasks.chain_of(registry, &made.credential);
        let free = chain.is_ok_and(|chain| self.cut_of(&chain).is_none());
        let lives = |task: &Task| task.ending.is_none() && task.paused.is_none();
        let parent = made.want.parent.map(|parent| self.work.task(&parent).is_some_and(lives));
        free && parent.unwrap_or(true)
    }

    pub(crate) fn on_refuse(&mut self, link: PublicKey, refuse: &Refuse) {
        if refuse.offerer != self.key {
            return;
        }
        let Some(made) = self.work.offers.made.remove(&refuse.nonce).filter(|m| m.link == link)
        else {
            return;
        };
        let why = format!("{} refuses: {}", made.want.device.name(), refuse.reason);
        let refusal =
            Refusal::new(RefusalKind::Denied, why, "the reason names what would change it");
        self.answer(made.ask, Err(refusal));
    }

    /// Something was said of an award that we made: tell whoever waits.
    pub(crate) fn on_award_news(&mut self, award: &StatementId, statement: &Verified<Statement>) {
        let Some(awaited) = self.work.offers.awaited.get_mut(award) else { return };
        let ask = awaited.ask;
        let answer = match &statement.body {
            Body::Started(_) if awaited.answer == AnswerAt::End => {
                awaited.until = None;
                return;
            }
            Body::Started(_) => Ok(Answer::Offloaded(Offloaded { award: *award, ended: None })),
            Body::Refused(refused) => {
                let why = format!("refused: {}", refused.reason);
                Err(Refusal::new(RefusalKind::Denied, why, "the reason names what would change it"))
            }
            Body::Receipt(receipt) => Ok(Answer::Offloaded(Offloaded {
                award: *award,
                ended: Some(Ended {
                    outcome: receipt.outcome,
                    cause: receipt.cause,
                    exit: receipt.exit,
                    signal: receipt.signal,
                    tail: receipt.tail.clone().map(|tail| tail.0).unwrap_or_default(),
                }),
            })),
            _ => return,
        };
        self.work.offers.awaited.remove(award);
        self.answer(ask, answer);
    }

    /// Forgets places nobody took up, and answers for offers nobody answered.
    pub(crate) fn lapse_offers(&mut self) {
        let now = self.now.boot;
        self.work.offers.places.retain(|_, kept| kept.until > now);
        let offers = &mut self.work.offers;
        let late: Vec<AskId> = offers
            .made
            .values()
            .filter(|made| made.until <= now)
            .map(|made| made.ask)
            .chain(
                offers
                    .awaited
                    .values()
                    .filter(|a| a.until.is_some_and(|u| u <= now))
                    .map(|a| a.ask),
            )
            .collect();
        offers.made.retain(|_, made| made.until > now);
        offers.awaited.retain(|_, awaited| awaited.until.is_none_or(|until| until > now));
        for ask in late {
            let why = "the device did not answer in time";
            let hint = "it may be cut off; `belay status` says when it was last heard";
            self.answer(ask, Err(Refusal::new(RefusalKind::Unreachable, why, hint)));
        }
    }
}

/// Work that the device's owner gives himself: a tree without a process of its own.
fn root_run(want: &Offload) -> Run {
    Run {
        agent: want.agent.clone(),
        project: "default".into(),
        class: "default".into(),
        argv: want.argv.clone(),
        manifest: [0; 32],
    }
}
