//! What a configuration file of an agent says so that the agent asks, and how that is taken out
//! again.
//!
//! Pure: a text in, a text out. Every change knows its own lines by the hook's command, which names
//! one node's state, so two nodes have lines of their own in one file. Refused here: changing what
//! somebody else wrote; a file that says the opposite is an error that names the key.

use super::format::Format;
use super::plugin_entry::PluginEntry;
use super::rewire::{self, Swap};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// A change of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// An entry in a list of a JSON file, and what has to hold beside it.
    Entry {
        /// The way to the list.
        list: Vec<String>,
        /// What is put into it.
        entry: Value,
        /// Keys of the file, and the value without which the hook is not called.
        holds: Vec<(Vec<String>, Value)>,
    },
    /// Lines at the end of a TOML file, between marks.
    Lines {
        /// The name in the marks.
        mark: String,
        /// The lines.
        text: String,
        /// A switch, as table and key, that is to be true and is written where the file lacks it.
        switch: Option<(String, String)>,
    },
    /// Connectors that are started through the gateway.
    Servers {
        /// How the file is written.
        format: Format,
        /// Which, and how they were started.
        swaps: Vec<Swap>,
    },
    /// A key of a JSON file that says this, where the file did not have it.
    Pin {
        /// The way to it.
        path: Vec<String>,
        /// What it says.
        value: Value,
    },
    /// A plugin that is loaded.
    Plugin(PluginEntry),
    /// A file of our own.
    Whole {
        /// All of it.
        text: String,
        /// What it is there for.
        serves: Serves,
    },
}

/// What our lines in a file do for their agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Serves {
    /// It asks before a call.
    Asking,
    /// It tells what came of a call.
    Telling,
    /// It starts connectors through the gateway.
    Connectors,
}

/// Why a file cannot be changed; its owner can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangeError {
    /// It is not what its name says.
    Unreadable(String),
    /// It says the opposite.
    Against(String),
    /// Somebody else's file has the place of ours.
    Taken,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::Against(key) => write!(f, "it has {key}, so no hook of this file is called"),
            Self::Taken => f.write_str("somebody else wrote it"),
        }
    }
}

impl ChangeError {
    /// What to do next.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "mend the file, or move it away, and wrap again",
            Self::Against(_) => "mend that in the file, and wrap again",
            Self::Taken => "move it away, and wrap again",
        }
    }
}

impl Change {
    /// The file with it.
    pub(crate) fn put(&self, old: Option<&str>) -> Result<String, ChangeError> {
        match self {
            Self::Entry { list, entry, holds } => put_entry(old, list, entry, holds),
            Self::Lines { mark, text, switch } => put_lines(old, mark, text, switch.as_ref()),
            Self::Servers { format, swaps } => rewire::put(*format, swaps, old.unwrap_or_default()),
            Self::Pin { path, value } => put_pin(old, path, value),
            Self::Plugin(entry) => entry.put(old),
            Self::Whole { text, .. } => match old {
                Some(old) if old != text => Err(ChangeError::Taken),
                Some(_) | None => Ok(text.clone()),
            },
        }
    }

    /// The file without it, where it was changed since; nothing where nothing else is left.
    pub(crate) fn taken_out(&self, now: &str) -> Result<Option<String>, ChangeError> {
        match self {
            Self::Entry { list, entry, .. } => {
                let mut file = read_json(Some(now))?;
                let path: Vec<&str> = list.iter().map(String::as_str).collect();
                if let Some(Value::Array(items)) = at_mut(&mut file, &path) {
                    items.retain(|item| item != entry);
                }
                Ok(Some(pretty(&file)))
            }
            Self::Lines { mark, .. } => Ok(Some(without_block(now, mark))),
            Self::Servers { format, swaps } => rewire::taken_out(*format, swaps, now).map(Some),
            Self::Pin { path, value } => {
                let mut file = read_json(Some(now))?;
                let way: Vec<&str> = path.iter().map(String::as_str).collect();
                if at(&file, &way) == Some(value)
                    && let Some((key, table)) = way.split_last()
                    && let Some(table) = at_mut(&mut file, table).and_then(Value::as_object_mut)
                {
                    table.remove(*key);
                }
                Ok(Some(pretty(&file)))
            }
            Self::Plugin(entry) => entry.taken_out(now).map(Some),
            Self::Whole { text, .. } if now == text => Ok(None),
            Self::Whole { .. } => Err(ChangeError::Taken),
        }
    }

    /// True while the file says it, and nothing against it.
    pub(crate) fn stands_in(&self, now: &str) -> bool {
        match self {
            Self::Entry { list, entry, holds } => read_json(Some(now)).is_ok_and(|file| {
                let path: Vec<&str> = list.iter().map(String::as_str).collect();
                let holds = holds.iter().all(|(path, value)| {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    at(&file, &path).is_none_or(|found| found == value)
                });
                let items = at(&file, &path).and_then(Value::as_array);
                holds && items.is_some_and(|items| items.contains(entry))
            }),
            Self::Lines { mark, text, switch } => {
                let file: toml::Table = now.parse().unwrap_or_default();
                let on = |(table, key): &(String, String)| {
                    let value = file.get(table).and_then(|table| table.get(key));
                    value.and_then(toml::Value::as_bool) == Some(true)
                };
                let switched_on = switch.as_ref().is_none_or(on);
                let whole = now.contains(&block_head(mark)) && now.contains(text.trim_end());
                switched_on && whole && trusted_places_hold(&file, text)
            }
            Self::Servers { format, swaps } => rewire::stands_in(*format, swaps, now),
            Self::Pin { path, value } => read_json(Some(now)).is_ok_and(|file| {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                at(&file, &path) == Some(value)
            }),
            Self::Plugin(entry) => entry.stands_in(now),
            Self::Whole { text, .. } => now == text,
        }
    }

    /// What it does for its agent.
    pub(crate) fn serves(&self) -> Serves {
        match self {
            Self::Entry { .. } | Self::Lines { .. } | Self::Plugin(_) => Serves::Asking,
            Self::Servers { .. } | Self::Pin { .. } => Serves::Connectors,
            Self::Whole { serves, .. } => *serves,
        }
    }
}

fn put_entry(
    old: Option<&str>,
    list: &[String],
    entry: &Value,
    holds: &[(Vec<String>, Value)],
) -> Result<String, ChangeError> {
    let mut file = read_json(old)?;
    for (path, value) in holds {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if at(&file, &path).is_some_and(|found| found != value) {
            return Err(ChangeError::Against(path.join(".")));
        }
    }
    let mut place = &mut file;
    for key in list {
        let fields = place.as_object_mut().ok_or_else(|| not_an_object(key))?;
        place = fields.entry(key.clone()).or_insert(Value::Null);
        if place.is_null() {
            *place = json!({});
        }
    }
    if place.as_object().is_some_and(Map::is_empty) {
        *place = json!([]);
    }
    let items = place
        .as_array_mut()
        .ok_or_else(|| ChangeError::Unreadable(format!("{} is no list", list.join("."))))?;
    if !items.contains(entry) {
        items.push(entry.clone());
    }
    Ok(pretty(&file))
}

fn put_pin(old: Option<&str>, path: &[String], value: &Value) -> Result<String, ChangeError> {
    let mut file = read_json(old)?;
    let mut place = &mut file;
    for key in path {
        let fields = place.as_object_mut().ok_or_else(|| not_an_object(key))?;
        let last = fields.entry(key.clone()).or_insert(Value::Null);
        if last.is_null() {
            *last = json!({});
        }
        place = last;
    }
    let is_new = place.as_object().is_some_and(Map::is_empty);
    if !is_new && place != value {
        return Err(ChangeError::Against(path.join(".")));
    }
    *place = value.clone();
    Ok(pretty(&file))
}

fn not_an_object(key: &str) -> ChangeError {
    ChangeError::Unreadable(format!("what should hold “{key}” is no object"))
}

pub(super) fn read_json(text: Option<&str>) -> Result<Value, ChangeError> {
    let text = text.filter(|text| !text.trim().is_empty()).unwrap_or("{}");
    let read: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| ChangeError::Unreadable(error.to_string()))?;
    Ok(Value::Object(read))
}

pub(super) fn pretty(file: &Value) -> String {
    format!("{file:#}\n")
}

fn at<'a>(file: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(file, |value, key| value.get(key))
}

fn at_mut<'a>(file: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(file, |value, key| value.get_mut(key))
}

/// Codex trusts a hook at its place among those of its event (`FILE:pre_tool_use:0:0`), so one that
/// somebody put before ours takes its trust away. True where nothing is said of trust.
fn trusted_places_hold(file: &toml::Table, ours: &str) -> bool {
    let ours: toml::Table = ours.parse().unwrap_or_default();
    let hooks = |table: &toml::Table| table.get("hooks").and_then(toml::Value::as_table).cloned();
    let (file, ours) = (hooks(file).unwrap_or_default(), hooks(&ours).unwrap_or_default());
    let Some(trusted) = ours.get("state").and_then(toml::Value::as_table) else { return true };
    let group_at = |event: &str, at: usize| file.get(event)?.as_array()?.get(at).cloned();
    ours.iter().filter(|(event, _)| *event != "state").all(|(event, groups)| {
        let word = snake(event);
        groups.as_array().into_iter().flatten().all(|group| {
            trusted.keys().any(|key| {
                let place = key.rsplit_once(&format!(":{word}:")).map(|(_, place)| place);
                let at = place.and_then(|place| place.split(':').next()?.parse().ok());
                at.is_some_and(|at| group_at(event, at).as_ref() == Some(group))
            })
        })
    })
}

/// `PreToolUse` as `pre_tool_use`.
fn snake(event: &str) -> String {
    let mut word = String::new();
    for letter in event.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

fn block_head(mark: &str) -> String {
    format!("# {mark}: begin; `belay agent unwrap` takes this out again\n")
}

fn block_end(mark: &str) -> String {
    format!("# {mark}: end\n")
}

fn put_lines(
    old: Option<&str>,
    mark: &str,
    text: &str,
    switch: Option<&(String, String)>,
) -> Result<String, ChangeError> {
    let old = old.unwrap_or_default();
    let unreadable = |error: toml::de::Error| ChangeError::Unreadable(error.message().to_owned());
    let file: toml::Table = old.parse().map_err(unreadable)?;
    let pinned = match switch {
        None => String::new(),
        Some((table, key)) => match file.get(table).map(|table| table.get(key)) {
            None => format!("[{table}]\n{key} = true\n"),
            Some(Some(value)) if value.as_bool() == Some(true) => String::new(),
            Some(_) => {
                let what = format!("[{table}] without {key} = true, which must stand in it");
                return Err(ChangeError::Against(what));
            }
        },
    };
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let new = format!("{old}{gap}{}{pinned}{text}{}", block_head(mark), block_end(mark));
    new.parse::<toml::Table>().map_err(unreadable)?;
    Ok(new)
}

fn without_block(now: &str, mark: &str) -> String {
    let (head, end) = (block_head(mark), block_end(mark));
    let Some((before, rest)) = now.split_once(&head) else { return now.to_owned() };
    let after = rest.split_once(&end).map_or("", |(_, after)| after);
    format!("{before}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Change {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        let off = (words(&["disableAllHooks"]), json!(false));
        let list = words(&["hooks", "PreToolUse"]);
        Change::Entry { list, entry: json!({"matcher": "*", "n": 1}), holds: vec![off] }
    }

    fn lines() -> Change {
        let switch = Some(("features".to_owned(), "hooks".to_owned()));
        Change::Lines { mark: "belay 00ff".into(), text: "[[hooks.X]]\na = 1\n".into(), switch }
    }

    /// Goal: an entry stands beside what others wrote and leaves it as it was. Method: files with
    /// nothing, with hooks of others, and then changed by their owner.
    #[test]
    fn an_entry_comes_and_goes_beside_others() {
        for old in
            [None, Some(""), Some("{}"), Some("{\"hooks\":{\"PreToolUse\":[{\"n\":0}]},\"a\":1}")]
        {
            let with = entry().put(old).expect("a file that can be changed");
            assert!(entry().stands_in(&with), "{with}");
            assert_eq!(entry().put(Some(&with)).as_deref(), Ok(with.as_str()), "once is enough");
            let later = with.replacen('{', "{\"later\": true,", 1);
            let out = entry().taken_out(&later).expect("a file").expect("something is left");
            assert!(!entry().stands_in(&out) && out.contains("later"), "{out}");
            assert_eq!(out.contains("\"n\": 0"), old.is_some_and(|old| old.contains("\"n\"")));
        }
    }

    /// Goal: a file that keeps hooks from being called is said so, before and afterwards. Method:
    /// the switch in a file that is wrapped, and in one that was.
    #[test]
    fn a_switch_against_the_hook_is_seen() {
        let off = "{\"disableAllHooks\": true}";
        assert_eq!(entry().put(Some(off)), Err(ChangeError::Against("disableAllHooks".into())));
        let with = entry().put(None).expect("a file");
        assert!(!entry().stands_in(&with.replacen('{', "{\"disableAllHooks\": true,", 1)));
        for broken in ["[]", "{", "{\"hooks\": 1}", "{\"hooks\": {\"PreToolUse\": {\"a\": 1}}}"] {
            assert!(
                matches!(entry().put(Some(broken)), Err(ChangeError::Unreadable(_))),
                "{broken}"
            );
        }
        let with = lines().put(Some("# mine\na = 1\n")).expect("a file");
        assert!(lines().stands_in(&with), "{with}");
        assert!(!lines().stands_in(&with.replace("hooks = true", "hooks = false")));
        assert!(matches!(
            lines().put(Some("[features]\nhooks = false\n")),
            Err(ChangeError::Against(_))
        ));
        assert!(matches!(
            lines().put(Some("[features]\nother = 1\n")),
            Err(ChangeError::Against(_))
        ));
        assert!(lines().put(Some("[features]\nhooks = true\n")).is_ok());
        assert!(matches!(lines().put(Some("a = ")), Err(ChangeError::Unreadable(_))));
    }

    /// Goal: a hook whose place in the file is another than the one that Codex trusts is seen to be
    /// off. Method: a hook of somebody else behind ours, then before it.
    #[test]
    fn a_hook_that_lost_its_trusted_place_is_off() {
        let group = "[[hooks.PreToolUse]]\nmatcher = \"*\"\n";
        let state = "[hooks.state.\"/f:pre_tool_use:0:0\"]\ntrusted_hash = \"h\"\n";
        let text = format!("{group}{state}");
        let ours = Change::Lines { mark: "belay 1".into(), text, switch: None };
        let with = ours.put(Some("a = 1\n")).expect("a file");
        assert!(ours.stands_in(&with), "{with}");
        let theirs = "[[hooks.PreToolUse]]\nmatcher = \"x\"\n";
        assert!(ours.stands_in(&format!("{with}{theirs}")));
        assert!(!ours.stands_in(&with.replace("a = 1\n", theirs)));
    }

    /// Goal: lines of two nodes stand in one file, and each takes out its own. Method: both put,
    /// the file changed around them, one taken out.
    #[test]
    fn two_nodes_have_lines_of_their_own() {
        let other =
            Change::Lines { mark: "belay 1".into(), text: "[t]\nb = 2\n".into(), switch: None };
        let both = other.put(Some(&lines().put(Some("# mine")).expect("one"))).expect("two");
        let later = format!("{both}# after\n");
        let out = lines().taken_out(&later).expect("a file").expect("something is left");
        assert!(other.stands_in(&out) && !lines().stands_in(&out));
        assert!(out.starts_with("# mine\n") && out.ends_with("# after\n"), "{out}");
    }

    /// Goal: a key that the file lacks is pinned and taken out again; the opposite is an error.
    #[test]
    fn a_pin_comes_and_goes() {
        let path = vec!["h".to_owned(), "on".to_owned()];
        let pin = Change::Pin { path, value: json!(true) };
        let with = pin.put(Some("{\"h\": {\"x\": 1}}")).expect("a file");
        assert!(pin.stands_in(&with) && !pin.stands_in(&with.replace("true", "false")));
        let out = pin.taken_out(&with).expect("a file").expect("a file");
        assert_eq!(read_json(Some(&out)), Ok(json!({"h": {"x": 1}})));
        assert_eq!(
            pin.put(Some("{\"h\": {\"on\": false}}")),
            Err(ChangeError::Against("h.on".into()))
        );
    }

    /// Goal: a file of our own is never somebody else's. Method: another text in its place.
    #[test]
    fn a_file_of_our_own_is_nobody_elses() {
        let whole = Change::Whole { text: "ours".into(), serves: Serves::Asking };
        assert_eq!(whole.put(Some("theirs")), Err(ChangeError::Taken));
        assert_eq!(whole.taken_out("ours"), Ok(None));
        assert_eq!(whole.taken_out("ours, changed"), Err(ChangeError::Taken));
    }
}
