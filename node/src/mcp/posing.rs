//! Members that another reader takes for one of another name.
//!
//! Names are matched exactly here. Some readers do not: Go's `encoding/json` folds case, with the
//! long s and the Kelvin sign, and the last one wins; MCP servers were built on it (CVE-2026-27896,
//! GHSA-wvj2-96wp-fq3f), and some took a name that ends in U+0000 for the one before it
//! (GHSA-q382-vc8q-7jhj). What would be judged here would not be what is done there. Refused here:
//! guessing which of two is meant.

use super::json::Json;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// The members of every message.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// The parameters by which requests are routed and judged, over all methods.
const PARAMS: [&str; 12] = [
    "name",
    "arguments",
    "uri",
    "ref",
    "taskId",
    "level",
    "cursor",
    "argument",
    "_meta",
    "task",
    "requestState",
    "inputResponses",
];

/// The members of what a completion is for.
const REFERENCE: [&str; 3] = ["type", "name", "uri"];

/// The members of what is to be completed.
const ARGUMENT: [&str; 2] = ["name", "value"];

/// A member that can be taken for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posing {
    /// Its name.
    pub(crate) name: String,
    /// What it can be taken for.
    pub(crate) other: String,
}

impl Posing {
    /// What is wrong, in words.
    pub(crate) fn words(&self) -> String {
        let Self { name, other } = self;
        format!("the member “{}” can be taken for “{}”", name.escape_debug(), other.escape_debug())
    }
}

/// The first of a message's own members that poses.
pub(crate) fn in_envelope(whole: &Json) -> Result<(), Posing> {
    known(whole, &ENVELOPE)
}

/// The first member of what a client asks that poses as a parameter, or as its neighbour.
pub(crate) fn in_params(params: Option<&Json>) -> Result<(), Posing> {
    let Some(params) = params else { return Ok(()) };
    known(params, &PARAMS)?;
    for (name, members) in [("ref", &REFERENCE[..]), ("argument", &ARGUMENT)] {
        params.get(name).map_or(Ok(()), |value| known(value, members))?;
    }
    twins(params)
}

/// The first member of a client's roots that poses.
pub(crate) fn in_roots(result: &Json) -> Result<(), Posing> {
    known(result, &["roots"])?;
    let roots = result.get("roots").and_then(Json::as_list).unwrap_or_default();
    roots.iter().try_for_each(|root| known(root, &["uri"]))
}

/// The first argument that poses as one that the schema names. What a schema refers to elsewhere
/// is not looked up.
pub(crate) fn in_arguments(arguments: &Json, schema: &Json) -> Result<(), Posing> {
    if let (Some(values), Some(items)) = (arguments.as_list(), schema.get("items")) {
        return values.iter().try_for_each(|value| in_arguments(value, items));
    }
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return Ok(());
    };
    let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
    known(arguments, &names)?;
    let inner = |(name, schema): &(String, Json)| {
        arguments.get(name).map_or(Ok(()), |value| in_arguments(value, schema))
    };
    properties.iter().try_for_each(inner)
}

/// The first member that folds to a known name and is not it.
fn known(object: &Json, known: &[&str]) -> Result<(), Posing> {
    let names: BTreeMap<String, &str> = known.iter().map(|name| (folded(name), *name)).collect();
    for (name, _) in object.as_object().unwrap_or_default() {
        match names.get(&folded(name)) {
            Some(other) if !known.contains(&name.as_str()) => {
                return Err(Posing { name: name.clone(), other: (*other).to_owned() });
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// The first member, at any depth, that folds to what another of its object does.
fn twins(value: &Json) -> Result<(), Posing> {
    match value {
        Json::Object(members) => {
            let mut names = BTreeMap::new();
            for (name, value) in members {
                if let Some(other) = names.insert(folded(name), name) {
                    return Err(Posing { name: name.clone(), other: other.clone() });
                }
                twins(value)?;
            }
            Ok(())
        }
        Json::List(values) => values.iter().try_for_each(twins),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => Ok(()),
    }
}

/// What names have in common that some reader takes for one.
fn folded(name: &str) -> String {
    let seen = name.split('\0').next().unwrap_or_default();
    seen.nfkc().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    /// Goal: what any known reader takes for another name is found, and nothing else. Method: the
    /// foldings of Go's reader, the byte that ends a text in C, other forms of a letter.
    #[test]
    fn foldings_of_known_readers_are_found() {
        for posing in ["PARAMS", "Params", "param\\u017f", "params\\u0000", "ｐarams"] {
            let found = in_envelope(&json(&format!(r#"{{"{posing}":1}}"#)));
            assert_eq!(found.unwrap_err().other, "params", "{posing}");
        }
        assert_eq!(folded("tas\u{212a}"), folded("task"));
        let plain = r#"{"jsonrpc":"2.0","id":1,"param":1,"_params":2,"meta":{},"extra":{}}"#;
        assert_eq!(in_envelope(&json(plain)), Ok(()));
    }

    /// Goal: arguments are held against the schema as deep as it names them.
    #[test]
    fn arguments_are_held_against_their_schema() {
        let schema = json(
            r#"{"properties":{"path":{},"opts":{"properties":{"deep":{}}},
                "all":{"type":"array","items":{"properties":{"id":{},"Id":{}}}}}}"#,
        );
        let bad = [
            (r#"{"Path":1}"#, "path"),
            (r#"{"path":1,"PATH":2}"#, "path"),
            (r#"{"opts":{"Deep":1}}"#, "deep"),
            (r#"{"all":[{"id":1},{"ID":1}]}"#, "id"),
        ];
        for (arguments, other) in bad {
            let found = in_arguments(&json(arguments), &schema).unwrap_err();
            assert_eq!(found.other.to_lowercase(), other, "{arguments}");
        }
        let good = r#"{"path":1,"paths":2,"opts":{"deep":1,"x":1},"all":[{"id":1,"Id":2}],"X":{}}"#;
        assert_eq!(in_arguments(&json(good), &schema), Ok(()));
        assert_eq!(in_arguments(&json(good), &json("{}")), Ok(()));
    }

    /// Goal: two members of one object that one reader takes for one are found at any depth.
    #[test]
    fn twins_are_found_at_any_depth() {
        let found = twins(&json(r#"{"a":[{"b":{"Path":1,"path":2}}]}"#)).unwrap_err();
        assert_eq!(found.words(), "the member “path” can be taken for “Path”");
        assert_eq!(twins(&json(r#"{"a":{"path":1},"b":{"Path":1}}"#)), Ok(()));
    }
}
