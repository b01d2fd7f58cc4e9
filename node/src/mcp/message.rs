//! One JSON-RPC message: what kind it is, and the whole of it.
//!
//! Members that nobody here knows stay in it. Refused here: batches (MCP took them out with
//! 2025-06-18, and one answer to many would hide who was denied), ids that are null or no id, and
//! whatever is two kinds at once.

use super::json::{Json, JsonError};
use super::limits::{ID_BYTES_MAX, METHOD_BYTES_MAX};
use super::param::Repeated;
use super::posing;
use rmcp::model::ErrorCode;

/// An id: a whole number or a text, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    /// A number, digit by digit.
    Number(String),
    /// A text.
    Text(String),
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// What it is.
    pub(crate) kind: Kind,
    /// All of it.
    pub(crate) whole: Json,
    /// What its headers said of the arguments, where it came with headers.
    pub(crate) repeated: Option<Repeated>,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Wants an answer.
    Request { id: Id, method: String },
    /// Wants none.
    Notification { method: String },
    /// An answer: a result, or an error.
    Response { id: Id, failed: bool },
    /// An error about something that could not be read, so that it names nothing.
    Nameless,
}

/// Why a message is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    /// The request that it may have been.
    pub(crate) id: Option<Id>,
    /// By the codes of JSON-RPC.
    pub(crate) code: i32,
    /// What is wrong.
    pub(crate) what: String,
}

impl Message {
    /// Reads one message.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unread> {
        let whole = Json::parse(bytes).map_err(|error| Unread::bytes(&error))?;
        let id = Id::of(&whole);
        let no = |what: &str| {
            let id = id.clone().ok().flatten();
            Unread { id, code: ErrorCode::INVALID_REQUEST.0, what: what.to_owned() }
        };
        if whole.as_list().is_some() {
            return Err(no("batches are not part of this protocol; send one message at a time"));
        }
        posing::in_envelope(&whole).map_err(|posing| no(&posing.words()))?;
        if whole.get("jsonrpc").and_then(Json::as_text) != Some("2.0") {
            return Err(no("not a JSON-RPC 2.0 message"));
        }
        let (method, has) = (whole.get("method"), |name| whole.get(name).is_some());
        let kind = match (method, has("result"), has("error")) {
            (Some(method), false, false) => {
                let method = method.as_text().ok_or_else(|| no("the method is no text"))?;
                if method.is_empty() || method.len() > METHOD_BYTES_MAX {
                    return Err(no("the method's name is empty or too long"));
                }
                params_fit(&whole).map_err(no)?;
                let method = method.to_owned();
                match id.clone().map_err(no)? {
                    Some(id) => Kind::Request { id, method },
                    None => Kind::Notification { method },
                }
            }
            (None, result, error) if result != error => match id.clone().map_err(no) {
                Ok(Some(id)) => Kind::Response { id, failed: error },
                // An error about a request whose id its receiver could not read.
                Ok(None) | Err(_) if error => Kind::Nameless,
                Ok(None) => return Err(no("an answer without an id")),
                Err(unread) => return Err(unread),
            },
            (Some(_), _, _) | (None, _, _) => {
                return Err(no("neither a request, nor a notification, nor one answer"));
            }
        };
        Ok(Self { kind, whole, repeated: None })
    }

    /// Its parameters.
    pub(crate) fn params(&self) -> Option<&Json> {
        self.whole.get("params")
    }
}

fn params_fit(whole: &Json) -> Result<(), &'static str> {
    match whole.get("params") {
        None => Ok(()),
        Some(params) if params.as_object().is_some() => Ok(()),
        Some(_) => Err("the parameters are no object"),
    }
}

impl Id {
    /// The id of a message; none where it has none.
    fn of(whole: &Json) -> Result<Option<Self>, &'static str> {
        let whole_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        match whole.get("id") {
            None => Ok(None),
            Some(Json::Number(digits)) if digits.len() <= ID_BYTES_MAX && whole_number(digits) => {
                Ok(Some(Self::Number(digits.clone())))
            }
            Some(Json::Text(text)) if text.len() <= ID_BYTES_MAX => {
                Ok(Some(Self::Text(text.clone())))
            }
            Some(_) => Err("the id is neither a text nor a whole number"),
        }
    }

    /// One of this gateway's own.
    pub(crate) fn own(number: u64) -> Self {
        Self::Number(number.to_string())
    }

    /// As it is written in a message.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Number(digits) => Json::Number(digits.clone()),
            Self::Text(text) => Json::Text(text.clone()),
        }
    }

    /// An id as it stands in the parameters of a notification.
    pub(crate) fn in_params(value: &Json) -> Option<Self> {
        Self::of(&Json::object([("id", value.clone())])).ok().flatten()
    }
}

impl Unread {
    fn bytes(error: &JsonError) -> Self {
        Self { id: None, code: ErrorCode::PARSE_ERROR.0, what: error.to_string() }
    }

    /// The answer to it.
    pub(crate) fn answer(&self) -> Json {
        error(self.id.as_ref(), self.code, &self.what, None)
    }
}

/// A request.
pub(crate) fn request(id: &Id, method: &str, params: Option<Json>) -> Json {
    let mut whole = Json::object([
        ("jsonrpc", Json::text("2.0")),
        ("id", id.json()),
        ("method", Json::text(method)),
    ]);
    if let Some(params) = params {
        whole.set("params", params);
    }
    whole
}

/// A notification.
pub(crate) fn notification(method: &str, params: Option<Json>) -> Json {
    let mut whole = Json::object([("jsonrpc", Json::text("2.0")), ("method", Json::text(method))]);
    if let Some(params) = params {
        whole.set("params", params);
    }
    whole
}

/// An answer.
pub(crate) fn result(id: &Id, result: Json) -> Json {
    Json::object([("jsonrpc", Json::text("2.0")), ("id", id.json()), ("result", result)])
}

/// An answer that is an error; without an id where the request could not be read.
pub(crate) fn error(id: Option<&Id>, code: i32, message: &str, data: Option<Json>) -> Json {
    let mut error = Json::object([("code", Json::number(code)), ("message", Json::text(message))]);
    if let Some(data) = data {
        error.set("data", data);
    }
    let id = id.map_or(Json::Null, Id::json);
    Json::object([("jsonrpc", Json::text("2.0")), ("id", id), ("error", error)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Result<Kind, Unread> {
        Message::parse(text.as_bytes()).map(|message| message.kind)
    }

    /// Goal: the four kinds are told apart, and what is unknown in them stays.
    #[test]
    fn kinds_are_told_apart() {
        let id = Id::own(7);
        let method = "x/y".to_owned();
        let request = Kind::Request { id: id.clone(), method: method.clone() };
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":7,"method":"x/y","extra":1}"#), Ok(request));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"x/y"}"#), Ok(Kind::Notification { method }));
        let answer = |failed| Kind::Response { id: id.clone(), failed };
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), Ok(answer(false)));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":7,"error":{}}"#), Ok(answer(true)));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#), Ok(Kind::Nameless));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","error":{}}"#), Ok(Kind::Nameless));
    }

    /// Goal: what is no message gets an answer that says so, with the id where there is one.
    #[test]
    fn what_is_no_message_is_answered() {
        let bad = [
            (r#"[{"jsonrpc":"2.0","id":1,"method":"a"}]"#, -32600, "batches"),
            ("{", -32700, "JSON"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a"}{}"#, -32700, "trailing"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, -32700, "twice"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, -32600, "2.0"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, -32600, "id"),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, -32600, "id"),
            (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, -32600, "method"),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, "method"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#, -32600, "parameters"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","result":1}"#, -32600, "neither"),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, -32600, "neither"),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600, "neither"),
            (r#"{"jsonrpc":"2.0","result":1}"#, -32600, "id"),
        ];
        for (text, code, word) in bad {
            let unread = kind(text).unwrap_err();
            assert_eq!(unread.code, code, "{text}");
            assert!(unread.what.contains(word), "{text}: {}", unread.what);
            let has_id = code == -32600
                && (text.contains("\"id\":1,") || text.ends_with("\"id\":1}"))
                && !text.starts_with('[');
            assert_eq!(unread.answer().get("id") == Some(&Json::number(1)), has_id, "{text}");
        }
    }
}
