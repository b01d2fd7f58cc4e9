//! `belay revoke`: cuts a principal or group for ever, then waits for the proof as `stop` does.
//!
//! Refused here: doing so by a slip; it is asked for on a terminal unless `--yes` is given.

use super::door;
use super::operator::Operator;
use super::stop::{Ahead, Meant, check_reason, meant, wait_ms, watch};
use crate::api::id_from_text;
use crate::cli::{Context, Revoke};
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::screen::talk;
use belay_identity::body::{self, Body, Reason};
use belay_identity::{Class, StatementId};
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
    let refs = standing.revoke_refs.iter().map(|id| id_from_text(id).map(StatementId));
    let odd = |refusal: belay_mesh::output::Refusal| {
        Fault::failed(refusal.why, "use `belay` of the version that runs the node")
    };
    let refs = refs.collect::<Result<Vec<_>, _>>().map_err(odd)?;
    let mut operator = Operator::unlock(context, &ask.signing)?;
    let place = operator.place(Class::AuthorityMinus)?;
    let (home, reason) = (place.device.clone(), Reason(ask.reason.clone()));
    let signed =
        operator.say(place, Body::Revoke(body::Revoke { subject, home, reason }), refs, None)?;
    let order = signed.id().to_hex();
    talk(format_args!("belay: order {order} is given; only a restore opens a new beginning"));
    let mut door = door(context, DoorName::Operator)?;
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
