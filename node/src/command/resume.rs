//! `belay resume`: ends what stands against a subject, by naming it.
//!
//! Holds are lifted one by one, revoked subjects are restored with every revoke listed. What
//! arrived meanwhile, or was not named, goes on standing, and is said with the command that ends
//! it. Another operator's answer that lacks a yes is approved instead of signed again.
//!
//! Refused here: calling a subject free that is not.

use super::approve::{all, lacks};
use super::door;
use super::operator::{Operator, Standing};
use super::stop::check_reason;
use crate::api::approval::WaitingSaid;
use crate::api::standing::{PendingSaid, StandingOrderSaid, StandingSaid};
use crate::api::{Ask, id_from_text};
use crate::cli::{Context, Resume};
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::screen::{Shown, table, talk};
use crate::subject;
use crate::vault::KeyName;
use belay_identity::body::{Approve, Body, Lift, Reason, Restore};
use belay_identity::{Class, Statement, StatementId, Verified};
use serde::Serialize;
use std::process::ExitCode;

/// What became of the orders that were asked about.
#[derive(Debug, Serialize)]
struct Resumed {
    /// Orders that no longer stand.
    ended: Vec<StandingOrderSaid>,
    /// Orders that were asked about and stand on.
    standing: Vec<StandingOrderSaid>,
    /// Other standing orders that name one of the same terms.
    others: Vec<StandingOrderSaid>,
    /// Answers that lack a yes.
    pending: Vec<PendingSaid>,
    /// Operators who can give one.
    operators: Vec<String>,
    /// What was signed here.
    signed: Vec<String>,
}

pub(crate) fn run(context: &Context, ask: &Resume) -> Result<ExitCode, Fault> {
    check_reason(&ask.reason)?;
    let mut door = door(context, DoorName::Operator)?;
    let before = look(&mut door, &ask.what)?;
    check_something_stands(&ask.what, &before)?;
    check_whole(&before)?;
    for order in &before.asked {
        talk(format_args!("belay: {}", order_words(order)));
    }
    let by = answerer(&mut door, &before)?;
    let mut operator = Operator::unlock_as(context, &ask.signing, by)?;
    let mut place = operator.place(Class::AuthorityMinus)?;
    let signed = sign_all(&operator, &mut place, ask, &before)?;
    if !signed.is_empty() {
        operator.hand_in(&signed, &[])?;
    }
    let said: Vec<String> = signed.iter().map(|statement| statement.id().to_hex()).collect();
    let waits =
        all(operator.door())?.into_iter().find(|w| by == KeyName::Root && said.contains(&w.id));
    if let Some(waiting) = waits {
        return Err(lacks(&waiting));
    }
    let after = look_again(operator.door(), &before)?;
    conclude(context, &before, after, &signed)
}

/// Orders on operators are answered by the root; what another root key has signed waits for a yes.
fn answerer(door: &mut DoorClient, found: &StandingSaid) -> Result<KeyName, Fault> {
    let is_on_operator = |order: &&StandingOrderSaid| order.subject.starts_with("operator:");
    let Some(order) = found.asked.iter().find(is_on_operator) else {
        return Ok(KeyName::Operator);
    };
    if found.asked.len() != found.asked.iter().filter(is_on_operator).count() {
        let hint = "answer orders on operators by themselves: belay resume operator:NAME";
        return Err(Fault::wrong_use("operators are answered by the root, others are not", hint));
    }
    let answers = |waiting: &WaitingSaid| {
        let kind = waiting.act == "lift" || waiting.act == "restore";
        kind && waiting.what.ends_with(&format!("of {}", order.subject))
    };
    match all(door)?.into_iter().find(answers) {
        None => Ok(KeyName::Root),
        Some(waiting) => Err(lacks(&waiting)),
    }
}

/// Subjects have a colon, ids of orders have none.
fn look(door: &mut DoorClient, what: &[String]) -> Result<StandingSaid, Fault> {
    let subjects = what.iter().filter(|word| *word != "and").filter(|word| word.contains(':'));
    let named = what.iter().filter(|word| *word != "and").count();
    match subjects.count() {
        0 => Ok(door.call(&Ask::StandingNamed { ids: what.to_vec() })?),
        all if all == named => {
            subject::read(&subject::any_domain()?, what)?;
            Ok(door.call(&Ask::Standing { subject: what.to_vec() })?)
        }
        _ => {
            let hint = "name one subject, or ids of orders as `belay status` shows them";
            Err(Fault::wrong_use("subjects and orders cannot be mixed", hint))
        }
    }
}

fn check_something_stands(what: &[String], found: &StandingSaid) -> Result<(), Fault> {
    if !found.asked.is_empty() {
        return Ok(());
    }
    let what = what.join(" ");
    if found.others.is_empty() {
        let near = found.unknown.iter().flat_map(|name| &name.nearest);
        let near: Vec<&str> = near.map(String::as_str).collect();
        let hint = match near.as_slice() {
            [] => "`belay status` lists the orders that stand".to_owned(),
            near => format!("known here are {}; `belay status` lists orders", near.join(", ")),
        };
        return Err(Fault::wrong_use(format!("nothing stands against {what}"), hint));
    }
    let commands: Vec<String> = found.others.iter().map(command_words).collect();
    let why = format!("no order names exactly {what}; it is named beside others");
    Err(Fault::wrong_use(why, commands.join("; ")))
}

/// A restore that leaves out a revoke opens nothing, so it is not signed.
fn check_whole(found: &StandingSaid) -> Result<(), Fault> {
    let left_out = found.others.iter().filter(|other| other.kind == "revoke").find(|other| {
        found.asked.iter().any(|order| order.kind == "revoke" && order.subject == other.subject)
    });
    let Some(other) = left_out else { return Ok(()) };
    let what = format!(
        "another revoke of {} stands, {} of {}: a restore opens nothing unless it lists them all",
        other.subject, other.id, other.author
    );
    Err(Fault::exit(6, what, format!("belay resume {}", other.subject)))
}

/// Approves what waits for a yes of this operator, and answers the rest.
fn sign_all(
    operator: &Operator,
    place: &mut Standing,
    ask: &Resume,
    found: &StandingSaid,
) -> Result<Vec<Verified<Statement>>, Fault> {
    let me = place.operator_name();
    let mut signed = Vec::new();
    let mut spoken_for: Vec<&String> = Vec::new();
    for pending in &found.pending {
        spoken_for.extend(&pending.answers);
        if pending.author != me && !pending.approved.contains(&me) {
            let of = id(&pending.id)?;
            signed.push(operator.sign_next(place, Approve { of }.into(), Vec::new(), None)?);
        }
    }
    let open = |order: &&StandingOrderSaid| !spoken_for.contains(&&order.id);
    for order in found.asked.iter().filter(|order| order.kind == "hold").filter(open) {
        let lift = Lift { reason: Reason(ask.reason.clone()) };
        let refs = vec![id(&order.id)?];
        signed.push(operator.sign_next(place, Body::Lift(lift), refs, None)?);
    }
    for restore in &found.restore_refs {
        if restore.refs.iter().any(|id| spoken_for.contains(&id)) {
            continue;
        }
        let words: Vec<String> = restore.subject.split(' ').map(str::to_owned).collect();
        let subject = subject::read(&place.domain, &words)?;
        let refs = restore.refs.iter().map(|text| id(text)).collect::<Result<Vec<_>, Fault>>()?;
        let body = Body::Restore(Restore { subject, reason: Reason(ask.reason.clone()) });
        signed.push(operator.sign_next(place, body, refs, None)?);
    }
    Ok(signed)
}

fn id(text: &str) -> Result<StatementId, Fault> {
    let odd = |refusal: belay_mesh::output::Refusal| {
        Fault::failed(refusal.why, "use `belay` of the version that runs the node")
    };
    id_from_text(text).map(StatementId).map_err(odd)
}

/// What stands against the same subjects now.
fn look_again(door: &mut DoorClient, before: &StandingSaid) -> Result<StandingSaid, Fault> {
    let mut subjects: Vec<&String> = before.asked.iter().map(|order| &order.subject).collect();
    subjects.sort();
    subjects.dedup();
    let mut after: Option<StandingSaid> = None;
    for words in subjects {
        let subject = words.split(' ').map(str::to_owned).collect();
        let said: StandingSaid = door.call(&Ask::Standing { subject })?;
        after = Some(match after {
            None => said,
            Some(sum) => joined(sum, said),
        });
    }
    after.ok_or_else(|| Fault::failed("no order was named", "report this"))
}

fn joined(mut sum: StandingSaid, more: StandingSaid) -> StandingSaid {
    sum.asked.extend(more.asked);
    sum.others.extend(more.others);
    sum.pending.extend(more.pending);
    sum.fallen.extend(more.fallen);
    sum
}

fn conclude(
    context: &Context,
    before: &StandingSaid,
    after: StandingSaid,
    signed: &[Verified<Statement>],
) -> Result<ExitCode, Fault> {
    let named = |order: &StandingOrderSaid| before.asked.iter().any(|b| b.id == order.id);
    let stands = |order: &StandingOrderSaid| after.asked.iter().any(|a| a.id == order.id);
    let (standing, new): (Vec<_>, Vec<_>) = after.asked.iter().cloned().partition(|o| named(o));
    let mut others = after.others.clone();
    others.retain(|order| !named(order));
    let resumed = Resumed {
        ended: before.asked.iter().filter(|order| !stands(order)).cloned().collect(),
        standing,
        others: [new, others].concat(),
        pending: after.pending.clone(),
        operators: after.operators.clone(),
        signed: signed.iter().map(|statement| statement.id().to_hex()).collect(),
    };
    let still = resumed.standing.iter().chain(&resumed.others);
    let missing: Vec<String> = still.map(|order| order.id.clone()).collect();
    let words = words(&resumed);
    Shown { schema: "belay.resume.run/1", missing, data: &resumed, words }.show(context.format)?;
    verdict(&resumed, &after)
}

/// By meaning: a yes is missing (8), a revoke arrived meanwhile (7), something else stands (6).
fn verdict(resumed: &Resumed, after: &StandingSaid) -> Result<ExitCode, Fault> {
    if let Some(pending) = resumed.pending.first() {
        let has_said = |who: &&String| {
            let name = format!("operator:{who}");
            pending.author != name && !pending.approved.contains(&name)
        };
        let others: Vec<&str> =
            resumed.operators.iter().filter(has_said).map(String::as_str).collect();
        let what = format!(
            "{} of {} operators have said yes; it stands until another one does",
            pending.approved.len() + 1,
            pending.need
        );
        let id = short(&pending.id);
        let hint = format!("one of {} says yes: belay approve {id}", others.join(", "));
        return Err(Fault::exit(8, what, hint));
    }
    let commands = |orders: &[StandingOrderSaid]| {
        orders.iter().map(command_words).collect::<Vec<_>>().join("; ")
    };
    if !resumed.standing.is_empty() {
        let what = match after.fallen.is_empty() {
            true => "the answer does not count: what it names stands on".to_owned(),
            false => "a revoke arrived that the restore does not list: it opens nothing".to_owned(),
        };
        return Err(Fault::exit(7, what, commands(&resumed.standing)));
    }
    if !resumed.others.is_empty() {
        let what = format!("{} more stand beside what was ended", resumed.others.len());
        return Err(Fault::exit(6, what, commands(&resumed.others)));
    }
    Ok(ExitCode::SUCCESS)
}

fn words(resumed: &Resumed) -> String {
    let mut text = format!("{} ended, ", resumed.ended.len());
    let still = resumed.standing.len() + resumed.others.len();
    text += &match still {
        0 => "nothing else stands against the same names.\n".to_owned(),
        still => format!("{still} still stand.\n"),
    };
    let row = |state: &str, order: &StandingOrderSaid| {
        let said = vec![state.to_owned(), order.kind.clone(), order.subject.clone()];
        [said, vec![order.author.clone(), order.reason.clone(), order.id.clone()]].concat()
    };
    let ended = resumed.ended.iter().map(|order| row("ended", order));
    let standing = resumed.standing.iter().chain(&resumed.others).map(|o| row("stands", o));
    let rows: Vec<Vec<String>> = ended.chain(standing).collect();
    text += &table(&["STATE", "KIND", "SUBJECT", "BY", "REASON", "ORDER"], &rows);
    if resumed.operators.len() == 1 {
        text += "one operator: no second pair of eyes\n";
    }
    text
}

fn order_words(order: &StandingOrderSaid) -> String {
    let reason = match order.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let force = if order.in_force { "in force" } else { "not yet in force" };
    let (kind, subject, author) = (&order.kind, &order.subject, &order.author);
    format!("{kind} on {subject} by {author}, {force}{reason} ({})", short(&order.id))
}

/// The command that ends an order.
fn command_words(order: &StandingOrderSaid) -> String {
    format!("belay resume {} ends the {} on {}", short(&order.id), order.kind, order.subject)
}

fn short(id: &str) -> &str {
    id.get(..16).unwrap_or(id)
}
