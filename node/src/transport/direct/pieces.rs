//! A payload's content hash: SHA-256 over its length and the SHA-256 of every piece of 1 MiB.
//!
//! The list of pieces comes first and is checked against the hash at once; then every piece is
//! checked as it arrives, so a liar is found out within a mebibyte, and a transfer that was cut
//! goes on behind the last piece that was verified. It is SHA-256 because every other name in the
//! fleet is: one primitive to audit, in hardware on what we run on, and a list of 32 KiB names a
//! whole gibibyte, so a deeper tree would save nothing. Refused here: a list that does not belong
//! to its length.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use super::limits::PIECE_BYTES;

/// The pieces of one payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Length of the whole.
    pub bytes: u64,
    /// SHA-256 of each piece, in order.
    pub hashes: Vec<[u8; 32]>,
}

impl Pieces {
    /// Reads to the end, writing what was read; refuses at the first byte beyond `bytes_max`.
    pub fn seal(mut from: impl Read, mut to: impl Write, bytes_max: u64) -> Result<Self, Unsealed> {
        let mut sealed = Self { bytes: 0, hashes: Vec::new() };
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        loop {
            piece.clear();
            let most = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
            (&mut from).take(most).read_to_end(&mut piece).map_err(Unsealed::Read)?;
            if piece.is_empty() {
                return Ok(sealed);
            }
            sealed.bytes += piece.len() as u64;
            if sealed.bytes > bytes_max {
                return Err(Unsealed::TooLong);
            }
            sealed.hashes.push(Sha256::digest(&piece).into());
            to.write_all(&piece).map_err(Unsealed::Write)?;
        }
    }

    /// The content hash.
    pub fn root(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update(b"belay payload 1\0");
        let hash = hash.chain_update(self.bytes.to_be_bytes());
        self.hashes.iter().fold(hash, |hash, piece| hash.chain_update(piece)).finalize().into()
    }

    /// The list as it is sent and kept: one hash after the other.
    pub fn list(&self) -> Vec<u8> {
        self.hashes.concat()
    }

    /// The list for so many bytes; `None` when it does not fit that length.
    pub fn of_list(bytes: u64, list: &[u8]) -> Option<Self> {
        let (hashes, rest) = list.as_chunks::<32>();
        let fits = rest.is_empty() && hashes.len() as u64 == count_of(bytes);
        fits.then(|| Self { bytes, hashes: hashes.to_vec() })
    }

    /// One piece that is the whole, named by its plain SHA-256.
    pub(crate) fn whole(bytes: u64, hash: [u8; 32]) -> Self {
        Self { bytes, hashes: vec![hash] }
    }
}

/// How many pieces so many bytes have.
pub(crate) fn count_of(bytes: u64) -> u64 {
    bytes.div_ceil(PIECE_BYTES as u64)
}

/// Why a file was not taken in.
#[derive(Debug)]
pub enum Unsealed {
    /// It could not be read: the caller's file.
    Read(io::Error),
    /// The copy could not be written: this device's disk.
    Write(io::Error),
    /// It is longer than may travel.
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the hash depends on every byte and on the length, the list survives its own bytes, and
    /// one that does not fit its length is refused.
    #[test]
    fn a_hash_names_one_content() {
        let seal = |bytes: &[u8]| {
            let mut copy = Vec::new();
            let pieces = Pieces::seal(bytes, &mut copy, 1 << 30).expect("small");
            assert_eq!(copy, bytes);
            pieces
        };
        let long = vec![7; PIECE_BYTES + 1];
        let pieces = seal(&long);
        assert_eq!(pieces.hashes.len(), 2);
        let again = Pieces::of_list(pieces.bytes, &pieces.list()).expect("its own list");
        assert_eq!(again, pieces);
        let mut other = long.clone();
        other[PIECE_BYTES] ^= 1;
        let roots = [pieces.root(), seal(&other).root(), seal(&long[1..]).root(), seal(b"").root()];
        for (place, root) in roots.iter().enumerate() {
            assert!(!roots[..place].contains(root));
        }
        assert!(Pieces::of_list(pieces.bytes, &pieces.list()[32..]).is_none());
        assert!(Pieces::of_list(pieces.bytes, &pieces.list()[1..]).is_none());
        let longer = Pieces::seal(&long[..], io::sink(), 10);
        assert!(matches!(longer, Err(Unsealed::TooLong)));
    }
}
