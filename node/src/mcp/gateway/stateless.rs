//! The era without a handshake (2026-07-28): what a client can do stands in each request, and what
//! a server wants to ask of it becomes the result of the call itself.
//!
//! Servers are spoken to in the era of the handshake, which every published one knows: the first
//! request stands for it. A call that its server interrupts with a question is parked; the client
//! repeats it with the answer, is judged anew, and gets what the server says then. Refused here:
//! a repetition that asks for something else than what is parked.

use super::super::json::Json;
use super::super::limits::SILENT_MS_MAX;
use super::super::message::{self, Id, Kind, Message};
use super::super::method::Method;
use super::lists::all_capabilities;
use super::server::{Sent, came_of};
use super::{Call, Came, Gateway, Phase};
use rmcp::model::{ErrorCode, ProtocolVersion};

const OWN: &str = "io.modelcontextprotocol/";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// In front of the number of a parked call.
const STATE: &str = "belay-";

/// A call that its server has interrupted.
#[derive(Debug)]
pub(super) struct Parked {
    at: usize,
    /// Under which the server answers it.
    sent: u64,
    method: String,
    params: Json,
    /// The permit under which it was sent, and since when.
    permit: Option<(String, u64)>,
    /// What the server said in the end, before the client came back.
    answer: Option<Json>,
    since_ms: u64,
}

/// Why a request does not fit its era.
pub(super) struct Unfit {
    pub(super) code: ErrorCode,
    pub(super) what: String,
    pub(super) data: Option<Json>,
}

/// Whether a request is of this era.
pub(super) fn is(message: &Message) -> bool {
    message.params().and_then(|params| params.at(&["_meta", VERSION])).is_some()
}

/// The parameters as the servers' era has them: what stands for the handshake is gone.
pub(super) fn as_before(mut params: Json) -> Json {
    let own = params.take("_meta");
    let kept: Vec<_> = own
        .as_ref()
        .and_then(Json::as_object)
        .unwrap_or_default()
        .iter()
        .filter(|(name, _)| !name.starts_with(OWN))
        .cloned()
        .collect();
    if !kept.is_empty() {
        params.set("_meta", Json::Object(kept));
    }
    params
}

/// Adds to a result what this era wants in each. Nothing of it is for other principals to keep.
pub(super) fn complete(method: &str, whole: &mut Json) {
    let Some(result) = whole.get_mut("result") else { return };
    if result.get("resultType").is_none() {
        result.set("resultType", Json::text("complete"));
    }
    let kept = [
        Method::ListTools,
        Method::ListPrompts,
        Method::ListResources,
        Method::ListTemplates,
        Method::ReadResource,
        Method::Discover,
    ];
    if kept.iter().any(|kept| kept.text() == method) {
        if result.get("ttlMs").is_none() {
            result.set("ttlMs", Json::number(0));
        }
        result.set("cacheScope", Json::text("private"));
    }
}

impl Gateway {
    /// Looks at what stands for the handshake; the first request wakes the servers with it.
    pub(super) fn check_stateless(&mut self, method: &str, message: &Message) -> Result<(), Unfit> {
        let Some(meta) = message.params().and_then(|params| params.get("_meta")) else {
            return Ok(());
        };
        let Some(version) = meta.get(VERSION) else { return Ok(()) };
        let newest = ProtocolVersion::NO_INITIALIZE;
        if version.as_text() != Some(newest.as_str()) {
            let known = ProtocolVersion::KNOWN_VERSIONS.iter();
            let supported = known.map(|version| Json::text(version.as_str())).collect();
            let data = [("requested", version.clone()), ("supported", Json::List(supported))];
            return Err(Unfit {
                code: ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
                what: "Unsupported protocol version".to_owned(),
                data: Some(Json::object(data)),
            });
        }
        let Some(capabilities) = meta.get(CAPABILITIES) else {
            let what = format!("_meta lacks {CAPABILITIES}");
            return Err(Unfit { code: ErrorCode::INVALID_PARAMS, what, data: None });
        };
        let handshake = [Method::Initialize, Method::Ping, Method::SetLevel, Method::Subscribe];
        if handshake.iter().any(|gone| gone.text() == method) {
            let what = format!("Method not found: {method}");
            return Err(Unfit { code: ErrorCode::METHOD_NOT_FOUND, what, data: None });
        }
        if self.client.greeting.is_none() {
            let mut greeting = Json::object([("capabilities", capabilities.clone())]);
            if let Some(client) = meta.get(CLIENT) {
                greeting.set("clientInfo", client.clone());
            }
            self.client.greeting = Some(greeting);
            (self.client.ready, self.client.stateless) = (true, true);
        }
        Ok(())
    }

    /// What the servers are, for a client that asks before anything else.
    pub(super) fn discovered(&self) -> Json {
        let greetings = self.approved_greetings();
        let own = Json::object([
            ("name", Json::text("belay")),
            ("version", Json::text(env!("CARGO_PKG_VERSION"))),
        ]);
        let (info, instructions) = match (&self.servers[..], &greetings[..]) {
            ([_], [only]) => {
                (only.get("serverInfo").cloned().unwrap_or(own), only.get("instructions"))
            }
            (_, _) => (own, None),
        };
        let known = ProtocolVersion::KNOWN_VERSIONS.iter().rev();
        let mut result = Json::object([
            ("supportedVersions", Json::List(known.map(|v| Json::text(v.as_str())).collect())),
            ("capabilities", all_capabilities(&greetings)),
            ("_meta", Json::object([(SERVER, info)])),
        ]);
        if let Some(instructions) = instructions {
            result.set("instructions", instructions.clone());
        }
        result
    }

    /// Tells the client from now on what changes, as far as it wants to hear it.
    pub(super) fn listen(&mut self, number: u64, mut call: Call, filter: &Json) {
        let wanted = |name: &&str| filter.get(name) == Some(&Json::Bool(true));
        let all = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"];
        let kept = all.iter().filter(|name| wanted(name));
        let filter =
            Json::Object(kept.map(|name| ((*name).to_owned(), Json::Bool(true))).collect());
        let params = Json::object([
            ("_meta", Json::object([(SUBSCRIPTION, call.id.json())])),
            ("notifications", filter.clone()),
        ]);
        let via = call.via;
        call.phase = Phase::Listening { filter };
        self.calls.insert(number, call);
        self.notify(via, message::notification(ACKNOWLEDGED, Some(params)));
    }

    /// Passes a change on to whoever listens for such.
    pub(super) fn notify_listeners(&mut self, whole: &Json) {
        let method = whole.get("method").and_then(Json::as_text).and_then(Method::named);
        let name = match method {
            Some(Method::ToolsChanged) => "toolsListChanged",
            Some(Method::PromptsChanged) => "promptsListChanged",
            Some(Method::ResourcesChanged) => "resourcesListChanged",
            Some(_) | None => return,
        };
        let listens = |call: &&Call| match &call.phase {
            Phase::Listening { filter } => filter.get(name).is_some(),
            _ => false,
        };
        let told: Vec<(u64, Json)> = self
            .calls
            .values()
            .filter(listens)
            .map(|call| {
                let mut whole = whole.clone();
                let meta = Json::object([(SUBSCRIPTION, call.id.json())]);
                let mut params = whole.take("params").unwrap_or(Json::object([]));
                params.set("_meta", meta);
                whole.set("params", params);
                (call.via, whole)
            })
            .collect();
        for (via, whole) in told {
            self.notify(via, whole);
        }
    }

    /// A server wants to know something of the client: the call that it has in hand says so.
    pub(super) fn park(&mut self, number: u64, at: usize, asked: &Json) {
        let holds = |call: &Call| {
            call.stateless.is_some()
                && matches!(call.phase, Phase::Sent { at: own, .. } if own == at)
        };
        let found = self.calls.iter().rfind(|(_, call)| holds(call)).map(|(call, _)| *call);
        let Some(mut call) = found.and_then(|call| self.calls.remove(&call)) else {
            let what = "no call is open on which the client could be asked";
            return self.give_back(number, Came::NotTried, ErrorCode::METHOD_NOT_FOUND, what);
        };
        let Phase::Sent { id: sent, .. } = call.phase else { return };
        self.servers[at].sent.insert(sent, Sent::Parked(number));
        let parked = Parked {
            at,
            sent,
            method: call.method.clone(),
            params: call.stateless.take().unwrap_or(Json::Null),
            permit: call.permit.take(),
            answer: None,
            since_ms: self.now_ms,
        };
        self.parked.insert(number, parked);
        let part = |name: &str| asked.get(name).cloned().unwrap_or(Json::object([]));
        let question = Json::object([("method", part("method")), ("params", part("params"))]);
        let name = number.to_string();
        let result = Json::object([
            ("resultType", Json::text("input_required")),
            ("inputRequests", Json::object([(&*name, question)])),
            ("requestState", Json::text(state_of(number))),
        ]);
        self.answer_at(call.via, message::result(&call.id, result));
    }

    /// Goes on with a parked call, if this is its repetition; otherwise gives the request back.
    pub(super) fn resume(
        &mut self,
        number: u64,
        at: usize,
        params: Option<Json>,
        mut call: Call,
    ) -> Option<(Option<Json>, Call)> {
        let state = params.as_ref().and_then(|params| params.get("requestState")?.as_text());
        let Some(named) = state.and_then(|state| state.strip_prefix(STATE)) else {
            return Some((params, call));
        };
        let found = named.parse().ok().and_then(|key| Some((key, self.parked.get(&key)?)));
        let Some((key, parked)) = found else {
            self.refuse_repetition(call, "the call that it goes on with is over");
            return None;
        };
        let same = parked.at == at
            && parked.method == call.method
            && asked_for(&parked.params)
                == asked_for(call.stateless.as_ref().unwrap_or(&Json::Null));
        if !same {
            let what = "the repetition asks for something else than the call it goes on with";
            self.refuse_repetition(call, what);
            return None;
        }
        let parked = self.parked.remove(&key)?;
        self.came(parked.permit, Came::Done);
        let name = key.to_string();
        let said = params.as_ref().and_then(|params| params.at(&["inputResponses", &name]));
        call.phase = Phase::Sent { at, id: parked.sent };
        self.calls.insert(number, call);
        self.servers[at].sent.insert(parked.sent, Sent::Call(number));
        if let Some(answer) = parked.answer {
            self.give_back(key, Came::Cancelled, ErrorCode::INTERNAL_ERROR, "the call is over");
            self.on_server_message(at, as_message(parked.sent, answer));
        } else {
            let result = said.cloned().unwrap_or(Json::object([]));
            self.answered(key, message::result(&Id::own(key), result));
        }
        None
    }

    fn refuse_repetition(&mut self, mut call: Call, what: &str) {
        self.came(call.permit.take(), Came::NotTried);
        let code = ErrorCode::INVALID_PARAMS.0;
        self.answer_at(call.via, message::error(Some(&call.id), code, what, None));
    }

    pub(super) fn on_parked_answer(&mut self, number: u64, failed: bool, message: Message) {
        let Some(parked) = self.parked.get_mut(&number) else { return };
        let came = came_of(failed, &message.whole);
        let permit = parked.permit.take();
        parked.answer = Some(message.whole);
        self.came(permit, came);
    }

    /// The server of a parked call is gone.
    pub(super) fn drop_parked(&mut self, number: u64) {
        if let Some(parked) = self.parked.remove(&number) {
            self.came(parked.permit, Came::Failed);
        }
    }

    /// Clients that do not come back are not waited for.
    pub(super) fn forget_parked(&mut self) {
        let now_ms = self.now_ms;
        let late = |parked: &Parked| now_ms.saturating_sub(parked.since_ms) > SILENT_MS_MAX;
        let all = self.parked.iter().filter(|(_, parked)| late(parked)).map(|(key, _)| *key);
        self.forget(all.collect(), "the client did not come back");
    }

    /// Nobody can come back.
    pub(super) fn leave_parked(&mut self) {
        self.forget(self.parked.keys().copied().collect(), "the client has left");
    }

    fn forget(&mut self, keys: Vec<u64>, what: &str) {
        for key in keys {
            let Some(parked) = self.parked.remove(&key) else { continue };
            self.came(parked.permit, Came::Cancelled);
            if parked.answer.is_none() {
                self.cancel_at(parked.at, parked.sent, Some(Json::text(what)));
            }
            self.give_back(key, Came::Cancelled, ErrorCode::INTERNAL_ERROR, what);
        }
    }
}

/// What a request asks for, whoever asks and however often.
fn asked_for(params: &Json) -> Json {
    let mut params = params.clone();
    for own in ["_meta", "requestState", "inputResponses"] {
        params.take(own);
    }
    params
}

fn state_of(number: u64) -> String {
    format!("{STATE}{number}")
}

fn as_message(id: u64, whole: Json) -> Message {
    let failed = whole.get("error").is_some();
    Message { kind: Kind::Response { id: Id::own(id), failed }, whole, repeated: None }
}
