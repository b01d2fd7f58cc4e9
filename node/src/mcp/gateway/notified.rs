//! What a client says without wanting an answer: that something changed, how far it has come, and
//! what it takes back.
//!
//! Refused here: requests that lack their id.

use super::super::json::Json;
use super::super::message::{self, Id, Kind, Message};
use super::super::method::Method;
use super::{Came, Gateway, Output, Phase};

impl Gateway {
    pub(super) fn on_notification(&mut self, method: &str, message: Message) {
        match Method::named(method) {
            Some(Method::Initialized) => {
                self.client.ready = true;
                self.release_held();
            }
            Some(Method::Cancelled) => {
                let named = message.params().and_then(|params| params.get("requestId"));
                let Some(id) = named.and_then(Id::in_params) else { return };
                self.client.early.retain(|(_, early)| {
                    !matches!(&early.kind, Kind::Request { id: own, .. } if *own == id)
                });
                let calls = self.calls.iter();
                let found = calls.filter(|(_, call)| call.id == id).map(|(number, _)| *number);
                for number in found.collect::<Vec<_>>() {
                    self.cancel(number, message.params().and_then(|p| p.get("reason")).cloned());
                }
            }
            Some(Method::Progress) => self.on_client_progress(message),
            // Servers ask for the roots again, and the answer is judged.
            Some(Method::RootsChanged) | None => {
                for at in self.usable().collect::<Vec<_>>() {
                    self.out.push_back(Output::Server { at, message: message.whole.clone() });
                }
            }
            // Requests without an id, and what only servers say.
            Some(_) => {}
        }
    }

    /// A request is not wanted any more: whoever has it is told, its answer is dropped.
    pub(super) fn cancel(&mut self, number: u64, reason: Option<Json>) {
        let Some(call) = self.calls.remove(&number) else { return };
        self.came(call.permit, Came::Cancelled);
        match call.phase {
            Phase::Sent { at, id } => self.cancel_at(at, id, reason),
            Phase::Everyone { .. } | Phase::Gathering(_) => self.cancel_everywhere(number, reason),
            Phase::Judging(_) | Phase::Listening { .. } | Phase::Filtering { .. } => {}
        }
    }

    fn cancel_everywhere(&mut self, number: u64, reason: Option<Json>) {
        for at in 0..self.servers.len() {
            for id in self.servers[at].sent_for(number) {
                self.cancel_at(at, id, reason.clone());
            }
        }
    }

    pub(super) fn cancel_at(&mut self, at: usize, id: u64, reason: Option<Json>) {
        let mut params = Json::object([("requestId", Id::own(id).json())]);
        if let Some(reason) = reason {
            params.set("reason", reason);
        }
        let message = message::notification(Method::Cancelled.text(), Some(params));
        self.servers[at].sent.remove(&id);
        self.out.push_back(Output::Server { at, message });
    }
}
