//! One valid epoch of the root, with its list of pins wherever that lies.
//!
//! Refused here: saying whether it stands, and what its pins cover.

use super::pins;
use crate::set::Held;
use belay_identity::body::{Pin, Root};
use belay_identity::{LogId, StatementId};

/// One valid epoch of the root.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u64,
    /// The id of its proposal.
    pub id: StatementId,
    /// What it says.
    pub root: Root,
    /// The statements that list its pins, where those do not fit into the proposal.
    pub parts: Vec<Held>,
}

/// The id names every byte of the proposal, and that names its parts.
impl PartialEq for Epoch {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.parts.len() == other.parts.len()
    }
}

impl Eq for Epoch {}

impl Epoch {
    /// Every pin, wherever it is listed.
    pub fn pins(&self) -> impl Iterator<Item = &Pin> {
        self.root.pins.iter().chain(self.parts.iter().flat_map(pins::listed_in))
    }

    /// The pins of one log: in parts at most one, which is looked up.
    pub fn pins_of<'a>(&'a self, log: &'a LogId) -> impl Iterator<Item = &'a Pin> {
        let inside = self.root.pins.iter().filter(move |pin| pin.log() == *log);
        inside.chain(pins::find(&self.parts, log))
    }
}
