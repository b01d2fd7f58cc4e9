//! Reads an Automerge change chunk without Automerge: who, after what, how many operations.
//!
//! Everything that the rules of drafts ask of a change is found here, in one pass that allocates
//! for its dependencies only, so that Automerge never sees a byte that was not counted first. A
//! run-length column of ten bytes can claim 2^60 operations; here it is refused at its first run.
//! Format: automerge.org/automerge-binary-format-spec, chunk type 1.
//!
//! Refused here: compressed chunks and columns (a bomb has no other door), trailing bytes (the
//! unsigned author footer), and any claim over its bound in `limits`. Not judged: whether the
//! operations make sense; `document` finds that out behind a panic boundary.

use crate::limits::{
    DRAFT_ACTORS_MAX, DRAFT_COLUMNS_MAX, DRAFT_DEPS_MAX, DRAFT_MESSAGE_BYTES_MAX,
    DRAFT_OP_NUMBER_END, DRAFT_OPS_MAX, DRAFT_STRING_BYTES_MAX,
};
use sha2::{Digest, Sha256};

/// The hash by which Automerge names a change.
pub type ChangeHash = [u8; 32];

/// What one change says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Its hash.
    pub hash: ChangeHash,
    /// The changes it was made after, ascending.
    pub deps: Vec<ChangeHash>,
    /// Its actor.
    pub actor: [u8; 32],
    /// Its number in its actor's chain, from 1.
    pub seq: u64,
    /// The number of its first operation.
    pub start_op: u64,
    /// How many operations it holds.
    pub ops: u64,
    /// When its author says it was made, Unix seconds.
    pub said_s: i64,
    /// Why, for people.
    pub message: String,
}

impl Scanned {
    /// The number of its last operation; of an empty change the one before its first.
    pub fn max_op(&self) -> u64 {
        self.start_op + self.ops - 1
    }
}

/// Why a chunk is no change that a draft takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is not a change chunk at all.
    #[error("these bytes are no Automerge change")]
    Shape,
    /// Something in it is compressed.
    #[error("it is compressed, and nobody inflates what he has not counted")]
    Compressed,
    /// Its checksum is another one.
    #[error("its checksum is wrong")]
    Checksum,
    /// It claims more than a change may hold.
    #[error("it claims more {0} than a change may hold")]
    Bound(&'static str),
}

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE_CHUNK: u8 = 1;
const COMPRESSED_CHUNK: u8 = 2;

/// The column of actions: it says how many operations there are.
const ACTIONS: u64 = 4;

/// Reads one change, and nothing after it.
pub fn scan(bytes: &[u8]) -> Result<Scanned, ScanError> {
    let mut at = Reader(bytes);
    if at.take(4)? != MAGIC {
        return Err(ScanError::Shape);
    }
    let checksum = at.take(4)?;
    match at.byte()? {
        CHANGE_CHUNK => {}
        COMPRESSED_CHUNK => return Err(ScanError::Compressed),
        _ => return Err(ScanError::Shape),
    }
    let before = at.0;
    let length = at.unsigned()?;
    if at.0.len() as u64 != length {
        return Err(ScanError::Shape);
    }
    let written = &before[..before.len() - at.0.len()];
    let hash = Sha256::new().chain_update([CHANGE_CHUNK]).chain_update(written);
    let hash: ChangeHash = hash.chain_update(at.0).finalize().into();
    if checksum != &hash[..4] {
        return Err(ScanError::Checksum);
    }
    body(at, hash)
}

fn body(mut at: Reader<'_>, hash: ChangeHash) -> Result<Scanned, ScanError> {
    let deps = at.many("dependencies", DRAFT_DEPS_MAX, |at| at.array())?;
    if !deps.is_sorted_by(|one, next| one < next) {
        return Err(ScanError::Shape);
    }
    let actor = at.actor()?;
    let (seq, start_op) = (at.unsigned()?, at.unsigned()?);
    if seq == 0 || start_op == 0 {
        return Err(ScanError::Shape);
    }
    if start_op >= DRAFT_OP_NUMBER_END {
        return Err(ScanError::Bound("operations"));
    }
    let said_s = at.signed()?;
    let message = at.bounded("message bytes", DRAFT_MESSAGE_BYTES_MAX)?;
    let message = std::str::from_utf8(message).map_err(|_| ScanError::Shape)?.to_owned();
    let others = at.many("authors", DRAFT_ACTORS_MAX, |at| at.actor())?;
    if !others.is_sorted_by(|one, next| one < next) {
        return Err(ScanError::Shape);
    }
    let columns =
        at.many("columns", DRAFT_COLUMNS_MAX, |at| Ok((at.unsigned()?, at.unsigned()?)))?;
    let mut ops = 0;
    for (spec, length) in columns {
        let data = at.take(usize::try_from(length).map_err(|_| ScanError::Shape)?)?;
        let rows = column(spec, Reader(data))?;
        if spec == ACTIONS << 4 | INTEGER {
            ops = rows;
        }
    }
    // The unsigned author footer would stand here.
    at.end()?;
    if start_op + ops > DRAFT_OP_NUMBER_END {
        return Err(ScanError::Bound("operations"));
    }
    Ok(Scanned { hash, deps, actor, seq, start_op, ops, said_s, message })
}

const GROUP: u64 = 0;
const ACTOR: u64 = 1;
const INTEGER: u64 = 2;
const DELTA: u64 = 3;
const BOOLEAN: u64 = 4;
const STRING: u64 = 5;
const VALUE_META: u64 = 6;
const VALUE_RAW: u64 = 7;
const DEFLATED: u64 = 8;

/// How many rows a column claims, refused where one claim is over its bound.
fn column(spec: u64, data: Reader<'_>) -> Result<u64, ScanError> {
    if spec & DEFLATED != 0 {
        return Err(ScanError::Compressed);
    }
    match spec & 7 {
        BOOLEAN => booleans(data),
        VALUE_RAW => Ok(0),
        kind => runs(kind, data),
    }
}

fn booleans(mut data: Reader<'_>) -> Result<u64, ScanError> {
    let mut rows = 0;
    while !data.0.is_empty() {
        rows = grown(rows, data.unsigned()?, "operations")?;
    }
    Ok(rows)
}

/// A run-length column: runs of one value, literal values, runs of nothing.
fn runs(kind: u64, mut data: Reader<'_>) -> Result<u64, ScanError> {
    let (mut rows, mut weight) = (0, 0);
    while !data.0.is_empty() {
        let head = data.signed()?;
        let count = match head {
            0 => data.unsigned()?,
            count => count.unsigned_abs(),
        };
        rows = grown(rows, count, "operations")?;
        if head > 0 {
            weight = heavier(weight, count, one(kind, &mut data)?)?;
        }
        if head < 0 {
            for _ in 0..count {
                weight = heavier(weight, 1, one(kind, &mut data)?)?;
            }
        }
    }
    Ok(rows)
}

/// Reads one value; what it weighs once it is unrolled: predecessors of a group, bytes of a string.
fn one(kind: u64, data: &mut Reader<'_>) -> Result<u64, ScanError> {
    match kind {
        GROUP => data.unsigned(),
        DELTA => data.signed().map(|_| 0),
        STRING => data.bounded("text", DRAFT_STRING_BYTES_MAX).map(|text| text.len() as u64),
        ACTOR | INTEGER | VALUE_META => data.unsigned().map(|_| 0),
        _ => Err(ScanError::Shape),
    }
}

fn heavier(weight: u64, count: u64, one: u64) -> Result<u64, ScanError> {
    let more = count.checked_mul(one).ok_or(ScanError::Bound("operations"))?;
    grown(weight, more, "unrolled text")
}

fn grown(rows: u64, by: u64, what: &'static str) -> Result<u64, ScanError> {
    let rows = rows.checked_add(by).filter(|rows| *rows <= DRAFT_OPS_MAX);
    rows.ok_or(ScanError::Bound(what))
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], ScanError> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(ScanError::Shape)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, ScanError> {
        self.take(1).map(|byte| byte[0])
    }

    fn array(&mut self) -> Result<[u8; 32], ScanError> {
        self.take(32)?.try_into().map_err(|_| ScanError::Shape)
    }

    /// An actor of ours: 32 bytes behind their length.
    fn actor(&mut self) -> Result<[u8; 32], ScanError> {
        if self.unsigned()? == 32 { self.array() } else { Err(ScanError::Shape) }
    }

    fn bounded(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], ScanError> {
        let length = self.unsigned()?;
        let length = usize::try_from(length).ok().filter(|length| *length <= max);
        self.take(length.ok_or(ScanError::Bound(what))?)
    }

    fn many<T>(
        &mut self,
        what: &'static str,
        max: usize,
        read: impl Fn(&mut Self) -> Result<T, ScanError>,
    ) -> Result<Vec<T>, ScanError> {
        let count = self.unsigned()?;
        if count > max as u64 {
            return Err(ScanError::Bound(what));
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// An unsigned LEB128 number in its shortest form.
    fn unsigned(&mut self) -> Result<u64, ScanError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if low << shift >> shift != low || (shift > 0 && byte == 0) {
                return Err(ScanError::Shape);
            }
            number |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ScanError::Shape)
    }

    /// A signed LEB128 number; one that needs more than 62 bits has no place in a change.
    fn signed(&mut self) -> Result<i64, ScanError> {
        let mut number = 0_i64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let unused = 57 - shift;
                return Ok(if unused >= 0 { number << unused >> unused } else { number });
            }
        }
        Err(ScanError::Shape)
    }

    fn end(&self) -> Result<(), ScanError> {
        if self.0.is_empty() { Ok(()) } else { Err(ScanError::Bound("trailing bytes")) }
    }
}
