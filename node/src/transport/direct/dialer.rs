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
    doorway::Porter,
    lanes::{Party, is_alive, serve_link},
    link_transport, payload_transport,
    tls::{Identity, Purpose, SERVER_NAME},
    ways::{any_socket, socket_at},
};

/// The TLS alert by which a server says that it does not know a key (RFC 8446, access_denied).
const ACCESS_DENIED: u8 = 49;

/// What it takes to dial.
#[derive(Clone)]
pub(crate) struct Dialer {
    identity: Identity,
    porter: Porter,
    /// Opened with the first dial: a device that only listens needs none.
    client: Option<Endpoint>,
    ids: Ids,
    news: mpsc::Sender<DirectNews>,
}

impl Dialer {
    pub(crate) fn new(
        identity: Identity,
        porter: Porter,
        (ids, news): (Ids, mpsc::Sender<DirectNews>),
    ) -> Self {
        Self { identity, porter, client: None, ids, news }
    }

    /// What dials without this.
    pub(crate) fn caller(&mut self) -> Caller {
        Caller { identity: self.identity.clone(), client: self.client().map_err(|e| e.to_string()) }
    }

    /// Dials these sockets, one after the other, until one answers; then serves that connection.
    pub(crate) fn dial(
        &mut self,
        peer: DeviceKey,
        sockets: Vec<SocketAddr>,
        others: Vec<Multiaddr>,
    ) {
        let caller = self.caller();
        let (id, news, porter) = (self.ids.draw(), self.news.clone(), self.porter.clone());
        tokio::spawn(async move {
            match caller.call(peer, &sockets, Purpose::Link).await {
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

/// Makes connections, on any task.
#[derive(Clone)]
pub(crate) struct Caller {
    identity: Identity,
    client: Result<Endpoint, String>,
}

impl Caller {
    /// Dials these sockets, one after the other, until one answers; else says why none did.
    pub(crate) async fn call(
        &self,
        peer: DeviceKey,
        sockets: &[SocketAddr],
        purpose: Purpose,
    ) -> Result<Connection, String> {
        let client = self.client.as_ref();
        let client = client.map_err(|why| format!("no socket to dial from: {why}"))?;
        let mut whys = Vec::new();
        for socket in sockets {
            let dialling = dial_one(client, &self.identity, (peer, purpose), *socket);
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
