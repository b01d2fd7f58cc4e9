//! What a client says without wanting an answer: that something changed, how far it has come, and
//! what it takes back.
//!
//! What a server is to be told is judged like a request: it may act on it as well. Refused here:
//! requests that lack their id.

use super::super::denial::No;
use super::super::json::Json;
use super::super::limits::OPEN_MAX;
use super::super::message::{self, Id, Kind, Message};
use super::super::method::{Asked, Method};
use super::super::posing;
use super::{Asking, Came, Gateway, Output, Phase, Question, Said, stateless};

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
            Some(Method::RootsChanged) | None => {
                for at in self.usable().collect::<Vec<_>>() {
                    self.judge_notification(at, method, message.clone());
                }
            }
            // Requests without an id, and what only servers say.
            Some(_) => {}
        }
    }

    /// Asks the gate whether a server may be told. More than the gate can be asked at once is not
    /// told: nobody waits for it.
    pub(super) fn judge_notification(&mut self, at: usize, method: &str, mut message: Message) {
        if posing::in_params(message.params()).is_err() {
            return;
        }
        if stateless::is(&message) {
            let params = message.whole.take("params").map(stateless::as_before);
            message.whole.set("params", params.unwrap_or(Json::Null));
        }
        let question = match Method::named(method).map(Method::asked) {
            Some(Asked::Standing) => Ok(Question::Outlook(Vec::new())),
            Some(Asked::Permit) | None => {
                self.about(&self.servers[at], method, message.params()).map(Question::Act)
            }
        };
        match question {
            Ok(question) if self.asks.len() < OPEN_MAX => {
                self.ask(question, Asking::Notified { at, whole: message.whole });
            }
            Ok(_) | Err(_) => {}
        }
    }

    pub(super) fn on_notification_judged(&mut self, at: usize, whole: Json, said: Said) {
        let permit = match said {
            Said::Act(verdict) => match No::of((*verdict).clone()) {
                None => verdict.id.map(|id| (id, self.now_ms)),
                Some(_) => return,
            },
            Said::Outlook(outlook) if outlook.standing.is_none() => None,
            Said::Outlook(_) | Said::Nothing { .. } => return,
        };
        if self.servers[at].may_use().is_err() {
            return self.came(permit, Came::NotTried);
        }
        self.out.push_back(Output::Server { at, message: whole });
        self.came(permit, Came::Done);
    }

    /// Whatever it had open is taken back, and what the gate says of it still is told.
    pub(super) fn on_left(&mut self) {
        self.client.early.clear();
        for number in self.calls.keys().copied().collect::<Vec<_>>() {
            self.cancel(number, Some(Json::text("the client has left")));
        }
        self.leave_parked();
        for at in 0..self.servers.len() {
            self.forget_backward(at);
        }
        self.asks.values_mut().for_each(|about| *about = Asking::Nothing);
    }

    /// Whether the gate is asked something.
    pub(crate) fn waits_for_gate(&self) -> bool {
        !self.asks.is_empty()
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
