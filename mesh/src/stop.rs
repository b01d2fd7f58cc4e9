//! The stop: what an order ends here, and the signed word on what became of it.
//!
//! A chain is judged whole, so one order ends work at any depth without walking the tree: each
//! device ends what it runs as soon as the order arrives. Cancels race along task edges, leases
//! lapse behind both. A receipt is signed only after the tree was seen empty and that fact is on
//! disk; a device that held a matching credential and runs nothing says so.
//!
//! INV-STOP-1: "stopped" is signed only for a tree that was seen empty. Refused here: claiming what
//! nobody saw; that is *not-proven*, with the reason.

use crate::arriving::with_program;
use crate::author::Words;
use crate::engine::Engine;
use crate::input::{OnDisk, TaskEvent};
use crate::limits::{MADE_MAX, PAUSE_LOOK_MS};
use crate::output::{Event, Output};
use crate::task::{Orphan, Phase, Task};
use belay_crdt::orders::{Cut, Order};
use belay_identity::body::{
    Body, Cancel, Cause, Enrol, LogMark, Made, Outcome, Receipt, Seen, Term, Wall, Witness,
};
use belay_identity::codec::Bytes;
use belay_identity::limits::{REFS_MAX, RESULT_TAIL_BYTES_MAX};
use belay_identity::principal::DeviceId;
use belay_identity::{Chain, Class, PublicKey, Scope, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of the orders' course beyond the set.
#[derive(Default)]
pub(crate) struct Stops {
    in_force: BTreeMap<StatementId, u64>,
    answered: BTreeSet<StatementId>,
}

impl Stops {
    /// When an order was first seen to be in force, own wall clock, Unix milliseconds.
    pub(crate) fn in_force_ms(&self, order: &StatementId) -> Option<u64> {
        self.in_force.get(order).copied()
    }
}

impl Engine {
    /// Everything that a newly learnt statement sets going here.
    pub(crate) fn on_learnt(&mut self, statement: &Arc<Verified<Statement>>) {
        if statement.class == Class::AuthorityMinus {
            return self.on_authority(statement);
        }
        match &statement.body {
            Body::Award(award) => {
                self.on_award(statement, &award.clone());
                if self.known.tasks.cancels(&statement.id()).next().is_some() {
                    self.sweep();
                }
            }
            Body::Cancel(_) => self.sweep(),
            Body::Delegation(_) | Body::Credential(_) => self.place_early_awards(),
            Body::Started(body) => self.on_award_news(&body.award.clone(), statement),
            Body::Refused(body) => self.on_award_news(&body.award.clone(), statement),
            Body::Receipt(body) => match body.award {
                Some(award) => self.on_award_news(&award, statement),
                // A beacon's word that it has these orders on disk.
                None => self.note_whether_in_force(statement.refs.clone()),
            },
            Body::Enrol(enrol) => self.on_enrol(statement, &enrol.clone()),
            Body::Manifest(_) => self.weigh_programs(),
            _ => {}
        }
    }

    fn on_authority(&mut self, statement: &Arc<Verified<Statement>>) {
        match &statement.body {
            Body::Hold(_) | Body::Revoke(_) | Body::Drill(_) => {
                self.tell(Event::Ordered(statement.id()));
            }
            _ => {}
        }
        self.on_who_counts();
    }

    /// Looks at everything that orders and grants decide.
    pub(crate) fn on_who_counts(&mut self) {
        self.sweep();
        self.weigh_links();
        self.ask_bodies_everywhere();
        self.holder.draw_at_once();
    }

    /// An invite's witness says which enrolment it saw first.
    fn on_enrol(&mut self, statement: &Arc<Verified<Statement>>, _enrol: &Enrol) {
        // Whoever waits in the lobby may be the one that was enrolled.
        self.weigh_links();
        let Some(invite) = statement.refs.first().and_then(|id| self.known.get(id)) else { return };
        let Body::Invite(body) = &invite.body else { return };
        let invite_id = invite.id();
        let ours = self.own_id().as_ref() == Some(&body.witness);
        let already = self
            .known
            .set
            .of_kind("witness")
            .any(|witness| matches!(&witness.body, Body::Witness(w) if w.invite == invite_id));
        if ours && !already {
            let witness = Witness { invite: invite_id, enrol: statement.id() };
            self.say(Words::new(Scope::Fleet, witness));
        }
    }

    /// What cuts a chain now: an order over it, or one on this device; of several the one that
    /// lasts longest.
    pub(crate) fn cut_of(&self, chain: &Chain) -> Option<Cut> {
        self.cuts_of(chain).next()
    }

    /// What ends work of this chain now: an order that pauses does not, however long it lasts.
    pub(crate) fn ending_cut_of(&self, chain: &Chain) -> Option<Cut> {
        self.cuts_of(chain).find(|cut| !cut.pause)
    }

    fn cuts_of(&self, chain: &Chain) -> impl Iterator<Item = Cut> {
        // A timed hold takes away until its end is surely past.
        let binds = |until_ms| !self.is_surely_past(until_ms);
        let cuts = self.known.orders.all_cuts(chain).into_iter();
        cuts.filter(move |cut| cut.until_ms.is_none_or(binds)).chain(self.let_in_cut(chain))
    }

    /// The lifts that let work of this chain begin, which its award names: the orders that they
    /// answered need not wait for it. Of more than a statement may name, the latest.
    pub(crate) fn lifts_of(&self, chain: &Chain) -> Vec<StatementId> {
        let lifts = self.known.orders.lifts_of(chain).into_iter();
        let mut lifts: Vec<StatementId> = lifts.collect();
        lifts.sort_by_key(|lift| std::cmp::Reverse(self.known.get(lift).map(|held| held.seq)));
        lifts.truncate(REFS_MAX);
        lifts
    }

    /// What cuts a task: an order over its chain, or over what its program is on disk now.
    pub(crate) fn cut_of_task(&self, task: &Task) -> Option<Cut> {
        let swapped = || self.cut_of(&swapped_chain(task)?);
        self.cut_of(&task.chain).or_else(swapped)
    }

    /// What ends it.
    fn ending_cut_of_task(&self, task: &Task) -> Option<Cut> {
        let swapped = || self.ending_cut_of(&swapped_chain(task)?);
        self.ending_cut_of(&task.chain).or_else(swapped)
    }

    /// True when an order or a cancel stands against an award.
    pub(crate) fn is_cut(&self, award: &StatementId) -> bool {
        let chain = self.known.tasks.chain_of_award(&self.known.registry, award);
        chain.is_ok_and(|chain| self.cut_of(&chain).is_some())
            || self.known.tasks.cancelled(&self.known.registry, award).is_some()
    }

    pub(crate) fn is_ended_by_order(&self, award: &StatementId) -> bool {
        self.work.task(award).is_some_and(|task| self.cut_of_task(task).is_some())
    }

    /// True while an order on this device stands whose time is not surely past.
    pub(crate) fn device_cut(&self, device: &DeviceId) -> bool {
        let generation = self.known.orders.generation(&Term::Device(device.clone()));
        // The one that lasts longest.
        let cut = self.known.orders.device_cut(device, generation);
        cut.is_some_and(|cut| cut.until_ms.is_none_or(|until| !self.is_surely_past(until)))
            || self.known.let_in_cut(&self.known.set, device).is_some()
    }

    /// How many standing orders have ended by their time.
    pub(crate) fn ended_orders(&self) -> usize {
        self.passed_ms.map_or(0, |early_ms| self.known.orders.ended_by(early_ms))
    }

    /// Looks at everything that runs here again, after an order, a lift or a cancel.
    pub(crate) fn sweep(&mut self) {
        let awards: Vec<StatementId> = self.work.live().map(|(award, _)| *award).collect();
        for award in awards {
            self.sweep_task(award);
        }
        self.weigh_programs();
        self.drop_cut_places();
        self.note_in_force();
        self.answer_orders();
    }

    pub(crate) fn sweep_task(&mut self, award: StatementId) {
        let Some(task) = self.work.task(&award) else { return };
        let paused = task.paused;
        // What has not begun cannot stand still: it never starts.
        let begun = !matches!(task.phase, Phase::Arranged | Phase::Fetching);
        match self.ending_cut_of_task(task).or_else(|| self.cut_of_task(task)) {
            Some(cut) if cut.pause && begun => self.pause_task(award, cut.order),
            Some(cut) => self.end_task(award, Cause::Order, Some(cut.order)),
            None => match self.known.tasks.cancelled(&self.known.registry, &award) {
                Some(cancel) => self.end_task(award, Cause::Cancel, Some(cancel)),
                None if paused.is_some() => self.thaw_task(award),
                None => {}
            },
        }
    }

    fn pause_task(&mut self, award: StatementId, order: StatementId) {
        let look_at = self.now.boot.plus_ms(PAUSE_LOOK_MS);
        let Some(task) = self.work.task_mut(&award) else { return };
        if task.paused.replace(order).is_none() {
            task.feed_at = look_at;
            self.out(Output::Freeze { award });
        }
    }

    fn thaw_task(&mut self, award: StatementId) {
        let Some(task) = self.work.task_mut(&award) else { return };
        task.paused = None;
        if task.ending.is_some() {
            return;
        }
        if let Some(until) = self.feed_until(&award) {
            self.out(Output::Feed { award, until });
        }
    }

    /// Tells a task to end; final. One that has not started yet never does.
    pub(crate) fn end_task(&mut self, award: StatementId, cause: Cause, by: Option<StatementId>) {
        let Some(task) = self.work.task_mut(&award) else { return };
        if task.ending.is_some() {
            return;
        }
        let grace_ms = self.stop_grace_ms(&award);
        let Some(task) = self.work.task_mut(&award) else { return };
        task.ending = Some((cause, by));
        let (phase, made) = (task.phase, task.made.clone());
        task.phase = Phase::Ending;
        self.tell(Event::Ending(award, cause));
        self.cancel_below(award, &made);
        if phase == Phase::Fetching {
            self.out(Output::Abandon { award });
        }
        if matches!(phase, Phase::Arranged | Phase::Fetching) {
            let seen = Seen::NoChildrenLeft;
            self.sign_end(award, Outcome::NeverStarted, seen, Vec::new());
        } else {
            self.out(Output::End { award, grace_ms });
        }
    }

    /// Cancels race the order along the task's own edges.
    fn cancel_below(&mut self, award: StatementId, made: &[Made]) {
        let Some(tree) = self.work.task(&award).map(|task| task.tree) else { return };
        for child in made {
            let cancel = Cancel { award: child.award, reason: "the task above was ended".into() };
            let id = self.say(Words::new(Scope::Tree(tree), cancel));
            let link = self.known.registry.device_by_id(&child.executor).map(|d| d.key);
            if let Some(id) = id {
                self.push_once_written(link, id);
            }
        }
    }

    /// A warden has told the end of its tree.
    pub(crate) fn on_end(&mut self, award: StatementId, event: TaskEvent) {
        let Some(task) = self.work.task_mut(&award) else { return };
        if task.ending.is_none() && task.phase == Phase::Frozen {
            // Frozen by no order of ours and now gone: a lease ran out, and the grace after it.
            let holds = self.run_lease().holds(self.now.boot);
            if let Some(task) = self.work.task_mut(&award) {
                task.ending = Some(match (task.paused, holds) {
                    (Some(order), _) => (Cause::Order, Some(order)),
                    (None, true) => (Cause::Silence, None),
                    (None, false) => (Cause::Lapse, None),
                });
            }
        }
        match event {
            TaskEvent::Empty { seen: Seen::NotSeen, tail } => {
                self.sign_end(award, Outcome::NotProven, Seen::NotSeen, tail);
            }
            TaskEvent::Empty { seen, tail } => {
                let ended = self.work.task(&award).is_some_and(|task| task.ending.is_some());
                let outcome = if ended { Outcome::Stopped } else { Outcome::FinishedBefore };
                self.sign_end(award, outcome, seen, tail);
            }
            TaskEvent::NotStarted { why } => {
                let seen = Seen::NoChildrenLeft;
                self.sign_end(award, Outcome::NeverStarted, seen, why.into_bytes());
            }
            TaskEvent::NotProven { why } => {
                self.sign_end(award, Outcome::NotProven, Seen::NotSeen, why.into_bytes());
            }
            TaskEvent::Rebooted => {
                self.sign_end(award, Outcome::StoppedByRestart, Seen::NotSeen, Vec::new());
            }
            TaskEvent::Started
            | TaskEvent::Frozen
            | TaskEvent::Thawed
            | TaskEvent::Looked(_)
            | TaskEvent::Exited { .. } => {}
        }
    }

    /// Signs what became of a live task, and forgets it.
    fn sign_end(&mut self, award: StatementId, outcome: Outcome, seen: Seen, tail: Vec<u8>) {
        // INV-STOP-1
        assert!(
            outcome != Outcome::Stopped || seen != Seen::NotSeen,
            "INV-STOP-1: stopped is signed only for a tree that was seen empty"
        );
        let Some(task) = self.work.take(&award) else { return };
        let (cause, by) = task.ending.unwrap_or((Cause::Itself, None));
        let Task { tree, made, attempts, effects, exit, signal, delegator, wall, .. } = task;
        let ending =
            Ending { wall, outcome, cause, by, seen, made, attempts, effects, exit, signal };
        self.sign_receipt(Some(award), Some(tree), ending, tail, delegator);
        self.answer_orders();
    }

    /// An award of an earlier process: its warden's facts say what became of it.
    pub(crate) fn on_orphan(&mut self, award: StatementId, event: TaskEvent) {
        let Some(orphan) = self.work.orphans.get_mut(&award) else { return };
        let finished = orphan.finished;
        let (outcome, seen, tail) = match event {
            TaskEvent::Exited { code, signal } => {
                *orphan = Orphan { finished: true, exit: code, signal };
                return;
            }
            TaskEvent::Empty { seen: Seen::NotSeen, tail } => {
                (Outcome::NotProven, Seen::NotSeen, tail)
            }
            TaskEvent::Empty { seen, tail } if finished => (Outcome::FinishedBefore, seen, tail),
            TaskEvent::Empty { seen, tail } => (Outcome::Stopped, seen, tail),
            TaskEvent::NotStarted { why } => {
                (Outcome::NeverStarted, Seen::NoChildrenLeft, why.into_bytes())
            }
            TaskEvent::NotProven { why } => (Outcome::NotProven, Seen::NotSeen, why.into_bytes()),
            TaskEvent::Rebooted => (Outcome::StoppedByRestart, Seen::NotSeen, Vec::new()),
            TaskEvent::Started | TaskEvent::Frozen | TaskEvent::Thawed | TaskEvent::Looked(_) => {
                return;
            }
        };
        let Orphan { exit, signal, .. } = self.work.orphans.remove(&award).unwrap_or_default();
        let chain = self.known.tasks.chain_of_award(&self.known.registry, &award);
        let by = chain.ok().and_then(|chain| self.cut_of(&chain)).map(|cut| cut.order);
        let Some(statement) = self.known.get(&award).cloned() else { return };
        let Scope::Tree(tree) = statement.scope else { return };
        let made = self.made_below(&award);
        let cause = if finished { Cause::Itself } else { Cause::NodeDied };
        // What stood around it is not known any more, so nothing is claimed.
        let (attempts, effects, wall) = (0, 0, Wall::None);
        let ending =
            Ending { wall, outcome, cause, by, seen, made, attempts, effects, exit, signal };
        let delegator = (statement.key() != self.key).then_some(statement.key());
        self.sign_receipt(Some(award), Some(tree), ending, tail, delegator);
        self.answer_orders();
    }

    fn sign_receipt(
        &mut self,
        award: Option<StatementId>,
        tree: Option<StatementId>,
        ending: Ending,
        tail: Vec<u8>,
        delegator: Option<PublicKey>,
    ) {
        let scope = tree.map_or(Scope::Fleet, Scope::Tree);
        let receipt = Receipt {
            award,
            outcome: ending.outcome,
            cause: ending.cause,
            seen: ending.seen,
            wall: ending.wall,
            wall_clock_ms: self.now.wall_ms,
            made: ending.made,
            attempts: ending.attempts,
            effects: ending.effects,
            log: self.log_mark(&scope),
            exit: ending.exit,
            signal: ending.signal,
            tail: last_bytes(tail),
        };
        let outcome = receipt.outcome;
        let refs: Vec<StatementId> = ending.by.into_iter().collect();
        let homes = ending.by.and_then(|order| self.home_of(&order));
        let Some(id) = self.say(Words::new(scope, receipt).answering(refs)) else { return };
        self.push_once_written(delegator, id);
        self.push_once_written(homes.filter(|home| Some(*home) != delegator), id);
        if let Some(award) = award {
            self.tell(Event::Ended(award, outcome));
        }
    }

    fn log_mark(&self, scope: &Scope) -> Option<LogMark> {
        let log = belay_identity::LogId {
            key: self.key,
            class: Class::Task,
            scope: scope.clone(),
            incarnation: self.incarnation,
        };
        let (next, prev) = self.known.set.next_place(&log);
        prev.map(|id| LogMark { seq: next - 1, id })
    }

    fn home_of(&self, order: &StatementId) -> Option<PublicKey> {
        let home = match &self.known.get(order)?.body {
            Body::Hold(hold) => &hold.home,
            Body::Revoke(revoke) => &revoke.home,
            Body::Drill(drill) => &drill.home,
            _ => return None,
        };
        self.known.registry.device_by_id(home).map(|device| device.key)
    }

    /// Says of every standing order that names a credential of this device what it is owed, once
    /// nothing it matches is left running here.
    pub(crate) fn answer_orders(&mut self) {
        let Some(own) = self.own_id() else { return };
        let standing = self.known.orders.standing();
        let open = without(standing, self.stops.answered.iter());
        let open: Vec<_> = open.cloned().collect();
        for order in open {
            let busy = self.work.live().any(|(_, task)| task.chain.matches(&order.subject))
                || !self.work.orphans.is_empty();
            // What is written with the receipt is on disk with it; what is not yet, comes first.
            let comes_first = self.is_being_written(&order.id);
            if busy || comes_first {
                continue;
            }
            // A beacon confirms every order: what it has on disk says when one is in force.
            let beacon = self.is_beacon(&self.key);
            let made = match self.matching_without_award(&own, &order.subject) {
                None if beacon => Vec::new(),
                None => continue,
                Some(made) => made,
            };
            self.stops.answered.insert(order.id);
            if self.has_receipt_for(&order.id) {
                continue;
            }
            self.sign_none_ran(order.id, made);
        }
    }

    /// Says that nothing the order matches is left here, and what was made before: in as many
    /// receipts as that takes, since a statement over its bound would be read by nobody.
    fn sign_none_ran(&mut self, order: StatementId, mut made: Vec<Made>) {
        loop {
            let rest = made.split_off(made.len().min(MADE_MAX));
            let (outcome, cause) = (Outcome::NeverStarted, Cause::Order);
            let (seen, by) = (Seen::NoChildrenLeft, Some(order));
            let (attempts, effects, exit, signal) = (0, 0, None, None);
            let wall = Wall::None;
            let ending =
                Ending { wall, outcome, cause, by, seen, made, attempts, effects, exit, signal };
            self.sign_receipt(None, None, ending, Vec::new(), None);
            if rest.is_empty() {
                return;
            }
            made = rest;
        }
    }

    fn has_receipt_for(&self, order: &StatementId) -> bool {
        self.known.tasks.none_ran(order).any(|receipt| receipt.key() == self.key)
    }

    /// The trees begun here under matching credentials, and the awards made under them that no task
    /// here executed; nothing where no credential of this device matches.
    fn matching_without_award(
        &self,
        own: &DeviceId,
        subject: &belay_identity::body::Subject,
    ) -> Option<Vec<Made>> {
        let (set, registry) = (&self.known.set, &self.known.registry);
        let ours = registry.claims().filter(|issued| issued.credential.device == *own);
        let matching: BTreeSet<StatementId> = ours
            .filter(|issued| {
                let chain = self.known.tasks.chain_of(registry, &issued.id);
                chain.is_ok_and(|chain| chain.matches(subject))
            })
            .map(|issued| issued.id)
            .collect();
        if matching.is_empty() {
            return None;
        }
        let made = set.of_kind("award").filter(|s| s.key() == self.key).filter_map(|s| {
            let Body::Award(award) = &s.body else { return None };
            let matches = matching.contains(&award.credential);
            let began_here = award.delegation.is_none() && award.executor == *own;
            let sponsor = award.delegation.is_some() && matches;
            let runs_here = set.of_kind("started").any(|started| {
                matches!(&started.body, Body::Started(b) if b.credential == award.credential)
            });
            let made = Made { award: s.id(), executor: award.executor.clone() };
            (began_here && matches || sponsor && !runs_here).then_some(made)
        });
        Some(made.collect())
    }

    /// The awards that an earlier process made for one of its tasks.
    fn made_below(&self, award: &StatementId) -> Vec<Made> {
        let children = self.known.tasks.children(&self.known.registry, award);
        children
            .into_iter()
            .filter_map(|id| match &self.known.get(&id)?.body {
                Body::Award(body) => Some(Made { award: id, executor: body.executor.clone() }),
                _ => None,
            })
            .collect()
    }

    /// Notes which orders have come into force since.
    pub(crate) fn note_in_force(&mut self) {
        let standing = self.known.orders.standing();
        let open = without(standing, self.stops.in_force.keys());
        self.note_whether_in_force(open.map(|order| order.id).collect());
    }

    fn note_whether_in_force(&mut self, orders: Vec<StatementId>) {
        for order in orders {
            let stands = self.known.orders.stands(&order);
            if stands && !self.stops.in_force.contains_key(&order) && self.in_force(&order) {
                self.stops.in_force.insert(order, self.now.wall_ms);
            }
        }
    }

    /// What an earlier process left: awards that nobody has answered for.
    pub(crate) fn recover(&mut self) {
        let Some(own) = self.own_id() else { return };
        let awards = self.known.set.of_kind("award").filter_map(|statement| {
            let Body::Award(award) = &statement.body else { return None };
            let ours = award.executor == own;
            (ours && !self.known.is_answered(&statement.id())).then_some(statement.id())
        });
        self.work.orphans = awards.map(|award| (award, Orphan::default())).collect();
        self.sweep();
    }

    /// Awards of an earlier process; the shell says of each what its warden wrote down.
    pub fn orphans(&self) -> impl Iterator<Item = &StatementId> {
        self.work.orphans.keys()
    }

    /// True once what became of an award here is signed and on disk: nothing else of it is needed.
    pub fn is_settled(&self, award: &StatementId) -> bool {
        let known = &self.known;
        let receipts = known.tasks.receipts(&known.registry, award);
        let open = self.work.task(award).is_some() || self.work.orphans.contains_key(award);
        let on_disk = |receipt: StatementId| !self.undurable().any(|id| *id == receipt);
        !open && receipts.iter().any(|receipt| receipt.key() == self.key && on_disk(receipt.id()))
    }
}

/// The orders that are not among these ids, both ascending: one pass, for a fleet may hold a
/// hundred thousand.
fn without<'a>(
    orders: impl Iterator<Item = &'a Order>,
    ids: impl Iterator<Item = &'a StatementId>,
) -> impl Iterator<Item = &'a Order> {
    let mut ids = ids.peekable();
    orders.filter(move |order| {
        while ids.next_if(|id| **id < order.id).is_some() {}
        ids.peek().is_none_or(|id| **id != order.id)
    })
}

/// The chain of a task with what its program is on disk now, where that is another one.
fn swapped_chain(task: &Task) -> Option<Chain> {
    match &task.on_disk {
        OnDisk::Changed(program) => Some(with_program(&task.chain, program)),
        OnDisk::AsStarted | OnDisk::Gone(_) => None,
    }
}

/// Everything a receipt tells of an end besides where it stands.
struct Ending {
    wall: Wall,
    outcome: Outcome,
    cause: Cause,
    by: Option<StatementId>,
    seen: Seen,
    made: Vec<Made>,
    attempts: u64,
    effects: u64,
    exit: Option<u64>,
    signal: Option<u64>,
}

fn last_bytes(mut tail: Vec<u8>) -> Option<Bytes> {
    let over = tail.len().saturating_sub(RESULT_TAIL_BYTES_MAX);
    tail.drain(..over);
    (!tail.is_empty()).then_some(Bytes(tail))
}
