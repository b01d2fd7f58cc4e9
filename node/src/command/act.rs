//! `belay act`: asks the gate whether the calling agent may do something.

use super::agents_door;
use crate::api::{Ask, VerdictSaid};
use crate::cli::{Act, Context};
use crate::fault::Fault;
use crate::screen::{Shown, talk};
use belay_mesh::gate::NO_RULE;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, act: &Act) -> Result<ExitCode, Fault> {
    let pair = |arg: &String| {
        let hint = "write --arg key=value";
        arg.split_once('=')
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .ok_or_else(|| Fault::wrong_use(format!("“{arg}” has no '='"), hint))
    };
    let args = act.args.iter().map(pair).collect::<Result<_, _>>()?;
    let ask = Ask::Act { action: act.action.clone(), target: act.target.clone(), args };
    let verdict: VerdictSaid = agents_door(context)?.call(&ask)?;
    let by = by_words(&verdict);
    let (word, code) = match verdict.decision.as_str() {
        "permit" => ("permitted", 0),
        "ask" => ("needs an approval", 8),
        _ => ("denied", 3),
    };
    if code != 0 {
        let id = verdict.id.as_deref().and_then(|id| id.get(..16)).unwrap_or("--last");
        let (why, hint) = (&verdict.why, &verdict.hint);
        talk(format_args!(
            "belay: {word}: {why} ({by})\n  next: {hint}; `belay why {id}` says more"
        ));
    }
    let words = format!("{word}: {} {} ({by})", act.action, act.target);
    Shown::whole("belay.act.run/1", &verdict, words).show(context.format)?;
    Ok(ExitCode::from(code))
}

/// What said so, for people.
fn by_words(verdict: &VerdictSaid) -> String {
    match (&verdict.release, verdict.would_deny.as_deref(), verdict.rule.as_str()) {
        (_, Some(NO_RULE), _) => "observed only: no rule permits it".to_owned(),
        (_, Some(rule), _) => format!("observed only: rule {rule} would have said no"),
        (Some(release), None, NO_RULE) => format!("release {release}"),
        (Some(release), None, rule) => format!("rule {rule} of release {release}"),
        (None, None, rule) => format!("rule {rule}"),
    }
}
