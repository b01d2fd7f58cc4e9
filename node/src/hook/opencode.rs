//! OpenCode's dialect: it knows plugins, not hooks, so a plugin of ours calls the hook and throws
//! at every answer that is no Yes.
//!
//! A connector's tool is named `SERVER_TOOL` there, which cannot be told apart, so it is judged by
//! that name; the gateway judges it by its own. Refused here: rewriting what the agent wants to do.

use super::acts::{patch, shell};
use super::call::{Act, Acts, Call, CallError, bounded, host_of, named, object, text, tool};
use super::lend::HookCommand;
use super::plugin;
use belay_mesh::event::Came;
use serde_json::Value;

/// Where OpenCode calls the plugin.
const OWN: &str = include_str!("opencode.js");

/// The plugin that asks by this hook.
pub(super) fn plugin(hook: &HookCommand) -> String {
    plugin::plugin(hook, OWN)
}

/// What it was called for.
pub(super) fn read(bytes: &[u8]) -> Result<Call, CallError> {
    let call = object(bytes)?;
    let none = Value::Null;
    let (name, input) = (text(&call, "tool")?, call.get("args").unwrap_or(&none));
    let id = Some(named(&[text(&call, "sessionID")?, text(&call, "callID")?]));
    match text(&call, "event")? {
        "before" => {
            let cwd = text(&call, "directory")?;
            let acts = bounded(acts(name, input, cwd)?, &[("cwd", Some(cwd))])?;
            Ok(Call::Before { call: id, acts })
        }
        "after" => match call.get("exit").and_then(Value::as_i64) {
            Some(0) | None => Call::after(id, Came::Done, ""),
            Some(exit) => Call::after(id, Came::Failed, &format!("exit status {exit}")),
        },
        event => Err(CallError::NotUnderstood(format!("the hook was called at {event}"))),
    }
}

/// What each tool does, in the gate's words; an unknown one is a tool by its name.
fn acts(name: &str, input: &Value, cwd: &str) -> Result<Acts, CallError> {
    let optional = |field: &str| input.get(field).and_then(Value::as_str);
    let one = match name {
        "bash" => shell(text(input, "command")?)?
            .with_any("workdir", optional("workdir"))
            .meant(optional("description")),
        "read" => Act::on_path("local.read", text(input, "filePath")?),
        "glob" | "grep" | "list" => Act::on_path("local.read", optional("path").unwrap_or(cwd))
            .with_any("pattern", optional("pattern")),
        "write" => Act::on_path("local.write", text(input, "filePath")?)
            .with("content", text(input, "content")?),
        "edit" => Act::on_path("local.write", text(input, "filePath")?)
            .with("content", text(input, "newString")?),
        "patch" | "apply_patch" => return patch(text(input, "patchText")?),
        "webfetch" => {
            let url = text(input, "url")?;
            Act::on("outward.connect", host_of(url)?).with("url", url)
        }
        "websearch" => Act::on("outward.connect", name).with("query", text(input, "query")?),
        "task" => Act::on("work.delegate", text(input, "subagent_type")?)
            .with("prompt", text(input, "prompt")?)
            .meant(optional("description")),
        _ => tool(format!("opencode/{name}"), input)?,
    };
    Ok(vec![one])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::dialect::Said;
    use crate::hook::{Dialect, Tenants};
    use serde_json::json;
    use std::path::Path;

    /// Goal: each tool is judged as what it does. Method: calls as our plugin tells them.
    #[test]
    fn each_tool_is_judged_as_what_it_does() {
        let files = "*** Begin Patch\n*** Add File: a\n*** Delete File: b\n*** End Patch";
        for (tool, input, seen) in [
            ("bash", json!({"command": "git log"}), vec!["work.run git"]),
            ("read", json!({"filePath": "a"}), vec!["local.read a"]),
            ("grep", json!({"pattern": "*"}), vec!["local.read /w"]),
            ("write", json!({"filePath": "a", "content": "x"}), vec!["local.write a"]),
            ("edit", json!({"filePath": "a", "newString": "x"}), vec!["local.write a"]),
            ("apply_patch", json!({"patchText": files}), vec!["local.write a", "local.write b"]),
            ("webfetch", json!({"url": "https://a.b/c"}), vec!["outward.connect a.b:443"]),
            ("task", json!({"subagent_type": "x", "prompt": "p"}), vec!["work.delegate x"]),
            ("files_mark", json!({"x": 1}), vec!["tool.call opencode/files_mark"]),
        ] {
            let call = json!({"event": "before", "tool": tool, "args": input, "sessionID": "s",
                              "callID": "c", "directory": "/w"});
            let read = read(call.to_string().as_bytes()).expect(tool);
            let Call::Before { acts, .. } = read else { panic!("{read:?}") };
            let acts: Vec<String> =
                acts.iter().map(|act| format!("{} {}", act.action, act.target)).collect();
            assert_eq!(acts, seen, "{tool}");
        }
        assert!(acts("bash", &json!({"cmd": "rm"}), "/w").is_err());
    }

    /// Goal: only one answer is a Yes, and the plugin knows which program to ask.
    #[test]
    fn the_plugin_asks_the_hook_of_its_node() {
        let tenants = Tenants::in_folder(Path::new("/t"));
        let hook = HookCommand::new(
            Path::new("/b \"x/belay"),
            Path::new("/s"),
            Dialect::OpenCode,
            &tenants,
        );
        let text = plugin(&hook);
        assert!(
            text.contains(
                r#"const WORDS = ["/b \"x/belay","--state","/s","agent","hook","opencode","--tenants","/t"];"#
            ),
            "{text}"
        );
        assert!(text.contains("allow !== true"));
        let said = |said: &Said| String::from_utf8(plugin::say(said).stdout).expect("text");
        assert_eq!(said(&Said::Yes), "{\"allow\":true}\n");
        assert!(said(&Said::Ended("x".into())).contains("\"allow\":false"));
    }
}
