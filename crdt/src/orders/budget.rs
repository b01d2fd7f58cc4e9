//! The budget of wide orders: a stolen key must not stop a fleet by itself.
//!
//! An order is wide when no term pins it to one agent or one device. The rank of a wide order is
//! counted along its own hash links, so nobody can push it out by other statements. What is missing
//! in between counts as wide: then a gap that closes can only bring an order in, never take one out
//! again that had stopped something.
//!
//! Refused here: counting by time, or over several logs.

use crate::authority::Authority;
use crate::limits::WIDE_ORDERS_PER_EPOCH_MAX;
use crate::set::{Held, Set};
use belay_identity::body::Term;
use belay_identity::{Statement, Verified};

/// True when this order is one of the first 32 wide ones of its log in its epoch, or not wide.
pub(super) fn within(set: &Set, authority: &Authority, order: &Verified<Statement>) -> bool {
    let epoch = authority.order_epoch(order);
    let same_epoch = |held: &Held| authority.order_epoch(held) == epoch;
    if !is_wide_order(order) {
        return true;
    }
    let (mut before, mut seq, mut prev) = (0, order.seq - 1, order.prev);
    while seq > 0 && before < WIDE_ORDERS_PER_EPOCH_MAX {
        let held = prev.and_then(|id| set.get(&id));
        let linked =
            |held: &&Held| held.seq == seq && held.log(held.key()) == order.log(order.key());
        let Some(held) = held.filter(linked) else {
            before += seq - sealed_before(authority, order, epoch).min(seq);
            break;
        };
        before += u64::from(is_wide_order(held) && same_epoch(held));
        (seq, prev) = (seq - 1, held.prev);
    }
    before < WIDE_ORDERS_PER_EPOCH_MAX
}

fn is_wide_order(statement: &Verified<Statement>) -> bool {
    let narrow = |term: &Term| matches!(term, Term::Agent(_) | Term::Device(_));
    let subject = super::subject(&statement.body);
    subject.is_some_and(|subject| !subject.terms().iter().any(narrow))
}

/// The number up to which the epoch of the order sealed its log: nothing there belongs to it.
fn sealed_before(authority: &Authority, order: &Verified<Statement>, epoch: Option<u64>) -> u64 {
    let log = order.log(order.key());
    let pins = epoch.and_then(|number| authority.epoch(number)).into_iter();
    let pin = pins.flat_map(|epoch| &epoch.root.pins).find(|pin| pin.log() == log);
    pin.map_or(0, |pin| pin.seq)
}
