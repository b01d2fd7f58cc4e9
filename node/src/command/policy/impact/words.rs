//! What a policy would have changed, for people.
//!
//! Refused here: hiding what is left open behind what is known.

use super::tally::{GroupSaid, ImpactSaid, Kind, OpenSaid, SampleSaid};
use belay_mesh::gate::NO_RULE;

/// Groups of one kind that are shown; the JSON has all.
const SHOWN_MAX: usize = 20;

pub(super) fn of(said: &ImpactSaid) -> String {
    let mut text = head(said);
    for kind in Kind::ALL.map(Kind::word) {
        let such: Vec<&GroupSaid> = said.groups.iter().filter(|one| one.change == kind).collect();
        such.iter().take(SHOWN_MAX).for_each(|group| text += &group_words(group));
        if such.len() > SHOWN_MAX {
            text += &format!("  and {} more {kind}; --json has all\n", such.len() - SHOWN_MAX);
        }
    }
    for open in &said.may {
        text += &open_words("may change", open);
    }
    for open in &said.not_judged {
        text += &open_words("not judged", open);
    }
    text + &next(said)
}

fn head(said: &ImpactSaid) -> String {
    let by = if said.enforced { ", every class enforced" } else { "" };
    let (Some(from), Some(to)) = (&said.from, &said.to) else {
        let log = match &said.log_begins {
            None => "the log is empty".to_owned(),
            Some(begins) => format!("the log begins at {begins}"),
        };
        let (device, last) = (&said.device, &said.last);
        return format!("No decision of {device} in the last {last}: {log}.\n");
    };
    let mut text = format!(
        "Replayed {} decisions of {}, from {from} to {to}, against {}{by}.\n",
        said.decisions, said.device, said.policy
    );
    text += &format!(
        "  newly denied {}, newly asks {}, newly allowed {}, unchanged {}",
        said.newly_denied, said.newly_asks, said.newly_allowed, said.unchanged
    );
    if said.observed > 0 {
        text += &format!(" (of those {} only because their class observes)", said.observed);
    }
    text += "\n";
    if said.may_change > 0 {
        let many = said.may_change;
        text += &format!("  may change {many}: the log keeps no values of arguments\n");
    }
    if said.unknown > 0 {
        text += &format!("  not judged {}: too little was kept of them\n", said.unknown);
    }
    text
}

fn group_words(group: &GroupSaid) -> String {
    let GroupSaid { change, agent, rule, decisions, samples, more } = group;
    let change = if *change == "observed" { "would be denied if enforced" } else { change };
    let who = if agent.is_empty() { "this device" } else { agent };
    let mut text = format!("\n{change}: {who}, {}: {decisions}\n", by(rule));
    samples.iter().for_each(|sample| text += &sample_words(sample));
    if *decisions > samples.len() as u64 {
        text += &format!("  more: {more}\n");
    }
    text
}

fn by(rule: &str) -> String {
    match rule {
        NO_RULE => "no rule permits it".to_owned(),
        rule => format!("rule {rule}"),
    }
}

fn open_words(kind: &str, open: &OpenSaid) -> String {
    let rules = match open.rules.as_slice() {
        [] => String::new(),
        [one] => format!(" (rule {one})"),
        several => format!(" (rules {})", several.join(", ")),
    };
    let agents = match open.agents.as_slice() {
        [] => String::new(),
        agents => format!(", by {}", agents.join(", ")),
    };
    let mut text = format!("\n{kind}: {}{rules}: {}{agents}\n", open.why, open.decisions);
    open.samples.iter().for_each(|sample| text += &sample_words(sample));
    text
}

fn sample_words(sample: &SampleSaid) -> String {
    let SampleSaid { id, at, action, target, intent, was, was_by } = sample;
    let id = id.as_deref().and_then(|id| id.get(..16)).unwrap_or("-");
    let intent = intent.as_ref().map(|intent| format!("  “{intent}”")).unwrap_or_default();
    format!("  {at}  {id}  {action} {target}  (was {was}, {}){intent}\n", by(was_by))
}

fn next(said: &ImpactSaid) -> String {
    if said.decisions == 0 {
        return "next: let agents act, or ask for longer with --last\n".to_owned();
    }
    match said.exit() {
        0 if said.observed > 0 => {
            "next: belay policy impact --enforce shows what enforcing would deny\n".to_owned()
        }
        _ => "next: belay event query --id ID shows one of them whole\n".to_owned(),
    }
}
