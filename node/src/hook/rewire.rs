//! Connectors of an agent's file, started through the gateway: only the words that start a server
//! are changed, so its name, its variables and all else that the file says of it stay.
//!
//! Pure: texts in, texts out. What was put in is read again and compared with what was meant, so a
//! file in a form that is not understood is left alone. Refused here: taking back what somebody
//! else wrote since.

use super::change::ChangeError;
use super::connector_files::{Configured, ConnectorFile, Says};
use super::format::Format;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The words that start one server, before and since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swap {
    /// The way to what the file says of the server.
    entry: Vec<String>,
    /// Its values, the first of which the file had.
    values: Vec<Put>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    key: String,
    /// As it stood in the text; nothing where it did not.
    was: Option<String>,
    ours: Value,
}

impl Swap {
    /// The change that starts this server of a file by these words instead.
    pub(super) fn planned(
        file: &ConnectorFile,
        text: &str,
        server: &Configured,
        words: &[String],
    ) -> Option<Self> {
        let entry: Vec<String> = file.table.iter().chain([&server.name]).cloned().collect();
        let put = |key: &str, ours: Value| {
            let range = file.format.range(text, &way(&entry, key));
            let was = range.and_then(|range| text.get(range)).map(str::to_owned);
            Put { key: key.to_owned(), was, ours }
        };
        let values = match (file.says, words.split_first()) {
            (Says::CommandAndArgs, Some((program, words))) => {
                vec![put("command", program.as_str().into()), put("args", words.into())]
            }
            (Says::CommandList, _) => vec![put("command", words.into())],
            (Says::CommandAndArgs, None) => return None,
        };
        values.first()?.was.is_some().then_some(Self { entry, values })
    }

    /// The name of the server in the file.
    pub(crate) fn name(&self) -> &str {
        self.entry.last().map(String::as_str).unwrap_or_default()
    }

    fn put(&self, format: Format, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        for put in &self.values {
            let ours = written(&put.ours)?;
            match format.range(&text, &way(&self.entry, &put.key)) {
                Some(range) => text.replace_range(range, &ours),
                None => {
                    let first = &self.values.first()?.key;
                    let at = format.range(&text, &way(&self.entry, first))?.end;
                    text.insert_str(at, &self.inserted(format, &text, put)?);
                }
            }
        }
        Some(text)
    }

    fn taken_out(&self, format: Format, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        let file = format.read(&text).ok()?;
        for put in self.values.iter().filter(|put| self.found(&file, &put.key) == Some(&put.ours)) {
            let range = format.range(&text, &way(&self.entry, &put.key))?;
            match &put.was {
                Some(was) => text.replace_range(range, was),
                None => {
                    let inserted = self.inserted(format, &text, put)?;
                    let from = range.end.checked_sub(inserted.len())?;
                    match text.get(from..range.end) == Some(inserted.as_str()) {
                        true => text.replace_range(from..range.end, ""),
                        // It stands elsewhere now; no words are what was there.
                        false => text.replace_range(range, "[]"),
                    }
                }
            }
        }
        Some(text)
    }

    /// A value that the file does not have yet, as it is written behind the first one.
    fn inserted(&self, format: Format, text: &str, put: &Put) -> Option<String> {
        let (key, ours) = (&put.key, written(&put.ours)?);
        let entry: Vec<&str> = self.entry.iter().map(String::as_str).collect();
        Some(match format {
            Format::Json => format!(", \"{key}\": {ours}"),
            Format::Toml if text.get(format.range(text, &entry)?)?.starts_with('{') => {
                format!(", {key} = {ours}")
            }
            Format::Toml => format!("\n{key} = {ours}"),
        })
    }

    fn found<'a>(&self, file: &'a Value, key: &str) -> Option<&'a Value> {
        way(&self.entry, key).iter().try_fold(file, |value, key| value.get(key))
    }

    /// True while the file starts the server by our words, or has it no more.
    fn stands_in(&self, file: &Value) -> bool {
        let gone = self.entry.iter().try_fold(file, |value, key| value.get(key)).is_none();
        gone || self.values.iter().all(|put| self.found(file, &put.key) == Some(&put.ours))
    }
}

/// A text with every server started by our words.
pub(super) fn put(format: Format, swaps: &[Swap], text: &str) -> Result<String, ChangeError> {
    let form = || ChangeError::Unreadable("it names a connector in a form not known here".into());
    let mut meant = format.read(text)?;
    for swap in swaps {
        let entry = swap.entry.iter().try_fold(&mut meant, |value, key| value.get_mut(key));
        let entry = entry.and_then(Value::as_object_mut).ok_or_else(form)?;
        entry.extend(swap.values.iter().map(|put| (put.key.clone(), put.ours.clone())));
    }
    let put = |text: String, swap: &Swap| swap.put(format, &text);
    let new = swaps.iter().try_fold(text.to_owned(), put).ok_or_else(form)?;
    if format.read(&new)? == meant { Ok(new) } else { Err(form()) }
}

/// A text with every server of ours started as before.
pub(super) fn taken_out(format: Format, swaps: &[Swap], now: &str) -> Result<String, ChangeError> {
    format.read(now)?;
    let out = |text: String, swap: &Swap| swap.taken_out(format, &text);
    let left = swaps.iter().try_fold(now.to_owned(), out);
    left.ok_or_else(|| ChangeError::Unreadable("our words stand where none can".into()))
}

/// True while every server of ours is started by our words.
pub(super) fn stands_in(format: Format, swaps: &[Swap], now: &str) -> bool {
    format.read(now).is_ok_and(|file| swaps.iter().all(|swap| swap.stands_in(&file)))
}

fn way<'a>(entry: &'a [String], key: &'a str) -> Vec<&'a str> {
    entry.iter().map(String::as_str).chain([key]).collect()
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::Array(words) => {
            let words: Option<Vec<String>> =
                words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            words.map(|words| Format::words(&words))
        }
        Value::String(_) => Some(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::connector_files::connector_files;
    use std::path::Path;

    fn swapped(agent: &str, text: &str) -> (Format, Vec<Swap>) {
        let files = connector_files(Path::new("/h"), Path::new("/p"));
        let file = files.iter().find(|file| file.agent == agent).expect("a known agent");
        let servers = file.connectors(text).expect("a file");
        let words = |name: &str| ["belay", "mcp", name].map(str::to_owned).to_vec();
        let swap = |server: &Configured| {
            Swap::planned(file, text, server, &words(&server.name)).expect("a command")
        };
        (file.format, servers.iter().map(swap).collect())
    }

    const FILES: &[(&str, &str)] = &[
        (
            "claude-code",
            "{\"n\":1,\n  \"mcpServers\": {\"a\":{ \"command\" : \"npx\",\"args\":[ \"x\" ],\"env\":{\"T\":\"s\"}}, \"b\": {\"command\":\"b\"}}}",
        ),
        (
            "codex",
            "# mine\n[mcp_servers.a] # a\ncommand = 'npx'   # how\nargs = [\n  \"x\", # one\n]\nenv = { T = \"s\" }\n\n[mcp_servers.b]\ncommand = \"b\"\n[mcp_servers]\nc = { command = \"c\" }\n",
        ),
        ("codex", "mcp_servers.a.command = \"npx\"\nmcp_servers.a.args = [\"x\"]\n"),
        (
            "opencode",
            "{ // mine\n \"mcp\": {\"a\": {\"type\":\"local\",\"command\":[\"npx\",\"x\"],},}}",
        ),
    ];

    /// Goal: only the words that start a server change, and they come back byte for byte. Method:
    /// each format, odd formatting, servers with and without words, comments between them.
    #[test]
    fn only_the_words_that_start_a_server_change() {
        for (agent, text) in FILES {
            let (format, swaps) = swapped(agent, text);
            let new = put(format, &swaps, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(stands_in(format, &swaps, &new) && !stands_in(format, &swaps, text), "{new}");
            assert!(new.contains("belay") && new.contains("mine") == text.contains("mine"));
            assert!(!new.contains("npx"), "{new}");
            assert_eq!(taken_out(format, &swaps, &new).expect("a file"), *text);
        }
    }

    /// Goal: what somebody wrote since stays, and what he took out does not come back. Method: a
    /// server changed, one removed, a line added, the whole file written anew by a program.
    #[test]
    fn what_others_wrote_since_stays() {
        let (agent, text) = FILES[0];
        let (format, swaps) = swapped(agent, text);
        let new = put(format, &swaps, text).expect("a file");
        let anew = format!("{:#}", format.read(&new).expect("JSON"));
        let out = taken_out(format, &swaps, &anew).expect("a file");
        let (mut was, mut is) =
            (format.read(text).expect("JSON"), format.read(&out).expect("JSON"));
        assert_eq!(is["mcpServers"]["b"]["args"], Value::Array(Vec::new()));
        for file in [&mut was, &mut is] {
            file["mcpServers"]["b"]["args"].take();
        }
        assert_eq!(is, was);
        let theirs = new.replacen("\"belay\"", "\"other\"", 1);
        assert!(!stands_in(format, &swaps, &theirs));
        let out = taken_out(format, &swaps, &theirs).expect("a file");
        assert!(out.contains("\"other\"") && out.contains("\"b\": {\"command\":\"b\"}"), "{out}");
        assert!(stands_in(format, &swaps, "{}"));
        assert_eq!(taken_out(format, &swaps, "{\"k\": 1}").expect("a file"), "{\"k\": 1}");
        assert!(put(format, &swaps, "{}").is_err());
    }
}
