//! `belay why`: what decided, who signed it, what would change it, and the next command.

use super::{agents_door, door};
use crate::api::Ask;
use crate::api::why::{DecidedSaid, WhyActSaid, WhyDecisionSaid, WhyOrderSaid, WhySaid};
use crate::cli::{Context, Why};
use crate::clock;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::Shown;
use belay_mesh::gate::NO_RULE;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, ask: &Why) -> Result<ExitCode, Fault> {
    let mut door = match super::agents_socket() {
        Some(_) => agents_door(context)?,
        None => door(context, DoorName::Operator)?,
    };
    let said: WhySaid = door.call(&Ask::Why { id: ask.id.clone() })?;
    let decision = said.decision.as_ref().map(decision_words);
    let order = said.order.as_ref().map(order_words);
    let task = said.task.as_ref().map(super::tasks::task_words);
    let act = said.act.as_ref().map(act_words);
    let words = decision.or(order).or(task).or(act).unwrap_or_default();
    Shown::whole("belay.why.run/1", &said, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn decision_words(why: &WhyDecisionSaid) -> String {
    let decided = &why.decided;
    let word = match (decided.decision.as_str(), &decided.would_deny) {
        ("permit", Some(_)) => "Permitted, and only because the release observes",
        ("permit", None) => "Permitted",
        ("ask", _) => "Needs an approval",
        _ => "Denied",
    };
    let who = match decided.agent.as_str() {
        "" => "nobody that runs here".to_owned(),
        agent => format!("agent:{agent}"),
    };
    let (action, target) = (&decided.action, &decided.target);
    let mut text = format!("{word}: {action} on {target} by {who}.\n");
    let mut line = |name: &str, value: String| text += &format!("  {name:<9} {value}\n");
    line("why", decided.why.clone());
    line("rule", rule_words(why));
    if let Some(rule) = &why.rule {
        line("reads", rule.text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    for near in &why.nearest {
        let text = near.text.split_whitespace().collect::<Vec<_>>().join(" ");
        line("near", format!("{} at policy.cedar:{}: {text}", near.id, near.line));
    }
    if let Some(release) = &decided.release {
        let mode = decided.mode.as_deref().unwrap_or("-");
        line("release", format!("{release}, signed by {}, mode {mode}", why.signed.join(", ")));
    }
    if let Some(order) = &why.order {
        let reason = match order.reason.as_str() {
            "" => "no reason given",
            reason => reason,
        };
        line("order", format!("{} on {} by {}: {reason}", order.kind, order.subject, order.author));
    }
    for program in &why.programs {
        let name = program.title().unwrap_or_else(|| program.hash.clone());
        line("program", format!("{name}: {}", program.words()));
    }
    line("inputs", inputs_words(decided));
    line("when", clock::rfc3339(decided.wall_ms));
    if !decided.hint.is_empty() {
        line("changes", decided.hint.clone());
    }
    line("next", next_words(why));
    line("id", decided.id.clone());
    text
}

fn rule_words(why: &WhyDecisionSaid) -> String {
    match (&why.rule, rule_name(why)) {
        (Some(rule), name) => format!("{name} ({} at policy.cedar:{})", rule.effect, rule.line),
        (None, NO_RULE) => "none: an act needs one that permits it".to_owned(),
        (None, name) => format!("{name} (a check of the gate itself, no rule of the policy)"),
    }
}

/// The rule that decided, or that would have where the release only observes.
fn rule_name(why: &WhyDecisionSaid) -> &str {
    why.decided.would_deny.as_ref().unwrap_or(&why.decided.rule)
}

/// Checks of the gate itself that a release decides: every other No stands whatever it says.
const BY_RELEASE: [&str; 3] = [NO_RULE, "manifest", "release"];

/// What the gate looked at, as far as it was kept.
fn inputs_words(decided: &DecidedSaid) -> String {
    if decided.agent.is_empty() {
        return "no chain stood behind it".to_owned();
    }
    let args = match decided.args.as_slice() {
        [] => "no arguments".to_owned(),
        args => format!("arguments {} (values are not kept)", args.join(", ")),
    };
    let origin = if decided.arriving { "arrived from another device" } else { "began here" };
    let DecidedSaid { user, project, class, depth, .. } = decided;
    let data = data_words(decided);
    format!(
        "user:{user}, project:{project}, class:{class}, {args}, {depth} links deep, {origin}{data}"
    )
}

/// Which data it was about, where the release says so.
fn data_words(decided: &DecidedSaid) -> String {
    let met = match decided.met.as_slice() {
        [] => String::new(),
        met => format!(", which had met data of class {} before", met.join(", ")),
    };
    match &decided.data_class {
        Some(class) => format!(", data of class {class}{met}"),
        None => met,
    }
}

fn next_words(why: &WhyDecisionSaid) -> String {
    let who = why.operators.join(" or ");
    match (&why.order, why.decided.decision.as_str(), &why.decided.would_deny) {
        (Some(order), ..) => {
            let id = order.id.get(..16).unwrap_or(&order.id);
            format!("a security operator may lift it: belay resume {id}")
        }
        (None, "permit", None) => "nothing: it was permitted".to_owned(),
        (None, ..) if why.rule.is_some() || BY_RELEASE.contains(&rule_name(why)) => {
            format!("{who} may change the policy: belay policy publish FOLDER")
        }
        (None, ..) => "do what changes it; no policy does".to_owned(),
    }
}

fn order_words(why: &WhyOrderSaid) -> String {
    let order = &why.order;
    let state = match (&why.answered, order.in_force) {
        (Some(by), _) => format!("answered by {by}: it stands no more"),
        (None, true) => "stands, in force".to_owned(),
        (None, false) => "stands, not yet in force".to_owned(),
    };
    let mut text = format!("A {} on {} by {}.\n", order.kind, order.subject, order.author);
    let mut line = |name: &str, value: String| text += &format!("  {name:<9} {value}\n");
    line("state", state);
    if !order.reason.is_empty() {
        line("reason", order.reason.clone());
    }
    if let Some(until) = order.until_ms {
        line("until", clock::rfc3339(until));
    }
    line("signed", format!("{} under root epoch {}", order.author, why.epoch));
    if !why.approved.is_empty() {
        line("approved", why.approved.join(", "));
    }
    if let Some(waiting) = &why.waiting {
        line("lacks", format!("{}: belay approve {}", waiting.act, short(&waiting.id)));
    }
    if let Some((author, rest)) = why.answered_by.split_first() {
        let rest = rest.iter().map(|who| format!(", approved by {who}")).collect::<String>();
        line("answer", format!("signed by {author}{rest}"));
    }
    for waiting in &why.pending {
        let has: Vec<String> = waiting.tallies.iter().map(|tally| tally.words()).collect();
        let (by, has) = (&waiting.author, has.join(", "));
        line(
            "waits",
            format!("{} by {by}: {has}: belay approve {}", waiting.act, short(&waiting.id)),
        );
    }
    let id = short(&order.id);
    if why.answered.is_none() {
        line("who", format!("{} may end it", why.operators.join(" or ")));
        line("next", format!("belay resume {id}"));
    }
    line("proof", format!("belay prove {}", order.id));
    text
}

/// An act of authority: who signed it, who approved it, what it lacks or why it does not count.
fn act_words(why: &WhyActSaid) -> String {
    let state = match (&why.void, &why.waiting) {
        (Some(void), _) => format!("does not count: {void}"),
        (None, Some(waiting)) => {
            let has: Vec<String> = waiting.tallies.iter().map(|tally| tally.words()).collect();
            format!("waits for approvals: {}", has.join(", "))
        }
        (None, None) => "counts".to_owned(),
    };
    let mut text = format!("A {}: {}.\n", why.kind, why.what);
    let mut line = |name: &str, value: &str| text += &format!("  {name:<9} {value}\n");
    line("state", &state);
    line("signed", &format!("{} under root epoch {}", why.author, why.epoch));
    if !why.approved.is_empty() {
        line("approved", &why.approved.join(", "));
    }
    why.changes.iter().for_each(|change| line("changes", change));
    if let Some(waiting) = &why.waiting {
        line("who", &format!("{} could say yes", waiting.open.join(", ")));
        line("next", &format!("belay approve {}", short(&waiting.id)));
    }
    line("id", &why.id);
    text
}

fn short(id: &str) -> &str {
    id.get(..16).unwrap_or(id)
}
