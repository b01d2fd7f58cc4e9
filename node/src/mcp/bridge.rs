//! A server of the era without a handshake (2026-07-28), as the gateway speaks to servers: with
//! one.
//!
//! Every server is greeted first; one that knows no handshake refuses it and is asked to describe
//! itself (`server/discover`). From then on each request carries what stands for the handshake, and
//! an answer that wants something of the client becomes a request of the server, judged like any
//! other; once it is answered the call is repeated with it. What a server of the older era says
//! passes untouched. What the server says unasked is asked for by one request that stays open.
//! Sans-IO like the gateway. Refused here: judging, and rounds without end.

use super::json::Json;
use super::limits::{ASKED_MAX, ROUNDS_MAX, SUBSCRIBED_MAX};
use super::message::{self, Id, Kind, Message};
use super::method::Method;
use rmcp::model::{ErrorCode, ProtocolVersion};
use std::collections::{BTreeMap, BTreeSet};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// Between the gateway and one server.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    phase: Phase,
    /// What stands for the handshake in each request.
    meta: Vec<(String, Json)>,
    /// Requests that the server has, by the id under which it has them.
    open: BTreeMap<Id, Open>,
    /// Calls that wait for what the client is asked, by the gateway's id.
    waiting: BTreeMap<Id, Waiting>,
    listens: Listens,
    made: u64,
}

/// What the server is asked to tell unasked: one request that stays open.
#[derive(Debug, Default)]
struct Listens {
    /// What it says it can do.
    capabilities: Option<Json>,
    /// Under which id it was asked.
    open: Option<Id>,
    /// It has said that it will.
    acknowledged: bool,
    /// Resources whose changes the client wants to hear of.
    resources: BTreeSet<String>,
}

/// How far the greeting is.
#[derive(Debug, Default)]
enum Phase {
    /// Nothing was said.
    #[default]
    Silent,
    /// It was greeted.
    Greeted { id: Id },
    /// It refused that, and is asked to describe itself.
    Asked { id: Id, refused: Json, own: Id },
    /// It knows the handshake.
    Handshake,
    /// It knows none.
    Stateless,
}

/// A request that the server has.
#[derive(Debug)]
struct Open {
    id: Id,
    message: Json,
    rounds: usize,
}

/// A call that its server has interrupted.
#[derive(Debug)]
struct Waiting {
    open: Open,
    state: Option<Json>,
    /// What was asked under which id, by the server's own names.
    asked: BTreeMap<Id, String>,
    answers: Vec<(String, Json)>,
}

/// What goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// To the gateway.
    Gateway(Vec<u8>),
    /// To the server.
    Server(Json),
}

fn to_gateway(message: &Json) -> Passed {
    Passed::Gateway(message.to_string().into_bytes())
}

impl Bridge {
    /// Whether its server knows no handshake.
    pub(super) fn is_stateless(&self) -> bool {
        matches!(self.phase, Phase::Stateless)
    }

    /// The gateway says something to the server.
    pub(super) fn said(&mut self, message: Json) -> Vec<Passed> {
        let method = message.get("method").and_then(Json::as_text).and_then(Method::named);
        match self.phase {
            Phase::Silent | Phase::Greeted { .. } | Phase::Asked { .. } => {
                if method == Some(Method::Initialize)
                    && let Some(id) = message.get("id").and_then(Id::in_params)
                {
                    self.meta = standing_for(message.get("params"));
                    self.phase = Phase::Greeted { id };
                }
                vec![Passed::Server(message)]
            }
            Phase::Handshake => vec![Passed::Server(message)],
            Phase::Stateless => self.said_stateless(method, message),
        }
    }

    /// The server says something.
    pub(super) fn heard(&mut self, bytes: Vec<u8>) -> Vec<Passed> {
        if matches!(self.phase, Phase::Silent | Phase::Handshake) {
            return vec![Passed::Gateway(bytes)];
        }
        // What cannot be read the gateway judges.
        let Ok(message) = Message::parse(&bytes) else { return vec![Passed::Gateway(bytes)] };
        let stateless = self.is_stateless();
        match message.kind {
            Kind::Response { id, .. } if stateless => self.on_answer(&id, message.whole),
            Kind::Response { id, failed } => self.on_greeting(&id, failed, message.whole, bytes),
            Kind::Request { id, method } if stateless => {
                let what = format!("Method not found: {method}; ask with a result");
                let code = ErrorCode::METHOD_NOT_FOUND.0;
                vec![Passed::Server(message::error(Some(&id), code, &what, None))]
            }
            Kind::Notification { method } if stateless => self.on_told(&method, message.whole),
            Kind::Request { .. } | Kind::Notification { .. } | Kind::Nameless => {
                vec![Passed::Gateway(bytes)]
            }
        }
    }

    fn on_greeting(&mut self, id: &Id, failed: bool, whole: Json, bytes: Vec<u8>) -> Vec<Passed> {
        match std::mem::take(&mut self.phase) {
            Phase::Greeted { id: own } if own == *id && failed => {
                let ask = self.next();
                let mut request = message::request(&ask, Method::Discover.text(), None);
                self.sign(&mut request);
                self.phase = Phase::Asked { id: own, refused: whole, own: ask };
                vec![Passed::Server(request)]
            }
            Phase::Greeted { id: own } if own == *id => {
                self.phase = Phase::Handshake;
                vec![Passed::Gateway(bytes)]
            }
            Phase::Asked { id: asked, refused, own } if own == *id => {
                match greeting(whole.get("result")) {
                    Some(greeting) => {
                        self.phase = Phase::Stateless;
                        self.listens.capabilities = greeting.get("capabilities").cloned();
                        vec![to_gateway(&message::result(&asked, greeting))]
                    }
                    // It knows neither; what it said first is the better reason.
                    None => vec![to_gateway(&refused)],
                }
            }
            other => {
                self.phase = other;
                vec![Passed::Gateway(bytes)]
            }
        }
    }

    fn said_stateless(&mut self, method: Option<Method>, mut message: Json) -> Vec<Passed> {
        let id = message.get("id").and_then(Id::in_params);
        let Some(id) = id else {
            return match method {
                Some(Method::Cancelled) => self.take_back(&message),
                Some(Method::Initialized) => self.listen(),
                // Roots that nobody keeps.
                Some(Method::RootsChanged) => Vec::new(),
                Some(_) | None => vec![Passed::Server(message)],
            };
        };
        match (message.get("method").is_some(), method) {
            (false, _) => self.on_answered(&id, &message),
            (true, Some(Method::SetLevel)) => {
                let level = message.at(&["params", "level"]).cloned().unwrap_or(Json::Null);
                self.meta.retain(|(name, _)| name != LEVEL);
                self.meta.push((LEVEL.to_owned(), level));
                vec![to_gateway(&message::result(&id, Json::object([])))]
            }
            (true, Some(Method::Subscribe | Method::Unsubscribe)) => {
                self.subscribe(&id, method, &message)
            }
            (true, Some(_) | None) => {
                self.sign(&mut message);
                let open = Open { id: id.clone(), message: message.clone(), rounds: 0 };
                self.open.insert(id, open);
                vec![Passed::Server(message)]
            }
        }
    }

    /// Asks for what the server says unasked, in place of what was asked before; the new request
    /// goes first, so that nothing is missed in between.
    fn listen(&mut self) -> Vec<Passed> {
        let before = self.listens.open.take();
        let filter = self.listens.filter();
        let mut passed = Vec::new();
        if filter.as_object().is_some_and(|filter| !filter.is_empty()) {
            let own = self.next();
            let params = Json::object([("notifications", filter)]);
            let mut request = message::request(&own, Method::Listen.text(), Some(params));
            self.sign(&mut request);
            (self.listens.open, self.listens.acknowledged) = (Some(own), false);
            passed.push(Passed::Server(request));
        }
        passed.extend(before.map(|id| {
            let params = Json::object([("requestId", id.json())]);
            Passed::Server(message::notification(Method::Cancelled.text(), Some(params)))
        }));
        passed
    }

    /// A resource is to be told of, or no longer.
    fn subscribe(&mut self, id: &Id, method: Option<Method>, message: &Json) -> Vec<Passed> {
        let uri = message.at(&["params", "uri"]).and_then(Json::as_text).unwrap_or_default();
        let all = &mut self.listens.resources;
        let changed = match method {
            Some(Method::Unsubscribe) => all.remove(uri),
            Some(_) | None if all.len() < SUBSCRIBED_MAX => all.insert(uri.to_owned()),
            Some(_) | None => {
                let what = format!("{SUBSCRIBED_MAX} resources are told of already");
                return vec![to_gateway(&failed(id, &what))];
            }
        };
        let mut passed = if changed { self.listen() } else { Vec::new() };
        passed.push(to_gateway(&message::result(id, Json::object([]))));
        passed
    }

    /// The server says something unasked; what it says to a request that stays open loses that
    /// request's mark.
    fn on_told(&mut self, method: &str, mut whole: Json) -> Vec<Passed> {
        let mark = whole.at(&["params", "_meta", SUBSCRIPTION]).and_then(Id::in_params);
        if method == ACKNOWLEDGED {
            let again = mark == self.listens.open && self.listens.acknowledged;
            self.listens.acknowledged = true;
            // Its stream broke in between: whatever changed there was not heard.
            let missed = |what: Method| to_gateway(&message::notification(what.text(), None));
            return if again { vec![missed(Method::ToolsChanged)] } else { Vec::new() };
        }
        if mark.is_some()
            && let Some(meta) = whole.get_mut("params").and_then(|params| params.get_mut("_meta"))
        {
            meta.take(SUBSCRIPTION);
        }
        vec![to_gateway(&whole)]
    }

    /// Adds what stands for the handshake.
    fn sign(&self, request: &mut Json) {
        let mut params = request.take("params").unwrap_or(Json::object([]));
        let mut meta = params.take("_meta").unwrap_or(Json::object([]));
        for (name, value) in &self.meta {
            meta.set(name, value.clone());
        }
        params.set("_meta", meta);
        request.set("params", params);
    }

    fn on_answer(&mut self, id: &Id, mut whole: Json) -> Vec<Passed> {
        // Nobody asked, or nobody wants to know any more.
        let Some(open) = self.open.remove(id) else { return Vec::new() };
        let kind = whole.at(&["result", "resultType"]).and_then(Json::as_text);
        if kind == Some("input_required") {
            return self.ask_client(open, whole.get("result"));
        }
        if let Some(result) = whole.get_mut("result") {
            result.take("resultType");
        }
        whole.set("id", open.id.json());
        vec![to_gateway(&whole)]
    }

    /// What the server wants of the client, as requests of its own.
    fn ask_client(&mut self, open: Open, result: Option<&Json>) -> Vec<Passed> {
        let part = |name: &str| result.and_then(|result| result.get(name));
        let state = part("requestState").cloned();
        let asked = part("inputRequests").and_then(Json::as_object).unwrap_or_default();
        if open.rounds >= ROUNDS_MAX || asked.len() > ASKED_MAX {
            let what = "the server asks for more than this gateway passes on";
            return vec![to_gateway(&failed(&open.id, what))];
        }
        let id = open.id.clone();
        let mut waiting = Waiting { open, state, asked: BTreeMap::new(), answers: Vec::new() };
        let mut passed = Vec::new();
        for (name, request) in asked {
            let own = self.next();
            let method = request.get("method").and_then(Json::as_text).unwrap_or_default();
            let params = request.get("params").cloned();
            passed.push(to_gateway(&message::request(&own, method, params)));
            waiting.asked.insert(own, name.clone());
        }
        if waiting.asked.is_empty() {
            return self.repeat(waiting);
        }
        self.waiting.insert(id, waiting);
        passed
    }

    /// The client answered what the server asked, or would not.
    fn on_answered(&mut self, id: &Id, message: &Json) -> Vec<Passed> {
        let of = |(_, waiting): &(&Id, &mut Waiting)| waiting.asked.contains_key(id);
        let Some((call, waiting)) = self.waiting.iter_mut().find(of) else { return Vec::new() };
        let call = call.clone();
        let Some(name) = waiting.asked.remove(id) else { return Vec::new() };
        if let Some(error) = message.get("error") {
            let (of, error) = (call.json(), error.clone());
            let whole =
                Json::object([("jsonrpc", Json::text("2.0")), ("id", of), ("error", error)]);
            let mut passed = vec![to_gateway(&whole)];
            passed.extend(self.forget(&call));
            return passed;
        }
        waiting.answers.push((name, message.get("result").cloned().unwrap_or(Json::Null)));
        if !waiting.asked.is_empty() {
            return Vec::new();
        }
        self.waiting.remove(&call).map_or(Vec::new(), |waiting| self.repeat(waiting))
    }

    fn repeat(&mut self, waiting: Waiting) -> Vec<Passed> {
        let mut open = waiting.open;
        let own = self.next();
        let mut params = open.message.take("params").unwrap_or(Json::object([]));
        params.set("inputResponses", Json::Object(waiting.answers));
        params.take("requestState");
        if let Some(state) = waiting.state {
            params.set("requestState", state);
        }
        open.message.set("params", params);
        open.message.set("id", own.json());
        open.rounds += 1;
        let message = open.message.clone();
        self.open.insert(own, open);
        vec![Passed::Server(message)]
    }

    /// A request is not wanted any more, under whatever id the server has it.
    fn take_back(&mut self, message: &Json) -> Vec<Passed> {
        let named = message.at(&["params", "requestId"]).and_then(Id::in_params);
        let Some(id) = named else { return Vec::new() };
        if self.waiting.contains_key(&id) {
            return self.forget(&id);
        }
        let Some(own) =
            self.open.iter().find(|(_, open)| open.id == id).map(|(own, _)| own.clone())
        else {
            return Vec::new();
        };
        self.open.remove(&own);
        let mut message = message.clone();
        if let Some(params) = message.get_mut("params") {
            params.set("requestId", own.json());
        }
        vec![Passed::Server(message)]
    }

    /// What the client is still asked for a call that is over is taken back.
    fn forget(&mut self, call: &Id) -> Vec<Passed> {
        let asked = self.waiting.remove(call).map(|waiting| waiting.asked).unwrap_or_default();
        let cancel = |id: Id| {
            let params = Json::object([("requestId", id.json())]);
            to_gateway(&message::notification(Method::Cancelled.text(), Some(params)))
        };
        asked.into_keys().map(cancel).collect()
    }

    /// An id that the gateway does not use: it numbers, this is a text.
    fn next(&mut self) -> Id {
        self.made += 1;
        Id::Text(format!("belay/{}", self.made))
    }
}

impl Listens {
    /// What of it the server says that it tells.
    fn filter(&self) -> Json {
        let says = |what: &str, word: &str| {
            let said = self.capabilities.as_ref().and_then(|can| can.at(&[what, word]));
            said == Some(&Json::Bool(true))
        };
        let all = [
            ("tools", "toolsListChanged"),
            ("prompts", "promptsListChanged"),
            ("resources", "resourcesListChanged"),
        ];
        let told = all.iter().filter(|(what, _)| says(what, "listChanged"));
        let mut filter: Vec<(String, Json)> =
            told.map(|(_, name)| ((*name).to_owned(), Json::Bool(true))).collect();
        if !self.resources.is_empty() && says("resources", "subscribe") {
            let uris = self.resources.iter().map(Json::text).collect();
            filter.push(("resourceSubscriptions".to_owned(), Json::List(uris)));
        }
        Json::Object(filter)
    }
}

fn failed(id: &Id, what: &str) -> Json {
    message::error(Some(id), ErrorCode::INTERNAL_ERROR.0, what, None)
}

/// What a handshake said, as each request says it.
fn standing_for(params: Option<&Json>) -> Vec<(String, Json)> {
    let said = |name: &str| params.and_then(|params| params.get(name)).cloned();
    let version = Json::text(ProtocolVersion::NO_INITIALIZE.as_str());
    let mut meta = vec![
        (VERSION.to_owned(), version),
        (CAPABILITIES.to_owned(), said("capabilities").unwrap_or(Json::object([]))),
    ];
    meta.extend(said("clientInfo").map(|info| (CLIENT.to_owned(), info)));
    meta
}

/// What a server says of itself, as the answer to a handshake; none where it does not know the
/// era that is spoken with it.
fn greeting(described: Option<&Json>) -> Option<Json> {
    let described = described?;
    let newest = ProtocolVersion::NO_INITIALIZE;
    let known = described.get("supportedVersions")?.as_list()?;
    known.iter().find(|known| known.as_text() == Some(newest.as_str()))?;
    let before = ProtocolVersion::LATEST_WITH_INITIALIZE;
    let info = described.at(&["_meta", SERVER]).or_else(|| described.get("serverInfo"));
    let capabilities = described.get("capabilities").cloned().unwrap_or(Json::object([]));
    let mut greeting = Json::object([
        ("protocolVersion", Json::text(before.as_str())),
        ("capabilities", capabilities),
        ("serverInfo", info.cloned().unwrap_or(Json::object([]))),
    ]);
    if let Some(instructions) = described.get("instructions") {
        greeting.set("instructions", instructions.clone());
    }
    Some(greeting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    fn server(passed: &[Passed]) -> Json {
        match passed {
            [Passed::Server(message)] => message.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn gateway(passed: &[Passed]) -> Json {
        match passed {
            [Passed::Gateway(bytes)] => Json::parse(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c"}}}"#;

    fn stateless() -> Bridge {
        let mut bridge = Bridge::default();
        assert_eq!(server(&bridge.said(json(HELLO))), json(HELLO));
        let refusal = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no"}}"#;
        let asked = server(&bridge.heard(refusal.to_vec()));
        assert_eq!(asked.get("method"), Some(&Json::text("server/discover")));
        let version = asked.at(&["params", "_meta", VERSION]).and_then(Json::as_text);
        assert_eq!(version, Some("2026-07-28"));
        let described = message::result(
            &asked.get("id").and_then(Id::in_params).unwrap(),
            json(
                r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},
                    "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#,
            ),
        );
        let greeting = gateway(&bridge.heard(described.to_string().into_bytes()));
        assert_eq!(greeting.at(&["result", "serverInfo", "name"]), Some(&Json::text("s")));
        assert_eq!(greeting.get("id"), Some(&Json::number(1)));
        let ready = json(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!(bridge.said(ready), []);
        bridge
    }

    /// Goal: what a server of the older era says passes byte by byte, and it is told the same.
    #[test]
    fn the_older_era_passes_untouched() {
        let mut bridge = Bridge::default();
        bridge.said(json(HELLO));
        let odd = br#" {"jsonrpc":"2.0", "id":1,"result":{"protocolVersion":"2025-11-25"}} "#;
        assert_eq!(bridge.heard(odd.to_vec()), [Passed::Gateway(odd.to_vec())]);
        assert_eq!(bridge.heard(b"words".to_vec()), [Passed::Gateway(b"words".to_vec())]);
        let call = json(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a"}}"#);
        assert_eq!(bridge.said(call.clone()), [Passed::Server(call)]);
        assert!(!bridge.is_stateless());
    }

    /// Goal: a server that knows neither era is named by what it said first.
    #[test]
    fn a_server_of_no_era_is_refused() {
        let mut bridge = Bridge::default();
        bridge.said(json(HELLO));
        let refusal = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"broken"}}"#;
        let asked = server(&bridge.heard(refusal.to_vec()));
        let id = asked.get("id").and_then(Id::in_params).unwrap();
        let again = message::error(Some(&id), -32601, "Method not found", None);
        let said = gateway(&bridge.heard(again.to_string().into_bytes()));
        assert_eq!(said.at(&["error", "message"]), Some(&Json::text("broken")));
    }

    /// Goal: a call that wants something of the client asks for it, and is repeated with it and
    /// with the server's own state; the answer comes under the first id.
    #[test]
    fn a_question_comes_in_between() {
        let mut bridge = stateless();
        let call = json(
            r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":5}}}"#,
        );
        let sent = server(&bridge.said(call));
        assert_eq!(sent.at(&["params", "_meta", "progressToken"]), Some(&Json::number(5)));
        assert!(sent.at(&["params", "_meta", CAPABILITIES, "roots"]).is_some());
        let wants =
            br#"{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"s",
            "inputRequests":{"who":{"method":"elicitation/create","params":{"message":"?"}}}}}"#;
        let question = gateway(&bridge.heard(wants.to_vec()));
        assert_eq!(question.get("method"), Some(&Json::text("elicitation/create")));
        let id = question.get("id").and_then(Id::in_params).unwrap();
        let answer = message::result(&id, json(r#"{"action":"accept"}"#));
        let again = server(&bridge.said(answer));
        assert_ne!(again.get("id"), Some(&Json::number(5)), "another request");
        assert_eq!(again.at(&["params", "requestState"]), Some(&Json::text("s")));
        let given = again.at(&["params", "inputResponses", "who", "action"]);
        assert_eq!(given, Some(&Json::text("accept")));
        let id = again.get("id").and_then(Id::in_params).unwrap();
        let done = message::result(&id, json(r#"{"resultType":"complete","content":[]}"#));
        let said = gateway(&bridge.heard(done.to_string().into_bytes()));
        assert_eq!(said.to_string(), r#"{"jsonrpc":"2.0","id":5,"result":{"content":[]}}"#);
        assert_eq!(bridge.heard(done.to_string().into_bytes()), [], "nobody asked again");
    }

    /// Goal: what a server without a handshake says unasked is asked for, resources by their names,
    /// the new request before the old one is taken back; it comes without the request's mark, and a
    /// stream that broke is taken for a change. Method: a server that tells of tools and resources.
    #[test]
    fn what_is_told_unasked_is_asked_for() {
        let mut bridge = stateless();
        let can = r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true}}"#;
        bridge.listens.capabilities = Some(json(can));
        let ready = json(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let first = server(&bridge.said(ready));
        assert_eq!(first.get("method"), Some(&Json::text("subscriptions/listen")));
        assert!(first.at(&["params", "_meta", VERSION]).is_some());
        let filter = first.at(&["params", "notifications"]).unwrap().to_string();
        assert_eq!(filter, r#"{"toolsListChanged":true}"#);
        let told = |id: &Json, method: &str| {
            let meta = Json::object([(SUBSCRIPTION, id.clone()), ("more", Json::number(1))]);
            let params = Json::object([("_meta", meta)]);
            message::notification(method, Some(params)).to_string().into_bytes()
        };
        let id = first.get("id").unwrap();
        assert_eq!(bridge.heard(told(id, ACKNOWLEDGED)), []);
        let changed = gateway(&bridge.heard(told(id, "notifications/tools/list_changed")));
        assert_eq!(changed.at(&["params", "_meta"]).unwrap().to_string(), r#"{"more":1}"#);
        let again = gateway(&bridge.heard(told(id, ACKNOWLEDGED)));
        assert_eq!(again.get("method"), Some(&Json::text("notifications/tools/list_changed")));
        let subscribe = |method: &str| {
            let params = Json::object([("uri", Json::text("file:///x"))]);
            message::request(&Id::own(9), method, Some(params))
        };
        let passed = bridge.said(subscribe("resources/subscribe"));
        let [Passed::Server(second), Passed::Server(cancel), Passed::Gateway(_)] = &passed[..]
        else {
            panic!("{passed:?}")
        };
        let filter = second.at(&["params", "notifications", "resourceSubscriptions"]).unwrap();
        assert_eq!(filter.to_string(), r#"["file:///x"]"#);
        assert_eq!(cancel.at(&["params", "requestId"]), Some(id));
        let same = bridge.said(subscribe("resources/subscribe"));
        assert_eq!(
            gateway(&same).at(&["result"]),
            Some(&Json::object([])),
            "nothing is asked twice"
        );
        assert_eq!(bridge.said(subscribe("resources/unsubscribe")).len(), 3);
        let ended = message::result(&second.get("id").and_then(Id::in_params).unwrap(), Json::Null);
        assert_eq!(bridge.heard(ended.to_string().into_bytes()), [], "nobody asked for an answer");
    }

    /// Goal: what is taken back is taken back on both sides: the call as its server knows it, and
    /// the question that it waits for.
    #[test]
    fn a_cancel_goes_both_ways() {
        let mut bridge = stateless();
        let call = json(r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"a"}}"#);
        let cancel = json(
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#,
        );
        bridge.said(call.clone());
        assert_eq!(server(&bridge.said(cancel.clone())), cancel);
        assert_eq!(bridge.said(cancel.clone()), [], "it is over");
        bridge.said(call);
        let wants = br#"{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required",
            "inputRequests":{"who":{"method":"roots/list"}}}}"#;
        let question = gateway(&bridge.heard(wants.to_vec()));
        let taken = gateway(&bridge.said(cancel));
        assert_eq!(taken.at(&["params", "requestId"]), question.get("id"));
    }

    /// Goal: a server that asks again and again, or for too much, is answered by name.
    #[test]
    fn rounds_have_an_end() {
        let mut bridge = stateless();
        let call = json(r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"a"}}"#);
        let mut passed = bridge.said(call);
        for _ in 0..=ROUNDS_MAX {
            let id = server(&passed).get("id").and_then(Id::in_params).unwrap();
            let wants = message::result(&id, json(r#"{"resultType":"input_required"}"#));
            passed = bridge.heard(wants.to_string().into_bytes());
        }
        let said = gateway(&passed).at(&["error", "message"]).and_then(Json::as_text).map(str::len);
        assert!(said.is_some_and(|length| length > 0), "{passed:?}");
    }
}
