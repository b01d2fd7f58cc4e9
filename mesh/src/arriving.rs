//! Work that arrives: a place is kept for an offer, the gate is asked, and an award is taken up.
//!
//! An award starts only in a place that this process has kept for its offer, whose program was
//! looked up and admitted; a replayed, late or hasty award is inert, and refused by name. An offer
//! that takes up a standing offer of ours has its award behind it: the same place, without a bid.
//! When the award comes the whole chain is checked again as it was signed, and the gate is asked
//! once more: what it recorded is the answer that came with the start (INV-TASK-2).
//!
//! Refused here: believing the giver's word on chain, program or command, or in an award another
//! word than in its offer.

use crate::author::Words;
use crate::engine::Engine;
use crate::gate::{Act, Decision, GateTask, Origin};
use crate::input::OnDisk;
use crate::lease::Lease;
use crate::limits::{
    CARRIED_KEPT, CARRIED_NAME_BYTES_MAX, EARLY_AWARDS_MAX, RESERVATION_MS, RESERVATIONS_MAX,
    RESERVATIONS_PER_LINK_MAX, TASKS_MAX,
};
use crate::lineage::Lineage;
use crate::output::Output;
use crate::payload::{Cargo, check_payload};
use crate::task::{Lent, Phase, Task};
use crate::time::BootTime;
use belay_identity::body::{Action, Award, Body, Delegation, Refused, Wall};
use belay_identity::chain::{Link, Program, check_narrows};
use belay_identity::lease::{Bid, Offer, Refuse, Talk};
use belay_identity::limits::{ARGV_BYTES_MAX, ARGV_ITEMS_MAX, REASON_BYTES_MAX};
use belay_identity::{Chain, PublicKey, Scope, Statement, StatementId, Verified};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A place kept here for somebody's offer.
pub(crate) struct Kept {
    pub(crate) link: PublicKey,
    pub(crate) offer: Offer,
    pub(crate) chain: Chain,
    pub(crate) found: Found,
    /// An award that came while the program was being looked up.
    pub(crate) award: Option<StatementId>,
    /// When the offer came: its lease counts from here.
    pub(crate) asked: BootTime,
    pub(crate) until: BootTime,
}

/// What came of looking the program up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet.
    NotYet,
    /// What it is; the gate has said yes.
    Admitted(Program),
    /// It will not run; kept so that an award on its way hears why.
    Refused(String),
}

impl Engine {
    /// Somebody offers work: look the program up before saying anything.
    pub(crate) fn on_offer(&mut self, link: PublicKey, offer: Offer) {
        let nonce = offer.nonce;
        match self.weigh_offer(link, &offer) {
            Ok(chain) => self.keep_place(link, offer, chain),
            Err(reason) if offer.standing.is_some() => {
                // Its award is on the way, and is owed a reason.
                let until = self.now.boot.plus_ms(RESERVATION_MS);
                let (found, chain) = (Found::Refused(reason), Chain::default());
                let asked = self.now.boot;
                let kept = Kept { link, offer, chain, found, award: None, asked, until };
                if self.places_of(&link) < RESERVATIONS_PER_LINK_MAX {
                    self.work.offers.places.entry(nonce).or_insert(kept);
                }
            }
            Err(reason) => self.refuse_offer(link, nonce, reason),
        }
    }

    /// This device offers itself what it may give to anybody.
    pub(crate) fn keep_own_place(&mut self, offer: Offer) {
        let nonce = offer.nonce;
        match self.has_a_place().and_then(|()| self.weigh_terms(self.key, &offer)) {
            Ok(chain) => self.keep_place(self.key, offer, chain),
            Err(reason) => self.on_no_place(self.key, nonce, &reason),
        }
    }

    fn keep_place(&mut self, link: PublicKey, offer: Offer, chain: Chain) {
        // It stands until the program was looked up: an answer always comes.
        let (asked, until) = (self.now.boot, BootTime(u64::MAX));
        let (nonce, program) = (offer.nonce, offer.argv.first().cloned().unwrap_or_default());
        let found = Found::NotYet;
        let kept = Kept { link, offer, chain, found, award: None, asked, until };
        self.work.offers.places.insert(nonce, kept);
        self.out(Output::Inspect { nonce, program });
    }

    fn places_of(&self, link: &PublicKey) -> usize {
        self.work.offers.places.values().filter(|kept| kept.link == *link).count()
    }

    fn weigh_offer(&mut self, link: PublicKey, offer: &Offer) -> Result<Chain, String> {
        check_words(&offer.argv, &offer.terms.tools, &offer.needs)?;
        check_carried(&offer.terms.carried)?;
        check_payload(offer.payload.as_ref())?;
        if self.work.offers.places.contains_key(&offer.nonce) {
            return Err("this offer stands here already".into());
        }
        if self.places_of(&link) >= RESERVATIONS_PER_LINK_MAX {
            return Err("too many offers of this device stand here; try again in a moment".into());
        }
        self.has_a_place()?;
        if let Some(nonce) = offer.standing {
            self.work.offers.standing.spend(&link, nonce, self.now.boot)?;
        } else if let Some(why) = self.has_no_room(&offer.needs).filter(|_| !offer.named) {
            return Err(why);
        }
        if let Some(lacking) = self.cannot(&offer.needs) {
            return Err(lacking);
        }
        self.weigh_terms(link, offer)
    }

    /// Every place that is kept may become a task: both are bounded, whoever offers.
    fn has_a_place(&self) -> Result<(), String> {
        let full = self.work.len() >= TASKS_MAX;
        if full || self.work.offers.places.len() >= RESERVATIONS_MAX {
            return Err("no place is free here now; try again in a few seconds".into());
        }
        self.has_share_for_work().map_err(|full| full.why)
    }

    fn weigh_terms(&self, link: PublicKey, offer: &Offer) -> Result<Chain, String> {
        let above = offer.from.and_then(|from| self.known.registry.credential(&from)?.expiry_ms);
        let ended = |end_ms| self.has_ended(end_ms, Action::Work);
        if ended(offer.terms.deadline_ms) || above.is_some_and(ended) {
            return Err("the delegation, or the credential above it, has ended".into());
        }
        if Some(&offer.terms.device) != self.own_id().as_ref() {
            return Err("the offer names another device".into());
        }
        let chain = self.offered_chain(offer)?;
        let giver = chain.links().iter().rev().nth(1).map(|link| link.device.clone());
        if self.known.registry.device_by_key(&link).map(|d| d.id.clone()) != giver {
            return Err("the giver's agent runs on another device than the one that offers".into());
        }
        Ok(chain)
    }

    /// The chain that an offer would make. Where a tree begins its first link is the giver's claim,
    /// and is compared with what he has signed when the award comes.
    fn offered_chain(&self, offer: &Offer) -> Result<Chain, String> {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        let epoch = self.known.epoch();
        let above = match (&offer.from, &offer.root) {
            (Some(from), None) => {
                let above = tasks.chain_of(registry, from).map_err(|gap| gap.to_string())?;
                if let Some(held) = tasks.acting_delegation(registry, from) {
                    let promised = offer.terms.under(*from);
                    check_narrows(held.body, &promised).map_err(|error| error.to_string())?;
                }
                above
            }
            (None, Some(root)) if root.tree.is_none() => {
                Chain::new(vec![Link::of(root).granted(epoch)]).map_err(|e| e.to_string())?
            }
            (Some(_), Some(_)) | (None, _) => {
                return Err("the offer names no giver, or two".into());
            }
        };
        let acting = above.acting().ok_or("nobody stands behind the offer")?;
        let promised = offer.terms.under(StatementId([0; 32]));
        let link = Link::promised(&promised, acting).granted(epoch);
        above.extended(link).map_err(|error| error.to_string())
    }

    /// The program was looked up: ask the gate, then keep a place and bid.
    pub(crate) fn on_inspected(&mut self, nonce: [u8; 16], program: Result<Program, String>) {
        let Some(mut kept) = self.work.offers.places.remove(&nonce) else { return };
        let admitted = program.and_then(|program| {
            kept.chain = with_program(&kept.chain, &program);
            self.admits(&kept, Asking::First).map(|()| program)
        });
        kept.until = self.now.boot.plus_ms(RESERVATION_MS);
        let (link, standing, award) = (kept.link, kept.offer.standing.is_some(), kept.award);
        kept.found = match admitted {
            Ok(program) => Found::Admitted(program),
            Err(reason) if standing => Found::Refused(reason),
            Err(reason) if link == self.key => return self.on_no_place(link, nonce, &reason),
            Err(reason) => return self.refuse_offer(link, nonce, reason),
        };
        self.work.offers.places.insert(nonce, kept);
        if link == self.key {
            self.on_place(link, nonce);
        } else if !standing {
            let bid = Bid { nonce, offerer: link, reserved_ms: RESERVATION_MS };
            self.say_to(link, Talk::Bid(bid));
        } else if let Some(statement) = award.and_then(|award| self.known.get(&award).cloned()) {
            self.take_place(nonce, &statement);
        }
    }

    /// May this work run here? Every chain, program and lease is looked at anew.
    fn admits(&mut self, kept: &Kept, asking: Asking) -> Result<(), String> {
        let own = kept.link == self.key;
        // That the delegation names this device is the leave to run; its tools bind what runs.
        let task = GateTask {
            chain: kept.chain.clone(),
            cut: self.cut_of(&kept.chain),
            credential_until_ms: u64::MAX,
            budget_left: u64::MAX,
            tools: None,
            ending: false,
            on_disk: OnDisk::AsStarted,
            lineage: Lineage::Unbroken,
            lent: Lease::Own,
            origin: if own { Origin::Here } else { Origin::Arriving },
            wall: Wall::None,
            carried: kept.offer.terms.carried.clone(),
            data_most: kept.offer.terms.data,
        };
        let act = Act {
            task: StatementId([0; 32]),
            action: "work.run".into(),
            target: kept.offer.argv.first().cloned().unwrap_or_default(),
            args: crate::gate::command_of(&kept.offer.argv),
        };
        let verdict = match asking {
            Asking::First => self.weigh_own_first(task, &act),
            Asking::WithAward => self.judge_own(task, &act),
        };
        if verdict.decision != Decision::Permit {
            return Err(verdict.of(&act));
        }
        if !self.work_is_observed() && !self.run_lease().holds(self.now.boot) {
            return Err("this device has no lease to run anything now".into());
        }
        Ok(())
    }

    fn refuse_offer(&mut self, link: PublicKey, nonce: [u8; 16], reason: String) {
        let reason = short(&reason);
        self.say_to(link, Talk::Refuse(Refuse { nonce, offerer: link, reason }));
    }

    /// An award was learnt: if it is for this device and a place was kept for it, it starts.
    pub(crate) fn on_award(&mut self, statement: &Arc<Verified<Statement>>, award: &Award) {
        let ours = self.own_id().as_ref() == Some(&award.executor);
        if ours && statement.key() != self.key && self.work.task(&statement.id()).is_none() {
            self.place_award(statement, award);
        }
    }

    /// An award of this device to itself.
    pub(crate) fn take_own(&mut self, award: StatementId) {
        let Some(statement) = self.known.get(&award).cloned() else { return };
        if let Body::Award(award) = &statement.body {
            self.place_award(&statement, &award.clone());
        }
    }

    fn place_award(&mut self, statement: &Arc<Verified<Statement>>, award: &Award) {
        let Some(said) = self.known.tasks.award(&statement.id()) else { return };
        match self.known.tasks.check_award(&self.known.registry, &said) {
            Ok(()) => {}
            // Repair brings an award before what it rests on: it is answered once that is here.
            Err(gap) if gap.is_unknown() => return self.wait_for_papers(statement.id()),
            // Nobody's award: not worth a word.
            Err(_) => return,
        }
        let Some(delegation) = award.delegation.and_then(|id| self.known.tasks.delegation(&id))
        else {
            return;
        };
        let delegation = delegation.body.clone();
        let places = &self.work.offers.places;
        let fits = |kept: &Kept| self.is_of(kept, statement, award, &delegation);
        let Some(nonce) = places.iter().find(|(_, kept)| fits(kept)).map(|(nonce, _)| *nonce)
        else {
            return self.refuse_award(
                statement,
                "this process keeps no place for this award: its reservation has lapsed or was \
                 taken, or the node has started again since its bid",
            );
        };
        self.take_place(nonce, statement);
    }

    fn wait_for_papers(&mut self, award: StatementId) {
        let early = &mut self.work.offers.early;
        early.insert(award);
        if early.len() > EARLY_AWARDS_MAX {
            early.pop_first();
        }
    }

    /// A credential or a delegation was learnt: awards that came before it are looked at again.
    pub(crate) fn place_early_awards(&mut self) {
        for award in std::mem::take(&mut self.work.offers.early) {
            let Some(statement) = self.known.get(&award).cloned() else { continue };
            if let Body::Award(award) = &statement.body {
                self.on_award(&statement, &award.clone());
            }
        }
    }

    /// True for the place that was kept for this very work.
    fn is_of(
        &self,
        kept: &Kept,
        statement: &Verified<Statement>,
        award: &Award,
        delegation: &Delegation,
    ) -> bool {
        let giver = match (&kept.offer.from, &kept.offer.root) {
            (Some(from), _) => *from == delegation.from,
            (None, Some(root)) => {
                let signed = self.known.registry.claim(&delegation.from);
                signed.is_some_and(|signed| signed.credential == *root)
            }
            (None, None) => false,
        };
        giver
            && kept.award.is_none()
            && kept.link == statement.key()
            && kept.offer.terms.under(delegation.from) == *delegation
            && argv_hash(&kept.offer.argv) == award.argv
            && kept.offer.payload == award.payload
    }

    /// A place and its award are both here.
    fn take_place(&mut self, nonce: [u8; 16], statement: &Arc<Verified<Statement>>) {
        let Some(mut kept) = self.work.offers.places.remove(&nonce) else { return };
        let Body::Award(award) = &statement.body else { return };
        let taken = match kept.found.clone() {
            Found::NotYet if kept.offer.standing.is_some() => {
                kept.award = Some(statement.id());
                self.work.offers.places.insert(nonce, kept);
                return;
            }
            Found::NotYet => Err("the award came before its bid".to_owned()),
            Found::Refused(reason) => Err(reason),
            Found::Admitted(program) => {
                self.take_award(statement, &award.clone(), kept, &program, nonce)
            }
        };
        match taken {
            Ok(()) if statement.key() != self.key => self.stand_for(statement.key()),
            Ok(()) => {}
            Err(reason) => self.refuse_award(statement, &reason),
        }
    }

    fn take_award(
        &mut self,
        statement: &Arc<Verified<Statement>>,
        award: &Award,
        mut kept: Kept,
        program: &Program,
        nonce: [u8; 16],
    ) -> Result<(), String> {
        let id = award.delegation.ok_or("the award rests on no delegation")?;
        // As it was signed, not as it was offered.
        kept.chain = with_program(&self.promised_chain(&id)?, program);
        self.admits(&kept, Asking::WithAward)?;
        let Scope::Tree(tree) = statement.scope else {
            return Err("the award stands in no tree".into());
        };
        let links = kept.chain.links();
        let (last, above) = links.split_last().ok_or("nobody stands behind the award")?;
        let above = Chain::new(above.to_vec()).map_err(|error| error.to_string())?;
        let papers = self.mint(above, last.clone(), Some(tree), vec![id]).map_err(|no| no.why)?;
        let mut task = Task::new(papers, kept.offer.argv, Phase::Arranged);
        task.tools = Some(kept.offer.terms.tools);
        task.place = Some(nonce);
        task.cargo = award.payload.clone().map(|payload| Cargo { payload, here: false });
        let deadlines = [award.deadline_ms, Some(kept.offer.terms.deadline_ms)];
        task.deadline_ms = deadlines.into_iter().flatten().min();
        if statement.key() != self.key {
            task.delegator = Some(statement.key());
            let (asked, lease_ms, on_silence) = (kept.asked, award.lease_ms, award.on_silence);
            task.lent = Some(Lent { asked, lease_ms, on_silence });
        }
        self.enter(statement.id(), task);
        Ok(())
    }

    /// The chain that a delegation makes, every step checked.
    fn promised_chain(&self, id: &StatementId) -> Result<Chain, String> {
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        let said =
            tasks.delegation(id).ok_or("the delegation of this award did not come with it")?;
        let delegation = said.body;
        let above = tasks.chain_of(registry, &delegation.from).map_err(|gap| gap.to_string())?;
        let parent = registry.credential(&delegation.from);
        if parent.map(|issued| issued.credential.key) != Some(said.key()) {
            return Err("the delegation is not signed by the credential that it names".into());
        }
        if let Some(held) = tasks.acting_delegation(registry, &delegation.from) {
            check_narrows(held.body, delegation).map_err(|error| error.to_string())?;
        }
        let acting = above.acting().ok_or("nobody stands behind the delegation")?;
        let link = Link::promised(delegation, acting).granted(said.statement.epoch);
        above.extended(link).map_err(|error| error.to_string())
    }

    fn refuse_award(&mut self, statement: &Arc<Verified<Statement>>, reason: &str) {
        if self.known.is_answered(&statement.id()) {
            return;
        }
        let refused = Refused { award: statement.id(), reason: short(reason) };
        if let Some(id) = self.say(Words::new(statement.scope.clone(), refused)) {
            self.push_once_written(Some(statement.key()), id);
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
            let reason = "an order against this chain stands";
            match kept.award.and_then(|award| self.known.get(&award).cloned()) {
                Some(statement) => self.refuse_award(&statement, reason),
                None if kept.link == self.key => self.on_no_place(kept.link, nonce, reason),
                None => self.refuse_offer(kept.link, nonce, reason.into()),
            }
        }
    }
}

/// Whether a Yes is recorded.
#[derive(Clone, Copy)]
enum Asking {
    /// For a bid: nothing is granted yet.
    First,
    /// With the start.
    WithAward,
}

/// What an offer spells out fits an offer, and so do its delegation and whatever is made below it.
pub(crate) fn check_words(
    argv: &[String],
    tools: &[String],
    needs: &[String],
) -> Result<(), String> {
    let lists = [argv, tools, needs];
    let bytes: usize = lists.iter().flat_map(|list| list.iter()).map(String::len).sum();
    let few = lists.iter().all(|list| list.len() <= ARGV_ITEMS_MAX);
    if !argv.is_empty() && few && bytes <= ARGV_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "the command line is empty, or with its tools and needs longer than {ARGV_BYTES_MAX} bytes"
    ))
}

/// What an offer says of data met before fits an event and a delegation below it.
fn check_carried(carried: &[String]) -> Result<(), String> {
    let short = carried.iter().all(|class| class.len() <= CARRIED_NAME_BYTES_MAX);
    if carried.len() <= CARRIED_KEPT && short {
        return Ok(());
    }
    Err(format!("the offer names more than {CARRIED_KEPT} classes of data, or one too long"))
}

/// The hash under which an award names a command line.
pub(crate) fn argv_hash(argv: &[String]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(b"belay argv 1\0");
    let with = |hash: Sha256, arg: &String| {
        hash.chain_update((arg.len() as u64).to_be_bytes()).chain_update(arg)
    };
    argv.iter().fold(hash, with).finalize().into()
}

/// What fits where a reason is read.
fn short(reason: &str) -> String {
    reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned()
}

/// A chain whose acting end runs this program.
pub(crate) fn with_program(chain: &Chain, program: &Program) -> Chain {
    let mut links = chain.links().to_vec();
    if let Some(last) = links.pop() {
        links.push(last.by(program.clone()));
    }
    Chain::new(links).unwrap_or_default()
}
