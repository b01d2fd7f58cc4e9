//! A No in two sentences, for the agent that asked.
//!
//! An agent reads the answer of its own protocol and nothing else, so what decided, by whose word
//! and what would change it stand there, bounded. Refused here: deciding; what is permitted needs
//! no words.

use super::{Act, Decision, NO_RULE, Verdict};
use crate::limits::{SHORT_TARGET_CHARS_MAX, SHORT_TEXT_CHARS_MAX};

impl Verdict {
    /// What an agent is told of a No; nothing of a permit.
    pub(crate) fn in_short(&self, act: &Act) -> String {
        let word = match self.decision {
            Decision::Permit => return String::new(),
            Decision::Ask => "Belay wants an approval for",
            Decision::Deny => "Belay denied",
        };
        let target = cut(&act.target, SHORT_TARGET_CHARS_MAX);
        let by = match self.rule.as_str() {
            NO_RULE => "no rule permits it".to_owned(),
            rule => format!("rule {rule}"),
        };
        let release = self.release.as_ref().map(|version| format!(" of release {version}"));
        let signed = match self.signed.as_slice() {
            [] => String::new(),
            signed => {
                let names: Vec<String> = signed.iter().map(|id| spoken(id)).collect();
                format!(", signed by {}", names.join(", "))
            }
        };
        let of = release.map(|release| release + &signed).unwrap_or_default();
        let name = self.id.map(|id| belay_identity::key::hex(&id)[..16].to_owned());
        let name = name.map(|name| format!(" (decision {name})")).unwrap_or_default();
        let change = cut(&self.hint, SHORT_TEXT_CHARS_MAX);
        format!(
            "{word} {} on {target}: {by}{of}{name}. Do not try it again unchanged; what would \
             change the answer: {change}.",
            act.action
        )
    }
}

/// A principal's id without its trust domain: `operator:ada`.
fn spoken(id: &str) -> String {
    let name = id.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
    name.map_or(id, |(_, name)| name).replacen('/', ":", 1)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
