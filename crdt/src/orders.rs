//! Orders: which stand, what they cut, and what answered them.
//!
//! The second pass. An order counts by what its author ever held (`authority`); here it is matched
//! against whole chains, ended by lifts that name it, and answered by restores that list it. An
//! operator's grants are cut by orders on him; his orders never are.
//!
//! Refused here: time. A hold's end and a one-operator hold's window are handed out as data, and
//! only the gate compares. A device that mints a generation nobody opened is caught as soon as any
//! revoke of that subject stands; before, the registry compares with `generation`.

pub(crate) mod answers;
mod budget;
mod generations;
mod operators;

pub(crate) use operators::{Cutters, Timed};
pub use operators::{OperatorCut, Revived, TimedHold};

use crate::authority::{Authority, Reach, Table, Void};
use crate::limits::HOLDS_ASKED_MAX;
use crate::rules::{Rules, Voice};
use crate::set::{Held, Set};
use belay_identity::body::{Body, Generations, Subject, Term};
use belay_identity::chain::Link;
use belay_identity::principal::{DeviceId, OperatorId, Principal};
use belay_identity::{Chain, PublicKey, Statement, StatementId, Verified};
use generations::{Line, Sources};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Every order that counts, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    orders: BTreeMap<StatementId, Order>,
    void: BTreeMap<StatementId, Void>,
    answered: BTreeMap<StatementId, StatementId>,
    /// Standing holds by their first term: what a chain must carry for them to match.
    holds: BTreeMap<Term, BTreeSet<StatementId>>,
    lines: BTreeMap<Term, Line>,
    cutters: Cutters,
    /// Orders that a removal for cause has voided.
    revived: Vec<Revived>,
    /// What revokes and restores name that is not held.
    awaited: BTreeSet<StatementId>,
    /// When standing orders end by themselves, ascending, Unix milliseconds.
    ends: Vec<u64>,
    /// Holds that begin and end by time, on operators, or such that silence a beacon.
    timed: Vec<TimedHold>,
    rules: Table,
}

/// Whether an order ends by a lift or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderKind {
    /// Until it is lifted by name or its time has come.
    Hold,
    /// A generation, for ever.
    Revoke,
}

/// One order that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: StatementId,
    /// Hold or revoke.
    pub kind: OrderKind,
    /// Who gave it.
    pub author: Principal,
    /// By which of his keys.
    pub key: PublicKey,
    /// Whom it names.
    pub subject: Subject,
    /// Where receipts go.
    pub home: DeviceId,
    /// Why, for people.
    pub reason: String,
    /// When it ends by itself, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// True when work freezes instead of ending.
    pub pause: bool,
    /// Against which grants it counts.
    pub reach: Reach,
    /// True when another security operator approved it.
    pub cosigned: bool,
}

/// What cuts a chain, a device or a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The order that decides.
    pub order: StatementId,
    /// Hold or revoke.
    pub kind: OrderKind,
    /// When it ends by itself, Unix milliseconds; nothing for what never does.
    pub until_ms: Option<u64>,
    /// True when work freezes instead of ending.
    pub pause: bool,
    /// Whom the order names.
    pub subject: Subject,
    /// Where receipts go.
    pub home: DeviceId,
}

impl Orders {
    /// Folds the orders, lifts and restores of a set as they stand when every hold on an operator
    /// that has a time is over.
    pub fn fold(set: &Set, authority: &Authority) -> Self {
        Self::fold_by(set, authority, &Rules::OURS, Timed::Over)
    }

    /// The same while all of those holds bind but the ones named.
    pub fn fold_but(set: &Set, authority: &Authority, idle: &BTreeSet<StatementId>) -> Self {
        Self::fold_by(set, authority, &Rules::OURS, Timed::AllBut(idle))
    }

    pub(crate) fn fold_by(
        set: &Set,
        authority: &Authority,
        rules: &Rules,
        timed: Timed<'_>,
    ) -> Self {
        let nobody = Cutters::default();
        let none = BTreeMap::new();
        let sources = Sources { set, authority, cut: &nobody, rules, orders: &none };
        let (orders, mut void) = counted(&sources);
        let sources = Sources { orders: &orders, ..sources };
        let by_root = lifted(&sources, &mut void);
        let revoked = generations::of_operators(&sources);
        let cutters = operators::cutters(&sources, &by_root, &revoked, timed);
        let sources = Sources { cut: &cutters, ..sources };
        let mut answered = lifted(&sources, &mut void);
        let (lines, fell) = generations::fold(&sources);
        void.extend(fell);
        for restore in lines.values().flat_map(|line| line.opened.keys()) {
            let listed = set.get(restore).into_iter().flat_map(|held| &held.refs);
            for order in listed.filter(|id| orders.contains_key(id)) {
                answered.entry(*order).or_insert(*restore);
            }
        }
        let holds = index(&orders, &answered);
        let (awaited, rules) = (awaited(set), Table(*rules));
        let standing = orders.values().filter(|order| !answered.contains_key(&order.id));
        let mut ends: Vec<u64> = standing.filter_map(|order| order.until_ms).collect();
        ends.sort_unstable();
        let revived = revived(set, authority, &void);
        let timed = operators::timed(&orders, &answered);
        Self { orders, void, answered, holds, lines, cutters, revived, awaited, ends, timed, rules }
    }

    /// Follows a lift that is the last of its log and answers nothing, by a key that may not: it is
    /// noted as void, as a whole fold would; false for every other statement. Void lifts are what
    /// a thief of an old key can sign without end.
    pub(crate) fn note_void_lift(&mut self, set: &Set, authority: &Authority, held: &Held) -> bool {
        if !matches!(held.body, Body::Lift(_)) {
            return false;
        }
        let rules = self.rules.0;
        let sources =
            Sources { set, authority, cut: &self.cutters, rules: &rules, orders: &self.orders };
        // Whom an operator cuts is decided before who is cut: a whole fold answers that.
        let on_operator = held.refs.iter().filter_map(|id| self.orders.get(id));
        if on_operator.into_iter().any(|order| matches!(order.subject.terms(), [Term::Operator(_)]))
        {
            return false;
        }
        match weigh_lift(&sources, held) {
            (answers, Err(why)) if answers.is_empty() => {
                self.void.insert(held.id(), why);
                true
            }
            (_, Ok(()) | Err(_)) => false,
        }
    }

    /// True when this statement was looked for and not found: with it the fold may be another.
    pub(crate) fn awaits(&self, id: &StatementId) -> bool {
        self.awaited.contains(id) || self.cutters.awaits(id)
    }

    /// What cuts this chain: the order that lasts longest, then one that ends before one that
    /// freezes, then the lowest id. When its time has passed, so has that of all others.
    pub fn cuts(&self, chain: &Chain) -> Option<Cut> {
        self.all_cuts(chain).into_iter().next()
    }

    /// Everything that cuts this chain, in the order of `cuts`.
    pub fn all_cuts(&self, chain: &Chain) -> Vec<Cut> {
        let mut ids = BTreeSet::new();
        // A hold matches only where its first term is carried, so few are asked one by one.
        let small = |ids: &BTreeSet<StatementId>| ids.len() <= HOLDS_ASKED_MAX;
        let few = self.holds.len() <= HOLDS_ASKED_MAX && self.holds.values().all(small);
        if few {
            let holds = self.holds.values().flatten().filter_map(|id| self.orders.get(id));
            ids.extend(holds.filter(|order| self.matches(chain, order)).map(|order| order.id));
        }
        if few && self.lines.is_empty() {
            return self.in_order(ids);
        }
        for link in chain.links() {
            for (term, generation) in carried(link) {
                let holds = self.holds_naming(&term).filter(|order| self.matches(chain, order));
                ids.extend(holds.map(|order| order.id));
                ids.extend(self.revokes_cutting(chain, link, &term, generation));
            }
        }
        self.in_order(ids)
    }

    fn holds_naming(&self, term: &Term) -> impl Iterator<Item = &Order> {
        let ids = self.holds.get(term).into_iter().flatten();
        ids.filter_map(|id| self.orders.get(id))
    }

    fn matches(&self, chain: &Chain, order: &Order) -> bool {
        (self.rules.0.chain_matches)(chain, &order.subject, order.reach)
    }

    fn revokes_cutting(
        &self,
        chain: &Chain,
        link: &Link,
        term: &Term,
        generation: Option<u64>,
    ) -> Vec<StatementId> {
        let Some(line) = self.lines.get(term) else { return Vec::new() };
        let cutting = line.cutting(generation.unwrap_or(line.current()), link.epoch);
        let matches =
            |id: &StatementId| self.orders.get(id).is_some_and(|o| self.matches(chain, o));
        cutting.into_iter().filter(matches).collect()
    }

    fn in_order(&self, ids: BTreeSet<StatementId>) -> Vec<Cut> {
        let mut cuts: Vec<&Order> = ids.iter().filter_map(|id| self.orders.get(id)).collect();
        cuts.sort_by_key(|one| (Reverse(one.until_ms.unwrap_or(u64::MAX)), one.pause, one.id));
        cuts.into_iter().map(Cut::by).collect()
    }

    /// What cuts this generation of a device, whenever it was enrolled.
    pub fn device_cut(&self, device: &DeviceId, generation: u64) -> Option<Cut> {
        self.device_cuts(device, generation, None).into_iter().next()
    }

    /// True when a revoke cuts this generation of a device, held or not.
    pub fn device_revoked(&self, device: &DeviceId, generation: u64) -> bool {
        let line = self.lines.get(&Term::Device(device.clone()));
        line.is_some_and(|line| !line.cutting(generation, None).is_empty())
    }

    /// What cuts this generation of a device that was enrolled under this root epoch.
    pub fn device_cut_in(&self, device: &DeviceId, generation: u64, epoch: u64) -> Option<Cut> {
        self.device_cuts(device, generation, Some(epoch)).into_iter().next()
    }

    fn device_cuts(&self, device: &DeviceId, generation: u64, epoch: Option<u64>) -> Vec<Cut> {
        let term = Term::Device(device.clone());
        let alone = |order: &&Order| order.subject.terms().len() == 1 && order.reach.covers(epoch);
        let mut ids: BTreeSet<_> = self.holds_naming(&term).filter(alone).map(|o| o.id).collect();
        let line = self.lines.get(&term);
        ids.extend(line.into_iter().flat_map(|line| line.cutting(generation, epoch)));
        self.in_order(ids)
    }

    /// The co-signed order that silences a device as a beacon, whatever its time.
    pub fn beacon_silenced(&self, device: &DeviceId) -> Option<StatementId> {
        self.beacon_silenced_but(device, &BTreeSet::new())
    }

    /// The same but for orders whose time is over.
    pub(crate) fn beacon_silenced_but(
        &self,
        device: &DeviceId,
        over: &BTreeSet<StatementId>,
    ) -> Option<StatementId> {
        let generation = self.generation(&Term::Device(device.clone()));
        let cuts = self.device_cuts(device, generation, None);
        let silences = |o: &Order| (self.rules.0.silences)(o.cosigned) && !over.contains(&o.id);
        let silencing = |id: &StatementId| self.orders.get(id).is_some_and(silences);
        cuts.into_iter().map(|cut| cut.order).find(silencing)
    }

    /// What holds an operator's grants: the order that lasts longest.
    pub fn operator_cut(&self, operator: &OperatorId) -> Option<OperatorCut> {
        let term = Term::Operator(operator.clone());
        let alone = |order: &&Order| order.subject.terms().len() == 1;
        let holds = self.holds_naming(&term).filter(alone).map(|order| order.id);
        let revokes = self.lines.get(&term).map(|line| line.cutting(line.current(), None));
        let ids = holds.chain(revokes.into_iter().flatten()).collect();
        let cut = self.in_order(ids).into_iter().next()?;
        let from_ms = self.orders.get(&cut.order).and_then(operators::alone_from);
        Some(OperatorCut { order: cut.order, from_ms, until_ms: cut.until_ms })
    }

    /// The lowest order that holds this operator's grants in this fold.
    pub fn grants_held(&self, operator: &OperatorId) -> Option<StatementId> {
        self.cutters.holding(operator)
    }

    /// True when some operator's grants are held in this fold.
    pub fn any_grants_held(&self) -> bool {
        !self.cutters.is_empty()
    }

    /// The holds that begin and end by time and that nobody has answered, where a fold rests on
    /// that: those on operators, and those that silence a beacon.
    pub fn timed(&self) -> &[TimedHold] {
        &self.timed
    }

    /// The orders that count no more because of a removal for cause, by id: whoever
    /// they named and no other order names acts again.
    pub fn revived(&self) -> &[Revived] {
        &self.revived
    }

    /// The generation for which credentials are made now.
    pub fn generation(&self, term: &Term) -> u64 {
        self.lines.get(term).map_or(1, Line::current)
    }

    /// How many standing orders have ended by themselves when it is surely this late.
    pub fn ended_by(&self, early_ms: u64) -> usize {
        self.ends.partition_point(|end| *end <= early_ms)
    }

    /// One order that counts, answered or not.
    pub fn order(&self, id: &StatementId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// The orders that count and are not answered, by ascending id.
    pub fn standing(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(|order| !self.answered.contains_key(&order.id))
    }

    /// True for an order that counts and that nobody has answered.
    pub fn stands(&self, order: &StatementId) -> bool {
        self.orders.contains_key(order) && !self.answered.contains_key(order)
    }

    /// The lift or restore that answered an order, the lowest id of several. An answered revoke
    /// goes on cutting the generations below the one that was opened.
    pub fn lifted_by(&self, order: &StatementId) -> Option<StatementId> {
        self.answered.get(order).copied()
    }

    /// The lifts of holds that would cut this chain: what lets it begin.
    pub fn lifts_of(&self, chain: &Chain) -> BTreeSet<StatementId> {
        let answered = self.answered.iter().filter_map(|(order, answer)| {
            let order = self.orders.get(order).filter(|order| order.kind == OrderKind::Hold)?;
            let would_cut = (self.rules.0.chain_matches)(chain, &order.subject, order.reach);
            would_cut.then_some(*answer)
        });
        answered.collect()
    }

    /// Orders, lifts and restores that are held and do not count, with the reason.
    pub fn void(&self) -> &BTreeMap<StatementId, Void> {
        &self.void
    }

    /// What a new revoke of this subject must name in its refs to cut the generation in use.
    pub fn refs_for_revoke(&self, term: &Term) -> Vec<StatementId> {
        self.lines.get(term).into_iter().flat_map(|line| line.opened.keys()).copied().collect()
    }

    /// What a restore of this subject must list: every revoke that counts, every fallen restore.
    pub fn refs_for_restore(&self, term: &Term) -> Vec<StatementId> {
        let lines = || self.lines.get(term).into_iter();
        let revokes = lines().flat_map(|line| line.revokes.keys());
        revokes.chain(lines().flat_map(|line| line.fallen.keys())).copied().collect()
    }

    /// What the next root epoch re-affirms, unless a principal is retired: every revoke that counts
    /// and every hold that nothing ended. Not what came late by a key that holds no role any more:
    /// it counts against what was granted before that key left, and re-affirmed it would count
    /// against everything.
    pub fn to_reaffirm(&self, authority: &Authority) -> Vec<StatementId> {
        let stays = |order: &&Order| {
            order.kind == OrderKind::Revoke || !self.answered.contains_key(&order.id)
        };
        let in_office =
            |order: &&Order| authority.orders_now(&order.key) || authority.is_root_key(&order.key);
        let whole = |order: &&Order| order.reach == Reach::All || in_office(order);
        self.orders.values().filter(stays).filter(whole).map(|order| order.id).collect()
    }

    /// Whether a grant counts and its author's grants are not cut.
    pub fn grant_counts(
        &self,
        authority: &Authority,
        grant: &Verified<Statement>,
    ) -> Result<(), Void> {
        self.cutters.grant_counts(authority, grant)
    }

    /// The order that holds its author's grants, where it is that by which this one does not count.
    pub fn holder_of(
        &self,
        authority: &Authority,
        grant: &Verified<Statement>,
    ) -> Option<StatementId> {
        match self.grant_counts(authority, grant) {
            Err(Void::Held(order)) => Some(order),
            Err(_) | Ok(()) => None,
        }
    }

    pub(crate) fn cutters(&self) -> &Cutters {
        &self.cutters
    }
}

impl Cut {
    pub(crate) fn by(order: &Order) -> Self {
        Self {
            order: order.id,
            kind: order.kind,
            until_ms: order.until_ms,
            pause: order.pause,
            subject: order.subject.clone(),
            home: order.home.clone(),
        }
    }
}

/// What one link carries, each with its generation; nothing where it is not made yet.
fn carried(link: &Link) -> Vec<(Term, Option<u64>)> {
    let generation = |of: fn(&Generations) -> u64| link.generations.as_ref().map(of);
    let mut carried = vec![
        (Term::Agent(link.agent.clone()), generation(|all| all.agent)),
        (Term::User(link.user.clone()), generation(|all| all.user)),
        (Term::Project(link.project.clone()), generation(|all| all.project)),
        (Term::Class(link.class.clone()), generation(|all| all.class)),
        (Term::Device(link.device.clone()), generation(|all| all.device)),
    ];
    let programs = link.manifest.iter().chain(&link.run_by);
    carried.extend(programs.map(|hash| (Term::Manifest(*hash), Some(1))));
    carried
}

/// Whom a hold or revoke names.
fn subject(body: &Body) -> Option<&Subject> {
    if let Body::Hold(hold) = body {
        return Some(&hold.subject);
    }
    let Body::Revoke(revoke) = body else { return None };
    Some(&revoke.subject)
}

type Counted = (BTreeMap<StatementId, Order>, BTreeMap<StatementId, Void>);

fn counted(sources: &Sources<'_>) -> Counted {
    let (mut orders, mut void) = Counted::default();
    for held in sources.set.of_kind("hold").chain(sources.set.of_kind("revoke")) {
        match count(sources, held) {
            Ok(order) => drop(orders.insert(order.id, order)),
            Err(why) => drop(void.insert(held.id(), why)),
        }
    }
    (orders, void)
}

fn count(sources: &Sources<'_>, held: &Held) -> Result<Order, Void> {
    let Sources { set, authority, rules, .. } = sources;
    let reach = authority.order_counts(held)?;
    let order = read(set, authority, held, reach, rules)?;
    if order.kind == OrderKind::Revoke && order.subject.terms().len() != 1 {
        return Err(Void::Subject);
    }
    if let [Term::Operator(_)] = order.subject.terms() {
        operators::check(sources, held, &order)?;
    }
    if !order.cosigned && !budget::within(set, authority, rules, held) {
        return Err(Void::Budget);
    }
    Ok(order)
}

fn read(
    set: &Set,
    authority: &Authority,
    held: &Held,
    reach: Reach,
    rules: &Rules,
) -> Result<Order, Void> {
    let (kind, subject, home, reason, until_ms, pause) = if let Body::Hold(hold) = &held.body {
        let pause = hold.pause.is_some();
        (OrderKind::Hold, &hold.subject, &hold.home, &hold.reason, hold.until_ms, pause)
    } else if let Body::Revoke(cut) = &held.body {
        (OrderKind::Revoke, &cut.subject, &cut.home, &cut.reason, None, false)
    } else {
        return Err(Void::Kind);
    };
    let author = Voice { author: &held.author, key: held.key() };
    let cosigner = |one: &Held| {
        let other = authority.cosigner(one).map(|who| Voice { author: who, key: one.key() });
        other.is_some_and(|other| (rules.cosigns)(&author, &other))
    };
    Ok(Order {
        id: held.id(),
        kind,
        author: held.author.clone(),
        key: held.key(),
        subject: subject.clone(),
        home: home.clone(),
        reason: reason.0.clone(),
        until_ms,
        pause,
        reach,
        cosigned: set.approvals(&held.id()).any(cosigner),
    })
}

fn revived(set: &Set, authority: &Authority, void: &BTreeMap<StatementId, Void>) -> Vec<Revived> {
    let order = |id: &StatementId| {
        let held = set.get(id)?;
        let order = read(set, authority, held, Reach::All, &Rules::OURS).ok()?;
        Some((order, held.clone()))
    };
    let approvals = |id: &StatementId| set.approvals(id).cloned().collect();
    operators::revived(authority, void, order, approvals)
}

/// Every hold that a lift ended, with the lowest lift that did. Its own author ends a hold alone;
/// not that of a whole device, which takes two, nor that of an operator, which takes the root.
fn lifted(
    sources: &Sources<'_>,
    void: &mut BTreeMap<StatementId, Void>,
) -> BTreeMap<StatementId, StatementId> {
    let mut answered = BTreeMap::new();
    for lift in sources.set.of_kind("lift") {
        let (ends, enough) = weigh_lift(sources, lift);
        let before = answered.len();
        ends.into_iter().for_each(|id| _ = answered.entry(id).or_insert(lift.id()));
        if let (Err(why), true) = (enough, before == answered.len()) {
            void.insert(lift.id(), why);
        }
    }
    answered
}

/// Which holds a lift ends, and whether it has every yes that it needs.
fn weigh_lift(sources: &Sources<'_>, lift: &Held) -> (Vec<StatementId>, Result<(), Void>) {
    let Sources { set, authority, cut, rules, orders } = sources;
    let enough = answers::check(set, authority, cut, lift);
    let own = cut.grant_counts(authority, lift).is_ok();
    let by_root = answers::by_root(set, authority, lift);
    let ends = |id: &StatementId| {
        let Some(order) = orders.get(id) else { return false };
        order.kind == OrderKind::Hold
            && match order.subject.terms() {
                [Term::Operator(_)] => by_root && own,
                [Term::Device(_)] => enough.is_ok(),
                [..] => enough.is_ok() || (own && is_own(order, &lift.author)),
            }
    };
    let ended = (rules.lift_answers)(&lift.refs, orders).into_iter().filter(ends).collect();
    (ended, enough)
}

fn is_own(order: &Order, lifting: &Principal) -> bool {
    matches!(lifting, Principal::Operator(_)) && *lifting == order.author
}

/// What a revoke cuts and a restore opens depends on whether all that it names is held.
fn awaited(set: &Set) -> BTreeSet<StatementId> {
    let naming = set.of_kind("revoke").chain(set.of_kind("restore"));
    naming.flat_map(|held| &held.refs).filter(|id| set.get(id).is_none()).copied().collect()
}

fn index(
    orders: &BTreeMap<StatementId, Order>,
    answered: &BTreeMap<StatementId, StatementId>,
) -> BTreeMap<Term, BTreeSet<StatementId>> {
    let mut holds: BTreeMap<Term, BTreeSet<StatementId>> = BTreeMap::new();
    let standing = |order: &&Order| !answered.contains_key(&order.id);
    for order in orders.values().filter(|order| order.kind == OrderKind::Hold).filter(standing) {
        if let Some(first) = order.subject.terms().first() {
            holds.entry(first.clone()).or_default().insert(order.id);
        }
    }
    holds
}

#[cfg(test)]
mod tests;
