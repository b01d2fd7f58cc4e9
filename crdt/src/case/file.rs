//! A case as one file: canonical CBOR `[1, order id, [statement bytes in ascending id]]`.
//!
//! Nothing in it is unsigned but the order's id, which says where to begin. Refused here: believing
//! anything that was read; `verify` does the judging.

use super::Case;
use crate::limits::{CASE_BYTES_MAX, CASE_STATEMENTS_MAX};
use crate::set::Set;
use belay_identity::codec::{self, Field, ScanError, Value};
use belay_identity::limits::STATEMENT_BYTES_MAX;
use belay_identity::{FleetId, SignedError, StatementId};
use std::sync::Arc;

const VERSION: u64 = 1;

/// The parts of a case file, well-formed and not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// The order whose case it is.
    pub order: StatementId,
    /// The original bytes of every statement, as they stand in the file.
    pub statements: Vec<Arc<[u8]>>,
}

/// Why bytes are not a case that can be judged; always the fault of whoever made or changed them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// Larger than any case may be.
    #[error("a case has at most {} MiB; this is not one", CASE_BYTES_MAX >> 20)]
    TooLarge,
    /// Not canonical CBOR.
    #[error("not a case file: {0}; ask for the file again")]
    Scan(#[from] ScanError),
    /// Canonical CBOR of another shape.
    #[error("not a case file: {0}; ask for the file again")]
    Shape(&'static str),
    /// A version that is not known here.
    #[error("a case file of version {0}; use a newer belay to read it")]
    Version(u64),
    /// A statement that is not what its key signed.
    #[error("statement {number} of {of} ({what}): {why}")]
    Statement {
        /// Where it stands in the file, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// What it claims to be, and by whom.
        what: String,
        /// What is wrong with it.
        why: SignedError,
    },
    /// Statements out of order, or one twice.
    #[error("statement {number} of {of} ({what}): not in ascending order of ids, or there twice")]
    Disorder {
        /// Where it stands in the file, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// What it is, and by whom.
        what: String,
    },
    /// No founding root epoch.
    #[error(
        "the case holds no root epoch 1, so nothing in it can be checked; ask for the file again"
    )]
    NoRoot,
    /// Founding root epochs of several fleets.
    #[error("the case holds root epochs of several fleets; say which by --root")]
    SeveralRoots,
    /// A case of another fleet than the one to compare with.
    #[error("a case of fleet {found}, not of {given}; check --root")]
    OtherFleet {
        /// The fleet to compare with.
        given: FleetId,
        /// The fleet of the case.
        found: FleetId,
    },
}

impl CaseFile {
    /// The file of a case; the set is the one from which it was gathered.
    pub fn of(case: &Case, set: &Set) -> Self {
        let held = case.statements.iter().filter_map(|id| set.get(id));
        Self { order: case.order, statements: held.map(|held| held.bytes().clone()).collect() }
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let statements = self.statements.iter().map(|bytes| Value::Bytes(bytes.to_vec()));
        codec::write(&Value::Array(vec![
            Value::from(VERSION),
            Value::Bytes(self.order.0.to_vec()),
            Value::Array(statements.collect()),
        ]))
    }

    /// Reads a file within its bounds; believes nothing.
    pub fn read(bytes: &[u8]) -> Result<Self, CaseError> {
        if bytes.len() > CASE_BYTES_MAX {
            return Err(CaseError::TooLarge);
        }
        let Value::Array(parts) = codec::read(bytes)? else {
            return Err(CaseError::Shape("it is no array"));
        };
        let Ok([version, order, statements]) = <[Value; 3]>::try_from(parts) else {
            return Err(CaseError::Shape("it does not have three parts"));
        };
        let version = u64::decode(version).map_err(|_| CaseError::Shape("it has no version"))?;
        if version != VERSION {
            return Err(CaseError::Version(version));
        }
        let order =
            StatementId::decode(order).map_err(|_| CaseError::Shape("it names no order"))?;
        Ok(Self { order, statements: read_statements(statements)? })
    }
}

fn read_statements(value: Value) -> Result<Vec<Arc<[u8]>>, CaseError> {
    let Value::Array(items) = value else {
        return Err(CaseError::Shape("it has no list of statements"));
    };
    if items.len() > CASE_STATEMENTS_MAX {
        return Err(CaseError::TooLarge);
    }
    let read = |item: Value| match item.into_bytes() {
        Ok(bytes) if bytes.len() <= STATEMENT_BYTES_MAX => Ok(bytes.into()),
        Ok(_) => Err(CaseError::Shape("a statement in it is too long")),
        Err(_) => Err(CaseError::Shape("a statement in it is no byte string")),
    };
    items.into_iter().map(read).collect()
}
