//! Freshness passed on: a gateway that the release names hands its beacons' answers to whoever
//! cannot reach them, with their age.
//!
//! What is passed on are the beacons' own signed answers to the gateway, one hop and no further.
//! They say which orders were on disk there, so a gateway cannot name older ones. They do not say
//! when the gateway asked: for their age its word is taken, and never less than the beacon's wall
//! clock in them shows by what this device knows of the time. So a gateway that lies or hands out
//! old answers gains at most the width of that interval; where a device has no time yet, since it
//! has only just started and heard nobody, it gains as much as its oldest answer is old, and after
//! that nothing: from the first answer on time runs on this device's own boot clock.
//!
//! A lease from such an answer ends as if this device had asked when the gateway did. `status`
//! names the gateway. Refused here: passing on what was passed on, and answers that do not name
//! their orders.

use crate::engine::Engine;
use crate::lease::Waiting;
use crate::limits::{ANSWER_HEADS_MAX, PASSED_BYTES_MAX, PASSED_MAX};
use crate::time::{BootTime, with_drift};
use belay_crdt::set::heads_hash;
use belay_identity::body::Release;
use belay_identity::codec::Bytes;
use belay_identity::lease::{Answer, Draw, Talk};
use belay_identity::{LogHead, PublicKey, Signed};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A beacon's own answer, as a gateway keeps it to pass on.
pub(crate) struct Kept {
    bytes: Arc<[u8]>,
    asked: BootTime,
    /// The orders that it names, whole.
    heads: Vec<LogHead>,
}

impl Kept {
    pub(crate) fn new(bytes: Arc<[u8]>, asked: BootTime, heads: Vec<LogHead>) -> Self {
        Self { bytes, asked, heads }
    }
}

impl Engine {
    /// True when this device passes the answers of its beacons on.
    pub(crate) fn passes_on(&self) -> bool {
        self.judging().iter().any(|release| self.is_gateway(&self.key, &release.header))
    }

    /// True when a release lets this device pass answers on: a member that no order silences.
    pub(crate) fn is_gateway(&self, key: &PublicKey, header: &Release) -> bool {
        let device = self.known.registry.device_by_key(key);
        let cut = |device: &belay_crdt::registry::Device| {
            self.device_cut(&device.id) || self.known.beacon_silenced(&device.id).is_some()
        };
        header.gateways.contains(key) && device.is_some_and(|device| !cut(device))
    }

    /// Those who may pass answers on by some release that judges.
    pub(crate) fn gateways(&self) -> BTreeSet<PublicKey> {
        let judging = self.judging();
        let named = judging.iter().map(|release| &release.header).flat_map(|header| {
            header.gateways.iter().filter(|key| self.is_gateway(key, header)).copied()
        });
        named.filter(|key| *key != self.key).collect()
    }

    /// Answers a draw with what the beacons have answered here: the freshest that name the same
    /// orders, as many as a lease needs. False where it has nothing to pass on.
    pub(crate) fn pass_on(&mut self, link: PublicKey, draw: &Draw) -> bool {
        if !self.passes_on() {
            return false;
        }
        let mut kept: Vec<&Kept> = self.holder.kept.values().collect();
        kept.sort_by_key(|one| std::cmp::Reverse(one.asked));
        let Some(heads) = kept.first().map(|one| one.heads.clone()) else { return false };
        kept.retain(|one| one.heads == heads);
        let judging = self.judging();
        let needed = judging.iter().map(|release| release.header.beacons.len()).max().unwrap_or(0);
        let mut room = PASSED_BYTES_MAX;
        let fits =
            |one: &&Kept| room.checked_sub(one.bytes.len()).map(|left| room = left).is_some();
        let passed = kept.into_iter().take(needed.min(PASSED_MAX)).take_while(fits);
        let passed: Vec<&Kept> = passed.collect();
        let Some(oldest) = passed.iter().map(|one| one.asked).min() else { return false };
        let listed = heads_hash(&heads) != draw.heads && heads.len() <= ANSWER_HEADS_MAX;
        let answer = Answer {
            nonce: draw.nonce,
            holder: link,
            heads: if listed { heads } else { Vec::new() },
            release: None,
            version: None,
            upstream_age_ms: with_drift(self.now.boot.since_ms(oldest)),
            wall_ms: self.now.wall_ms,
            disk: Some(self.holder.disk()),
            passed: passed.iter().map(|one| Bytes(one.bytes.to_vec())).collect(),
        };
        self.say_to(link, Talk::Answer(answer));
        true
    }

    /// Takes the answers that a gateway passed on, each as if it had been asked for when the
    /// gateway did.
    pub(crate) fn take_passed(
        &mut self,
        link: PublicKey,
        answer: &Answer,
        asked: BootTime,
        own_heads: &[LogHead],
    ) {
        if !self.gateways().contains(&link) || answer.passed.len() > PASSED_MAX {
            return;
        }
        let heads = if answer.heads.is_empty() { own_heads } else { &answer.heads };
        let names = heads_hash(heads);
        if answer.disk == Some(names) {
            // A beacon of a release before, which passes on now, has these on disk itself.
            self.acknowledge(link, asked, heads.to_vec());
        }
        let passed = answer.passed.iter().filter_map(|bytes| self.first_hand(link, bytes, names));
        let passed: Vec<(PublicKey, Answer)> = passed.collect();
        if passed.is_empty() {
            // None of them names what this device has.
            self.catch_up_with(link);
        }
        for (beacon, first) in passed {
            let age_ms = answer.upstream_age_ms.max(self.shown_age_ms(&first, asked));
            let asked = asked.minus_ms(with_drift(age_ms));
            self.acknowledge(beacon, asked, heads.to_vec());
            let answer = Answer { heads: heads.to_vec(), ..first };
            self.holder.wait_for(Waiting { beacon, answer, asked, via: Some(link) });
        }
        self.note_in_force();
        self.holder_catches_up();
        if self.holder.waits() {
            self.compare_heads(link);
        }
    }

    /// A beacon's own answer to this gateway that names these orders, and whose it is.
    fn first_hand(
        &self,
        gateway: PublicKey,
        bytes: &Bytes,
        names: [u8; 32],
    ) -> Option<(PublicKey, Answer)> {
        let signed = Signed::<Talk>::parse(&bytes.0).ok()?.verify(&self.config.fleet).ok()?;
        let Talk::Answer(answer) = &*signed else { return None };
        let own = answer.upstream_age_ms == 0 && answer.passed.is_empty();
        let theirs = answer.holder == gateway && answer.disk == Some(names);
        let beacon = signed.key();
        let first = own && theirs && beacon != self.key && self.known.was_beacon(&beacon);
        first.then(|| (beacon, answer.clone()))
    }

    /// How old an answer was when this device asked, by its wall clock and what is known here of
    /// the time; 0 where nothing is.
    fn shown_age_ms(&self, answer: &Answer, asked: BootTime) -> u64 {
        let since_asked = self.now.boot.since_ms(asked);
        let early_ms = self.interval().map_or(0, |interval| interval.early_ms);
        early_ms.saturating_sub(since_asked).saturating_sub(answer.wall_ms)
    }
}
