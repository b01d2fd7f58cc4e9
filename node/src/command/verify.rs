//! `belay verify`: checks a case file with nothing but its bytes and a root fingerprint.

use crate::cli::{Context, Verify};
use crate::config;
use crate::fault::Fault;
use crate::screen::Shown;
use crate::shell::branch_said;
use belay_crdt::case::{Found, Report, verify};
use belay_identity::FleetId;
use belay_identity::key::unhex;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, ask: &Verify) -> Result<ExitCode, Fault> {
    let bytes = std::fs::read(&ask.case).map_err(|error| {
        Fault::wrong_use(format!("{}: {error}", ask.case.display()), "name a case file")
    })?;
    let root = root(context, ask.root.as_deref())?;
    let report = verify(&bytes, root).map_err(|error| {
        let hint = "it is not what was written; ask for the file again, from another member";
        Fault::exit(7, format!("{}: REJECTED: {error}", ask.case.display()), hint)
    })?;
    show(context, &report)
}

/// The root to compare with: given, in a file, or of this device's own fleet.
fn root(context: &Context, given: Option<&str>) -> Result<Option<FleetId>, Fault> {
    let Some(given) = given else {
        let own = context.state_if_any().and_then(|state| config::read(&state).ok());
        return Ok(own.map(|config| config.fleet));
    };
    let text = match std::fs::read_to_string(Path::new(given)) {
        Ok(text) => text,
        Err(_not_a_file) => given.to_owned(),
    };
    let bytes = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok());
    bytes.map(|bytes| Some(FleetId(bytes))).ok_or_else(|| {
        let hint = "`belay status` on a member shows it as root";
        Fault::wrong_use(format!("“{given}” is no root fingerprint of 64 hex digits"), hint)
    })
}

fn show(context: &Context, report: &Report) -> Result<ExitCode, Fault> {
    let case = &report.case;
    let verified = report.holds();
    let parents: BTreeMap<_, _> =
        case.branches.iter().filter_map(|b| Some((b.award?, b.parent))).collect();
    let branches: Vec<_> = case.branches.iter().map(|b| branch_said(b, &parents)).collect();
    let checks = report.checks.iter().map(|check| {
        json!({ "name": check.what, "holds": check.found == Found::Holds, "says": check.to_string() })
    });
    let data = json!({
        "verified": verified,
        "complete": case.reads_complete(),
        "proven": case.reads_proven(),
        "root": report.fleet.to_hex(),
        "compared": report.compared,
        "order": case.order.to_hex(),
        "statements": case.statements.len(),
        "branches": branches,
        "checks": checks.collect::<Vec<_>>(),
    });
    let open = branches.iter().filter(|branch| !branch.proven);
    let mut missing: Vec<String> = open.map(|branch| branch.device.clone()).collect();
    if branches.is_empty() {
        missing.push("anything that ran".to_owned());
    }
    let words = words(report, verified);
    Shown { schema: "belay.verify.run/1", missing, data: &data, words }.show(context.format)?;
    Ok(ExitCode::from(
        match (verified, report.compared, case.reads_complete() && case.reads_proven()) {
            (false, _, _) => 7,
            (true, false, _) => 8,
            (true, true, false) => 6,
            (true, true, true) => 0,
        },
    ))
}

fn words(report: &Report, verified: bool) -> String {
    let mut text: String = report.checks.iter().map(|check| format!("  {check}\n")).collect();
    let case = &report.case;
    text += match (verified, case.complete, case.proven) {
        (false, _, _) => "REJECTED: a check failed.\n",
        (true, true, _) if case.branches.is_empty() => {
            "VERIFIED as far as it goes: the order counts, and nothing known then had run.\n"
        }
        (true, true, true) => {
            "VERIFIED: complete, every branch proven. It speaks for the devices that have answered; \
             one that has not heard of the order is bounded by its lease.\n"
        }
        (true, true, false) => "VERIFIED: complete, but not every branch is proven.\n",
        (true, false, _) => "VERIFIED as far as it goes: incomplete, the gaps are named above.\n",
    };
    text += &format!("root {}\n", report.fleet);
    if !report.compared {
        text += "No root was given: compare this fingerprint with one you trust (--root).\n";
    }
    text
}
