//! Automerge's own JavaScript opens a draft that `belay` saved, reads the same texts and heads,
//! edits it, and what it saves is read here again.

use super::tools::Node;
use crate::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
use belay_crdt::drafts::Document;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The implementation, with the version whose calls the script knows.
const AUTOMERGE: &str = "@automerge/automerge@3";
const SCRIPT: &str = include_str!("drafts.mjs");
const LINE: &str = "// edited in JavaScript\n";

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let node = Node::with(folder, AUTOMERGE)?;
    let [saved, edited] = ["draft.automerge", "edited.automerge"].map(|name| folder.join(name));
    let heads = draft(exe, &saved);
    let said = node.run("drafts.mjs", SCRIPT, &[&saved, &edited]);
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("no JSON: {said}"));
    let ours = texts(&saved);
    assert!(ours.contains_key("policy.cedar"), "{ours:?}");
    assert_eq!(files(&said["before"]), ours, "JavaScript reads other texts");
    assert_eq!(said["before"]["heads"], heads, "JavaScript sees other heads");
    let back = texts(&edited);
    assert_eq!(files(&said["after"]), back, "we read other texts than JavaScript");
    assert_eq!(back["policy.cedar"], format!("{LINE}{}", ours["policy.cedar"]));
    assert_ne!(said["after"]["heads"], said["before"]["heads"]);
    println!(
        "drafts: {}; {} files, {} changes, heads equal",
        node.versions,
        ours.len(),
        said["changes"]
    );
    Ok(())
}

/// Begins a draft on one device and edits it on another with the same key, so that its history is
/// more than one change; exports it there. The heads that the node names.
fn draft(exe: &Path, saved: &Path) -> Value {
    let fleet = Nodes::pair(exe);
    let (key, unlock) = (fleet.path("laptop/keys/operator.age"), fleet.unlock());
    let begin = ["policy", "draft", "new", "outward", "--unlock-file", &unlock];
    fleet.json(LAPTOP, &begin).wants(0);
    let show = |node: &str, more: &[&str]| {
        fleet.json(node, &[&["policy", "draft", "show", "outward"], more].concat())
    };
    wait_for("the robot holds the draft", SOON, || {
        (show(ROBOT, &[]).exit == Some(0)).then_some(())
    });
    let folder = fleet.path("outward");
    show(ROBOT, &["--out", &folder]).wants(0);
    let rules = format!("{folder}/policy.cedar");
    let text = fs::read_to_string(&rules).unwrap_or_default();
    assert!(fs::write(&rules, format!("{text}// from the robot: ä ∀ 🪢\n")).is_ok(), "{rules}");
    let edit = ["policy", "draft", "edit", "outward", "--from", &folder, "--key", &key];
    fleet.json(ROBOT, &[edit.as_slice(), &["--unlock-file", &unlock]].concat()).wants(0);
    let file = saved.display().to_string();
    fleet.json(ROBOT, &["policy", "draft", "export", "outward", &file]).wants(0);
    let said = show(ROBOT, &[]).wants(0).data();
    let changes = said["changes"].as_array().into_iter().flatten();
    let heads = changes.filter(|change| change["head"] == true).map(|c| c["hash"].clone());
    let mut heads: Vec<Value> = heads.collect();
    heads.sort_by_key(ToString::to_string);
    assert!(!heads.is_empty(), "{said}");
    Value::Array(heads)
}

fn texts(file: &Path) -> BTreeMap<String, String> {
    let read = fs::read(file).map_err(|error| error.to_string());
    let texts = read.and_then(|bytes| {
        let document = Document::load(&bytes).map_err(|error| error.to_string())?;
        document.texts().map_err(|error| error.to_string())
    });
    texts.unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

fn files(said: &Value) -> BTreeMap<String, String> {
    let files = said["files"].as_object().into_iter().flatten();
    files.map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().into())).collect()
}
