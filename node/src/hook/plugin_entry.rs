//! A plugin of ours in OpenClaw's configuration: where it lies, and that it is on.
//!
//! Pure: a text in, a text out. Refused here: changing a list that somebody made of what may not
//! be loaded; then the file says the opposite, and that is said.

use super::change::{ChangeError, pretty, read_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A plugin by its name and its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginEntry {
    /// Its name.
    pub(crate) id: String,
    /// Where its files are.
    pub(crate) folder: String,
}

impl PluginEntry {
    /// The file with it.
    pub(super) fn put(&self, old: Option<&str>) -> Result<String, ChangeError> {
        let mut file = read_json(old)?;
        if let Some(key) = self.against(&file) {
            return Err(ChangeError::Against(key));
        }
        let Self { id, folder } = self;
        let plugins = table(&mut file, "plugins")?;
        if plugins.contains_key("allow") {
            add(plugins, "allow", id)?;
        }
        add(table_in(plugins, "load")?, "paths", folder)?;
        let entry = table_in(table_in(plugins, "entries")?, id)?;
        entry.insert("enabled".to_owned(), json!(true));
        Ok(pretty(&file))
    }

    /// The file without it.
    pub(super) fn taken_out(&self, now: &str) -> Result<String, ChangeError> {
        let mut file = read_json(Some(now))?;
        let plugins = &mut file["plugins"];
        let without = |list: Option<&mut Value>, word: &str| {
            if let Some(Value::Array(items)) = list {
                items.retain(|item| item != word);
            }
        };
        without(plugins.get_mut("allow"), &self.id);
        without(plugins.get_mut("load").and_then(|load| load.get_mut("paths")), &self.folder);
        if let Some(Value::Object(entries)) = plugins.get_mut("entries") {
            entries.remove(&self.id);
        }
        Ok(pretty(&file))
    }

    /// True while the file says it, and nothing against it.
    pub(super) fn stands_in(&self, now: &str) -> bool {
        let Ok(file) = read_json(Some(now)) else { return false };
        let plugins = &file["plugins"];
        let is_allowed = plugins.get("allow").is_none_or(|list| has(list, &self.id));
        self.against(&file).is_none()
            && is_allowed
            && has(&plugins["load"]["paths"], &self.folder)
            && plugins["entries"][&self.id]["enabled"] == true
    }

    /// The key that keeps it from being loaded whatever else the file says.
    fn against(&self, file: &Value) -> Option<String> {
        let plugins = &file["plugins"];
        let off = (plugins["enabled"] == false).then(|| "plugins.enabled".to_owned());
        off.or_else(|| has(&plugins["deny"], &self.id).then(|| "plugins.deny".to_owned()))
    }
}

fn has(list: &Value, word: &str) -> bool {
    list.as_array().is_some_and(|items| items.iter().any(|item| item == word))
}

type Table = Map<String, Value>;

fn table<'a>(file: &'a mut Value, key: &str) -> Result<&'a mut Table, ChangeError> {
    let odd = || ChangeError::Unreadable("it holds no object".to_owned());
    table_in(file.as_object_mut().ok_or_else(odd)?, key)
}

fn table_in<'a>(table: &'a mut Table, key: &str) -> Result<&'a mut Table, ChangeError> {
    let odd = || ChangeError::Unreadable(format!("what should hold “{key}” is no object"));
    let value = table.entry(key.to_owned()).or_insert_with(|| json!({}));
    value.as_object_mut().ok_or_else(odd)
}

fn add(table: &mut Table, key: &str, word: &str) -> Result<(), ChangeError> {
    let odd = || ChangeError::Unreadable(format!("{key} is no list"));
    let list = table.entry(key.to_owned()).or_insert_with(|| json!([]));
    let items = list.as_array_mut().ok_or_else(odd)?;
    if !items.iter().any(|item| item == word) {
        items.push(json!(word));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> PluginEntry {
        PluginEntry { id: "belay-1".into(), folder: "/s/p".into() }
    }

    /// Goal: it stands until something keeps it from being loaded. Method: each way of that; what
    /// others wrote stays when it goes.
    #[test]
    fn it_stands_until_something_keeps_it_from_being_loaded() {
        let own = r#"{"plugins": {"allow": ["x"], "load": {"paths": ["/x"]}}, "a": 1}"#;
        let with = ours().put(Some(own)).expect("a file");
        assert!(ours().stands_in(&with), "{with}");
        assert_eq!(ours().put(Some(&with)), Ok(with.clone()));
        let changed = |change: fn(&mut Value)| {
            let mut file = read_json(Some(&with)).expect("JSON");
            change(&mut file["plugins"]);
            ours().stands_in(&file.to_string())
        };
        assert!(changed(|plugins| plugins["deny"] = json!(["x"])));
        assert!(!changed(|plugins| plugins["enabled"] = json!(false)));
        assert!(!changed(|plugins| plugins["deny"] = json!(["belay-1"])));
        assert!(!changed(|plugins| plugins["allow"] = json!(["x"])));
        assert!(!changed(|plugins| plugins["load"] = json!({})));
        assert!(!changed(|plugins| plugins["entries"]["belay-1"]["enabled"] = json!(false)));
        let out = read_json(Some(&ours().taken_out(&with).expect("a file"))).expect("JSON");
        let left = json!({"allow": ["x"], "entries": {}, "load": {"paths": ["/x"]}});
        assert_eq!((&out["plugins"], &out["a"]), (&left, &json!(1)));
    }

    /// Goal: a file that says the opposite is not changed. Method: both ways, and odd files.
    #[test]
    fn a_file_that_says_the_opposite_is_not_changed() {
        let against = |text: &str| ours().put(Some(text)).err();
        let key = |key: &str| Some(ChangeError::Against(key.to_owned()));
        assert_eq!(against(r#"{"plugins": {"enabled": false}}"#), key("plugins.enabled"));
        assert_eq!(against(r#"{"plugins": {"deny": ["belay-1"]}}"#), key("plugins.deny"));
        for odd in ["[]", "{", r#"{"plugins": 1}"#, r#"{"plugins": {"load": {"paths": 1}}}"#] {
            assert!(matches!(against(odd), Some(ChangeError::Unreadable(_))), "{odd}");
        }
        assert!(ours().stands_in(&ours().put(None).expect("a file")));
        assert!(!ours().stands_in("{}") && !ours().stands_in("{"));
    }
}
