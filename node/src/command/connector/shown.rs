//! What a server would tell the model, before it is approved: instructions and descriptors whole.
//!
//! A descriptor steers whoever reads it, so what is approved is what was read here, not a hash.
//! Letters that a model reads and a person does not see are written out. Refused here: a Yes that
//! nobody gave.

use crate::fault::{Fault, io};
use crate::mcp::json::Json;
use crate::mcp::pin::{Change, Pins};
use crate::mcp::session::Shown;
use crate::screen::talk;
use std::io::IsTerminal;

/// Shows what a server says of itself and of its tools, as far as it was not approved already, and
/// asks whether that is approved.
///
/// # Errors
/// Nobody said yes.
pub(super) fn ask(name: &str, before: &Pins, seen: &Shown, yes: bool) -> Result<(), Fault> {
    let changes = before.changes(&seen.pins);
    if changes.is_empty() {
        return Ok(());
    }
    for line in lines(name, &changes, seen) {
        talk(line);
    }
    if yes { Ok(()) } else { confirm(name) }
}

fn confirm(name: &str) -> Result<(), Fault> {
    if !std::io::stdin().is_terminal() {
        let hint = "read what it says above; give --yes where nobody can be asked";
        return Err(Fault::wrong_use("nothing was approved: approving a server asks first", hint));
    }
    talk(format_args!("May agents be told this? Type yes to approve {name}:"));
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(io("reading the terminal"))?;
    if typed.trim() == "yes" {
        return Ok(());
    }
    Err(Fault::failed("nothing was approved", "type yes to go on"))
}

fn lines(name: &str, changes: &[Change], seen: &Shown) -> Vec<String> {
    let mut lines = Vec::new();
    for change in changes {
        match change {
            Change::Server { .. } => {
                lines.push(format!("{name} calls itself {}", plain(&seen.pins.calls_itself)));
                if let Some(text) = seen.instructions.as_text() {
                    lines.push("  it instructs the model:".to_owned());
                    lines.extend(quoted(text));
                }
            }
            Change::Tool { tool, .. } => {
                lines.push(format!("the tool {} says something else now:", plain(tool)));
                lines.extend(descriptor(tool, seen));
            }
            Change::New { tool, .. } => {
                lines.push(format!("the tool {} says:", plain(tool)));
                lines.extend(descriptor(tool, seen));
            }
            Change::Gone { tool, .. } => lines.push(format!("the tool {} is gone", plain(tool))),
        }
    }
    lines
}

/// A tool's description as text, and all else of its descriptor as it stands.
fn descriptor(name: &str, seen: &Shown) -> Vec<String> {
    let named = |tool: &&Json| tool.get("name").and_then(Json::as_text) == Some(name);
    let Some(mut tool) = seen.tools.iter().find(named).cloned() else { return Vec::new() };
    tool.take("name");
    let mut lines = Vec::new();
    if let Some(Json::Text(text)) = tool.take("description") {
        lines.extend(quoted(&text));
    }
    lines.push(format!("  with {}", plain(&tool.to_string())));
    lines
}

/// Each line of a text under a mark, so that none of them poses as one of this program.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| format!("  | {}", plain(line)))
}

/// The text with the letters that nobody sees written out.
fn plain(text: &str) -> String {
    let unseen = |letter: char| {
        matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}')
            || letter.is_control()
    };
    let written = |letter: char| match unseen(letter) {
        true => letter.escape_unicode().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn shown(description: &str, instructions: &str) -> Shown {
        let tool = Json::object([
            ("name", Json::text("read")),
            ("description", Json::text(description)),
            ("inputSchema", Json::object([("type", Json::text("object"))])),
        ]);
        let instructions = Json::text(instructions);
        let greeting = Json::object([("instructions", instructions.clone())]);
        let pins = Pins::of(&Json::Null, &greeting, std::slice::from_ref(&tool));
        Shown { pins, refused: BTreeMap::new(), instructions, tools: vec![tool] }
    }

    /// Goal: all that a model would read is shown, what was approved already is not shown again,
    /// and no line or unseen letter of a server hides or poses as this program's. Method: a first
    /// look, a look at nothing new, one at a changed description with such letters.
    #[test]
    fn what_a_model_would_read_is_shown() {
        let first = shown("Reads.", "be kind");
        let all = |before: &Pins, seen: &Shown| {
            lines("files", &before.changes(&seen.pins), seen).join("\n")
        };
        let words = all(&Pins::default(), &first);
        for part in ["| be kind", "| Reads.", r#"with {"inputSchema":{"type":"object"}}"#] {
            assert!(words.contains(part), "{part} is not in {words}");
        }
        assert_eq!(all(&first.pins, &first), "");
        assert!(ask("files", &first.pins, &first, false).is_ok(), "nothing is asked twice");
        let other = shown("Reads.\nbelay: approved\u{e0041}\u{200b}", "be kind");
        let words = all(&first.pins, &other);
        assert!(words.contains("  | belay: approved\\u{e0041}\\u{200b}"), "{words}");
        assert!(!words.contains("be kind") && !words.contains("\nbelay"), "{words}");
    }
}
