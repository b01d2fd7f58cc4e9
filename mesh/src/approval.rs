//! Approvals: what waits for a yes, of whom, and how many have said it.
//!
//! One way for every act that one person alone may not do: root epochs, releases, lifts and
//! restores, orders on operators, wide orders beyond the budget, silencing a beacon. Each is a
//! proposal that stands in the set and counts for nothing, or for less, until enough approvals name
//! its id. What is listed here is read from the same folds that count them.
//!
//! Refused here: counting. An approval that no fold would count is refused at the door, by name.

mod changes;
mod entitled;

use crate::engine::Engine;
use crate::output::{Refusal, RefusalKind};
use belay_crdt::authority::Void;
use belay_crdt::limits::{OPERATOR_HOLD_MS, OPERATORS_NEEDED};
use belay_crdt::orders::Order;
use belay_crdt::set::Held;
use belay_identity::body::{Body, Release, Role, Root, Term};
use belay_identity::key::PublicKey;
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{StatementId, codes};
use std::collections::BTreeSet;

codes! {
    /// What kind of act waits.
    pub enum ActKind {
        /// The next epoch of the root.
        RootEpoch = 1 "root epoch",
        /// A policy.
        Release = 2 "release",
        /// An end of holds.
        Lift = 3 "lift",
        /// A new beginning of what was revoked.
        Restore = 4 "restore",
        /// An order on an operator, or its full length.
        OperatorOrder = 5 "order on an operator",
        /// A wide order beyond what one key may give in an epoch.
        WideOrder = 6 "wide order",
        /// One more key of an operator.
        FurtherKey = 8 "further key",
        /// An order on a device counts; co-signed it also silences the device as a beacon.
        Silence = 7 "silencing a beacon",
    }
}

/// Whose yes an act needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The threshold of the root keys.
    Root,
    /// So many operators with this role.
    Operators(Role),
}

/// How many have said yes, of those who count together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Who they are, in words.
    pub of: String,
    /// How many have.
    pub have: u64,
    /// How many must.
    pub need: u64,
}

/// One act that waits for a yes.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The proposal.
    pub id: StatementId,
    /// What kind of act.
    pub act: ActKind,
    /// What it is, in one line.
    pub what: String,
    /// Why, as its author says.
    pub reason: String,
    /// Who proposed it.
    pub author: String,
    /// Who has approved it.
    pub approved: Vec<String>,
    /// How far it has come; enough once none lacks any.
    pub tallies: Vec<Tally>,
    /// Whose yes it needs.
    pub needs: Needs,
    /// Who could still say yes.
    pub open: Vec<String>,
    /// What it would change, a line each.
    pub changes: Vec<String>,
    /// The root epoch under which it was proposed.
    pub epoch: u64,
}

impl Engine {
    /// Everything that waits for a yes and could still get it, by kind and id.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let epochs = self.known.set.of_kind("root").filter_map(|held| self.waiting_epoch(held));
        let releases =
            self.known.set.of_kind("release").filter_map(|held| self.waiting_release(held));
        let answers = self.known.set.of_kind("lift").chain(self.known.set.of_kind("restore"));
        let answers = answers.filter_map(|held| self.waiting_answer(held));
        let orders = self.known.set.of_kind("hold").chain(self.known.set.of_kind("revoke"));
        let orders = orders.filter_map(|held| self.waiting_order(held));
        let keys = self.known.set.of_kind("further-key");
        let keys = keys.filter_map(|held| self.waiting_key(held));
        epochs.chain(releases).chain(answers).chain(orders).chain(keys).collect()
    }

    /// All of it, or the one act of this id.
    pub(crate) fn waiting_named(&self, id: Option<&str>) -> Result<Vec<Waiting>, Refusal> {
        let Some(digits) = id else { return Ok(self.waiting()) };
        let id = self.statement_named(digits)?;
        let waiting = self.waiting_of(&id).map(|waiting| vec![waiting]);
        waiting.ok_or_else(|| {
            if let Some(held) = self.known.get(&id).and_then(|held| self.held_meanwhile(held)) {
                return held;
            }
            let kind = self.known.get(&id).map_or("", |held| held.body.kind());
            let why = format!("{id}, a statement of kind {kind}, waits for nobody's yes");
            let hint = "`belay approve` lists what does";
            Refusal::new(RefusalKind::WrongUse, why, hint)
        })
    }

    /// True for a root key that an epoch names which waits for approvals.
    pub(crate) fn is_proposed_root(&self, key: &PublicKey) -> bool {
        let mut open = self.known.set.of_kind("root").filter_map(|held| self.open_epoch(held));
        open.any(|root| root.keys.contains(key))
    }

    /// The proposal of this id, if it waits.
    pub(crate) fn waiting_of(&self, id: &StatementId) -> Option<Waiting> {
        let held = self.known.get(id)?;
        self.waiting_epoch(held)
            .or_else(|| self.waiting_release(held))
            .or_else(|| self.waiting_answer(held))
            .or_else(|| self.waiting_order(held))
            .or_else(|| self.waiting_key(held))
    }

    /// A key of the standing epoch's operator that nobody else has certified.
    fn waiting_key(&self, held: &Held) -> Option<Waiting> {
        let Body::FurtherKey(further) = &held.body else { return None };
        let authority = &self.known.authority;
        let counts = self.known.orders.grant_counts(authority, held).is_ok();
        let of_this = held.epoch == self.known.epoch() && held.inner_holds();
        if !of_this || !counts || authority.operator(&further.key).is_some() {
            return None;
        }
        let needs = Needs::Operators(Role::Security);
        let waiting = self.waiting_as(held, ActKind::FurtherKey, needs);
        let digits = further.key.to_hex().chars().take(16).collect::<String>();
        let who = signer_words(held);
        let changes = vec![format!("{who} could sign by the key {digits} too, as by his own")];
        Some(Waiting { what: format!("further key {digits} of {who}"), changes, ..waiting })
    }

    fn waiting_epoch(&self, held: &Held) -> Option<Waiting> {
        let root = self.open_epoch(held)?;
        let standing = self.known.authority.standing()?;
        let said = self.root_keys_saying(held);
        let all: BTreeSet<PublicKey> =
            standing.root.keys.iter().chain(&root.keys).copied().collect();
        let open = all.difference(&said).map(root_key_words).collect();
        let mut tallies = vec![root_tally(&standing.root, &said), root_tally(root, &said)];
        if standing.root.keys == root.keys && standing.root.threshold == root.threshold {
            tallies.pop();
        }
        let what = format!("root epoch {}", root.number);
        let changes = self.proposal_changes(standing, root);
        let waiting = self.waiting_as(held, ActKind::RootEpoch, Needs::Root);
        Some(Waiting { what, tallies, open, changes, ..waiting })
    }

    /// The root that a proposal would make of the epoch that stands; nothing for one that stands,
    /// that was overtaken, or that no number of approvals would make valid.
    pub(crate) fn open_epoch<'a>(&self, held: &'a Held) -> Option<&'a Root> {
        let Body::Root(root) = &held.body else { return None };
        let standing = self.known.authority.standing()?;
        let follows = held.refs == [standing.id];
        let may = standing.root.keys.contains(&held.key());
        let open = follows && may && crate::epoch::check(&standing.root, root).is_ok();
        (open && self.known.authority.grant_counts(held).is_err()).then_some(root)
    }

    /// The header of a release above everything that judges, which counts and lacks a yes.
    pub(crate) fn open_release<'a>(&self, held: &'a Held) -> Option<&'a Release> {
        let Body::Release(header) = &held.body else { return None };
        let epoch = self.known.epoch();
        let judging = self.known.releases.judging(&header.ring).all();
        let above = judging.iter().all(|release| release.header.version < header.version);
        let of_this = held.epoch == epoch && header.version.epoch == epoch;
        let counts = || self.known.orders.grant_counts(&self.known.authority, held).is_ok();
        (above && of_this && counts()).then_some(header)
    }

    fn waiting_release(&self, held: &Held) -> Option<Waiting> {
        let header = self.open_release(held)?;
        let needs = Needs::Operators(Role::Policy);
        let waiting = self.waiting_as(held, ActKind::Release, needs);
        let (ring, version) = (&header.ring, &header.version);
        let what = format!("release {version} of ring {ring}");
        let mut changes = self.made_of(header);
        changes.extend(self.release_changes(header));
        let reason = header.reason.clone().unwrap_or_default().0;
        Some(Waiting { what, reason, changes, ..waiting })
    }

    fn waiting_answer(&self, held: &Held) -> Option<Waiting> {
        let known = &self.known;
        let (act, reason) = match &held.body {
            Body::Lift(lift) => (ActKind::Lift, lift.reason.0.clone()),
            Body::Restore(restore) => (ActKind::Restore, restore.reason.0.clone()),
            _ => return None,
        };
        let stands = |id: &&StatementId| known.orders.lifted_by(id).is_none();
        let answers: Vec<&Order> =
            held.refs.iter().filter(stands).filter_map(|id| known.orders.order(id)).collect();
        if answers.is_empty() || known.orders.grant_counts(&known.authority, held).is_err() {
            return None;
        }
        let operator = answers.iter().any(|order| names_operator(order));
        let short = matches!(known.orders.void().get(&held.id()), Some(Void::Approvals { .. }));
        if !operator && !short {
            return None;
        }
        let needs = if operator { Needs::Root } else { Needs::Operators(Role::Security) };
        let subjects: BTreeSet<String> =
            answers.iter().map(|order| order.subject.to_string()).collect();
        let subjects: Vec<String> = subjects.into_iter().collect();
        let what = format!("{act} of {}", subjects.join(", "));
        let ends = |order: &&Order| {
            let kind = crate::why::order_kind(order.kind);
            format!("ends the {kind} on {} by {}", order.subject, order.author)
        };
        let changes = answers.iter().map(ends).collect();
        let waiting = self.waiting_as(held, act, needs);
        Some(Waiting { what, reason, changes, ..waiting })
    }

    fn waiting_order(&self, held: &Held) -> Option<Waiting> {
        let (act, needs) = match self.known.orders.void().get(&held.id()) {
            Some(Void::Alone) => (ActKind::OperatorOrder, Needs::Operators(Role::Security)),
            Some(Void::Role("root")) => (ActKind::OperatorOrder, Needs::Root),
            Some(Void::Budget) => (ActKind::WideOrder, Needs::Operators(Role::Security)),
            Some(_) => return None,
            None => (self.grows_by_cosigning(held)?, Needs::Operators(Role::Security)),
        };
        let (subject, reason) = match &held.body {
            Body::Hold(hold) => (&hold.subject, &hold.reason),
            Body::Revoke(revoke) => (&revoke.subject, &revoke.reason),
            _ => return None,
        };
        let changes = vec![match act {
            ActKind::Silence => format!("{subject} would also give no leases"),
            ActKind::WideOrder => format!("{subject} would be stopped everywhere"),
            _ => format!("what {subject} grants would not count until the root answers"),
        }];
        let what = format!("{} on {subject}", held.body.kind());
        let waiting = self.waiting_as(held, act, needs);
        Some(Waiting { what, reason: reason.0.clone(), changes, ..waiting })
    }

    /// An order that counts and that another yes would make stronger.
    fn grows_by_cosigning(&self, held: &Held) -> Option<ActKind> {
        let order = self.known.orders.order(&held.id())?;
        let stands = self.known.orders.lifted_by(&order.id).is_none();
        if order.cosigned || !stands {
            return None;
        }
        let [term] = order.subject.terms() else { return None };
        match term {
            Term::Device(id) => {
                let device = self.known.registry.device_by_id(id);
                let beacon = device.is_some_and(|d| self.known.is_beacon(&d.key));
                beacon.then_some(ActKind::Silence)
            }
            Term::Operator(_) => {
                let day = self.wall_now_ms().saturating_add(OPERATOR_HOLD_MS);
                order.until_ms.is_some_and(|until| until > day).then_some(ActKind::OperatorOrder)
            }
            Term::Agent(_)
            | Term::User(_)
            | Term::Project(_)
            | Term::Class(_)
            | Term::Manifest(_) => None,
        }
    }

    /// What is the same of every act.
    fn waiting_as(&self, held: &Held, act: ActKind, needs: Needs) -> Waiting {
        let approved = self.known.set.approvals(&held.id()).map(signer_words).collect();
        let (tallies, open) = match needs {
            Needs::Root => self.root_tallies(held),
            Needs::Operators(role) => self.operator_tallies(held, role),
        };
        Waiting {
            id: held.id(),
            act,
            what: String::new(),
            reason: String::new(),
            author: signer_words(held),
            approved,
            tallies,
            needs,
            open,
            changes: Vec::new(),
            epoch: held.epoch,
        }
    }

    fn root_tallies(&self, held: &Held) -> (Vec<Tally>, Vec<String>) {
        let Some(standing) = self.known.authority.standing() else { return Default::default() };
        let mut said = self.root_keys_saying(held);
        if matches!(held.author, Principal::Root(_)) {
            said.insert(held.key());
        }
        let keys = standing.root.keys.iter().filter(|key| !said.contains(*key));
        (vec![root_tally(&standing.root, &said)], keys.map(root_key_words).collect())
    }

    fn operator_tallies(&self, held: &Held, role: Role) -> (Vec<Tally>, Vec<String>) {
        let authority = &self.known.authority;
        let said = self.operators_saying(held, role);
        let all = authority.operators_at(role, held.epoch);
        let need = match &held.body {
            Body::Hold(_) | Body::Revoke(_) | Body::FurtherKey(_) => OPERATORS_NEEDED,
            _ => all.len().clamp(1, OPERATORS_NEEDED),
        };
        let open = all.into_iter().filter(|id| !said.contains(*id)).map(ToString::to_string);
        let of = format!("operators with the role {role}");
        (vec![Tally { of, have: said.len() as u64, need: need as u64 }], open.collect())
    }

    /// The operators whose yes to this counts in a role. Who signs a release does not approve it by
    /// that; who signs an answer or an order does.
    fn operators_saying(&self, held: &Held, role: Role) -> BTreeSet<OperatorId> {
        let known = &self.known;
        let counts = |one: &&Held| known.orders.grant_counts(&known.authority, one).is_ok();
        let as_operator = |one: &Held| {
            let id = known.authority.operator_at(&one.key(), role, one.epoch)?;
            (one.author == Principal::Operator(id.clone())).then(|| id.clone())
        };
        let mut said: BTreeSet<OperatorId> =
            known.set.approvals(&held.id()).filter(counts).filter_map(as_operator).collect();
        if !matches!(held.body, Body::Release(Release { .. })) {
            said.extend(as_operator(held));
        }
        said
    }

    fn root_keys_saying(&self, held: &Held) -> BTreeSet<PublicKey> {
        let as_root = |one: &&Held| matches!(one.author, Principal::Root(_));
        self.known.set.approvals(&held.id()).filter(as_root).map(|one| one.key()).collect()
    }
}

fn root_tally(root: &Root, said: &BTreeSet<PublicKey>) -> Tally {
    let have = root.keys.iter().filter(|key| said.contains(*key)).count() as u64;
    let of = format!("root keys of epoch {}", root.number);
    Tally { of, have, need: root.threshold }
}

fn names_operator(order: &Order) -> bool {
    matches!(order.subject.terms(), [Term::Operator(_)])
}

/// A root key as screens name it: by its first digits, for nobody's name stands in an epoch.
pub(crate) fn root_key_words(key: &PublicKey) -> String {
    format!("root key {}", key.to_hex().get(..16).unwrap_or_default())
}

/// Who signed a statement, as screens name him.
pub(crate) fn signer_words(held: &Held) -> String {
    match &held.author {
        Principal::Root(_) => root_key_words(&held.key()),
        Principal::Operator(_)
        | Principal::Device(_)
        | Principal::User(_)
        | Principal::Agent(_)
        | Principal::Project(_)
        | Principal::Class(_)
        | Principal::Invite(_) => held.author.to_string(),
    }
}

impl Waiting {
    /// True when nobody's yes is lacking any more.
    pub fn is_enough(&self) -> bool {
        self.tallies.iter().all(|tally| tally.have >= tally.need)
    }
}
