//! OpenCode, its shell and its own words against a plugin that asks.

use super::super::tools::Node;
use super::desk::{Desk, Driven};
use super::scenes;
use crate::story::LAPTOP;
use serde_json::{Value, json};
use std::path::Path;

/// The version whose behaviour was measured.
const PACKAGE: &str = "opencode-ai@1.18.33";
const PROGRAM: &str = "opencode-linux-x64/bin/opencode";

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("opencode");
    std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let node = Node::with(&folder, PACKAGE)?;
    println!("OpenCode: {}", node.versions);
    let mut desk = Desk::new(exe, driven(&node.file(PROGRAM)?));
    // Its first start makes its database, which takes long.
    let first = desk.script(Vec::new());
    desk.start_plainly(&[], &first).end();
    scenes::asks_at_every_call(&mut desk);
    scenes::observes(&mut desk);
    scenes::tells_what_came(&mut desk, true);
    scenes::stops_from_elsewhere(&mut desk);
    scenes::cannot_be_switched_off(&mut desk, WRAPPED.off, &[&["--pure"]]);
    asks_by_a_plugin_of_its_user(&mut desk);
    scenes::is_pinned_by_the_managed_file(&mut desk, &WRAPPED);
    scenes::denies_when_the_hook_is_deleted(&mut desk);
    scenes::denies_when_the_node_hangs(&mut desk);
    scenes::holds_when_the_node_is_killed(&mut desk);
    println!("OpenCode: allowed, denied, observed, told, stopped, pinned");
    Ok(())
}

macro_rules! config {
    ($more:literal) => {
        concat!(
            // It asks its user about folders beside its own, and takes nobody there for a No.
            r#"{"permission":{"external_directory":"allow"},"model":"m/m","#,
            r#""provider":{"m":{"npm":"@ai-sdk/openai-compatible","name":"m","#,
            r#""options":{"baseURL":"http://127.0.0.1:9911/v1","apiKey":"x"},"#,
            r#""models":{"m":{"name":"m","tool_call":true}}}}"#,
            $more,
            "}"
        )
    };
}

const WRAPPED: scenes::Wrapped = scenes::Wrapped {
    word: "opencode",
    user_file: ".config/opencode/opencode.json",
    odd: config!("\n"),
    off: &[(".config/opencode/opencode.json", config!(r#","plugin":[]"#))],
    words_off: &[&[]],
};

/// Wrapped by a plugin in its user's folder, it is denied when started by itself; unwrapped, the
/// folder is empty.
fn asks_by_a_plugin_of_its_user(desk: &mut Desk) {
    let plugins = desk.fleet.path("agent/.config/opencode/plugins");
    let count = || std::fs::read_dir(&plugins).map(Iterator::count).unwrap_or_default();
    desk.belay(&[], &["agent", "wrap", "opencode", "--yes"]).wants(0);
    assert_eq!(count(), 1);
    let status = desk.fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
    assert!(status.contains("opencode (user): in place"), "{status}");
    let script = desk.script(vec![desk.touch("plainly")]);
    let said = desk.start_plainly(&[], &script).end();
    let told = desk.results(&script).join("\n");
    assert!(told.contains("belay agent run -- opencode"), "{told} {said}");
    assert!(!desk.made("plainly"));
    let script = desk.script(vec![desk.touch("under"), desk.touch_behind("under-not")]);
    desk.start(&script, &[]).end();
    assert!(desk.made("under") && !desk.made("under-not"));
    desk.belay(&[], &["agent", "unwrap", "opencode", "--yes"]).wants(0);
    assert_eq!(count(), 0);
    let script = desk.script(vec![desk.touch("unwrapped")]);
    let said = desk.start_plainly(&[], &script).end();
    assert!(desk.made("unwrapped"), "{said}");
}

fn driven(program: &Path) -> Driven {
    Driven {
        name: "opencode",
        program: program.to_owned(),
        env: vec![("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned())],
        words: |prompt| ["run", prompt].map(str::to_owned).into(),
        model_hears_a_no: true,
        shell,
        beside: Vec::new(),
        home: vec![
            (".config/opencode/opencode.json", config!("").to_owned()),
            // With plugins it asks the registry for its own package first, and asks again for long.
            (".npmrc", "offline=true\n".to_owned()),
        ],
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "bash", "input": {"command": line, "description": "story"}})
}
