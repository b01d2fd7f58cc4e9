//! `belay operator list|show`, `belay root show`: who may do what, and how often somebody else
//! looks before it counts.

use super::door;
use crate::api::Ask;
use crate::api::authority::{AuthoritySaid, GoneSaid, OperatorSaid};
use crate::api::standing::StandingOrderSaid;
use crate::cli::Context;
use crate::cli::authority::NamedOperator;
use crate::clock;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::{Shown, table};
use belay_crdt::limits::WIDE_ORDERS_PER_EPOCH_MAX;
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn list(context: &Context) -> Result<ExitCode, Fault> {
    let said = ask(context)?;
    let words = format!("{}.\n{}{}", eyes_words(&said), rows(&said), gone_words(&said.gone));
    Shown::whole("belay.operator.list/1", &said, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn show(context: &Context, who: &NamedOperator) -> Result<ExitCode, Fault> {
    let said = ask(context)?;
    let gone = said.gone.iter().find(|line| line.name == who.name);
    let Some(operator) = said.operators.iter().find(|line| line.name == who.name) else {
        let Some(gone) = gone else { return Err(unknown(&said, &who.name)) };
        let data = json!({ "operator": null, "gone": gone });
        let words = gone_words(std::slice::from_ref(gone));
        Shown::whole("belay.operator.show/1", &data, words).show(context.format)?;
        return Ok(ExitCode::SUCCESS);
    };
    let data = json!({ "operator": operator, "gone": null });
    Shown::whole("belay.operator.show/1", &data, operator_words(operator)).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn root(context: &Context) -> Result<ExitCode, Fault> {
    let said = ask(context)?;
    let row = |epoch: &crate::api::authority::EpochSaid| {
        vec![
            epoch.number.to_string(),
            format!("{} of {}", epoch.threshold, epoch.keys),
            epoch.operators.join(", "),
            clock::rfc3339(epoch.wall_ms),
            epoch.approved.join(", "),
            epoch.id.get(..16).unwrap_or(&epoch.id).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = said.epochs.iter().map(row).collect();
    let head = ["EPOCH", "THRESHOLD", "OPERATORS", "PROPOSED", "APPROVED BY", "ID"];
    let mut words = format!("{} of {} root keys must agree.\n", said.threshold, said.keys.len());
    for key in &said.keys {
        let cut = if said.cut_keys.contains(key) { "  (cut: it signed two rivals)" } else { "" };
        words += &format!("  root key {key}{cut}\n");
    }
    words += &table(&head, &rows);
    if !said.rivals.is_empty() {
        let rows: Vec<Vec<String>> = said.rivals.iter().map(row).collect();
        words += "\nBeside them, approved by as many root keys, and not standing:\n";
        words += &table(&head, &rows);
    }
    Shown::whole("belay.root.show/1", &said, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn ask(context: &Context) -> Result<AuthoritySaid, Fault> {
    Ok(door(context, DoorName::Operator)?.call(&Ask::Authority)?)
}

/// The one root key that begins with these digits.
pub(super) fn root_key_named(context: &Context, digits: &str) -> Result<String, Fault> {
    one_key(&ask(context)?.keys, digits, "root")
}

/// The one operator's key that begins with these digits.
pub(super) fn operator_key_named(context: &Context, digits: &str) -> Result<String, Fault> {
    let operators = ask(context)?.operators;
    let keys: Vec<String> = operators.into_iter().flat_map(|line| line.keys).collect();
    one_key(&keys, digits, "operator")
}

fn one_key(keys: &[String], digits: &str, kind: &str) -> Result<String, Fault> {
    let mut named = keys.iter().filter(|key| key.starts_with(digits));
    match (named.next(), named.next()) {
        (Some(key), None) => Ok(key.clone()),
        (Some(_), Some(_)) => Err(Fault::wrong_use(
            format!("several {kind} keys begin with {digits}"),
            "give more digits",
        )),
        (None, _) => {
            let hint = format!("the {kind} keys are {}", keys.join(", "));
            Err(Fault::wrong_use(format!("no {kind} key begins with {digits}"), hint))
        }
    }
}

fn unknown(said: &AuthoritySaid, name: &str) -> Fault {
    let names: Vec<&str> = said.operators.iter().map(|line| line.name.as_str()).collect();
    Fault::wrong_use(
        format!("there is no operator {name}"),
        format!("there are {}", names.join(", ")),
    )
}

/// How many look before an act counts, in one line.
pub(super) fn eyes_words(said: &AuthoritySaid) -> String {
    let with = |role: &str| {
        said.operators.iter().filter(|line| line.roles.iter().any(|one| one == role)).count()
    };
    let eyes = |role: &str, act: &str| match with(role) {
        0 => format!("nobody can {act}"),
        1 => format!("one alone can {act}"),
        several => format!("2 of {several} must agree to {act}"),
    };
    format!(
        "{}; {}; {} of {} root keys must agree to a root epoch",
        eyes("policy", "publish"),
        eyes("security", "lift or restore"),
        said.threshold,
        said.keys.len()
    )
}

fn rows(said: &AuthoritySaid) -> String {
    let row = |line: &OperatorSaid| {
        let short = |key: &String| key.chars().take(16).collect::<String>();
        let held: Vec<String> = line.held_by.iter().map(|order| short(&order.id)).collect();
        vec![
            line.name.clone(),
            line.roles.join(", "),
            line.keys.iter().map(short).collect::<Vec<_>>().join(", "),
            format!("{} left", line.wide_left),
            line.orders.len().to_string(),
            match (&line.grants_held, held.is_empty()) {
                (Some(order), _) => short(order),
                (None, true) => "-".to_owned(),
                (None, false) => format!("{} (not now)", held.join(", ")),
            },
        ]
    };
    let rows: Vec<Vec<String>> = said.operators.iter().map(row).collect();
    table(&["OPERATOR", "ROLES", "KEYS", "WIDE ORDERS", "STANDING ORDERS", "HELD BY"], &rows)
}

fn gone_words(gone: &[GoneSaid]) -> String {
    let mut text = String::new();
    for line in gone {
        text += &format!("\n{} was an operator until epoch {}", line.name, line.last_epoch);
        if let Some(cause) = &line.cause {
            text += &format!("; removed for cause: {cause}");
        }
        text += ".\n";
        line.orders.iter().for_each(|order| text += &order_line("his order stands", order));
        for revived in &line.revived {
            let (subject, order) = (&revived.subject, &revived.order);
            text += &format!("  revived: {subject}, for his order {order} is void\n");
        }
    }
    text
}

fn operator_words(operator: &OperatorSaid) -> String {
    let mut text = format!("{}: {}.\n", operator.name, operator.roles.join(", "));
    for key in &operator.keys {
        let only = if operator.orders_keys.contains(key) { "  (for orders only)" } else { "" };
        text += &format!("  key       {key}{only}\n");
    }
    text += &format!("  budget    {} wide orders left in this epoch\n", operator.wide_left);
    for key in &operator.overspent {
        text += &format!(
            "  warning   more than {WIDE_ORDERS_PER_EPOCH_MAX} wide orders by {key}, in several logs: \
             retire it if he did not give them\n"
        );
    }
    operator.held_by.iter().for_each(|order| text += &order_line("held by", order));
    text += match (&operator.grants_held, operator.held_by.as_slice()) {
        (Some(_), _) => "  grants    held: what he grants now does not count; his orders do\n",
        (None, []) => "",
        (None, _) => "  grants    count: no order on him has begun, or its time is over\n",
    };
    operator.orders.iter().for_each(|order| text += &order_line("ordered", order));
    text
}

fn order_line(what: &str, order: &StandingOrderSaid) -> String {
    let until = order.until_ms.map(|until| format!(" until {}", clock::rfc3339(until)));
    format!(
        "  {what}: {} on {} by {}{} ({})\n",
        order.kind,
        order.subject,
        order.author,
        until.unwrap_or_default(),
        order.id
    )
}
