//! An errand: one piece of work until somebody does it, or nobody is left to ask.
//!
//! Up to three candidates are asked at once; the first that keeps a place is awarded, and the
//! others' places lapse unaided. A device that says No, is silent, or refuses the award makes way
//! for the next. Work is given anew only after a signed refusal or the end of the old lease, so no
//! two devices do it at once. Who waits for longer than he would is told so, and the award is
//! cancelled: nothing he was told has failed begins behind his back.
//!
//! Refused here: a result that comes for work which was cancelled, or has been given anew.

use crate::author::Words;
use crate::engine::Engine;
use crate::input::{AnswerAt, AskId, Offload};
use crate::limits::{OFFER_ANSWER_MS, OFFERS_AT_ONCE, REAWARD_WAIT_MS};
use crate::offload::Over;
use crate::output::{Answer, Ended, Event, How, Offloaded, Refusal, RefusalKind, Tried};
use crate::papers::{Draft, Papers};
use crate::time::{BootTime, with_drift};
use crate::wire::{self, Lane};
use belay_identity::body::{Body, Cancel, Delegation, Outcome, Receipt};
use belay_identity::lease::{Bid, Offer, Refuse, Talk, Terms};
use belay_identity::principal::DeviceId;
use belay_identity::{Chain, PublicKey, Scope, SecretKey, Statement, StatementId, Verified, sign};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is being arranged, on both sides.
#[derive(Default)]
pub(crate) struct Offers {
    errands: BTreeMap<u64, Errand>,
    begun: u64,
    /// Awards of the errands, superseded ones too.
    awards: BTreeMap<StatementId, u64>,
    pub(crate) places: BTreeMap<[u8; 16], crate::arriving::Kept>,
    pub(crate) standing: crate::standing_offers::Standing,
    /// Awards to this device whose papers are not here yet.
    pub(crate) early: BTreeSet<StatementId>,
}

/// One piece of work, and how far it has come.
pub(crate) struct Errand {
    ask: AskId,
    pub(crate) want: Offload,
    pub(crate) giver: Giver,
    pub(crate) terms: Terms,
    /// Who has not been asked yet, the best first.
    pub(crate) queue: VecDeque<DeviceId>,
    asked: BTreeMap<[u8; 16], Asked>,
    tried: Vec<Tried>,
    given: Option<Given>,
    pub(crate) fence: u64,
}

/// An offer whose bid is on its way.
struct Asked {
    device: DeviceId,
    link: PublicKey,
    until: BootTime,
}

/// Who delegates: a running task, or the device's owner.
pub(crate) struct Giver {
    pub(crate) task: Option<StatementId>,
    pub(crate) holding: Holding,
    pub(crate) above: Option<Delegation>,
}

/// What the giver signs with.
pub(crate) enum Holding {
    /// The credential of a running task, or of a tree that has begun.
    Signed(Box<Papers>),
    /// The first credential of a tree that may come to nothing.
    Drafted(Box<Draft>),
}

/// The award that stands.
pub(crate) struct Given {
    pub(crate) award: StatementId,
    pub(crate) device: DeviceId,
    pub(crate) how: How,
    pub(crate) heard: Heard,
    /// When its lease ends if it is not drawn again; none where it runs to its deadline.
    pub(crate) until: Option<BootTime>,
}

/// What was heard of an award.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing yet; its start is waited for until then.
    NothingUntil(BootTime),
    /// It has begun.
    Start,
    /// Nothing in time: the end of its lease is waited for.
    Silence,
}

impl Giver {
    pub(crate) fn chain(&self) -> &Chain {
        match &self.holding {
            Holding::Signed(papers) => &papers.chain,
            Holding::Drafted(draft) => &draft.chain,
        }
    }
}

impl Draft {
    /// The same draft, for signing while this one is kept.
    pub(crate) fn again(&self) -> Self {
        let secret = SecretKey::from_seed(&self.secret.seed());
        Self { credential: self.credential.clone(), secret, chain: self.chain.clone() }
    }
}

impl Errand {
    pub(crate) fn new(ask: AskId, want: Offload, giver: Giver, terms: Terms) -> Self {
        let (queue, asked, tried) = (VecDeque::new(), BTreeMap::new(), Vec::new());
        Self { ask, want, giver, terms, queue, asked, tried, given: None, fence: 1 }
    }

    /// Notes why a device does not do it.
    pub(crate) fn note(&mut self, device: String, kind: RefusalKind, why: String) {
        let hint = "the reason names what would change it";
        self.tried.push(Tried { device, refusal: Refusal::new(kind, why, hint) });
    }

    fn next_deadline(&self) -> Option<BootTime> {
        let asked = self.asked.values().map(|asked| asked.until).min();
        let given = self.given.as_ref().and_then(|given| match given.heard {
            Heard::NothingUntil(by) => Some(by),
            Heard::Silence => given.until,
            Heard::Start => None,
        });
        asked.into_iter().chain(given).min()
    }

    /// Why nobody does it: of a named device its own reason, else every device with its reason.
    fn why_nobody(&self) -> Refusal {
        match (&*self.tried, &self.want.device) {
            ([only], Some(_)) => only.refusal.clone(),
            ([], _) => Engine::nobody_can(&self.want.needs),
            ([own], None) if own.device == self.terms.device.name() => {
                let nobody = Engine::nobody_can(&self.want.needs);
                let why = format!("{}; {}: {}", nobody.why, own.device, own.refusal.why);
                Refusal { why, ..nobody }
            }
            (tried, _) => {
                let each = tried.iter().map(|t| format!("{}: {}", t.device, t.refusal.why));
                let why =
                    format!("nobody takes this work; {}", each.collect::<Vec<_>>().join("; "));
                let kinds = || tried.iter().map(|tried| tried.refusal.kind);
                let kind = kinds().find(|kind| *kind == RefusalKind::ApprovalNeeded);
                let kind = kind.or_else(|| kinds().find(|kind| *kind == RefusalKind::Denied));
                let hint = "each reason names what would change it; \
                            name a device with --to to ask only that one";
                Refusal::new(kind.unwrap_or(RefusalKind::Unreachable), why, hint)
            }
        }
    }
}

impl Offers {
    pub(crate) fn begin(&mut self, errand: Errand) -> u64 {
        self.begun += 1;
        self.errands.insert(self.begun, errand);
        self.begun
    }

    pub(crate) fn errand(&self, id: u64) -> Option<&Errand> {
        self.errands.get(&id)
    }

    /// Errands that nobody has begun.
    pub(crate) fn waiting(&self) -> usize {
        let begun = |e: &Errand| e.given.as_ref().is_some_and(|g| g.heard == Heard::Start);
        self.errands.values().filter(|errand| !begun(errand)).count()
    }

    /// Payloads of the work that is being arranged or done.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = [u8; 32]> {
        self.errands.values().filter_map(|errand| Some(errand.want.payload.as_ref()?.hash))
    }

    pub(crate) fn hold(&mut self, id: u64, papers: Papers) {
        if let Some(errand) = self.errands.get_mut(&id) {
            errand.giver.holding = Holding::Signed(Box::new(papers));
        }
    }

    /// Notes the award that stands. Whoever else is being asked may be again if that one does not
    /// do it; until then a bid of theirs is late, and awards nothing.
    pub(crate) fn give(&mut self, id: u64, given: Given) {
        self.awards.insert(given.award, id);
        if let Some(errand) = self.errands.get_mut(&id) {
            debug_assert!(errand.given.is_none(), "of one piece of work one award stands");
            let others = std::mem::take(&mut errand.asked).into_values();
            errand.queue.extend(others.map(|asked| asked.device));
            errand.given = Some(given);
        }
    }

    fn end(&mut self, id: u64) -> Option<Errand> {
        self.awards.retain(|_, errand| *errand != id);
        self.errands.remove(&id)
    }

    /// The errand that waits for an answer of this link to this offer.
    fn asked_by(&self, nonce: &[u8; 16], link: &PublicKey) -> Option<u64> {
        let by = |e: &Errand| e.asked.get(nonce).is_some_and(|asked| asked.link == *link);
        self.errands.iter().find(|(_, errand)| by(errand)).map(|(id, _)| *id)
    }

    pub(crate) fn next_deadline(&self) -> Option<BootTime> {
        let errands = self.errands.values().filter_map(Errand::next_deadline);
        errands.chain(self.places.values().map(|kept| kept.until)).min()
    }
}

impl Engine {
    /// Asks the next candidates, or says that nobody is left.
    pub(crate) fn go_on(&mut self, id: u64) {
        while let Some(errand) = self.work.offers.errands.get(&id) {
            let alone = errand.asked.values().any(|asked| asked.link == self.key);
            if errand.given.is_some() || alone || errand.asked.len() >= OFFERS_AT_ONCE {
                return;
            }
            // A renewed credential that is not on disk proves nothing there; it will be in a
            // moment.
            if let Holding::Signed(papers) = &errand.giver.holding
                && self.is_unsent(&papers.credential)
            {
                return;
            }
            let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
            match errand.queue.pop_front() {
                Some(device) => self.try_device(id, device),
                None if errand.asked.is_empty() => {
                    let refusal = errand.why_nobody();
                    return self.give_up(id, refusal);
                }
                None => return,
            }
        }
    }

    fn try_device(&mut self, id: u64, device: DeviceId) {
        let asked = self.reachable(id, &device).and_then(|link| {
            self.may_offer(id, &device)?;
            Ok(link)
        });
        match asked {
            Ok(link) => self.offer(id, device, link),
            Err(refusal) => {
                if let Some(errand) = self.work.offers.errands.get_mut(&id) {
                    errand.tried.push(Tried { device: device.name().to_owned(), refusal });
                }
            }
        }
    }

    fn reachable(&self, id: u64, device: &DeviceId) -> Result<PublicKey, Refusal> {
        let named = self.work.offers.errands.get(&id).is_some_and(|e| e.want.device.is_some());
        if self.own_id().as_ref() == Some(device) {
            if !named {
                return Ok(self.key);
            }
            let why = format!("{} is this device", device.name());
            let hint = "run it here with `belay agent run -- CMD`";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        }
        let Some(known) = self.known.registry.device_by_id(device) else {
            let why = format!("no device {} is known in this fleet", device.name());
            let hint = "see `belay status` for the devices there are";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        };
        if self.links.is_known(&known.key) {
            return Ok(known.key);
        }
        let why = format!("{} cannot be reached from here now", device.name());
        Err(Refusal::new(RefusalKind::Unreachable, why, "try again when it is linked"))
    }

    /// Offers the work; where that device has said that it may be awarded at once, awards it.
    fn offer(&mut self, id: u64, device: DeviceId, link: PublicKey) {
        let nonce = self.chance.bytes16();
        let now = self.now.boot;
        let standing = self.work.offers.standing.take_up(&link, now);
        let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
        let (from, root) = match &errand.giver.holding {
            Holding::Signed(papers) => (Some(papers.credential), None),
            Holding::Drafted(draft) => (None, Some(draft.credential.clone())),
        };
        let offer = Offer {
            nonce,
            from,
            root,
            terms: Terms { device: device.clone(), ..errand.terms.clone() },
            argv: errand.want.argv.clone(),
            needs: errand.want.needs.clone(),
            named: errand.want.device.is_some(),
            standing: standing.as_ref().map(|taken| taken.nonce),
            payload: errand.want.payload.clone(),
        };
        if standing.is_none() {
            // A program on this device's own disk is looked up for as long as that takes.
            let here = link == self.key;
            let until = if here { BootTime(u64::MAX) } else { now.plus_ms(OFFER_ANSWER_MS) };
            errand.asked.insert(nonce, Asked { device: device.clone(), link, until });
        }
        if link == self.key {
            return self.keep_own_place(offer);
        }
        self.push(link, &from.map(|from| self.papers_behind(from)).unwrap_or_default());
        self.say_in_bulk(link, Talk::Offer(Box::new(offer)));
        if let Some(taken) = standing {
            let over = Over { how: How::Standing, lease_from: taken.over };
            self.award(id, &device, link, over);
        }
    }

    /// A credential and every delegation and credential above it, the user's first.
    fn papers_behind(&self, credential: StatementId) -> Vec<StatementId> {
        let mut papers = vec![credential];
        let mut at = credential;
        while let Some(id) = self.known.get(&at).and_then(|held| held.refs.first().copied()) {
            let Some(Body::Delegation(body)) = self.known.get(&id).map(|s| &s.body) else { break };
            papers.extend([id, body.from]);
            at = body.from;
            if papers.len() > 2 * belay_identity::limits::CHAIN_LINKS_MAX {
                break;
            }
        }
        papers.reverse();
        papers
    }

    fn say_in_bulk(&mut self, link: PublicKey, talk: Talk) {
        let signed = sign(talk, &self.config.device, &self.config.fleet);
        let (kind, body) = wire::write_talk(&signed);
        self.send(link, Lane::Bulk, kind, body);
    }

    /// A place is kept for us: the first one is awarded.
    pub(crate) fn on_bid(&mut self, link: PublicKey, bid: &Bid) {
        if bid.offerer == self.key {
            self.on_place(link, bid.nonce);
        }
    }

    /// A place is kept for an errand of ours, there or here.
    pub(crate) fn on_place(&mut self, link: PublicKey, nonce: [u8; 16]) {
        // Late, or of an offer that somebody else has won: that place lapses unaided.
        let Some(id) = self.work.offers.asked_by(&nonce, &link) else { return };
        let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
        let Some(asked) = errand.asked.remove(&nonce) else { return };
        let how = match &errand.want.device {
            _ if link == self.key => How::Here,
            Some(_) => How::Named,
            None => How::Negotiated,
        };
        self.award(id, &asked.device, link, Over { how, lease_from: self.now.boot });
    }

    pub(crate) fn on_refuse(&mut self, link: PublicKey, refuse: &Refuse) {
        if refuse.offerer == self.key {
            self.on_no_place(link, refuse.nonce, &refuse.reason);
        }
    }

    /// That device keeps no place: the next one is asked.
    pub(crate) fn on_no_place(&mut self, link: PublicKey, nonce: [u8; 16], reason: &str) {
        let Some(id) = self.work.offers.asked_by(&nonce, &link) else { return };
        let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
        let Some(asked) = errand.asked.remove(&nonce) else { return };
        let device = asked.device.name().to_owned();
        let why = match errand.want.device {
            Some(_) => format!("{device} refuses: {reason}"),
            None => format!("refuses: {reason}"),
        };
        errand.note(device, RefusalKind::Denied, why);
        self.go_on(id);
    }

    /// Its delegator has just lent an award more time.
    pub(crate) fn note_lent(&mut self, award: &StatementId) {
        let lease_ms = self.known.tasks.award(award).map_or(0, |said| said.body.lease_ms);
        let until = self.now.boot.plus_ms(with_drift(lease_ms));
        let Some(id) = self.work.offers.awards.get(award) else { return };
        let given = self.work.offers.errands.get_mut(id).and_then(|e| e.given.as_mut());
        if let Some(given) = given.filter(|given| given.award == *award) {
            given.until = given.until.map(|before| before.max(until));
        }
    }

    /// Its executor has said something of an award that we made.
    pub(crate) fn on_award_news(&mut self, award: &StatementId, statement: &Verified<Statement>) {
        let Some(id) = self.work.offers.awards.get(award).copied() else { return };
        let executor = self.known.tasks.award(award).map(|said| said.body.executor.clone());
        let by = |device| self.known.registry.speaks_for(&statement.key(), &device);
        if !executor.is_some_and(by) {
            return;
        }
        let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
        let Some(given) = errand.given.as_mut().filter(|given| given.award == *award) else {
            let why = "the work has been given anew under a higher fence";
            return self.tell(Event::ResultDropped(*award, why.into()));
        };
        match &statement.body {
            Body::Started(_) => {
                given.heard = Heard::Start;
                let device = given.device.name().to_owned();
                // It was only slow: what was noted of its silence is not so.
                errand.tried.retain(|tried| tried.device != device);
                if errand.want.answer == AnswerAt::Start {
                    self.settle_errand(id, None);
                }
            }
            Body::Refused(refused) => {
                let why = format!("refused: {}", refused.reason);
                self.pass_over(id, RefusalKind::Denied, why);
            }
            Body::Receipt(receipt) => self.on_result(id, *award, receipt),
            _ => {}
        }
    }

    /// The end of the work. What was cancelled or stopped brings no result, however it ended.
    fn on_result(&mut self, id: u64, award: StatementId, receipt: &Receipt) {
        if receipt.outcome == Outcome::FinishedBefore && self.is_cut(&award) {
            let why = "the work was cancelled, or an order stands against it; \
                       it had ended before that arrived, and its result is dropped";
            self.tell(Event::ResultDropped(award, why.into()));
            let hint = "a cancel is final; give the work anew if it is wanted after all";
            return self.give_up(id, Refusal::new(RefusalKind::Denied, why, hint));
        }
        let ended = Ended {
            outcome: receipt.outcome,
            cause: receipt.cause,
            exit: receipt.exit,
            signal: receipt.signal,
            tail: receipt.tail.clone().map(|tail| tail.0).unwrap_or_default(),
        };
        self.settle_errand(id, Some(ended));
    }

    fn settle_errand(&mut self, id: u64, ended: Option<Ended>) {
        let Some(errand) = self.work.offers.end(id) else { return };
        let Some(Given { award, device, how, .. }) = errand.given else { return };
        let offloaded = Offloaded { award, device, how, tried: errand.tried, ended };
        self.answer(errand.ask, Ok(Answer::Offloaded(offloaded)));
    }

    /// The award is over without a start: the next candidate, under a higher fence.
    fn pass_over(&mut self, id: u64, kind: RefusalKind, why: String) {
        let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
        let Some(given) = errand.given.take() else { return };
        let device = given.device.name().to_owned();
        errand.tried.retain(|tried| tried.device != device);
        errand.note(device, kind, why);
        errand.fence += 1;
        self.go_on(id);
    }

    /// Ends an errand with a No; what was signed for it and never ran is answered for.
    pub(crate) fn give_up(&mut self, id: u64, refusal: Refusal) {
        let Some(errand) = self.work.offers.end(id) else { return };
        self.answer_orders();
        self.answer(errand.ask, Err(refusal));
    }

    /// Forgets places nobody took up; passes over who was silent.
    pub(crate) fn tend_offers(&mut self) {
        let now = self.now.boot;
        self.work.offers.places.retain(|_, kept| kept.until > now);
        let errands: Vec<u64> = self.work.offers.errands.keys().copied().collect();
        for id in errands {
            self.tend_asked(id);
            self.tend_given(id);
            self.go_on(id);
        }
    }

    fn tend_asked(&mut self, id: u64) {
        let now = self.now.boot;
        let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
        let late: Vec<[u8; 16]> =
            errand.asked.iter().filter(|(_, a)| a.until <= now).map(|(nonce, _)| *nonce).collect();
        for nonce in late {
            let Some(asked) = errand.asked.remove(&nonce) else { continue };
            let why = "the device did not answer in time".to_owned();
            errand.note(asked.device.name().to_owned(), RefusalKind::Unreachable, why);
        }
    }

    fn tend_given(&mut self, id: u64) {
        let now = self.now.boot;
        let Some(errand) = self.work.offers.errands.get_mut(&id) else { return };
        let Some(given) = errand.given.as_mut() else { return };
        let (award, until) = (given.award, given.until);
        match given.heard {
            Heard::NothingUntil(by) if by <= now => {
                given.heard = Heard::Silence;
                let device = given.device.name().to_owned();
                let why = "the device did not answer in time".to_owned();
                errand.note(device, RefusalKind::Unreachable, why);
                let waits = until.is_some_and(|until| until <= now.plus_ms(REAWARD_WAIT_MS));
                if errand.queue.is_empty() || !waits {
                    self.cancel_award(award);
                    self.give_up_silent(id, until);
                }
            }
            Heard::Silence if until.is_some_and(|until| until <= now) => {
                self.cancel_award(award);
                let why = "it took the award and fell silent; its lease has ended".to_owned();
                self.pass_over(id, RefusalKind::Unreachable, why);
            }
            Heard::NothingUntil(_) | Heard::Silence | Heard::Start => {}
        }
    }

    /// Nobody else may do it for longer than an asker waits.
    fn give_up_silent(&mut self, id: u64, until: Option<BootTime>) {
        let Some(errand) = self.work.offers.errands.get(&id) else { return };
        let mut refusal = errand.why_nobody();
        refusal.kind = RefusalKind::Unreachable;
        let over = match until {
            Some(until) => format!("for {} s more", until.since_ms(self.now.boot) / 1_000),
            None => "to its deadline".to_owned(),
        };
        refusal.hint = format!(
            "the award is cancelled; a device that is cut off may still run it {over}. \
             `belay status` says when it was last heard"
        );
        self.give_up(id, refusal);
    }

    fn cancel_award(&mut self, award: StatementId) {
        let Some(Scope::Tree(tree)) = self.known.get(&award).map(|held| held.scope.clone()) else {
            return;
        };
        let executor = self.known.tasks.award(&award).map(|said| said.body.executor.clone());
        let cancel = Cancel { award, reason: "nobody heard of its start".into() };
        let id = self.say(Words::new(Scope::Tree(tree), cancel));
        let link = executor.and_then(|executor| self.known.registry.device_by_id(&executor));
        let link = link.map(|device| device.key).filter(|key| *key != self.key);
        if let Some(id) = id {
            self.push_once_written(link, id);
        }
    }
}
