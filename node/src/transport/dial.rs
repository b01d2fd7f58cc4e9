//! Whom to keep dialled, and when: each second for 30 s after a loss, then ever less often up to 60
//! s.
//!
//! Time and chance are handed in. Refused here: dialling, and telling the same reason twice.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, swarm::DialError};

use super::{
    key::{DeviceKey, NotADeviceKey, device_key, hex, peer_id},
    limits::{
        DIAL_ADDRESSES_MAX, DIAL_PEERS_MAX, PENDING_OUTGOING, REDIAL_FIRST, REDIAL_LONGEST,
        REDIAL_QUICK_FOR,
    },
};

/// The peers kept dialled.
#[derive(Debug, Default)]
pub(crate) struct DialBook {
    targets: BTreeMap<DeviceKey, Target>,
}

/// One dial to make now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DialNow {
    /// The device that must answer.
    pub(crate) key: DeviceKey,
    /// Its libp2p name.
    pub(crate) peer: PeerId,
    /// Where to try.
    pub(crate) addresses: Vec<Multiaddr>,
}

#[derive(Debug)]
struct Target {
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    state: DialState,
    lost_at: Instant,
    wait: Duration,
    after_loss: AfterLoss,
    told: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DialState {
    Linked,
    Due(Instant),
    Dialling(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterLoss {
    AtOnce,
    Quick,
    Late,
}

impl DialBook {
    /// Dials to make now; each is then under way until `on_up` or `on_failed`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<DialNow> {
        let mut free = self.free();
        let mut dials = Vec::new();
        for (key, target) in &mut self.targets {
            if free > 0 && matches!(target.state, DialState::Due(at) if at <= now) {
                free -= 1;
                target.state = DialState::Dialling(now);
                let (peer, addresses) = (target.peer, target.addresses.clone());
                dials.push(DialNow { key: *key, peer, addresses });
            }
        }
        dials
    }

    /// When to ask `take_due` again if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.free() == 0 {
            return None;
        }
        self.targets.values().filter_map(Target::due).min()
    }

    /// Keeps a peer dialled from now on, at these addresses.
    pub(crate) fn keep(
        &mut self,
        key: DeviceKey,
        addresses: Vec<Multiaddr>,
        now: Instant,
    ) -> Result<(), NotKept> {
        let peer = peer_id(&key).map_err(NotKept::Key)?;
        if addresses.is_empty() || addresses.len() > DIAL_ADDRESSES_MAX {
            return Err(NotKept::Addresses(addresses.len()));
        }
        if !self.keeps(&key) && self.targets.len() == DIAL_PEERS_MAX {
            return Err(NotKept::Peers);
        }
        let target = self.targets.entry(key).or_insert_with(|| Target::new(peer, now));
        target.addresses = addresses;
        if target.due().is_some() {
            target.lost(now, now);
        }
        Ok(())
    }

    /// Dials this peer no longer.
    pub(crate) fn forget(&mut self, key: &DeviceKey) {
        self.targets.remove(key);
    }

    /// Whether this peer is kept dialled.
    pub(crate) fn keeps(&self, key: &DeviceKey) -> bool {
        self.targets.contains_key(key)
    }

    /// The peer's link stands.
    pub(crate) fn on_up(&mut self, key: &DeviceKey) {
        if let Some(target) = self.targets.get_mut(key) {
            target.state = DialState::Linked;
            target.told = None;
        }
    }

    /// The link will be closed on purpose, so quick redials after it would only annoy.
    pub(crate) fn set_back(&mut self, key: &DeviceKey) {
        if let Some(target) = self.targets.get_mut(key) {
            target.after_loss = AfterLoss::Late;
        }
    }

    /// The link will be closed because nobody answers: no time is lost before the first redial.
    pub(crate) fn hurry(&mut self, key: &DeviceKey) {
        if let Some(target) = self.targets.get_mut(key) {
            target.after_loss = AfterLoss::AtOnce;
        }
    }

    /// The peer's link is gone. `chance` is any random number.
    pub(crate) fn on_down(&mut self, key: &DeviceKey, now: Instant, chance: u32) {
        let Some(target) = self.targets.get_mut(key) else {
            return;
        };
        match std::mem::replace(&mut target.after_loss, AfterLoss::Quick) {
            AfterLoss::AtOnce => target.lost(now, now),
            AfterLoss::Quick => target.lost(now, now + REDIAL_FIRST),
            AfterLoss::Late => {
                target.wait = REDIAL_LONGEST;
                target.state = DialState::Due(now + jittered(REDIAL_LONGEST, chance));
            }
        }
    }

    /// A dial failed. Returns the reason when it has not been told since the link last stood.
    pub(crate) fn on_failed(
        &mut self,
        key: &DeviceKey,
        why: String,
        now: Instant,
        chance: u32,
    ) -> Option<String> {
        let target = self.targets.get_mut(key)?;
        let DialState::Dialling(since) = target.state else {
            return None;
        };
        target.state = DialState::Due(target.next_try(since, now, chance));
        if target.told.as_ref() == Some(&why) {
            return None;
        }
        target.told = Some(why.clone());
        Some(why)
    }

    fn free(&self) -> usize {
        let dialling = |target: &&Target| matches!(target.state, DialState::Dialling(_));
        let busy = self.targets.values().filter(dialling).count();
        usize::try_from(PENDING_OUTGOING).unwrap_or(usize::MAX).saturating_sub(busy)
    }
}

impl Target {
    fn new(peer: PeerId, now: Instant) -> Self {
        Self {
            peer,
            addresses: Vec::new(),
            state: DialState::Due(now),
            lost_at: now,
            wait: REDIAL_FIRST,
            after_loss: AfterLoss::Quick,
            told: None,
        }
    }

    fn due(&self) -> Option<Instant> {
        match self.state {
            DialState::Due(at) => Some(at),
            DialState::Linked | DialState::Dialling(_) => None,
        }
    }

    fn lost(&mut self, now: Instant, due: Instant) {
        self.lost_at = now;
        self.wait = REDIAL_FIRST;
        self.state = DialState::Due(due);
    }

    fn next_try(&mut self, since: Instant, now: Instant, chance: u32) -> Instant {
        if self.wait == REDIAL_FIRST && now - self.lost_at < REDIAL_QUICK_FOR {
            return (since + REDIAL_FIRST).max(now);
        }
        self.wait = (self.wait * 2).min(REDIAL_LONGEST);
        now + jittered(self.wait, chance)
    }
}

/// The wait give or take a quarter, so that a fleet does not knock in step.
fn jittered(wait: Duration, chance: u32) -> Duration {
    wait * 3 / 4 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

/// Why a peer is not kept dialled: each is the caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotKept {
    Key(NotADeviceKey),
    Addresses(usize),
    Peers,
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Addresses(count) => {
                write!(f, "{count} addresses given; give 1 to {DIAL_ADDRESSES_MAX}")
            }
            Self::Peers => {
                write!(f, "already keeping {DIAL_PEERS_MAX} peers dialled; forget one first")
            }
        }
    }
}

/// A failed dial in plain words: what, where, what to look at.
pub(crate) fn plain_words(error: &DialError) -> String {
    match error {
        DialError::WrongPeerId { obtained, address } => format!(
            "another device answers at {address}: {}; give this device's own address",
            device_key(obtained).map_or_else(|| obtained.to_string(), |key| hex(&key))
        ),
        DialError::LocalPeerId { address } => {
            format!("{address} is this device itself; give the other device's address")
        }
        DialError::Transport(tries) => {
            let tries: Vec<_> = tries
                .iter()
                .map(|(at, error)| format!("{at} ({})", to_the_bottom(error)))
                .collect();
            format!("no answer at {}; is it on, and is the address right?", tries.join(", "))
        }
        DialError::Denied { cause } => format!("not dialled: {cause}"),
        DialError::NoAddresses => "no address is known; give one".to_owned(),
        DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
            "the dial was given up because another connection was under way".to_owned()
        }
    }
}

/// An error with what caused it, each said once; libp2p's own layers say nothing themselves.
fn to_the_bottom(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    for words in causes.map(ToString::to_string) {
        if !words.is_empty() && !said.iter().any(|before| before.contains(&words)) {
            said.push(words);
        }
    }
    said.join(": ")
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    fn key(seed: u8) -> DeviceKey {
        let pair = Keypair::ed25519_from_bytes([seed; 32]).expect("any 32 bytes are a seed");
        device_key(&pair.public().to_peer_id()).expect("an Ed25519 name")
    }

    fn somewhere() -> Vec<Multiaddr> {
        vec!["/ip4/192.0.2.1/udp/4001/quic-v1".parse().expect("an address")]
    }

    /// Goal: the redial plan. Method: virtual time; every dial fails at once, for an hour.
    #[test]
    fn redials_each_second_for_thirty_then_backs_off_to_a_minute() {
        let start = Instant::now();
        let (mut book, key) = (DialBook::default(), key(1));
        book.keep(key, somewhere(), start).expect("kept");
        let mut at = Vec::new();
        while let Some(now) = book.next_due().filter(|due| *due - start < REDIAL_LONGEST * 60) {
            assert_eq!(book.take_due(now).len(), 1);
            at.push((now - start).as_secs_f64());
            let told = book.on_failed(&key, "silence".to_owned(), now, u32::MAX / 2);
            assert_eq!(told.is_some(), at.len() == 1, "a reason is told once");
        }
        let quick = at.iter().filter(|at| **at <= 30.0).count();
        assert_eq!(quick, 31);
        let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.is_sorted_by(|a, b| *a <= *b + 1e-6), "{gaps:?}");
        assert!((gaps[gaps.len() - 1] - 60.0).abs() < 0.1, "{gaps:?}");
    }

    /// Goal: jitter stays within a quarter. Method: both ends of chance.
    #[test]
    fn jitter_is_a_quarter_at_most() {
        assert_eq!(jittered(REDIAL_LONGEST, 0), Duration::from_secs(45));
        assert_eq!(jittered(REDIAL_LONGEST, u32::MAX), Duration::from_secs(75));
    }

    /// Goal: a link lost by accident is redialled after 1 s, one hung up on purpose much later.
    #[test]
    fn a_hangup_is_not_redialled_at_once() {
        let now = Instant::now();
        let (mut book, key) = (DialBook::default(), key(1));
        book.keep(key, somewhere(), now).expect("kept");
        book.on_up(&key);
        assert_eq!(book.next_due(), None);
        book.on_down(&key, now, 0);
        assert_eq!(book.next_due(), Some(now + REDIAL_FIRST));
        book.on_up(&key);
        book.set_back(&key);
        book.on_down(&key, now, 0);
        assert_eq!(book.next_due(), Some(now + Duration::from_secs(45)));
    }

    /// Goal: each bound one over. Method: 65 peers, 17 addresses, 17 dials at once.
    #[test]
    fn the_book_is_bounded() {
        let now = Instant::now();
        let mut book = DialBook::default();
        let over = DIAL_ADDRESSES_MAX + 1;
        let many = vec![somewhere()[0].clone(); over];
        assert_eq!(book.keep(key(1), many, now), Err(NotKept::Addresses(over)));
        assert_eq!(book.keep(key(1), Vec::new(), now), Err(NotKept::Addresses(0)));
        for seed in 0..64 {
            book.keep(key(seed), somewhere(), now).expect("64 fit");
        }
        assert_eq!(book.keep(key(64), somewhere(), now), Err(NotKept::Peers));
        assert_eq!(book.take_due(now).len(), 16);
        assert_eq!(book.take_due(now).len(), 0);
        assert_eq!(book.next_due(), None, "nothing to wait for while all places are busy");
    }
}
