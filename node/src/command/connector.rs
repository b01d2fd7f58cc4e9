//! `belay connector`: what agents of this device reach through the gateway.
//!
//! Adding and approving look at the server, show what it would tell a model, and ask; what was
//! shown is what is approved. Refused here: approving what could not be looked at.

mod ca;
mod headers;
mod methods;
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
use crate::mcp::remote::{NO_TLS, fingerprint};
use crate::mcp::session;
use crate::screen::{Shown, talk};
use crate::vault::Headers;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) fn run(context: &Context, words: Connectors) -> Result<ExitCode, Fault> {
    match words {
        Connectors::Add(add) => self::add(context, add),
        Connectors::List => list(context),
        Connectors::Show { name } => show(context, &name),
        Connectors::Approve { name, yes, header_file, ca } => {
            let ca = ca.as_deref().map(ca::read).transpose()?;
            approve(context, &name, ca, Look { yes, headers: read(header_file.as_deref())? })
        }
        Connectors::Rotate { name, header_file } => rotate(context, &name, &header_file),
        Connectors::Methods => methods::run(context),
        Connectors::Remove { name } => remove(context, name),
    }
}

fn add(context: &Context, add: Add) -> Result<ExitCode, Fault> {
    let headers = read(add.header_file.as_deref())?;
    let look_for = Look { yes: add.yes, headers: headers.clone() };
    let connector = ConnectorSaid {
        name: add.name,
        command: add.command,
        url: add.url,
        ca: add.ca.as_deref().map(ca::read).transpose()?,
        headers: names(headers.as_ref()),
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
    let looked = look(connector, look_for)?;
    send(context, "belay.connector.add/1", Keep { connector: looked, replace: false, headers })
}

fn approve(
    context: &Context,
    name: &str,
    ca: Option<String>,
    look_for: Look,
) -> Result<ExitCode, Fault> {
    let known = named(context, name)?;
    let headers = look_for.headers.clone();
    if headers.is_none() && !known.headers.is_empty() {
        let hint = format!("give them again: `belay connector approve {name} --header-file FILE`");
        let what = format!("{name} is opened by headers, which the node tells nobody");
        return Err(Fault::wrong_use(what, hint));
    }
    let approved_ms = clock::wall_ms();
    let names = names(headers.as_ref());
    let ca = ca.or_else(|| known.ca.clone());
    let fresh = ConnectorSaid { approved_ms, ca, headers: names, differs: Vec::new(), ..known };
    connectors::check(&fresh)?;
    let looked = look(fresh, look_for)?;
    send(context, "belay.connector.approve/1", Keep { connector: looked, replace: true, headers })
}

/// Nothing is changed unless the server opens by it.
fn rotate(context: &Context, name: &str, file: &Path) -> Result<ExitCode, Fault> {
    let known = named(context, name)?;
    if known.url.is_none() {
        let what = format!("{name} is a program, which no header opens");
        return Err(Fault::wrong_use(what, "give its server what it needs with --env"));
    }
    let headers = headers::read(file)?;
    let rotated = ConnectorSaid { headers: names(Some(&headers)), ..known };
    seen(&rotated, Some(headers.clone()))?;
    let ask = ConnectorAsk::Open { name: name.to_owned(), headers };
    let () = door(context, DoorName::Operator)?.call(&Ask::Connector(ask))?;
    let words = format!("{name} is opened by {} from now on", rotated.headers.join(", "));
    Shown::whole("belay.connector.rotate/1", &Line::of(&rotated), words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// How somebody looks: whether he is asked, and with what opens the server.
struct Look {
    yes: bool,
    headers: Option<Headers>,
}

/// What the node is to keep.
struct Keep {
    connector: ConnectorSaid,
    replace: bool,
    headers: Option<Headers>,
}

fn read(file: Option<&Path>) -> Result<Option<Headers>, Fault> {
    file.map(headers::read).transpose()
}

fn names(headers: Option<&Headers>) -> Vec<String> {
    headers.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// Starts the server, shows what it says beyond what was approved of it, and takes that for
/// approved once somebody said yes.
fn look(connector: ConnectorSaid, by: Look) -> Result<ConnectorSaid, Fault> {
    let seen = seen(&connector, by.headers)?;
    for (tool, why) in &seen.refused {
        talk(format_args!("belay: the tool {tool} is not passed on: {why}"));
    }
    shown::ask(&connector.name, &connector.approved, &seen, by.yes)?;
    Ok(ConnectorSaid { approved: seen.pins, ..connector })
}

/// What the server shows now.
fn seen(connector: &ConnectorSaid, headers: Option<Headers>) -> Result<session::Shown, Fault> {
    let credential = Arc::new(move || Ok(headers.clone().unwrap_or_default()));
    let failed = |why: String| {
        let place = reached(connector);
        let hint = match connector.url {
            None => "run that command by itself and see what it says on stderr",
            Some(_) if why.contains(NO_TLS) => {
                "name the authority that vouches for it with --ca FILE, and the host as its \
                 certificate does"
            }
            Some(_) => "look whether it listens there, and at what opens it (--header-file)",
        };
        Fault::failed(format!("the server of {} (`{place}`): {why}", connector.name), hint)
    };
    session::look(connector, credential).map_err(failed)
}

fn send(context: &Context, schema: &str, keep: Keep) -> Result<ExitCode, Fault> {
    let Keep { connector: said, replace, headers } = keep;
    let connector = Box::new(said.clone());
    let ask = ConnectorAsk::Keep { connector, replace, headers };
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
        format!("  reached  {}", reached(connector)),
        format!("  approved {}", clock::rfc3339(connector.approved_ms)),
        format!("  server   {}", pins.server),
    ];
    if let Some(ca) = &connector.ca {
        lines.push(format!("  vouched  by the authority {} alone", fingerprint(ca)));
    }
    if !connector.headers.is_empty() {
        lines.push(format!("  opened by {} (kept by the node)", connector.headers.join(", ")));
    }
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

/// Its command or its URL.
fn reached(connector: &ConnectorSaid) -> String {
    connector.url.clone().unwrap_or_else(|| connector.command.join(" "))
}
