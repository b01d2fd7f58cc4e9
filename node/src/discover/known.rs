//! Coding agents by how they show on a device: file names, and the packages that they come in.
//!
//! A name proves nothing; what was found is told with what it was known by. Refused here: starting
//! a program to ask what it is.

use std::path::Path;

/// An agent that is known by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KnownAgent {
    /// The word for it.
    pub(crate) word: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    /// File names of its program.
    programs: &'static [&'static str],
    /// Parts of a path that only its packages have.
    packages: &'static [&'static str],
    /// What its Python distribution is called, where it is one.
    pub(super) python: Option<&'static str>,
}

/// By what an agent was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KnownBy {
    /// It lies where its package puts it.
    Package,
    /// Its file is called so, and nothing more.
    Name,
}

const fn agent(
    word: &'static str,
    title: &'static str,
    programs: &'static [&'static str],
    packages: &'static [&'static str],
) -> KnownAgent {
    KnownAgent { word, title, programs, packages, python: None }
}

/// Every agent that is known by name.
pub(super) const KNOWN: [KnownAgent; 15] = [
    agent(
        "claude-code",
        "Claude Code",
        &["claude"],
        &["/@anthropic-ai/claude-code", "/claude/versions/"],
    ),
    agent("codex", "Codex", &["codex"], &["/@openai/codex"]),
    agent("gemini", "Gemini CLI", &["gemini"], &["/@google/gemini-cli"]),
    agent(
        "opencode",
        "OpenCode",
        &["opencode", ".opencode"],
        &["/opencode-ai/", "/opencode-linux-"],
    ),
    agent("cline", "Cline", &["cline"], &["/@cline/cli", "/node_modules/cline/"]),
    agent("openclaw", "OpenClaw", &["openclaw", "openclaw.mjs"], &["/node_modules/openclaw/"]),
    agent("copilot", "GitHub Copilot CLI", &["copilot"], &["/@github/copilot"]),
    KnownAgent {
        python: Some("aider_chat"),
        ..agent("aider", "aider", &["aider"], &["/site-packages/aider/"])
    },
    agent("goose", "Goose", &["goose", "goosed"], &[]),
    agent("cursor", "Cursor", &["cursor", "cursor-agent"], &["/cursor-agent/versions/"]),
    agent("windsurf", "Windsurf", &["windsurf"], &[]),
    agent("claude-desktop", "Claude Desktop", &["claude-desktop"], &[]),
    agent("kiro", "Kiro", &["kiro", "kiro-cli"], &[]),
    agent("amazon-q", "Amazon Q", &["qchat"], &[]),
    agent("antigravity", "Antigravity", &["antigravity"], &[]),
];

/// Programs that read another file and run that.
const INTERPRETERS: [&str; 10] =
    ["node", "nodejs", "bun", "deno", "python", "sh", "bash", "dash", "zsh", "ruby"];

impl KnownAgent {
    /// The agent that a file belongs to.
    pub(crate) fn of_file(file: &Path) -> Option<(&'static Self, KnownBy)> {
        let text = file.to_str()?;
        let packaged = KNOWN.iter().find(|one| one.packages.iter().any(|part| text.contains(part)));
        let name = file.file_name()?.to_str()?;
        let named = || KNOWN.iter().find(|one| one.programs.contains(&name));
        let by = |known_by| move |one| (one, known_by);
        packaged.map(by(KnownBy::Package)).or_else(|| named().map(by(KnownBy::Name)))
    }

    /// True where a package of this name is its.
    pub(super) fn owns_package(&self, name: &str) -> bool {
        let slashed = format!("/{name}/");
        self.packages.iter().any(|part| slashed.contains(part)) || self.programs.contains(&name)
    }
}

/// The file that an interpreter was told to run: the first word that is no option.
pub(crate) fn script_of<'c>(program: &Path, call: &'c [String]) -> Option<&'c Path> {
    let name = program.file_name()?.to_str()?;
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&plain) {
        return None;
    }
    let words = call.get(1..)?;
    let at = words.iter().position(|word| !word.starts_with('-'))?;
    // The word after -c is a program, not a file.
    let is_text = at > 0 && ["-c", "-e"].contains(&words[at - 1].as_str());
    (!is_text).then(|| Path::new(words[at].as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(file: &str) -> Option<(&'static str, KnownBy)> {
        KnownAgent::of_file(Path::new(file)).map(|(one, by)| (one.word, by))
    }

    /// Goal: each agent is known where its package puts it, and by its name where it lies
    /// elsewhere; what only resembles one is none. Method: layouts as they were installed.
    #[test]
    fn agents_are_known_by_where_they_lie() {
        let packaged = |word| Some((word, KnownBy::Package));
        let modules = "/opt/a/node_modules";
        for (path, word) in [
            ("@anthropic-ai/claude-code-linux-x64/claude", "claude-code"),
            ("@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex", "codex"),
            ("@google/gemini-cli/bundle/gemini.js", "gemini"),
            ("opencode-linux-x64/bin/opencode", "opencode"),
            ("@cline/cli-linux-x64/bin/cline", "cline"),
            ("openclaw/openclaw.mjs", "openclaw"),
        ] {
            assert_eq!(known(&format!("{modules}/{path}")), packaged(word), "{path}");
        }
        let home = "/home/ada/.local/share/claude/versions/2.1.330";
        assert_eq!(known(home), packaged("claude-code"));
        assert_eq!(known("/usr/local/bin/codex"), Some(("codex", KnownBy::Name)));
        assert_eq!(known("/usr/bin/claudette"), None);
        assert_eq!(known("/home/codex/bin/vim"), None);
    }

    /// Goal: a script is found behind its interpreter, and a text is none. Method: calls as shells
    /// and packages write them.
    #[test]
    fn a_script_stands_behind_its_interpreter() {
        let script = |program: &str, call: &[&str]| {
            let call: Vec<String> = call.iter().map(|word| (*word).to_owned()).collect();
            script_of(Path::new(program), &call).map(|path| path.display().to_string())
        };
        let node = ["node", "--no-warnings=DEP0040", "/opt/gemini.js", "-p", "x"];
        assert_eq!(script("/usr/bin/node", &node).as_deref(), Some("/opt/gemini.js"));
        assert_eq!(
            script("/usr/bin/python3.12", &["python3", "/b/aider"]).as_deref(),
            Some("/b/aider")
        );
        assert_eq!(script("/bin/bash", &["bash", "-c", "codex"]), None);
        assert_eq!(script("/usr/bin/vim", &["vim", "/opt/codex"]), None);
        assert_eq!(script("/usr/bin/node", &["node"]), None);
    }
}
