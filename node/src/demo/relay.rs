//! A small UDP relay whose path can be cut and healed: the demo's robot has no other way.
//!
//! Each client gets its own upstream socket, so the target sees every client at its own address. It
//! runs on plain threads, one for the clients' side and one per client, and touches no node.
//! Refused here: delay, reordering and loss (the simulator's), and more than 16 clients.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Clients at once: one device comes this way; the rest is room for where it dials anew from.
pub(super) const RELAY_CLIENTS_MAX: usize = 16;
/// Silence after which a client's place is free again: longer than any QUIC idle timeout in use.
pub(super) const RELAY_CLIENT_IDLE: Duration = Duration::from_secs(30);
/// How often each thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);
/// The largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A running relay; dropping it ends its threads and closes its sockets.
#[derive(Debug)]
pub(crate) struct Relay {
    target: SocketAddr,
    shared: Arc<Shared>,
    clients: Option<JoinHandle<()>>,
}

/// What a relay has done so far, in datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RelayCounts {
    /// Passed on to the target.
    pub(crate) to_target: u64,
    /// Passed back to clients.
    pub(crate) to_clients: u64,
    /// Dropped because the path was cut.
    pub(crate) cut: u64,
    /// Dropped because there were 16 clients already, or a socket refused them.
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    cut: AtomicBool,
    to_target: AtomicU64,
    to_clients: AtomicU64,
    dropped_cut: AtomicU64,
    refused: AtomicU64,
}

impl Relay {
    /// Listens on a free local port and relays to `target`; returns the relay and its address.
    pub(crate) fn start(target: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let front = bind(target)?;
        let listen = front.local_addr()?;
        let shared = Arc::new(Shared::default());
        let mut desk = Desk { front, target, shared: shared.clone(), clients: BTreeMap::new() };
        let clients = thread::Builder::new().name("relay".to_owned()).spawn(move || desk.run())?;
        Ok((Self { target, shared, clients: Some(clients) }, listen))
    }

    /// Where it leads.
    pub(crate) fn target(&self) -> SocketAddr {
        self.target
    }

    /// Drops every datagram, both ways, until healed.
    pub(crate) fn cut(&self) {
        self.shared.cut.store(true, Ordering::Relaxed);
    }

    /// Passes datagrams on again.
    pub(crate) fn heal(&self) {
        self.shared.cut.store(false, Ordering::Relaxed);
    }

    /// What it has done so far.
    pub(crate) fn counts(&self) -> RelayCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RelayCounts {
            to_target: read(&self.shared.to_target),
            to_clients: read(&self.shared.to_clients),
            cut: read(&self.shared.dropped_cut),
            refused: read(&self.shared.refused),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(clients) = self.clients.take() {
            // A relay thread that panicked has ended as well.
            let _ = clients.join();
        }
    }
}

/// The clients' side: one socket, and one upstream per client.
struct Desk {
    front: UdpSocket,
    target: SocketAddr,
    shared: Arc<Shared>,
    clients: BTreeMap<SocketAddr, Client>,
}

struct Client {
    upstream: Arc<UdpSocket>,
    last: Instant,
    back: BackPath,
}

impl Desk {
    fn run(&mut self) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.front.recv_from(&mut datagram) {
                Ok((bytes, client)) => self.forward(client, &datagram[..bytes]),
                Err(error) => pause_unless_timeout(&error),
            }
        }
    }

    fn forward(&mut self, from: SocketAddr, datagram: &[u8]) {
        if self.shared.cut.load(Ordering::Relaxed) {
            count(&self.shared.dropped_cut);
            return;
        }
        let sent = self.upstream(from).and_then(|upstream| upstream.send(datagram).ok());
        match sent {
            Some(_) => count(&self.shared.to_target),
            None => count(&self.shared.refused),
        }
    }

    /// The client's upstream socket; `None` when there is no place or no socket for it.
    fn upstream(&mut self, from: SocketAddr) -> Option<Arc<UdpSocket>> {
        let now = Instant::now();
        if !self.clients.contains_key(&from) {
            self.clients.retain(|_, client| now - client.last < RELAY_CLIENT_IDLE);
            if self.clients.len() == RELAY_CLIENTS_MAX {
                return None;
            }
            let client = self.welcome(from, now).ok()?;
            self.clients.insert(from, client);
        }
        let client = self.clients.get_mut(&from)?;
        client.last = now;
        Some(client.upstream.clone())
    }

    fn welcome(&self, from: SocketAddr, now: Instant) -> io::Result<Client> {
        let upstream = bind(self.target)?;
        upstream.connect(self.target)?;
        let upstream = Arc::new(upstream);
        let (front, shared) = (self.front.try_clone()?, self.shared.clone());
        let back = BackPath::start(from, upstream.clone(), front, shared)?;
        Ok(Client { upstream, last: now, back })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.back.end();
    }
}

/// The way back for one client.
struct BackPath {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BackPath {
    fn start(
        client: SocketAddr,
        upstream: Arc<UdpSocket>,
        front: UdpSocket,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let run = move || {
            let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
            while !stopped.load(Ordering::Relaxed) {
                match upstream.recv(&mut datagram) {
                    Ok(bytes) => pass_back(client, &datagram[..bytes], &front, &shared),
                    Err(error) => pause_unless_timeout(&error),
                }
            }
        };
        let thread = thread::Builder::new().name("relay-back".to_owned()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A relay thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

fn pass_back(client: SocketAddr, datagram: &[u8], front: &UdpSocket, shared: &Shared) {
    if shared.cut.load(Ordering::Relaxed) {
        count(&shared.dropped_cut);
        return;
    }
    match front.send_to(datagram, client) {
        Ok(_) => count(&shared.to_clients),
        Err(_) => count(&shared.refused),
    }
}

/// A local socket of the target's family that looks up from waiting every 50 ms.
fn bind(target: SocketAddr) -> io::Result<UdpSocket> {
    let local = match (target, target.ip().is_loopback()) {
        (SocketAddr::V4(_), true) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        (SocketAddr::V4(_), false) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        (SocketAddr::V6(_), true) => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        (SocketAddr::V6(_), false) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(local)?;
    socket.set_read_timeout(Some(LOOK))?;
    Ok(socket)
}

/// A target that is not there answers each datagram with an error; that must not spin.
fn pause_unless_timeout(error: &io::Error) {
    if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        thread::sleep(Duration::from_millis(1));
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
