//! `belay agent run`: asks for a run, then becomes the warden of the agent in this terminal. A
//! coding agent that is known here is started with a hook that asks at every tool call.

use super::door;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::api::{Ask, RunAsk, RunSaid};
use crate::cli::{Context, Run};
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::hook::{
    Dialect, Gateway, HookCommand, Left, Lending, Lent, LentConnector, Place, Tenants, configured,
    for_a_run, lend, open_ways_of_a_run,
};
use crate::program::find;
use crate::screen::talk;
use crate::warden;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn run(context: &Context, run: &Run) -> Result<ExitCode, Fault> {
    let program = run.argv.first().cloned().unwrap_or_default();
    let missing = |why| Fault::wrong_use(why, "name a program that exists after --");
    let search = std::env::var("PATH").unwrap_or_default();
    let path = find(&program, &search).map_err(missing)?;
    let cwd = std::env::current_dir().map_err(io("this folder"))?;
    let hooked = hooked(context, run, &path)?;
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !hooked.without.contains(&name.as_str()));
    let lent = hooked.with.into_iter().map(|(name, value)| (name.to_owned(), value));
    let open = open_ways_of_a_run(hooked.dialect);
    let ask = Ask::Run(RunAsk {
        agent: run.name.clone().unwrap_or_else(|| name_of(&path)),
        project: run.project.clone(),
        class: run.class.clone(),
        argv: hooked.argv,
        program: path.display().to_string(),
        cwd: cwd.display().to_string(),
        hooked: hooked.dialect.is_some(),
        open: open.into_iter().map(str::to_owned).collect(),
        env: env.chain(lent).collect(),
    });
    let mut door = door(context, DoorName::Run)?;
    let granted: RunSaid = door.call(&ask)?;
    let task = granted.award.get(..12).unwrap_or(&granted.award);
    let level = hooked.level;
    talk(format_args!("belay: runs as task {task} ({level}; no wall; foreground warden)"));
    Ok(warden::run(door.into_stream()))
}

/// How the program is started, and what is said of it.
struct Hooked {
    argv: Vec<String>,
    without: &'static [&'static str],
    with: Vec<(&'static str, String)>,
    dialect: Option<Dialect>,
    level: String,
}

/// A coding agent gets its hook for this run; any other program has none.
fn hooked(context: &Context, run: &Run, path: &Path) -> Result<Hooked, Fault> {
    let name = path.file_stem().unwrap_or_default();
    let Some(dialect) = Dialect::ALL.into_iter().find(|known| name == known.program()) else {
        let argv = run.argv.clone();
        let level = "hooks: none".to_owned();
        return Ok(Hooked { argv, without: &[], with: Vec::new(), dialect: None, level });
    };
    let exe = std::env::current_exe().map_err(io("finding this program"))?;
    let state = std::path::absolute(context.state()?).map_err(io("the state directory"))?;
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let tenants = Tenants::of(Place::User, &home);
    if let Err(fault) = tenants.enter(&state) {
        // Hooks of other nodes in this agent's files deny it then.
        talk(format_args!("belay: not listed as a tenant: {}", fault.what));
    }
    let hook = HookCommand::new(&exe, &state, dialect, &tenants);
    let own = connectors(context, dialect, &Gateway::new(&exe, &state))?;
    let (argv, connectors) = (&run.argv, &own);
    let (program, hook, state) = (path, &hook, &state);
    let lent = lend(&Lending { dialect, argv, program, hook, connectors, state })?;
    let after =
        if dialect.tells_a_no() { "" } else { ", ends at a No: `belay why --last` says why" };
    let level = format!("hooks only: {} asks at every tool call{after}", dialect.title());
    let Lent { argv, without, with } = lent;
    Ok(Hooked { argv, without, with, dialect: Some(dialect), level })
}

/// The connectors of this device that the agent starts through the gateway for this run.
fn connectors(
    context: &Context,
    dialect: Dialect,
    gateway: &Gateway,
) -> Result<Vec<LentConnector>, Fault> {
    let ask = Ask::Connector(ConnectorAsk::List);
    let registered: Vec<ConnectorSaid> = door(context, DoorName::Operator)?.call(&ask)?;
    if registered.is_empty() {
        return Ok(Vec::new());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let here = std::env::current_dir().map_err(io("this folder"))?;
    let (lent, left) = for_a_run(dialect, &configured(dialect, &home, &here), registered, gateway);
    for Left { name, why } in left {
        talk(format_args!("belay: the connector {name} stays as the agent has it: {why}"));
    }
    Ok(lent)
}

/// The agent's name where none is given: the program's file name, as far as it is one.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let kept: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if kept.is_empty() { "agent".to_owned() } else { kept }
}
