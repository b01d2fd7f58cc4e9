//! The listening side: who knocks is let in by the porter, within bounds.
//!
//! Refused here: more handshakes at once, more connections, or more of one device than the limits
//! say; and, from a quarter of those handshakes on, addresses that have not been proven.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use quinn::{
    Connection, Endpoint, Incoming, ServerConfig, VarInt,
    crypto::rustls::{HandshakeData, QuicServerConfig},
};
use rustls::pki_types::CertificateDer;
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};

use super::{
    super::{key::DeviceKey, limits::HANDSHAKE_TIMEOUT, link::Side},
    DirectNews, Ids,
    doorway::Porter,
    lanes::{Party, serve_guest, serve_link},
    limits::{CONNECTIONS_MAX, CONNECTIONS_PER_DEVICE, HANDSHAKES_MAX, HANDSHAKES_UNPROVEN_MAX},
    link_transport,
    tls::{Purpose, device_key_of},
};

/// One listening socket.
#[derive(Clone)]
pub(crate) struct Hall {
    server: Endpoint,
    handshakes: Arc<Semaphore>,
    census: Census,
    ids: Ids,
    news: mpsc::Sender<DirectNews>,
    porter: Porter,
}

impl Hall {
    /// Listens, and says where.
    pub(crate) fn open(
        socket: SocketAddr,
        (crypto, porter): (Arc<QuicServerConfig>, Porter),
        (ids, news): (Ids, mpsc::Sender<DirectNews>),
    ) -> io::Result<(Self, SocketAddr)> {
        let mut config = ServerConfig::with_crypto(crypto);
        config.transport_config(link_transport()).max_incoming(HANDSHAKES_MAX);
        let server = Endpoint::server(config, socket)?;
        let at = server.local_addr()?;
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let census = Census::default();
        Ok((Self { server, handshakes, census, ids, news, porter }, at))
    }

    /// The socket's endpoint.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.server.clone()
    }

    /// Lets in until the links end.
    pub(crate) async fn receive(self) {
        loop {
            tokio::select! {
                () = self.news.closed() => break,
                knock = self.server.accept() => match knock {
                    Some(incoming) => self.on_knock(incoming),
                    None => break,
                },
            }
        }
        self.server.close(VarInt::from_u32(0), b"");
    }

    fn on_knock(&self, incoming: Incoming) {
        let Ok(permit) = self.handshakes.clone().try_acquire_owned() else {
            return incoming.refuse();
        };
        let under_way = HANDSHAKES_MAX - self.handshakes.available_permits();
        if under_way > HANDSHAKES_UNPROVEN_MAX && incoming.may_retry() {
            // One that may not be asked again has just been asked.
            return incoming.retry().unwrap_or_default();
        }
        if self.server.open_connections() >= CONNECTIONS_MAX {
            return incoming.refuse();
        }
        let hall = self.clone();
        tokio::spawn(async move {
            let Some(connection) = shake(incoming).await else { return };
            drop(permit);
            hall.welcome(connection).await;
        });
    }

    async fn welcome(self, connection: Connection) {
        let Some(peer) = key_of(&connection) else { return };
        let Some(_seat) = self.census.enter(peer) else {
            return connection.close(VarInt::from_u32(0), b"too many connections of this device");
        };
        let (id, news, porter, side) = (self.ids.draw(), self.news, self.porter, Side::Peer);
        let purpose = purpose_of(&connection);
        let party = Party { id, peer, side, connection, news, porter };
        match purpose {
            Some(Purpose::Link) => serve_link(party).await,
            Some(Purpose::Payload) => serve_guest(party).await,
            None => {}
        }
    }
}

async fn shake(incoming: Incoming) -> Option<Connection> {
    let connecting = incoming.accept().ok()?;
    timeout(HANDSHAKE_TIMEOUT, connecting).await.ok()?.ok()
}

/// The device key that the handshake has proven.
fn key_of(connection: &Connection) -> Option<DeviceKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    device_key_of(identity.first()?)
}

/// What the handshake agreed on.
fn purpose_of(connection: &Connection) -> Option<Purpose> {
    let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    Purpose::of_alpn(&data.protocol?)
}

/// How many connections each device has opened.
#[derive(Debug, Clone, Default)]
struct Census(Arc<Mutex<BTreeMap<DeviceKey, usize>>>);

/// One connection's place in the census; dropping it gives the place back.
struct Seat {
    census: Census,
    peer: DeviceKey,
}

impl Census {
    fn enter(&self, peer: DeviceKey) -> Option<Seat> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= CONNECTIONS_PER_DEVICE {
            return None;
        }
        *count += 1;
        Some(Seat { census: self.clone(), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.census.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}
