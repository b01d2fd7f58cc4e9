//! A plugin of ours for an agent that knows no hooks: it calls the hook, and keeps back whatever
//! gets an answer that is no Yes.
//!
//! What asks is the same for every agent; its own part says where it is called. Refused here: an
//! answer that the plugin could take for a Yes though it is none.

use super::dialect::{Said, Spoken};
use super::lend::HookCommand;
use serde_json::{Value, json};

/// What asks, with the words of its hook in the place of `[]`.
const ASK: &str = include_str!("ask.js");

/// The plugin that asks by this hook.
pub(super) fn plugin(hook: &HookCommand, own: &str) -> String {
    let words = Value::from(hook.words().to_vec()).to_string();
    ASK.replacen("const WORDS = [];", &format!("const WORDS = {words};"), 1) + own
}

/// The answer as the plugin reads it.
pub(super) fn say(said: &Said) -> Spoken {
    Spoken::json(&match said {
        Said::Yes => json!({"allow": true}),
        Said::No(why) | Said::Ended(why) => json!({"allow": false, "why": why}),
    })
}
