//! Where each agent's hook stands in files, and what that does not hold.
//!
//! A user's file is the user's: he may switch hooks off in it. A managed file stands above it where
//! the system has one. What was seen not to hold is said for each, with what pins it. Refused here:
//! a promise that nobody measured.

use super::change::Change;
use super::dialect::Dialect;
use super::lend::{HookCommand, claude_code_entry, codex_lines};
use super::trust;
use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::json;
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

/// The file that an agent's hook goes into, and what it says there.
pub(crate) struct Wanted {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) change: Change,
}

/// What a wrap of this agent writes, and where.
pub(crate) fn wanted(
    dialect: Dialect,
    place: Place,
    home: &Path,
    (hook, state): (&HookCommand, &Path),
) -> Result<Wanted, Fault> {
    let hash = Sha256::digest(state.as_os_str().as_encoded_bytes());
    let name = belay_identity::key::hex(&hash[..4]);
    let from = |variable: &str, otherwise: &str| {
        std::env::var_os(variable).map_or_else(|| home.join(otherwise), PathBuf::from)
    };
    Ok(match (dialect, place) {
        (Dialect::ClaudeCode, Place::User) => Wanted {
            path: from("CLAUDE_CONFIG_DIR", ".claude").join("settings.json"),
            change: claude_code_change(hook),
        },
        (Dialect::ClaudeCode, Place::Managed) => {
            let folder = Path::new("/etc/claude-code/managed-settings.d");
            let path = folder.join(format!("50-belay-{name}.json"));
            Wanted { path, change: claude_code_change(hook) }
        }
        (Dialect::Codex, Place::User) => {
            let path = from("CODEX_HOME", ".codex").join("config.toml");
            let text = codex_lines(hook) + &trust::lines(&path, &codex_lines(hook), hook.line())?;
            let switch = Some(("features".to_owned(), "hooks".to_owned()));
            Wanted { path, change: Change::Lines { mark: format!("belay {name}"), text, switch } }
        }
        (Dialect::Codex, Place::Managed) => {
            let path = PathBuf::from("/etc/codex/requirements.toml");
            let switch = Some(("features".to_owned(), "hooks".to_owned()));
            let mark = format!("belay {name}");
            Wanted { path, change: Change::Lines { mark, text: codex_lines(hook), switch } }
        }
    })
}

fn claude_code_change(hook: &HookCommand) -> Change {
    Change::Entry {
        list: vec!["hooks".into(), "PreToolUse".into()],
        entry: claude_code_entry(hook),
        holds: vec![(vec!["disableAllHooks".into()], json!(false))],
    }
}

/// What this place does not hold, each with what does.
pub(crate) fn open_ways(dialect: Dialect, place: Place) -> &'static [&'static str] {
    match (dialect, place) {
        (Dialect::ClaudeCode, Place::User) => {
            &["started by itself, its user or a project may switch hooks off (disableAllHooks, \
             --bare, --safe-mode, CLAUDE_CODE_SIMPLE); `belay agent run -- claude` pins them for \
             a run, `belay agent wrap claude-code --managed` for every run"]
        }
        (Dialect::ClaudeCode, Place::Managed) => &[],
        (Dialect::Codex, Place::User) => &[
            "started by itself, its user may switch hooks off ([features] hooks = false, \
             --disable hooks); `belay agent run -- codex` pins them for a run, `belay agent wrap \
             codex --managed` for every run",
            CODEX_TYPES,
            CODEX_KILLS,
        ],
        (Dialect::Codex, Place::Managed) => &[CODEX_TYPES, CODEX_KILLS],
    }
}

const CODEX_TYPES: &str = "what it types into a program that runs in a terminal of its own \
     (write_stdin) asks nobody; `belay agent run -- codex` takes such terminals away";
const CODEX_KILLS: &str = "a hook that is killed together with its shell lets the call through; \
     only a wall keeps an agent from killing it";
