//! Real coding agents under hooks: what their tools may do on this device, and their end by an
//! order from another one.
//!
//! Each agent comes from its registry and runs against a model of ours that asks for a script of
//! tool calls, in a network of its own with nothing but loopback, and with an empty home: it sees
//! no account and reaches nobody. Whether a tool did something is a file. Refused here: asking the
//! agent whether it was held.

mod claude_code;
mod cline;
mod codex;
mod desk;
mod first_hour;
mod gemini;
mod mcp_alone;
mod openclaw;
mod opencode;
mod scenes;

use std::path::Path;
use std::process::Command;

/// Programs that this part needs beside the others.
pub(super) const WANTED: &[&str] = &["ip", "unshare", "nsenter"];

/// What else this part lacks here.
pub(super) fn missing() -> Vec<String> {
    let made = Command::new("unshare").args(["-n", "true"]).output();
    let can = made.is_ok_and(|made| made.status.success());
    if can { Vec::new() } else { vec!["the right to make a network of one's own (root)".into()] }
}

/// Plays every scene with every agent.
pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    claude_code::run(exe, folder)?;
    codex::run(exe, folder)?;
    gemini::run(exe, folder)?;
    opencode::run(exe, folder)?;
    cline::run(exe, folder)?;
    openclaw::run(exe, folder)?;
    mcp_alone::run(exe, folder)
}

/// The same with one agent.
pub(super) fn run_one(agent: &str, exe: &Path, folder: &Path) -> Result<(), String> {
    match agent {
        "claude-code" => claude_code::run(exe, folder),
        "codex" => codex::run(exe, folder),
        "gemini" => gemini::run(exe, folder),
        "opencode" => opencode::run(exe, folder),
        "cline" => cline::run(exe, folder),
        "openclaw" => openclaw::run(exe, folder),
        "mcp" => mcp_alone::run(exe, folder),
        other => Err(format!("an agent called {other}")),
    }
}

/// Plays and prints the first hour of a developer.
pub(super) fn first_hour(exe: &Path, folder: &Path) -> Result<(), String> {
    first_hour::run(exe, folder)
}
