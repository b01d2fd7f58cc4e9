//! The connectors of an agent that is wrapped: each is looked at and added to this device, and from
//! then on the agent starts the gateway in its place.
//!
//! Refused here: an agent that has lost a connector. What cannot be added stays as it was, and that
//! is said.

use super::door;
use crate::api::Ask;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::cli::Context;
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::hook::{
    Base, Behind, Change, Dialect, Gateway, Left, Move, Place, Wrap, connector_files,
    managed_connectors,
};
use crate::screen::talk;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// One file of an agent, and what it is to say.
pub(super) struct Planned {
    /// What it says without our lines.
    pub(super) base: Base,
    /// The hook, or a file of our own.
    changes: Vec<Change>,
    /// The connectors in it.
    behind: Vec<Behind>,
    /// Connectors that a file of our own has.
    own: Vec<String>,
}

impl Planned {
    pub(super) fn new(base: Base, changes: Vec<Change>) -> Self {
        Self { base, changes, behind: Vec::new(), own: Vec::new() }
    }

    /// The wrap, and the text that it makes.
    pub(super) fn wrap(&self, dialect: Dialect, place: Place) -> Result<(Wrap, String), Fault> {
        let changes = self.behind.iter().filter_map(Behind::change);
        let changes = changes.chain(self.changes.iter().cloned()).collect();
        Wrap::planned(dialect, place, self.base.clone(), changes)
    }

    /// True while the file says it already.
    pub(super) fn is_written(&self, dialect: Dialect, place: Place) -> Result<bool, Fault> {
        Ok(self.is_empty() || self.base.now()? == Some(self.wrap(dialect, place)?.1))
    }

    /// Connectors that go through the gateway.
    pub(super) fn connectors(&self) -> impl Iterator<Item = String> {
        let moved = self.moves().map(|moved| moved.connector.clone());
        moved.chain(self.own.iter().cloned())
    }

    /// Connectors that do not.
    pub(super) fn left(&self) -> impl Iterator<Item = &Left> {
        self.behind.iter().flat_map(|behind| &behind.left)
    }

    fn moves(&self) -> impl Iterator<Item = &Move> {
        self.behind.iter().flat_map(|behind| &behind.moves)
    }

    /// True where there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.moves().next().is_none()
    }
}

/// Plans for the connectors in a user's and this project's files.
pub(super) fn plan_own(
    context: &Context,
    dialect: Dialect,
    (home, wraps): (&Path, &[Wrap]),
    gateway: &Gateway,
    plan: &mut Vec<Planned>,
) -> Result<(), Fault> {
    let here = std::env::current_dir().map_err(io("this folder"))?;
    let files = connector_files(home, &here).into_iter();
    for file in files.filter(|file| file.agent == dialect.word()) {
        let base = Base::of(file.path.clone(), wraps)?;
        let what = |error: &dyn std::fmt::Display| format!("{}: {error}", base.path.display());
        let behind = Behind::planned(file, base.text(), gateway)
            .map_err(|error| Fault::failed(what(&error), error.hint()))?;
        match plan.iter_mut().find(|planned| planned.base.path == base.path) {
            Some(planned) => planned.behind.push(behind),
            None => plan.push(Planned { behind: vec![behind], ..Planned::new(base, Vec::new()) }),
        }
    }
    if plan.iter().any(|planned| planned.moves().next().is_some()) {
        leave_others(plan, &registered(context)?);
    }
    Ok(())
}

/// Two servers cannot be one connector.
fn leave_others(plan: &mut [Planned], registered: &[ConnectorSaid]) {
    let known = |known: &ConnectorSaid| (known.name.clone(), known.command.clone());
    let mut commands: BTreeMap<String, Vec<String>> = registered.iter().map(known).collect();
    let is_given = |moved: &Move| {
        let known = registered.iter().find(|known| known.name == moved.connector);
        known.is_none_or(|known| moved.env.keys().all(|name| known.env.contains(name)))
    };
    for behind in plan.iter_mut().flat_map(|planned| &mut planned.behind) {
        behind.keep(|moved| {
            let name = &moved.connector;
            let command = commands.entry(name.clone()).or_insert_with(|| moved.command.clone());
            match *command == moved.command && is_given(moved) {
                true => Ok(()),
                false => Err(format!("there is another connector {name} on this device")),
            }
        });
    }
}

/// Plans the file that takes connectors out of every user's hands, where there are any.
pub(super) fn plan_managed(
    context: &Context,
    dialect: Dialect,
    wraps: &[Wrap],
    gateway: &Gateway,
    plan: &mut Vec<Planned>,
) -> Result<(), Fault> {
    if crate::hook::managed_connectors_file(dialect).is_none() {
        return Ok(());
    }
    let own: Vec<String> = registered(context)?.into_iter().map(|known| known.name).collect();
    if let Some((path, change)) = managed_connectors(dialect, &own, |name| gateway.words(name)) {
        plan.push(Planned { own, ..Planned::new(Base::of(path, wraps)?, vec![change]) });
    }
    Ok(())
}

fn registered(context: &Context) -> Result<Vec<ConnectorSaid>, Fault> {
    Ok(door(context, DoorName::Operator)?.call(&Ask::Connector(ConnectorAsk::List))?)
}

/// Says what becomes of the connectors of a file.
pub(super) fn announce(planned: &Planned) {
    for Move { connector, command, env, .. } in planned.moves() {
        let env: String = env.keys().map(|name| format!(" --env {name}")).collect();
        let command = command.join(" ");
        talk(format_args!("belay: connector add {connector}{env} -- {command}"));
    }
    for Left { name, why } in planned.left() {
        talk(format_args!("belay: {name} stays as it is: {why}"));
    }
}

/// Adds every connector that is not there yet; one whose server cannot be looked at stays with its
/// agent as it was.
pub(super) fn add(context: &Context, plan: &mut [Planned]) -> Result<(), Fault> {
    if plan.iter().all(|planned| planned.moves().next().is_none()) {
        return Ok(());
    }
    let state = context.state()?;
    let mut known: Vec<String> = registered(context)?.into_iter().map(|known| known.name).collect();
    for behind in plan.iter_mut().flat_map(|planned| &mut planned.behind) {
        behind.keep(|moved| {
            if !known.contains(&moved.connector) {
                added(&state, moved)?;
                known.push(moved.connector.clone());
            }
            Ok(())
        });
    }
    Ok(())
}

/// Adds one in a process of its own, because its server is to have its variables. Whoever wraps has
/// said yes to it already; what the server says of its tools is shown all the same.
fn added(state: &Path, moved: &Move) -> Result<(), String> {
    let Move { connector, command, env, .. } = moved;
    let mut add = Command::new(crate::warden::THIS_PROGRAM);
    add.arg("--state").arg(state).args(["connector", "add", connector, "--yes"]);
    env.keys().for_each(|name| {
        add.args(["--env", name]);
    });
    let added =
        add.arg("--").args(command).envs(env).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&added.stderr).trim_end().to_owned();
    if added.status.success() {
        talk(format_args!("{said}"));
        talk(format_args!("{}", String::from_utf8_lossy(&added.stdout).trim_end()));
        return Ok(());
    }
    Err(format!("it could not be added:\n{said}"))
}

/// What became of the connectors, for people.
pub(super) fn words(plan: &[Planned]) -> String {
    let names: Vec<String> = plan.iter().flat_map(Planned::connectors).collect();
    let mut text = match names.is_empty() {
        true => String::new(),
        false => format!("Through the gateway: {}.\n", names.join(", ")),
    };
    for Left { name, why } in plan.iter().flat_map(Planned::left) {
        text += &format!("As it was, so only the hook asks about its tools: {name}: {why}.\n");
    }
    text
}
