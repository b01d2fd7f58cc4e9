//! Programs on this device's disk: which files are a program, and what they hold now.
//!
//! A program is the file that was named and, where that is a script, every interpreter that reads
//! it: the kernel starts those, so each is hashed by itself, each can be listed or blocked by
//! itself, and `sha256sum` gives the same numbers. What an interpreter loads afterwards (libraries,
//! modules, further scripts) is not looked at.
//!
//! Each file is opened once and hashed through that descriptor; the marks of the same descriptor
//! tell later without reading whether it is still the same, with the limit that `Mark` names.
//! Refused here: judging what was found.

mod begin;
mod script;

pub(crate) use begin::begin;

use crate::clock;
use belay_identity::chain::Program;
use rustix::fs::{OFlags, Stat, fstat};
use script::{Script, read_line};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many interpreters may stand behind each other; the kernel itself follows four.
pub(crate) const INTERPRETERS_MAX: usize = 4;

/// A file that changed later than this before it was read may change again without a sign:
/// the coarsest clock of any file system that keeps one, milliseconds.
const SETTLED_MS: u64 = 2_000;

/// A script up to this size is read again at every look where others than root may write it, bytes:
/// what is hashed in well below a millisecond.
const SCRIPT_REREAD_BYTES_MAX: i64 = 64 * 1024;

/// A program as this disk has it.
#[derive(Debug)]
pub(crate) struct Looked {
    /// The file that was named, then its interpreters, the last one the kernel starts.
    pub(crate) files: Vec<Opened>,
    /// What stands before the program's own arguments, from argument zero on.
    pub(crate) argv: Vec<String>,
}

/// One file of a program, open.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The descriptor through which it was hashed.
    pub(crate) file: File,
    /// SHA-256 of what it holds.
    pub(crate) hash: [u8; 32],
    mark: Mark,
}

/// What a program was when it was looked at, without its descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    program: String,
    path: String,
    files: Vec<Seen>,
}

/// One file as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    at: PathBuf,
    hash: [u8; 32],
    mark: Mark,
}

/// By what a changed file is known without reading it. The kernel sets the last of them at every
/// write(2), and nobody but root can set it back; but what is stored into a shared mapping changes
/// it only at the first store after the kernel wrote the page out, on tmpfs never again (mmap(2)).
/// So a short script is believed by its marks only where root alone may write it. A longer one, and
/// a native program, can still be changed unseen by who kept a mapping of it from before: until the
/// kernel writes the page out, and for a native program only while it does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
    settled: bool,
}

/// Why a program cannot be looked at; whoever named it can mend it.
#[derive(Debug)]
pub(crate) enum ProgramError {
    /// There is none, or it cannot be read.
    File {
        /// Where.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Its first line names what cannot be followed.
    Line {
        /// Which script.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is not found at all.
    Missing(String),
}

impl std::fmt::Display for ProgramError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Line { path, why } => write!(f, "{}: its first line {why}", path.display()),
            Self::Missing(why) => f.write_str(why),
        }
    }
}

impl ProgramError {
    /// What to do next.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::Missing(_) => {
                "name a program that exists and that this user may read"
            }
            Self::Line { .. } => "begin the script with #! and the whole path of its interpreter",
        }
    }
}

/// Opens and hashes a program: a path, or a name looked for on `path`.
pub(crate) fn look(program: &str, path: &str) -> Result<Looked, ProgramError> {
    look_with(program, path, &[])
}

/// The same; a file that surely holds what it held is not read again.
fn look_with(program: &str, path: &str, seen: &[Seen]) -> Result<Looked, ProgramError> {
    let first = find(program, path).map_err(ProgramError::Missing)?;
    let mut argv = vec![program.to_owned()];
    let mut files = vec![open(&first, seen)?];
    while let Some(script) = files.last().map(script_of).transpose()?.flatten() {
        if files.len() > INTERPRETERS_MAX {
            let why = format!("leads through more than {INTERPRETERS_MAX} interpreters");
            return Err(ProgramError::Line { path: first, why });
        }
        let (interpreter, mut words) = script.started_by(path)?;
        let read = files.last().map(|opened| opened.path.display().to_string());
        words.extend(read);
        words.extend(argv.drain(1..));
        argv = words;
        files.push(open(&interpreter, seen)?);
    }
    Ok(Looked { files, argv })
}

/// Where a program is: a path, or a name looked for on `path`.
pub(crate) fn find(program: &str, path: &str) -> Result<PathBuf, String> {
    if program.contains('/') {
        let at = Path::new(program);
        // Not canonical: many programs choose what they are by the name of a link to them.
        let absolute = std::path::absolute(at).map_err(|error| format!("{program}: {error}"))?;
        let file = absolute.is_file();
        return if file { Ok(absolute) } else { Err(missing(program, &absolute)) };
    }
    let found = std::env::split_paths(path).map(|folder| folder.join(program));
    let mut found = found.filter(|path| path.is_file());
    found.next().ok_or_else(|| format!("no program {program} on this device's PATH"))
}

fn missing(program: &str, at: &Path) -> String {
    match at.exists() {
        true => format!("{program}: it is no file"),
        false => format!("{program}: there is no such file"),
    }
}

impl Looked {
    /// The hash of the file that was named.
    pub(crate) fn program(&self) -> [u8; 32] {
        self.files.first().map(|opened| opened.hash).unwrap_or_default()
    }

    /// What can be compared later.
    pub(crate) fn remembered(&self, program: &str, path: &str) -> Remembered {
        let seen = |opened: &Opened| Seen {
            at: opened.path.clone(),
            hash: opened.hash,
            mark: opened.mark,
        };
        let files = self.files.iter().map(seen).collect();
        Remembered { program: program.to_owned(), path: path.to_owned(), files }
    }
}

impl Remembered {
    /// True when every file surely holds what it held; reads none of them.
    pub(crate) fn surely_same(&self) -> bool {
        let found = find(&self.program, &self.path).ok();
        found.as_ref() == self.files.first().map(|seen| &seen.at)
            && self.files.iter().all(|seen| seen.mark.settled && seen.mark.is_still_at(&seen.at))
    }

    /// Looks again, from the name on.
    pub(crate) fn look_again(&self) -> Result<Self, ProgramError> {
        let looked = look_with(&self.program, &self.path, &self.files)?;
        Ok(looked.remembered(&self.program, &self.path))
    }

    /// What it is, as a credential names it.
    pub(crate) fn identity(&self) -> Program {
        let mut hashes = self.files.iter().map(|seen| seen.hash);
        Program { file: hashes.next().unwrap_or_default(), run_by: hashes.collect() }
    }

    /// The files, for whoever starts it.
    pub(crate) fn files(&self) -> &[Seen] {
        &self.files
    }
}

fn open(path: &Path, seen: &[Seen]) -> Result<Opened, ProgramError> {
    let wrong = |why: String| ProgramError::File { path: path.to_owned(), why };
    let io = |error: io::Error| wrong(error.to_string());
    // Not blocking: a pipe in the place of a program must not hold the node.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let mut file = options.read(true).custom_flags(flags).open(path).map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(wrong("it is no file".into()));
    }
    // Before it is read: what changes meanwhile leaves an older mark behind, never a newer one.
    let mark = Mark::of(&file).map_err(io)?;
    let known = seen.iter().find(|seen| seen.mark.settled && seen.mark == mark);
    let hash = match known {
        Some(seen) => seen.hash,
        None => hash(&mut file).map_err(io)?,
    };
    Ok(Opened { path: path.to_owned(), file, hash, mark })
}

fn hash(file: &mut File) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => hash.update(block.get(..read).unwrap_or_default()),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(hash.finalize().into())
}

fn script_of(opened: &Opened) -> Result<Option<Script>, ProgramError> {
    let line = |why: String| ProgramError::Line { path: opened.path.clone(), why };
    let io =
        |error: io::Error| ProgramError::File { path: opened.path.clone(), why: error.to_string() };
    match read_line(&opened.file).map_err(io)? {
        None => Ok(None),
        Some(text) => Script::read(opened.path.clone(), &text).map(Some).map_err(line),
    }
}

/// True for a short script that others than root may write.
fn is_read_each_time(file: &File, stat: &Stat) -> io::Result<bool> {
    let roots_alone = stat.st_uid == 0 && stat.st_mode & 0o022 == 0;
    if roots_alone || stat.st_size > SCRIPT_REREAD_BYTES_MAX {
        return Ok(false);
    }
    let mut begin = [0; 2];
    Ok(file.read_at(&mut begin, 0)? == begin.len() && &begin == b"#!")
}

impl Mark {
    fn of(file: &File) -> io::Result<Self> {
        let stat = fstat(file)?;
        let changed = (stat.st_ctime, stat.st_ctime_nsec);
        let changed_ms = u64::try_from(changed.0).unwrap_or(u64::MAX).saturating_mul(1_000);
        let settled = changed_ms.saturating_add(SETTLED_MS) < clock::wall_ms();
        let settled = settled && !is_read_each_time(file, &stat)?;
        Ok(Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed,
            settled,
        })
    }

    fn is_still_at(&self, path: &Path) -> bool {
        let Ok(now) = rustix::fs::stat(path) else { return false };
        let same_file = (now.st_dev, now.st_ino, now.st_size);
        same_file == (self.device, self.inode, self.size)
            && (now.st_mtime, now.st_mtime_nsec) == self.modified
            && (now.st_ctime, now.st_ctime_nsec) == self.changed
    }
}

#[cfg(test)]
mod tests;
