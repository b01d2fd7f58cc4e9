//! What is no fault of a text and still not what its author can mean: rules that never apply, that
//! say nothing new, that permit everything; and the same rules in plain shape.
//!
//! Refused here: refusing. A release with every one of these is a release.

use super::near::Known;
use super::outline::outline;
use super::question::Action;
use super::slice::Place;
use super::{Effect, RulesError, SCHEMA, SIGHT, named, rules_of, spoken, syntax, typed};
use belay_identity::body::Action as ActionClass;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Schema, ValidationMode, Validator};
use cedar_policy_formatter::{Config, policies_str_to_pretty};

/// Most rules that are compared with one another: each with each.
const COMPARED_MAX: usize = 2_000;
/// Columns of a rule in plain shape.
const LINE_COLUMNS: usize = 100;
/// Columns of one step inwards.
const INDENT_COLUMNS: isize = 4;

/// Something that its author should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The rule.
    pub rule: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// What is odd about it.
    pub what: String,
    /// What to do.
    pub next: &'static str,
}

/// Everything odd about a text that can be a release's rules, by line.
///
/// # Errors
/// The first fault of the text.
pub fn advice(cedar: &str) -> Result<Vec<Advice>, RulesError> {
    let (rules, lines) = rules_of(cedar)?;
    let known: Vec<(Known, usize)> = named(&rules, &lines)?
        .into_iter()
        .map(|(id, placed)| {
            let rule = typed(&placed.rule, placed.line)?;
            Ok((Known::of(id, &rule), placed.line))
        })
        .collect::<Result<_, RulesError>>()?;
    let mut found = never(cedar)?;
    // Cedar tells of each environment apart.
    found.sort_by(|one, other| one.rule.cmp(&other.rule));
    found.dedup_by(|one, other| one.rule == other.rule);
    found.extend(known.iter().filter_map(|(rule, line)| wide(rule, *line)));
    if known.len() <= COMPARED_MAX {
        found.extend(known.iter().filter_map(|(rule, line)| shadowed(rule, *line, &known)));
    }
    found.sort_by(|one, other| (one.line, &one.rule).cmp(&(other.line, &other.rule)));
    Ok(found)
}

/// Rules that Cedar sees to be about nothing.
fn never(cedar: &str) -> Result<Vec<Advice>, RulesError> {
    let (rules, lines) = rules_of(cedar)?;
    let named = named(&rules, &lines)?;
    let all = named.values().map(|placed| typed(&placed.rule, placed.line));
    let whole = super::set_of(&all.collect::<Result<Vec<_>, _>>()?);
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
        .expect("the schema is a constant of this room and every test loads it");
    let result = Validator::new(schema).validate_with_level(&whole, ValidationMode::Strict, SIGHT);
    let told = |warning: &cedar_policy::ValidationWarning| {
        let rule = warning.policy_id().to_string();
        let line = named.get(&rule).map_or(1, |placed| placed.line);
        let what = spoken(DetailedError::from(warning));
        Advice { rule, line, what, next: "mend its scope or condition, or leave it out" }
    };
    Ok(result.validation_warnings().map(told).collect())
}

/// A permit that leaves nothing to refuse.
fn wide(rule: &Known, line: usize) -> Option<Advice> {
    let open = rule.effect == Effect::Permit && rule.guards.all.is_empty() && rule.guards.whole;
    let far = rule.places.iter().find_map(|place| match place {
        Place::Any => Some("every action".to_owned()),
        Place::Class(class @ (ActionClass::Outward | ActionClass::Motion)) => {
            Some(format!("every {class} action"))
        }
        Place::Class(ActionClass::Local | ActionClass::Tool | ActionClass::Work)
        | Place::Action(_) => None,
    })?;
    open.then(|| Advice {
        rule: rule.id.clone(),
        line,
        what: format!("it permits {far} to every agent, on anything"),
        next: "name an action, a principal or a resource in its scope, or give it a condition",
    })
}

/// A rule of which another says all.
fn shadowed(rule: &Known, line: usize, all: &[(Known, usize)]) -> Option<Advice> {
    let covers = |other: &&(Known, usize)| {
        let (other, _) = other;
        other.id != rule.id
            && other.guards.whole
            && other.guards.all.iter().all(|guard| rule.guards.all.contains(guard))
            && rule.places.iter().all(|place| other.places.iter().any(|wide| covers(*wide, *place)))
    };
    let same = |other: &&(Known, usize)| {
        let alike = other.0.guards.all.len() == rule.guards.all.len()
            && other.0.places == rule.places
            && rule.guards.whole;
        // Of two that say the same, the later one by name is the one too many.
        !alike || other.0.id < rule.id
    };
    let others = || all.iter().filter(covers);
    if rule.effect == Effect::Permit
        && let Some((forbid, at)) = others().find(|(other, _)| other.effect == Effect::Forbid)
    {
        return Some(Advice {
            rule: rule.id.clone(),
            line,
            what: format!("it never counts: rule {} on line {at} forbids all of it", forbid.id),
            next: "narrow the rule that forbids, or leave this one out",
        });
    }
    let mut alike = others().filter(|(other, _)| other.effect == rule.effect).filter(same);
    let (wider, at) = alike.next()?;
    Some(Advice {
        rule: rule.id.clone(),
        line,
        what: format!("it says nothing that rule {} on line {at} does not say", wider.id),
        next: "narrow the other rule, or leave this one out",
    })
}

/// True when every action of one place stands at the other too.
fn covers(wide: Place, narrow: Place) -> bool {
    match (wide, narrow) {
        (Place::Any, _) => true,
        (Place::Class(class), Place::Action(action)) => Action::class(action) == class,
        (wide, narrow) => wide == narrow,
    }
}

/// The same rules in plain shape, comments kept; a text in plain shape stays as it is.
///
/// # Errors
/// A text that is no Cedar, or could harm its parser.
pub fn in_shape(cedar: &str) -> Result<String, RulesError> {
    outline(cedar)?;
    cedar.parse::<cedar_policy::PolicySet>().map_err(|errors| syntax(cedar, &errors))?;
    if cedar.trim().is_empty() {
        return Ok(cedar.to_owned());
    }
    let config = Config { line_width: LINE_COLUMNS, indent_width: INDENT_COLUMNS };
    let shaped = policies_str_to_pretty(cedar, &config);
    shaped.map_err(|error| RulesError::Syntax { line: 1, what: error.to_string() })
}
