//! Where the audit chain stands: at the last row given to the disk, and at the last one on it.
//!
//! Rows are linked before they are written. When a write fails, everything linked behind it is
//! refused by the disk too, so the first failure alone cuts the chain back, and what fails after
//! it belongs to a turn that is over. Refused here: writing.

use crate::store::{AuditEntry, AuditHead, AuditRow};
use belay_mesh::input::WriteId;
use std::collections::BTreeMap;

/// The chain as this process links it.
pub(super) struct AuditChain {
    head: AuditHead,
    on_disk: AuditHead,
    turn: u64,
    /// The writes on their way that hold rows: their turn, and where the chain stands behind them.
    under_way: BTreeMap<WriteId, (u64, AuditHead)>,
}

impl AuditChain {
    pub(super) fn new(on_disk: AuditHead) -> Self {
        Self { head: on_disk, on_disk, turn: 0, under_way: BTreeMap::new() }
    }

    /// Where the next row is linked.
    pub(super) fn head(&self) -> AuditHead {
        self.head
    }

    /// Where the last row on disk stands.
    pub(super) fn on_disk(&self) -> AuditHead {
        self.on_disk
    }

    /// Links one more row.
    pub(super) fn link(&mut self, entry: AuditEntry) -> AuditRow {
        let row = self.head.append(entry);
        self.head = AuditHead::of(&row);
        row
    }

    /// A write was handed to the disk; `before` is where the chain stood ahead of its rows.
    pub(super) fn submitted(&mut self, write: WriteId, before: AuditHead) {
        if self.head != before {
            self.under_way.insert(write, (self.turn, self.head));
        }
    }

    /// The disk would not even take the last write: its rows were never linked.
    pub(super) fn not_taken(&mut self, before: AuditHead) {
        self.head = before;
    }

    /// A write is on disk.
    pub(super) fn written(&mut self, write: &WriteId) {
        if let Some((_, head)) = self.under_way.remove(write) {
            self.on_disk = head;
        }
    }

    /// A write failed; true unless it failed only for an earlier failure's sake.
    pub(super) fn failed(&mut self, write: &WriteId) -> bool {
        match self.under_way.remove(write) {
            Some((turn, _)) if turn == self.turn => {
                self.head = self.on_disk;
                self.turn += 1;
                true
            }
            Some(_behind_it) => false,
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        let word = || "permit".to_owned();
        AuditEntry {
            boot_ms: 1,
            wall_ms: 1,
            kind: word(),
            rule: word(),
            release: None,
            act: [0; 32],
            event: Vec::new(),
        }
    }

    fn submit(chain: &mut AuditChain, number: u64) -> AuditRow {
        let before = chain.head();
        let row = chain.link(entry());
        chain.submitted(WriteId(number), before);
        row
    }

    /// Goal: after a failure with writes in flight, the next row follows the last one on disk, and
    /// neither a write without rows nor a late failure moves it. Method: the order of a full disk.
    #[test]
    fn the_first_failure_alone_cuts_the_chain_back() {
        let mut chain = AuditChain::new(AuditHead::EMPTY);
        let first = submit(&mut chain, 1);
        let (_lost, _behind) = (submit(&mut chain, 2), submit(&mut chain, 3));
        let before = chain.head();
        chain.submitted(WriteId(4), before);
        chain.written(&WriteId(1));
        assert!(chain.failed(&WriteId(2)));
        let again = submit(&mut chain, 5);
        assert_eq!(AuditHead::of(&first).check_follows(&again), Ok(()));
        assert!(!chain.failed(&WriteId(3)));
        chain.written(&WriteId(4));
        let next = submit(&mut chain, 6);
        assert_eq!(AuditHead::of(&again).check_follows(&next), Ok(()));
        chain.written(&WriteId(5));
        assert!(chain.failed(&WriteId(6)));
        assert_eq!(chain.head(), AuditHead::of(&again));
    }

    /// Goal: a write that is not taken leaves the rows in flight before it linked.
    #[test]
    fn a_refused_write_takes_back_its_own_rows_only() {
        let mut chain = AuditChain::new(AuditHead::EMPTY);
        let first = submit(&mut chain, 1);
        let before = chain.head();
        let _refused = chain.link(entry());
        chain.not_taken(before);
        let next = submit(&mut chain, 2);
        assert_eq!(AuditHead::of(&first).check_follows(&next), Ok(()));
    }
}
