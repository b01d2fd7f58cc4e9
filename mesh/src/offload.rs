//! Work given to another device: offer, bid, award; and the same from the other side.
//!
//! An award starts only against a place that this process has kept for its offer, so a replayed or
//! late award is inert. Each side asks its own gate. The delegation is signed by the delegating
//! credential's key and only narrows.
//!
//! Refused here: choosing among candidates; the giver names the device.

use crate::author::Words;
use crate::engine::{Effect, Engine};
use crate::gate::{Act, Decision, GateTask, Origin};
use crate::input::{AnswerAt, AskId, Offload, Run};
use crate::limits::{
    DELEGATION_BUDGET, DELEGATION_DEPTH, DELEGATION_MS, MADE_MAX, OFFER_ANSWER_MS, RESERVATION_MS,
    RESERVATIONS_MAX, RESERVATIONS_PER_LINK_MAX, TASKS_MAX,
};
use crate::output::{Answer, Ended, Offloaded, Output, Refusal, RefusalKind};
use crate::task::{Lent, Papers, Phase, Task, argv_hash};
use crate::time::BootTime;
use crate::wire::{self, Lane};
use belay_identity::body::{Award, Body, Delegation, Made, Refused};
use belay_identity::chain::{Link, check_narrows};
use belay_identity::lease::{Bid, Offer, Refuse, Talk};
use belay_identity::limits::{ARGV_BYTES_MAX, ARGV_ITEMS_MAX, REASON_BYTES_MAX};
use belay_identity::principal::{AgentId, Principal};
use belay_identity::{Chain, PublicKey, Scope, SecretKey, Statement, StatementId, Verified, sign};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is being arranged, on both sides.
#[derive(Default)]
pub(crate) struct Offers {
    made: BTreeMap<[u8; 16], Offered>,
    awaited: BTreeMap<StatementId, Awaited>,
    places: BTreeMap<[u8; 16], Kept>,
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

/// A place kept here for somebody's offer.
struct Kept {
    link: PublicKey,
    offer: Offer,
    chain: Chain,
    /// The program's hash; none while it is being looked up, and no award is taken before.
    manifest: Option<[u8; 32]>,
    bid_at: BootTime,
    until: BootTime,
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

    fn ask_gate_as(&mut self, task: GateTask, act: &Act) -> Result<(), Refusal> {
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

    /// Somebody offers work: look the program up before saying anything.
    pub(crate) fn on_offer(&mut self, link: PublicKey, offer: Offer) {
        match self.weigh_offer(link, &offer) {
            Ok(chain) => {
                // It stands until the program was looked up: an answer always comes.
                let until = BootTime(u64::MAX);
                let (nonce, program) =
                    (offer.nonce, offer.argv.first().cloned().unwrap_or_default());
                let bid_at = self.now.boot;
                let kept = Kept { link, offer, chain, manifest: None, bid_at, until };
                self.work.offers.places.insert(nonce, kept);
                self.out(Output::Inspect { nonce, program });
            }
            Err(reason) => self.refuse_offer(link, offer.nonce, reason),
        }
    }

    fn weigh_offer(&self, link: PublicKey, offer: &Offer) -> Result<Chain, String> {
        let places = &self.work.offers.places;
        if places.contains_key(&offer.nonce) {
            return Err("this offer stands here already".into());
        }
        if places.values().filter(|kept| kept.link == link).count() >= RESERVATIONS_PER_LINK_MAX {
            return Err("too many offers of this device stand here; try again in a moment".into());
        }
        check_argv(&offer.argv)?;
        let full = self.work.len() >= TASKS_MAX;
        if full || self.work.offers.places.len() >= RESERVATIONS_MAX {
            return Err("no place is free here now; try again in a few seconds".into());
        }
        let Some(statement) = self.known.get(&offer.delegation) else {
            return Err("the delegation of this offer did not come with it".into());
        };
        let Body::Delegation(delegation) = &statement.body else {
            return Err("what the offer names is no delegation".into());
        };
        let late_ms = self.wall_now_ms();
        let above = self.known.registry.credential(&delegation.from).and_then(|c| c.expiry_ms);
        if late_ms >= delegation.deadline_ms || above.is_some_and(|end| late_ms >= end) {
            return Err("the delegation, or the credential above it, has ended".into());
        }
        if Some(&delegation.device) != self.own_id().as_ref() {
            return Err("the delegation names another device".into());
        }
        let chain = self.promised_chain(statement, delegation)?;
        let giver = chain.links().iter().rev().nth(1).map(|link| link.device.clone());
        if self.known.registry.device_by_key(&link).map(|d| d.id.clone()) != giver {
            return Err("the delegation was made on another device than the one that offers".into());
        }
        Ok(chain)
    }

    /// The chain that a delegation makes, every step checked.
    fn promised_chain(
        &self,
        statement: &Verified<Statement>,
        delegation: &Delegation,
    ) -> Result<Chain, String> {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        let above = tasks.chain_of(registry, &delegation.from).map_err(|gap| gap.to_string())?;
        let parent = registry.credential(&delegation.from);
        if parent.map(|issued| issued.credential.key) != Some(statement.key()) {
            return Err("the delegation is not signed by the credential that it names".into());
        }
        if let Some(held) = tasks.acting_delegation(registry, &delegation.from) {
            check_narrows(held.body, delegation).map_err(|error| error.to_string())?;
        }
        let link =
            above.acting().map(|link| Link::promised(delegation, link).granted(statement.epoch));
        let link = link.ok_or("nobody stands behind the delegation")?;
        above.extended(link).map_err(|error| error.to_string())
    }

    /// The program was looked up: ask the gate, then keep a place and bid.
    pub(crate) fn on_inspected(&mut self, nonce: [u8; 16], program: Result<[u8; 32], String>) {
        let Some(mut kept) = self.work.offers.places.remove(&nonce) else { return };
        let link = kept.link;
        match program.and_then(|manifest| self.admit_offer(&kept, manifest).map(|_| manifest)) {
            Ok(manifest) => {
                kept.manifest = Some(manifest);
                kept.chain = with_manifest(&kept.chain, manifest);
                kept.bid_at = self.now.boot;
                kept.until = self.now.boot.plus_ms(RESERVATION_MS);
                self.work.offers.places.insert(nonce, kept);
                let bid = Bid { nonce, offerer: link, reserved_ms: RESERVATION_MS };
                self.say_to(link, Talk::Bid(bid));
            }
            Err(reason) => self.refuse_offer(link, nonce, reason),
        }
    }

    fn admit_offer(&mut self, kept: &Kept, manifest: [u8; 32]) -> Result<(), String> {
        let chain = with_manifest(&kept.chain, manifest);
        // That the delegation names this device is the leave to run; its tools bind what runs.
        let tools = None;
        let act = Act {
            task: kept.offer.delegation,
            action: "work.run".into(),
            target: kept.offer.argv.first().cloned().unwrap_or_default(),
            args: Vec::new(),
        };
        let cut = self.cut_of(&chain);
        let origin = Origin::Arriving;
        let (credential_until_ms, budget_left) = (u64::MAX, u64::MAX);
        let ending = false;
        let task = GateTask { chain, cut, credential_until_ms, budget_left, tools, ending, origin };
        self.ask_gate_as(task, &act).map_err(|refusal| refusal.why)?;
        if !self.work_is_observed() && !self.run_lease().holds(self.now.boot) {
            return Err("this device has no lease to run anything now".into());
        }
        Ok(())
    }

    fn tools_of(&self, delegation: &StatementId) -> Option<Vec<String>> {
        match &self.known.get(delegation)?.body {
            Body::Delegation(delegation) => Some(delegation.tools.clone()),
            _ => None,
        }
    }

    fn refuse_offer(&mut self, link: PublicKey, nonce: [u8; 16], reason: String) {
        let reason: String = reason.chars().take(REASON_BYTES_MAX).collect();
        self.say_to(link, Talk::Refuse(Refuse { nonce, offerer: link, reason }));
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

    /// An award was learnt: if it is for this device and a place was kept for it, it starts.
    pub(crate) fn on_award(&mut self, statement: &Arc<Verified<Statement>>, award: &Award) {
        let ours = self.own_id().as_ref() == Some(&award.executor);
        if !ours || statement.key() == self.key || self.work.task(&statement.id()).is_some() {
            return;
        }
        let Some(delegation) = award.delegation else { return };
        let Some(said) = self.known.tasks.award(&statement.id()) else { return };
        if self.known.tasks.check_award(&self.known.registry, &said).is_err() {
            // Nobody's award: not worth a word.
            return;
        }
        let place = self.work.offers.places.iter().find(|(_, kept)| {
            kept.manifest.is_some()
                && kept.offer.delegation == delegation
                && kept.link == statement.key()
                && argv_hash(&kept.offer.argv) == award.argv
        });
        let Some(nonce) = place.map(|(nonce, _)| *nonce) else {
            // An award of an earlier process, or one whose place has lapsed: inert, and said so.
            return self.refuse_award(statement, "no place is kept here for this award");
        };
        let Some(kept) = self.work.offers.places.remove(&nonce) else { return };
        if let Err(refusal) = self.take_award(statement, award, kept) {
            self.refuse_award(statement, &refusal.why);
        }
    }

    fn take_award(
        &mut self,
        statement: &Arc<Verified<Statement>>,
        award: &Award,
        kept: Kept,
    ) -> Result<(), Refusal> {
        let links = kept.chain.links();
        let (above, last) = links.split_at(links.len().saturating_sub(1));
        let above = Chain::new(above.to_vec()).map_err(|error| {
            Refusal::new(RefusalKind::Denied, error.to_string(), "delegate less deep")
        })?;
        let link = last.first().cloned().ok_or_else(crate::task::not_enrolled)?;
        let link = Link { manifest: kept.manifest, ..link };
        let Scope::Tree(tree) = statement.scope else {
            return Err(Refusal::new(RefusalKind::Denied, "the award stands in no tree", ""));
        };
        let papers = self.mint(above, link, Some(tree), vec![kept.offer.delegation])?;
        let mut task = Task::new(papers, kept.offer.argv, Phase::Arranged);
        task.tools = self.tools_of(&kept.offer.delegation);
        task.delegator = Some(statement.key());
        let (asked, lease_ms, on_silence) = (kept.bid_at, award.lease_ms, award.on_silence);
        task.lent = Some(Lent { asked, lease_ms, on_silence });
        task.deadline_ms = self.deadline_of(award, &kept.offer.delegation);
        self.enter(statement.id(), task);
        Ok(())
    }

    fn deadline_of(&self, award: &Award, delegation: &StatementId) -> Option<u64> {
        let delegation = match self.known.get(delegation).map(|s| &s.body) {
            Some(Body::Delegation(delegation)) => Some(delegation.deadline_ms),
            _ => None,
        };
        [award.deadline_ms, delegation].into_iter().flatten().min()
    }

    fn refuse_award(&mut self, statement: &Arc<Verified<Statement>>, reason: &str) {
        if self.known.is_answered(&statement.id()) {
            return;
        }
        let refused = Refused { award: statement.id(), reason: reason.to_owned() };
        if let Some(id) = self.say(Words::new(statement.scope.clone(), refused)) {
            self.push_once_written(Some(statement.key()), id);
        }
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

    /// Drops the places whose chain an order now cuts.
    pub(crate) fn drop_cut_places(&mut self) {
        let places = std::mem::take(&mut self.work.offers.places);
        let (cut, kept) =
            places.into_iter().partition(|(_, kept)| self.cut_of(&kept.chain).is_some());
        self.work.offers.places = kept;
        let cut: BTreeMap<[u8; 16], Kept> = cut;
        for (nonce, kept) in cut {
            self.refuse_offer(kept.link, nonce, "an order against this chain stands".into());
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

fn check_argv(argv: &[String]) -> Result<(), String> {
    let bytes: usize = argv.iter().map(String::len).sum();
    let fits = !argv.is_empty() && argv.len() <= ARGV_ITEMS_MAX && bytes <= ARGV_BYTES_MAX;
    if fits { Ok(()) } else { Err("the command line is empty or too long".into()) }
}

fn with_manifest(chain: &Chain, manifest: [u8; 32]) -> Chain {
    let mut links = chain.links().to_vec();
    if let Some(last) = links.last_mut() {
        last.manifest = Some(manifest);
    }
    Chain::new(links).unwrap_or_default()
}
