//! `belay agent discover`: the agents and connectors of this device, whether anybody governs them
//! or not.
//!
//! Refused here: a network, starting what was found, and calling the list complete. What a vendor
//! keeps in its cloud is not visible from here, and the words say so.

mod held;
mod words;

use super::door;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::api::programs::ProgramSaid;
use crate::api::{Ask, StatusSaid, WardenSaid};
use crate::cli::Context;
use crate::discover::{
    Configured, ConfiguredConnector, Found, KnownBy, Sight, configured, homes, look,
};
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::screen::Shown;
use held::{Held, Node};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What stands on every list, because no look at a device can change it.
const CLOUD: &str = "connectors that a vendor keeps in its cloud are not visible from here";

/// What was found on this device.
#[derive(Debug, Serialize)]
struct DiscoverSaid {
    running: Vec<RunningSaid>,
    /// Tasks of this node that run a program which is not known by name.
    other_tasks: Vec<TaskLine>,
    /// Agents of which a file of configuration is there, running or not.
    configured: Vec<String>,
    connectors: Vec<ConnectorLine>,
    /// Connectors in the files of agents.
    in_files: Vec<ConfiguredConnector>,
    /// Processes that only another user may look at.
    unseen_processes: usize,
    not_visible: &'static str,
}

/// An agent that runs.
#[derive(Debug, Serialize)]
struct RunningSaid {
    agent: &'static str,
    title: &'static str,
    known_by: KnownBy,
    pid: u32,
    uid: u32,
    processes: usize,
    program: String,
    script: Option<String>,
    version: Option<String>,
    /// Of the script, or else of the program.
    sha256: Option<String>,
    /// sanctioned, tolerated or blocked; absent where no release judges.
    verdict: Option<String>,
    governed: bool,
    #[serde(flatten)]
    held: Held,
}

/// A task of this node.
#[derive(Debug, Serialize)]
struct TaskLine {
    name: String,
    task: String,
    wall: String,
}

/// A connector that goes through this node's gateway.
#[derive(Debug, Serialize)]
struct ConnectorLine {
    name: String,
    command: Vec<String>,
    url: Option<String>,
    /// What its server calls itself.
    server: String,
    tools: Vec<String>,
    /// What it is given: variables of the environment, by name.
    scopes: Vec<String>,
    /// How often what was seen differs from what was approved.
    differs: usize,
}

pub(crate) fn run(context: &Context) -> Result<ExitCode, Fault> {
    let mut node = door(context, DoorName::Operator).ok();
    let known = match &mut node {
        Some(door) => Some(asked(door)?),
        None => None,
    };
    let sight = look();
    let files = configured(&homes(), &projects(&sight));
    let connectors = match &mut node {
        Some(door) => door.call(&Ask::Connector(ConnectorAsk::List))?,
        None => Vec::new(),
    };
    let state = context.state().ok();
    let governed = known.unwrap_or_default().with_wraps(state.as_deref())?;
    let missing = missing(node.is_some(), &sight, &files);
    let data = said((sight, files), &governed, connectors, &mut node);
    let words = words::of(&data, node.is_some());
    let shown = Shown { schema: "belay.agent.discover/1", missing, data: &data, words };
    shown.show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn asked(door: &mut DoorClient) -> Result<Node, Fault> {
    let status: StatusSaid = door.call(&Ask::Status)?;
    let wardens: Vec<WardenSaid> = door.call(&Ask::Wardens)?;
    Ok(Node::of(status.tasks, wardens))
}

/// What keeps the list from being the whole answer.
fn missing(has_node: bool, sight: &Sight, files: &Configured) -> Vec<String> {
    let no_node = (!has_node).then(|| "what is governed: no node answers here".to_owned());
    let unseen = (sight.unseen > 0)
        .then(|| format!("{} processes that only another user may look at", sight.unseen));
    let left_out = (sight.left_out > 0).then(|| format!("{} more agents", sight.left_out));
    let always = Some(CLOUD.to_owned());
    let unread = files.unread.iter().map(|(file, why)| format!("{}: {why}", file.display()));
    [no_node, unseen, left_out, always].into_iter().flatten().chain(unread).collect()
}

/// Where agents work, and where this was asked.
fn projects(sight: &Sight) -> Vec<PathBuf> {
    let here = std::env::current_dir().ok();
    here.into_iter().chain(sight.agents.iter().filter_map(Found::folder)).collect()
}

fn said(
    (sight, files): (Sight, Configured),
    node: &Node,
    connectors: Vec<ConnectorSaid>,
    door: &mut Option<DoorClient>,
) -> DiscoverSaid {
    let running: Vec<RunningSaid> =
        sight.agents.iter().map(|found| running_said(found, node, door)).collect();
    let seen = |task: &TaskLine| running.iter().any(|one| one.held.is_task(&task.task));
    let other_tasks = node.tasks().filter(|task| !seen(task)).collect();
    DiscoverSaid {
        other_tasks,
        running,
        configured: files.agents.into_iter().collect(),
        in_files: files.connectors,
        connectors: connectors.into_iter().map(connector_line).collect(),
        unseen_processes: sight.unseen,
        not_visible: CLOUD,
    }
}

fn running_said(found: &Found, node: &Node, door: &mut Option<DoorClient>) -> RunningSaid {
    let sha256 = found.hash().ok();
    let held = node.held(found);
    RunningSaid {
        agent: found.agent.word,
        title: found.agent.title,
        known_by: found.known_by,
        pid: found.process.pid,
        uid: found.uid,
        processes: found.processes,
        program: found.program.display().to_string(),
        script: found.script.as_ref().map(|script| script.display().to_string()),
        version: found.version.clone(),
        verdict: sha256.as_ref().and_then(|hash| verdict(hash, door.as_mut()?)),
        sha256,
        governed: held.governs(),
        held,
    }
}

/// How a program stands with the release that judges here.
fn verdict(hash: &str, door: &mut DoorClient) -> Option<String> {
    let ask = Ask::Programs { named: Some(hash.to_owned()) };
    let known: Vec<ProgramSaid> = door.call(&ask).ok()?;
    known.into_iter().find(|one| one.hash == hash)?.verdict
}

fn connector_line(one: ConnectorSaid) -> ConnectorLine {
    ConnectorLine {
        name: one.name,
        command: one.command,
        url: one.url,
        server: one.approved.calls_itself,
        tools: one.approved.tools.into_keys().collect(),
        scopes: one.env,
        differs: one.differs.len(),
    }
}
