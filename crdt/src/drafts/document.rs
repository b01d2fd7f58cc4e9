//! The one file that touches Automerge: counted changes become texts, and edits become changes.
//!
//! Automerge is handed only what `scan` counted and `graph` put in order, and is called inside a
//! panic boundary: its issue list knows panics on odd histories, and one of those must cost a draft
//! a message, never a node its process. That is why this file alone may use `catch_unwind`; what a
//! panic leaves behind is dropped with the document, never looked at again. Everything it returns
//! is sorted, and the random actor that a new document draws never leaves: every change is made
//! under the actor that its author's key has in this draft.
//!
//! A document is a map `files` of texts by path. What else somebody puts into it is read by nobody.
//!
//! Refused here: saved documents of strangers, a change that is over a bound once it is made.

use super::Draft;
use super::lines::{hunks, lines};
use super::scan::{ChangeHash, ScanError, scan};
use crate::limits::{DRAFT_FILES_MAX, DRAFT_TEXT_BYTES_MAX};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{
    ActorId, AutoCommit, Change, ChangeHash as Hash, ObjId as ExId, ObjType, ROOT, ReadDoc,
    ScalarValue, ScalarValueRef, TextEncoding, Value, ValueRef,
};
use belay_identity::limits::DRAFT_CHANGE_BYTES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The texts of a folder by path.
pub type Texts = BTreeMap<String, String>;

/// A draft that Automerge has taken.
pub struct Document {
    doc: AutoCommit,
    /// Which change made the operations of an actor from this number on.
    made: BTreeMap<([u8; 32], u64), ChangeHash>,
}

/// One line of a file, and the changes that wrote what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line with its end.
    pub text: String,
    /// Who wrote its characters: changes, ascending.
    pub by: Vec<ChangeHash>,
}

/// What an author says of his edit.
#[derive(Debug, Clone, Default)]
pub struct Remark {
    /// Why, for people.
    pub message: String,
    /// When, Unix seconds, as he says.
    pub said_s: i64,
}

/// Why a draft cannot be opened or edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Automerge will not have it, or broke over it.
    #[error("Automerge could not read this draft: {0}")]
    Automerge(String),
    /// Nothing would change.
    #[error("this edit changes nothing")]
    NoChange,
    /// The texts were made from the draft before their own author changed it again.
    #[error("you have changed this draft yourself since these files were written")]
    Behind,
    /// The texts are over a bound.
    #[error("a draft holds at most {0}")]
    TooMuch(&'static str),
    /// One edit is over the bound of a change.
    #[error("one edit fits {DRAFT_CHANGE_BYTES_MAX} bytes, and this has {0}: make two steps of it")]
    TooLarge(String),
}

impl Draft {
    /// Hands what counts to Automerge. A change that it will not take is left out with everything
    /// built on it, as on every node that holds the same statements.
    pub fn open(&mut self) -> Result<Document, DocumentError> {
        loop {
            let changes: Vec<Change> = match decode(self) {
                Ok(changes) => changes,
                Err((broken, why)) => {
                    self.without(broken, why);
                    continue;
                }
            };
            if let Ok(document) = Document::of(self, &changes) {
                return Ok(document);
            }
            match first_broken(&changes) {
                Some((broken, why)) => self.without(broken, why),
                None => return Err(DocumentError::Automerge("it fails as a whole".into())),
            }
        }
    }
}

fn decode(draft: &Draft) -> Result<Vec<Change>, (ChangeHash, String)> {
    let one = |(scanned, bytes): (&super::Scanned, &[u8])| {
        let read = guarded(|| Change::try_from(bytes).map_err(|error| error.to_string()));
        let change = read.map_err(|why| (scanned.hash, why))?;
        // Two readers of one format: where they part, the change is nobody's.
        let agree = change.hash().0 == scanned.hash
            && change.seq() == scanned.seq
            && change.start_op().get() == scanned.start_op
            && change.len() as u64 == scanned.ops
            && guarded(|| Ok(is_own_form(&change))) == Ok(true);
        if agree { Ok(change) } else { Err((scanned.hash, "it reads in two ways".to_owned())) }
    };
    draft.bytes().map(one).collect()
}

/// True for a change in the form in which Automerge itself would write it. A document is saved in
/// columns, and its changes are written anew when it is loaded: one in another form, or with a
/// value of a type of tomorrow, would have another hash then, and the saved document load nowhere.
fn is_own_form(change: &Change) -> bool {
    let expanded = change.decode();
    let of_tomorrow = |value| matches!(value, Some(ScalarValue::Unknown { .. }));
    let known = !expanded.operations.iter().any(|op| of_tomorrow(op.primitive_value()));
    known && Change::from(expanded).hash() == change.hash()
}

/// Reads every text, and whether the document opens again when it was saved.
fn read_through(doc: &mut AutoCommit) -> Result<(), String> {
    read_texts(doc, None)?;
    AutoCommit::load(&doc.save()).map(drop).map_err(|error| error.to_string())
}

/// A change with which the draft does not open, and without which what is before it does: found by
/// halving, so that a large draft costs a dozen openings and not one for each change.
fn first_broken(changes: &[Change]) -> Option<(ChangeHash, String)> {
    let (mut opens, mut fails) = (0, changes.len());
    let mut why = applied(changes).err()?;
    while fails - opens > 1 {
        let half = opens + (fails - opens) / 2;
        match applied(&changes[..half]) {
            Ok(_) => opens = half,
            Err(error) => (fails, why) = (half, error),
        }
    }
    Some((changes[opens].hash().0, why))
}

/// A document of these changes that reads, and opens again when it was saved.
fn applied(changes: &[Change]) -> Result<AutoCommit, String> {
    let mut doc = empty();
    guarded(|| {
        doc.apply_changes_batch(changes.to_vec()).map_err(|error| error.to_string())?;
        read_through(&mut doc)
    })?;
    Ok(doc)
}

/// Runs what may panic; a panic is a reason.
fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let ran = catch_unwind(AssertUnwindSafe(run));
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        Err(format!("it broke over it ({text})"))
    })
}

fn empty() -> AutoCommit {
    AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint)
}

impl Document {
    /// A document of no change, to found a draft in.
    pub fn new() -> Self {
        Self { doc: empty(), made: BTreeMap::new() }
    }

    fn of(draft: &Draft, changes: &[Change]) -> Result<Self, String> {
        let mut document = Self { doc: applied(changes)?, made: BTreeMap::new() };
        document.index(draft);
        Ok(document)
    }

    fn index(&mut self, draft: &Draft) {
        let at = |placed: &super::Placed| {
            let super::Scanned { actor, start_op, hash, .. } = &placed.scanned;
            ((*actor, *start_op), *hash)
        };
        self.made = draft.changes.iter().map(at).collect();
    }

    /// A document that this fleet's own node saved.
    pub fn load(saved: &[u8]) -> Result<Self, DocumentError> {
        let loaded = guarded(|| AutoCommit::load(saved).map_err(|error| error.to_string()));
        let doc = loaded.map_err(DocumentError::Automerge)?;
        Ok(Self { doc, made: BTreeMap::new() })
    }

    /// The plain Automerge document, as any Automerge opens it.
    pub fn save(&mut self) -> Result<Vec<u8>, DocumentError> {
        guarded(|| Ok(self.doc.save())).map_err(DocumentError::Automerge)
    }

    /// Every file.
    pub fn texts(&self) -> Result<Texts, DocumentError> {
        guarded(|| read_texts(&self.doc, None)).map_err(DocumentError::Automerge)
    }

    /// Every file as it was at these changes.
    pub fn texts_at(&self, heads: &[ChangeHash]) -> Result<Texts, DocumentError> {
        let heads: Vec<Hash> = heads.iter().map(|hash| Hash(*hash)).collect();
        guarded(|| read_texts(&self.doc, Some(&heads))).map_err(DocumentError::Automerge)
    }

    /// Files that two authors began at once: one of them shows, the other is beneath it.
    pub fn doubled(&self) -> Result<Vec<String>, DocumentError> {
        let doubled = guarded(|| {
            let Some(files) = files(&self.doc, None)? else { return Ok(Vec::new()) };
            let paths = self.doc.keys(&files);
            let twice = |path: &String| {
                let all = self.doc.get_all(&files, path.as_str());
                all.is_ok_and(|all| all.len() > 1)
            };
            Ok(paths.filter(twice).collect::<BTreeSet<_>>().into_iter().collect())
        });
        doubled.map_err(DocumentError::Automerge)
    }

    /// Every file line by line, with the changes that wrote what stands in each.
    pub fn blame(&self) -> Result<BTreeMap<String, Vec<Line>>, DocumentError> {
        let blamed = guarded(|| {
            let mut blamed = BTreeMap::new();
            for (path, text) in text_objects(&self.doc, None)? {
                blamed.insert(path, self.lines_of(&text));
            }
            Ok(blamed)
        });
        blamed.map_err(DocumentError::Automerge)
    }

    fn lines_of(&self, text: &ExId) -> Vec<Line> {
        let mut all: Vec<Line> = Vec::new();
        let (mut line, mut by) = (String::new(), BTreeSet::new());
        for item in self.doc.list_range(text, ..) {
            let Some(words) = words_of(&item.value) else { continue };
            by.extend(self.maker(&item.id()));
            line.push_str(&words);
            if words.ends_with('\n') {
                let by = std::mem::take(&mut by).into_iter().collect();
                all.push(Line { text: std::mem::take(&mut line), by });
            }
        }
        if !line.is_empty() {
            all.push(Line { text: line, by: by.into_iter().collect() });
        }
        all
    }

    fn maker(&self, op: &ExId) -> Option<ChangeHash> {
        let ExId::Id(number, actor, _) = op else { return None };
        let actor: [u8; 32] = actor.to_bytes().try_into().ok()?;
        let upto = self.made.range((actor, 0)..=(actor, *number)).next_back();
        upto.map(|(_, hash)| *hash)
    }

    /// Makes these texts of the document, as one change of this actor. With `seen` the texts were
    /// made from the document as it was at those changes, and what came since stays beside them.
    pub fn edit(
        &mut self,
        actor: [u8; 32],
        texts: &Texts,
        seen: Option<&[ChangeHash]>,
        remark: &Remark,
    ) -> Result<Vec<u8>, DocumentError> {
        within_bounds(texts)?;
        let seen: Option<Vec<Hash>> = seen.map(|all| all.iter().map(|hash| Hash(*hash)).collect());
        let made = guarded(|| {
            let mut doc = match &seen {
                Some(seen) if !self.doc.get_missing_deps(seen).is_empty() => {
                    return Err("it was made from changes that are not here".to_owned());
                }
                // Its operations are then numbered after what was seen, not after what came since.
                Some(seen) => self.doc.fork_at(seen).map_err(|error| error.to_string())?,
                None => self.doc.fork(),
            };
            doc.set_actor(ActorId::from(&actor[..]));
            if read_texts(&doc, None)? == *texts {
                return Ok(None);
            }
            write_texts(&mut doc, texts).map_err(|error| error.to_string())?;
            let hash = doc.commit_with(options(remark));
            Ok(hash.and_then(|hash| doc.get_change_by_hash(&hash)))
        });
        let made = made.map_err(DocumentError::Automerge)?.ok_or(DocumentError::NoChange)?;
        if self.last_seq(actor)? >= made.seq() {
            // Its own author has changed the draft since: it would take that change's place.
            return Err(DocumentError::Behind);
        }
        bounded(made.raw_bytes())
    }

    /// The number of an actor's last change; 0 before his first.
    fn last_seq(&mut self, actor: [u8; 32]) -> Result<u64, DocumentError> {
        let last = guarded(|| {
            let all = self.doc.get_changes(&[]);
            let own = all.iter().filter(|change| change.actor_id().to_bytes() == actor);
            Ok(own.map(Change::seq).max().unwrap_or(0))
        });
        last.map_err(DocumentError::Automerge)
    }

    /// One change that changes nothing and builds on everything: its author has looked at what came
    /// together.
    pub fn merge(&mut self, actor: [u8; 32], remark: &Remark) -> Result<Vec<u8>, DocumentError> {
        self.doc.set_actor(ActorId::from(&actor[..]));
        let made = guarded(|| {
            let hash = self.doc.empty_change(options(remark));
            self.doc.get_change_by_hash(&hash).ok_or_else(|| "it lost its own change".to_owned())
        });
        bounded(made.map_err(DocumentError::Automerge)?.raw_bytes())
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

fn options(remark: &Remark) -> CommitOptions {
    let options = CommitOptions::default().with_time(remark.said_s);
    if remark.message.is_empty() { options } else { options.with_message(remark.message.as_str()) }
}

/// What is refused by everybody is refused where it is made.
fn bounded(change: &[u8]) -> Result<Vec<u8>, DocumentError> {
    if change.len() > DRAFT_CHANGE_BYTES_MAX {
        return Err(DocumentError::TooLarge(format!("{} bytes", change.len())));
    }
    match scan(change) {
        Ok(_) => Ok(change.to_vec()),
        Err(error @ ScanError::Bound(_)) => Err(DocumentError::TooLarge(error.to_string())),
        Err(error @ (ScanError::Shape | ScanError::Compressed | ScanError::Checksum)) => {
            Err(DocumentError::Automerge(error.to_string()))
        }
    }
}

fn within_bounds(texts: &Texts) -> Result<(), DocumentError> {
    if texts.len() > DRAFT_FILES_MAX {
        return Err(DocumentError::TooMuch("64 files"));
    }
    let bytes: usize = texts.iter().map(|(path, text)| path.len() + text.len()).sum();
    if bytes > DRAFT_TEXT_BYTES_MAX {
        return Err(DocumentError::TooMuch("256 KiB of text"));
    }
    Ok(())
}

const FILES: &str = "files";

fn files(doc: &AutoCommit, heads: Option<&[Hash]>) -> Result<Option<ExId>, String> {
    let found = match heads {
        Some(heads) => doc.get_at(ROOT, FILES, heads),
        None => doc.get(ROOT, FILES),
    };
    match found.map_err(|error| error.to_string())? {
        Some((Value::Object(ObjType::Map), id)) => Ok(Some(id)),
        Some(_) | None => Ok(None),
    }
}

/// The text objects of every file, by path.
fn text_objects(doc: &AutoCommit, heads: Option<&[Hash]>) -> Result<Vec<(String, ExId)>, String> {
    let Some(files) = files(doc, heads)? else { return Ok(Vec::new()) };
    let paths: BTreeSet<String> = match heads {
        Some(heads) => doc.keys_at(&files, heads).collect(),
        None => doc.keys(&files).collect(),
    };
    let mut found = Vec::new();
    for path in paths {
        let value = match heads {
            Some(heads) => doc.get_at(&files, path.as_str(), heads),
            None => doc.get(&files, path.as_str()),
        };
        if let Some((Value::Object(ObjType::Text), id)) = value.map_err(|e| e.to_string())? {
            found.push((path, id));
        }
    }
    Ok(found)
}

fn read_texts(doc: &AutoCommit, heads: Option<&[Hash]>) -> Result<Texts, String> {
    let mut texts = Texts::new();
    for (path, id) in text_objects(doc, heads)? {
        let text = match heads {
            Some(heads) => doc.text_at(&id, heads),
            None => doc.text(&id),
        };
        texts.insert(path, text.map_err(|error| error.to_string())?);
    }
    Ok(texts)
}

fn words_of(value: &ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Scalar(ScalarValueRef::Str(words)) => Some(words.to_string()),
        ValueRef::Scalar(_) | ValueRef::Object(_) => None,
    }
}

fn write_texts(doc: &mut AutoCommit, texts: &Texts) -> Result<(), automerge::AutomergeError> {
    let found = doc.get(ROOT, FILES)?;
    let files = match found {
        Some((Value::Object(ObjType::Map), id)) => id,
        Some(_) | None => doc.put_object(ROOT, FILES, ObjType::Map)?,
    };
    let old: BTreeSet<String> = doc.keys(&files).collect();
    for path in old.iter().filter(|path| !texts.contains_key(*path)) {
        doc.delete(&files, path.as_str())?;
    }
    for (path, text) in texts {
        let id = match doc.get(&files, path.as_str())? {
            Some((Value::Object(ObjType::Text), id)) => id,
            Some(_) | None => doc.put_object(&files, path.as_str(), ObjType::Text)?,
        };
        let before = doc.text(&id)?;
        splice_lines(doc, &id, &before, text)?;
    }
    Ok(())
}

/// Replaces only what differs: whole lines by comparison, and of a replaced piece what is between
/// its common beginning and end, so that two edits inside one line can both stand.
fn splice_lines(
    doc: &mut AutoCommit,
    id: &ExId,
    before: &str,
    after: &str,
) -> Result<(), automerge::AutomergeError> {
    let (old, new) = (lines(before), lines(after));
    // From the end, so that what stands before stays where it is.
    for hunk in hunks(&old, &new).into_iter().rev() {
        let start: usize = old[..hunk.before.start].iter().map(|line| line.chars().count()).sum();
        let was: Vec<char> = old[hunk.before].concat().chars().collect();
        let is: Vec<char> = new[hunk.after].concat().chars().collect();
        let head = was.iter().zip(&is).take_while(|(one, other)| one == other).count();
        let (was, is) = (&was[head..], &is[head..]);
        let same = |(one, other): &(&char, &char)| one == other;
        let tail = was.iter().rev().zip(is.iter().rev()).take_while(same).count();
        let gone = isize::try_from(was.len() - tail).unwrap_or(isize::MAX);
        let words: String = is[..is.len() - tail].iter().collect();
        doc.splice_text(id, start + head, gone, &words)?;
    }
    Ok(())
}
