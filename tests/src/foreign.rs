//! The tier of foreign eyes, `house foreign`: other people's programs read what we write.
//!
//! It installs what it drives from the registries, by their ordinary clients, into a folder that is
//! gone afterwards, and prints which versions it ran against. Refused here: passing when something
//! could not be had; then nothing is said to hold, and the tier names what is missing.

mod agents;
mod cose;
mod drafts;
mod mcp;
mod ssh;
mod tools;

use std::path::Path;

/// What this tier lacks here before it has asked a registry; nothing when it can begin.
pub fn missing() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |program: &&&str| std::env::split_paths(&path).any(|f| f.join(program).is_file());
    let wanted = ["python3", "node", "npm", "setsid", "ssh", "ssh-agent", "ssh-add", "ssh-keygen"];
    let lacking = wanted.iter().chain(agents::WANTED).filter(|program| !is_here(program));
    let mut missing: Vec<String> = lacking.map(|program| format!("`{program}` on PATH")).collect();
    missing.extend(agents::missing());
    missing
}

/// Runs the coding agents alone with this executable; panics where they are not held.
///
/// # Errors
/// What could not be had, such as a registry that does not answer.
pub fn run_agents(exe: &Path) -> Result<(), String> {
    in_a_folder(exe, agents::run)
}

/// Runs the scenes of one coding agent alone, by its word.
///
/// # Errors
/// What could not be had, such as a registry that does not answer.
pub fn run_agent(agent: &str, exe: &Path) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("belay-foreign-").tempdir();
    let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
    agents::run_one(agent, exe, folder.path())
}

/// Prints the first hour of a developer with Claude Code and this executable.
///
/// # Errors
/// What could not be had, such as a registry that does not answer.
pub fn run_first_hour(exe: &Path) -> Result<(), String> {
    in_a_folder(exe, agents::first_hour)
}

fn in_a_folder(exe: &Path, run: fn(&Path, &Path) -> Result<(), String>) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("belay-foreign-").tempdir();
    let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
    run(exe, folder.path())?;
    folder.close().map_err(|error| format!("the temporary folder stays: {error}"))
}

/// Runs the servers and clients of tools alone with this executable; panics where they get
/// something else through the gateway.
///
/// # Errors
/// What could not be had, such as a registry that does not answer.
pub fn run_mcp(exe: &Path) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("belay-foreign-").tempdir();
    let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
    mcp::run(exe, folder.path())?;
    folder.close().map_err(|error| format!("the temporary folder stays: {error}"))
}

/// Runs every part with this executable; panics where one does not hold.
///
/// # Errors
/// What could not be had, such as a registry that does not answer.
pub fn run(exe: &Path) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("belay-foreign-").tempdir();
    let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
    cose::run(exe, folder.path())?;
    drafts::run(exe, folder.path())?;
    ssh::run(exe);
    agents::run(exe, folder.path())?;
    mcp::run(exe, folder.path())?;
    folder.close().map_err(|error| format!("the temporary folder stays: {error}"))
}
