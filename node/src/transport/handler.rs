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
    Stream,
    core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol,
        handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::sync::{mpsc, oneshot};

use super::{
    limits::{OPENS_QUEUED, STREAM_OPEN_TIMEOUT},
    message::Lane,
};

/// Where a connection is asked for a sending stream.
pub(crate) type Door = mpsc::Sender<OpenLane>;

/// A wish for a sending stream. The answer is dropped when it cannot be had.
#[derive(Debug)]
pub(crate) struct OpenLane {
    /// The lane to open.
    pub(crate) lane: Lane,
    /// Where the stream goes.
    pub(crate) answer: oneshot::Sender<Stream>,
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
    wishes: mpsc::Receiver<OpenLane>,
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
    type OutboundOpenInfo = OpenLane;

    fn listen_protocol(&self) -> SubstreamProtocol<LaneUpgrade> {
        SubstreamProtocol::new(LaneUpgrade { lanes: Lane::ALL.to_vec() }, ())
            .with_timeout(STREAM_OPEN_TIMEOUT)
    }

    /// A link stands while nothing is said on it.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<LaneUpgrade, OpenLane, LaneNews>> {
        if let Some(news) = self.news.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(news));
        }
        let Poll::Ready(Some(wish)) = self.wishes.poll_recv(cx) else {
            return Poll::Pending;
        };
        let upgrade = LaneUpgrade { lanes: vec![wish.lane] };
        let protocol = SubstreamProtocol::new(upgrade, wish).with_timeout(STREAM_OPEN_TIMEOUT);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, never: Infallible) {
        match never {}
    }

    /// A failed opening is told by dropping its wish, and so its answer.
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, LaneUpgrade, LaneUpgrade, (), OpenLane>,
    ) {
        if let ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
            protocol: (lane, stream),
            ..
        }) = event
        {
            self.news.push_back(LaneNews::Opened(lane, stream));
        } else if let ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
            protocol: (_, stream),
            info: wish,
        }) = event
        {
            // Nobody waiting any more means that the link moved on; dropping the stream closes it.
            let _ = wish.answer.send(stream);
        }
    }
}

/// The agreement on which lane a new stream is.
#[derive(Debug)]
pub(crate) struct LaneUpgrade {
    lanes: Vec<Lane>,
}

impl UpgradeInfo for LaneUpgrade {
    type Info = Lane;
    type InfoIter = std::vec::IntoIter<Lane>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.lanes.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for LaneUpgrade {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, lane: Lane) -> Self::Future {
        ready(Ok((lane, stream)))
    }
}

impl OutboundUpgrade<Stream> for LaneUpgrade {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, lane: Lane) -> Self::Future {
        ready(Ok((lane, stream)))
    }
}
