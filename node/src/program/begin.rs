//! Becoming a program: what was judged is what starts, or nothing does.
//!
//! A native program is started through the descriptor by which it was hashed (execveat(2), by way
//! of fexecve(3)), so that nothing can be put in its place in between. Of a script that is its
//! interpreter, which then opens the script by its path: what is put there in that moment is seen
//! at the task's first act. What is neither is started by its path (binfmt_misc).
//!
//! Refused here: starting anything else than what the node looked at.

use super::{Looked, Opened, Seen, look_with};
use nix::unistd::fexecve;
use signal_hook::consts::SIGPIPE;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Turns this process into the program; the answer is why that did not happen.
pub(crate) fn begin(program: &str, expected: &[Seen], args: Vec<OsString>) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let looked = match look_with(program, &path, expected) {
        Ok(looked) => looked,
        Err(error) => return format!("cannot run {error}; {}", error.hint()),
    };
    if !looked.files.iter().map(|opened| opened.hash).eq(expected.iter().map(|seen| seen.hash)) {
        return format!("cannot run {program}: it was changed after it was judged; start it again");
    }
    let error = become_it(&looked, args);
    format!("cannot run {program}: {error}; give a program that this user may start")
}

fn become_it(looked: &Looked, args: Vec<OsString>) -> io::Error {
    let Some(last) = looked.files.last() else { return io::ErrorKind::NotFound.into() };
    let argv: Vec<OsString> = looked.argv.iter().map(OsString::from).chain(args).collect();
    match is_native(last) {
        Ok(true) => by_descriptor(last, argv),
        Ok(false) => by_path(last, argv),
        Err(error) => error,
    }
}

fn is_native(opened: &Opened) -> io::Result<bool> {
    let mut begin = [0; 4];
    let read = opened.file.read_at(&mut begin, 0)?;
    Ok(read == begin.len() && &begin == b"\x7fELF")
}

fn by_descriptor(opened: &Opened, argv: Vec<OsString>) -> io::Error {
    let text = |text: OsString| CString::new(text.into_vec());
    let argv: Result<Vec<CString>, _> = argv.into_iter().map(text).collect();
    let env = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        text(name)
    });
    let (argv, env) = match (argv, env.collect::<Result<Vec<CString>, _>>()) {
        (Ok(argv), Ok(env)) => (argv, env),
        (Err(nul), _) | (_, Err(nul)) => return nul.into(),
    };
    if let Err(error) = default_pipe_signal() {
        return error;
    }
    match fexecve(&opened.file, &argv, &env) {
        Ok(never) => match never {},
        Err(errno) => errno.into(),
    }
}

/// Rust ignores SIGPIPE, and what is ignored stays so in the next program; what is caught does not.
fn default_pipe_signal() -> io::Result<()> {
    signal_hook::flag::register(SIGPIPE, Arc::new(AtomicBool::new(false))).map(|_| ())
}

fn by_path(opened: &Opened, argv: Vec<OsString>) -> io::Error {
    let mut argv = argv.into_iter();
    let mut command = Command::new(&opened.path);
    if let Some(name) = argv.next() {
        command.arg0(name);
    }
    command.args(argv).exec()
}
