//! The commands: each asks a door of its own node, or works on files, and shows what came.

pub(crate) mod act;
pub(crate) mod agent;
pub(crate) mod agents;
pub(crate) mod approve;
pub(crate) mod ask;
mod audit_log;
pub(crate) mod authority;
pub(crate) mod card;
pub(crate) mod connector;
pub(crate) mod device;
pub(crate) mod discover;
pub(crate) mod down;
pub(crate) mod draft;
pub(crate) mod epoch;
pub(crate) mod event;
pub(crate) mod history;
mod hold;
pub(crate) mod hook;
pub(crate) mod invite;
pub(crate) mod key;
pub(crate) mod keys;
mod listening;
mod living;
pub(crate) mod manifest;
pub(crate) mod mcp;
pub(crate) mod node;
pub(crate) mod offload;
mod opening;
mod operator;
pub(crate) mod policy;
mod programs;
pub(crate) mod propose;
pub(crate) mod prove;
pub(crate) mod publish;
pub(crate) mod resume;
pub(crate) mod revoke;
mod rewire;
pub(crate) mod rotate;
pub(crate) mod statement;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod tasks;
pub(crate) mod turn_device;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod why;
pub(crate) mod wrap;

use crate::cli::Context;
use crate::door::{DoorClient, DoorName};
use crate::fault::{Fault, io};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The demo, with five devices or two.
pub(crate) fn demo(context: &Context, out: &Path, small: bool) -> Result<ExitCode, Fault> {
    let exe = std::env::current_exe().map_err(io("finding this program"))?;
    let telling = if small { &crate::demo::SMALL } else { &crate::demo::WHOLE };
    Ok(crate::demo::run(&exe, out, context.format, telling))
}

/// A door of the node on this command's state.
fn door(context: &Context, name: DoorName) -> Result<DoorClient, Fault> {
    let hint = "this runs below an agent, which may `act`, ask `why`, and offload or cancel \
                tasks; run anything else in a terminal of your own";
    let connected = DoorClient::connect(&name.path(&context.state()?));
    patient(connected.map_err(|error| hint_below_agent(error.into(), hint))?)
}

/// A node that has not answered within this hangs, and the command says so.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

fn patient(door: DoorClient) -> Result<DoorClient, Fault> {
    door.wait_at_most(ANSWER_TIME_MAX)?;
    Ok(door)
}

/// The agents' door: where the environment says, for whoever runs below an agent.
fn agents_door(context: &Context) -> Result<DoorClient, Fault> {
    let Some(path) = agents_socket() else { return door(context, DoorName::Agent) };
    let hint = "start it with `belay up` in a terminal of your own, not below its agent";
    let connected = DoorClient::connect(Path::new(&path));
    patient(connected.map_err(|error| hint_below_agent(error.into(), hint))?)
}

/// Where that door is.
fn agents_door_path(context: &Context) -> Result<PathBuf, Fault> {
    match agents_socket() {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(DoorName::Agent.path(&context.state()?)),
    }
}

/// Where an agent and what it started asks; nothing in a terminal of a user's own.
fn agents_socket() -> Option<OsString> {
    std::env::var_os("BELAY_SOCKET")
}

/// The exit code of what cannot be reached.
const UNREACHABLE: u8 = 5;

/// Below an agent nobody is to be told to start a node there.
fn hint_below_agent(fault: Fault, hint: &str) -> Fault {
    match fault.exit == UNREACHABLE && agents_socket().is_some() {
        true => Fault { hint: hint.to_owned(), ..fault },
        false => fault,
    }
}
