//! `belay policy history` and `rollback`: what judged when and by whose yes, and back to it.
//!
//! A rollback is a new release with the policy and the times of an older one; who gives leases
//! stays as it is. Refused here: taking anything out of the history, or below the floor.

use super::door;
use super::publish::{Asked, reason, release};
use crate::api::Ask;
use crate::api::policy::{HistorySaid, ReleaseSaidWhole, profiles_of};
use crate::cli::Context;
use crate::cli::operators::Rollback;
use crate::clock;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::policy_folder::{NamedPrograms, Source};
use crate::screen::{Shown, table};
use belay_identity::body::Policy;
use belay_identity::key::unhex;
use std::process::ExitCode;

const IN_FORCE: &str = "in force";
const WAS_IN_FORCE: &str = "was in force";

pub(crate) fn run(context: &Context) -> Result<ExitCode, Fault> {
    let all = ask(context)?;
    let half = all.iter().filter(|one| one.state == IN_FORCE && !one.whole);
    let missing = half.map(|one| format!("the policy of {}", one.version)).collect();
    let words = words(&all);
    let shown = Shown { schema: "belay.policy.history/1", missing, data: &all, words };
    shown.show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn ask(context: &Context) -> Result<Vec<HistorySaid>, Fault> {
    Ok(door(context, DoorName::Operator)?.call(&Ask::History)?)
}

fn words(all: &[HistorySaid]) -> String {
    let or = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let row = |one: &HistorySaid| {
        vec![
            one.version.clone(),
            one.state.clone(),
            clock::rfc3339(one.adopt_by_ms),
            one.author.clone(),
            or(&one.approved.join(", ")),
            or(&one.drafts.join(", ")),
            or(&one.reason),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    table(&["RELEASE", "STATE", "ADOPT BY", "BY", "APPROVED BY", "DRAFT", "REASON"], &rows)
}

pub(crate) fn rollback(context: &Context, asked: &Rollback) -> Result<ExitCode, Fault> {
    let all = ask(context)?;
    let version = match &asked.version {
        Some(version) => version.trim_start_matches('v').to_owned(),
        None => before(&all)?,
    };
    let old: ReleaseSaidWhole =
        door(context, DoorName::Operator)?.call(&Ask::Release { version: version.clone() })?;
    let body = old.body.as_deref().and_then(unhex);
    let policy = body.and_then(|bytes| Policy::from_bytes(&bytes).ok()).ok_or_else(|| {
        let hint = "publish it from a folder: `belay policy publish FOLDER`";
        Fault::failed(format!("the policy of release {version} does not read here"), hint)
    })?;
    let (autonomy, profiles) = ((&old.autonomy).into(), profiles_of(&old.profiles));
    // Its policy carries ids and hashes already.
    let programs = NamedPrograms::default();
    let source = Source { policy, autonomy, profiles, beacons: None, programs };
    let message = match asked.said.remarked.message.as_str() {
        "" => format!("back to {version}"),
        why => format!("back to {version}: {why}"),
    };
    let (reason, expect) = (reason(&message)?, asked.said.expect.as_deref());
    let (signing, schema) = (&asked.said.remarked.signing, "belay.policy.rollback/1");
    // The old draft stands where it stood then; what is signed here is no proposal of it.
    let drafts = Vec::new();
    release(context, &Asked { source, drafts, reason, expect, signing, schema })
}

/// The release before the one in force. After a rollback that is the one before what was gone back
/// to, so that going back twice goes back two.
fn before(all: &[HistorySaid]) -> Result<String, Fault> {
    let hint = "name a release: `belay policy history` lists them";
    let none = |what: &str| Fault::exit(7, what, hint);
    let now = all.iter().find(|one| one.state == IN_FORCE);
    let now = now.ok_or_else(|| none("no release is in force to go back from"))?;
    // Newest first.
    let reached: Vec<&HistorySaid> =
        all.iter().filter(|one| one.state == IN_FORCE || one.state == WAS_IN_FORCE).collect();
    let same = |one: &HistorySaid| {
        let times = (&one.autonomy, &one.profiles) == (&now.autonomy, &now.profiles);
        times && one.body == now.body
    };
    let first = reached.iter().rposition(|one| same(one)).unwrap_or(0);
    let older = reached.iter().skip(first + 1).find(|one| !same(one));
    older.map(|one| one.version.clone()).ok_or_else(|| none("nothing older was ever in force"))
}
