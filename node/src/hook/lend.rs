//! An agent's hook for one run: what stands on its command line so that it asks, and nobody's file
//! is touched.
//!
//! Words on a command line stand above a user's and a project's files, so those cannot switch the
//! hook off; whoever types words that would is refused. Refused here: starting an agent with a hook
//! that it will not call.

use super::dialect::Dialect;
use super::format::Format;
use super::lent_connectors::{self, LentConnector};
use super::limits::{PATIENCE_S, PATIENCE_THAT_LETS_S};
use super::places::{Place, folder_from};
use super::tenants::Tenants;
use super::trust;
use super::wrap::{Stands, Wrap};
use super::{lent_files, opencode};
use crate::fault::Fault;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The command that an agent runs at each call.
#[derive(Debug, Clone)]
pub(crate) struct HookCommand {
    words: Vec<String>,
    plain: String,
    line: String,
    told: String,
}

impl HookCommand {
    /// This program, asking the node of this state, and the tenants of this list where that does
    /// not know the agent; a shell's line that ends with 2, which every agent takes for a No, where
    /// the program cannot even say so itself.
    pub(crate) fn new(exe: &Path, state: &Path, dialect: Dialect, tenants: &Tenants) -> Self {
        let plain = |path: &Path| path.display().to_string();
        let words = ["--state".to_owned(), plain(state), "agent".into(), "hook".into()];
        let list = ["--tenants".to_owned(), plain(tenants.folder())];
        let words = [plain(exe)].into_iter().chain(words).chain([dialect.word().to_owned()]);
        let words = words.chain(list).collect();
        let (exe, state, list) = (quoted(exe), quoted(state), quoted(tenants.folder()));
        let word = dialect.word();
        let plain = format!("{exe} --state {state} agent hook {word} --tenants {list}");
        let line = format!("{plain} || {{ echo '{}' >&2; exit 2; }}", Self::NOT_RUN);
        let told = format!("{plain} || true");
        Self { words, plain, line, told }
    }

    /// What stands in the place of an answer that nobody gave.
    pub(super) const NOT_RUN: &str = "belay: denied: the hook of belay did not run. Next: whoever \
                                      owns this device installs belay again.";

    /// Its words for a shell, and nothing for when it fails.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }

    /// Its words, without a shell.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// The line for what comes of a call, which holds nothing up where it cannot be told.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// The line for a shell.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }
}

/// How an agent is started so that it asks.
#[derive(Debug)]
pub(crate) struct Lent {
    /// Its words.
    pub(crate) argv: Vec<String>,
    /// Variables that it must not see.
    pub(crate) without: &'static [&'static str],
    /// Variables that it is given.
    pub(crate) with: Vec<(&'static str, String)>,
}

/// What an agent is started with.
pub(crate) struct Lending<'a> {
    /// Which agent.
    pub(crate) dialect: Dialect,
    /// Its words, as they were typed.
    pub(crate) argv: &'a [String],
    /// Its program.
    pub(crate) program: &'a Path,
    /// Its hook.
    pub(crate) hook: &'a HookCommand,
    /// Its connectors.
    pub(crate) connectors: &'a [LentConnector],
    /// The state of its node.
    pub(crate) state: &'a Path,
}

/// The words and variables with which this agent asks at every call.
pub(crate) fn lend(lending: &Lending) -> Result<Lent, Fault> {
    let Lending { dialect, argv, program, hook, connectors, state } = *lending;
    // Also behind `--`, which may be the value of another word.
    if let Some(word) = argv.iter().skip(1).find(|word| switches_off(dialect, word)) {
        let what = format!("{word} would take the hook away from {}", dialect.title());
        let hint = match dialect {
            Dialect::ClaudeCode => {
                "leave it out; settings that you want to give it may stand in .claude/settings.json"
            }
            Dialect::Codex => {
                "leave it out; what you want to set may stand in ~/.codex/config.toml"
            }
            Dialect::Gemini | Dialect::OpenCode | Dialect::Cline | Dialect::OpenClaw => {
                "leave it out"
            }
        };
        return Err(Fault::wrong_use(what, hint));
    }
    let (words, without, with) = match dialect {
        Dialect::ClaudeCode => {
            let settings = claude_code_settings(hook).to_string();
            let mut words = lent_connectors::claude_code_words(connectors);
            words.extend(["--settings".to_owned(), settings]);
            (words, CLAUDE_CODE_WITHOUT, Vec::new())
        }
        Dialect::Codex => {
            let mut words = codex_words(program, hook)?;
            words.extend(lent_connectors::codex_words(connectors));
            (words, &[][..], Vec::new())
        }
        Dialect::Gemini => {
            gemini_is_wrapped(state)?;
            (Vec::new(), &[GEMINI_SYSTEM][..], Vec::new())
        }
        Dialect::OpenClaw => {
            let file = openclaw_is_wrapped(state)?.display().to_string();
            (Vec::new(), OPENCLAW_WITHOUT, vec![(OPENCLAW_CONFIG, file)])
        }
        Dialect::Cline => {
            cline_is_wrapped(state)?;
            (Vec::new(), &[CLINE_BACKEND][..], vec![(CLINE_BACKEND, "local".to_owned())])
        }
        Dialect::OpenCode => {
            let file = lent_files::write(state, "opencode.js", &opencode::plugin(hook))?;
            let config = opencode_config(&file, connectors)?;
            (Vec::new(), OPENCODE_WITHOUT, vec![(OPENCODE_CONFIG, config)])
        }
    };
    let mut argv = argv.to_vec();
    argv.splice(1..1, words);
    Ok(Lent { argv, without, with })
}

/// Words of the agent's own that end in no hook being called.
fn switches_off(dialect: Dialect, word: &str) -> bool {
    let is = |long: &str| {
        word.strip_prefix(long).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    match dialect {
        Dialect::ClaudeCode => ["--settings", "--bare", "--safe-mode"].into_iter().any(is),
        Dialect::Gemini => false,
        // Another configuration, or another place to work.
        Dialect::OpenClaw => ["--profile", "--dev", "--container"].into_iter().any(is),
        // Its hooks stand below the folder that these name.
        Dialect::Cline => ["--config", "--data-dir"].into_iter().any(is),
        // A session that another process serves asks by that one's plugins.
        Dialect::OpenCode => word == "attach" || ["--pure", "--attach"].into_iter().any(is),
        Dialect::Codex => {
            // A word of `-c` may stand by itself or behind it.
            let set = word.strip_prefix("--config=").or_else(|| word.strip_prefix("-c"));
            let set = set.unwrap_or(word).trim_start_matches('=').trim_start();
            let profile = word.starts_with("-p") && !word.starts_with("--");
            profile
                || ["--disable", "--enable", "--profile", "--remote"].into_iter().any(is)
                || ["hooks", "features", "profile", "bypass_hook_trust"].iter().any(|key| {
                    set.strip_prefix(key).is_some_and(|rest| {
                        rest.contains('=') && rest.trim_start().starts_with(['.', '='])
                    })
                })
        }
    }
}

/// What switches every customisation of Claude Code off.
const CLAUDE_CODE_WITHOUT: &[&str] = &["CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_SAFE_MODE"];

/// Claude Code's settings for one run. A file may ask for `disableAllHooks` or set the variables
/// that do the same; these stand above every file but the managed one.
fn claude_code_settings(hook: &HookCommand) -> Value {
    let off: serde_json::Map<String, Value> =
        CLAUDE_CODE_WITHOUT.iter().map(|name| ((*name).to_owned(), json!("0"))).collect();
    let mut hooks = json!({"PreToolUse": [claude_code_entry(hook)]});
    for event in CLAUDE_CODE_TOLD {
        hooks[event] = json!([claude_code_told(hook)]);
    }
    json!({"disableAllHooks": false, "env": off, "hooks": hooks})
}

/// Claude Code's hook: it denies when the hook is missing, fails or hangs.
pub(super) fn claude_code_entry(hook: &HookCommand) -> Value {
    json!({"matcher": "*", "hooks": [{
        "type": "command",
        "command": hook.line(),
        "timeout": PATIENCE_S,
        "onFailure": "block",
    }]})
}

/// When Claude Code says what came of a call.
pub(super) const CLAUDE_CODE_TOLD: [&str; 2] = ["PostToolUse", "PostToolUseFailure"];

/// Its hook there.
pub(super) fn claude_code_told(hook: &HookCommand) -> Value {
    let command = json!({"type": "command", "command": hook.told(), "timeout": PATIENCE_S});
    json!({"matcher": "*", "hooks": [command]})
}

/// Codex's hooks by event: one denies when it is missing or fails, and waits when it hangs; the
/// other is told what came of a call.
fn codex_hooks(hook: &HookCommand) -> [(&'static str, Value, u64); 2] {
    [
        ("PreToolUse", hook.line().into(), PATIENCE_THAT_LETS_S),
        ("PostToolUse", hook.told().into(), PATIENCE_S),
    ]
}

/// The same in a file.
pub(super) fn codex_lines(hook: &HookCommand) -> String {
    let lines = |(event, command, patience): (&str, Value, u64)| {
        format!(
            "[[hooks.{event}]]\nmatcher = \"*\"\n[[hooks.{event}.hooks]]\ntype = \"command\"\n\
             command = {command}\ntimeout = {patience}\n"
        )
    };
    codex_hooks(hook).into_iter().map(lines).collect()
}

/// What Codex types into a program that it started in a terminal asks no hook, so it gets none.
const CODEX_WITHOUT_TERMINALS: &str = "features.unified_exec_tty=false";

/// Codex's words for one run: the hook, that hooks are on, and that this one is trusted.
fn codex_words(program: &Path, hook: &HookCommand) -> Result<Vec<String>, Fault> {
    let hooks = codex_hooks(hook).map(|(event, command, patience)| {
        format!(
            "hooks.{event}=[{{matcher=\"*\",hooks=[{{type=\"command\",command={command},\
             timeout={patience}}}]}}]"
        )
    });
    let terminals = CODEX_WITHOUT_TERMINALS.to_owned();
    let own = ["features.hooks=true".to_owned(), terminals].into_iter();
    let mut words: Vec<String> =
        own.chain(hooks).flat_map(|word| ["-c".to_owned(), word]).collect();
    words.extend(trust::words(program, &words, hook)?);
    Ok(words)
}

/// What would put other system settings in the place of the system's.
const GEMINI_SYSTEM: &str = "GEMINI_CLI_SYSTEM_SETTINGS_PATH";

/// Gemini CLI takes a hook from no word and no variable: what names other system settings counts
/// only where root owns the file and every folder above it. So it is started where it is wrapped,
/// and where no file of the user or of this project switches that hook off.
fn gemini_is_wrapped(state: &Path) -> Result<(), Fault> {
    let wraps = Wrap::all(state)?.into_iter();
    let mut wraps = wraps.filter(|wrap| wrap.agent == Dialect::Gemini.word() && wrap.is_hook());
    if !wraps.any(|wrap| wrap.stands() != Stands::Gone) {
        let hint = "wrap it first: belay agent wrap gemini";
        return Err(Fault::wrong_use("Gemini CLI takes its hook only from a file", hint));
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    for file in [home, here].map(|folder| folder.join(".gemini/settings.json")) {
        let settings = std::fs::read_to_string(&file).unwrap_or_default();
        let settings = Format::Json.read(&settings).unwrap_or_default();
        let switches = &settings["hooksConfig"];
        let named = switches["disabled"].as_array().is_some_and(|all| !all.is_empty());
        if switches["enabled"] == false || named {
            let what = format!("{} would take the hook away: hooksConfig", file.display());
            return Err(Fault::wrong_use(what, "take hooksConfig out of that file"));
        }
    }
    Ok(())
}

/// Cline takes a hook from a file alone, which it looks for below the folder of its settings.
fn cline_is_wrapped(state: &Path) -> Result<(), Fault> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let folder = cline_hooks(&home);
    let wraps = Wrap::of(state, Dialect::Cline, Place::User)?;
    let stands = |wrap: &Wrap| wrap.path.parent() == Some(&folder) && wrap.stands() != Stands::Gone;
    if wraps.iter().any(|wrap| wrap.is_hook() && stands(wrap)) {
        return Ok(());
    }
    let what = format!("Cline takes its hook only from a file of {}", folder.display());
    Err(Fault::wrong_use(what, "wrap it first: belay agent wrap cline"))
}

/// OpenClaw takes a plugin from its configuration alone; the file that has ours, while it does.
fn openclaw_is_wrapped(state: &Path) -> Result<PathBuf, Fault> {
    let wraps = Wrap::of(state, Dialect::OpenClaw, Place::User)?;
    let config = wraps.iter().find(|wrap| !wrap.path.starts_with(state));
    if let Some(config) = config
        && wraps.iter().all(|wrap| wrap.stands() != Stands::Gone)
    {
        return Ok(config.path.clone());
    }
    let what = "OpenClaw takes its hook only from a plugin that its configuration has";
    Err(Fault::wrong_use(what, "wrap it first: belay agent wrap openclaw"))
}

/// Where OpenClaw finds its configuration.
const OPENCLAW_CONFIG: &str = "OPENCLAW_CONFIG_PATH";

/// What would have it work elsewhere, and what is given anew.
const OPENCLAW_WITHOUT: &[&str] = &[OPENCLAW_CONFIG, "OPENCLAW_PROFILE", "OPENCLAW_CONTAINER"];

/// Where Cline looks for hooks.
pub(super) fn cline_hooks(home: &Path) -> PathBuf {
    folder_from("CLINE_DIR", &home.join(".cline")).join("hooks")
}

/// Where Cline's work is done: left to itself, in a process that outlives it and serves others too.
const CLINE_BACKEND: &str = "CLINE_SESSION_BACKEND_MODE";

/// The system's settings of Gemini CLI.
pub(super) const GEMINI_SYSTEM_FILE: &str = match cfg!(target_os = "macos") {
    true => "/Library/Application Support/GeminiCli/settings.json",
    false => "/etc/gemini-cli/settings.json",
};

/// Gemini CLI's hooks by event: one denies when it is missing or fails; the other is told.
pub(super) fn gemini_entries(hook: &HookCommand, name: &str) -> [(&'static str, Value); 2] {
    let entry = |line: &str, patience_s: u64| {
        json!({"matcher": "*", "hooks": [{
            "type": "command", "name": name, "command": line, "timeout": patience_s * 1_000,
        }]})
    };
    [
        ("BeforeTool", entry(hook.line(), PATIENCE_THAT_LETS_S)),
        ("AfterTool", entry(hook.told(), PATIENCE_S)),
    ]
}

/// Where OpenCode finds a configuration that stands above the files.
const OPENCODE_CONFIG: &str = "OPENCODE_CONFIG_CONTENT";

/// What takes its plugins away, and what is given anew.
const OPENCODE_WITHOUT: &[&str] = &["OPENCODE_PURE", OPENCODE_CONFIG];

/// The configuration of a run: what was given already, the plugin, the connectors.
fn opencode_config(plugin: &Path, connectors: &[LentConnector]) -> Result<String, Fault> {
    let given = std::env::var(OPENCODE_CONFIG).unwrap_or_default();
    let bad = |what: String| Fault::wrong_use(format!("{OPENCODE_CONFIG}: {what}"), "mend it");
    let mut config = Format::Json.read(&given).map_err(|error| bad(error.to_string()))?;
    let plugin = json!(format!("file://{}", plugin.display()));
    match config["plugin"].as_array_mut() {
        Some(plugins) => plugins.push(plugin),
        None => config["plugin"] = json!([plugin]),
    }
    for (name, program, args) in connectors.iter().filter_map(LentConnector::parts) {
        let command: Vec<&String> = [program].into_iter().chain(args).collect();
        config["mcp"][name] = json!({"type": "local", "command": command, "enabled": true});
    }
    Ok(config.to_string())
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook() -> HookCommand {
        let tenants = Tenants::in_folder(Path::new("/t"));
        HookCommand::new(
            Path::new("/opt/b'x/belay"),
            Path::new("/s t"),
            Dialect::ClaudeCode,
            &tenants,
        )
    }

    fn lent(dialect: Dialect, argv: &[String]) -> Result<Lent, Fault> {
        let (hook, state) = (hook(), tempfile::tempdir().expect("a folder"));
        let program = Path::new("/x");
        let state = state.path();
        lend(&Lending { dialect, argv, program, hook: &hook, connectors: &[], state })
    }

    /// Goal: an agent without a word for it gets its hook by a variable. Method: what the variable
    /// names is read back.
    #[test]
    fn an_agent_without_words_gets_its_hook_by_a_variable() {
        let (hook, state) = (hook(), tempfile::tempdir().expect("a folder"));
        let argv = ["agent".to_owned()];
        let lent = |dialect: Dialect| {
            let (program, state) = (Path::new("/x"), state.path());
            let lending =
                Lending { dialect, argv: &argv, program, hook: &hook, connectors: &[], state };
            let lent = lend(&lending).expect("a file");
            assert_eq!(lent.argv, argv);
            lent.with[0].clone()
        };
        let (name, config) = lent(Dialect::OpenCode);
        assert_eq!(name, "OPENCODE_CONFIG_CONTENT");
        let config: Value = serde_json::from_str(&config).expect("JSON");
        let plugin = config["plugin"][0].as_str().and_then(|plugin| plugin.strip_prefix("file://"));
        let text = std::fs::read_to_string(plugin.expect("a file")).expect("a file");
        assert!(text.contains("/opt/b'x/belay"), "{text}");
    }

    /// Goal: the words stand first, so that no prompt swallows them, and pin what would take the
    /// hook away. Method: the words of a run are read back.
    #[test]
    fn claude_code_is_started_with_a_hook_that_files_cannot_take_away() {
        let argv: Vec<String> = ["claude", "-p", "hello"].map(str::to_owned).into();
        let lent = lent(Dialect::ClaudeCode, &argv).expect("words");
        assert_eq!(lent.argv[0..2], ["claude", "--settings"]);
        assert_eq!(lent.argv[3..], ["-p", "hello"]);
        let settings: Value = serde_json::from_str(&lent.argv[2]).expect("JSON");
        assert_eq!(settings["disableAllHooks"], false);
        assert_eq!(settings["env"]["CLAUDE_CODE_SIMPLE"], "0");
        let entry = &settings["hooks"]["PreToolUse"][0];
        assert_eq!(
            (&entry["matcher"], &entry["hooks"][0]["onFailure"]),
            (&json!("*"), &json!("block"))
        );
        let line = entry["hooks"][0]["command"].as_str().expect("a line");
        assert!(line.starts_with(
            "'/opt/b'\\''x/belay' --state '/s t' agent hook claude-code \
             --tenants '/t' ||"
        ));
    }

    /// Goal: whoever types words that take the hook away is told so. Method: every such word, also
    /// where only the agent would know whether it is one.
    #[test]
    fn words_that_take_the_hook_away_are_refused() {
        for (dialect, words) in [
            (Dialect::ClaudeCode, vec!["--bare"]),
            (Dialect::ClaudeCode, vec!["-p", "x", "--settings={}"]),
            (Dialect::ClaudeCode, vec!["--safe-mode"]),
            (Dialect::OpenCode, vec!["run", "--pure", "x"]),
            (Dialect::Cline, vec!["--config", "/x", "y z"]),
            (Dialect::OpenClaw, vec!["--profile=x", "agent"]),
            (Dialect::OpenCode, vec!["attach", "http://127.0.0.1:1"]),
            (Dialect::Codex, vec!["--disable", "hooks"]),
            (Dialect::Codex, vec!["exec", "-c", "features.hooks=false"]),
            (Dialect::Codex, vec!["exec", "-cfeatures.hooks=false"]),
            (Dialect::Codex, vec!["exec", "-c", " hooks.PreToolUse = []"]),
            (Dialect::Codex, vec!["--config=features={hooks=false}"]),
            (Dialect::Codex, vec!["--profile", "x"]),
            (Dialect::Codex, vec!["exec", "-px"]),
            (Dialect::ClaudeCode, vec!["--append-system-prompt", "--", "--settings", "{}"]),
        ] {
            let argv: Vec<String> =
                ["agent"].iter().chain(&words).map(|word| (*word).to_owned()).collect();
            let refused = lent(dialect, &argv);
            let fault = refused.expect_err(&format!("{words:?}"));
            assert_eq!(fault.exit, 2, "{words:?}");
            assert!(!fault.hint.is_empty());
        }
        assert!(!switches_off(Dialect::Codex, "features are what I want"));
        assert!(!switches_off(Dialect::Codex, "model=x"));
        let prompt: Vec<String> = ["claude", "-p", "what is --bare?"].map(str::to_owned).into();
        assert!(lent(Dialect::ClaudeCode, &prompt).is_ok());
    }
}
