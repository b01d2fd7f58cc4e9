//! JSON and TOML as agents' files are written: what they say, and where in the text it stands.
//!
//! Whoever changes one value of somebody else's file puts other bytes into its place and leaves
//! every other byte alone. Refused here: writing a file anew.

use super::change::ChangeError;
use jsonc_parser::ast::Value as Json;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast, parse_to_serde_value};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// JSON, also with comments and what else agents let pass.
    Json,
    /// TOML.
    Toml,
}

impl Format {
    /// What a text says; an empty one nothing.
    pub(super) fn read(self, text: &str) -> Result<Value, ChangeError> {
        let read = match self {
            Self::Json if text.trim().is_empty() => Ok(json!({})),
            Self::Json => parse_to_serde_value::<Value>(text, &ParseOptions::default())
                .map_err(|error| error.to_string()),
            Self::Toml => toml::from_str::<Value>(text).map_err(|error| error.message().to_owned()),
        };
        match read {
            Ok(read) if read.is_object() => Ok(read),
            Ok(_) => Err(ChangeError::Unreadable("it holds no object".to_owned())),
            Err(why) => Err(ChangeError::Unreadable(why)),
        }
    }

    /// Where in the text a value stands.
    pub(super) fn range(self, text: &str, path: &[&str]) -> Option<Range<usize>> {
        match self {
            Self::Json => {
                let read = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
                json_range(read.ok()?.value.as_ref()?, path)
            }
            Self::Toml => {
                let read = DeTable::parse(text).ok()?;
                let (key, rest) = path.split_first()?;
                toml_range(read.get_ref().get(*key)?, rest)
            }
        }
    }

    /// A list of words as both write it.
    pub(super) fn words(words: &[String]) -> String {
        let words: Vec<String> =
            words.iter().map(|word| Value::from(word.as_str()).to_string()).collect();
        format!("[{}]", words.join(", "))
    }
}

fn json_range(value: &Json, path: &[&str]) -> Option<Range<usize>> {
    match path.split_first() {
        Some((key, rest)) => json_range(&value.as_object()?.get(key)?.value, rest),
        None => {
            let range = value.range();
            Some(range.start..range.end)
        }
    }
}

fn toml_range(value: &Spanned<DeValue>, path: &[&str]) -> Option<Range<usize>> {
    match path.split_first() {
        Some((key, rest)) => toml_range(value.get_ref().as_table()?.get(*key)?, rest),
        None => Some(value.span()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the place of a value is its bytes. Method: both formats, nested, beside comments.
    #[test]
    fn a_value_stands_in_its_bytes() {
        let json = "{ // mine\n \"a\": {\"b\" : [1, 2],},\n}";
        let toml = "# mine\n[a]\nb = [1, 2] # two\nc = { d = 'x' }\n";
        for (format, text, path, bytes) in [
            (Format::Json, json, &["a", "b"][..], "[1, 2]"),
            (Format::Toml, toml, &["a", "b"], "[1, 2]"),
            (Format::Toml, toml, &["a", "c", "d"], "'x'"),
            (Format::Toml, toml, &["a", "c"], "{ d = 'x' }"),
        ] {
            let range = format.range(text, path).expect("a place");
            assert_eq!(&text[range], bytes);
            assert_eq!(format.range(text, &["a", "x"]), None);
        }
        assert_eq!(Format::Json.read(json).expect("JSON")["a"]["b"][1], 2);
        assert_eq!(Format::Toml.read(toml).expect("TOML")["a"]["c"]["d"], "x");
        assert_eq!(Format::Json.read(" ").expect("nothing"), json!({}));
        assert!(Format::Json.read("[]").is_err() && Format::Json.read("{").is_err());
        assert!(Format::Toml.read("a =").is_err());
    }
}
