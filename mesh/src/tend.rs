//! Tending the work that runs here: feeding it as far as its leases reach, ending what is over its
//! time, renewing its credentials.
//!
//! A warden runs a tree only as far as it is fed. INV-LEASE-1: no tree is fed beyond its leases.
//! Refused here: what an order ends (`stop`), and beginning anything (`task`).

use crate::act::Pictured;
use crate::author::Words;
use crate::engine::Engine;
use crate::lease::Lease;
use crate::limits::{
    CREDENTIAL_MS, CREDENTIAL_RENEW_MS, FEED_AHEAD_MS, PAUSE_LOOK_MS, STOP_GRACE_MS, TEND_EVERY_MS,
};
use crate::output::Output;
use crate::task::Task;
use crate::time::{BootTime, Interval, Now};
use belay_identity::body::{Body, Cause, Credential};
use belay_identity::{Scope, StatementId};
use std::collections::BTreeSet;

impl Engine {
    /// Feeds what may go on, ends what may not, renews credentials, forgets old offers.
    ///
    /// Hundreds may run and an act moves one: the others are tended again once something counts
    /// that did not, the time of one has come, or some time has passed.
    pub(crate) fn tend_tasks(&mut self) {
        self.tend_offers();
        let now = Tended { at: self.now.boot, pictured: self.now_pictured() };
        let is_time = || self.work.next_feed().is_some_and(|next| next <= now.at);
        let awards = match self.work.tended.is_some_and(|last| now.is_still(last)) && !is_time() {
            true => self.touched_now(),
            false => {
                self.work.tended = Some(now);
                self.work.live().map(|(award, _)| *award).collect()
            }
        };
        if !awards.is_empty() {
            let span = self.span();
            awards.iter().for_each(|award| self.tend_task(award, &span));
        }
    }

    /// The tasks that may have changed in this call.
    fn touched_now(&self) -> BTreeSet<StatementId> {
        self.unproven.iter().copied().chain(self.work.touched()).collect()
    }

    fn tend_task(&mut self, award: &StatementId, span: &Span) {
        self.renew_credential(award, span);
        let now = self.now.boot;
        let Some(task) = self.work.task_to_feed(award) else { return };
        if task.paused.is_none() {
            return self.feed(award, span);
        }
        if task.feed_at <= now {
            task.feed_at = now.plus_ms(PAUSE_LOOK_MS);
            self.sweep_task(*award);
        }
    }

    fn feed(&mut self, award: &StatementId, span: &Span) {
        let Some(until) = self.work.task(award).map(|task| span.of(task)) else { return };
        let late = span.interval.map(|interval| interval.late_ms);
        let now = self.now.boot;
        let Some(task) = self.work.task_to_feed(award) else { return };
        if !task.goes_on() {
            return;
        }
        if task.deadline_ms.is_some_and(|deadline| late.is_some_and(|late| late >= deadline)) {
            return self.end_task(*award, Cause::Deadline, None);
        }
        let grown = until.since_ms(task.fed);
        let due = now >= task.feed_at;
        if until <= task.fed || (!due && grown < FEED_AHEAD_MS / 3) {
            // Only what was due is put off: a busy task must not put its own feed off for ever.
            if due {
                task.feed_at = now.plus_ms(STOP_GRACE_MS);
            }
            return;
        }
        task.fed = until;
        task.feed_at = now.plus_ms((until.since_ms(now) / 3).max(STOP_GRACE_MS));
        // INV-LEASE-1
        assert!(until <= now.plus_ms(FEED_AHEAD_MS), "no tree is fed further ahead than the bound");
        self.out(Output::Feed { award: *award, until });
    }

    /// How far a task may run for now.
    pub(crate) fn feed_until(&self, award: &StatementId) -> Option<BootTime> {
        self.work.task(award).map(|task| self.span().of(task))
    }

    fn span(&self) -> Span {
        Span {
            now: self.now,
            observed: self.work_is_observed(),
            run_lease: self.run_lease(),
            interval: self.interval(),
        }
    }

    fn renew_credential(&mut self, award: &StatementId, span: &Span) {
        let now_ms = span.wall_now_ms();
        let Some(task) = self.work.task(award) else { return };
        let Some(old) = self.known.get(&task.credential).cloned() else { return };
        let ends_ms = old.expiry_ms.unwrap_or(u64::MAX);
        // One that was dated by a clock since set right ends too late, and is renewed as well.
        let due =
            now_ms.saturating_add(CREDENTIAL_RENEW_MS)..=now_ms.saturating_add(2 * CREDENTIAL_MS);
        if task.ending.is_some() || ends_ms > *due.start() && ends_ms <= *due.end() {
            return;
        }
        let tree = task.tree;
        let Body::Credential(body) = &old.body else { return };
        let renewed = Credential { tree: Some(tree), ..body.clone() };
        let words = Words::new(Scope::Fleet, renewed).answering(old.refs.clone());
        let id = self.say(words.until(now_ms.saturating_add(CREDENTIAL_MS)));
        if let (Some(task), Some(id)) = (self.work.task_mut(award), id) {
            task.credential = id;
        }
    }
}

/// When every task was tended last, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tended {
    at: BootTime,
    pictured: Pictured,
}

impl Tended {
    /// True a moment later, while the same counts.
    fn is_still(self, last: Self) -> bool {
        self.pictured == last.pictured && self.at.since_ms(last.at) < TEND_EVERY_MS
    }
}

/// What bounds all tasks alike at one moment.
struct Span {
    now: Now,
    observed: bool,
    run_lease: Lease,
    interval: Option<Interval>,
}

impl Span {
    /// How far a task may run for now: its leases, and never further than a dead node may lend.
    fn of(&self, task: &Task) -> BootTime {
        let ahead = self.now.boot.plus_ms(FEED_AHEAD_MS);
        // What has an end needs somebody who tells the time, or a lease.
        let untimed = task.deadline_ms.is_some() && self.interval.is_none();
        let free = self.observed && !untimed;
        let device = if free { Lease::Own } else { self.run_lease };
        device.end(ahead).min(task.lent_lease().end(ahead))
    }

    /// The wall time for what this device dates: the latest it can be, or its own clock before
    /// anybody has said.
    fn wall_now_ms(&self) -> u64 {
        self.interval.map_or(self.now.wall_ms, |interval| interval.late_ms)
    }
}
