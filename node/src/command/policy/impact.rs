//! `belay policy impact`: what a policy would have said to what agents did on this device.
//!
//! The audit log is read as `event query` reads it, and every decision is taken again in this
//! process, by the rules of the gate. What hangs on the values of arguments, which no log keeps, is
//! counted apart and never guessed. Refused here: other devices' logs, and publishing.

mod tally;
mod words;

use super::of::policies_of;
use crate::api::Ask;
use crate::api::StatusSaid;
use crate::api::policy::PolicySaid;
use crate::api::programs::ManifestSaid;
use crate::cli::Context;
use crate::cli::operators::ImpactOf;
use crate::clock;
use crate::command::audit_log::{Log, since_ms};
use crate::command::door;
use crate::command::programs::look_up;
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::policy_folder::Source;
use crate::screen::Shown;
use crate::store::AuditRow;
use belay_identity::body::{Mode, Policy};
use belay_identity::key::unhex;
use belay_identity::principal::TrustDomain;
use belay_mesh::event::Event;
use belay_mesh::replay::Replay;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use tally::Tally;

pub(crate) fn run(context: &Context, ask: &ImpactOf) -> Result<ExitCode, Fault> {
    let since = since_ms(&ask.last)?;
    let (name, policy) = policy(context, &ask.policy)?;
    let mut log = Log::since(context, since)?;
    let replay = replay(context, &policy, &name, &log.device)?;
    let replay = if ask.enforce { replay.all_in(Mode::Enforce) } else { replay };
    let mut tally = Tally::default();
    log.begins_ms()?.into_iter().for_each(|first| tally.begins(first));
    while let Some(rows) = log.rows()? {
        rows.iter().for_each(|row| take(&mut tally, &replay, row, since));
    }
    log.end()?;
    let said = tally.said(name, log.device.clone(), ask);
    let words = words::of(&said);
    let shown =
        Shown { schema: "belay.policy.impact/1", missing: said.missing(), data: &said, words };
    shown.show(context.format)?;
    Ok(ExitCode::from(said.exit()))
}

fn take(tally: &mut Tally, replay: &Replay, row: &AuditRow, since_ms: u64) {
    if row.entry.wall_ms < since_ms {
        return;
    }
    match Event::read(&row.entry.event) {
        Some(Event::Decided(decided)) => tally.take(&decided, replay.again(&decided)),
        Some(Event::Outcome(_)) => {}
        None => tally.bare(row),
    }
}

/// A policy by whatever names it, its programs looked up as publishing would.
fn policy(context: &Context, word: &str) -> Result<(String, Policy), Fault> {
    if !Path::new(word).is_dir() {
        // Of several in force the highest: the others judge only until it is adopted.
        let named = policies_of(context, word)?.into_iter().next();
        let hint = "an operator publishes one: `belay policy publish FOLDER`";
        let named = named.ok_or_else(|| Fault::failed("no release judges here", hint))?;
        return Ok((named.name, named.policy));
    }
    let mut door = door(context, DoorName::Operator)?;
    let source = Source::read(Path::new(word))?;
    let said: PolicySaid = door.call(&Ask::Policy { agent: None })?;
    Ok((word.to_owned(), look_up(source, &mut door, &said.ring)?.policy))
}

fn replay(context: &Context, policy: &Policy, name: &str, device: &str) -> Result<Replay, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let status: StatusSaid = door.call(&Ask::Status)?;
    let domain = TrustDomain::new(&status.domain)
        .map_err(|error| Fault::failed(error.to_string(), "use one version of belay"))?;
    let files = files(&mut door)?;
    Replay::of(policy, |id| files.get(id).cloned(), domain, device)
        .map_err(|error| Fault::exit(7, format!("{name}: {error}"), error.hint()))
}

/// The files that each manifest names, by its id.
fn files(door: &mut DoorClient) -> Result<BTreeMap<[u8; 32], Vec<[u8; 32]>>, Fault> {
    let known: Vec<ManifestSaid> = door.call(&Ask::Manifests)?;
    let hash = |text: &str| unhex(text).and_then(|bytes| bytes.try_into().ok());
    let files = |one: &ManifestSaid| {
        let builds = one.builds.iter().filter_map(|build| hash(&build.hash));
        Some((hash(&one.id)?, builds.collect()))
    };
    Ok(known.iter().filter_map(files).collect())
}

/// A moment for people and programs.
fn at(wall_ms: u64) -> String {
    clock::rfc3339(wall_ms)
}
