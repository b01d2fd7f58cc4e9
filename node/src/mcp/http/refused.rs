//! What a client hears when its request is not taken: a status, and a JSON-RPC error with words.
//!
//! Refused here: closing without a word.

use super::super::json::Json;
use super::super::message::{self, Id, Unread};
use super::answer::{Answer, whole};
use hyper::header::{ALLOW, HeaderName, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use rmcp::model::ErrorCode;

/// Why a request is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: Json,
    header: Option<(HeaderName, &'static str)>,
}

impl Refused {
    /// A refusal that answers nothing that was read.
    pub(super) fn new(status: StatusCode, what: &str) -> Self {
        Self::about(None, status, ErrorCode::INVALID_REQUEST, what)
    }

    /// A refusal of this request.
    pub(super) fn about(id: Option<&Id>, status: StatusCode, code: ErrorCode, what: &str) -> Self {
        Self { status, message: message::error(id, code.0, what, None), header: None }
    }

    /// A refusal in these words, which are a whole message already.
    pub(super) fn saying(status: StatusCode, message: Json) -> Self {
        Self { status, message, header: None }
    }

    pub(super) fn elsewhere() -> Self {
        let what = "the caller does not stand below the agent's warden; this endpoint is that \
                    agent's alone. next: let the agent itself connect";
        Self::new(StatusCode::FORBIDDEN, what)
    }

    pub(super) fn token(what: &str) -> Self {
        let mut refused = Self::new(StatusCode::UNAUTHORIZED, what);
        refused.header = Some((WWW_AUTHENTICATE, "Bearer realm=\"belay\""));
        refused
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let what = format!("this endpoint takes {allow}");
        let mut refused = Self::new(StatusCode::METHOD_NOT_ALLOWED, &what);
        refused.header = Some((ALLOW, allow));
        refused
    }

    /// The header says other than the body.
    pub(super) fn mismatch(id: Option<&Id>, what: &str) -> Self {
        Self::about(id, StatusCode::BAD_REQUEST, ErrorCode::HEADER_MISMATCH, what)
    }

    pub(super) fn busy() -> Self {
        let what = "more is open already than this gateway takes; wait for an answer";
        let code = ErrorCode::INTERNAL_ERROR;
        Self::about(None, StatusCode::SERVICE_UNAVAILABLE, code, what)
    }

    pub(super) fn no_session() -> Self {
        let what = "there is no such session (any more); initialize a new one";
        Self::new(StatusCode::NOT_FOUND, what)
    }

    pub(super) fn lost() -> Self {
        let what = "what came after that event is not kept any more; ask again what you asked";
        Self::new(StatusCode::GONE, what)
    }

    pub(super) fn response(self) -> Response<Answer> {
        let mut response = whole(self.status, &self.message);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Unread> for Refused {
    fn from(unread: Unread) -> Self {
        Self::saying(StatusCode::BAD_REQUEST, unread.answer())
    }
}
