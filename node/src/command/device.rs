//! `belay device list`: every device of the fleet, and whether it answers.

use super::door;
use super::policy::reach_words;
use crate::api::Ask;
use crate::api::listing::DeviceReportSaid;
use crate::cli::Context;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::policy_folder::span_words;
use crate::screen::{Shown, table};
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn list(context: &Context) -> Result<ExitCode, Fault> {
    let devices: Vec<DeviceReportSaid> = door(context, DoorName::Operator)?.call(&Ask::Devices)?;
    let count = |reach: &[&str]| {
        devices.iter().filter(|device| reach.contains(&device.reach.as_str())).count()
    };
    let (answered, silent) = (count(&["here", "linked"]), count(&["silent"]));
    let refused = count(&["refused"]);
    let away = devices.iter().filter(|d| matches!(d.reach.as_str(), "silent" | "refused"));
    let missing: Vec<String> = away.map(|device| device.name.clone()).collect();
    let words = format!(
        "{answered} answered, {silent} not reachable, {refused} refused: {} devices.\n{}",
        devices.len(),
        rows(&devices)
    );
    let data = json!({
        "answered": answered,
        "not_reachable": silent,
        "refused": refused,
        "devices": devices,
    });
    Shown { schema: "belay.device.list/1", missing, data: &data, words }.show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn rows(devices: &[DeviceReportSaid]) -> String {
    let row = |device: &DeviceReportSaid| {
        let orders: Vec<String> = device
            .orders
            .iter()
            .map(|order| format!("{} {}", order.kind, order.id.get(..12).unwrap_or(&order.id)))
            .collect();
        vec![
            device.name.clone(),
            device.kind.clone(),
            device.site.clone().unwrap_or_else(|| "-".to_owned()),
            device.owner.clone(),
            link_words(device),
            lease_words(device),
            device.release.clone().unwrap_or_else(|| "not known here".to_owned()),
            orders.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = devices.iter().map(row).collect();
    table(&["DEVICE", "KIND", "SITE", "OWNER", "LINK", "LEASE", "RELEASE", "ORDERS"], &rows)
}

pub(super) fn link_words(device: &DeviceReportSaid) -> String {
    match (device.reach.as_str(), device.silent_ms, &device.refused) {
        ("here", ..) => "this device".to_owned(),
        ("linked", ..) => match device.linked_ms {
            Some(ms) => format!("linked for {}", span_words(ms)),
            None => "linked".to_owned(),
        },
        (_, _, Some(reason)) => format!("refused: {reason}"),
        (_, Some(ms), None) => format!("not reachable for {}", span_words(ms)),
        (_, None, None) => "not reachable since this node began".to_owned(),
    }
}

/// What is known here of a device's lease: its own, or when it drew one here.
pub(super) fn lease_words(device: &DeviceReportSaid) -> String {
    match (&device.lease, device.drew_ms_ago) {
        (Some(lease), _) => reach_words(lease),
        (None, Some(ms)) => format!("drew {} ago", span_words(ms)),
        (None, None) if device.beacon => "its own beacon".to_owned(),
        (None, None) => "not known here".to_owned(),
    }
}
