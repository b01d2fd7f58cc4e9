//! Forks: somebody has signed two statements for one place of a log.
//!
//! What that author granted from there on is void wherever both are held; the folds see to that.
//! Here the pair is written down as a proof and flooded, so that it is void also where only one
//! branch is known, and for as long as there is a fleet. The first device that sees a fork waits a
//! moment of its own choosing before it writes: of many that see it at once, few write.
//!
//! Refused here: a proof that a statement cannot hold, two of one fork, and judging the author.

use crate::author::Words;
use crate::engine::Engine;
use crate::limits::{PROOF_BYTES_MAX, PROOF_WAIT_MS_MAX, PROOFS_PER_KEY_MAX};
use crate::output::Event;
use crate::time::BootTime;
use belay_identity::body::Proof;
use belay_identity::codec::Bytes;
use belay_identity::{Body, LogId, Scope};
use std::collections::BTreeMap;

/// The forks that this node knows, and those of which it is to write the proof.
#[derive(Default)]
pub(crate) struct Forks {
    told: BTreeMap<LogId, u64>,
    due: BTreeMap<LogId, BootTime>,
}

impl Forks {
    pub(crate) fn next_deadline(&self) -> Option<BootTime> {
        self.due.values().min().copied()
    }
}

impl Engine {
    /// Says which forks are new, and sets a time for the proof of each.
    pub(crate) fn note_forks(&mut self) {
        let known = self.known.authority.forks().iter();
        let lower = |log: &LogId, seq: u64| self.forks.told.get(log).is_none_or(|at| seq < *at);
        let new: Vec<(LogId, u64)> = known
            .filter(|(log, seq)| lower(log, **seq))
            .map(|(log, seq)| (log.clone(), *seq))
            .collect();
        for (log, seq) in new {
            self.tell(Event::Forked(log.key, seq));
            if self.known.set.proven(&log).is_none_or(|proven| seq < proven) {
                let wait = self.chance.below(PROOF_WAIT_MS_MAX as usize) as u64;
                self.forks.due.insert(log.clone(), self.now.boot.plus_ms(wait));
            }
            self.forks.told.insert(log, seq);
        }
    }

    /// Writes the proofs whose time has come and that nobody else has written.
    pub(crate) fn tend_forks(&mut self) {
        let now = self.now.boot;
        let due = self.forks.due.iter().filter(|(_, at)| **at <= now);
        let due: Vec<LogId> = due.map(|(log, _)| log.clone()).collect();
        for log in due {
            self.forks.due.remove(&log);
            let Some(seq) = self.known.set.fork(&log) else { continue };
            if self.known.set.proven(&log).is_none_or(|proven| seq < proven) {
                self.prove(&log, seq);
            }
        }
    }

    fn prove(&mut self, log: &LogId, seq: u64) {
        let twins = self.known.set.log(log).filter(|held| held.seq == seq);
        let twins: Vec<Bytes> = twins.take(2).map(|held| Bytes(held.bytes().to_vec())).collect();
        let Ok([first, second]) = <[Bytes; 2]>::try_from(twins) else { return };
        let own = self.known.set.of_kind("proof").filter(|proof| proof.key() == self.key).count();
        let small = first.0.len() + second.0.len() <= PROOF_BYTES_MAX;
        if small && own < PROOFS_PER_KEY_MAX {
            self.say(Words::new(Scope::Fleet, Body::Proof(Proof { first, second })));
        }
    }
}
