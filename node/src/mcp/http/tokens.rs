//! The tokens of one agent's endpoint: one in its environment, and one in a file that is rotated.
//!
//! A variable of a running program cannot be changed, so its token would live as long as the agent.
//! Once a client has shown that it reads the file, the variable's token ends. Each token of the
//! file lives for minutes, the one before it a little longer, so that nobody who has just read it
//! is refused. Refused here: a token as a right; where the caller stands is looked at first.

use super::super::limits::{TOKEN_MS, TOKEN_OVERLAP_MS};
use belay_identity::key::hex;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

const OVERLAP: Duration = Duration::from_millis(TOKEN_OVERLAP_MS);

/// Which tokens are good; compared by hash, so that how long it takes tells nothing.
pub(super) struct Tokens(Mutex<Held>);

struct Held {
    variable: Lent,
    file: Option<Lent>,
    before: Option<Lent>,
}

/// A token, and until when where that is known.
struct Lent {
    hash: [u8; 32],
    until: Option<Instant>,
}

impl Tokens {
    /// The token of the variable, and what the file holds now.
    pub(super) fn new(variable: &str, file: Option<&str>) -> Self {
        let lent = |token: &str| Lent { hash: hashed(token), until: None };
        Self(Mutex::new(Held { variable: lent(variable), file: file.map(lent), before: None }))
    }

    /// Whether a token is good now.
    pub(super) fn are(&self, said: &str, now: Instant) -> bool {
        let said = hashed(said);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.file.as_ref().is_some_and(|file| file.is(&said, now)) {
            held.variable.until.get_or_insert(now + OVERLAP);
            return true;
        }
        held.variable.is(&said, now) || held.before.as_ref().is_some_and(|old| old.is(&said, now))
    }

    /// The file is to hold this one from now on.
    fn rotate(&self, token: &str, now: Instant) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Lent { hash: hashed(token), until: None };
        let before = held.file.replace(fresh);
        held.before = before.map(|old| Lent { until: Some(now + OVERLAP), ..old });
    }

    /// The file holds the one before after all.
    fn keep_before(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = held.before.take() {
            held.file = Some(Lent { until: None, ..before });
        }
    }
}

impl Lent {
    fn is(&self, said: &[u8; 32], now: Instant) -> bool {
        self.hash == *said && self.until.is_none_or(|until| now < until)
    }
}

/// Rotates the file's token for as long as this process lives.
///
/// # Errors
/// What the system says when no thread can be had.
pub(super) fn keep_rotating(tokens: Arc<Tokens>, path: PathBuf) -> io::Result<()> {
    let rotate = move || loop {
        thread::sleep(Duration::from_millis(TOKEN_MS));
        // A disk that takes nothing leaves the old one where and as it is.
        let _ = renew(&tokens, &path);
    };
    thread::Builder::new().spawn(rotate).map(drop)
}

/// It is good before anybody can read it.
fn renew(tokens: &Tokens, path: &Path) -> io::Result<()> {
    let token = drawn()?;
    let draft = written(path, &token)?;
    tokens.rotate(&token, Instant::now());
    let held = draft.persist(path).map(drop).map_err(|error| error.error);
    if held.is_err() {
        tokens.keep_before();
    }
    held
}

/// Writes the first token of a file that only its user may read.
///
/// # Errors
/// What the system says.
pub(crate) fn begin(path: &Path) -> io::Result<()> {
    let draft = written(path, &drawn()?)?;
    draft.persist(path).map(drop).map_err(|error| error.error)
}

/// A token that nobody had.
///
/// # Errors
/// What the system says.
pub(crate) fn drawn() -> io::Result<String> {
    let mut token = [0; TOKEN_BYTES];
    getrandom::fill(&mut token).map_err(io::Error::other)?;
    Ok(hex(&token))
}

/// Beside the file, so that it takes its place whole.
fn written(path: &Path, token: &str) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(token.as_bytes())?;
    Ok(draft)
}

fn hashed(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the variable's token lasts while nobody reads the file, and ends soon after somebody
    /// has; the file's is rotated with an overlap, and one from before that is nobody's. Method: a
    /// clock of the test's own.
    #[test]
    fn tokens_are_rotated_with_an_overlap() {
        let start = Instant::now();
        let later = |overlaps: u32| start + OVERLAP * overlaps;
        let tokens = Tokens::new("variable", Some("one"));
        tokens.rotate("two", later(10));
        assert!(tokens.are("variable", later(20)), "nobody reads the file");
        assert!(!tokens.are("one", later(11)) && !tokens.are("other", later(11)));
        assert!(tokens.are("two", later(20)), "the file is read");
        assert!(tokens.are("variable", later(20)), "somebody may have begun with it");
        assert!(!tokens.are("variable", later(21)));
        tokens.rotate("three", later(30));
        for token in ["two", "three"] {
            assert!(tokens.are(token, later(30)), "{token}");
        }
        assert!(tokens.are("three", later(31)) && !tokens.are("two", later(31)));
        assert!(!tokens.are("variable", later(31)), "what has ended stays so");
        assert!(Tokens::new("variable", None).are("variable", later(99)));
    }

    /// Goal: a file holds the new token whole, is read by its user alone, and takes the place of
    /// whatever stands there, also of a link. Method: a renewal over a link to another file.
    #[test]
    fn a_file_is_renewed_whole() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("token"), folder.path().join("other"));
        std::fs::write(&other, "kept").unwrap();
        symlink(&other, &path).unwrap();
        begin(&path).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        let tokens = Tokens::new("variable", Some(&first));
        renew(&tokens, &path).unwrap();
        let second = std::fs::read_to_string(&path).unwrap();
        assert_eq!((first.len(), second.len()), (2 * TOKEN_BYTES, 2 * TOKEN_BYTES));
        assert_ne!(first, second);
        assert!(tokens.are(&first, Instant::now()) && tokens.are(&second, Instant::now()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "kept");
        // What cannot take its place is not what is asked for.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        renew(&tokens, &path).unwrap_err();
        assert!(tokens.are(&second, Instant::now() + OVERLAP));
    }
}
