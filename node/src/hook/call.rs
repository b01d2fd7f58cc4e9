//! One call of an agent's tool, as acts for the gate.
//!
//! Every act names a verb of the gate, a target and arguments as pairs. What a hook itself knows
//! (`cwd`, `subagent`) stands beside the tool's arguments, which may not use those names. Refused
//! here: cutting what is too large to be judged; such a call is denied.

use super::limits::{ACTS_MAX, ARGS_DEPTH_MAX, ARGS_MAX, NOTE_CHARS_MAX};
use belay_mesh::event::Came;
use belay_mesh::limits::INTENT_ARG;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt;

/// What one call wants: all of its acts, or nothing.
pub(crate) type Acts = Vec<Act>;

/// What a hook was called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// A tool is to be called.
    Before {
        /// Its name among the calls of its agent, where it can have one.
        call: Option<String>,
        /// What it would do.
        acts: Acts,
    },
    /// A tool was called.
    After {
        /// Its name among the calls of its agent.
        call: String,
        /// What came of it.
        came: Came,
        /// In a few words.
        note: String,
        /// How long it took, milliseconds, where the agent says it.
        took_ms: Option<u64>,
    },
}

impl Call {
    /// A call that is over.
    pub(super) fn after(call: Option<String>, came: Came, note: &str) -> Result<Self, CallError> {
        let unnamed = || CallError::NotUnderstood("a call that is over has no name".to_owned());
        let call = call.ok_or_else(unnamed)?;
        let first = note.lines().map(str::trim).find(|line| !line.is_empty());
        let note = first.unwrap_or_default().chars().take(NOTE_CHARS_MAX).collect();
        Ok(Self::After { call, came, note, took_ms: None })
    }

    /// The same with how long it took.
    pub(super) fn taking(self, ms: Option<u64>) -> Self {
        match self {
            Self::After { call, came, note, .. } => Self::After { call, came, note, took_ms: ms },
            Self::Before { .. } => self,
        }
    }
}

/// How a call is named: by what tells it from every other of its agent.
pub(super) fn named(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    belay_identity::key::hex(&hash.finalize())
}

/// A call's name where its agent numbers its calls.
pub(super) fn numbered(call: &Value) -> Option<String> {
    let text = |field: &str| call.get(field).and_then(Value::as_str);
    Some(named(&[text("session_id")?, text("tool_use_id")?]))
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    /// What, as `class.verb`.
    pub(crate) action: &'static str,
    /// On what.
    pub(crate) target: String,
    /// True where the target is a path on this disk.
    pub(crate) is_path: bool,
    /// With which arguments.
    pub(crate) args: Vec<(String, String)>,
}

/// Names that only the hook itself gives.
const OWN: [&str; 4] = ["cwd", "subagent", "subagent_id", INTENT_ARG];

impl Act {
    /// An act on something that is no path.
    pub(super) fn on(action: &'static str, target: impl Into<String>) -> Self {
        Self { action, target: target.into(), is_path: false, args: Vec::new() }
    }

    /// An act on a path, which may lead from the folder in which the agent stands.
    pub(super) fn on_path(action: &'static str, path: &str) -> Self {
        Self { is_path: true, ..Self::on(action, path) }.with("path", path)
    }

    /// With one more argument.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.args.push((name.to_owned(), value.into()));
        self
    }

    /// With what its agent says that it is for.
    pub(super) fn meant(self, intent: Option<&str>) -> Self {
        self.with_any(INTENT_ARG, intent)
    }

    /// With one more argument, where there is one.
    pub(super) fn with_any(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// Why a call cannot be judged, so that it is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The agent said what no version known here says.
    NotUnderstood(String),
    /// It is larger than can be judged.
    TooMuch(&'static str),
    /// A tool's argument has a name that only the hook gives.
    Poses(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnderstood(why) => write!(f, "the call was not understood: {why}"),
            Self::TooMuch(what) => write!(f, "the call has too {what} to be judged"),
            Self::Poses(name) => write!(f, "the tool has an argument “{name}” of its own"),
        }
    }
}

impl CallError {
    /// What to do next.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::NotUnderstood(_) => {
                "use a version of the agent that this version of belay knows, or a newer belay"
            }
            Self::TooMuch(_) => "do it in smaller steps",
            Self::Poses(_) => "a connector whose tool has such an argument is not usable here",
        }
    }
}

/// The call of a tool that has no place among the gate's other verbs.
pub(super) fn tool(target: String, input: &Value) -> Result<Act, CallError> {
    let mut args = Vec::new();
    flatten("", input, 0, &mut args)?;
    if let Some((name, _)) = args.iter().find(|(name, _)| OWN.contains(&name.as_str())) {
        return Err(CallError::Poses(name.clone()));
    }
    Ok(Act { args, ..Act::on("tool.call", target) })
}

/// Names that stand before an agent's own tools.
const AGENTS: [&str; 6] = ["claude-code", "codex", "gemini", "opencode", "cline", "openclaw"];

/// The target of a connector's tool as `SERVER/TOOL`; none where the name is an agent's own tool.
///
/// Its name is `mcp__SERVER__TOOL`. Where the agent says beside it which server that is, the name
/// has to be that one's; where it does not, a name that can be split twice is nobody's.
pub(super) fn connector_tool(name: &str, said: Option<&str>) -> Result<Option<String>, CallError> {
    let Some(rest) = name.strip_prefix("mcp__") else { return Ok(None) };
    let doubtful = || CallError::NotUnderstood(format!("“{name}” may be of several connectors"));
    let (server, tool) = match said {
        Some(said) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            let shown: String = said.chars().map(|c| if plain(c) { c } else { '_' }).collect();
            let tool = rest.strip_prefix(&shown).and_then(|rest| rest.strip_prefix("__"));
            (said, tool.ok_or_else(doubtful)?)
        }
        None => rest.split_once("__").ok_or_else(doubtful)?,
    };
    if said.is_none() && (tool.contains("__") || tool.starts_with('_')) {
        return Err(doubtful());
    }
    connector_target(server, tool).map(Some)
}

/// The target of this tool of this connector.
pub(super) fn connector_target(server: &str, tool: &str) -> Result<String, CallError> {
    if server.is_empty() || tool.is_empty() || server.contains('/') || AGENTS.contains(&server) {
        let why = format!("“{server}/{tool}” may be of several connectors");
        return Err(CallError::NotUnderstood(why));
    }
    Ok(format!("{server}/{tool}"))
}

/// Where a URL leads, as `host:port`.
pub(super) fn host_of(url: &str) -> Result<String, CallError> {
    let bad = |why: String| CallError::NotUnderstood(format!("“{url}” is no address: {why}"));
    let read = url::Url::parse(url).map_err(|error| bad(error.to_string()))?;
    let host = read.host_str().ok_or_else(|| bad("it names no host".into()))?;
    let port = read.port_or_known_default().ok_or_else(|| bad("it names no port".into()))?;
    Ok(format!("{}:{port}", host.to_ascii_lowercase()))
}

/// A field that has to be a text.
pub(super) fn text<'a>(input: &'a Value, field: &str) -> Result<&'a str, CallError> {
    let missing = || CallError::NotUnderstood(format!("it has no text “{field}”"));
    input.get(field).and_then(Value::as_str).ok_or_else(missing)
}

/// One JSON object, and nothing behind it.
pub(super) fn object(bytes: &[u8]) -> Result<Value, CallError> {
    let read: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|error| CallError::NotUnderstood(format!("it is no JSON object: {error}")))?;
    Ok(Value::Object(read))
}

/// All acts with what the hook knows, if they are few enough to be judged.
pub(super) fn bounded(acts: Acts, own: &[(&str, Option<&str>)]) -> Result<Acts, CallError> {
    if acts.len() > ACTS_MAX {
        return Err(CallError::TooMuch("many parts"));
    }
    let whole = |act: Act| {
        let act = own.iter().fold(act, |act, (name, value)| act.with_any(name, *value));
        if act.args.len() > ARGS_MAX { Err(CallError::TooMuch("many arguments")) } else { Ok(act) }
    };
    acts.into_iter().map(whole).collect()
}

/// Nested arguments by their path, as `options.depth` or `files.0`.
fn flatten(
    path: &str,
    value: &Value,
    depth: usize,
    into: &mut Vec<(String, String)>,
) -> Result<(), CallError> {
    if depth > ARGS_DEPTH_MAX || into.len() > ARGS_MAX {
        return Err(CallError::TooMuch("many arguments"));
    }
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(name, value)| flatten(&below(name), value, depth + 1, into)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, value)| flatten(&below(&at.to_string()), value, depth + 1, into)),
        Value::String(text) => {
            into.push((path.to_owned(), text.clone()));
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            into.push((path.to_owned(), value.to_string()));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Goal: a tool's arguments are seen by their path, whole or not at all. Method: nested ones,
    /// one that poses as the hook's own, too many, too deep.
    #[test]
    fn arguments_are_seen_whole_or_denied() {
        let act = tool("s/t".into(), &json!({"path": "/a", "o": {"depth": 2, "l": ["x", null]}}));
        let seen = act.expect("it can be judged").args;
        let mut pairs: Vec<String> = seen.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.sort();
        assert_eq!(pairs, ["o.depth=2", "o.l.0=x", "o.l.1=null", "path=/a"]);
        let poses = tool("s/t".into(), &json!({"subagent": "reviewer"}));
        assert_eq!(poses, Err(CallError::Poses("subagent".into())));
        let many: Vec<usize> = (0..=ARGS_MAX + 1).collect();
        assert!(matches!(tool("s/t".into(), &json!({"a": many})), Err(CallError::TooMuch(_))));
        let deep = (0..=ARGS_DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
        assert!(matches!(tool("s/t".into(), &deep), Err(CallError::TooMuch(_))));
    }

    /// Goal: where a URL leads is what a rule can name. Method: a default port, capitals, a user
    /// before the host, and what leads nowhere.
    #[test]
    fn a_url_leads_to_a_host_and_a_port() {
        let to = |url: &str| host_of(url).ok();
        assert_eq!(to("https://Docs.Example.org/x").as_deref(), Some("docs.example.org:443"));
        assert_eq!(to("http://a@b.example:8080/").as_deref(), Some("b.example:8080"));
        assert_eq!(to("http://0x7f.1/").as_deref(), Some("127.0.0.1:80"));
        assert_eq!((to("docs.example.org"), to("mailto:a@b.example")), (None, None));
    }

    /// Goal: two connectors cannot be taken for each other, nor for the agent itself. Method: whole
    /// names and broken ones, with the server said and without, names that can be split twice, and
    /// a server that is called like an agent.
    #[test]
    fn a_connectors_tool_is_named_with_its_server() {
        let tool = |name: &str, said: Option<&str>| connector_tool(name, said).ok().flatten();
        assert_eq!(tool("mcp__files__read_all", None).as_deref(), Some("files/read_all"));
        assert_eq!(tool("mcp__a__b__c", Some("a__b")).as_deref(), Some("a__b/c"));
        assert_eq!(tool("mcp__a__b__c", Some("a")).as_deref(), Some("a/b__c"));
        assert_eq!(tool("mcp__x_y__c", Some("x.y")).as_deref(), Some("x.y/c"));
        assert_eq!(connector_tool("Bash", None), Ok(None));
        for (name, said) in [
            ("mcp__a__b__c", None),
            ("mcp__a___c", None),
            ("mcp____x", None),
            ("mcp__files", None),
            ("mcp__files__", None),
            ("mcp__a__b", Some("c")),
            ("mcp__a_b__c", Some("a/b")),
            ("mcp__claude-code__TodoWrite", Some("claude-code")),
            ("mcp__codex__get_goal", None),
        ] {
            assert!(connector_tool(name, said).is_err(), "{name} {said:?}");
        }
    }
}
