//! How this device stands: where it listens, how busy it is; looked at now and then, handed in
//! whole.
//!
//! Refused here: judging whether that is news; the engine does.

use super::Shell;
use crate::os;
use belay_mesh::Input;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// The first look: listeners have said where they listen.
const FIRST: Duration = Duration::from_secs(1);

/// Between two looks: one small read, and the engine says at most one word a minute of it.
const EVERY: Duration = Duration::from_secs(15);

/// Looks between two sweeps of finished work: an hour.
const SWEEP_AFTER_LOOKS: u32 = 240;

/// Ticks when it is time to look.
pub(super) fn every() -> Interval {
    let mut every = interval_at(Instant::now() + FIRST, EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every
}

impl Shell {
    /// Looks, and tells the engine. What cannot be read is taken for idle: whoever is asked to take
    /// work too many still has his own bounds.
    pub(super) fn look(&mut self) {
        self.present();
        self.tell_audited();
        self.take_stock();
        self.sweep_payloads();
        self.looks_left = match self.looks_left.checked_sub(1) {
            Some(left) => left,
            None => {
                self.sweep_finished();
                SWEEP_AFTER_LOOKS
            }
        };
        self.choose_neighbours();
        self.tend_announcement();
    }

    /// Tells the engine how busy this device is and where it listens.
    pub(super) fn present(&mut self) {
        let load = os::load_thousandths().unwrap_or(0);
        let addresses = self.addresses.clone();
        self.give(Input::Present { load, addresses });
    }
}
