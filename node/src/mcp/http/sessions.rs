//! The sessions of one agent: who has shaken hands has one of its own, with servers of its own;
//! clients without a handshake that can do the same share one.
//!
//! A session lives until its client ends it or the agent has ended; only where there are too many
//! the one that was idle longest makes room, and its client starts anew (MCP 2025-11-25,
//! "Session Management": 404). Refused here: a session's id as a right; the token is, and where the
//! caller stands.

use super::super::gate::Gate;
use super::super::gateway::{Input, MAIN};
use super::super::json::Json;
use super::super::limits::{KEPT_MAX, QUEUE_MAX, SESSIONS_MAX};
use super::super::reached::Stand;
use super::super::session::{News, Session};
use super::headers::Era;
use super::kept::{Event, EventId, Kept};
use super::refused::Refused;
use crate::api::Ask;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::door::DoorClient;
use belay_identity::key::hex;
use hyper::StatusCode;
use rmcp::model::ErrorCode;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Which session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// By the id that its client was given.
    Handshake(String),
    /// By what stands for the handshake in each request, and which connectors.
    Stateless(String),
}

/// All of them.
pub(super) struct Sessions {
    door: PathBuf,
    gate: Gate,
    all: Mutex<BTreeMap<Key, Arc<Live>>>,
}

/// One session, as its connections see it.
pub(super) struct Live {
    /// Which connectors it reaches; none means all.
    pub(super) connector: Option<String>,
    era: Era,
    news: SyncSender<News>,
    streams: Mutex<Streams>,
    used: Mutex<Instant>,
    ended: Mutex<Option<thread::JoinHandle<()>>>,
}

/// What a session begins with.
struct Begin {
    connectors: Vec<ConnectorSaid>,
    door: PathBuf,
    gate: Gate,
}

/// Where its words go.
#[derive(Default)]
struct Streams {
    made: u64,
    hearers: u64,
    open: BTreeMap<u64, Open>,
    /// What a client whose connection broke may still get.
    kept: Kept,
    /// What nobody listened to yet, of the channel that is no request's.
    early: VecDeque<Word>,
    over: bool,
}

/// One message for a client; `last` where it answers what was asked on its channel.
pub(super) struct Word {
    pub(super) message: Json,
    pub(super) last: bool,
    /// Where its era lets a client come back to it.
    pub(super) id: Option<EventId>,
}

/// Who hears a channel; another may have taken it over meanwhile.
struct Open {
    hearer: u64,
    to: mpsc::Sender<Word>,
}

impl Sessions {
    pub(super) fn behind(door: PathBuf) -> Self {
        let gate = Gate::behind(&door);
        Self { door, gate, all: Mutex::default() }
    }

    /// A new one for a client that shakes hands, and its id.
    pub(super) async fn begin(
        &self,
        connector: Option<String>,
    ) -> Result<(String, Arc<Live>), Refused> {
        let mut id = [0; 16];
        let drawn = getrandom::fill(&mut id);
        drawn.map_err(|error| failed(&error.to_string()))?;
        let id = hex(&id);
        let live = self.start(Key::Handshake(id.clone()), connector).await?;
        Ok((id, live))
    }

    /// The one that clients share who can do this.
    pub(super) async fn shared(
        &self,
        connector: Option<String>,
        greeting: &Json,
    ) -> Result<Arc<Live>, Refused> {
        let place = connector.clone().unwrap_or_default();
        let key = Key::Stateless(format!("{place} {}", greeting.sorted()));
        match self.found(&key) {
            Some(live) => Ok(live),
            None => self.start(key, connector).await,
        }
    }

    /// The one of this id.
    pub(super) fn named(&self, id: &str) -> Option<Arc<Live>> {
        self.found(&Key::Handshake(id.to_owned()))
    }

    /// Ends the one of this id; false where there is none.
    pub(super) fn end(&self, id: &str) -> bool {
        let ended = self.all().remove(&Key::Handshake(id.to_owned()));
        ended.map(|live| live.leave()).is_some()
    }

    /// Ends all of them; waits no longer than this.
    pub(super) fn end_all(&self, at_most: Duration) {
        let all = std::mem::take(&mut *self.all());
        all.values().for_each(|live| live.leave());
        let until = Instant::now() + at_most;
        for live in all.into_values() {
            let thread = lock(&live.ended).take();
            while thread.as_ref().is_some_and(|thread| !thread.is_finished())
                && Instant::now() < until
            {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn found(&self, key: &Key) -> Option<Arc<Live>> {
        let live = self.all().get(key).cloned()?;
        *lock(&live.used) = Instant::now();
        Some(live)
    }

    async fn start(&self, key: Key, connector: Option<String>) -> Result<Arc<Live>, Refused> {
        let (door, wanted) = (self.door.clone(), connector.clone());
        let listed = tokio::task::spawn_blocking(move || listed(&door, wanted.as_deref())).await;
        let connectors = listed.map_err(|error| failed(&error.to_string()))??;
        let mut all = self.all();
        // Another request may have started it meanwhile.
        if let Some(live) = all.get(&key) {
            return Ok(Arc::clone(live));
        }
        make_room(&mut all)?;
        let era = match &key {
            Key::Handshake(_) => Era::Handshake,
            Key::Stateless(_) => Era::Stateless,
        };
        let session = Begin { connectors, door: self.door.clone(), gate: self.gate.clone() };
        let live = Live::start(connector, era, session);
        all.insert(key, Arc::clone(&live));
        Ok(live)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Live>>> {
        lock(&self.all)
    }
}

/// The connectors as the node has them now.
fn listed(door: &std::path::Path, wanted: Option<&str>) -> Result<Vec<ConnectorSaid>, Refused> {
    let no = |error: crate::door::DoorError| failed(&format!("{error}. next: {}", error.hint()));
    let ask = Ask::Connector(ConnectorAsk::List);
    let mut all: Vec<ConnectorSaid> =
        DoorClient::connect(door).and_then(|mut door| door.call(&ask)).map_err(no)?;
    let Some(wanted) = wanted else { return Ok(all) };
    all.retain(|connector| connector.name == wanted);
    if all.is_empty() {
        let what = format!("there is no connector {wanted} on this device");
        return Err(Refused::new(StatusCode::NOT_FOUND, &what));
    }
    Ok(all)
}

/// The one that nobody listens to and that was idle longest goes.
fn make_room(all: &mut BTreeMap<Key, Arc<Live>>) -> Result<(), Refused> {
    if all.len() < SESSIONS_MAX {
        return Ok(());
    }
    let idle = all.iter().filter(|(_, live)| lock(&live.streams).open.is_empty());
    let oldest = idle.min_by_key(|(_, live)| *lock(&live.used)).map(|(key, _)| key.clone());
    let gone = oldest.and_then(|key| all.remove(&key)).ok_or_else(Refused::busy)?;
    gone.leave();
    Ok(())
}

fn failed(what: &str) -> Refused {
    let code = ErrorCode::INTERNAL_ERROR;
    Refused::about(None, StatusCode::SERVICE_UNAVAILABLE, code, what)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    fn start(connector: Option<String>, era: Era, begin: Begin) -> Arc<Self> {
        let (news, heard) = sync_channel(QUEUE_MAX);
        let live = Arc::new(Self {
            connector,
            era,
            news: news.clone(),
            streams: Mutex::default(),
            used: Mutex::new(Instant::now()),
            ended: Mutex::default(),
        });
        let own = Arc::clone(&live);
        let Begin { connectors, door, gate } = begin;
        let session = Session::new(connectors, Stand::Below(door), gate, news);
        *lock(&live.ended) = Some(thread::spawn(move || own.carry_on(session, &heard)));
        live
    }

    fn carry_on(&self, session: Session, heard: &Receiver<News>) {
        let say = |via, message, last| {
            self.tell(via, message, last);
            Ok(())
        };
        // Nothing that is said here can fail.
        let _ = session.serve(heard, say);
        let mut streams = lock(&self.streams);
        streams.over = true;
        streams.open.clear();
    }

    /// Hands something to the session; it does not wait for one that is overrun.
    pub(super) fn say(&self, input: Input) -> Result<(), Refused> {
        self.news.try_send(News::Input(input)).map_err(|_full| Refused::busy())
    }

    /// A channel for one request.
    pub(super) fn open(self: &Arc<Self>) -> Result<Heard, Refused> {
        let heard = self.aside()?;
        if self.era == Era::Handshake {
            lock(&self.streams).kept.begin(heard.via);
        }
        Ok(heard)
    }

    /// The same for one that no client asked, and to which none comes back.
    pub(super) fn aside(self: &Arc<Self>) -> Result<Heard, Refused> {
        let mut streams = lock(&self.streams);
        if streams.over {
            return Err(Refused::no_session());
        }
        streams.made += 1;
        let (via, channel) = (MAIN + streams.made, mpsc::channel(QUEUE_MAX));
        Ok(self.heard(&mut streams, via, channel))
    }

    fn heard(
        self: &Arc<Self>,
        streams: &mut Streams,
        via: u64,
        (to, words): (mpsc::Sender<Word>, mpsc::Receiver<Word>),
    ) -> Heard {
        streams.hearers += 1;
        let hearer = streams.hearers;
        streams.open.insert(via, Open { hearer, to });
        Heard { via, hearer, words, live: Arc::clone(self) }
    }

    /// A channel from an event on that its client has seen, whoever may still seem to hear it.
    pub(super) fn resume(self: &Arc<Self>, seen: EventId) -> Result<Heard, Refused> {
        let mut streams = lock(&self.streams);
        if streams.over {
            return Err(Refused::no_session());
        }
        let (missed, over) = streams.kept.after(seen).map_err(|_lost| Refused::lost())?;
        let (to, words) = mpsc::channel(QUEUE_MAX + KEPT_MAX);
        for event in missed {
            let Event { id, message, last, .. } = event;
            // As many as are kept fit.
            let _ = to.try_send(Word { message, last, id: Some(id) });
        }
        if seen.via == MAIN {
            streams.early.clear();
        }
        let heard = self.heard(&mut streams, seen.via, (to, words));
        if over {
            // Nothing more comes.
            streams.open.remove(&seen.via);
        }
        Ok(heard)
    }

    /// The channel that is no request's; one at a time has it.
    pub(super) fn listen(self: &Arc<Self>) -> Result<Heard, Refused> {
        let mut streams = lock(&self.streams);
        if streams.over {
            return Err(Refused::no_session());
        }
        if streams.open.get(&MAIN).is_some_and(|open| !open.to.is_closed()) {
            let what = "this session's stream is open already";
            return Err(Refused::new(StatusCode::CONFLICT, what));
        }
        let (to, words) = mpsc::channel(QUEUE_MAX);
        for word in streams.early.drain(..) {
            // As many as were kept fit.
            let _ = to.try_send(word);
        }
        if self.era == Era::Handshake {
            streams.kept.begin(MAIN);
        }
        Ok(self.heard(&mut streams, MAIN, (to, words)))
    }

    fn tell(&self, via: u64, message: Json, last: bool) {
        let mut streams = lock(&self.streams);
        if via == MAIN && self.era == Era::Handshake {
            streams.kept.begin(MAIN);
        }
        let id = streams.kept.keep(via, &message, last);
        let word = Word { message, last, id };
        let left = match streams.open.get(&via) {
            Some(open) => open.to.try_send(word).err(),
            None => Some(mpsc::error::TrySendError::Closed(word)),
        };
        match left {
            None => {}
            // Whoever does not read is not waited for.
            Some(mpsc::error::TrySendError::Full(_)) => drop(streams.open.remove(&via)),
            Some(mpsc::error::TrySendError::Closed(word)) if via == MAIN => {
                streams.open.remove(&via);
                if streams.early.len() >= QUEUE_MAX {
                    streams.early.pop_front();
                }
                streams.early.push_back(word);
            }
            Some(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn leave(&self) {
        let news = self.news.clone();
        // It may be overrun; whoever ends it does not wait for that.
        thread::spawn(move || drop(news.send(News::Left)));
    }
}

/// What comes on one channel; given back when it is not heard any more.
pub(super) struct Heard {
    pub(super) via: u64,
    hearer: u64,
    pub(super) words: mpsc::Receiver<Word>,
    live: Arc<Live>,
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.words.close();
        *lock(&self.live.used) = Instant::now();
        if self.via == MAIN {
            return;
        }
        let mut streams = lock(&self.live.streams);
        if streams.open.get(&self.via).is_some_and(|open| open.hearer == self.hearer) {
            streams.open.remove(&self.via);
        }
        drop(streams);
        // Without a handshake this is the cancel. A session that is overrun finds out later.
        if self.live.era == Era::Stateless {
            let _ = self.live.say(Input::Hangup { via: self.via });
        }
    }
}
