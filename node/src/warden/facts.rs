//! What a warden saw, on disk: the file `facts` in the task's folder, frames one after another,
//! each synced before it is told. From it a restarted node signs.
//!
//! The task runs as the same user and can write there too, so every record carries an HMAC-SHA-256
//! (RFC 2104) over itself and the one before, by a key that only node and warden know. What a task
//! appends is damage; what it cuts off is gone, hence not proven.
//!
//! One folder has one warden, ever: an existing file is never continued.

use super::FromWarden;
use super::channel::{FrameError, encode, first};
use super::limits::{FACTS_BYTES_MAX, FACTS_RESERVE_BYTES};
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::{error, fmt};
use zeroize::Zeroizing;

/// The file's name in a task's folder.
pub(crate) const FACTS: &str = "facts";

/// One thing that a warden saw.
pub type Fact = FromWarden;

/// What is left on disk of a warden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The whole records, oldest first.
    pub records: Vec<Fact>,
    /// Bytes of a last record that was never completed, hence never told.
    pub torn_bytes: u64,
}

/// Reads what a warden wrote; a torn last record is left out and counted.
///
/// # Errors
/// [`FactsError::Io`] when there are none or they cannot be read, [`FactsError::Damaged`] when a
/// record before the last is not one, [`FactsError::TooLong`] when no warden can have written it.
pub fn read_facts(folder: &Path, key: &[u8; 32]) -> Result<Facts, FactsError> {
    let mut bytes = Vec::new();
    let file = File::open(folder.join(FACTS)).map_err(FactsError::Io)?;
    file.take(FACTS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(FactsError::Io)?;
    if bytes.len() as u64 > FACTS_BYTES_MAX {
        return Err(FactsError::TooLong);
    }
    facts_in(&bytes, key)
}

/// Reads the bytes of a file of facts.
///
/// # Errors
/// [`FactsError::Damaged`] when a record before the last is not one.
pub(crate) fn facts_in(bytes: &[u8], key: &[u8; 32]) -> Result<Facts, FactsError> {
    parse(bytes, Seal::new(key))
}

fn parse(bytes: &[u8], mut seal: Seal) -> Result<Facts, FactsError> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match first::<Sealed>(rest) {
            Ok(Some((sealed, used))) => {
                if seal.over(&sealed.fact).ok() != Some(sealed.seal) {
                    return Err(FactsError::Damaged { at });
                }
                records.push(sealed.fact);
                at += used;
            }
            Ok(None) => break,
            Err(_) if torn(rest) => break,
            Err(_) => return Err(FactsError::Damaged { at }),
        }
    }
    Ok(Facts { records, torn_bytes: (bytes.len() - at) as u64 })
}

/// One record as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Sealed {
    fact: Fact,
    seal: [u8; 32],
}

/// The running seal of one task's facts.
#[derive(Debug, Clone)]
struct Seal {
    key: Zeroizing<[u8; 32]>,
    last: [u8; 32],
}

impl Seal {
    fn new(key: &[u8; 32]) -> Self {
        Self { key: Zeroizing::new(*key), last: [0; 32] }
    }

    /// The seal of the next record.
    fn over(&mut self, fact: &Fact) -> Result<[u8; 32], FrameError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref())
            .map_err(|_never_for_this_length| FrameError::Malformed)?;
        mac.update(&self.last);
        mac.update(&encode(fact)?);
        self.last = mac.finalize().into_bytes().into();
        Ok(self.last)
    }
}

/// Whether these bytes can be a last record of which the disk kept only the length: everything
/// after it, or all of it, is zero.
fn torn(rest: &[u8]) -> bool {
    let body = rest.get(2..).unwrap_or_default();
    body.iter().all(|&byte| byte == 0)
}

/// Why facts cannot be read.
#[derive(Debug)]
pub enum FactsError {
    /// The disk's fault, or there are none.
    Io(io::Error),
    /// Somebody else wrote into the file.
    Damaged {
        /// Where the first wrong record begins.
        at: usize,
    },
    /// Longer than a warden ever writes.
    TooLong,
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the warden's facts cannot be read: {error}"),
            Self::Damaged { at } => write!(
                f,
                "the warden's facts are damaged at byte {at}; treat the task as not proven"
            ),
            Self::TooLong => f.write_str(
                "the warden's facts are longer than a warden writes; treat the task as not proven",
            ),
        }
    }
}

impl error::Error for FactsError {}

/// The warden's own hand on its facts.
#[derive(Debug)]
pub(super) struct Ledger {
    file: File,
    length: u64,
    seal: Seal,
}

impl Ledger {
    /// Begins the facts of a task, with space reserved for its last records.
    pub(super) fn create(folder: &Path, key: &[u8; 32]) -> io::Result<Self> {
        let path = folder.join(FACTS);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, FACTS_RESERVE_BYTES) {
            // A file system that cannot reserve is no reason to refuse; a full one is.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file, length: 0, seal: Seal::new(key) })
    }

    /// Writes and syncs one record; on an error the file is as before.
    pub(super) fn append(&mut self, fact: &Fact) -> io::Result<()> {
        let mut seal = self.seal.clone();
        let sealed =
            Sealed { fact: fact.clone(), seal: seal.over(fact).map_err(io::Error::other)? };
        let frame = encode(&sealed).map_err(io::Error::other)?;
        let end = self.length + frame.len() as u64;
        if end > room_for(fact) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write_all(&frame).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => (self.length, self.seal) = (end, seal),
            // A record cut in half would hide every later one.
            Err(_) => self.file.set_len(self.length)?,
        }
        written
    }
}

/// How long the file may be with this record in it: the end of a task always fits.
fn room_for(fact: &Fact) -> u64 {
    match fact {
        Fact::Started { .. }
        | Fact::Frozen { .. }
        | Fact::Thawed { .. }
        | Fact::NotProven { .. } => FACTS_BYTES_MAX - FACTS_RESERVE_BYTES,
        Fact::Exited { .. } | Fact::Empty { .. } | Fact::Refused { .. } => FACTS_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::*;

    fn some() -> Vec<Fact> {
        vec![
            Fact::Frozen { boot_ns: 1 },
            Fact::Exited { code: None, signal: Some(9) },
            Fact::Empty { boot_ns: 2, seen: Seen::NoChildrenLeft },
        ]
    }

    const KEY: [u8; 32] = [5; 32];

    fn sealed_bytes(facts: &[Fact]) -> Vec<u8> {
        let mut seal = Seal::new(&KEY);
        let sealed = facts.iter().map(|fact| {
            let seal = seal.over(fact).expect("fits");
            encode(&Sealed { fact: fact.clone(), seal }).expect("fits")
        });
        sealed.flatten().collect()
    }

    /// Goal: a task that writes an end into its own facts proves nothing. Method: a record without
    /// the key, one of another place in the file, and one of another task's key.
    #[test]
    fn a_record_that_no_warden_wrote_is_damage() {
        let honest = sealed_bytes(&some()[..1]);
        let end = some()[2].clone();
        let mut other = Seal::new(&[6; 32]);
        let forged = [
            Sealed { fact: end.clone(), seal: [0; 32] },
            Sealed { fact: end.clone(), seal: Seal::new(&KEY).over(&end).expect("fits") },
            Sealed { fact: end.clone(), seal: other.over(&end).expect("fits") },
        ];
        for sealed in forged {
            let bytes = [honest.clone(), encode(&sealed).expect("fits")].concat();
            let read = parse(&bytes, Seal::new(&KEY));
            assert!(matches!(read, Err(FactsError::Damaged { at }) if at == honest.len()));
        }
    }

    /// Goal: a record cut anywhere costs only itself, and the reader says so.
    #[test]
    fn a_torn_last_record_is_left_out_and_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = Ledger::create(folder.path(), &KEY).expect("new facts");
        some().iter().for_each(|fact| ledger.append(fact).expect("room"));
        let path = folder.path().join(FACTS);
        let whole = std::fs::read(&path).expect("readable");
        let last = whole.len() - sealed_bytes(&some()[..2]).len();
        for cut in 1..last {
            std::fs::write(&path, &whole[..whole.len() - cut]).expect("writable");
            let facts = read_facts(folder.path(), &KEY).expect("a torn end is no damage");
            assert_eq!(facts.records, some()[..2]);
            assert_eq!(facts.torn_bytes, (last - cut) as u64);
        }
    }

    /// Goal: zeros that a crash left at the end are a torn record, a wrong byte before is damage.
    #[test]
    fn zeros_at_the_end_are_torn_and_wrong_bytes_are_damage() {
        let mut bytes = sealed_bytes(&some());
        bytes.extend_from_slice(&[0; 40]);
        let facts = parse(&bytes, Seal::new(&KEY)).expect("zeros are torn");
        assert_eq!((facts.records, facts.torn_bytes), (some(), 40));
        bytes[2] ^= 0xff;
        let damaged = parse(&bytes, Seal::new(&KEY));
        assert!(matches!(damaged, Err(FactsError::Damaged { at: 0 })));
    }

    /// Goal: a second warden cannot write into the same folder.
    #[test]
    fn one_folder_has_one_warden() {
        let folder = tempfile::tempdir().expect("a folder");
        let _first = Ledger::create(folder.path(), &KEY).expect("new facts");
        let second = Ledger::create(folder.path(), &KEY).map(|_| ());
        assert_eq!(second.map_err(|e| e.kind()), Err(io::ErrorKind::AlreadyExists));
    }
}
