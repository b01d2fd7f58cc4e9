//! One peer's link: its connections, its lobby, its writer and its readers.
//!
//! Sending uses the newest connection: a peer that was started anew dials before QUIC has noticed
//! that its old process is dead. But one between both devices goes before one over a relay, which
//! ends soon after the other stands; one over a relay that comes later stays beside it, because the
//! peer may have lost the other. Refused here: talking to libp2p, and telling the owner anything.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Instant,
};

use libp2p::swarm::ConnectionId;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
};

use super::{
    handler::Door,
    key::DeviceKey,
    limits::{Bound, LOBBY_STREAMS_MAX, LOBBY_TIME, RELAYED_DRAIN},
    message::Lane,
    net::Stamped,
    pulse::{Pulse, watch_link},
    queue::Mailbox,
    reader::{LaneReader, LobbyPass, RunningReader, read_lane},
    stream::Stream,
    way::{Carrier, Way},
    writer::write_link,
};

/// How one of a link's tasks ended.
#[derive(Debug)]
pub(crate) struct TaskEnd {
    /// The link's peer.
    pub(crate) peer: DeviceKey,
    /// The link's number.
    pub(crate) link: u64,
    /// What ended.
    pub(crate) ended: Ended,
}

/// The task that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A reader: its stream ended, or its peer broke a bound.
    Reader(Option<Bound>),
    /// The writer, after a hangup: the last urgent frame was read, or time is up.
    Writer,
    /// The watcher: the peer was asked for a sign of life and gave none.
    Silent,
}

/// A link that stands.
pub(crate) struct Link {
    /// Where its frames wait.
    pub(crate) mailbox: Arc<Mailbox>,
    /// Set once it is being closed: it takes no further connection or stream.
    pub(crate) closing: Option<Closing>,
    peer: DeviceKey,
    number: u64,
    connections: Vec<Connection>,
    lobby: Lobby,
    writer: AbortHandle,
    watcher: AbortHandle,
    pulse: Arc<Pulse>,
    readers: [Option<RunningReader>; 3],
}

/// Which side dialled a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This one.
    Own,
    /// The peer.
    Peer,
}

/// Why a link is being closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The owner hung up.
    HungUp,
    /// The peer broke a bound.
    Refused,
    /// The peer answers no more.
    Silent,
}

struct Connection {
    id: ConnectionId,
    way: Way,
    door: Option<Door>,
    /// When it is closed in favour of a better one.
    ends: Option<Instant>,
}

struct Lobby {
    admitted: watch::Sender<bool>,
    used: Arc<AtomicUsize>,
    streams: u32,
    until: Instant,
    seat: Seat,
}

/// Whose seats a link counts among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// A member's, or that of a peer that we keep dialled.
    Own,
    /// One of the lobby's, until it is admitted.
    Stranger,
    /// One of the few for devices that an order cuts.
    Cut,
}

/// Where a link's frames and task ends go.
pub(crate) struct Outlets<'a> {
    /// Urgent frames.
    pub(crate) first: &'a mpsc::Sender<Stamped>,
    /// Bulk and repair frames.
    pub(crate) later: &'a mpsc::Sender<Stamped>,
    /// The loop's tasks.
    pub(crate) tasks: &'a mut JoinSet<TaskEnd>,
}

impl Link {
    /// A link with no connection yet, its writer running, in the lobby.
    pub(crate) fn new(
        (peer, number): (DeviceKey, u64),
        mailbox: Arc<Mailbox>,
        seat: Seat,
        tasks: &mut JoinSet<TaskEnd>,
    ) -> Self {
        let pulse = Arc::new(Pulse::default());
        let writing = write_link(mailbox.clone(), pulse.clone());
        let writer = tasks.spawn(async move {
            writing.await;
            TaskEnd { peer, link: number, ended: Ended::Writer }
        });
        let watching = watch_link(pulse.clone(), mailbox.clone());
        let watcher = tasks.spawn(async move {
            watching.await;
            TaskEnd { peer, link: number, ended: Ended::Silent }
        });
        let lobby = Lobby {
            admitted: watch::Sender::new(false),
            used: Arc::default(),
            streams: 0,
            until: Instant::now() + LOBBY_TIME,
            seat,
        };
        let (connections, readers) = (Vec::new(), [None, None, None]);
        Self {
            mailbox,
            closing: None,
            peer,
            number,
            connections,
            lobby,
            writer,
            watcher,
            pulse,
            readers,
        }
    }

    /// The link's number: no two links have the same.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// A further connection, used once it is ready; the older one that it replaces, for closing: a
    /// peer that dials again has lost what it dialled before.
    pub(crate) fn connected(&mut self, id: ConnectionId, way: Way) -> Option<ConnectionId> {
        let kind = |way: &Way| (way.side, way.is_relayed());
        let older = self.connections.iter().find(|one| kind(&one.way) == kind(&way));
        let older = older.map(|one| one.id);
        self.connections.push(Connection { id, way, door: None, ends: None });
        older
    }

    /// A connection can be asked for streams: from now on the link sends on it.
    pub(crate) fn ready(&mut self, id: ConnectionId, door: Door) {
        if let Some(connection) = self.connections.iter_mut().find(|one| one.id == id) {
            connection.door = Some(door);
            if !connection.way.is_relayed() {
                let ends = Some(Instant::now() + RELAYED_DRAIN);
                let relayed = self.connections.iter_mut().filter(|one| one.way.is_relayed());
                relayed.for_each(|one| one.ends = one.ends.or(ends));
            }
            self.choose_door();
        }
    }

    /// When the next connection ends in favour of a better one.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.connections.iter().filter_map(|one| one.ends).min()
    }

    /// Connections that end now in favour of a better one.
    pub(crate) fn take_ended(&mut self, now: Instant) -> Vec<ConnectionId> {
        let ended = self.connections.iter_mut().filter(|one| one.ends.is_some_and(|at| at <= now));
        ended.map(|one| (one.ends.take(), one.id).1).collect()
    }

    /// How the connection that the link sends on reaches the peer.
    pub(crate) fn way(&self) -> Option<Way> {
        self.best().map(|one| one.way)
    }

    /// Whether this side dialled the peer where it listens, so that others may too.
    pub(crate) fn is_dialled_straight(&self) -> bool {
        let straight = |way: &Way| matches!(way.carrier, Carrier::Quic | Carrier::Tcp);
        self.connections.iter().any(|one| one.way.side == Side::Own && straight(&one.way))
    }

    /// The way of one of its connections.
    pub(crate) fn way_of(&self, id: ConnectionId) -> Option<Way> {
        self.connections.iter().find(|one| one.id == id).map(|one| one.way)
    }

    fn best(&self) -> Option<&Connection> {
        let ready = || self.connections.iter().rev().filter(|one| one.door.is_some());
        ready().find(|one| !one.way.is_relayed()).or_else(|| ready().next())
    }

    /// A connection is gone; the link moves to the best that is left.
    pub(crate) fn disconnected(&mut self, id: ConnectionId) -> Left {
        self.connections.retain(|one| one.id != id);
        if self.connections.is_empty() {
            return Left::Nothing;
        }
        if self.connections.iter().all(|one| one.way.is_relayed()) {
            self.connections.iter_mut().for_each(|one| one.ends = None);
        }
        self.choose_door();
        Left::Connections
    }

    fn choose_door(&self) {
        let best = self.best().and_then(|one| one.door.clone());
        let (_, current) = self.mailbox.door();
        let same = match (&best, &current) {
            (Some(best), Some(current)) => best.same_channel(current),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            self.mailbox.set_door(best);
        }
    }

    /// Reads a stream that the peer opened; it replaces the older one of its lane.
    pub(crate) fn opened(
        &mut self,
        lane: Lane,
        stream: Stream,
        outlets: Outlets<'_>,
    ) -> Result<(), Bound> {
        self.count_stream()?;
        let (done, done_seen) = oneshot::channel();
        let slot = &mut self.readers[lane.index()];
        let events = match lane {
            Lane::Urgent => outlets.first,
            Lane::Bulk | Lane::Repair => outlets.later,
        };
        let (peer, link) = (self.peer, self.number);
        let pass =
            LobbyPass { admitted: self.lobby.admitted.subscribe(), used: self.lobby.used.clone() };
        let (pulse, events, older) = (self.pulse.clone(), events.clone(), slot.take());
        let reader = LaneReader { peer, link, lane, pass, pulse, events, older };
        let abort = outlets.tasks.spawn(async move {
            let ended = Ended::Reader(read_lane(reader, stream).await);
            // Also dropped when this task is aborted: the successor hears either.
            drop(done);
            TaskEnd { peer, link, ended }
        });
        *slot = Some(RunningReader { abort, done: done_seen });
        Ok(())
    }

    fn count_stream(&mut self) -> Result<(), Bound> {
        if self.is_admitted() {
            return Ok(());
        }
        self.lobby.streams += 1;
        match self.lobby.streams <= LOBBY_STREAMS_MAX {
            true => Ok(()),
            false => Err(Bound::LobbyStreams),
        }
    }

    /// Out of the lobby: bulk and repair are read from now on.
    pub(crate) fn admit(&self) {
        self.lobby.admitted.send_replace(true);
    }

    fn is_admitted(&self) -> bool {
        *self.lobby.admitted.borrow()
    }

    /// Whether this link holds a seat of this kind.
    pub(crate) fn holds(&self, seat: Seat) -> bool {
        let left = seat == Seat::Stranger && self.is_admitted();
        self.lobby.seat == seat && self.closing.is_none() && !left
    }

    /// Moves to another seat.
    pub(crate) fn sit(&mut self, seat: Seat) {
        self.lobby.seat = seat;
    }

    /// Streams that the peer sends on.
    pub(crate) fn streams(&self) -> usize {
        let running = |reader: &&RunningReader| !reader.abort.is_finished();
        self.readers.iter().flatten().filter(running).count()
    }

    /// When the lobby ends for this link; `None` once it has no lobby to leave.
    pub(crate) fn lobby_until(&self) -> Option<Instant> {
        (!self.is_admitted() && self.closing.is_none()).then_some(self.lobby.until)
    }

    /// Ends everything; what still waits counts as dropped.
    pub(crate) fn end(&mut self) {
        self.readers = [None, None, None];
        self.writer.abort();
        self.watcher.abort();
        self.mailbox.drop_all();
    }
}

/// What is left of a link when one of its connections is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// At least one connection.
    Connections,
    /// None: the link is down.
    Nothing,
}
