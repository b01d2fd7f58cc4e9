//! The shape of a source file: how it opens, how long and wide it is, how long its functions are.

use super::Complaint;
use super::source::{Source, Token};

/// Lines of a file without its tests: what one can hold in mind in one sitting.
pub const FILE_LINES_MAX: usize = 600;

/// Lines of one function outside tests: about a screen.
pub const FUNCTION_LINES_MAX: usize = 70;

/// Characters of one line, as rustfmt is told.
pub const COLUMNS_MAX: usize = 100;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "manager"];

/// The rules on the shape of one file.
pub fn check(source: &Source) -> Vec<Complaint> {
    [
        readable(source),
        opening(source),
        name(source),
        length(source),
        functions(source),
        columns(source),
    ]
    .concat()
}

fn readable(source: &Source) -> Vec<Complaint> {
    let error = source.broken.iter();
    error.map(|e| Complaint::about(&source.path, format!("cannot be read as Rust: {e}"))).collect()
}

fn opening(source: &Source) -> Vec<Complaint> {
    let first = source.text.lines().next().unwrap_or_default();
    if first.strip_prefix("//! ").is_some_and(|words| words.len() > 8) {
        return Vec::new();
    }
    vec![Complaint::at(&source.path, 1, "open with `//!`: what it is, why, what it refuses")]
}

fn name(source: &Source) -> Vec<Complaint> {
    let parts = source.path.trim_end_matches(".rs").split('/');
    let empty = parts.filter(|part| EMPTY_NAMES.contains(part));
    empty.map(|part| Complaint::about(&source.path, format!("`{part}` is no name"))).collect()
}

fn length(source: &Source) -> Vec<Complaint> {
    let lines = source.text.lines().count() - source.test_lines;
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let what = format!("{lines} lines without tests; {FILE_LINES_MAX} at most");
    vec![Complaint::about(&source.path, what)]
}

fn functions(source: &Source) -> Vec<Complaint> {
    let judged = if source.tests { &[][..] } else { &source.code };
    let starts = judged.iter().enumerate().filter(|(_, token)| token.text == "fn");
    starts
        .filter_map(|(at, start)| {
            let name = source.code.get(at + 1)?;
            let lines = end_of(&source.code[at..])?.line + 1 - start.line;
            let what = format!("fn {}: {lines} lines; {FUNCTION_LINES_MAX} at most", name.text);
            let too_long = lines > FUNCTION_LINES_MAX;
            too_long.then(|| Complaint::at(&source.path, start.line, what))
        })
        .collect()
}

/// The bracket that closes the function whose first token stands first; none without a body.
fn end_of(code: &[Token]) -> Option<&Token> {
    let (mut braces, mut others) = (0usize, 0usize);
    for token in code {
        match token.text.as_str() {
            ";" if braces == 0 && others == 0 => return None,
            "(" | "[" => others += 1,
            ")" | "]" if others == 0 => return None,
            ")" | "]" => others -= 1,
            "{" => braces += 1,
            "}" if braces == 1 => return Some(token),
            "}" => braces = braces.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

fn columns(source: &Source) -> Vec<Complaint> {
    let wide = |line: &str| line.chars().count() > COLUMNS_MAX && !holds_text(line);
    let lines = source.text.lines().enumerate().filter(|(_, line)| wide(line));
    let what = format!("wider than {COLUMNS_MAX} columns");
    lines.map(|(at, _)| Complaint::at(&source.path, at + 1, what.clone())).collect()
}

/// True for code with a text in it, which no formatter breaks.
fn holds_text(line: &str) -> bool {
    !line.trim_start().starts_with("//") && (line.contains('"') || line.ends_with('\\'))
}
