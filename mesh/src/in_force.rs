//! In force: an order is on so many beacons' disks that no quorum can freshen a device without it.
//!
//! That takes |B| - q + 1 + f of them, f being liars, by every release that judges. While a release
//! that changes B, q or f is not itself on so many disks of the beacons before it, some device may
//! not have heard of it and draw from those: until then an order has to be in force under both. An
//! older release whose time is surely past freshens nobody.
//!
//! What a beacon has on disk it says itself, signed: with every answer, and with its receipt for
//! the order. Refused here: guessing.

use crate::engine::Engine;
use belay_crdt::releases::{ReleaseInForce, Releases};
use belay_identity::body::Release;
use belay_identity::{PublicKey, StatementId};
use std::collections::BTreeSet;

impl Engine {
    /// True when no quorum can freshen a device without this order any more.
    pub(crate) fn in_force(&self, order: &StatementId) -> bool {
        let freshen = self.freshening();
        let on_disk = |beacon: &PublicKey| self.confirms(beacon, order);
        !freshen.is_empty() && freshen.iter().all(|release| suffices(&release.header, on_disk))
    }

    /// Beacons that have this order on disk, and those that have not said so.
    pub(crate) fn beacons_of(&self, order: &StatementId) -> (Vec<PublicKey>, Vec<PublicKey>) {
        let named: BTreeSet<PublicKey> = self.freshening_keys();
        named.into_iter().partition(|beacon| self.confirms(beacon, order))
    }

    /// Devices that need nobody's word to go on and have not confirmed this order: nothing bounds
    /// them until they do.
    pub(crate) fn unbounded_by(&self, order: &StatementId) -> Vec<PublicKey> {
        let freshen = self.freshening();
        let alone = freshen.iter().filter(|release| release.header.quorum <= 1);
        let alone = alone.flat_map(|release| release.header.beacons.iter().copied());
        let unheard = alone.filter(|beacon| !self.confirms(beacon, order));
        unheard.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// When an order no longer waits, where it waits for beacons that only older releases name: the
    /// end of the last of these releases, Unix milliseconds. None where one that judges waits too,
    /// or one of them has no end.
    pub(crate) fn waits_until_ms(&self, order: &StatementId) -> Option<u64> {
        let on_disk = |beacon: &PublicKey| self.confirms(beacon, order);
        let mut open = self.freshening();
        open.retain(|release| !suffices(&release.header, on_disk));
        let judging = self.named_judges().all();
        if open.iter().any(|one| judging.iter().any(|judge| judge.id == one.id)) {
            return None;
        }
        let before = self.known.releases.before(&self.config.ring).iter();
        let waits = |older: &&ReleaseInForce| {
            open.iter().any(|one| same_givers(&one.header, &older.header))
        };
        let ends: Option<Vec<u64>> = before.filter(waits).map(|older| older.expiry_ms).collect();
        ends?.into_iter().max()
    }

    /// Every beacon whose answer may still freshen some device.
    pub(crate) fn freshening_keys(&self) -> BTreeSet<PublicKey> {
        let freshen = self.freshening();
        freshen.iter().flat_map(|release| release.header.beacons.iter().copied()).collect()
    }

    /// The releases by whose beacons some device may still be freshened: those that judge, and
    /// those that are not handed over to their successors.
    pub(crate) fn freshening(&self) -> Vec<&ReleaseInForce> {
        let mut newer: Vec<&ReleaseInForce> = self.named_judges().all().iter().collect();
        let mut freshen = newer.clone();
        for older in self.known.releases.before(&self.config.ring) {
            let same = freshen.iter().any(|release| same_givers(&release.header, &older.header));
            if !same && !self.is_over(older) && !self.is_handed_over(older, &newer) {
                freshen.push(older);
            }
            newer.push(older);
        }
        freshen
    }

    fn is_over(&self, release: &ReleaseInForce) -> bool {
        release.expiry_ms.is_some_and(|end_ms| self.is_surely_past(end_ms))
    }

    /// True when so many of its own beacons hold one of its successors that no quorum of them
    /// freshens a device that has not heard of it.
    fn is_handed_over(&self, older: &ReleaseInForce, newer: &[&ReleaseInForce]) -> bool {
        newer.iter().any(|successor| {
            suffices(&older.header, |beacon| self.holds_release(beacon, &successor.id))
        })
    }

    /// True when this beacon has a release on disk, with the approvals that made it judge.
    fn holds_release(&self, beacon: &PublicKey, release: &StatementId) -> bool {
        let (set, authority) = (&self.known.set, &self.known.authority);
        let on_disk = |id: &StatementId| self.has_on_disk(beacon, id);
        on_disk(release) && Releases::reached_with(set, authority, release, on_disk)
    }

    /// True when a beacon has this order on disk, as an answer of it or its receipt says: it signs
    /// neither before.
    fn confirms(&self, beacon: &PublicKey, order: &StatementId) -> bool {
        let mut receipts = self.known.tasks.none_ran(order);
        self.has_on_disk(beacon, order) || receipts.any(|receipt| receipt.key() == *beacon)
    }

    fn has_on_disk(&self, beacon: &PublicKey, id: &StatementId) -> bool {
        if *beacon == self.key {
            return self.known.get(id).is_some() && !self.undurable().any(|other| other == id);
        }
        let Some(statement) = self.known.get(id) else { return false };
        let log = statement.log(statement.key());
        let mut on_log = self.holder.acknowledged(beacon).filter(|head| head.log() == log);
        on_log.any(|head| self.known.set.leads_to(head, id))
    }
}

/// True when so many of these beacons have it that every quorum holds an honest one that has.
fn suffices(header: &Release, has: impl Fn(&PublicKey) -> bool) -> bool {
    let has = header.beacons.iter().filter(|beacon| has(beacon)).count() as u64;
    let all = header.beacons.len() as u64;
    // Wide, because the numbers are somebody else's.
    u128::from(has) + u128::from(header.quorum) > u128::from(all) + u128::from(header.liars)
}

fn same_givers(one: &Release, other: &Release) -> bool {
    let beacons = |release: &Release| release.beacons.iter().copied().collect::<BTreeSet<_>>();
    let numbers = |release: &Release| (release.quorum, release.liars);
    numbers(one) == numbers(other) && beacons(one) == beacons(other)
}
