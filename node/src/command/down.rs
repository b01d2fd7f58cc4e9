//! `belay down`: ends the node.

use super::door;
use crate::api::Ask;
use crate::cli::Context;
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::screen::Shown;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A node closes its links and its disk within this; else it is said to hang.
const DOWN_TIME_MAX: Duration = Duration::from_secs(10);

pub(crate) fn run(context: &Context) -> Result<ExitCode, Fault> {
    end(context)?;
    let words =
        "The node has ended. What it ran stands still and ends with its lapse grace.".into();
    Shown::whole("belay.down.run/1", &json!({}), words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Ends the node, and waits until it has closed its door.
pub(super) fn end(context: &Context) -> Result<(), Fault> {
    let _: Value = door(context, DoorName::Operator)?.call(&Ask::Down)?;
    let path = DoorName::Operator.path(&context.state()?);
    let asked = Instant::now();
    while DoorClient::connect(&path).is_ok() {
        if asked.elapsed() > DOWN_TIME_MAX {
            let hint = "look at node.log in the state directory";
            return Err(Fault::failed("the node has not ended", hint));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
