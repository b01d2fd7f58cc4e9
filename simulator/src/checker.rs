//! Checkers: one property each, looking at everything that happens, from outside.
//!
//! What they compare with is the ledger, never an engine's own word. Refused here: stopping a run;
//! a violation is counted and told, and the run goes on.

mod census;
mod draft;
mod gate;
mod lease;
mod log;
mod net;
mod place;
mod programs;
mod set;
mod set_time;
mod stop_end;
mod stop_signed;
mod stop_whole;
mod task;

use crate::clock::Time;
use crate::ledger::Ledger;
use crate::limits::VIOLATIONS_TOLD_MAX;
use belay_crdt::case::Case;
use belay_identity::lease::Talk;
use belay_identity::{PublicKey, Statement, StatementId, Verified};
use belay_mesh::drafts::DraftReport;
use belay_mesh::listing::DeviceReport;
use belay_mesh::wire::Lane;

/// Something that happened, seen from outside.
pub(crate) enum Sight<'a> {
    /// A host took a statement in; `first` where the world had not seen it.
    Taken { node: usize, statement: &'a Verified<Statement>, first: bool },
    /// A statement is on its author's disk, or another host has it: it can no longer be unsaid.
    Said { node: usize, statement: &'a Verified<Statement> },
    /// The gate of a host handed out a permit.
    Permitted { node: usize, award: StatementId },
    /// A tree was started, or fed: it may go on.
    LetGoOn { node: usize, award: StatementId },
    /// A process did something that can be seen outside it.
    Acted { award: StatementId },
    /// A host named the digest of everything it holds.
    Digest { node: usize, digest: [u8; 32] },
    /// A frame left a host.
    Sent { node: usize, lane: Lane, bytes: usize },
    /// A host, under this key, said something of leases or offers.
    Talked { node: usize, key: PublicKey, talk: &'a Talk },
    /// A host's node began a new life.
    Restarted { node: usize },
    /// How many links a host holds.
    Links { node: usize, links: usize },
    /// An operator read a draft.
    DraftRead { node: usize, report: &'a DraftReport },
    /// An operator read what the devices are, and what each says of the agents on it.
    DevicesRead { node: usize, reports: &'a [DeviceReport] },
    /// An operator read a case.
    CaseRead { order: StatementId, case: &'a Case },
    /// The world has come to its end after its quiet; with each order's case as read at home.
    End { cases: &'a [(StatementId, Option<Case>)] },
}

/// One property.
pub(crate) trait Checker {
    /// Its number in the register.
    fn id(&self) -> &'static str;
    /// Looks at one thing.
    fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger, tally: &mut Tally);
}

/// What one checker has found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// How often it looked.
    pub checked: u64,
    /// How often it did not hold.
    pub violations: u64,
    /// The first ones, in words.
    pub told: Vec<String>,
}

impl Tally {
    /// Counts one look; `why` is asked only where it does not hold.
    pub(crate) fn expect(&mut self, holds: bool, now: Time, why: impl FnOnce() -> String) {
        self.checked += 1;
        if holds {
            return;
        }
        self.violations += 1;
        if self.told.len() < VIOLATIONS_TOLD_MAX {
            let ms = now as f64 / 1e6;
            self.told.push(format!("at {ms:.3} ms: {}", why()));
        }
    }
}

/// Every checker with its tally.
pub(crate) struct Checkers {
    all: Vec<(Box<dyn Checker>, Tally)>,
}

impl Checkers {
    pub(crate) fn new() -> Self {
        let all: Vec<Box<dyn Checker>> = vec![
            Box::new(gate::Gate),
            Box::new(programs::Programs),
            Box::new(lease::Lease::default()),
            Box::new(log::Log::default()),
            Box::new(net::Net),
            Box::new(set::Set::default()),
            Box::new(set_time::SetTime),
            Box::new(stop_signed::StopSigned),
            Box::new(stop_end::StopEnd),
            Box::new(stop_whole::StopWhole),
            Box::new(task::Task),
            Box::new(place::Place::default()),
            Box::new(draft::Draft::default()),
            Box::new(census::Census::default()),
        ];
        Self { all: all.into_iter().map(|checker| (checker, Tally::default())).collect() }
    }

    /// Shows everything that happened to every checker.
    pub(crate) fn see(&mut self, now: Time, sight: &Sight<'_>, ledger: &Ledger) {
        for (checker, tally) in &mut self.all {
            checker.see(now, sight, ledger, tally);
        }
    }

    /// What was found, by number.
    pub(crate) fn found(self) -> Vec<(&'static str, Tally)> {
        self.all.into_iter().map(|(checker, tally)| (checker.id(), tally)).collect()
    }
}
