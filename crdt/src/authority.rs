//! Authority: which root stands, who holds what, and which statements count.
//!
//! Two passes. The first, here, says who ever held what in any valid epoch, and which grants and
//! orders count by epoch, role, pin and fork. The second, in `orders`, removes what orders cut. An
//! order counts by what its author *ever* held, so nothing that arrives later (a rival epoch, a
//! fork, an order against its author) can weaken it: only a seal of the standing root that does not
//! re-affirm it, a removal for cause, or an answer by name.
//!
//! Refused here: clocks, subjects of orders, and what a device or a credential's key may say (the
//! registry and the tasks decide that; their pins and forks are judged here).

mod drops;
mod epoch;
mod further;
mod pins;
mod required;
mod roots;
mod seals;
mod tenure;

use crate::rules::{AtPin, Rules};
use crate::set::Set;
use belay_identity::body::{Body, Direction, Role};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{LogId, PublicKey, Statement, StatementId, Verified};
pub use epoch::Epoch;
pub use further::Further;
pub use pins::{BadPins, check_list};
use required::{Required, required_role};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenure::{Tenure, tenures};

/// Who may say what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    roots: roots::Roots,
    /// Shared by copies: it grows with all that was ever sealed in.
    seals: Arc<seals::Seals>,
    drops: drops::Drops,
    forks: BTreeMap<LogId, u64>,
    /// Every key's places in all valid epochs.
    tenures: BTreeMap<PublicKey, Vec<Tenure>>,
    /// Keys that operators named beside those of the root, with somebody else's yes.
    further: further::AllFurther,
    rules: Table,
}

/// What one line of an epoch, or a further key beside it, gives to a key.
struct Place<'a> {
    operator: &'a OperatorId,
    roles: &'a [Role],
    /// The key of the line.
    line: PublicKey,
}

/// Against which grants an order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Against all of them.
    All,
    /// Only against grants of this epoch and those before it.
    UpTo(u64),
}

impl Reach {
    /// True when it counts against a grant of this epoch; one of an unknown epoch is reached.
    pub fn covers(self, epoch: Option<u64>) -> bool {
        match self {
            Reach::All => true,
            Reach::UpTo(last) => epoch.is_none_or(|epoch| epoch <= last),
        }
    }

    /// The lesser of this reach and `UpTo(last)`.
    pub(crate) fn at_most(self, last: u64) -> Self {
        match self {
            Reach::All => Reach::UpTo(last),
            Reach::UpTo(before) => Reach::UpTo(before.min(last)),
        }
    }
}

/// Why a statement does not count; shown to people as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// Asked of the wrong kind.
    #[error("it is of another kind than was asked for")]
    Kind,
    /// Made under an epoch that is not held or not valid yet.
    #[error("it was made under root epoch {0}, which does not stand here")]
    Epoch(u64),
    /// Its author did not hold the role.
    #[error("its key was not entitled to say this; it needs the role {0}")]
    Role(&'static str),
    /// Above the pin of a later epoch.
    #[error("root epoch {0} sealed its log without it; issue it again")]
    Outside(u64),
    /// At or after a fork of its log.
    #[error("its author signed two statements with number {0} or below; issue it by a new log")]
    Forked(u64),
    /// Its author was removed for cause.
    #[error("root epoch {0} removed its author for cause")]
    Removed(u64),
    /// Its author's root key signed two successors of one epoch.
    #[error("its root key approved two rival epochs; let another root key say it")]
    CutRoot,
    /// An order that an epoch sealed and did not re-affirm.
    #[error("root epoch {0} sealed it without re-affirming it")]
    Sealed(u64),
    /// Not enough principals approved it.
    #[error("{have} of {need} operators have said yes; let another one approve it")]
    Approvals {
        /// How many did.
        have: usize,
        /// How many it needs.
        need: usize,
    },
    /// A second order of one operator alone on another.
    #[error("one operator alone may hold another once in a root epoch; name a co-signer")]
    Repeated,
    /// More wide orders than a key may give alone.
    #[error("its key has given 32 wide orders in this epoch; let a second operator approve it")]
    Budget,
    /// An order on an operator without end and without a second operator.
    #[error("one operator alone may hold another for 24 hours only: name an end or a co-signer")]
    Alone,
    /// A subject that this kind of order cannot have.
    #[error("a revoke or restore names exactly one principal or group")]
    Subject,
    /// Its author's grants are cut.
    #[error("the order {0} holds its author's grants")]
    Held(StatementId),
}

impl Authority {
    /// Folds the root epochs, pins, forks and removals of a set.
    pub fn fold(set: &Set) -> Self {
        Self::fold_by(set, &Rules::OURS)
    }

    pub(crate) fn fold_by(set: &Set, rules: &Rules) -> Self {
        let roots = roots::fold(set, rules);
        let seals = Arc::new(seals::fold(set, roots.valid.values()));
        let further = further::fold(set, roots.valid.values(), rules);
        let tenures = tenures(roots.valid.values(), &further);
        let (drops, forks) = (drops::fold(&roots), set.forks());
        Self { roots, seals, drops, forks, tenures, further, rules: Table(*rules) }
    }

    /// True when this statement is the floor of an epoch, or with it the list of pins of some
    /// proposal is whole: the fold may be another.
    pub(crate) fn awaits(&self, set: &Set, id: &StatementId) -> bool {
        let mut floors = self.epochs().flat_map(|epoch| &epoch.root.floors);
        self.roots.completes(set, id) || floors.any(|floor| floor.release == *id)
    }

    /// True when the path below some pin ended for want of this statement.
    pub(crate) fn seals_await(&self, id: &StatementId) -> bool {
        self.seals.await_it(id)
    }

    /// Follows the pins whose paths ended for want of this statement, which is held now. Gives all
    /// that lies on those paths: what was outside may be inside.
    pub(crate) fn follow_pins(&mut self, set: &Set, id: &StatementId) -> BTreeSet<StatementId> {
        let epochs: Vec<&Epoch> = self.roots.valid.values().collect();
        Arc::make_mut(&mut self.seals).follow(set, &epochs, id)
    }

    /// The standing epoch.
    pub fn standing(&self) -> Option<&Epoch> {
        self.epochs().last()
    }

    /// The standing branch from epoch 1.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = &Epoch> {
        self.roots.standing.iter().filter_map(|id| self.roots.valid.get(id))
    }

    /// The epoch of the standing branch with this number.
    pub fn epoch(&self, number: u64) -> Option<&Epoch> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.roots.valid.get(self.roots.standing.get(at)?)
    }

    /// Valid epochs of branches that do not stand: their removals and old orders count.
    pub fn rivals(&self) -> impl Iterator<Item = &Epoch> {
        self.roots.valid.values().filter(|epoch| !self.roots.standing.contains(&epoch.id))
    }

    /// Root keys that approved two rival epochs: nothing else that they grant counts.
    pub fn cut_root_keys(&self) -> &BTreeSet<PublicKey> {
        &self.roots.cut
    }

    /// True when this key held the role as an operator in any valid epoch of any branch.
    pub fn role_ever(&self, key: &PublicKey, role: Role) -> bool {
        self.tenures_of(key)
            .any(|tenure| is_operator(&tenure.author) && tenure.roles.contains(&role))
    }

    /// True when this operator's key holds the role in the standing epoch.
    pub fn role_now(&self, key: &PublicKey, role: Role) -> bool {
        self.standing().is_some_and(|epoch| self.role_at(key, role, epoch.number))
    }

    /// True when this operator's key may give orders in the standing epoch.
    pub(crate) fn orders_now(&self, key: &PublicKey) -> bool {
        self.role_now(key, Role::Security) || self.role_now(key, Role::Orders)
    }

    /// True when this operator's key holds the role in the standing branch's epoch of this number,
    /// and is not removed for cause there.
    pub fn role_at(&self, key: &PublicKey, role: Role, number: u64) -> bool {
        self.operator_at(key, role, number).is_some()
    }

    /// The operator whose key held this role in the standing branch's epoch of this number.
    pub fn operator_at(&self, key: &PublicKey, role: Role, number: u64) -> Option<&OperatorId> {
        let place = self.place_of(key, number)?;
        let holds = place.roles.contains(&role)
            && !self.removed_from(place.operator, number)
            && !self.is_dropped(&(place.line, Some(role)), number);
        holds.then_some(place.operator)
    }

    /// What the standing branch's epoch of this number gives to a key, itself or through a further
    /// key's certificate that counts; the lowest of several.
    fn place_of(&self, key: &PublicKey, number: u64) -> Option<Place<'_>> {
        let epoch = self.epoch(number)?;
        let line = epoch.root.operators.iter().find(|line| line.key == *key);
        let line =
            line.map(|line| Place { operator: &line.id, roles: &line.roles, line: line.key });
        let of_epoch = |one: &&Further| one.epoch == epoch.id && self.further_counts(one);
        line.or_else(|| {
            let one = self.further.get(key)?.iter().find(of_epoch)?;
            Some(Place { operator: &one.operator, roles: &one.roles, line: one.line })
        })
    }

    /// True while the word that names a further key, and somebody else's yes to it, count.
    fn further_counts(&self, one: &Further) -> bool {
        let counts = |held: &Verified<Statement>| self.grant_counts(held).is_ok();
        counts(&one.word) && one.yes.iter().any(|yes| counts(yes))
    }

    /// The further keys that count in the standing epoch.
    pub fn further_keys(&self) -> impl Iterator<Item = &Further> {
        let epoch = self.standing().map(|epoch| epoch.id);
        let all = self.further.values().flatten();
        all.filter(move |one| Some(one.epoch) == epoch && self.further_counts(one))
    }

    /// The operator who says this, if he held the role when he did. What the standing root sealed
    /// is not taken away by an epoch beside it.
    pub(crate) fn operator_of(
        &self,
        said: &Verified<Statement>,
        role: Role,
    ) -> Option<&OperatorId> {
        let place = self.place_of(&said.key(), said.epoch)?;
        let holds = place.roles.contains(&role)
            && !self.removed_from(place.operator, said.epoch)
            && !self.is_dropped_for(&(place.line, Some(role)), said);
        holds.then_some(place.operator)
    }

    fn is_dropped_for(&self, place: &drops::Place, said: &Verified<Statement>) -> bool {
        let sealed = self.standing().is_some_and(|epoch| self.covers(epoch, said));
        !sealed && self.is_dropped(place, said.epoch)
    }

    /// True when an epoch beside the standing branch took this away, and no later epoch of the
    /// standing branch up to this number names it again.
    fn is_dropped(&self, place: &drops::Place, number: u64) -> bool {
        let names = |epoch: &Epoch| drops::places(&epoch.root).contains(place);
        let again = |dropped: u64| {
            let mut later = self.epochs().filter(|e| dropped < e.number && e.number <= number);
            later.any(names)
        };
        let dropped = self.drops.up_to(place, number).any(|dropped| !again(dropped));
        (self.rules.0.drop_counts)(dropped)
    }

    /// The operator whose key this is in the latest epoch of the standing branch that knows it.
    pub fn operator(&self, key: &PublicKey) -> Option<&OperatorId> {
        let line = |epoch: &'_ Epoch| epoch.root.operators.iter().position(|o| o.key == *key);
        let named =
            self.epochs().rev().find_map(|epoch| Some(&epoch.root.operators[line(epoch)?].id));
        let further = || self.further_keys().find(|one| one.key == *key).map(|one| &one.operator);
        named.or_else(further)
    }

    /// True for a key of the standing root that is not cut.
    pub fn is_root_key(&self, key: &PublicKey) -> bool {
        self.standing().is_some_and(|epoch| self.is_root_key_in(key, epoch))
    }

    /// The same in this epoch of the standing branch.
    pub(crate) fn is_root_key_in(&self, key: &PublicKey, epoch: &Epoch) -> bool {
        let given = epoch.root.keys.contains(key) && !self.is_dropped(&(*key, None), epoch.number);
        given && !self.roots.cut.contains(key)
    }

    /// The rules that it was folded by.
    pub(crate) fn rules(&self) -> Table {
        self.rules
    }

    /// Every log with two statements for one place, and its lowest such number.
    pub fn forks(&self) -> &BTreeMap<LogId, u64> {
        &self.forks
    }

    /// Every key that ever was a root's or an operator's: whose order logs lease answers name.
    pub fn order_keys(&self) -> BTreeSet<PublicKey> {
        self.tenures.keys().copied().collect()
    }

    /// True for a key that ever was a root's or an operator's.
    pub fn held_office(&self, key: &PublicKey) -> bool {
        self.tenures.contains_key(key)
    }

    /// Operators with the security role in the standing epoch.
    pub fn security_operators(&self) -> usize {
        let number = self.standing().map_or(0, |epoch| epoch.number);
        self.operators_at(Role::Security, number).len()
    }

    /// The operators with a role in the standing branch's epoch of this number.
    pub fn operators_at(&self, role: Role, number: u64) -> BTreeSet<&OperatorId> {
        let lines = self.epoch(number).into_iter().flat_map(|epoch| &epoch.root.operators);
        lines.filter_map(|line| self.operator_at(&line.key, role, number)).collect()
    }

    /// Whether a grant counts: epoch, role of the author, pins, forks. Its expiry is the gate's; a
    /// record of what was done is never voided.
    pub fn grant_counts(&self, grant: &Verified<Statement>) -> Result<(), Void> {
        match grant.body.direction() {
            Some(Direction::Grant) => {}
            Some(Direction::Record) => return Ok(()),
            Some(Direction::Order) | None => return Err(Void::Kind),
        }
        if matches!(grant.body, Body::Root(_)) {
            let valid = self.roots.valid.contains_key(&grant.id());
            return if valid { Ok(()) } else { Err(Void::Epoch(grant.epoch)) };
        }
        self.epoch(grant.epoch).ok_or(Void::Epoch(grant.epoch))?;
        self.author_may(grant)?;
        self.not_removed(grant)?;
        self.inside_pins(grant)?;
        self.not_forked(grant)
    }

    fn author_may(&self, grant: &Verified<Statement>) -> Result<(), Void> {
        let role = required_role(&grant.body);
        let (is_root, is_operator) =
            (matches!(grant.author, Principal::Root(_)), is_operator(&grant.author));
        if role == Required::OfAnother || !(is_root || is_operator) {
            let free = role == Required::OfAnother || role == Required::Invited;
            return if free { Ok(()) } else { Err(Void::Role(role.word())) };
        }
        let epoch = self.epoch(grant.epoch).ok_or(Void::Epoch(grant.epoch))?;
        let key = grant.key();
        let mut tenures = self.tenures_of(&key).filter(|tenure| tenure.epoch == epoch.id);
        let held = tenures.any(|tenure| {
            let place = if tenure.further { self.place_of(&key, grant.epoch) } else { None };
            let line = place.as_ref().map_or(key, |place| place.line);
            if tenure.further && place.is_none() {
                return false;
            }
            let mut left = tenure.roles.clone();
            left.retain(|role| !self.is_dropped_for(&(line, Some(*role)), grant));
            let met = if is_root {
                !self.is_dropped_for(&(key, None), grant)
            } else {
                role.met_by(&left)
            };
            tenure.author == grant.author && met
        });
        if held { Ok(()) } else { Err(Void::Role(role.word())) }
    }

    fn inside_pins(&self, grant: &Verified<Statement>) -> Result<(), Void> {
        let later = self.epochs().filter(|epoch| epoch.number > grant.epoch);
        match later.into_iter().find(|epoch| !self.covers(epoch, grant)) {
            Some(epoch) => Err(Void::Outside(epoch.number)),
            None => Ok(()),
        }
    }

    fn not_forked(&self, grant: &Verified<Statement>) -> Result<(), Void> {
        if self.standing().is_some_and(|epoch| self.covers(epoch, grant)) {
            return Ok(());
        }
        let root = matches!(grant.author, Principal::Root(_));
        if root && self.roots.cut.contains(&grant.key()) {
            return Err(Void::CutRoot);
        }
        match self.forks.get(&grant.log(grant.key())) {
            Some(fork) if (self.rules.0.fork_voids)(grant.seq, *fork) => Err(Void::Forked(*fork)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether an order counts, and against what. Proofs and cancels are judged by who reads them.
    pub fn order_counts(&self, order: &Verified<Statement>) -> Result<Reach, Void> {
        if matches!(order.body, Body::Proof(_) | Body::Cancel(_)) {
            return Ok(Reach::All);
        }
        if order.body.direction() != Some(Direction::Order) {
            return Err(Void::Kind);
        }
        self.not_removed(order)?;
        self.order_reach(order)
    }

    /// Whether an order would count if nobody had been removed for cause, and against what.
    pub(crate) fn order_reach(&self, order: &Verified<Statement>) -> Result<Reach, Void> {
        let epoch = self.order_epoch(order).ok_or(Void::Role(Role::Security.as_str()))?;
        let mut reach = Ok(Reach::All);
        for later in self.epochs().filter(|later| later.number > epoch) {
            let at = self.at_pin(later, order);
            let left = (self.rules.0.order_at_pin)(reach.clone().ok(), at, later.number);
            reach = left.ok_or(reach.err().unwrap_or(Void::Sealed(later.number)));
        }
        reach
    }

    /// The epoch that an order belongs to: the latest up to the one it names in which its author
    /// might give orders, so that who has left cannot name a later one.
    pub(crate) fn order_epoch(&self, order: &Verified<Statement>) -> Option<u64> {
        let key = order.key();
        let held = self.tenures_of(&key).filter(|tenure| tenure.ordered(&order.author));
        let numbers: BTreeSet<u64> = held.map(|tenure| tenure.number).collect();
        let up_to = numbers.range(..=order.epoch).next_back().copied();
        up_to.or_else(|| numbers.first().map(|first| order.epoch.min(*first)))
    }

    /// Re-affirmed is what any valid epoch of this number re-affirms: a rival that comes to stand
    /// must not free what the other one had kept.
    fn at_pin(&self, epoch: &Epoch, order: &Verified<Statement>) -> AtPin {
        let keeps = |one: &Epoch| one.root.reaffirmed.contains(&order.id());
        if self.any_epochs(epoch.number).any(keeps) {
            AtPin::Reaffirmed
        } else if self.covers(epoch, order) {
            AtPin::Inside
        } else {
            AtPin::Above
        }
    }

    /// True when the author of an order might give orders in any valid epoch of this number.
    pub(crate) fn ordered_by_holder_in(&self, order: &Verified<Statement>, number: u64) -> bool {
        let key = order.key();
        let mut tenures = self.tenures_of(&key).filter(|tenure| tenure.number == number);
        tenures.any(|tenure| tenure.ordered(&order.author))
    }

    /// Who adds his word to an order by this approval: whoever ever held the role, root included.
    /// What makes an order stronger is as hard to void as the order.
    pub(crate) fn cosigner<'a>(&self, approval: &'a Verified<Statement>) -> Option<&'a Principal> {
        let key = approval.key();
        let mut tenures = self.tenures_of(&key);
        let held = tenures.any(|tenure| tenure.held(&approval.author, Role::Security));
        (held && self.not_removed(approval).is_ok()).then_some(&approval.author)
    }

    /// True when this statement's author held the role in some valid epoch of this number.
    pub(crate) fn held_in(&self, by: &Verified<Statement>, role: Role, epoch: &Epoch) -> bool {
        let key = by.key();
        let mut tenures = self.tenures_of(&key).filter(|tenure| tenure.epoch == epoch.id);
        tenures.any(|tenure| tenure.held(&by.author, role))
    }

    /// Against enrolments of which epochs this word of an enrol operator takes away what it names:
    /// as of an order, whatever was forked, sealed or cut since, or nothing it replaced would stay
    /// replaced. Nothing for who never held the role in its epoch or was removed for cause.
    pub(crate) fn retires(&self, word: &Verified<Statement>) -> Option<Reach> {
        let held = self.any_epochs(word.epoch).any(|epoch| self.held_in(word, Role::Enrol, epoch));
        if !held || self.not_removed(word).is_err() {
            return None;
        }
        let above = self.epochs().filter(|e| e.number > word.epoch && !self.covers(e, word));
        Some(above.fold(Reach::All, |reach, epoch| reach.at_most(epoch.number - 1)))
    }

    /// Valid epochs of any branch with this number.
    pub(crate) fn any_epochs(&self, number: u64) -> impl Iterator<Item = &Epoch> {
        self.roots.valid.values().filter(move |epoch| epoch.number == number)
    }

    /// A removal for cause, in any valid epoch, voids what the removed one says above its pins,
    /// until a later epoch of the standing branch names him again.
    fn not_removed(&self, statement: &Verified<Statement>) -> Result<(), Void> {
        let Principal::Operator(author) = &statement.author else { return Ok(()) };
        let removals = self.roots.valid.values().filter(|epoch| removes(epoch, author));
        for epoch in removals {
            let covered = self.covers(epoch, statement);
            let again = self.named_again(author, epoch.number, statement.epoch);
            if (self.rules.0.removal_voids)(covered, again) {
                return Err(Void::Removed(epoch.number));
            }
        }
        Ok(())
    }

    /// The number of an epoch that voids this by removing its author for cause.
    pub(crate) fn removed_in(&self, statement: &Verified<Statement>) -> Option<u64> {
        match self.not_removed(statement) {
            Err(Void::Removed(number)) => Some(number),
            Err(_) | Ok(()) => None,
        }
    }

    /// Why an epoch of this number removed him for cause, in its words.
    pub(crate) fn why_removed(&self, author: &Principal, number: u64) -> Option<String> {
        let removals = self.any_epochs(number).flat_map(|epoch| &epoch.root.removals);
        let his = |operator: &OperatorId| Principal::Operator(operator.clone()) == *author;
        let mut his = removals.filter(|removal| his(&removal.operator));
        his.next().map(|removal| removal.reason.clone())
    }

    fn removed_from(&self, operator: &OperatorId, number: u64) -> bool {
        let removals = self.roots.valid.values().filter(|epoch| removes(epoch, operator));
        removals.into_iter().any(|epoch| {
            epoch.number <= number && !self.named_again(operator, epoch.number, number)
        })
    }

    /// True when the standing branch names him in the epoch `number`, later than `removed`.
    fn named_again(&self, operator: &OperatorId, removed: u64, number: u64) -> bool {
        let named = |epoch: &Epoch| epoch.root.operators.iter().any(|line| line.id == *operator);
        number > removed && self.epoch(number).is_some_and(named)
    }

    /// True when the pins of this epoch cover a statement.
    pub fn sealed_in(&self, epoch: &StatementId, statement: &StatementId) -> bool {
        self.seals.covers(epoch, statement)
    }

    fn covers(&self, epoch: &Epoch, statement: &Verified<Statement>) -> bool {
        self.seals.covers(&epoch.id, &statement.id())
    }

    fn tenures_of(&self, key: &PublicKey) -> impl Iterator<Item = &Tenure> {
        self.tenures.get(key).into_iter().flatten()
    }
}

fn removes(epoch: &Epoch, operator: &OperatorId) -> bool {
    epoch.root.removals.iter().any(|removal| removal.operator == *operator)
}

fn is_operator(author: &Principal) -> bool {
    matches!(author, Principal::Operator(_))
}

/// The rules a view was folded by; two views are equal whatever code address a rule has.
#[derive(Clone, Copy)]
pub(crate) struct Table(pub(crate) Rules);

impl PartialEq for Table {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Table {}

impl Default for Table {
    fn default() -> Self {
        Self(Rules::OURS)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rules")
    }
}
