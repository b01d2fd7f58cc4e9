//! The audit row: one decision, linked to the one before it by hash.
//!
//! A row says what the gate decided, by which rule of which release, about which act (by hash,
//! never the values of its arguments), or what came of one; the whole event stands in it. A row is
//! deterministic CBOR; its hash covers its own bytes, and the next row carries it, so a row cut out
//! or rewritten breaks every later link.
//!
//! Refused here: rows that are not in their one canonical form. Signing heads is the log's work.

use ciborium::Value;
use sha2::{Digest, Sha256};
use std::{error, fmt};

use super::limits::{AUDIT_ROW_AROUND_BYTES, AUDIT_ROW_BYTES_MAX, AUDIT_TEXT_BYTES_MAX};

/// What is put in front of a row before hashing, so that no other record shares its hash.
const HASH_DOMAIN: &[u8] = b"belay.audit.row/1\0";

/// Checks that every row follows the one before it, from `start`; returns the new head.
pub fn verify_chain<R: AsRef<[u8]>>(
    start: AuditHead,
    rows: impl IntoIterator<Item = R>,
) -> Result<AuditHead, ChainBreak> {
    rows.into_iter().try_fold(start, |head, bytes| {
        let seq = head.seq + 1;
        let row = AuditRow::decode(bytes.as_ref());
        let row = row.map_err(|fault| ChainBreak { seq, fault: BreakKind::Row(fault) })?;
        head.check_follows(&row).map(|()| AuditHead::of(&row))
    })
}

/// Number and hash of the last row of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of the last row; 0 before the first.
    pub seq: u64,
    /// Hash of the last row; zeros before the first.
    pub hash: [u8; 32],
}

impl AuditHead {
    /// The head of a chain without rows.
    pub const EMPTY: Self = Self { seq: 0, hash: [0; 32] };

    /// The head after this row.
    pub fn of(row: &AuditRow) -> Self {
        Self { seq: row.seq, hash: row.hash() }
    }

    /// The row that appends `entry` after this head.
    pub fn append(&self, entry: AuditEntry) -> AuditRow {
        AuditRow { seq: self.seq + 1, prev: self.hash, entry }
    }

    /// Says how `row` fails to follow this head.
    pub fn check_follows(&self, row: &AuditRow) -> Result<(), ChainBreak> {
        let seq = self.seq + 1;
        if row.seq != seq {
            return Err(ChainBreak { seq, fault: BreakKind::Number { found: row.seq } });
        }
        if row.prev != self.hash {
            return Err(ChainBreak { seq, fault: BreakKind::Link });
        }
        Ok(())
    }
}

/// What one decision says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Boot clock, in milliseconds.
    pub boot_ms: u64,
    /// The device's own wall clock, in milliseconds since 1970; shown, never decided by.
    pub wall_ms: u64,
    /// What kind of decision and verdict, for example `deny`.
    pub kind: String,
    /// The rule that decided.
    pub rule: String,
    /// Hash of the release in force; none without one.
    pub release: Option<[u8; 32]>,
    /// Hash of the act decided about.
    pub act: [u8; 32],
    /// The event as it was made (`belay_mesh::event`); empty where the disk had no room for it.
    pub event: Vec<u8>,
}

/// One row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Number, from 1.
    pub seq: u64,
    /// Hash of the row before; zeros for the first.
    pub prev: [u8; 32],
    /// What was decided.
    pub entry: AuditEntry,
}

impl AuditRow {
    /// The row's only byte form.
    pub fn encode(&self) -> Vec<u8> {
        let entry = &self.entry;
        let mut fields = vec![
            field(1, Value::from(self.seq)),
            field(2, Value::Bytes(self.prev.to_vec())),
            field(3, Value::from(entry.boot_ms)),
            field(4, Value::from(entry.wall_ms)),
            field(5, Value::Text(entry.kind.clone())),
            field(6, Value::Text(entry.rule.clone())),
        ];
        fields.extend(entry.release.map(|release| field(7, Value::Bytes(release.to_vec()))));
        fields.push(field(8, Value::Bytes(entry.act.to_vec())));
        if !entry.event.is_empty() {
            fields.push(field(9, Value::Bytes(entry.event.clone())));
        }
        let mut bytes = Vec::new();
        ciborium::into_writer(&Value::Map(fields), &mut bytes).expect("a Vec takes every byte");
        bytes
    }

    /// Reads a row; anything but the bytes that `encode` would write is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        if bytes.len() > AUDIT_ROW_BYTES_MAX {
            return Err(RowFault::TooLarge { bytes: bytes.len() });
        }
        let value = ciborium::de::from_reader_with_recursion_limit(bytes, 4);
        let row = read(value.map_err(|_| RowFault::Malformed)?).ok_or(RowFault::Malformed)?;
        if row.encode() != bytes {
            return Err(RowFault::NotCanonical);
        }
        Ok(row)
    }

    /// The hash that the next row carries.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update(HASH_DOMAIN).chain_update(self.encode()).finalize().into()
    }

    /// Size of the encoded row, in bytes, at most: what is no larger here is read again.
    pub(super) fn bytes_at_most(&self) -> usize {
        let AuditEntry { kind, rule, event, .. } = &self.entry;
        AUDIT_ROW_AROUND_BYTES + kind.len() + rule.len() + event.len()
    }

    /// Size of the longest text, in bytes, when it is more than a row may hold.
    pub(super) fn text_excess(&self) -> Option<usize> {
        let bytes = self.entry.kind.len().max(self.entry.rule.len());
        (bytes > AUDIT_TEXT_BYTES_MAX).then_some(bytes)
    }
}

fn field(key: u64, value: Value) -> (Value, Value) {
    (Value::from(key), value)
}

fn read(value: Value) -> Option<AuditRow> {
    let mut fields = value.into_map().ok()?.into_iter().peekable();
    let mut take = |wanted: u64| {
        let next = fields.next_if(|(key, _)| key.as_integer() == Some(wanted.into()));
        next.map(|(_, value)| value)
    };
    let row = AuditRow {
        seq: number(take(1)?)?,
        prev: hash(take(2)?)?,
        entry: AuditEntry {
            boot_ms: number(take(3)?)?,
            wall_ms: number(take(4)?)?,
            kind: take(5)?.into_text().ok()?,
            rule: take(6)?.into_text().ok()?,
            release: take(7).map(|value| hash(value).ok_or(())).transpose().ok()?,
            act: hash(take(8)?)?,
            event: take(9).map(|value| value.into_bytes().ok()).unwrap_or(Some(Vec::new()))?,
        },
    };
    fields.next().is_none().then_some(row)
}

fn number(value: Value) -> Option<u64> {
    value.as_integer()?.try_into().ok()
}

fn hash(value: Value) -> Option<[u8; 32]> {
    value.into_bytes().ok()?.try_into().ok()
}

/// Why bytes are no audit row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFault {
    /// More bytes than a row may have.
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// Not a row at all.
    Malformed,
    /// A row, in other bytes than its own.
    NotCanonical,
}

/// The first place where a chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainBreak {
    /// The number that should have followed.
    pub seq: u64,
    /// What is wrong there.
    pub fault: BreakKind,
}

/// How a chain breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakKind {
    /// The bytes are no row.
    Row(RowFault),
    /// Another number stands there.
    Number {
        /// The number found.
        found: u64,
    },
    /// The row names another row before it.
    Link,
}

impl fmt::Display for ChainBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the audit log breaks at row {}: ", self.seq)?;
        match self.fault {
            BreakKind::Row(fault) => write!(f, "{fault}"),
            BreakKind::Number { found } => write!(f, "row {found} stands there"),
            BreakKind::Link => write!(f, "it does not name the row before it"),
        }
    }
}

impl error::Error for ChainBreak {}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "{bytes} bytes; a row has at most {AUDIT_ROW_BYTES_MAX}")
            }
            Self::Malformed => f.write_str("the bytes are no row"),
            Self::NotCanonical => f.write_str("the row is not canonical"),
        }
    }
}
