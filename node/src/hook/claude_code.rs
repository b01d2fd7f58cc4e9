//! Claude Code's dialect: `PreToolUse`, one JSON object each way, and what came of a call by
//! `PostToolUse` or `PostToolUseFailure`.
//!
//! A Yes says nothing, so that Claude Code's own rules and questions stay as they are. An ended
//! task is told so with `continue: false` beside the No: alone it would let the call through.
//! Refused here: rewriting what the agent wants to do.

use super::acts::shell;
use super::call::{
    Act, Acts, Call, CallError, bounded, connector_tool, host_of, numbered, object, text, tool,
};
use super::dialect::{Said, Spoken};
use super::shell_line::SHELL;
use belay_mesh::event::Came;
use serde_json::{Value, json};
use std::path::Path;

/// What it was called for.
pub(super) fn read(bytes: &[u8]) -> Result<Call, CallError> {
    let call = object(bytes)?;
    let took_ms = call.get("duration_ms").and_then(Value::as_u64);
    match text(&call, "hook_event_name")? {
        "PreToolUse" => Ok(Call::Before { call: numbered(&call), acts: acts(&call)? }),
        "PostToolUse" => Ok(Call::after(numbered(&call), Came::Done, "")?.taking(took_ms)),
        "PostToolUseFailure" => {
            let cut = call.get("is_interrupt") == Some(&Value::Bool(true));
            let came = if cut { Came::Cancelled } else { Came::Failed };
            let error = call.get("error").and_then(Value::as_str).unwrap_or_default();
            Ok(Call::after(numbered(&call), came, error)?.taking(took_ms))
        }
        event => Err(CallError::NotUnderstood(format!("the hook was called at {event}"))),
    }
}

fn acts(call: &Value) -> Result<Acts, CallError> {
    let none = Value::Null;
    let (name, input) = (text(call, "tool_name")?, call.get("tool_input").unwrap_or(&none));
    let cwd = text(call, "cwd")?;
    let own = |field: &str| call.get(field).and_then(Value::as_str);
    let own =
        [("cwd", Some(cwd)), ("subagent", own("agent_type")), ("subagent_id", own("agent_id"))];
    let server = call.get("mcp_server").and_then(|server| server.get("name")?.as_str());
    bounded(vec![act(name, input, (cwd, server))?], &own)
}

/// What each tool does, in the gate's words; an unknown one is a tool by its name.
fn act(name: &str, input: &Value, (cwd, server): (&str, Option<&str>)) -> Result<Act, CallError> {
    let optional = |field: &str| input.get(field).and_then(Value::as_str);
    match name {
        "Bash" => Ok(shell(text(input, "command")?)?.meant(optional("description"))),
        // Its quotes are not those of other shells, so no line of it is known to be one program.
        "PowerShell" => {
            let act = Act { target: SHELL.to_owned(), ..shell(text(input, "command")?)? };
            Ok(act.meant(optional("description")))
        }
        // It watches a command, or a socket.
        "Monitor" if optional("command").is_some() => shell(text(input, "command")?),
        "Read" => Ok(Act::on_path("local.read", text(input, "file_path")?)),
        "Glob" => {
            let pattern = text(input, "pattern")?;
            let folder = optional("path").unwrap_or(cwd);
            Ok(Act::on_path("local.read", &searched(folder, pattern)).with("pattern", pattern))
        }
        "Grep" | "LS" => Ok(Act::on_path("local.read", optional("path").unwrap_or(cwd))
            .with_any("pattern", optional("pattern"))),
        "Write" => Ok(Act::on_path("local.write", text(input, "file_path")?)
            .with("content", text(input, "content")?)),
        "Edit" => Ok(Act::on_path("local.write", text(input, "file_path")?)
            .with("content", text(input, "new_string")?)),
        "MultiEdit" => {
            Ok(Act::on_path("local.write", text(input, "file_path")?)
                .with("content", edits(input)?))
        }
        "NotebookEdit" => Ok(Act::on_path("local.write", text(input, "notebook_path")?)
            .with_any("content", optional("new_source"))),
        "WebFetch" => {
            let url = text(input, "url")?;
            // It asks every host by https.
            let safe = url.strip_prefix("http://").map(|rest| format!("https://{rest}"));
            let to = host_of(safe.as_deref().unwrap_or(url))?;
            Ok(Act::on("outward.connect", to).with("url", url))
        }
        "WebSearch" => Ok(Act::on("outward.connect", name).with("query", text(input, "query")?)),
        "Agent" | "Task" => {
            let kind = optional("subagent_type").unwrap_or("general-purpose");
            Ok(Act::on("work.delegate", kind)
                .with("prompt", text(input, "prompt")?)
                .meant(optional("description")))
        }
        _ => match connector_tool(name, server)? {
            Some(target) => tool(target, input),
            None => tool(format!("claude-code/{name}"), input),
        },
    }
}

/// The folder in which a pattern finds files: it may name another than the one given.
fn searched(folder: &str, pattern: &str) -> String {
    let plain = pattern.find(['*', '?', '[', '{']).map_or(pattern, |end| &pattern[..end]);
    let named =
        plain.rsplit_once('/').map_or("", |(named, _)| if named.is_empty() { "/" } else { named });
    Path::new(folder).join(named).display().to_string()
}

fn edits(input: &Value) -> Result<String, CallError> {
    let edits = input.get("edits").and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<&str> = edits.map(|edit| text(edit, "new_string")).collect::<Result<_, _>>()?;
    Ok(texts.join("\n"))
}

/// The answer in this dialect.
pub(super) fn say(said: &Said) -> Spoken {
    let no = |why: &str| {
        json!({"hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": why,
        }})
    };
    let answer = match said {
        Said::Yes => json!({}),
        Said::No(why) => no(why),
        Said::Ended(why) => {
            let mut answer = no(why);
            answer["continue"] = Value::Bool(false);
            answer["stopReason"] = Value::from(why.as_str());
            answer
        }
    };
    Spoken::json(&answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_call(tool: &str, input: Value) -> Result<Acts, CallError> {
        let call = json!({"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input,
                          "cwd": "/w", "session_id": "s", "agent_type": "Explore"});
        match read(call.to_string().as_bytes())? {
            Call::Before { acts, .. } => Ok(acts),
            over @ Call::After { .. } => panic!("{over:?}"),
        }
    }

    /// Goal: what came of a call is told of the same call. Method: its three events.
    #[test]
    fn what_came_of_a_call_is_told_of_the_same_call() {
        let event = |event: &str| {
            let call = json!({"hook_event_name": event, "tool_name": "Bash", "session_id": "s",
                "tool_use_id": "t", "tool_input": {"command": "false"}, "cwd": "/w",
                "error": "\nExit code 1\nmore", "duration_ms": 7});
            read(call.to_string().as_bytes()).expect("a call")
        };
        let Call::Before { call: Some(before), .. } = event("PreToolUse") else { panic!() };
        let over = |came, note: &str| Call::After {
            call: before.clone(),
            came,
            note: note.into(),
            took_ms: Some(7),
        };
        assert_eq!(event("PostToolUse"), over(Came::Done, ""));
        assert_eq!(event("PostToolUseFailure"), over(Came::Failed, "Exit code 1"));
    }

    /// Goal: each tool is judged as what it does. Method: calls as Claude Code makes them.
    #[test]
    fn each_tool_is_judged_as_what_it_does() {
        for (tool, input, action, target) in [
            ("Bash", json!({"command": "git log"}), "work.run", "git"),
            ("Bash", json!({"command": "git log; rm x"}), "work.run", "sh"),
            ("Monitor", json!({"command": "tail -f x"}), "work.run", "tail"),
            ("Monitor", json!({"ws": {"url": "x"}}), "tool.call", "claude-code/Monitor"),
            ("Read", json!({"file_path": "/a/b"}), "local.read", "/a/b"),
            ("Grep", json!({"pattern": "x"}), "local.read", "/w"),
            ("Glob", json!({"pattern": "*.rs"}), "local.read", "/w/"),
            ("Glob", json!({"pattern": "/h/.ssh/*"}), "local.read", "/h/.ssh"),
            ("Glob", json!({"pattern": "../x/{a,b}"}), "local.read", "/w/../x"),
            ("Glob", json!({"pattern": "/*"}), "local.read", "/"),
            ("PowerShell", json!({"command": "git log"}), "work.run", "sh"),
            ("Write", json!({"file_path": "c", "content": "x"}), "local.write", "c"),
            ("Edit", json!({"file_path": "/c", "new_string": "x"}), "local.write", "/c"),
            ("NotebookEdit", json!({"notebook_path": "/n"}), "local.write", "/n"),
            ("WebFetch", json!({"url": "https://a.b/c"}), "outward.connect", "a.b:443"),
            ("WebFetch", json!({"url": "http://a.b/c"}), "outward.connect", "a.b:443"),
            ("WebSearch", json!({"query": "x"}), "outward.connect", "WebSearch"),
            ("Agent", json!({"prompt": "x", "subagent_type": "p"}), "work.delegate", "p"),
            ("mcp__s__t", json!({"a": {"b": 1}}), "tool.call", "s/t"),
            ("Newest", json!({"a": 1}), "tool.call", "claude-code/Newest"),
        ] {
            let acts = read_call(tool, input).unwrap_or_else(|error| panic!("{tool}: {error}"));
            assert_eq!((acts[0].action, acts[0].target.as_str()), (action, target), "{tool}");
            assert!(acts[0].args.contains(&("cwd".into(), "/w".into())), "{acts:?}");
            assert!(acts[0].args.contains(&("subagent".into(), "Explore".into())), "{acts:?}");
        }
    }

    /// Goal: what is not understood is an error, never an act of another kind. Method: a known tool
    /// without its field, another event, no object, something behind it.
    #[test]
    fn what_is_not_understood_is_no_act() {
        assert!(read_call("Bash", json!({"cmd": "rm x"})).is_err());
        assert!(read_call("WebFetch", json!({"url": "nowhere"})).is_err());
        for bytes in
            ["", "[]", "{}", "{\"hook_event_name\":\"Stop\",\"tool_name\":\"Bash\"}", "{}{}"]
        {
            assert!(read(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }

    /// Goal: the words that were seen to hold. Method: each answer as it is written.
    #[test]
    fn a_no_denies_and_an_end_also_stops() {
        let said = |said: Said| String::from_utf8(say(&said).stdout).expect("text");
        assert_eq!(said(Said::Yes), "{}\n");
        let no: Value = serde_json::from_str(&said(Said::No("why".into()))).expect("JSON");
        assert_eq!(no["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(no["hookSpecificOutput"]["permissionDecisionReason"], "why");
        assert!(no.get("continue").is_none());
        let end: Value = serde_json::from_str(&said(Said::Ended("why".into()))).expect("JSON");
        assert_eq!(end["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(end["continue"], false);
    }
}
