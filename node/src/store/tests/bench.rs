//! What the store's tests share: sample records, acknowledgements, and a disk that fails on demand.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend};
use tempfile::TempDir;

use crate::store::{Ack, AuditEntry, Record, Replay, StateDir, Store};

/// Longest wait for something that must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn state(folder: &TempDir) -> StateDir {
    StateDir::open(&folder.path().join("state")).unwrap()
}

pub(super) fn open(state: &StateDir) -> (Store, Replay, Acks) {
    let (sender, acks) = Acks::pair();
    let (store, replay) = Store::open(state, move |ack| drop(sender.send(ack))).unwrap();
    (store, replay, acks)
}

pub(super) fn open_on(state: &StateDir, disk: &Disk) -> (Store, Replay, Acks) {
    let (sender, acks) = Acks::pair();
    let on_ack = move |ack| drop(sender.send(ack));
    let (store, replay) = Store::open_with(state, on_ack, disk.opener()).unwrap();
    (store, replay, acks)
}

/// Acknowledgements in the order in which they came.
pub(super) struct Acks(Receiver<Ack>);

impl Acks {
    pub(super) fn pair() -> (Sender<Ack>, Self) {
        let (sender, receiver) = mpsc::channel();
        (sender, Self(receiver))
    }

    pub(super) fn next(&self) -> Ack {
        self.0.recv_timeout(PATIENCE).unwrap()
    }

    /// True when the store is closed and every acknowledgement was read.
    pub(super) fn is_over(&self) -> bool {
        self.0.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected)
    }
}

pub(super) fn id(number: u64) -> [u8; 32] {
    let mut id = [0xab; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

pub(super) fn body(number: u64) -> Vec<u8> {
    format!("statement {number} {}", "x".repeat((number % 700) as usize)).into_bytes()
}

pub(super) fn statement(number: u64) -> Record {
    Record::Statement { id: id(number), bytes: body(number) }
}

pub(super) fn statement_of_size(number: u64, bytes: usize) -> Record {
    Record::Statement { id: id(number), bytes: vec![7; bytes] }
}

pub(super) fn pairs(records: &[Record]) -> Vec<([u8; 32], Vec<u8>)> {
    let pair = |record: &Record| match record {
        Record::Statement { id, bytes } => (*id, bytes.clone()),
        Record::Blob { .. } | Record::Audit(_) | Record::Meta { .. } => panic!("{record:?}"),
    };
    records.iter().map(pair).collect()
}

pub(super) fn entry(kind: &str) -> AuditEntry {
    AuditEntry {
        boot_ms: 1_000,
        wall_ms: 1_700_000_000_000,
        kind: kind.into(),
        rule: "starter.outward".into(),
        release: Some([3; 32]),
        act: [4; 32],
        event: vec![0xa0; 400],
    }
}

/// The first page of the database file.
const HEADER_BYTES: u64 = 4096;

/// A disk that fails on demand under the real database.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    full: Arc<AtomicBool>,
    unwritable: Arc<AtomicBool>,
    unsyncable: Arc<AtomicBool>,
    /// How many more syncs there are up to the one that fails, itself included; 0 where none does.
    syncs_to_failure: Arc<AtomicUsize>,
}

impl Disk {
    /// From now on: nothing but the header can be written, which a file system that writes in
    /// place still takes when it is full.
    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// From now on: no byte can be written, as on a full file system that copies on write.
    pub(super) fn set_unwritable(&self, unwritable: bool) {
        self.unwritable.store(unwritable, Ordering::SeqCst);
    }

    /// From now on: bytes are taken, but the disk cannot be told to keep them.
    pub(super) fn set_unsyncable(&self, unsyncable: bool) {
        self.unsyncable.store(unsyncable, Ordering::SeqCst);
    }

    /// So many syncs work from now on, the next one fails, and those after it work again.
    pub(super) fn fail_sync_after(&self, syncs: usize) {
        self.syncs_to_failure.store(syncs + 1, Ordering::SeqCst);
    }

    fn fails_this_sync(&self) -> bool {
        let left = |left: usize| left.checked_sub(1);
        let counted = self.syncs_to_failure.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        counted == Ok(1) || self.unsyncable.load(Ordering::SeqCst)
    }

    fn opener(&self) -> impl Fn(&Builder, File) -> Result<Database, DatabaseError> + use<> {
        let disk = self.clone();
        move |builder, file| {
            let below = FileBackend::new(file)?;
            builder.create_with_backend(FailingBackend { below, disk: disk.clone() })
        }
    }
}

#[derive(Debug)]
struct FailingBackend {
    below: FileBackend,
    disk: Disk,
}

impl FailingBackend {
    fn room(&self, offset: u64) -> io::Result<()> {
        let full = self.disk.full.load(Ordering::SeqCst) && offset >= HEADER_BYTES;
        match full || self.disk.unwritable.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for FailingBackend {
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.below.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room(len)?;
        self.below.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.disk.fails_this_sync() {
            return Err(io::Error::other("sync failed"));
        }
        self.below.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room(offset)?;
        self.below.write(offset, data)
    }
}
