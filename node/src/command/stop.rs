//! `belay stop`: one order, then the proof of what became of everything it names.
//!
//! Refused here: saying "stopped" for what nobody saw end.

use super::door;
use super::hold::{self, Given, Hold, Lasts, Meets, give, names_operator};
use crate::api::approval::WaitingSaid;
use crate::api::standing::{StandingSaid, UnknownSaid};
use crate::api::{Ask, BranchSaid, ProgressSaid, StatusSaid};
use crate::cli::authority::{PauseWords, Quarantine};
use crate::cli::{Context, Stop};
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::policy_folder::{span_ms, span_words};
use crate::screen::{Shown, table, talk};
use crate::subject;
use belay_identity::body::Subject;
use belay_identity::limits::REASON_BYTES_MAX;
use belay_identity::principal::TrustDomain;
use belay_mesh::approval::ActKind;
use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(context: &Context, stop: &Stop) -> Result<ExitCode, Fault> {
    let wait_ms = wait_ms(&stop.timeout)?;
    let schema = "belay.stop.run/1";
    let order = match &stop.follow {
        Some(order) => order.clone(),
        None => {
            let given = give(context, &asked(stop))?;
            if given.waiting.as_ref().is_some_and(is_bare) || names_operator(&given.subject) {
                return hold::show(context, schema, &given);
            }
            given.order
        }
    };
    watch(context, schema, &mut door(context, DoorName::Operator)?, &order, wait_ms)
}

/// `belay quarantine`: a hold on a device; what runs there ends, its links shrink to leases and
/// orders.
pub(crate) fn quarantine(context: &Context, ask: &Quarantine) -> Result<ExitCode, Fault> {
    let wait_ms = wait_ms(&ask.timeout)?;
    let name = ask.device.strip_prefix("device:").unwrap_or(&ask.device);
    let subject = [format!("device:{name}")];
    let (reason, signing) = (&ask.reason, &ask.signing);
    let (ahead, lasts, meets) = (Ahead::No, Lasts::Usual, Meets::End);
    let given = give(context, &Hold { subject: &subject, reason, ahead, lasts, meets, signing })?;
    if let Some(waiting) = &given.waiting {
        let id = waiting.id.get(..16).unwrap_or(&waiting.id);
        talk(format_args!(
            "belay: {name} gives leases on; a second operator silences it: belay approve {id}"
        ));
    }
    let mut door = door(context, DoorName::Operator)?;
    watch(context, "belay.quarantine.run/1", &mut door, &given.order, wait_ms)
}

/// `belay pause`: a hold that freezes what it meets, until it is lifted or its time has come.
pub(crate) fn pause(context: &Context, ask: &PauseWords) -> Result<ExitCode, Fault> {
    let wait_ms = wait_ms(&ask.timeout)?;
    let hold = Hold {
        subject: &ask.subject,
        reason: &ask.reason,
        ahead: if ask.ahead { Ahead::Yes } else { Ahead::No },
        lasts: ask.lasting.clone().map_or(Lasts::Usual, Lasts::For),
        meets: Meets::Freeze,
        signing: &ask.signing,
    };
    let given = give(context, &hold)?;
    if given.waiting.is_some() || names_operator(&given.subject) {
        return hold::show(context, "belay.pause.run/1", &given);
    }
    let mut door = door(context, DoorName::Operator)?;
    let began = Instant::now();
    let wait = Duration::from_millis(wait_ms);
    let done = |progress: &ProgressSaid| progress.in_force || progress.fault.is_some();
    let progress = follow(&mut door, &given.order, began, wait, done)?;
    show_pause(context, &given, &progress)
}

/// Nothing ends by a pause, so there is no end to prove: it binds, or it does not yet.
fn show_pause(context: &Context, given: &Given, p: &ProgressSaid) -> Result<ExitCode, Fault> {
    let id = given.order.get(..16).unwrap_or(&given.order);
    let until = given.until_ms.map(|until| format!(" until {}", crate::clock::rfc3339(until)));
    let mut words = match p.in_force {
        true => {
            format!("What runs as {} stands still{}.\n", given.subject, until.unwrap_or_default())
        }
        false => waits_words(p),
    };
    words += &format!("It goes on with: belay resume {id}\norder {}\n", given.order);
    let missing = p.unconfirmed.clone();
    let data = json!({
        "order": given.order,
        "subject": p.subject,
        "in_force": p.in_force,
        "until_ms": given.until_ms,
        "unconfirmed": p.unconfirmed,
        "unbounded": p.unbounded,
        "waits_until_ms": p.waits_until_ms,
    });
    let schema = "belay.pause.run/1";
    Shown { schema, missing, data: &data, words }.show(context.format)?;
    if let Some(fault) = &p.fault {
        return Err(Fault::failed(fault, "give the order again with what it lacks"));
    }
    Ok(if p.in_force { ExitCode::SUCCESS } else { ExitCode::from(6) })
}

/// True for an act that counts for nothing without the yes that it lacks.
fn is_bare(waiting: &WaitingSaid) -> bool {
    waiting.act != ActKind::Silence.as_str()
}

fn asked(stop: &Stop) -> Hold<'_> {
    let lasts = match (&stop.lasting, stop.until_lifted) {
        (Some(span), _) => Lasts::For(span.clone()),
        (None, true) => Lasts::UntilLifted,
        (None, false) => Lasts::Usual,
    };
    Hold {
        subject: &stop.subject,
        reason: &stop.reason,
        ahead: if stop.ahead { Ahead::Yes } else { Ahead::No },
        lasts,
        meets: Meets::End,
        signing: &stop.signing,
    }
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
    // Where nothing ran there is nothing to prove: what is left is that the order binds.
    let done = |progress: &ProgressSaid| {
        let binds = progress.branches.is_empty() && progress.in_force;
        let whole = progress.complete && progress.in_force;
        whole || progress.fault.is_some() || binds
    };
    let progress = follow(door, order, began, Duration::from_millis(wait_ms), done)?;
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
    done: impl Fn(&ProgressSaid) -> bool,
) -> Result<ProgressSaid, Fault> {
    loop {
        let progress: ProgressSaid = door.call(&Ask::Progress { order: order.to_owned() })?;
        if done(&progress) || began.elapsed() >= wait {
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
    let done = nothing_ran || progress.complete && progress.proven && progress.in_force;
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

/// What stood around a branch.
fn wall_words(branch: &BranchSaid) -> &str {
    match branch.wall.as_deref() {
        None | Some("none") => "no wall",
        Some(wall) => wall,
    }
}

/// What became of every branch.
pub(super) fn branch_table(progress: &ProgressSaid) -> String {
    let row = |branch: &BranchSaid| {
        let seen = branch.seen.as_deref().map(|seen| match seen {
            "not seen" => "nobody saw it end".to_owned(),
            seen => format!("seen {seen}; {}", wall_words(branch)),
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
        (false, _) => {
            waits_words(progress)
                + "Whatever has not heard of it may still begin what is not listed here.\n"
        }
    }
}

/// Whom an order waits for before it is in force, what that means, and what to do.
fn waits_words(progress: &ProgressSaid) -> String {
    let mut text =
        format!("Not yet in force: unconfirmed by {}.\n", progress.unconfirmed.join(", "));
    if !progress.unbounded.is_empty() {
        let names = progress.unbounded.join(", ");
        text +=
            &format!("Their own beacons, so nothing bounds them until they confirm: {names}.\n");
    }
    match progress.waits_until_ms {
        Some(until_ms) => {
            let end = crate::clock::rfc3339(until_ms);
            text += &format!(
                "Only an older release names them as beacons: bring them online once, or wait for \
                 its end, {end}.\n"
            );
        }
        None => {
            text +=
                "Bring them online, or publish a release without them (`belay policy publish`).\n"
        }
    }
    text
}

fn branch_name(branch: &BranchSaid) -> String {
    format!("{} on {}", branch.agent.as_deref().unwrap_or("unknown agent"), branch.device)
}

#[cfg(test)]
mod tests {
    use super::{ProgressSaid, waits_words};

    fn waits(unbounded: &[&str], waits_until_ms: Option<u64>) -> String {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        waits_words(&ProgressSaid {
            order: String::new(),
            subject: String::new(),
            fault: None,
            complete: false,
            proven: false,
            in_force: false,
            unconfirmed: names(&["gate", "old"]),
            unbounded: names(unbounded),
            waits_until_ms,
            bound_ms: None,
            branches: Vec::new(),
        })
    }

    /// Goal: an order that waits says for whom, who is unbounded, and what to do. Method: beacons
    /// of the release in force, and one that only an older release names.
    #[test]
    fn an_order_that_waits_says_for_whom_and_how_long() {
        let now = waits(&[], None);
        assert!(now.contains("unconfirmed by gate, old") && now.contains("belay policy publish"));
        assert!(!now.contains("nothing bounds"), "{now}");
        let lost = waits(&["old"], Some(1_800_000_000_000));
        assert!(lost.contains("nothing bounds them until they confirm: old."), "{lost}");
        assert!(lost.contains("wait for its end, 2027-01-15T08:00:00"), "{lost}");
    }
}
