//! The dialling side: one socket for the links that this device dials and one for the payloads that
//! it fetches, so that it can move as one, and an order never waits behind a payload in the
//! system's buffer of a socket, or is dropped because a payload has filled it.
//!
//! A connection counts once the peer has answered on it: TLS lets a client finish its handshake
//! before the server has looked at its key. Refused here: dialling again; the dial book does.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
};

use libp2p::Multiaddr;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, TokioRuntime,
    TransportErrorCode, VarInt,
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    super::{
        key::{DeviceKey, hex},
        limits::HANDSHAKE_TIMEOUT,
        link::Side,
    },
    DirectNews, Ids,
    doorway::Porter,
    lanes::{Party, is_alive, serve_link},
    link_transport, payload_transport,
    tls::{Identity, Purpose, SERVER_NAME},
    ways::{any_socket, socket_at, with_room},
};

/// The TLS alert by which a server says that it does not know a key (RFC 8446, access_denied).
const ACCESS_DENIED: u8 = 49;

/// What it takes to dial.
#[derive(Clone)]
pub(crate) struct Dialer {
    identity: Identity,
    porter: Porter,
    /// Opened with the first link: a device that only listens needs none.
    links: Option<Endpoint>,
    /// Opened with the first payload.
    payloads: Option<Endpoint>,
    ids: Ids,
    news: mpsc::Sender<DirectNews>,
}

impl Dialer {
    pub(crate) fn new(
        identity: Identity,
        porter: Porter,
        (ids, news): (Ids, mpsc::Sender<DirectNews>),
    ) -> Self {
        Self { identity, porter, links: None, payloads: None, ids, news }
    }

    /// What dials without this.
    pub(crate) fn caller(&mut self, purpose: Purpose) -> Caller {
        let client = match purpose {
            Purpose::Link => opened(&mut self.links, |socket| socket),
            Purpose::Payload => opened(&mut self.payloads, with_room),
        };
        let (identity, client) = (self.identity.clone(), client.map_err(|why| why.to_string()));
        Caller { identity, client, purpose }
    }

    /// Dials these sockets, one after the other, until one answers; then serves that connection.
    pub(crate) fn dial(
        &mut self,
        peer: DeviceKey,
        sockets: Vec<SocketAddr>,
        others: Vec<Multiaddr>,
    ) {
        let caller = self.caller(Purpose::Link);
        let (id, news, porter) = (self.ids.draw(), self.news.clone(), self.porter.clone());
        tokio::spawn(async move {
            match caller.call(peer, &sockets).await {
                Ok(connection) => {
                    let side = Side::Own;
                    serve_link(Party { id, peer, side, connection, news, porter }).await;
                }
                // A loop that has ended hears nothing more.
                Err(why) => {
                    let _ = news.send(DirectNews::DialFailed { peer, why, others }).await;
                }
            }
        });
    }

    /// Goes on from fresh sockets; nothing was dialled yet: nothing to do.
    pub(crate) fn rebind(&mut self, to: IpAddr) -> io::Result<()> {
        if let Some(links) = &self.links {
            links.rebind(socket_at(to, links.local_addr()?)?)?;
        }
        if let Some(payloads) = &self.payloads {
            payloads.rebind(with_room(socket_at(to, payloads.local_addr()?)?))?;
        }
        Ok(())
    }

    /// The endpoints of the sockets, as far as something was dialled.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.links.iter().chain(&self.payloads)
    }
}

/// A socket to dial from, opened with the first use.
fn opened(
    place: &mut Option<Endpoint>,
    fitted: impl FnOnce(UdpSocket) -> UdpSocket,
) -> io::Result<Endpoint> {
    if let Some(client) = place {
        return Ok(client.clone());
    }
    let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
    let client = Endpoint::new(config, None, fitted(any_socket()?), runtime)?;
    *place = Some(client.clone());
    Ok(client)
}

/// Makes connections for one purpose, on any task.
#[derive(Clone)]
pub(crate) struct Caller {
    identity: Identity,
    client: Result<Endpoint, String>,
    purpose: Purpose,
}

impl Caller {
    /// Dials these sockets, one after the other, until one answers; else says why none did.
    pub(crate) async fn call(
        &self,
        peer: DeviceKey,
        sockets: &[SocketAddr],
    ) -> Result<Connection, String> {
        let client = self.client.as_ref();
        let client = client.map_err(|why| format!("no socket to dial from: {why}"))?;
        let mut whys = Vec::new();
        for socket in sockets {
            let dialling = dial_one(client, &self.identity, (peer, self.purpose), *socket);
            match timeout(HANDSHAKE_TIMEOUT, dialling).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(why)) => whys.push(format!("{socket}: {why}")),
                Err(_) => {
                    whys.push(format!("{socket}: no answer; is the node up, and UDP let through?"))
                }
            }
        }
        Err(format!("{} does not answer directly: {}", hex(&peer), whys.join("; ")))
    }
}

async fn dial_one(
    client: &Endpoint,
    identity: &Identity,
    (peer, purpose): (DeviceKey, Purpose),
    socket: SocketAddr,
) -> Result<Connection, String> {
    let crypto = identity.client(peer, purpose).map_err(|error| error.to_string())?;
    let mut config = ClientConfig::new(crypto);
    config.transport_config(match purpose {
        Purpose::Link => link_transport(),
        Purpose::Payload => payload_transport(),
    });
    let connecting = client.connect_with(config, socket, SERVER_NAME);
    let connecting = connecting.map_err(|error| error.to_string())?;
    let connection = connecting.await.map_err(|error| plain_words(&error))?;
    if is_alive(&connection).await {
        return Ok(connection);
    }
    let why = connection.close_reason().map(|error| plain_words(&error));
    connection.close(VarInt::from_u32(0), b"");
    Err(why.unwrap_or_else(|| "it takes no stream".to_owned()))
}

/// What a failed handshake means for whoever reads it.
fn plain_words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::crypto(ACCESS_DENIED) =>
        {
            "it does not know this device's key, and refused it in the handshake; it will once it \
             has heard of the enrolment"
                .to_owned()
        }
        ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::TransportError(_)
        | ConnectionError::VersionMismatch
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => error.to_string(),
    }
}
