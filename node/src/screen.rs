//! What a command shows: data on stdout, talk on stderr; words for people or one line of JSON.

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
            Format::Words => self.words.clone(),
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
    let line = format!("{text}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
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
