//! `belay operator card`, `belay root card`: a key of one's own, made and sealed on one's own
//! device, and the card by which the root can name it.
//!
//! Refused here: a second key of one kind in one state; asked again, the card of the first is
//! written, so that a lost file costs nothing.

use super::door;
use super::operator::{of_agent, open_key};
use super::up::{draw_key, seal, unlock_new};
use crate::api::{Ask, StatusSaid, id_from_text};
use crate::card::{self, Card, CardUse};
use crate::cli::Context;
use crate::cli::authority::MakeCard;
use crate::cli::keys::KeySource;
use crate::door::{DoorClient, DoorName};
use crate::fault::{Fault, io};
use crate::os;
use crate::screen::Shown;
use crate::vault::{AgentKey, KeyName, Vault};
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
    let card = match &ask.key {
        Some(source) => agents_card(fleet, holder, source, to_be)?,
        None => {
            let name = match to_be {
                CardUse::Operator | CardUse::Orders => KeyName::Operator,
                CardUse::Root => KeyName::Root,
            };
            Card::of(fleet, to_be, holder, &own_key(&context.state()?, name, ask)?)
        }
    };
    card::write(&ask.out, &card)?;
    let next = match card.to_be {
        CardUse::Operator => "belay operator add FILE --roles policy,security",
        CardUse::Root => "belay root add FILE",
        CardUse::Orders => "belay operator add FILE",
    };
    let lies = match card.to_be {
        CardUse::Operator | CardUse::Root => "sealed in this state",
        CardUse::Orders => "in your ssh-agent: it gives orders, and grants nothing",
    };
    let words = format!(
        "Wrote {}: it holds no secret. The key lies {lies}.\n\
         Whoever holds a root key names it: {next}\n",
        ask.out.display()
    );
    let data = json!({
        "file": ask.out.display().to_string(),
        "name": ask.name,
        "use": card.to_be.as_str(),
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

/// The card of a key in an ssh-agent, which signs without its holder's presence: for orders.
fn agents_card(
    fleet: FleetId,
    holder: OperatorId,
    source: &KeySource,
    to_be: CardUse,
) -> Result<Card, Fault> {
    let word = match (source, to_be) {
        (KeySource::Agent(word), CardUse::Operator | CardUse::Orders) => word,
        (KeySource::Agent(_), CardUse::Root) => {
            let what = "a root key needs its holder's presence, and an ssh-agent asks nobody";
            return Err(Fault::exit(3, what, "leave --key out: the key is made and sealed here"));
        }
        (KeySource::File(file), _) => {
            let what = format!("--key {}: only a key in an ssh-agent is named so", file.display());
            return Err(Fault::wrong_use(what, "write --key ssh-agent:KEY, or leave --key out"));
        }
    };
    let key = AgentKey::find(word).map_err(of_agent)?;
    Card::for_orders(fleet, holder, key.public(), |words| key.sign(words)).map_err(of_agent)
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
