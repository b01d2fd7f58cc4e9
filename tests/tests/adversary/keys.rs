//! Signatures that a lenient verifier accepts, and bytes changed after signing.
//!
//! Points of small order let one signature fit many messages; points and numbers beyond the modulus
//! let one statement have several byte forms. If one node accepted them and another did not, their
//! sets would part for ever. The encodings are all those of the eight torsion points of the curve,
//! canonical and not; the signatures are found here by search, so a lenient verifier can be shown
//! to accept each of them.

use super::forge::{Forge, sample, take};
use belay_identity::codec::{self, Value};
use belay_identity::key::unhex;
use belay_identity::{PublicKey, Signed, SignedError, Statement};
use belay_tests::golden;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};

/// Every encoding of a point of small order: orders 1, 2, 4, 4, 8, 8, 8, 8, then the non-canonical.
pub(crate) const SMALL: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// The order of the base point, little-endian.
pub(crate) const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

pub(crate) fn array<const N: usize>(hex: &str) -> [u8; N] {
    unhex(hex).unwrap().try_into().unwrap()
}

fn lenient(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = VerifyingKey::from_bytes(key);
    key.is_ok_and(|key| key.verify(message, &Signature::from_bytes(signature)).is_ok())
}

/// Goal: nobody speaks with a key of small order.
/// Method: for each encoding, a statement and a signature without any secret, searched by its
/// number until a lenient verifier takes it; ours refuses it as a signature.
#[test]
fn keys_of_small_order_are_refused() {
    for hex in SMALL {
        let kid = array(hex);
        let (forge, signature) = forged(kid);
        assert!(lenient(&kid, &forge.signed(), &signature), "{hex}");
        assert!(!PublicKey(kid).verify_strict(&forge.signed(), &signature), "{hex}");
        let refused = take(&forge.sealed_with(&signature)).unwrap_err();
        assert_eq!(refused, SignedError::Signature, "{hex}");
    }
}

/// A lift by nobody: R of small order and S of 0 fit when the hash falls right, one time in eight.
fn forged(kid: [u8; 32]) -> (Forge, [u8; 64]) {
    let mut forge = Forge::of("lift");
    let mut header = codec::read(&forge.protected).unwrap().into_map().unwrap();
    header.retain(|(key, _)| *key != Value::from(4));
    header.push((Value::from(4), Value::Bytes(kid.to_vec())));
    forge.protected = codec::write(&Value::Map(header));
    for seq in 2u64..2000 {
        let mut pairs = forge.pairs();
        let place = pairs.iter_mut().find(|(key, _)| *key == Value::from(6)).unwrap();
        place.1 = Value::from(seq);
        forge.payload = codec::write(&Value::Map(pairs));
        for point in &SMALL[..8] {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&array::<32>(point));
            if lenient(&kid, &forge.signed(), &signature) {
                return (forge, signature);
            }
        }
    }
    panic!("no forgery found, so the verifier compared with is not lenient")
}

/// Goal: one signature has one form. Method: S + L is the same number beyond the modulus.
#[test]
fn a_number_beyond_the_modulus_is_refused() {
    let forge = Forge::of("hold");
    let mut signature: [u8; 64] = forge.signature().try_into().unwrap();
    assert!(take(&forge.sealed_with(&signature)).is_ok());
    let mut carry = 0u16;
    for (byte, order) in signature[32..].iter_mut().zip(array::<32>(ORDER)) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert_eq!(carry, 0, "S + L still fits 32 bytes");
    assert_eq!(take(&forge.sealed_with(&signature)).unwrap_err(), SignedError::Signature);
}

/// Goal: the first half of a signature is no point of small order, in any form.
#[test]
fn an_r_of_small_order_is_refused() {
    let forge = Forge::of("hold");
    for hex in SMALL {
        let mut signature: [u8; 64] = forge.signature().try_into().unwrap();
        signature[..32].copy_from_slice(&array::<32>(hex));
        let refused = take(&forge.sealed_with(&signature)).unwrap_err();
        assert_eq!(refused, SignedError::Signature, "{hex}");
    }
}

/// Goal: no byte of a receipt can be changed. Method: each to every other value, on all cores.
#[test]
fn every_changed_byte_is_refused() {
    let receipt = sample("receipt-bare");
    let all: Vec<usize> = (0..receipt.bytes().len()).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fleet = golden::fleet();
    std::thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(cores)) {
            let original = receipt.bytes();
            scope.spawn(move || {
                for at in part {
                    for change in 1..=255u8 {
                        let mut bytes = original.to_vec();
                        bytes[*at] ^= change;
                        let taken =
                            Signed::<Statement>::parse(&bytes).and_then(|s| s.verify(&fleet));
                        assert!(taken.is_err(), "byte {at} changed by {change:#x} was taken");
                    }
                }
            });
        }
    });
}

/// Goal: the same for a receipt with every field, each byte by its eight bits; and for its length.
#[test]
fn every_changed_bit_of_a_full_receipt_is_refused() {
    let receipt = sample("receipt");
    for at in 0..receipt.bytes().len() {
        for bit in 0..8 {
            let mut bytes = receipt.bytes().to_vec();
            bytes[at] ^= 1 << bit;
            assert!(take(&bytes).is_err(), "bit {bit} of byte {at} changed and taken");
        }
        assert!(take(&receipt.bytes()[..at]).is_err(), "cut at {at} and taken");
    }
}
