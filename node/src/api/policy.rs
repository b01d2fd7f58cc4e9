//! What judges here, in the doors' words.

use super::{LeaseSaid, to_text};
use crate::shell::reach_said;
use belay_identity::body::{Action, Autonomy, DataClass, DataMark, DeviceKind, Policy, Profile};
use belay_identity::key::hex;
use belay_mesh::gate::RuleLine;
use belay_mesh::policy_history::HistoryLine;
use belay_mesh::policy_report::{BeaconLine, PolicyReport, ReleaseReport};
use serde::{Deserialize, Serialize};

/// What judges here.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PolicySaid {
    pub(crate) ring: String,
    pub(crate) next: String,
    pub(crate) judging: Vec<ReleaseSaidWhole>,
    /// Older ones that judge on until the adopt-by of the one after them.
    #[serde(default)]
    pub(crate) older: Vec<OlderSaid>,
    pub(crate) proposed: Vec<ReleaseSaidWhole>,
    pub(crate) autonomy: Option<AutonomySaid>,
    pub(crate) leases: Vec<LeaseSaid>,
    pub(crate) agent: Option<AgentScopeSaid>,
    pub(crate) operators: Vec<String>,
    pub(crate) devices: Vec<BeaconSaid>,
}

/// An older release that judges on for a while.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OlderSaid {
    /// When it stops, Unix milliseconds.
    pub(crate) until_ms: u64,
    pub(crate) release: ReleaseSaidWhole,
}

/// One release, with its policy.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReleaseSaidWhole {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) author: String,
    pub(crate) approved: Vec<String>,
    pub(crate) adopt_by_ms: u64,
    pub(crate) expiry_ms: Option<u64>,
    pub(crate) stands: bool,
    pub(crate) whole: bool,
    pub(crate) quorum: u64,
    pub(crate) liars: u64,
    pub(crate) beacons: Vec<BeaconSaid>,
    #[serde(default)]
    pub(crate) gateways: Vec<BeaconSaid>,
    pub(crate) autonomy: AutonomySaid,
    /// What holds for a kind of device instead.
    #[serde(default)]
    pub(crate) profiles: Vec<(String, AutonomySaid)>,
    pub(crate) modes: Vec<(String, String)>,
    pub(crate) projects: Vec<String>,
    pub(crate) classes: Vec<String>,
    #[serde(default)]
    pub(crate) programs: ProgramsSaid,
    /// Kinds of devices that are announced on their local network although they move about.
    #[serde(default)]
    pub(crate) announced: Vec<String>,
    /// Classes of data, the lowest first.
    #[serde(default)]
    pub(crate) data: Vec<DataSaid>,
    pub(crate) rules: Vec<RuleSaid>,
    /// The statements that carry the heads of the drafts it was made of.
    #[serde(default)]
    pub(crate) drafts: Vec<String>,
    /// Why, in its author's words.
    #[serde(default)]
    pub(crate) reason: String,
    /// The canonical policy, in hex; absent while only half of the release is here.
    pub(crate) body: Option<String>,
}

/// One release in the history of its ring.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HistorySaid {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) state: String,
    pub(crate) author: String,
    pub(crate) approved: Vec<String>,
    pub(crate) reason: String,
    /// From when on a lease starts only with it, Unix milliseconds.
    pub(crate) adopt_by_ms: u64,
    /// SHA-256 of its policy.
    pub(crate) body: String,
    pub(crate) autonomy: AutonomySaid,
    pub(crate) profiles: Vec<(String, AutonomySaid)>,
    /// The drafts it was made of, by name.
    pub(crate) drafts: Vec<String>,
    pub(crate) whole: bool,
}

/// What a release says of programs: hashes of files and ids of manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProgramsSaid {
    pub(crate) sanctioned: Vec<String>,
    pub(crate) tolerated: Vec<String>,
    /// `tolerated` or `blocked`.
    pub(crate) unknown: String,
}

/// A class of data, and what holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataSaid {
    pub(crate) class: String,
    /// Each as its kind and its name: `path:/srv/payroll`.
    pub(crate) marks: Vec<String>,
}

/// The classes of data of a policy.
pub(crate) fn data_said(policy: &Policy) -> Vec<DataSaid> {
    let mark = |mark: &DataMark| format!("{}:{}", mark.kind.as_str(), mark.name);
    let class = |class: &DataClass| DataSaid {
        class: class.name.clone(),
        marks: class.marks.iter().map(mark).collect(),
    };
    policy.data.iter().map(class).collect()
}

/// The same in one line.
pub(crate) fn data_words(classes: &[DataSaid]) -> String {
    let class = |one: &DataSaid| match one.marks.as_slice() {
        [] => one.class.clone(),
        marks => format!("{} ({})", one.class, marks.join(", ")),
    };
    classes.iter().map(class).collect::<Vec<_>>().join(" < ")
}

/// The kinds that a policy lets be announced, in words.
pub(crate) fn announced_said(policy: &Policy) -> Vec<String> {
    policy.announced.iter().map(|kind| kind.as_str().to_owned()).collect()
}

impl ProgramsSaid {
    pub(crate) fn of(policy: &Policy) -> Self {
        let list = |all: &[[u8; 32]]| all.iter().map(|entry| hex(entry)).collect();
        let unknown = if policy.unknown.is_some() { "blocked" } else { "tolerated" };
        Self {
            sanctioned: list(&policy.sanctioned),
            tolerated: list(&policy.tolerated),
            unknown: unknown.to_owned(),
        }
    }
}

/// A device that can give leases.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BeaconSaid {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) always_on: bool,
}

/// One rule.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RuleSaid {
    pub(crate) id: String,
    pub(crate) effect: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Whose rules are shown.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgentScopeSaid {
    pub(crate) agent: String,
    pub(crate) user: String,
    pub(crate) project: String,
    pub(crate) class: String,
}

/// How long each class may go on without contact, milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AutonomySaid {
    pub(crate) local_ms: u64,
    pub(crate) tool_ms: u64,
    pub(crate) outward_ms: u64,
    pub(crate) work_ms: u64,
    pub(crate) motion_ms: u64,
    pub(crate) unsealed_run_ms: u64,
    pub(crate) lapse_grace_ms: u64,
}

impl AutonomySaid {
    /// Every span by the name it has in `release.toml`.
    pub(crate) fn spans(&self) -> [(&'static str, u64); 7] {
        [
            ("leases.local", self.local_ms),
            ("leases.tool", self.tool_ms),
            ("leases.outward", self.outward_ms),
            ("leases.work", self.work_ms),
            ("leases.motion", self.motion_ms),
            ("run.unsealed_run", self.unsealed_run_ms),
            ("run.lapse_grace", self.lapse_grace_ms),
        ]
    }
}

impl From<&AutonomySaid> for Autonomy {
    fn from(all: &AutonomySaid) -> Self {
        Self {
            local_ms: all.local_ms,
            tool_ms: all.tool_ms,
            outward_ms: all.outward_ms,
            work_ms: all.work_ms,
            motion_ms: all.motion_ms,
            unsealed_run_ms: all.unsealed_run_ms,
            lapse_grace_ms: all.lapse_grace_ms,
        }
    }
}

impl From<&Autonomy> for AutonomySaid {
    fn from(all: &Autonomy) -> Self {
        Self {
            local_ms: all.local_ms,
            tool_ms: all.tool_ms,
            outward_ms: all.outward_ms,
            work_ms: all.work_ms,
            motion_ms: all.motion_ms,
            unsealed_run_ms: all.unsealed_run_ms,
            lapse_grace_ms: all.lapse_grace_ms,
        }
    }
}

/// Profiles by the name of their kind, in the order of the kinds.
pub(crate) fn profiles_said(profiles: &[Profile]) -> Vec<(String, AutonomySaid)> {
    let mut said: Vec<_> = profiles
        .iter()
        .map(|profile| (profile.kind.as_str().to_owned(), (&profile.autonomy).into()))
        .collect();
    said.sort_by(|one: &(String, AutonomySaid), other| one.0.cmp(&other.0));
    said
}

/// The profiles that are said so; a kind that this version does not know has none.
pub(crate) fn profiles_of(said: &[(String, AutonomySaid)]) -> Vec<Profile> {
    let known = |kind: DeviceKind| said.iter().find(|(name, _)| name == kind.as_str());
    let profile = |kind: &DeviceKind| {
        known(*kind).map(|(_, autonomy)| Profile { kind: *kind, autonomy: autonomy.into() })
    };
    DeviceKind::ALL.iter().filter_map(profile).collect()
}

impl From<&PolicyReport> for PolicySaid {
    fn from(report: &PolicyReport) -> Self {
        let leases = report.leases.iter().map(|lease| LeaseSaid {
            class: lease.action.as_str().to_owned(),
            reach: reach_said(lease.reach),
        });
        Self {
            ring: report.ring.clone(),
            next: report.next.to_string(),
            judging: report.judging.iter().map(Into::into).collect(),
            older: report
                .older
                .iter()
                .map(|(release, until_ms)| OlderSaid {
                    until_ms: *until_ms,
                    release: release.into(),
                })
                .collect(),
            proposed: report.proposed.iter().map(Into::into).collect(),
            autonomy: report.autonomy.as_ref().map(Into::into),
            leases: leases.collect(),
            agent: report.agent.as_ref().map(|link| AgentScopeSaid {
                agent: link.agent.name().to_owned(),
                user: link.user.name().to_owned(),
                project: link.project.name().to_owned(),
                class: link.class.name().to_owned(),
            }),
            operators: report.operators.iter().map(|id| id.name().to_owned()).collect(),
            devices: report.devices.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ReleaseReport> for ReleaseSaidWhole {
    fn from(release: &ReleaseReport) -> Self {
        let (header, policy) = (&release.header, release.policy.as_ref());
        let modes = policy.map(|policy| {
            let mode = |action: &Action| policy.modes.of(*action).as_str().to_owned();
            Action::ALL.iter().map(|a| (a.as_str().to_owned(), mode(a))).collect()
        });
        Self {
            id: release.id.to_hex(),
            version: header.version.to_string(),
            author: short_name(&release.author),
            approved: release.approved.iter().map(|who| short_name(who)).collect(),
            adopt_by_ms: header.adopt_by_ms,
            expiry_ms: release.expiry_ms,
            stands: release.stands,
            whole: policy.is_some(),
            quorum: header.quorum,
            liars: header.liars,
            beacons: release.beacons.iter().map(Into::into).collect(),
            gateways: release.gateways.iter().map(Into::into).collect(),
            autonomy: (&header.autonomy).into(),
            profiles: profiles_said(&header.profiles),
            modes: modes.unwrap_or_default(),
            projects: policy.map(|policy| policy.projects.clone()).unwrap_or_default(),
            classes: policy.map(|policy| policy.classes.clone()).unwrap_or_default(),
            programs: policy.map(ProgramsSaid::of).unwrap_or_default(),
            announced: policy.map(announced_said).unwrap_or_default(),
            data: policy.map(data_said).unwrap_or_default(),
            rules: release.rules.iter().map(Into::into).collect(),
            drafts: header.drafts.iter().map(|id| id.to_hex()).collect(),
            reason: header.reason.clone().unwrap_or_default().0,
            body: policy.map(|policy| to_text(&policy.to_bytes())),
        }
    }
}

impl From<&HistoryLine> for HistorySaid {
    fn from(line: &HistoryLine) -> Self {
        Self {
            id: line.id.to_hex(),
            version: line.version.to_string(),
            state: line.state.as_str().to_owned(),
            author: short_name(&line.author),
            approved: line.approved.iter().map(|who| short_name(who)).collect(),
            reason: line.reason.clone(),
            adopt_by_ms: line.adopt_by_ms,
            body: hex(&line.body),
            autonomy: (&line.autonomy).into(),
            profiles: profiles_said(&line.profiles),
            drafts: line.drafts.clone(),
            whole: line.whole,
        }
    }
}

impl From<&BeaconLine> for BeaconSaid {
    fn from(line: &BeaconLine) -> Self {
        let key = line.key.to_hex();
        Self { name: line.name.clone(), key, always_on: line.always_on }
    }
}

impl From<&RuleLine> for RuleSaid {
    fn from(rule: &RuleLine) -> Self {
        Self {
            id: rule.id.clone(),
            effect: rule.effect.to_owned(),
            line: rule.line,
            text: rule.text.clone(),
        }
    }
}

/// `spiffe://domain/operator/ada` as `operator:ada`.
pub(crate) fn short_name(principal: &str) -> String {
    let mut parts = principal.strip_prefix("spiffe://").unwrap_or(principal).splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_domain), Some(kind), Some(name)) => format!("{kind}:{name}"),
        (Some(domain), Some(kind), None) => format!("{kind} of {domain}"),
        (Some(whole), None, _) => whole.to_owned(),
        (None, ..) => principal.to_owned(),
    }
}
