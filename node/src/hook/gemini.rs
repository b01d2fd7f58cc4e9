//! Gemini CLI's dialect: `BeforeTool` and `AfterTool`, one JSON object each way.
//!
//! Its calls have no number, so one is known by its session, tool and arguments. Refused here:
//! rewriting what the agent wants to do.

use super::acts::shell;
use super::call::{
    Act, Acts, Call, CallError, bounded, connector_target, host_of, named, object, text, tool,
};
use super::dialect::{Said, Spoken};
use belay_mesh::event::Came;
use serde_json::{Value, json};

/// What it was called for.
pub(super) fn read(bytes: &[u8]) -> Result<Call, CallError> {
    let call = object(bytes)?;
    let none = Value::Null;
    let (name, input) = (text(&call, "tool_name")?, call.get("tool_input").unwrap_or(&none));
    let id = named(&[text(&call, "session_id")?, name, &input.to_string()]);
    match text(&call, "hook_event_name")? {
        "BeforeTool" => {
            let cwd = text(&call, "cwd")?;
            let acts = acts(name, input, (cwd, call.get("mcp_context")))?;
            Ok(Call::Before { call: Some(id), acts: bounded(acts, &[("cwd", Some(cwd))])? })
        }
        "AfterTool" => {
            let said = call.get("tool_response").unwrap_or(&none);
            let (came, note) = came(said);
            Call::after(Some(id), came, note)
        }
        event => Err(CallError::NotUnderstood(format!("the hook was called at {event}"))),
    }
}

/// A shell's line that ended otherwise than with 0 is told by a line of what its model hears.
fn came(said: &Value) -> (Came, &str) {
    let error = said.get("error").and_then(|error| error.get("message")?.as_str());
    let heard = said.get("llmContent").and_then(Value::as_str).unwrap_or_default();
    let exit = heard.lines().rfind(|line| line.starts_with("Exit Code: "));
    match error.or(exit) {
        Some(why) => (Came::Failed, why),
        None => (Came::Done, ""),
    }
}

/// What each tool does, in the gate's words; an unknown one is a tool by its name.
fn acts(
    name: &str,
    input: &Value,
    (cwd, server): (&str, Option<&Value>),
) -> Result<Acts, CallError> {
    let optional = |field: &str| input.get(field).and_then(Value::as_str);
    if let Some(server) = server {
        return Ok(vec![tool(
            connector_target(text(server, "server_name")?, text(server, "tool_name")?)?,
            input,
        )?]);
    }
    let one = match name {
        "run_shell_command" => shell(text(input, "command")?)?
            .with_any("dir_path", optional("dir_path"))
            .meant(optional("description")),
        "read_file" => Act::on_path("local.read", text(input, "file_path")?),
        "list_directory" | "glob" | "grep_search" => {
            Act::on_path("local.read", optional("dir_path").unwrap_or(cwd))
                .with_any("pattern", optional("pattern"))
        }
        "write_file" => Act::on_path("local.write", text(input, "file_path")?)
            .with("content", text(input, "content")?),
        "replace" => Act::on_path("local.write", text(input, "file_path")?)
            .with("content", text(input, "new_string")?),
        "web_fetch" => return fetched(text(input, "prompt")?),
        "google_web_search" => {
            Act::on("outward.connect", name).with("query", text(input, "query")?)
        }
        "invoke_agent" => Act::on("work.delegate", text(input, "agent_name")?)
            .with("prompt", text(input, "prompt")?),
        _ => tool(format!("gemini/{name}"), input)?,
    };
    Ok(vec![one])
}

/// Every address in what it was told to fetch; without one it is not known where that leads.
fn fetched(prompt: &str) -> Result<Acts, CallError> {
    let urls = prompt.split_whitespace().filter(|word| word.contains("://"));
    let trimmed = urls.map(|url| {
        let from = ["https://", "http://"].iter().find_map(|head| url.find(head)).unwrap_or(0);
        url[from..].trim_end_matches(|letter: char| ")]}>,.;'\"".contains(letter))
    });
    let acts: Result<Acts, CallError> =
        trimmed.map(|url| Ok(Act::on("outward.connect", host_of(url)?).with("url", url))).collect();
    let acts = acts?;
    if acts.is_empty() {
        return Err(CallError::NotUnderstood("it names no address to fetch".into()));
    }
    Ok(acts)
}

/// The answer in this dialect.
pub(super) fn say(said: &Said) -> Spoken {
    Spoken::json(&match said {
        Said::Yes => json!({}),
        Said::No(why) => json!({"decision": "deny", "reason": why}),
        Said::Ended(why) => {
            json!({"decision": "deny", "reason": why, "continue": false, "stopReason": why})
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(event: &str, tool: &str, input: &Value, more: Value) -> Result<Call, CallError> {
        let mut call = json!({"hook_event_name": event, "tool_name": tool, "tool_input": input,
                              "cwd": "/w", "session_id": "s"});
        let fields = more.as_object().cloned().unwrap_or_default();
        fields.into_iter().for_each(|(name, value)| call[name] = value);
        read(call.to_string().as_bytes())
    }

    /// Goal: each tool is judged as what it does. Method: calls as Gemini CLI makes them.
    #[test]
    fn each_tool_is_judged_as_what_it_does() {
        let mcp = json!({"mcp_context": {"server_name": "a_b", "tool_name": "c"}});
        let none = json!({});
        for (tool, input, more, seen) in [
            ("run_shell_command", json!({"command": "git log"}), &none, vec!["work.run git"]),
            ("read_file", json!({"file_path": "a"}), &none, vec!["local.read a"]),
            ("glob", json!({"pattern": "*"}), &none, vec!["local.read /w"]),
            ("write_file", json!({"file_path": "a", "content": "x"}), &none, vec!["local.write a"]),
            ("replace", json!({"file_path": "a", "new_string": "x"}), &none, vec!["local.write a"]),
            (
                "web_fetch",
                json!({"prompt": "read https://a.b/c, and (http://d.e)."}),
                &none,
                vec!["outward.connect a.b:443", "outward.connect d.e:80"],
            ),
            (
                "invoke_agent",
                json!({"agent_name": "x", "prompt": "p"}),
                &none,
                vec!["work.delegate x"],
            ),
            ("mcp_a_b_c", json!({"x": 1}), &mcp, vec!["tool.call a_b/c"]),
            ("write_todos", json!({"todos": []}), &none, vec!["tool.call gemini/write_todos"]),
        ] {
            let Call::Before { acts, .. } =
                call("BeforeTool", tool, &input, more.clone()).expect(tool)
            else {
                panic!("{tool}")
            };
            let acts: Vec<String> =
                acts.iter().map(|act| format!("{} {}", act.action, act.target)).collect();
            assert_eq!(acts, seen, "{tool}");
        }
        let bad = |tool: &str, input: Value| call("BeforeTool", tool, &input, json!({})).is_err();
        assert!(
            bad("run_shell_command", json!({"cmd": "rm"}))
                && bad("web_fetch", json!({"prompt": "it"}))
        );
        let posing = json!({"mcp_context": {"server_name": "gemini", "tool_name": "write_todos"}});
        assert!(call("BeforeTool", "mcp_gemini_write_todos", &json!({}), posing).is_err());
        assert!(call("SessionStart", "x", &json!({}), json!({})).is_err());
    }

    /// Goal: what came of a call is told of the same call. Method: one that was done, one that
    /// failed, and a line that ended with 1.
    #[test]
    fn what_came_of_a_call_is_told_of_the_same_call() {
        let input = json!({"command": "false"});
        let before = call("BeforeTool", "run_shell_command", &input, json!({})).expect("a call");
        let Call::Before { call: Some(id), .. } = before else { panic!("{before:?}") };
        for (said, expected) in [
            (json!({"llmContent": "Output: x"}), (Came::Done, "")),
            (
                json!({"llmContent": "<c>\nOutput: x\nExit Code: 1\n</c>"}),
                (Came::Failed, "Exit Code: 1"),
            ),
            (json!({"error": {"message": "no\nmore"}}), (Came::Failed, "no")),
        ] {
            let over =
                call("AfterTool", "run_shell_command", &input, json!({"tool_response": said}));
            let Ok(Call::After { call, came, note, .. }) = over else { panic!("{over:?}") };
            assert_eq!((call.as_str(), came, note.as_str()), (id.as_str(), expected.0, expected.1));
        }
    }
}
