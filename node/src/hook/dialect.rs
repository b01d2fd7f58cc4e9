//! Whose hook calls, and what is said back.
//!
//! Refused here: what a call means; each agent's own file has that.

use super::call::{Call, CallError};
use super::{claude_code, cline, codex, gemini, openclaw, opencode, plugin};
use serde_json::Value;

/// A coding agent whose hook is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Dialect {
    /// Anthropic's Claude Code.
    ClaudeCode,
    /// OpenAI's Codex CLI.
    Codex,
    /// Google's Gemini CLI.
    Gemini,
    /// OpenCode.
    #[value(name = "opencode")]
    OpenCode,
    /// Cline's command line.
    Cline,
    /// OpenClaw.
    #[value(name = "openclaw")]
    OpenClaw,
}

/// What a hook tells its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Go on.
    Yes,
    /// Not this call, and why.
    No(String),
    /// Not this call and no other: an order ended the agent.
    Ended(String),
}

/// An answer as a process gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// The exit code.
    pub(crate) exit: u8,
}

impl Spoken {
    /// One line of JSON, and success.
    pub(super) fn json(answer: &Value) -> Self {
        Self { stdout: format!("{answer}\n").into_bytes(), exit: 0 }
    }
}

impl Dialect {
    /// Every one.
    pub(crate) const ALL: [Self; 6] =
        [Self::ClaudeCode, Self::Codex, Self::Gemini, Self::OpenCode, Self::Cline, Self::OpenClaw];

    /// The word on a command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::OpenCode => "opencode",
            Self::Cline => "cline",
            Self::OpenClaw => "openclaw",
        }
    }

    /// What people call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::OpenCode => "OpenCode",
            Self::Cline => "Cline",
            Self::OpenClaw => "OpenClaw",
        }
    }

    /// The file name under which it is installed.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::OpenCode => "opencode",
            Self::Cline => "cline",
            Self::OpenClaw => "openclaw",
        }
    }

    /// True where a No reaches its model; another agent ends without a word of why.
    pub(crate) fn tells_a_no(self) -> bool {
        match self {
            Self::ClaudeCode | Self::Codex | Self::Gemini | Self::OpenCode | Self::OpenClaw => true,
            Self::Cline => false,
        }
    }

    /// What its hook was called for.
    pub(super) fn read(self, bytes: &[u8]) -> Result<Call, CallError> {
        match self {
            Self::ClaudeCode => claude_code::read(bytes),
            Self::Codex => codex::read(bytes),
            Self::Gemini => gemini::read(bytes),
            Self::OpenCode => opencode::read(bytes),
            Self::Cline => cline::read(bytes),
            Self::OpenClaw => openclaw::read(bytes),
        }
    }

    /// How many acts one call becomes; none where it is over.
    pub(crate) fn acts_of(self, bytes: &[u8]) -> Result<usize, String> {
        match self.read(bytes) {
            Ok(Call::Before { acts, .. }) => Ok(acts.len()),
            Ok(Call::After { .. }) => Ok(0),
            Err(error) => Err(error.to_string()),
        }
    }

    /// An answer in its words.
    pub(super) fn say(self, said: &Said) -> Spoken {
        match self {
            Self::ClaudeCode => claude_code::say(said),
            Self::Codex => codex::say(said),
            Self::Gemini => gemini::say(said),
            Self::OpenCode | Self::OpenClaw => plugin::say(said),
            Self::Cline => cline::say(said),
        }
    }
}
