//! Codex, its shell and its own words against a hook.

use super::super::tools::Node;
use super::desk::{Desk, Driven};
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
    scenes::tells_what_came(&mut desk, false);
    scenes::connectors_go_through_the_gateway(&mut desk, &CONNECTORS);
    scenes::stops_from_elsewhere(&mut desk);
    types_into_nothing(&mut desk);
    scenes::cannot_be_switched_off(&mut desk, WRAPPED.off, &WRAPPED.words_off[1..]);
    scenes::asks_however_it_is_started(&mut desk, &WRAPPED);
    scenes::is_pinned_by_the_managed_file(&mut desk, &WRAPPED);
    scenes::denies_when_the_hook_is_deleted(&mut desk);
    scenes::denies_when_the_node_hangs(&mut desk);
    scenes::holds_when_the_node_is_killed(&mut desk);
    println!(
        "Codex: {}; allowed, denied, observed, told, connectors gated, stopped",
        node.versions
    );
    Ok(())
}

macro_rules! config {
    ($more:literal) => {
        concat!(
            "model = \"m\"\nmodel_provider = \"m\"\n[model_providers.m]\nname = \"m\"\n",
            "base_url = \"http://127.0.0.1:9911/v1\"\nwire_api = \"responses\"\nenv_key = \"K\"\n",
            $more
        )
    };
}

const WRAPPED: scenes::Wrapped = scenes::Wrapped {
    word: "codex",
    user_file: ".codex/config.toml",
    odd: config!("\n\n# mine,  kept as it is"),
    off: &[(".codex/config.toml", config!("[features]\nhooks = false\n"))],
    words_off: &[&[], &["--disable", "hooks"], &["-c", "hooks.PreToolUse=[]"]],
};

const CONNECTORS: scenes::Connectors = scenes::Connectors {
    word: "codex",
    file: ".codex/config.toml",
    text: |server| {
        let own = config!(
            "\n[mcp_servers.files] # mine\ncommand = 'python3'\nargs = [ \"SERVER\", ]\n\
             env = { TOKEN = \"t0\" }\n[mcp_servers.far]\nurl = \"https://far.example/mcp\"\n"
        );
        own.replace("SERVER", server)
    },
    call: |tool, input| json!({"tool": tool, "namespace": "mcp__files", "input": input}),
    is_lent: true,
    hears_failure: false,
};

/// What it types into a program that runs in a terminal asks no hook; under `agent run` it has no
/// such terminal, so nothing happens.
fn types_into_nothing(desk: &mut Desk) {
    let git = "\"git\",";
    desk.publish_with("policy.cedar", git, &format!("{git} \"sh\","));
    let file = desk.fleet.path("made/typed");
    let open = json!({"cmd": "sh", "tty": true, "yield_time_ms": 500, "login": false});
    let typed =
        json!({"session_id": "last", "chars": format!("touch {file}\n"), "yield_time_ms": 2_000});
    let call = |tool: &str, input: &Value| json!({"tool": tool, "input": input});
    let script = desk.script(vec![call("exec_command", &open), call("write_stdin", &typed)]);
    let said = desk.start(&script, &[]).end();
    assert_eq!(desk.results(&script).len(), 2, "both were tried: {said}");
    assert!(!desk.made("typed"), "{said}");
    desk.publish_with("policy.cedar", " \"sh\",", "");
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
        beside: Vec::new(),
        home: vec![(".codex/config.toml", config!("").to_owned())],
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "exec_command", "input": {"cmd": line, "yield_time_ms": 30_000, "login": false}})
}
