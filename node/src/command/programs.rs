//! Programs of a release that are written by name: looked up among the manifests that stand.
//!
//! A release carries ids and hashes, never names, so that nobody can stand a program behind a name
//! afterwards. Refused here: a name that means nothing, two manifests, or another ring's program.

use crate::api::Ask;
use crate::api::programs::ManifestSaid;
use crate::door::DoorClient;
use crate::fault::Fault;
use crate::policy_folder::{ManifestName, Source};
use belay_identity::body::Policy;
use std::collections::BTreeMap;

/// Writes the ids of the named manifests into the policy of a source.
pub(super) fn look_up(source: Source, door: &mut DoorClient, ring: &str) -> Result<Source, Fault> {
    if source.programs.all().next().is_none() {
        return Ok(source);
    }
    let known: Vec<ManifestSaid> = door.call(&Ask::Manifests)?;
    let found = source.programs.all().map(|name| find(&known, name, ring));
    let found = found.collect::<Result<BTreeMap<_, _>, _>>()?;
    let mut policy: Policy = source.policy;
    source.programs.fill(&mut policy, |name| found.get(name).copied());
    Ok(Source { policy, ..source })
}

/// Where there is no fleet yet, nobody can have signed a manifest.
pub(super) fn none_named(source: &Source) -> Result<(), Fault> {
    let Some(name) = source.programs.all().next() else { return Ok(()) };
    let what = format!("[programs] names {name}, and a new fleet has no manifest");
    let hint = "write the hash of the file, or sign the manifest and publish afterwards";
    Err(Fault::exit(7, what, hint))
}

fn find(
    known: &[ManifestSaid],
    name: &ManifestName,
    ring: &str,
) -> Result<(ManifestName, [u8; 32]), Fault> {
    let called = |one: &&ManifestSaid| one.name == name.name && one.version == name.version;
    let mut called = known.iter().filter(called);
    let one = match (called.next(), called.next()) {
        (Some(one), None) => one,
        (None, _) => {
            let what = format!("[programs]: no manifest that stands is called {name}");
            let hint =
                "sign one: `belay manifest sign`; `belay manifest list` shows those there are";
            return Err(Fault::exit(7, what, hint));
        }
        (Some(one), Some(other)) => {
            let what = format!("[programs]: two manifests are called {name}");
            let hint = format!("write the id instead: {} or {}", one.id, other.id);
            return Err(Fault::exit(7, what, hint));
        }
    };
    if !one.rings.is_empty() && !one.rings.iter().any(|known| known == ring) {
        let what = format!("[programs]: {name} is not meant for ring {ring}");
        let hint = format!("its manifest names {}", one.rings.join(", "));
        return Err(Fault::exit(7, what, hint));
    }
    let id = crate::api::id_from_text(&one.id);
    let id = id.map_err(|refusal| Fault::failed(refusal.why, "use one version of belay"))?;
    Ok((name.clone(), id))
}
