//! What a release says of programs.
//!
//! A list names a file by its hash, or a manifest by its id: then every file that the manifest
//! names, for as long as it stands. The narrower word counts where two differ. Refused here: what
//! is blocked by an order; the gate asks orders first.

use super::GateRelease;
use super::{Binds, No};
use crate::input::OnDisk;
use belay_crdt::manifests::Manifests;
use belay_identity::StatementId;
use belay_identity::body::Policy;
use belay_identity::chain::Link;
use belay_identity::codes;
use std::collections::BTreeSet;

codes! {
    /// How a program stands with a release, the strictest last.
    pub enum ProgramStanding {
        /// The release lists it as sanctioned.
        Sanctioned = 1 "sanctioned",
        /// The release lists it as tolerated.
        Tolerated = 2 "tolerated",
        /// The release lists it nowhere, and lets such programs be.
        Unlisted = 3 "tolerated, as it is listed nowhere",
        /// The release lists it nowhere, and blocks such programs; or an order blocks it.
        Blocked = 4 "blocked",
    }
}

/// The lists of one release, every manifest in them replaced by the files that it names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Programs {
    sanctioned: BTreeSet<[u8; 32]>,
    tolerated: BTreeSet<[u8; 32]>,
    block_unknown: bool,
}

impl Programs {
    pub(crate) fn of(policy: &Policy, manifests: &Manifests) -> Self {
        let files = |listed: &[[u8; 32]]| -> BTreeSet<[u8; 32]> {
            let one = |entry: &[u8; 32]| match manifests.get(&StatementId(*entry)) {
                Some(vouched) => vouched.manifest.builds.iter().map(|build| build.file).collect(),
                // The hash of a file; or a manifest that does not stand, which then names nothing.
                None => vec![*entry],
            };
            listed.iter().flat_map(one).collect()
        };
        Self {
            sanctioned: files(&policy.sanctioned),
            tolerated: files(&policy.tolerated),
            block_unknown: policy.unknown.is_some(),
        }
    }

    pub(crate) fn standing(&self, file: &[u8; 32]) -> ProgramStanding {
        let listed = (self.tolerated.contains(file), self.sanctioned.contains(file));
        match listed {
            (true, _) => ProgramStanding::Tolerated,
            (false, true) => ProgramStanding::Sanctioned,
            (false, false) if self.block_unknown => ProgramStanding::Blocked,
            (false, false) => ProgramStanding::Unlisted,
        }
    }
}

/// Refuses a link of which some file is blocked.
pub(super) fn allowed(release: &GateRelease, link: &Link) -> Result<(), No> {
    let blocked = |file: &&[u8; 32]| release.programs.standing(file) == ProgramStanding::Blocked;
    let Some(file) = link.programs().find(blocked) else { return Ok(()) };
    Err(No {
        rule: "manifest".into(),
        why: format!(
            "release {} blocks programs that it does not list, and lists none with the hash {}",
            release.version,
            belay_identity::key::hex(file)
        ),
        hint: "an operator signs a manifest for it with `belay manifest sign`, and lists that \
               under [programs] in the next release"
            .into(),
        binds: Binds::ByMode,
        near: None,
    })
}

/// Refuses an act of a program whose files hold something else than was started: what was judged at
/// its start is not what the disk says now.
pub(super) fn unchanged(link: &Link, on_disk: &OnDisk) -> Result<(), No> {
    let short = |file: &[u8; 32]| belay_identity::key::hex(file)[..16].to_owned();
    let why = match on_disk {
        OnDisk::AsStarted => return Ok(()),
        OnDisk::Changed(now) if now.file == link.program().file => {
            "an interpreter of this program is another one on disk than when it was started".into()
        }
        OnDisk::Changed(now) => format!(
            "the program is another one on disk ({}) than the one that was started ({})",
            short(&now.file),
            short(&link.program().file)
        ),
        OnDisk::Gone(why) => format!("the program is no longer on disk as it was started: {why}"),
    };
    let hint = "start the agent again: the program is judged anew";
    Err(No { rule: "manifest".into(), why, hint: hint.into(), binds: Binds::ByMode, near: None })
}
