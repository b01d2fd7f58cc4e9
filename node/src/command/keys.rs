//! `belay key list`: the keys of this state, how each is kept, and whether the fleet knows them.
//!
//! Refused here: saying more of a sealed key than it says when it is opened.

use super::operator::{open_turn, unlock_all};
use crate::api::authority::AuthoritySaid;
use crate::api::{Ask, StatusSaid};
use crate::cli::{Context, Unlocking};
use crate::door::DoorName;
use crate::fault::Fault;
use crate::screen::{Shown, table, talk};
use crate::vault::{AgentKey, KeptError, KeyName, Sealed, Turn, Vault};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// One key of this state.
#[derive(Serialize)]
struct Line {
    key: &'static str,
    turn: &'static str,
    public: String,
    known_as: String,
    kept: String,
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
                let (key, turn, kept) = (name.as_str(), word(turn), kept_words(&vault, name, turn));
                lines.push(Line { key, turn, public, known_as, kept, file });
            }
        }
    }
    lines.extend(agent_lines(&authority));
    let row = |line: &Line| {
        let public = line.public.chars().take(16).collect();
        let (key, turn) = (line.key.to_owned(), line.turn.to_owned());
        vec![key, turn, public, line.known_as.clone(), line.kept.clone(), line.file.clone()]
    };
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    let head = ["KEY", "STATE", "PUBLIC", "THE FLEET KNOWS IT AS", "KEPT", "FILE"];
    let words = table(&head, &rows);
    Shown::whole("belay.key.list/1", &json!({ "keys": lines }), words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// The keys of the user's ssh-agent that the fleet knows; an agent that does not answer is said.
fn agent_lines(authority: &AuthoritySaid) -> Vec<Line> {
    let held = AgentKey::all().unwrap_or_else(|error| {
        talk(format_args!("belay: {error}; {}", error.hint()));
        Vec::new()
    });
    let line = |key: AgentKey| {
        let public = key.public().to_hex();
        let operator = authority.operators.iter().find(|line| line.keys.contains(&public))?;
        let kept = match operator.orders_keys.contains(&public) {
            true => "in the ssh-agent, for orders only",
            false => "in the ssh-agent",
        };
        Some(Line {
            key: KeyName::Operator.as_str(),
            turn: word(Turn::Now),
            public,
            known_as: format!("operator:{}", operator.name),
            kept: kept.to_owned(),
            file: format!("{} at {}", key.comment(), key.socket().display()),
        })
    };
    held.into_iter().filter_map(line).collect()
}

/// How a key in use is kept, for `status`.
#[derive(Serialize)]
pub(super) struct KeptLine {
    pub(super) key: &'static str,
    pub(super) kept: String,
}

/// How each key in use of this state is kept.
pub(super) fn kept_lines(state: &Path) -> Vec<KeptLine> {
    let vault = Vault::at(state);
    let names = KeyName::ALL.into_iter().filter(|name| vault.has(*name));
    let line =
        |name: KeyName| KeptLine { key: name.as_str(), kept: kept_words(&vault, name, Turn::Now) };
    names.map(line).collect()
}

fn kept_words(vault: &Vault, name: KeyName, turn: Turn) -> String {
    let mut words = match vault.sealed_of(name, turn) {
        Ok(Sealed::Passphrase) => "sealed by a passphrase".to_owned(),
        Ok(Sealed::UnlockFile) => "sealed to an unlock file".to_owned(),
        Err(error) => return format!("unreadable: {error}"),
    };
    if name == KeyName::Device && turn == Turn::Now && vault.is_kept() {
        words += match vault.open_kept() {
            Ok(_) => ", and the kernel keyring opens it",
            Err(KeptError::Forgotten) => "; the kernel keyring has forgotten what opened it",
            Err(_) => "; the kernel keyring does not open it",
        };
    }
    words
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
