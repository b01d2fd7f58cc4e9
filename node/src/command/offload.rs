//! `belay task offload`: gives work to a device, named or found.

use super::agent::name_of;
use super::door;
use crate::api::{Ask, EndedSaid, OffloadAsk, OffloadSaid};
use crate::cli::{Context, Offload};
use crate::door::{DoorClient, DoorName};
use crate::fault::{Fault, io};
use crate::screen::{Shown, talk};
use belay_identity::body::Outcome;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// With `--wait` the answer comes with the end of the work, however long it takes.
const WAIT_MAX: Duration = Duration::from_secs(7 * 86_400);

pub(crate) fn run(context: &Context, offload: &Offload) -> Result<ExitCode, Fault> {
    let program = offload.argv.first().map(String::as_str).unwrap_or_default();
    let ask = Ask::Offload(Box::new(OffloadAsk {
        device: offload.to.clone(),
        needs: offload.needs.clone(),
        agent: offload.name.clone().unwrap_or_else(|| name_of(Path::new(program))),
        argv: offload.argv.clone(),
        tools: offload.tools.clone(),
        on_silence: if offload.outlive { "run to deadline" } else { "end" }.to_owned(),
        wait: offload.wait,
        send: offload.send.as_deref().map(whole_path).transpose()?,
        payload: None,
    }));
    let mut door = giving_door(context)?;
    if offload.wait {
        door.wait_at_most(WAIT_MAX)?;
    }
    let said: OffloadSaid = door.call(&ask)?;
    for tried in &said.tried {
        talk(format_args!("belay: not on {}: {}", tried.device, tried.why));
    }
    let (words, code) = match &said.ended {
        None => (format!("{} runs on {} as task {}", program, said.device, said.award), 0),
        Some(ended) => {
            let exit = ended.exit.map(|exit| format!(", exit status {exit}")).unwrap_or_default();
            talk(format_args!("belay: {}: {} ({}){exit}", said.device, ended.outcome, ended.cause));
            (ended.tail.clone(), code_of(ended))
        }
    };
    Shown::whole("belay.task.offload/1", &said, words).show(context.format)?;
    Ok(ExitCode::from(code))
}

/// The node stands in another folder than its caller.
fn whole_path(file: &Path) -> Result<String, Fault> {
    let path = std::path::absolute(file).map_err(io(file.display()))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        let what = format!("{} is not UTF-8", path.display());
        Fault::wrong_use(what, "rename the file, or copy it")
    })
}

/// Done only where the work ended by itself and said so; what nobody saw end is incomplete.
fn code_of(ended: &EndedSaid) -> u8 {
    let outcome = Outcome::from_word(&ended.outcome);
    match outcome {
        Some(Outcome::FinishedBefore) if ended.exit == Some(0) => 0,
        Some(Outcome::NotProven | Outcome::Unstoppable) => 6,
        Some(
            Outcome::FinishedBefore
            | Outcome::NeverStarted
            | Outcome::Stopped
            | Outcome::StoppedByRestart,
        )
        | None => 1,
    }
}

/// Below an agent its own door, elsewhere the user's.
fn giving_door(context: &Context) -> Result<DoorClient, Fault> {
    match super::agents_socket() {
        Some(_) => super::agents_door(context),
        None => door(context, DoorName::Operator),
    }
}
