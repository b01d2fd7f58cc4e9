//! Who may import whom: `identity <- crdt <- mesh <- {node, simulator}`; tests import everything.
//!
//! Skipping downward is fine; never upward, never sideways. Only `node` has hands, so only `node`
//! uses what touches the system.

use super::Complaint;
use toml::{Table, Value};

/// What each room may import of the house.
const BELOW: &[(&str, &[&str])] = &[
    ("identity", &[]),
    ("crdt", &["belay-identity"]),
    ("mesh", &["belay-identity", "belay-crdt"]),
    ("node", &["belay-identity", "belay-crdt", "belay-mesh"]),
    ("simulator", &["belay-identity", "belay-crdt", "belay-mesh"]),
    ("tests", &["belay-identity", "belay-crdt", "belay-mesh", "belay-node", "belay-simulator"]),
];

/// Packages that touch the system: `node` is their only user outside tests.
const HANDS: &[&str] = &[
    "age",
    "async-std",
    "axum",
    "futures",
    "getrandom",
    "hickory-proto",
    "hyper",
    "keyring-core",
    "landlock",
    "libc",
    "libp2p",
    "linux-keyutils-keyring-store",
    "nix",
    "quinn",
    "rand",
    "redb",
    "rpassword",
    "rustix",
    "rustls",
    "seccompiler",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tracing-subscriber",
    "wasmtime",
    "yamux",
];

/// All that a pure room may use of others outside its tests; one more is a decision, made here.
const PURE: &[(&str, &[&str])] = &[
    ("identity", &["ciborium", "ed25519-dalek", "sha2", "thiserror", "zeroize"]),
    ("crdt", &["automerge", "sha2", "thiserror"]),
    ("mesh", &["cedar-policy", "cedar-policy-core", "cedar-policy-formatter", "sha2", "thiserror"]),
];

/// The rules on one room's manifest.
pub fn check(room: &str, path: &str, text: &str) -> Vec<Complaint> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Complaint::about(path, error.to_string())],
    };
    let used = dependencies(&manifest);
    let mut found = arrows(room, path, &used);
    if room != "node" && room != "tests" {
        found.extend(hands(path, &used));
    }
    found.extend(pure(room, path, &used));
    let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    if inherits != Some(&Value::Boolean(true)) {
        found.push(Complaint::about(
            path,
            "take the lints of the workspace: `[lints] workspace = true`",
        ));
    }
    found
}

/// One dependency of a manifest.
struct Used {
    name: String,
    for_tests: bool,
}

fn dependencies(manifest: &Table) -> Vec<Used> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, target)| target.as_table()).chain([manifest]);
    let mut used = Vec::new();
    for table in tables {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
            used.extend(entries.map(|(key, entry)| Used {
                name: entry.get("package").and_then(Value::as_str).unwrap_or(key).to_owned(),
                for_tests: section == "dev-dependencies",
            }));
        }
    }
    used
}

fn arrows(room: &str, path: &str, used: &[Used]) -> Vec<Complaint> {
    let Some((_, below)) = BELOW.iter().find(|(name, _)| *name == room) else {
        return vec![Complaint::about(path, format!("`{room}` is no room of this house"))];
    };
    let house = used.iter().filter(|u| u.name.starts_with("belay-"));
    house
        .filter(|u| !below.contains(&u.name.as_str()))
        .map(|u| Complaint::about(path, format!("{room} may not import {}", u.name)))
        .collect()
}

fn hands(path: &str, used: &[Used]) -> Vec<Complaint> {
    let touching = used.iter().filter(|u| HANDS.contains(&u.name.as_str()));
    touching
        .map(|u| {
            Complaint::about(path, format!("only node uses {}; it touches the system", u.name))
        })
        .collect()
}

fn pure(room: &str, path: &str, used: &[Used]) -> Vec<Complaint> {
    let Some((_, allowed)) = PURE.iter().find(|(name, _)| *name == room) else {
        return Vec::new();
    };
    let others = used.iter().filter(|u| !u.for_tests && !u.name.starts_with("belay-"));
    others
        .filter(|u| !allowed.contains(&u.name.as_str()))
        .map(|u| Complaint::about(path, format!("{room} does not use {}", u.name)))
        .collect()
}
