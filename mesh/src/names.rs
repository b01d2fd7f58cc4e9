//! Names as this device knows them: whether anything carries one, and which come nearest.
//!
//! A name is known when a device, a credential, a delegation or a release carries it; agents that
//! register later are covered by an order all the same, but whoever orders is told. Refused here:
//! guessing what was meant.

use crate::engine::Engine;
use crate::limits::NEAREST_NAMES_MAX;
use crate::output::{Refusal, RefusalKind};
use belay_identity::StatementId;
use belay_identity::body::{Subject, Term};
use std::collections::BTreeSet;

/// The fewest hex digits by which an id may be named: 32 bits are not hit by accident.
pub(crate) const ID_DIGITS_MIN: usize = 8;

/// A term that nothing known here carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The term as it was written.
    pub term: String,
    /// Known terms of that kind that read alike, nearest first.
    pub nearest: Vec<String>,
}

impl Engine {
    /// The terms of a subject that nothing known here carries.
    pub(crate) fn unknown_names(&self, subject: &Subject) -> Vec<UnknownName> {
        let known = self.known_terms();
        let unknown = subject.terms().iter().filter(|term| !known.contains(term));
        unknown
            .map(|term| UnknownName { term: term.to_string(), nearest: nearest(term, &known) })
            .collect()
    }

    /// Everything that an order could name, as far as it is known here.
    pub(crate) fn known_terms(&self) -> BTreeSet<Term> {
        let known = &self.known;
        let mut terms = BTreeSet::new();
        for device in known.registry.devices() {
            terms.insert(Term::Device(device.id.clone()));
            terms.insert(Term::User(device.owner.clone()));
        }
        for issued in known.registry.claims() {
            let said = &issued.credential;
            terms.insert(Term::Agent(said.agent.clone()));
            terms.insert(Term::User(said.user.clone()));
            terms.insert(Term::Project(said.project.clone()));
            terms.insert(Term::Class(said.class.clone()));
            if said.manifest != [0; 32] {
                terms.insert(Term::Manifest(said.manifest));
            }
        }
        let operators = known.authority.epochs().flat_map(|epoch| &epoch.root.operators);
        terms.extend(operators.map(|line| Term::Operator(line.id.clone())));
        terms.extend(known.registry.agents().map(|(agent, _)| Term::Agent(agent.clone())));
        let promised = known.tasks.awards().filter_map(|award| award.body.delegation);
        let promised = promised.filter_map(|id| known.tasks.delegation(&id));
        terms.extend(promised.map(|said| Term::Agent(said.body.agent.clone())));
        terms.extend(self.terms_of_releases());
        terms.extend(known.orders.standing().flat_map(|order| order.subject.terms()).cloned());
        terms
    }

    fn terms_of_releases(&self) -> BTreeSet<Term> {
        use belay_identity::principal::{ClassId, ProjectId};
        let Some(domain) = self.domain() else { return BTreeSet::new() };
        let judging = self.judging();
        let bodies = judging.iter().filter_map(|r| self.known.body(&r.header.body));
        let mut terms = BTreeSet::new();
        for policy in bodies.map(|body| &body.policy) {
            let projects = policy.projects.iter().filter_map(|n| ProjectId::new(&domain, n).ok());
            terms.extend(projects.map(Term::Project));
            let classes = policy.classes.iter().filter_map(|n| ClassId::new(&domain, n).ok());
            terms.extend(classes.map(Term::Class));
            terms.extend(
                policy.sanctioned.iter().chain(&policy.tolerated).copied().map(Term::Manifest),
            );
        }
        terms
    }

    /// The one statement here whose id begins with these hex digits.
    pub(crate) fn statement_named(&self, digits: &str) -> Result<StatementId, Refusal> {
        let mut named = self.known.set.iter().map(|held| held.id());
        let mut named = named.by_ref().filter(|id| id.to_hex().starts_with(digits));
        let hint = "an id has 64 hex digits; its first 8 will do where they name only one";
        let no = |why: String| Refusal::new(RefusalKind::WrongUse, why, hint);
        if digits.len() < ID_DIGITS_MIN || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(no(format!("“{digits}” is no id")));
        }
        match (named.next(), named.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(no(format!("several ids begin with {digits}"))),
            (None, _) => Err(no(format!("nothing known here has the id {digits}"))),
        }
    }
}

/// Known terms of the same kind, nearest by spelling first.
fn nearest(term: &Term, known: &BTreeSet<Term>) -> Vec<String> {
    let kind = std::mem::discriminant(term);
    let wanted = term.to_string();
    let alike = known.iter().filter(|other| std::mem::discriminant(*other) == kind);
    let mut alike: Vec<(usize, String)> =
        alike.map(|other| (distance(&wanted, &other.to_string()), other.to_string())).collect();
    alike.sort();
    alike.into_iter().take(NEAREST_NAMES_MAX).map(|(_, name)| name).collect()
}

/// How many letters are put in, left out or changed between two words (Levenshtein 1966).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (down, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = down + 1;
        for (across, against) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *against);
            diagonal = row[across + 1];
            row[across + 1] = change.min(row[across] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: spelling is compared as people mistype. Method: known distances.
    #[test]
    fn near_names_are_near() {
        assert_eq!(distance("planner", "planner"), 0);
        assert_eq!(distance("planer", "planner"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
