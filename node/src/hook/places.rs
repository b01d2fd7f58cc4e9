//! Where each agent's hook stands in files.
//!
//! A user's file is the user's: he may switch hooks off in it. A managed file stands above it where
//! the system has one. Refused here: writing any of them.

use super::change::{Change, Serves};
use super::dialect::Dialect;
use super::format::Format;
use super::lend::{
    CLAUDE_CODE_TOLD, GEMINI_SYSTEM_FILE, HookCommand, claude_code_entry, claude_code_told,
    cline_hooks, codex_lines, gemini_entries,
};
use super::plugin_entry::PluginEntry;
use super::{cline, openclaw, opencode, trust};
use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Whose file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// The user's own.
    User,
    /// The system's, which its users cannot write.
    Managed,
}

impl Place {
    /// The word in names of files and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Managed => "managed",
        }
    }
}

/// The file that an agent's hook goes into.
///
/// # Errors
/// That the agent has no such file.
pub(crate) fn hook_file(
    dialect: Dialect,
    place: Place,
    home: &Path,
    hook: &HookCommand,
    state: &Path,
) -> Result<PathBuf, Fault> {
    Ok(match (dialect, place) {
        (Dialect::ClaudeCode, Place::User) => {
            folder_from("CLAUDE_CONFIG_DIR", &home.join(".claude")).join("settings.json")
        }
        (Dialect::ClaudeCode, Place::Managed) => {
            let folder = Path::new("/etc/claude-code/managed-settings.d");
            folder.join(format!("50-belay-{}.json", name_of(state)))
        }
        (Dialect::Codex, Place::User) => {
            folder_from("CODEX_HOME", &home.join(".codex")).join("config.toml")
        }
        (Dialect::Codex, Place::Managed) => PathBuf::from("/etc/codex/requirements.toml"),
        (Dialect::Gemini, Place::User) => home.join(".gemini/settings.json"),
        (Dialect::Gemini, Place::Managed) => PathBuf::from(GEMINI_SYSTEM_FILE),
        (Dialect::OpenCode, Place::User) => {
            let folder = folder_from("XDG_CONFIG_HOME", &home.join(".config"));
            folder.join(format!("opencode/plugins/belay-{}.js", name_of(state)))
        }
        (Dialect::OpenCode, Place::Managed) => PathBuf::from("/etc/opencode/opencode.json"),
        (Dialect::Cline, Place::User) => cline_file(home, "PreToolUse", &cline::script(hook)),
        (Dialect::OpenClaw, Place::User) => openclaw_file(home),
        (Dialect::Cline | Dialect::OpenClaw, Place::Managed) => {
            let what = format!("{} has no file of the system's above its user's", dialect.title());
            return Err(Fault::wrong_use(what, "wrap it without --managed"));
        }
    })
}

/// OpenClaw's configuration.
pub(super) fn openclaw_file(home: &Path) -> PathBuf {
    let own = folder_from("OPENCLAW_STATE_DIR", &home.join(".openclaw")).join("openclaw.json");
    folder_from("OPENCLAW_CONFIG_PATH", &own)
}

/// The first free name for this script: Cline calls every one of them, and two nodes have one each.
fn cline_file(home: &Path, event: &str, script: &str) -> PathBuf {
    let folder = cline_hooks(home);
    let mut names =
        ["sh", "bash", "zsh"].map(|end| folder.join(format!("{event}.{end}"))).into_iter();
    let is_free = |path: &PathBuf| {
        std::fs::read_to_string(path).map_or(!path.exists(), |text| text == script)
    };
    let first = folder.join(format!("{event}.sh"));
    names.find(is_free).unwrap_or(first)
}

/// Further files, which the first one names or which stand beside it.
pub(crate) fn companions(
    (dialect, place): (Dialect, Place),
    home: &Path,
    hook: &HookCommand,
    state: &Path,
) -> Vec<(PathBuf, Change)> {
    match (dialect, place) {
        (Dialect::OpenClaw, Place::User) => {
            let folder = openclaw_folder(state);
            let file = |(name, text): (&str, String)| {
                (folder.join(name), Change::Whole { text, serves: Serves::Asking })
            };
            openclaw::plugin(hook, &openclaw_id(state)).map(file).into()
        }
        (Dialect::OpenCode, Place::Managed) => {
            let change = Change::Whole { text: opencode::plugin(hook), serves: Serves::Asking };
            vec![(managed_plugin(state), change)]
        }
        (Dialect::Cline, Place::User) => {
            let text = cline::script_after(hook);
            let path = cline_file(home, "PostToolUse", &text);
            vec![(path, Change::Whole { text, serves: Serves::Telling })]
        }
        (Dialect::OpenCode, Place::User)
        | (Dialect::Cline | Dialect::OpenClaw, Place::Managed)
        | (Dialect::ClaudeCode | Dialect::Codex | Dialect::Gemini, _) => Vec::new(),
    }
}

fn openclaw_id(state: &Path) -> String {
    format!("belay-{}", name_of(state))
}

fn openclaw_folder(state: &Path) -> PathBuf {
    state.join("hooks/openclaw")
}

fn managed_plugin(state: &Path) -> PathBuf {
    PathBuf::from(format!("/etc/opencode/belay-{}.js", name_of(state)))
}

/// The folder that a variable names, by its own name on this disk; agents take an empty one for
/// none.
pub(super) fn folder_from(variable: &str, otherwise: &Path) -> PathBuf {
    let named = std::env::var_os(variable).filter(|named| !named.is_empty());
    let folder = named.map_or_else(|| otherwise.to_owned(), PathBuf::from);
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    folder.canonicalize().unwrap_or(folder)
}

/// What that file says so that the agent asks; `text` is what it says without.
pub(crate) fn hook_change(
    (dialect, place): (Dialect, Place),
    (path, text): (&Path, &str),
    hook: &HookCommand,
    state: &Path,
) -> Result<Vec<Change>, Fault> {
    let lines = |text: String| {
        let switch = Some(("features".to_owned(), "hooks".to_owned()));
        vec![Change::Lines { mark: format!("belay {}", name_of(state)), text, switch }]
    };
    Ok(match (dialect, place) {
        (Dialect::ClaudeCode, Place::User | Place::Managed) => claude_code_changes(hook),
        (Dialect::Codex, Place::User) => {
            let own = codex_lines(hook);
            let trusted = trust::lines(path, text, &own, hook)?;
            lines(own + &trusted)
        }
        (Dialect::Codex, Place::Managed) => lines(codex_lines(hook)),
        (Dialect::Gemini, Place::User) => gemini_changes(hook, state),
        (Dialect::Gemini, Place::Managed) => {
            let mut changes = gemini_changes(hook, state);
            let (path, value) = (vec!["hooksConfig".into(), "enabled".into()], json!(true));
            let pinned =
                Format::Json.read(text).is_ok_and(|file| file["hooksConfig"]["enabled"] == true);
            changes.extend((!pinned).then_some(Change::Pin { path, value }));
            changes
        }
        (Dialect::OpenCode, Place::User) => {
            vec![Change::Whole { text: opencode::plugin(hook), serves: Serves::Asking }]
        }
        (Dialect::OpenClaw, Place::User | Place::Managed) => {
            let (id, folder) = (openclaw_id(state), openclaw_folder(state).display().to_string());
            vec![Change::Plugin(PluginEntry { id, folder })]
        }
        (Dialect::Cline, Place::User | Place::Managed) => {
            vec![Change::Whole { text: cline::script(hook), serves: Serves::Asking }]
        }
        (Dialect::OpenCode, Place::Managed) => {
            let entry = json!(format!("file://{}", managed_plugin(state).display()));
            vec![Change::Entry { list: vec!["plugin".into()], entry, holds: Vec::new() }]
        }
    })
}

/// A file with connectors that stands above every user's, where the agent has one.
pub(crate) fn managed_connectors(
    dialect: Dialect,
    names: &[String],
    words: impl Fn(&str) -> Vec<String>,
) -> Option<(PathBuf, Change)> {
    let file = managed_connectors_file(dialect).filter(|_| !names.is_empty())?;
    let servers: Map<String, Value> = names
        .iter()
        .filter_map(|name| {
            let (program, args) =
                words(name).split_first().map(|(p, a)| (p.clone(), a.to_vec()))?;
            let server = json!({"type": "stdio", "command": program, "args": args});
            Some((name.clone(), server))
        })
        .collect();
    let text = format!("{:#}\n", json!({"mcpServers": servers}));
    Some((file, Change::Whole { text, serves: Serves::Connectors }))
}

/// The file that takes all connectors of an agent into the system's hands.
pub(crate) fn managed_connectors_file(dialect: Dialect) -> Option<PathBuf> {
    match dialect {
        Dialect::ClaudeCode => Some(PathBuf::from("/etc/claude-code/managed-mcp.json")),
        Dialect::Codex
        | Dialect::Gemini
        | Dialect::OpenCode
        | Dialect::Cline
        | Dialect::OpenClaw => None,
    }
}

/// How a state is called in names of files and in marks.
pub(super) fn name_of(state: &Path) -> String {
    let hash = Sha256::digest(state.as_os_str().as_encoded_bytes());
    belay_identity::key::hex(&hash[..4])
}

fn gemini_changes(hook: &HookCommand, state: &Path) -> Vec<Change> {
    let entry = |(event, entry): (&str, Value)| Change::Entry {
        list: vec!["hooks".into(), event.into()],
        entry,
        holds: vec![(vec!["hooksConfig".into(), "enabled".into()], json!(true))],
    };
    let name = format!("belay-{}", name_of(state));
    gemini_entries(hook, &name).into_iter().map(entry).collect()
}

fn claude_code_changes(hook: &HookCommand) -> Vec<Change> {
    let entry = |event: &str, entry: Value| Change::Entry {
        list: vec!["hooks".into(), event.into()],
        entry,
        holds: vec![(vec!["disableAllHooks".into()], json!(false))],
    };
    let told = CLAUDE_CODE_TOLD.map(|event| entry(event, claude_code_told(hook)));
    [entry("PreToolUse", claude_code_entry(hook))].into_iter().chain(told).collect()
}
