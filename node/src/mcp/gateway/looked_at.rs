//! Servers that somebody looks at in order to approve them.
//!
//! Refused here: judging what they show.

use super::super::json::Json;
use super::super::pin::Pins;
use super::Gateway;
use super::server::State;
use std::collections::BTreeMap;

impl Gateway {
    /// Wakes every server though no client is there, as one that can everything: some offer tools
    /// only to clients that can be asked something.
    pub(crate) fn look_at_servers(&mut self) {
        let none = || Json::object([]);
        let elicitation = Json::object([("form", none()), ("url", none())]);
        let capabilities = Json::object([
            ("roots", Json::object([("listChanged", Json::Bool(true))])),
            ("sampling", none()),
            ("elicitation", elicitation),
        ]);
        self.client.greeting = Some(Json::object([("capabilities", capabilities)]));
        self.start();
    }

    /// What a server shows, to be approved; why not where it is not there.
    pub(crate) fn shown_by(&self, at: usize) -> Option<Result<Pins, String>> {
        match &self.servers[at].state {
            State::Ready => Some(Ok(self.servers[at].pins())),
            State::Gone { why } => Some(Err(why.clone())),
            State::Asleep | State::Starting { .. } => None,
        }
    }

    /// What a server would tell a model: its instructions, and the descriptors of its tools.
    pub(crate) fn words_of(&self, at: usize) -> (Json, Vec<Json>) {
        let server = &self.servers[at];
        let instructions = server.greeting.get("instructions");
        (instructions.cloned().unwrap_or(Json::Null), server.tools.clone())
    }

    /// Names of tools that are not passed on, and why.
    pub(crate) fn refused_names(&self, at: usize) -> &BTreeMap<String, String> {
        &self.servers[at].refused
    }
}
