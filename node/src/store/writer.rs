//! The writer: the one thread that touches the database and the reserve.
//!
//! Whatever waits is written in one commit and acknowledged after it, in order. When a commit
//! fails the database latches: from then on reserved submissions go into the reserve and ordinary
//! ones fail, until `retry` has reopened the database and moved the reserve into it. The reserve
//! is therefore empty whenever ordinary records are taken, which is what makes replaying it
//! harmless however often a crash repeats it.
//!
//! The audit head is the last row acknowledged, whatever a failed commit left in the database: its
//! rows were never promised to anybody, so the next ones take their places. Only a new process,
//! which cannot know what was acknowledged, goes on behind the last row that it finds.
//!
//! INV-LOG-1, in part: the writer takes an audit row only when it follows the last one kept.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use redb::Database;

use super::audit::AuditHead;
use super::database::Opening;
use super::error::{ReadFailed, StoreError, Why, WriteFailed, Written};
use super::limits::{AUDIT_READ_ROWS_MAX, GROUP_BYTES_MAX, GROUP_SUBMITS_MAX, STORE_BYTES_MAX};
use super::queue::Load;
use super::record::{Record, Urgency, WriteId};
use super::reserve::Reserve;
use super::tables::{self, Fault, Replay};

/// The end of one submission: written, or failed by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The caller's name for it.
    pub id: WriteId,
    /// What became of it.
    pub result: Result<(), WriteFailed>,
}

/// Whether the store takes everything, or reserved records only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Everything is taken.
    Writing,
    /// Only reserved records are taken.
    Latched {
        /// What went wrong first.
        cause: String,
        /// Room left for reserved records, in bytes.
        reserve_bytes_free: u64,
    },
}

/// What the thread is asked to do.
pub(super) enum Command {
    Write(Submission),
    Blob([u8; 32], SyncSender<Result<Option<Vec<u8>>, ReadFailed>>),
    Statement([u8; 32], SyncSender<Result<Option<Vec<u8>>, ReadFailed>>),
    AuditRows(u64, SyncSender<Result<Vec<Vec<u8>>, ReadFailed>>),
    Condition(SyncSender<Condition>),
    Retry(SyncSender<Result<(), WriteFailed>>),
}

/// One submission on its way.
pub(super) struct Submission {
    pub(super) id: WriteId,
    pub(super) urgency: Urgency,
    pub(super) records: Vec<Record>,
    pub(super) bytes: usize,
}

/// Where records go.
enum Bench {
    Writing(Database),
    /// The database is open for reading when the disk allows that.
    Latched {
        db: Option<Database>,
        cause: String,
    },
}

pub(super) struct Writer {
    opening: Opening,
    reserve: Reserve,
    bench: Bench,
    audit: AuditHead,
    commits: u64,
    load: Arc<Load>,
    on_ack: Box<dyn FnMut(Ack) + Send>,
}

impl Writer {
    /// Opens database and reserve, and moves into the database what the reserve kept.
    pub(super) fn open(
        opening: Opening,
        load: Arc<Load>,
        on_ack: Box<dyn FnMut(Ack) + Send>,
    ) -> Result<(Self, Replay), StoreError> {
        let (reserve, reserve_torn) = Reserve::open(opening.state())?;
        let db = opening.open().map_err(|error| opening.unreadable(&error))?;
        tables::create(&db).map_err(|error| opening.unreadable(&error))?;
        let (audit, commits) = (AuditHead::EMPTY, 0);
        let bench = Bench::Writing(db);
        let mut writer = Self { opening, reserve, bench, audit, commits, load, on_ack };
        if let Err(failure) = writer.drain(None) {
            writer.latch(failure.to_string());
        }
        let replay = writer.replay()?;
        writer.audit = replay.audit_tail.last().map_or(AuditHead::EMPTY, AuditHead::of);
        Ok((writer, Replay { reserve_torn, ..replay }))
    }

    /// Serves commands until nobody can send one.
    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        let mut held = None;
        while let Some(command) = held.take().or_else(|| queue.recv().ok()) {
            match command {
                Command::Write(first) => {
                    let (group, next) = gather(first, queue);
                    held = next;
                    self.write(group);
                }
                Command::Blob(hash, reply) => {
                    let _ = reply.send(self.read(|db| tables::blob(db, &hash)));
                }
                Command::Statement(id, reply) => {
                    let _ = reply.send(self.statement(&id));
                }
                Command::AuditRows(seq, reply) => {
                    let _ = reply.send(self.audit_rows(seq));
                }
                Command::Condition(reply) => {
                    let _ = reply.send(self.condition());
                }
                Command::Retry(reply) => {
                    let _ = reply.send(self.retry());
                }
            }
        }
    }

    fn write(&mut self, group: Vec<Submission>) {
        let results = match &self.bench {
            Bench::Writing(_) => self.write_through(&group),
            Bench::Latched { cause, .. } => {
                let why = Why::Latched(cause.clone());
                self.write_reserved(&group, &WriteFailed { why, written: Written::Nothing })
            }
        };
        for (submission, result) in group.into_iter().zip(results) {
            self.load.release(submission.bytes);
            (self.on_ack)(Ack { id: submission.id, result });
        }
    }

    fn write_through(&mut self, group: &[Submission]) -> Vec<Result<(), WriteFailed>> {
        let before = self.audit;
        let store_full = self.opening.file_bytes() >= STORE_BYTES_MAX;
        let admitted: Vec<_> = group.iter().map(|one| self.admit(one, store_full)).collect();
        let taken = group.iter().zip(&admitted).filter(|(_, admitted)| admitted.is_ok());
        let mut records = taken.flat_map(|(one, _)| &one.records).peekable();
        let Bench::Writing(db) = &self.bench else { return admitted };
        if records.peek().is_none() {
            return admitted;
        }
        match tables::commit(db, records) {
            Ok(()) => {
                self.commits += 1;
                admitted
            }
            Err(fault) => {
                self.audit = before;
                let failure = self.settle(fault);
                self.write_reserved(group, &failure)
            }
        }
    }

    /// Keeps reserved submissions in the reserve; the others fail with `failure`.
    fn write_reserved(
        &mut self,
        group: &[Submission],
        failure: &WriteFailed,
    ) -> Vec<Result<(), WriteFailed>> {
        let (before, mark) = (self.audit, self.reserve.mark());
        let results: Vec<_> = group.iter().map(|one| self.reserve_one(one, failure)).collect();
        if results.iter().all(Result::is_err) {
            return results;
        }
        let Err(error) = self.reserve.sync() else { return results };
        self.audit = before;
        self.reserve.rewind(mark);
        let unsynced = WriteFailed { why: Why::Disk(error.to_string()), written: Written::Unknown };
        results.into_iter().map(|result| result.and(Err(unsynced.clone()))).collect()
    }

    fn reserve_one(
        &mut self,
        submission: &Submission,
        failure: &WriteFailed,
    ) -> Result<(), WriteFailed> {
        if submission.urgency == Urgency::Ordinary {
            return Err(failure.clone());
        }
        let head = self.follow(submission)?;
        self.reserve.append(&submission.records).map_err(refused)?;
        self.audit = head;
        Ok(())
    }

    fn admit(&mut self, submission: &Submission, store_full: bool) -> Result<(), WriteFailed> {
        if store_full && submission.urgency == Urgency::Ordinary {
            return Err(refused(Why::StoreFull { bytes_max: STORE_BYTES_MAX }));
        }
        self.audit = self.follow(submission)?;
        Ok(())
    }

    /// The audit head after this submission, when its rows follow the present one.
    fn follow(&self, submission: &Submission) -> Result<AuditHead, WriteFailed> {
        submission.records.iter().try_fold(self.audit, |head, record| match record {
            Record::Audit(row) if head.check_follows(row).is_err() => {
                let seq_expected = head.seq + 1;
                Err(refused(Why::AuditChain { seq_expected, seq: row.seq }))
            }
            Record::Audit(row) => Ok(AuditHead::of(row)),
            Record::Statement { .. } | Record::Blob { .. } | Record::Meta { .. } => Ok(head),
        })
    }

    /// Latches, and finds out where it can whether the failed commit counts.
    ///
    /// A commit that is not seen after reopening will never be: the next one takes its place. One
    /// that is seen may still be lost with the power, because the disk did not promise to keep it.
    fn settle(&mut self, Fault { why, written }: Fault) -> WriteFailed {
        self.latch(WriteFailed { why: why.clone(), written }.to_string());
        match self.database().map(tables::commits) {
            Some(Ok(seen)) if seen == self.commits => refused(why),
            Some(_) | None => WriteFailed { why, written },
        }
    }

    /// Gives up the failed database and opens it again for reading, where that works.
    fn latch(&mut self, cause: String) {
        self.bench = Bench::Latched { db: None, cause: cause.clone() };
        let db = self.opening.open().ok();
        self.bench = Bench::Latched { db, cause };
    }

    fn retry(&mut self) -> Result<(), WriteFailed> {
        let Bench::Latched { db, cause } = &mut self.bench else { return Ok(()) };
        let cause = cause.clone();
        drop(db.take());
        let reopened = self.opening.open().map_err(|error| Why::Disk(error.to_string()));
        self.bench = Bench::Writing(reopened.map_err(refused)?);
        self.drain(Some(self.audit)).inspect_err(|_| self.latch(cause))
    }

    /// Moves the reserve into the database, then empties it; rows behind the acknowledged one go.
    fn drain(&mut self, acknowledged: Option<AuditHead>) -> Result<(), WriteFailed> {
        let Bench::Writing(db) = &self.bench else { return Ok(()) };
        let unreadable = |error: redb::Error| refused(Why::Disk(error.to_string()));
        let seen = tables::audit_head(db).map_err(unreadable)?;
        let unpromised = acknowledged.filter(|head| seen.seq > head.seq);
        if unpromised.is_some() || !self.reserve.entries().is_empty() {
            let drained = tables::drain(db, self.reserve.entries(), unpromised);
            drained.map_err(|Fault { why, written }| WriteFailed { why, written })?;
            self.reserve.reset().map_err(|error| refused(Why::Disk(error.to_string())))?;
        }
        let heads = tables::audit_head(db).and_then(|head| Ok((head, tables::commits(db)?)));
        (self.audit, self.commits) = heads.map_err(unreadable)?;
        Ok(())
    }

    fn replay(&self) -> Result<Replay, StoreError> {
        let db = self.database().ok_or_else(|| self.opening.unavailable())?;
        let replay = tables::replay(db, self.reserve.entries());
        replay.map_err(|error| self.opening.unreadable(&error))
    }

    fn database(&self) -> Option<&Database> {
        match &self.bench {
            Bench::Writing(db) => Some(db),
            Bench::Latched { db, .. } => db.as_ref(),
        }
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, ReadFailed> {
        let db = self.database().ok_or(ReadFailed::Unreadable("it is closed".into()))?;
        query(db).map_err(|error| ReadFailed::Unreadable(error.to_string()))
    }

    fn statement(&self, wanted: &[u8; 32]) -> Result<Option<Vec<u8>>, ReadFailed> {
        let reserved = self.reserve.entries().iter().flatten().find_map(|record| match record {
            Record::Statement { id, bytes } if id == wanted => Some(bytes.clone()),
            Record::Statement { .. }
            | Record::Blob { .. }
            | Record::Audit(_)
            | Record::Meta { .. } => None,
        });
        match self.read(|db| tables::statement(db, wanted)) {
            Ok(None) => Ok(reserved),
            Err(failed) => reserved.map(Some).ok_or(failed),
            Ok(found) => Ok(found),
        }
    }

    fn audit_rows(&self, seq: u64) -> Result<Vec<Vec<u8>>, ReadFailed> {
        let reserved: Vec<_> =
            self.reserve.entries().iter().flatten().filter_map(reserved_row).collect();
        let first = reserved.first().map_or(u64::MAX, |(seq, _)| *seq);
        let kept = self.read(|db| tables::audit_rows(db, seq))?;
        let kept = kept.into_iter().filter(|(kept, _)| *kept < first && *kept <= self.audit.seq);
        let rows = kept.chain(reserved.into_iter().filter(|(reserved, _)| *reserved >= seq));
        Ok(rows.take(AUDIT_READ_ROWS_MAX).map(|(_, bytes)| bytes).collect())
    }

    fn condition(&self) -> Condition {
        match &self.bench {
            Bench::Writing(_) => Condition::Writing,
            Bench::Latched { cause, .. } => Condition::Latched {
                cause: cause.clone(),
                reserve_bytes_free: self.reserve.bytes_free(),
            },
        }
    }
}

fn reserved_row(record: &Record) -> Option<(u64, Vec<u8>)> {
    match record {
        Record::Audit(row) => Some((row.seq, row.encode())),
        Record::Statement { .. } | Record::Blob { .. } | Record::Meta { .. } => None,
    }
}

fn refused(why: Why) -> WriteFailed {
    WriteFailed { why, written: Written::Nothing }
}

/// Takes what waits already, up to the bounds of one commit, and what ended the group.
fn gather(first: Submission, queue: &Receiver<Command>) -> (Vec<Submission>, Option<Command>) {
    let mut bytes = first.bytes;
    let mut group = vec![first];
    while group.len() < GROUP_SUBMITS_MAX && bytes < GROUP_BYTES_MAX {
        match queue.try_recv() {
            Ok(Command::Write(next)) => {
                bytes += next.bytes;
                group.push(next);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}
