//! Every process that can be looked at: what it runs, how it was called, and below whom.
//!
//! Refused here: changing anything, and trusting a word of a command line; a process writes its
//! own.

use super::super::Process;
use super::process::read_stat;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Most bytes of a command line that are read: what names a program stands at its beginning.
const CALL_BYTES_MAX: u64 = 16 * 1024;
/// Most words of a command line that are looked at.
const CALL_WORDS_MAX: usize = 64;

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) parent: u32,
    pub(crate) uid: u32,
    /// What the kernel runs; none where this user may not look.
    pub(crate) program: Option<PathBuf>,
    /// How it was called; nothing where this user may not look.
    pub(crate) call: Vec<String>,
}

/// Every process of the system but the kernel's own, by pid.
pub(crate) fn running() -> Vec<Running> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pid = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let mut all: Vec<Running> = entries.filter_map(pid).filter_map(one).collect();
    all.sort_by_key(|one| one.process.pid);
    all
}

/// Opens what a process runs, also where the file is gone meanwhile.
pub(crate) fn open_program(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/exe"))
}

/// Where a process works.
pub(crate) fn folder_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

fn one(pid: u32) -> Option<Running> {
    let stat = read_stat(pid)?;
    let uid = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let call = call(pid);
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok().map(plain);
    // The kernel's own threads were called by nobody.
    (program.is_some() || !call.is_empty()).then_some(Running {
        process: stat.process,
        parent: stat.parent,
        uid,
        program,
        call,
    })
}

/// A path as it was before the file went.
fn plain(path: PathBuf) -> PathBuf {
    let gone = path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
    gone.unwrap_or(path)
}

fn call(pid: u32) -> Vec<String> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/cmdline"));
    let read = file.and_then(|file| file.take(CALL_BYTES_MAX).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.take(CALL_WORDS_MAX).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: this very process is among them, by its program and its parent; nobody is twice.
    #[test]
    fn this_process_is_seen() {
        let all = running();
        let me: Vec<&Running> =
            all.iter().filter(|one| one.process.pid == std::process::id()).collect();
        let [me] = &me[..] else { panic!("{me:?}") };
        assert_eq!(me.program, std::env::current_exe().ok());
        assert_eq!(me.parent, std::os::unix::process::parent_id());
        assert_eq!(me.call.first().cloned(), std::env::args().next());
        assert!(folder_of(me.process.pid).is_some() && open_program(me.process.pid).is_ok());
    }
}
