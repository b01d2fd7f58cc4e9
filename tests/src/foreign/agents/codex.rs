//! Codex, its shell and its own words against a hook.

use super::super::tools::Node;
use super::desk::{Desk, Driven, PORT};
use super::scenes;
use serde_json::{Value, json};
use std::path::Path;

/// The version whose behaviour was measured.
const PACKAGE: &str = "@openai/codex@0.169.0";
const PROGRAM: &str = "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex";

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("codex");
    std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let node = Node::with(&folder, PACKAGE)?;
    let mut desk = Desk::new(exe, driven(node.file(PROGRAM)?.as_path()));
    scenes::asks_at_every_call(&mut desk);
    scenes::observes(&mut desk);
    scenes::stops_from_elsewhere(&mut desk);
    let off = format!("{}\n[features]\nhooks = false\n", config());
    let words: [&[&str]; 2] = [&["--disable", "hooks"], &["-c", "hooks.PreToolUse=[]"]];
    scenes::cannot_be_switched_off(&mut desk, &[(".codex/config.toml", &off)], &words);
    scenes::denies_when_the_hook_is_deleted(&mut desk);
    scenes::denies_when_the_node_hangs(&mut desk);
    scenes::holds_when_the_node_is_killed(&mut desk);
    println!("Codex: {}; allowed, denied, observed, stopped", node.versions);
    Ok(())
}

fn config() -> String {
    format!(
        "model = \"m\"\nmodel_provider = \"m\"\n[model_providers.m]\nname = \"m\"\n\
         base_url = \"http://127.0.0.1:{PORT}/v1\"\nwire_api = \"responses\"\nenv_key = \"K\"\n"
    )
}

fn driven(program: &Path) -> Driven {
    Driven {
        name: "codex",
        program: program.to_owned(),
        env: vec![("K", "x".to_owned())],
        words: |prompt| {
            let how = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"];
            ["exec"].into_iter().chain(how).chain([prompt]).map(str::to_owned).collect()
        },
        shell,
        home: vec![(".codex/config.toml", config())],
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "exec_command", "input": {"cmd": line, "yield_time_ms": 30_000, "login": false}})
}
