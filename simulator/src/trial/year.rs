//! A year of rotations: every week one key changes, and nobody is locked out for it.
//!
//! The weeks are played as windows of two and a half minutes, and the days between them pass with
//! the whole fleet off, its clocks going on. At every instant that is played a third of the fleet
//! sleeps: who wakes makes room for another, in the middle of whatever goes on, and one in eight
//! sleeps through many windows. In turn the root names a new operator's key, retires the one
//! before, names a new root key, retires the one before, and an operator enrols a device anew with
//! another key. Two checkers: every device that is awake reaches the standing root and holds its
//! leases within a stated time; nothing that a retired key signs afterwards lifts an order, names
//! an epoch, or stops anything granted since, by whatever epoch and log it claims, and no retired
//! device key is let in.
//!
//! Refused here: a thief with as many retired root keys of one epoch as its threshold asks for. He
//! can write a rival branch of any length, and the longer one counts; old root keys are destroyed.

mod beds;
mod office;

use super::{Court, Failed, Found};
use crate::plan::Plan;
use beds::Beds;
use office::Office;
use std::time::Duration;

/// Within this a device that is awake knows the standing root and holds its leases: a dial, a round
/// of repair with somebody who knows, a draw.
pub(crate) const CAUGHT_UP: Duration = Duration::from_secs(30);

/// How long a window lasts.
const WINDOW: Duration = Duration::from_secs(150);

/// From one window to the next.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a thief's words are given to spread, before every door is asked.
const SPREAD: Duration = Duration::from_secs(15);

belay_identity::codes! {
    /// A mistake that turns one of the year's checkers red.
    pub enum YearDefect {
        /// Root epochs reach nobody but where they were made.
        EpochsLost = 1 "epochs-lost",
        /// A key counts as retired in the office's book, and no epoch has dropped it.
        KeyKept = 2 "key-kept",
    }
}

/// Holds the trial for so many weeks.
pub(crate) fn year(
    plan: &Plan,
    seed: u64,
    weeks: u64,
    defect: Option<YearDefect>,
) -> Result<Found, Failed> {
    let mut found = Found { seed, nodes: plan.nodes, ..Found::default() };
    let mut court = Court::open(plan, seed)?;
    let mut office = Office::open(&mut court, defect)?;
    let mut beds = Beds::made(plan, weeks);
    for week in 1..=weeks {
        beds.open(&mut court, &mut found);
        play(&mut court, &mut found, &mut beds, &mut office)?;
        beds.close(&mut court, &mut found);
        if defect == Some(YearDefect::EpochsLost) && week == 1 {
            court.stage.lose_epochs();
        }
    }
    beds.roll_call(&mut court, &mut found);
    Ok(found)
}

/// One window: a key changes at a moment that nobody chose, then the thief speaks.
fn play(
    court: &mut Court,
    found: &mut Found,
    beds: &mut Beds,
    office: &mut Office,
) -> Result<(), Failed> {
    let before = Duration::from_millis(5_000 + court.dice.below(35_000));
    beds.pass(court, found, before);
    let epoch = office.turn(court, found)?;
    let standing = court.status(0).map(|status| status.epoch);
    found.expect("epochs that stand", standing == Some(epoch), || {
        format!("epoch {epoch} does not stand where it was made: {standing:?}")
    });
    beds.expect_epoch(court, found, epoch);
    beds.pass(court, found, CAUGHT_UP + Duration::from_secs(5));
    office.attack(court, found, &beds.ready())?;
    beds.pass(court, found, SPREAD);
    office.ask_doors(court, found, &beds.ready());
    beds.rest(court, found);
    Ok(())
}
