//! What a policy says to a question, as an agent under it would be told: rules and mode together.
//!
//! Refused here: orders, leases, credentials and manifests; a folder has none, and the words say
//! so.

use belay_identity::body::{Mode, Policy};
use belay_mesh::gate::{Asking, DataClasses, Rules, Ruling};
use serde::Serialize;

/// An answer that rests on rules and modes alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Weighed {
    /// `permit`, `ask`, `deny`; `observed` where a No is recorded and let through.
    pub(crate) decision: &'static str,
    /// The rule that decided; `no-rule` where none permits it.
    pub(crate) rule: String,
    /// The mode of its class.
    pub(crate) mode: &'static str,
    /// The class of the data that it touches; empty for none.
    pub(crate) data_class: String,
    /// What went wrong in a rule, where that decided.
    pub(crate) fault: Option<String>,
}

/// Every word that a decision may be.
pub(crate) const DECISIONS: [&str; 4] = ["permit", "ask", "deny", "observed"];

/// Asks rules, and applies the mode of the class.
pub(crate) fn weigh(rules: &Rules, policy: &Policy, asking: &Asking) -> Weighed {
    let mode = policy.modes.of(asking.action.class());
    let no = match mode {
        Mode::Observe => "observed",
        Mode::Ask => "ask",
        Mode::Enforce => "deny",
    };
    let no_rule = || belay_mesh::gate::NO_RULE.to_owned();
    let asking = DataClasses::of(policy).raised(asking);
    let (decision, rule, fault) = match asking.with(|question| rules.judge(question)) {
        Ruling::Permit { rule } => ("permit", rule, None),
        Ruling::Forbid { rule } => (no, rule.unwrap_or_else(no_rule), None),
        Ruling::Error { rule, why } => (no, rule, Some(why)),
    };
    let data_class = asking.data_class;
    Weighed { decision, rule, mode: mode.as_str(), data_class, fault }
}
