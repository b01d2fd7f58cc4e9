//! Repair: what was missed is found by comparing heads with one link at a time, and sent whole.
//!
//! It alone guarantees delivery; everything faster is an accelerator. Refused here: trusting how
//! many parts a peer says its list has, or answering the same question without a pause.

use crate::engine::Engine;
use crate::limits::{
    FRAME_HEADS_MAX, HEADS_EVERY_MS, HEADS_PARTS_MAX, PUSH_BYTES_PER_AUTHOR_MAX, REPAIR_EVERY_MS,
    REPAIR_FRAME_BYTES,
};
use crate::shares::Payer;
use crate::wire::{FrameKind, Heads, Lane};
use belay_identity::{LogHead, PublicKey, StatementId};
use std::collections::BTreeMap;

impl Engine {
    pub(crate) fn repair_due(&mut self) {
        self.ask_again();
        if self.now.boot < self.links.next_repair {
            return;
        }
        self.links.next_repair = self.now.boot.plus_ms(REPAIR_EVERY_MS);
        let members: Vec<PublicKey> = self.links.members().collect();
        if let Some(link) = members.get(self.chance.below(members.len())) {
            self.compare_heads(*link);
        }
    }

    /// Opens repair with a link: equal digests end it.
    pub(crate) fn compare_heads(&mut self, link: PublicKey) {
        let digest = self.known.set.digest();
        let heads = Heads { digest, heads: Vec::new(), part: None, parts: None };
        let body = belay_identity::codec::write(&heads.to_value());
        self.send(link, Lane::Repair, FrameKind::Heads, body);
        self.ask_bodies(link);
    }

    pub(crate) fn on_heads(&mut self, link: PublicKey, theirs: Heads) {
        if theirs.digest == self.known.set.digest() {
            return;
        }
        let (Some(part), Some(parts)) = (theirs.part, theirs.parts) else {
            return self.send_heads(link);
        };
        let Some(state) = self.links.links.get_mut(&link) else { return };
        if part == 1 {
            (state.heads, state.parts) = (Vec::new(), 0);
        }
        if parts > HEADS_PARTS_MAX as u64 || part == 0 || part > parts {
            (state.heads, state.parts) = (Vec::new(), 0);
            return self.refuse_link(link, "a list of heads has no such part");
        }
        if part != state.parts + 1 {
            // A full queue or a bad radio has lost one: the next round brings the whole list anew.
            (state.heads, state.parts) = (Vec::new(), 0);
            return;
        }
        state.parts = part;
        state.heads.extend(theirs.heads);
        if part == parts {
            let heads = std::mem::take(&mut state.heads);
            self.on_all_heads(link, &heads);
        }
    }

    fn on_all_heads(&mut self, link: PublicKey, theirs: &[LogHead]) {
        let lacking = self.tellable(self.known.set.lacking(theirs));
        let lacking = self.in_turns(lacking);
        self.push(link, &lacking);
        if !self.known.set.holds(theirs) {
            self.send_heads(link);
        }
    }

    /// The same ids, what is beyond one author's part of a round last: one whose statements a peer
    /// has no room for would else keep all others from it.
    fn in_turns(&self, lacking: Vec<StatementId>) -> Vec<StatementId> {
        let mut pushed: BTreeMap<Payer, usize> = BTreeMap::new();
        let first = |id: &StatementId| {
            let Some(held) = self.known.get(id) else { return true };
            let bytes = pushed.entry(Payer::of(&self.known, held)).or_default();
            *bytes += held.bytes().len();
            *bytes <= PUSH_BYTES_PER_AUTHOR_MAX
        };
        let (mut first, later): (Vec<_>, Vec<_>) = lacking.into_iter().partition(first);
        first.extend(later);
        first
    }

    /// Sends how far every log is held; at most once in `HEADS_EVERY_MS` to one link.
    pub(crate) fn send_heads(&mut self, link: PublicKey) {
        let again = self.now.boot.plus_ms(HEADS_EVERY_MS);
        let Some(state) = self.links.links.get_mut(&link) else { return };
        if self.now.boot < state.heads_again {
            return;
        }
        state.heads_again = again;
        let digest = self.known.set.digest();
        let parts = parts_of(self.known.set.heads());
        let count = parts.len() as u64;
        for (heads, part) in parts.into_iter().zip(1..) {
            let heads = Heads { digest, heads, part: Some(part), parts: Some(count) };
            let body = belay_identity::codec::write(&heads.to_value());
            self.send(link, Lane::Repair, FrameKind::Heads, body);
        }
    }
}

/// A list of heads in parts that each fit a frame; the last ones of a list too long are left to the
/// next round, when its beginning is equal.
fn parts_of(heads: Vec<LogHead>) -> Vec<Vec<LogHead>> {
    let mut parts: Vec<Vec<LogHead>> = vec![Vec::new()];
    let mut bytes = 0;
    for head in heads {
        let size = belay_identity::codec::write(&head.to_value()).len();
        let full = parts.last().is_some_and(|part| part.len() >= FRAME_HEADS_MAX);
        if full || bytes + size > REPAIR_FRAME_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(head);
        }
    }
    parts.truncate(HEADS_PARTS_MAX);
    parts
}
