//! A draft's files in a folder: written out, edited, and read back with what they were made from.
//!
//! Beside the files stands `.belay-draft`, one line of JSON: which draft, at which changes. Without
//! it a folder is taken as meant against the draft as it is now.

use crate::api::draft::DraftSaid;
use crate::fault::{Fault, io};
use crate::policy_folder::{read_files, write_files};
use belay_crdt::drafts::ChangeHash;
use belay_crdt::drafts::document::Texts;
use belay_identity::key::unhex;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

const MARK: &str = ".belay-draft";

/// From which changes a folder was made.
pub(super) enum Seen {
    /// From the draft as it is now.
    Now,
    /// From these.
    At(Vec<ChangeHash>),
}

#[derive(Serialize, Deserialize)]
struct Mark {
    draft: String,
    heads: Vec<String>,
}

/// Writes the files of a draft, and what they were made from.
pub(super) fn write(folder: &Path, said: &DraftSaid) -> Result<(), Fault> {
    std::fs::create_dir_all(folder).map_err(io(folder.display()))?;
    write_files(folder, &said.texts())?;
    mark(folder, said)
}

/// Notes that a folder holds the draft as it is now, if it does.
pub(super) fn mark(folder: &Path, said: &DraftSaid) -> Result<(), Fault> {
    let path = folder.join(MARK);
    if read_files(folder)? != said.texts() {
        // What came together differs from what stands here: it is to be written out again.
        return if path.exists() {
            std::fs::remove_file(&path).map_err(io(path.display()))
        } else {
            Ok(())
        };
    }
    let heads = said.changes.iter().filter(|change| change.head);
    let heads = heads.map(|change| change.hash.clone()).collect();
    let mark = Mark { draft: said.draft.id.clone(), heads };
    let line = serde_json::to_string(&mark)
        .map_err(|error| Fault::failed(error, "write the files out to another folder"))?;
    std::fs::write(&path, line + "\n").map_err(io(path.display()))
}

/// What a folder was made from.
pub(super) fn seen(folder: &Path, said: &DraftSaid) -> Result<Seen, Fault> {
    let path = folder.join(MARK);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Seen::Now) };
    let odd = || {
        let what = format!("{}: this is not what `show --out` wrote", path.display());
        Fault::wrong_use(what, "remove it, or write the files out to a new folder")
    };
    let mark: Mark = serde_json::from_str(&text).map_err(|_| odd())?;
    if mark.draft != said.draft.id {
        let what = format!("{} holds another draft", folder.display());
        return Err(Fault::wrong_use(what, "write this one out to a folder of its own"));
    }
    let head = |text: &String| unhex(text).and_then(|bytes| bytes.try_into().ok());
    let heads: Option<Vec<ChangeHash>> = mark.heads.iter().map(head).collect();
    heads.map(Seen::At).ok_or_else(odd)
}

/// Opens the files in the editor of whoever calls.
pub(super) fn in_editor(said: &DraftSaid) -> Result<Texts, Fault> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(std::env::var_os);
    let editor = named.filter(|name| !name.is_empty()).ok_or_else(|| {
        let hint = "set EDITOR, or edit in a folder: `belay policy draft show NAME --out FOLDER`, \
                    then `belay policy draft edit NAME --from FOLDER`";
        Fault::wrong_use("no editor is named", hint)
    })?;
    let folder = tempfile::tempdir().map_err(io("a folder for the editor"))?;
    let texts = said.texts();
    write_files(folder.path(), &texts)?;
    // Whole paths: no name of a file is a word of the editor's command.
    let files = texts.keys().map(|path| folder.path().join(path));
    let mut command = Command::new(&editor);
    let ended = command.args(files).current_dir(folder.path()).status().map_err(|error| {
        let what = format!("{}: {error}", editor.display());
        Fault::wrong_use(what, "EDITOR names one program, without arguments")
    })?;
    if !ended.success() {
        let what = format!("{} ended with {ended}; nothing was changed", editor.display());
        return Err(Fault::failed(what, "edit again, and leave the editor as usual"));
    }
    read_files(folder.path())
}
