//! A stock COSE library reads what we sign, and a stock Ed25519 believes it: nobody needs our code
//! to check a statement.

use belay_identity::codec;
use belay_identity::{Content, FleetId, Verified};
use belay_tests::golden;
use coset::{CborSerializable, CoseSign1, RegisteredLabel, RegisteredLabelWithPrivate, iana};
use ed25519_dalek::{Signature, SignatureError, VerifyingKey};
use sha2::{Digest, Sha256};

/// Goal: the envelope, the header and the signed structure are those of RFC 9052.
/// Method: `coset` parses each golden statement, names its parts, builds what is verified.
#[test]
fn a_stock_library_verifies_every_statement() {
    for (name, made) in golden::statements() {
        let aad: &[u8] = if name == "root-founding" { &[] } else { &golden::fleet().0 };
        check(&name, &made, aad);
    }
}

/// Goal: the same for leases and offers.
#[test]
fn a_stock_library_verifies_every_talk() {
    for (name, made) in golden::talks() {
        check(&name, &made, &golden::fleet().0);
    }
}

/// Goal: the foreign eye can say No. Method: another fleet as external data, a changed payload.
#[test]
fn a_stock_library_refuses_what_was_not_signed() {
    let (_, made) = golden::statements().remove(1);
    let mut envelope = CoseSign1::from_slice(made.bytes()).unwrap();
    assert!(verify(&envelope, &golden::fleet().0).is_ok());
    assert!(verify(&envelope, &FleetId([7; 32]).0).is_err());
    envelope.payload.as_mut().unwrap()[10] ^= 1;
    assert!(verify(&envelope, &golden::fleet().0).is_err());
}

fn check<T: Content>(name: &str, made: &Verified<T>, aad: &[u8]) {
    let envelope = CoseSign1::from_slice(made.bytes()).unwrap();
    let header = &envelope.protected.header;
    let eddsa = RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA);
    let media = format!("application/vnd.belay.{}+cbor", made.kind());
    assert_eq!(header.alg, Some(eddsa), "{name}");
    assert_eq!(header.content_type, Some(RegisteredLabel::Text(media)), "{name}");
    assert_eq!(header.key_id, made.key().0, "{name}");
    assert!(header.crit.is_empty() && header.rest.is_empty(), "{name}");
    assert!(envelope.unprotected.is_empty(), "{name}");
    assert_eq!(envelope.payload, Some(codec::write(&made.payload())), "{name}");
    assert_eq!(Sha256::digest(envelope.tbs_data(aad)).as_slice(), made.id().0, "{name}");
    verify(&envelope, aad).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn verify(envelope: &CoseSign1, aad: &[u8]) -> Result<(), SignatureError> {
    let kid: [u8; 32] = envelope.protected.header.key_id.as_slice().try_into().unwrap();
    let key = VerifyingKey::from_bytes(&kid)?;
    envelope.verify_signature(aad, |signature, signed| {
        key.verify_strict(signed, &Signature::from_slice(signature)?)
    })
}
