//! The list of pins of an epoch: inside the proposal, or in parts that it names by id.
//!
//! One statement has room for the pins of some 560 logs, and every device that was invited is one.
//! A larger list lies in statements of kind `pins`, and the proposal names them in order instead of
//! listing pins itself: never both, so that one list has one place. The parts together ascend
//! strictly, so no log is pinned twice and one is found by halving; a list that does not is none,
//! and its epoch as good as never signed.
//!
//! An epoch whose parts are not all held does not count yet, as if its approvals had not come: it
//! seals nothing, gives nothing and voids nothing. Both are functions of the set alone (a part is
//! named by the hash of its bytes, which the threshold signed; who signed the part is nothing to
//! the fold), so every order of arrival ends in the same views (INV-SET-1). And a part more can
//! only do what an approval more can: let a valid epoch count (INV-SET-2). Counting an epoch by the
//! parts at hand would seal out what the missing part pins, and give it back when that came.
//!
//! Refused here: saying who may propose an epoch, and what its pins cover.

use crate::limits::EPOCH_PARTS_MAX;
use crate::rules::Rules;
use crate::set::{Held, Set};
use belay_identity::body::{Body, Pin, Root};
use belay_identity::{LogId, StatementId};

/// Why a proposal has no list of pins that can count; its author's fault unless a part is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPins {
    /// A list in two places.
    #[error("it lists pins itself and names parts of a list too")]
    Both,
    /// More parts than any epoch may have.
    #[error("its pins lie in {0} parts, and {EPOCH_PARTS_MAX} are the most")]
    TooMany(usize),
    /// A part that is not held.
    #[error("part {0} of its pins, {1}, has not come")]
    Missing(usize, StatementId),
    /// Something else where a part should be, or a part that lists nothing.
    #[error("part {0} of its pins, {1}, lists no pins")]
    NoPins(usize, StatementId),
    /// Pins that do not ascend strictly.
    #[error("part {0} of its pins is out of order, or pins a log twice")]
    Disorder(usize),
}

/// The parts of a proposal's list, once they count; none where it lists its pins itself.
pub(super) fn parts_of(set: &Set, root: &Root, rules: &Rules) -> Option<Vec<Held>> {
    let parts: Vec<Held> = root.pins_in.iter().filter_map(|id| set.get(id)).cloned().collect();
    let missing = root.pins_in.len() - parts.len();
    ((rules.list_is_whole)(missing) && sound(root, &parts).is_ok()).then_some(parts)
}

/// Says why the list of a proposal does not count, given what is held.
///
/// # Errors
/// What is wrong with it, or the first part that is missing.
pub fn check_list<'a>(
    root: &Root,
    held: impl Fn(&StatementId) -> Option<&'a Held>,
) -> Result<(), BadPins> {
    let part =
        |(at, id): (usize, &StatementId)| held(id).cloned().ok_or(BadPins::Missing(at + 1, *id));
    let parts: Vec<Held> = root.pins_in.iter().enumerate().map(part).collect::<Result<_, _>>()?;
    sound(root, &parts)
}

fn sound(root: &Root, parts: &[Held]) -> Result<(), BadPins> {
    if root.pins_in.is_empty() {
        return Ok(());
    }
    if !root.pins.is_empty() {
        return Err(BadPins::Both);
    }
    if root.pins_in.len() > EPOCH_PARTS_MAX {
        return Err(BadPins::TooMany(root.pins_in.len()));
    }
    let mut last: Option<&Pin> = None;
    for (at, part) in parts.iter().enumerate() {
        let pins = listed_in(part);
        if pins.is_empty() {
            return Err(BadPins::NoPins(at + 1, part.id()));
        }
        let places = || last.into_iter().chain(pins).map(Pin::place);
        if !places().zip(places().skip(1)).all(|(one, next)| one < next) {
            return Err(BadPins::Disorder(at + 1));
        }
        last = pins.last();
    }
    Ok(())
}

/// The pins that a part lists.
pub(super) fn listed_in(part: &Held) -> &[Pin] {
    if let Body::Pins(pins) = &part.body { &pins.pins } else { &[] }
}

/// The pin of a log in parts that ascend.
pub(super) fn find<'a>(parts: &'a [Held], log: &LogId) -> Option<&'a Pin> {
    let place = (log.class, log.key, &log.scope, log.incarnation);
    let begins = |part: &Held| listed_in(part).first().is_some_and(|pin| pin.place() <= place);
    let part = parts.partition_point(begins).checked_sub(1)?;
    let pins = listed_in(&parts[part]);
    let at = pins.binary_search_by(|pin| pin.place().cmp(&place)).ok()?;
    pins.get(at)
}
