//! `belay policy draft`: policy edited together, each edit one change signed in this process.
//!
//! The node holds the draft and says how it reads; the change is made here, against the document
//! that the node saved, and handed in like any other statement of an operator. A folder written by
//! `show --out` remembers from which changes it was made, so that what came since is not undone by
//! whoever edits from it. Refused here: an edit that changes nothing, a folder older than its own
//! author's last edit.

mod folder;
mod words;

use super::door;
use super::operator::Operator;
use crate::api::draft::{DraftLineSaid, DraftSaid};
use crate::api::policy::PolicySaid;
use crate::api::{Ask, from_text};
use crate::cli::Context;
use crate::cli::operators::{Draft, EditDraft, MergeDraft, NewDraft};
use crate::clock;
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::policy_folder::{faults_of_texts, read_files, release_texts};
use crate::screen::{Shown, talk};
use belay_crdt::drafts::document::{Remark, Texts};
use belay_crdt::drafts::{Document, DocumentError};
use belay_identity::body::{Body, Change, DocumentId, Draft as Said, DraftName, Founding};
use belay_identity::key::unhex;
use belay_identity::{Class, StatementId};
use folder::Seen;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, draft: &Draft) -> Result<ExitCode, Fault> {
    match draft {
        Draft::New(new) => begin(context, new),
        Draft::List => list(context),
        Draft::Show { draft, out } => show(context, draft, out.as_deref()),
        Draft::Edit(ask) => edit(context, ask),
        Draft::Merge(ask) => merge(context, ask),
        Draft::Export { draft, file } => export(context, draft, file),
    }
}

fn begin(context: &Context, ask: &NewDraft) -> Result<ExitCode, Fault> {
    let name = DraftName::new(&ask.name)
        .map_err(|error| Fault::wrong_use(error, "such as outward-tools"))?;
    let texts = match &ask.from {
        Some(folder) => read_files(folder)?,
        None => in_force(context)?,
    };
    let known: Vec<DraftLineSaid> = door(context, DoorName::Operator)?.call(&Ask::Drafts)?;
    if known.iter().any(|draft| draft.name.as_deref() == Some(name.as_str())) {
        let hint =
            format!("edit it: `belay policy draft edit {}`, or choose another name", ask.name);
        return Err(Fault::wrong_use(format!("a draft {} is known here already", ask.name), hint));
    }
    let mut operator = Operator::unlock(context, &ask.said.signing)?;
    let founding = Founding { name, drawn: clock::draw() };
    let document = founding.document(operator.key());
    let actor = document.actor(operator.key());
    let change =
        Document::new().edit(actor, &texts, None, &remark(&ask.said.message)).map_err(unmade)?;
    let said = Said { document, change: Change(change), founding: Some(founding) };
    hand_in(&mut operator, said)?;
    warn_of_faults(&ask.name, &texts);
    let data = json!({ "name": ask.name, "id": document.to_hex(), "files": texts.len() });
    let words = format!(
        "Draft {} begun with {} files.\nnext: `belay policy draft edit {}`\n",
        ask.name,
        texts.len(),
        ask.name
    );
    Shown::whole("belay.policy.draft.new/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// The files of the release that judges.
fn in_force(context: &Context) -> Result<Texts, Fault> {
    let said: PolicySaid = door(context, DoorName::Operator)?.call(&Ask::Policy { agent: None })?;
    if let [newest, _, ..] = said.judging.as_slice() {
        let each: Vec<&str> = said.judging.iter().map(|one| one.version.as_str()).collect();
        talk(format_args!(
            "belay: warning: releases {} judge apart; the draft begins as {}",
            each.join(" and "),
            newest.version,
        ));
    }
    said.judging.first().and_then(release_texts).ok_or_else(|| {
        let hint = "begin from a folder: `belay policy draft new NAME --from FOLDER`";
        Fault::failed("no whole release judges here to begin from", hint)
    })
}

fn list(context: &Context) -> Result<ExitCode, Fault> {
    let all: Vec<DraftLineSaid> = door(context, DoorName::Operator)?.call(&Ask::Drafts)?;
    let words = words::list(&all);
    Shown::whole("belay.policy.draft.list/1", &all, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn ask(context: &Context, name: &str) -> Result<DraftSaid, Fault> {
    Ok(door(context, DoorName::Operator)?.call(&Ask::Draft { name: name.to_owned() })?)
}

fn show(context: &Context, name: &str, out: Option<&Path>) -> Result<ExitCode, Fault> {
    let said = ask(context, name)?;
    let mut words = words::show(&said);
    if let Some(out) = out {
        words += &write_out(&said, out)?;
    }
    shown(context, "belay.policy.draft.show/1", &said, words)
}

fn shown(
    context: &Context,
    schema: &str,
    said: &DraftSaid,
    words: String,
) -> Result<ExitCode, Fault> {
    Shown::whole(schema, said, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn write_out(said: &DraftSaid, out: &Path) -> Result<String, Fault> {
    folder::write(out, said)?;
    let name = said.draft.name.as_deref().unwrap_or(&said.draft.id);
    let out = out.display();
    Ok(format!(
        "written to {out}\nnext: edit there, then `belay policy draft edit {name} --from {out}`\n"
    ))
}

fn edit(context: &Context, ask_of: &EditDraft) -> Result<ExitCode, Fault> {
    let said = ask(context, &ask_of.draft)?;
    let mut document = load(&said)?;
    let (texts, seen) = match &ask_of.from {
        Some(from) => (read_files(from)?, folder::seen(from, &said)?),
        None => (folder::in_editor(&said)?, Seen::Now),
    };
    let mut operator = Operator::unlock(context, &ask_of.said.signing)?;
    let id = document_id(&said)?;
    let actor = id.actor(operator.key());
    let seen = match &seen {
        Seen::Now => None,
        Seen::At(heads) => Some(heads.as_slice()),
    };
    let change =
        document.edit(actor, &texts, seen, &remark(&ask_of.said.message)).map_err(unmade)?;
    let statement =
        hand_in(&mut operator, Said { document: id, change: Change(change), founding: None })?;
    let after = ask(context, &said.draft.id)?;
    if let Some(from) = &ask_of.from {
        folder::mark(from, &after)?;
    }
    warn_of_faults(&ask_of.draft, &after.texts());
    let branches = after.draft.heads;
    let data = json!({
        "id": after.draft.id,
        "name": after.draft.name,
        "statement": statement.to_hex(),
        "changes": after.draft.changes,
        "heads": after.heads,
    });
    let mut words =
        format!("Draft {} changed; it has {} changes now.\n", ask_of.draft, after.changes.len());
    if branches > 1 {
        let name = &ask_of.draft;
        words += &format!(
            "{branches} branches stand beside each other: `belay policy draft merge {name}`\n"
        );
    }
    Shown::whole("belay.policy.draft.edit/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn merge(context: &Context, ask_of: &MergeDraft) -> Result<ExitCode, Fault> {
    let said = ask(context, &ask_of.draft)?;
    let mut words = words::merge(&said);
    if said.draft.heads > 1 {
        let mut document = load(&said)?;
        let mut operator = Operator::unlock(context, &ask_of.said.signing)?;
        let id = document_id(&said)?;
        let actor = id.actor(operator.key());
        let change = document.merge(actor, &remark(&ask_of.said.message)).map_err(unmade)?;
        hand_in(&mut operator, Said { document: id, change: Change(change), founding: None })?;
    }
    warn_of_faults(&ask_of.draft, &said.texts());
    if let Some(out) = &ask_of.out {
        words += &write_out(&ask(context, &said.draft.id)?, out)?;
    }
    shown(context, "belay.policy.draft.merge/1", &said, words)
}

fn export(context: &Context, name: &str, file: &Path) -> Result<ExitCode, Fault> {
    let said = ask(context, name)?;
    let saved = saved(&said)?;
    std::fs::write(file, &saved).map_err(io(file.display()))?;
    let data = json!({
        "id": said.draft.id,
        "name": said.draft.name,
        "file": file.display().to_string(),
        "bytes": saved.len(),
    });
    let words = format!(
        "{}: {} bytes, as any Automerge opens them; the files are texts in its map `files`.\n",
        file.display(),
        saved.len()
    );
    Shown::whole("belay.policy.draft.export/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn saved(said: &DraftSaid) -> Result<Vec<u8>, Fault> {
    from_text(&said.saved).map_err(|refusal| Fault::failed(refusal.why, ONE_VERSION))
}

const ONE_VERSION: &str = "use `belay` of the version that runs the node";

fn load(said: &DraftSaid) -> Result<Document, Fault> {
    Document::load(&saved(said)?).map_err(unmade)
}

fn document_id(said: &DraftSaid) -> Result<DocumentId, Fault> {
    let bytes = unhex(&said.draft.id).and_then(|bytes| bytes.try_into().ok());
    bytes.map(DocumentId).ok_or_else(|| Fault::failed("the node names no document", ONE_VERSION))
}

fn hand_in(operator: &mut Operator, said: Said) -> Result<StatementId, Fault> {
    let place = operator.place(Class::Draft)?;
    let signed = operator.say(place, Body::Draft(said), Vec::new(), None)?;
    Ok(signed.id())
}

fn remark(message: &str) -> Remark {
    let said_s = i64::try_from(clock::wall_ms() / 1_000).unwrap_or(i64::MAX);
    Remark { message: message.to_owned(), said_s }
}

/// Why no change was made, and what to do.
fn unmade(error: DocumentError) -> Fault {
    match &error {
        DocumentError::NoChange => {
            Fault::wrong_use(&error, "change a file of the folder, then edit again")
        }
        DocumentError::Behind => {
            let hint = "write the files out again: `belay policy draft show NAME --out FOLDER`";
            Fault::exit(7, &error, hint)
        }
        DocumentError::TooMuch(_) | DocumentError::TooLarge(_) => {
            Fault::exit(7, &error, "shorter files, or fewer of them")
        }
        DocumentError::Automerge(_) => {
            Fault::failed(&error, "begin a new draft: `belay policy draft new NAME --from FOLDER`")
        }
    }
}

/// A draft may be unfinished; its author is told what stands between it and a release.
fn warn_of_faults(name: &str, texts: &Texts) {
    let found = faults_of_texts(texts);
    if let Some(first) = found.first() {
        let line = first.line.map(|line| format!(":{line}")).unwrap_or_default();
        talk(format_args!(
            "belay: draft {name} cannot be published yet, {} to mend, the first in {}{line}: {}",
            found.len(),
            first.file,
            first.what
        ));
    }
}
