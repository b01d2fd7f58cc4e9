//! Direct QUIC: links of leaves (and payloads), without libp2p in between.
//!
//! A phone dials its gateways here. The frames, lanes, lobby and bounds are those of every link;
//! what is different is below: both sides prove their device key in TLS as a raw public key, a key
//! that the registry does not know is refused before the handshake ends, and a phone that changes
//! its address keeps its connections. Devices that are dialled listen on a socket of their own;
//! whoever dials uses another, which alone may move, because QUIC lets only clients migrate.
//!
//! Read in this order: `doorway` (who may come in), `tls`, `lanes` (one connection), `ways`
//! (roaming), then this loop's half; for payloads `pieces`, `lend`, `fetch`, `desk`.
//!
//! Refused here: deciding who is a member, early data (it can be replayed), dialling by itself.

mod address;
mod desk;
mod dialer;
mod doorway;
mod fetch;
mod hall;
mod lanes;
mod lend;
mod limits;
mod pieces;
mod tls;
mod ways;

pub(crate) use address::split;
pub use address::{direct_address, direct_socket};
pub(crate) use doorway::Porter;
pub use doorway::{Circuits, Doorway, Entry, Strangers};
pub use fetch::Fetch;
pub(crate) use lanes::DirectStream;
pub use lend::{Content, Source};
pub use pieces::{Pieces, Unsealed};
#[cfg(test)]
pub(crate) use {
    lend::{BUSY, COMES},
    limits::{HANDSHAKES_UNPROVEN_MAX, LEND_BLOCK_MAX, LENDS_PER_DEVICE_MAX},
};

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use libp2p::{Multiaddr, swarm::ConnectionId};
use quinn::{
    ClientConfig, Connection, Endpoint, IdleTimeout, SendStream, ServerConfig, TransportConfig,
    VarInt,
};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};

use self::{
    desk::Desk,
    dialer::Dialer,
    hall::Hall,
    lend::Wanted,
    limits::{LINK_WINDOW_BYTES, LOOK_AT_WAY, NEWS_QUEUED, PAYLOAD_WINDOW_BYTES, STREAMS_OPEN_MAX},
    tls::{Identity, Purpose},
    ways::{any_socket, source_towards, with_room},
};
use super::{
    handler::Door,
    key::DeviceKey,
    limits::{IDLE_TIMEOUT, KEEP_ALIVE, STREAM_WINDOW_BYTES},
    link::Side,
    message::Lane,
    stream::Stream,
};

/// What direct connections tell the links' loop.
#[derive(Debug)]
pub(crate) enum DirectNews {
    /// A connection of a link stands.
    Up { id: ConnectionId, peer: DeviceKey, side: Side, door: Door, connection: Connection },
    /// The peer opened a lane on it.
    Opened { id: ConnectionId, peer: DeviceKey, lane: Lane, stream: Stream },
    /// A connection for payloads alone stands.
    Guest { id: ConnectionId, peer: DeviceKey, connection: Connection },
    /// A peer wants a payload, and waits on this stream.
    Wanted { peer: DeviceKey, wanted: Wanted, send: SendStream },
    /// A fetch has ended.
    Fetched { ticket: u64, result: Result<(), String> },
    /// It is gone.
    Closed { id: ConnectionId, peer: DeviceKey },
    /// Nobody could be linked at the direct addresses; the others are still to be tried.
    DialFailed { peer: DeviceKey, why: String, others: Vec<Multiaddr> },
}

/// All direct connections of this device.
pub(crate) struct Direct {
    dialer: Dialer,
    porter: Porter,
    /// Sockets that are listened on.
    doors: Vec<(SocketAddr, Endpoint)>,
    told: BTreeSet<SocketAddr>,
    heard: mpsc::Receiver<DirectNews>,
    standing: BTreeMap<ConnectionId, Standing>,
    desk: Desk,
    look: Interval,
}

struct Standing {
    peer: DeviceKey,
    side: Side,
    of: Purpose,
    connection: Connection,
    /// Where the way to the peer began when it was last looked up.
    from: Option<IpAddr>,
}

/// Why direct connections cannot be had: the socket that is to blame, where one is.
#[derive(Debug)]
pub(crate) struct NoDirect {
    pub(crate) socket: Option<SocketAddr>,
    pub(crate) why: io::Error,
}

impl Direct {
    /// Listens at these sockets, inside a tokio runtime. Fails at the first that cannot be had, or
    /// on a key that TLS refuses.
    pub(crate) fn start(
        (seed, public): (&[u8; 32], &DeviceKey),
        listen: &[SocketAddr],
    ) -> Result<Self, NoDirect> {
        let refused = |why: rustls::Error| NoDirect { socket: None, why: io::Error::other(why) };
        let identity = Identity::new(seed, public).map_err(refused)?;
        let (porter, (news, heard)) = (Porter::default(), mpsc::channel(NEWS_QUEUED));
        let ids = Ids::default();
        let mut doors = Vec::new();
        for socket in listen {
            let crypto = identity.server(porter.clone()).map_err(refused)?;
            let crypto = (crypto, porter.clone());
            let hall = Hall::open(*socket, crypto, (ids.clone(), news.clone()));
            let (hall, at) = hall.map_err(|why| NoDirect { socket: Some(*socket), why })?;
            doors.push((at, hall.endpoint()));
            tokio::spawn(hall.receive());
        }
        let mut look = interval(LOOK_AT_WAY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let desk = Desk::new(porter.clone(), news.clone());
        let dialer = Dialer::new(identity, porter.clone(), (ids, news));
        let (told, standing) = (BTreeSet::new(), BTreeMap::new());
        Ok(Self { dialer, porter, doors, told, heard, standing, desk, look })
    }

    /// Who may come in, as the doorway says.
    pub(crate) fn porter(&self) -> &Porter {
        &self.porter
    }

    /// The next thing that happened; roaming goes on meanwhile. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> DirectNews {
        loop {
            let dialled = self.standing.values().any(|one| one.side == Side::Own);
            tokio::select! {
                Some(news) = self.heard.recv() => {
                    if let Some(news) = self.note(news) {
                        return news;
                    }
                }
                _ = self.look.tick(), if dialled => self.look_at_ways(),
            }
        }
    }

    /// Notes what concerns connections; what concerns their owner goes on.
    fn note(&mut self, news: DirectNews) -> Option<DirectNews> {
        match &news {
            DirectNews::Up { id, peer, side, connection, .. } => {
                let (peer, side, connection) = (*peer, *side, connection.clone());
                let from = source_towards(connection.remote_address());
                self.desk.linked(peer, &connection);
                let of = Purpose::Link;
                self.standing.insert(*id, Standing { peer, side, of, connection, from });
            }
            DirectNews::Guest { id, peer, connection } => {
                let (peer, connection, of) = (*peer, connection.clone(), Purpose::Payload);
                let (side, from) = (Side::Peer, None);
                self.standing.insert(*id, Standing { peer, side, of, connection, from });
                return None;
            }
            DirectNews::Closed { id, .. } => {
                let gone = self.standing.remove(id)?;
                self.desk.gone(&gone.peer, &gone.connection);
                if gone.of == Purpose::Payload {
                    return None;
                }
            }
            DirectNews::Opened { .. }
            | DirectNews::Wanted { .. }
            | DirectNews::Fetched { .. }
            | DirectNews::DialFailed { .. } => {}
        }
        Some(news)
    }

    /// Keeps a peer's wish until its owner has said yes or no; the number to say it under.
    pub(crate) fn keep_wish(&mut self, peer: DeviceKey, wanted: Wanted, send: SendStream) -> u64 {
        self.desk.keep(peer, wanted, send)
    }

    /// What the owner says to a peer's wish.
    pub(crate) fn lend(&mut self, ticket: u64, source: Result<Source, String>) {
        self.desk.lend(ticket, source);
    }

    /// Fetches; `Fetched` tells what came of it.
    pub(crate) fn fetch(&mut self, order: Fetch) {
        let caller = self.dialer.caller(Purpose::Payload);
        self.desk.fetch(order, caller);
    }

    /// Ends a fetch without a word; nothing of it is left.
    pub(crate) fn abandon(&mut self, ticket: u64) {
        self.desk.abandon(ticket);
    }

    /// Dials these sockets, one after the other, until one answers.
    pub(crate) fn dial(
        &mut self,
        peer: DeviceKey,
        sockets: Vec<SocketAddr>,
        others: Vec<Multiaddr>,
    ) {
        self.dialer.dial(peer, sockets, others);
    }

    /// This is said of device keys from now on. Connections to peers that the fleet no longer lets
    /// in are closed; those that it shrinks are the engine's to shrink.
    pub(crate) fn know(&mut self, doorway: Doorway) {
        let refused = |one: &&Standing| match (one.of, doorway.entry(&one.peer)) {
            (_, Entry::Refused) => true,
            (Purpose::Payload, Entry::Cut | Entry::Lobby) => true,
            (Purpose::Payload, Entry::Member) => false,
            (Purpose::Link, Entry::Member | Entry::Cut | Entry::Lobby) => false,
        };
        for one in self.standing.values().filter(|one| one.side == Side::Peer).filter(refused) {
            one.connection.close(VarInt::from_u32(0), b"this key is not known here any more");
        }
        self.porter.hang(doorway);
    }

    /// Ends one connection; false when it is none of ours.
    pub(crate) fn close(&self, id: ConnectionId) -> bool {
        let one = self.standing.get(&id);
        if let Some(one) = one {
            one.connection.close(VarInt::from_u32(0), b"");
        }
        one.is_some()
    }

    /// Ends every connection to this peer.
    pub(crate) fn disconnect(&self, peer: &DeviceKey) {
        for one in self.standing.values().filter(|one| one.peer == *peer) {
            one.connection.close(VarInt::from_u32(0), b"");
        }
    }

    /// This device moved: what it dialled goes on from a fresh socket at this address, or, where it
    /// is unspecified, at the one that the system chooses. A failure leaves everything as it is.
    pub(crate) fn moved(&mut self, to: IpAddr) -> io::Result<()> {
        self.dialer.rebind(to)
    }

    fn look_at_ways(&mut self) {
        let mut moved = false;
        for one in self.standing.values_mut().filter(|one| one.side == Side::Own) {
            let Some(now) = source_towards(one.connection.remote_address()) else { continue };
            moved |= one.from.replace(now).is_some_and(|before| before != now);
        }
        if moved && self.moved(Ipv4Addr::UNSPECIFIED.into()).is_err() {
            // Looked up anew at the next tick, and tried again.
            self.standing.values_mut().for_each(|one| one.from = one.from.map(|_| NOWHERE));
        }
    }

    /// Waits until the last words of closed connections have left.
    pub(crate) async fn finish(self) {
        drop(self.heard);
        let doors = self.doors.iter().map(|(_, door)| door);
        for endpoint in doors.chain(self.dialer.endpoints()) {
            endpoint.close(VarInt::from_u32(0), b"");
            endpoint.wait_idle().await;
        }
    }

    /// Where this device listens, now that it is known to have this address: each once.
    pub(crate) fn listens_at(&mut self, ip: Option<IpAddr>) -> Vec<Multiaddr> {
        let at = |door: &SocketAddr| match (door.ip().is_unspecified(), ip) {
            (true, Some(ip)) if ip.is_ipv4() == door.is_ipv4() => Some(ip),
            (true, _) => None,
            (false, _) => Some(door.ip()),
        };
        let doors = self.doors.iter().map(|(door, _)| door);
        let all = doors.filter_map(|door| Some(SocketAddr::new(at(door)?, door.port())));
        let fresh: Vec<SocketAddr> = all.filter(|socket| !self.told.contains(socket)).collect();
        self.told.extend(&fresh);
        fresh.into_iter().map(direct_address).collect()
    }
}

/// An address that no way begins at.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A bare quinn server with a device's key and this lane's windows, for measuring beside it.
pub(crate) fn raw_server(
    (seed, public): (&[u8; 32], &DeviceKey),
    peer: &DeviceKey,
) -> io::Result<ServerConfig> {
    let porter = Porter::default();
    let (members, cut) = (BTreeSet::from([*peer]), BTreeSet::new());
    porter.hang(Doorway {
        members,
        cut,
        strangers: Strangers::Refused,
        circuits: Circuits::Refused,
    });
    let identity = Identity::new(seed, public).map_err(io::Error::other)?;
    let mut config = ServerConfig::with_crypto(identity.server(porter).map_err(io::Error::other)?);
    config.transport_config(link_transport());
    Ok(config)
}

/// A socket for that client, as the lane has one.
pub(crate) fn raw_socket() -> io::Result<UdpSocket> {
    Ok(with_room(any_socket()?))
}

/// A bare quinn client of that server.
pub(crate) fn raw_client(
    (seed, public): (&[u8; 32], &DeviceKey),
    peer: DeviceKey,
) -> io::Result<ClientConfig> {
    let identity = Identity::new(seed, public).map_err(io::Error::other)?;
    let crypto = identity.client(peer, Purpose::Payload).map_err(io::Error::other)?;
    let mut config = ClientConfig::new(crypto);
    config.transport_config(payload_transport());
    Ok(config)
}

/// Numbers for direct connections. libp2p counts its own upwards from one; these go down from the
/// greatest, so that a link can hold both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids(Arc<AtomicUsize>);

impl Ids {
    fn draw(&self) -> ConnectionId {
        ConnectionId::new_unchecked(usize::MAX - self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The same for a connection on which payloads are fetched: one stream may fill it.
fn payload_transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    let idle = u32::try_from(IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    transport
        .max_concurrent_bidi_streams(0u32.into())
        .max_concurrent_uni_streams(0u32.into())
        .stream_receive_window(PAYLOAD_WINDOW_BYTES.into())
        .receive_window(PAYLOAD_WINDOW_BYTES.into())
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .keep_alive_interval(Some(KEEP_ALIVE));
    Arc::new(transport)
}

/// What a link's connection may hold of a peer's bytes, and how long it may be silent.
fn link_transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    let idle = u32::try_from(IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    transport
        .max_concurrent_bidi_streams(STREAMS_OPEN_MAX.into())
        .max_concurrent_uni_streams(0u32.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(LINK_WINDOW_BYTES.into())
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .keep_alive_interval(Some(KEEP_ALIVE));
    Arc::new(transport)
}
