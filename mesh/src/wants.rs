//! Wishes: what was announced by its id and is not held is asked for once, and of the next link
//! that announced it after a second.
//!
//! Refused here: asking for ever. What nobody who announced it sends, repair brings.

use crate::engine::Engine;
use crate::limits::{ANNOUNCED_MAX, LINKS_MAX, WANT_RETRY_MS};
use crate::time::BootTime;
use crate::wire::{self, FrameKind, Lane};
use belay_identity::{PublicKey, StatementId};
use std::collections::VecDeque;

/// One statement that was asked for.
pub(crate) struct Want {
    /// Who was asked last.
    pub(crate) asked: PublicKey,
    /// Who announced it too.
    pub(crate) from: VecDeque<PublicKey>,
    pub(crate) retry: BootTime,
}

impl Engine {
    pub(crate) fn on_ids(&mut self, link: PublicKey, ids: &[StatementId]) {
        let mut ask = Vec::new();
        let open = self.links.wants.values().filter(|want| want.asked == link).count();
        for id in ids.iter().take(ANNOUNCED_MAX) {
            self.note_sent(link, *id);
            if self.known.get(id).is_some() {
                continue;
            }
            if let Some(want) = self.links.wants.get_mut(id) {
                if want.from.len() < LINKS_MAX && !want.from.contains(&link) {
                    want.from.push_back(link);
                }
            } else if open + ask.len() < ANNOUNCED_MAX
                && self.links.wants.len() < ANNOUNCED_MAX * LINKS_MAX
            {
                let retry = self.now.boot.plus_ms(WANT_RETRY_MS);
                let want = Want { asked: link, from: VecDeque::new(), retry };
                self.links.wants.insert(*id, want);
                ask.push(*id);
            }
        }
        if !ask.is_empty() {
            self.send(link, Lane::Bulk, FrameKind::Want, wire::write_list(&ask));
        }
    }

    pub(crate) fn ask_again(&mut self) {
        let now = self.now.boot;
        let due: Vec<StatementId> =
            self.links.wants.iter().filter(|(_, w)| w.retry <= now).map(|(id, _)| *id).collect();
        for id in due {
            let next = self.links.wants.get_mut(&id).and_then(|want| {
                want.retry = now.plus_ms(WANT_RETRY_MS);
                want.asked = want.from.pop_front()?;
                Some(want.asked)
            });
            match next {
                Some(link) => self.send(link, Lane::Bulk, FrameKind::Want, wire::write_list(&[id])),
                // Nobody else announced it: repair will bring it.
                None => drop(self.links.wants.remove(&id)),
            }
        }
    }
}
