//! How a server is greeted, and what it says where it will not be.
//!
//! Refused here: more of its words than a sentence or two.

use super::super::json::Json;
use super::super::limits::REASON_CHARS_MAX;
use super::super::message::Message;
use rmcp::model::ProtocolVersion;

/// The handshake with a server, as the client's own.
pub(super) fn greeting_params(client: Option<&Json>) -> Json {
    let or = |name: &str, other: Json| {
        client.and_then(|params| params.get(name)).cloned().unwrap_or(other)
    };
    let newest = ProtocolVersion::LATEST_WITH_INITIALIZE;
    let own = Json::object([
        ("name", Json::text("belay")),
        ("version", Json::text(env!("CARGO_PKG_VERSION"))),
    ]);
    let mut params = client.cloned().unwrap_or(Json::object([]));
    params.take("_meta");
    let version = or("protocolVersion", Json::text(newest.as_str()));
    let known = version.as_text().is_some_and(|version| version <= newest.as_str());
    params.set("protocolVersion", if known { version } else { Json::text(newest.as_str()) });
    params.set("capabilities", or("capabilities", Json::object([])));
    params.set("clientInfo", or("clientInfo", own));
    params
}

/// What an error says, as far as it is short.
pub(super) fn reason(message: &Message) -> String {
    let said = message.whole.at(&["error", "message"]).and_then(Json::as_text).unwrap_or_default();
    said.chars().take(REASON_CHARS_MAX).collect()
}
