//! `belay policy diff`: what two policies say otherwise, in text and in what agents may do.
//!
//! Behaviour is found by asking: for each rule of either policy one plain question that it is
//! about, put to both. What differs is told with the question, so anybody can ask again. Refused
//! here: calling that complete; how many questions were asked stands beside it.

use super::author::rules_of;
use super::of::{Named, policies_of};
use crate::cli::Context;
use crate::cli::operators::DiffPolicies;
use crate::fault::Fault;
use crate::policy_folder::{Weighed, asking_words, weigh};
use crate::screen::Shown;
use belay_identity::body::Action;
use belay_mesh::gate::{Asking, Rules, rule_changes};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

/// Changes of one kind that are shown; the JSON has all.
const SHOWN_MAX: usize = 20;

/// One thing that the two answer otherwise.
#[derive(Debug, Serialize)]
struct Change {
    /// `gains`, `loses`, or `otherwise` where only mode or rule differ.
    what: &'static str,
    /// Who, in words.
    who: String,
    /// A question that shows it.
    sample: String,
    /// How many of the questions show the same.
    questions: usize,
    before: Weighed,
    after: Weighed,
}

/// A release that judges beside the one that is compared.
#[derive(Debug, Serialize)]
struct Beside {
    policy: String,
    until_ms: Option<u64>,
    #[serde(skip)]
    judges: String,
}

pub(crate) fn run(context: &Context, ask: &DiffPolicies) -> Result<ExitCode, Fault> {
    let (before, before_beside) = newest(policies_of(context, &ask.before)?)?;
    let (after, after_beside) = newest(policies_of(context, &ask.after)?)?;
    let rules = rule_changes(&before.policy.rules, &after.policy.rules)
        .map_err(|error| Fault::exit(7, error.to_string(), error.hint()))?;
    let mode = |class: &Action| {
        let (from, to) = (before.policy.modes.of(*class), after.policy.modes.of(*class));
        (from != to).then(|| format!("modes.{class}: {} -> {}", from.as_str(), to.as_str()))
    };
    let modes: Vec<String> = Action::ALL.iter().filter_map(mode).collect();
    let (asked, changes) = changes(&before, &after)?;
    let none = changes.is_empty()
        && modes.is_empty()
        && [&rules.added, &rules.removed, &rules.changed].iter().all(|ids| ids.is_empty());
    let data = json!({
        "before": before.name,
        "after": after.name,
        "before_beside": before_beside,
        "after_beside": after_beside,
        "rules": { "added": rules.added, "removed": rules.removed, "changed": rules.changed },
        "modes": modes,
        "asked": asked,
        "changes": changes,
    });
    let mut words = format!("from {} to {}\n", before.name, after.name);
    for (of, beside) in [(&before, &before_beside), (&after, &after_beside)] {
        for Beside { judges, .. } in beside {
            words += &format!("  beside {}, {judges}: the stricter answer holds\n", of.name);
        }
    }
    let texts = [("added", &rules.added), ("removed", &rules.removed), ("changed", &rules.changed)];
    for (what, ids) in texts {
        ids.iter().for_each(|id| words += &format!("  rule {id} {what}\n"));
    }
    modes.iter().for_each(|mode| words += &format!("  {mode}\n"));
    words += &change_words(&changes);
    words += &match changes.len() {
        0 => format!("no answer differs in {asked} questions\n"),
        many => format!("{many} answers differ, found by asking {asked} questions\n"),
    };
    Shown::whole("belay.policy.diff/1", &data, words).show(context.format)?;
    Ok(ExitCode::from(if none { 0 } else { 7 }))
}

/// What is compared is the newest; those that judge beside it are named.
fn newest(all: Vec<Named>) -> Result<(Named, Vec<Beside>), Fault> {
    let mut all = all.into_iter();
    let Some(newest) = all.next() else {
        return Err(Fault::failed("no release judges here", "see `belay policy effective`"));
    };
    let beside = |of: Named| Beside { judges: of.judges(), policy: of.name, until_ms: of.until_ms };
    Ok((newest, all.map(beside).collect()))
}

/// Asks both everything that either has a rule about.
fn changes(before: &Named, after: &Named) -> Result<(usize, Vec<Change>), Fault> {
    let old = rules_of(&before.policy, Path::new(&before.name))?;
    let new = rules_of(&after.policy, Path::new(&after.name))?;
    let about = |rules: &Rules| rules.witnesses().into_iter().map(|(_, asking)| asking);
    let questions: BTreeSet<Asking> = about(&old).chain(about(&new)).collect();
    let mut found = BTreeMap::<(u8, String, Weighed, Weighed), (String, usize)>::new();
    for asking in &questions {
        let was = weigh(&old, &before.policy, asking);
        let is = weigh(&new, &after.policy, asking);
        if (was.decision, &was.rule) == (is.decision, &is.rule) {
            continue;
        }
        let kind = match (lets(&was), lets(&is)) {
            (false, true) => 0,
            (true, false) => 1,
            (true, true) | (false, false) => 2,
        };
        let sample = || (asking_words(asking), 0);
        found.entry((kind, who(asking), was, is)).or_insert_with(sample).1 += 1;
    }
    let change = |((kind, who, before, after), (sample, questions))| Change {
        what: match kind {
            0 => "gains",
            1 => "loses",
            _ => "otherwise",
        },
        who,
        sample,
        questions,
        before,
        after,
    };
    Ok((questions.len(), found.into_iter().map(change).collect()))
}

/// True where the act goes on.
fn lets(said: &Weighed) -> bool {
    ["permit", "observed"].contains(&said.decision)
}

fn who(asking: &Asking) -> String {
    let plain = Asking::plain(asking.action, &asking.target);
    let parties = [
        ("agent", &asking.agent, &plain.agent),
        ("user", &asking.user, &plain.user),
        ("project", &asking.project, &plain.project),
        ("class", &asking.class, &plain.class),
    ];
    let named = parties.iter().filter(|(_, name, usual)| name != usual);
    let named: Vec<String> = named.map(|(kind, name, _)| format!("{kind}:{name}")).collect();
    if named.is_empty() { "every agent".into() } else { named.join(" ") }
}

fn change_words(changes: &[Change]) -> String {
    let mut text = String::new();
    for what in ["gains", "loses", "otherwise"] {
        let such: Vec<&Change> = changes.iter().filter(|change| change.what == what).collect();
        for Change { who, sample, before, after, .. } in such.iter().take(SHOWN_MAX) {
            let word = if what == "otherwise" { "is answered otherwise" } else { what };
            text += &format!(
                "{who} {word}: {sample}\n    before: {} by {}; after: {} by {}\n",
                before.decision, before.rule, after.decision, after.rule
            );
        }
        if such.len() > SHOWN_MAX {
            text += &format!("  and {} more; --json has all\n", such.len() - SHOWN_MAX);
        }
    }
    text
}
