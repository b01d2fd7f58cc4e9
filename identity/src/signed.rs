//! Belief is a type: bytes become `Signed<T>`, and only `verify` makes `Verified<T>`.
//!
//! The envelope is COSE_Sign1 (RFC 9052, section 4.2), untagged, with a protected header
//! `{1: -8, 3: content type, 4: kid}`, an empty unprotected header and the fleet id as external
//! data. The id of what is signed is the SHA-256 of its `Sig_structure`, so a second signature of
//! the same words is the same statement. Original bytes are kept and passed on, never re-encoded.
//!
//! `Verified<T>` means "this key signed these bytes for this fleet", nothing more: whether the key
//! is anybody is decided by folds.
//!
//! Refused here: `crit`, further headers, other algorithms, oversized or non-canonical bytes.

use crate::codec::{self, CodecError, Field, Problem, ScanError, Value};
use crate::key::{PublicKey, SecretKey, hex};
use crate::limits::{KIND_CHARS_MAX, STATEMENT_BYTES_MAX};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const MEDIA_PREFIX: &str = "application/vnd.belay.";
const MEDIA_SUFFIX: &str = "+cbor";
const EDDSA: i64 = -8;

/// Something that can be signed: a statement, a lease answer, an offer.
pub trait Content: Sized {
    /// The middle of its content type, `application/vnd.belay.KIND+cbor`.
    fn kind(&self) -> &str;
    /// Its payload, canonical.
    fn payload(&self) -> Value;
    /// Reads a payload of this kind.
    fn decode(kind: &str, payload: Value) -> Result<Self, CodecError>;
    /// The most bytes an envelope of this kind may have.
    fn bytes_max(kind: &str) -> usize;
    /// The external data it is signed with: the fleet id, unless it is what founds the fleet.
    fn external<'a>(&self, fleet: &'a FleetId) -> &'a [u8] {
        &fleet.0
    }
    /// Whether every signature inside it holds too; nothing is signed inside most.
    fn inner_holds(&self, _fleet: &FleetId) -> bool {
        true
    }
}

/// The id of root epoch 1's proposal: the name under which a fleet trusts itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetId(pub [u8; 32]);

/// The hash that names one signed thing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId(pub [u8; 32]);

macro_rules! hash_id {
    ($($name:ident)*) => {$(
        impl $name {
            /// The id in lowercase hex.
            pub fn to_hex(&self) -> String {
                hex(&self.0)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}…", &self.to_hex()[..8])
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.to_hex())
            }
        }
        impl Field for $name {
            fn encode(&self) -> Option<Value> {
                self.0.encode()
            }
            fn decode(value: Value) -> Result<Self, Problem> {
                <[u8; 32]>::decode(value).map($name)
            }
        }
    )*};
}
hash_id!(FleetId StatementId);

/// Why bytes are not something signed for this fleet; always the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// The payload is not the record its content type names.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// The envelope is not the COSE_Sign1 that we write.
    #[error("not a COSE_Sign1 envelope of ours: {0}")]
    Envelope(&'static str),
    /// The signature does not hold for this key, these bytes and this fleet.
    #[error("the signature does not hold: changed bytes, or signed for another fleet")]
    Signature,
    /// A founding statement of another fleet.
    #[error("a founding statement of another fleet")]
    OtherFleet,
}

impl From<ScanError> for SignedError {
    fn from(error: ScanError) -> Self {
        Self::Codec(CodecError::Scan(error))
    }
}

/// Well-formed bytes off the wire, not believed yet.
#[derive(Debug, Clone)]
pub struct Signed<T> {
    bytes: Arc<[u8]>,
    protected: Vec<u8>,
    payload: Vec<u8>,
    signature: [u8; 64],
    key: PublicKey,
    content: T,
}

impl<T: Content> Signed<T> {
    /// Reads an envelope within its bounds; believes nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignedError> {
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(ScanError::TooLong.into());
        }
        let (protected, payload, signature) = open_envelope(codec::read(bytes)?)?;
        let (kind, key) = open_protected(&protected)?;
        if bytes.len() > T::bytes_max(&kind) {
            return Err(ScanError::TooLong.into());
        }
        let content = T::decode(&kind, codec::read(&payload)?)?;
        Ok(Self { bytes: bytes.into(), protected, payload, signature, key, content })
    }

    /// Checks the signature strictly and for this fleet; the only maker of `Verified`.
    pub fn verify(self, fleet: &FleetId) -> Result<Verified<T>, SignedError> {
        let external = self.content.external(fleet);
        let message = sig_structure(&self.protected, external, &self.payload);
        let id = StatementId(Sha256::digest(&message).into());
        if external.is_empty() && id.0 != fleet.0 {
            return Err(SignedError::OtherFleet);
        }
        if !self.key.verify_strict(&message, &self.signature) {
            return Err(SignedError::Signature);
        }
        let inner_holds = self.content.inner_holds(fleet);
        Ok(Verified { bytes: self.bytes, id, key: self.key, inner_holds, content: self.content })
    }

    /// What it claims, for choosing how to treat it before it is believed.
    pub fn claim(&self) -> &T {
        &self.content
    }

    /// The id that `verify` would give it if it founds a fleet.
    pub fn founding_id(&self) -> StatementId {
        let message = sig_structure(&self.protected, &[], &self.payload);
        StatementId(Sha256::digest(&message).into())
    }
}

/// What a key has signed for this fleet.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    bytes: Arc<[u8]>,
    id: StatementId,
    key: PublicKey,
    inner_holds: bool,
    content: T,
}

impl<T> Verified<T> {
    /// The original bytes, as they are kept and passed on.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
    /// The hash that names it.
    pub fn id(&self) -> StatementId {
        self.id
    }
    /// The key that signed it.
    pub fn key(&self) -> PublicKey {
        self.key
    }
    /// Whether every signature inside it holds too: of an enrolment, the proof that its device key
    /// is possessed. Checked once, where the statement was, so that no fold checks again.
    pub fn inner_holds(&self) -> bool {
        self.inner_holds
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.content
    }
}

/// Signs content for a fleet; what comes back is verified by construction.
pub fn sign<T: Content>(content: T, secret: &SecretKey, fleet: &FleetId) -> Verified<T> {
    let unsigned = Unsigned::new(content, secret.public(), fleet);
    let signature = secret.sign(&unsigned.message);
    unsigned.seal(&signature)
}

/// Content on its way to a key that lies elsewhere.
pub struct Unsigned<T> {
    content: T,
    key: PublicKey,
    fleet: FleetId,
    protected: Vec<u8>,
    payload: Vec<u8>,
    message: Vec<u8>,
}

impl<T: Content> Unsigned<T> {
    /// What that key is to sign for a fleet.
    pub fn new(content: T, key: PublicKey, fleet: &FleetId) -> Self {
        let protected = write_protected(content.kind(), key);
        let payload = codec::write(&content.payload());
        let message = sig_structure(&protected, content.external(fleet), &payload);
        Self { content, key, fleet: *fleet, protected, payload, message }
    }

    /// The bytes that the key signs.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes the signature that came back, if it holds strictly.
    pub fn signed(self, signature: &[u8; 64]) -> Result<Verified<T>, SignedError> {
        if !self.key.verify_strict(&self.message, signature) {
            return Err(SignedError::Signature);
        }
        Ok(self.seal(signature))
    }

    fn seal(self, signature: &[u8; 64]) -> Verified<T> {
        let id = StatementId(Sha256::digest(&self.message).into());
        let envelope = Value::Array(vec![
            Value::Bytes(self.protected),
            Value::Map(Vec::new()),
            Value::Bytes(self.payload),
            Value::Bytes(signature.to_vec()),
        ]);
        let inner_holds = self.content.inner_holds(&self.fleet);
        let (key, content) = (self.key, self.content);
        Verified { bytes: codec::write(&envelope).into(), id, key, inner_holds, content }
    }
}

fn sig_structure(protected: &[u8], external: &[u8], payload: &[u8]) -> Vec<u8> {
    codec::write(&Value::Array(vec![
        Value::Text("Signature1".into()),
        Value::Bytes(protected.to_vec()),
        Value::Bytes(external.to_vec()),
        Value::Bytes(payload.to_vec()),
    ]))
}

fn write_protected(kind: &str, key: PublicKey) -> Vec<u8> {
    let media = format!("{MEDIA_PREFIX}{kind}{MEDIA_SUFFIX}");
    codec::write(&codec::map([
        (1, Some(Value::from(EDDSA))),
        (3, Some(Value::Text(media))),
        (4, key.encode()),
    ]))
}

fn open_protected(bytes: &[u8]) -> Result<(String, PublicKey), SignedError> {
    let mut fields = codec::Fields::open("protected header", codec::read(bytes)?)?;
    let Algorithm = fields.take(1)?;
    let media: String = fields.take(3)?;
    let key = fields.take(4)?;
    fields.done()?;
    let kind = media.strip_prefix(MEDIA_PREFIX).and_then(|m| m.strip_suffix(MEDIA_SUFFIX));
    let plain = |kind: &&str| {
        let letters = kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        letters && (1..=KIND_CHARS_MAX).contains(&kind.len())
    };
    let kind = kind.filter(plain).ok_or(SignedError::Envelope("the content type is not ours"))?;
    Ok((kind.to_owned(), key))
}

/// Protected header, payload and signature of one envelope.
type Parts = (Vec<u8>, Vec<u8>, [u8; 64]);

fn open_envelope(value: Value) -> Result<Parts, SignedError> {
    let wrong = SignedError::Envelope;
    let Value::Array(parts) = value else { return Err(wrong("not an array")) };
    let Ok([protected, unprotected, payload, signature]) = <[Value; 4]>::try_from(parts) else {
        return Err(wrong("not four parts"));
    };
    if unprotected != Value::Map(Vec::new()) {
        return Err(wrong("the unprotected header must be empty"));
    }
    let protected = protected.into_bytes().map_err(|_| wrong("no protected header"))?;
    let payload = payload.into_bytes().map_err(|_| wrong("no payload"))?;
    let signature = signature.into_bytes().map_err(|_| wrong("no signature"))?;
    let signature = signature.try_into().map_err(|_| wrong("a signature has 64 bytes"))?;
    Ok((protected, payload, signature))
}

/// EdDSA, the one algorithm; any other value does not decode.
struct Algorithm;

impl Field for Algorithm {
    fn encode(&self) -> Option<Value> {
        Some(Value::from(EDDSA))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        if value == Value::from(EDDSA) { Ok(Self) } else { Err(Problem::Invalid) }
    }
}
