//! Streams over one TCP connection: yamux with windows that cannot grow.
//!
//! `libp2p-yamux` sets only the number of streams; the windows of a connection may then grow to
//! 1 GiB together, by a round-trip time that the peer chooses. So this is its adapter over the same
//! `yamux`, with both bounds. Refused here: windows below 256 KiB, which yamux does not know, and
//! going on with a peer that opens one stream too many: yamux ends that connection.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready as ready_or_return},
};

use libp2p::{
    core::{
        StreamMuxer,
        muxing::StreamMuxerEvent,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    },
    futures::{AsyncRead, AsyncWrite},
};

use super::limits::{MUXED_STREAMS_MAX, MUXED_WINDOWS_BYTES};

/// The agreement to run several streams over one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams;

/// The streams of one connection.
pub(crate) struct Muxer<C> {
    connection: yamux::Connection<C>,
    /// Streams that the peer opened while nobody asked for one; never more than there may be.
    opened: VecDeque<yamux::Stream>,
    waiting: Option<Waker>,
}

impl Streams {
    fn over<C: AsyncRead + AsyncWrite + Unpin>(io: C, mode: yamux::Mode) -> Muxer<C> {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(MUXED_STREAMS_MAX);
        config.set_max_connection_receive_window(Some(MUXED_WINDOWS_BYTES));
        let connection = yamux::Connection::new(io, config, mode);
        Muxer { connection, opened: VecDeque::new(), waiting: None }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    /// Moves all bytes that can be moved, and gives the next stream that the peer opened.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        let closed = || Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        let next = ready_or_return!(self.connection.poll_next_inbound(cx));
        Poll::Ready(next.map_or_else(closed, |stream| stream.map_err(io::Error::other)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<yamux::Stream>> {
        if let Some(stream) = self.opened.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        if let Poll::Ready(next) = self.poll_next(cx) {
            return Poll::Ready(next);
        }
        self.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<yamux::Stream>> {
        self.connection.poll_new_outbound(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_close(cx).map_err(io::Error::other)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = ready_or_return!(self.poll_next(cx))?;
        self.opened.push_back(stream);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl UpgradeInfo for Streams {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Streams {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Self::over(io, yamux::Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Streams {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Self::over(io, yamux::Mode::Client)))
    }
}
