//! All chance of a run, from its seed: SplitMix64 streams, each named by what it decides.
//!
//! A stream of its own for each matter keeps one matter's draws from shifting another's. Refused
//! here: entropy, and numbers that anybody must not guess; nothing in a simulated fleet is secret.

use sha2::{Digest, Sha256};

/// One stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// The stream of one matter in one run.
    pub(crate) fn of(seed: u64, matter: &str) -> Self {
        let hash = Sha256::new().chain_update(b"belay dice 1\0").chain_update(seed.to_be_bytes());
        let hash: [u8; 32] = hash.chain_update(matter).finalize().into();
        let mut state = [0; 8];
        state.copy_from_slice(&hash[..8]);
        Self { state: u64::from_be_bytes(state) }
    }

    /// Any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.any()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A place in a list of this length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A number from `low` up to and with `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in this share of cases, given in millionths.
    pub(crate) fn happens(&mut self, millionths: u64) -> bool {
        self.below(1_000_000) < millionths
    }

    /// Bytes for keys and seeds.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for part in bytes.chunks_mut(8) {
            let drawn = self.any().to_be_bytes();
            part.copy_from_slice(&drawn[..part.len()]);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: one seed gives one stream, and two matters give two.
    #[test]
    fn streams_are_named() {
        let draw = |matter| Dice::of(7, matter).any();
        assert_eq!(draw("links"), draw("links"));
        assert_ne!(draw("links"), draw("disks"));
        assert_ne!(Dice::of(8, "links").any(), draw("links"));
    }

    /// Goal: no draw leaves its bounds, at the edges too.
    #[test]
    fn draws_stay_in_bounds() {
        let mut dice = Dice::of(1, "bounds");
        assert!((0..1_000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert_eq!(dice.below(0), 0);
        assert!(!dice.happens(0) && dice.happens(1_000_000));
    }
}
