//! Who is announced on the local network, under which name, and whose announcement was heard.
//!
//! A name is a hash that changes every day (UTC), keyed by the device's own enrolment: whoever
//! holds the registry can tell whose it is, and a stranger on the same network cannot tell that two
//! days, or two places, showed him one device. There is no secret that only members have. The
//! fleet's root and its epochs are shown to whoever comes into the lobby, so they would let any
//! visitor know all members for ever. An enrolment is held by members, shown by its own device on
//! its links, and stands in the cases that members hand out: whoever was shown it knows that one
//! device again, as he does by its key. Whoever dials a device that he heard is shown both; the
//! name is for those who only listen.
//!
//! What people carry about is announced only where every release that judges says so. What was
//! heard is a hint beside the addresses that a member says of itself: the link that is dialled
//! still proves who answers. A flood of false names costs hashes; of replayed ones, dials to the
//! few addresses that are remembered for that member. Refused here: sending and listening.

use crate::engine::Engine;
use crate::limits::{HINT_KEPT_MS, HINTS_AT_ONCE_MAX, HINTS_MAX, HINTS_PER_DEVICE_MAX};
use crate::time::BootTime;
use belay_crdt::registry::Device;
use belay_identity::{PublicKey, StatementId};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The name under which a device is announced for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 16]);

/// One announcement that was heard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// Under which name.
    pub tag: Tag,
    /// Where whoever said it listens, a multiaddress.
    pub address: String,
}

/// Which of these names belong to whom on this day or one beside it, because clocks differ.
pub fn whose<'a>(
    hints: &[Hint],
    day: u64,
    members: impl Iterator<Item = &'a Device>,
) -> Vec<(PublicKey, String)> {
    let mut said: BTreeMap<Tag, Vec<&String>> = BTreeMap::new();
    for hint in hints {
        said.entry(hint.tag).or_default().push(&hint.address);
    }
    let days = [day, day.saturating_sub(1), day.saturating_add(1)];
    let mut found = Vec::new();
    for member in members {
        let at = days.iter().find_map(|day| said.get(&Tag::of(&member.enrol, *day)));
        let at = at.into_iter().flatten();
        found.extend(at.map(|address| (member.key, (*address).clone())));
    }
    found
}

/// Where members were heard, the newest first.
#[derive(Default)]
pub(crate) struct Hints(BTreeMap<PublicKey, Vec<(String, BootTime)>>);

impl Engine {
    /// The name under which this device is announced today; none where it keeps silent.
    pub fn announced_as(&self) -> Option<Tag> {
        let own = self.known.registry.device_by_key(&self.key)?;
        let named = || {
            let policies = self.policies().unwrap_or_default();
            let names = |policy: &[_]| policy.contains(&own.kind);
            !policies.is_empty() && policies.iter().all(|body| names(&body.policy.announced))
        };
        let heard = !own.kind.moves_about() || named();
        (heard && !self.device_cut(&own.id)).then(|| Tag::of(&own.enrol, self.day()))
    }

    pub(crate) fn on_hinted(&mut self, mut hints: Vec<Hint>) {
        hints.truncate(HINTS_AT_ONCE_MAX);
        let now = self.now.boot;
        let found = whose(&hints, self.day(), self.known.registry.devices());
        for (member, address) in found.into_iter().filter(|(member, _)| *member != self.key) {
            self.hints.remember(member, address, now);
        }
    }

    /// Where this member was heard lately, the newest first.
    pub(crate) fn heard_at(&self, member: &PublicKey) -> impl Iterator<Item = &String> {
        let fresh = self.now.boot.minus_ms(HINT_KEPT_MS);
        let heard = self.hints.0.get(member).into_iter().flatten();
        heard.filter(move |(_, at)| *at >= fresh).map(|(address, _)| address)
    }

    /// Days since 1970 on this device's own clock: a wrong one loses a hint and nothing else.
    fn day(&self) -> u64 {
        self.now.wall_ms / 86_400_000
    }
}

impl Hints {
    /// The address that was heard longest ago gives way, and so does the member.
    fn remember(&mut self, member: PublicKey, address: String, now: BootTime) {
        let heard = self.0.entry(member).or_default();
        heard.retain(|(known, _)| *known != address);
        heard.insert(0, (address, now));
        heard.truncate(HINTS_PER_DEVICE_MAX);
        if self.0.len() > HINTS_MAX {
            let last = |heard: &[(String, BootTime)]| heard.first().map(|(_, at)| *at);
            let others = self.0.iter().filter(|(key, _)| **key != member);
            let oldest = others.min_by_key(|(_, heard)| last(heard)).map(|(key, _)| *key);
            oldest.map(|key| self.0.remove(&key));
        }
    }
}

impl Tag {
    /// The name of the device that this enrolment joins, on a day since 1970. Both have a fixed
    /// length, so no two pairs hash alike.
    pub fn of(enrol: &StatementId, day: u64) -> Self {
        let hash = Sha256::new().chain_update(b"belay announced 1\0").chain_update(enrol.0);
        let hash: [u8; 32] = hash.chain_update(day.to_be_bytes()).finalize().into();
        let mut tag = [0; 16];
        tag.copy_from_slice(&hash[..16]);
        Self(tag)
    }
}
