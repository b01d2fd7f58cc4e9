//! One session: the loop that carries out what the gateway says.
//!
//! Threads bring what happens (client, servers, gate); one loop hands it to the gateway and does
//! what comes of it. The loop runs on the thread that started the servers, because they end with
//! it. Refused here: thinking.

use super::child::{self, Heard, Line};
use super::gate::Gate;
use super::gateway::{Approved, Came, Gateway, Input, Judged, MAIN, Output, Question};
use super::json::Json;
use super::limits::{BODY_MS_MAX, END_GRACE_MS, QUEUE_MAX, TICK_MS};
use super::pin::{Change, Pins};
use super::reached::{Reached, Stand, Told};
use super::remote::Credential;
use crate::api::Ask;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::api::event::ToldAsk;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often time is looked at.
const TICK: Duration = Duration::from_millis(TICK_MS);

/// What happens to a session.
pub(super) enum News {
    /// Something for the gateway.
    Input(Input),
    /// The client is gone.
    Left,
}

/// Serves a client on standard input and output until it leaves.
///
/// # Errors
/// What the client's side of the pipe says.
pub(crate) fn on_stdio(connectors: Vec<ConnectorSaid>, door: &Path) -> io::Result<()> {
    let (news, heard) = sync_channel(QUEUE_MAX);
    let client = news.clone();
    thread::spawn(move || read_client(&client));
    let mut out = io::stdout().lock();
    let say = |_via: u64, message: Json, _last: bool| {
        writeln!(out, "{message}").and_then(|()| out.flush())
    };
    let stand = Stand::Below(door.to_owned());
    Session::new(connectors, stand, Gate::behind(door), news).serve(&heard, say)
}

/// Serves a client on a stream until it leaves, with one connector.
///
/// # Errors
/// What the stream says.
pub(crate) fn on_stream(
    connector: ConnectorSaid,
    stand: Stand,
    gate: Gate,
    stream: UnixStream,
) -> io::Result<()> {
    let (news, heard) = sync_channel(QUEUE_MAX);
    stream.set_write_timeout(Some(Duration::from_millis(BODY_MS_MAX)))?;
    let (client, reading, mut out) = (news.clone(), stream.try_clone()?, stream.try_clone()?);
    thread::Builder::new().spawn(move || read_lines(reading, &client))?;
    let say = |_via: u64, message: Json, _last: bool| {
        let line = format!("{message}\n");
        out.write_all(line.as_bytes())
    };
    let served = Session::new(vec![connector], stand, gate, news).serve(&heard, say);
    // Whoever reads it knows by that; it may be closed already.
    let _ = stream.shutdown(Shutdown::Both);
    served
}

fn read_client(news: &SyncSender<News>) {
    read_lines(io::stdin(), news);
}

fn read_lines(client: impl Read, news: &SyncSender<News>) {
    child::lines(BufReader::new(client), |line| {
        let input = match line {
            Line::Whole(bytes) => Input::Client { via: MAIN, bytes },
            Line::TooLong => Input::ClientTooLong { via: MAIN },
        };
        news.send(News::Input(input)).is_ok()
    });
    // The loop may have ended already.
    let _ = news.send(News::Left);
}

/// A session's hands.
pub(super) struct Session {
    gateway: Gateway,
    connectors: Vec<ConnectorSaid>,
    stand: Stand,
    running: BTreeMap<usize, Reached>,
    gate: Gate,
    news: SyncSender<News>,
    begun: Instant,
}

impl Session {
    pub(super) fn new(
        connectors: Vec<ConnectorSaid>,
        stand: Stand,
        gate: Gate,
        news: SyncSender<News>,
    ) -> Self {
        let known = |connector| approved(connector, &stand);
        let gateway = Gateway::new(connectors.iter().map(known).collect());
        let running = BTreeMap::new();
        Self { gateway, connectors, stand, running, gate, news, begun: Instant::now() }
    }

    /// Carries on until the client leaves or cannot be told anything.
    pub(super) fn serve(
        mut self,
        heard: &Receiver<News>,
        mut say: impl FnMut(u64, Json, bool) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut told = Ok(());
        while told.is_ok() {
            let input = match heard.recv_timeout(TICK) {
                Ok(News::Input(input)) => input,
                Err(RecvTimeoutError::Timeout) => Input::Tick,
                Ok(News::Left) | Err(RecvTimeoutError::Disconnected) => break,
            };
            told = self.handle(input, &mut say);
        }
        self.leave(heard);
        self.end();
        told
    }

    fn handle(
        &mut self,
        input: Input,
        say: &mut impl FnMut(u64, Json, bool) -> io::Result<()>,
    ) -> io::Result<()> {
        self.take(input);
        while let Some(output) = self.gateway.poll() {
            self.perform(output, say)?;
        }
        Ok(())
    }

    /// Takes back what the client had open, and hears what the gate says of it still, for a while,
    /// so that no permit stays without what came of it.
    fn leave(&mut self, heard: &Receiver<News>) {
        let until = Instant::now() + Duration::from_millis(END_GRACE_MS);
        let mut nobody = |_via: u64, _message: Json, _last: bool| Ok(());
        let mut next = Some(Input::Left);
        while let Some(input) = next {
            // Nobody is told, so nothing fails.
            let _ = self.handle(input, &mut nobody);
            let left = until.saturating_duration_since(Instant::now());
            next = match self.gateway.waits_for_gate().then(|| heard.recv_timeout(left)) {
                Some(Ok(News::Input(input @ Input::Judged { .. }))) => Some(input),
                Some(Ok(News::Input(_) | News::Left)) => Some(Input::Tick),
                Some(Err(_)) | None => None,
            };
        }
    }

    fn perform(
        &mut self,
        output: Output,
        say: &mut impl FnMut(u64, Json, bool) -> io::Result<()>,
    ) -> io::Result<()> {
        match output {
            Output::Client { via, message, last } => return say(via, message, last),
            Output::Start { at } => self.start(at),
            Output::Server { at, message } => self.say_to(at, message),
            Output::End { at } => {
                if let Some(server) = self.running.remove(&at) {
                    server.end(0);
                }
            }
            Output::Ask { ask, question } => self.ask(ask, question),
            Output::Outcome { of, came, took_ms } => self.gate.tell(outcome(of, came, took_ms)),
            Output::Differs { at, changes } => self.report(at, changes),
        }
        Ok(())
    }

    fn ask(&self, ask: u64, question: Question) {
        let judged = self.news.clone();
        self.gate.ask(question, move |said| {
            // The loop may have ended already.
            let _ = judged.send(News::Input(Input::Judged { ask, said }));
        });
    }

    /// Something happened; what a server says goes over its bridge first.
    fn take(&mut self, input: Input) {
        match input {
            Input::Server { at, bytes } => {
                let told = match self.running.get_mut(&at) {
                    Some(server) => server.hear(bytes),
                    None => Some(vec![bytes]),
                };
                self.told(at, told);
            }
            other => self.gateway.handle(self.now_ms(), other),
        }
    }

    fn start(&mut self, at: usize) {
        let Some(connector) = self.connectors.get(at) else { return };
        match start(connector, at, &self.stand, self.news.clone()) {
            Ok(server) => drop(self.running.insert(at, server)),
            Err(error) => {
                let why = format!("it could not be started: {error}");
                self.gateway.handle(self.now_ms(), Input::Gone { at, why });
            }
        }
    }

    fn say_to(&mut self, at: usize, message: Json) {
        if let Some(server) = self.running.get_mut(&at) {
            let told = server.say(message);
            self.told(at, told);
        }
    }

    fn told(&mut self, at: usize, told: Told) {
        let Some(heard) = told else {
            drop(self.running.remove(&at));
            let why = "it does not read what it is told".to_owned();
            return self.gateway.handle(self.now_ms(), Input::Gone { at, why });
        };
        for bytes in heard {
            self.gateway.handle(self.now_ms(), Input::Server { at, bytes });
        }
    }

    /// The device's owner finds it with `belay connector show`; that he does is not waited for.
    fn report(&self, at: usize, changes: Vec<Change>) {
        let Some(connector) = self.connectors.get(at) else { return };
        let name = connector.name.clone();
        self.gate.tell(Ask::Connector(ConnectorAsk::Differs { name, changes }));
    }

    fn end(self) {
        let ends: Vec<_> = self
            .running
            .into_values()
            .map(|server| thread::spawn(move || server.end(END_GRACE_MS)))
            .collect();
        // A thread that panicked has nothing more to end.
        ends.into_iter().for_each(|end| drop(end.join()));
        self.gate.settle(Duration::from_millis(END_GRACE_MS));
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn outcome(of: String, came: Came, took_ms: u64) -> Ask {
    let came = match came {
        Came::Done => "done",
        Came::Failed => "failed",
        Came::Cancelled => "cancelled",
        Came::NotTried => "not-tried",
    };
    let took_ms = Some(took_ms);
    Ask::Outcome(ToldAsk { of, came: came.to_owned(), took_ms, ..ToldAsk::default() })
}

fn approved(connector: &ConnectorSaid, stand: &Stand) -> Approved {
    Approved {
        judged: match (&connector.url, stand) {
            (Some(_), Stand::Below(_)) => Judged::Elsewhere,
            (None, _) | (Some(_), Stand::Keeper(_)) => Judged::Here,
        },
        name: connector.name.clone(),
        reached: reached(connector),
        pins: Some(connector.approved.clone()),
    }
}

/// How a server is reached, as far as that is part of what is approved.
fn reached(connector: &ConnectorSaid) -> Json {
    let texts = |all: &[String]| Json::List(all.iter().map(Json::text).collect());
    let mut reached = Json::object([
        ("command", texts(&connector.command)),
        ("url", connector.url.as_ref().map_or(Json::Null, Json::text)),
        ("env", texts(&connector.env)),
    ]);
    if let Some(ca) = &connector.ca {
        reached.set("ca", Json::text(ca));
    }
    reached
}

fn start(
    connector: &ConnectorSaid,
    at: usize,
    stand: &Stand,
    news: SyncSender<News>,
) -> io::Result<Reached> {
    let hear = move |heard| {
        let input = match heard {
            Heard::Line(bytes) => Input::Server { at, bytes },
            Heard::TooLong => {
                let why = "it sent a message longer than this gateway takes".to_owned();
                Input::Gone { at, why }
            }
            Heard::Ended(why) => Input::Gone { at, why },
        };
        // The loop may have ended already.
        let _ = news.send(News::Input(input));
    };
    Reached::start(connector, stand, hear)
}

/// What a server shows, to be approved: its pins, what a model would read, and names that are not
/// passed on.
pub(crate) struct Shown {
    /// What would be approved.
    pub(crate) pins: Pins,
    /// Names of tools that are not passed on, and why.
    pub(crate) refused: BTreeMap<String, String>,
    /// What it tells the model first.
    pub(crate) instructions: Json,
    /// The descriptors of its tools.
    pub(crate) tools: Vec<Json>,
}

/// Starts a connector's server once, looks at it, and ends it.
///
/// # Errors
/// Why it could not be looked at.
pub(crate) fn look(connector: &ConnectorSaid, credential: Credential) -> Result<Shown, String> {
    let (news, heard) = sync_channel(QUEUE_MAX);
    let stand = Stand::Keeper(credential);
    let unjudged = Approved { pins: None, ..approved(connector, &stand) };
    let mut gateway = Gateway::new(vec![unjudged]);
    let begun = Instant::now();
    let now_ms = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut server = None;
    gateway.look_at_servers();
    loop {
        while let Some(output) = gateway.poll() {
            match output {
                Output::Start { at } => match start(connector, at, &stand, news.clone()) {
                    Ok(started) => server = Some(started),
                    Err(error) => return Err(format!("it could not be started: {error}")),
                },
                Output::Server { at, message } => {
                    let told = server.as_mut().and_then(|server| server.say(message));
                    for bytes in told.unwrap_or_default() {
                        gateway.handle(now_ms(), Input::Server { at, bytes });
                    }
                }
                Output::End { .. } => drop(server.take()),
                // Nobody asks, and nothing was approved that it could differ from.
                Output::Client { .. }
                | Output::Ask { .. }
                | Output::Outcome { .. }
                | Output::Differs { .. } => {}
            }
        }
        if let Some(shown) = gateway.shown_by(0) {
            let refused = gateway.refused_names(0).clone();
            let (instructions, tools) = gateway.words_of(0);
            if let Some(server) = server.take() {
                server.end(END_GRACE_MS);
            }
            return shown.map(|pins| Shown { pins, refused, instructions, tools });
        }
        let input = match heard.recv_timeout(TICK) {
            Ok(News::Input(input)) => input,
            Ok(News::Left) | Err(_) => Input::Tick,
        };
        let told = match (input, server.as_mut()) {
            (Input::Server { bytes, .. }, Some(server)) => server.hear(bytes),
            (input, _) => {
                gateway.handle(now_ms(), input);
                None
            }
        };
        for bytes in told.unwrap_or_default() {
            gateway.handle(now_ms(), Input::Server { at: 0, bytes });
        }
    }
}
