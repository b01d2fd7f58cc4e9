//! What this node's disk is at, and what of a decision is kept beside its row meanwhile.
//!
//! A write that carries an order or a receipt may end in the small space that is reserved for
//! them. What explains a decision goes with it while the disk writes, where it is short: should
//! just this write fail, it takes little of that space. Refused here: reading a state out of words.

use crate::store::{Condition, Urgency};

/// Bytes of an event that may go with a reserved write: the usual one is below one kilobyte, and
/// the reserve holds a hundred of these with what is kept to explain them.
const RESERVED_EVENT_BYTES_MAX: usize = 4 * 1024;

/// Whether the disk takes everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Disk {
    /// It does.
    Writing,
    /// It takes orders and receipts only, for this reason.
    Failing(String),
}

impl Disk {
    /// As a store that was just opened says; one that has ended says so by its next failure.
    pub(super) fn of(condition: Option<Condition>) -> Self {
        match condition {
            Some(Condition::Latched { cause, .. }) => Self::Failing(cause),
            Some(Condition::Writing) | None => Self::Writing,
        }
    }

    /// The state in words, as `status` has it.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Writing => "writing",
            Self::Failing(why) => why,
        }
    }

    /// Whether an event of so many bytes is kept whole in a write of this urgency.
    pub(super) fn keeps(&self, urgency: Urgency, bytes: usize) -> bool {
        match (self, urgency) {
            (Self::Writing | Self::Failing(_), Urgency::Ordinary) => true,
            (Self::Writing, Urgency::Reserved) => bytes <= RESERVED_EVENT_BYTES_MAX,
            (Self::Failing(_), Urgency::Reserved) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a decision that shares its write with an order is explained like any other while the
    /// disk writes, and takes none of the reserve when it does not. Method: each state and urgency.
    #[test]
    fn an_event_is_dropped_for_want_of_space_alone() {
        let latched = Condition::Latched { cause: "no space".into(), reserve_bytes_free: 7 };
        let (writing, failing) = (Disk::of(Some(Condition::Writing)), Disk::of(Some(latched)));
        let (short, long) = (RESERVED_EVENT_BYTES_MAX, RESERVED_EVENT_BYTES_MAX + 1);
        assert!(writing.keeps(Urgency::Reserved, short));
        assert!(!writing.keeps(Urgency::Reserved, long), "this write alone may still fail");
        assert!(writing.keeps(Urgency::Ordinary, long) && failing.keeps(Urgency::Ordinary, long));
        assert!(!failing.keeps(Urgency::Reserved, 1));
        assert_eq!((writing.words(), failing.words()), ("writing", "no space"));
    }
}
