//! Rules studied: what each of them says to one question, and questions that each of them is about.
//!
//! For authors and their tests, off the way of any decision. Refused here: opinions; `advice` has
//! those.

use super::asked::Asked;
use super::asking::Asking;
use super::question::{Action, Question};
use super::request::Needs;
use super::slice::{Place, set_of};
use super::{Decision, Effect, Rules};
use cedar_policy::PolicySet;
use std::collections::BTreeMap;

/// Guards met one after the other before a rule counts as about nothing that can be imagined.
const WISHES_MAX: usize = 12;

/// What one rule says to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleValue {
    /// Its `@id`.
    pub rule: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// What it says.
    pub value: Value,
}

/// Whether a rule applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// It applies.
    Applies,
    /// It is about another action.
    OtherAction,
    /// It wants something that the question has not, in words.
    Lacks(String),
    /// Its condition does not hold.
    Unmet,
    /// It cannot be evaluated, and why.
    Fails(String),
}

impl Rules {
    /// What every rule says to one question, by `@id`; nothing where the question cannot be put.
    pub fn values(&self, question: &Question<'_>) -> Vec<RuleValue> {
        let Ok(asked) = Asked::of(question) else { return Vec::new() };
        let alone = self.alone(&asked);
        let here = Place::of(question.action);
        let value = |known: &super::near::Known| {
            let unmet = known.guards.all.iter().find(|guard| !guard.holds(&asked));
            let value = match (known.places.iter().any(|place| here.contains(place)), unmet) {
                (false, _) => Value::OtherAction,
                (true, Some(guard)) => Value::Lacks(guard.words()),
                (true, None) => alone.get(&known.id).cloned().unwrap_or(Value::Unmet),
            };
            RuleValue { rule: known.id.clone(), effect: known.effect_word(), value }
        };
        self.known.iter().map(value).collect()
    }

    /// What Cedar says of each rule that the question meets, one by one.
    fn alone(&self, asked: &Asked<'_>) -> BTreeMap<String, Value> {
        let Ok((request, entities)) = self.words.ask(asked, Needs::ALL) else {
            return BTreeMap::new();
        };
        let ask = |rules: &PolicySet, effect: Effect| {
            let response = self.authorizer.is_authorized(&request, rules, &entities);
            if let Some(error) = response.diagnostics().errors().next() {
                return Value::Fails(error.to_string());
            }
            let reason = response.diagnostics().reason().next();
            match (effect, response.decision(), reason) {
                (Effect::Permit, Decision::Allow, _)
                | (Effect::Forbid, Decision::Deny, Some(_)) => Value::Applies,
                (Effect::Permit, Decision::Deny, _) | (Effect::Forbid, _, _) => Value::Unmet,
            }
        };
        let slices = self.slices.pick(asked);
        let rules = slices.iter().flat_map(|slice| slice.rules.policies());
        rules.map(|rule| (rule.id().to_string(), ask(&set_of([rule]), rule.effect()))).collect()
    }

    /// For each rule one question that it is about, as far as one can be read off it.
    pub fn witnesses(&self) -> Vec<(String, Asking)> {
        let of = |known: &super::near::Known| {
            let actions = Action::ALL.into_iter().filter(|action| {
                let here = Place::of(*action);
                known.places.iter().any(|place| here.contains(place))
            });
            let met = actions.filter_map(|action| known.witness(action));
            met.map(|asking| (known.id.clone(), asking)).collect::<Vec<_>>()
        };
        self.known.iter().flat_map(of).collect()
    }
}

impl super::near::Known {
    /// `permit` or `forbid`.
    pub(super) const fn effect_word(&self) -> &'static str {
        match self.effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        }
    }

    /// The plainest question of this action that meets every guard.
    fn witness(&self, action: Action) -> Option<Asking> {
        let mut asking = Asking::plain(action, plain_target(action));
        for _ in 0..WISHES_MAX {
            let next = asking.with(|question| {
                let asked = Asked::of(question).ok()?;
                let unmet = self.guards.all.iter().find(|guard| !guard.holds(&asked));
                Some(unmet.map(|guard| guard.wish(&asked)))
            })?;
            match next {
                None => return Some(asking),
                Some(wish) => wish?.apply(&mut asking),
            }
        }
        None
    }
}

/// A target that no rule is likely to name.
const fn plain_target(action: Action) -> &'static str {
    match action {
        Action::Read | Action::Write => "/somewhere/file",
        Action::Call => "some-connector/some-tool",
        Action::Connect => "somewhere.example:443",
        Action::Run | Action::Install => "/usr/bin/some-program",
        Action::InferHere | Action::InferElsewhere => "some-maker/some-model",
        Action::Offload => "some-device",
        Action::Delegate => "some-agent",
        Action::Move => "some-part",
    }
}
