//! `belay agent list` and `belay agent show`: who acts, for whom, where, and what stands against.
//!
//! Refused here: knowing better than the node; what it has not heard is not shown.

use super::door;
use crate::api::Ask;
use crate::api::listing::{AgentSaid, WorkSaid};
use crate::cli::Context;
use crate::clock;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::{Shown, table};
use std::process::ExitCode;

pub(crate) fn list(context: &Context) -> Result<ExitCode, Fault> {
    let ask = Ask::Agents { name: None };
    let agents: Vec<AgentSaid> = door(context, DoorName::Operator)?.call(&ask)?;
    let row = |agent: &AgentSaid| {
        let open = agent.tasks.iter().filter(|task| !task.ended);
        let mut devices: Vec<&str> = open.clone().filter_map(|t| t.device.as_deref()).collect();
        devices.sort_unstable();
        devices.dedup();
        vec![
            agent.name.clone(),
            agent.users.join(", "),
            agent.projects.join(", "),
            agent.classes.join(", "),
            open.count().to_string(),
            devices.join(", "),
            match agent.orders.len() {
                0 => String::new(),
                orders => format!("{orders} against it"),
            },
        ]
    };
    let rows: Vec<Vec<String>> = agents.iter().map(row).collect();
    let words = match rows.is_empty() {
        true => "No agent is known here.\n".to_owned(),
        false => table(&["AGENT", "OWNER", "PROJECT", "CLASS", "TASKS", "ON", "ORDERS"], &rows),
    };
    Shown::whole("belay.agent.list/1", &agents, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn show(context: &Context, name: &str) -> Result<ExitCode, Fault> {
    let name = name.strip_prefix("agent:").unwrap_or(name);
    let ask = Ask::Agents { name: Some(name.to_owned()) };
    let mut agents: Vec<AgentSaid> = door(context, DoorName::Operator)?.call(&ask)?;
    let agent = agents.pop().ok_or_else(|| {
        Fault::wrong_use(format!("no agent {name} is known here"), "see `belay agent list`")
    })?;
    let words = words(&agent);
    Shown::whole("belay.agent.show/1", &agent, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn words(agent: &AgentSaid) -> String {
    let open: Vec<&WorkSaid> = agent.tasks.iter().filter(|task| !task.ended).collect();
    let mut text = format!("agent:{}\n", agent.name);
    let mut line = |name: &str, value: String| text += &format!("  {name:<9} {value}\n");
    let list = |all: &[String]| if all.is_empty() { "-".to_owned() } else { all.join(", ") };
    line("owner", list(&agent.users));
    line("project", list(&agent.projects));
    line("class", list(&agent.classes));
    for program in &agent.programs {
        line("manifest", format!("{}: {}", program.hash, program.words()));
    }
    for stranger in &agent.strangers {
        let now = stranger.now.get(..16).unwrap_or(&stranger.now);
        let was = stranger.was.get(..16).unwrap_or(&stranger.was);
        line("lineage", format!("broken: {now} bore this name after {was}, and inherits nothing"));
    }
    line("delegates", list(&agent.delegates));
    line(
        "runs",
        match open.len() {
            0 => "nowhere, as far as is known here".to_owned(),
            _ => open.iter().map(|task| place_words(task)).collect::<Vec<_>>().join(", "),
        },
    );
    for order in &agent.orders {
        line(
            "order",
            format!("{} on {} by {} ({})", order.kind, order.subject, order.author, order.id),
        );
    }
    line("to stop it", format!("belay stop agent:{}", agent.name));
    if !agent.orders.is_empty() {
        line("to resume", format!("belay resume agent:{}", agent.name));
    }
    if !agent.decisions.is_empty() {
        text += "\nlast decisions on this device\n";
        let row = |decided: &crate::api::why::DecidedSaid| {
            let act = format!("{} {}", decided.action, decided.target);
            let said = [clock::rfc3339(decided.wall_ms), decided.decision.clone(), act];
            let rule = decided.would_deny.as_ref().unwrap_or(&decided.rule).clone();
            [said.as_slice(), &[rule, decided.id.get(..12).unwrap_or("").to_owned()]].concat()
        };
        let rows: Vec<Vec<String>> = agent.decisions.iter().map(row).collect();
        text += &table(&["WHEN", "DECISION", "ACT", "RULE", "ID"], &rows);
    }
    text
}

fn place_words(task: &WorkSaid) -> String {
    let device = task.device.as_deref().unwrap_or("an unknown device");
    format!("{} on {device}", task.state)
}
