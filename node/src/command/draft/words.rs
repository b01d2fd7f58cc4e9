//! A draft for people: who wrote which line, what came together, what is left out.

use crate::api::draft::{ChangeSaid, DraftLineSaid, DraftSaid, TouchedSaid};
use crate::clock;
use crate::screen::table;

/// Characters of an id that people are shown.
const ID_CHARS: usize = 12;

pub(super) fn list(all: &[DraftLineSaid]) -> String {
    if all.is_empty() {
        return "No draft is known here.\nnext: `belay policy draft new NAME`\n".to_owned();
    }
    let row = |draft: &DraftLineSaid| {
        vec![
            draft.name.clone().unwrap_or_else(|| "(its beginning has not come)".to_owned()),
            short(&draft.id),
            draft.changes.to_string(),
            draft.heads.to_string(),
            draft.left_out.to_string(),
            draft.authors.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    table(&["DRAFT", "ID", "CHANGES", "BRANCHES", "LEFT OUT", "BY"], &rows)
}

pub(super) fn show(said: &DraftSaid) -> String {
    let mut text = head(said);
    for file in &said.files {
        text += &format!("\n{}\n", file.path);
        let widest = file.lines.iter().map(|line| line.by.join(", ").chars().count()).max();
        let width = widest.unwrap_or(0);
        for (line, number) in file.lines.iter().zip(1..) {
            let by = line.by.join(", ");
            text += &format!("{by:<width$} {number:>4}  {}\n", line.text.trim_end_matches('\n'));
        }
    }
    text += "\nchanges, oldest first\n";
    text += &said.changes.iter().map(change).collect::<String>();
    text + &left_out(said) + &touched(said)
}

fn head(said: &DraftSaid) -> String {
    let name = said.draft.name.as_deref().unwrap_or("(its beginning has not come)");
    let branches = match said.draft.heads {
        1 => "one branch".to_owned(),
        many => format!("{many} branches beside each other"),
    };
    let by = said.draft.authors.join(", ");
    format!("Draft {name} ({}) by {by}: {branches}.\n", short(&said.draft.id))
}

fn change(change: &ChangeSaid) -> String {
    let when = u64::try_from(change.said_s).unwrap_or(0).saturating_mul(1_000);
    let head = if change.head { " *" } else { "" };
    let left = match change.author_stands {
        true => "",
        false => " (no longer an author; others have built on it)",
    };
    let (hash, author) = (short(&change.hash), &change.author);
    format!("  {hash} {} {author}{left}{head} {}\n", clock::rfc3339(when), change.message)
}

fn left_out(said: &DraftSaid) -> String {
    let line = |left: &crate::api::draft::LeftOutSaid| {
        format!("  {} of {}: {}\n", short(&left.statement), left.author, left.why)
    };
    let lines: String = said.left_out.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\nleft out\n{lines}") }
}

/// What came together, and where somebody has to look.
pub(super) fn merge(said: &DraftSaid) -> String {
    if said.draft.heads < 2 {
        return format!("{}Nothing stands beside it: there is nothing to merge.\n", head(said));
    }
    let heads = said.changes.iter().filter(|change| change.head);
    let each: String = heads.map(change).collect();
    let mut text = format!("{}came together and signed as looked at:\n{each}", head(said));
    text += &match said.touched.is_empty() && said.doubled.is_empty() {
        true => "No line was touched in two branches.\n".to_owned(),
        false => touched(said),
    };
    text + &left_out(said)
}

fn touched(said: &DraftSaid) -> String {
    let mut text: String = said.touched.iter().map(both).collect();
    for path in &said.doubled {
        text += &format!("look at {path}: two authors began it at once, and one of them shows\n");
    }
    text
}

fn both(touched: &TouchedSaid) -> String {
    let mut text = format!("look at {} line {}: both touched it\n", touched.path, touched.line);
    let quote = |text: &str, mark: &str| -> String {
        text.lines().map(|line| format!("    {mark} {line}\n")).collect()
    };
    text += &quote(&touched.was, "was");
    for version in &touched.versions {
        text += &quote(&version.text, &version.author);
    }
    text
}

fn short(id: &str) -> String {
    id.chars().take(ID_CHARS).collect()
}
