//! Spreading: who is linked, and what is told at once. `repair` brings what was missed.
//!
//! Urgent statements flood to every admitted link not known to have them, in the same call that
//! learnt them. Everything else is announced by id and asked for once, of the next link after a
//! second. Repair compares heads with one link at a time; it alone guarantees delivery.
//!
//! Refused here: reading anything but a hello from a stranger; timers on the path of an order.

use crate::engine::Engine;
use crate::limits::{
    ANNOUNCED_MAX, LINKS_MAX, PROOFS_PER_KEY_MAX, PUSH_BYTES_MAX, REPAIR_EVERY_MS,
    REPAIR_FRAME_BYTES,
};
use crate::output::{Event, Output};
use crate::shares::is_counted;
use crate::time::BootTime;
use crate::wants::Want;
use crate::wire::{self, Bye, Frame, FrameKind, Hello, Lane, WIRE_VERSION};
use belay_crdt::registry::Via;
use belay_identity::body::Action;
use belay_identity::codec::Bytes;
use belay_identity::limits::URGENT_STATEMENT_BYTES_MAX;
use belay_identity::{Body, Class, LogHead, PublicKey, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Every link, and what is being asked for.
pub(crate) struct Links {
    pub(crate) links: BTreeMap<PublicKey, Link>,
    pub(crate) wants: BTreeMap<StatementId, Want>,
    pub(crate) next_repair: BootTime,
    refused_by: Option<(PublicKey, String)>,
    /// How many orders had ended by their time when the links were last weighed.
    ended_orders: usize,
    /// When links to devices of the fleet ended; one entry for each device at most.
    gone: BTreeMap<PublicKey, BootTime>,
}

/// One peer.
pub(crate) struct Link {
    standing: Standing,
    since: BootTime,
    greeted: bool,
    epoch: u64,
    has: Recent,
    pub(crate) heads: Vec<LogHead>,
    pub(crate) parts: u64,
    pub(crate) heads_again: BootTime,
    /// When it is closed, where its device was revoked.
    pub(crate) ends: Option<BootTime>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing but a hello is heard.
    Lobby,
    /// A member that no order cuts.
    Member,
    /// A member that an order cuts: leases and orders only.
    Cut,
}

/// The latest ids that a link is known to have; older ones are worth a duplicate.
#[derive(Default)]
struct Recent {
    ids: BTreeSet<StatementId>,
    order: VecDeque<StatementId>,
}

impl Recent {
    const KEPT: usize = 4 * ANNOUNCED_MAX;

    fn note(&mut self, id: StatementId) -> bool {
        let new = self.ids.insert(id);
        if new {
            self.order.push_back(id);
        }
        if self.order.len() > Self::KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        new
    }
}

impl Links {
    pub(crate) fn new(now: BootTime) -> Self {
        let next_repair = now.plus_ms(REPAIR_EVERY_MS);
        let (links, wants, gone) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { links, wants, next_repair, refused_by: None, ended_orders: 0, gone }
    }

    pub(crate) fn next_deadline(&self) -> Option<BootTime> {
        let wants = self.wants.values().map(|want| want.retry).min();
        let repair = (!self.links.is_empty()).then_some(self.next_repair);
        let ends = self.links.values().filter_map(|link| link.ends).min();
        [wants, repair, ends].into_iter().flatten().min()
    }

    /// Links that are heard in every lane.
    pub(crate) fn members(&self) -> impl Iterator<Item = PublicKey> {
        self.links.iter().filter(|(_, l)| l.standing == Standing::Member).map(|(key, _)| *key)
    }

    /// Links to devices of the fleet, cut ones included.
    pub(crate) fn known(&self) -> impl Iterator<Item = PublicKey> {
        self.links.iter().filter(|(_, l)| l.standing != Standing::Lobby).map(|(key, _)| *key)
    }

    pub(crate) fn is_member(&self, link: &PublicKey) -> bool {
        self.links.get(link).is_some_and(|l| l.standing == Standing::Member)
    }

    pub(crate) fn is_known(&self, link: &PublicKey) -> bool {
        self.links.get(link).is_some_and(|l| l.standing != Standing::Lobby)
    }

    /// The last word of a peer that refused this device, until one admits it.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refused_by.as_ref().map(|(_, reason)| reason.as_str())
    }

    /// The last word of this peer, if it was the last that refused this device.
    pub(crate) fn refusal_by(&self, link: &PublicKey) -> Option<&str> {
        let by = self.refused_by.as_ref().filter(|(peer, _)| peer == link);
        by.map(|(_, reason)| reason.as_str())
    }

    /// Since when this device of the fleet is linked.
    pub(crate) fn linked_at(&self, link: &PublicKey) -> Option<BootTime> {
        let known = self.links.get(link).filter(|l| l.standing != Standing::Lobby);
        known.map(|link| link.since)
    }

    /// When the last link to this device of the fleet ended, in the life of this process.
    pub(crate) fn gone_at(&self, link: &PublicKey) -> Option<BootTime> {
        self.gone.get(link).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }
}

impl Engine {
    pub(crate) fn on_link_up(&mut self, link: PublicKey) {
        if self.links.links.len() >= LINKS_MAX {
            return self.refuse_link(link, "no seat is free on this device; try another member");
        }
        let (epoch, has) = (0, Recent::default());
        let (standing, greeted) = (Standing::Lobby, false);
        let (heads, parts, heads_again) = (Vec::new(), 0, self.now.boot);
        let (since, ends) = (self.now.boot, None);
        let fresh = Link { standing, since, greeted, epoch, has, heads, parts, heads_again, ends };
        self.links.links.insert(link, fresh);
        self.send_hello(link);
    }

    fn send_hello(&mut self, link: PublicKey) {
        let hello = Hello {
            version: WIRE_VERSION,
            fleet: self.config.fleet,
            chain: self.own_chain(),
            epoch: self.known.epoch(),
            leaf: self.is_leaf().then_some(true),
        };
        let body = belay_identity::codec::write(&hello.to_value());
        self.send(link, Lane::Urgent, FrameKind::Hello, body);
    }

    pub(crate) fn on_link_down(&mut self, link: PublicKey) {
        if self.links.is_known(&link) {
            self.links.gone.insert(link, self.now.boot);
        }
        self.links.links.remove(&link);
        self.work.offers.standing.forget(&link);
        self.links.wants.values_mut().for_each(|want| want.from.retain(|from| *from != link));
    }

    pub(crate) fn on_frame(&mut self, link: PublicKey, lane: Lane, frame: Frame) {
        let Some(standing) = self.links.links.get(&link).map(|l| l.standing) else { return };
        match frame {
            Frame::Hello(hello, chain) => self.on_hello(link, &hello, &chain),
            Frame::Bye(bye) => {
                if self.may_refuse(link) {
                    self.links.refused_by = Some((link, bye.reason.clone()));
                }
                self.tell(Event::Refused(link, bye.reason));
            }
            Frame::Statements(items) => self.on_statements(link, standing, &items),
            Frame::Talk(talk) if standing != Standing::Lobby => self.on_talk(link, &talk),
            Frame::Ids(ids) if standing == Standing::Member => self.on_ids(link, &ids),
            Frame::Want(ids) if standing != Standing::Lobby => self.on_want(link, &ids),
            Frame::Heads(heads) if standing != Standing::Lobby || self.is_newcomer() => {
                self.on_heads(link, heads);
            }
            // Whoever lets a newcomer in takes it for a member at once.
            Frame::Talk(_) | Frame::Ids(_) | Frame::Want(_) | Frame::Bodies(_)
                if standing == Standing::Lobby && self.is_newcomer() => {}
            // It may not know yet that it is cut.
            Frame::Ids(_) | Frame::Bodies(_) if standing == Standing::Cut => {}
            Frame::Bodies(bodies) if standing == Standing::Member => self.on_bodies(&bodies),
            Frame::Talk(_)
            | Frame::Ids(_)
            | Frame::Want(_)
            | Frame::Heads(_)
            | Frame::Bodies(_) => {
                if lane != Lane::Urgent {
                    self.refuse_link(
                        link,
                        "only members are heard here; join with an invite first",
                    );
                }
            }
        }
    }

    fn on_hello(&mut self, link: PublicKey, hello: &Hello, chain: &[Arc<Verified<Statement>>]) {
        if hello.fleet != self.config.fleet {
            let other = format!("this device belongs to fleet {}", self.config.fleet);
            return self.refuse_link(link, &other);
        }
        if hello.version != WIRE_VERSION {
            let reason = format!("wire version {} is not spoken here", hello.version);
            return self.refuse_link(link, &reason);
        }
        for statement in chain {
            if self.may_introduce(statement) {
                self.hear(link, statement);
            }
        }
        if self.links.links.get(&link).is_some_and(|state| state.greeted) {
            self.greet_again(link);
        }
        if let Some(state) = self.links.links.get_mut(&link) {
            state.epoch = hello.epoch;
            state.greeted = true;
        }
        self.weigh(link);
        if !self.links.is_known(&link) && self.is_newcomer() {
            // What makes it a member may lie below the pins of many epochs: no lobby holds it.
            self.out(Output::Admit { link });
        }
        // Without the time no invite can be told from one that has ended, so the lobby keeps
        // whoever came by one until members have told of it.
        let timeless = self.has_ended(u64::MAX, Action::Work);
        if !self.links.is_known(&link) && !timeless {
            let reason = self.why_stranger(chain);
            self.refuse_link(link, &reason);
        }
    }

    /// A second hello on one link: the peer's process is new, and its old connection has not timed
    /// out yet. It knows nothing of what was said before.
    fn greet_again(&mut self, link: PublicKey) {
        self.work.offers.standing.forget(&link);
        self.send_hello(link);
        let Some(state) = self.links.links.get_mut(&link) else { return };
        state.has = Recent::default();
        if state.standing != Standing::Lobby {
            self.out(Output::Admit { link });
            self.compare_heads(link);
            self.holder.draw_at_once();
        }
    }

    /// A member's refusal is news of this device; a stranger's is not. A newcomer knows no member
    /// yet, and dialled whoever its invite names.
    fn may_refuse(&self, link: PublicKey) -> bool {
        self.is_newcomer() || self.known.registry.device_by_key(&link).is_some()
    }

    /// True while this device knows of no member but itself, which an invite let in.
    fn is_newcomer(&self) -> bool {
        let invited = |via| matches!(via, Via::Invite { .. });
        self.known.registry.devices().all(|one| one.key == self.key && invited(one.via))
    }

    /// Why the enrolment that a hello showed makes nobody a member, and what to do.
    fn why_stranger(&self, chain: &[Arc<Verified<Statement>>]) -> String {
        let next = "ask an operator for a fresh invite, then `belay up --join FILE` on a new state";
        let shown = chain.iter().rev().find_map(|statement| match &statement.body {
            Body::Enrol(enrol) => Some((statement, enrol)),
            _ => None,
        });
        let Some((statement, enrol)) = shown else {
            return format!("no enrolment of this device is known here; {next}");
        };
        let registry = &self.known.registry;
        let used = registry.devices().find(|device| match device.via {
            Via::Invite { invite, .. } => statement.refs.first() == Some(&invite),
            Via::Operator => false,
        });
        if let Some(device) = used {
            return format!("this invite was used by {} already; {next}", device.id.name());
        }
        let name = enrol.device.name();
        match registry.device_by_id(&enrol.device) {
            Some(_) => format!("the name {name} belongs to another device of the fleet; {next}"),
            None => format!("the enrolment of {name} does not count here; {next}"),
        }
    }

    /// What somebody who is not a member may bring: words of those who hold authority here, and an
    /// enrolment by the key of an invite of theirs. Nothing a stranger signs himself is kept.
    fn may_introduce(&self, statement: &Verified<Statement>) -> bool {
        let key = statement.key();
        let member = self.known.registry.device_by_key(&key).is_some();
        if member || self.known.authority.held_office(&key) {
            return true;
        }
        let invite = statement.refs.first().and_then(|id| self.known.get(id));
        // Who has just joined knows no time before a beacon has answered, and may meet another
        // member first.
        let live = |end_ms| match self.is_newcomer() {
            true => !self.is_surely_past(end_ms),
            false => !self.has_ended(end_ms, Action::Work),
        };
        let open = invite.filter(|invite| invite.expiry_ms.is_some_and(live));
        match (&statement.body, open.map(|invite| &invite.body)) {
            (Body::Enrol(_), Some(Body::Invite(invite))) => invite.key == key,
            _ => false,
        }
    }

    /// Looks up what the registry and the orders say of a link now.
    fn weigh(&mut self, link: PublicKey) {
        let Some(before) = self.links.links.get(&link).map(|l| l.standing) else { return };
        let device = self.known.registry.device_by_key(&link);
        let standing = match device {
            None => Standing::Lobby,
            Some(device) if self.device_cut(&device.id) => Standing::Cut,
            Some(_) => Standing::Member,
        };
        self.weigh_wind_down(link);
        if standing == before {
            return;
        }
        if let Some(state) = self.links.links.get_mut(&link) {
            state.standing = standing;
        }
        if before == Standing::Lobby {
            self.links.refused_by = None;
            self.out(Output::Admit { link });
            self.tell(Event::Linked(link));
            self.compare_heads(link);
            self.holder.draw_at_once();
        }
    }

    /// Looks at every link again; an order or a lift may have changed where they stand.
    pub(crate) fn weigh_links(&mut self) {
        let links: Vec<PublicKey> = self.links.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.weigh(link));
    }

    /// The same once an order has ended by its time.
    pub(crate) fn weigh_ended(&mut self) {
        let ended = self.ended_orders();
        if std::mem::replace(&mut self.links.ended_orders, ended) != ended {
            self.weigh_links();
        }
    }

    fn on_statements(
        &mut self,
        link: PublicKey,
        standing: Standing,
        items: &[Arc<Verified<Statement>>],
    ) {
        let newcomer = standing == Standing::Lobby && self.is_newcomer();
        let papers = |s: &Arc<Verified<Statement>>| newcomer && s.class == Class::AuthorityPlus;
        for statement in items.iter().filter(|s| heard_from(standing, s) || papers(s)) {
            if standing == Standing::Member || self.may_introduce(statement) {
                self.hear(link, statement);
            }
        }
        self.holder_catches_up();
    }

    /// Learns a peer's statement, and passes it on at once.
    fn hear(&mut self, link: PublicKey, statement: &Arc<Verified<Statement>>) {
        let id = statement.id();
        if let Some(state) = self.links.links.get_mut(&link) {
            state.has.note(id);
        }
        self.links.wants.remove(&id);
        let ours = statement.key() == self.key && statement.incarnation == self.incarnation;
        if ours && self.known.get(&id).is_none() {
            self.note_set_back();
        }
        if !self.could_count(statement) {
            return;
        }
        let held = self.known.get(&id).is_some();
        if !held && !self.takes(statement) {
            return;
        }
        let bill = self.bill(statement);
        if self.learn(statement) {
            if is_counted(statement) {
                self.check_share(bill);
            }
            let order = self.known.orders.order(&id).is_some();
            if order || matches!(statement.body, Body::Receipt(_)) {
                self.write_reserved();
            }
            self.spread(id, Some(link));
        }
    }

    /// Words of authority by a key that never held any are not kept: they cost everybody a fold and
    /// could never count. If a later root names their author, repair brings them again.
    fn could_count(&self, statement: &Verified<Statement>) -> bool {
        if statement.class != Class::AuthorityMinus {
            return true;
        }
        let key = statement.key();
        match &statement.body {
            Body::Approve(yes) => match self.known.get(&yes.of).map(|of| &of.body) {
                // A key that leaves has a yes to say too: the epoch before needs its own threshold.
                Some(Body::Root(root)) if root.keys.contains(&key) => true,
                _ => self.known.authority.held_office(&key),
            },
            Body::Proof(_) => {
                let own = self.known.set.of_kind("proof").filter(|proof| proof.key() == key);
                own.count() < PROOFS_PER_KEY_MAX
            }
            _ => self.known.authority.held_office(&key),
        }
    }

    /// Tells the links of a statement: whole where it is urgent, by id otherwise.
    pub(crate) fn spread(&mut self, id: StatementId, from: Option<PublicKey>) {
        let Some(statement) = self.known.get(&id).cloned() else { return };
        if from.is_some() && self.is_leaf() {
            return;
        }
        let urgent = is_urgent(&statement);
        let links: Vec<PublicKey> =
            if urgent { self.links.known().collect() } else { self.links.members().collect() };
        for link in links.into_iter().filter(|link| Some(*link) != from) {
            if urgent {
                self.send_urgent(link, &statement);
            } else if self.note_sent(link, id) {
                let ids = wire::write_list(&[id]);
                self.send(link, Lane::Bulk, FrameKind::Ids, ids);
            }
        }
    }

    fn send_urgent(&mut self, link: PublicKey, statement: &Arc<Verified<Statement>>) {
        if !self.note_sent(link, statement.id()) {
            return;
        }
        let shown = self.links.links.get(&link).map_or(0, |l| l.epoch);
        let mut items = self.known.epochs_after(shown);
        items.retain(|item| !self.is_unsent(&item.id()));
        if let Some(state) = self.links.links.get_mut(&link) {
            state.epoch = self.known.epoch();
        }
        let together: Vec<_> = items.iter().chain([statement]).cloned().collect();
        let (kind, body) = wire::write_statements(&together);
        if body.len() <= wire::bytes_max(Lane::Urgent) {
            return self.send(link, Lane::Urgent, kind, body);
        }
        // An order never waits for what explains it.
        let (kind, body) = wire::write_statements(std::slice::from_ref(statement));
        self.send(link, Lane::Urgent, kind, body);
        let ids: Vec<StatementId> = items.iter().map(|item| item.id()).collect();
        self.push(link, &ids);
    }

    pub(crate) fn note_sent(&mut self, link: PublicKey, id: StatementId) -> bool {
        self.links.links.get_mut(&link).is_some_and(|state| state.has.note(id))
    }

    /// Sends statements whole, in frames that a slow link can bear.
    pub(crate) fn push(&mut self, link: PublicKey, ids: &[StatementId]) {
        if !self.links.is_known(&link) {
            return;
        }
        let mut pushed = 0;
        let mut items: Vec<Arc<Verified<Statement>>> = Vec::new();
        let mut bytes = 0;
        for id in ids {
            // An own statement is written before it is sent.
            if self.is_unsent(id) || pushed > PUSH_BYTES_MAX {
                continue;
            }
            let Some(statement) = self.known.get(id).cloned() else { continue };
            if !self.links.is_member(&link) && !for_the_cut(&statement) {
                continue;
            }
            pushed += statement.bytes().len();
            if bytes + statement.bytes().len() > REPAIR_FRAME_BYTES && !items.is_empty() {
                self.send_statements(link, &std::mem::take(&mut items));
                bytes = 0;
            }
            self.note_sent(link, *id);
            bytes += statement.bytes().len() + 8;
            items.push(statement);
        }
        if !items.is_empty() {
            self.send_statements(link, &items);
        }
    }

    fn send_statements(&mut self, link: PublicKey, items: &[Arc<Verified<Statement>>]) {
        for part in items.chunks(crate::limits::FRAME_STATEMENTS_MAX) {
            let (kind, body) = wire::write_statements(part);
            self.send(link, Lane::Bulk, kind, body);
        }
    }

    /// Says why, then closes.
    pub(crate) fn refuse_link(&mut self, link: PublicKey, reason: &str) {
        let bye = Bye { reason: reason.to_owned() };
        let body = belay_identity::codec::write(&bye.to_value());
        self.send(link, Lane::Urgent, FrameKind::Bye, body);
        self.out(Output::Hangup { link });
        self.tell(Event::Refused(link, reason.to_owned()));
    }

    pub(crate) fn send(&mut self, link: PublicKey, lane: Lane, kind: FrameKind, body: Vec<u8>) {
        debug_assert!(body.len() <= wire::bytes_max(lane), "no frame of ours is over its bound");
        self.out(Output::Send { link, lane, kind, body });
    }

    /// Root epochs, invite and enrolment of this device, as its hello shows them.
    fn own_chain(&self) -> Vec<Bytes> {
        let mut chain = Vec::new();
        let member = self.known.registry.device_by_key(&self.key).map(|device| device.enrol);
        // A newcomer may not know yet why its own enrolment counts; who hears of it does.
        if let Some(enrol) = member.or_else(|| self.known.enrolment_of(&self.key)) {
            let enrol = self.known.get(&enrol).cloned();
            let refs = enrol.iter().flat_map(|e| e.refs.iter()).filter_map(|id| self.known.get(id));
            chain.extend(refs.cloned());
            chain.extend(enrol);
        }
        let mut roots = Vec::new();
        let mut bytes: usize = chain.iter().map(|s| s.bytes().len()).sum();
        // Root epochs while they fit; repair brings the rest.
        for epoch in self.known.epochs_after(0).into_iter().filter(|e| !self.is_unsent(&e.id())) {
            bytes += epoch.bytes().len();
            if bytes < wire::bytes_max(Lane::Urgent) / 2 {
                roots.push(epoch);
            }
        }
        roots.iter().chain(&chain).map(|s| Bytes(s.bytes().to_vec())).collect()
    }
}

/// True for what travels whole, at once, to everybody.
pub(crate) fn is_urgent(statement: &Verified<Statement>) -> bool {
    let small = statement.bytes().len() <= URGENT_STATEMENT_BYTES_MAX;
    statement.class == Class::AuthorityMinus && small
}

/// What a cut device is told: what takes away, and what may end that.
fn for_the_cut(statement: &Verified<Statement>) -> bool {
    statement.class == Class::AuthorityMinus || statement.is_order()
}

/// What is heard of a link where it stands: a stranger brings orders, a cut device also receipts.
fn heard_from(standing: Standing, statement: &Verified<Statement>) -> bool {
    match standing {
        Standing::Member => true,
        Standing::Cut => matches!(statement.class, Class::AuthorityMinus | Class::Task),
        Standing::Lobby => statement.class == Class::AuthorityMinus,
    }
}
