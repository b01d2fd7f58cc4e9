//! `belay operator card`, `belay root card`: a key of one's own, made and sealed on one's own
//! device, and the card by which the root can name it.
//!
//! Refused here: a second key of one kind in one state; asked again, the card of the first is
//! written, so that a lost file costs nothing.

use super::door;
use super::operator::open_key;
use super::up::{draw_key, seal, unlock_new};
use crate::api::{Ask, StatusSaid, id_from_text};
use crate::card::{self, Card, CardUse};
use crate::cli::Context;
use crate::cli::authority::MakeCard;
use crate::door::{DoorClient, DoorName};
use crate::fault::{Fault, io};
use crate::os;
use crate::screen::Shown;
use crate::vault::{KeyName, Vault};
use belay_identity::principal::{OperatorId, TrustDomain};
use belay_identity::{FleetId, SecretKey};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, ask: &MakeCard, to_be: CardUse) -> Result<ExitCode, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let (fleet, domain) = fleet(&mut door)?;
    let holder = OperatorId::new(&domain, &ask.name)
        .map_err(|error| Fault::wrong_use(error, "choose another with --name"))?;
    let name = match to_be {
        CardUse::Operator => KeyName::Operator,
        CardUse::Root => KeyName::Root,
    };
    let secret = own_key(&context.state()?, name, ask)?;
    let card = Card::of(fleet, to_be, holder, &secret);
    card::write(&ask.out, &card)?;
    let next = match to_be {
        CardUse::Operator => "belay operator add FILE --roles policy,security",
        CardUse::Root => "belay root add FILE",
    };
    let words = format!(
        "Wrote {}: it holds no secret. The key lies sealed in this state.\n\
         Whoever holds a root key names it: {next}\n",
        ask.out.display()
    );
    let data = json!({
        "file": ask.out.display().to_string(),
        "name": ask.name,
        "use": to_be.as_str(),
        "key": card.key.to_hex(),
    });
    let schema = format!("belay.{to_be}.card/1");
    Shown::whole(&schema, &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// The fleet of this device, and its trust domain.
pub(super) fn fleet(door: &mut DoorClient) -> Result<(FleetId, TrustDomain), Fault> {
    let status: StatusSaid = door.call(&Ask::Status)?;
    let odd = || Fault::exit(4, "this device knows no fleet yet", "see `belay status`");
    let fleet = id_from_text(&status.fleet).map(FleetId).map_err(|_| odd())?;
    Ok((fleet, TrustDomain::new(&status.domain).map_err(|_| odd())?))
}

/// The key of this state, made and sealed if there is none yet.
fn own_key(state: &Path, name: KeyName, ask: &MakeCard) -> Result<SecretKey, Fault> {
    if Vault::at(state).has(name) {
        return open_key(state, name, &ask.unlock);
    }
    os::hide_memory().map_err(io("closing this process's memory"))?;
    let unlock = unlock_new(&ask.unlock)?;
    let secret = draw_key();
    seal(state, &unlock, &[(name, &secret)])?;
    Ok(secret)
}
