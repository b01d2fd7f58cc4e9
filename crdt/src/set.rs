//! The statement set: what is held, by id, by log, by kind; and what two nodes lack of each other.
//!
//! The set merges by union. Statements of a log are all kept, two with one number too: they are the
//! proof against their author. Of a register (classes P and L) only the greatest is kept. Every
//! answer is a function of what was inserted, never of the order in which it came.
//!
//! Refused here: saying whether a statement counts, dropping one by a clock, verifying signatures
//! of what is inserted (the type says that it was done; only the two inside a proof are checked).

use crate::layered::Layered;
use belay_identity::body::{Body, Proof};
use belay_identity::{
    Class, FleetId, Incarnation, LogHead, LogId, PublicKey, Scope, Signed, Statement, StatementId,
    Verified,
};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A verified statement as it is kept and shared.
pub type Held = Arc<Verified<Statement>>;

/// What became of a statement that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It was not known; of a register it is now the greatest.
    New,
    /// It was known, or is older than what its register holds.
    Known,
    /// It was not known and is kept, and its author has signed another one for the same place.
    Fork {
        /// The other one; the lowest id where there are several.
        other: StatementId,
    },
}

/// Everything that is held, in orders that no hash decides.
#[derive(Debug, Clone)]
pub struct Set {
    fleet: FleetId,
    by_id: Layered<StatementId, Held>,
    logs: BTreeMap<LogId, Arc<Log>>,
    registers: BTreeMap<(PublicKey, Class, Scope), StatementId>,
    kinds: BTreeMap<String, Arc<BTreeSet<StatementId>>>,
    approvals: BTreeMap<StatementId, BTreeSet<StatementId>>,
    proven: BTreeMap<LogId, u64>,
    /// The digest, once somebody has asked for it; empty again after every change.
    digest: OnceCell<[u8; 32]>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Log {
    places: BTreeMap<u64, Place>,
    head: Option<(u64, StatementId)>,
    fork: Option<u64>,
}

/// What is held under one number of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    One(StatementId),
    /// Two or more: proof against their author.
    Several(BTreeSet<StatementId>),
}

impl Place {
    /// The ids, ascending.
    fn ids(&self) -> impl Iterator<Item = &StatementId> {
        let (one, several) = match self {
            Place::One(id) => (Some(id), None),
            Place::Several(ids) => (None, Some(ids)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    fn contains(&self, id: &StatementId) -> bool {
        match self {
            Place::One(one) => one == id,
            Place::Several(ids) => ids.contains(id),
        }
    }

    fn insert(&mut self, id: StatementId) {
        match self {
            Place::One(one) => *self = Place::Several(BTreeSet::from([*one, id])),
            Place::Several(ids) => _ = ids.insert(id),
        }
    }
}

/// Equal when the same statements are held, and with them everything that is kept about them.
impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.fleet == other.fleet
            && self.by_id.keys().eq(other.by_id.keys())
            && (&self.logs, &self.registers) == (&other.logs, &other.registers)
            && (&self.kinds, &self.approvals) == (&other.kinds, &other.approvals)
            && self.proven == other.proven
    }
}

impl Eq for Set {}

impl Set {
    /// An empty set for one fleet.
    pub fn new(fleet: FleetId) -> Self {
        Self {
            fleet,
            by_id: Layered::default(),
            logs: BTreeMap::new(),
            registers: BTreeMap::new(),
            kinds: BTreeMap::new(),
            approvals: BTreeMap::new(),
            proven: BTreeMap::new(),
            digest: OnceCell::new(),
        }
    }

    /// Adds a statement; the second time it is known.
    pub fn insert(&mut self, statement: Held) -> Inserted {
        if self.by_id.contains_key(&statement.id()) {
            return Inserted::Known;
        }
        if is_register(statement.class) {
            return self.insert_register(statement);
        }
        if let Body::Proof(proof) = &statement.body {
            self.note_proof(proof);
        }
        self.index(&statement);
        self.insert_in_log(&statement)
    }

    fn insert_register(&mut self, statement: Held) -> Inserted {
        let place = (statement.key(), statement.class, statement.scope.clone());
        if let Some(old) = self.registers.get(&place).and_then(|id| self.by_id.get(id)).cloned() {
            if register_rank(&old) >= register_rank(&statement) {
                return Inserted::Known;
            }
            self.unindex(&old);
        }
        self.registers.insert(place, statement.id());
        self.index(&statement);
        Inserted::New
    }

    fn insert_in_log(&mut self, statement: &Held) -> Inserted {
        let log = Arc::make_mut(self.logs.entry(statement.log(statement.key())).or_default());
        let other = log.places.get(&statement.seq).and_then(|place| place.ids().next()).copied();
        let id = statement.id();
        let place = log.places.entry(statement.seq);
        place.and_modify(|place| place.insert(id)).or_insert(Place::One(id));
        if other.is_some() {
            log.fork = Some(log.fork.map_or(statement.seq, |at| at.min(statement.seq)));
        }
        if log.head.is_some_and(|(seq, _)| statement.seq <= seq) {
            log.head = None;
        }
        log.advance(&self.by_id);
        other.map_or(Inserted::New, |other| Inserted::Fork { other })
    }

    fn index(&mut self, statement: &Held) {
        let id = statement.id();
        let kind = self.kinds.entry(statement.body.kind().to_owned()).or_default();
        Arc::make_mut(kind).insert(id);
        if let Body::Approve(approve) = &statement.body {
            self.approvals.entry(approve.of).or_default().insert(id);
        }
        self.by_id.insert(id, statement.clone());
        self.digest.take();
    }

    fn unindex(&mut self, statement: &Held) {
        self.by_id.remove(&statement.id());
        self.digest.take();
        if let Some(ids) = self.kinds.get_mut(statement.body.kind()) {
            Arc::make_mut(ids).remove(&statement.id());
        }
    }

    /// Lets later copies share everything that is held now.
    pub fn freeze(&mut self) {
        self.by_id.freeze();
    }

    fn note_proof(&mut self, proof: &Proof) {
        let read = |bytes: &[u8]| Signed::<Statement>::parse(bytes).ok()?.verify(&self.fleet).ok();
        let (Some(first), Some(second)) = (read(&proof.first.0), read(&proof.second.0)) else {
            return;
        };
        let log = first.log(first.key());
        let same_place = log == second.log(second.key()) && first.seq == second.seq;
        if same_place && first.id() != second.id() && !is_register(first.class) {
            let at = self.proven.entry(log).or_insert(first.seq);
            *at = (*at).min(first.seq);
        }
    }

    /// The fleet whose statements these are.
    pub fn fleet(&self) -> FleetId {
        self.fleet
    }

    /// One statement.
    pub fn get(&self, id: &StatementId) -> Option<&Held> {
        self.by_id.get(id)
    }

    /// How many statements are held.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Every statement, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.by_id.values()
    }

    /// Every statement of one kind, named as in its content type, by ascending id.
    pub fn of_kind<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Held> + use<'a> {
        let ids = self.kinds.get(kind).into_iter().flat_map(|ids| ids.iter());
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// Every approval that names this proposal, by ascending id.
    pub fn approvals<'a>(&'a self, of: &StatementId) -> impl Iterator<Item = &'a Held> + use<'a> {
        self.approvals.get(of).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    /// The statements of one log by ascending number; two with one number by ascending id.
    pub fn log<'a>(&'a self, log: &LogId) -> impl Iterator<Item = &'a Held> + use<'a> {
        self.logs
            .get(log)
            .into_iter()
            .flat_map(|log| log.places.values().flat_map(Place::ids))
            .filter_map(|id| self.by_id.get(id))
    }

    /// What a register holds.
    pub fn register(&self, key: &PublicKey, class: Class, scope: &Scope) -> Option<&Held> {
        let id = self.registers.get(&(*key, class, scope.clone()));
        id.and_then(|id| self.by_id.get(id))
    }

    /// Every statement that stands in a log, log by log.
    pub fn in_logs(&self) -> impl Iterator<Item = &Held> {
        let places = self.logs.values().flat_map(|log| log.places.values());
        places.flat_map(Place::ids).filter_map(|id| self.by_id.get(id))
    }

    /// The place after the highest held number of a log: its number, and the statement before it.
    pub fn next_place(&self, log: &LogId) -> (u64, Option<StatementId>) {
        if is_register(log.class) {
            let place = (log.key, log.class, log.scope.clone());
            let held = self.registers.get(&place).and_then(|id| self.by_id.get(id));
            let held = held.filter(|held| held.incarnation == log.incarnation);
            return held.map_or((1, None), |held| (held.seq.saturating_add(1), Some(held.id())));
        }
        let last = self.logs.get(log).and_then(|log| log.places.last_key_value());
        last.map_or((1, None), |(seq, at)| (seq.saturating_add(1), at.ids().next().copied()))
    }

    /// True when nothing with a higher number is held of the log in which this stands.
    pub(crate) fn is_last(&self, held: &Held) -> bool {
        let log = self.logs.get(&held.log(held.key()));
        let last = log.and_then(|log| log.places.last_key_value());
        last.is_none_or(|(seq, _)| *seq <= held.seq)
    }

    /// The lowest number of this log for which a proof is held that it was signed twice.
    pub fn proven(&self, log: &LogId) -> Option<u64> {
        self.proven.get(log).copied()
    }

    /// The lowest number for which this log's author signed two statements, held or proven.
    pub fn fork(&self, log: &LogId) -> Option<u64> {
        let held = self.logs.get(log).and_then(|log| log.fork);
        let proven = self.proven.get(log).copied();
        held.into_iter().chain(proven).min()
    }

    /// Every log with two statements for one place, and its lowest such number.
    pub fn forks(&self) -> BTreeMap<LogId, u64> {
        let held = self.logs.iter().filter_map(|(id, log)| Some((id.clone(), log.fork?)));
        let mut forks: BTreeMap<LogId, u64> = held.collect();
        for (log, seq) in &self.proven {
            let at = forks.entry(log.clone()).or_insert(*seq);
            *at = (*at).min(*seq);
        }
        forks
    }

    /// The last statement of every log that is held without a gap from 1 and linked by hash, and
    /// what every register holds; sorted by log.
    pub fn heads(&self) -> Vec<LogHead> {
        let logs = self.logs.iter().filter_map(|(log, state)| state.head_of(log));
        let registers = self.registers.values().filter_map(|id| self.by_id.get(id));
        let mut heads: Vec<LogHead> = logs.chain(registers.map(head_at)).collect();
        heads.sort_by_key(LogHead::log);
        heads
    }

    /// The heads of the order logs (class A-) of these keys, of a forked log the end of every
    /// branch; sorted by log. Whoever holds them all has heard every order there is on any of them.
    pub fn order_heads(&self, keys: &BTreeSet<PublicKey>) -> Vec<LogHead> {
        let first = |key: &PublicKey| LogId {
            key: *key,
            class: Class::AuthorityMinus,
            scope: Scope::Fleet,
            incarnation: Incarnation { counter: 0, drawn: [0; 16] },
        };
        let of_key = |key| {
            let from = self.logs.range(first(key)..);
            from.take_while(move |(log, _)| log.key == *key && log.class == Class::AuthorityMinus)
        };
        let logs = keys.iter().flat_map(of_key);
        logs.flat_map(|(log, state)| state.tips(log, &self.by_id)).collect()
    }

    /// True when the path below a head that is held passes through this statement.
    pub fn leads_to(&self, head: &LogHead, statement: &StatementId) -> bool {
        let mut at = Some(head.id);
        while let Some(held) = at.and_then(|id| self.by_id.get(&id)) {
            if held.id() == *statement {
                return true;
            }
            at = held.prev;
        }
        false
    }

    /// True when all these heads, and all before them, are held.
    pub fn holds(&self, heads: &[LogHead]) -> bool {
        heads.iter().all(|head| self.holds_head(head))
    }

    fn holds_head(&self, head: &LogHead) -> bool {
        if is_register(head.class) {
            return self.by_id.contains_key(&head.id);
        }
        match self.logs.get(&head.log()) {
            None => false,
            Some(log) if log.fork.is_none() => log.reaches(head),
            Some(_) => self.holds_branch(head),
        }
    }

    /// Of a forked log, walks the branch that the head names.
    fn holds_branch(&self, head: &LogHead) -> bool {
        let mut at = head.id;
        for seq in (1..=head.seq).rev() {
            let Some(held) = self.by_id.get(&at) else { return false };
            if held.seq != seq || held.log(held.key()) != head.log() {
                return false;
            }
            match held.prev {
                Some(prev) => at = prev,
                None => return seq == 1,
            }
        }
        false
    }

    /// A hash of the sorted ids: equal sets, equal digests. Made once between two changes.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            self.by_id.keys().for_each(|id| hash.update(id.0));
            hash.finalize().into()
        })
    }

    /// What is held here and not covered by the heads that somebody showed: class by class with
    /// orders first, each log by ascending number; both sides of a fork.
    pub fn lacking(&self, theirs: &[LogHead]) -> Vec<StatementId> {
        let shown: BTreeMap<LogId, &LogHead> =
            theirs.iter().map(|head| (head.log(), head)).collect();
        let mut lacking: Vec<(Class, LogId, u64, StatementId)> = Vec::new();
        for (log, state) in &self.logs {
            let from = state.first_lacking(shown.get(log).copied());
            for (seq, ids) in state.places.range(from..) {
                lacking.extend(ids.ids().map(|id| (log.class, log.clone(), *seq, *id)));
            }
        }
        let shown: BTreeSet<_> = theirs
            .iter()
            .filter(|head| is_register(head.class))
            .map(|head| {
                (
                    head.key,
                    head.class,
                    head.scope.clone(),
                    rank(head.incarnation, head.seq, head.id),
                )
            })
            .collect();
        for held in self.registers.values().filter_map(|id| self.by_id.get(id)) {
            let own = (held.key(), held.class, held.scope.clone(), register_rank(held));
            let newer = shown.range(own.clone()..).next();
            if newer.is_none_or(|newer| (newer.0, newer.1, &newer.2) != (own.0, own.1, &own.2)) {
                lacking.push((held.class, held.log(held.key()), held.seq, held.id()));
            }
        }
        lacking.sort();
        lacking.into_iter().map(|(.., id)| id).collect()
    }
}

impl Log {
    /// Walks on along the hash links; at a fork along the lowest id, whatever came first.
    fn advance(&mut self, by_id: &Layered<StatementId, Held>) {
        loop {
            let (next, prev) =
                self.head.map_or((1, None), |(seq, id)| (seq.saturating_add(1), Some(id)));
            let place = self.places.get(&next);
            let links = |id: &&StatementId| by_id.get(id).is_some_and(|held| held.prev == prev);
            match place.and_then(|place| place.ids().find(links)) {
                Some(id) => self.head = Some((next, *id)),
                None => return,
            }
        }
    }

    /// True where no fork is held, and this head lies on the one branch there is.
    fn reaches(&self, head: &LogHead) -> bool {
        let held = self.places.get(&head.seq).is_some_and(|place| place.contains(&head.id));
        held && self.head.is_some_and(|(seq, _)| seq >= head.seq)
    }

    fn head_of(&self, log: &LogId) -> Option<LogHead> {
        let (seq, id) = self.head?;
        let LogId { key, class, scope, incarnation } = log.clone();
        Some(LogHead { key, class, scope, incarnation, seq, id })
    }

    /// Of a forked log the end of every branch that is linked down to number 1.
    fn tips(&self, log: &LogId, by_id: &Layered<StatementId, Held>) -> Vec<LogHead> {
        if self.fork.is_none() {
            return self.head_of(log).into_iter().collect();
        }
        let mut linked: BTreeSet<(u64, StatementId)> = BTreeSet::new();
        let mut tips: BTreeMap<StatementId, u64> = BTreeMap::new();
        let places = self.places.iter().flat_map(|(seq, at)| at.ids().map(|id| (*seq, *id)));
        for (seq, id) in places {
            let Some(prev) = by_id.get(&id).map(|held| held.prev) else { continue };
            let on_path = match prev {
                None => seq == 1,
                Some(prev) => linked.contains(&(seq.saturating_sub(1), prev)),
            };
            if on_path {
                linked.insert((seq, id));
                prev.map(|prev| tips.remove(&prev));
                tips.insert(id, seq);
            }
        }
        let LogId { key, class, scope, incarnation } = log.clone();
        let head = |(id, seq)| LogHead { key, class, scope: scope.clone(), incarnation, seq, id };
        tips.into_iter().map(head).collect()
    }

    fn first_lacking(&self, shown: Option<&LogHead>) -> u64 {
        let Some(shown) = shown else { return 1 };
        let same_branch = match self.places.get(&shown.seq) {
            Some(place) => place.contains(&shown.id),
            None => self.head.is_none_or(|(seq, _)| seq < shown.seq),
        };
        match self.fork.filter(|fork| *fork <= shown.seq) {
            Some(fork) => fork,
            None if same_branch => shown.seq.saturating_add(1),
            None => 1,
        }
    }
}

/// A hash of heads, to show whether two nodes hold the same orders without listing them.
pub fn heads_hash(heads: &[LogHead]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for head in heads {
        hash.update(belay_identity::codec::write(&head.to_value()));
    }
    hash.finalize().into()
}

/// True for the classes of which only the greatest statement is kept.
pub fn is_register(class: Class) -> bool {
    match class {
        Class::Presence | Class::Audit => true,
        Class::AuthorityMinus
        | Class::AuthorityPlus
        | Class::Identity
        | Class::Task
        | Class::Quota
        | Class::Draft => false,
    }
}

/// How new a register's statement is, by its incarnation, its number and its id.
type Rank = (u64, u64, Incarnation, StatementId);

fn rank(incarnation: Incarnation, seq: u64, id: StatementId) -> Rank {
    (incarnation.counter, seq, incarnation, id)
}

fn register_rank(held: &Held) -> Rank {
    rank(held.incarnation, held.seq, held.id())
}

fn head_at(held: &Held) -> LogHead {
    let LogId { key, class, scope, incarnation } = held.log(held.key());
    LogHead { key, class, scope, incarnation, seq: held.seq, id: held.id() }
}

#[cfg(test)]
mod tests;
