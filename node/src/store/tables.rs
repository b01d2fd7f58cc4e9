//! The tables inside the database, and the only code that reads or writes them.
//!
//! Statements keep their order of arrival and are found by id; a second arrival changes nothing.
//! Every function works on one transaction. Which records may be written at all, and what to do
//! when the disk fails, is the writer's business.

use std::collections::BTreeMap;

use redb::{
    Database, Durability, Error, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::audit::{AuditHead, AuditRow};
use super::error::{Why, Written};
use super::limits::{AUDIT_READ_ROWS_MAX, AUDIT_TAIL_ROWS};
use super::record::Record;

/// Place in the order of arrival -> id, then bytes.
const STATEMENTS: TableDefinition<u64, (&[u8; 32], &[u8])> = TableDefinition::new("statements");
/// Statement id -> place in the order of arrival.
const PLACES: TableDefinition<&[u8; 32], u64> = TableDefinition::new("places");
const BLOBS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("blobs");
const AUDIT: TableDefinition<u64, &[u8]> = TableDefinition::new("audit");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// How many commits there were: tells after a failed one whether it counts.
const COMMITS: TableDefinition<(), u64> = TableDefinition::new("commits");

/// Everything a node needs to go on where it stopped.
#[derive(Debug, Default)]
pub struct Replay {
    /// Ids and bytes of all statements, in the order in which they were first written.
    pub statements: Vec<([u8; 32], Vec<u8>)>,
    /// The last rows of the audit log, oldest first.
    pub audit_tail: Vec<AuditRow>,
    /// The node's own named values.
    pub meta: BTreeMap<String, Vec<u8>>,
    /// True when the reserve ended in a half-written entry, one that was never acknowledged.
    pub reserve_torn: bool,
}

/// A commit that did not work, and how far it came.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) why: Why,
    pub(super) written: Written,
}

/// Writes records in one durable commit.
pub(super) fn commit<'a>(
    db: &Database,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Fault> {
    let txn = begin(db).and_then(|txn| insert(&txn, records).map(|()| txn));
    let txn = txn.map_err(|error| fault(error, Written::Nothing))?;
    txn.commit().map_err(|error| fault(error.into(), Written::Unknown))
}

/// Writes what the reserve kept: its audit rows replace rows that were never acknowledged. Where it
/// kept none, the rows behind the acknowledged one go, if that is known.
pub(super) fn drain(
    db: &Database,
    entries: &[Vec<Record>],
    acknowledged: Option<AuditHead>,
) -> Result<(), Fault> {
    let first = entries.iter().flatten().find_map(|record| match record {
        Record::Audit(row) => Some(row.seq),
        Record::Statement { .. } | Record::Blob { .. } | Record::Meta { .. } => None,
    });
    let write = || {
        let txn = begin(db)?;
        if let Some(seq) = first.or(acknowledged.map(|head| head.seq + 1)) {
            txn.open_table(AUDIT)?.retain_in(seq.., |_, _| false)?;
        }
        insert(&txn, entries.iter().flatten()).map(|()| txn)
    };
    let txn = write().map_err(|error| fault(error, Written::Nothing))?;
    txn.commit().map_err(|error| fault(error.into(), Written::Unknown))
}

/// Makes the tables of a new database; writes nothing when they are there.
pub(super) fn create(db: &Database) -> Result<(), Error> {
    if db.begin_read()?.list_tables()?.next().is_some() {
        return Ok(());
    }
    let txn = begin(db)?;
    insert(&txn, [])?;
    Ok(txn.commit()?)
}

fn begin(db: &Database) -> Result<WriteTransaction, Error> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_quick_repair(true);
    Ok(txn)
}

fn insert<'a>(
    txn: &WriteTransaction,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Error> {
    let mut statements = txn.open_table(STATEMENTS)?;
    let mut places = txn.open_table(PLACES)?;
    let mut blobs = txn.open_table(BLOBS)?;
    let mut audit = txn.open_table(AUDIT)?;
    let mut meta = txn.open_table(META)?;
    let mut commits = txn.open_table(COMMITS)?;
    let before = commits.get(())?.map_or(0, |count| count.value());
    commits.insert((), before + 1)?;
    let mut next = statements.last()?.map_or(0, |(place, _)| place.value() + 1);
    for record in records {
        match record {
            Record::Statement { id, .. } if places.get(id)?.is_some() => {}
            Record::Statement { id, bytes } => {
                statements.insert(next, (id, bytes.as_slice()))?;
                places.insert(id, next)?;
                next += 1;
            }
            Record::Blob { hash, bytes } => drop(blobs.insert(hash, bytes.as_slice())?),
            Record::Audit(row) => drop(audit.insert(row.seq, row.encode().as_slice())?),
            Record::Meta { key, value } => drop(meta.insert(key.as_str(), value.as_slice())?),
        }
    }
    Ok(())
}

/// Reads everything back, then lays what the reserve still keeps over it.
pub(super) fn replay(db: &Database, reserved: &[Vec<Record>]) -> Result<Replay, Error> {
    let txn = db.begin_read()?;
    let mut replay = Replay::default();
    for item in txn.open_table(STATEMENTS)?.iter()? {
        let (_, value) = item?;
        let (id, bytes) = value.value();
        replay.statements.push((*id, bytes.to_vec()));
    }
    for item in txn.open_table(META)?.iter()? {
        let (key, value) = item?;
        replay.meta.insert(key.value().into(), value.value().into());
    }
    for item in txn.open_table(AUDIT)?.iter()?.rev().take(AUDIT_TAIL_ROWS) {
        replay.audit_tail.push(row(item?.1.value())?);
    }
    replay.audit_tail.reverse();
    lay_over(&mut replay, reserved);
    Ok(replay)
}

fn lay_over(replay: &mut Replay, reserved: &[Vec<Record>]) {
    let known: Vec<_> = replay.statements.iter().map(|(id, _)| *id).collect();
    let mut known = std::collections::BTreeSet::from_iter(known);
    for record in reserved.iter().flatten() {
        match record {
            Record::Statement { id, bytes } if known.insert(*id) => {
                replay.statements.push((*id, bytes.clone()));
            }
            Record::Audit(row) => {
                replay.audit_tail.retain(|kept| kept.seq < row.seq);
                replay.audit_tail.push(row.clone());
            }
            Record::Meta { key, value } => drop(replay.meta.insert(key.clone(), value.clone())),
            Record::Statement { .. } | Record::Blob { .. } => {}
        }
    }
    let excess = replay.audit_tail.len().saturating_sub(AUDIT_TAIL_ROWS);
    replay.audit_tail.drain(..excess);
}

/// Number and hash of the last audit row.
pub(super) fn audit_head(db: &Database) -> Result<AuditHead, Error> {
    let last = db.begin_read()?.open_table(AUDIT)?;
    match last.last()? {
        Some((_, bytes)) => Ok(AuditHead::of(&row(bytes.value())?)),
        None => Ok(AuditHead::EMPTY),
    }
}

/// How many commits there were.
pub(super) fn commits(db: &Database) -> Result<u64, Error> {
    let count = db.begin_read()?.open_table(COMMITS)?.get(())?;
    Ok(count.map_or(0, |count| count.value()))
}

/// Audit rows from `seq` on, as kept.
pub(super) fn audit_rows(db: &Database, seq: u64) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let table = db.begin_read()?.open_table(AUDIT)?;
    let rows = table.range(seq..)?.take(AUDIT_READ_ROWS_MAX);
    rows.map(|item| item.map(|(seq, row)| (seq.value(), row.value().to_vec())))
        .collect::<Result<_, _>>()
        .map_err(Error::from)
}

/// The body with this hash.
pub(super) fn blob(db: &Database, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, Error> {
    let found = db.begin_read()?.open_table(BLOBS)?.get(hash)?;
    Ok(found.map(|bytes| bytes.value().to_vec()))
}

/// The bytes of the statement with this id.
pub(super) fn statement(db: &Database, id: &[u8; 32]) -> Result<Option<Vec<u8>>, Error> {
    let txn = db.begin_read()?;
    let Some(place) = txn.open_table(PLACES)?.get(id)? else { return Ok(None) };
    let found = txn.open_table(STATEMENTS)?.get(place.value())?;
    Ok(found.map(|value| value.value().1.to_vec()))
}

fn row(bytes: &[u8]) -> Result<AuditRow, Error> {
    let row = AuditRow::decode(bytes);
    row.map_err(|fault| Error::Corrupted(format!("an audit row is damaged: {fault:?}")))
}

fn fault(error: Error, written: Written) -> Fault {
    let why = if let Error::Io(io) = &error
        && is_full(io)
    {
        Why::DiskFull(io.to_string())
    } else {
        Why::Disk(error.to_string())
    };
    Fault { why, written }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
