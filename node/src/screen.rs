//! What a command shows: data on stdout, talk on stderr; words for people or one line of JSON.
//!
//! Much of it others wrote: reasons, names, results, refusals of strangers. Refused here: letting
//! their letters move a cursor, colour a line or turn its reading direction round.

use crate::clock;
use crate::fault::Fault;
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// How a command speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Words,
    /// One line for programs.
    Json,
}

/// Data with how complete it is.
pub(crate) struct Shown<'a, T> {
    /// `belay.<noun>.<verb>/1`.
    pub(crate) schema: &'a str,
    /// Who or what is missing from it.
    pub(crate) missing: Vec<String>,
    /// The data.
    pub(crate) data: &'a T,
    /// The same for people.
    pub(crate) words: String,
}

impl<'a, T: Serialize> Shown<'a, T> {
    /// Complete data.
    pub(crate) fn whole(schema: &'a str, data: &'a T, words: String) -> Self {
        Self { schema, missing: Vec::new(), data, words }
    }

    /// Writes it to stdout.
    pub(crate) fn show(&self, format: Format) -> Result<(), Fault> {
        let text = match format {
            Format::Words => harmless(&self.words),
            Format::Json => json!({
                "schema": self.schema,
                "as_of": clock::rfc3339(clock::wall_ms()),
                "complete": self.missing.is_empty(),
                "missing": self.missing,
                "data": self.data,
            })
            .to_string(),
        };
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            // A reader that has seen enough closes the pipe.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Fault::failed(format!("stdout: {error}"), "look at where it leads")),
        }
    }
}

/// Says a line on stderr. Nobody is left to tell when stderr is gone or its disk full, so that is
/// no reason to end.
pub(crate) fn talk(text: impl fmt::Display) {
    let line = harmless(&format!("{text}\n"));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// The text with every letter that a terminal would obey written out; lines and tabs stay.
fn harmless(text: &str) -> String {
    let obeyed = |letter: char| match letter {
        '\n' | '\t' => false,
        // Marks that turn the reading direction round, and line ends by another name.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        letter => letter.is_control(),
    };
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match obeyed(letter) {
            true => shown.extend(letter.escape_unicode()),
            false => shown.push(letter),
        }
    }
    shown
}

/// The same in one line.
pub(crate) fn one_line(text: &str) -> String {
    harmless(text).replace('\n', "\\n")
}

/// Says why a command failed, and what to do next.
pub(crate) fn fault(format: Format, fault: &Fault) -> ExitCode {
    let text = match format {
        Format::Words if fault.hint.is_empty() => format!("belay: {}", fault.what),
        Format::Words => format!("belay: {}\n  next: {}", fault.what, fault.hint),
        Format::Json => json!({
            "schema": "belay.error/1",
            "code": fault.code(),
            "message": fault.what,
            "hint": fault.hint,
            "exit": fault.exit,
        })
        .to_string(),
    };
    talk(text);
    ExitCode::from(fault.exit)
}

/// Rows in aligned columns, with a head.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::{harmless, one_line};

    /// Goal: what a stranger writes is read and not obeyed. Method: an escape sequence, a bell, a
    /// line turned round, a second line; ordinary text of any script stays as it is.
    #[test]
    fn what_others_wrote_is_read_and_not_obeyed() {
        assert_eq!(harmless("\u{1b}[2Jgone\u{7}"), "\\u{1b}[2Jgone\\u{7}");
        assert_eq!(harmless("ok \u{202e}dab"), "ok \\u{202e}dab");
        assert_eq!(harmless("a\tb\nпро́за 日本"), "a\tb\nпро́за 日本");
        assert_eq!(one_line("refused\n2026 order 1 is held"), "refused\\n2026 order 1 is held");
    }
}
