//! Work that arrives: a place is kept for an offer, the gate is asked, and an award is taken up.
//!
//! An award starts only against a place that this process has kept for its offer, whose program was
//! looked up and admitted; a replayed, late or hasty award is inert. Refused here: believing the
//! giver's word on chain, program or command.

use crate::author::Words;
use crate::engine::Engine;
use crate::gate::{Act, GateTask, Origin};
use crate::limits::{RESERVATION_MS, RESERVATIONS_MAX, RESERVATIONS_PER_LINK_MAX, TASKS_MAX};
use crate::output::{Output, Refusal, RefusalKind};
use crate::task::{Lent, Phase, Task, argv_hash};
use crate::time::BootTime;
use belay_identity::body::{Award, Body, Delegation, Refused};
use belay_identity::chain::{Link, check_narrows};
use belay_identity::lease::{Bid, Offer, Refuse, Talk};
use belay_identity::limits::{ARGV_BYTES_MAX, ARGV_ITEMS_MAX, REASON_BYTES_MAX};
use belay_identity::{Chain, PublicKey, Scope, Statement, StatementId, Verified};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A place kept here for somebody's offer.
pub(crate) struct Kept {
    pub(crate) link: PublicKey,
    pub(crate) offer: Offer,
    pub(crate) chain: Chain,
    /// The program's hash; none while it is being looked up, and no award is taken before.
    pub(crate) manifest: Option<[u8; 32]>,
    pub(crate) bid_at: BootTime,
    pub(crate) until: BootTime,
}

impl Engine {
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
