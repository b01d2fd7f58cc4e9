//! The warden's permission to let its tree run: the latest word of the node, and nothing else.

use super::limits::LEASE_AHEAD_NS_MAX;

/// Until when the tree may run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lease {
    until_boot_ns: Option<u64>,
    paused: bool,
}

impl Lease {
    /// Takes the node's latest word, cut to what a dead node may leave running.
    pub(super) fn renew(&mut self, until_boot_ns: u64, now: u64) {
        self.until_boot_ns = Some(until_boot_ns.min(now.saturating_add(LEASE_AHEAD_NS_MAX)));
        self.paused = false;
    }

    /// Ends it now, by a word of the node: that is no lapse, however long the next word takes.
    pub(super) fn withdraw(&mut self) {
        self.until_boot_ns = None;
        self.paused = true;
    }

    /// Whether the node's latest word was to stand still.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether the tree may run at this moment.
    pub(super) fn lasts(&self, now: u64) -> bool {
        self.until_boot_ns.is_some_and(|until| now < until)
    }

    /// The moment at which it ends by itself.
    pub(super) fn ends_at(&self) -> Option<u64> {
        self.until_boot_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a lease ends at its moment, never reaches further than 30 s, and obeys the last word
    /// even when that is the shorter one.
    #[test]
    fn the_last_word_counts_and_is_cut() {
        let mut lease = Lease::default();
        assert!(!lease.lasts(0));
        lease.renew(u64::MAX, 5);
        assert_eq!(lease.ends_at(), Some(5 + LEASE_AHEAD_NS_MAX));
        lease.renew(10, 6);
        assert!(lease.lasts(9) && !lease.lasts(10));
        lease.renew(20, 6);
        lease.withdraw();
        assert!(!lease.lasts(7) && lease.is_paused());
        lease.renew(20, 8);
        assert!(lease.lasts(9) && !lease.is_paused());
    }
}
