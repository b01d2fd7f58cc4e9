//! Wraps that this node's user made: which files say so, what they said before, and whether they
//! still do.
//!
//! The bytes before and the change are on disk before the file is touched, so whatever happens in
//! between, `unwrap` knows the way back. Refused here: overwriting what somebody wrote since; then
//! only our own lines are taken out.

use super::change::Change;
use super::dialect::Dialect;
use super::places::{Place, Wanted};
use crate::fault::{Fault, io};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// One agent's file with our lines in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrap {
    /// Which agent, by its word.
    pub(crate) agent: String,
    /// Whose file.
    pub(crate) place: Place,
    /// The file.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) change: Change,
    /// What the file said before; nothing where there was none.
    before: Option<String>,
    /// SHA-256 of what it says since.
    after: String,
}

/// How a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stands {
    /// As it was written.
    InPlace,
    /// Changed since; the hook is still in it.
    ChangedAround,
    /// The hook is gone from it, or switched off in it.
    Gone,
}

/// How a wrap was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Undone {
    /// The file is what it was, byte for byte.
    Restored,
    /// It was changed since, so only our own lines were taken out.
    OwnLinesOnly,
}

impl Wrap {
    /// What wrapping would write, without writing it.
    pub(crate) fn planned(
        dialect: Dialect,
        place: Place,
        wanted: Wanted,
    ) -> Result<(Self, String), Fault> {
        // A file that is a link stays one.
        let path = wanted.path.canonicalize().unwrap_or(wanted.path);
        let before = text_of(&path)?;
        let after = wanted
            .change
            .put(before.as_deref())
            .map_err(|error| Fault::failed(format!("{}: {error}", path.display()), error.hint()))?;
        let agent = dialect.word().to_owned();
        let wrap = Self { agent, place, path, change: wanted.change, before, after: hash(&after) };
        Ok((wrap, after))
    }

    /// What the file says before.
    pub(crate) fn before(&self) -> &str {
        self.before.as_deref().unwrap_or_default()
    }

    /// Keeps the way back, then writes the file.
    pub(crate) fn write(&self, state: &Path, after: &str) -> Result<(), Fault> {
        let record = record_of(state, &self.agent, self.place);
        let folder = record.parent().unwrap_or(state);
        fs::create_dir_all(folder).map_err(io(folder.display()))?;
        let text = serde_json::to_string(self)
            .map_err(|error| Fault::failed(error, "tell whoever maintains belay here"))?;
        write_whole(&record, &text)?;
        write_whole(&self.path, after)
    }

    /// The wrap of this agent at this place, if there is one.
    pub(crate) fn of(state: &Path, dialect: Dialect, place: Place) -> Result<Option<Self>, Fault> {
        read(&record_of(state, dialect.word(), place))
    }

    /// Every wrap that was made with this state.
    pub(crate) fn all(state: &Path) -> Result<Vec<Self>, Fault> {
        let each = Dialect::ALL
            .into_iter()
            .flat_map(|dialect| [(dialect, Place::Managed), (dialect, Place::User)]);
        each.filter_map(|(dialect, place)| Self::of(state, dialect, place).transpose()).collect()
    }

    /// How its file stands now.
    pub(crate) fn stands(&self) -> Stands {
        match text_of(&self.path) {
            Ok(Some(now)) if hash(&now) == self.after => Stands::InPlace,
            Ok(Some(now)) if self.change.stands_in(&now) => Stands::ChangedAround,
            Ok(_) | Err(_) => Stands::Gone,
        }
    }

    /// Takes our lines out of the file again.
    pub(crate) fn undo(&self, state: &Path) -> Result<Undone, Fault> {
        let now = text_of(&self.path)?;
        let untouched = now.as_deref().map(hash) == Some(self.after.clone()) || now == self.before;
        let undone = if untouched {
            put_back(&self.path, self.before.as_deref())?;
            Undone::Restored
        } else {
            let wrong = |error: super::change::ChangeError| {
                Fault::failed(format!("{}: {error}", self.path.display()), "look at it yourself")
            };
            let left = now.map(|now| self.change.taken_out(&now)).transpose().map_err(wrong)?;
            put_back(&self.path, left.flatten().as_deref())?;
            Undone::OwnLinesOnly
        };
        let record = record_of(state, &self.agent, self.place);
        fs::remove_file(&record).map_err(io(record.display()))?;
        Ok(undone)
    }
}

fn record_of(state: &Path, agent: &str, place: Place) -> PathBuf {
    state.join("hooks").join(format!("{agent}-{}.json", place.word()))
}

fn read(record: &Path) -> Result<Option<Wrap>, Fault> {
    let Some(text) = text_of(record)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        let hint = "this belay is older than the one that wrapped; use that one";
        Fault::failed(format!("{}: {error}", record.display()), hint)
    })
}

fn text_of(path: &Path) -> Result<Option<String>, Fault> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path.display())(error)),
    }
}

fn put_back(path: &Path, text: Option<&str>) -> Result<(), Fault> {
    match text {
        Some(text) => write_whole(path, text),
        None => match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io(path.display())(error)),
            Ok(()) | Err(_) => Ok(()),
        },
    }
}

/// The whole text or the old one, whatever happens meanwhile; with the rights of the old one.
fn write_whole(path: &Path, text: &str) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(io(folder.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io(folder.display()))?;
    let rights = match fs::metadata(path) {
        Ok(old) => old.permissions(),
        Err(_none_yet) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all());
    written.and_then(|()| file.as_file().set_permissions(rights)).map_err(io(path.display()))?;
    file.persist(path).map(drop).map_err(|error| io(path.display())(error.error))
}

fn hash(text: &str) -> String {
    belay_identity::key::hex(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted(path: &Path) -> Wanted {
        let list = vec!["hooks".to_owned()];
        let change = Change::Entry { list, entry: json!({"ours": 1}), holds: Vec::new() };
        Wanted { path: path.to_owned(), change }
    }

    /// Goal: a wrap is taken back byte for byte, also where there was no file; what was written
    /// since stays. Method: odd formatting, no file, a later edit, a hook that was taken out.
    #[test]
    fn a_wrap_is_taken_back_byte_for_byte() {
        let made = tempfile::tempdir().expect("a folder");
        let (state, path) = (made.path().join("state"), made.path().join("a/settings.json"));
        let wrap = || {
            let (wrap, after) = Wrap::planned(Dialect::ClaudeCode, Place::User, wanted(&path))
                .expect("it can be wrapped");
            wrap.write(&state, &after).expect("it is written");
            let kept = Wrap::of(&state, Dialect::ClaudeCode, Place::User).expect("a record");
            kept.expect("a record")
        };
        let kept = wrap();
        assert_eq!(
            (kept.stands(), Wrap::all(&state).expect("records").len()),
            (Stands::InPlace, 1)
        );
        assert_eq!(kept.undo(&state).expect("undone"), Undone::Restored);
        assert!(!path.exists() && Wrap::all(&state).expect("records").is_empty());

        let odd = "{ \"a\" : [1,\n2] }";
        fs::write(&path, odd).expect("a file");
        wrap().undo(&state).expect("undone");
        assert_eq!(fs::read_to_string(&path).expect("a file"), odd);

        let kept = wrap();
        let later = fs::read_to_string(&path).expect("a file").replacen('{', "{\"b\":2,", 1);
        fs::write(&path, &later).expect("a file");
        assert_eq!(kept.stands(), Stands::ChangedAround);
        fs::write(&path, later.replace("ours", "theirs")).expect("a file");
        assert_eq!(kept.stands(), Stands::Gone);
        fs::write(&path, &later).expect("a file");
        assert_eq!(kept.undo(&state).expect("undone"), Undone::OwnLinesOnly);
        let left = fs::read_to_string(&path).expect("a file");
        assert!(left.contains("\"b\": 2") && !left.contains("ours"), "{left}");
    }
}
