//! Drafts: policy edited together, one Automerge change a statement.
//!
//! A change is bound to whoever signs it: its Automerge actor is a hash of the author's key and the
//! document, so nobody writes in another's name. Refused here: reading the change; `belay-crdt`
//! scans it before Automerge sees a byte.

use crate::codec::{Bytes, Field, Problem, Value};
use crate::key::PublicKey;
use crate::limits::DRAFT_CHANGE_BYTES_MAX;
use crate::principal::{NameError, is_name};
use crate::record;
use sha2::{Digest, Sha256};

record! {
    /// One change of one draft.
    pub struct Draft("draft") {
        /// The document, as its founding names it.
        1 => document: DocumentId,
        /// The Automerge change chunk, never a compressed one.
        2 => change: Change,
        /// What the document is, in the change that begins it.
        3 => founding: Option<Founding>,
    }
}

record! {
    /// What a document is: its id is the hash of this and of its founder's key.
    pub struct Founding("founding") {
        /// What people call it.
        1 => name: DraftName,
        /// Tells two drafts of one name apart.
        2 => drawn: [u8; 16],
    }
}

/// What people call a draft: a plain name, as principals have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DraftName(String);

impl DraftName {
    /// Parses a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(NameError::Name(text.into())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for DraftName {
    fn encode(&self) -> Option<Value> {
        self.0.encode()
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        Self::new(&String::decode(value)?).map_err(|_| Problem::Invalid)
    }
}

/// The name of a document: nobody but its founder can begin it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub [u8; 32]);

impl Founding {
    /// The document that this founding by this key makes.
    pub fn document(&self, founder: PublicKey) -> DocumentId {
        let hash = Sha256::new().chain_update(b"belay draft document 1\0").chain_update(founder.0);
        let hash = hash.chain_update(self.drawn).chain_update(self.name.as_str().as_bytes());
        DocumentId(hash.finalize().into())
    }
}

impl DocumentId {
    /// The Automerge actor under which this key writes in this document: one chain of changes.
    pub fn actor(&self, author: PublicKey) -> [u8; 32] {
        let hash = Sha256::new().chain_update(b"belay draft actor 1\0").chain_update(author.0);
        hash.chain_update(self.0).finalize().into()
    }

    /// The id in lowercase hex.
    pub fn to_hex(&self) -> String {
        crate::key::hex(&self.0)
    }
}

impl std::fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl Field for DocumentId {
    fn encode(&self) -> Option<Value> {
        self.0.encode()
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        <[u8; 32]>::decode(value).map(Self)
    }
}

/// The bytes of one Automerge change, bounded and otherwise unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change(pub Vec<u8>);

impl Field for Change {
    fn encode(&self) -> Option<Value> {
        Some(Value::Bytes(self.0.clone()))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let Bytes(bytes) = Bytes::decode(value)?;
        let fits = bytes.len() <= DRAFT_CHANGE_BYTES_MAX;
        if fits { Ok(Self(bytes)) } else { Err(Problem::Bounds) }
    }
}
