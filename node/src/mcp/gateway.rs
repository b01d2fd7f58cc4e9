//! What the gateway thinks: one client, the servers of its connectors, and the gate between them.
//!
//! It is the engine's shape in small: `handle` takes what happened, `poll` says what to do about
//! it; no clock, socket or process. Every message is parsed whole, routed by its body, judged, and
//! written anew. The official SDK's types would drop members that they do not know, so messages
//! stay [`Json`]; its names and codes are used throughout.
//!
//! Read in this order: `words` (what goes in and out), this file (what the client asks), `plan`
//! (where each goes and what the gate is asked), `server` (what servers say), `lists` (what a
//! client is shown), `backward` (what servers ask of the client), `notified` (what clients only
//! say), `stateless` (the era without a handshake).
//!
//! Refused here: sending anything that was not judged.

mod backward;
mod greeted;
mod lists;
mod looked_at;
mod notified;
mod pages;
mod plan;
mod server;
mod stateless;
#[cfg(test)]
mod tests;
mod words;

use super::denial::No;
use super::json::Json;
use super::limits::{OPEN_MAX, QUEUE_MAX, SILENT_MS_MAX, TICK_MS};
use super::message::{self, Id, Kind, Message};
use super::method::Method;
use super::posing;
use backward::Backward;
use lists::{Gather, Listing};
use plan::Unplanned;
use rmcp::model::ErrorCode;
use server::{Sent, Server};
use stateless::Parked;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
pub(crate) use words::{Approved, Came, Input, Judged, Output, Question, Said};

/// The action under which all of this is judged.
pub(crate) const TOOL_CALL: &str = "tool.call";

/// The one channel of a client that has one.
pub(crate) const MAIN: u64 = 0;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Gateway {
    servers: Vec<Server>,
    client: Client,
    /// Requests of the client that are not answered.
    calls: BTreeMap<u64, Call>,
    /// Requests of servers that the client has not answered.
    backward: BTreeMap<u64, Backward>,
    asks: BTreeMap<u64, Asking>,
    /// Calls that wait for what a client without a handshake is to add.
    parked: BTreeMap<u64, Parked>,
    /// Which server owns a task or a resource, as far as it said so.
    owners: BTreeMap<String, Option<usize>>,
    /// Prompts by the name under which they are shown.
    prompts: BTreeMap<String, (usize, String)>,
    made: u64,
    now_ms: u64,
    /// When it was last looked for what is late.
    ticked_ms: u64,
    out: VecDeque<Output>,
}

/// What is known of the client.
#[derive(Debug, Default)]
struct Client {
    /// The parameters of its handshake.
    greeting: Option<Json>,
    /// Whether its handshake is over.
    ready: bool,
    /// Whether it has none: what it can do stands in each request.
    stateless: bool,
    /// What came before the servers were there.
    early: Vec<(u64, Message)>,
    /// What servers said before the client's handshake was over.
    held: Vec<(usize, Message)>,
}

/// One request of the client.
#[derive(Debug)]
struct Call {
    id: Id,
    via: u64,
    method: String,
    phase: Phase,
    touched_ms: u64,
    /// Under which the client wants to hear of its progress.
    token: Option<Json>,
    /// The permit under which it is done, and since when.
    permit: Option<(String, u64)>,
    /// What was asked, where the client has no handshake and may be asked to say more.
    stateless: Option<Json>,
}

/// How far it has come.
#[derive(Debug)]
enum Phase {
    /// The gate is asked.
    Judging(Then),
    /// Servers list what they have.
    Gathering(Gather),
    /// The gate is asked what of it is shown.
    Filtering { listing: Listing, items: Vec<Json> },
    /// A server has it, under this id.
    Sent { at: usize, id: u64 },
    /// The client is told what changes, as long as it listens.
    Listening { filter: Json },
    /// Several servers have it.
    Everyone { left: BTreeSet<usize>, failed: Option<Json> },
}

/// What a Yes leads to.
#[derive(Debug)]
enum Then {
    Greet(Json),
    Discover,
    Listen(Json),
    Answer(Json),
    Gather(Listing),
    Forward { at: usize, params: Option<Json>, tool: Option<String> },
    Everyone { params: Option<Json> },
}

/// What a question to the gate is about.
#[derive(Debug)]
enum Asking {
    Call(u64),
    Backward(u64),
    Root {
        of: u64,
        root: Json,
    },
    Notified {
        at: usize,
        whole: Json,
    },
    /// Whether servers may be started at all.
    Standing,
    /// Nobody wants it any more.
    Nothing,
}

impl Gateway {
    /// One client's gateway to these servers.
    pub(crate) fn new(servers: Vec<Approved>) -> Self {
        Self {
            servers: servers.into_iter().map(Server::new).collect(),
            client: Client::default(),
            calls: BTreeMap::new(),
            backward: BTreeMap::new(),
            asks: BTreeMap::new(),
            parked: BTreeMap::new(),
            owners: BTreeMap::new(),
            prompts: BTreeMap::new(),
            made: 0,
            now_ms: 0,
            ticked_ms: 0,
            out: VecDeque::new(),
        }
    }

    /// One thing happened, at this time of a clock that never goes back.
    pub(crate) fn handle(&mut self, now_ms: u64, input: Input) {
        self.now_ms = now_ms;
        match input {
            Input::Client { via, bytes } => self.on_client(via, &bytes),
            Input::Said { via, message } => self.on_message(via, *message),
            Input::Hangup { via } => self.on_hangup(via),
            Input::ClientTooLong { via } => {
                let what = "the message is longer than this gateway takes";
                let code = ErrorCode::INVALID_REQUEST.0;
                self.tell(via, message::error(None, code, what, None));
            }
            Input::Server { at, bytes } => self.on_server(at, &bytes),
            Input::Gone { at, why } => self.on_gone(at, &why),
            Input::Judged { ask, said } => self.on_judged(ask, said),
            Input::Tick => {}
            Input::Left => self.on_left(),
        }
        // However much is heard: what is late is late.
        if now_ms.saturating_sub(self.ticked_ms) >= TICK_MS {
            self.ticked_ms = now_ms;
            self.on_tick();
        }
    }

    /// What to do, until there is nothing more.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn on_client(&mut self, via: u64, bytes: &[u8]) {
        match Message::parse(bytes) {
            Err(unread) => self.tell(via, unread.answer()),
            Ok(message) => self.on_message(via, message),
        }
    }

    fn on_message(&mut self, via: u64, message: Message) {
        match message.kind.clone() {
            Kind::Request { id, method } => self.on_request(via, id, method, message),
            Kind::Notification { method } => self.on_notification(&method, message),
            Kind::Response { id, .. } => self.on_client_answer(&id, message),
            // It names nothing that could be answered or passed on.
            Kind::Nameless => {}
        }
    }

    fn on_hangup(&mut self, via: u64) {
        self.client.early.retain(|(own, _)| *own != via);
        let calls = self.calls.iter().filter(|(_, call)| call.via == via);
        for number in calls.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.cancel(number, Some(Json::text("the client hung up")));
        }
    }

    fn on_request(&mut self, via: u64, id: Id, method: String, message: Message) {
        let refuse = |gateway: &mut Self, code: ErrorCode, what: &str| {
            gateway.answer_at(via, message::error(Some(&id), code.0, what, None));
        };
        if let Err(posing) = posing::in_params(message.params()) {
            return refuse(self, ErrorCode::INVALID_REQUEST, &posing.words());
        }
        if let Err(unfit) = self.check_stateless(&method, &message) {
            let error = message::error(Some(&id), unfit.code.0, &unfit.what, unfit.data);
            return self.answer_at(via, error);
        }
        if self.calls.values().any(|call| call.id == id && call.via == via) {
            let what = "a request with this id is still open";
            return refuse(self, ErrorCode::INVALID_REQUEST, what);
        }
        // The gate may be asked still about what was taken back.
        if self.calls.len().max(self.asks.len()) + self.client.early.len() >= OPEN_MAX {
            let what = format!("{OPEN_MAX} requests are open already; wait for one of them");
            return refuse(self, ErrorCode::INTERNAL_ERROR, &what);
        }
        if Method::named(&method) == Some(Method::Initialize) && self.client.greeting.is_none() {
            self.client.greeting = Some(message.params().cloned().unwrap_or(Json::object([])));
        }
        self.start_if_it_stands();
        if !self.settled() {
            return self.client.early.push((via, message));
        }
        self.take_up(via, id, method, &message);
    }

    /// No program runs for an agent that is ordered against, so the gate is asked before any does.
    fn start_if_it_stands(&mut self) {
        let asked = self.asks.values().any(|about| matches!(about, Asking::Standing));
        if self.sleeps() && !asked {
            self.ask(Question::Outlook(Vec::new()), Asking::Standing);
        }
    }

    fn on_standing(&mut self, said: Said) {
        let Some(no) = No::said(&said) else {
            self.start();
            return self.take_up_early();
        };
        for (via, message) in std::mem::take(&mut self.client.early) {
            if let Kind::Request { id, method } = message.kind.clone() {
                let call = self.call(via, id, method, &message);
                self.deny(&call, &no);
            }
        }
        // Whoever shakes hands anew is another client.
        self.client.greeting = None;
    }

    /// What came before the servers were there.
    fn take_up_early(&mut self) {
        if !self.settled() {
            return;
        }
        for (via, message) in std::mem::take(&mut self.client.early) {
            if let Kind::Request { id, method } = message.kind.clone() {
                self.take_up(via, id, method, &message);
            }
        }
    }

    /// Routes a request and asks the gate.
    fn take_up(&mut self, via: u64, id: Id, method: String, message: &Message) {
        let call = self.call(via, id, method, message);
        let params = call.stateless.as_ref().or(message.params());
        let planned = match self.check_repeated(&call.method, params, message) {
            Ok(()) => self.plan(&call.method, params, call.stateless.is_some()),
            Err(misuse) => Err(misuse),
        };
        match planned {
            Ok((question, then)) => {
                let question = self.unless_judged_elsewhere(question, &then);
                let number = self.next();
                self.calls.insert(number, Call { phase: Phase::Judging(then), ..call });
                self.ask(question, Asking::Call(number));
            }
            Err(Unplanned::Misuse((code, what))) => {
                self.answer_at(via, message::error(Some(&call.id), code.0, &what, None));
            }
            Err(Unplanned::No(no)) => self.deny(&call, &no),
        }
    }

    fn call(&self, via: u64, id: Id, method: String, message: &Message) -> Call {
        let params = message.params();
        let token = params.and_then(|params| params.at(&["_meta", "progressToken"])).cloned();
        let stateless = params.filter(|_| stateless::is(message)).cloned();
        Call {
            id,
            via,
            method,
            phase: Phase::Judging(Then::Answer(Json::Null)),
            touched_ms: self.now_ms,
            token,
            permit: None,
            stateless: stateless.map(stateless::as_before),
        }
    }

    /// What another gateway judges is not judged twice, only whether the agent stands.
    fn unless_judged_elsewhere(&self, question: Question, then: &Then) -> Question {
        match then {
            Then::Forward { at, .. } if self.servers[*at].is_judged_elsewhere() => {
                Question::Outlook(Vec::new())
            }
            Then::Forward { .. }
            | Then::Greet(_)
            | Then::Discover
            | Then::Listen(_)
            | Then::Answer(_)
            | Then::Gather(_)
            | Then::Everyone { .. } => question,
        }
    }

    fn on_judged(&mut self, ask: u64, said: Said) {
        match self.asks.remove(&ask) {
            Some(Asking::Call(number)) => self.on_call_judged(number, said),
            Some(Asking::Backward(number)) => self.on_backward_judged(number, said),
            Some(Asking::Root { of, root }) => self.on_root_judged(of, root, said),
            Some(Asking::Notified { at, whole }) => self.on_notification_judged(at, whole, said),
            Some(Asking::Standing) => self.on_standing(said),
            Some(Asking::Nothing) | None => self.not_wanted(said),
        }
    }

    fn on_call_judged(&mut self, number: u64, said: Said) {
        let Some(mut call) = self.calls.remove(&number) else { return self.not_wanted(said) };
        if let Some(no) = No::said(&said) {
            return self.deny(&call, &no);
        }
        if let Said::Act(verdict) = &said {
            call.permit = verdict.id.clone().map(|id| (id, self.now_ms));
        }
        let idle = Phase::Judging(Then::Answer(Json::Null));
        match (std::mem::replace(&mut call.phase, idle), said) {
            (Phase::Judging(then), _) => self.go_on(number, call, then),
            (Phase::Filtering { listing, items }, Said::Outlook(outlook)) => {
                let shown = lists::open_ones(items, &outlook.open);
                self.answer(&call, listing.result(shown));
            }
            // Nothing else is asked about.
            (Phase::Filtering { .. } | Phase::Gathering(_), _)
            | (Phase::Sent { .. } | Phase::Everyone { .. } | Phase::Listening { .. }, _) => {}
        }
    }

    /// The gate said Yes.
    fn go_on(&mut self, number: u64, mut call: Call, then: Then) {
        match then {
            Then::Greet(params) => match self.greeting(&params) {
                Ok(result) => self.answer(&call, result),
                Err(why) => {
                    let code = ErrorCode::INTERNAL_ERROR.0;
                    let error = message::error(Some(&call.id), code, &why, None);
                    self.answer_at(call.via, error);
                }
            },
            Then::Discover => {
                let result = self.discovered();
                self.answer(&call, result);
            }
            Then::Listen(filter) => self.listen(number, call, &filter),
            Then::Answer(result) => self.answer(&call, result),
            Then::Gather(listing) => {
                let gather = self.gather(number, listing);
                call.phase = Phase::Gathering(gather);
                self.calls.insert(number, call);
                self.on_gathered(number);
            }
            Then::Forward { at, params, tool } => {
                let server = &self.servers[at];
                let may = tool.as_deref().map_or(server.may_use(), |tool| server.may_call(tool));
                if let Err(no) = may {
                    self.came(call.permit.take(), Came::NotTried);
                    return self.deny(&call, &no);
                }
                let Some((params, call)) = self.resume(number, at, params, call) else { return };
                let id = self.send(at, &call.method, params, Sent::Call(number));
                let mut call = call;
                call.phase = Phase::Sent { at, id };
                self.calls.insert(number, call);
            }
            Then::Everyone { params } => {
                let able: Vec<usize> = self.usable().collect();
                for at in &able {
                    self.send(*at, &call.method, params.clone(), Sent::Call(number));
                }
                call.phase = Phase::Everyone { left: able.into_iter().collect(), failed: None };
                self.calls.insert(number, call);
                self.on_everyone(number);
            }
        }
    }

    /// Whether all have answered.
    fn on_everyone(&mut self, number: u64) {
        let Some(call) = self.calls.get(&number) else { return };
        let Phase::Everyone { left, .. } = &call.phase else { return };
        if !left.is_empty() {
            return;
        }
        let Some(call) = self.calls.remove(&number) else { return };
        if let Phase::Everyone { failed: Some(mut failed), .. } = call.phase {
            failed.set("id", call.id.json());
            return self.answer_at(call.via, failed);
        }
        self.answer(&call, Json::object([]));
    }

    fn on_tick(&mut self) {
        self.end_late_servers();
        self.forget_parked();
        let now_ms = self.now_ms;
        let heard = |call: &Call| matches!(call.phase, Phase::Listening { .. });
        let silent =
            |call: &Call| !heard(call) && now_ms.saturating_sub(call.touched_ms) > SILENT_MS_MAX;
        let calls = self.calls.iter().filter(|(_, call)| silent(call)).map(|(number, _)| *number);
        for number in calls.collect::<Vec<_>>() {
            if let Some(call) = self.calls.get(&number) {
                let what = format!("nothing was heard for {} s", SILENT_MS_MAX / 1000);
                let code = ErrorCode::INTERNAL_ERROR.0;
                let answer = message::error(Some(&call.id), code, &what, None);
                self.answer_at(call.via, answer);
            }
            self.cancel(number, Some(Json::text("nothing was heard for too long")));
        }
    }

    /// A permit for what was taken back meanwhile.
    fn not_wanted(&mut self, said: Said) {
        if let Said::Act(verdict) = said
            && verdict.decision == "permit"
        {
            self.came(verdict.id.map(|id| (id, self.now_ms)), Came::NotTried);
        }
    }

    /// What came of a permit, once.
    fn came(&mut self, permit: Option<(String, u64)>, came: Came) {
        let Some((of, since_ms)) = permit else { return };
        let took_ms = self.now_ms.saturating_sub(since_ms);
        self.out.push_back(Output::Outcome { of, came, took_ms });
    }

    /// Says No to a request.
    fn deny(&mut self, call: &Call, no: &No) {
        if Method::named(&call.method) == Some(Method::CallTool) {
            return self.answer(call, no.tool_result());
        }
        self.answer_at(call.via, no.error(&call.id));
    }

    fn answer(&mut self, call: &Call, result: Json) {
        self.finish(call, message::result(&call.id, result));
    }

    /// Answers a request as its era wants it.
    fn finish(&mut self, call: &Call, mut whole: Json) {
        if call.stateless.is_some() {
            stateless::complete(&call.method, &mut whole);
        }
        self.answer_at(call.via, whole);
    }

    fn answer_at(&mut self, via: u64, message: Json) {
        self.out.push_back(Output::Client { via, message, last: true });
    }

    /// Says something that answers nothing that could be named.
    fn tell(&mut self, via: u64, message: Json) {
        self.out.push_back(Output::Client { via, message, last: true });
    }

    /// Says something to the client on its own account.
    fn notify(&mut self, via: u64, message: Json) {
        self.out.push_back(Output::Client { via, message, last: false });
    }

    fn ask(&mut self, question: Question, about: Asking) {
        let ask = self.next();
        self.asks.insert(ask, about);
        self.out.push_back(Output::Ask { ask, question });
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Hears again what came too early; what still does is held again.
    fn release_held(&mut self) {
        if !self.client.ready {
            return;
        }
        for (at, message) in std::mem::take(&mut self.client.held) {
            self.on_server_message(at, message);
        }
    }

    fn hold(&mut self, at: usize, message: Message) {
        if self.client.held.len() < QUEUE_MAX {
            self.client.held.push((at, message));
        }
    }
}
