//! JSON as it was written: members in their order, numbers digit by digit.
//!
//! A gateway that reads a message with one parser and lets a server read it with another can be
//! shown two messages. So what is passed on is written anew from what was read here, and what two
//! parsers may read differently is refused: members of one name, bytes behind the end, texts that
//! are not Unicode. serde_json does the lexing; its own `Value` would sort members and round
//! numbers. Refused here: knowing what a message means.

use super::limits::DEPTH_MAX;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt::{self, Write};

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Json>),
    /// Members in order; no two have one name.
    Object(Vec<(String, Json)>),
}

/// Why bytes are not one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not JSON, or more than one value, or an object names a member twice.
    Syntax(String),
    /// Nested deeper than `DEPTH_MAX`.
    Deep,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(what) => write!(f, "not one JSON value: {what}"),
            Self::Deep => write!(f, "nested deeper than {DEPTH_MAX}"),
        }
    }
}

impl Json {
    /// Reads exactly one value.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        if depth(bytes) > DEPTH_MAX {
            return Err(JsonError::Deep);
        }
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(syntax)?;
        read(raw)
    }

    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A whole number.
    pub(crate) fn number(number: impl Into<i128>) -> Self {
        Self::Number(number.into().to_string())
    }

    /// An object of these members.
    pub(crate) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The member of that name, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(members) = self else { return None };
        members.iter_mut().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The member at the end of these names.
    pub(crate) fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |value, name| value.get(name))
    }

    /// Puts a member in the place of the one of that name, or behind the others. What is no object
    /// stays as it is.
    pub(crate) fn set(&mut self, name: &str, value: Self) {
        if let Some(place) = self.get_mut(name) {
            *place = value;
        } else if let Self::Object(members) = self {
            members.push((name.to_owned(), value));
        }
    }

    /// Takes a member out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        let place = members.iter().position(|(own, _)| own == name)?;
        Some(members.remove(place).1)
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The values, if it is a list.
    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => None,
        }
    }

    /// The members, if it is an object.
    pub(crate) fn as_object(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// Members sorted, at every depth: two objects with the same members become one text.
    pub(crate) fn sorted(&self) -> Self {
        match self {
            Self::List(values) => Self::List(values.iter().map(Self::sorted).collect()),
            Self::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(name, value)| (name.clone(), value.sorted())).collect();
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                Self::Object(members)
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => self.clone(),
        }
    }
}

/// On one line, without a space.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => quoted(f, text),
            Self::List(values) => {
                f.write_char('[')?;
                for (place, value) in values.iter().enumerate() {
                    comma(f, place)?;
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(members) => {
                f.write_char('{')?;
                for (place, (name, value)) in members.iter().enumerate() {
                    comma(f, place)?;
                    quoted(f, name)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

fn comma(f: &mut fmt::Formatter<'_>, place: usize) -> fmt::Result {
    if place == 0 { Ok(()) } else { f.write_char(',') }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}

fn syntax(error: serde_json::Error) -> JsonError {
    JsonError::Syntax(error.to_string())
}

/// How deep brackets are open at most, texts passed over; never less than what a parser meets.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                now += 1;
                most = most.max(now);
            }
            (false, b']' | b'}') => now = now.saturating_sub(1),
            (true | false, _) => {}
        }
    }
    most
}

/// One value whose syntax was looked at, level by level; the depth is bounded already.
fn read(raw: &RawValue) -> Result<Json, JsonError> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map(Json::Text).map_err(syntax),
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
            values.into_iter().map(read).collect::<Result<_, _>>().map(Json::List)
        }
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(syntax)?;
            let member = |(name, value): (String, &RawValue)| Ok((name, read(value)?));
            members.into_iter().map(member).collect::<Result<_, _>>().map(Json::Object)
        }
        Some(b't') => Ok(Json::Bool(true)),
        Some(b'f') => Ok(Json::Bool(false)),
        Some(b'n') => Ok(Json::Null),
        Some(_) | None => Ok(Json::Number(text.to_owned())),
    }
}

/// The members of one object, in order, each name once.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder).map(Members)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut members: Self::Value = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if !names.insert(name.clone()) {
                let what = format!("the member “{name}” stands there twice");
                return Err(serde::de::Error::custom(what));
            }
            members.push((name, value));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Json, JsonError> {
        Json::parse(text.as_bytes())
    }

    /// Goal: what is passed on is what was read: order, digits and letters stay.
    #[test]
    fn what_was_read_is_written_again() {
        let exact = [
            r#"{"b":1,"a":[1.0,1e400,-0,123456789012345678901234567890],"":null}"#,
            r#"["\"\\\n","ä🪢",true,false,{}]"#,
            "0.10",
        ];
        for text in exact {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let spaced = parse(" { \"a\" : [ 1 , \"\\u00e4\" ] }\n").unwrap();
        assert_eq!(spaced.to_string(), r#"{"a":[1,"ä"]}"#);
        assert_eq!(
            parse(r#"{"b":{"d":1,"c":2},"a":0}"#).unwrap().sorted().to_string(),
            r#"{"a":0,"b":{"c":2,"d":1}}"#
        );
    }

    /// Goal: what two parsers may read differently is refused with its reason.
    #[test]
    fn doubtful_texts_are_refused() {
        let twice = parse(r#"{"a":{"x":1,"x":2}}"#).unwrap_err().to_string();
        assert!(twice.contains("“x” stands there twice"), "{twice}");
        assert!(parse(r#"{"\u0061":1,"a":2}"#).is_err(), "one name, written in two ways");
        let bad: [&[u8]; 12] = [
            b"",
            b"{}{}",
            b"{} x",
            b"[1,]",
            b"{'a':1}",
            b"NaN",
            b"01",
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"\"\x01\"",
            b"// {}\n{}",
            b"\xef\xbb\xbf{}",
        ];
        for bytes in bad {
            assert!(Json::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    /// Goal: nesting is bounded before anything recurses. Method: one within, one too deep, and a
    /// million brackets, also inside a text.
    #[test]
    fn depth_is_bounded_first() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(parse(&nested(DEPTH_MAX + 1)), Err(JsonError::Deep));
        assert_eq!(parse(&"[".repeat(1_000_000)), Err(JsonError::Deep));
        assert!(parse(&format!("\"\\\"{}\"", "[".repeat(1000))).is_ok());
    }
}
