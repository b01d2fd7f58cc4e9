//! Which era a request is of, and whether its headers say what its body says.
//!
//! Everything is decided on the body; headers are for those in between who do not read it
//! (MCP 2026-07-28, Streamable HTTP, "Request Headers"). So a header that differs from the body is
//! refused in both eras, and where the era wants one a missing one too. Refused here: believing a
//! header.

use super::super::json::Json;
use super::super::message::{Id, Kind, Message};
use super::super::method::Method;
use super::super::param::{PREFIX, Repeated};
use super::guard::only;
use super::kept::EventId;
use super::refused::Refused;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use hyper::{HeaderMap, StatusCode};
use rmcp::model::{ErrorCode, ProtocolVersion};

/// Which session a request belongs to.
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const META_VERSION: [&str; 2] = ["_meta", "io.modelcontextprotocol/protocolVersion"];

/// The last event that a client has seen, where it comes back to a stream.
pub(super) fn seen(headers: &HeaderMap) -> Result<Option<EventId>, Refused> {
    let said = only(headers, &LAST_EVENT).map_err(|()| Refused::lost())?;
    said.map(|said| said.parse().map_err(|_lost| Refused::lost())).transpose()
}

/// Whether the client's revision knows an event without data, by which it can come back to a
/// stream on which nothing was said yet (from 2025-11-25 on).
pub(super) fn may_come_back(headers: &HeaderMap) -> bool {
    let version = only(headers, &VERSION).ok().flatten();
    version == Some(ProtocolVersion::LATEST_WITH_INITIALIZE.as_str())
}

/// What the headers say of a tool's arguments.
pub(super) fn repeated(headers: &HeaderMap, era: Era) -> Result<Repeated, Refused> {
    let mut said = Vec::new();
    for name in headers.keys() {
        let Some(own) = name.as_str().strip_prefix(PREFIX) else { continue };
        let text = only(headers, name).ok().flatten().and_then(|text| plain(text).ok());
        let no = || Refused::mismatch(None, &format!("{name} stands there twice or is no text"));
        said.push((own.to_owned(), text.ok_or_else(no)?));
    }
    Ok(Repeated { said, wanted: era == Era::Stateless })
}

/// How clients and servers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// With a handshake and a session, up to 2025-11-25.
    Handshake,
    /// Without, from 2026-07-28 on.
    Stateless,
}

/// The era of a message; an error where its headers say otherwise.
pub(super) fn era(headers: &HeaderMap, message: &Message) -> Result<Era, Refused> {
    let id = match &message.kind {
        Kind::Request { id, .. } => Some(id),
        Kind::Notification { .. } | Kind::Response { .. } | Kind::Nameless => None,
    };
    let one = |name: &HeaderName| {
        only(headers, name).map_err(|()| {
            Refused::mismatch(id, &format!("{name} stands there twice or is no text"))
        })
    };
    let version = one(&VERSION)?;
    let body = message.params().and_then(|params| params.at(&META_VERSION));
    let newest = ProtocolVersion::NO_INITIALIZE;
    let era = match (body, version) {
        (Some(body), version) => {
            same(id, &VERSION, version, body.as_text().unwrap_or_default())?;
            Era::Stateless
        }
        (None, Some(version)) if version == newest.as_str() && id.is_some() => {
            let code = ErrorCode::INVALID_PARAMS;
            let what = format!("the parameters lack {}", META_VERSION.join("."));
            return Err(Refused::about(id, StatusCode::BAD_REQUEST, code, &what));
        }
        (None, Some(version)) if version == newest.as_str() => Era::Stateless,
        (None, Some(version)) => {
            check_version(id, version)?;
            Era::Handshake
        }
        (None, None) => Era::Handshake,
    };
    check_names(id, message, era, one(&METHOD)?, one(&NAME)?)?;
    Ok(era)
}

fn check_version(id: Option<&Id>, version: &str) -> Result<(), Refused> {
    let known = ProtocolVersion::KNOWN_VERSIONS.iter();
    if known.clone().any(|known| known.as_str() == version) {
        return Ok(());
    }
    let supported = known.map(|version| Json::text(version.as_str())).collect();
    let data =
        Json::object([("requested", Json::text(version)), ("supported", Json::List(supported))]);
    let code = ErrorCode::UNSUPPORTED_PROTOCOL_VERSION;
    let what = "Unsupported protocol version";
    let message = super::super::message::error(id, code.0, what, Some(data));
    Err(Refused::saying(StatusCode::BAD_REQUEST, message))
}

/// Method and name, as far as they are said; all of them where the era wants that.
fn check_names(
    id: Option<&Id>,
    message: &Message,
    era: Era,
    method: Option<&str>,
    name: Option<&str>,
) -> Result<(), Refused> {
    let wanted = era == Era::Stateless && id.is_some();
    let own = message.whole.get("method").and_then(Json::as_text);
    if wanted || method.is_some() {
        same(id, &METHOD, method, own.unwrap_or_default())?;
    }
    match (named(message), name) {
        (Some(own), said) if wanted || said.is_some() => {
            let said = said.map(plain).transpose().map_err(|()| {
                Refused::mismatch(id, "Mcp-Name is neither plain nor base64 of a text")
            })?;
            same(id, &NAME, said.as_deref(), own)
        }
        (None, Some(_)) => {
            Err(Refused::mismatch(id, "Mcp-Name is said, and the body names nothing"))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

fn same(
    id: Option<&Id>,
    header: &HeaderName,
    said: Option<&str>,
    own: &str,
) -> Result<(), Refused> {
    match said {
        Some(said) if said == own => Ok(()),
        Some(said) => {
            let what = format!("the header {header} says “{said}”, the body “{own}”");
            Err(Refused::mismatch(id, &what))
        }
        None => Err(Refused::mismatch(id, &format!("the header {header} is missing"))),
    }
}

/// What the body names, where its method names something.
pub(super) fn named(message: &Message) -> Option<&str> {
    let method = message.whole.get("method").and_then(Json::as_text).and_then(Method::named)?;
    message.params()?.get(method.names()?)?.as_text()
}

/// A name that cannot stand in a header is written `=?base64?…?=`.
fn plain(said: &str) -> Result<String, ()> {
    let coded = said.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(coded) = coded else { return Ok(said.to_owned()) };
    String::from_utf8(BASE64_STANDARD.decode(coded).map_err(drop)?).map_err(drop)
}

/// Whether a body is JSON, and the client takes both kinds of answer.
pub(super) fn check_content(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = only(headers, &CONTENT_TYPE).ok().flatten().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let what = "the body has to be application/json";
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    check_accepts(headers, &["application/json", "text/event-stream"])
}

/// Whether the client takes all of these.
pub(super) fn check_accepts(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Refused> {
    let said: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let kinds = said.iter().flat_map(|said| said.split(','));
    let kinds: Vec<&str> = kinds.filter_map(|kind| kind.split(';').next()).map(str::trim).collect();
    let takes = |wanted: &&str| {
        let family = wanted.split('/').next().unwrap_or_default();
        kinds.iter().any(|kind| {
            *kind == "*/*"
                || kind.eq_ignore_ascii_case(wanted)
                || kind.strip_suffix("/*").is_some_and(|own| own.eq_ignore_ascii_case(family))
        })
    };
    if wanted.iter().all(takes) {
        return Ok(());
    }
    let what = format!("say `Accept: {}`", wanted.join(", "));
    Err(Refused::new(StatusCode::NOT_ACCEPTABLE, &what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

    fn judged(headers: &[(&str, &str)], body: &str) -> Result<Era, i64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                hyper::header::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        era(&map, &Message::parse(body.as_bytes()).unwrap()).map_err(|refused| {
            assert_eq!(refused.status, StatusCode::BAD_REQUEST);
            let code = refused.message.at(&["error", "code"]).unwrap().to_string();
            code.parse().unwrap()
        })
    }

    /// Goal: headers that say what the body says pass, in both eras; whatever differs, is missing,
    /// stands there twice or cannot be read is refused by its code.
    #[test]
    fn headers_mirror_the_body() {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"ä",{META}}}}}"#
        );
        let version = ("mcp-protocol-version", "2026-07-28");
        let method = ("mcp-method", "tools/call");
        let name = ("mcp-name", "=?base64?w6Q=?=");
        assert_eq!(judged(&[version, method, name], &call), Ok(Era::Stateless));
        let bad: [&[(&str, &str)]; 8] = [
            &[version, method, ("mcp-name", "harmless")],
            &[version, method, ("mcp-name", "=?base64?!?=")],
            &[version, method, ("mcp-name", "=?base64?/w==?=")],
            &[version, method],
            &[version, ("mcp-method", "tools/list"), name],
            &[version, name],
            &[("mcp-protocol-version", "2025-11-25"), method, name],
            &[version, method, name, ("mcp-name", "b")],
        ];
        for headers in bad {
            assert_eq!(judged(headers, &call), Err(-32020), "{headers:?}");
        }
        assert_eq!(judged(&[method, name], &call), Err(-32020), "a version is wanted");
        let before = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b"}}"#;
        assert_eq!(judged(&[], before), Ok(Era::Handshake));
        assert_eq!(judged(&[("mcp-protocol-version", "2025-06-18")], before), Ok(Era::Handshake));
        assert_eq!(judged(&[("mcp-protocol-version", "1999-01-01")], before), Err(-32022));
        assert_eq!(judged(&[version], before), Err(-32602), "its era says the version in the body");
        assert_eq!(judged(&[("mcp-name", "a")], before), Err(-32020), "forged in the older era");
        assert_eq!(judged(&[("mcp-method", "ping")], before), Err(-32020));
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert_eq!(judged(&[("mcp-name", "a")], list), Err(-32020));
    }

    /// Goal: a client has to take both kinds of answer, however it says so.
    #[test]
    fn both_answers_are_taken() {
        let status = |content: &str, accept: &str| {
            let mut map = HeaderMap::new();
            map.insert(CONTENT_TYPE, content.parse().unwrap());
            map.insert(ACCEPT, accept.parse().unwrap());
            check_content(&map).map_or_else(|no| no.status.as_u16(), |()| 200)
        };
        assert_eq!(status("application/json", "application/json, text/event-stream"), 200);
        assert_eq!(status("Application/JSON; charset=utf-8", "*/*"), 200);
        assert_eq!(status("application/json", "text/*;q=0.5,application/json"), 200);
        assert_eq!(status("application/json", "application/json"), 406);
        assert_eq!(status("text/plain", "*/*"), 415);
        assert_eq!(status("application/x-www-form-urlencoded", "*/*"), 415);
    }
}
