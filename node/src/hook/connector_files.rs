//! Where coding agents keep their connectors: which files, under which key, in which words.
//!
//! One table, for whoever rewires connectors and for whoever lists what is configured on a device.
//! Refused here: starting anything that a file names.

use super::change::ChangeError;
use super::format::Format;
use super::places::folder_from;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file in which an agent finds its connectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectorFile {
    /// Which agent, by a word.
    pub(crate) agent: &'static str,
    /// The file, whether it is there or not.
    pub(crate) path: PathBuf,
    /// How it is written.
    pub(crate) format: Format,
    /// The way to the table of connectors in it.
    pub(crate) table: Vec<String>,
    /// How it says a command.
    pub(crate) says: Says,
}

/// How a file says which command starts a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// `command` is the program, `args` its words, `env` its variables.
    CommandAndArgs,
    /// `command` is program and words, `environment` its variables.
    CommandList,
}

/// A connector as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configured {
    /// Its name in the file.
    pub(crate) name: String,
    /// The command that starts its server; empty where it is reached over the network.
    pub(crate) command: Vec<String>,
    /// Where it is reached.
    pub(crate) url: Option<String>,
    /// Variables that its server is given.
    pub(crate) env: BTreeMap<String, String>,
}

/// Every file that is known, for a user and a project.
pub(crate) fn connector_files(home: &Path, project: &Path) -> Vec<ConnectorFile> {
    let apps = match cfg!(target_os = "macos") {
        true => home.join("Library/Application Support"),
        false => folder_from("XDG_CONFIG_HOME", &home.join(".config")),
    };
    let claude = folder_from("CLAUDE_CONFIG_DIR", home).join(".claude.json");
    let codex = folder_from("CODEX_HOME", &home.join(".codex")).join("config.toml");
    let here = project.display().to_string();
    let code = "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json";
    let servers = &["mcpServers"];
    vec![
        json("claude-code", claude.clone(), servers),
        json("claude-code", claude, &["projects", &here, "mcpServers"]),
        json("claude-code", project.join(".mcp.json"), servers),
        ConnectorFile { format: Format::Toml, ..json("codex", codex, &["mcp_servers"]) },
        json("gemini", home.join(".gemini/settings.json"), servers),
        json("gemini", project.join(".gemini/settings.json"), servers),
        listed("opencode", apps.join("opencode/opencode.json")),
        listed("opencode", project.join("opencode.json")),
        json("cline", home.join(".cline/data/settings/cline_mcp_settings.json"), servers),
        json("cline", apps.join(code), servers),
        json("openclaw", home.join(".openclaw/openclaw.json"), &["mcp", "servers"]),
        json("claude-desktop", apps.join("Claude/claude_desktop_config.json"), servers),
        json("vscode", apps.join("Code/User/mcp.json"), &["servers"]),
        json("vscode", project.join(".vscode/mcp.json"), &["servers"]),
        json("copilot", home.join(".copilot/mcp-config.json"), servers),
        json("cursor", home.join(".cursor/mcp.json"), servers),
        json("cursor", project.join(".cursor/mcp.json"), servers),
        json("windsurf", home.join(".codeium/windsurf/mcp_config.json"), servers),
        json("kiro", home.join(".kiro/settings/mcp.json"), servers),
        json("antigravity", home.join(".gemini/antigravity/mcp_config.json"), servers),
        json("amazon-q", home.join(".aws/amazonq/mcp.json"), servers),
    ]
}

fn json(agent: &'static str, path: PathBuf, table: &[&str]) -> ConnectorFile {
    let table = table.iter().map(|key| (*key).to_owned()).collect();
    ConnectorFile { agent, path, format: Format::Json, table, says: Says::CommandAndArgs }
}

/// As OpenCode writes it.
fn listed(agent: &'static str, path: PathBuf) -> ConnectorFile {
    ConnectorFile { says: Says::CommandList, ..json(agent, path, &["mcp"]) }
}

impl ConnectorFile {
    /// Every connector of a file's text that is not switched off, by name.
    ///
    /// # Errors
    /// Why the text cannot be read.
    pub(crate) fn connectors(&self, text: &str) -> Result<Vec<Configured>, ChangeError> {
        let file = self.format.read(text)?;
        let table = self.table.iter().try_fold(&file, |value, key| value.get(key));
        let entries = table.and_then(Value::as_object).into_iter().flatten();
        let on = |(_, entry): &(&String, &Value)| {
            entry["enabled"] != false && entry["disabled"] != true && entry.is_object()
        };
        Ok(entries.filter(on).map(|(name, entry)| self.configured(name, entry)).collect())
    }

    fn configured(&self, name: &str, entry: &Value) -> Configured {
        let words = |value: &Value| -> Vec<String> {
            let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            words.map(str::to_owned).collect()
        };
        let (command, env) = match self.says {
            Says::CommandAndArgs => {
                let program = entry["command"].as_str().map(str::to_owned);
                (program.into_iter().chain(words(&entry["args"])).collect(), &entry["env"])
            }
            Says::CommandList => (words(&entry["command"]), &entry["environment"]),
        };
        let env = env.as_object().into_iter().flatten();
        let url = ["url", "httpUrl", "serverUrl"].iter().find_map(|key| entry[*key].as_str());
        Configured {
            name: name.to_owned(),
            command,
            url: url.map(str::to_owned),
            env: env
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(agent: &str) -> Vec<ConnectorFile> {
        let all = connector_files(Path::new("/h"), Path::new("/p"));
        all.into_iter().filter(|file| file.agent == agent).collect()
    }

    /// Goal: a connector is read as its agent's file says it. Method: each way of saying it, one
    /// that is switched off, one over the network.
    #[test]
    fn connectors_are_read_as_each_agent_says_them() {
        let claude = &of("claude-code");
        let text = r#"{"mcpServers": {
            "a": {"type": "stdio", "command": "npx", "args": ["-y", "x"], "env": {"T": "s"}},
            "b": {"type": "http", "url": "https://b.example/mcp"},
            "c": {"command": "c", "disabled": true}},
            "projects": {"/p": {"mcpServers": {"d": {"command": "d"}}}}}"#;
        let read = claude[0].connectors(text).expect("a file");
        assert_eq!((read.len(), read[0].command.join(" ").as_str()), (2, "npx -y x"));
        assert_eq!(read[0].env.get("T").map(String::as_str), Some("s"));
        assert_eq!(read[1].url.as_deref(), Some("https://b.example/mcp"));
        assert_eq!(claude[1].connectors(text).expect("a file")[0].name, "d");

        let text = "[mcp_servers.a]\ncommand = \"npx\"\nargs = [\"x\"]\n[mcp_servers.b]\n\
                    command = \"b\"\nenabled = false\n";
        let read = of("codex")[0].connectors(text).expect("a file");
        assert_eq!((read.len(), read[0].command.join(" ").as_str()), (1, "npx x"));

        let text = r#"{"mcp": {"a": {"type": "local", "command": ["npx", "x"],
                       "environment": {"T": "s"}}}}"#;
        let read = of("opencode")[0].connectors(text).expect("a file");
        assert_eq!((read[0].command.join(" ").as_str(), read[0].env.len()), ("npx x", 1));
        assert!(of("gemini")[0].connectors("").expect("nothing").is_empty());
        assert!(of("gemini")[0].connectors("{").is_err());
    }
}
