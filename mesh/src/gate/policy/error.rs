//! Why a text cannot be a release's rules: always the author's fault, told with the line and with
//! what to do next.
//!
//! Refused here: faults of a question, which are rulings.

use std::fmt;

use super::outline::{RULE_NESTING_MAX, RULE_STEPS_MAX, RULES_BYTES_MAX, RULES_MAX};
use super::{Action, RULE_ID_BYTES_MAX};

/// Why a text cannot be a release's rules. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesError {
    /// Longer than `RULES_BYTES_MAX`.
    TooLarge {
        /// Length found, bytes.
        bytes: usize,
    },
    /// More rules than `RULES_MAX`.
    TooMany {
        /// Line where the first rule too many begins.
        line: usize,
    },
    /// A rule nests deeper than `RULE_NESTING_MAX` or takes more steps than `RULE_STEPS_MAX`.
    TooIntricate {
        /// Line where the limit was passed.
        line: usize,
    },
    /// Not Cedar.
    Syntax {
        /// Line of the fault.
        line: usize,
        /// What Cedar says about it.
        what: String,
    },
    /// A rule with a slot to be filled in later.
    Template {
        /// Line where the rule begins.
        line: usize,
    },
    /// A rule without an `@id`, or with an empty one.
    MissingId {
        /// Line where the rule begins.
        line: usize,
    },
    /// An `@id` that is too long or holds other characters than letters, digits and `._/-`.
    BadId {
        /// Line where the rule begins.
        line: usize,
    },
    /// An `@id` that names a check of the gate itself.
    ReservedId {
        /// The `@id`.
        rule: String,
        /// Line of the rule.
        line: usize,
    },
    /// Two rules with one `@id`.
    DuplicateId {
        /// The `@id` they share.
        rule: String,
        /// Line where the first of them begins.
        first: usize,
        /// Line where the second of them begins.
        line: usize,
    },
    /// A rule speaks about something that no question carries, or compares what cannot be equal.
    Schema {
        /// The `@id` of the rule.
        rule: String,
        /// Line where the rule begins.
        line: usize,
        /// What Cedar says about it.
        what: String,
    },
}

impl RulesError {
    /// The line of the fault; none where the text as a whole is at fault.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::TooLarge { .. } => None,
            Self::TooMany { line }
            | Self::TooIntricate { line }
            | Self::Syntax { line, .. }
            | Self::Template { line }
            | Self::MissingId { line }
            | Self::BadId { line }
            | Self::ReservedId { line, .. }
            | Self::DuplicateId { line, .. }
            | Self::Schema { line, .. } => Some(*line),
        }
    }

    /// The `@id` of the rule at fault, where it has one.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::ReservedId { rule, .. }
            | Self::DuplicateId { rule, .. }
            | Self::Schema { rule, .. } => Some(rule),
            Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::TooIntricate { .. }
            | Self::Syntax { .. }
            | Self::Template { .. }
            | Self::MissingId { .. }
            | Self::BadId { .. } => None,
        }
    }

    /// What the author can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::TooLarge { .. } => format!("keep the rules below {RULES_BYTES_MAX} bytes"),
            Self::TooMany { .. } => {
                format!("keep to {RULES_MAX} rules; let rules name classes instead of agents")
            }
            Self::TooIntricate { .. } => format!(
                "split the rule: at most {RULE_NESTING_MAX} nested brackets and {RULE_STEPS_MAX} \
                 brackets, dots and operators in one rule; `[..].contains(..)` replaces long `||`"
            ),
            Self::Syntax { .. } => {
                "a rule reads: @id(\"name\") permit(principal, action, resource) when { .. };"
                    .into()
            }
            Self::Template { .. } => "write the entity in place of ?principal or ?resource".into(),
            Self::MissingId { .. } => {
                "put @id(\"a-name-of-its-own\") before the rule; denials are explained by it".into()
            }
            Self::BadId { .. } => format!(
                "use letters, digits and . _ / - in an @id, at most {RULE_ID_BYTES_MAX} of them"
            ),
            Self::ReservedId { rule, .. } => {
                format!("call it after what it is for, such as \"my-{rule}\"")
            }
            Self::DuplicateId { .. } => "give one of the two rules another @id".into(),
            Self::Schema { .. } => format!(
                "actions are {}; principal has name and manifest; resource has name, and by its \
                 type path, host, port, ip, connector, tool or program; context has arg, num, \
                 args, argKeys, depth, chain, wall, arriving, dataClass, leaseMs, device, site, \
                 kind and posture; see \
                 belay.cedarschema in a folder made by `belay policy new`",
                Action::ALL.map(Action::text).join(", ")
            ),
        }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "the rules are {bytes} bytes long, more than {RULES_BYTES_MAX}")
            }
            Self::TooMany { line } => {
                write!(f, "line {line}: rule number {} is one too many", RULES_MAX + 1)
            }
            Self::TooIntricate { line } => write!(f, "line {line}: the rule is too intricate"),
            Self::Syntax { line, what } => write!(f, "line {line}: {what}"),
            Self::Template { line } => write!(f, "line {line}: the rule is a template"),
            Self::MissingId { line } => write!(f, "line {line}: the rule has no @id"),
            Self::BadId { line } => write!(f, "line {line}: the @id cannot be used"),
            Self::ReservedId { rule, line } => {
                write!(
                    f,
                    "line {line}: @id \"{rule}\" is what a check of the gate itself is called"
                )
            }
            Self::DuplicateId { rule, first, line } => {
                write!(f, "line {line}: @id \"{rule}\" already names the rule on line {first}")
            }
            Self::Schema { rule, line, what } => write!(f, "line {line}: rule \"{rule}\": {what}"),
        }
    }
}

impl std::error::Error for RulesError {}
