//! A hold as a command gives it: whom, for how long, ending or freezing; signed in this process.
//!
//! An operator alone holds another one for a day; longer takes a second one, and the hold waits for
//! him. Refused here: a name that nothing carries, and an operator named beside something else,
//! which no act could match.

use super::approve::{all, lacks, one_words};
use super::operator::Operator;
use super::stop::{Ahead, Meant, check_reason, meant};
use crate::api::approval::WaitingSaid;
use crate::api::id_from_text;
use crate::cli::{Context, Signing};
use crate::clock;
use crate::fault::Fault;
use crate::policy_folder::span_ms;
use crate::screen::{Shown, talk};
use belay_crdt::limits::OPERATOR_HOLD_MS;
use belay_identity::body::{self, Body, Pause, Reason, Subject, Term};
use belay_identity::{Class, StatementId};
use serde_json::json;
use std::process::ExitCode;

/// What happens to work that a hold meets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meets {
    /// It ends.
    End,
    /// It freezes until the hold is lifted.
    Freeze,
}

/// How long a hold lasts.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Lasts {
    /// Until it is lifted; on an operator, as long as one alone may.
    Usual,
    /// So long.
    For(String),
    /// Until it is lifted, whoever has to agree to that.
    UntilLifted,
}

/// A hold as it was asked for.
pub(super) struct Hold<'a> {
    pub(super) subject: &'a [String],
    pub(super) reason: &'a str,
    pub(super) ahead: Ahead,
    pub(super) lasts: Lasts,
    pub(super) meets: Meets,
    pub(super) signing: &'a Signing,
}

/// A hold that was given.
pub(super) struct Given {
    pub(super) order: String,
    pub(super) subject: Subject,
    pub(super) until_ms: Option<u64>,
    /// The yes that it lacks to hold at all, or as long as it says.
    pub(super) waiting: Option<WaitingSaid>,
}

/// Signs a hold and hands it to the node.
pub(super) fn give(context: &Context, ask: &Hold<'_>) -> Result<Given, Fault> {
    check_reason(ask.reason)?;
    let Meant { subject, standing } = meant(context, ask.subject, ask.ahead)?;
    let until_ms = until_ms(&ask.lasts, &subject)?;
    let mut operator = Operator::unlock_for_order(context, ask.signing)?;
    let mut place = operator.place(Class::AuthorityMinus)?;
    let hold = body::Hold {
        subject: subject.clone(),
        home: place.device.clone(),
        reason: Reason(ask.reason.to_owned()),
        until_ms,
        pause: (ask.meets == Meets::Freeze).then_some(Pause),
    };
    let refs = named_ids(&standing.hold_refs)?;
    if standing.hold_left_out > 0 {
        talk(format_args!(
            "belay: an order has no room for {} of his older logs: what he granted there since the \
             last root epoch is held too; a new epoch seals it in",
            standing.hold_left_out
        ));
    }
    let signed = operator.sign_next(&mut place, Body::Hold(hold), refs, None)?;
    operator.propose(std::slice::from_ref(&signed))?;
    let order = signed.id().to_hex();
    talk(format_args!("belay: order {order} is given"));
    let waiting = all(operator.door())?.into_iter().find(|waiting| waiting.id == order);
    Ok(Given { order, subject, until_ms, waiting })
}

/// The statements that an order names, as the node said them.
pub(super) fn named_ids(ids: &[String]) -> Result<Vec<StatementId>, Fault> {
    let odd = |refusal: belay_mesh::output::Refusal| {
        Fault::failed(refusal.why, "use `belay` of the version that runs the node")
    };
    ids.iter().map(|id| id_from_text(id).map(StatementId).map_err(odd)).collect()
}

/// Says what became of a hold that no task can prove: on an operator, or one that waits.
pub(super) fn show(context: &Context, schema: &str, given: &Given) -> Result<ExitCode, Fault> {
    let Given { order, subject, until_ms, waiting } = given;
    let until = until_ms.map(|until| format!(" until {}", clock::rfc3339(until)));
    let until = until.unwrap_or_else(|| " until the root answers".to_owned());
    let words = match waiting {
        None => format!(
            "What {subject} grants from now on does not count{until}; his orders stand.\n\
             order {order}\n"
        ),
        Some(waiting) => format!("{}order {order}\n", one_words(waiting)),
    };
    let data = json!({
        "order": order,
        "subject": subject.to_string(),
        "until_ms": until_ms,
        "waiting": waiting,
    });
    let missing = waiting.iter().flat_map(|waiting| waiting.open.clone()).collect();
    Shown { schema, missing, data: &data, words }.show(context.format)?;
    waiting.as_ref().map_or(Ok(ExitCode::SUCCESS), |waiting| Err(lacks(waiting)))
}

/// True for an operator, whose grants are held, not his work.
pub(super) fn names_operator(subject: &Subject) -> bool {
    subject.terms().iter().any(|term| matches!(term, Term::Operator(_)))
}

fn until_ms(lasts: &Lasts, subject: &Subject) -> Result<Option<u64>, Fault> {
    let operator = names_operator(subject);
    if operator && subject.terms().len() > 1 {
        let hint = "an operator is named alone: belay stop operator:NAME";
        return Err(Fault::wrong_use("no act carries an operator beside something else", hint));
    }
    let after = |ms: u64| Some(clock::wall_ms().saturating_add(ms));
    match lasts {
        Lasts::For(text) => {
            let bad =
                || Fault::wrong_use(format!("“{text}” is no duration"), "write 2h, 30m or 7d");
            span_ms(text).map(after).ok_or_else(bad)
        }
        Lasts::Usual if operator => Ok(after(OPERATOR_HOLD_MS)),
        Lasts::Usual | Lasts::UntilLifted => Ok(None),
    }
}
