//! Codex, its shell and its own words against a hook.

use super::super::tools::Node;
use super::desk::{Desk, Driven, Session};
use super::scenes;
use crate::story::{LAPTOP, Process, SOON, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

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
    waits_for_a_hook_that_hangs(&mut desk);
    goes_on_without_a_hook_that_is_killed(&mut desk);
    scenes::holds_when_the_node_is_killed(&mut desk);
    println!(
        "Codex: {}; allowed, denied, observed, told, connectors gated, stopped",
        node.versions
    );
    Ok(())
}

/// While its hook hangs a call does not happen, however long that takes, and an order ends all
/// three: the agent, the call that waits, the hook.
fn waits_for_a_hook_that_hangs(desk: &mut Desk) {
    let (session, hook) = with_a_hook_that_waits(desk, "hung-hook");
    hook.signal(Signal::STOP);
    desk.fleet.node(LAPTOP).signal(Signal::CONT);
    let until = Instant::now() + LONGER_THAN_A_HOOK_WAITS;
    while Instant::now() < until {
        assert!(!desk.made("hung-hook") && hook.lives(), "the call went on without its hook");
        std::thread::sleep(Duration::from_millis(100));
    }
    let unlock = desk.fleet.unlock();
    let stop = ["stop", "agent:codex", "--timeout", "20s", "--unlock-file", &unlock];
    desk.fleet.ask(LAPTOP, &stop).wants(0);
    session.wait_until_gone();
    assert!(!desk.made("hung-hook") && !hook.lives());
    desk.fleet.ask(LAPTOP, &["resume", "agent:codex", "--unlock-file", &unlock]).wants(0);
}

/// A hook that is killed with its shell lets the call through; nobody was told otherwise: `status`
/// said it before.
fn goes_on_without_a_hook_that_is_killed(desk: &mut Desk) {
    let (session, hook) = with_a_hook_that_waits(desk, "killed-hook");
    if let Some(shell) = Process::read(hook.parent) {
        shell.kill();
    }
    hook.kill();
    desk.fleet.node(LAPTOP).signal(Signal::CONT);
    desk.wait_until_made("killed-hook");
    session.end();
}

/// A session whose hook, called before this file is made, waits for a node that hangs; `status`
/// said what holds no such agent.
fn with_a_hook_that_waits(desk: &mut Desk, file: &str) -> (Session, Process) {
    let script = desk.script(vec![desk.linger(3), desk.touch(file)]);
    let session = desk.start(&script, &[]);
    desk.wait_until_begun(&script);
    session.wait_until_lingering(1);
    let status = desk.fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
    let said = "open     codex: a hook that is killed together with its shell lets the call";
    assert!(status.contains(said), "{status}");
    desk.fleet.node(LAPTOP).signal(Signal::STOP);
    let hook = wait_for("the hook waits for the node", SOON, || {
        let marked = Process::marked(&session.mark);
        let words = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cmdline"));
        let asks = |process: &Process| {
            let own = words(process.pid).unwrap_or_default();
            // The shell of the one that is told afterwards has other words.
            let shell = words(process.parent).unwrap_or_default();
            own.contains("hook\0codex") && shell.contains("exit 2")
        };
        marked.into_iter().find(asks)
    });
    (session, hook)
}

/// A hook says No by itself sooner.
const LONGER_THAN_A_HOOK_WAITS: Duration = Duration::from_secs(15);

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
        model_hears_a_no: true,
        shell,
        beside: Vec::new(),
        home: vec![(".codex/config.toml", config!("").to_owned())],
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "exec_command", "input": {"cmd": line, "yield_time_ms": 30_000, "login": false}})
}
