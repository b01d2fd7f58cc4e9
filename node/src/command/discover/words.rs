//! What was found on this device, for people.
//!
//! Refused here: leaving out what is not visible.

use super::{ConfiguredConnector, ConnectorLine, DiscoverSaid, RunningSaid};
use crate::screen::table;

/// Digits of a hash that people compare.
const HASH_DIGITS: usize = 16;
/// Tools of one connector that are named.
const TOOLS_MAX: usize = 6;

pub(super) fn of(said: &DiscoverSaid, has_node: bool) -> String {
    let mut text = match said.running.len() {
        0 => "No agent that is known by name runs here.\n".to_owned(),
        _ => table(
            &["AGENT", "VERSION", "PID", "SHA-256", "VERDICT", "HELD"],
            &said.running.iter().map(row).collect::<Vec<_>>(),
        ),
    };
    for task in &said.other_tasks {
        let (name, wall) = (&task.name, &task.wall);
        text += &format!(
            "agent:{name} runs below a warden (wall: {wall}), its program unknown by name\n"
        );
    }
    text += "\n";
    match said.connectors.len() {
        0 => text += "No connector goes through this node's gateway.\n",
        _ => said.connectors.iter().for_each(|one| text += &connector(one)),
    }
    said.in_files.iter().for_each(|one| text += &in_file(one));
    if !said.configured.is_empty() {
        text += &format!("Configured here: {}.\n", said.configured.join(", "));
    }
    if !has_node {
        text += "No node answers here, so nothing of this is governed by one.\n";
    }
    if said.unseen_processes > 0 {
        let many = said.unseen_processes;
        text += &format!("{many} processes are visible to another user only: run this as root.\n");
    }
    text + &format!("Not seen: {}.\n", said.not_visible)
}

fn row(one: &RunningSaid) -> Vec<String> {
    let hash = one.sha256.as_deref().and_then(|hash| hash.get(..HASH_DIGITS));
    vec![
        one.title.to_owned(),
        one.version.clone().unwrap_or_else(|| "?".to_owned()),
        one.pid.to_string(),
        hash.unwrap_or("?").to_owned(),
        one.verdict.clone().unwrap_or_else(|| "-".to_owned()),
        one.held.words(),
    ]
}

fn in_file(one: &ConfiguredConnector) -> String {
    let at = one.url.clone().unwrap_or_else(|| one.command.join(" "));
    let way = if one.gateway { "through a gateway" } else { "past every gateway" };
    let given = match one.scopes.is_empty() {
        true => String::new(),
        false => format!("; is given {}", one.scopes.join(", ")),
    };
    let (agent, name, file) = (&one.agent, &one.name, one.file.display());
    format!("connector {name} of {agent}, {way}: {at}{given} ({file})\n")
}

fn connector(one: &ConnectorLine) -> String {
    let at = one.url.clone().unwrap_or_else(|| one.command.join(" "));
    let mut text = format!("connector {}, through the gateway: {at}\n", one.name);
    let tools = match one.tools.get(..TOOLS_MAX) {
        Some(first) if one.tools.len() > TOOLS_MAX => {
            format!("{} and {} more", first.join(", "), one.tools.len() - TOOLS_MAX)
        }
        Some(_) | None => one.tools.join(", "),
    };
    text += &format!("  server {}; tools {tools}\n", one.server);
    if !one.scopes.is_empty() {
        text += &format!("  is given {}\n", one.scopes.join(", "));
    }
    if one.differs > 0 {
        text += &format!("  {} differences from what was approved\n", one.differs);
    }
    text
}
