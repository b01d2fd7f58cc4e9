//! The demo: some nodes, one order, one proof, with nothing but the public commands.
//!
//! Every node and command is a process of its own, on loopback, with temporary state. Each step
//! waits for a state that the demo observes, and names the one that did not come. The cut is made
//! in a relay, never in a node, and what runs is looked at from outside. Refused here: a figure
//! that was not measured, and leaving anything behind but the case.

pub mod cast;
mod command;
mod failure;
mod fleet;
mod limits;
mod policy;
mod proof;
pub(crate) mod relay;
mod report;
mod said;
mod stage;
mod stop;
#[cfg(test)]
mod tests;
mod waiting;
mod witness;
mod work;

pub(crate) use crate::screen::Format;
pub use cast::{SMALL, WHOLE};

use crate::fault::Fault;
use cast::Telling;
use failure::Failure;
use report::Report;
use stage::{Stage, Voice};
use std::path::Path;
use std::process::ExitCode;

/// Plays the demo with the executable `exe`; the case stays in `out`. Success only if all of it
/// held.
pub(crate) fn run(exe: &Path, out: &Path, format: Format, telling: &'static Telling) -> ExitCode {
    let played = play(exe, out, Voice(format), telling).map_err(Fault::from);
    match played.and_then(|report| report.show(format)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => crate::screen::fault(format, &fault),
    }
}

fn play(
    exe: &Path,
    out: &Path,
    voice: Voice,
    telling: &'static Telling,
) -> Result<Report, Failure> {
    let out = std::path::absolute(out).map_err(failure::io(out))?;
    let mut stage = Stage::set(exe, voice)?;
    stage.open(telling.count);
    let told = tell(&mut stage, &out, telling);
    match &told {
        Ok(_) | Err(Failure::Interrupted) => {}
        Err(_) => stage.show_logs(),
    }
    let struck = stage.strike();
    let report = told?;
    struck?;
    Ok(report)
}

fn tell(stage: &mut Stage, out: &Path, telling: &'static Telling) -> Result<Report, Failure> {
    let fleet = fleet::meet(stage, telling)?;
    let written = policy::write(stage, &fleet)?;
    let work = work::begin(stage, telling)?;
    let stop = stop::cut_off(stage, &fleet, &work)?;
    let proof = proof::prove(stage, &fleet, &stop.order, out)?;
    Ok(Report::of(fleet, written, &work, &stop, proof))
}
