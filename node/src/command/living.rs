//! Whether a node lives on a state: an open socket is not enough, it must say who it is.
//!
//! A node that was killed still has its socket and its lock while the system clears it away.
//! Refused here: taking that for a node, and starting another before it is gone.

use crate::api::{Ask, StatusSaid};
use crate::door::{DoorClient, DoorError, DoorName};
use crate::fault::Fault;
use crate::store::{StateDir, StateError};
use std::path::Path;
use std::time::{Duration, Instant};

/// A killed node is cleared away within this, also with many open files on a busy machine.
const GONE_TIME_MAX: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// True when a node lives on this state; false once nobody holds it. Waits while a dying one does.
pub(super) fn lives(state: &Path) -> Result<bool, Fault> {
    let began = Instant::now();
    loop {
        if pid_of_living(state)?.is_some() {
            return Ok(true);
        }
        // Nobody has run where there is no lock.
        if !state.join("lock").exists() {
            return Ok(false);
        }
        match StateDir::open(state) {
            Ok(_free) => return Ok(false),
            Err(StateError::InUse { .. }) if began.elapsed() < GONE_TIME_MAX => {}
            Err(error) => return Err(Fault::wrong_use(&error, error.hint())),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The pid that answers at this state's door; none when nobody does.
pub(super) fn pid_of_living(state: &Path) -> Result<Option<u32>, Fault> {
    let answered = DoorClient::connect(&DoorName::Operator.path(state)).and_then(|door| {
        let mut door = door;
        door.wait_at_most(super::ANSWER_TIME_MAX)?;
        door.call::<_, StatusSaid>(&Ask::Status)
    });
    match answered {
        Ok(status) => Ok(Some(status.pid)),
        // It closed its door or broke off in the middle: it is ending.
        Err(DoorError::NotRunning { .. } | DoorError::HungUp | DoorError::Io(_)) => Ok(None),
        Err(
            error @ (DoorError::NotAllowed { .. }
            | DoorError::RequestTooLong { .. }
            | DoorError::RequestUnwritable(_)
            | DoorError::Refused(_)
            | DoorError::Silent
            | DoorError::NotUnderstood(_)),
        ) => Err(error.into()),
    }
}
