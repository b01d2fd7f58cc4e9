//! Rules by what they name, so that a question meets only those that it may concern.
//!
//! A rule stands at its actions, under one fact that it needs; rules that need the same lie in one
//! slice and are put to Cedar together. Kept: every rule that needs no fact, or only facts of the
//! question. Refused here: judging.

use super::asked::Asked;
use super::guard::{Guard, Guards};
use super::question::Action;
use super::request::Needs;
use super::resource::Kind;
use belay_identity::body::Action as ActionClass;
use cedar_policy::{ActionConstraint, EntityUid, Policy, PolicySet};
use std::collections::BTreeMap;

/// Where a rule stands by its action scope: open to all, on a class, or on one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Any,
    Class(ActionClass),
    Action(Action),
}

impl Place {
    const COUNT: usize = 1 + ActionClass::ALL.len() + Action::ALL.len();

    /// Every place at which a rule for this action may stand.
    pub(super) const fn of(action: Action) -> [Self; 3] {
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

    pub(super) fn of_rule(rule: &Policy) -> Vec<Self> {
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

/// Rules that are put to Cedar together.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) rules: PolicySet,
    pub(super) needs: Needs,
    guards: Vec<Guard>,
}

/// The slices under one fact, by the place of their rules.
type Filed = Vec<(usize, Vec<Slice>)>;

/// All slices of a release.
#[derive(Debug)]
pub(super) struct Slices {
    /// Those that need no fact, by place.
    open: Vec<Vec<Slice>>,
    /// Those that need one, by its kind and name.
    held: Vec<BTreeMap<String, Filed>>,
}

/// Where rules lie together: place, key, guards.
type Address<'g> = (Option<(Kind, String)>, usize, &'g [Guard]);

impl Slices {
    /// Files rules with their guards; one that names several actions stands at each.
    pub(super) fn of<'r>(rules: impl Iterator<Item = (&'r Policy, &'r Guards)>) -> Self {
        let mut piles = BTreeMap::<Address<'r>, Vec<&Policy>>::new();
        for (rule, guards) in rules {
            for place in Place::of_rule(rule) {
                let address = (guards.key(), place.index(), guards.all.as_slice());
                piles.entry(address).or_default().push(rule);
            }
        }
        let mut slices = Self {
            open: (0..Place::COUNT).map(|_| Vec::new()).collect(),
            held: (0..Kind::ALL.len()).map(|_| BTreeMap::new()).collect(),
        };
        for ((key, place, guards), rules) in piles {
            let slice = Slice::of(guards, &rules);
            match key {
                None => slices.open[place].push(slice),
                Some((kind, name)) => {
                    let filed = slices.held[kind.index()].entry(name).or_default();
                    match filed.last_mut() {
                        Some((at, slices)) if *at == place => slices.push(slice),
                        Some(_) | None => filed.push((place, vec![slice])),
                    }
                }
            }
        }
        slices
    }

    /// The slices with rules that could apply to the question, and none that certainly has none.
    pub(super) fn pick(&self, asked: &Asked<'_>) -> Vec<&Slice> {
        let places = Place::of(asked.question.action).map(Place::index);
        let mut picked = Vec::with_capacity(8);
        let holds = |slice: &&Slice| slice.guards.iter().all(|guard| guard.holds(asked));
        for place in places {
            picked.extend(self.open[place].iter().filter(holds));
        }
        let mut held = |kind: Kind, name: &str| {
            let shelf = &self.held[kind.index()];
            if shelf.is_empty() {
                return;
            }
            for (place, slices) in shelf.get(name).into_iter().flatten() {
                if places.contains(place) {
                    picked.extend(slices.iter().filter(holds));
                }
            }
        };
        asked.each(&mut held);
        let args = [Kind::Arg, Kind::ArgKey];
        if args.iter().any(|kind| !self.held[kind.index()].is_empty()) {
            asked.each_arg(&mut held);
        }
        picked
    }
}

impl Slice {
    fn of(guards: &[Guard], rules: &[&Policy]) -> Self {
        let mut needs = Needs::default();
        rules.iter().for_each(|rule| needs.and(Needs::of(rule)));
        Self { rules: set_of(rules.iter().copied()), needs, guards: guards.to_vec() }
    }
}

pub(super) fn set_of<'a>(rules: impl IntoIterator<Item = &'a Policy>) -> PolicySet {
    PolicySet::from_policies(rules.into_iter().cloned())
        .expect("rules reach a set once each, named by an @id that is unique")
}
