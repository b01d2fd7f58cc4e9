//! Claude Code, its shell, its sub-agents, and its own words against a hook.

use super::super::tools::Node;
use super::desk::{Desk, Driven, PORT};
use super::scenes;
use crate::story::{LAPTOP, ROBOT};
use serde_json::{Value, json};
use std::path::Path;

/// The version whose behaviour was measured.
pub(super) const PACKAGE: &str = "@anthropic-ai/claude-code@2.1.330";
/// Its program in that.
pub(super) const PROGRAM: &str = "@anthropic-ai/claude-code-linux-x64/claude";

/// A desk with it.
pub(super) fn desk(exe: &Path, folder: &Path) -> Result<Desk, String> {
    let folder = folder.join("claude-code");
    std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let node = Node::with(&folder, PACKAGE)?;
    println!("Claude Code: {}", node.versions);
    Ok(Desk::new(exe, driven(node.file(PROGRAM)?.as_path())))
}

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let mut desk = desk(exe, folder)?;
    scenes::asks_at_every_call(&mut desk);
    scenes::observes(&mut desk);
    subagents_ask_and_end(&mut desk);
    scenes::tells_what_came(&mut desk, true);
    scenes::connectors_go_through_the_gateway(&mut desk, &CONNECTORS);
    scenes::stops_from_elsewhere(&mut desk);
    scenes::cannot_be_switched_off(&mut desk, OFF, &[&["--bare"], &["--settings", "{}"]]);
    scenes::asks_however_it_is_started(&mut desk, &WRAPPED);
    scenes::is_pinned_by_the_managed_file(&mut desk, &WRAPPED);
    scenes::denies_when_the_hook_is_deleted(&mut desk);
    scenes::denies_when_the_node_hangs(&mut desk);
    scenes::holds_when_the_node_is_killed(&mut desk);
    println!(
        "Claude Code: allowed, denied, observed, told, connectors gated, stopped, sub-agents too"
    );
    Ok(())
}

/// What a user, a project and an agent itself may write to have no hooks.
const OFF: &[(&str, &str)] = &[
    (".claude/settings.json", r#"{"disableAllHooks":true,"env":{"CLAUDE_CODE_SIMPLE":"1"}}"#),
    ("work/.claude/settings.json", r#"{"disableAllHooks":true}"#),
    ("work/.claude/settings.local.json", r#"{"env":{"CLAUDE_CODE_SAFE_MODE":"1"}}"#),
];

const WRAPPED: scenes::Wrapped = scenes::Wrapped {
    word: "claude-code",
    user_file: ".claude/settings.json",
    odd: "{ \"permissions\" : {\"allow\":[] },\n\n \"hooks\":{}}",
    off: OFF,
    words_off: &[&[], &["--bare"], &["--safe-mode"], &["--settings", "{\"disableAllHooks\":true}"]],
};

/// Claude Code writes this file itself whenever it runs.
const CONNECTORS: scenes::Connectors = scenes::Connectors {
    word: "claude-code",
    file: ".claude.json",
    text: |server| {
        let own = r#"{ "numStartups":3,
          "mcpServers" : { "files":{"command" : "python3","args":["SERVER"], "env":{"TOKEN":"t0"}},
          "far": {"type":"http","url":"https://far.example/mcp"}}}"#;
        own.replace("SERVER", server)
    },
    call: |tool, input| json!({"tool": format!("mcp__files__{tool}"), "input": input}),
    is_lent: true,
    hears_failure: true,
};

pub(super) fn driven(program: &Path) -> Driven {
    let env = [
        ("ANTHROPIC_BASE_URL", format!("http://127.0.0.1:{PORT}")),
        ("ANTHROPIC_API_KEY", "x".to_owned()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
        ("DISABLE_AUTOUPDATER", "1".to_owned()),
        ("IS_SANDBOX", "1".to_owned()),
    ];
    Driven {
        name: "claude",
        program: program.to_owned(),
        env: env.into(),
        words: |prompt| ["-p", prompt, "--dangerously-skip-permissions"].map(str::to_owned).into(),
        model_hears_a_no: true,
        shell,
        beside: Vec::new(),
        home: Vec::new(),
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "Bash", "input": {"command": line, "description": "story"}})
}

/// A sub-agent beside its parent asks like it, its calls say whose they are, and one order ends
/// both.
fn subagents_ask_and_end(desk: &mut Desk) {
    let written = desk.fleet.path("made/by-child");
    let write = json!({"tool": "Write", "input": {"file_path": written, "content": "x"}});
    let calls = vec![desk.touch("child"), desk.touch_behind("child-not"), write, desk.linger(600)];
    let child = desk.script(calls);
    let prompt = format!("SCRIPT:{child}");
    let give = json!({"tool": "Agent", "input": {
        "description": "story", "prompt": prompt, "subagent_type": "general-purpose",
    }});
    let parent = desk.script(vec![give, desk.linger(600), desk.touch("after-child")]);
    let session = desk.start(&parent, &[]);
    desk.wait_until_made("child");
    session.wait_until_lingering(2);
    let told = desk.results(&child);
    assert!(told.get(1).is_some_and(|no| no.contains("Belay denied")), "{told:?}");
    assert!(told.get(2).is_some_and(|no| no.contains("local.write")), "{told:?}");
    assert!(!desk.made("child-not") && !desk.made("by-child"));
    let show = desk.fleet.ask(LAPTOP, &["agent", "show", "claude"]).wants(0).stdout;
    assert!(show.contains("work.delegate general-purpose"), "{show}");
    let (key, unlock) = (desk.fleet.path("laptop/keys/operator.age"), desk.fleet.unlock());
    let stop = ["stop", "agent:claude", "--timeout", "20s", "--key", &key, "--unlock-file"];
    desk.fleet.ask(ROBOT, &[stop.as_slice(), &[&unlock]].concat()).wants(0);
    session.wait_until_gone();
    assert!(!desk.made("after-child"));
    desk.fleet.ask(LAPTOP, &["resume", "agent:claude", "--unlock-file", &unlock]).wants(0);
}
