//! Signing what our own code refuses to write: envelopes put together byte by byte.

use belay_identity::codec::{self, Value};
use belay_identity::{FleetId, Signed, SignedError, Statement, Verified};
use belay_tests::golden;

/// The parts of one envelope, each free to be wrong.
pub(crate) struct Forge {
    pub(crate) protected: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Forge {
    /// The parts of a golden statement.
    pub(crate) fn of(name: &str) -> Self {
        let made = sample(name);
        let Ok(Value::Array(parts)) = codec::read(made.bytes()) else { panic!("not an array") };
        let part = |at: usize| parts[at].as_bytes().unwrap().clone();
        Self { protected: part(0), payload: part(2) }
    }

    /// The payload as pairs, to be changed.
    pub(crate) fn pairs(&self) -> Vec<(Value, Value)> {
        codec::read(&self.payload).unwrap().into_map().unwrap()
    }

    /// The signature of the right key over these parts for the golden fleet.
    pub(crate) fn signature(&self) -> Vec<u8> {
        author(&self.payload).sign(&self.signed()).to_vec()
    }

    /// The structure that is signed.
    pub(crate) fn signed(&self) -> Vec<u8> {
        let fleet = golden::fleet();
        let parts = [bytes(&self.protected), bytes(&fleet.0), bytes(&self.payload)].concat();
        [&[0x84, 0x6a], b"Signature1".as_slice(), &parts].concat()
    }

    /// The whole envelope, signed.
    pub(crate) fn sealed(&self) -> Vec<u8> {
        self.sealed_with(&self.signature())
    }

    /// The whole envelope under a given signature.
    pub(crate) fn sealed_with(&self, signature: &[u8]) -> Vec<u8> {
        let parts = [bytes(&self.protected), vec![0xa0], bytes(&self.payload), bytes(signature)];
        [vec![0x84], parts.concat()].concat()
    }
}

/// Devices and operators of the golden fleet sign with different keys.
fn author(payload: &[u8]) -> belay_identity::SecretKey {
    let by_device = payload.windows(8).any(|word| word == b"/device/")
        && !payload.windows(10).any(|w| w == b"/operator/");
    golden::key(if by_device { 8 } else { 3 })
}

/// A golden statement by name.
pub(crate) fn sample(name: &str) -> Verified<Statement> {
    let found = golden::statements().into_iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("no sample {name}")).1
}

/// Everything that a node does with bytes before it looks at them.
pub(crate) fn take(bytes: &[u8]) -> Result<Verified<Statement>, SignedError> {
    take_for(&golden::fleet(), bytes)
}

/// The same for a fleet.
pub(crate) fn take_for(fleet: &FleetId, bytes: &[u8]) -> Result<Verified<Statement>, SignedError> {
    Signed::<Statement>::parse(bytes)?.verify(fleet)
}

/// A byte string with its shortest head.
pub(crate) fn bytes(content: &[u8]) -> Vec<u8> {
    let mut written = head(2, content.len() as u64);
    written.extend_from_slice(content);
    written
}

/// The shortest head of a major type.
pub(crate) fn head(major: u8, value: u64) -> Vec<u8> {
    let major = major << 5;
    let wide = value.to_be_bytes();
    match value {
        0..24 => vec![major | wide[7]],
        24..0x100 => vec![major | 24, wide[7]],
        0x100..0x1_0000 => [&[major | 25], &wide[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[major | 26], &wide[4..]].concat(),
        _ => [&[major | 27], &wide[..]].concat(),
    }
}
