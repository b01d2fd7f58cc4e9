//! A leaf relays nothing: it tells its links what was said on this device, and nobody else's words.
//!
//! Phones are leaves: they sleep, they roam, and what they carry for others costs their owner. What
//! a leaf's own statements rest on (root epochs, its enrolment, the papers of work it gives) still
//! travels beside them. Refused here: keeping back what was said here, also before a restart; and a
//! leaf that is a beacon, since whoever gives leases must pass on the orders they wait for.

use crate::engine::Engine;
use belay_identity::body::{DeviceKind, Drill, Hold, Revoke};
use belay_identity::{Body, Incarnation, Statement, StatementId, Verified};
use std::collections::BTreeSet;

impl Engine {
    /// True when this device relays nothing.
    pub(crate) fn is_leaf(&self) -> bool {
        let own = self.known.registry.device_by_key(&self.key);
        own.is_some_and(|device| device.kind == DeviceKind::Phone) && !self.is_beacon(&self.key)
    }

    /// What of these may be told by this device: all, or for a leaf only what was said here.
    pub(crate) fn tellable(&self, mut ids: Vec<StatementId>) -> Vec<StatementId> {
        if self.is_leaf() {
            let lives = self.own_lives();
            ids.retain(|id| self.known.get(id).is_some_and(|s| self.was_said_here(s, &lives)));
        }
        ids
    }

    /// True for a policy that this device may hand out: for a leaf one that was published here.
    pub(crate) fn may_hand_out(&self, policy: &[u8; 32]) -> bool {
        if !self.is_leaf() {
            return true;
        }
        let lives = self.own_lives();
        self.known.set.of_kind("release").any(|statement| match &statement.body {
            Body::Release(release) => {
                release.body == *policy && self.was_said_here(statement, &lives)
            }
            _ => false,
        })
    }

    /// Every incarnation under which this device is known to have lived.
    fn own_lives(&self) -> BTreeSet<Incarnation> {
        let said = self.known.set.iter().filter(|statement| statement.key() == self.key);
        said.map(|statement| statement.incarnation).chain([self.incarnation]).collect()
    }

    /// Said by this device, by an agent on it, or by an operator through it.
    fn was_said_here(
        &self,
        statement: &Verified<Statement>,
        lives: &BTreeSet<Incarnation>,
    ) -> bool {
        let key = statement.key();
        let agent = || {
            let credential = self.known.registry.credential_by_key(&key);
            credential.is_some_and(|issued| issued.issuer == self.key)
        };
        let operator = || {
            let mut numbered = lives.iter().map(|life| self.incarnation_in(*life, key));
            numbered.any(|incarnation| incarnation == statement.incarnation)
        };
        let home = match &statement.body {
            Body::Hold(Hold { home, .. })
            | Body::Revoke(Revoke { home, .. })
            | Body::Drill(Drill { home, .. }) => Some(home),
            _ => None,
        };
        key == self.key
            || agent()
            || operator()
            || (home.is_some() && home == self.own_id().as_ref())
    }
}
