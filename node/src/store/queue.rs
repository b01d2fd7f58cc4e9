//! The store as callers hold it: a bounded queue in front of the one writer.
//!
//! `submit` never waits for the disk; it takes or refuses, and what it took is acknowledged
//! exactly once, in order, by the callback given at opening. Ordinary submissions leave a part of
//! the queue free, so that an own order still finds room behind a flood.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError};

use super::database::Opening;
use super::error::{ReadFailed, Refused, StoreError, Why, WriteFailed, Written};
use super::limits::{
    QUEUE_BYTES_MAX, QUEUE_BYTES_RESERVED, QUEUE_SUBMITS_MAX, QUEUE_SUBMITS_RESERVED,
};
use super::record::{self, Record, Urgency, WriteId};
use super::state::StateDir;
use super::tables::Replay;
use super::writer::{Ack, Command, Condition, Submission, Writer};

/// The node's disk. Dropping it writes what waits, then closes the files.
#[derive(Debug)]
pub struct Store {
    queue: Option<SyncSender<Command>>,
    writer: Option<JoinHandle<()>>,
    load: Arc<Load>,
}

impl Store {
    /// Opens the store of a state directory and reads back everything it holds.
    ///
    /// `on_ack` is called on the writer's thread, once per submission taken, in order, after the
    /// bytes are on disk; it must not block and must not call the store.
    pub fn open(
        state: &StateDir,
        on_ack: impl FnMut(Ack) + Send + 'static,
    ) -> Result<(Self, Replay), StoreError> {
        Self::open_with(state, on_ack, |builder, file| {
            builder.create_with_backend(FileBackend::new(file)?)
        })
    }

    /// Opens the store with another way from the file to the database, such as a failing disk.
    pub fn open_with(
        state: &StateDir,
        on_ack: impl FnMut(Ack) + Send + 'static,
        database: impl Fn(&Builder, File) -> Result<Database, DatabaseError> + Send + 'static,
    ) -> Result<(Self, Replay), StoreError> {
        let load = Arc::new(Load::default());
        let opening = Opening::new(state, Box::new(database));
        let (writer, replay) = Writer::open(opening, Arc::clone(&load), Box::new(on_ack))?;
        // Room for every submission that the load admits, and for a few questions.
        let (queue, commands) = mpsc::sync_channel(QUEUE_SUBMITS_MAX + 16);
        let thread = thread::Builder::new().name("belay-store".into());
        let thread = thread.spawn(move || writer.run(&commands)).map_err(|source| {
            StoreError::Io { path: state.path().into(), doing: "start the writer of", source }
        })?;
        Ok((Self { queue: Some(queue), writer: Some(thread), load }, replay))
    }

    /// Hands over records that are written together or not at all.
    pub fn submit(
        &self,
        id: WriteId,
        urgency: Urgency,
        records: Vec<Record>,
    ) -> Result<(), Refused> {
        record::check(urgency, &records)?;
        let bytes = records.iter().map(Record::weight).sum();
        if !self.load.admit(urgency, bytes) {
            return Err(Refused::QueueFull);
        }
        let submission = Submission { id, urgency, records, bytes };
        self.send(Command::Write(submission)).ok_or(Refused::Stopped)
    }

    /// The body with this hash.
    pub fn blob(&self, hash: [u8; 32]) -> Result<Option<Vec<u8>>, ReadFailed> {
        self.ask(|reply| Command::Blob(hash, reply)).ok_or(ReadFailed::Stopped)?
    }

    /// The bytes kept for this statement; settles what a write of unknown outcome left.
    pub fn statement(&self, id: [u8; 32]) -> Result<Option<Vec<u8>>, ReadFailed> {
        self.ask(|reply| Command::Statement(id, reply)).ok_or(ReadFailed::Stopped)?
    }

    /// Audit rows from number `seq` on, oldest first, at most `AUDIT_READ_ROWS_MAX` of them.
    pub fn audit_rows(&self, seq: u64) -> Result<Vec<Vec<u8>>, ReadFailed> {
        self.ask(|reply| Command::AuditRows(seq, reply)).ok_or(ReadFailed::Stopped)?
    }

    /// Whether ordinary records are taken; none when the writer has ended.
    pub fn condition(&self) -> Option<Condition> {
        self.ask(Command::Condition)
    }

    /// Reopens a latched database and moves the reserve into it; does nothing on a working one.
    pub fn retry(&self) -> Result<(), WriteFailed> {
        let why = Why::Disk("the store's writer has ended".into());
        let stopped = WriteFailed { why, written: Written::Nothing };
        self.ask(Command::Retry).ok_or(stopped)?
    }

    fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(command(reply))?;
        answer.recv().ok()
    }

    fn send(&self, command: Command) -> Option<()> {
        self.queue.as_ref()?.send(command).ok()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

/// What waits for the writer.
#[derive(Debug, Default)]
pub(super) struct Load {
    submits: AtomicUsize,
    bytes: AtomicUsize,
}

impl Load {
    /// Counts a submission in, unless its share of the queue is used up.
    fn admit(&self, urgency: Urgency, bytes: usize) -> bool {
        let (submits_max, bytes_max) = match urgency {
            Urgency::Reserved => (QUEUE_SUBMITS_MAX, QUEUE_BYTES_MAX),
            Urgency::Ordinary => {
                (QUEUE_SUBMITS_MAX - QUEUE_SUBMITS_RESERVED, QUEUE_BYTES_MAX - QUEUE_BYTES_RESERVED)
            }
        };
        let submits = self.submits.fetch_add(1, Ordering::AcqRel) + 1;
        let waiting = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let admitted = submits <= submits_max && waiting <= bytes_max;
        if !admitted {
            self.release(bytes);
        }
        admitted
    }

    /// Counts an acknowledged submission out.
    pub(super) fn release(&self, bytes: usize) {
        self.submits.fetch_sub(1, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}
