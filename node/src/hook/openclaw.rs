//! OpenClaw's dialect: it knows plugins in its own process, so a plugin of ours calls the hook
//! before each call and blocks whatever gets no Yes.
//!
//! A shell's line may come with variables, another host and more that changes what it does; only
//! with none of it is a line known to be one program. Refused here: rewriting what the agent wants
//! to do.

use super::acts::{patch, shell};
use super::call::{Act, Acts, Call, CallError, bounded, host_of, named, object, text, tool};
use super::lend::HookCommand;
use super::plugin;
use super::shell_line::SHELL;
use belay_mesh::event::Came;
use serde_json::{Value, json};

/// Where OpenClaw calls the plugin.
const OWN: &str = include_str!("openclaw.js");

/// The files of the plugin of this name, by their own names.
pub(super) fn plugin(hook: &HookCommand, id: &str) -> [(&'static str, String); 3] {
    let package = json!({
        "name": id, "version": env!("CARGO_PKG_VERSION"), "type": "module",
        "openclaw": {"extensions": ["./index.js"]},
    });
    let manifest = json!({
        "id": id, "name": "Belay", "activation": {"onStartup": true},
        "configSchema": {"type": "object", "additionalProperties": false},
    });
    let own = OWN.replacen("\"ID\"", &Value::from(id).to_string(), 1);
    [
        ("package.json", format!("{package:#}\n")),
        ("openclaw.plugin.json", format!("{manifest:#}\n")),
        ("index.js", plugin::plugin(hook, &own)),
    ]
}

/// What it was called for.
pub(super) fn read(bytes: &[u8]) -> Result<Call, CallError> {
    let call = object(bytes)?;
    let none = Value::Null;
    let (session, run) = (text(&call, "session")?, text(&call, "runID")?);
    let id = call.get("callID").and_then(Value::as_str);
    let id = id.map(|id| named(&[session, run, id]));
    match text(&call, "event")? {
        "before" => {
            let (name, input) = (text(&call, "tool")?, call.get("args").unwrap_or(&none));
            let cwd = text(&call, "directory")?;
            let acts = match call.get("kind").and_then(Value::as_str) {
                // Another tool of the same name.
                Some(kind) => vec![tool(format!("openclaw/{name}.{kind}"), input)?],
                None => acts(name, input, cwd)?,
            };
            let below = session.contains(":subagent:");
            let own = [
                ("cwd", Some(cwd)),
                ("subagent", below.then_some("openclaw")),
                ("subagent_id", below.then_some(session)),
            ];
            Ok(Call::Before { call: id, acts: bounded(acts, &own)? })
        }
        "after" => {
            let took_ms = call.get("took_ms").and_then(Value::as_f64).map(whole_ms);
            let error = call.get("error").and_then(Value::as_str).map(str::to_owned);
            let exit = call.get("exit").and_then(Value::as_i64).filter(|exit| *exit != 0);
            match error.or(exit.map(|exit| format!("exit status {exit}"))) {
                Some(why) => Ok(Call::after(id, Came::Failed, &why)?.taking(took_ms)),
                None => Ok(Call::after(id, Came::Done, "")?.taking(took_ms)),
            }
        }
        event => Err(CallError::NotUnderstood(format!("the hook was called at {event}"))),
    }
}

/// OpenClaw says parts of a millisecond too.
fn whole_ms(ms: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(ms / 1_000.0)
        .map_or(0, |took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

/// What each tool does, in the gate's words; an unknown one is a tool by its name.
fn acts(name: &str, input: &Value, cwd: &str) -> Result<Acts, CallError> {
    let optional = |field: &str| input.get(field).and_then(Value::as_str);
    let one = match name {
        "exec" => run(input)?,
        "read" => Act::on_path("local.read", text(input, "path")?),
        "ls" | "find" | "grep" => Act::on_path("local.read", optional("path").unwrap_or(cwd))
            .with_any("pattern", optional("pattern")),
        "write" => Act::on_path("local.write", text(input, "path")?)
            .with("content", text(input, "content")?),
        "edit" => Act::on_path("local.write", text(input, "path")?).with("content", edits(input)?),
        "apply_patch" => return patch(text(input, "input")?),
        "web_fetch" => {
            let url = text(input, "url")?;
            Act::on("outward.connect", host_of(url)?).with("url", url)
        }
        "web_search" => Act::on("outward.connect", name).with("query", text(input, "query")?),
        "sessions_spawn" => Act::on("work.delegate", optional("agentId").unwrap_or("openclaw"))
            .with("prompt", text(input, "task")?),
        _ => tool(format!("openclaw/{name}"), input)?,
    };
    Ok(vec![one])
}

/// What beside a line does not change what it does.
const PLAIN: [&str; 8] =
    ["background", "command", "pty", "timeout", "timeoutSeconds", "title", "workdir", "yieldMs"];

fn run(input: &Value) -> Result<Act, CallError> {
    let act = shell(text(input, "command")?)?;
    let more = input.as_object().into_iter().flatten();
    let more: Vec<(&String, &Value)> =
        more.filter(|(name, _)| !PLAIN.contains(&name.as_str())).collect();
    let field = |field: &str| input.get(field).and_then(Value::as_str);
    let act = act.with_any("workdir", field("workdir")).meant(field("title"));
    let known = more.is_empty();
    let act = more.into_iter().fold(act, |act, (name, value)| act.with(name, value.to_string()));
    Ok(if known { act } else { Act { target: SHELL.to_owned(), ..act } })
}

fn edits(input: &Value) -> Result<String, CallError> {
    let edits = input.get("edits").and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<&str> = edits.map(|edit| text(edit, "newText")).collect::<Result<_, _>>()?;
    Ok(texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::{Dialect, Tenants};
    use std::path::Path;

    fn call(event: &str, more: Value) -> Result<Call, CallError> {
        let mut call = json!({"event": event, "tool": "exec", "kind": null, "callID": "c",
            "session": "agent:main:subagent:1", "runID": "r", "directory": "/w"});
        let fields = more.as_object().cloned().unwrap_or_default();
        fields.into_iter().for_each(|(name, value)| call[name] = value);
        read(call.to_string().as_bytes())
    }

    /// Goal: each tool is judged as what it does. Method: calls as our plugin tells them; a line
    /// with variables or for another host is no lone program.
    #[test]
    fn each_tool_is_judged_as_what_it_does() {
        let files = "*** Begin Patch\n*** Add File: a\n*** End Patch";
        for (tool, input, seen) in [
            ("exec", json!({"command": "git log", "yieldMs": 9}), "work.run git"),
            ("exec", json!({"command": "git log", "env": {"PATH": "/x"}}), "work.run sh"),
            ("exec", json!({"command": "git log", "host": "node"}), "work.run sh"),
            ("exec", json!({"command": "git log; rm x"}), "work.run sh"),
            ("read", json!({"path": "a"}), "local.read a"),
            ("ls", json!({}), "local.read /w"),
            ("write", json!({"path": "a", "content": "x"}), "local.write a"),
            ("edit", json!({"path": "a", "edits": [{"newText": "x"}]}), "local.write a"),
            ("apply_patch", json!({"input": files}), "local.write a"),
            ("web_fetch", json!({"url": "https://a.b/c"}), "outward.connect a.b:443"),
            ("sessions_spawn", json!({"task": "x"}), "work.delegate openclaw"),
            ("process", json!({"action": "write"}), "tool.call openclaw/process"),
        ] {
            let read = call("before", json!({"tool": tool, "args": input})).expect(tool);
            let Call::Before { acts, .. } = read else { panic!("{read:?}") };
            assert_eq!(format!("{} {}", acts[0].action, acts[0].target), seen, "{tool}");
            assert!(acts[0].args.contains(&("subagent".into(), "openclaw".into())), "{acts:?}");
        }
        let script = json!({"kind": "code_mode_exec", "args": {"command": "git log"}});
        let Ok(Call::Before { acts, .. }) = call("before", script) else { panic!("no call") };
        assert_eq!(acts[0].target, "openclaw/exec.code_mode_exec");
        assert!(call("before", json!({"args": {"code": "x"}})).is_err());
        assert!(call("before", json!({"args": {"command": "x"}, "directory": null})).is_err());
    }

    /// Goal: what came of a call is told of the same call. Method: done, another exit status, an
    /// error.
    #[test]
    fn what_came_of_a_call_is_told_of_the_same_call() {
        let before = call("before", json!({"args": {"command": "x"}})).expect("a call");
        let Call::Before { call: Some(id), .. } = before else { panic!("{before:?}") };
        for (said, expected) in [
            (json!({"exit": 0, "took_ms": 2.5}), (Came::Done, "")),
            (json!({"exit": 3, "took_ms": 2}), (Came::Failed, "exit status 3")),
            (json!({"error": "no\nmore", "took_ms": 2}), (Came::Failed, "no")),
        ] {
            let over = call("after", said);
            let Ok(Call::After { call, came, note, took_ms }) = over else { panic!("{over:?}") };
            assert_eq!((call, came, note.as_str()), (id.clone(), expected.0, expected.1));
            assert_eq!(took_ms, Some(2));
        }
    }

    /// Goal: the plugin has one name in all its files, and knows which program to ask.
    #[test]
    fn the_plugin_has_one_name() {
        let tenants = Tenants::in_folder(Path::new("/t"));
        let hook = HookCommand::new(Path::new("/b"), Path::new("/s"), Dialect::OpenClaw, &tenants);
        let files = plugin(&hook, "belay-1");
        assert!(files.iter().all(|(_, text)| text.contains("\"belay-1\"")), "{files:?}");
        assert!(
            files[2]
                .1
                .contains(r#"["/b","--state","/s","agent","hook","openclaw","--tenants","/t"]"#)
        );
    }
}
