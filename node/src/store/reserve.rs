//! The reserved journal: a preallocated file for what must be kept while the disk is full.
//!
//! Its blocks are written once at creation, so later writes in place need no space. Two header
//! slots name a generation; the valid one with the greater number counts, and emptying the journal
//! is writing the next number into the other slot, so a torn header never revives or loses records.
//! An entry carries generation, length and a checksum over both and its place: what an earlier
//! generation left behind, or a crash half wrote, is never taken for a record.
//!
//! Refused here: entries that do not fit, by size needed and size left. The writer decides what is
//! urgent, and moves the records into the database once that works again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use sha2::{Digest, Sha256};

use super::error::{StoreError, Why};
use super::limits::RESERVE_BYTES;
use super::record::{self, Record};
use super::state::sync_dir;

const MAGIC: &[u8; 8] = b"belayrs1";
const SLOTS: [u64; 2] = [0, 2048];
const SLOT_BYTES: usize = 8 + 8 + 32;
const ENTRIES_START: u64 = 4096;
const ENTRY_HEAD_BYTES: u64 = 8 + 4 + 32;

/// An open journal, positioned behind its last whole entry.
pub(super) struct Reserve {
    file: File,
    generation: u64,
    end: u64,
    entries: Vec<Vec<Record>>,
}

/// A position to go back to when appended entries could not be synced.
pub(super) struct Mark {
    end: u64,
    entries: usize,
}

impl Reserve {
    /// Opens the journal of a state directory, creating it when absent.
    ///
    /// The second value says whether a half-written entry was found behind the last whole one.
    pub(super) fn open(state: &Path) -> Result<(Self, bool), StoreError> {
        let path = state.join("reserve");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(failed("open", &path))?;
        let length = file.metadata().map_err(failed("look at", &path))?.len();
        if length < RESERVE_BYTES || is_blank(&file).map_err(failed("read", &path))? {
            prepare(&file, state).map_err(failed("reserve space in", &path))?;
        }
        let generation = newest_generation(&file).map_err(failed("read", &path))?;
        let generation = generation.ok_or(StoreError::ReserveDamaged { path: path.clone() })?;
        let mut reserve = Self { file, generation, end: ENTRIES_START, entries: Vec::new() };
        let torn = reserve.scan().map_err(failed("read", &path))?;
        Ok((reserve, torn))
    }

    /// What is kept and not yet in the database, one item per submission, in order.
    pub(super) fn entries(&self) -> &[Vec<Record>] {
        &self.entries
    }

    /// Bytes left for further entries.
    pub(super) fn bytes_free(&self) -> u64 {
        RESERVE_BYTES - self.end
    }

    /// Writes one submission behind the others; it is kept only after `sync`.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), Why> {
        let payload = record::encode(records);
        let bytes = ENTRY_HEAD_BYTES + payload.len() as u64;
        if bytes > self.bytes_free() {
            return Err(Why::ReserveFull { bytes, bytes_free: self.bytes_free() });
        }
        let entry = seal(self.generation, self.end, &payload);
        self.file.write_all_at(&entry, self.end).map_err(|error| Why::Disk(error.to_string()))?;
        self.end += bytes;
        self.entries.push(records.to_vec());
        Ok(())
    }

    /// Makes everything appended survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Where the journal ends now.
    pub(super) fn mark(&self) -> Mark {
        Mark { end: self.end, entries: self.entries.len() }
    }

    /// Forgets what was appended since `mark`; the next entry overwrites it.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.end = mark.end;
        self.entries.truncate(mark.entries);
    }

    /// Empties the journal; call it only when the database has everything in it.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        write_slot(&self.file, self.generation + 1)?;
        self.generation += 1;
        self.end = ENTRIES_START;
        self.entries.clear();
        Ok(())
    }

    fn scan(&mut self) -> io::Result<bool> {
        let mut area = vec![0; (RESERVE_BYTES - ENTRIES_START) as usize];
        self.file.read_exact_at(&mut area, ENTRIES_START)?;
        let mut rest = area.as_slice();
        while let Found::Entry { records, tail } = look(self.generation, self.end, rest) {
            self.end += (rest.len() - tail.len()) as u64;
            rest = tail;
            self.entries.push(records);
        }
        Ok(matches!(look(self.generation, self.end, rest), Found::Torn))
    }
}

/// What stands at a place of the journal.
enum Found<'a> {
    Entry { records: Vec<Record>, tail: &'a [u8] },
    Torn,
    End,
}

fn look(generation: u64, place: u64, rest: &[u8]) -> Found<'_> {
    let Some((found, body)) = rest.split_first_chunk::<8>() else { return Found::End };
    if u64::from_le_bytes(*found) != generation {
        return Found::End;
    }
    whole(generation, place, body).unwrap_or(Found::Torn)
}

fn whole(generation: u64, place: u64, body: &[u8]) -> Option<Found<'_>> {
    let (length, body) = body.split_first_chunk::<4>()?;
    let (sum, body) = body.split_first_chunk::<32>()?;
    let (payload, tail) = body.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    if checksum(generation, place, payload) != *sum {
        return None;
    }
    Some(Found::Entry { records: record::decode(payload)?, tail })
}

fn seal(generation: u64, place: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("an entry is smaller than the journal");
    let mut entry = generation.to_le_bytes().to_vec();
    entry.extend_from_slice(&length.to_le_bytes());
    entry.extend_from_slice(&checksum(generation, place, payload));
    entry.extend_from_slice(payload);
    entry
}

fn checksum(generation: u64, place: u64, payload: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(MAGIC);
    let hash = hash.chain_update(generation.to_le_bytes()).chain_update(place.to_le_bytes());
    hash.chain_update((payload.len() as u64).to_le_bytes()).chain_update(payload).finalize().into()
}

/// True when no header was ever written: creation is the first thing that happens to the file.
fn is_blank(file: &File) -> io::Result<bool> {
    let mut head = vec![0; ENTRIES_START as usize];
    file.read_exact_at(&mut head, 0)?;
    Ok(head.iter().all(|byte| *byte == 0))
}

/// Takes the space by writing it, then names the first generation.
fn prepare(file: &File, state: &Path) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        // Writing every byte takes the space too; asking first only fails earlier.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    file.write_all_at(&vec![0; RESERVE_BYTES as usize], 0)?;
    file.sync_all()?;
    write_slot(file, 1)?;
    sync_dir(state)
}

fn write_slot(file: &File, generation: u64) -> io::Result<()> {
    let place = SLOTS[(generation % 2) as usize];
    let mut slot = MAGIC.to_vec();
    slot.extend_from_slice(&generation.to_le_bytes());
    slot.extend_from_slice(&checksum(generation, place, b""));
    file.write_all_at(&slot, place)?;
    file.sync_data()
}

fn newest_generation(file: &File) -> io::Result<Option<u64>> {
    let slots = SLOTS.map(|place| {
        let mut slot = [0; SLOT_BYTES];
        file.read_exact_at(&mut slot, place).map(|()| read_slot(&slot, place))
    });
    let [first, second] = slots;
    Ok(first?.max(second?))
}

fn read_slot(slot: &[u8; SLOT_BYTES], place: u64) -> Option<u64> {
    let (magic, rest) = slot.split_first_chunk::<8>()?;
    let (number, sum) = rest.split_first_chunk::<8>()?;
    let generation = u64::from_le_bytes(*number);
    (magic == MAGIC && sum == checksum(generation, place, b"")).then_some(generation)
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path: PathBuf = path.into();
    move |source| StoreError::Io { path, doing, source }
}
