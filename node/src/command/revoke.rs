//! `belay revoke`: cuts a principal or group for ever, then waits for the proof as `stop` does.
//!
//! Refused here: doing so by a slip; it is asked for on a terminal unless `--yes` is given.

use super::approve::all;
use super::door;
use super::hold::{self, Given, named_ids, names_operator};
use super::operator::Operator;
use super::stop::{Ahead, Meant, check_reason, meant, wait_ms, watch};
use crate::api::approval::WaitingSaid;
use crate::cli::{Context, Revoke};
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::screen::talk;
use crate::vault::KeyName;
use belay_identity::Class;
use belay_identity::body::{self, Body, Reason};
use belay_mesh::approval::ActKind;
use std::io::IsTerminal;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, ask: &Revoke) -> Result<ExitCode, Fault> {
    let wait_ms = wait_ms(&ask.timeout)?;
    check_reason(&ask.reason)?;
    let ahead = if ask.ahead { Ahead::Yes } else { Ahead::No };
    let Meant { subject, standing } = meant(context, std::slice::from_ref(&ask.subject), ahead)?;
    if !ask.yes {
        confirm(&subject.to_string())?;
    }
    let refs = named_ids(&standing.revoke_refs)?;
    // An operator is cut for ever by the threshold of the root alone.
    let name = if names_operator(&subject) { KeyName::Root } else { KeyName::Operator };
    let mut operator = match name {
        KeyName::Operator => Operator::unlock_for_order(context, &ask.signing)?,
        KeyName::Root | KeyName::Device => Operator::unlock_as(context, &ask.signing, name)?,
    };
    let mut place = operator.place(Class::AuthorityMinus)?;
    let (home, reason) = (place.device.clone(), Reason(ask.reason.clone()));
    let body = Body::Revoke(body::Revoke { subject: subject.clone(), home, reason });
    let signed = operator.sign_next(&mut place, body, refs, None)?;
    operator.propose(std::slice::from_ref(&signed))?;
    let order = signed.id().to_hex();
    talk(format_args!("belay: order {order} is given; only a restore opens a new beginning"));
    let mut door = door(context, DoorName::Operator)?;
    let waiting = all(&mut door)?.into_iter().find(|waiting| waiting.id == order);
    let silence = |waiting: &WaitingSaid| waiting.act == ActKind::Silence.as_str();
    if name == KeyName::Root || !waiting.as_ref().is_none_or(silence) {
        let given = Given { order, subject, until_ms: None, waiting };
        return hold::show(context, "belay.revoke.run/1", &given);
    }
    watch(context, "belay.revoke.run/1", &mut door, &order, wait_ms)
}

/// What is for ever takes typing the name.
fn confirm(subject: &str) -> Result<(), Fault> {
    if !std::io::stdin().is_terminal() {
        let hint = "give --yes where nobody can be asked; `belay stop` holds until it is lifted";
        return Err(Fault::wrong_use(
            format!("revoking {subject} is for ever and asks first"),
            hint,
        ));
    }
    talk(format_args!(
        "Revoking {subject} is for ever: what it is and holds now never acts again.\n\
         Type {subject} to go on:"
    ));
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(io("reading the terminal"))?;
    if typed.trim() == subject {
        return Ok(());
    }
    Err(Fault::failed("nothing was revoked", "type the whole name to go on"))
}
