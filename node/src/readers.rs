//! Every reader of bytes that others wrote, one function each, so that each can be tried by itself.
//!
//! What a reader accepts it gives back as this program writes it; where one meaning has one form
//! that is the same bytes. Refused here: reading anything from a file or a socket.

use crate::api::Ask;
use crate::card::CardUse;
use crate::fault::Fault;
use crate::hook::Dialect;
use crate::mcp::message::Message;
use crate::warden::{Facts, FactsError};
use crate::{card, config, invite, policy_folder, store, subject, warden};
use belay_identity::FleetId;
use belay_identity::body::Subject;
use belay_identity::codec;
use belay_identity::principal::TrustDomain;
use std::collections::BTreeMap;

/// The text of a `node.toml`.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn node_file(text: &str) -> Result<(), Fault> {
    config::parse("node.toml", text).map(drop)
}

/// The bytes of an invite file, everything signed in it checked.
///
/// # Errors
/// What is wrong with it, in words.
pub fn invite_file(bytes: &[u8]) -> Result<Vec<u8>, String> {
    invite::open(bytes).map(|opened| codec::write(&opened.file.to_value()))
}

/// The bytes of a card by which a holder of a key asks this fleet's root to name it as this.
///
/// # Errors
/// What is wrong with it, in words.
pub fn card_file(bytes: &[u8], fleet: &FleetId, to_be: CardUse) -> Result<Vec<u8>, String> {
    card::open(bytes, fleet, &[to_be]).map(|card| codec::write(&card.to_value()))
}

/// One line at a door of the node, without its end.
///
/// # Errors
/// What is wrong with it, as the door says it.
pub fn door_line(line: &[u8]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&serde_json::from_slice::<Ask>(line)?)
}

/// Up to three words of a subject, for a name of this trust domain.
///
/// # Errors
/// Which word is none, and what to write.
pub fn subject_words(domain: &TrustDomain, words: &[String]) -> Result<Subject, Fault> {
    subject::read(domain, words)
}

/// A file of cases of a policy folder, by its path there: how many it holds.
///
/// # Errors
/// What is wrong with it, where, and what to do.
pub fn policy_cases(path: &str, text: &str) -> Result<usize, Fault> {
    let file = BTreeMap::from([(path.to_owned(), text.to_owned())]);
    policy_folder::cases(&file).map(|cases| cases.len())
}

/// The payload of one entry of the reserved journal; none where it is not one.
pub fn journal_entry(bytes: &[u8]) -> Option<Vec<u8>> {
    store::read_journal(bytes).map(|records| store::write_journal(&records))
}

/// The bytes of a warden's facts, sealed with this key.
///
/// # Errors
/// Where they are damaged.
pub fn facts(bytes: &[u8], key: &[u8; 32]) -> Result<Facts, FactsError> {
    warden::facts_in(bytes, key)
}

/// One message of the Model Context Protocol as it is passed on; none where it is refused, with
/// what is answered.
///
/// # Errors
/// The answer to whoever sent it.
pub fn mcp_message(bytes: &[u8]) -> Result<String, String> {
    match Message::parse(bytes) {
        Ok(message) => Ok(message.whole.to_string()),
        Err(unread) => Err(unread.answer().to_string()),
    }
}

/// A call of a coding agent's hook, by the agent's word: how many acts it becomes.
///
/// # Errors
/// Why it is denied.
pub fn hook_call(agent: &str, bytes: &[u8]) -> Result<usize, String> {
    let dialect = Dialect::ALL.into_iter().find(|dialect| dialect.word() == agent);
    let dialect = dialect.ok_or_else(|| format!("no hook of {agent} is known"))?;
    dialect.acts_of(bytes)
}
