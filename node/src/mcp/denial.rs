//! What a No looks like to a client: never a dropped connection, always rule, why and next step.
//!
//! A tool's No is a result that says it failed, because models read results and many clients hide
//! errors from them; every other No is a JSON-RPC error. Refused here: saying less than the gate.

use super::gateway::Said;
use super::json::Json;
use super::message::{self, Id};
use crate::api::VerdictSaid;

/// The code of a denial: among those that JSON-RPC leaves to servers, used by no revision of MCP.
pub(crate) const DENIED: i32 = -32050;

/// A No, by the gate or by the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct No {
    /// The rule that decided.
    pub(crate) rule: String,
    /// The release that holds it, where one does.
    pub(crate) release: Option<String>,
    /// True where an approval would change it.
    pub(crate) approval: bool,
    /// Why.
    pub(crate) why: String,
    /// What to do next.
    pub(crate) hint: String,
    /// What `belay why` explains.
    pub(crate) id: Option<String>,
    /// All of it in two sentences, where the gate said it so.
    pub(crate) short: String,
}

impl No {
    /// What the gate said; none where it was a Yes.
    pub(crate) fn of(said: VerdictSaid) -> Option<Box<Self>> {
        (said.decision != "permit").then(|| {
            Box::new(Self {
                approval: said.decision == "ask",
                rule: said.rule,
                release: said.release,
                why: said.why,
                hint: said.hint,
                id: said.id,
                short: said.short,
            })
        })
    }

    /// The No in what the gate said, if there is one.
    pub(crate) fn said(said: &Said) -> Option<Box<Self>> {
        match said {
            Said::Act(verdict) => Self::of((**verdict).clone()),
            Said::Outlook(outlook) => outlook.standing.clone().and_then(Self::of),
            Said::Nothing { what, hint } => Some(Self::own("gate", what, hint)),
        }
    }

    /// A No of the gateway itself.
    pub(crate) fn own(rule: &str, why: impl Into<String>, hint: impl Into<String>) -> Box<Self> {
        let (rule, why, hint) = (rule.to_owned(), why.into(), hint.into());
        let (release, id, short) = (None, None, String::new());
        Box::new(Self { rule, release, approval: false, why, hint, id, short })
    }

    /// In a few words, for people and models.
    pub(crate) fn words(&self) -> String {
        if !self.short.is_empty() {
            return self.short.clone();
        }
        let word = if self.approval { "needs an approval" } else { "denied" };
        let by = match &self.release {
            Some(release) => format!("rule {} of release {release}", self.rule),
            None => format!("rule {}", self.rule),
        };
        let more = match self.id.as_deref().and_then(|id| id.get(..16)) {
            Some(id) => format!("; `belay why {id}` says more"),
            None => String::new(),
        };
        format!("belay: {word}: {} ({by})\nnext: {}{more}", self.why, self.hint)
    }

    fn data(&self) -> Json {
        let or_null = |text: &Option<String>| text.as_ref().map_or(Json::Null, Json::text);
        Json::object([
            ("decision", Json::text(if self.approval { "ask" } else { "deny" })),
            ("rule", Json::text(&self.rule)),
            ("release", or_null(&self.release)),
            ("why", Json::text(&self.why)),
            ("hint", Json::text(&self.hint)),
            ("id", or_null(&self.id)),
        ])
    }

    /// The answer to a call of a tool.
    pub(crate) fn tool_result(&self) -> Json {
        let text = Json::object([("type", Json::text("text")), ("text", Json::text(self.words()))]);
        Json::object([
            ("content", Json::List(vec![text])),
            ("isError", Json::Bool(true)),
            ("_meta", Json::object([("belay/denial", self.data())])),
        ])
    }

    /// The answer to any other request.
    pub(crate) fn error(&self, id: &Id) -> Json {
        message::error(Some(id), DENIED, &self.words(), Some(self.data()))
    }
}
