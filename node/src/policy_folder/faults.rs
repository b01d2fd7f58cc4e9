//! Every fault of a policy folder, each with its file, line, rule and what to do about it.
//!
//! `Source::read` ends at the first; an author mends all of them at once. Refused here: opinions on
//! what a policy should say.

use super::data::{self, Unlisted, unlisted};
use super::{KINDS, MDNS_HINT, ReleaseFile, line_of_profile, span_ms};
use belay_identity::body::{DeviceKind, Mode};
use belay_mesh::gate::faults as faults_of_rules;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FolderFault {
    /// In which file of the folder.
    pub(crate) file: &'static str,
    /// On which line, from 1; none where the file as a whole is at fault.
    pub(crate) line: Option<usize>,
    /// The `@id` of the rule.
    pub(crate) rule: Option<String>,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) next: String,
}

const RULES: &str = "policy.cedar";
const RELEASE: &str = "release.toml";

/// Looks for every fault of a folder; none where it can be published.
pub(crate) fn faults(folder: &Path) -> Vec<FolderFault> {
    let (rules_text, release_text) = (read(folder, RULES), read(folder, RELEASE));
    let between = match (&rules_text, &release_text) {
        (Ok(rules), Ok(release)) => between(rules, release),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Vec::new(),
    };
    let mut found = rules_text.map_or_else(|fault| vec![fault], |text| rules(&text));
    found.extend(between);
    found.extend(release_text.map_or_else(|fault| vec![fault], |text| release(&text)));
    found
}

/// Words of the rules that the release gives no meaning.
fn between(rules: &str, release: &str) -> Vec<FolderFault> {
    let Ok(file) = toml::from_str::<ReleaseFile>(release) else { return Vec::new() };
    let fault = |one: Unlisted| FolderFault {
        file: RULES,
        line: Some(one.line),
        rule: Some(one.rule),
        what: one.what,
        next: one.hint,
    };
    unlisted(rules, &file.data).into_iter().map(fault).collect()
}

/// The same of texts that stand in no folder.
pub(crate) fn faults_of_texts(texts: &BTreeMap<String, String>) -> Vec<FolderFault> {
    let lacking = |file| FolderFault {
        file,
        line: None,
        rule: None,
        what: "it is not there".to_owned(),
        next: "a policy folder holds policy.cedar and release.toml".into(),
    };
    let mut found = texts.get(RULES).map_or_else(|| vec![lacking(RULES)], |text| rules(text));
    let settings = texts.get(RELEASE);
    let both = texts.get(RULES).zip(settings);
    found.extend(both.map(|(rules, release)| between(rules, release)).unwrap_or_default());
    found.extend(settings.map_or_else(|| vec![lacking(RELEASE)], |text| release(text)));
    found
}

fn read(folder: &Path, file: &'static str) -> Result<String, FolderFault> {
    std::fs::read_to_string(folder.join(file)).map_err(|error| FolderFault {
        file,
        line: None,
        rule: None,
        what: error.to_string(),
        next: "a policy folder holds policy.cedar and release.toml".into(),
    })
}

fn rules(text: &str) -> Vec<FolderFault> {
    let fault = |error: belay_mesh::gate::RulesError| FolderFault {
        file: RULES,
        line: error.line(),
        rule: error.rule().map(str::to_owned),
        what: error.to_string(),
        next: error.hint(),
    };
    faults_of_rules(text).into_iter().map(fault).collect()
}

fn release(text: &str) -> Vec<FolderFault> {
    let line = |at: usize| text[..at.min(text.len())].lines().count().max(1);
    let file: ReleaseFile = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            return vec![FolderFault {
                file: RELEASE,
                line: error.span().map(|span| line(span.start + 1)),
                rule: None,
                what: error.message().to_owned(),
                next: "compare it with the starter release; unknown keys are errors".into(),
            }];
        }
    };
    let fault = |at: usize, what: String, next: &str| FolderFault {
        file: RELEASE,
        line: Some(line(at)),
        rule: None,
        what,
        next: next.to_owned(),
    };
    let wrong = |(name, word): &(&str, &Spanned<String>), problem: &str, next: &str| {
        fault(word.span().start, format!("{name}: “{}” {problem}", word.get_ref()), next)
    };
    let (modes, spans) = (file.modes(), file.spans());
    let no_mode = modes.iter().filter(|(_, word)| Mode::from_word(word.get_ref()).is_none());
    let no_span = spans.iter().filter(|(_, word)| span_ms(word.get_ref()).is_none());
    let mut found: Vec<FolderFault> = no_mode
        .map(|one| wrong(one, "is no mode", "write observe, ask or enforce"))
        .chain(
            no_span.map(|one| wrong(one, "is no duration", "write a number and ms, s, m, h or d")),
        )
        .collect();
    let programs = file.programs.wrong().into_iter();
    found.extend(programs.map(|(name, word, problem, next)| wrong(&(name, word), problem, next)));
    let data = data::wrong(&file.data).into_iter();
    found.extend(data.map(|(name, word, problem, next)| wrong(&(name, word), problem, next)));
    let silent = file.links.wrong().into_iter();
    found.extend(silent.map(|word| {
        wrong(&("links.mdns", word), "is no kind that is silent by itself", MDNS_HINT)
    }));
    found.extend(file.beacons.as_ref().and_then(|beacons| {
        let (at, what) = beacons.wrong()?;
        let next = "name each device once, 1 to all of them as quorum, and fewer liars than that";
        Some(fault(at, what, next))
    }));
    for (kind, profile) in &file.profiles {
        if DeviceKind::from_word(kind).is_none() {
            let what = format!("profiles.{kind}: no such kind of device");
            let line = Some(line_of_profile(text, kind));
            let next = KINDS.to_owned();
            found.push(FolderFault { file: RELEASE, line, rule: None, what, next });
        }
        let spans = profile.spans().into_iter();
        let no_span = spans.filter(|(_, word)| span_ms(word.get_ref()).is_none());
        found.extend(no_span.map(|(name, word)| {
            let what = format!("profiles.{kind}.{name}: “{}” is no duration", word.get_ref());
            fault(word.span().start, what, "write a number and ms, s, m, h or d")
        }));
    }
    found.sort_by_key(|fault| fault.line);
    found
}
