//! A card: what a person hands over to be named by the root.

use super::{Sample, fleet, key, operator};
use belay_identity::codec;
use belay_node::card::{Card, CardUse};

/// The samples of a card, for each use.
pub fn cards() -> Vec<Sample> {
    let sample = |(name, to_be, seed): (&str, CardUse, u8)| {
        let card = Card::of(fleet(), to_be, operator("bob"), &key(seed));
        Sample { name: name.into(), id: None, bytes: codec::write(&card.to_value()) }
    };
    let uses = [
        ("card-operator", CardUse::Operator, 5),
        ("card-root", CardUse::Root, 6),
        ("card-orders", CardUse::Orders, 7),
    ];
    uses.map(sample).into()
}
