//! The connectors of this device that an agent starts through the gateway for one run, beside what
//! its files have.
//!
//! An agent takes what its command line says of a connector before what its files say. Refused
//! here: taking one from it. A connector whose variables stand in a file stays as that file has it,
//! because a command line can be read by everybody.

use super::behind::{Gateway, Left, is_gateway};
use super::connector_files::{Configured, connector_files};
use super::dialect::Dialect;
use super::format::Format;
use super::places::managed_connectors_file;
use crate::api::connector::ConnectorSaid;
use serde_json::{Map, Value, json};
use std::path::Path;

/// One of them, with the words that start it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LentConnector {
    name: String,
    words: Vec<String>,
}

impl LentConnector {
    /// Its name, its program, its words.
    pub(super) fn parts(&self) -> Option<(&str, &String, &[String])> {
        let (program, args) = self.words.split_first()?;
        Some((&self.name, program, args))
    }
}

/// What the files of a user and a project have; a file that cannot be read is its agent's own
/// affair.
pub(crate) fn configured(dialect: Dialect, home: &Path, here: &Path) -> Vec<Configured> {
    let files = connector_files(home, here).into_iter();
    let own = files.filter(|file| file.agent == dialect.word());
    let read = own.filter_map(|file| {
        let text = std::fs::read_to_string(&file.path).ok()?;
        file.connectors(&text).ok()
    });
    read.flatten().collect()
}

/// Which of the registered ones are lent, and which stay as a file has them.
pub(crate) fn for_a_run(
    dialect: Dialect,
    configured: &[Configured],
    registered: Vec<ConnectorSaid>,
    gateway: &Gateway,
) -> (Vec<LentConnector>, Vec<Left>) {
    let (mut lent, mut left) = (Vec::new(), Vec::new());
    // These take none from their words; wrapped, their files start the gateway.
    let takes_none = match dialect {
        Dialect::Gemini | Dialect::Cline | Dialect::OpenClaw => true,
        Dialect::ClaudeCode | Dialect::Codex | Dialect::OpenCode => false,
    };
    if takes_none || managed_connectors_file(dialect).is_some_and(|file| file.exists()) {
        return (lent, left);
    }
    let wrap = || format!("`belay agent wrap {}` puts it behind the gateway", dialect.word());
    for ConnectorSaid { name, .. } in registered {
        let words = gateway.words(&name);
        match configured.iter().find(|own| own.name == name) {
            Some(own) if is_gateway(own) => {}
            Some(own) if !own.env.is_empty() || own.url.is_some() => {
                left.push(Left { name, why: wrap() });
            }
            Some(_) | None => lent.push(LentConnector { name, words }),
        }
    }
    (lent, left)
}

/// Claude Code's words; what follows them must begin with a dash.
pub(super) fn claude_code_words(lent: &[LentConnector]) -> Vec<String> {
    if lent.is_empty() {
        return Vec::new();
    }
    let server = |LentConnector { name, words }: &LentConnector| {
        let (program, args) = words.split_first()?;
        let server = json!({"type": "stdio", "command": program, "args": args});
        Some((name.clone(), server))
    };
    let servers: Map<String, Value> = lent.iter().filter_map(server).collect();
    vec!["--mcp-config".to_owned(), json!({"mcpServers": servers}).to_string()]
}

/// Codex's words.
pub(super) fn codex_words(lent: &[LentConnector]) -> Vec<String> {
    let words = |LentConnector { name, words }: &LentConnector| {
        let (program, args) = words.split_first()?;
        let key = format!("mcp_servers.{name}");
        let (program, args) = (Value::from(program.as_str()), Format::words(args));
        Some([format!("{key}.command={program}"), format!("{key}.args={args}")])
    };
    let words = lent.iter().filter_map(words).flatten();
    words.flat_map(|word| ["-c".to_owned(), word]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::pin::Pins;

    fn registered(name: &str) -> ConnectorSaid {
        ConnectorSaid {
            name: name.into(),
            command: vec!["x".into()],
            url: None,
            ca: None,
            headers: Vec::new(),
            env: Vec::new(),
            approved_ms: 0,
            approved: Pins::default(),
            differs: Vec::new(),
        }
    }

    /// Goal: what is registered is started through the gateway, nothing is taken from the agent.
    /// Method: one that no file has, one that a file has plainly, with variables, and wrapped.
    #[test]
    fn connectors_are_lent_and_none_is_taken() {
        let own = |name: &str, command: &[&str], env: &[(&str, &str)]| Configured {
            name: name.into(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            url: None,
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        let files = [
            own("plain", &["npx"], &[]),
            own("secret", &["npx"], &[("T", "s")]),
            own("gated", &["/b/belay", "--state", "/s", "mcp", "gated"], &[]),
        ];
        let all = ["gated", "new", "plain", "secret"].map(registered).to_vec();
        let gateway = Gateway::new(Path::new("/b/belay"), Path::new("/s"));
        let (lent, left) = for_a_run(Dialect::Codex, &files, all, &gateway);
        let names: Vec<&str> = lent.iter().map(|lent| lent.name.as_str()).collect();
        assert_eq!((names, left.len()), (vec!["new", "plain"], 1));
        assert!(left[0].why.contains("agent wrap codex"));
        let words = codex_words(&lent[..1]);
        assert_eq!(words[1], "mcp_servers.new.command=\"/b/belay\"");
        assert_eq!(words[3], "mcp_servers.new.args=[\"--state\", \"/s\", \"mcp\", \"new\"]");
        let words = claude_code_words(&lent[..1]);
        let said: Value = serde_json::from_str(&words[1]).expect("JSON");
        assert_eq!(said["mcpServers"]["new"]["args"][2], "mcp");
        assert!(claude_code_words(&[]).is_empty());
    }
}
