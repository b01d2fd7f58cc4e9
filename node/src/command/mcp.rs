//! `belay mcp`: the one server that an agent's configuration names.
//!
//! It speaks on standard input and output until its client leaves. Refused here: running for
//! nobody; without an agent above it there is nobody to judge.

use super::{agents_door, agents_door_path};
use crate::api::Ask;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::cli::Context;
use crate::cli::connectors::Mcp;
use crate::fault::{Fault, io};
use crate::mcp::session;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, mcp: &Mcp) -> Result<ExitCode, Fault> {
    let all: Vec<ConnectorSaid> =
        agents_door(context)?.call(&Ask::Connector(ConnectorAsk::List))?;
    if let Some(name) = mcp.connectors.iter().find(|name| all.iter().all(|c| c.name != **name)) {
        let what = format!("there is no connector {name} on this device");
        let hint = "whoever answers for this device adds it: `belay connector add NAME -- CMD`";
        return Err(Fault::wrong_use(what, hint));
    }
    let wanted = |connector: &ConnectorSaid| {
        mcp.connectors.is_empty() || mcp.connectors.contains(&connector.name)
    };
    let chosen = all.into_iter().filter(wanted).collect();
    session::on_stdio(chosen, &agents_door_path(context)?).map_err(io("the client's pipe"))?;
    Ok(ExitCode::SUCCESS)
}
