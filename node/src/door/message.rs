//! The two shapes of an answer line: `{"ok": …}` or `{"error": {"code", "what", "hint"}}`.
//!
//! What stands in a request and in `ok` belongs to whoever calls and answers.

use serde::{Deserialize, Serialize};

use super::error::{CallerError, VisitEnd};
use super::limits::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX, VISITS_MAX};

/// Why the node does not do what a line asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A fixed word for programs.
    pub code: String,
    /// What happened.
    pub what: String,
    /// What to do next.
    pub hint: String,
}

impl Refusal {
    /// A refusal in the caller's own words.
    pub fn new(code: &str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.into(), what: what.into(), hint: hint.into() }
    }

    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        let what = format!("the line is no request: {error}");
        Self::new("malformed", what, "send one JSON object on one line, as `belay` does")
    }

    pub(super) fn request_too_long() -> Self {
        let what = format!("the line is longer than {REQUEST_BYTES_MAX} bytes");
        Self::new("too-long", what, "send less at a time")
    }

    pub(super) fn answer_too_long(bytes: usize) -> Self {
        let what = format!("the answer has {bytes} bytes; at most {ANSWER_BYTES_MAX} fit a line");
        Self::new("answer-too-long", what, "ask for less at a time")
    }

    pub(super) fn other_user(uid: u32) -> Self {
        let what = format!("user {uid} may not call this node");
        Self::new("other-user", what, "run as the user whose node it is")
    }

    pub(super) fn too_many() -> Self {
        let what = format!("{VISITS_MAX} callers are here already");
        Self::new("too-many", what, "try again in a moment")
    }

    pub(super) fn unseen(error: &CallerError) -> Self {
        Self::new("caller-unknown", error.to_string(), error.hint())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer<T> {
    Ok(T),
    Error(Refusal),
}

/// One answer as a line.
pub(super) fn line<T: Serialize>(answer: &Answer<T>) -> Result<Vec<u8>, VisitEnd> {
    let mut line = serde_json::to_vec(answer).map_err(VisitEnd::AnswerUnwritable)?;
    if line.len() > ANSWER_BYTES_MAX {
        return Err(VisitEnd::AnswerTooLong { bytes: line.len() });
    }
    line.push(b'\n');
    Ok(line)
}

/// A refusal as a line.
pub(super) fn refusal_line(refusal: &Refusal) -> Vec<u8> {
    let answer: Answer<()> = Answer::Error(refusal.clone());
    line(&answer).expect("three strings fit a line and are always JSON")
}
