//! `belay prove`: writes the case file of an order.

use super::door;
use crate::api::{Ask, ProgressSaid, StatusSaid, from_text};
use crate::cli::{Context, Prove};
use crate::door::{DoorClient, DoorError, DoorName};
use crate::fault::{Fault, io};
use crate::screen::Shown;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a receipt that is being written is waited for: a slow disk under load.
const WRITING_MAX: Duration = Duration::from_secs(5);
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);

pub(crate) fn run(context: &Context, prove: &Prove) -> Result<ExitCode, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let order = order_named(&mut door, &prove.order)?;
    let progress: ProgressSaid = door.call(&Ask::Progress { order: order.clone() })?;
    let text = case_of(&mut door, &order)?;
    let odd = |_| Fault::failed("the node's case is not hex", "use one version of belay");
    let bytes = from_text(&text).map_err(odd)?;
    let short = order.get(..12).unwrap_or(&order);
    let out = prove.out.clone().unwrap_or_else(|| PathBuf::from(format!("{short}.belaycase")));
    std::fs::write(&out, &bytes).map_err(io(out.display()))?;
    let open = progress.branches.iter().filter(|branch| !branch.proven);
    let missing: Vec<String> = open.map(|branch| branch.device.clone()).collect();
    let whole = if progress.complete { "complete" } else { "incomplete: the gaps are named in it" };
    let words = format!("Wrote {} ({} bytes, {whole}).\n", out.display(), bytes.len());
    let data = json!({
        "file": out.display().to_string(),
        "complete": progress.complete,
        "proven": progress.proven,
        "bytes": bytes.len(),
    });
    Shown { schema: "belay.prove.run/1", missing, data: &data, words }.show(context.format)?;
    let done = progress.complete && progress.proven;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(6) })
}

/// The case of an order; the last receipt may still be on its way to the disk.
fn case_of(door: &mut DoorClient, order: &str) -> Result<String, Fault> {
    let until = Instant::now() + WRITING_MAX;
    loop {
        match door.call(&Ask::Case { order: order.to_owned() }) {
            Err(DoorError::Refused(no)) if no.code == "failed" && Instant::now() < until => {
                std::thread::sleep(ASKED_AGAIN_AFTER);
            }
            said => return Ok(said?),
        }
    }
}

/// The order of that id, or the only one that stands against a subject such as `agent:planner`.
fn order_named(door: &mut DoorClient, named: &str) -> Result<String, Fault> {
    if !named.contains(':') {
        return Ok(named.to_owned());
    }
    let status: StatusSaid = door.call(&Ask::Status)?;
    let orders: Vec<_> = status.orders.iter().filter(|order| order.subject == named).collect();
    let ids: Vec<&str> = orders.iter().map(|order| order.id.as_str()).collect();
    match ids.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let hint = "`belay status` lists the orders that stand; name one by its id";
            Err(Fault::wrong_use(format!("no order stands against {named}"), hint))
        }
        several => {
            let what = format!("{} orders stand against {named}", several.len());
            Err(Fault::wrong_use(what, format!("name one of {}", several.join(", "))))
        }
    }
}
