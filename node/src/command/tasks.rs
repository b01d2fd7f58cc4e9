//! `belay task list`, `tree` and `cancel`: what is under way, below what, and its end.

use super::stop::wait_ms;
use super::{agents_door, door};
use crate::api::listing::WorkSaid;
use crate::api::{Ask, ProgressSaid};
use crate::cli::{Cancel, Context};
use crate::clock;
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::screen::{Shown, table, talk};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What has not ended, or everything that is held.
pub(crate) fn list(context: &Context, all: bool) -> Result<ExitCode, Fault> {
    let of = if all { "all" } else { "open" }.to_owned();
    let ask = Ask::Tasks { of, name: String::new() };
    let tasks: Vec<WorkSaid> = door(context, DoorName::Operator)?.call(&ask)?;
    let rows: Vec<Vec<String>> = tasks.iter().map(|task| row(task, 0)).collect();
    let words = match rows.is_empty() {
        true => "Nothing is under way, as far as is known here.\n".to_owned(),
        false => table(HEAD, &rows),
    };
    let missing = unknown(&tasks);
    Shown { schema: "belay.task.list/1", missing, data: &tasks, words }.show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Whole trees: of an award, of an agent, or all.
pub(crate) fn tree(context: &Context, of: Option<&str>) -> Result<ExitCode, Fault> {
    let ask = match of.map(|of| (of, of.strip_prefix("agent:"))) {
        None => Ask::Tasks { of: "all".to_owned(), name: String::new() },
        Some((_, Some(agent))) => Ask::Tasks { of: "agent".to_owned(), name: agent.to_owned() },
        Some((award, None)) => Ask::Tasks { of: "tree".to_owned(), name: award.to_owned() },
    };
    let tasks: Vec<WorkSaid> = door(context, DoorName::Operator)?.call(&ask)?;
    let words = match tasks.is_empty() {
        true => "No tree is known here.\n".to_owned(),
        false => table(HEAD, &drawn(&tasks)),
    };
    let missing = unknown(&tasks);
    Shown { schema: "belay.task.tree/1", missing, data: &tasks, words }.show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Ends one piece of work and everything below it, and waits for the receipts.
pub(crate) fn cancel(context: &Context, ask: &Cancel) -> Result<ExitCode, Fault> {
    let wait = Duration::from_millis(wait_ms(&ask.timeout)?);
    let below_agent = super::agents_socket().is_some();
    let mut door = match below_agent {
        true => agents_door(context)?,
        false => door(context, DoorName::Operator)?,
    };
    let said = Ask::Cancel { award: ask.award.clone(), reason: ask.reason.clone() };
    let cancel: String = door.call(&said)?;
    talk(format_args!("belay: cancel {cancel} is given"));
    if below_agent {
        // An agent may ask nothing about others; its own work's end comes with its result.
        let words = format!("Cancelled. cancel {cancel}\n");
        let data = serde_json::json!({ "order": cancel });
        Shown::whole("belay.task.cancel/1", &data, words).show(context.format)?;
        return Ok(ExitCode::SUCCESS);
    }
    let began = Instant::now();
    let progress = follow(&mut door, &cancel, began, wait)?;
    show(context, &progress)
}

fn follow(
    door: &mut DoorClient,
    cancel: &str,
    began: Instant,
    wait: Duration,
) -> Result<ProgressSaid, Fault> {
    loop {
        let progress: ProgressSaid = door.call(&Ask::Progress { order: cancel.to_owned() })?;
        if progress.complete || progress.fault.is_some() || began.elapsed() >= wait {
            return Ok(progress);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn show(context: &Context, progress: &ProgressSaid) -> Result<ExitCode, Fault> {
    let open = progress.branches.iter().filter(|branch| !branch.proven);
    let missing: Vec<String> = open.map(|branch| branch.device.clone()).collect();
    let (proven, all) = (progress.branches.len() - missing.len(), progress.branches.len());
    let mut words = format!("{proven} of {all} branches proven.\n");
    words += &super::stop::branch_table(progress);
    if !progress.complete {
        words +=
            "What is cut off ends with its task lease at the latest; `belay task tree` shows it.\n";
    }
    words += &format!("cancel {}\n", progress.order);
    Shown { schema: "belay.task.cancel/1", missing, data: progress, words }.show(context.format)?;
    let done = progress.complete && progress.proven;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(6) })
}

const HEAD: &[&str] = &["AGENT", "DEVICE", "STATE", "RECEIPT", "BUDGET", "ENDS BY", "AWARD"];

fn row(task: &WorkSaid, depth: usize) -> Vec<String> {
    let dash = || "-".to_owned();
    let agent = task.agent.clone().unwrap_or_else(|| "unknown".to_owned());
    let state = match (&task.cancelled, task.ended) {
        (Some(_), false) => format!("{} (cancelled)", task.state),
        (Some(_), true) | (None, _) => task.state.clone(),
    };
    vec![
        format!("{}{agent}", "  ".repeat(depth)),
        task.device.clone().unwrap_or_else(dash),
        state,
        receipt_mark(task),
        task.budget.map_or_else(dash, |budget| budget.to_string()),
        task.deadline_ms.map_or_else(dash, clock::rfc3339),
        task.award.get(..12).unwrap_or(&task.award).to_owned(),
    ]
}

fn receipt_mark(task: &WorkSaid) -> String {
    match (task.proven, &task.seen) {
        (None, _) => "none".to_owned(),
        (Some(true), Some(seen)) if seen != "not seen" => format!("proven (seen {seen})"),
        (Some(true), _) => "proven".to_owned(),
        (Some(false), _) => "not proven".to_owned(),
    }
}

/// Rows in the order of the trees, each below what it was made under.
fn drawn(tasks: &[WorkSaid]) -> Vec<Vec<String>> {
    let known = |award: &String| tasks.iter().any(|task| task.award == *award);
    let mut rows = Vec::new();
    for task in tasks.iter().filter(|task| task.parent.as_ref().is_none_or(|up| !known(up))) {
        let depth = match &task.parent {
            None => 0,
            Some(above) => {
                let above = above.get(..12).unwrap_or(above);
                let unknown = ["unknown".to_owned(), "-".to_owned(), "not held here".to_owned()];
                let rest = ["none".to_owned(), "-".to_owned(), "-".to_owned(), above.to_owned()];
                rows.push([unknown.as_slice(), &rest].concat());
                1
            }
        };
        draw_below(tasks, task, depth, &mut rows);
    }
    rows
}

fn draw_below(tasks: &[WorkSaid], task: &WorkSaid, depth: usize, rows: &mut Vec<Vec<String>>) {
    // A tree is no deeper than there are tasks; a loop could only be drawn, never held.
    if depth > tasks.len() {
        return;
    }
    rows.push(row(task, depth));
    for below in tasks.iter().filter(|below| below.parent.as_ref() == Some(&task.award)) {
        draw_below(tasks, below, depth + 1, rows);
    }
}

fn unknown(tasks: &[WorkSaid]) -> Vec<String> {
    let unknown = tasks.iter().filter(|task| task.state == "unknown");
    unknown.map(|task| format!("award {}", task.award)).collect()
}

/// One task in lines.
pub(super) fn task_words(task: &WorkSaid) -> String {
    let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut text = format!("A task of agent:{} on {}.\n", of(&task.agent), of(&task.device));
    let mut line = |name: &str, value: String| text += &format!("  {name:<9} {value}\n");
    line("state", task.state.clone());
    line("receipt", receipt_mark(task));
    line("for", format!("user:{}, given by {}", of(&task.user), of(&task.giver)));
    if let Some(cancel) = &task.cancelled {
        line("cancelled", cancel.clone());
    }
    if !task.ended {
        line("next", format!("to end it: belay task cancel {}", task.award));
    }
    line("tree", format!("belay task tree {}", task.award));
    text
}
