//! A release's rules as people read them: every fault of a text, every rule of it, and what one
//! text has that another has not.
//!
//! Two rules of one `@id` are the same when Cedar prints them alike, so comments and line breaks
//! are no change. Refused here: judging; `Rules` does, from the same text.

use super::guard::{Guard, Guards};
use super::outline::outline;
use super::resource::Kind;
use super::{
    Effect, Placed, RulesError, checked_id, line_at, line_of, named, number, rules_of,
    schema_faults, set_of, spoken, typed,
};
use belay_identity::chain::Link;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Policy, PolicyId, PolicySet};
use std::collections::BTreeMap;

/// One rule of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLine {
    /// Its `@id`.
    pub id: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The rule as Cedar prints it.
    pub text: String,
    holder: Option<(Kind, String)>,
}

/// What one text of rules has that another has not, by `@id`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleChanges {
    /// Rules that were not there.
    pub added: Vec<String>,
    /// Rules that are gone.
    pub removed: Vec<String>,
    /// Rules that read otherwise.
    pub changed: Vec<String>,
}

/// Every fault of a text, by line; none where it can be a release's rules. Where the text is not
/// Cedar, nothing behind that can be looked at.
pub fn faults(cedar: &str) -> Vec<RulesError> {
    let lines = match outline(cedar) {
        Ok(lines) => lines,
        Err(error) => return vec![error],
    };
    let parsed = match cedar.parse::<PolicySet>() {
        Ok(parsed) => parsed,
        Err(errors) => {
            let syntax = |error| {
                let detail = DetailedError::from(error);
                let at = detail.source_locations.first().map_or(0, |label| label.loc.start);
                RulesError::Syntax { line: line_at(cedar, at), what: spoken(detail) }
            };
            return errors.iter().map(syntax).collect();
        }
    };
    let templates = parsed.templates().map(|template| line_of(template.id(), &lines));
    let mut found: Vec<RulesError> = templates.map(|line| RulesError::Template { line }).collect();
    found.extend(faults_of_ids(&parsed, &lines));
    found.extend(faults_of_words(&parsed, &lines));
    found.sort_by_key(line_of_fault);
    found
}

/// Every rule of a text that can be a release's rules, by `@id`.
///
/// # Errors
/// The first fault of the text.
pub fn rule_lines(cedar: &str) -> Result<Vec<RuleLine>, RulesError> {
    let lines = outline(cedar)?;
    let parsed = cedar.parse::<PolicySet>().map_err(|e| super::syntax(cedar, &e))?;
    let line = |(id, Placed { rule, line }): (String, Placed)| RuleLine {
        id,
        line,
        effect: match rule.effect() {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        },
        text: rule.to_string(),
        holder: holder(&rule),
    };
    Ok(named(&parsed, &lines)?.into_iter().map(line).collect())
}

/// What the second text has that the first has not.
///
/// # Errors
/// The first fault of either text.
pub fn rule_changes(before: &str, after: &str) -> Result<RuleChanges, RulesError> {
    let by_id = |cedar| -> Result<BTreeMap<String, String>, RulesError> {
        let (parsed, lines) = rules_of(cedar)?;
        let named = named(&parsed, &lines)?.into_iter();
        Ok(named.map(|(id, placed)| (id, plain(&placed.rule))).collect())
    };
    let (old, new) = (by_id(before)?, by_id(after)?);
    let only = |here: &BTreeMap<String, String>, there: &BTreeMap<String, String>| {
        here.keys().filter(|id| !there.contains_key(*id)).cloned().collect()
    };
    let differs = |(id, text): (&String, &String)| {
        new.get(id).is_some_and(|other| other != text).then(|| id.clone())
    };
    Ok(RuleChanges {
        added: only(&new, &old),
        removed: only(&old, &new),
        changed: old.iter().filter_map(differs).collect(),
    })
}

impl RuleLine {
    /// True unless the rule's scope names somebody else than this agent, its user, project or
    /// class.
    pub fn may_meet(&self, link: &Link) -> bool {
        let Some((holder, id)) = &self.holder else { return true };
        match holder {
            Kind::Agent => [link.agent.as_str(), link.agent.name()].contains(&id.as_str()),
            Kind::User => [link.user.as_str(), link.user.name()].contains(&id.as_str()),
            Kind::Project => [link.project.as_str(), link.project.name()].contains(&id.as_str()),
            _ => [link.class.as_str(), link.class.name()].contains(&id.as_str()),
        }
    }
}

/// A rule as Cedar understands it: its own text keeps comments and line breaks.
fn plain(rule: &Policy) -> String {
    rule.to_pst().map_or_else(|_| rule.to_string(), |read| read.body().to_string())
}

/// Whom the scope of a rule names.
fn holder(rule: &Policy) -> Option<(Kind, String)> {
    let guards = Guards::of(rule);
    guards.all.into_iter().take(guards.of_scope).find_map(|guard| match guard {
        Guard::Fact(kind, id) if kind.is_of_principal() => Some((kind, id)),
        _ => None,
    })
}

fn faults_of_ids(parsed: &PolicySet, lines: &[usize]) -> Vec<RulesError> {
    let mut rules: Vec<&Policy> = parsed.policies().collect();
    rules.sort_by_key(|rule| number(rule.id()));
    let mut first_of = BTreeMap::<String, usize>::new();
    let mut found = Vec::new();
    for rule in rules {
        let line = line_of(rule.id(), lines);
        match checked_id(rule, line) {
            Err(error) => found.push(error),
            Ok(id) => match first_of.get(&id) {
                Some(first) => {
                    found.push(RulesError::DuplicateId { rule: id, first: *first, line });
                }
                None => drop(first_of.insert(id, line)),
            },
        }
    }
    found
}

fn faults_of_words(parsed: &PolicySet, lines: &[usize]) -> Vec<RulesError> {
    let rules = parsed.policies().filter_map(|rule| typed(rule, 1).ok());
    let rules: Vec<Policy> = rules.collect();
    let fault = |(id, what): (PolicyId, String)| {
        let line = line_of(&id, lines);
        let rule = parsed.policy(&id).and_then(|rule| rule.annotation("id"));
        RulesError::Schema { rule: rule.unwrap_or("without an @id").to_owned(), line, what }
    };
    schema_faults(&set_of(&rules)).into_iter().map(fault).collect()
}

fn line_of_fault(fault: &RulesError) -> usize {
    fault.line().unwrap_or(0)
}
