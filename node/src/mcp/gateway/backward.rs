//! What servers ask of the client: its model, its user, its folders.
//!
//! Each is an act of the agent too and is judged as one, as `connector:method`. Roots widen what a
//! server does: some replace the folders on their command line by them, so each root that a client
//! answers with is judged by itself, and only those that the gate permits reach the server.
//! Refused here: what the client did not say that it can do.

use super::super::argument::{self, TooMuch};
use super::super::denial::No;
use super::super::json::Json;
use super::super::limits::{OPEN_MAX, ROOTS_MAX};
use super::super::message::{self, Id, Message};
use super::super::method::Method;
use super::super::posing;
use super::server::State;
use super::{Asking, Came, Gateway, MAIN, Output, Phase, Question, Said, TOOL_CALL};
use crate::api::OutlookAsk;
use rmcp::model::ErrorCode;

/// One request of a server.
#[derive(Debug)]
pub(super) struct Backward {
    at: usize,
    id: Id,
    method: String,
    message: Json,
    /// The permit under which it is asked, and since when.
    permit: Option<(String, u64)>,
    /// Whether the gate has said Yes and the client was asked.
    asked: bool,
    /// The client's answer, while its roots are judged.
    roots: Option<Roots>,
}

#[derive(Debug)]
struct Roots {
    answer: Json,
    left: usize,
    kept: Vec<Json>,
}

impl Gateway {
    pub(super) fn on_backward(&mut self, at: usize, id: Id, method: String, message: Message) {
        let known = Method::named(&method);
        if known == Some(Method::Ping) {
            return self.answer_server(at, message::result(&id, Json::object([])));
        }
        // Some ask as soon as the handshake is over, before their own tools are known here.
        if !self.client.ready || matches!(self.servers[at].state, State::Starting { .. }) {
            return self.hold(at, message);
        }
        if let Err(no) = self.servers[at].may_use() {
            return self.answer_server(at, no.error(&id));
        }
        let refuse = |gateway: &mut Self, code: ErrorCode, what: &str| {
            gateway.answer_server(at, message::error(Some(&id), code.0, what, None));
        };
        if !self.client_can(known) {
            let what = format!("Method not found: {method}");
            return refuse(self, ErrorCode::METHOD_NOT_FOUND, &what);
        }
        if self.backward.len() >= OPEN_MAX {
            return refuse(self, ErrorCode::INTERNAL_ERROR, "too many requests are open already");
        }
        let question = match self.backward_question(at, known, &method, &message) {
            Ok(question) => question,
            Err(no) => return self.answer_server(at, no.error(&id)),
        };
        let number = self.next();
        let message = message.whole;
        let backward =
            Backward { at, id, method, message, permit: None, asked: false, roots: None };
        self.backward.insert(number, backward);
        self.ask(question, Asking::Backward(number));
    }

    /// Whether the client said that it can do this. What is in no table it may know all the same.
    fn client_can(&self, method: Option<Method>) -> bool {
        let capabilities = self.client.greeting.as_ref().and_then(|said| said.get("capabilities"));
        let has = |name: &str| capabilities.is_some_and(|all| all.get(name).is_some());
        match method {
            Some(Method::Sample) => has("sampling"),
            Some(Method::Elicit) => has("elicitation"),
            Some(Method::ListRoots) => has("roots"),
            None => true,
            Some(_) => false,
        }
    }

    fn backward_question(
        &self,
        at: usize,
        known: Option<Method>,
        method: &str,
        message: &Message,
    ) -> Result<Question, Box<No>> {
        // The roots themselves are judged, once they are known.
        if known == Some(Method::ListRoots) || self.servers[at].is_judged_elsewhere() {
            return Ok(Question::Outlook(Vec::new()));
        }
        let target = format!("{}:{method}", self.servers[at].name());
        let args = argument::flat(message.params()).map_err(|TooMuch| {
            let why = format!("what {target} asks is more than the gate can look at");
            No::own("gateway:arguments", why, "ask for less at a time")
        })?;
        Ok(Question::Act(OutlookAsk { action: TOOL_CALL.to_owned(), target, args }))
    }

    pub(super) fn on_backward_judged(&mut self, number: u64, said: Said) {
        let now_ms = self.now_ms;
        let Some(backward) = self.backward.get_mut(&number) else {
            return self.not_wanted(said);
        };
        if let Said::Act(verdict) = &said {
            backward.permit = verdict.id.clone().map(|id| (id, now_ms));
        }
        let (at, id, mut message) = (backward.at, backward.id.clone(), backward.message.clone());
        let no = match said {
            Said::Act(verdict) => No::of(*verdict),
            Said::Outlook(outlook) => outlook.standing.and_then(No::of),
            Said::Nothing { what, hint } => Some(No::own("gate", what, hint)),
        };
        if let Some(no) = no {
            self.backward.remove(&number);
            return self.answer_server(at, no.error(&id));
        }
        if let Some(backward) = self.backward.get_mut(&number) {
            backward.asked = true;
        }
        if self.client.stateless {
            return self.park(number, at, &message);
        }
        message.set("id", Id::own(number).json());
        let via = self.channel_of(at);
        self.notify(via, message);
    }

    /// Where the client listens for what this server asks: with the last request that it has.
    fn channel_of(&self, at: usize) -> u64 {
        let has = |phase: &Phase| matches!(phase, Phase::Sent { at: own, .. } if *own == at);
        let last = self.calls.values().rfind(|call| has(&call.phase));
        last.map_or(MAIN, |call| call.via)
    }

    /// What a client says by itself. One without a handshake answers by repeating its call, which
    /// is judged anew.
    pub(super) fn on_client_answer(&mut self, id: &Id, message: Message) {
        let Id::Number(digits) = id else { return };
        match digits.parse() {
            Ok(number) if !self.client.stateless => self.answered(number, message.whole),
            Ok(_) | Err(_) => {}
        }
    }

    /// The answer to what the client was asked, once.
    pub(super) fn answered(&mut self, number: u64, answer: Json) {
        let waits = |backward: &&Backward| backward.asked && backward.roots.is_none();
        let Some(backward) = self.backward.get(&number).filter(waits) else { return };
        let roots = Method::named(&backward.method) == Some(Method::ListRoots)
            && !self.servers[backward.at].is_judged_elsewhere();
        match answer.get("result") {
            Some(result) if roots => match roots_of(result) {
                Ok(found) => self.judge_roots(number, found, answer),
                Err(what) => {
                    self.give_back(number, Came::Failed, ErrorCode::INTERNAL_ERROR, &what);
                }
            },
            Some(_) | None => self.hand_back(number, answer),
        }
    }

    fn judge_roots(&mut self, number: u64, found: Vec<(String, Json)>, answer: Json) {
        let Some(backward) = self.backward.get_mut(&number) else { return };
        backward.roots = Some(Roots { answer, left: found.len(), kept: Vec::new() });
        let target = format!("{}:{}", self.servers[backward.at].name(), Method::ListRoots.text());
        for (uri, root) in found {
            let args = vec![("uri".to_owned(), uri)];
            let act = OutlookAsk { action: TOOL_CALL.to_owned(), target: target.clone(), args };
            self.ask(Question::Act(act), Asking::Root { of: number, root });
        }
        self.on_roots(number);
    }

    pub(super) fn on_root_judged(&mut self, number: u64, root: Json, said: Said) {
        if !self.backward.contains_key(&number) {
            return self.not_wanted(said);
        }
        let (permit, permitted) = match said {
            Said::Act(verdict) => (verdict.id.clone(), No::of(*verdict).is_none()),
            Said::Outlook(_) | Said::Nothing { .. } => (None, false),
        };
        if permitted {
            self.came(permit.map(|id| (id, self.now_ms)), Came::Done);
        }
        let roots = self.backward.get_mut(&number).and_then(|backward| backward.roots.as_mut());
        if let Some(roots) = roots {
            roots.left = roots.left.saturating_sub(1);
            if permitted {
                roots.kept.push(root);
            }
        }
        self.on_roots(number);
    }

    /// Once each root is judged, those that may be opened reach the server, in the client's order.
    fn on_roots(&mut self, number: u64) {
        let roots = self.backward.get_mut(&number).and_then(|backward| backward.roots.as_mut());
        let Some(roots) = roots.filter(|roots| roots.left == 0) else { return };
        let (mut answer, kept) = (roots.answer.clone(), std::mem::take(&mut roots.kept));
        let all = answer.at(&["result", "roots"]).and_then(Json::as_list).unwrap_or_default();
        let in_order = all.iter().filter(|root| kept.contains(root)).cloned().collect();
        if let Some(result) = answer.get_mut("result") {
            result.set("roots", Json::List(in_order));
        }
        self.hand_back(number, answer);
    }

    fn hand_back(&mut self, number: u64, mut answer: Json) {
        let Some(backward) = self.backward.remove(&number) else { return };
        let failed = answer.get("error").is_some();
        self.came(backward.permit, if failed { Came::Failed } else { Came::Done });
        answer.set("id", backward.id.json());
        self.answer_server(backward.at, answer);
    }

    /// Gives a server's request up, and says so to it.
    pub(super) fn give_back(&mut self, number: u64, came: Came, code: ErrorCode, what: &str) {
        let Some(backward) = self.backward.remove(&number) else { return };
        self.came(backward.permit, came);
        let error = message::error(Some(&backward.id), code.0, what, None);
        self.answer_server(backward.at, error);
    }

    pub(super) fn answer_server(&mut self, at: usize, message: Json) {
        self.out.push_back(Output::Server { at, message });
    }

    /// Nobody waits for the client's answers any more.
    pub(super) fn forget_backward(&mut self, at: usize) {
        let all = self.backward.iter().filter(|(_, backward)| backward.at == at);
        for number in all.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.withdraw(number, None);
        }
    }

    pub(super) fn on_server_cancels(&mut self, at: usize, message: &Message) {
        let named = message.params().and_then(|params| params.get("requestId"));
        let Some(id) = named.and_then(Id::in_params) else { return };
        let mut all = self.backward.iter();
        let found = all.find(|(_, backward)| backward.at == at && backward.id == id);
        let reason = message.params().and_then(|params| params.get("reason")).cloned();
        if let Some(number) = found.map(|(number, _)| *number) {
            self.withdraw(number, reason);
        }
    }

    fn withdraw(&mut self, number: u64, reason: Option<Json>) {
        let Some(backward) = self.backward.remove(&number) else { return };
        self.came(backward.permit, Came::Cancelled);
        let mut params = Json::object([("requestId", Id::own(number).json())]);
        if let Some(reason) = reason {
            params.set("reason", reason);
        }
        let message = message::notification(Method::Cancelled.text(), Some(params));
        if !self.client.stateless {
            self.notify(MAIN, message);
        }
    }

    /// Progress goes to the server that asked under that token, and to no other.
    pub(super) fn on_client_progress(&mut self, message: Message) {
        let token = message.params().and_then(|params| params.get("progressToken"));
        let of = |backward: &&Backward| {
            backward.asked
                && token.is_some()
                && backward.message.at(&["params", "_meta", "progressToken"]) == token
        };
        if let Some(at) = self.backward.values().find(of).map(|backward| backward.at) {
            self.judge_notification(at, Method::Progress.text(), message);
        }
    }
}

/// Each root with what it is judged by; what is wrong where one could not be judged.
fn roots_of(result: &Json) -> Result<Vec<(String, Json)>, String> {
    posing::in_roots(result).map_err(|posing| posing.words())?;
    let found = result.get("roots").and_then(Json::as_list);
    let found = found.ok_or("the client's roots are no list")?;
    if found.len() > ROOTS_MAX {
        return Err(format!("the client has more than {ROOTS_MAX} roots"));
    }
    let uri = |root: &Json| Some((root.get("uri")?.as_text()?.to_owned(), root.clone()));
    let all: Option<Vec<_>> = found.iter().map(uri).collect();
    all.ok_or_else(|| "a root of the client names no uri".to_owned())
}
