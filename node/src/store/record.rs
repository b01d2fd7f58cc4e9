//! Records: what callers hand to the store, and their plain byte form in the reserved journal.
//!
//! One submission is written as a whole or not at all. The journal's form is length-prefixed and
//! read back only after its checksum held, so it says no more than which record begins where.

use super::audit::AuditRow;
use super::error::Refused;
use super::limits::{
    AUDIT_ROW_BYTES_MAX, AUDIT_TEXT_BYTES_MAX, BLOB_BYTES_MAX, META_KEY_BYTES_MAX,
    META_VALUE_BYTES_MAX, STATEMENT_BYTES_MAX, SUBMIT_RECORDS_MAX,
};

/// The caller's name for one submission; comes back in its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// Whether a submission may use the reserved space when the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Refused while the disk is full.
    Ordinary,
    /// Own orders, receipts and accepted orders: kept in the reserve while the disk is full.
    Reserved,
}

/// One thing to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A statement by its id; the first bytes kept for an id stay.
    Statement {
        /// The statement's id.
        id: [u8; 32],
        /// Its bytes as they arrived.
        bytes: Vec<u8>,
    },
    /// A body by its hash, for example a policy.
    Blob {
        /// The body's hash.
        hash: [u8; 32],
        /// The body.
        bytes: Vec<u8>,
    },
    /// The next row of the audit log.
    Audit(AuditRow),
    /// A named value of the node's own; the last one kept counts.
    Meta {
        /// The name.
        key: String,
        /// The value.
        value: Vec<u8>,
    },
}

impl Record {
    /// Bytes of the payload, for the queue's bound.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Statement { bytes, .. } | Self::Blob { bytes, .. } => bytes.len() + 32,
            Self::Audit(row) => row.bytes_at_most(),
            Self::Meta { key, value } => key.len() + value.len(),
        }
    }
}

/// Refuses a submission that breaks a bound, before it is queued.
pub(super) fn check(urgency: Urgency, records: &[Record]) -> Result<(), Refused> {
    if records.is_empty() {
        return Err(Refused::Empty);
    }
    if records.len() > SUBMIT_RECORDS_MAX {
        return Err(Refused::TooMany { records: records.len() });
    }
    records.iter().try_for_each(|record| match record {
        Record::Statement { bytes, .. } => fits("statement", bytes.len(), STATEMENT_BYTES_MAX),
        Record::Blob { .. } if urgency == Urgency::Reserved => Err(Refused::BlobNotReservable),
        Record::Blob { bytes, .. } => fits("body", bytes.len(), BLOB_BYTES_MAX),
        Record::Audit(row) => {
            let bytes = row.text_excess().unwrap_or(0);
            fits("text in an audit row", bytes, AUDIT_TEXT_BYTES_MAX)
                .and_then(|()| fits("audit row", row.bytes_at_most(), AUDIT_ROW_BYTES_MAX))
        }
        Record::Meta { key, value } => fits("meta key", key.len(), META_KEY_BYTES_MAX)
            .and_then(|()| fits("meta value", value.len(), META_VALUE_BYTES_MAX)),
    })
}

fn fits(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Refused> {
    if bytes > bytes_max { Err(Refused::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}

/// The journal's form of one submission.
pub(crate) fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        match record {
            Record::Statement { id, bytes } => put(&mut out, 1, id, bytes),
            Record::Blob { hash, bytes } => put(&mut out, 2, hash, bytes),
            Record::Audit(row) => put(&mut out, 3, &[], &row.encode()),
            Record::Meta { key, value } => put(&mut out, 4, key.as_bytes(), value),
        }
    }
    out
}

fn put(out: &mut Vec<u8>, tag: u8, name: &[u8], bytes: &[u8]) {
    out.push(tag);
    for part in [name, bytes] {
        let length = u32::try_from(part.len()).expect("records are bounded far below 4 GiB");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(part);
    }
}

/// Reads back what `encode` wrote; none for anything else.
pub(crate) fn decode(mut rest: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while let Some((tag, tail)) = rest.split_first() {
        let (name, tail) = part(tail)?;
        let (bytes, tail) = part(tail)?;
        rest = tail;
        records.push(match tag {
            1 => Record::Statement { id: name.try_into().ok()?, bytes: bytes.to_vec() },
            2 => Record::Blob { hash: name.try_into().ok()?, bytes: bytes.to_vec() },
            3 => Record::Audit(AuditRow::decode(bytes).ok()?),
            4 => Record::Meta { key: str::from_utf8(name).ok()?.into(), value: bytes.to_vec() },
            _ => return None,
        });
    }
    Some(records)
}

fn part(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
