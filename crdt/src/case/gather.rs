//! Downward from the order: who owes an answer, and whether it was given.

use super::asked::Asked;
use super::closure::Needed;
use super::{Branch, BranchState, Case, Facts, MissingWhy, OrderFault};
use crate::authority::Authority;
use crate::orders::Orders;
use crate::registry::{Issued, Registry, Run};
use crate::set::{Held, Set};
use crate::tasks::{ChainGap, Reach, Said, Tasks};
use belay_identity::body::{LogMark, Made, Outcome, Receipt, Subject, Term};
use belay_identity::principal::DeviceId;
use belay_identity::{Body, Incarnation, Scope, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is read; folded from one set.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) set: &'a Set,
    pub(super) authority: &'a Authority,
    pub(super) orders: &'a Orders,
    pub(super) registry: &'a Registry,
    pub(super) tasks: &'a Tasks,
}

/// Gathers the case of an order.
pub(super) fn gather(known: Known<'_>, order: StatementId) -> Case {
    let mut gathering = Gathering::new(known, order);
    let fault = match gathering.find_roots() {
        Ok(()) => gathering.check_order().err(),
        Err(fault) => Some(fault),
    };
    gathering.follow_down();
    let Gathering { branches, needed, .. } = gathering;
    let answered = |branch: &Branch| !matches!(branch.state, BranchState::Missing(_));
    let shown = |branch: &Branch| !matches!(branch.state, BranchState::Unproven(_));
    let complete = fault.is_none() && branches.iter().all(answered);
    let proven = complete && branches.iter().all(shown);
    let statements = needed.closed(&known);
    Case { order, fault, branches, statements, complete, proven }
}

/// Whether an order takes in a chain.
enum Match {
    Yes,
    No,
    /// It may, for all that is held.
    Perhaps(ChainGap),
}

struct Gathering<'a> {
    known: Known<'a>,
    order: StatementId,
    branches: Vec<Branch>,
    needed: Needed,
    /// Runs without an award, with why each only may match.
    idle: BTreeMap<Run, Option<ChainGap>>,
    /// Awards to be judged, each with what it was made under.
    open: Vec<(StatementId, Option<StatementId>)>,
    perhaps: BTreeMap<StatementId, ChainGap>,
    seen: BTreeSet<StatementId>,
    named: BTreeMap<StatementId, DeviceId>,
    /// Statements from which an unforked log was walked down to its first number.
    walked: BTreeSet<StatementId>,
}

impl<'a> Gathering<'a> {
    fn new(known: Known<'a>, order: StatementId) -> Self {
        Self {
            known,
            order,
            branches: Vec::new(),
            needed: Needed::new(order),
            idle: BTreeMap::new(),
            open: Vec::new(),
            perhaps: BTreeMap::new(),
            seen: BTreeSet::new(),
            named: BTreeMap::new(),
            walked: BTreeSet::new(),
        }
    }

    fn check_order(&self) -> Result<(), OrderFault> {
        let Known { set, authority, registry, tasks, .. } = self.known;
        let order = set.get(&self.order).ok_or(OrderFault::NotHeld)?;
        if let Body::Cancel(cancel) = &order.body {
            let counts = tasks.cancels_that_count(registry, &cancel.award).contains(&self.order);
            let why = "neither the delegator's device nor one above it signed it";
            return if counts { Ok(()) } else { Err(OrderFault::Void(why.into())) };
        }
        let counts = authority.order_counts(order).map(|_reach| ());
        let counts = match self.known.orders.void().get(&self.order) {
            Some(void) => Err(void.clone()),
            None => counts,
        };
        counts.map(|_| ()).map_err(|void| OrderFault::Void(void.to_string()))
    }

    fn find_roots(&mut self) -> Result<(), OrderFault> {
        let order = self.known.set.get(&self.order).ok_or(OrderFault::NotHeld)?;
        match &order.body {
            Body::Hold(hold) => {
                self.roots_of(&hold.subject);
                self.ask_beacons();
            }
            Body::Revoke(revoke) => {
                self.roots_of(&revoke.subject);
                self.ask_beacons();
            }
            Body::Drill(drill) => self.roots_of(&drill.subject),
            Body::Cancel(cancel) => self.open.push((cancel.award, None)),
            other => return Err(OrderFault::NotAnOrder(other.kind().to_owned())),
        }
        Ok(())
    }

    /// Every run and every award that the subject takes in, or may.
    fn roots_of(&mut self, subject: &Subject) {
        let Known { registry, tasks, .. } = self.known;
        let mut runs: BTreeMap<Run, Option<ChainGap>> = BTreeMap::new();
        for issued in registry.claims() {
            match matches(&tasks.reach_of(registry, &issued.id), subject) {
                Match::No => {}
                Match::Yes => _ = runs.insert(issued.run(), None),
                Match::Perhaps(gap) => _ = runs.entry(issued.run()).or_insert(Some(gap)),
            }
        }
        for (run, gap) in runs {
            if self.began_since(&run) {
                continue;
            }
            self.needed.extend(registry.credentials_of(&run).map(|issued| issued.id));
            self.root_run(run, gap);
        }
        for award in tasks.awards() {
            match matches(&tasks.reach_of_award(registry, &award.id()), subject) {
                Match::No => {}
                Match::Yes => self.open.push((award.id(), None)),
                Match::Perhaps(gap) => self.root_perhaps(award.id(), gap),
            }
        }
        self.open.sort();
        self.open.reverse();
    }

    /// Until enough beacons have answered, a device may be freshened that has not heard the order,
    /// and begin what nobody has heard of. What a beacon lists is followed like any other award.
    fn ask_beacons(&mut self) {
        let Known { orders, registry, tasks, .. } = self.known;
        if let Some(lift) = orders.lifted_by(&self.order) {
            // Nobody owes an answer any more; whoever checks the case must see why.
            self.needed.insert(lift);
            return;
        }
        let asked = Asked::of(&self.known);
        let mut answered = BTreeSet::new();
        for key in asked.beacons() {
            let device = registry.device_by_key(&key).map(|device| device.id.clone());
            self.needed.extend(device.iter().flat_map(|id| registry.papers_of(id)));
            let by_it = |word: &Said<'_, Receipt>| {
                device.as_ref().is_some_and(|id| registry.speaks_for(&word.key(), id))
            };
            let answers: Vec<_> = tasks.none_ran(&self.order).filter(by_it).collect();
            self.needed.extend(answers.iter().map(Said::id));
            let listed = answers.iter().flat_map(|word| &word.body.made);
            self.open_below(listed, &BTreeSet::new(), None);
            if !answers.is_empty() {
                answered.insert(key);
            }
        }
        for (key, why) in asked.silent(&answered) {
            self.branches.push(Branch {
                award: None,
                agent: None,
                device: registry.device_by_key(&key).map(|device| device.id.clone()),
                parent: None,
                lease_ms: None,
                state: BranchState::Missing(why),
            });
        }
    }

    /// True when everything that a run did began after a lift had answered the order.
    fn began_since(&self, run: &Run) -> bool {
        let Known { registry, tasks, .. } = self.known;
        let credentials = registry.credentials_of(run);
        let mut of_run: BTreeSet<StatementId> = tasks.awards_of_run(registry, run);
        of_run.extend(credentials.flat_map(|one| tasks.awards_under(&one.id)).map(|on| on.id()));
        !of_run.is_empty() && of_run.iter().all(|award| self.names_the_lift(award))
    }

    /// True when an award names a lift that answers the order.
    fn names_the_lift(&self, award: &StatementId) -> bool {
        let Known { set, orders, .. } = self.known;
        if orders.lifted_by(&self.order).is_none() {
            return false;
        }
        let Some(award) = set.get(award) else { return false };
        award.refs.iter().any(|id| {
            let lift = set.get(id).filter(|held| matches!(held.body, Body::Lift(_)));
            lift.is_some_and(|lift| lift.refs.contains(&self.order))
                && !orders.void().contains_key(id)
        })
    }

    fn root_run(&mut self, run: Run, gap: Option<ChainGap>) {
        let awards = self.known.tasks.awards_of_run(self.known.registry, &run);
        if awards.is_empty() {
            self.idle.insert(run, gap);
            return;
        }
        for award in awards {
            match &gap {
                None => self.open.push((award, None)),
                Some(gap) => self.root_perhaps(award, gap.clone()),
            }
        }
    }

    fn root_perhaps(&mut self, award: StatementId, gap: ChainGap) {
        self.perhaps.insert(award, gap);
        self.open.push((award, None));
    }

    fn follow_down(&mut self) {
        for (run, gap) in std::mem::take(&mut self.idle) {
            self.judge_idle(&run, gap);
        }
        self.follow_open();
        self.name_unheld();
        self.follow_open();
        let parents: BTreeMap<StatementId, StatementId> = self.parents();
        for branch in &mut self.branches {
            let above = branch.award.and_then(|award| parents.get(&award).copied());
            branch.parent = branch.parent.or(above);
        }
        self.branches.sort_by_key(|branch| depth(&parents, branch));
    }

    fn follow_open(&mut self) {
        while let Some((award, parent)) = self.open.pop() {
            if !self.seen.insert(award) {
                continue;
            }
            match self.names_the_lift(&award) {
                true => self.needed.insert(award),
                false => self.judge_award(award, parent),
            }
        }
    }

    /// Awards that somebody of these trees began, refused or reported and that are not held.
    fn name_unheld(&mut self) {
        let Known { set, tasks, registry, .. } = self.known;
        let trees: BTreeSet<StatementId> = self
            .seen
            .iter()
            .filter_map(|award| tasks.award(award))
            .filter_map(|award| tree_of(&award.statement.scope))
            .chain(self.needed.credentials(registry).map(Issued::tree))
            .collect();
        for (award, words) in tasks.named_awards_not_held() {
            let words = words.iter().filter_map(|id| set.get(id));
            let here = |scope: &Scope| tree_of(scope).is_some_and(|tree| trees.contains(&tree));
            let Some(word) = words.clone().find(|word| here(&word.scope)) else { continue };
            if let Some(device) = registry.device_by_key(&word.key()) {
                self.named.insert(*award, device.id.clone());
            }
            self.needed.insert(word.id());
            self.open.push((*award, None));
        }
    }

    fn judge_idle(&mut self, run: &Run, gap: Option<ChainGap>) {
        let Known { registry, tasks, .. } = self.known;
        let answers = tasks.none_ran(&self.order).filter(|word| {
            let elsewhere = tree_of(&word.statement.scope).is_some_and(|tree| tree != run.tree);
            !elsewhere && registry.speaks_for(&word.key(), &run.device)
        });
        let answers: Vec<Said<'_, Receipt>> = answers.collect();
        let made = self.made_under(run);
        let state = match answers.iter().max_by_key(|word| place(word)) {
            None => BranchState::Missing(self.silence_of(run, gap)),
            // What does not fit one receipt stands in several.
            Some(last) => {
                let listed = answers.iter().flat_map(|word| &word.body.made);
                self.judge_receipts(&answers, last, listed, &made)
            }
        };
        self.needed.extend(answers.iter().map(Said::id));
        let listed = answers.iter().flat_map(|word| &word.body.made);
        self.open_below(listed, &made, None);
        self.branches.push(Branch {
            award: None,
            agent: Some(run.agent.clone()),
            device: Some(run.device.clone()),
            parent: None,
            lease_ms: None,
            state,
        });
    }

    fn silence_of(&self, run: &Run, gap: Option<ChainGap>) -> MissingWhy {
        let registry = self.known.registry;
        let stray = registry.credentials_of(run).find(|issued| !registry.was_issued_there(issued));
        match (gap, stray) {
            (_, Some(issued)) => MissingWhy::NotEnrolled { credential: issued.id },
            (Some(gap), None) => MissingWhy::ChainUnknown(gap),
            (None, None) => MissingWhy::Silent,
        }
    }

    fn made_under(&self, run: &Run) -> BTreeSet<StatementId> {
        let Known { registry, tasks, .. } = self.known;
        let under = registry.credentials_of(run).flat_map(|issued| tasks.awards_under(&issued.id));
        under
            .filter(|award| award.body.delegation.is_some())
            .filter(|award| tasks.check_award(registry, award).is_ok())
            .map(|award| award.id())
            .collect()
    }

    fn judge_award(&mut self, award: StatementId, parent: Option<StatementId>) {
        let Known { registry, tasks, .. } = self.known;
        let Some(given) = tasks.award(&award) else { return self.add_unheld(award, parent) };
        let receipts = tasks.receipts(registry, &award);
        let made = tasks.children(registry, &award);
        let state = match receipts.iter().max_by_key(|word| place(word)) {
            None => self.judge_without_receipt(&award),
            Some(last) => self.judge_receipts(&receipts, last, last.body.made.iter(), &made),
        };
        self.need_words_on(&award);
        let listed: Vec<&Made> = receipts.iter().flat_map(|word| &word.body.made).collect();
        self.open_below(listed, &made, Some(award));
        let reach = tasks.reach_of_award(registry, &award);
        let promised = given.body.delegation.and_then(|id| tasks.delegation(&id));
        let agent = promised.map(|delegation| delegation.body.agent.clone());
        self.branches.push(Branch {
            award: Some(award),
            agent: agent.or_else(|| reach.chain.acting().map(|link| link.agent.clone())),
            device: Some(given.body.executor.clone()),
            parent,
            lease_ms: Some(given.body.lease_ms),
            state,
        });
    }

    fn add_unheld(&mut self, award: StatementId, parent: Option<StatementId>) {
        self.branches.push(Branch {
            award: Some(award),
            agent: None,
            device: self.named.get(&award).cloned(),
            parent,
            lease_ms: None,
            state: BranchState::Missing(MissingWhy::AwardNotHeld),
        });
    }

    fn judge_without_receipt(&self, award: &StatementId) -> BranchState {
        let Known { registry, tasks, .. } = self.known;
        let refused = !tasks.refused(registry, award).is_empty();
        let begun = !tasks.started(registry, award).is_empty();
        let foreign = tasks.receipts_by_anyone(award).next();
        let why = match (refused, begun, foreign, self.perhaps.get(award)) {
            (true, false, ..) => return BranchState::Refused,
            (true, true, ..) => MissingWhy::Contradiction,
            (false, _, Some(word), _) => MissingWhy::WrongSigner { receipt: word.id() },
            (false, _, None, Some(gap)) => MissingWhy::ChainUnknown(gap.clone()),
            (false, _, None, None) => MissingWhy::Silent,
        };
        BranchState::Missing(why)
    }

    /// What was made must be listed; every one of the receipts must show the end.
    fn judge_receipts<'b>(
        &mut self,
        receipts: &[Said<'_, Receipt>],
        last: &Said<'_, Receipt>,
        listed: impl Iterator<Item = &'b Made> + Clone,
        made: &BTreeSet<StatementId>,
    ) -> BranchState {
        let wrong = receipts.iter().find_map(|word| self.check_place(word).err());
        let wrong = wrong.or_else(|| self.check_listing(listed, made).err());
        if let Some(why) = wrong.or_else(|| self.check_begun(receipts)) {
            return BranchState::Missing(why);
        }
        let facts = |word: &Said<'_, Receipt>| Facts::of(word.id(), word.body);
        match receipts.iter().map(facts).find(|facts| !facts.is_proof()) {
            Some(facts) => BranchState::Unproven(facts),
            None => BranchState::Proven(facts(last)),
        }
    }

    fn check_begun(&self, receipts: &[Said<'_, Receipt>]) -> Option<MissingWhy> {
        let Known { registry, tasks, .. } = self.known;
        let never = receipts.iter().filter(|word| word.body.outcome == Outcome::NeverStarted);
        let mut awards = never.filter_map(|word| word.body.award);
        let begun = awards.any(|award| !tasks.started(registry, &award).is_empty());
        begun.then_some(MissingWhy::Contradiction)
    }

    fn check_listing<'b>(
        &self,
        listed: impl Iterator<Item = &'b Made> + Clone,
        made: &BTreeSet<StatementId>,
    ) -> Result<(), MissingWhy> {
        let tasks = self.known.tasks;
        for Made { award, executor } in listed.clone() {
            if tasks.award(award).is_some_and(|held| held.body.executor != *executor) {
                return Err(MissingWhy::ListsOtherwise { award: *award });
            }
        }
        let listed: BTreeSet<&StatementId> = listed.map(|made| &made.award).collect();
        match made.iter().find(|award| !listed.contains(award) && !self.is_listed(award)) {
            Some(award) => Err(MissingWhy::Unlisted { award: *award }),
            None => Ok(()),
        }
    }

    /// True when another award of the same work lists it in its last receipt.
    fn is_listed(&self, award: &StatementId) -> bool {
        let Known { registry, tasks, .. } = self.known;
        let makers = tasks.parents(registry, award);
        makers.iter().any(|maker| {
            let receipts = tasks.receipts(registry, maker);
            let last = receipts.iter().max_by_key(|word| place(word));
            last.is_some_and(|word| word.body.made.iter().any(|made| made.award == *award))
        })
    }

    /// Checks that a receipt stands in its tree's log and that this log is held without a gap.
    fn check_place(&mut self, word: &Said<'_, Receipt>) -> Result<(), MissingWhy> {
        let (tasks, statement) = (self.known.tasks, word.statement);
        let receipt = word.id();
        let Some(award) = word.body.award else { return Ok(()) };
        if tasks.award(&award).is_some_and(|award| award.statement.scope != statement.scope) {
            return Err(MissingWhy::OutOfPlace { receipt });
        }
        match &word.body.log {
            None if statement.seq == 1 => Ok(()),
            None => Err(MissingWhy::OutOfPlace { receipt }),
            Some(mark) => self.walk_log(statement, mark),
        }
    }

    /// Walks the log below a receipt down to its first number, past the mark that it names.
    fn walk_log(
        &mut self,
        receipt: &Verified<Statement>,
        mark: &LogMark,
    ) -> Result<(), MissingWhy> {
        let set = self.known.set;
        let log = receipt.log(receipt.key());
        let forked = set.fork(&log).is_some();
        let mut path = BTreeSet::new();
        let (mut seq, mut prev) = (receipt.seq, receipt.prev);
        while let Some(id) = prev.filter(|id| forked || !self.walked.contains(id)) {
            let fits = |below: &&Held| below.log(below.key()) == log && below.seq + 1 == seq;
            let Some(below) = set.get(&id).filter(fits) else {
                return Err(MissingWhy::LogGap { receipt: receipt.id(), seq });
            };
            path.insert(id);
            (seq, prev) = (below.seq, below.prev);
        }
        let marked = set.get(&mark.id).is_some_and(|held| {
            let walked = path.contains(&mark.id) || !forked && self.walked.contains(&mark.id);
            walked && held.seq == mark.seq && held.log(held.key()) == log
        });
        self.needed.extend(path.iter().copied());
        self.walked.extend(path);
        if marked { Ok(()) } else { Err(MissingWhy::OutOfPlace { receipt: receipt.id() }) }
    }

    fn need_words_on(&mut self, award: &StatementId) {
        let Known { registry, tasks, .. } = self.known;
        self.needed.insert(*award);
        self.needed.extend(tasks.started(registry, award).iter().map(Said::id));
        self.needed.extend(tasks.refused(registry, award).iter().map(Said::id));
        self.needed.extend(tasks.receipts_by_anyone(award).map(|word| word.id()));
        self.needed.extend(tasks.cancels(award).map(|word| word.id()));
        for run in tasks.runs_of(registry, award) {
            self.needed.extend(registry.credentials_of(&run).map(|issued| issued.id));
        }
    }

    fn open_below<'b>(
        &mut self,
        listed: impl IntoIterator<Item = &'b Made>,
        made: &BTreeSet<StatementId>,
        parent: Option<StatementId>,
    ) {
        for Made { award, executor } in listed {
            self.named.insert(*award, executor.clone());
            self.open.push((*award, parent));
        }
        self.open.extend(made.iter().map(|award| (*award, parent)));
    }

    /// The maker of every award among the branches, as the awards themselves have it.
    fn parents(&self) -> BTreeMap<StatementId, StatementId> {
        let Known { registry, tasks, .. } = self.known;
        let ours = |parent: &StatementId| self.seen.contains(parent);
        let parent_of = |award: &StatementId| {
            let parent = tasks.parents(registry, award).into_iter().find(ours);
            parent.map(|parent| (*award, parent))
        };
        let mut parents: BTreeMap<StatementId, StatementId> =
            self.seen.iter().filter_map(parent_of).collect();
        for branch in &self.branches {
            if let (Some(award), Some(parent)) = (branch.award, branch.parent) {
                parents.entry(award).or_insert(parent);
            }
        }
        parents
    }
}

fn matches(reach: &Reach, subject: &Subject) -> Match {
    if reach.chain.matches(subject) {
        return Match::Yes;
    }
    let Some(gap) = &reach.open else { return Match::No };
    // User, project and class stay the same along a chain, so what is missing cannot carry others.
    let fixed = subject.terms().iter().filter(|term| match term {
        Term::User(_) | Term::Project(_) | Term::Class(_) | Term::Operator(_) => true,
        Term::Agent(_) | Term::Manifest(_) | Term::Device(_) => false,
    });
    let mut fixed = fixed.filter(|term| !reach.chain.links().is_empty() || is_operator(term));
    if fixed.any(|term| !reach.chain.carries(term)) {
        return Match::No;
    }
    Match::Perhaps(gap.clone())
}

fn is_operator(term: &Term) -> bool {
    matches!(term, Term::Operator(_))
}

fn tree_of(scope: &Scope) -> Option<StatementId> {
    match scope {
        Scope::Tree(tree) => Some(*tree),
        Scope::Fleet | Scope::Site(_) => None,
    }
}

fn place(word: &Said<'_, Receipt>) -> (Incarnation, u64, StatementId) {
    (word.statement.incarnation, word.statement.seq, word.id())
}

fn depth(
    parents: &BTreeMap<StatementId, StatementId>,
    branch: &Branch,
) -> (usize, Option<DeviceId>, Option<StatementId>) {
    let mut at = branch.award;
    let mut depth = 0;
    while let Some(parent) = at.and_then(|award| parents.get(&award)) {
        depth += 1;
        at = (depth <= parents.len()).then_some(*parent);
    }
    (depth, branch.device.clone(), branch.award)
}
