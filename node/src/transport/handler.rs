//! One connection's side of the lanes: opens a stream when asked, hands over what the peer opened.
//!
//! `libp2p-stream` would do nearly this, but it picks a random one of a peer's connections, dials
//! by itself, cannot say on which connection a stream came, and drops an incoming stream when its
//! reader is busy. A link must choose its connection, so it asks the connection itself, through its
//! `Door`.
//!
//! Refused here: reading or writing a single byte of a lane.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use libp2p::{
    core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use tokio::sync::{mpsc, oneshot};

use super::{
    limits::{OPENS_QUEUED, STREAM_OPEN_TIMEOUT},
    message::Lane,
    stream::Stream,
};

/// Where a connection is asked for something.
pub(crate) type Door = mpsc::Sender<Wish>;

/// What a connection may be asked for. The answer is dropped when it cannot be had.
#[derive(Debug)]
pub(crate) enum Wish {
    /// A sending stream of this lane.
    Lane(Lane, oneshot::Sender<Stream>),
    /// A sign of life of the peer.
    Life(oneshot::Sender<()>),
}

impl Wish {
    fn protocol(&self) -> Protocol {
        match self {
            Self::Lane(lane, _) => Protocol::Lane(*lane),
            Self::Life(_) => Protocol::Life,
        }
    }
}

/// What a new stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Frames of one lane.
    Lane(Lane),
    /// Nothing: that both sides agree on it is the sign of life.
    Life,
}

impl Protocol {
    fn all() -> Vec<Self> {
        Lane::ALL.into_iter().map(Self::Lane).chain([Self::Life]).collect()
    }
}

/// The protocol's name on the wire.
impl AsRef<str> for Protocol {
    fn as_ref(&self) -> &str {
        match self {
            Self::Lane(lane) => lane.as_ref(),
            Self::Life => "/belay/life/1",
        }
    }
}

/// What a connection tells.
#[derive(Debug)]
pub(crate) enum LaneNews {
    /// The connection is ready to be asked.
    Ready(Door),
    /// The peer has opened its sending stream of this lane.
    Opened(Lane, Stream),
}

/// The lanes of one connection.
#[derive(Debug)]
pub(crate) struct LaneHandler {
    wishes: mpsc::Receiver<Wish>,
    news: VecDeque<LaneNews>,
}

impl LaneHandler {
    /// A handler whose first news is its own door.
    pub(crate) fn new() -> Self {
        let (door, wishes) = mpsc::channel(OPENS_QUEUED);
        Self { wishes, news: VecDeque::from([LaneNews::Ready(door)]) }
    }
}

impl ConnectionHandler for LaneHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = LaneNews;
    type InboundProtocol = LaneUpgrade;
    type OutboundProtocol = LaneUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Wish;

    fn listen_protocol(&self) -> SubstreamProtocol<LaneUpgrade> {
        SubstreamProtocol::new(LaneUpgrade { protocols: Protocol::all() }, ())
            .with_timeout(STREAM_OPEN_TIMEOUT)
    }

    /// A link stands while nothing is said on it.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<LaneUpgrade, Wish, LaneNews>> {
        if let Some(news) = self.news.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(news));
        }
        let Poll::Ready(Some(wish)) = self.wishes.poll_recv(cx) else {
            return Poll::Pending;
        };
        let upgrade = LaneUpgrade { protocols: vec![wish.protocol()] };
        let protocol = SubstreamProtocol::new(upgrade, wish).with_timeout(STREAM_OPEN_TIMEOUT);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, never: Infallible) {
        match never {}
    }

    /// A failed opening is told by dropping its wish, and so its answer. A peer that refuses to
    /// give a sign of life has given one.
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, LaneUpgrade, LaneUpgrade, (), Wish>,
    ) {
        if let ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
            protocol: (protocol, stream),
            ..
        }) = event
        {
            if let Protocol::Lane(lane) = protocol {
                self.news.push_back(LaneNews::Opened(lane, Stream::Swarm(stream)));
            }
        } else if let ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
            protocol: (_, stream),
            info: wish,
        }) = event
        {
            // Nobody waiting any more means that the link moved on; dropping the stream closes it.
            match wish {
                Wish::Lane(_, answer) => drop(answer.send(Stream::Swarm(stream))),
                Wish::Life(answer) => answer.send(()).unwrap_or_default(),
            }
        } else if let ConnectionEvent::DialUpgradeError(DialUpgradeError {
            info: Wish::Life(answer),
            error: StreamUpgradeError::NegotiationFailed,
        }) = event
        {
            // As above.
            let _ = answer.send(());
        }
    }
}

/// The agreement on what a new stream is for.
#[derive(Debug)]
pub(crate) struct LaneUpgrade {
    protocols: Vec<Protocol>,
}

impl UpgradeInfo for LaneUpgrade {
    type Info = Protocol;
    type InfoIter = std::vec::IntoIter<Protocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.protocols.clone().into_iter()
    }
}

impl InboundUpgrade<libp2p::Stream> for LaneUpgrade {
    type Output = (Protocol, libp2p::Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: libp2p::Stream, protocol: Protocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

impl OutboundUpgrade<libp2p::Stream> for LaneUpgrade {
    type Output = (Protocol, libp2p::Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: libp2p::Stream, protocol: Protocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}
