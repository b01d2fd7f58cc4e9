//! A small UDP relay whose path can be cut and healed: a far device's only way to a near one.
//!
//! Each client gets its own socket towards the target, so the target sees every client at its own
//! address. Refused here: delay, loss and reordering, which are the simulator's.

use super::waiting::must;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Clients at once; a story has a handful of devices, and each restart may bring a new address.
const CLIENTS_MAX: usize = 256;
/// How often each thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);
/// The largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A running relay; dropping it ends its threads.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
    desk: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    cut: AtomicBool,
}

impl Relay {
    /// Listens on a free loopback port and relays to `target`.
    pub fn start(target: SocketAddr) -> Self {
        let front = socket();
        let address = must(front.local_addr(), "the relay's address");
        let shared = Arc::new(Shared::default());
        let desk = Desk { front, target, shared: shared.clone(), clients: BTreeMap::new() };
        let desk = Some(thread::spawn(move || desk.run()));
        Self { shared, address, desk }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops every datagram, both ways, until healed.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::Relaxed);
    }

    /// Passes datagrams on again.
    pub fn heal(&self) {
        self.shared.cut.store(false, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(desk) = self.desk.take() {
            // A thread that panicked has ended as well.
            let _ended = desk.join();
        }
    }
}

impl Shared {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// True when a datagram may pass.
    fn passes(&self) -> bool {
        !self.cut.load(Ordering::Relaxed)
    }
}

/// The clients' side.
struct Desk {
    front: UdpSocket,
    target: SocketAddr,
    shared: Arc<Shared>,
    clients: BTreeMap<SocketAddr, (Arc<UdpSocket>, JoinHandle<()>)>,
}

impl Desk {
    fn run(mut self) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        while !self.shared.stops() {
            // A look-up from waiting, or an error that a client's closed port left behind.
            let Ok((bytes, client)) = self.front.recv_from(&mut datagram) else { continue };
            if self.shared.passes()
                && let Some(upstream) = self.upstream(client)
            {
                // A target that is down refuses: that is what a client sees of it as well.
                let _sent = upstream.send(&datagram[..bytes]);
            }
        }
        for (_, back) in self.clients.into_values() {
            let _ended = back.join();
        }
    }

    fn upstream(&mut self, client: SocketAddr) -> Option<Arc<UdpSocket>> {
        if let Some((upstream, _)) = self.clients.get(&client) {
            return Some(upstream.clone());
        }
        if self.clients.len() == CLIENTS_MAX {
            return None;
        }
        let upstream = Arc::new(socket());
        must(upstream.connect(self.target), "a socket towards the target");
        let front = must(self.front.try_clone(), "a second descriptor");
        let (from, shared) = (upstream.clone(), self.shared.clone());
        let back = thread::spawn(move || pass_back(client, &from, &front, &shared));
        self.clients.insert(client, (upstream.clone(), back));
        Some(upstream)
    }
}

fn pass_back(client: SocketAddr, from: &UdpSocket, front: &UdpSocket, shared: &Shared) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    while !shared.stops() {
        match from.recv(&mut datagram) {
            Ok(bytes) if shared.passes() => {
                let _sent = front.send_to(&datagram[..bytes], client);
            }
            Ok(_cut) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                // A target that is down answers each datagram so; that must not spin.
                thread::sleep(Duration::from_millis(1));
            }
            Err(_nothing_came) => {}
        }
    }
}

fn socket() -> UdpSocket {
    let socket = must(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)), "a UDP socket on loopback");
    must(socket.set_read_timeout(Some(LOOK)), "a socket's timeout");
    socket
}
