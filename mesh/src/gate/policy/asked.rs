//! One question, ready for the rules: its target typed, its facts known by name.
//!
//! A fact is what a rule may be filed under. Refused here: choosing rules, and putting the question
//! to Cedar.

use super::guard::plain_key;
use super::question::Question;
use super::request::Needs;
use super::resource::{Kind, Resource};
use std::collections::{BTreeMap, BTreeSet};

/// Most choices among values of arguments that one question is judged for: a list of files, not a
/// table of them.
pub(super) const CHOICES_MAX: usize = 64;

/// Arguments that rules may ask for by name in `context.arg`; the schema lists the same.
pub(super) const ARG_NAMES: [&str; 35] = [
    "body",
    "branch",
    "bucket",
    "channel",
    "command",
    "content",
    "cwd",
    "database",
    "file",
    "file_path",
    "host",
    "id",
    "image",
    "key",
    "message",
    "method",
    "model",
    "name",
    "namespace",
    "owner",
    "package",
    "path",
    "pattern",
    "program",
    "prompt",
    "query",
    "region",
    "repository",
    "subject",
    "table",
    "title",
    "to",
    "url",
    "user",
    "version",
];

/// Arguments that rules may ask for as whole numbers in `context.num`; the schema lists the same.
pub(super) const NUM_NAMES: [&str; 13] = [
    "amount", "bytes", "count", "depth", "limit", "lines", "percent", "port", "price", "replicas",
    "size", "speed", "timeout",
];

/// What people call a principal or a device of the fleet: the last part of its id.
pub(super) fn short(id: &str) -> Option<&str> {
    id.strip_prefix("spiffe://").and_then(|rest| rest.rsplit('/').next())
}

impl Question<'_> {
    /// Who acts, and whatever he is in.
    pub(super) const fn parties(&self) -> [(Kind, &str); 4] {
        [
            (Kind::Agent, self.agent),
            (Kind::User, self.user),
            (Kind::Project, self.project),
            (Kind::Class, self.class),
        ]
    }
}

/// A question whose target is typed.
#[derive(Debug, Clone)]
pub(super) struct Asked<'q> {
    pub(super) question: &'q Question<'q>,
    pub(super) resource: Resource<'q>,
    /// The values that are looked at of arguments with several.
    chosen: BTreeMap<&'q str, &'q str>,
}

impl<'q> Asked<'q> {
    /// # Errors
    /// Why the target cannot be typed, in words.
    pub(super) fn of(question: &'q Question<'q>) -> Result<Self, String> {
        Ok(Self { question, resource: Resource::of(question)?, chosen: BTreeMap::new() })
    }

    /// The question for every choice among the values of arguments that have several, as far as
    /// rules of these needs read one; none where they are more than `CHOICES_MAX`.
    pub(super) fn choices(self, needs: Needs) -> Option<Vec<Self>> {
        let mut choices = vec![self];
        let Some(first) = choices.first().filter(|_| needs.reads_one_value()) else {
            return Some(choices);
        };
        for (key, values) in first.several(needs) {
            if choices.len() * values.len() > CHOICES_MAX {
                return None;
            }
            let with = |asked: &Self, value| {
                let mut chosen = asked.chosen.clone();
                chosen.insert(key, value);
                Self { chosen, ..asked.clone() }
            };
            let all =
                choices.iter().flat_map(|asked| values.iter().map(|value| with(asked, *value)));
            choices = all.collect();
        }
        Some(choices)
    }

    /// The arguments with several values that rules of these needs may read.
    fn several(&self, needs: Needs) -> BTreeMap<&'q str, BTreeSet<&'q str>> {
        let mut values = BTreeMap::<&str, BTreeSet<&str>>::new();
        for (key, value) in self.question.args.iter().filter(|(key, _)| needs.reads_value_of(key)) {
            values.entry(key).or_default().insert(value);
        }
        values.retain(|_, values| values.len() > 1);
        values
    }

    /// Everything that a rule may be filed under, arguments apart.
    pub(super) fn each(&self, found: &mut impl FnMut(Kind, &str)) {
        let question = self.question;
        for (kind, id) in question.parties() {
            found(kind, id);
            short(id).into_iter().for_each(|name| found(kind, name));
        }
        self.resource.each(found);
        found(Kind::Here, question.device);
        found(Kind::Site, question.here.site);
        found(Kind::Wall, question.wall);
        found(Kind::DataClass, question.data_class);
    }

    /// The same for its arguments.
    pub(super) fn each_arg(&self, found: &mut impl FnMut(Kind, &str)) {
        for (key, value) in self.question.args {
            let key = plain_key(key);
            found(Kind::Arg, &format!("{key}={value}"));
            found(Kind::ArgKey, &key);
        }
    }

    /// True when it is about that, or something in it.
    pub(super) fn is_about(&self, kind: Kind, id: &str) -> bool {
        let question = self.question;
        match kind {
            Kind::Agent | Kind::User | Kind::Project | Kind::Class => {
                let is = |known: &str| known == id || short(known) == Some(id);
                question.parties().into_iter().any(|(of, known)| of == kind && is(known))
            }
            Kind::Here => question.device == id,
            Kind::Site => question.here.site == id,
            Kind::Wall => question.wall == id,
            Kind::DataClass => question.data_class == id,
            Kind::Arg => id.split_once('=').is_some_and(|(key, value)| {
                question.args.iter().any(|(k, v)| v == value && is_plainly(k, key))
            }),
            Kind::ArgKey => question.args.iter().any(|(k, _)| is_plainly(k, id)),
            Kind::Target
            | Kind::Connector
            | Kind::Tool
            | Kind::Path
            | Kind::Model
            | Kind::Host
            | Kind::Program
            | Kind::Device
            | Kind::Delegate
            | Kind::Actuator => self.resource.is_in(kind, id),
        }
    }

    /// The value of an argument: of several the one that was chosen, or else the last.
    pub(super) fn arg(&self, key: &str) -> Option<&str> {
        if let Some(chosen) = self.chosen.get(key) {
            return Some(chosen);
        }
        let found = self.question.args.iter().rev().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether a key reads so in `args` and `argKeys`.
fn is_plainly(key: &str, plain: &str) -> bool {
    key == plain && !key.contains(['%', '=']) || plain_key(key) == plain
}
