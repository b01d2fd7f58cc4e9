//! Keys: who can sign, and how a signature is checked.
//!
//! One Ed25519 device key serves three uses: COSE statements, the libp2p identity and the TLS raw
//! key. That is sound because the signed prefixes are disjoint: a COSE `Sig_structure` begins with
//! CBOR `84 6A "Signature1"`, libp2p's Noise and TLS certificates sign `"libp2p-tls-handshake:"`
//! or `"noise-libp2p-static-key:"`, and TLS 1.3 signs 64 spaces and a context string.
//!
//! Strict verification (RFC 8032 with small-order and non-canonical points refused) is the one
//! predicate everywhere; batch verification would accept signatures that it refuses.
//!
//! Refused here: printing, copying or drawing secrets. Seeds are handed in.

use crate::codec::{Field, Problem, Value};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// A raw 32-byte Ed25519 public key: the `kid` of every statement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Checks one signature strictly.
    pub fn verify_strict(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    /// The key in lowercase hex.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "key {}…", &self.to_hex()[..8])
    }
}

impl Field for PublicKey {
    fn encode(&self) -> Option<Value> {
        self.0.encode()
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        <[u8; 32]>::decode(value).map(PublicKey)
    }
}

/// A signing key; it can be neither printed nor cloned, and is wiped when dropped.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of this seed; drawing the seed is the caller's matter.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The seed, for sealing it to disk or handing it to the transport.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "secret of {:?}", self.public())
    }
}

/// Bytes in lowercase hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of lowercase or uppercase hex; nothing for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    // Digits alone: the standard library's readers of numbers take a sign as well.
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |[high, low]: &[u32; 2]| u8::try_from(high * 16 + low).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{hex, unhex};

    /// Goal: one text for one value, or two statements would differ in bytes and agree in what they
    /// say. Method: both cases of digits, and what a reader of numbers would take besides.
    #[test]
    fn hex_is_digits_and_nothing_else() {
        assert_eq!(unhex("00fF10").as_deref(), Some(&[0, 255, 16][..]));
        assert_eq!(unhex(&hex(&[1, 2, 0xab])).as_deref(), Some(&[1, 2, 0xab][..]));
        for odd in ["+e", "-1", " 1", "0x", "1", "é", "7e+e"] {
            assert_eq!(unhex(odd), None, "{odd}");
        }
    }
}
