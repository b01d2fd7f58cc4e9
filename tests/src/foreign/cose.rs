//! Two COSE libraries of Python verify what a real fleet signed, one sample of every kind there is,
//! and a case file's statements; and refuse each of them with a bit changed.

use super::tools::Python;
use crate::golden;
use crate::story::{LAPTOP, Nodes, ROBOT};
use belay_identity::key::hex;
use belay_identity::{Body, Content, Verified};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The libraries, with the versions whose calls the script knows.
const LIBRARIES: [&str; 2] = ["pycose>=1.1,<2", "cwt>=3.3,<4"];
const SCRIPT: &str = include_str!("cose.py");

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let python = Python::with(folder, &LIBRARIES)?;
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>(path)
    };
    let script = put("cose.py", SCRIPT.as_bytes())?;
    let mut samples = Vec::new();
    for (name, made) in golden::statements() {
        samples.push(sample(&put, &name, &made)?);
    }
    for (name, made) in golden::talks() {
        samples.push(sample(&put, &name, &made)?);
    }
    let (exported, case) = real_fleet(exe, folder);
    let of_real: BTreeSet<&str> = exported.iter().filter_map(|one| one["kind"].as_str()).collect();
    let real = format!("{} exported, of kinds {}", exported.len(), join(&of_real));
    let wanted = samples.len() + exported.len();
    let statements = [samples, exported.clone()].concat();
    let list = json!({ "statements": statements, "cases": [case] });
    let list = put("list.json", list.to_string().as_bytes())?;
    let said = python.run(&script, &list);
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("no JSON: {said}"));
    check(&said, wanted, &of_real);
    println!("cose: {}; {real}; {said}", python.versions);
    Ok(())
}

/// Every kind was seen, each file verified, and each forgery of it was refused.
fn check(said: &Value, wanted: usize, of_real: &BTreeSet<&str>) {
    let count = |name: &str| said[name].as_u64().unwrap_or(0) as usize;
    assert_eq!(count("verified"), wanted, "{said}");
    assert!(count("in_cases") > 5, "the case holds next to nothing: {said}");
    // Two libraries, three forgeries of each.
    assert_eq!(count("forgeries_refused"), 6 * (wanted + count("in_cases")), "{said}");
    let kinds: Vec<&str> =
        said["kinds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let unseen: Vec<_> = Body::KINDS.iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(unseen.is_empty(), "never verified: {unseen:?}");
    for kind in ["root", "release", "enrol", "credential", "delegation", "award", "hold", "receipt"]
    {
        assert!(of_real.contains(kind), "the real fleet signed no {kind}: {of_real:?}");
    }
}

type Put<'a> = dyn Fn(&str, &[u8]) -> Result<std::path::PathBuf, String> + 'a;

fn sample<T: Content>(put: &Put<'_>, name: &str, made: &Verified<T>) -> Result<Value, String> {
    let file = put(&format!("golden-{name}.cose"), made.bytes())?;
    Ok(json!({
        "name": format!("golden {name}"),
        "file": file,
        "aad": hex(made.external(&golden::fleet())),
        "kid": made.key().to_hex(),
        "kind": made.kind(),
    }))
}

/// A fleet works, is stopped, revoked and resumed; everything it holds then, exported one by one,
/// and the case file of its order.
fn real_fleet(exe: &Path, folder: &Path) -> (Vec<Value>, Value) {
    let fleet = Nodes::pair(exe);
    let work = fleet.offload(LAPTOP, ROBOT, "helper");
    work.wait_for_growth();
    let stop = fleet.stop(LAPTOP, "agent:helper", "60s").wants(0).data();
    let order = stop["order"].as_str().unwrap_or_default().to_owned();
    let case = folder.join("order.belaycase");
    fleet.json(LAPTOP, &["prove", &order, "--out", &case.display().to_string()]).wants(0);
    let list = fleet.json(LAPTOP, &["statement", "list"]).wants(0).data();
    let all = list.as_array().cloned().unwrap_or_default();
    let export = |one: &Value| {
        let id = one["id"].as_str().unwrap_or_default();
        let file = folder.join(format!("{id}.cose")).display().to_string();
        let ask = ["statement", "export", id, "--cbor", "--out", &file];
        let said = fleet.json(LAPTOP, &ask).wants(0).data();
        assert_eq!(said["kind"], one["kind"], "{said}");
        json!({
            "name": id,
            "file": file,
            "aad": said["external_aad"],
            "kid": said["kid"],
            "kind": said["kind"],
        })
    };
    let exported = all.iter().map(export).collect();
    let root = fleet.status(LAPTOP)["fleet"].clone();
    (exported, json!({ "file": case, "order": order, "fleet": root }))
}

fn join(words: &BTreeSet<&str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(" ")
}
