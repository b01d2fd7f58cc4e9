//! The rules of the house, as functions over (path, text).
//!
//! A rule takes what it judges and returns complaints, so a test can feed it a bad example and see
//! it complain: a check that cannot fail is a defect. `check` runs all of them over the checkout.
//!
//! Refused here: judging taste. A rule is in this folder only if a machine can decide it.

pub mod layout;
pub mod manifests;
pub mod packages;
pub mod register;
pub mod shape;
pub mod source;
pub mod words;

use source::Source;
use std::path::{Path, PathBuf};

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file, from the top of the checkout.
    pub path: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Complaint {
    /// A complaint about one line.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }

    /// A complaint about a whole file.
    pub fn about(path: &str, what: impl Into<String>) -> Self {
        Self::at(path, 0, what)
    }
}

/// Every room, lowest first.
pub const ROOMS: &[&str] = &["identity", "crdt", "mesh", "node", "simulator", "tests"];

/// The rooms that read no clock, entropy, file or socket.
pub const PURE_ROOMS: &[&str] = &["identity", "crdt", "mesh"];

/// The top of the checkout.
pub fn top() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_owned()
}

/// Every rule over the whole checkout.
pub fn check(top: &Path) -> std::io::Result<Vec<Complaint>> {
    let sources = source::load(top)?;
    let mut found = Vec::new();
    for rule in [check_sources, check_register] {
        found.extend(rule(top, &sources)?);
    }
    for rule in [check_manifests, check_packages, check_layout] {
        found.extend(rule(top)?);
    }
    Ok(found)
}

/// The rules on single source files.
pub fn check_sources(_top: &Path, sources: &[Source]) -> std::io::Result<Vec<Complaint>> {
    let mut found: Vec<Complaint> = sources
        .iter()
        .flat_map(|source| [shape::check(source), words::check(source)].concat())
        .collect();
    found.extend(words::check_exceptions(words::EXCEPTIONS, sources));
    Ok(found)
}

/// The register of invariants against the code.
pub fn check_register(top: &Path, sources: &[Source]) -> std::io::Result<Vec<Complaint>> {
    let text = read(top, register::PATH)?;
    Ok(register::check(&text, sources))
}

/// Who may import whom.
pub fn check_manifests(top: &Path) -> std::io::Result<Vec<Complaint>> {
    let mut found = Vec::new();
    for room in ROOMS {
        let path = format!("{room}/Cargo.toml");
        let text = read(top, &path)?;
        found.extend(manifests::check(room, &path, &text));
    }
    Ok(found)
}

/// Which packages are locked.
pub fn check_packages(top: &Path) -> std::io::Result<Vec<Complaint>> {
    Ok(packages::check("Cargo.lock", &read(top, "Cargo.lock")?))
}

/// What stands where.
pub fn check_layout(top: &Path) -> std::io::Result<Vec<Complaint>> {
    let ignored = read(top, ".gitignore")?;
    let mut found = layout::check_top(&layout::names(top)?, &ignored);
    found.extend(match read(top, "README.md") {
        Ok(readme) => layout::check_readme("README.md", &readme),
        Err(error) => vec![Complaint::about("README.md", error.to_string())],
    });
    Ok(found)
}

fn read(top: &Path, path: &str) -> std::io::Result<String> {
    let named =
        |error: std::io::Error| std::io::Error::new(error.kind(), format!("{path}: {error}"));
    std::fs::read_to_string(top.join(path)).map_err(named)
}
