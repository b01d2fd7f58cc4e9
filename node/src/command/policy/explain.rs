//! `belay policy explain`: what a policy says to one question, by which rules, and what would
//! change that.
//!
//! Where several releases judge, each is asked and the strictest answer is the answer, as at the
//! gate. Rules and modes only: orders, leases, credentials and manifests are the gate's, and the
//! words say so. Refused here: acting; nothing is asked of any gate.

use super::author::{knows_class, rules_of, value_words};
use super::of::{Named, policies_of};
use crate::api::FlipSaid;
use crate::cli::Context;
use crate::cli::operators::ExplainPolicy;
use crate::fault::Fault;
use crate::policy_folder::{Weighed, asking, asking_words, weigh};
use crate::screen::Shown;
use belay_mesh::gate::{Asking, DataClasses, NO_RULE, Rules, Value, rule_lines};
use serde_json::json;
use std::cmp::Reverse;
use std::path::Path;
use std::process::ExitCode;

/// One policy and its answer.
struct Judge {
    of: Named,
    rules: Rules,
    said: Weighed,
}

pub(crate) fn run(context: &Context, ask: &ExplainPolicy) -> Result<ExitCode, Fault> {
    let asking = asking(&ask.question)?;
    let judges = judges(policies_of(context, &ask.of)?, &asking)?;
    let Some((Judge { of, rules, said }, beside)) = judges.split_first() else {
        return Err(Fault::failed("no release judges here", "see `belay policy effective`"));
    };
    let asking = DataClasses::of(&of.policy).raised(&asking);
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
        "until_ms": of.until_ms,
        "beside": beside.iter().map(Judge::in_json).collect::<Vec<_>>(),
        "question": asking_words(&asking),
        "decision": said.decision,
        "rule": said.rule,
        "mode": said.mode,
        "data_class": said.data_class,
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
    if !said.data_class.is_empty() {
        say("data", format!("class {}, as release.toml lists it", said.data_class));
    }
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
    for judge in beside {
        let Weighed { decision, rule, .. } = &judge.said;
        say("beside", format!("{} and says {decision} by {rule}", judge.of.judges()));
    }
    say(
        "policy",
        format!("{}; orders, leases and programs are not looked at", judged_by(of, beside)),
    );
    Shown::whole("belay.policy.explain/1", &data, words).show(context.format)?;
    Ok(ExitCode::from(match said.decision {
        "deny" => 3,
        "ask" => 8,
        _ => 0,
    }))
}

impl Judge {
    fn in_json(&self) -> serde_json::Value {
        json!({
            "policy": self.of.name,
            "until_ms": self.of.until_ms,
            "decision": self.said.decision,
            "rule": self.said.rule,
        })
    }
}

fn judged_by(of: &Named, beside: &[Judge]) -> String {
    match (beside, of.until_ms) {
        ([], None) => of.name.clone(),
        ([], Some(_)) => of.judges(),
        ([_, ..], _) => format!("{}, the strictest that judges", of.name),
    }
}

/// Asks each, the strictest answer first; of two that say the same, the higher release says it.
fn judges(all: Vec<Named>, asking: &Asking) -> Result<Vec<Judge>, Fault> {
    let judge = |of: Named| {
        let rules = rules_of(&of.policy, Path::new(&of.name))?;
        knows_class(&of.policy, asking, &of.name)?;
        let said = weigh(&rules, &of.policy, asking);
        Ok(Judge { of, rules, said })
    };
    let mut judges = all.into_iter().map(judge).collect::<Result<Vec<Judge>, Fault>>()?;
    judges.sort_by_key(|judge| Reverse(strictness(&judge.said)));
    Ok(judges)
}

/// As the gate has it: what is only observed goes on.
fn strictness(said: &Weighed) -> u8 {
    match said.decision {
        "deny" => 2,
        "ask" => 1,
        _ => 0,
    }
}
