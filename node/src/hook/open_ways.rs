//! What a hook does not hold, for each agent and each place of its hook, with what does.
//!
//! What was seen not to hold is said. Refused here: a promise that nobody measured.

use super::dialect::Dialect;
use super::places::Place;

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
        (Dialect::Gemini, Place::User) => {
            &["its user or a project may switch hooks off (hooksConfig in its settings); `belay \
             agent run -- gemini` starts it only where none does"]
        }
        (Dialect::Gemini, Place::Managed) => {
            &["its user may name this hook in hooksConfig.disabled of his own settings, or other \
             system settings of root's in GEMINI_CLI_SYSTEM_SETTINGS_PATH; `belay agent run -- \
             gemini` starts it only where none does"]
        }
        (Dialect::Cline, Place::User | Place::Managed) => &[
            "its user may take the script away, or have Cline look elsewhere (--config, CLINE_DIR); \
             `belay agent run -- cline` starts it only where neither is so",
            OTHER_HOOKS,
            CLINE_GOES_ON,
        ],
        (Dialect::OpenClaw, Place::User | Place::Managed) => &[
            "its user may switch plugins off (plugins.enabled, plugins.deny) or name another \
             configuration (--profile, OPENCLAW_CONFIG_PATH); `belay agent run -- openclaw` starts \
             it only with this one, and only while that has the plugin",
            OTHER_PLUGINS,
        ],
        (Dialect::OpenCode, Place::User | Place::Managed) => {
            &["started by itself, its user may leave plugins out (--pure, OPENCODE_PURE); `belay \
             agent run -- opencode` pins them for a run"]
        }
    }
}

/// What a run under `agent run` does not hold; without a dialect it has no hook at all.
pub(crate) fn open_ways_of_a_run(dialect: Option<Dialect>) -> Vec<&'static str> {
    let own: &[&str] = match dialect {
        None => &[NO_HOOK],
        Some(Dialect::Codex) => &[PROGRAMS, CODEX_KILLS],
        Some(Dialect::OpenClaw) => &[PROGRAMS, OTHER_PLUGINS],
        Some(Dialect::Cline) => &[PROGRAMS, OTHER_HOOKS, CLINE_GOES_ON],
        Some(Dialect::ClaudeCode | Dialect::Gemini | Dialect::OpenCode) => &[PROGRAMS],
    };
    own.to_vec()
}

const NO_HOOK: &str = "no hook asks for it: only its tools by `belay mcp` ask the gate, whatever \
     else it does asks nobody";
const PROGRAMS: &str = "what a permitted program does by itself asks nobody";
const OTHER_PLUGINS: &str = "other plugins run in the same process: they ask nobody, may rewrite a \
     call after it was judged, and may take this one away";
const OTHER_HOOKS: &str = "hooks of its user's or a project's own ask nobody, and may rewrite a call \
     after it was judged";
const CLINE_GOES_ON: &str = "a hook that is killed, or halted for two minutes, lets the call through; \
     only a wall keeps an agent from doing so";
const CODEX_TYPES: &str = "what it types into a program that runs in a terminal of its own \
     (write_stdin) asks nobody; `belay agent run -- codex` takes such terminals away";
const CODEX_KILLS: &str = "a hook that is killed together with its shell lets the call through; \
     only a wall keeps an agent from killing it";

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a run never reads as closed where there is no wall. Method: every agent, and none.
    #[test]
    fn every_run_names_an_open_way() {
        let all = Dialect::ALL.into_iter().map(Some).chain([None]);
        assert!(all.into_iter().all(|dialect| !open_ways_of_a_run(dialect).is_empty()));
        assert!(open_ways_of_a_run(Some(Dialect::Codex)).contains(&CODEX_KILLS));
    }
}
