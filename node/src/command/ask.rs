//! `belay ask`: what devices of the fleet say of the agents and connectors on them.
//!
//! Each device signs what it finds, so a device that is away is told with what it said last. Three
//! populations, always: answered, not reachable and since when, refused. Refused here: counting a
//! silent device as one without agents.

use super::device::link_words;
use super::door;
use crate::api::Ask;
use crate::api::listing::{AgentHereSaid, ConnectorHereSaid, DeviceReportSaid, InventorySaid};
use crate::cli::Context;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::{Shown, table};
use serde::Serialize;
use std::process::ExitCode;

/// Digits of a hash that people compare.
const HASH_DIGITS: usize = 16;

/// What the fleet said.
#[derive(Serialize)]
struct FleetSaid<T> {
    answered: usize,
    not_reachable: usize,
    refused: usize,
    devices: Vec<DeviceLine<T>>,
}

/// What one device said.
#[derive(Serialize)]
struct DeviceLine<T> {
    device: String,
    /// `answered`, `not-reachable` or `refused`.
    population: String,
    /// Since when it is not reachable, or why it refuses, for people.
    how: String,
    /// How long ago it was last linked, where it is away and this node knows.
    silent_ms: Option<u64>,
    /// True where what it says is from before it was away.
    from_before: bool,
    found: Vec<T>,
}

pub(crate) fn agents(context: &Context) -> Result<ExitCode, Fault> {
    let row = |device: &str, one: &AgentHereSaid| {
        let hash = one.sha256.as_deref().and_then(|hash| hash.get(..HASH_DIGITS));
        let held = match &one.governed_as {
            Some(name) => format!("governed as agent:{name}"),
            None => "not governed".to_owned(),
        };
        let version = one.version.clone().unwrap_or_else(|| "?".to_owned());
        vec![device.to_owned(), one.agent.clone(), version, hash.unwrap_or("?").to_owned(), held]
    };
    let head = ["DEVICE", "AGENT", "VERSION", "SHA-256", "HELD"];
    show(context, "belay.ask.agents/1", |said| said.agents, (&head, row))
}

pub(crate) fn connectors(context: &Context) -> Result<ExitCode, Fault> {
    let row = |device: &str, one: &ConnectorHereSaid| {
        let way = if one.gateway { "through a gateway" } else { "past every gateway" };
        vec![device.to_owned(), one.agent.clone(), one.name.clone(), way.to_owned()]
    };
    let head = ["DEVICE", "AGENT", "CONNECTOR", "WAY"];
    show(context, "belay.ask.connectors/1", |said| said.connectors, (&head, row))
}

fn show<T: Serialize>(
    context: &Context,
    schema: &str,
    found: fn(InventorySaid) -> Vec<T>,
    (head, row): (&[&str], impl Fn(&str, &T) -> Vec<String>),
) -> Result<ExitCode, Fault> {
    let devices: Vec<DeviceReportSaid> = door(context, DoorName::Operator)?.call(&Ask::Devices)?;
    let devices: Vec<DeviceLine<T>> = devices.into_iter().map(|one| line(one, found)).collect();
    let count = |of: &str| devices.iter().filter(|one| one.population == of).count();
    let (answered, refused) = (count("answered"), count("refused"));
    let said = FleetSaid { answered, not_reachable: count("not-reachable"), refused, devices };
    let rows = said.devices.iter().flat_map(|one| {
        one.found.iter().map(|thing| {
            let before = if one.from_before { " (before)" } else { "" };
            row(&format!("{}{before}", one.device), thing)
        })
    });
    let mut words = format!(
        "{answered} answered, {} not reachable, {refused} refused: {} devices.\n",
        said.not_reachable,
        said.devices.len()
    );
    words += &table(head, &rows.collect::<Vec<_>>());
    let away = || said.devices.iter().filter(|one| one.population != "answered");
    away().for_each(|one| words += &format!("{}: {}\n", one.device, one.how));
    words += "Connectors that a vendor keeps in its cloud are not visible to any device.\n";
    let missing = away().map(|one| format!("{}: {}", one.device, one.how)).collect();
    Shown { schema, missing, data: &said, words }.show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn line<T>(report: DeviceReportSaid, found: fn(InventorySaid) -> Vec<T>) -> DeviceLine<T> {
    let here = ["here", "linked"].contains(&report.reach.as_str());
    let untold = report.inventory.as_ref().is_some_and(|said| !said.told);
    let how = match (untold, here, &report.inventory) {
        (true, ..) => "it does not tell what runs on it".to_owned(),
        (false, true, None) => "it has not said yet what runs on it".to_owned(),
        (false, ..) => link_words(&report),
    };
    DeviceLine {
        device: report.name,
        population: report.population,
        how,
        silent_ms: report.silent_ms,
        from_before: !here,
        found: report.inventory.map(found).unwrap_or_default(),
    }
}
