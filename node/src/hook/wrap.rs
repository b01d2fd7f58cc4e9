//! Wraps that this node's user made: which files say so, what they said before, and whether they
//! still do.
//!
//! The bytes before and the change are on disk before the file is touched, so whatever happens in
//! between, `unwrap` knows the way back. Refused here: overwriting what somebody wrote since; then
//! only our own lines are taken out.

use super::change::{Change, ChangeError, Serves};
use super::dialect::Dialect;
use super::places::Place;
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
    pub(crate) changes: Vec<Change>,
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
        base: Base,
        changes: Vec<Change>,
    ) -> Result<(Self, String), Fault> {
        let wrong = |error: ChangeError| {
            Fault::failed(format!("{}: {error}", base.path.display()), error.hint())
        };
        let put = |text: Option<String>, change: &Change| change.put(text.as_deref()).map(Some);
        let after = changes.iter().try_fold(base.text.clone(), put).map_err(wrong)?;
        let after = after.unwrap_or_default();
        let (agent, after_hash) = (dialect.word().to_owned(), hash(&after));
        let Base { path, text: before } = base;
        Ok((Self { agent, place, path, changes, before, after: after_hash }, after))
    }

    /// Keeps the way back, then writes the file.
    pub(crate) fn write(&self, state: &Path, after: &str) -> Result<(), Fault> {
        let record = record_of(state, &self.agent, self.place, &self.path);
        let folder = record.parent().unwrap_or(state);
        fs::create_dir_all(folder).map_err(io(folder.display()))?;
        let text = serde_json::to_string(self)
            .map_err(|error| Fault::failed(error, "tell whoever maintains belay here"))?;
        write_whole(&record, &text)?;
        write_whole(&self.path, after)
    }

    /// The wraps of this agent at this place.
    pub(crate) fn of(state: &Path, dialect: Dialect, place: Place) -> Result<Vec<Self>, Fault> {
        let all = Self::all(state)?.into_iter();
        Ok(all.filter(|wrap| wrap.agent == dialect.word() && wrap.place == place).collect())
    }

    /// Every wrap that was made with this state.
    pub(crate) fn all(state: &Path) -> Result<Vec<Self>, Fault> {
        let folder = state.join("hooks");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(folder.display())(error)),
        };
        let records = entries.filter_map(Result::ok).map(|entry| entry.path());
        let mut records: Vec<PathBuf> =
            records.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        records.sort();
        records.iter().filter_map(|record| read(record).transpose()).collect()
    }

    /// True where it makes the agent ask by its hook.
    pub(crate) fn is_hook(&self) -> bool {
        self.serves() == Serves::Asking
    }

    /// What our lines in it do, the most of it.
    pub(crate) fn serves(&self) -> Serves {
        self.changes.iter().map(Change::serves).min().unwrap_or(Serves::Connectors)
    }

    /// How its file stands now.
    pub(crate) fn stands(&self) -> Stands {
        match text_of(&self.path) {
            Ok(Some(now)) if hash(&now) == self.after => Stands::InPlace,
            Ok(Some(now)) if self.changes.iter().all(|change| change.stands_in(&now)) => {
                Stands::ChangedAround
            }
            Ok(_) | Err(_) => Stands::Gone,
        }
    }

    /// What the file says without our lines, and whether that is what it said before.
    fn without(&self) -> Result<(Option<String>, Undone), ChangeError> {
        let now = text_of(&self.path).map_err(|fault| ChangeError::Unreadable(fault.what))?;
        if now.as_deref().map(hash) == Some(self.after.clone()) || now == self.before {
            return Ok((self.before.clone(), Undone::Restored));
        }
        let out = |text: Option<String>, change: &Change| match text {
            Some(text) => change.taken_out(&text),
            None => Ok(None),
        };
        Ok((self.changes.iter().rev().try_fold(now, out)?, Undone::OwnLinesOnly))
    }

    /// Takes our lines out of the file again.
    pub(crate) fn undo(&self, state: &Path) -> Result<Undone, Fault> {
        let wrong = |error: ChangeError| {
            Fault::failed(format!("{}: {error}", self.path.display()), "look at it yourself")
        };
        let (left, undone) = self.without().map_err(wrong)?;
        put_back(&self.path, left.as_deref())?;
        let record = record_of(state, &self.agent, self.place, &self.path);
        fs::remove_file(&record).map_err(io(record.display()))?;
        Ok(undone)
    }
}

/// A file as it is without our lines.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it says; nothing where there is none.
    pub(crate) text: Option<String>,
}

impl Base {
    /// This file without the lines of these wraps.
    pub(crate) fn of(path: PathBuf, wraps: &[Wrap]) -> Result<Self, Fault> {
        // A file that is a link stays one.
        let path = path.canonicalize().unwrap_or(path);
        let kept = wraps.iter().find(|wrap| wrap.path == path);
        let text = match kept.map(Wrap::without) {
            Some(Ok((text, _))) => text,
            // What cannot be taken out is somebody's own.
            Some(Err(_)) | None => text_of(&path)?,
        };
        Ok(Self { path, text })
    }

    /// What it says, or nothing.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// What the file says now, with our lines if it has them.
    pub(crate) fn now(&self) -> Result<Option<String>, Fault> {
        text_of(&self.path)
    }
}

fn record_of(state: &Path, agent: &str, place: Place, path: &Path) -> PathBuf {
    let file = hash(&path.display().to_string());
    let file = file.get(..8).unwrap_or(&file);
    state.join("hooks").join(format!("{agent}-{}-{file}.json", place.word()))
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
    file.persist(path).map_err(|error| io(path.display())(error.error))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder.display()))
}

fn hash(text: &str) -> String {
    belay_identity::key::hex(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changes() -> Vec<Change> {
        let list = vec!["hooks".to_owned()];
        vec![Change::Entry { list, entry: json!({"ours": 1}), holds: Vec::new() }]
    }

    /// Goal: a wrap is taken back byte for byte, also where there was no file; what was written
    /// since stays. Method: odd formatting, no file, a later edit, a hook that was taken out.
    #[test]
    fn a_wrap_is_taken_back_byte_for_byte() {
        let made = tempfile::tempdir().expect("a folder");
        let (state, path) = (made.path().join("state"), made.path().join("a/settings.json"));
        let wrap = || {
            let of = || Wrap::of(&state, Dialect::ClaudeCode, Place::User).expect("records");
            let base = Base::of(path.clone(), &of()).expect("a file");
            let (wrap, after) = Wrap::planned(Dialect::ClaudeCode, Place::User, base, changes())
                .expect("it can be wrapped");
            wrap.write(&state, &after).expect("it is written");
            of().pop().expect("a record")
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
        wrap();
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
