//! The engine: one thing happens, then everything that is to be done about it comes out.
//!
//! It owns state, not work. `handle` routes an input to the file that knows it; every write of one
//! call leaves as one `Persist`, and what may not be said before it is on disk waits there as an
//! `Effect`. Refused here: deciding anything; the files beside this one do.

use crate::act::Pictured;
use crate::audit::Audits;
use crate::chance::Chance;
use crate::drafts::Rooms;
use crate::fork::Forks;
use crate::gate::GateView;
use crate::hints::Hints;
use crate::input::{AskId, Input, Posture, WriteId};
use crate::inventory::Stock;
use crate::known::{Folded, Known};
use crate::lease::Holder;
use crate::limits::WRITE_AGAIN_MS;
use crate::neighbours::Neighbours;
use crate::output::{Answer, Event, Output, Record, Refusal, Urgency};
use crate::presence::Present;
use crate::relays::Relays;
use crate::shares::Shares;
use crate::spread::Links;
use crate::stop::Stops;
use crate::task::Work;
use crate::time::{BootTime, Now};
use crate::why::{Decisions, VerdictId};
use belay_identity::body::{Autonomy, Cause};
use belay_identity::{
    Class, FleetId, Incarnation, PublicKey, SecretKey, Statement, StatementId, Verified,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What an engine is made of.
pub struct Config {
    /// The fleet's root fingerprint.
    pub fleet: FleetId,
    /// The device's key.
    pub device: SecretKey,
    /// Fresh for every start.
    pub seed: [u8; 32],
    /// The ring of releases this device follows.
    pub ring: String,
    /// What configuration shortens; it can only tighten.
    pub tighten: Option<Autonomy>,
    /// What this device does for whoever asks. Where it is absent it says nothing of itself, and
    /// takes only work for which it was named.
    pub lends: Option<Lends>,
}

/// What a device does for whoever asks.
#[derive(Debug, Clone)]
pub struct Lends {
    /// Words for what it can do.
    pub capabilities: Vec<String>,
    /// From this load on it takes no more, thousandths of one core on average over its cores.
    pub busy_at: u64,
}

/// What was on disk when the engine started.
#[derive(Default)]
pub struct Restored {
    /// Every statement, verified again.
    pub statements: Vec<Arc<Verified<Statement>>>,
    /// Every policy.
    pub bodies: Vec<Vec<u8>>,
}

/// One node's decisions, without its hands, ears and disk.
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) key: PublicKey,
    pub(crate) incarnation: Incarnation,
    pub(crate) chance: Chance,
    pub(crate) now: Now,
    pub(crate) known: Known,
    pub(crate) links: Links,
    pub(crate) holder: Holder,
    pub(crate) work: Work,
    pub(crate) stops: Stops,
    pub(crate) present: Present,
    pub(crate) stock: Stock,
    /// What this device saw last of how it is kept.
    pub(crate) posture: Posture,
    pub(crate) neighbours: Neighbours,
    pub(crate) hints: Hints,
    pub(crate) relays: Relays,
    pub(crate) decisions: Decisions,
    pub(crate) forks: Forks,
    pub(crate) rooms: Rooms,
    pub(crate) shares: Shares,
    pub(crate) audits: Audits,
    pub(crate) view: Arc<GateView>,
    pub(crate) pictured: Option<Pictured>,
    /// Live tasks of which it has to be asserted again what must always hold.
    pub(crate) unproven: BTreeSet<StatementId>,
    outbox: VecDeque<Output>,
    batch: Vec<Record>,
    urgency: Urgency,
    effects: Vec<Effect>,
    writes: BTreeMap<WriteId, Write>,
    writes_made: u64,
    pub(crate) passed_ms: Option<u64>,
    again: Vec<Again>,
    unsent: BTreeSet<StatementId>,
}

/// What waits for a write.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Tell the links.
    Spread(StatementId),
    /// Send these to one device, whole.
    Push(PublicKey, Vec<StatementId>),
    /// Start this award's warden.
    Start(StatementId),
    /// Answer a question.
    Answer(AskId, Box<Answer>),
    /// Say that what came of this decision was taken down.
    Noted(AskId, VerdictId),
    /// Look once more, then let the run leave.
    Grant(AskId, Box<crate::output::RunGrant>),
    /// Look once more, then hand out the permit.
    Permit(AskId, Box<crate::act::Waiting>),
}

/// One write under way. Statements are written again until they are on disk: what is in the set and
/// not on disk would leave a hole in its log.
struct Write {
    urgency: Urgency,
    statements: BTreeMap<StatementId, Arc<[u8]>>,
    effects: Vec<Effect>,
}

/// What a failed write leaves to be written again.
struct Again {
    at: BootTime,
    write: Write,
}

impl Engine {
    /// One thing happens. Poll until empty before the next.
    ///
    /// # Panics
    /// When outputs of the call before were not taken: a fault of the shell.
    pub fn handle(&mut self, now: Now, input: Input) {
        assert!(self.outbox.is_empty(), "outputs are taken before the next input");
        assert!(now.boot >= self.now.boot, "the boot clock never goes back");
        self.now = now;
        self.note_own_clock();
        self.note_passed();
        self.weigh_holds();
        self.route(input);
        self.on_time();
        self.weigh_holds();
        self.settle();
    }

    /// What to do about it, until empty.
    pub fn poll(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    /// When to call again with `Deadline` if nothing else happens.
    pub fn next_deadline(&self) -> Option<BootTime> {
        let again = self.again.iter().map(|again| again.at).min();
        let (links, work) = (self.links.next_deadline(), self.work.next_deadline());
        let forks = self.forks.next_deadline();
        let said = [self.next_presence(), self.next_audit(), self.next_inventory()];
        let all = [self.next_draw(), links, work, again, forks].into_iter().chain(said);
        all.flatten().min()
    }

    /// The picture the gate judges by, as of the last call.
    pub fn gate_view(&self) -> &Arc<GateView> {
        &self.view
    }

    /// An engine over what was on disk. Tasks that ran before are answered for once the shell has
    /// said what their wardens saw.
    pub fn new(config: Config, now: Now, restored: Restored) -> Self {
        let folded = Folded::of(config.fleet, &config.ring, restored);
        Self::over(config, now, folded)
    }

    /// The same over a disk that was folded before, for this fleet and ring.
    pub fn over(config: Config, now: Now, folded: Folded) -> Self {
        let key = config.device.public();
        let mut chance = Chance::new(config.seed, now);
        let Folded { known, shares } = folded;
        // Whether this disk was set back, nobody here can know: a new life is a new log.
        let lived = last_incarnation(&known, key).map_or(0, |last| last.counter);
        let incarnation = Incarnation { counter: lived.saturating_add(1), drawn: chance.bytes16() };
        let rooms = Rooms::of(&known);
        let mut engine = Self {
            key,
            incarnation,
            chance,
            now,
            known,
            links: Links::new(now.boot),
            holder: Holder::default(),
            work: Work::default(),
            stops: Stops::default(),
            present: Present::default(),
            stock: Stock::default(),
            posture: Posture::default(),
            neighbours: Neighbours::default(),
            hints: Hints::default(),
            relays: Relays::default(),
            decisions: Decisions::default(),
            forks: Forks::default(),
            rooms,
            shares,
            audits: Audits::default(),
            view: Arc::new(GateView::empty()),
            pictured: None,
            unproven: BTreeSet::new(),
            config,
            outbox: VecDeque::new(),
            batch: Vec::new(),
            urgency: Urgency::Ordinary,
            effects: Vec::new(),
            writes: BTreeMap::new(),
            writes_made: 0,
            passed_ms: None,
            again: Vec::new(),
            unsent: BTreeSet::new(),
        };
        engine.note_own_clock();
        engine.holder.trust_disk(&engine.known);
        engine.recover();
        engine.note_forks();
        engine.weigh_holds();
        engine.settle();
        engine
    }

    fn route(&mut self, input: Input) {
        match input {
            Input::LinkUp { link } => self.on_link_up(link),
            Input::LinkDown { link } => self.on_link_down(link),
            Input::Frame { link, lane, frame } => self.on_frame(link, lane, frame.into_inner()),
            Input::Malformed { link, why } => self.refuse_link(link, &why.to_string()),
            Input::Persisted { write } => self.on_persisted(write),
            Input::WriteFailed { write, why } => self.on_write_failed(write, why),
            Input::Ask { ask, request } => self.on_ask(ask, *request),
            Input::Task { award, event } => self.on_task(award, event),
            Input::Inspected { nonce, program } => self.on_inspected(nonce, program),
            Input::Fetched { award, result } => self.on_fetched(award, result),
            Input::Present { load, addresses } => self.on_present(load, addresses),
            Input::Inventory(found) => self.on_inventory(found),
            Input::Posture(seen) => self.posture = seen,
            Input::Audited { rows, hash } => self.on_audited(rows, hash),
            Input::ChooseNeighbours { own, dialled } => {
                self.choose_neighbours(&own);
                self.choose_relays(&own, &dialled);
            }
            Input::Hinted { hints } => self.on_hinted(hints),
            Input::Deadline => {}
        }
    }

    fn write_again(&mut self) {
        let now = self.now.boot;
        let (due, later) = std::mem::take(&mut self.again).into_iter().partition(|a| a.at <= now);
        self.again = later;
        let due: Vec<Again> = due;
        for Again { write, .. } in due {
            let records = write.statements.into_iter();
            let records = records.map(|(id, bytes)| Record::Statement { id, bytes }).collect();
            self.persist(records, write.urgency, write.effects);
        }
    }

    fn on_time(&mut self) {
        self.write_again();
        self.draw_leases();
        self.repair_due();
        self.weigh_ended();
        self.wind_down();
        self.tend_tasks();
        self.tend_presence();
        self.tend_inventory();
        self.tend_audit();
        self.tend_forks();
    }

    /// Publishes the gate's picture, closes the batch, checks what must always hold.
    fn settle(&mut self) {
        self.republish();
        self.close_batch();
        self.check_invariants();
    }

    fn close_batch(&mut self) {
        let urgency = std::mem::replace(&mut self.urgency, Urgency::Ordinary);
        let effects = std::mem::take(&mut self.effects);
        // Policies are large and come again from any member: they never take reserved space.
        let (bodies, records): (Vec<Record>, Vec<Record>) =
            std::mem::take(&mut self.batch).into_iter().partition(is_body);
        if !bodies.is_empty() {
            self.persist(bodies, Urgency::Ordinary, Vec::new());
        }
        if records.is_empty() {
            return effects.into_iter().for_each(|effect| self.run(effect));
        }
        self.persist(records, urgency, effects);
    }

    fn persist(&mut self, records: Vec<Record>, urgency: Urgency, effects: Vec<Effect>) {
        self.writes_made += 1;
        let write = WriteId(self.writes_made);
        let statements = records.iter().filter_map(|record| match record {
            Record::Statement { id, bytes } => Some((*id, bytes.clone())),
            Record::Body { .. } | Record::Audit { .. } | Record::Outcome { .. } => None,
        });
        self.writes.insert(write, Write { urgency, statements: statements.collect(), effects });
        self.out(Output::Persist { write, records, urgency });
    }

    fn on_persisted(&mut self, write: WriteId) {
        let Some(done) = self.writes.remove(&write) else { return };
        self.unsent.retain(|id| !done.statements.contains_key(id));
        // Only order logs are signed by a beacon; other writes do not hold them up, and bring no
        // order into force: there are thousands of them for each order.
        let is_order_log =
            |id: &StatementId| self.known.get(id).is_some_and(|s| s.class == Class::AuthorityMinus);
        if done.statements.keys().any(is_order_log) {
            if !self.undurable().any(is_order_log) {
                self.holder.trust_disk(&self.known);
            }
            self.note_in_force();
        }
        if done.statements.keys().any(|id| self.known.orders.order(id).is_some()) {
            self.answer_orders();
        }
        done.effects.into_iter().for_each(|effect| self.run(effect));
    }

    fn on_write_failed(&mut self, write: WriteId, why: String) {
        let Some(lost) = self.writes.remove(&write) else { return };
        // What was not written is not promised: own statements stay unsent, permits unspoken.
        let Write { urgency, statements, effects } = lost;
        let (asked, rest): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(|effect| match effect {
                Effect::Answer(..) | Effect::Noted(..) | Effect::Permit(..) | Effect::Grant(..) => {
                    true
                }
                Effect::Spread(_) | Effect::Push(..) | Effect::Start(_) => false,
            });
        for effect in asked {
            let ask = match effect {
                Effect::Answer(ask, _) => ask,
                Effect::Noted(ask, of) => {
                    self.forget_told(of);
                    ask
                }
                Effect::Grant(ask, grant) => {
                    self.end_task(grant.award, Cause::Itself, None);
                    ask
                }
                Effect::Permit(ask, waiting) => {
                    self.work.withdraw(waiting.act());
                    ask
                }
                Effect::Spread(_) | Effect::Push(..) | Effect::Start(_) => continue,
            };
            let hint = "free some space on this device's disk; orders and stops go on working";
            let kind = crate::output::RefusalKind::Failed;
            self.answer(ask, Err(Refusal::new(kind, format!("not written: {why}"), hint)));
        }
        if !statements.is_empty() {
            let at = self.now.boot.plus_ms(WRITE_AGAIN_MS);
            self.again.push(Again { at, write: Write { urgency, statements, effects: rest } });
        }
        self.tell(Event::DiskFailed(why));
    }

    fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Spread(id) => self.spread(id, None),
            Effect::Push(link, ids) => self.push(link, &ids),
            Effect::Start(award) => self.start(award),
            Effect::Grant(ask, grant) => self.hand_over(ask, *grant),
            Effect::Answer(ask, answer) => self.answer(ask, Ok(*answer)),
            Effect::Noted(ask, _) => self.answer(ask, Ok(Answer::Noted)),
            Effect::Permit(ask, waiting) => self.hand_out(ask, *waiting),
        }
    }

    /// Statements taken in whose write is still under way.
    pub(crate) fn undurable(&self) -> impl Iterator<Item = &StatementId> {
        let again = self.again.iter().map(|again| &again.write);
        let open = self.batch.iter().filter_map(|record| match record {
            Record::Statement { id, .. } => Some(id),
            Record::Body { .. } | Record::Audit { .. } | Record::Outcome { .. } => None,
        });
        self.writes.values().chain(again).flat_map(|write| write.statements.keys()).chain(open)
    }

    /// True while an earlier write than the one that this call makes brings a statement to disk.
    pub(crate) fn is_being_written(&self, id: &StatementId) -> bool {
        let again = self.again.iter().map(|again| &again.write);
        self.writes.values().chain(again).any(|write| write.statements.contains_key(id))
    }

    /// True for a statement of this node that is not on disk yet, and so may not be sent.
    pub(crate) fn is_unsent(&self, id: &StatementId) -> bool {
        self.unsent.contains(id)
    }

    pub(crate) fn hold_back(&mut self, id: StatementId) {
        self.unsent.insert(id);
    }

    pub(crate) fn writes_open(&self) -> usize {
        self.writes.len()
    }

    pub(crate) fn out(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.out(Output::Tell(event));
    }

    pub(crate) fn answer(&mut self, ask: AskId, answer: Result<Answer, Refusal>) {
        self.out(Output::Answer { ask, answer: answer.map(Box::new) });
    }

    /// Adds to the write that this call makes.
    pub(crate) fn write(&mut self, record: Record) {
        self.batch.push(record);
    }

    /// Lets this call's write use reserved space.
    pub(crate) fn write_reserved(&mut self) {
        self.urgency = Urgency::Reserved;
    }

    /// Does this once everything this call writes is on disk.
    pub(crate) fn once_written(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// The same, before everything else that waits for it.
    pub(crate) fn first_once_written(&mut self, effect: Effect) {
        self.effects.insert(0, effect);
    }
}

fn is_body(record: &Record) -> bool {
    matches!(record, Record::Body { .. })
}

fn last_incarnation(known: &Known, key: PublicKey) -> Option<Incarnation> {
    let own = known.set.iter().filter(|statement| statement.key() == key);
    own.map(|statement| statement.incarnation).max()
}
