//! `belay stop`: one order, then the proof of what became of everything it names.
//!
//! Refused here: saying "stopped" for what nobody saw end.

use super::door;
use super::operator::Operator;
use crate::api::standing::{StandingSaid, UnknownSaid};
use crate::api::{Ask, BranchSaid, ProgressSaid, StatusSaid};
use crate::cli::{Context, Stop};
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::policy_folder::{span_ms, span_words};
use crate::screen::{Shown, table, talk};
use crate::subject;
use belay_identity::Class;
use belay_identity::body::{Body, Hold, Reason, Subject};
use belay_identity::limits::REASON_BYTES_MAX;
use belay_identity::principal::TrustDomain;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(context: &Context, stop: &Stop) -> Result<ExitCode, Fault> {
    let wait_ms = wait_ms(&stop.timeout)?;
    let (order, mut door) = match &stop.follow {
        Some(order) => (order.clone(), door(context, DoorName::Operator)?),
        None => give(context, stop)?,
    };
    watch(context, "belay.stop.run/1", &mut door, &order, wait_ms)
}

/// Whom an order names, once it is sure that it can be meant.
pub(super) struct Meant {
    pub(super) subject: Subject,
    /// What stands against it.
    pub(super) standing: StandingSaid,
}

/// Reads a subject and asks the node whether it knows the names; a name that nothing carries is
/// refused, unless it is ordered ahead.
pub(super) fn meant(context: &Context, words: &[String], ahead: Ahead) -> Result<Meant, Fault> {
    // Names are good or bad in any fleet; better said before the node is asked.
    subject::read(&subject::any_domain()?, words)?;
    let mut door = door(context, DoorName::Operator)?;
    let status: StatusSaid = door.call(&Ask::Status)?;
    let domain = TrustDomain::new(&status.domain)
        .map_err(|_| Fault::exit(4, "this device knows no fleet yet", "see `belay status`"))?;
    let subject = subject::read(&domain, words)?;
    let ask = Ask::Standing { subject: words.to_vec() };
    let standing: StandingSaid = door.call(&ask)?;
    match (standing.unknown.first(), ahead) {
        (Some(name), Ahead::No) => Err(unknown(name)),
        (Some(_), Ahead::Yes) | (None, _) => Ok(Meant { subject, standing }),
    }
}

/// Whether an order may name what nobody has seen yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ahead {
    /// It may: who registers later is covered.
    Yes,
    /// It is taken for a slip.
    No,
}

fn unknown(name: &UnknownSaid) -> Fault {
    let near = match name.nearest.as_slice() {
        [] => "nothing of that kind is known here".to_owned(),
        near => format!("known here are {}", near.join(", ")),
    };
    let hint = format!("{near}; with --ahead the order waits for whoever comes under that name");
    Fault::wrong_use(format!("nothing known here is {}", name.term), hint)
}

/// Signs the hold here and hands it to the node.
fn give(context: &Context, stop: &Stop) -> Result<(String, DoorClient), Fault> {
    check_reason(&stop.reason)?;
    let ahead = if stop.ahead { Ahead::Yes } else { Ahead::No };
    let meant = meant(context, &stop.subject, ahead)?;
    let mut operator = Operator::unlock(context, &stop.signing)?;
    let place = operator.place(Class::AuthorityMinus)?;
    let hold = Hold {
        subject: meant.subject,
        home: place.device.clone(),
        reason: Reason(stop.reason.clone()),
        until_ms: None,
        pause: None,
    };
    let signed = operator.say(place, Body::Hold(hold), Vec::new(), None)?;
    talk(format_args!("belay: order {} is given", signed.id().to_hex()));
    Ok((signed.id().to_hex(), door(context, DoorName::Operator)?))
}

/// A reason is for people and fits the order.
pub(super) fn check_reason(reason: &str) -> Result<(), Fault> {
    if reason.len() <= REASON_BYTES_MAX {
        return Ok(());
    }
    let what = format!("the reason has {} bytes; at most {REASON_BYTES_MAX}", reason.len());
    Err(Fault::wrong_use(what, "say it shorter, or name a ticket"))
}

/// Waits for the proof of an order and shows what came.
pub(super) fn watch(
    context: &Context,
    schema: &str,
    door: &mut DoorClient,
    order: &str,
    wait_ms: u64,
) -> Result<ExitCode, Fault> {
    let began = Instant::now();
    let progress = follow(door, order, began, Duration::from_millis(wait_ms))?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    show(context, schema, &progress, took_ms)
}

/// A time to wait, as it was typed.
pub(super) fn wait_ms(text: &str) -> Result<u64, Fault> {
    let bad = || Fault::wrong_use(format!("“{text}” is no duration"), "write 30s, 2m or 500ms");
    span_ms(text).ok_or_else(bad)
}

fn follow(
    door: &mut DoorClient,
    order: &str,
    began: Instant,
    wait: Duration,
) -> Result<ProgressSaid, Fault> {
    loop {
        let progress: ProgressSaid = door.call(&Ask::Progress { order: order.to_owned() })?;
        // Where nothing ran there is nothing to prove: what is left is that the order binds.
        let binds = progress.branches.is_empty() && progress.in_force;
        let done = progress.complete || progress.fault.is_some() || binds;
        if done || began.elapsed() >= wait {
            return Ok(progress);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn show(
    context: &Context,
    schema: &str,
    progress: &ProgressSaid,
    took_ms: u64,
) -> Result<ExitCode, Fault> {
    let open = progress.branches.iter().filter(|branch| !branch.proven);
    let mut missing: Vec<String> = open.map(branch_name).collect();
    if progress.branches.is_empty() {
        missing.push(format!("anything known here that ran as {}", progress.subject));
    }
    let words = words(progress, took_ms);
    Shown { schema, missing, data: progress, words }.show(context.format)?;
    if let Some(fault) = &progress.fault {
        return Err(Fault::failed(fault, "give the order again with what it lacks"));
    }
    let nothing_ran = progress.branches.is_empty() && progress.in_force;
    let done = nothing_ran || progress.complete && progress.proven;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(6) })
}

fn words(progress: &ProgressSaid, took_ms: u64) -> String {
    let proven = progress.branches.iter().filter(|branch| branch.proven).count();
    let all = progress.branches.len();
    let subject = &progress.subject;
    let mut text = if let Some(fault) = &progress.fault {
        format!("This order stops nothing: {fault}.\n")
    } else if all == 0 {
        format!(
            "Nothing known here has run as {subject}; the order stands and covers what comes.\n"
        )
    } else {
        format!("{proven} of {all} branches of {subject} proven after {}.\n", span_words(took_ms))
    };
    text += &branch_table(progress);
    text + &bound_words(progress) + &format!("order {}\n", progress.order)
}

/// What became of every branch.
pub(super) fn branch_table(progress: &ProgressSaid) -> String {
    let row = |branch: &BranchSaid| {
        let seen = branch.seen.as_deref().map(|seen| match seen {
            "not seen" => "nobody saw it end".to_owned(),
            seen => format!("seen {seen}; no wall"),
        });
        let state = if branch.proven || branch.state == "not-proven" {
            branch.state.clone()
        } else {
            format!("{} (not proven)", branch.state)
        };
        vec![
            format!(
                "{}{}",
                "  ".repeat(branch.depth as usize),
                branch.agent.clone().unwrap_or("-".into())
            ),
            branch.device.clone(),
            state,
            branch.missing.clone().or(seen).unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = progress.branches.iter().map(row).collect();
    match rows.is_empty() {
        true => String::new(),
        false => table(&["AGENT", "DEVICE", "OUTCOME", "HOW IT IS KNOWN"], &rows),
    }
}

fn bound_words(progress: &ProgressSaid) -> String {
    if progress.complete && progress.in_force {
        return String::new();
    }
    match (progress.in_force, progress.bound_ms) {
        (true, Some(bound)) => format!(
            "The order is in force: what is cut off ends its run no later than {} after that.\n",
            span_words(bound)
        ),
        (true, None) => {
            "The order is in force. The release only observes work, so no lease bounds \
                         what is cut off: it ends when the order reaches it.\n"
                .to_owned()
        }
        (false, _) => format!(
            "Not yet in force: unconfirmed by {}. Whatever has not heard of it may still begin \
             what is not listed here.\n",
            progress.unconfirmed.join(", ")
        ),
    }
}

fn branch_name(branch: &BranchSaid) -> String {
    format!("{} on {}", branch.agent.as_deref().unwrap_or("unknown agent"), branch.device)
}
