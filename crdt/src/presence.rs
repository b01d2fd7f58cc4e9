//! What devices say of themselves: where they can be reached, what they can do, how busy they are.
//!
//! A presence is a register: of one device key the set keeps the greatest (incarnation, seq), so
//! this view is what the set holds, by key. A device speaks for itself alone; one whose key is not
//! enrolled is read by nobody.
//!
//! Refused here: believing it. It chooses whom to ask; whoever is asked decides for himself.

use crate::registry::{Device, Registry};
use crate::set::{Held, Set};
use belay_identity::body::Presence;
use belay_identity::{Body, PublicKey, Scope};
use std::collections::BTreeMap;

/// The newest word of every key about itself.
#[derive(Debug, Clone, Default)]
pub struct Presences {
    by_key: BTreeMap<PublicKey, Held>,
}

/// Equal when the same statements are read.
impl PartialEq for Presences {
    fn eq(&self, other: &Self) -> bool {
        let ids = |of: &Self| of.by_key.values().map(|held| held.id()).collect::<Vec<_>>();
        ids(self) == ids(other)
    }
}

impl Eq for Presences {}

impl Presences {
    /// The presences of a whole set.
    pub fn fold(set: &Set) -> Self {
        let mut presences = Self::default();
        set.of_kind("presence").for_each(|statement| presences.apply(statement));
        presences
    }

    /// Takes in one statement that the set keeps; equal to a fold of the whole set.
    pub fn apply(&mut self, statement: &Held) {
        let fleet_wide = statement.scope == Scope::Fleet;
        if fleet_wide && matches!(statement.body, Body::Presence(_)) {
            self.by_key.insert(statement.key(), statement.clone());
        }
    }

    /// The newest word of this key, whoever holds it.
    pub fn by(&self, key: &PublicKey) -> Option<&Held> {
        self.by_key.get(key)
    }

    /// Where the device of this key says that it listens; nothing before it has said so.
    pub fn addresses_of(&self, key: &PublicKey) -> &[String] {
        match self.by_key.get(key).map(|held| &held.body) {
            Some(Body::Presence(presence)) => &presence.addresses,
            Some(_) | None => &[],
        }
    }

    /// Every enrolled device that has said something of itself, by key.
    pub fn devices<'a>(
        &'a self,
        registry: &'a Registry,
    ) -> impl Iterator<Item = (&'a Device, &'a Presence)> {
        self.by_key.iter().filter_map(|(key, held)| {
            let device = registry.device_by_key(key)?;
            match &held.body {
                Body::Presence(presence) if registry.speaks_for(key, &device.id) => {
                    Some((device, presence))
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests;
