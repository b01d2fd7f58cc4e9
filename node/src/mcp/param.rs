//! Arguments that a tool wants repeated in headers, `Mcp-Param-…` (MCP 2026-07-28, Streamable HTTP,
//! "Custom Headers from Tool Parameters").
//!
//! A property says so in the tool's own schema (`x-mcp-header`), for those in between who route
//! without reading bodies. Towards a server they are written from the arguments and from nowhere
//! else; of a client they have to say what the arguments say. Refused here: deciding on one, and a
//! name that could end a header.

use super::json::Json;
use std::collections::BTreeSet;

/// What all their names begin with.
pub(crate) const PREFIX: &str = "mcp-param-";

const MARK: &str = "x-mcp-header";

/// Keywords that hold schemas of properties of the same value.
const PROPERTIES: &str = "properties";

/// Keywords that hold no schema, so that a mark below them is a value.
const VALUES: [&str; 5] = ["default", "const", "enum", "examples", "dependentRequired"];

/// One argument that is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param {
    path: Vec<String>,
    /// The header's name behind the prefix, in small letters.
    pub(crate) header: String,
}

/// What the headers of one request said of its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeated {
    /// Name behind the prefix, in small letters, and what was said.
    pub(crate) said: Vec<(String, String)>,
    /// Whether the era wants each of them.
    pub(crate) wanted: bool,
}

impl Param {
    /// Those of a tool.
    ///
    /// # Errors
    /// Why its schema names one that cannot be a header.
    pub(crate) fn of(schema: &Json) -> Result<Vec<Self>, String> {
        let mut found = Vec::new();
        collect(schema, Some(&mut Vec::new()), &mut found)?;
        let mut names = BTreeSet::new();
        match found.iter().find(|param| !names.insert(param.header.clone())) {
            Some(twice) => Err(format!("its schema names the header {} twice", twice.header)),
            None => Ok(found),
        }
    }

    /// What the arguments say of it; none where they say nothing or null.
    pub(crate) fn value(&self, arguments: Option<&Json>) -> Option<String> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match arguments?.at(&path)? {
            Json::Text(text) => Some(text.clone()),
            value @ (Json::Number(_) | Json::Bool(_)) => Some(value.to_string()),
            Json::Null | Json::List(_) | Json::Object(_) => None,
        }
    }
}

impl Repeated {
    /// Whether headers say what the arguments say.
    ///
    /// # Errors
    /// Which does not.
    pub(crate) fn check(&self, params: &[Param], arguments: Option<&Json>) -> Result<(), String> {
        for param in params {
            let (name, own) = (&param.header, param.value(arguments));
            let said = self.said.iter().find(|(said, _)| said == name).map(|(_, text)| text);
            match (said, own) {
                (Some(said), Some(own)) if same(said, &own) => {}
                (Some(said), Some(own)) => {
                    return Err(format!(
                        "the header {PREFIX}{name} says “{said}”, the body “{own}”"
                    ));
                }
                (Some(_), None) => {
                    return Err(format!("{PREFIX}{name} is said, and the body has no such value"));
                }
                (None, Some(_)) if self.wanted => {
                    return Err(format!("the header {PREFIX}{name} is missing"));
                }
                (None, _) => {}
            }
        }
        Ok(())
    }
}

/// A number may be written in more than one way.
fn same(said: &str, own: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().ok();
    said == own || number(said).is_some_and(|said| Some(said) == number(own))
}

/// Marks on the way from the root by properties alone; `path` is none off that way.
fn collect(
    schema: &Json,
    mut path: Option<&mut Vec<String>>,
    found: &mut Vec<Param>,
) -> Result<(), String> {
    let Some(members) = schema.as_object() else { return Ok(()) };
    for (name, value) in members {
        match name.as_str() {
            MARK => found.push(param(value, schema, path.as_deref().map(Vec::as_slice))?),
            PROPERTIES => {
                for (property, schema) in value.as_object().unwrap_or_default() {
                    match path.as_deref_mut() {
                        Some(path) => {
                            path.push(property.clone());
                            collect(schema, Some(path), found)?;
                            path.pop();
                        }
                        None => collect(schema, None, found)?,
                    }
                }
            }
            name if VALUES.contains(&name) => {}
            _ => off_the_way(value, found)?,
        }
    }
    Ok(())
}

/// Below any other keyword: one schema, several, or several by name, which reads as one.
fn off_the_way(value: &Json, found: &mut Vec<Param>) -> Result<(), String> {
    match value.as_list() {
        Some(all) => all.iter().try_for_each(|schema| collect(schema, None, found)),
        None => collect(value, None, found),
    }
}

fn param(mark: &Json, schema: &Json, path: Option<&[String]>) -> Result<Param, String> {
    let path = path.filter(|path| !path.is_empty());
    let path = path.ok_or("its schema names a header where no argument stands")?;
    let name = mark.as_text().unwrap_or_default();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(letter) {
        return Err("its schema names a header that is none".to_owned());
    }
    let kind = schema.get("type").and_then(Json::as_text).unwrap_or_default();
    if !["string", "integer", "number", "boolean"].contains(&kind) {
        return Err(format!("its schema repeats {}, which is no single value", path.join(".")));
    }
    Ok(Param { path: path.to_vec(), header: name.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: &str) -> Result<Vec<String>, String> {
        let params = Param::of(&Json::parse(schema.as_bytes()).unwrap())?;
        Ok(params
            .into_iter()
            .map(|param| format!("{}={}", param.path.join("."), param.header))
            .collect())
    }

    /// Goal: marks are found at any depth of properties; one that is no name of a header, stands
    /// twice, on no argument or on no single value is named.
    #[test]
    fn marks_are_found_or_named() {
        let good = r#"{"properties":{"r":{"type":"string","x-mcp-header":"Region"},"o":{"type":"object",
            "properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
            "d":{"type":"string","default":{"x-mcp-header":"no"}}}}"#;
        assert_eq!(of(good).unwrap(), ["r=region", "o.n=n"]);
        let bad = [
            (r#"{"x-mcp-header":"Root","type":"string"}"#, "no argument"),
            (r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#, "is none"),
            (r#"{"properties":{"a":{"type":"string","x-mcp-header":"A\r\nB: c"}}}"#, "is none"),
            (r#"{"properties":{"a":{"type":"string","x-mcp-header":7}}}"#, "is none"),
            (r#"{"properties":{"a":{"type":"array","x-mcp-header":"A"}}}"#, "no single value"),
            (
                r#"{"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}}}"#,
                "no argument",
            ),
            (r#"{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"#, "no argument"),
            (
                r#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#,
                "no argument",
            ),
            (
                r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
                "twice",
            ),
        ];
        for (schema, word) in bad {
            let why = of(schema).unwrap_err();
            assert!(why.contains(word), "{schema}: {why}");
        }
    }

    /// Goal: headers say what the arguments say, a number however it is written; what differs, is
    /// said of nothing, or is missing where it is wanted is named.
    #[test]
    fn headers_repeat_arguments() {
        let schema = br#"{"properties":{"r":{"type":"string","x-mcp-header":"R"},"n":{"type":"integer","x-mcp-header":"N"}}}"#;
        let params = Param::of(&Json::parse(schema).unwrap()).unwrap();
        let check = |said: &[(&str, &str)], wanted: bool, arguments: &str| {
            let said = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            let arguments = Json::parse(arguments.as_bytes()).unwrap();
            Repeated { said: said.collect(), wanted }.check(&params, Some(&arguments))
        };
        let both = [("r", "eu"), ("n", "007"), ("other", "x")];
        assert_eq!(check(&both, true, r#"{"r":"eu","n":7}"#), Ok(()));
        assert_eq!(check(&[], true, r#"{"r":null}"#), Ok(()));
        assert_eq!(check(&[], false, r#"{"r":"eu","n":7}"#), Ok(()));
        assert!(check(&both, true, r#"{"r":"us","n":7}"#).unwrap_err().contains("“us”"));
        assert!(check(&both, false, r#"{"r":"eu","n":8}"#).unwrap_err().contains("mcp-param-n"));
        assert!(check(&both, true, r#"{"r":"eu"}"#).unwrap_err().contains("no such value"));
        assert!(
            check(&[("r", "eu")], true, r#"{"r":"eu","n":7}"#).unwrap_err().contains("missing")
        );
    }
}
