//! The register of invariants against the code: no id without its sentence, no sentence without its
//! assert, and none that claims more than there is.

use super::Complaint;
use super::source::Source;

/// Where the register stands.
pub const PATH: &str = "tests/invariants.md";

/// How a row says that something is still missing.
const NOT_YET: &str = "not yet";

/// One row of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line, from 1.
    pub line: usize,
    /// The invariant, `INV-AREA-N`.
    pub id: String,
    /// The files that assert it.
    pub asserted: String,
    /// What watches it from outside.
    pub watched: String,
}

/// The rows of the register's table.
pub fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| {
            let cells: Vec<&str> =
                line.trim().trim_matches('|').split('|').map(str::trim).collect();
            let [id, _class, _sentence, asserted, watched, _planted] = cells.as_slice() else {
                return None;
            };
            let known = id.starts_with("INV-").then(|| (*id).to_owned())?;
            let (asserted, watched) = ((*asserted).to_owned(), (*watched).to_owned());
            Some(Row { line: at + 1, id: known, asserted, watched })
        })
        .collect()
}

/// The rules on the register.
pub fn check(text: &str, sources: &[Source]) -> Vec<Complaint> {
    let rows = rows(text);
    let mut found = strangers(&rows, sources);
    for (at, row) in rows.iter().enumerate() {
        if rows[..at].iter().any(|earlier| earlier.id == row.id) {
            found.push(Complaint::at(PATH, row.line, format!("{} stands there twice", row.id)));
        }
        found.extend(check_cell(row, &row.asserted, sources));
        found.extend(check_cell(row, &row.watched, sources));
    }
    if rows.is_empty() {
        found.push(Complaint::about(PATH, "holds no rows that can be read"));
    }
    found
}

/// Each file that a cell names must name the invariant; a cell without files must say "not yet".
fn check_cell(row: &Row, cell: &str, sources: &[Source]) -> Vec<Complaint> {
    let files: Vec<&str> = cell.split('`').filter(|word| word.ends_with(".rs")).collect();
    if files.is_empty() && !cell.contains(NOT_YET) {
        let what = format!("{}: name a file, or say `{NOT_YET}`", row.id);
        return vec![Complaint::at(PATH, row.line, what)];
    }
    let names_it = |file: &str| {
        let mut sources = sources.iter().filter(|source| source.path == file);
        sources.any(|source| ids(&source.text).any(|(_, id)| id == row.id))
    };
    let empty = files.into_iter().filter(|file| !names_it(file));
    empty
        .map(|file| Complaint::at(PATH, row.line, format!("{file} does not name {}", row.id)))
        .collect()
}

fn strangers(rows: &[Row], sources: &[Source]) -> Vec<Complaint> {
    let judged = sources.iter().filter(|source| source.path != EXAMPLES);
    let mut found = Vec::new();
    for source in judged {
        let unknown = ids(&source.text).filter(|(_, id)| !rows.iter().any(|row| row.id == *id));
        found.extend(
            unknown.map(|(line, id)| {
                Complaint::at(&source.path, line, format!("{id} is not in {PATH}"))
            }),
        );
    }
    found
}

/// The one file whose ids are examples of breaches.
const EXAMPLES: &str = "tests/tests/house.rs";

/// Every `INV-AREA-N` of a text, with its line.
fn ids(text: &str) -> impl Iterator<Item = (usize, String)> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    text.lines().enumerate().flat_map(move |(at, line)| {
        let words = line.split(move |c: char| !is_part(c));
        let ids = words.map(|word| word.trim_matches('-')).filter(|word| {
            let number = word.rsplit('-').next().unwrap_or_default();
            word.starts_with("INV-")
                && word.split('-').count() == 3
                && number.parse::<u32>().is_ok()
        });
        ids.map(move |id| (at + 1, id.to_owned())).collect::<Vec<_>>()
    })
}
