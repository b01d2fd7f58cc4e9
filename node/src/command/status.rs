//! `belay status`: a sentence first, then self, devices, tasks and orders, each with what to do
//! next.

use super::door;
use crate::api::{Ask, StatusSaid};
use crate::cli::Context;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::{Shown, table};
use std::process::ExitCode;

pub(crate) fn run(context: &Context) -> Result<ExitCode, Fault> {
    let status: StatusSaid = door(context, DoorName::Operator)?.call(&Ask::Status)?;
    let away = status.devices.iter().filter(|device| !device.linked);
    let missing = away.map(|device| device.name.clone()).collect();
    let words = words(&status);
    Shown { schema: "belay.status.run/1", missing, data: &status, words }.show(context.format)?;
    Ok(if healthy(&status) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub(super) fn healthy(status: &StatusSaid) -> bool {
    status.refused.is_none()
        && status.device.is_some()
        && status.releases.iter().any(|r| r.whole)
        && status.disk == "writing"
}

fn words(status: &StatusSaid) -> String {
    let mut text = headline(status);
    text += &format!("\nfleet    {}  epoch {}\n", status.domain, status.epoch);
    text += &format!("root     {}\n", status.fleet);
    text +=
        &format!("device   {}  node pid {}\n", status.device.as_deref().unwrap_or("-"), status.pid);
    for release in &status.releases {
        let modes: Vec<String> = release.modes.iter().map(|(a, m)| format!("{a} {m}")).collect();
        let half = if release.whole { "" } else { "  (its policy has not arrived)" };
        text += &format!("release  {}  {}{half}\n", release.version, modes.join(", "));
    }
    text += &format!("runs on  {}\n\n", run_words(&status.run));
    text += &devices(status);
    if !status.tasks.is_empty() {
        text += &tasks(status);
    }
    if !status.orders.is_empty() {
        text += &orders(status);
    }
    text + &health(status)
}

fn headline(status: &StatusSaid) -> String {
    let linked = status.devices.iter().filter(|device| device.linked).count();
    let state = if healthy(status) { "Healthy." } else { "Not healthy." };
    format!(
        "{state} {linked} of {} devices linked, {} tasks running here, {} orders standing.\n",
        status.devices.len(),
        status.tasks.len(),
        status.orders.len(),
    )
}

fn run_words(run: &str) -> String {
    match run {
        "unbounded" => "its own word: this device is a beacon, so no lease bounds it".to_owned(),
        "lapsed" => "nothing: no beacon has answered for longer than a run may go on".to_owned(),
        reach => format!("its beacons' word, for {reach} more"),
    }
}

fn devices(status: &StatusSaid) -> String {
    let row = |device: &crate::api::DeviceSaid| {
        let here = Some(&device.name) == status.device.as_ref();
        let link = match (here, device.linked) {
            (true, _) => "this device",
            (false, true) => "linked",
            (false, false) => "not linked",
        };
        let mut notes = Vec::new();
        if device.beacon {
            notes.push("beacon");
        }
        if device.cut {
            notes.push("under an order");
        }
        vec![device.name.clone(), device.kind.clone(), link.to_owned(), notes.join(", ")]
    };
    let rows: Vec<Vec<String>> = status.devices.iter().map(row).collect();
    table(&["DEVICE", "KIND", "LINK", "NOTE"], &rows)
}

fn tasks(status: &StatusSaid) -> String {
    let row = |task: &crate::api::TaskSaid| {
        let place = format!("wall {}, {}", task.wall, task.warden);
        vec![
            task.agent.clone(),
            task.phase.clone(),
            task.depth.to_string(),
            place,
            short(&task.award),
        ]
    };
    let rows: Vec<Vec<String>> = status.tasks.iter().map(row).collect();
    format!("\n{}", table(&["AGENT", "STATE", "LINKS", "ENCLOSURE", "AWARD"], &rows))
}

fn orders(status: &StatusSaid) -> String {
    let row = |order: &crate::api::OrderSaid| {
        let force = if order.in_force { "in force" } else { "not yet in force" };
        vec![order.subject.clone(), force.to_owned(), order.id.clone()]
    };
    let rows: Vec<Vec<String>> = status.orders.iter().map(row).collect();
    format!("\n{}", table(&["STOPPED", "STATE", "ORDER"], &rows))
}

fn health(status: &StatusSaid) -> String {
    let mut text = String::new();
    if status.security_operators == 1 {
        text +=
            "\none operator: no second pair of eyes; a second one is named in the next root epoch";
    }
    if status.disk != "writing" {
        text += &format!("\ndisk: {}", status.disk);
    }
    if let Some(why) = &status.refused {
        text += &format!("\nrefused by a member: {why}");
    } else if status.device.is_none() {
        text +=
            "\nnot admitted yet: a member must be reachable; see node.log in the state directory";
    }
    if !status.releases.iter().any(|release| release.whole) {
        text += "\nno whole release here: nothing is permitted until a member brings it";
    }
    text
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
