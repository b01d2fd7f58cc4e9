//! One request: heard, read whole, parsed, handed to its session, answered.
//!
//! `/mcp` reaches every connector, `/mcp/NAME` one alone, which keeps its own names. A message is
//! forwarded only after all of its bytes were here and parsed. Refused here: everything else, by
//! name.

use super::super::credential::Place;
use super::super::gateway::Input;
use super::super::json::Json;
use super::super::limits::{BODY_MS_MAX, FIRST_WORD_MS, MESSAGE_BYTES_MAX};
use super::super::message::{self, Id, Kind, Message};
use super::super::method::Method;
use super::super::name;
use super::Host;
use super::answer::{Answer, events, nothing, whole};
use super::guard::only;
use super::headers::{self, Era, SESSION};
use super::kept::EventId;
use super::refused::Refused;
use super::sessions::{Heard, Live, Word};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method as Verb, Request, Response, StatusCode};
use rmcp::model::ErrorCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const ROOT: &str = "/mcp";
const ALLOWED: &str = "GET, POST, DELETE";

/// Answers one request of a caller who stands there.
pub(super) async fn answer(
    host: &Host,
    request: Request<Incoming>,
    place: Place,
) -> Result<Response<Answer>, Refused> {
    let (head, body) = request.into_parts();
    host.guard.check(&head, place)?;
    let connector = connector(&head)?;
    match &head.method {
        verb if *verb == Verb::POST => post(host, &head, connector, body).await,
        verb if *verb == Verb::GET => get(host, &head, connector.as_deref()).await,
        verb if *verb == Verb::DELETE => delete(host, &head, connector.as_deref()),
        _ => Err(Refused::method(ALLOWED)),
    }
}

/// Which connector the path names; none for all of them.
fn connector(head: &Parts) -> Result<Option<String>, Refused> {
    let path = head.uri.path();
    let own = path.strip_prefix(ROOT).filter(|_| head.uri.query().is_none());
    match own {
        Some("") => Ok(None),
        Some(own) if own.strip_prefix('/').is_some_and(name::is_connector) => {
            Ok(Some(own[1..].to_owned()))
        }
        Some(_) | None => {
            let what = "there is nothing here; the endpoint is /mcp, or /mcp/ and a connector";
            Err(Refused::new(StatusCode::NOT_FOUND, what))
        }
    }
}

async fn post(
    host: &Host,
    head: &Parts,
    connector: Option<String>,
    body: Incoming,
) -> Result<Response<Answer>, Refused> {
    headers::check_content(&head.headers)?;
    let mut message = Message::parse(&read(body).await?)?;
    let era = headers::era(&head.headers, &message)?;
    message.repeated = Some(headers::repeated(&head.headers, era)?);
    match era {
        Era::Stateless => {
            let live = host.sessions.shared(connector, &greeting(&message)).await?;
            on_message(&live, message, Spoken { era, primes: false }).await
        }
        Era::Handshake if is_handshake(&message) => greet(host, connector, message).await,
        Era::Handshake => {
            let live = session(host, &head.headers, connector.as_deref())?;
            let primes = headers::may_come_back(&head.headers);
            on_message(&live, message, Spoken { era, primes }).await
        }
    }
}

/// How a client speaks.
#[derive(Clone, Copy)]
struct Spoken {
    era: Era,
    /// Whether its revision knows an event that carries nothing but its id.
    primes: bool,
}

/// Shakes hands; who is refused gets no session.
async fn greet(
    host: &Host,
    connector: Option<String>,
    message: Message,
) -> Result<Response<Answer>, Refused> {
    let (id, live) = host.sessions.begin(connector).await?;
    let answered = ask(&live, message).await;
    let greeted = match &answered {
        Ok((_, Some(word))) => word.message.get("error").is_none(),
        Ok((_, None)) => true,
        Err(_) => false,
    };
    if !greeted {
        host.sessions.end(&id);
    }
    let (heard, word) = answered?;
    let mut response = respond(heard, word, Spoken { era: Era::Handshake, primes: false });
    let named = HeaderValue::from_str(&id).ok().filter(|_| greeted);
    response.headers_mut().extend(named.map(|id| (SESSION, id)));
    Ok(response)
}

/// The whole body, within its bounds.
async fn read(mut body: Incoming) -> Result<Vec<u8>, Refused> {
    let all = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|_broken| Refused::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
            if bytes.len() > MESSAGE_BYTES_MAX {
                let what = "the message is longer than this gateway takes";
                return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, what));
            }
        }
        Ok(bytes)
    };
    let late = |_| Refused::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    timeout(Duration::from_millis(BODY_MS_MAX), all).await.map_err(late)?
}

fn is_handshake(message: &Message) -> bool {
    match &message.kind {
        Kind::Request { method, .. } => Method::named(method) == Some(Method::Initialize),
        Kind::Notification { .. } | Kind::Response { .. } | Kind::Nameless => false,
    }
}

/// What stands for the handshake.
fn greeting(message: &Message) -> Json {
    let said = |name: &str| {
        let name = format!("io.modelcontextprotocol/{name}");
        let found = message.params().and_then(|params| params.at(&["_meta", &name]));
        found.cloned().unwrap_or(Json::Null)
    };
    Json::List(vec![said("clientCapabilities"), said("clientInfo")])
}

/// The session that a request names, on the path where it began.
fn session(
    host: &Host,
    headers: &HeaderMap,
    connector: Option<&str>,
) -> Result<Arc<Live>, Refused> {
    let missing = || {
        let what = "the header Mcp-Session-Id is missing; initialize first";
        Refused::new(StatusCode::BAD_REQUEST, what)
    };
    let id = only(headers, &SESSION).map_err(|()| missing())?.ok_or_else(missing)?;
    let live = host.sessions.named(id).ok_or_else(Refused::no_session)?;
    let same = live.connector.as_deref() == connector;
    if same { Ok(live) } else { Err(Refused::no_session()) }
}

async fn on_message(
    live: &Arc<Live>,
    message: Message,
    spoken: Spoken,
) -> Result<Response<Answer>, Refused> {
    match &message.kind {
        Kind::Request { .. } => on_request(live, message, spoken).await,
        // Whoever closes the stream of a request takes it back; ids are not unique without it.
        Kind::Notification { .. } | Kind::Response { .. } | Kind::Nameless
            if spoken.era == Era::Stateless =>
        {
            Ok(nothing(StatusCode::ACCEPTED))
        }
        Kind::Notification { .. } | Kind::Response { .. } | Kind::Nameless => {
            live.say(Input::Said { via: 0, message: Box::new(message) })?;
            Ok(nothing(StatusCode::ACCEPTED))
        }
    }
}

async fn on_request(
    live: &Arc<Live>,
    message: Message,
    spoken: Spoken,
) -> Result<Response<Answer>, Refused> {
    let (heard, word) = ask(live, message).await?;
    Ok(respond(heard, word, spoken))
}

/// Hands a request to its session; what came of it soon.
async fn ask(live: &Arc<Live>, message: Message) -> Result<(Heard, Option<Word>), Refused> {
    let mut heard = live.open()?;
    live.say(Input::Said { via: heard.via, message: Box::new(message) })?;
    match first(&mut heard).await {
        Some(Some(word)) => Ok((heard, Some(word))),
        Some(None) => Err(Refused::no_session()),
        None => Ok((heard, None)),
    }
}

fn respond(heard: Heard, word: Option<Word>, spoken: Spoken) -> Response<Answer> {
    let prime = spoken.primes.then_some(EventId { via: heard.via, number: 0 });
    match word {
        Some(word) if word.last => whole(status(&word.message, spoken.era), &word.message),
        word => events(heard, word, prime),
    }
}

/// What comes first, if it comes soon.
async fn first(heard: &mut Heard) -> Option<Option<Word>> {
    timeout(Duration::from_millis(FIRST_WORD_MS), heard.words.recv()).await.ok()
}

/// The status that goes with an answer (MCP 2026-07-28, Streamable HTTP, "Errors"); before, every
/// answer to what could be read was one of 200.
fn status(message: &Json, era: Era) -> StatusCode {
    let code = message.at(&["error", "code"]).map(Json::to_string);
    let code = code.and_then(|code| code.parse().ok()).map(ErrorCode);
    match code {
        Some(ErrorCode::HEADER_MISMATCH) => StatusCode::BAD_REQUEST,
        Some(code) if era == Era::Stateless => match code {
            ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
            | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        },
        Some(_) | None => StatusCode::OK,
    }
}

/// The stream on which a session's servers speak unasked; the gate is asked first, as it is about
/// every request.
async fn get(
    host: &Host,
    head: &Parts,
    connector: Option<&str>,
) -> Result<Response<Answer>, Refused> {
    if !head.headers.contains_key(&SESSION) {
        return Err(Refused::method("POST"));
    }
    headers::check_accepts(&head.headers, &["text/event-stream"])?;
    let live = session(host, &head.headers, connector)?;
    may_listen(&live).await?;
    let heard = match headers::seen(&head.headers)? {
        Some(seen) => live.resume(seen)?,
        None => live.listen()?,
    };
    Ok(events(heard, None, None))
}

async fn may_listen(live: &Arc<Live>) -> Result<(), Refused> {
    let mut heard = live.aside()?;
    let whole = message::request(&Id::own(heard.via), Method::Ping.text(), None);
    let message = Message::parse(whole.to_string().as_bytes())?;
    live.say(Input::Said { via: heard.via, message: Box::new(message) })?;
    match first(&mut heard).await {
        Some(Some(word)) if word.message.get("result").is_some() => Ok(()),
        Some(Some(word)) => Err(Refused::saying(StatusCode::FORBIDDEN, word.message)),
        Some(None) => Err(Refused::no_session()),
        None => Err(Refused::busy()),
    }
}

fn delete(host: &Host, head: &Parts, connector: Option<&str>) -> Result<Response<Answer>, Refused> {
    let live = session(host, &head.headers, connector)?;
    drop(live);
    let id = only(&head.headers, &SESSION).ok().flatten().unwrap_or_default();
    match host.sessions.end(id) {
        true => Ok(nothing(StatusCode::NO_CONTENT)),
        false => Err(Refused::no_session()),
    }
}
