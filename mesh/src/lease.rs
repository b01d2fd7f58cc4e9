//! Device leases: permission to keep acting, drawn by nonce, ending by itself.
//!
//! The holder counts from when it asked (t0 on its boot clock), so neither a slow nor a replayed
//! answer makes a lease longer. A lease starts only when this device holds the order heads that the
//! answer names: fresh means "has heard every order that the beacon has on disk". A beacon signs
//! only what is on its disk; which beacons have an order on disk says when it is *in force*.
//!
//! INV-LEASE-1: no act later than its lease as far as the boot clock counts. No lease survives the
//! process: nothing here is ever written.

use crate::engine::Engine;
use crate::known::Known;
use crate::limits::{ANSWER_HEADS_MAX, DRAW_EVERY_MS_MAX, DRAW_EVERY_MS_MIN, DRAWS_OPEN_MAX};
use crate::passing::Kept;
use crate::time::{BootTime, Heard, Teller};
use crate::wire::{self, Lane};
use belay_crdt::set::heads_hash;
use belay_identity::body::{Action, Release, ReleaseVersion};
use belay_identity::lease::{Answer, Draw, Talk, TaskAnswer};
use belay_identity::{LogHead, PublicKey, StatementId, Verified, sign};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The leases this device holds and the draws it has open.
#[derive(Default)]
pub(crate) struct Holder {
    open: BTreeMap<[u8; 16], Open>,
    fresh: BTreeMap<PublicKey, Fresh>,
    /// What each beacon, and this device's own clock, has said of the time.
    clocks: BTreeMap<PublicKey, Teller>,
    waiting: Vec<Waiting>,
    disk_heads: Vec<LogHead>,
    /// The state of authority of which they were last read.
    disk_read_at: Option<u64>,
    /// What each beacon said it has on disk, and when it was asked.
    acknowledged: BTreeMap<PublicKey, (BootTime, Vec<LogHead>)>,
    /// What a gateway passes on.
    pub(crate) kept: BTreeMap<PublicKey, Kept>,
    next_draw: BootTime,
    last_draw: BootTime,
    changes: u64,
    /// When members last drew from this beacon.
    drew: BTreeMap<PublicKey, BootTime>,
    /// The highest releases that members are known to hold.
    versions: BTreeMap<PublicKey, ReleaseVersion>,
}

struct Open {
    beacon: PublicKey,
    asked: BootTime,
    award: Option<StatementId>,
    heads: Vec<LogHead>,
}

/// An answer whose orders or policy are not here yet.
pub(crate) struct Waiting {
    pub(crate) beacon: PublicKey,
    pub(crate) answer: Answer,
    pub(crate) asked: BootTime,
    /// The gateway that passed it on.
    pub(crate) via: Option<PublicKey>,
}

/// A beacon's word that this device has heard every order that it has on disk.
#[derive(Clone, Copy)]
struct Fresh {
    asked: BootTime,
    via: Option<PublicKey>,
}

/// How far a lease reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    /// This device gives it to itself: it stops for orders it holds, and is listed as unbounded.
    Own,
    /// It ends at this moment.
    Until(BootTime),
    /// There is none.
    Missing,
}

impl Lease {
    /// True while it holds.
    pub(crate) fn holds(self, now: BootTime) -> bool {
        match self {
            Lease::Own => true,
            Lease::Until(end) => now < end,
            Lease::Missing => false,
        }
    }

    /// How long it still holds, milliseconds; the most there is where it does not end by itself.
    pub(crate) fn left_ms(self, now: BootTime) -> i64 {
        match self {
            Lease::Own => i64::MAX,
            Lease::Until(end) => i64::try_from(end.since_ms(now)).unwrap_or(i64::MAX),
            Lease::Missing => 0,
        }
    }

    /// The moment it ends, with a limit for one that does not end by itself.
    pub(crate) fn end(self, limit: BootTime) -> BootTime {
        match self {
            Lease::Own => limit,
            Lease::Until(end) => end.min(limit),
            Lease::Missing => BootTime(0),
        }
    }

    fn shorter(self, other: Self) -> Self {
        match (self, other) {
            (Lease::Missing, _) | (_, Lease::Missing) => Lease::Missing,
            (Lease::Own, lease) | (lease, Lease::Own) => lease,
            (Lease::Until(a), Lease::Until(b)) => Lease::Until(a.min(b)),
        }
    }

    fn plus_ms(self, ms: u64) -> Self {
        match self {
            Lease::Until(start) => Lease::Until(start.plus_ms(ms)),
            Lease::Own | Lease::Missing => self,
        }
    }
}

impl Holder {
    /// Draws soon: never more often than the shortest pause, whatever peers say.
    pub(crate) fn draw_at_once(&mut self) {
        self.next_draw = self.next_draw.min(self.last_draw.plus_ms(DRAW_EVERY_MS_MIN));
    }

    /// What this clock has said; this device's own one stands here too.
    pub(crate) fn clock(&self, of: &PublicKey) -> Option<Teller> {
        self.clocks.get(of).copied()
    }

    /// Takes the word of a clock; says by how much it has stepped, where it has.
    pub(crate) fn hear_clock(&mut self, of: PublicKey, word: Heard) -> Option<i64> {
        self.changes += 1;
        if let Some(clock) = self.clocks.get_mut(&of) {
            return clock.hear(word);
        }
        self.clocks.insert(of, Teller::new(word));
        None
    }

    /// Forgets every lease and what others said of the time: this device's clocks disagree.
    pub(crate) fn void(&mut self, own: &PublicKey) {
        self.fresh.clear();
        self.kept.clear();
        self.waiting.clear();
        self.open.clear();
        self.clocks.retain(|of, _| of == own);
        self.changes += 1;
        self.draw_at_once();
    }

    /// The heads that a beacon has said it has on disk.
    pub(crate) fn acknowledged(&self, beacon: &PublicKey) -> impl Iterator<Item = &LogHead> {
        self.acknowledged.get(beacon).into_iter().flat_map(|(_, heads)| heads)
    }

    /// Keeps an answer until what it names is here; a newer one of the same hands replaces it.
    pub(crate) fn wait_for(&mut self, new: Waiting) {
        self.waiting.retain(|old| (old.beacon, old.via) != (new.beacon, new.via));
        self.waiting.push(new);
    }

    /// True while some answer names what is not here.
    pub(crate) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Grows with every answer that freshens this device.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// When this member last drew a lease here.
    pub(crate) fn drew_at(&self, device: &PublicKey) -> Option<BootTime> {
        self.drew.get(device).copied()
    }

    /// The highest release that this member is known to hold.
    pub(crate) fn version_of(&self, beacon: &PublicKey) -> Option<ReleaseVersion> {
        self.versions.get(beacon).cloned()
    }

    /// The hash of the heads that are on disk.
    pub(crate) fn disk(&self) -> [u8; 32] {
        heads_hash(&self.disk_heads)
    }

    /// Everything the set holds is on disk: these are the heads a beacon may sign.
    pub(crate) fn trust_disk(&mut self, known: &Known) {
        let at = Some(known.authority_changes());
        if self.disk_read_at != at {
            self.disk_heads = known.set.order_heads(&known.authority.order_keys());
            self.disk_read_at = at;
        }
    }
}

impl Engine {
    /// How far the lease of every action class reaches.
    pub(crate) fn class_leases(&self) -> BTreeMap<Action, Lease> {
        let Some(autonomy) = self.autonomy() else { return BTreeMap::new() };
        let fresh = self.freshness();
        Action::ALL.iter().map(|a| (*a, fresh.plus_ms(autonomy.lease_ms(*a)))).collect()
    }

    /// How far the lease of one action class reaches.
    pub(crate) fn class_lease(&self, action: Action) -> Lease {
        let Some(autonomy) = self.autonomy() else { return Lease::Missing };
        self.freshness().plus_ms(autonomy.lease_ms(action))
    }

    /// How far a tree that is not sealed may run.
    pub(crate) fn run_lease(&self) -> Lease {
        let Some(autonomy) = self.autonomy() else { return Lease::Missing };
        self.freshness().plus_ms(autonomy.unsealed_run_ms)
    }

    /// Since when the quorum has answered: the q-th best beacon of every judging release.
    fn freshness(&self) -> Lease {
        let judging = self.judging();
        let each = judging.iter().map(|release| self.freshness_by(&release.header));
        each.reduce(Lease::shorter).unwrap_or(Lease::Missing)
    }

    fn freshness_by(&self, header: &Release) -> Lease {
        let own = header.beacons.contains(&self.key) && self.is_beacon(&self.key);
        let needed = usize::try_from(header.quorum).unwrap_or(usize::MAX);
        match needed.saturating_sub(usize::from(own)) {
            0 if own => Lease::Own,
            0 => Lease::Missing,
            n => self.freshest(header).get(n - 1).map_or(Lease::Missing, |q| Lease::Until(q.asked)),
        }
    }

    /// The beacons' words that count under this release, the freshest first.
    fn freshest(&self, header: &Release) -> Vec<Fresh> {
        let beacons: BTreeSet<&PublicKey> = header.beacons.iter().collect();
        let heeded = beacons.into_iter().filter(|beacon| self.known.was_beacon(beacon));
        let words = heeded.filter_map(|beacon| self.holder.fresh.get(beacon).copied());
        let may_come = |word: &Fresh| word.via.is_none_or(|via| self.is_gateway(&via, header));
        let mut words: Vec<Fresh> = words.filter(may_come).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.asked));
        words
    }

    /// The gateways on whose word for an age this device's leases rest.
    pub(crate) fn rests_on(&self) -> BTreeSet<PublicKey> {
        let judging = self.judging();
        let words = judging.iter().flat_map(|release| {
            let needed = usize::try_from(release.header.quorum).unwrap_or(usize::MAX);
            self.freshest(&release.header).into_iter().take(needed)
        });
        words.filter_map(|word| word.via).collect()
    }

    pub(crate) fn next_draw(&self) -> Option<BootTime> {
        (self.links.len() > 0).then_some(self.holder.next_draw)
    }

    /// Draws device leases from every linked beacon, and task leases from every delegator.
    pub(crate) fn draw_leases(&mut self) {
        if self.now.boot < self.holder.next_draw {
            return;
        }
        self.holder.next_draw = self.now.boot.plus_ms(self.draw_every_ms());
        let (freshening, gateways) = (self.freshening_keys(), self.gateways());
        let beacon = |link: &PublicKey| freshening.contains(link) && self.known.was_beacon(link);
        let known = self.links.known();
        let beacons: Vec<PublicKey> =
            known.filter(|link| beacon(link) || gateways.contains(link)).collect();
        if !beacons.is_empty() {
            self.holder.last_draw = self.now.boot;
        }
        beacons.into_iter().for_each(|beacon| self.draw(beacon, None));
        for (award, delegator) in self.work.drawn() {
            if self.links.is_known(&delegator) {
                self.draw(delegator, Some(award));
            }
        }
    }

    fn draw_every_ms(&self) -> u64 {
        let shortest = self.autonomy().map(|a| {
            let device = [a.local_ms, a.tool_ms, a.outward_ms, a.work_ms, a.motion_ms];
            device.into_iter().chain([a.unsealed_run_ms]).min().unwrap_or(DRAW_EVERY_MS_MAX)
        });
        let third = shortest.unwrap_or(DRAW_EVERY_MS_MAX) / 3;
        third.clamp(DRAW_EVERY_MS_MIN, DRAW_EVERY_MS_MAX)
    }

    fn draw(&mut self, from: PublicKey, award: Option<StatementId>) {
        let nonce = self.chance.bytes16();
        let heads = self.known.set.order_heads(&self.known.authority.order_keys());
        let draw = Talk::Draw(Draw { nonce, award, heads: heads_hash(&heads) });
        let open = Open { beacon: from, asked: self.now.boot, award, heads };
        self.holder.open.insert(nonce, open);
        while self.holder.open.len() > DRAWS_OPEN_MAX.max(2 * self.work.len()) {
            let oldest = self.holder.open.iter().min_by_key(|(_, open)| open.asked);
            let Some(oldest) = oldest.map(|(nonce, _)| *nonce) else { break };
            self.holder.open.remove(&oldest);
        }
        self.say_to(from, draw);
    }

    /// Signs talk and sends it in the urgent lane.
    pub(crate) fn say_to(&mut self, link: PublicKey, talk: Talk) {
        let signed = sign(talk, &self.config.device, &self.config.fleet);
        let (kind, body) = wire::write_talk(&signed);
        let lane =
            if body.len() <= wire::bytes_max(Lane::Urgent) { Lane::Urgent } else { Lane::Bulk };
        self.send(link, lane, kind, body);
    }

    pub(crate) fn on_talk(&mut self, link: PublicKey, talk: &Verified<Talk>) {
        if talk.key() != link {
            return self.refuse_link(link, "talk is signed by the device that says it");
        }
        match &**talk {
            Talk::Draw(draw) => self.on_draw(link, draw),
            Talk::Answer(answer) => self.on_answer(link, answer.clone(), talk.bytes()),
            Talk::TaskAnswer(answer) => self.on_task_answer(link, answer),
            Talk::Offer(offer) => self.on_offer(link, (**offer).clone()),
            Talk::Bid(bid) => self.on_bid(link, bid),
            Talk::Refuse(refuse) => self.on_refuse(link, refuse),
            Talk::Standing(offer) => self.on_standing_offer(link, offer),
        }
    }

    fn on_draw(&mut self, link: PublicKey, draw: &Draw) {
        if let Some(award) = draw.award {
            return self.on_task_draw(link, draw.nonce, award);
        }
        // A beacon of the release before answers on: what it holds on disk says when the new one
        // is handed over. Without heads an answer means "equal to yours": a beacon that has none on
        // disk has no word.
        if !self.is_beacon(&self.key) && self.pass_on(link, draw) {
            return;
        }
        if !self.known.was_beacon(&self.key) || self.holder.disk_heads.is_empty() {
            return;
        }
        self.holder.drew.insert(link, self.now.boot);
        self.note_release_of(link, draw);
        let disk = heads_hash(&self.holder.disk_heads);
        let listed = disk != draw.heads && self.holder.disk_heads.len() <= ANSWER_HEADS_MAX;
        let heads = if listed { self.holder.disk_heads.clone() } else { Vec::new() };
        let judges = self.named_judges();
        let release = judges.all().first().map(|r| (r.id, r.header.version.clone()));
        let answer = Answer {
            nonce: draw.nonce,
            holder: link,
            heads,
            release: release.as_ref().map(|(id, _)| *id),
            version: release.map(|(_, version)| version),
            upstream_age_ms: 0,
            wall_ms: self.now.wall_ms,
            disk: Some(disk),
            passed: Vec::new(),
        };
        self.say_to(link, Talk::Answer(answer));
    }

    /// Who holds the same logs of the operators holds the same releases.
    fn note_release_of(&mut self, link: PublicKey, draw: &Draw) {
        let same = heads_hash(&self.holder.disk_heads) == draw.heads;
        if let Some(release) = self.named_judges().all().first().filter(|_| same) {
            self.holder.versions.insert(link, release.header.version.clone());
        }
    }

    fn on_answer(&mut self, link: PublicKey, answer: Answer, bytes: &Arc<[u8]>) {
        let Some(open) = self.holder.open.remove(&answer.nonce) else { return };
        let ours = open.beacon == link && answer.holder == self.key && open.award.is_none();
        if !ours {
            return;
        }
        if !answer.passed.is_empty() {
            return self.take_passed(link, &answer, open.asked, &open.heads);
        }
        // A beacon answers for itself: an age without what is passed on means nothing.
        if answer.upstream_age_ms > 0 || !self.known.was_beacon(&link) {
            return;
        }
        if let Some(version) = &answer.version {
            self.holder.versions.insert(link, version.clone());
        }
        if names_others(&answer, &open.heads) {
            return self.catch_up_with(link);
        }
        let heads = if answer.heads.is_empty() { open.heads } else { answer.heads.clone() };
        if answer.disk.is_some() && self.passes_on() {
            let kept = Kept::new(bytes.clone(), open.asked, heads.clone());
            self.holder.kept.insert(link, kept);
        }
        self.acknowledge(link, open.asked, heads);
        self.note_in_force();
        self.holder.wait_for(Waiting { beacon: link, answer, asked: open.asked, via: None });
        self.holder_catches_up();
        if self.holder.waits() {
            self.compare_heads(link);
        }
    }

    /// Compares with a link that names its orders by their hash alone, and asks it again.
    pub(crate) fn catch_up_with(&mut self, link: PublicKey) {
        self.compare_heads(link);
        self.holder.draw_at_once();
    }

    /// Notes what a beacon has on disk; an older word says nothing new.
    pub(crate) fn acknowledge(&mut self, beacon: PublicKey, asked: BootTime, heads: Vec<LogHead>) {
        let known = self.holder.acknowledged.get(&beacon);
        if known.is_none_or(|(before, _)| *before <= asked) {
            self.holder.acknowledged.insert(beacon, (asked, heads));
        }
    }

    /// Starts the leases whose orders and policy this device now holds.
    pub(crate) fn holder_catches_up(&mut self) {
        let waiting = std::mem::take(&mut self.holder.waiting);
        for waiting in waiting {
            if !self.may_start(&waiting.answer) {
                self.holder.waiting.push(waiting);
                continue;
            }
            let Waiting { beacon, answer, asked, via } = waiting;
            if self.holder.fresh.get(&beacon).is_none_or(|old| old.asked < asked) {
                self.holder.fresh.insert(beacon, Fresh { asked, via });
                let heard = Heard { wall_ms: answer.wall_ms, asked, heard: self.now.boot };
                self.holder.hear_clock(beacon, heard);
            }
        }
    }

    /// A lease starts only with the orders that the answer names, and after adopt-by only with the
    /// policy it names.
    fn may_start(&self, answer: &Answer) -> bool {
        let Some(release) = &answer.release else { return self.known.set.holds(&answer.heads) };
        let judges = self.named_judges().all();
        let named = judges.iter().find(|r| r.id == *release);
        let ours = judges.first().map(|r| &r.header.version);
        let older = answer.version.as_ref().zip(ours).is_some_and(|(theirs, ours)| theirs < ours);
        let adopted = older
            || named.is_some_and(|r| {
                answer.wall_ms < r.header.adopt_by_ms || self.known.body(&r.header.body).is_some()
            });
        adopted && self.known.set.holds(&answer.heads)
    }

    fn on_task_draw(&mut self, link: PublicKey, nonce: [u8; 16], award: StatementId) {
        // INV-LEASE-1: a delegator signs only while its own lease holds, and never for what is cut.
        let alive = self.class_lease(Action::Work).holds(self.now.boot);
        if alive && self.gave(&award, &link) && !self.is_cut(&award) {
            let answer = TaskAnswer { nonce, holder: link, award };
            self.say_to(link, Talk::TaskAnswer(answer));
            self.note_lent(&award);
        }
    }

    /// True when this device gave the award to the device behind the link.
    fn gave(&self, award: &StatementId, link: &PublicKey) -> bool {
        let device = self.known.registry.device_by_key(link);
        self.known.tasks.award(award).is_some_and(|said| {
            said.key() == self.key && device.is_some_and(|d| d.id == said.body.executor)
        })
    }

    fn on_task_answer(&mut self, link: PublicKey, answer: &TaskAnswer) {
        let Some(open) = self.holder.open.remove(&answer.nonce) else { return };
        let ours = open.beacon == link && answer.holder == self.key;
        if ours && open.award == Some(answer.award) {
            self.work.renewed(&answer.award, open.asked);
        }
    }

    /// True when a release names this device key among its beacons and no order silences it.
    pub(crate) fn is_beacon(&self, key: &PublicKey) -> bool {
        self.known.is_beacon(key)
    }
}

/// True when an answer lists no heads and names others than these by their hash: it says that its
/// signer has heard orders, and not which, so nothing starts with it.
pub(crate) fn names_others(answer: &Answer, shown: &[LogHead]) -> bool {
    answer.heads.is_empty() && answer.disk.is_some_and(|disk| disk != heads_hash(shown))
}
