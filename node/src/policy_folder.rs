//! A release's source: a folder of `policy.cedar` and `release.toml`.
//!
//! Refused here: a half-written policy. What does not parse, validate or add up names its file,
//! line and next step (exit 7), before anything is signed.

mod asking;
mod cases;
mod data;
mod faults;
mod files;
mod links;
mod programs;
mod templates;
mod weighed;

pub(crate) use asking::{asking, nearest, words as asking_words};
pub(crate) use cases::{Case, cases};
pub(crate) use faults::{FolderFault, faults, faults_of_texts};
pub(crate) use files::{read_files, release_texts, write_files};
pub use programs::{ManifestName, NamedPrograms};
pub(crate) use templates::{TEMPLATES, Template};
pub(crate) use weighed::{Weighed, weigh};

use crate::fault::Fault;
use belay_identity::body::{Autonomy, DeviceKind, Mode, Modes, Policy, Profile};
use belay_identity::limits::POLICY_BYTES_MAX;
use belay_mesh::gate::Rules;
use data::DataFile;
use links::{LinksFile, MDNS_HINT};
use programs::ProgramsFile;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

const STARTER_RULES: &str = include_str!("../../configs/policies/starter/policy.cedar");
const STARTER_RELEASE: &str = include_str!("../../configs/policies/starter/release.toml");

/// A release before it is signed.
#[derive(Debug, Clone)]
pub struct Source {
    /// The policy body.
    pub policy: Policy,
    /// How long each class may go on without contact.
    pub autonomy: Autonomy,
    /// What holds for a kind of device instead.
    pub profiles: Vec<Profile>,
    /// Who gives device leases; as in the release before where the folder does not say.
    pub beacons: Option<Beacons>,
    /// Programs that stand in the policy by the ids of their manifests, once those are looked up.
    pub programs: NamedPrograms,
}

/// Who gives device leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacons {
    /// The names of the devices.
    pub devices: Vec<String>,
    /// How many of them a lease needs.
    pub quorum: u64,
    /// How many of them may lie.
    pub liars: u64,
    /// The names of the devices that may pass their answers on.
    pub gateways: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseFile {
    projects: Vec<String>,
    classes: Vec<String>,
    modes: ModesFile,
    leases: LeasesFile,
    run: RunFile,
    beacons: Option<BeaconsFile>,
    #[serde(default)]
    profiles: BTreeMap<String, ProfileFile>,
    #[serde(default)]
    programs: ProgramsFile,
    #[serde(default)]
    links: LinksFile,
    #[serde(default)]
    data: Vec<DataFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeaconsFile {
    devices: Spanned<Vec<String>>,
    quorum: Spanned<u64>,
    #[serde(default)]
    liars: u64,
    #[serde(default)]
    gateways: Vec<String>,
}

/// What a kind of device does otherwise than the rest.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProfileFile {
    local: Option<Spanned<String>>,
    tool: Option<Spanned<String>>,
    outward: Option<Spanned<String>>,
    work: Option<Spanned<String>>,
    motion: Option<Spanned<String>>,
    unsealed_run: Option<Spanned<String>>,
    lapse_grace: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModesFile {
    local: Spanned<String>,
    tool: Spanned<String>,
    outward: Spanned<String>,
    work: Spanned<String>,
    motion: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeasesFile {
    local: Spanned<String>,
    tool: Spanned<String>,
    outward: Spanned<String>,
    work: Spanned<String>,
    motion: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunFile {
    unsealed_run: Spanned<String>,
    lapse_grace: Spanned<String>,
}

impl Source {
    /// The release that a first device starts with.
    pub(crate) fn starter() -> Result<Self, Fault> {
        Self::read_texts("the starter release", STARTER_RULES, STARTER_RELEASE)
    }

    /// Reads and checks a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Fault> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|error| {
                let hint = "a policy folder holds policy.cedar and release.toml";
                Fault::exit(7, format!("{}: {error}", path.display()), hint)
            })
        };
        let name = folder.display().to_string();
        Self::read_texts(&name, &read("policy.cedar")?, &read("release.toml")?)
    }

    /// Checks the two texts of a release; `name` stands in what is said of them.
    pub fn read_texts(name: &str, rules: &str, release: &str) -> Result<Self, Fault> {
        Rules::load(rules).map_err(|error| {
            Fault::exit(7, format!("{name}/policy.cedar: {error}"), error.hint())
        })?;
        let file: ReleaseFile = toml::from_str(release).map_err(|error| {
            let hint = "compare it with the starter release; unknown keys are errors";
            Fault::exit(7, format!("{name}/release.toml: {error}"), hint)
        })?;
        let at = |what: &str, word: &Spanned<String>, problem: &str| {
            let line = release[..word.span().start].lines().count().max(1);
            let what = format!("{name}/release.toml, line {line}, {what}");
            let problem = format!("{what}: “{}” {problem}", word.get_ref());
            let hint = "durations are a number and s, m or h; modes are observe, ask or enforce";
            Fault::exit(7, problem, hint)
        };
        let mut policy = file.policy(rules, &at)?;
        if let Some((what, word, problem, hint)) = file.programs.wrong().first() {
            return Err(Fault { hint: (*hint).to_owned(), ..at(what, word, problem) });
        }
        if let Some(word) = file.links.wrong() {
            let fault = at("links.mdns", word, "is no kind that is silent by itself");
            return Err(Fault { hint: MDNS_HINT.to_owned(), ..fault });
        }
        if let Some((what, word, problem, hint)) = data::wrong(&file.data).first() {
            return Err(Fault { hint: (*hint).to_owned(), ..at(what, word, problem) });
        }
        if let Some(one) = data::unlisted(rules, &file.data).into_iter().next() {
            let what = format!("{name}/policy.cedar, line {}: {}", one.line, one.what);
            return Err(Fault::exit(7, what, one.hint));
        }
        data::fill(&file.data, &mut policy);
        let programs = file.programs.fill(&mut policy);
        file.links.fill(&mut policy);
        let bytes = policy.to_bytes().len();
        if bytes > POLICY_BYTES_MAX {
            let what =
                format!("{name}: a policy of {bytes} bytes; at most {POLICY_BYTES_MAX} travel");
            return Err(Fault::exit(7, what, "fewer or shorter rules; comments count too"));
        }
        let autonomy = file.autonomy(&at)?;
        let profiles = file.profiles(&autonomy, name, release, &at)?;
        let beacons = file.beacons(name, release)?;
        Ok(Self { policy, autonomy, profiles, beacons, programs })
    }
}

impl ReleaseFile {
    fn modes(&self) -> [(&'static str, &Spanned<String>); 5] {
        [
            ("modes.local", &self.modes.local),
            ("modes.tool", &self.modes.tool),
            ("modes.outward", &self.modes.outward),
            ("modes.work", &self.modes.work),
            ("modes.motion", &self.modes.motion),
        ]
    }

    fn spans(&self) -> [(&'static str, &Spanned<String>); 7] {
        [
            ("leases.local", &self.leases.local),
            ("leases.tool", &self.leases.tool),
            ("leases.outward", &self.leases.outward),
            ("leases.work", &self.leases.work),
            ("leases.motion", &self.leases.motion),
            ("run.unsealed_run", &self.run.unsealed_run),
            ("run.lapse_grace", &self.run.lapse_grace),
        ]
    }

    fn beacons(&self, name: &str, text: &str) -> Result<Option<Beacons>, Fault> {
        let Some(file) = &self.beacons else { return Ok(None) };
        if let Some((at, what)) = file.wrong() {
            let line = text[..at].lines().count().max(1);
            let hint =
                "name each device once, 1 to all of them as quorum, and fewer liars than that";
            return Err(Fault::exit(7, format!("{name}/release.toml, line {line}, {what}"), hint));
        }
        let devices = file.devices.get_ref().clone();
        let (quorum, liars) = (*file.quorum.get_ref(), file.liars);
        Ok(Some(Beacons { devices, quorum, liars, gateways: file.gateways.clone() }))
    }

    fn policy(&self, rules: &str, at: &At<'_>) -> Result<Policy, Fault> {
        let mode = |what: &str, word: &Spanned<String>| {
            Mode::from_word(word.get_ref()).ok_or_else(|| at(what, word, "is no mode"))
        };
        Ok(Policy {
            rules: rules.to_owned(),
            modes: Modes {
                local: mode("modes.local", &self.modes.local)?,
                tool: mode("modes.tool", &self.modes.tool)?,
                outward: mode("modes.outward", &self.modes.outward)?,
                work: mode("modes.work", &self.modes.work)?,
                motion: mode("modes.motion", &self.modes.motion)?,
            },
            sanctioned: Vec::new(),
            tolerated: Vec::new(),
            projects: self.projects.clone(),
            classes: self.classes.clone(),
            unknown: None,
            announced: Vec::new(),
            data: Vec::new(),
        })
    }

    fn autonomy(&self, at: &At<'_>) -> Result<Autonomy, Fault> {
        let span = |what: &str, text: &Spanned<String>| {
            span_ms(text.get_ref()).ok_or_else(|| at(what, text, "is no duration"))
        };
        Ok(Autonomy {
            local_ms: span("leases.local", &self.leases.local)?,
            tool_ms: span("leases.tool", &self.leases.tool)?,
            outward_ms: span("leases.outward", &self.leases.outward)?,
            work_ms: span("leases.work", &self.leases.work)?,
            motion_ms: span("leases.motion", &self.leases.motion)?,
            unsealed_run_ms: span("run.unsealed_run", &self.run.unsealed_run)?,
            lapse_grace_ms: span("run.lapse_grace", &self.run.lapse_grace)?,
        })
    }
}

/// What a profile for no kind of device is told.
pub(super) const KINDS: &str = "profiles are for laptop, phone, robot, gateway or server";

impl ReleaseFile {
    /// The profiles, each span that they do not name as for the rest.
    fn profiles(
        &self,
        rest: &Autonomy,
        name: &str,
        text: &str,
        at: &At<'_>,
    ) -> Result<Vec<Profile>, Fault> {
        let profile = |(word, file): (&String, &ProfileFile)| {
            let kind = DeviceKind::from_word(word).ok_or_else(|| {
                let line = line_of_profile(text, word);
                let what =
                    format!("{name}/release.toml, line {line}, profiles.{word}: no such kind");
                Fault::exit(7, what, KINDS)
            })?;
            Ok(Profile { kind, autonomy: file.autonomy(word, rest, at)? })
        };
        self.profiles.iter().map(profile).collect()
    }
}

/// The line on which a profile begins.
pub(super) fn line_of_profile(text: &str, kind: &str) -> usize {
    let begins = text.find(&format!("profiles.{kind}")).unwrap_or_default();
    text[..begins].matches('\n').count() + 1
}

impl ProfileFile {
    /// The spans that it names.
    fn spans(&self) -> Vec<(&'static str, &Spanned<String>)> {
        let all = [
            ("local", &self.local),
            ("tool", &self.tool),
            ("outward", &self.outward),
            ("work", &self.work),
            ("motion", &self.motion),
            ("unsealed_run", &self.unsealed_run),
            ("lapse_grace", &self.lapse_grace),
        ];
        all.into_iter().filter_map(|(name, span)| Some((name, span.as_ref()?))).collect()
    }

    fn autonomy(&self, kind: &str, rest: &Autonomy, at: &At<'_>) -> Result<Autonomy, Fault> {
        let span = |name: &str, own: &Option<Spanned<String>>, rest_ms: u64| match own {
            None => Ok(rest_ms),
            Some(text) => span_ms(text.get_ref())
                .ok_or_else(|| at(&format!("profiles.{kind}.{name}"), text, "is no duration")),
        };
        Ok(Autonomy {
            local_ms: span("local", &self.local, rest.local_ms)?,
            tool_ms: span("tool", &self.tool, rest.tool_ms)?,
            outward_ms: span("outward", &self.outward, rest.outward_ms)?,
            work_ms: span("work", &self.work, rest.work_ms)?,
            motion_ms: span("motion", &self.motion, rest.motion_ms)?,
            unsealed_run_ms: span("unsealed_run", &self.unsealed_run, rest.unsealed_run_ms)?,
            lapse_grace_ms: span("lapse_grace", &self.lapse_grace, rest.lapse_grace_ms)?,
        })
    }
}

impl BeaconsFile {
    /// What does not add up, and where.
    fn wrong(&self) -> Option<(usize, String)> {
        let (devices, quorum) = (self.devices.get_ref(), *self.quorum.get_ref());
        let names: std::collections::BTreeSet<&String> = devices.iter().collect();
        if names.len() < devices.len() {
            let what = "beacons.devices: a device is named twice".to_owned();
            return Some((self.devices.span().start, what));
        }
        let fits = (1..=devices.len() as u64).contains(&quorum) && self.liars < quorum;
        let what = || {
            let (all, liars) = (devices.len(), self.liars);
            format!("beacons.quorum: {quorum} of {all} with {liars} liars does not add up")
        };
        (!fits).then(|| (self.quorum.span().start, what()))
    }
}

type At<'a> = dyn Fn(&str, &Spanned<String>, &str) -> Fault + 'a;

/// A duration such as `250ms`, `10s`, `15m` or `8h`, in milliseconds.
pub(crate) fn span_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Milliseconds for people.
pub(crate) fn span_words(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..180_000 => format!("{} s", ms / 1_000),
        180_000..10_800_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}
