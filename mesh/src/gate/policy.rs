//! The rules of a release, and what they say about one action.
//!
//! Cedar sits behind this file and nowhere else. It returns its reasons as a set and its errors in
//! no order; here both are sorted by `@id` and the first decides, so that every node gives the same
//! answer under the same name. Rules are sliced by scope when they are loaded: a question meets
//! only the rules that are open, or that name its action, asker or target.
//!
//! Refused here: modes, leases, orders and manifests (the gate asks those first), templates, and
//! any text whose shape could exhaust the stack of Cedar's parser. A rule that cannot be evaluated
//! denies; it is never skipped.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Decision, Effect, Entities, Entity,
    EntityId, EntityTypeName, EntityUid, ParseErrors, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint, Response, RestrictedExpression, Schema,
    ValidationMode, Validator,
};

mod error;
mod outline;
mod question;
#[cfg(test)]
mod tests;
mod text;

use belay_identity::body::Action as ActionClass;
pub use error::RulesError;
pub use question::{Action, Origin, Question};
pub use text::{RuleChanges, RuleLine, faults, rule_changes, rule_lines};

use outline::{newlines, outline};

/// Longest `@id`, bytes: it is printed in one line and stored in every audit record.
pub(crate) const RULE_ID_BYTES_MAX: usize = 64;
/// Most rules named as nearest to a denied question: what fits in one sentence.
pub(crate) const NEAREST_MAX: usize = 2;

/// Names the denial of a question that could not be put to the rules; no `@id` may contain a colon.
pub(crate) const UNASKED: &str = "belay:unasked";

/// What rules may speak about; strict, so a misspelt word is an error and never a silent no.
const SCHEMA: &str = r#"
namespace Belay {
    entity User;
    entity Project;
    entity Class;
    entity Agent in [User, Project, Class] { name: String, manifest: String };
    entity Device;
    entity Target { name: String };
    type Circumstances = {
        args: Set<String>,
        argKeys: Set<String>,
        depth: Long,
        wall: String,
        arriving: Bool,
        dataClass: String,
        device: Device,
    };
    action "local", "tool", "outward", "work", "motion";
    action "local.read", "local.write", "local.infer" in ["local"]
        appliesTo { principal: Agent, resource: Target, context: Circumstances };
    action "tool.call" in ["tool"]
        appliesTo { principal: Agent, resource: Target, context: Circumstances };
    action "outward.connect", "outward.infer" in ["outward"]
        appliesTo { principal: Agent, resource: Target, context: Circumstances };
    action "work.run", "work.install", "work.offload", "work.delegate" in ["work"]
        appliesTo { principal: Agent, resource: Target, context: Circumstances };
    action "motion.move" in ["motion"]
        appliesTo { principal: Agent, resource: Target, context: Circumstances };
}
"#;

/// How far a rule may look through entities: one attribute away. A named entity that is not part of
/// the question has no attributes here, so looking at one is refused at load.
const SIGHT: u32 = 1;

/// A release's rules, validated and ready to judge.
#[derive(Debug)]
pub struct Rules {
    ids: Vec<String>,
    shelves: Vec<Shelf>,
    fallback: Vec<Vec<String>>,
    words: Words,
    authorizer: Authorizer,
}

impl Rules {
    /// Reads rules written in Cedar. Every fault is the author's: the error says which rule, on
    /// which line, and its hint says what to do.
    pub fn load(cedar: &str) -> Result<Self, RulesError> {
        let lines = outline(cedar)?;
        let parsed = cedar.parse::<PolicySet>().map_err(|e| syntax(cedar, &e))?;
        refuse_templates(&parsed, &lines)?;
        let named = named(&parsed, &lines)?;
        validate(&named)?;
        let words = Words::new();
        let fallback = Action::ALL.map(|action| fallback(&named, action)).into();
        let shelves = shelve(&named);
        let ids = named.into_keys().collect();
        Ok(Self { ids, shelves, fallback, words, authorizer: Authorizer::new() })
    }

    /// Judges one question. The same rules and question give the same ruling, in whatever order the
    /// rules were written.
    pub fn judge(&self, question: &Question<'_>) -> Ruling {
        let (request, entities) = match self.words.ask(question) {
            Ok(asked) => asked,
            Err(why) => return Ruling::Error { rule: UNASKED.into(), why },
        };
        let slices = self.slices(question);
        let mut found = Found::default();
        for slice in &slices {
            found.take(&self.authorizer.is_authorized(&request, &slice.rules, &entities));
        }
        found.ruling(|| self.nearest(question.action, &slices))
    }

    /// The `@id` of every rule, ascending.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// The rules that could apply to the question, and no rule that certainly does not.
    fn slices(&self, question: &Question<'_>) -> Vec<&Slice> {
        let mut slices = Vec::with_capacity(8);
        for place in Place::of(question.action) {
            self.shelves[place.index()].pick(question, &mut slices);
        }
        slices
    }

    /// Permits that came nearest: first those whose scope may fit, then others of the same class.
    fn nearest(&self, action: Action, slices: &[&Slice]) -> Vec<String> {
        let mut near: Vec<&String> = slices.iter().flat_map(|slice| &slice.permits).collect();
        near.sort();
        near.dedup();
        for id in &self.fallback[action.index()] {
            if !near.contains(&id) {
                near.push(id);
            }
        }
        near.into_iter().take(NEAREST_MAX).cloned().collect()
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
        /// When no rule permits: up to `NEAREST_MAX` rules that permit actions of the same class
        /// and did not hold here. They show what would change the answer.
        nearest: Vec<String>,
    },
    /// A rule that could apply could not be evaluated, which denies whatever the others say.
    Error {
        /// The first `@id` among the rules that failed, or `UNASKED`.
        rule: String,
        /// What went wrong in it.
        why: String,
    },
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
        id => Ok(id.to_owned()),
    }
}

/// Checks the rules against the schema; of several faults the first in the text is told.
fn validate(named: &BTreeMap<String, Placed>) -> Result<(), RulesError> {
    let whole = set_of(named.values().map(|placed| &placed.rule));
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
        .expect("the schema is a constant of this file and every test loads it");
    let result = Validator::new(schema).validate_with_level(&whole, ValidationMode::Strict, SIGHT);
    let fault = result
        .validation_errors()
        .map(|error| {
            let rule = error.policy_id().to_string();
            let line = named.get(&rule).map_or(1, |placed| placed.line);
            (line, rule, spoken(DetailedError::from(error)))
        })
        .min();
    match fault {
        Some((line, rule, what)) => Err(RulesError::Schema { rule, line, what }),
        None => Ok(()),
    }
}

fn set_of<'a>(rules: impl IntoIterator<Item = &'a Policy>) -> PolicySet {
    PolicySet::from_policies(rules.into_iter().cloned())
        .expect("rules reach a set once each, named by an @id that is unique")
}

/// Where a rule stands by its action scope: open to all, on a class, or on one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Any,
    Class(ActionClass),
    Action(Action),
}

impl Place {
    const COUNT: usize = 1 + ActionClass::ALL.len() + Action::ALL.len();

    /// Every place at which a rule for this action may stand.
    const fn of(action: Action) -> [Self; 3] {
        [Self::Any, Self::Class(action.class()), Self::Action(action)]
    }

    const fn index(self) -> usize {
        match self {
            Self::Any => 0,
            Self::Class(class) => 1 + class as usize,
            Self::Action(action) => 1 + ActionClass::ALL.len() + action.index(),
        }
    }

    /// The place that an action entity names; what is not known stays open, which is always safe.
    fn named(uid: &EntityUid) -> Self {
        let name = uid.id().unescaped();
        let action = Action::named(name).map(Self::Action);
        action.or_else(|| ActionClass::from_word(name).map(Self::Class)).unwrap_or(Self::Any)
    }

    fn of_rule(rule: &Policy) -> Vec<Self> {
        match rule.action_constraint() {
            ActionConstraint::Any => vec![Self::Any],
            ActionConstraint::Eq(uid) => vec![Self::named(&uid)],
            ActionConstraint::In(uids) => {
                let mut places: Vec<_> = uids.iter().map(Self::named).collect();
                places.sort();
                places.dedup();
                places
            }
        }
    }
}

/// Whom or what a rule's scope names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Agent,
    User,
    Project,
    Class,
    Target,
}

impl Holder {
    const ALL: [Self; 5] = [Self::Agent, Self::User, Self::Project, Self::Class, Self::Target];

    const fn entity_type(self) -> &'static str {
        match self {
            Self::Agent => "Belay::Agent",
            Self::User => "Belay::User",
            Self::Project => "Belay::Project",
            Self::Class => "Belay::Class",
            Self::Target => "Belay::Target",
        }
    }

    const fn in_question<'a>(self, question: &Question<'a>) -> &'a str {
        match self {
            Self::Agent => question.agent,
            Self::User => question.user,
            Self::Project => question.project,
            Self::Class => question.class,
            Self::Target => question.target,
        }
    }

    /// The one entity without which the rule cannot apply, if its scope names one.
    fn of_rule(rule: &Policy) -> Option<(Self, String)> {
        let principal = match rule.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::In(uid)
            | PrincipalConstraint::IsIn(_, uid) => Some(uid),
        };
        let resource = || match rule.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::Eq(uid)
            | ResourceConstraint::In(uid)
            | ResourceConstraint::IsIn(_, uid) => Some(uid),
        };
        let uid = principal.or_else(resource)?;
        let name = uid.type_name().to_string();
        let holder = Self::ALL.into_iter().find(|holder| holder.entity_type() == name)?;
        Some((holder, uid.id().unescaped().to_owned()))
    }
}

/// Rules that are put to Cedar together.
#[derive(Debug)]
struct Slice {
    rules: PolicySet,
    permits: Vec<String>,
}

impl Slice {
    fn new(rules: &[&Policy]) -> Self {
        let permits = permits(rules.iter().copied()).take(NEAREST_MAX).collect();
        Self { rules: set_of(rules.iter().copied()), permits }
    }
}

/// The rules of one place, by whom or what their scope names.
#[derive(Debug, Default)]
struct Shelf {
    open: Option<Slice>,
    held: [BTreeMap<String, Slice>; Holder::ALL.len()],
}

impl Shelf {
    fn pick<'s>(&'s self, question: &Question<'_>, slices: &mut Vec<&'s Slice>) {
        slices.extend(&self.open);
        for (holder, held) in Holder::ALL.iter().zip(&self.held) {
            slices.extend(held.get(holder.in_question(question)));
        }
    }
}

/// Rules of one place that are open, and those that are held by somebody or something.
#[derive(Default)]
struct Pile<'a> {
    open: Vec<&'a Policy>,
    held: [BTreeMap<String, Vec<&'a Policy>>; Holder::ALL.len()],
}

impl<'a> Pile<'a> {
    fn put(&mut self, rule: &'a Policy) {
        match Holder::of_rule(rule) {
            None => self.open.push(rule),
            Some((holder, id)) => self.held[holder as usize].entry(id).or_default().push(rule),
        }
    }

    fn shelf(self) -> Shelf {
        let slice = |(id, rules): (String, Vec<&Policy>)| (id, Slice::new(&rules));
        Shelf {
            open: (!self.open.is_empty()).then(|| Slice::new(&self.open)),
            held: self.held.map(|held| held.into_iter().map(slice).collect()),
        }
    }
}

/// Sorts the rules into places; a rule that names several actions stands at each.
fn shelve(named: &BTreeMap<String, Placed>) -> Vec<Shelf> {
    let mut piles: Vec<Pile<'_>> = (0..Place::COUNT).map(|_| Pile::default()).collect();
    for Placed { rule, .. } in named.values() {
        for place in Place::of_rule(rule) {
            piles[place.index()].put(rule);
        }
    }
    piles.into_iter().map(Pile::shelf).collect()
}

fn permits<'a>(rules: impl IntoIterator<Item = &'a Policy>) -> impl Iterator<Item = String> {
    let permit = |rule: &&Policy| rule.effect() == Effect::Permit;
    rules.into_iter().filter(permit).map(|rule| rule.id().to_string())
}

/// Permits to name when fewer than `NEAREST_MAX` are in reach of a question: those for this action,
/// then those for the rest of its class.
fn fallback(named: &BTreeMap<String, Placed>, action: Action) -> Vec<String> {
    let rules = || named.values().map(|placed| &placed.rule);
    let here = Place::of(action);
    let exact =
        rules().filter(|rule| Place::of_rule(rule).iter().any(|place| here.contains(place)));
    let kin = rules().filter(|rule| {
        Place::of_rule(rule).iter().any(|place| match place {
            Place::Action(other) => other.class() == action.class(),
            Place::Any | Place::Class(_) => false,
        })
    });
    let mut ids: Vec<String> = permits(exact).take(NEAREST_MAX + 1).collect();
    ids.extend(permits(kin).take(NEAREST_MAX + 1));
    ids
}

/// What Cedar found, reduced to the first of each kind.
#[derive(Default)]
struct Found {
    permit: Option<String>,
    forbid: Option<String>,
    error: Option<(String, String)>,
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

    fn ruling(self, nearest: impl FnOnce() -> Vec<String>) -> Ruling {
        match (self.error, self.forbid, self.permit) {
            (Some((rule, why)), _, _) => Ruling::Error { rule, why },
            (None, Some(rule), _) => Ruling::Forbid { rule: Some(rule), nearest: Vec::new() },
            (None, None, Some(rule)) => Ruling::Permit { rule },
            (None, None, None) => Ruling::Forbid { rule: None, nearest: nearest() },
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

/// The names of the schema, parsed once, with which questions are put.
#[derive(Debug)]
struct Words {
    holders: [EntityTypeName; Holder::ALL.len()],
    device: EntityTypeName,
    actions: Vec<(EntityUid, Entities)>,
}

impl Words {
    fn new() -> Self {
        let kind = type_name("Belay::Action");
        let action = |action: Action| {
            let uid = named_uid(&kind, action.text());
            let class = named_uid(&kind, action.class().as_str());
            let entity = Entity::new_no_attrs(uid.clone(), HashSet::from([class]));
            let alone = Entities::from_entities([entity], None);
            (uid, alone.expect("one entity is neither twice there nor above itself"))
        };
        Self {
            holders: Holder::ALL.map(|holder| type_name(holder.entity_type())),
            device: type_name("Belay::Device"),
            actions: Action::ALL.into_iter().map(action).collect(),
        }
    }

    /// The question as Cedar wants it. Fails only where Cedar finds no stack left to build it.
    fn ask(&self, question: &Question<'_>) -> Result<(Request, Entities), String> {
        let [agent, user, project, class, target] = Holder::ALL
            .map(|holder| named_uid(&self.holders[holder as usize], holder.in_question(question)));
        let (action, alone) = &self.actions[question.action.index()];
        let about_agent = [("name", question.agent), ("manifest", question.manifest)];
        let parties = [
            entity(&agent, about_agent, [user, project, class])?,
            entity(&target, [("name", question.target)], [])?,
        ];
        let entities = alone.clone().add_entities(parties, None).map_err(|e| e.to_string())?;
        let device = named_uid(&self.device, question.device);
        let request = Request::new(agent, action.clone(), target, context(question, device)?, None);
        Ok((request.map_err(|e| e.to_string())?, entities))
    }
}

fn type_name(text: &str) -> EntityTypeName {
    text.parse().expect("a type name of the schema, which is a constant of this file")
}

fn named_uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn entity<const A: usize, const P: usize>(
    uid: &EntityUid,
    attributes: [(&str, &str); A],
    parents: [EntityUid; P],
) -> Result<Entity, String> {
    let attributes = attributes.map(|(name, value)| (name.to_owned(), string(value)));
    Entity::new_with_tags(uid.clone(), attributes, parents, []).map_err(|e| e.to_string())
}

fn context(question: &Question<'_>, device: EntityUid) -> Result<Context, String> {
    let args = question.args.iter();
    let pairs = args.clone().map(|(key, value)| string(format!("{}={value}", plain_key(key))));
    let keys = args.map(|(key, _)| string(plain_key(key)));
    let arriving = question.origin == Origin::Arriving;
    Context::from_pairs([
        ("args".to_owned(), RestrictedExpression::new_set(pairs)),
        ("argKeys".to_owned(), RestrictedExpression::new_set(keys)),
        ("depth".to_owned(), RestrictedExpression::new_long(question.depth.into())),
        ("wall".to_owned(), string(question.wall)),
        ("arriving".to_owned(), RestrictedExpression::new_bool(arriving)),
        ("dataClass".to_owned(), string(question.data_class)),
        ("device".to_owned(), RestrictedExpression::new_entity_uid(device)),
    ])
    .map_err(|e| e.to_string())
}

fn plain_key(key: &str) -> String {
    key.replace('%', "%25").replace('=', "%3D")
}

fn string(text: impl Into<String>) -> RestrictedExpression {
    RestrictedExpression::new_string(text.into())
}
