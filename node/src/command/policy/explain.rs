//! `belay policy explain`: what a policy says to one question, by which rules, and what would
//! change that.
//!
//! Rules and modes only: orders, leases, credentials and manifests are the gate's, and the words
//! say so. Refused here: acting; nothing is asked of any gate.

use super::author::{rules_of, value_words};
use super::of::policy_of;
use crate::api::FlipSaid;
use crate::cli::Context;
use crate::cli::operators::ExplainPolicy;
use crate::fault::Fault;
use crate::policy_folder::{asking, asking_words, weigh};
use crate::screen::Shown;
use belay_mesh::gate::{NO_RULE, Value, rule_lines};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, ask: &ExplainPolicy) -> Result<ExitCode, Fault> {
    let asking = asking(&ask.question)?;
    let of = policy_of(context, &ask.of)?;
    let rules = rules_of(&of.policy, Path::new(&of.name))?;
    let said = weigh(&rules, &of.policy.modes, &asking);
    let near = asking.with(|question| rules.near_miss(question));
    let flip = near.flip.map(FlipSaid::from);
    let lines = rule_lines(&of.policy.rules).unwrap_or_default();
    let line = |id: &str| lines.iter().find(|line| line.id == id).map_or(0, |line| line.line);
    let values = asking.with(|question| rules.values(question));
    let here: Vec<_> = values.iter().filter(|one| one.value != Value::OtherAction).collect();
    let path = here.iter().map(|one| {
        json!({ "rule": one.rule, "effect": one.effect, "line": line(&one.rule), "says": value_words(&one.value) })
    });
    let data = json!({
        "policy": of.name,
        "question": asking_words(&asking),
        "decision": said.decision,
        "rule": said.rule,
        "mode": said.mode,
        "fault": said.fault,
        "nearest": near.nearest,
        "flip": flip,
        "rules": path.collect::<Vec<_>>(),
    });
    let mut words = format!("{}\n", asking_words(&asking));
    let mut say = |name: &str, value: String| words += &format!("  {name:<9} {value}\n");
    let by = match said.rule.as_str() {
        NO_RULE => "no rule permits it".to_owned(),
        rule => format!("rule {rule} at policy.cedar:{}", line(rule)),
    };
    say("says", format!("{}: {by} (mode {})", said.decision, said.mode));
    said.fault.iter().for_each(|why| say("fault", why.clone()));
    for one in &here {
        let applies = one.value == Value::Applies || near.nearest.contains(&one.rule);
        if applies || ask.all || matches!(one.value, Value::Fails(_)) {
            say("rule", format!("{} ({}) {}", one.rule, one.effect, value_words(&one.value)));
        }
    }
    let others = here.iter().filter(|one| one.value != Value::Applies).count();
    if others > 0 && !ask.all {
        say("others", format!("{others} of this action do not apply; --all shows each"));
    }
    if let Some(FlipSaid { attribute, to, rule }) = &flip {
        say("changes", format!("rule {rule} would permit it if {attribute} were {to}"));
    }
    say("policy", format!("{}; orders, leases and programs are not looked at", of.name));
    Shown::whole("belay.policy.explain/1", &data, words).show(context.format)?;
    Ok(ExitCode::from(match said.decision {
        "deny" => 3,
        "ask" => 8,
        _ => 0,
    }))
}
