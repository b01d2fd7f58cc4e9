//! Chance as it is given: a stream of bytes from one seed (SHA-256 in counter mode).
//!
//! The shell draws the seed from the operating system, the simulator from its dice; with one seed
//! and one beginning the engine does the same twice. Two copies of a machine that draw one seed
//! still part: each mixes in what its clocks showed when it began, and when it noticed that it was
//! paused or copied. Refused here: drawing entropy.

use crate::time::Now;
use sha2::{Digest, Sha256};

/// A stream of unpredictable bytes, determined by its seed.
pub(crate) struct Chance {
    seed: [u8; 32],
    drawn: u64,
}

impl Chance {
    /// The stream of this seed and this beginning.
    pub(crate) fn new(seed: [u8; 32], now: Now) -> Self {
        let mut chance = Self { seed, drawn: 0 };
        chance.stir(now);
        chance
    }

    /// Goes on as another stream than whoever shares this state and reads other clocks.
    pub(crate) fn stir(&mut self, now: Now) {
        let stirred = Sha256::new().chain_update(b"belay chance stirred 1");
        let stirred = stirred.chain_update(self.seed).chain_update(now.boot.0.to_be_bytes());
        self.seed = stirred.chain_update(now.wall_ms.to_be_bytes()).finalize().into();
    }

    /// The next 32 bytes.
    pub(crate) fn bytes32(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let block = Sha256::new().chain_update(b"belay chance 1").chain_update(self.seed);
        block.chain_update(self.drawn.to_be_bytes()).finalize().into()
    }

    /// The next 16 bytes.
    pub(crate) fn bytes16(&mut self) -> [u8; 16] {
        let mut half = [0; 16];
        half.copy_from_slice(&self.bytes32()[..16]);
        half
    }

    /// A number below `bound`; 0 where `bound` is 0. The bias is below 2^-48 for any list we hold.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bytes = self.bytes16();
        let wide = u128::from_be_bytes(bytes) >> 8;
        if bound == 0 { 0 } else { (wide % bound as u128) as usize }
    }
}
