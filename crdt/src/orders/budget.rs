//! What one key may order alone: so many wide orders, and one hold on another operator.
//!
//! An order is wide when no term pins it to one agent or one device. The rank of an order is
//! counted along its own hash links, so nobody can push it out by other statements. What is missing
//! in between counts as such an order: then a gap that closes can only bring an order in, never
//! take one out again that had stopped something. For the same reason the rank is that within one
//! log: no rule of a fold can bound the sum of several. Take 33 orders of one key, each the first
//! of a log of its own. Each counts where it alone is held, for nothing tells it from an honest
//! first one; and what counts must count on whatever else arrives, or whoever copied the key would
//! void orders that have stopped something by adding others. So all 33 count together. The same
//! holds of a forked log, whose orders stay. What can be done is done beside the fold: who looks at
//! the key sees the sum over its logs, and is told when that is more than one log may hold.
//!
//! Refused here: counting by time, or over several logs.

use crate::authority::Authority;
use crate::limits::WIDE_ORDERS_PER_EPOCH_MAX;
use crate::rules::Rules;
use crate::set::{Held, Set};
use belay_identity::body::{Body, Subject, Term};
use belay_identity::{Statement, Verified};

/// True when this order is one of the first 32 wide ones of its log in its epoch, or not wide.
pub(super) fn within(
    set: &Set,
    authority: &Authority,
    rules: &Rules,
    order: &Verified<Statement>,
) -> bool {
    let wide = |held: &Verified<Statement>| is_wide_order(held);
    !wide(order) || (rules.within_budget)(earlier(set, authority, order, wide))
}

/// True when this hold on an operator is the first on him with an end in its log and epoch: one
/// operator alone cannot hold another day after day.
pub(super) fn first_on_operator(
    set: &Set,
    authority: &Authority,
    rules: &Rules,
    hold: &Verified<Statement>,
    subject: &Subject,
) -> bool {
    let same = |held: &Verified<Statement>| {
        let Body::Hold(other) = &held.body else { return false };
        other.subject == *subject && other.until_ms.is_some()
    };
    (rules.may_hold_operator)(earlier(set, authority, hold, same))
}

/// How many such orders come before this one in its log and epoch, as far as the limit goes.
fn earlier(
    set: &Set,
    authority: &Authority,
    order: &Verified<Statement>,
    such: impl Fn(&Verified<Statement>) -> bool,
) -> u64 {
    let epoch = authority.order_epoch(order);
    let same_epoch = |held: &Held| authority.order_epoch(held) == epoch;
    let (mut before, mut seq, mut prev) = (0, order.seq - 1, order.prev);
    while seq > 0 && before < WIDE_ORDERS_PER_EPOCH_MAX {
        let held = prev.and_then(|id| set.get(&id));
        let linked =
            |held: &&Held| held.seq == seq && held.log(held.key()) == order.log(order.key());
        let Some(held) = held.filter(linked) else {
            return before + seq - sealed_before(authority, order, epoch).min(seq);
        };
        before += u64::from(such(held) && same_epoch(held));
        (seq, prev) = (seq - 1, held.prev);
    }
    before
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
    pins.flat_map(|epoch| epoch.pins_of(&log)).next().map_or(0, |pin| pin.seq)
}
