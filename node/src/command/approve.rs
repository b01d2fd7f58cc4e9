//! `belay approve`: what waits for a yes, and the yes to one act, signed in this process.
//!
//! One way for root epochs, releases, lifts, restores and orders. Refused here: saying yes to what
//! was not shown.

use super::door;
use super::operator::Operator;
use crate::api::approval::WaitingSaid;
use crate::api::{Ask, id_from_text};
use crate::cli::{Approve as Words, Context};
use crate::door::{DoorClient, DoorName};
use crate::fault::{Fault, io};
use crate::screen::{Shown, table, talk};
use crate::vault::KeyName;
use belay_identity::body::Approve;
use belay_identity::{Class, StatementId};
use serde_json::json;
use std::io::IsTerminal;
use std::process::ExitCode;

/// The exit code of what lacks a yes.
pub(super) const APPROVAL_NEEDED: u8 = 8;

pub(crate) fn run(context: &Context, ask: &Words) -> Result<ExitCode, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let Some(id) = &ask.id else { return list(context, &mut door) };
    let found: Vec<WaitingSaid> = door.call(&Ask::Waiting { id: Some(id.clone()) })?;
    let Some(waiting) = found.into_iter().next() else {
        return Err(Fault::failed("the node named nothing", "use one version of belay"));
    };
    talk(one_words(&waiting).trim_end());
    if !ask.yes {
        confirm(&waiting)?;
    }
    let name = if waiting.needs == "root" { KeyName::Root } else { KeyName::Operator };
    let mut operator = Operator::unlock_as(context, &ask.signing, name)?;
    let mut place = operator.place(Class::AuthorityMinus)?;
    let of = id_from_text(&waiting.id).map(StatementId);
    let of = of.map_err(|refusal| Fault::failed(refusal.why, "use one version of belay"))?;
    let yes = operator.sign_next(&mut place, Approve { of }.into(), Vec::new(), None)?;
    operator.hand_in(std::slice::from_ref(&yes), &[])?;
    conclude(context, operator.door(), &waiting, &yes.id().to_hex())
}

fn list(context: &Context, door: &mut DoorClient) -> Result<ExitCode, Fault> {
    let waiting = all(door)?;
    let words = match waiting.as_slice() {
        [] => "Nothing waits for an approval.\n".to_owned(),
        some => list_words(some),
    };
    let data = json!({ "waiting": waiting });
    Shown::whole("belay.approve.list/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that waits for a yes.
pub(super) fn all(door: &mut DoorClient) -> Result<Vec<WaitingSaid>, Fault> {
    Ok(door.call(&Ask::Waiting { id: None })?)
}

/// Says what became of an act, and ends with 8 where it lacks a yes still.
pub(super) fn conclude(
    context: &Context,
    door: &mut DoorClient,
    before: &WaitingSaid,
    approval: &str,
) -> Result<ExitCode, Fault> {
    let left = all(door)?.into_iter().find(|waiting| waiting.id == before.id);
    let data = json!({
        "id": before.id,
        "act": before.act,
        "what": before.what,
        "approval": approval,
        "enough": left.is_none(),
        "waiting": left,
    });
    let missing: Vec<String> = left.iter().flat_map(|waiting| waiting.open.clone()).collect();
    let words = match &left {
        None => format!("{} has every yes that it needs.\n", sentence(&before.what)),
        Some(left) => format!("{} waits on: {}.\n", sentence(&left.what), tally_words(left)),
    };
    Shown { schema: "belay.approve.run/1", missing, data: &data, words }.show(context.format)?;
    left.map_or(Ok(ExitCode::SUCCESS), |left| Err(lacks(&left)))
}

/// What an act lacks, as an error with the command that gives it.
pub(super) fn lacks(waiting: &WaitingSaid) -> Fault {
    let what = format!("{} needs more: {}", waiting.what, tally_words(waiting));
    let hint = format!("{} says yes: belay approve {}", who(waiting), short(&waiting.id));
    Fault::exit(APPROVAL_NEEDED, what, hint)
}

fn who(waiting: &WaitingSaid) -> String {
    match waiting.open.as_slice() {
        [] => "another entitled one".to_owned(),
        [one] => format!("the holder of {one}"),
        several => format!("one of {}", several.join(", ")),
    }
}

fn confirm(waiting: &WaitingSaid) -> Result<(), Fault> {
    if !std::io::stdin().is_terminal() {
        let hint = format!(
            "give --yes where nobody can be asked: belay approve {} --yes",
            short(&waiting.id)
        );
        return Err(Fault::wrong_use("an approval asks first", hint));
    }
    talk("Say yes to this? Type yes to go on:");
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(io("reading the terminal"))?;
    if typed.trim() == "yes" {
        return Ok(());
    }
    Err(Fault::failed("nothing was approved", "type yes to go on"))
}

fn list_words(waiting: &[WaitingSaid]) -> String {
    let row = |one: &WaitingSaid| {
        let id = short(&one.id).to_owned();
        vec![id, one.what.clone(), one.author.clone(), tally_words(one), one.open.join(", ")]
    };
    let rows: Vec<Vec<String>> = waiting.iter().map(row).collect();
    let next =
        "\nbelay approve ID shows one and asks; it signs with a root key where root keys count.\n";
    table(&["ID", "WHAT", "BY", "HAS", "COULD SAY YES"], &rows) + next
}

/// One act in whole: what it is, who asks, how far it has come, what it would change.
pub(super) fn one_words(waiting: &WaitingSaid) -> String {
    let mut text = format!("{} ({}).\n", sentence(&waiting.what), waiting.act);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text += &format!("  {name:<9} {value}\n");
        }
    };
    line("by", &waiting.author);
    line("reason", &waiting.reason);
    line("approved", &waiting.approved.join(", "));
    line("has", &tally_words(waiting));
    waiting.changes.iter().for_each(|change| line("changes", change));
    line("id", &waiting.id);
    text
}

fn tally_words(waiting: &WaitingSaid) -> String {
    let each: Vec<String> = waiting.tallies.iter().map(|tally| tally.words()).collect();
    each.join(", ")
}

fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

fn short(id: &str) -> &str {
    id.get(..16).unwrap_or(id)
}
