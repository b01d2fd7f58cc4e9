//! A server that is reached over streamable HTTP: this gateway is its client.
//!
//! Every message is a request of its own; what comes back, as JSON or as events, is handed on
//! message by message, whole. With a handshake there is a session, a stream on which the server
//! speaks unasked, and a DELETE at the end; without one the headers say what the body says, and
//! closing a request's stream takes it back. What opens the server is put in here, at each request,
//! and comes from nowhere else: nothing that an agent says in a header goes on. Refused here:
//! redirects, plain HTTP beyond this machine, and messages without end.

mod dial;
mod request;

pub(crate) use dial::{NO_TLS, check, fingerprint, roots};
pub(crate) use request::header;

use super::child::Heard;
use super::json::Json;
use super::limits::QUEUE_MAX;
use super::message::Id;
use dial::Dial;
use request::Remote as Ends;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, LocalSet};
use url::Url;

/// What opens a server: headers, asked for at each request, so that a new one holds at once.
pub(crate) type Credential = Arc<dyn Fn() -> Result<Vec<(String, String)>, String> + Send + Sync>;

/// Where a server is and what opens it.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) url: Url,
    /// The authority that alone vouches for it, where it is not the system's word.
    pub(crate) ca: Option<String>,
    /// What opens it.
    pub(crate) credential: Credential,
}

/// A server that is spoken to.
pub(super) struct Remote {
    messages: Option<mpsc::Sender<Json>>,
    ended: Receiver<()>,
}

impl Remote {
    /// Begins; `hear` is called from another thread with whatever comes.
    ///
    /// # Errors
    /// What the system says when no thread or no roots can be had.
    pub(super) fn start(
        target: Target,
        hear: impl Fn(Heard) + Clone + 'static + Send,
    ) -> io::Result<Self> {
        let dial = Dial::to(&target.url, target.ca.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (messages, queued) = mpsc::channel(QUEUE_MAX);
        let (end, ended) = sync_channel(1);
        thread::Builder::new().spawn(move || {
            let server = Rc::new(Ends::new(target, dial, Box::new(hear)));
            LocalSet::new().block_on(&runtime, carry_on(server, queued));
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        Ok(Self { messages: Some(messages), ended })
    }

    /// Says a message to it; false where it does not keep up.
    pub(super) fn say(&self, message: Json) -> bool {
        let Some(messages) = &self.messages else { return false };
        // One that has ended is heard on its own.
        !matches!(messages.try_send(message), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// Ends the session with it.
    pub(super) fn end(mut self, grace_ms: u64) {
        self.messages = None;
        // Whether it heard that or not, nothing is left of it here.
        let _ = self.ended.recv_timeout(Duration::from_millis(grace_ms));
    }
}

/// Sends what is said, each request beside the others, notifications in their order.
async fn carry_on(server: Rc<Ends>, mut queued: mpsc::Receiver<Json>) {
    let mut open: BTreeMap<Id, AbortHandle> = BTreeMap::new();
    while let Some(message) = queued.recv().await {
        open.retain(|_, task| !task.is_finished());
        let is_request = message.get("method").is_some();
        match message.get("id").and_then(Id::in_params).filter(|_| is_request) {
            Some(id) => {
                let server = Rc::clone(&server);
                let task = tokio::task::spawn_local(server.request(message));
                open.insert(id, task.abort_handle());
            }
            None => match server.takes_back(&message) {
                // Its connection closes with it, which is what the server sees.
                Some(id) => drop(open.remove(&id).map(|task| task.abort())),
                None => Rc::clone(&server).notify(message).await,
            },
        }
    }
    open.into_values().for_each(|task| task.abort());
    server.leave().await;
}
