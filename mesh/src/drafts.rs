//! Drafts at this node: what it takes of them, and how they read.
//!
//! Every full node keeps drafts (class D), so that what an operator wrote on a cut-off laptop
//! reaches the others by whichever member it meets. They travel by id in bulk and by repair, and
//! are bounded per author before they are kept or passed on: a bucket of changes a second, and a
//! room that no author outgrows (INV-NET-1). What counts, and in which order, `belay-crdt` says.
//!
//! The engine hands out which changes count; `read` makes a report of that on any thread, because
//! Automerge takes a second over a large draft, and no order waits for it.
//!
//! Refused here: signing, and letting a draft decide anything; the gate reads releases only.

use crate::engine::Engine;
use crate::known::Known;
use crate::limits::{
    DRAFT_BRANCHES_COMPARED_MAX, DRAFT_BURST_MAX, DRAFT_BYTES_PER_KEY_MAX, DRAFT_EVERY_MS,
    DRAFTS_PER_KEY_MAX, DRAFTS_SHOWN_MAX,
};
use crate::names::ID_DIGITS_MIN;
use crate::output::{Refusal, RefusalKind};
use crate::time::BootTime;
use belay_crdt::drafts::lines::{Touched, both_touched};
use belay_crdt::drafts::{self, ChangeHash, Document, DocumentError, Draft, Placed};
use belay_identity::body::{Body, DocumentId, Role};
use belay_identity::{Class, PublicKey, Statement, StatementId, Verified};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One draft in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftLine {
    /// Which document.
    pub id: DocumentId,
    /// What people call it; absent while its beginning has not come.
    pub name: Option<String>,
    /// Who founded it.
    pub founder: Option<String>,
    /// Everybody whose changes count in it, by name.
    pub authors: Vec<String>,
    /// How many changes count.
    pub changes: u64,
    /// How many branches stand beside each other.
    pub heads: u64,
    /// How many changes are left out.
    pub aside: u64,
}

/// A draft as it reads here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftReport {
    /// What stands in a list of it.
    pub line: DraftLine,
    /// Its files, by path.
    pub files: Vec<FileReport>,
    /// The changes that count, each after those it builds on.
    pub changes: Vec<ChangeReport>,
    /// The statements that carry its heads, ascending: what a release made of it names.
    pub heads: Vec<StatementId>,
    /// What is left out: author, statement, why.
    pub aside: Vec<(String, StatementId, String)>,
    /// Lines that two branches both touched.
    pub touched: Vec<TouchedReport>,
    /// Files that two authors began at once; the other's is beneath the one that shows.
    pub doubled: Vec<String>,
    /// The plain Automerge document.
    pub saved: Vec<u8>,
}

/// One file of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its path in the folder.
    pub path: String,
    /// Its lines, each with its end and with who wrote what stands in it, last writer first.
    pub lines: Vec<(String, Vec<String>)>,
}

/// One change that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeReport {
    /// The statement that carries it.
    pub statement: StatementId,
    /// Automerge's name for it.
    pub hash: ChangeHash,
    /// Who made it.
    pub author: String,
    /// Why, in his words.
    pub message: String,
    /// When, Unix seconds, as he says.
    pub said_s: i64,
    /// False where he no longer counts, and it stays because somebody built on it.
    pub author_stands: bool,
}

/// Lines that two branches both touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedReport {
    /// In which file.
    pub path: String,
    /// Who wrote the first branch, and who the second.
    pub authors: (String, String),
    /// What both began with, and what each made of it.
    pub lines: Touched,
}

/// What an author of drafts has used of his room here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rooms(BTreeMap<PublicKey, Room>);

#[derive(Debug, Clone, Default)]
struct Room {
    statements: usize,
    bytes: usize,
    /// Until when his bucket is filled ahead.
    spent_until: BootTime,
}

impl Rooms {
    /// What is used by what is held already.
    pub(crate) fn of(known: &Known) -> Self {
        let mut rooms = Self::default();
        let drafts = known.set.iter().filter(|held| held.class == Class::Draft);
        drafts.for_each(|held| rooms.note(held));
        rooms
    }

    pub(crate) fn note(&mut self, held: &Verified<Statement>) {
        let room = self.0.entry(held.key()).or_default();
        room.statements += 1;
        room.bytes += held.bytes().len();
    }

    fn is_full(&self, key: &PublicKey, more: usize) -> bool {
        let room = self.0.get(key);
        room.is_some_and(|room| {
            room.statements >= DRAFTS_PER_KEY_MAX || room.bytes + more > DRAFT_BYTES_PER_KEY_MAX
        })
    }

    /// Takes one from the author's bucket, if there is one in it.
    fn draw(&mut self, key: &PublicKey, now: BootTime) -> bool {
        let room = self.0.entry(*key).or_default();
        let from = room.spent_until.max(now);
        let next = from.plus_ms(DRAFT_EVERY_MS);
        let fits = next <= now.plus_ms(DRAFT_EVERY_MS * DRAFT_BURST_MAX);
        if fits {
            room.spent_until = next;
        }
        fits
    }
}

impl Engine {
    /// Whether a peer's statement of class D is kept: from a key that ever held the policy role,
    /// within its room, and not faster than its bucket fills. Repair offers again what came too
    /// fast.
    pub(crate) fn takes_draft(&mut self, statement: &Verified<Statement>) -> bool {
        let key = statement.key();
        let bytes = statement.bytes().len();
        self.known.authority.role_ever(&key, Role::Policy)
            && !self.rooms.is_full(&key, bytes)
            && well_made(statement)
            && self.rooms.draw(&key, self.now.boot)
    }

    /// A change that would not count is refused at the door, where its author can make it again.
    pub(crate) fn may_draft(&self, statements: &[Arc<Verified<Statement>>]) -> Result<(), Refusal> {
        for statement in statements {
            let Body::Draft(said) = &statement.body else { continue };
            let key = statement.key();
            if !self.known.authority.role_now(&key, Role::Policy) {
                let why = format!("{} does not hold the policy role", statement.author);
                let hint = "sign with the key of an operator who does";
                return Err(Refusal::new(RefusalKind::Denied, why, hint));
            }
            if self.rooms.is_full(&key, statement.bytes().len()) {
                let why = "this key's room for drafts is used up on this device";
                let hint = "sign with another operator's key; what is published stays published";
                return Err(Refusal::new(RefusalKind::Failed, why, hint));
            }
            let mut set = self.known.set.clone();
            set.insert(statement.clone());
            let folded = drafts::fold(&set, &self.known.authority, &self.known.orders);
            let draft = folded.get(&said.document);
            if !draft.is_some_and(|draft| draft.counts(&statement.id())) {
                let why = draft.and_then(|draft| draft.why_aside(&statement.id()));
                let why = why.map_or_else(|| "it does not count".to_owned(), ToString::to_string);
                let hint = "look at it with `belay policy draft show`, then edit again";
                return Err(Refusal::new(RefusalKind::Differs, why, hint));
            }
        }
        Ok(())
    }

    /// Every draft, by name.
    pub(crate) fn draft_lines(&self) -> Vec<DraftLine> {
        let mut lines: Vec<DraftLine> = self.drafts().values().map(line).collect();
        lines.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        lines.truncate(DRAFTS_SHOWN_MAX);
        lines
    }

    fn drafts(&self) -> BTreeMap<DocumentId, Draft> {
        drafts::fold(&self.known.set, &self.known.authority, &self.known.orders)
    }

    /// The draft of this name, or with this beginning of its id.
    pub(crate) fn draft_named(&self, name: &str) -> Result<Draft, Refusal> {
        let all = self.drafts();
        let is = |draft: &&Draft| {
            let id = draft.id.to_hex();
            draft.name() == Some(name) || (name.len() >= ID_DIGITS_MIN && id.starts_with(name))
        };
        let found: Vec<&Draft> = all.values().filter(is).collect();
        let wrong = |why: String, hint: String| Refusal::new(RefusalKind::WrongUse, why, hint);
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let names: Vec<&str> = all.values().filter_map(Draft::name).collect();
                let hint = match names.is_empty() {
                    true => "begin one: `belay policy draft new NAME`".to_owned(),
                    false => format!("known here are {}", names.join(", ")),
                };
                Err(wrong(format!("no draft {name} is known here"), hint))
            }
            several => {
                let ids: Vec<String> =
                    several.iter().map(|draft| draft.id.to_hex()[..12].to_owned()).collect();
                let hint = format!("name one by its id: {}", ids.join(", "));
                Err(wrong(format!("{} drafts are called {name}", several.len()), hint))
            }
        }
    }
}

/// One draft as it reads: a function of the draft alone, which may take seconds.
///
/// # Errors
/// When Automerge cannot open it at all.
pub fn read(draft: Draft) -> Result<DraftReport, Refusal> {
    report(draft).map_err(|error| {
        let hint = "begin a new one from the release in force: `belay policy draft new NAME`";
        Refusal::new(RefusalKind::Failed, error.to_string(), hint)
    })
}

/// What is refused before it is kept: a change that no node would ever count.
fn well_made(statement: &Verified<Statement>) -> bool {
    match &statement.body {
        Body::Draft(said) => drafts::check(said.document, statement.key(), said).is_ok(),
        // A kind of a later version, which its readers judge.
        _ => true,
    }
}

fn line(draft: &Draft) -> DraftLine {
    let mut authors: Vec<String> =
        draft.changes.iter().map(|placed| placed.author.to_string()).collect();
    let founder = authors.first().cloned();
    authors.sort();
    authors.dedup();
    DraftLine {
        id: draft.id,
        name: draft.name().map(str::to_owned),
        founder,
        authors,
        changes: draft.changes.len() as u64,
        heads: draft.heads.len() as u64,
        aside: draft.aside.len() as u64,
    }
}

fn report(mut draft: Draft) -> Result<DraftReport, DocumentError> {
    let mut document = draft.open()?;
    let order: BTreeMap<ChangeHash, (usize, String)> = draft
        .changes
        .iter()
        .enumerate()
        .map(|(at, placed)| (placed.scanned.hash, (at, placed.author.to_string())))
        .collect();
    let files = document.blame()?.into_iter().map(|(path, lines)| FileReport {
        path,
        lines: lines.into_iter().map(|line| (line.text, writers(&line.by, &order))).collect(),
    });
    let left = |left: &drafts::LeftOut| (left.author.clone(), left.statement, left.why.to_string());
    Ok(DraftReport {
        line: line(&draft),
        files: files.collect(),
        changes: draft.changes.iter().map(change).collect(),
        heads: draft.head_statements(),
        aside: draft.aside.iter().map(left).collect(),
        touched: touched(&draft, &document)?,
        doubled: document.doubled()?,
        saved: document.save()?,
    })
}

/// Who wrote what stands in a line, the last writer first, each once.
fn writers(by: &[ChangeHash], order: &BTreeMap<ChangeHash, (usize, String)>) -> Vec<String> {
    let mut by: Vec<&(usize, String)> = by.iter().filter_map(|hash| order.get(hash)).collect();
    by.sort();
    let mut names: Vec<String> = Vec::new();
    for (_, name) in by.into_iter().rev() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn change(placed: &Placed) -> ChangeReport {
    ChangeReport {
        statement: placed.statement,
        hash: placed.scanned.hash,
        author: placed.author.to_string(),
        message: placed.scanned.message.clone(),
        said_s: placed.scanned.said_s,
        author_stands: placed.author_stands,
    }
}

/// Compares every two branches with what both began with.
fn touched(draft: &Draft, document: &Document) -> Result<Vec<TouchedReport>, DocumentError> {
    let mut found = Vec::new();
    let heads: Vec<ChangeHash> =
        draft.heads.iter().copied().take(DRAFT_BRANCHES_COMPARED_MAX).collect();
    let author = |head: &ChangeHash| {
        let placed = draft.changes.iter().find(|placed| placed.scanned.hash == *head);
        placed.map(|placed| placed.author.to_string()).unwrap_or_default()
    };
    for (at, first) in heads.iter().enumerate() {
        for second in &heads[at + 1..] {
            let (ours, theirs) = (draft.below(&[*first]), draft.below(&[*second]));
            let common = ours.intersection(&theirs).copied().collect();
            let base = document.texts_at(&draft.ends(&common))?;
            let (ours, theirs) = (document.texts_at(&[*first])?, document.texts_at(&[*second])?);
            for (path, was) in base {
                let empty = String::new();
                let of = |texts: &BTreeMap<String, String>| texts.get(&path).cloned();
                let (one, other) = (of(&ours), of(&theirs));
                let (one, other) = (one.as_ref().unwrap_or(&empty), other.as_ref());
                for lines in both_touched(&was, one, other.unwrap_or(&empty)) {
                    let authors = (author(first), author(second));
                    found.push(TouchedReport { path: path.clone(), authors, lines });
                }
            }
        }
    }
    Ok(found)
}
