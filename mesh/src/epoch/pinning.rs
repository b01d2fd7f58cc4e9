//! The pins of the next epoch: where every log stands, in the proposal or in parts beside it.
//!
//! Refused here: leaving out a log of authority or membership. What credentials and work wrote may
//! find no room in the largest fleets; it is counted, and issued anew.

use crate::engine::Engine;
use crate::limits::EPOCH_BYTES_MAX;
use crate::output::{Refusal, RefusalKind};
use belay_crdt::limits::EPOCH_PARTS_MAX;
use belay_crdt::set::Held;
use belay_identity::body::{Pin, Pins, Root};
use belay_identity::{Class, LogHead, PublicKey, codec};

/// The bytes that naming one part takes in a proposal.
const PART_NAMED_BYTES: usize = 34;

/// The lists of pins that found no room in the proposal, and what found none at all.
pub(super) struct Pinned {
    pub(super) parts: Vec<Pins>,
    pub(super) unpinned: u64,
}

impl Engine {
    /// Pins every log where it stands: in the proposal where all of them fit, else all in parts, so
    /// that a list is in one place and what everybody is told at once stays small. Authority and
    /// membership come first; counts what found no room.
    pub(super) fn pin(&self, root: &mut Root, from: Option<&Held>) -> Result<Pinned, Refusal> {
        let mut heads: Vec<LogHead> = self.known.set.heads();
        heads.retain(|head| !matches!(head.class, Class::Presence | Class::Audit));
        let mut pins: Vec<Pin> = heads.iter().filter_map(|head| self.pin_of(head, from)).collect();
        pins.sort_by(|one, other| one.place().cmp(&other.place()));
        let room = EPOCH_BYTES_MAX.saturating_sub(codec::write(&root.to_value()).len());
        if pins.iter().map(bytes_of).sum::<usize>() <= room {
            root.pins = pins;
            return Ok(Pinned { parts: Vec::new(), unpinned: 0 });
        }
        in_parts(pins, EPOCH_PARTS_MAX.min(room / PART_NAMED_BYTES))
    }

    /// The pin of a log; before the first order that is void, where that stands in it.
    fn pin_of(&self, head: &LogHead, from: Option<&Held>) -> Option<Pin> {
        let (mut seq, mut id) = (head.seq, head.id);
        if self.is_out_of_office(&head.key) {
            let log = head.log();
            let pinned = self.known.authority.standing()?.pins_of(&log).next()?;
            (seq, id) = (pinned.seq, pinned.id);
        }
        if let Some(from) = from.filter(|from| from.log(from.key()) == head.log()) {
            (seq, id) = (from.seq.checked_sub(1).filter(|seq| *seq > 0)?, from.prev?);
        }
        let LogHead { key, class, scope, incarnation, .. } = head.clone();
        Some(Pin { key, class, scope, incarnation, seq, id })
    }

    /// True for a key that was a root's or an operator's and is none now. What it signs after it
    /// left is not sealed in: its grants stay void, its orders above the pin they came above.
    fn is_out_of_office(&self, key: &PublicKey) -> bool {
        let authority = &self.known.authority;
        let Some(standing) = authority.standing().filter(|_| authority.held_office(key)) else {
            return false;
        };
        let root = &standing.root;
        let named = root.keys.contains(key)
            || root.operators.iter().any(|line| line.key == *key)
            || authority.further_keys().any(|further| further.key == *key);
        !named
    }
}

/// Deals ascending pins out to at most so many parts.
fn in_parts(pins: Vec<Pin>, parts_max: usize) -> Result<Pinned, Refusal> {
    let mut pinned = Pinned { parts: Vec::new(), unpinned: 0 };
    let mut left = 0;
    for pin in pins {
        let bytes = bytes_of(&pin);
        if bytes > left && pinned.parts.len() < parts_max {
            pinned.parts.push(Pins { pins: Vec::new() });
            left = EPOCH_BYTES_MAX;
        }
        let bears = matches!(pin.class, Class::AuthorityMinus | Class::AuthorityPlus);
        match pinned.parts.last_mut().filter(|_| bytes <= left) {
            Some(part) => {
                part.pins.push(pin);
                left -= bytes;
            }
            None if bears => return Err(too_many_logs()),
            None => pinned.unpinned += 1,
        }
    }
    Ok(pinned)
}

fn bytes_of(pin: &Pin) -> usize {
    codec::write(&pin.to_value()).len()
}

fn too_many_logs() -> Refusal {
    let why = "more logs of authority and membership than one root epoch can pin";
    let hint = "approve the enrolments that stand on invites, then try again";
    Refusal::new(RefusalKind::Failed, why, hint)
}
