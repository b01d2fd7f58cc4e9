//! The files of a policy folder as texts: read from a folder, written to one, made of a release.
//!
//! A draft holds `policy.cedar`, `release.toml` and what stands under `tests/`, and nothing else of
//! a folder. Refused here: what is no text, and a path of any other file: other operators name
//! them, and a file that some program obeys (`.git/config`, `.envrc`) is soon written.

use crate::api::policy::ReleaseSaidWhole;
use crate::fault::{Fault, io};
use belay_identity::body::Policy;
use belay_identity::key::unhex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Component, Path};

const RULES: &str = "policy.cedar";
const RELEASE: &str = "release.toml";
const TESTS: &str = "tests";

/// Folders below `tests/` that are read; deeper ones are somebody's mistake.
const TESTS_DEPTH_MAX: usize = 4;

/// Reads the files of a folder, by path.
pub(crate) fn read_files(folder: &Path) -> Result<BTreeMap<String, String>, Fault> {
    let mut texts = BTreeMap::new();
    for name in [RULES, RELEASE] {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let hint = "a policy folder holds policy.cedar and release.toml";
            Fault::exit(7, format!("{}: {error}", path.display()), hint)
        })?;
        texts.insert(name.to_owned(), text);
    }
    if folder.join(TESTS).is_dir() {
        read_below(&folder.join(TESTS), TESTS, TESTS_DEPTH_MAX, &mut texts)?;
    }
    Ok(texts)
}

fn read_below(
    folder: &Path,
    at: &str,
    depth: usize,
    texts: &mut BTreeMap<String, String>,
) -> Result<(), Fault> {
    let shown = folder.display().to_string();
    for entry in std::fs::read_dir(folder).map_err(io(&shown))? {
        let entry = entry.map_err(io(&shown))?;
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let at = format!("{at}/{name}");
        let kind = entry.file_type().map_err(io(path.display()))?;
        if kind.is_dir() && depth > 0 {
            read_below(&path, &at, depth - 1, texts)?;
        } else if kind.is_file() {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let hint = "a draft holds texts; keep other files elsewhere";
                Fault::exit(7, format!("{}: {error}", path.display()), hint)
            })?;
            texts.insert(at, text);
        }
    }
    Ok(())
}

/// True for the paths that `read_files` yields.
fn is_of_a_policy(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    let plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            false
        }
    };
    let below_tests = parts.next() == Some(Component::Normal(TESTS.as_ref()))
        && (1..=TESTS_DEPTH_MAX + 1).contains(&parts.clone().count())
        && parts.all(plain);
    path == RULES || path == RELEASE || below_tests
}

/// Writes the files of a policy into a folder, or none of them; what else stands there stays.
pub(crate) fn write_files(folder: &Path, texts: &BTreeMap<String, String>) -> Result<(), Fault> {
    if let Some(path) = texts.keys().find(|path| !is_of_a_policy(path)) {
        let what =
            format!("“{path}” is no file of a policy: {RULES}, {RELEASE}, or below {TESTS}/");
        let hint = "look at the draft with `belay policy draft show`; its author is named there";
        return Err(Fault::failed(what, hint));
    }
    for (path, text) in texts {
        let target = folder.join(path);
        let parent = target.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(io(parent.display()))?;
        std::fs::write(&target, text).map_err(io(target.display()))?;
    }
    Ok(())
}

/// The files that a release would be published from; nothing while its policy is not here.
pub(crate) fn release_texts(release: &ReleaseSaidWhole) -> Option<BTreeMap<String, String>> {
    let bytes = release.body.as_deref().and_then(unhex)?;
    let policy = Policy::from_bytes(&bytes).ok()?;
    let mut text = format!("# The settings of release {}.\n\n", release.version);
    let words = |names: &[String]| {
        names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    };
    let mut line = |line: String| {
        // A String takes every line.
        let _ = writeln!(text, "{line}");
    };
    line(format!("projects = [{}]", words(&release.projects)));
    line(format!("classes = [{}]\n\n[modes]", words(&release.classes)));
    release.modes.iter().for_each(|(class, mode)| line(format!("{class} = {mode:?}")));
    let mut section = "";
    for (name, ms) in release.autonomy.spans() {
        let (of, key) = name.split_once('.')?;
        if of != section {
            line(format!("\n[{of}]"));
            section = of;
        }
        line(format!("{key} = {:?}", span_text(ms)));
    }
    let names: Vec<String> = release.beacons.iter().map(|beacon| beacon.name.clone()).collect();
    line(format!("\n[beacons]\ndevices = [{}]", words(&names)));
    line(format!("quorum = {}\nliars = {}", release.quorum, release.liars));
    if !release.gateways.is_empty() {
        let names: Vec<String> = release.gateways.iter().map(|one| one.name.clone()).collect();
        line(format!("gateways = [{}]", words(&names)));
    }
    for (kind, autonomy) in &release.profiles {
        line(format!("\n[profiles.{kind}]"));
        for (name, ms) in autonomy.spans() {
            let (_, key) = name.split_once('.')?;
            line(format!("{key} = {:?}", span_text(ms)));
        }
    }
    let programs = &release.programs;
    line(format!("\n[programs]\nsanctioned = [{}]", words(&programs.sanctioned)));
    line(format!("tolerated = [{}]\nunknown = {:?}", words(&programs.tolerated), programs.unknown));
    if !release.announced.is_empty() {
        line(format!("\n[links]\nmdns = [{}]", words(&release.announced)));
    }
    text += &super::data::text(&policy);
    Some(BTreeMap::from([(RULES.to_owned(), policy.rules), (RELEASE.to_owned(), text)]))
}

/// Milliseconds as `release.toml` writes them, in the largest unit that is exact.
fn span_text(ms: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::{read_files, release_texts, span_text, write_files};
    use crate::api::policy::{
        AutonomySaid, BeaconSaid, ProgramsSaid, ReleaseSaidWhole, announced_said, data_said,
        profiles_said,
    };
    use crate::api::to_text;
    use crate::policy_folder::{Beacons, Source, span_ms};
    use belay_identity::body::{
        Action, Autonomy, DataClass, DataMark, DeviceKind, HeldBy, Profile, UnknownBlocked,
    };
    use std::collections::BTreeMap;

    /// Goal: a draft begun from a release is the folder that it was published from; nothing of it
    /// is lost. Method: a release with two beacons, a gateway, a profile and programs, written
    /// and read.
    #[test]
    fn a_release_reads_back_from_its_folder() {
        let mut source = Source::starter().expect("the starter reads");
        source.policy.sanctioned = vec![[7; 32], [8; 32]];
        source.policy.unknown = Some(UnknownBlocked);
        source.policy.announced = vec![DeviceKind::Laptop, DeviceKind::Phone];
        let mark =
            |kind: &HeldBy| DataMark { kind: *kind, name: "/srv/é \"x\"".replace(' ', "-") };
        let secret =
            DataClass { name: "secret".into(), marks: HeldBy::ALL.iter().map(mark).collect() };
        source.policy.data = vec![DataClass { name: "open".into(), marks: Vec::new() }, secret];
        let autonomy = Autonomy { tool_ms: 61_000, ..source.autonomy.clone() };
        let profile = Profile {
            kind: DeviceKind::Robot,
            autonomy: Autonomy { motion_ms: 250, ..autonomy.clone() },
        };
        let device =
            |name: &str| BeaconSaid { name: name.to_owned(), key: String::new(), always_on: true };
        let mode = |action: &Action| {
            let mode = source.policy.modes.of(*action).as_str();
            (action.as_str().to_owned(), mode.to_owned())
        };
        let release = ReleaseSaidWhole {
            id: String::new(),
            version: "1.2".into(),
            author: String::new(),
            approved: Vec::new(),
            adopt_by_ms: 0,
            expiry_ms: None,
            stands: true,
            whole: true,
            quorum: 2,
            liars: 1,
            beacons: vec![device("laptop"), device("gateway")],
            gateways: vec![device("relay")],
            autonomy: AutonomySaid::from(&autonomy),
            profiles: profiles_said(std::slice::from_ref(&profile)),
            modes: Action::ALL.iter().map(mode).collect(),
            projects: source.policy.projects.clone(),
            classes: source.policy.classes.clone(),
            rules: Vec::new(),
            drafts: Vec::new(),
            reason: String::new(),
            programs: ProgramsSaid::of(&source.policy),
            announced: announced_said(&source.policy),
            data: data_said(&source.policy),
            body: Some(to_text(&source.policy.to_bytes())),
        };
        let texts = release_texts(&release).expect("it is whole");
        let read = Source::read_texts("it", &texts["policy.cedar"], &texts["release.toml"]);
        let read = read.expect("it reads");
        assert_eq!(read.policy, source.policy);
        assert_eq!((read.autonomy, read.profiles), (autonomy, vec![profile]));
        let devices = vec!["laptop".to_owned(), "gateway".to_owned()];
        let gateways = vec!["relay".to_owned()];
        assert_eq!(read.beacons, Some(Beacons { devices, quorum: 2, liars: 1, gateways }));
    }

    /// Goal: a folder comes back as it was written, tests included, and no other file is written.
    /// Method: write, read; then paths that lead out of it, hide, or are read as a word of a
    /// command.
    #[test]
    fn a_folder_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let texts = [
            ("policy.cedar", "permit(principal, action, resource);\n"),
            ("release.toml", "projects = []\n"),
            ("tests/tool/one.toml", "é\n"),
        ];
        let texts: BTreeMap<String, String> =
            texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        write_files(folder.path(), &texts).expect("written");
        assert_eq!(read_files(folder.path()).expect("read"), texts);
        let others = [
            "../out",
            "/out",
            "",
            "+!id",
            "-u",
            ".git/config",
            "tests",
            "tests/",
            "tests/.envrc",
            "tests/../out",
            "tests/a/b/c/d/e/f",
            "notes.txt",
        ];
        for path in others {
            let mut with = texts.clone();
            with.insert(path.to_owned(), String::new());
            let fresh = tempfile::tempdir().expect("a folder");
            assert_eq!(write_files(fresh.path(), &with).expect_err(path).exit, 1);
            let left = std::fs::read_dir(fresh.path()).expect("it is there").count();
            assert_eq!(left, 0, "{path}: all or nothing");
        }
    }

    /// Goal: a span reads back as it was. Method: spans of every unit.
    #[test]
    fn spans_read_back() {
        for ms in [0, 1, 250, 1_000, 61_000, 900_000, 28_800_000, 1_234_567] {
            assert_eq!(span_ms(&span_text(ms)), Some(ms));
        }
    }
}
