//! A policy by whatever names it: a folder, a version, or what is in force.
//!
//! In force may be several: until a release is adopted the one before it judges beside it. Refused
//! here: half a release; its policy has to be here.

use crate::api::Ask;
use crate::api::policy::{OlderSaid, PolicySaid, ReleaseSaidWhole};
use crate::cli::Context;
use crate::clock;
use crate::command::door;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::policy_folder::Source;
use belay_identity::body::Policy;
use belay_identity::key::unhex;
use std::path::Path;

/// What names the release in force.
pub(crate) const IN_FORCE: &str = "in-force";

/// A policy, and what to call it.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) policy: Policy,
    /// When it stops to judge, Unix milliseconds, where it judges only until then.
    pub(super) until_ms: Option<u64>,
}

/// Finds a policy; of what is in force, every release that judges, the highest version first. The
/// strictest answer of all of them is the answer.
pub(super) fn policies_of(context: &Context, word: &str) -> Result<Vec<Named>, Fault> {
    if Path::new(word).is_dir() {
        let policy = Source::read(Path::new(word))?.policy;
        return Ok(vec![Named { name: word.to_owned(), policy, until_ms: None }]);
    }
    let version = word.strip_prefix('v').unwrap_or(word);
    let is_version = version.split_once('.').is_some_and(|(epoch, number)| {
        epoch.parse::<u64>().is_ok() && number.parse::<u64>().is_ok()
    });
    if word != IN_FORCE && !is_version {
        let hint = format!("name a folder, a version such as 1.2, or {IN_FORCE}");
        return Err(Fault::wrong_use(format!("“{word}” is no folder and no version"), hint));
    }
    let mut door = door(context, DoorName::Operator)?;
    match word {
        IN_FORCE => in_force(door.call(&Ask::Policy { agent: None })?),
        _ => {
            let release = door.call(&Ask::Release { version: version.to_owned() })?;
            Ok(vec![named(&release, None)?])
        }
    }
}

/// What judges, as the gate asks it: while a policy is on its way, those before it alone.
fn in_force(said: PolicySaid) -> Result<Vec<Named>, Fault> {
    if said.judging.is_empty() {
        let hint = "an operator publishes one: `belay policy publish FOLDER`";
        return Err(Fault::failed("no release judges here", hint));
    }
    let older: Vec<OlderSaid> =
        said.older.into_iter().filter(|older| older.release.whole).collect();
    let half = said.judging.iter().any(|release| !release.whole);
    let judging = said.judging.iter().filter(|_| !half || older.is_empty());
    let judging = judging.map(|release| named(release, None));
    judging.chain(older.iter().map(|older| named(&older.release, Some(older.until_ms)))).collect()
}

fn named(release: &ReleaseSaidWhole, until_ms: Option<u64>) -> Result<Named, Fault> {
    let name = format!("release {}", release.version);
    let body = release.body.as_deref().and_then(unhex);
    let policy = body.and_then(|bytes| Policy::from_bytes(&bytes).ok());
    let hint = "ask on a device that has it: `belay policy history`";
    let policy =
        policy.ok_or_else(|| Fault::exit(6, format!("the policy of {name} is not here"), hint))?;
    Ok(Named { name, policy, until_ms })
}

impl Named {
    /// That it judges, and until when.
    pub(super) fn judges(&self) -> String {
        let until = self.until_ms.map(|ms| format!(" until {}", clock::rfc3339(ms)));
        format!("{} judges{}", self.name, until.unwrap_or_default())
    }
}
