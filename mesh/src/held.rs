//! Operators whose grants are held: when a hold with a time binds, on one of them or on a beacon,
//! what a new one names, and what is refused at the door meanwhile.
//!
//! A hold takes away: it begins as soon as its day may have begun, and is over only when its end is
//! surely past. While nobody has said the time it binds. Refused here: touching his orders, and the
//! leases that his devices give.

use crate::engine::Engine;
use crate::limits::HOLD_REFS_MAX;
use crate::output::{Refusal, RefusalKind};
use belay_crdt::orders::{Cut, TimedHold};
use belay_identity::body::{Body, Direction, Term};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{Chain, Class, LogHead, PublicKey, Statement, StatementId, Verified};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Engine {
    /// Lets holds with a time begin and end; what they hold counts, or counts no more, from now on.
    pub(crate) fn weigh_holds(&mut self) {
        let timed = self.known.orders.timed().iter();
        let idle: BTreeSet<StatementId> =
            timed.filter(|hold| self.is_idle(hold)).map(|hold| hold.order).collect();
        if self.known.rest(idle) {
            self.on_who_counts();
        }
    }

    fn is_idle(&self, hold: &TimedHold) -> bool {
        let sure = |from: u64| self.interval().is_some_and(|interval| interval.late_ms < from);
        hold.from_ms.is_some_and(sure) || self.is_surely_past(hold.until_ms)
    }

    /// The hold under which a device of this chain was let in.
    pub(crate) fn let_in_cut(&self, chain: &Chain) -> Option<Cut> {
        let mut devices = chain.links().iter().map(|link| &link.device);
        devices.find_map(|device| self.known.let_in_cut(&self.known.set, device))
    }

    /// What a new hold of these terms names: of an operator the last that is known of every log in
    /// which he granted something that the standing epoch has not sealed in, so that it goes on
    /// counting. Of more logs than an order has room for, those that grew last; and how many are
    /// left out.
    pub(crate) fn refs_for_hold(&self, terms: &[Term]) -> (Vec<StatementId>, u64) {
        let [Term::Operator(id)] = terms else { return Default::default() };
        let keys = self.keys_of(id);
        let his = |class: Class| class == Class::AuthorityMinus || class == Class::AuthorityPlus;
        let heads = self.known.set.heads().into_iter();
        let heads = heads.filter(|head| keys.contains(&head.key) && his(head.class));
        let mut heads: Vec<(u64, u64, StatementId)> = heads
            .filter(|head| self.grants_since_the_epoch(head))
            .filter_map(|head| Some((self.known.get(&head.id)?.epoch, head.seq, head.id)))
            .collect();
        heads.sort_unstable_by_key(|head| Reverse(*head));
        let left_out = heads.len().saturating_sub(HOLD_REFS_MAX) as u64;
        heads.truncate(HOLD_REFS_MAX);
        (heads.into_iter().map(|(_, _, id)| id).collect(), left_out)
    }

    /// True when a log holds a grant that the standing epoch did not seal in.
    fn grants_since_the_epoch(&self, head: &LogHead) -> bool {
        let epoch = self.known.authority.standing().map(|epoch| epoch.id);
        let sealed =
            |id: &StatementId| epoch.is_some_and(|e| self.known.authority.sealed_in(&e, id));
        let below = std::iter::successors(self.known.get(&head.id), |held| {
            held.prev.and_then(|id| self.known.get(&id))
        });
        let mut new = below.take_while(|held| !sealed(&held.id()));
        new.any(|held| held.body.direction() == Some(Direction::Grant))
    }

    /// Every key that an epoch which stands ever gave to this operator.
    fn keys_of(&self, id: &OperatorId) -> BTreeSet<PublicKey> {
        let lines = self.known.authority.epochs().flat_map(|epoch| &epoch.root.operators);
        let further = self.known.authority.further_keys().filter(|one| one.operator == *id);
        let named = lines.filter(|line| line.id == *id).map(|line| line.key);
        named.chain(further.map(|one| one.key)).collect()
    }

    fn is_order(&self, id: &StatementId) -> bool {
        self.known.get(id).is_some_and(|held| held.is_order())
    }

    /// What a held operator grants is refused where he could still hear of it.
    pub(crate) fn may_grant(&self, statements: &[Arc<Verified<Statement>>]) -> Result<(), Refusal> {
        // Whoever adds his word to an order takes away.
        let of_order = |statement: &Verified<Statement>| {
            let Body::Approve(yes) = &statement.body else { return false };
            self.is_order(&yes.of)
        };
        let mut grants = statements.iter().filter(|statement| !of_order(statement));
        grants.find_map(|statement| self.held_meanwhile(statement)).map_or(Ok(()), Err)
    }

    /// Why a grant does not count for now, where a hold on its author is why.
    pub(crate) fn held_meanwhile(&self, grant: &Verified<Statement>) -> Option<Refusal> {
        let order = self.known.orders.holder_of(&self.known.authority, grant)?;
        let who = match &grant.author {
            Principal::Operator(id) => format!("operator:{}", id.name()),
            other => other.to_string(),
        };
        let why = format!("what {who} grants is held by the order {order}; his orders count");
        let hint = "let another operator say it; the order ends by its time or by the root's lift";
        Some(Refusal::new(RefusalKind::Denied, why, hint))
    }
}
