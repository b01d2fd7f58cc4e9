//! Who sleeps when, and who is awaited.
//!
//! At every instant that is played a third of the fleet sleeps. Beacons stay up, as a fleet's do:
//! without them nobody has a lease, and being locked out would mean nothing. Whoever is awake and
//! awaited must reach the standing root and hold its leases in time; whoever falls asleep before is
//! awaited again when he wakes.
//!
//! Refused here: looking into an engine. Who sleeps is the world's truth, and is compared with it.

use super::{CAUGHT_UP, WEEK, WINDOW};
use crate::plan::Plan;
use crate::trial::{Court, Found, is_leased};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often everybody is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// One in so many sleeps through windows.
const LONG_ONE_IN: u64 = 8;

/// The longest sleep: a summer.
const WINDOWS_MAX: u64 = 12;

const WOKE: &str = "awake to caught up";
const WOKE_LATE: &str = "awake after epochs to caught up";
const MADE: &str = "epoch made to everywhere";

pub(super) struct Beds {
    nodes: usize,
    /// The first device that may sleep: those before it are beacons.
    first: usize,
    /// When the window that is played began.
    opened: Duration,
    windows_left: u64,
    /// The epoch that stands.
    epoch: u64,
    /// Who sleeps: since when, and until when.
    asleep: BTreeMap<usize, (Duration, Duration)>,
    /// Who is awaited, since when, and for what.
    awaited: BTreeMap<usize, (Duration, &'static str)>,
}

impl Beds {
    pub(super) fn made(plan: &Plan, weeks: u64) -> Self {
        let (nodes, first, windows_left) = (plan.nodes, plan.fleet.beacons, weeks);
        let (opened, epoch) = (Duration::ZERO, 1);
        let (asleep, awaited) = (BTreeMap::new(), BTreeMap::new());
        Self { nodes, first, opened, windows_left, epoch, asleep, awaited }
    }

    /// A window begins: whoever is not in bed has just been switched on.
    pub(super) fn open(&mut self, court: &mut Court, found: &mut Found) {
        self.opened = court.stage.now();
        self.windows_left -= 1;
        for node in self.awake() {
            self.awaited.insert(node, (self.opened, WOKE));
        }
        self.look(court, found);
    }

    /// Lets time pass, a third of the fleet asleep at every instant.
    pub(super) fn pass(&mut self, court: &mut Court, found: &mut Found, span: Duration) {
        let end = court.stage.now() + span;
        while court.stage.now() < end {
            court.stage.pass(LOOK.min(end - court.stage.now()));
            self.look(court, found);
        }
    }

    /// Lets the rest of the window pass.
    pub(super) fn rest(&mut self, court: &mut Court, found: &mut Found) {
        let spent = court.stage.now().saturating_sub(self.opened);
        self.pass(court, found, WINDOW.saturating_sub(spent));
    }

    /// The window ends: everybody is off until the next one begins.
    pub(super) fn close(&mut self, court: &mut Court, found: &mut Found) {
        let next = self.opened + WEEK;
        for node in self.awake() {
            court.stage.sleep(node, next.saturating_sub(court.stage.now()));
        }
        self.awaited.clear();
        court.stage.pass(next.saturating_sub(court.stage.now()));
        found.count("slept through a window", self.sleeping_since(self.opened));
    }

    /// A new epoch stands: everybody awake is to know it.
    pub(super) fn expect_epoch(&mut self, court: &mut Court, found: &mut Found, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            let now = court.stage.now();
            self.awake().into_iter().for_each(|node| _ = self.awaited.insert(node, (now, MADE)));
            found.count("epochs", 1);
        }
    }

    /// Who is awake and has caught up.
    pub(super) fn ready(&self) -> Vec<usize> {
        self.awake().into_iter().filter(|node| !self.awaited.contains_key(node)).collect()
    }

    /// At the year's end everybody is up, and nobody is missing.
    pub(super) fn roll_call(&mut self, court: &mut Court, found: &mut Found) {
        self.opened = court.stage.now();
        let late = self.asleep.values().map(|(_, until)| *until).max().unwrap_or_default();
        court.stage.pass(late.saturating_sub(self.opened));
        self.asleep.clear();
        let now = court.stage.now();
        (0..self.nodes).for_each(|node| _ = self.awaited.insert(node, (now, WOKE)));
        while !self.awaited.is_empty() {
            court.stage.pass(LOOK);
            self.meet(court, found);
        }
        found.count("answered at the year's end", self.nodes as u64);
    }

    fn awake(&self) -> Vec<usize> {
        (0..self.nodes).filter(|node| !self.asleep.contains_key(node)).collect()
    }

    fn sleeping_since(&self, before: Duration) -> u64 {
        self.asleep.values().filter(|(since, _)| *since <= before).count() as u64
    }

    fn look(&mut self, court: &mut Court, found: &mut Found) {
        let now = court.stage.now();
        let up = |(_, (_, until)): &(&usize, &(Duration, Duration))| *until <= now;
        let woken: Vec<usize> = self.asleep.iter().filter(up).map(|(node, _)| *node).collect();
        for node in woken {
            if let Some((since, until)) = self.asleep.remove(&node) {
                let what = if until - since >= WEEK { WOKE_LATE } else { WOKE };
                self.awaited.insert(node, (until, what));
                found.count("wakes", 1);
            }
        }
        while self.asleep.len() < self.nodes / 3 && self.lie_down(court, found) {}
        let (asleep, third) = (court.stage.sleepers(), self.nodes / 3);
        found.expect("instants with a third asleep", asleep == third, || {
            format!("{asleep} of {} sleep, and a third is {third}", self.nodes)
        });
        self.meet(court, found);
    }

    /// Somebody who is awake falls asleep, whatever he is in the middle of; false where nobody may.
    fn lie_down(&mut self, court: &mut Court, found: &mut Found) -> bool {
        let now = court.stage.now();
        let may: Vec<usize> = self.awake().into_iter().filter(|node| *node >= self.first).collect();
        if may.is_empty() {
            return false;
        }
        let node = may[court.dice.index(may.len())];
        let left = self.windows_left.min(WINDOWS_MAX);
        let long = left > 0 && court.dice.below(LONG_ONE_IN) == 0;
        let span = match long {
            true => WINDOW * u32::try_from(1 + court.dice.below(left)).unwrap_or(1),
            false => Duration::from_millis(20_000 + court.dice.below(60_000)),
        };
        let until = self.after(now, span);
        court.stage.sleep(node, until - now);
        self.asleep.insert(node, (now, until));
        if self.awaited.remove(&node).is_some() {
            found.count("fell asleep before they had caught up", 1);
        }
        true
    }

    /// The moment after so much time that is played: what is left of it at the window's end goes on
    /// with the next one.
    fn after(&self, now: Duration, span: Duration) -> Duration {
        let played = now.saturating_sub(self.opened) + span;
        let windows = u32::try_from(played.as_millis() / WINDOW.as_millis()).unwrap_or(0);
        let windows = windows.min(u32::try_from(self.windows_left + 1).unwrap_or(u32::MAX));
        self.opened + WEEK * windows + played.saturating_sub(WINDOW * windows)
    }

    /// Everybody who is awaited is asked; in time he has caught up, or he is locked out.
    fn meet(&mut self, court: &mut Court, found: &mut Found) {
        let now = court.stage.now();
        for (node, (since, what)) in self.awaited.clone() {
            let status = court.status(node);
            let words = status.map(|status| (status.epoch, is_leased(&status)));
            if words == Some((self.epoch, true)) {
                found.took(what, now.saturating_sub(since));
                self.awaited.remove(&node);
            } else if now.saturating_sub(since) > CAUGHT_UP {
                let epoch = self.epoch;
                let told = format!("node {node} is locked out of epoch {epoch}: {words:?}");
                found.violations.push(told);
                self.awaited.remove(&node);
            }
        }
    }
}
