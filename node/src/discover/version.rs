//! Which version of an agent a file is, read off what lies beside it; nothing is started.
//!
//! Refused here: believing more than the package says of itself; a hash says what it really is.

use super::known::KnownAgent;
use super::limits::{FOLDERS_UP_MAX, PACKAGE_BYTES_MAX};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The fields of a `package.json` that are looked at.
#[derive(Deserialize)]
struct Package {
    name: Option<String>,
    version: Option<String>,
}

/// The version of the package that a file belongs to.
pub(super) fn version_of(agent: &KnownAgent, file: &Path) -> Option<String> {
    let file = file.canonicalize().ok()?;
    by_path(&file).or_else(|| by_package(agent, &file)).or_else(|| by_python(agent, &file))
}

/// A folder or file that is called as the version is: `versions/2.1.330`.
fn by_path(file: &Path) -> Option<String> {
    let mut parts = file.iter().skip_while(|part| *part != "versions");
    let version = parts.nth(1)?.to_str()?;
    is_version(version).then(|| version.to_owned())
}

fn by_package(agent: &KnownAgent, file: &Path) -> Option<String> {
    file.ancestors().skip(1).take(FOLDERS_UP_MAX).find_map(|folder| {
        let text = read(&folder.join("package.json"))?;
        let package: Package = serde_json::from_str(&text).ok()?;
        let owned = package.name.is_some_and(|name| agent.owns_package(&name));
        package.version.filter(|version| owned && is_version(version))
    })
}

/// `PREFIX/bin/aider` beside `PREFIX/lib/python3.12/site-packages/aider_chat-0.86.2.dist-info`.
fn by_python(agent: &KnownAgent, file: &Path) -> Option<String> {
    let distribution = format!("{}-", agent.python?);
    let prefix = file.parent()?.parent()?;
    let libraries = std::fs::read_dir(prefix.join("lib")).ok()?.take(FOLDERS_UP_MAX);
    libraries.filter_map(Result::ok).find_map(|library| {
        let packages = std::fs::read_dir(library.path().join("site-packages")).ok()?;
        packages.filter_map(Result::ok).find_map(|one| {
            let name = one.file_name().into_string().ok()?;
            let version = name.strip_prefix(&distribution)?.strip_suffix(".dist-info")?;
            is_version(version).then(|| version.to_owned())
        })
    })
}

/// What may stand on a screen as a version: short, beginning with a digit, nothing odd in it.
fn is_version(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-+_".contains(c);
    text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(fits)
}

/// A small file's text; none for one that is larger, or none at all.
pub(super) fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    let bytes = file.take(PACKAGE_BYTES_MAX + 1).read_to_string(&mut text).ok()?;
    (bytes as u64 <= PACKAGE_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// Goal: a version is read off each layout, and off nothing that is not the agent's. Method:
    /// folders as packages lay them, a foreign package on the way, a file that is too large.
    #[test]
    fn versions_are_read_off_what_lies_beside() {
        let made = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| -> PathBuf {
            let path = made.path().join(path);
            fs::create_dir_all(path.parent().expect("below a folder")).expect("folders");
            fs::write(&path, text).expect("a file");
            path
        };
        let of = |file: &Path| {
            let (agent, _) = KnownAgent::of_file(file).expect("a known agent");
            version_of(agent, file)
        };
        let gemini = put("node_modules/@google/gemini-cli/bundle/gemini.js", "");
        put(
            "node_modules/@google/gemini-cli/bundle/package.json",
            "{\"name\": \"other\", \"version\": \"9\"}",
        );
        let package = "node_modules/@google/gemini-cli/package.json";
        put(package, "{\"name\": \"@google/gemini-cli\", \"version\": \"0.61.0\"}");
        assert_eq!(of(&gemini).as_deref(), Some("0.61.0"));
        put(package, "{\"name\": \"@google/gemini-cli\", \"version\": \"\\u001b[31m1\"}");
        assert_eq!(of(&gemini), None, "no version");
        put(package, &" ".repeat(1 << 20));
        assert_eq!(of(&gemini), None, "too large");
        let claude = put("share/claude/versions/2.1.330", "");
        assert_eq!(of(&claude).as_deref(), Some("2.1.330"));
        let aider = put("venv/bin/aider", "");
        put("venv/lib/python3.12/site-packages/aider_chat-0.86.2.dist-info/METADATA", "");
        assert_eq!(of(&aider).as_deref(), Some("0.86.2"));
    }
}
