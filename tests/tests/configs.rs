//! Every file under `configs` is read by what reads it in the field; a file that nothing reads is a
//! promise that nobody keeps.

use belay_node::policy_folder::Source;
use belay_node::readers;
use belay_simulator::Plan;
use belay_simulator::command::gate_workload;
use belay_tests::house;
use std::path::{Path, PathBuf};

/// Gives a file to what reads it; a policy's two files are read together.
fn load(path: &Path) -> Result<(), String> {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("policy.cedar" | "release.toml") => policy(path.parent().unwrap_or(path)),
        Some("belay.cedarschema") => schema(path),
        Some("cases.toml") => cases(path),
        Some(name) if name.ends_with(".toml") && is_in("plans", path) => plan(path),
        Some("gate.toml") if is_in("benches", path) => workload(path),
        _ => Err("no reader: give it one here, or take it away".into()),
    }
}

fn is_in(name: &str, path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|folder| folder == name)
}

/// The cases of a policy folder; that they hold is asked by `policy test`.
fn cases(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let read = readers::policy_cases("tests/cases.toml", &text);
    match read.map_err(|fault| format!("{fault:?}"))? {
        0 => Err("it holds no case".into()),
        _ => Ok(()),
    }
}

fn workload(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    gate_workload(&text)
}

/// The gate reads every policy by this very text.
fn schema(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    if text == belay_mesh::gate::SCHEMA { Ok(()) } else { Err("the gate reads another".into()) }
}

fn plan(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Plan::read(&text, None).map(|_| ()).map_err(|error| error.to_string())
}

fn policy(folder: &Path) -> Result<(), String> {
    let text = |name: &str| {
        std::fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    let (rules, release) = (text("policy.cedar")?, text("release.toml")?);
    let read = Source::read_texts(&folder.display().to_string(), &rules, &release);
    read.map(|_| ()).map_err(|fault| format!("{fault:?}"))
}

/// Goal: a config that does not load never ships. Method: walk the folder, load each file.
#[test]
fn every_config_loads() {
    let files = files(&house::top().join("configs"));
    assert!(files.len() >= 2, "the folder was read");
    for file in files {
        load(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// Goal: a profile for a kind of device takes what it does not name from the rest, and a slip in
/// one is named with its line. Method: the starter release with a profile behind it.
#[test]
fn profiles_by_kind_are_read_and_slips_are_named() {
    let starter = house::top().join("configs/policies/starter");
    let text = |name: &str| std::fs::read_to_string(starter.join(name)).unwrap();
    let (rules, release) = (text("policy.cedar"), text("release.toml"));
    let read = |more: &str| {
        let read = Source::read_texts("folder", &rules, &format!("{release}\n{more}\n"));
        read.map_err(|fault| format!("{fault:?}"))
    };
    let robot = read("[profiles.robot]\nunsealed_run = \"60s\"").unwrap();
    let profile = &robot.profiles[0];
    assert_eq!(profile.kind.as_str(), "robot");
    assert_eq!(profile.autonomy.unsealed_run_ms, 60_000);
    assert_eq!(profile.autonomy.tool_ms, robot.autonomy.tool_ms);
    let line = format!("line {}", release.lines().count() + 2);
    let kind = read("[profiles.rover]\nmotion = \"1s\"").unwrap_err();
    assert!(kind.contains("profiles.rover") && kind.contains(&line), "{kind}");
    let span = read("[profiles.robot]\nmotion = \"soon\"").unwrap_err();
    assert!(span.contains("profiles.robot.motion") && span.contains("soon"), "{span}");
    let key = read("[profiles.robot]\nmotions = \"1s\"").unwrap_err();
    assert!(key.contains("motions"), "{key}");
}

/// Goal: the check can fail. Method: a stranger, and the starter policy with one half broken.
#[test]
fn a_broken_config_is_seen() {
    let starter = house::top().join("configs/policies/starter");
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let good = |name: &str| std::fs::read_to_string(starter.join(name)).unwrap();
    let loads = |name: &str| load(&folder.path().join(name));
    std::fs::create_dir(folder.path().join("plans")).unwrap();
    put("plans/odd.toml", "nodes = 2\nweather = \"fine\"\n");
    assert!(loads("plans/odd.toml").is_err(), "a plan with an unknown key was taken");
    put("stranger.json", "{}");
    assert!(loads("stranger.json").is_err());
    put("policy.cedar", &good("policy.cedar"));
    assert!(loads("policy.cedar").is_err(), "half a policy was taken");
    put("release.toml", &good("release.toml"));
    assert_eq!(loads("release.toml"), Ok(()));
    put("release.toml", &good("release.toml").replace("unsealed_run", "unsealed_walk"));
    assert!(loads("policy.cedar").is_err(), "an unknown key was taken");
    put("release.toml", &good("release.toml"));
    put("policy.cedar", "permit (principal, action, resource);");
    assert!(loads("policy.cedar").is_err(), "a rule without a name was taken");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let nested = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(nested).collect()
}
