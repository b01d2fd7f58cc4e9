//! Answers: one message as JSON, or a stream of them (Server-Sent Events, WHATWG HTML 9.2).
//!
//! A stream says that somebody works, by a comment now and then, and ends with the message that
//! answers. Refused here: keeping anything back; nothing of it is for a cache or a proxy to hold.

use super::super::json::Json;
use super::super::limits::BEAT_MS;
use super::kept::EventId;
use super::sessions::{Heard, Word};
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A body.
pub(super) enum Answer {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Message by message.
    Events(Box<Events>),
}

/// A stream of messages.
pub(super) struct Events {
    heard: Heard,
    /// Said first, so that a client can come back before anything else was.
    prime: Option<EventId>,
    first: Option<Word>,
    beat: Interval,
    over: bool,
}

/// One message.
pub(super) fn whole(status: StatusCode, message: &Json) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(Bytes::from(message.to_string()))));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// No message.
pub(super) fn nothing(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(None));
    *response.status_mut() = status;
    response
}

/// Messages as they come, this one first.
pub(super) fn events(
    heard: Heard,
    first: Option<Word>,
    prime: Option<EventId>,
) -> Response<Answer> {
    let mut beat = interval(Duration::from_millis(BEAT_MS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = Events { heard, prime, first, beat, over: false };
    let mut response = Response::new(Answer::Events(Box::new(events)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    response
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let ready = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Events(events) => events.poll(context),
        };
        ready.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Events(events) => events.over,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                hyper::body::SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Events(_) => hyper::body::SizeHint::default(),
        }
    }
}

impl Events {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(prime) = self.prime.take() {
            return Poll::Ready(Some(Bytes::from(format!("id: {prime}\ndata: \n\n"))));
        }
        if let Some(word) = self.first.take() {
            return Poll::Ready(Some(self.event(&word)));
        }
        match self.heard.words.poll_recv(context) {
            Poll::Ready(Some(word)) => Poll::Ready(Some(self.event(&word))),
            // The session is over.
            Poll::Ready(None) => {
                self.over = true;
                Poll::Ready(None)
            }
            Poll::Pending => {
                self.beat.poll_tick(context).map(|_| Some(Bytes::from_static(b": \n\n")))
            }
        }
    }

    /// A message is one line, so it is one `data` field.
    fn event(&mut self, word: &Word) -> Bytes {
        self.over = word.last;
        let id = word.id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        Bytes::from(format!("{id}event: message\ndata: {}\n\n", word.message))
    }
}
