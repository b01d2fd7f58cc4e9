//! Manifests and programs, in the doors' words.

use super::policy::short_name;
use super::standing::StandingOrderSaid;
use belay_identity::key::hex;
use belay_mesh::gate::ProgramStanding;
use belay_mesh::programs::{ManifestReport, ProgramReport};
use serde::{Deserialize, Serialize};

/// One program, by one of its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProgramSaid {
    /// SHA-256 of the file.
    pub(crate) hash: String,
    /// `sanctioned`, `tolerated`, `blocked`; absent where no release judges.
    pub(crate) verdict: Option<String>,
    /// True where a release lists it by name.
    pub(crate) listed: bool,
    /// The release that says so.
    pub(crate) release: Option<String>,
    /// Who signed and approved it.
    pub(crate) signed: Vec<String>,
    /// Orders that block it.
    pub(crate) orders: Vec<StandingOrderSaid>,
    /// Manifests that name it.
    pub(crate) manifests: Vec<ManifestSaid>,
}

/// One manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ManifestSaid {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) publisher: String,
    /// Who answers for it.
    pub(crate) author: String,
    pub(crate) builds: Vec<BuildSaid>,
    pub(crate) tools: Vec<String>,
    pub(crate) stop_grace_ms: Option<u64>,
    pub(crate) rings: Vec<String>,
    pub(crate) look_alikes: Vec<String>,
    pub(crate) rivals: Vec<String>,
}

/// One file of a manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BuildSaid {
    pub(crate) platform: String,
    pub(crate) hash: String,
}

impl From<&ProgramReport> for ProgramSaid {
    fn from(report: &ProgramReport) -> Self {
        let word = |standing| match standing {
            ProgramStanding::Sanctioned => "sanctioned",
            ProgramStanding::Tolerated | ProgramStanding::Unlisted => "tolerated",
            ProgramStanding::Blocked => "blocked",
        };
        let listed =
            matches!(report.listed, Some(ProgramStanding::Sanctioned | ProgramStanding::Tolerated));
        Self {
            hash: hex(&report.file),
            verdict: report.standing.map(|standing| word(standing).to_owned()),
            listed,
            release: report.release.as_ref().map(ToString::to_string),
            signed: report.signed.iter().map(|who| short_name(who)).collect(),
            orders: report.orders.iter().map(Into::into).collect(),
            manifests: report.manifests.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ManifestReport> for ManifestSaid {
    fn from(report: &ManifestReport) -> Self {
        let manifest = &report.manifest;
        let build = |build: &belay_identity::body::Build| BuildSaid {
            platform: build.platform.clone(),
            hash: hex(&build.file),
        };
        Self {
            id: report.id.to_hex(),
            name: manifest.name.to_string(),
            version: manifest.version.clone(),
            publisher: manifest.publisher.clone(),
            author: short_name(&report.author),
            builds: manifest.builds.iter().map(build).collect(),
            tools: manifest.tools.clone(),
            stop_grace_ms: manifest.stop_grace_ms,
            rings: manifest.rings.clone(),
            look_alikes: report.look_alikes.clone(),
            rivals: report.rivals.iter().map(|id| id.to_hex()).collect(),
        }
    }
}

impl ProgramSaid {
    /// What it is called, where a manifest says so.
    pub(crate) fn title(&self) -> Option<String> {
        let manifest = self.manifests.first()?;
        Some(format!("{}@{}", manifest.name, manifest.version))
    }

    /// The verdict and where it stands, in one line.
    pub(crate) fn words(&self) -> String {
        let verdict = self.verdict.as_deref().unwrap_or("not judged");
        let place = match (self.orders.first(), &self.release) {
            (Some(order), _) => {
                let id = order.id.get(..12).unwrap_or(&order.id);
                format!("by order {id} of {}", order.author)
            }
            (None, None) => "no release judges here".to_owned(),
            (None, Some(release)) => {
                let listed = if self.listed { "listed" } else { "not listed" };
                format!("{listed} in release {release}, signed by {}", self.signed.join(", "))
            }
        };
        let named = self
            .manifests
            .iter()
            .map(|one| format!("{}@{} signed by {}", one.name, one.version, one.author));
        let named: Vec<String> = named.collect();
        match named.as_slice() {
            [] => format!("{verdict} ({place}; no manifest names it)"),
            named => format!("{verdict} ({place}; manifest {})", named.join(" and ")),
        }
    }
}
