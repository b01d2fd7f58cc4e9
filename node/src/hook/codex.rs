//! Codex's dialect: `PreToolUse` in the shape of Claude Code's, with fewer answers.
//!
//! It knows no question: a call that waits for an approval is denied. `continue` would let the
//! pending call through, so an end is a No too. Refused here: asking the person at the terminal in
//! the place of an operator.

use super::acts::{patch, shell};
use super::call::{
    Act, Acts, Call, CallError, bounded, connector_tool, numbered, object, text, tool,
};
use super::dialect::{Said, Spoken};
use belay_mesh::event::Came;
use serde_json::{Value, json};

/// What it was called for. It says that a shell's line ran, not how that ended, and of a
/// connector's tool that failed it says nothing.
pub(super) fn read(bytes: &[u8]) -> Result<Call, CallError> {
    let call = object(bytes)?;
    match text(&call, "hook_event_name")? {
        "PreToolUse" => Ok(Call::Before { call: numbered(&call), acts: wanted(&call)? }),
        "PostToolUse" => Call::after(numbered(&call), Came::Done, ""),
        event => Err(CallError::NotUnderstood(format!("the hook was called at {event}"))),
    }
}

fn wanted(call: &Value) -> Result<Acts, CallError> {
    let none = Value::Null;
    let (name, input) = (text(call, "tool_name")?, call.get("tool_input").unwrap_or(&none));
    let own = |field: &str| call.get(field).and_then(Value::as_str);
    let own = [
        ("cwd", Some(text(call, "cwd")?)),
        ("subagent", own("agent_type")),
        ("subagent_id", own("agent_id")),
    ];
    bounded(acts(name, input)?, &own)
}

/// What each tool does, in the gate's words; an unknown one is a tool by its name.
fn acts(name: &str, input: &Value) -> Result<Acts, CallError> {
    let one = match name {
        "Bash" | "shell" | "exec_command" => shell(text(input, "command")?)?,
        "apply_patch" => return patch(text(input, "command")?),
        "view_image" => Act::on_path("local.read", text(input, "path")?),
        "spawn_agent" | "multi_agent_v1spawn_agent" => {
            let prompt = input.get("message").and_then(Value::as_str);
            Act::on("work.delegate", "codex").with_any("prompt", prompt)
        }
        _ => match connector_tool(name, None)? {
            Some(target) => tool(target, input)?,
            None => tool(format!("codex/{name}"), input)?,
        },
    };
    Ok(vec![one])
}

/// The answer in this dialect.
pub(super) fn say(said: &Said) -> Spoken {
    match said {
        Said::Yes => Spoken::json(&json!({})),
        Said::No(why) | Said::Ended(why) => Spoken::json(&json!({"hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": why,
        }})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each tool is judged as what it does. Method: a table of calls as Codex makes them.
    #[test]
    fn each_tool_is_judged_as_what_it_does() {
        let files = "*** Begin Patch\n*** Add File: a\n*** Delete File: b\n*** End Patch";
        for (tool, input, seen) in [
            ("Bash", json!({"command": "touch x"}), vec!["work.run touch"]),
            ("apply_patch", json!({"command": files}), vec!["local.write a", "local.write b"]),
            ("view_image", json!({"path": "/p"}), vec!["local.read /p"]),
            ("spawn_agent", json!({"message": "x"}), vec!["work.delegate codex"]),
            ("mcp__s__t", json!({"a": 1}), vec!["tool.call s/t"]),
            ("get_goal", json!({}), vec!["tool.call codex/get_goal"]),
        ] {
            let call = json!({"hook_event_name": "PreToolUse", "tool_name": tool,
                              "tool_input": input, "cwd": "/w", "turn_id": "t", "model": "m"});
            let call = read(call.to_string().as_bytes()).expect(tool);
            let Call::Before { acts, .. } = call else { panic!("{call:?}") };
            let acts: Vec<String> =
                acts.iter().map(|act| format!("{} {}", act.action, act.target)).collect();
            assert_eq!(acts, seen, "{tool}");
        }
        assert!(acts("Bash", &json!({"cmd": "rm x"})).is_err());
        assert!(acts("apply_patch", &json!({"command": "x"})).is_err());
    }

    /// Goal: an end is a No in the one form that was seen to hold. Method: it is compared to a No.
    #[test]
    fn an_end_is_a_no() {
        let (no, end) = (say(&Said::No("why".into())), say(&Said::Ended("why".into())));
        assert_eq!(no.stdout, end.stdout);
        assert!(!String::from_utf8_lossy(&end.stdout).contains("continue"));
    }
}
