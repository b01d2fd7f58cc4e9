//! Cline's dialect: a script before each call and one after it, one JSON object each way.
//!
//! Cline reads neither exit code nor standard error, so the script itself says No where the hook
//! says nothing. A No ends Cline's run; neither its model nor its user is told the reason, which
//! the node keeps. Refused here: an answer that Cline could take for a Yes though it is none.

use super::acts::{patch, shell};
use super::call::{Act, Acts, Call, CallError, bounded, host_of, named, object, text, tool};
use super::dialect::{Said, Spoken};
use super::lend::HookCommand;
use belay_mesh::event::Came;
use serde_json::{Value, json};

/// The script before a call, with the words of its hook in the place of `HOOK`.
const SCRIPT: &str = include_str!("cline.sh");

/// The script that asks by this hook before a call.
pub(super) fn script(hook: &HookCommand) -> String {
    SCRIPT.replacen("NO", HookCommand::NOT_RUN, 1).replacen("HOOK", hook.plain(), 1)
}

/// The script that tells what came of a call.
pub(super) fn script_after(hook: &HookCommand) -> String {
    format!("#!/bin/sh\n# Written by `belay`; see the one before a call.\n{}\n", hook.told())
}

/// What it was called for.
pub(super) fn read(bytes: &[u8]) -> Result<Call, CallError> {
    let call = object(bytes)?;
    let none = Value::Null;
    let agent = text(&call, "agent_id")?;
    let id = |of: &Value| Ok(Some(named(&[text(&call, "taskId")?, agent, text(of, "id")?])));
    match text(&call, "hookName")? {
        "tool_call" => {
            let of = call.get("tool_call").unwrap_or(&none);
            let root = call.get("workspaceRoots").and_then(|roots| roots.get(0)?.as_str());
            let cwd = root.ok_or_else(|| CallError::NotUnderstood("it names no folder".into()))?;
            let input = of.get("input").unwrap_or(&none);
            let below = call.get("parent_agent_id").and_then(Value::as_str);
            let own = [
                ("cwd", Some(cwd)),
                ("subagent", below.map(|_| "cline")),
                ("subagent_id", below.map(|_| agent)),
            ];
            let acts = bounded(acts(text(of, "name")?, input, cwd)?, &own)?;
            Ok(Call::Before { call: id(of)?, acts })
        }
        "tool_result" => {
            let of = call.get("tool_result").unwrap_or(&none);
            let (came, note) = came(of);
            let took_ms = of.get("durationMs").and_then(Value::as_u64);
            Ok(Call::after(id(of)?, came, &note)?.taking(took_ms))
        }
        event => Err(CallError::NotUnderstood(format!("the hook was called at {event}"))),
    }
}

/// A shell's line that failed is told in what came of its lines, one by one.
fn came(of: &Value) -> (Came, String) {
    let lines = of.get("output").and_then(Value::as_array).into_iter().flatten();
    let failed = lines.into_iter().find(|line| line["success"] == false);
    let error = of.get("error").and_then(Value::as_str);
    let why = error.or_else(|| failed.map(|line| line["error"].as_str().unwrap_or("it failed")));
    match why {
        Some(why) => (Came::Failed, why.to_owned()),
        None => (Came::Done, String::new()),
    }
}

/// What each tool does, in the gate's words; an unknown one is a tool by its name.
fn acts(name: &str, input: &Value, cwd: &str) -> Result<Acts, CallError> {
    let one = match name {
        "run_commands" => {
            let lines = all(input, "commands")?;
            let line = |line: &Value| line.as_str().map(shell);
            return lines.iter().map(|one| line(one).ok_or_else(|| odd("commands"))?).collect();
        }
        "read_files" => {
            let read = |file: &Value| Ok(Act::on_path("local.read", text(file, "path")?));
            return all(input, "files")?.iter().map(read).collect();
        }
        "fetch_web_content" => {
            let fetch = |request: &Value| {
                let url = text(request, "url")?;
                Ok(Act::on("outward.connect", host_of(url)?).with("url", url))
            };
            return all(input, "requests")?.iter().map(fetch).collect();
        }
        "search_codebase" => {
            let search = |query: &Value| {
                let query = query.as_str().ok_or_else(|| odd("queries"))?;
                Ok(Act::on_path("local.read", cwd).with("pattern", query))
            };
            return all(input, "queries")?.iter().map(search).collect();
        }
        "apply_patch" => return patch(text(input, "input")?),
        "editor" => Act::on_path("local.write", text(input, "path")?)
            .with("content", text(input, "new_text")?),
        "spawn_agent" => Act::on("work.delegate", "cline").with("prompt", text(input, "task")?),
        "team_run_task" => {
            Act::on("work.delegate", text(input, "agentId")?).with("prompt", text(input, "task")?)
        }
        _ => tool(format!("cline/{name}"), input)?,
    };
    Ok(vec![one])
}

/// A list that has something in it.
fn all<'a>(input: &'a Value, field: &str) -> Result<&'a Vec<Value>, CallError> {
    let list = input.get(field).and_then(Value::as_array);
    list.filter(|list| !list.is_empty()).ok_or_else(|| odd(field))
}

fn odd(field: &str) -> CallError {
    CallError::NotUnderstood(format!("“{field}” is no list of what it should hold"))
}

/// The answer in this dialect.
pub(super) fn say(said: &Said) -> Spoken {
    Spoken::json(&match said {
        Said::Yes => json!({}),
        Said::No(why) | Said::Ended(why) => json!({"cancel": true, "errorMessage": why}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::{Dialect, Tenants};
    use std::path::Path;
    use std::process::Command;

    fn before(tool: &str, input: &Value) -> Result<Call, CallError> {
        let call = json!({"hookName": "tool_call", "taskId": "t", "agent_id": "a",
            "parent_agent_id": "p", "workspaceRoots": ["/w"],
            "tool_call": {"id": "c", "name": tool, "input": input}});
        read(call.to_string().as_bytes())
    }

    /// Goal: each tool is judged as what it does. Method: a table of calls as Cline makes them.
    #[test]
    fn each_tool_is_judged_as_what_it_does() {
        let urls = json!({"requests": [{"url": "https://a.b/c", "prompt": "x"}]});
        let files = "*** Begin Patch\n*** Add File: a\n*** End Patch";
        for (tool, input, seen) in [
            (
                "run_commands",
                json!({"commands": ["git log", "true; rm x"]}),
                vec!["work.run git", "work.run sh"],
            ),
            (
                "read_files",
                json!({"files": [{"path": "/a"}, {"path": "b"}]}),
                vec!["local.read /a", "local.read b"],
            ),
            ("search_codebase", json!({"queries": ["x"]}), vec!["local.read /w"]),
            ("fetch_web_content", urls, vec!["outward.connect a.b:443"]),
            ("editor", json!({"path": "/a", "new_text": "x"}), vec!["local.write /a"]),
            ("apply_patch", json!({"input": files}), vec!["local.write a"]),
            ("spawn_agent", json!({"task": "x"}), vec!["work.delegate cline"]),
            ("team_run_task", json!({"agentId": "b", "task": "x"}), vec!["work.delegate b"]),
            ("team_status", json!({}), vec!["tool.call cline/team_status"]),
        ] {
            let Call::Before { acts, .. } = before(tool, &input).expect(tool) else {
                panic!("{tool}")
            };
            let own = ("subagent_id".to_owned(), "a".to_owned());
            assert!(acts.iter().all(|act| act.args.contains(&own)), "{acts:?}");
            let acts: Vec<String> =
                acts.iter().map(|act| format!("{} {}", act.action, act.target)).collect();
            assert_eq!(acts, seen, "{tool}");
        }
        for (tool, input) in [
            ("run_commands", json!({"commands": "rm x"})),
            ("run_commands", json!({"commands": []})),
            ("run_commands", json!({"commands": [{"command": "rm"}]})),
            ("read_files", json!({"file_paths": ["/a"]})),
            ("editor", json!({"path": "/a"})),
        ] {
            assert!(before(tool, &input).is_err(), "{tool} {input}");
        }
    }

    /// Goal: what came of a call is told of the same call. Method: one that was done, one of whose
    /// lines failed, one that failed whole.
    #[test]
    fn what_came_of_a_call_is_told_of_the_same_call() {
        let input = json!({"commands": ["x"]});
        let Ok(Call::Before { call: Some(id), .. }) = before("run_commands", &input) else {
            panic!("no call")
        };
        for (output, error, expected) in [
            (json!([{"success": true}]), Value::Null, (Came::Done, "")),
            (json!([{"success": false, "error": "no\nmore"}]), Value::Null, (Came::Failed, "no")),
            (Value::Null, json!("gone"), (Came::Failed, "gone")),
        ] {
            let result = json!({"id": "c", "output": output, "error": error, "durationMs": 3});
            let call = json!({"hookName": "tool_result", "taskId": "t", "agent_id": "a",
                "tool_result": result});
            let over = read(call.to_string().as_bytes());
            let Ok(Call::After { call, came, note, took_ms }) = over else { panic!("{over:?}") };
            assert_eq!((call, came, note.as_str()), (id.clone(), expected.0, expected.1));
            assert_eq!(took_ms, Some(3));
        }
    }

    /// Goal: the script says what its hook says, and No where it says nothing. Method: it is run
    /// with hooks that answer, that fail after a word, that are silent, that are not there.
    #[test]
    fn the_script_says_no_where_its_hook_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        for (hook, is_no) in [
            ("#!/bin/sh\necho '{}'", false),
            ("#!/bin/sh\necho '{}'; exit 1", true),
            ("#!/bin/sh\nkill -9 $$", true),
            ("#!/bin/sh\ntrue", true),
            ("", true),
        ] {
            let exe = folder.path().join("be'lay");
            std::fs::write(&exe, hook).expect("a hook");
            let mode = if hook.is_empty() { 0o600 } else { 0o700 };
            let rights = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&exe, rights).expect("its rights");
            let tenants = Tenants::in_folder(Path::new("/t"));
            let asks = HookCommand::new(&exe, Path::new("/s t"), Dialect::Cline, &tenants);
            let text = script(&asks);
            let said = Command::new("sh").args(["-c", &text]).output().expect("a shell");
            let said = String::from_utf8(said.stdout).expect("text");
            let said = said.strip_prefix("HOOK_CONTROL\t").expect("its control line");
            let said: Value = serde_json::from_str(said).expect("one JSON object");
            assert_eq!(said["cancel"] == true, is_no, "{hook}: {said}");
        }
    }
}
