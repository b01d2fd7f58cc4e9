//! One message to a server and what comes back.
//!
//! A status that is no success becomes an error of the request that asked, in words; a message in
//! its body is handed on as it is. Refused here: an answer that does not come to an end within its
//! bounds, and any other kind of body.

use super::super::child::Heard;
use super::super::events::Events;
use super::super::json::Json;
use super::super::limits::{
    END_GRACE_MS, LISTED_MAX, LISTEN_AGAIN_MS_MAX, MESSAGE_BYTES_MAX, REST_BYTES_MAX,
};
use super::super::message::{self, Id, Message};
use super::super::method::Method;
use super::super::param::{PREFIX, Param};
use super::Target;
use super::dial::{Dial, Sender};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method as Verb, Request, Response, StatusCode};
use rmcp::model::{ErrorCode, ProtocolVersion};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const META_VERSION: [&str; 3] = ["params", "_meta", "io.modelcontextprotocol/protocolVersion"];

/// Time between two tries to hear a server that speaks unasked.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Both ends of what is said.
pub(super) struct Remote {
    target: Target,
    dial: Dial,
    hear: Box<dyn Fn(Heard)>,
    /// The session that the server gave.
    session: RefCell<Option<HeaderValue>>,
    /// The version that the handshake settled.
    version: RefCell<Option<HeaderValue>>,
    /// What its tools want repeated in headers.
    params: RefCell<BTreeMap<String, Vec<Param>>>,
    listening: Cell<bool>,
    over: Cell<bool>,
}

/// How far a body was read.
enum Read {
    /// To its end, without the message that answers.
    Whole,
    /// To its end, and it answered.
    Answered,
    /// To the message that answers; what follows is no more than the end.
    Rest(Incoming),
}

impl Remote {
    pub(super) fn new(target: Target, dial: Dial, hear: Box<dyn Fn(Heard)>) -> Self {
        Self {
            target,
            dial,
            hear,
            session: RefCell::default(),
            version: RefCell::default(),
            params: RefCell::default(),
            listening: Cell::new(false),
            over: Cell::new(false),
        }
    }

    /// The request that a notification takes back by closing its stream: without a handshake that
    /// is how it is done, and nothing is said.
    pub(super) fn takes_back(&self, message: &Json) -> Option<Id> {
        let method = message.get("method").and_then(Json::as_text).and_then(Method::named);
        let stateless = self.version.borrow().is_none();
        let named = message.at(&["params", "requestId"]).and_then(Id::in_params);
        named.filter(|_| method == Some(Method::Cancelled) && stateless)
    }

    /// Sends a request and hands on whatever comes until it is answered.
    pub(super) async fn request(self: Rc<Self>, message: Json) {
        let id = message.get("id").and_then(Id::in_params);
        if message.get("method").and_then(Json::as_text) == Some(Method::Listen.text()) {
            return self.listen_on(&message, id.as_ref()).await;
        }
        if let Err(why) = self.exchange(&message, id.as_ref()).await {
            let code = ErrorCode::INTERNAL_ERROR.0;
            let error = message::error(id.as_ref(), code, &why, None);
            self.hand_on(error.to_string().into_bytes());
        }
    }

    /// Asks to be told of changes, and again whenever the stream breaks, until the server answers
    /// or the request is taken back.
    async fn listen_on(self: &Rc<Self>, message: &Json, id: Option<&Id>) {
        let mut pause = LISTEN_AGAIN;
        while !self.over.get() {
            let began = Instant::now();
            if self.exchange(message, id).await.is_ok() {
                return;
            }
            pause = match began.elapsed() > pause {
                true => LISTEN_AGAIN,
                false => (pause * 2).min(Duration::from_millis(LISTEN_AGAIN_MS_MAX)),
            };
            sleep(pause).await;
        }
    }

    /// Sends what wants no answer.
    pub(super) async fn notify(self: Rc<Self>, message: Json) {
        // A server that does not take it says so when it is asked something.
        let _ = self.exchange(&message, None).await;
        let method = message.get("method").and_then(Json::as_text).and_then(Method::named);
        if method == Some(Method::Initialized) && !self.listening.replace(true) {
            tokio::task::spawn_local(Rc::clone(&self).listen());
        }
    }

    /// Ends the session, where there is one.
    pub(super) async fn leave(&self) {
        self.over.set(true);
        if self.session.borrow().is_none() {
            return;
        }
        let Ok(request) = self.head(Verb::DELETE, None, Bytes::new()) else { return };
        // It may not take that, or be gone.
        let _ = timeout(Duration::from_millis(END_GRACE_MS), self.dial.send(request)).await;
    }

    async fn exchange(self: &Rc<Self>, message: &Json, id: Option<&Id>) -> Result<(), String> {
        let body = Bytes::from(message.to_string());
        let request = self.head(Verb::POST, Some(message), body)?;
        let (response, sender) = self.dial.send(request).await.map_err(unreached)?;
        let greets = message.get("method").and_then(Json::as_text) == Some("initialize");
        if greets && let Some(session) = response.headers().get(SESSION) {
            *self.session.borrow_mut() = Some(session.clone());
        }
        let status = response.status();
        if status == StatusCode::NOT_FOUND && self.session.borrow().is_some() && !greets {
            (self.hear)(Heard::Ended("it has forgotten the session".to_owned()));
            return Ok(());
        }
        match self.read(response, id, greets).await? {
            Read::Whole => self.dial.keep(sender),
            Read::Answered => {
                self.dial.keep(sender);
                return Ok(());
            }
            Read::Rest(body) => {
                let own = Rc::clone(self);
                tokio::task::spawn_local(async move { own.read_on(body, sender).await });
                return Ok(());
            }
        }
        match id {
            None if status.is_success() => Ok(()),
            None => Err(refused(status)),
            // `read` ends with the answer, or there was none.
            Some(_) if status.is_success() => Err("it ended its answer without one".to_owned()),
            Some(_) => Err(refused(status)),
        }
    }

    /// Reads a body and hands on its messages, up to the one that answers `id`.
    async fn read(
        &self,
        response: Response<Incoming>,
        id: Option<&Id>,
        greets: bool,
    ) -> Result<Read, String> {
        let kind = content_type(response.headers());
        let mut body = response.into_body();
        let (mut events, mut whole) = (Events::default(), Vec::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("its answer broke off: {error}"))?;
            let Ok(data) = frame.into_data() else { continue };
            match kind {
                Kind::Events => {
                    let ended = events.take(&data).map_err(|_too_long| self.too_long())?;
                    for event in ended {
                        if self.take(event, id, greets) {
                            return Ok(Read::Rest(body));
                        }
                    }
                }
                Kind::Json | Kind::Other if whole.len() + data.len() > MESSAGE_BYTES_MAX => {
                    return Err(self.too_long());
                }
                Kind::Json | Kind::Other => whole.extend_from_slice(&data),
            }
        }
        let is_message = matches!(kind, Kind::Json) && !whole.is_empty();
        if is_message && self.take(whole, id, greets) {
            return Ok(Read::Answered);
        }
        Ok(Read::Whole)
    }

    /// Keeps a connection if its answer ends as it should.
    async fn read_on(&self, mut body: Incoming, sender: Sender) {
        let end = async {
            let mut left = REST_BYTES_MAX;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.checked_sub(frame.data_ref().map_or(0, Bytes::len))?;
            }
            Some(())
        };
        if let Ok(Some(())) = timeout(Duration::from_millis(END_GRACE_MS), end).await {
            self.dial.keep(sender);
        }
    }

    /// Hands one message on; true where it answers. One that cannot be read the gateway judges.
    fn take(&self, bytes: Vec<u8>, id: Option<&Id>, greets: bool) -> bool {
        if bytes.trim_ascii().is_empty() {
            return false;
        }
        let read = Message::parse(&bytes).ok();
        let whole = read.as_ref().map(|message| &message.whole);
        if greets && let Some(version) = whole.and_then(|w| w.at(&["result", "protocolVersion"])) {
            let version = version.as_text().and_then(|text| HeaderValue::from_str(text).ok());
            *self.version.borrow_mut() = version;
        }
        if let Some(tools) = whole.and_then(|whole| whole.at(&["result", "tools"])?.as_list()) {
            self.learn(tools);
        }
        let own = whole.filter(|whole| whole.get("method").is_none()).and_then(|w| w.get("id"));
        let answers =
            id.is_some() && (own.and_then(Id::in_params).as_ref() == id || read.is_none());
        self.hand_on(bytes);
        answers
    }

    /// What is wanted of calls from now on; one whose schema cannot be read is not called.
    fn learn(&self, tools: &[Json]) {
        let of = |tool: &Json| {
            let params = Param::of(tool.get("inputSchema")?).ok()?;
            Some((tool.get("name")?.as_text()?.to_owned(), params))
        };
        self.params.borrow_mut().extend(tools.iter().filter_map(of).take(LISTED_MAX));
    }

    /// Says in headers what the arguments of a call say.
    fn repeat(&self, headers: &mut HeaderMap, message: &Json) {
        let tool = message.at(&["params", "name"]).and_then(Json::as_text).unwrap_or_default();
        let arguments = message.at(&["params", "arguments"]);
        for param in self.params.borrow().get(tool).into_iter().flatten() {
            let name = HeaderName::from_bytes(format!("{PREFIX}{}", param.header).as_bytes());
            let value = param.value(arguments).map(|text| HeaderValue::from_str(&plain(&text)));
            if let (Ok(name), Some(Ok(value))) = (name, value) {
                headers.insert(name, value);
            }
        }
    }

    fn hand_on(&self, bytes: Vec<u8>) {
        (self.hear)(Heard::Line(bytes));
    }

    fn too_long(&self) -> String {
        (self.hear)(Heard::TooLong);
        "it sent a message longer than this gateway takes".to_owned()
    }

    /// Hears what the server says unasked, for as long as it lets us.
    async fn listen(self: Rc<Self>) {
        while !self.over.get() && self.version.borrow().is_some() {
            let Ok(request) = self.head(Verb::GET, None, Bytes::new()) else { return };
            match self.dial.send(request).await {
                Ok((response, _)) if response.status().is_success() => {
                    // However it ends, it is opened again.
                    let _ = self.read(response, None, false).await;
                }
                // It has no such stream, or no such session.
                Ok(_) => return,
                Err(_unreached) => {}
            }
            sleep(LISTEN_AGAIN).await;
        }
    }

    fn head(
        &self,
        verb: Verb,
        message: Option<&Json>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let url = &self.target.url;
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let host = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = path.parse().map_err(|_| "its URL has no path".to_owned())?;
        let headers = request.headers_mut();
        for (name, value) in (self.target.credential)()? {
            let (name, value) = header(&name, &value)?;
            headers.insert(name, value);
        }
        let takes = if verb == Verb::GET { "text/event-stream" } else { BOTH };
        headers.insert(HOST, HeaderValue::from_str(&host).map_err(|error| error.to_string())?);
        headers.insert(ACCEPT, HeaderValue::from_static(takes));
        if verb == Verb::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        match message.filter(|message| message.at(&META_VERSION).is_some()) {
            Some(message) => {
                mirror(headers, message);
                self.repeat(headers, message);
            }
            None => {
                headers.extend(self.session.borrow().clone().map(|session| (SESSION, session)));
                headers.extend(self.version.borrow().clone().map(|version| (VERSION, version)));
            }
        }
        *request.method_mut() = verb;
        Ok(request)
    }
}

const BOTH: &str = "application/json, text/event-stream";

/// Says in headers what the body says.
fn mirror(headers: &mut HeaderMap, message: &Json) {
    let newest = HeaderValue::from_str(ProtocolVersion::NO_INITIALIZE.as_str());
    headers.extend(newest.ok().map(|newest| (VERSION, newest)));
    let method = message.get("method").and_then(Json::as_text).unwrap_or_default();
    headers.extend(HeaderValue::from_str(method).ok().map(|method| (METHOD, method)));
    let named = Method::named(method).and_then(Method::names);
    let named = named.and_then(|member| message.at(&["params", member])?.as_text());
    headers
        .extend(named.and_then(|name| HeaderValue::from_str(&plain(name)).ok()).map(|n| (NAME, n)));
}

/// A name as it may stand in a header.
fn plain(name: &str) -> String {
    let edge = name.starts_with([' ', '\t']) || name.ends_with([' ', '\t']);
    let visible = name.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    match visible && !edge && !name.starts_with("=?base64?") {
        true => name.to_owned(),
        false => format!("=?base64?{}?=", BASE64_STANDARD.encode(name)),
    }
}

/// A header that opens a server.
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let own = [HOST, ACCEPT, CONTENT_TYPE, SESSION, VERSION, METHOD, NAME];
    let of_connection = ["connection", "content-length", "transfer-encoding", "upgrade", "te"];
    let parsed = HeaderName::from_bytes(name.as_bytes());
    let header = parsed.map_err(|_| format!("“{name}” is no name of a header"))?;
    let is_own = own.contains(&header) || header.as_str().starts_with(PREFIX);
    if is_own || of_connection.contains(&header.as_str()) {
        return Err(format!("the header {header} is the gateway's own to set"));
    }
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of {header} has letters that no header takes"))?;
    value.set_sensitive(true);
    Ok((header, value))
}

enum Kind {
    Json,
    Events,
    Other,
}

fn content_type(headers: &HeaderMap) -> Kind {
    let said = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Kind::Json,
        "text/event-stream" => Kind::Events,
        _ => Kind::Other,
    }
}

fn unreached(why: String) -> String {
    format!("it could not be reached: {why}")
}

fn refused(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
            "it does not take what this device says of itself ({status}); whoever answers for the \
             device gives the connector another header file"
        ),
        status if status.is_redirection() => {
            format!("it redirects ({status}), which is not followed")
        }
        status => format!("it answered {status}"),
    }
}
