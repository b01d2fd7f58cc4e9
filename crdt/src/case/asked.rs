//! The beacons that owe every order an answer, and whether enough have given it.
//!
//! What they sign they have on disk, so their receipts show in the case itself that no quorum can
//! freshen a device that has not heard the order. Refused here: naming what ran.

use super::MissingWhy;
use super::gather::Known;
use crate::releases::{ReleaseInForce, Releases};
use belay_identity::PublicKey;
use std::collections::{BTreeMap, BTreeSet};

/// The beacons that are asked about an order: those of every release that judges in some ring, as
/// far as no order silences them.
pub(super) struct Asked {
    releases: Vec<Givers>,
}

/// Who gives leases under one release.
struct Givers {
    beacons: BTreeSet<PublicKey>,
    heeded: BTreeSet<PublicKey>,
    quorum: u64,
    liars: u64,
}

impl Asked {
    pub(super) fn of(known: &Known<'_>) -> Self {
        let releases = Releases::fold(known.set, known.authority, known.orders);
        let silenced = |key: &PublicKey| {
            let device = known.registry.device_by_key(key);
            device.is_some_and(|device| known.orders.beacon_silenced(&device.id).is_some())
        };
        let givers = |release: &ReleaseInForce| {
            let beacons: BTreeSet<PublicKey> = release.header.beacons.iter().copied().collect();
            let heeded = beacons.iter().filter(|key| !silenced(key)).copied().collect();
            let (quorum, liars) = (release.header.quorum, release.header.liars);
            Givers { beacons, heeded, quorum, liars }
        };
        let all = releases.rings().flat_map(|ring| releases.judging(ring).all());
        Self { releases: all.map(givers).collect() }
    }

    pub(super) fn beacons(&self) -> BTreeSet<PublicKey> {
        self.releases.iter().flat_map(|givers| givers.heeded.iter().copied()).collect()
    }

    /// Who is missing, as long as some release's quorum may be had without the order.
    pub(super) fn silent(&self, answered: &BTreeSet<PublicKey>) -> BTreeMap<PublicKey, MissingWhy> {
        let mut silent = BTreeMap::new();
        for givers in self.releases.iter().filter(|givers| !givers.suffice(answered)) {
            for key in givers.heeded.difference(answered) {
                let alone = givers.quorum <= 1;
                let why = if alone { MissingWhy::OwnBeacon } else { MissingWhy::Unconfirmed };
                silent.entry(*key).or_insert(why);
            }
        }
        silent
    }
}

impl Givers {
    /// True when no quorum is without one of these. Whoever is silenced is not waited for, and is
    /// none of these: it goes on freshening whoever has not heard that it is silenced.
    fn suffice(&self, answered: &BTreeSet<PublicKey>) -> bool {
        let has = self.heeded.intersection(answered).count();
        let needed = self.beacons.len() as u128 + u128::from(self.liars);
        has as u128 + u128::from(self.quorum) > needed
    }
}
