//! The first line of a script: which interpreter reads it, and with which words.
//!
//! As the kernel reads it (execve(2), "Interpreter scripts"): a path, then at most one word. Where
//! that interpreter is `env` with a plain name behind it, the program that `env` would look for on
//! `PATH` is the interpreter, or a swapped one would stand behind an unchanged `env`.
//!
//! Refused here: a relative interpreter, whose meaning would depend on where a task starts.

use super::{ProgramError, find};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a first line that the kernel reads (BINPRM_BUF_SIZE).
const LINE_BYTES_MAX: usize = 256;

/// A script and what its first line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    path: PathBuf,
    interpreter: String,
    word: Option<String>,
}

/// The first line behind `#!`; none where a file begins otherwise.
pub(super) fn read_line(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut begin = [0; LINE_BYTES_MAX];
    let mut read = 0;
    while let Some(rest) = begin.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    let text = begin.get(..read).and_then(|text| text.strip_prefix(b"#!"));
    Ok(text.map(|text| text.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec()))
}

impl Script {
    /// Reads the line behind `#!`.
    pub(super) fn read(path: PathBuf, line: &[u8]) -> Result<Self, String> {
        if line.len() + 2 >= LINE_BYTES_MAX {
            return Err(format!("is longer than the {LINE_BYTES_MAX} bytes that are read of it"));
        }
        let text = std::str::from_utf8(line).map_err(|_| "is not text".to_owned())?;
        let text = text.trim_matches([' ', '\t', '\r']);
        let (interpreter, word) = match text.split_once([' ', '\t']) {
            Some((interpreter, word)) => (interpreter, Some(word.trim_matches([' ', '\t']))),
            None => (text, None),
        };
        if !interpreter.starts_with('/') {
            return Err(format!("names its interpreter “{interpreter}” by no whole path"));
        }
        let (interpreter, word) = (interpreter.to_owned(), word.map(str::to_owned));
        Ok(Self { path, interpreter, word: word.filter(|word| !word.is_empty()) })
    }

    /// The interpreter, and the words before the script's own path.
    pub(super) fn started_by(&self, path: &str) -> Result<(PathBuf, Vec<String>), ProgramError> {
        if let Some((name, words)) = self.by_env() {
            let found = find(&name, path).map_err(|why| self.fault(why))?;
            return Ok((found, [vec![name], words].concat()));
        }
        let found = find(&self.interpreter, path).map_err(|why| self.fault(why))?;
        let words = [Some(self.interpreter.clone()), self.word.clone()];
        Ok((found, words.into_iter().flatten().collect()))
    }

    fn fault(&self, why: String) -> ProgramError {
        let why = format!("names an interpreter that is not here: {why}");
        ProgramError::Line { path: self.path.clone(), why }
    }

    /// What `env` would start, where its words need no shell to be understood.
    fn by_env(&self) -> Option<(String, Vec<String>)> {
        let is_env = Path::new(&self.interpreter).file_name()? == "env";
        let word = self.word.as_deref().filter(|_| is_env)?;
        let words: Vec<&str> = match word.strip_prefix("-S") {
            Some(rest) => rest.split_ascii_whitespace().collect(),
            None => vec![word],
        };
        let plain = |word: &&str| !word.contains(['\'', '"', '\\', '$', '=', '#']);
        let name = words.first().filter(|name| !name.starts_with('-'))?;
        let one = !name.contains([' ', '\t']);
        (one && words.iter().all(plain))
            .then(|| (name.to_string(), words.iter().skip(1).map(ToString::to_string).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Script, String> {
        Script::read("/s".into(), line.as_bytes())
    }

    /// Goal: the line is read as the kernel reads it. Method: lines of each shape.
    #[test]
    fn first_lines_are_read_as_the_kernel_reads_them() {
        let of = |line: &str| {
            let script = read(line).unwrap();
            (script.interpreter, script.word)
        };
        let word = |text: &str| Some(text.to_owned());
        assert_eq!(of("/bin/sh"), ("/bin/sh".into(), None));
        assert_eq!(of(" /bin/sh -e  -u "), ("/bin/sh".into(), word("-e  -u")));
        assert_eq!(of("/usr/bin/env python3"), ("/usr/bin/env".into(), word("python3")));
        assert!(read("sh").unwrap_err().contains("no whole path"));
        assert!(read("").unwrap_err().contains("no whole path"));
        assert!(read(&format!("/{}", "a".repeat(300))).unwrap_err().contains("longer"));
        assert!(Script::read("/s".into(), &[b'/', 0xff]).unwrap_err().contains("not text"));
    }

    /// Goal: behind `env` the program that it starts is meant, unless only a shell could tell.
    /// Method: lines of each shape, and what they lead to.
    #[test]
    fn env_stands_for_what_it_starts() {
        let env = |word: &str| read(&format!("/usr/bin/env {word}")).unwrap().by_env();
        assert_eq!(env("python3"), Some(("python3".into(), vec![])));
        assert_eq!(env("-S deno run -A"), Some(("deno".into(), vec!["run".into(), "-A".into()])));
        for opaque in ["-i python3", "-S A=1 python3", "-S \"my python\"", "python3 -u", "-u"] {
            assert_eq!(env(opaque), None, "{opaque}");
        }
        assert_eq!(read("/bin/sh env").unwrap().by_env(), None);
    }
}
