//! `belay agent hook`: a coding agent asks before it calls a tool.
//!
//! Refused here: any end that an agent could take for a Yes.

use crate::cli::Context;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::hook::{Dialect, answer};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// What every agent takes for a No where nothing could be said.
const NO: u8 = 2;

pub(crate) fn run(
    context: &Context,
    dialect: Dialect,
    tenants: Option<&Path>,
) -> Result<ExitCode, Fault> {
    let spoken = answer(dialect, &DoorName::Agent.path(&context.state()?), tenants);
    let mut out = std::io::stdout().lock();
    let told = out.write_all(&spoken.stdout).and_then(|()| out.flush());
    Ok(ExitCode::from(told.map_or(NO, |()| spoken.exit)))
}
