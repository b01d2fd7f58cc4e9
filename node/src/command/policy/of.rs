//! A policy by whatever names it: a folder, a version, or what is in force.
//!
//! Refused here: half a release; its policy has to be here.

use crate::api::Ask;
use crate::api::policy::{PolicySaid, ReleaseSaidWhole};
use crate::cli::Context;
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
}

/// Finds a policy.
pub(super) fn policy_of(context: &Context, word: &str) -> Result<Named, Fault> {
    if Path::new(word).is_dir() {
        let policy = Source::read(Path::new(word))?.policy;
        return Ok(Named { name: word.to_owned(), policy });
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
    let release: ReleaseSaidWhole = match word {
        IN_FORCE => {
            let said: PolicySaid = door.call(&Ask::Policy { agent: None })?;
            said.judging.into_iter().next().ok_or_else(|| {
                let hint = "an operator publishes one: `belay policy publish FOLDER`";
                Fault::failed("no release judges here", hint)
            })?
        }
        _ => door.call(&Ask::Release { version: version.to_owned() })?,
    };
    let name = format!("release {}", release.version);
    let body = release.body.as_deref().and_then(unhex);
    let policy = body.and_then(|bytes| Policy::from_bytes(&bytes).ok());
    let hint = "ask on a device that has it: `belay policy history`";
    let policy =
        policy.ok_or_else(|| Fault::exit(6, format!("the policy of {name} is not here"), hint))?;
    Ok(Named { name, policy })
}
