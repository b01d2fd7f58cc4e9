//! `belay key list`: the keys of this state, and whether the fleet knows them.
//!
//! Refused here: saying more of a sealed key than it says when it is opened.

use super::operator::{open_turn, unlock_all};
use crate::api::authority::AuthoritySaid;
use crate::api::{Ask, StatusSaid};
use crate::cli::{Context, Unlocking};
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::{Shown, table};
use crate::vault::{KeyName, Turn, Vault};
use serde::Serialize;
use serde_json::json;
use std::process::ExitCode;

/// One key of this state.
#[derive(Serialize)]
struct Line {
    key: &'static str,
    turn: &'static str,
    public: String,
    known_as: String,
    file: String,
}

pub(crate) fn list(context: &Context, unlock: &Unlocking) -> Result<ExitCode, Fault> {
    let state = context.state()?;
    let mut door = super::door(context, DoorName::Operator)?;
    let status: StatusSaid = door.call(&Ask::Status)?;
    let authority: AuthoritySaid = door.call(&Ask::Authority)?;
    let (vault, unlock) = (Vault::at(&state), unlock_all(unlock)?);
    let mut lines = Vec::new();
    for name in [KeyName::Device, KeyName::Operator, KeyName::Root] {
        for turn in [Turn::Now, Turn::Next, Turn::Old] {
            if vault.has_of(name, turn) {
                let public = open_turn(&vault, name, turn, &unlock)?.public().to_hex();
                let known_as = known_as(&status, &authority, &public);
                let file = vault.path_of(name, turn).display().to_string();
                lines.push(Line { key: name.as_str(), turn: word(turn), public, known_as, file });
            }
        }
    }
    let row = |line: &Line| {
        let public = line.public.chars().take(16).collect();
        let (key, turn) = (line.key.to_owned(), line.turn.to_owned());
        vec![key, turn, public, line.known_as.clone(), line.file.clone()]
    };
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    let words = table(&["KEY", "STATE", "PUBLIC", "THE FLEET KNOWS IT AS", "FILE"], &rows);
    Shown::whole("belay.key.list/1", &json!({ "keys": lines }), words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn word(turn: Turn) -> &'static str {
    match turn {
        Turn::Now => "in use",
        Turn::Next => "next",
        Turn::Old => "set aside",
    }
}

fn known_as(status: &StatusSaid, authority: &AuthoritySaid, public: &String) -> String {
    let device = status.devices.iter().find(|device| device.key == *public);
    let operator = authority.operators.iter().find(|line| line.keys.contains(public));
    match (device, operator, authority.keys.contains(public)) {
        (Some(device), ..) => format!("device:{}", device.name),
        (None, Some(operator), _) => format!("operator:{}", operator.name),
        (None, None, true) => "a root key".to_owned(),
        (None, None, false) => "nobody".to_owned(),
    }
}
