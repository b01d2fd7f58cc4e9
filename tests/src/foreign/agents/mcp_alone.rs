//! A coding agent of which nothing is known here and that has no hook: its own tools are off, and
//! what it may do it does by a real server of tools behind the gateway.
//!
//! It is Claude Code by another name, so that `agent run` gives it nothing. Refused here: the word
//! `hooks only` for it; nobody would be asked about a tool of its own, and `status` says so.

use super::super::tools::Node;
use super::claude_code;
use super::desk::{Desk, Driven, Session};
use crate::story::{LAPTOP, Process, ROBOT, SOON, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The server whose tools it has.
const SERVER: &str = "@modelcontextprotocol/server-filesystem";
/// Where it is told of that server, below its home.
const CONFIG: &str = "work/mcp.json";
/// A file of its folder that the policy names.
const DENIED: &str = "denied";

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("mcp-alone");
    fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let node = Node::with_all(&folder, &[claude_code::PACKAGE, SERVER])?;
    println!("An agent by MCP alone: {}", node.versions);
    let server = node.file(&format!("{SERVER}/dist/index.js"))?;
    let mut desk = Desk::new(exe, driven(node.file(claude_code::PROGRAM)?.as_path()));
    has_its_tools_from_the_gateway(&mut desk, &server);
    may_and_may_not(&mut desk);
    is_observed(&mut desk);
    ends_by_an_order_from_elsewhere(&mut desk);
    gets_no_yes_from_a_node_that_hangs(&mut desk);
    stands_still_without_its_node(&mut desk);
    println!("An agent by MCP alone: allowed, denied, observed, stopped; status: wall none");
    Ok(())
}

fn driven(program: &Path) -> Driven {
    let at_once = [("ENABLE_TOOL_SEARCH", "false"), ("MCP_CONNECTION_NONBLOCKING", "0")];
    let mut driven = Driven {
        name: "assistant",
        words: |prompt| {
            let own = ["-p", prompt, "--dangerously-skip-permissions", "--tools", ""];
            let servers = ["--mcp-config", "mcp.json", "--strict-mcp-config"];
            own.into_iter().chain(servers).map(str::to_owned).collect()
        },
        ..claude_code::driven(program)
    };
    driven.env.extend(at_once.map(|(name, value)| (name, value.to_owned())));
    driven
}

/// The folder that its server opens.
fn place(desk: &Desk, name: &str) -> String {
    let folder = fs::canonicalize(desk.fleet.path("agent/work")).expect("the agent's folder");
    folder.join(name).display().to_string()
}

fn is_written(desk: &Desk, name: &str) -> bool {
    Path::new(&place(desk, name)).exists()
}

fn write(desk: &Desk, name: &str) -> Value {
    let input = json!({"path": place(desk, name), "content": "by a tool"});
    json!({"tool": "mcp__files__write_file", "input": input})
}

/// A call that takes until somebody writes: its file is a pipe.
fn wait_at(desk: &Desk, pipe: &str) -> Value {
    let path = place(desk, pipe);
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|made| made.success()), "a pipe at {path}");
    json!({"tool": "mcp__files__read_text_file", "input": {"path": path}})
}

/// Waits until a call waits at the pipe, with agent, gateway and server running; it goes on once
/// something is written or the end that is given back is dropped.
fn wait_until_it_waits(desk: &Desk, session: &Session, pipe: &str) -> fs::File {
    let nobody_waits = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut opens = fs::File::options();
    opens.write(true).custom_flags(nobody_waits);
    // It can be opened once somebody reads.
    let held = wait_for("a call waits", SOON, || opens.open(place(desk, pipe)).ok());
    let marked = Process::marked(&session.mark);
    let words = |process: &Process| {
        let words = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned()
    };
    let all: Vec<String> = marked.iter().map(words).collect();
    assert!(all.iter().any(|words| words.ends_with("mcp files")), "no gateway in {all:#?}");
    assert!(all.iter().any(|words| words.contains(SERVER)), "no server in {all:#?}");
    held
}

/// The connector is looked at and added; the agent's own configuration starts the gateway.
fn has_its_tools_from_the_gateway(desk: &mut Desk, server: &Path) {
    let (server, folder) = (server.display().to_string(), place(desk, ""));
    let add = ["connector", "add", "files", "--yes", "--env", "STORY_MARK", "--", "node"];
    desk.belay(&[], &[&add[..], &[&server, &folder]].concat()).wants(0);
    let (belay, state) = (desk.fleet.belay().exe().display().to_string(), desk.fleet.path(LAPTOP));
    let gateway = json!({"command": belay, "args": ["--state", state, "mcp", "files"]});
    desk.home_as(&[(CONFIG, &json!({"mcpServers": {"files": gateway}}).to_string())]);
    let git = "\"git\",";
    desk.publish_with("policy.cedar", git, &format!("{git} \"assistant\","));
    let begin = "// No rule permits";
    let rule = format!(
        "@id(\"scene.files\") permit (principal, action == Belay::Action::\"tool.call\", resource)\n\
         when {{ [\"files/write_file\", \"files/read_text_file\"].contains(resource.name) }}\n\
         unless {{ context.args.contains(\"path={}\") }};\n",
        place(desk, DENIED)
    );
    desk.publish_with("policy.cedar", begin, &format!("{rule}{begin}"));
}

/// A permitted call does what it says; a denied one does nothing and the model hears why; no tool
/// is offered to the model that the gateway does not have.
fn may_and_may_not(desk: &mut Desk) {
    let calls = vec![write(desk, "may"), write(desk, DENIED), write(desk, "may-too")];
    let script = desk.script(calls);
    let said = desk.start(&script, &[]).end();
    let told = desk.results(&script);
    assert!(said.contains("hooks: none; no wall"), "{said}");
    assert!(is_written(desk, "may") && is_written(desk, "may-too"), "{told:?} {said}");
    assert!(!is_written(desk, DENIED), "{told:?}");
    let no = told.get(1).cloned().unwrap_or_default();
    assert!(no.contains("Belay denied tool.call on files/write_file"), "{told:?}");
    let id = no.split("(decision ").nth(1).and_then(|rest| rest.split(')').next());
    let why = desk.fleet.ask(LAPTOP, &["why", id.expect("the No names its id")]).wants(0).stdout;
    assert!(why.contains("tool.call on files/write_file by agent:assistant"), "{why}");
    let offered = desk.offered(&script);
    let by_gateway = |tool: &String| tool.starts_with("mcp__files__");
    assert!(!offered.is_empty() && offered.iter().all(by_gateway), "{offered:?}");
}

/// In observe mode the same call is let through, and what would have been said is kept.
fn is_observed(desk: &mut Desk) {
    desk.publish_with("release.toml", "tool = \"enforce\"", "tool = \"observe\"");
    let script = desk.script(vec![write(desk, DENIED)]);
    let said = desk.start(&script, &[]).end();
    assert!(is_written(desk, DENIED), "{:?} {said}", desk.results(&script));
    let show = desk.fleet.ask(LAPTOP, &["agent", "show", "assistant"]).wants(0).stdout;
    let kept =
        |line: &&str| line.contains("tool.call files/write_file") && line.contains("no-rule");
    let kept = show.lines().find(kept).and_then(|line| line.split_whitespace().last());
    let why = desk.fleet.ask(LAPTOP, &["why", kept.unwrap_or_default()]).wants(0).stdout;
    assert!(why.contains("only because the release observes"), "{show}\n{why}");
    desk.publish_with("release.toml", "tool = \"observe\"", "tool = \"enforce\"");
}

/// An order given on the other device ends agent, gateway and server in the middle of a call.
fn ends_by_an_order_from_elsewhere(desk: &mut Desk) {
    let calls = vec![write(desk, "before"), wait_at(desk, "stop-pipe"), write(desk, "after")];
    let script = desk.script(calls);
    let session = desk.start(&script, &[]);
    let held = wait_until_it_waits(desk, &session, "stop-pipe");
    assert!(is_written(desk, "before"));
    let status = desk.fleet.status(LAPTOP);
    assert_eq!(status["tasks"][0]["wall"], "none", "{status}");
    let open = status["tasks"][0]["open"][0].as_str().unwrap_or_default();
    assert!(open.contains("only its tools by `belay mcp` ask the gate"), "{status}");
    let (key, unlock) = (desk.fleet.path("laptop/keys/operator.age"), desk.fleet.unlock());
    let stop = ["stop", "agent:assistant", "--timeout", "20s", "--key", &key, "--unlock-file"];
    let stopped = desk.fleet.json(ROBOT, &[stop.as_slice(), &[&unlock]].concat()).wants(0).data();
    assert_eq!(stopped["proven"], true, "{stopped}");
    session.wait_until_gone();
    drop(held);
    let again = desk.script(vec![write(desk, "again")]);
    let said = desk.start(&again, &[]).end();
    assert!(said.contains("order") && !is_written(desk, "again"), "{said}");
    assert!(!is_written(desk, "after"));
    desk.fleet.ask(LAPTOP, &["resume", "agent:assistant", "--unlock-file", &unlock]).wants(0);
}

/// A node that hangs gives no Yes: the gateway says so itself.
fn gets_no_yes_from_a_node_that_hangs(desk: &mut Desk) {
    let script = desk.script(vec![wait_at(desk, "hang-pipe"), write(desk, "hung")]);
    let session = desk.start(&script, &[]);
    let held = wait_until_it_waits(desk, &session, "hang-pipe");
    let node = desk.fleet.node(LAPTOP);
    node.signal(Signal::STOP);
    drop(held);
    let told = wait_for("the model hears that the node hangs", SOON, || {
        desk.results(&script).get(1).cloned()
    });
    node.signal(Signal::CONT);
    assert!(told.contains("the gate did not answer"), "{told}");
    session.end();
    assert!(!is_written(desk, "hung"));
}

/// A node that was killed leaves agent, gateway and server standing still.
fn stands_still_without_its_node(desk: &mut Desk) {
    let script = desk.script(vec![wait_at(desk, "kill-pipe"), write(desk, "killed")]);
    let session = desk.start(&script, &[]);
    let held = wait_until_it_waits(desk, &session, "kill-pipe");
    desk.fleet.kill(LAPTOP);
    wait_for("the agent stands still", SOON, || session.stands_still().then_some(()));
    drop(held);
    desk.fleet.again(LAPTOP);
    desk.fleet.wait_linked(LAPTOP, ROBOT);
    session.stop_by_force();
    assert!(!is_written(desk, "killed"));
}
