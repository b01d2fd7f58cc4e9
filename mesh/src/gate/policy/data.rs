//! Classes of data: which of a release's classes an act touches.
//!
//! A release lists classes, the lowest first, and marks what holds each: folders, connectors and
//! their tools, hosts, models. What lies in something marked is marked too, arguments that name a
//! file or an address count like targets, and of several classes the highest is the act's. What a
//! task has met before joins in. Refused here: lowering, which only the next release does; and a
//! class that the release does not list counts as its highest, so that no other device's word gets
//! anybody more than the release gives.

use super::asking::Asking;
use super::guard::is_circumstance;
use super::question::{Action, Question};
use super::resource::{Kind, Resource};
use super::{Placed, RulesError, named, rules_of};
use belay_identity::body::{DataClass, DataMark, HeldBy, Policy};
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal};
use std::collections::BTreeMap;

/// Arguments that name a file, as agents and connectors call them.
const FILE_ARGS: [&str; 3] = ["path", "file", "file_path"];
/// Arguments that name a host, alone or in an address.
const HOST_ARGS: [&str; 2] = ["url", "host"];

/// How high a class is: its place in the release's list from 1; 0 for no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Rank(usize);

impl Rank {
    /// As delegations bound it.
    pub(crate) fn number(self) -> u64 {
        self.0 as u64
    }
}

/// What a release says of data.
#[derive(Debug, Default)]
pub struct DataClasses {
    names: Vec<String>,
    /// By the kind of what is marked, then by its name.
    marks: BTreeMap<Kind, BTreeMap<String, Rank>>,
}

impl DataClasses {
    /// Reads them off a policy; a mark that names nothing marks nothing.
    pub fn of(policy: &Policy) -> Self {
        let mut found = Self::default();
        for (at, DataClass { name, marks }) in policy.data.iter().enumerate() {
            found.names.push(name.clone());
            for mark in marks {
                found.mark(mark, Rank(at + 1));
            }
        }
        found
    }

    /// True for a class that is listed.
    pub fn lists(&self, class: &str) -> bool {
        self.names.iter().any(|name| name == class)
    }

    /// The question with the class that this release gives it: what it said of itself may only
    /// raise that.
    pub fn raised(&self, asking: &Asking) -> Asking {
        let carried = [asking.data_class.clone()].into_iter().filter(|class| !class.is_empty());
        let carried: Vec<String> = carried.collect();
        let found = asking.with(|question| self.of_act(question));
        let data_class = self.name(self.joined(&carried, found)).to_owned();
        Asking { data_class, ..asking.clone() }
    }

    /// The class of what a question is about.
    pub(crate) fn of_act(&self, question: &Question<'_>) -> Rank {
        if self.marks.is_empty() {
            return Rank::default();
        }
        let files = question.args.iter().filter(|(key, _)| FILE_ARGS.contains(&key.as_str()));
        let hosts = question.args.iter().filter(|(key, _)| HOST_ARGS.contains(&key.as_str()));
        let file = |(_, path): &(String, String)| self.of_target(question, Action::Read, path);
        let host = |(_, url): &(String, String)| self.of_target(question, Action::Connect, url);
        let own = self.of_target(question, question.action, question.target);
        files.map(file).chain(hosts.map(host)).fold(own, Rank::max)
    }

    /// The higher of a class and of what is carried already.
    pub(crate) fn joined(&self, carried: &[String], found: Rank) -> Rank {
        let rank = |class: &String| {
            let at = self.names.iter().position(|name| name == class);
            Rank(at.map_or(self.names.len(), |at| at + 1))
        };
        carried.iter().map(rank).fold(found, Rank::max)
    }

    /// The name of a class; empty for none.
    pub(crate) fn name(&self, rank: Rank) -> &str {
        let at = rank.0.checked_sub(1);
        at.and_then(|at| self.names.get(at)).map_or("", String::as_str)
    }

    fn of_target(&self, question: &Question<'_>, action: Action, target: &str) -> Rank {
        let question = Question { action, target, ..*question };
        let mut found = Rank::default();
        // What has too many parts is denied by name wherever it is judged.
        if let Ok(resource) = Resource::of(&question) {
            resource.each(&mut |kind, name| {
                let rank = self.marks.get(&kind).and_then(|names| names.get(name));
                found = found.max(rank.copied().unwrap_or_default());
            });
        }
        found
    }

    fn mark(&mut self, mark: &DataMark, rank: Rank) {
        let (action, kind) = match (mark.kind, mark.name.contains('/')) {
            (HeldBy::Path, _) => (Action::Read, Kind::Path),
            (HeldBy::Tool, true) => (Action::Call, Kind::Tool),
            (HeldBy::Tool, false) => (Action::Call, Kind::Connector),
            (HeldBy::Host, _) => (Action::Connect, Kind::Host),
            (HeldBy::Model, _) => (Action::InferElsewhere, Kind::Model),
        };
        let name = Asking::plain(action, &mark.name).with(|question| {
            // As acts name it: one thing has one name, however it is written.
            Resource::of(question).map(|resource| resource.id.into_owned()).ok()
        });
        if let Some(name) = name {
            let held = self.marks.entry(kind).or_default().entry(name).or_default();
            *held = rank.max(*held);
        }
    }
}

/// Every class that rules compare `context.dataClass` with: the rule, its line, the class.
///
/// # Errors
/// The first fault of the text.
pub fn classes_named(cedar: &str) -> Result<Vec<(String, usize, String)>, RulesError> {
    let (parsed, lines) = rules_of(cedar)?;
    let mut found = Vec::new();
    for (id, Placed { rule, line }) in named(&parsed, &lines)? {
        let Ok(read) = rule.to_pst() else { continue };
        let of = |clause: &Clause| {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            expr.reduce(&compared, &|one: Vec<String>, other| [one, other].concat(), Vec::new())
        };
        let classes = read.body().clauses().iter().flat_map(of);
        found.extend(classes.map(|class| (id.clone(), line, class)));
    }
    Ok(found)
}

/// The classes that one comparison names; none where its parts say so.
fn compared(expr: &Expr) -> Option<Vec<String>> {
    let Expr::BinaryOp { op, left, right } = expr else { return None };
    let asks = |side: &Expr| is_circumstance(side, "dataClass");
    let literal = |side: &Expr| match side {
        Expr::Literal(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    };
    match (op, &**left, &**right) {
        (BinaryOp::Eq | BinaryOp::NotEq, one, other) if asks(one) => {
            Some(literal(other).into_iter().collect())
        }
        (BinaryOp::Eq | BinaryOp::NotEq, other, one) if asks(one) => {
            Some(literal(other).into_iter().collect())
        }
        (BinaryOp::Contains, Expr::Set(all), one) if asks(one) => {
            Some(all.iter().filter_map(|one| literal(one)).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{DataClasses, classes_named};
    use crate::gate::policy::tests::question;
    use crate::gate::policy::{Action, Question};
    use belay_identity::body::{DataClass, DataMark, HeldBy, Mode, Modes, Policy};

    fn policy() -> Policy {
        let class = |name: &str, marks: &[(HeldBy, &str)]| DataClass {
            name: name.into(),
            marks: marks
                .iter()
                .map(|(kind, name)| DataMark { kind: *kind, name: (*name).into() })
                .collect(),
        };
        let mode = Mode::Enforce;
        Policy {
            rules: String::new(),
            modes: Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode },
            sanctioned: Vec::new(),
            tolerated: Vec::new(),
            projects: Vec::new(),
            classes: Vec::new(),
            unknown: None,
            announced: Vec::new(),
            data: vec![
                class("internal", &[(HeldBy::Path, "/srv"), (HeldBy::Host, "acme.example")]),
                class(
                    "secret",
                    &[
                        (HeldBy::Path, "/srv/payroll/"),
                        (HeldBy::Tool, "crm"),
                        (HeldBy::Tool, "files/export"),
                        (HeldBy::Model, "acme/large"),
                    ],
                ),
            ],
        }
    }

    /// Goal: what lies in something marked has its class, however it is written, and the highest
    /// counts. Method: targets in, beside and above the marks; arguments that name a file or an
    /// address; and what a task has met before.
    #[test]
    fn what_is_marked_has_its_class() {
        let data = DataClasses::of(&policy());
        let class = |action, target: &str, args: &[(&str, &str)], carried: &[&str]| {
            let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let args: Vec<_> = args.iter().map(pair).collect();
            let carried: Vec<String> = carried.iter().map(|one| (*one).to_owned()).collect();
            let asked = Question { target, args: &args, ..question(action) };
            data.name(data.joined(&carried, data.of_act(&asked))).to_owned()
        };
        let told = [
            (Action::Read, "/srv/notes", "internal"),
            (Action::Write, "/srv/payroll/2026.csv", "secret"),
            (Action::Read, "/srv/x/../payroll//a", "secret"),
            (Action::Read, "/srvx/payroll", ""),
            (Action::Read, "/", ""),
            (Action::Run, "/srv/payroll/run", "secret"),
            (Action::Call, "crm/list", "secret"),
            (Action::Call, "files/export", "secret"),
            (Action::Call, "files/list", ""),
            (Action::Connect, "https://WIKI.acme.example/x", "internal"),
            (Action::Connect, "notacme.example:443", ""),
            (Action::InferElsewhere, "acme/large", "secret"),
            (Action::InferHere, "acme/small", ""),
        ];
        for (action, target, wanted) in told {
            assert_eq!(class(action, target, &[], &[]), wanted, "{target}");
        }
        let read = |args| class(Action::Call, "files/read", args, &[]);
        assert_eq!(read(&[("path", "/srv/payroll/a")]), "secret");
        assert_eq!(read(&[("path", "/tmp"), ("url", "http://acme.example")]), "internal");
        assert_eq!(read(&[("comment", "/srv/payroll/a")]), "");
        let after = |carried| class(Action::Read, "/srv/notes", &[], carried);
        assert_eq!(
            (after(&["internal"]), after(&["secret"])),
            ("internal".into(), "secret".into())
        );
        assert_eq!(after(&["of another release"]), "secret", "unlisted counts as the highest");
        let none = DataClasses::default();
        let asked = question(Action::Read);
        assert_eq!(none.name(none.joined(&["secret".into()], none.of_act(&asked))), "");
    }

    /// Goal: every class that a rule compares with is found, with its rule and line. Method: each
    /// form of comparison.
    #[test]
    fn the_classes_of_rules_are_found() {
        let named = classes_named(
            "@id(\"a\") permit (principal, action, resource)\n  when { context.dataClass == \"x\" };\n\
             @id(\"b\") forbid (principal, action, resource) unless { context.arriving ||\n\
             !([\"y\", \"z\"].contains(context.dataClass)) && \"w\" != context.dataClass };",
        );
        let named = named.unwrap();
        let told: Vec<(&str, usize, &str)> =
            named.iter().map(|(rule, line, class)| (&**rule, *line, &**class)).collect();
        assert_eq!(told, [("a", 1, "x"), ("b", 3, "y"), ("b", 3, "z"), ("b", 3, "w")]);
    }
}
