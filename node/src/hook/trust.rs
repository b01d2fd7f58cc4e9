//! Codex runs a hook only once its user trusts those very words: silently, it passes over any
//! other. So Codex itself is asked how it knows the hook of this run, told that it is trusted, and
//! asked again whether it now is.
//!
//! It is asked by its app server, over standard input and output (JSON-RPC, one object a line).
//! Refused here: computing what Codex computes, and trusting every hook there is, which one of its
//! options would do.

use super::lend::HookCommand;
use super::limits::HOOKS_LISTED_MS_MAX;
use crate::fault::Fault;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The words that make Codex trust the hook which `words` give it.
pub(super) fn words(
    program: &Path,
    words: &[String],
    hook: &HookCommand,
) -> Result<Vec<String>, Fault> {
    let untrusted = |why: String| {
        let hint =
            "use a version of Codex that lists its hooks (`codex app-server`), 0.169 or newer";
        Fault::failed(format!("Codex did not take the hook of this run: {why}"), hint)
    };
    let ask = |words: &[String]| hooks_of(server(program).args(words), hook);
    let found = ask(words).map_err(untrusted)?;
    let state = |found: &Value| {
        let (key, hash) = (&found["key"], &found["currentHash"]);
        format!("{key}={{trusted_hash={hash},enabled=true}}")
    };
    let state = format!("hooks.state={{{}}}", found.each_ref().map(state).join(","));
    let trust = vec!["-c".to_owned(), state];
    let found = ask(&[words, &trust].concat()).map_err(untrusted)?;
    all_trusted(&found).map_err(untrusted)?;
    Ok(trust)
}

fn all_trusted(found: &[Value]) -> Result<(), String> {
    let trusted = |found: &&Value| found["trustStatus"] != "trusted" || found["enabled"] != true;
    match found.iter().find(trusted) {
        None => Ok(()),
        Some(found) => Err(format!("it calls it {}", found["trustStatus"])),
    }
}

/// The lines that make Codex trust a hook which these lines add to a user's file, of this text.
///
/// Codex is asked about a copy of that file in a folder of its own, so the file itself is not
/// touched. It knows a hook by the file and its place in it.
pub(super) fn lines(
    file: &Path,
    text: &str,
    added: &str,
    hook: &HookCommand,
) -> Result<String, Fault> {
    let hint = "install Codex (`codex` on PATH, 0.169 or newer), then wrap it";
    let untrusted = |why: String| Fault::failed(format!("Codex was not asked: {why}"), hint);
    let path = std::env::var("PATH").unwrap_or_default();
    let program = crate::program::find("codex", &path).map_err(untrusted)?;
    let folder = tempfile::tempdir().map_err(|error| untrusted(error.to_string()))?;
    let copy = folder.path().join("config.toml");
    let written = std::fs::write(&copy, format!("{text}\n{added}"));
    written.map_err(|error| untrusted(error.to_string()))?;
    let found = hooks_of(server(&program).env("CODEX_HOME", folder.path()), hook);
    let state = |found: &Value| {
        let key = found["key"].as_str().and_then(|key| key.rsplit_once("config.toml"));
        let (_, place) = key.ok_or_else(|| untrusted("it names no place".into()))?;
        let key = Value::from(format!("{}{place}", file.display()));
        Ok(format!("[hooks.state.{key}]\ntrusted_hash = {}\n", found["currentHash"]))
    };
    found.map_err(untrusted)?.iter().map(state).collect()
}

/// That Codex, started as its user starts it, trusts this hook in this file now.
pub(crate) fn holds(file: &Path, hook: &HookCommand) -> Result<(), Fault> {
    let hint = "wrap it again; if that does not help, use Codex 0.169 or newer";
    let untrusted =
        |why: String| Fault::failed(format!("Codex does not call the hook: {why}"), hint);
    let path = std::env::var("PATH").unwrap_or_default();
    let program = crate::program::find("codex", &path).map_err(untrusted)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let found = hooks_of(server(&program).env("CODEX_HOME", folder), hook).map_err(untrusted)?;
    all_trusted(&found).map_err(untrusted)
}

fn server(program: &Path) -> Command {
    let mut server = Command::new(program);
    server.arg("app-server").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    server
}

/// This hook as Codex lists it: before a call and after it.
fn hooks_of(server: &mut Command, hook: &HookCommand) -> Result<[Value; 2], String> {
    let mut server = server.spawn().map_err(|error| error.to_string())?;
    let listed = listed(&mut server);
    // It may have ended by itself.
    let _killed = server.kill();
    let _reaped = server.wait();
    let listed = listed?;
    let folders = listed["result"]["data"].as_array().into_iter().flatten();
    let hooks = folders.flat_map(|folder| folder["hooks"].as_array().into_iter().flatten());
    let hooks: Vec<&Value> = hooks.collect();
    let of = |event: &str, line: &str| {
        let is_ours = |hook: &&&Value| {
            hook["command"] == line
                && hook["eventName"] == event
                && hook["key"].is_string()
                && hook["currentHash"].is_string()
        };
        let found = hooks.iter().find(is_ours).map(|hook| (*hook).clone());
        found.ok_or_else(|| format!("it does not list that of {event}"))
    };
    Ok([of("preToolUse", hook.line())?, of("postToolUse", hook.told())?])
}

fn listed(server: &mut Child) -> Result<Value, String> {
    let (input, output) = (server.stdin.take(), server.stdout.take());
    let (mut input, output) = input.zip(output).ok_or("it has no standard input and output")?;
    let cwd = std::env::current_dir().map_err(|error| error.to_string())?;
    let hello = json!({"clientInfo": {"name": "belay", "version": env!("CARGO_PKG_VERSION")}});
    let asked = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "hooks/list", "params": {"cwds": [cwd]}}),
    ];
    for line in asked {
        writeln!(input, "{line}").map_err(|error| error.to_string())?;
    }
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        let mut said = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        // Whoever waited may have given up.
        let _ = tell.send(said.find(|said| said["id"] == 2));
    });
    let said = told.recv_timeout(Duration::from_millis(HOOKS_LISTED_MS_MAX));
    let said = said.map_err(|_late| "it did not answer in time".to_owned())?;
    said.ok_or_else(|| "it ended without an answer".to_owned())
}
