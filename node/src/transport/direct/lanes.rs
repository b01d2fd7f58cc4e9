//! One direct connection's side of the lanes: opens a stream when asked, hands over what the peer
//! opened.
//!
//! Every stream begins with one byte that says what it is for. QUIC's own stream priorities put
//! urgent before bulk before repair on the way out, under the link's writer, which does so already.
//! Refused here: reading or writing a lane's frames.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use libp2p::{
    futures::{AsyncRead, AsyncWrite},
    swarm::ConnectionId,
};
use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};
use tokio::{sync::mpsc, time::timeout};

use super::{
    super::{
        handler::{Door, Wish},
        key::DeviceKey,
        limits::{OPENS_QUEUED, STREAM_OPEN_TIMEOUT},
        link::Side,
        message::Lane,
        stream::Stream,
    },
    DirectNews,
    doorway::{Entry, Porter},
    lend::{Wanted, refuse},
};

/// The first byte of a stream that only asks for a sign of life.
const LIFE: u8 = 0x10;

/// The first byte of a stream on which a payload is asked for.
const PAYLOAD: u8 = 0x20;

/// One connection whose peer is known.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    /// Its number among all connections.
    pub(crate) id: ConnectionId,
    /// Who is at the other end.
    pub(crate) peer: DeviceKey,
    /// Who dialled.
    pub(crate) side: Side,
    /// The connection.
    pub(crate) connection: Connection,
    /// Where its news go.
    pub(crate) news: mpsc::Sender<DirectNews>,
    /// Who may have payloads.
    pub(crate) porter: Porter,
}

/// Serves a link's connection until it ends.
pub(crate) async fn serve_link(party: Party) {
    let (door, mut wishes) = mpsc::channel(OPENS_QUEUED);
    party.tell(up(&party, door)).await;
    loop {
        tokio::select! {
            accepted = party.connection.accept_bi() => match accepted {
                Ok((send, recv)) => drop(tokio::spawn(party.clone().take(send, recv))),
                Err(_) => break,
            },
            Some(wish) = wishes.recv() => {
                drop(tokio::spawn(grant(party.connection.clone(), wish)));
            }
        }
    }
    party.tell(DirectNews::Closed { id: party.id, peer: party.peer }).await;
}

/// Serves a connection for payloads alone until it ends.
pub(crate) async fn serve_guest(party: Party) {
    let (id, peer, connection) = (party.id, party.peer, party.connection.clone());
    party.tell(DirectNews::Guest { id, peer, connection }).await;
    while let Ok((send, recv)) = party.connection.accept_bi().await {
        tokio::spawn(party.clone().take(send, recv));
    }
    party.tell(DirectNews::Closed { id, peer }).await;
}

fn up(party: &Party, door: Door) -> DirectNews {
    DirectNews::Up {
        id: party.id,
        peer: party.peer,
        side: party.side,
        door,
        connection: party.connection.clone(),
    }
}

impl Party {
    /// A loop that has ended hears nothing more.
    async fn tell(&self, news: DirectNews) {
        let _ = self.news.send(news).await;
    }

    /// Only members have payloads; which, the owner says.
    async fn take_wish(self, send: SendStream, mut recv: RecvStream) {
        let Ok(Some(wanted)) = timeout(STREAM_OPEN_TIMEOUT, Wanted::read(&mut recv)).await else {
            return;
        };
        if self.porter.entry(&self.peer) != Entry::Member {
            return refuse(send, "only members have payloads".to_owned()).await;
        }
        self.tell(DirectNews::Wanted { peer: self.peer, wanted, send }).await;
    }

    /// Takes one stream of the peer's by its first byte; a sign of life is answered by letting go.
    async fn take(self, send: SendStream, mut recv: RecvStream) {
        let mut kind = [0];
        let Ok(Ok(())) = timeout(STREAM_OPEN_TIMEOUT, recv.read_exact(&mut kind)).await else {
            return;
        };
        if kind == [PAYLOAD] {
            return self.take_wish(send, recv).await;
        }
        if let Some(lane) = Lane::ALL.into_iter().find(|lane| kind_of(*lane) == kind[0]) {
            let stream = Stream::Direct(DirectStream { send, recv });
            self.tell(DirectNews::Opened { id: self.id, peer: self.peer, lane, stream }).await;
        }
    }
}

/// Asks the peer to let go of a stream, which only a living process that took this side in does.
pub(crate) async fn is_alive(connection: &Connection) -> bool {
    let Ok(mut stream) = open(connection, LIFE, 0).await else { return false };
    if stream.send.finish().is_err() {
        return false;
    }
    !matches!(stream.recv.read(&mut [0]).await, Err(ReadError::ConnectionLost(_)))
}

/// Asks for a payload; what comes of it is read from the stream.
pub(crate) async fn ask_for(
    connection: &Connection,
    wanted: Wanted,
) -> Result<RecvStream, WriteError> {
    let mut stream = open(connection, PAYLOAD, 0).await?;
    stream.send.write_all(&wanted.to_bytes()).await?;
    // Nothing more is asked; one that is closed already is asked nothing either.
    let _ = stream.send.finish();
    Ok(stream.recv)
}

async fn grant(connection: Connection, wish: Wish) {
    match wish {
        Wish::Lane(lane, answer) => {
            let opening = open(&connection, kind_of(lane), priority(lane));
            if let Ok(Ok(stream)) = timeout(STREAM_OPEN_TIMEOUT, opening).await {
                // Nobody waiting any more means that the link moved on.
                let _ = answer.send(Stream::Direct(stream));
            }
        }
        Wish::Life(answer) => {
            if timeout(STREAM_OPEN_TIMEOUT, is_alive(&connection)).await == Ok(true) {
                let _ = answer.send(());
            }
        }
    }
}

async fn open(
    connection: &Connection,
    kind: u8,
    priority: i32,
) -> Result<DirectStream, WriteError> {
    let (mut send, recv) = connection.open_bi().await?;
    // Only a stream that was closed cannot be ranked, and this one is new.
    let _ = send.set_priority(priority);
    send.write_all(&[kind]).await?;
    Ok(DirectStream { send, recv })
}

/// The first byte of a lane's stream.
fn kind_of(lane: Lane) -> u8 {
    match lane {
        Lane::Urgent => 0,
        Lane::Bulk => 1,
        Lane::Repair => 2,
    }
}

fn priority(lane: Lane) -> i32 {
    match lane {
        Lane::Urgent => 3,
        Lane::Bulk => 2,
        Lane::Repair => 1,
    }
}

/// Both directions of one QUIC stream; dropping it lets go of both.
#[derive(Debug)]
pub(crate) struct DirectStream {
    send: SendStream,
    recv: RecvStream,
}

impl AsyncRead for DirectStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.recv.poll_read(cx, bytes).map_err(io::Error::from)
    }
}

impl AsyncWrite for DirectStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write(cx, bytes).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A stream that is closed already is what was asked for.
        let _ = self.send.finish();
        Poll::Ready(Ok(()))
    }
}
