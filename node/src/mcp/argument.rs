//! The arguments of a call as the gate looks at them: one text per value.
//!
//! `{"path":"/x","opts":{"deep":true},"tags":["a","b"]}` becomes `path=/x`, `opts.deep=true`,
//! `tags=a`, `tags=b`: values of a list share its name, so that a rule which forbids one of them
//! forbids it wherever it stands. A dot within a name is written `\.`, and `\` itself `\\`, so
//! that no name poses as a path. Refused here: cutting; what does not fit is refused whole.

use super::json::Json;
use super::limits::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX};

/// Arguments that do not fit the gate's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// Every value with the path that leads to it.
pub(crate) fn flat(arguments: Option<&Json>) -> Result<Vec<(String, String)>, TooMuch> {
    let mut found = Found { pairs: Vec::new(), bytes: 0 };
    match arguments {
        None => {}
        Some(Json::Object(members)) => {
            for (name, value) in members {
                found.walk(&escaped(name), value)?;
            }
        }
        Some(other) => found.walk("", other)?,
    }
    Ok(found.pairs)
}

struct Found {
    pairs: Vec<(String, String)>,
    bytes: usize,
}

impl Found {
    fn walk(&mut self, path: &str, value: &Json) -> Result<(), TooMuch> {
        match value {
            Json::Object(members) if !members.is_empty() => {
                members.iter().try_for_each(|(name, value)| {
                    self.walk(&format!("{path}.{}", escaped(name)), value)
                })
            }
            Json::List(values) if !values.is_empty() => {
                values.iter().try_for_each(|value| self.walk(path, value))
            }
            Json::Text(text) => self.keep(path, text.clone()),
            Json::Object(_) | Json::List(_) | Json::Null | Json::Bool(_) | Json::Number(_) => {
                self.keep(path, value.to_string())
            }
        }
    }

    fn keep(&mut self, path: &str, value: String) -> Result<(), TooMuch> {
        self.bytes += path.len() + value.len();
        if self.pairs.len() >= ARGUMENTS_MAX || self.bytes > ARGUMENT_BYTES_MAX {
            return Err(TooMuch);
        }
        self.pairs.push((path.to_owned(), value));
        Ok(())
    }
}

fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('.', "\\.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<String>, TooMuch> {
        let pairs = flat(Some(&Json::parse(text.as_bytes()).unwrap()))?;
        Ok(pairs.into_iter().map(|(path, value)| format!("{path}={value}")).collect())
    }

    /// Goal: every value stands there once, under a path that no other name can pose as.
    #[test]
    fn every_value_is_named() {
        let text = r#"{"path":"/x","opts":{"deep":true,"a.b":1.50},"tags":["a",["b"]],"none":null,"e":{}}"#;
        let all = [
            "path=/x",
            "opts.deep=true",
            "opts.a\\.b=1.50",
            "tags=a",
            "tags=b",
            "none=null",
            "e={}",
        ];
        assert_eq!(of(text).unwrap(), all);
        assert_eq!(flat(None), Ok(Vec::new()));
        assert_eq!(of("7").unwrap(), ["=7"]);
    }

    /// Goal: arguments that do not fit are refused whole. Method: one value too many, one byte too
    /// many.
    #[test]
    fn arguments_that_do_not_fit_are_refused() {
        let many = |n: usize| format!("{{\"a\":[{}]}}", vec!["1"; n].join(","));
        assert_eq!(of(&many(ARGUMENTS_MAX)).unwrap().len(), ARGUMENTS_MAX);
        assert_eq!(of(&many(ARGUMENTS_MAX + 1)), Err(TooMuch));
        let long = |n: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(n));
        assert!(of(&long(ARGUMENT_BYTES_MAX - 1)).is_ok());
        assert_eq!(of(&long(ARGUMENT_BYTES_MAX)), Err(TooMuch));
    }
}
