//! `belay stop`: one order, then the proof of what became of everything it names.
//!
//! Refused here: saying "stopped" for what nobody saw end.

use super::door;
use super::operator::Operator;
use crate::api::{Ask, BranchSaid, ProgressSaid};
use crate::cli::{Context, Stop};
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::policy_folder::{span_ms, span_words};
use crate::screen::{Shown, table, talk};
use belay_identity::Class;
use belay_identity::body::{Body, Hold, Subject, Term};
use belay_identity::key::unhex;
use belay_identity::limits::REASON_BYTES_MAX;
use belay_identity::principal::{AgentId, ClassId, DeviceId, ProjectId, TrustDomain, UserId};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(context: &Context, stop: &Stop) -> Result<ExitCode, Fault> {
    let wait_ms = span_ms(&stop.timeout).ok_or_else(|| {
        Fault::wrong_use(format!("“{}” is no duration", stop.timeout), "write 30s, 2m or 500ms")
    })?;
    let (order, mut door) = match &stop.follow {
        Some(order) => (order.clone(), door(context, DoorName::Operator)?),
        None => give(context, stop)?,
    };
    let began = Instant::now();
    let wait = Duration::from_millis(wait_ms);
    let progress = follow(&mut door, &order, began, wait)?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    show(context, &progress, took_ms)
}

/// Signs the hold here and hands it to the node.
fn give(context: &Context, stop: &Stop) -> Result<(String, DoorClient), Fault> {
    if stop.reason.len() > REASON_BYTES_MAX {
        let what =
            format!("the reason has {} bytes; at most {REASON_BYTES_MAX}", stop.reason.len());
        return Err(Fault::wrong_use(what, "say it shorter, or name a ticket"));
    }
    // Names are good or bad in any fleet; better said before a passphrase is typed.
    subject(&any_domain()?, &stop.subject)?;
    let mut operator = Operator::unlock(context, &stop.signing)?;
    let place = operator.place(Class::AuthorityMinus)?;
    let hold = Hold {
        subject: subject(&place.domain, &stop.subject)?,
        home: place.device.clone(),
        reason: belay_identity::body::Reason(stop.reason.clone()),
        until_ms: None,
        pause: None,
    };
    let signed = operator.say(place, Body::Hold(hold), Vec::new(), None)?;
    talk(format_args!("belay: order {} is given", signed.id().to_hex()));
    Ok((signed.id().to_hex(), door(context, DoorName::Operator)?))
}

fn any_domain() -> Result<TrustDomain, Fault> {
    TrustDomain::new("a").map_err(|error| Fault::failed(error, "report this"))
}

/// Reads `agent:planner` and the like.
fn subject(domain: &TrustDomain, words: &[String]) -> Result<Subject, Fault> {
    let hint =
        "write agent:NAME, user:NAME, project:NAME, class:NAME, device:NAME or manifest:HASH";
    let terms = words.iter().filter(|word| *word != "and").map(|word| {
        let bad = || Fault::wrong_use(format!("“{word}” is no subject"), hint);
        let (kind, name) = word.split_once(':').ok_or_else(bad)?;
        Ok(match kind {
            "agent" => Term::Agent(AgentId::new(domain, name).map_err(|_| bad())?),
            "user" => Term::User(UserId::new(domain, name).map_err(|_| bad())?),
            "project" => Term::Project(ProjectId::new(domain, name).map_err(|_| bad())?),
            "class" => Term::Class(ClassId::new(domain, name).map_err(|_| bad())?),
            "device" => Term::Device(DeviceId::new(domain, name).map_err(|_| bad())?),
            "manifest" => {
                let hash = unhex(name).and_then(|bytes| bytes.try_into().ok());
                Term::Manifest(hash.ok_or_else(bad)?)
            }
            _ => return Err(bad()),
        })
    });
    let terms = terms.collect::<Result<Vec<_>, Fault>>()?;
    Subject::new(terms).map_err(|error| Fault::wrong_use(error, hint))
}

fn follow(
    door: &mut DoorClient,
    order: &str,
    began: Instant,
    wait: Duration,
) -> Result<ProgressSaid, Fault> {
    loop {
        let progress: ProgressSaid = door.call(&Ask::Progress { order: order.to_owned() })?;
        if progress.complete || progress.fault.is_some() || began.elapsed() >= wait {
            return Ok(progress);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn show(context: &Context, progress: &ProgressSaid, took_ms: u64) -> Result<ExitCode, Fault> {
    let open = progress.branches.iter().filter(|branch| !branch.proven);
    let missing: Vec<String> = open.map(branch_name).collect();
    let words = words(progress, took_ms);
    Shown { schema: "belay.stop.run/1", missing, data: progress, words }.show(context.format)?;
    if let Some(fault) = &progress.fault {
        return Err(Fault::failed(fault, "give the order again with what it lacks"));
    }
    Ok(ExitCode::from(match (progress.branches.is_empty(), progress.complete && progress.proven) {
        (true, _) => 2,
        (false, true) => 0,
        (false, false) => 6,
    }))
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
    if !rows.is_empty() {
        text += &table(&["AGENT", "DEVICE", "OUTCOME", "HOW IT IS KNOWN"], &rows);
    }
    text + &bound_words(progress) + &format!("order {}\n", progress.order)
}

fn bound_words(progress: &ProgressSaid) -> String {
    if progress.complete {
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
            format!("Not yet in force: unconfirmed by {}.\n", progress.unconfirmed.join(", "))
        }
    }
}

fn branch_name(branch: &BranchSaid) -> String {
    format!("{} on {}", branch.agent.as_deref().unwrap_or("unknown agent"), branch.device)
}
