//! The dialling side: one socket for all that this device dials, so that it can move as one.
//!
//! A connection counts once the peer has answered on it: TLS lets a client finish its handshake
//! before the server has looked at its key. Refused here: dialling again; the dial book does.

use std::{
    io,
    net::{IpAddr, SocketAddr},
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
    lanes::{Party, is_alive, serve_link},
    link_transport,
    tls::{Identity, Purpose, SERVER_NAME},
    ways::{any_socket, socket_at},
};

/// The TLS alert by which a server says that it does not know a key (RFC 8446, access_denied).
const ACCESS_DENIED: u8 = 49;

/// What it takes to dial.
#[derive(Clone)]
pub(crate) struct Dialer {
    identity: Identity,
    /// Opened with the first dial: a device that only listens needs none.
    client: Option<Endpoint>,
    ids: Ids,
    news: mpsc::Sender<DirectNews>,
}

impl Dialer {
    pub(crate) fn new(identity: Identity, ids: Ids, news: mpsc::Sender<DirectNews>) -> Self {
        Self { identity, client: None, ids, news }
    }

    /// Dials these sockets, one after the other, until one answers; then serves that connection.
    pub(crate) fn dial(
        &mut self,
        peer: DeviceKey,
        sockets: Vec<SocketAddr>,
        others: Vec<Multiaddr>,
    ) {
        let (client, identity) = (self.client(), self.identity.clone());
        let (id, news) = (self.ids.draw(), self.news.clone());
        tokio::spawn(async move {
            let dialled = match client {
                Ok(client) => dial_any(&client, &identity, peer, &sockets).await,
                Err(why) => Err(format!("no socket to dial from: {why}")),
            };
            match dialled {
                Ok(connection) => {
                    serve_link(Party { id, peer, side: Side::Own, connection, news }).await;
                }
                // A loop that has ended hears nothing more.
                Err(why) => {
                    let _ = news.send(DirectNews::DialFailed { peer, why, others }).await;
                }
            }
        });
    }

    /// Goes on from a fresh socket; nothing was dialled yet: nothing to do.
    pub(crate) fn rebind(&mut self, to: IpAddr) -> io::Result<()> {
        let Some(client) = &self.client else { return Ok(()) };
        client.rebind(socket_at(to, client.local_addr()?)?)
    }

    /// The socket's endpoint, once something was dialled.
    pub(crate) fn endpoint(self) -> Option<Endpoint> {
        self.client
    }

    fn client(&mut self) -> io::Result<Endpoint> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        let client = Endpoint::new(config, None, any_socket()?, runtime)?;
        self.client = Some(client.clone());
        Ok(client)
    }
}

async fn dial_any(
    client: &Endpoint,
    identity: &Identity,
    peer: DeviceKey,
    sockets: &[SocketAddr],
) -> Result<Connection, String> {
    let mut whys = Vec::new();
    for socket in sockets {
        match timeout(HANDSHAKE_TIMEOUT, dial_one(client, identity, peer, *socket)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(why)) => whys.push(format!("{socket}: {why}")),
            Err(_) => {
                whys.push(format!("{socket}: no answer; is the node up, and UDP let through?"))
            }
        }
    }
    Err(format!("{} does not answer directly: {}", hex(&peer), whys.join("; ")))
}

async fn dial_one(
    client: &Endpoint,
    identity: &Identity,
    peer: DeviceKey,
    socket: SocketAddr,
) -> Result<Connection, String> {
    let crypto = identity.client(peer, Purpose::Link).map_err(|error| error.to_string())?;
    let mut config = ClientConfig::new(crypto);
    config.transport_config(link_transport());
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
