//! `belay connector`: what agents of this device reach through the gateway.
//!
//! Adding and approving look at the server, show what it would tell a model, and ask; what was
//! shown is what is approved. Refused here: approving what could not be looked at.

mod shown;

use super::door;
use crate::api::Ask;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::cli::Context;
use crate::cli::connectors::{Add, Connectors};
use crate::clock;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::mcp::connectors;
use crate::mcp::pin::Pins;
use crate::mcp::session;
use crate::screen::{Shown, talk};
use serde::Serialize;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, words: Connectors) -> Result<ExitCode, Fault> {
    match words {
        Connectors::Add(add) => self::add(context, add),
        Connectors::List => list(context),
        Connectors::Show { name } => show(context, &name),
        Connectors::Approve { name, yes } => approve(context, &name, yes),
        Connectors::Remove { name } => remove(context, name),
    }
}

fn add(context: &Context, add: Add) -> Result<ExitCode, Fault> {
    let connector = ConnectorSaid {
        name: add.name,
        command: add.command,
        url: None,
        env: add.env,
        approved_ms: clock::wall_ms(),
        approved: Pins::default(),
        differs: Vec::new(),
    };
    connectors::check(&connector)?;
    // Whoever may not add it starts nothing.
    if all(context)?.iter().any(|known| known.name == connector.name) {
        let name = &connector.name;
        let hint = format!("remove it first: `belay connector remove {name}`");
        return Err(Fault::wrong_use(format!("there is a connector {name} already"), hint));
    }
    let looked = look(connector, add.yes)?;
    send(context, "belay.connector.add/1", looked, false)
}

fn approve(context: &Context, name: &str, yes: bool) -> Result<ExitCode, Fault> {
    let known = named(context, name)?;
    let fresh = ConnectorSaid { approved_ms: clock::wall_ms(), differs: Vec::new(), ..known };
    send(context, "belay.connector.approve/1", look(fresh, yes)?, true)
}

/// Starts the server, shows what it says beyond what was approved of it, and takes that for
/// approved once somebody said yes.
fn look(connector: ConnectorSaid, yes: bool) -> Result<ConnectorSaid, Fault> {
    let failed = |why: String| {
        let command = connector.command.join(" ");
        let hint = "run that command by itself and see what it says on stderr";
        Fault::failed(format!("the server of {} (`{command}`): {why}", connector.name), hint)
    };
    let seen = session::look(&connector).map_err(failed)?;
    for (tool, why) in &seen.refused {
        talk(format_args!("belay: the tool {tool} is not passed on: {why}"));
    }
    shown::ask(&connector.name, &connector.approved, &seen, yes)?;
    Ok(ConnectorSaid { approved: seen.pins, ..connector })
}

fn send(
    context: &Context,
    schema: &str,
    connector: ConnectorSaid,
    replace: bool,
) -> Result<ExitCode, Fault> {
    let said = connector.clone();
    let ask = ConnectorAsk::Keep { connector: Box::new(connector), replace };
    let () = door(context, DoorName::Operator)?.call(&Ask::Connector(ask))?;
    let line = Line::of(&said);
    Shown::whole(schema, &line, format!("approved:\n{}", whole(&said))).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn list(context: &Context) -> Result<ExitCode, Fault> {
    let all = all(context)?;
    let lines: Vec<Line> = all.iter().map(Line::of).collect();
    let words = match all.is_empty() {
        true => "no connectors; `belay connector add NAME -- CMD ARGS…` adds one".to_owned(),
        false => all.iter().map(short).collect::<Vec<_>>().join("\n"),
    };
    Shown::whole("belay.connector.list/1", &lines, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, name: &str) -> Result<ExitCode, Fault> {
    let connector = named(context, name)?;
    let line = Line::of(&connector);
    Shown::whole("belay.connector.show/1", &line, whole(&connector)).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn remove(context: &Context, name: String) -> Result<ExitCode, Fault> {
    let words = format!("removed {name}");
    let ask = ConnectorAsk::Remove { name: name.clone() };
    let () = door(context, DoorName::Operator)?.call(&Ask::Connector(ask))?;
    Shown::whole("belay.connector.remove/1", &name, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn all(context: &Context) -> Result<Vec<ConnectorSaid>, Fault> {
    Ok(door(context, DoorName::Operator)?.call(&Ask::Connector(ConnectorAsk::List))?)
}

fn named(context: &Context, name: &str) -> Result<ConnectorSaid, Fault> {
    all(context)?.into_iter().find(|connector| connector.name == name).ok_or_else(|| {
        let hint = "`belay connector list` names them";
        Fault::wrong_use(format!("there is no connector {name}"), hint)
    })
}

/// A connector with how it stands.
#[derive(Serialize)]
struct Line<'a> {
    /// `approved`, or `changed` where a gateway saw something else since.
    state: &'static str,
    #[serde(flatten)]
    connector: &'a ConnectorSaid,
}

impl<'a> Line<'a> {
    fn of(connector: &'a ConnectorSaid) -> Self {
        let state = if connector.differs.is_empty() { "approved" } else { "changed" };
        Self { state, connector }
    }
}

fn short(connector: &ConnectorSaid) -> String {
    let state = match connector.differs.len() {
        0 => "as approved".to_owned(),
        n => format!("{n} changed since; `belay connector show {}`", connector.name),
    };
    let (pins, name) = (&connector.approved, &connector.name);
    format!("{name}: {}, {} tools, {state}", pins.calls_itself, pins.tools.len())
}

fn whole(connector: &ConnectorSaid) -> String {
    let pins = &connector.approved;
    let mut lines = vec![
        format!("{}: {}", connector.name, pins.calls_itself),
        format!("  command  {}", connector.command.join(" ")),
        format!("  approved {}", clock::rfc3339(connector.approved_ms)),
        format!("  server   {}", pins.server),
    ];
    if !connector.env.is_empty() {
        lines.push(format!("  given    {}", connector.env.join(" ")));
    }
    let name = &connector.name;
    lines.extend(pins.tools.iter().map(|(tool, hash)| format!("  {name}/{tool}  {hash}")));
    if !connector.differs.is_empty() {
        lines.push("seen since, and blocked:".to_owned());
        lines.extend(connector.differs.iter().map(|c| format!("  {}", c.words())));
        lines.push(format!("next: `belay connector approve {name}`, or remove it"));
    }
    lines.join("\n")
}
