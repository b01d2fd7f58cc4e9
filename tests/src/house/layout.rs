//! What stands where: the top of the checkout, and the commands that the README promises.

use super::{Complaint, ROOMS};
use std::path::Path;

/// Files that stand at the top.
const TOP_FILES: &[&str] = &["Cargo.toml", "Cargo.lock", "LICENSE", "README.md"];

/// Commands that stand in the README word for word.
const README_COMMANDS: &[&str] = &["cargo run --release -- demo", "cargo test --workspace"];

/// The names at the top of the checkout, sorted.
pub fn names(top: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(top)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The top holds its files, the rooms, `configs`, dotted files and what git ignores; nothing less.
pub fn check_top(names: &[String], ignored: &str) -> Vec<Complaint> {
    let wanted: Vec<&str> = [TOP_FILES, ROOMS, &["configs"]].concat();
    let is_known =
        |name: &str| wanted.contains(&name) || name.starts_with('.') || is_ignored(name, ignored);
    let strangers = names.iter().filter(|name| !is_known(name));
    let strangers = strangers.map(|name| Complaint::about(name, "does not belong at the top"));
    let missing = wanted.iter().filter(|name| !names.iter().any(|found| found == *name));
    strangers.chain(missing.map(|name| Complaint::about(name, "is missing at the top"))).collect()
}

/// True for a name that `/name` or `/front*back` in the list of ignored files covers.
fn is_ignored(name: &str, ignored: &str) -> bool {
    ignored.lines().filter_map(|line| line.trim().strip_prefix('/')).any(|pattern| {
        match pattern.trim_end_matches('/').split_once('*') {
            Some((front, back)) => name.starts_with(front) && name.ends_with(back),
            None => name == pattern.trim_end_matches('/'),
        }
    })
}

/// Each promised command is a line of its own.
pub fn check_readme(path: &str, text: &str) -> Vec<Complaint> {
    let stands = |command: &str| text.lines().any(|line| line.trim() == command);
    let missing = README_COMMANDS.iter().filter(|command| !stands(command));
    missing
        .map(|c| Complaint::about(path, format!("`{c}` does not stand there as a line")))
        .collect()
}
