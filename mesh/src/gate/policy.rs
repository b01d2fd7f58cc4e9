//! The rules of a release, and what they say about one action.
//!
//! Cedar sits behind this folder and nowhere else. It returns its reasons as a set and its errors
//! in no order; here both are sorted by `@id` and the first decides, so that every node gives the
//! same answer under the same name. Rules are sliced when they are loaded: a question meets only
//! the rules that need nothing which it has not.
//!
//! Refused here: modes, leases, orders and manifests (the gate asks those first), templates, and
//! any text whose shape could exhaust the stack of Cedar's parser. A rule that cannot be evaluated
//! denies; it is never skipped.

use std::collections::BTreeMap;

use cedar_policy::ffi::DetailedError;
use cedar_policy::pst::{self, PrincipalConstraint, ResourceConstraint, StaticPolicy};
use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Effect, EntityUid, ParseErrors, Policy, PolicyId,
    PolicySet, PrincipalConstraint as Asker, ResourceConstraint as Scope, Response, Schema,
    ValidationMode, Validator,
};

mod advice;
mod again;
mod asked;
mod asking;
mod data;
mod error;
mod guard;
mod near;
mod outline;
mod question;
mod request;
mod resource;
mod slice;
mod studied;
#[cfg(test)]
mod tests;
mod text;
mod ways;

pub use advice::{Advice, advice, in_shape};
pub use again::{Again, Lost, RulesAgain};
pub use asking::{Asking, SOMEBODY};
#[cfg(test)]
use belay_identity::body::Action as ActionClass;
pub(crate) use data::Rank;
pub use data::{DataClasses, classes_named};
pub use error::RulesError;
pub use near::{Flip, NearMiss};
pub use question::{Action, Here, Origin, Question};
pub use studied::{RuleValue, Value};
pub use text::{RuleChanges, RuleLine, faults, rule_changes, rule_lines};

use asked::{Asked, CHOICES_MAX};
use near::Known;
use outline::{newlines, outline};
use request::{Needs, Words};
use resource::Kind;
use slice::{Place, Slices, set_of};

/// Longest `@id`, bytes: it is printed in one line and stored in every audit record.
pub(crate) const RULE_ID_BYTES_MAX: usize = 64;
/// Most rules named as nearest to a denied question: what fits in one sentence.
pub(crate) const NEAREST_MAX: usize = 2;

/// Names the denial of a question that could not be put to the rules; no `@id` may contain a colon.
pub(crate) const UNASKED: &str = "belay:unasked";

/// What rules may speak about; strict, so a misspelt word is an error and never a silent no.
pub const SCHEMA: &str = include_str!("../../../configs/policies/belay.cedarschema");

/// The version of the policy language: that of the schema. A release of a later one is not read.
pub const LANGUAGE: u64 = 3;

/// Names the denial of a question too long for the patterns of the rules.
pub(crate) const TOO_LONG: &str = "belay:too-long";

/// Names the denial of a question with too many values for one argument.
pub(crate) const TOO_MANY: &str = "belay:too-many";

/// What the gate's own checks are called where a rule is named, so that a reader of a No never
/// takes a rule for one of them. Names with a colon are theirs by their form.
const RESERVED: [&str; 12] = [
    "action",
    "chain",
    "credential",
    "delegation",
    "ended",
    "lineage",
    "manifest",
    "no-rule",
    "observe",
    "release",
    "task",
    "time",
];

/// True where what could not be judged is the request's fault and no rule's.
pub(crate) fn is_of_the_request(rule: &str) -> bool {
    [UNASKED, TOO_LONG, TOO_MANY].contains(&rule)
}

/// Most steps that comparing a question's longest text with every pattern of the rules for its
/// action may take, a character of the one against a character of the other: an order that comes
/// meanwhile waits a tenth of a second.
pub(crate) const PATTERN_STEPS_MAX: u64 = 1 << 26;

/// How far a rule may look through entities: one attribute away. A named entity that is not part of
/// the question has no attributes here, so looking at one is refused at load.
const SIGHT: u32 = 1;

/// A release's rules, validated and ready to judge.
#[derive(Debug)]
pub struct Rules {
    known: Vec<Known>,
    slices: Slices,
    kin: Vec<Vec<String>>,
    words: Words,
    /// Characters of all patterns that may be compared more than once, for each action.
    patterns: Vec<u64>,
    /// What any of them looks at.
    needs: Needs,
    authorizer: Authorizer,
}

impl Rules {
    /// Reads rules written in Cedar. Every fault is the author's: the error says which rule, on
    /// which line, and its hint says what to do.
    pub fn load(cedar: &str) -> Result<Self, RulesError> {
        let (parsed, lines) = rules_of(cedar)?;
        let mut named = named(&parsed, &lines)?;
        for Placed { rule, line } in named.values_mut() {
            *rule = typed(rule, *line)?;
        }
        validate(&named)?;
        let known = |(id, placed): (&String, &Placed)| Known::of(id.clone(), &placed.rule);
        let known: Vec<Known> = named.iter().map(known).collect();
        let rules = || named.values().map(|placed| &placed.rule);
        let slices = Slices::of(rules().zip(known.iter().map(|known| &known.guards)));
        let kin = Action::ALL.map(|action| kin(&known, action)).into();
        let words = Words::of(rules());
        let patterns = patterns(&known);
        let mut needs = Needs::default();
        known.iter().for_each(|known| needs.and(known.needs));
        Ok(Self { known, slices, kin, words, patterns, needs, authorizer: Authorizer::new() })
    }

    /// Judges one question. The same rules and question give the same ruling, in whatever order the
    /// rules were written. Where an argument has several values, each of them is judged, and the
    /// strictest ruling stands.
    pub fn judge(&self, question: &Question<'_>) -> Ruling {
        let error = |rule: &str, why| Ruling::Error { rule: rule.into(), why };
        let asked = match Asked::of(question) {
            Ok(asked) => asked,
            Err(why) => return error(UNASKED, why),
        };
        let Some(choices) = asked.choices(self.needs) else {
            let why = format!(
                "an argument of this request has too many values: {CHOICES_MAX} may \
                               be judged"
            );
            return error(TOO_MANY, why);
        };
        if self.steps(question).saturating_mul(choices.len() as u64) > PATTERN_STEPS_MAX {
            let why = "a text of this request is too long to be compared with every pattern of \
                       the policy in time";
            return error(TOO_LONG, why.into());
        }
        match self.found_in(choices) {
            Ok(found) => found.ruling(),
            Err(why) => error(UNASKED, why),
        }
    }

    /// How long its longest text may be compared with the patterns of the rules for its action.
    fn steps(&self, question: &Question<'_>) -> u64 {
        self.patterns[question.action.index()].saturating_mul(question.longest_text())
    }

    /// The `@id` of every rule, ascending.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|known| known.id.as_str())
    }

    /// The strictest of what Cedar finds for each choice.
    fn found_in(&self, choices: Vec<Asked<'_>>) -> Result<Found, String> {
        let mut all = Found::default();
        for asked in &choices {
            all.and(self.found(asked)?);
        }
        Ok(all)
    }

    /// What Cedar finds among the rules that could apply.
    fn found(&self, asked: &Asked<'_>) -> Result<Found, String> {
        let slices = self.slices.pick(asked);
        let mut found = Found::default();
        if slices.is_empty() {
            found.unmatched = true;
            return Ok(found);
        }
        let mut needs = Needs::default();
        slices.iter().for_each(|slice| needs.and(slice.needs));
        let (request, entities) = self.words.ask(asked, needs)?;
        for slice in &slices {
            found.take(&self.authorizer.is_authorized(&request, &slice.rules, &entities));
        }
        found.unmatched = found.permit.is_none();
        Ok(found)
    }
}

/// What the rules say about one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// At least one rule permits and none forbids.
    Permit {
        /// The first `@id` among the rules that permit.
        rule: String,
    },
    /// A rule forbids, or none permits.
    Forbid {
        /// The first `@id` among the rules that forbid; none when no rule permits.
        rule: Option<String>,
    },
    /// A rule that could apply could not be evaluated, which denies whatever the others say.
    Error {
        /// The first `@id` among the rules that failed, or `UNASKED`.
        rule: String,
        /// What went wrong in it.
        why: String,
    },
}

/// The rules of a text, and the line on which each begins.
fn rules_of(cedar: &str) -> Result<(PolicySet, Vec<usize>), RulesError> {
    let lines = outline(cedar)?;
    let parsed = cedar.parse::<PolicySet>().map_err(|e| syntax(cedar, &e))?;
    refuse_templates(&parsed, &lines)?;
    Ok((parsed, lines))
}

fn syntax(source: &str, errors: &ParseErrors) -> RulesError {
    let detail = DetailedError::from(errors);
    let at = detail.source_locations.first().map_or(0, |label| label.loc.start);
    RulesError::Syntax { line: line_at(source, at), what: spoken(detail) }
}

fn line_at(source: &str, offset: usize) -> usize {
    1 + newlines(&source.as_bytes()[..offset.min(source.len())])
}

/// Cedar's own words, in one line.
fn spoken(detail: DetailedError) -> String {
    match detail.help {
        Some(help) => format!("{}; {help}", detail.message),
        None => detail.message,
    }
}

/// A rule and the line on which it begins.
struct Placed {
    rule: Policy,
    line: usize,
}

fn refuse_templates(parsed: &PolicySet, lines: &[usize]) -> Result<(), RulesError> {
    match parsed.templates().map(|template| line_of(template.id(), lines)).min() {
        Some(line) => Err(RulesError::Template { line }),
        None => Ok(()),
    }
}

/// The place of a rule in the text: Cedar numbers rules from 0, as `policy0`.
fn number(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    id.strip_prefix("policy").and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX)
}

fn line_of(id: &PolicyId, lines: &[usize]) -> usize {
    lines.get(number(id)).or(lines.last()).copied().unwrap_or(1)
}

/// The rules by their own `@id`.
fn named(parsed: &PolicySet, lines: &[usize]) -> Result<BTreeMap<String, Placed>, RulesError> {
    let mut rules: Vec<&Policy> = parsed.policies().collect();
    rules.sort_by_key(|rule| number(rule.id()));
    let mut named = BTreeMap::<String, Placed>::new();
    for rule in rules {
        let line = line_of(rule.id(), lines);
        let id = checked_id(rule, line)?;
        if let Some(Placed { line: first, .. }) = named.get(&id) {
            return Err(RulesError::DuplicateId { rule: id, first: *first, line });
        }
        let rule = rule.new_id(PolicyId::new(&id));
        named.insert(id, Placed { rule, line });
    }
    Ok(named)
}

fn checked_id(rule: &Policy, line: usize) -> Result<String, RulesError> {
    let id = rule.annotation("id").unwrap_or_default();
    let usable = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
    match id {
        "" => Err(RulesError::MissingId { line }),
        id if id.len() > RULE_ID_BYTES_MAX || !id.bytes().all(usable) => {
            Err(RulesError::BadId { line })
        }
        id if RESERVED.contains(&id) => Err(RulesError::ReservedId { rule: id.to_owned(), line }),
        id => Ok(id.to_owned()),
    }
}

/// Checks the rules against the schema; of several faults the first in the text is told.
fn validate(named: &BTreeMap<String, Placed>) -> Result<(), RulesError> {
    let whole = set_of(named.values().map(|placed| &placed.rule));
    let fault = |(rule, what): (PolicyId, String)| {
        let rule = rule.to_string();
        (named.get(&rule).map_or(1, |placed| placed.line), rule, what)
    };
    match schema_faults(&whole).into_iter().map(fault).min() {
        Some((line, rule, what)) => Err(RulesError::Schema { rule, line, what }),
        None => Ok(()),
    }
}

/// Every fault that the schema finds in typed rules.
fn schema_faults(rules: &PolicySet) -> Vec<(PolicyId, String)> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
        .expect("the schema is a constant of this room and every test loads it");
    let result = Validator::new(schema).validate_with_level(rules, ValidationMode::Strict, SIGHT);
    let faults = result.validation_errors();
    let told = |error: &cedar_policy::ValidationError| {
        (error.policy_id().clone(), spoken(DetailedError::from(error)))
    };
    let never = rules.policies().filter_map(|rule| Some((rule, Needs::of(rule).never()?)));
    let never = never.map(|(rule, what)| (rule.id().clone(), what.to_owned()));
    faults.map(told).chain(never).collect()
}

/// The rule as it is judged. Each resource is in the target of its name, and none is one; agents
/// and devices are in their short names. So a scope that says `==` to one of these means `in`.
fn typed(rule: &Policy, line: usize) -> Result<Policy, RulesError> {
    let fault = |what: String| RulesError::Syntax { line, what };
    let is_target = |kind: &str| Kind::of_entity(kind) == Some(Kind::Target);
    let by_name = |uid: &EntityUid| {
        let kind = Kind::of_entity(&uid.type_name().to_string());
        let short = !uid.id().unescaped().starts_with("spiffe://");
        kind == Some(Kind::Target) || (short && matches!(kind, Some(Kind::Agent | Kind::Device)))
    };
    let resource = match rule.resource_constraint() {
        Scope::Any | Scope::In(_) => false,
        Scope::Eq(uid) => by_name(&uid),
        Scope::Is(kind) | Scope::IsIn(kind, _) => is_target(&kind.to_string()),
    };
    let principal = matches!(rule.principal_constraint(), Asker::Eq(uid) if by_name(&uid));
    if !resource && !principal {
        return Ok(rule.clone());
    }
    let read = rule.to_pst().map_err(|error| fault(error.to_string()))?;
    let mut body = read.body().clone();
    body.principal = match body.principal {
        PrincipalConstraint::Eq(name) if principal => PrincipalConstraint::In(name),
        other => other,
    };
    body.resource = match body.resource {
        ResourceConstraint::Eq(name) if resource => ResourceConstraint::In(name),
        ResourceConstraint::Is(_) if resource => ResourceConstraint::Any,
        ResourceConstraint::IsIn(_, within) if resource => ResourceConstraint::In(within),
        other => other,
    };
    let rewritten = StaticPolicy::try_from(body).map_err(|error| fault(error.to_string()))?;
    Policy::from_pst(pst::Policy::Static(rewritten)).map_err(|error| fault(error.to_string()))
}

/// Permits to name when none stands at an action: those for the rest of its class.
fn kin(known: &[Known], action: Action) -> Vec<String> {
    let is_kin = |place: &Place| match place {
        Place::Action(other) => other.class() == action.class(),
        Place::Any | Place::Class(_) => false,
    };
    let permits = known.iter().filter(|known| known.effect == Effect::Permit);
    let kin = permits.filter(|known| known.places.iter().any(is_kin));
    kin.take(NEAREST_MAX + 1).map(|known| known.id.clone()).collect()
}

/// Characters of the patterns that a question may be compared with, for each action.
fn patterns(known: &[Known]) -> Vec<u64> {
    let of = |action: Action| {
        let here = Place::of(action);
        let stands = |known: &&Known| known.places.iter().any(|place| here.contains(place));
        known.iter().filter(stands).map(|known| known.patterns).sum()
    };
    Action::ALL.map(of).into()
}

/// What Cedar found, reduced to the first of each kind.
#[derive(Default)]
struct Found {
    permit: Option<String>,
    forbid: Option<String>,
    error: Option<(String, String)>,
    /// Whether something was asked that no rule permits.
    unmatched: bool,
}

impl Found {
    fn take(&mut self, response: &Response) {
        let reason = response.diagnostics().reason().min().map(ToString::to_string);
        match response.decision() {
            Decision::Allow => keep_least(&mut self.permit, reason),
            Decision::Deny => keep_least(&mut self.forbid, reason),
        }
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            let told = (error.policy_id().to_string(), error.inner().to_string());
            keep_least(&mut self.error, Some(told));
        }
    }

    fn and(&mut self, other: Self) {
        keep_least(&mut self.permit, other.permit);
        keep_least(&mut self.forbid, other.forbid);
        keep_least(&mut self.error, other.error);
        self.unmatched |= other.unmatched;
    }

    fn ruling(self) -> Ruling {
        match (self.error, self.forbid, self.permit) {
            (Some((rule, why)), _, _) => Ruling::Error { rule, why },
            (None, Some(rule), _) => Ruling::Forbid { rule: Some(rule) },
            (None, None, Some(rule)) if !self.unmatched => Ruling::Permit { rule },
            (None, None, _) => Ruling::Forbid { rule: None },
        }
    }
}

fn keep_least<T: Ord>(kept: &mut Option<T>, found: Option<T>) {
    if let Some(found) = found
        && kept.as_ref().is_none_or(|least| found < *least)
    {
        *kept = Some(found);
    }
}
