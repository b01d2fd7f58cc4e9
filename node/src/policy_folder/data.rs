//! `[[data]]` of `release.toml`: classes of data, the lowest first, and what holds each.
//!
//! What lies in something marked is marked too; of several classes the highest counts, so the order
//! of marks says nothing. Refused here: a class that a rule compares with and no `[[data]]` names,
//! which would be a silent no; and paths from nowhere, for nobody knows whose they are.

use belay_identity::body::{DataClass, DataMark, HeldBy, Policy};
use belay_mesh::gate::classes_named;
use serde::Deserialize;
use std::fmt::Write;
use toml::Spanned;

/// Most classes of one release: people can put so many in order.
const CLASSES_MAX: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DataFile {
    class: Spanned<String>,
    #[serde(default)]
    paths: Vec<Spanned<String>>,
    #[serde(default)]
    tools: Vec<Spanned<String>>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    #[serde(default)]
    models: Vec<Spanned<String>>,
}

/// A class that some rule compares with and the release does not list.
pub(super) struct Unlisted {
    pub(super) rule: String,
    pub(super) line: usize,
    pub(super) what: String,
    pub(super) hint: String,
}

/// What is wrong with an entry, and what to do.
type Wrong<'a> = (&'static str, &'a Spanned<String>, &'static str, &'static str);

const CLASS_HINT: &str = "a class is up to 32 letters, digits and . _ -, listed once, one of at \
                          most 16";
const PATH_HINT: &str = "write a whole path from /, of a file or a folder";
const NAME_HINT: &str = "write a CONNECTOR or CONNECTOR/TOOL, a host or domain, a provider or \
                         provider/model";

/// Every fault, in the order of the file.
pub(super) fn wrong(all: &[DataFile]) -> Vec<Wrong<'_>> {
    let mut found = Vec::new();
    for (at, file) in all.iter().enumerate() {
        let (name, before) = (file.class.get_ref(), &all[..at]);
        let usable = |sign: u8| sign.is_ascii_alphanumeric() || b"._-".contains(&sign);
        if name.is_empty() || name.len() > 32 || !name.bytes().all(usable) {
            found.push(("data.class", &file.class, "cannot name a class", CLASS_HINT));
        } else if before.iter().any(|other| other.class.get_ref() == name) {
            found.push(("data.class", &file.class, "is listed already", CLASS_HINT));
        } else if at >= CLASSES_MAX {
            found.push(("data.class", &file.class, "is one class too many", CLASS_HINT));
        }
        let odd = file.paths.iter().filter(|path| !path.get_ref().starts_with('/'));
        found.extend(odd.map(|path| ("data.paths", path, "is no whole path", PATH_HINT)));
        let named = [
            ("data.tools", &file.tools),
            ("data.hosts", &file.hosts),
            ("data.models", &file.models),
        ];
        for (list, names) in named {
            let blank = |sign: char| sign.is_whitespace() || sign == '*';
            let odd = |name: &&Spanned<String>| {
                name.get_ref().is_empty() || name.get_ref().contains(blank)
            };
            let odd = names.iter().filter(odd);
            found.extend(odd.map(|name| (list, name, "names nothing", NAME_HINT)));
        }
    }
    found
}

/// Writes the classes into a policy, the marks of each in order.
pub(super) fn fill(all: &[DataFile], policy: &mut Policy) {
    let class = |file: &DataFile| {
        let lists = [
            (HeldBy::Path, &file.paths),
            (HeldBy::Tool, &file.tools),
            (HeldBy::Host, &file.hosts),
            (HeldBy::Model, &file.models),
        ];
        let mark = |kind, name: &Spanned<String>| DataMark { kind, name: name.get_ref().clone() };
        let marks = lists
            .into_iter()
            .flat_map(|(kind, names)| names.iter().map(move |name| mark(kind, name)));
        let mut marks: Vec<DataMark> = marks.collect();
        marks.sort_by_key(|mark| (mark.kind.code(), mark.name.clone()));
        marks.dedup();
        DataClass { name: file.class.get_ref().clone(), marks }
    };
    policy.data = all.iter().map(class).collect();
}

/// The classes that rules compare with and no `[[data]]` names; nothing of rules that do not read.
pub(super) fn unlisted(rules: &str, all: &[DataFile]) -> Vec<Unlisted> {
    let listed: Vec<&str> = all.iter().map(|file| file.class.get_ref().as_str()).collect();
    let named = classes_named(rules).unwrap_or_default().into_iter();
    let odd = named.filter(|(.., class)| !class.is_empty() && !listed.contains(&class.as_str()));
    let unlisted = |(rule, line, class): (String, usize, String)| Unlisted {
        what: format!("rule {rule} compares context.dataClass with “{class}”, which is no class"),
        hint: match super::nearest(&class, listed.iter().copied()) {
            Some(meant) => {
                format!("did you mean “{meant}”? else list it as [[data]] in release.toml")
            }
            None => format!("list it in release.toml: [[data]] class = \"{class}\" with its paths"),
        },
        rule,
        line,
    };
    odd.map(unlisted).collect()
}

/// The classes of a policy as `release.toml` writes them.
pub(super) fn text(policy: &Policy) -> String {
    let mut text = String::new();
    for DataClass { name, marks } in &policy.data {
        // A String takes every line.
        let _ = writeln!(text, "\n[[data]]\nclass = {name:?}");
        for (list, kind) in [
            ("paths", HeldBy::Path),
            ("tools", HeldBy::Tool),
            ("hosts", HeldBy::Host),
            ("models", HeldBy::Model),
        ] {
            let names = marks.iter().filter(|mark| mark.kind == kind);
            let names: Vec<String> = names.map(|mark| format!("{:?}", mark.name)).collect();
            if !names.is_empty() {
                let _ = writeln!(text, "{list} = [{}]", names.join(", "));
            }
        }
    }
    text
}
