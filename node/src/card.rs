//! The card: a public key that its holder asks the root to name, in a file that holds no secret.
//!
//! It says for which fleet, as an operator's key or as a root key, and under whose name; the key
//! signs that, so that nobody can have a key named that he does not hold, or under another name.
//! Refused here: a card of another fleet, of another use, or whose proof does not hold.

use crate::fault::Fault;
use belay_identity::codec::{self, Bytes};
use belay_identity::principal::OperatorId;
use belay_identity::{FleetId, PublicKey, SecretKey, codes, record};
use std::io::Write;
use std::path::Path;

/// A card is a name, a key and a signature: far below this.
const CARD_BYTES_MAX: u64 = 4096;

codes! {
    /// As what a key is to be named.
    pub enum CardUse {
        /// An operator's.
        Operator = 1 "operator",
        /// One of the root's.
        Root = 2 "root",
        /// An operator's, for orders alone: it signs without his touch or typed secret.
        Orders = 3 "orders",
    }
}

record! {
    /// The contents of a card.
    pub struct Card("card") {
        /// The version of this format: 1.
        1 => version: u64,
        /// The fleet whose root is asked.
        2 => fleet: FleetId,
        /// As what the key is to be named.
        3 => to_be: CardUse,
        /// Who holds the key; of a root key for people only, for an epoch names no holders.
        4 => holder: OperatorId,
        /// The key.
        5 => key: PublicKey,
        /// The key's signature over all of it.
        6 => possession: Bytes,
    }
}

impl Card {
    /// The card of a key.
    pub fn of(fleet: FleetId, to_be: CardUse, holder: OperatorId, secret: &SecretKey) -> Self {
        let key = secret.public();
        let words = words(&fleet, to_be, &holder, &key);
        let possession = Bytes(secret.sign(&words).to_vec());
        Self { version: 1, fleet, to_be, holder, key, possession }
    }

    /// The card of a key that lies elsewhere, which counts for orders alone.
    pub(crate) fn for_orders<E>(
        fleet: FleetId,
        holder: OperatorId,
        key: PublicKey,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        let to_be = CardUse::Orders;
        let possession = Bytes(sign(&words(&fleet, to_be, &holder, &key))?.to_vec());
        Ok(Self { version: 1, fleet, to_be, holder, key, possession })
    }

    /// True when the key signed what the card says.
    fn is_possessed(&self) -> bool {
        let words = words(&self.fleet, self.to_be, &self.holder, &self.key);
        let signature = <&[u8; 64]>::try_from(self.possession.0.as_slice());
        signature.is_ok_and(|signature| self.key.verify_strict(&words, signature))
    }
}

/// What the key signs: never a COSE structure, nor the words of an enrolment.
fn words(fleet: &FleetId, to_be: CardUse, holder: &OperatorId, key: &PublicKey) -> Vec<u8> {
    let mut words = b"belay card 1\0".to_vec();
    words.extend_from_slice(&fleet.0);
    words.extend_from_slice(to_be.as_str().as_bytes());
    words.push(0);
    words.extend_from_slice(&key.0);
    words.extend_from_slice(holder.as_str().as_bytes());
    words
}

/// Writes a card, never over an existing file.
pub(crate) fn write(path: &Path, card: &Card) -> Result<(), Fault> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(&codec::write(&card.to_value()))?;
        file.sync_all()
    });
    written.map_err(|error| {
        Fault::wrong_use(format!("{}: {error}", path.display()), "choose another file with --out")
    })
}

/// Reads a card for this fleet and one of these uses, and checks its proof.
pub(crate) fn read(path: &Path, fleet: &FleetId, to_be: &[CardUse]) -> Result<Card, Fault> {
    let noun = if to_be == [CardUse::Root] { "root" } else { "operator" };
    let hint = format!("ask for a fresh one: `belay {noun} card --name NAME --out FILE`");
    let bad = |what: String| Fault::wrong_use(format!("{}: {what}", path.display()), hint.clone());
    let meta = std::fs::metadata(path).map_err(|error| bad(error.to_string()))?;
    if meta.len() > CARD_BYTES_MAX {
        return Err(bad(format!("this is no card: it is longer than {CARD_BYTES_MAX} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    open(&bytes, fleet, to_be).map_err(bad)
}

/// Checks the bytes of a card; says what is wrong with them.
pub(crate) fn open(bytes: &[u8], fleet: &FleetId, to_be: &[CardUse]) -> Result<Card, String> {
    let value = codec::read(bytes).map_err(|error| format!("this is no card: {error}"))?;
    let card = Card::from_value(value).map_err(|error| error.to_string())?;
    if card.version != 1 {
        let version = card.version;
        return Err(format!("a card of version {version}, which this belay does not read"));
    }
    if card.fleet != *fleet {
        return Err(format!("this card is for another fleet, {}", card.fleet));
    }
    if !to_be.contains(&card.to_be) {
        return Err(format!("this card asks for a key of the kind {}", card.to_be));
    }
    if !card.is_possessed() {
        return Err("its proof does not hold: the key did not sign this card".to_owned());
    }
    Ok(card)
}
