//! Who speaks: keys, principals, statements, delegation chains, receipts.
//!
//! The ground floor. It knows how a word is signed and what kinds of words there are; it knows no
//! peers, keeps no set, decides no authority. Reading order:
//!
//! 1. `principal`: who there can be, as SPIFFE ids with a type each.
//! 2. `signed`: bytes become `Signed<T>`, and only `verify` makes `Verified<T>`.
//! 3. `statement` and `body`: the record, its log, and every kind there is.
//! 4. `chain`: delegation that only narrows. `lease`: draws, answers, offers, bids.
//! 5. `codec`: the strict dialect of CBOR below all of it.
//!
//! Sans-IO: no clock, no entropy, no file, no socket, no async, no lock. Seeds are handed in.

pub mod body;
pub mod chain;
pub mod codec;
pub mod key;
pub mod lease;
pub mod limits;
pub mod principal;
pub mod signed;
pub mod statement;

pub use body::Body;
pub use chain::Chain;
pub use key::{PublicKey, SecretKey};
pub use signed::{Content, FleetId, Signed, SignedError, StatementId, Unsigned, Verified, sign};
pub use statement::{Class, Incarnation, LogHead, LogId, Scope, Statement};
