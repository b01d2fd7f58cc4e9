//! One lane's stream, whichever connection it came on: libp2p's, or one of ours.
//!
//! Writers and readers see bytes in order and an end; which QUIC carries them is told apart here
//! and nowhere above. Refused here: looking at the bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use libp2p::futures::{AsyncRead, AsyncWrite};

use super::direct::DirectStream;

/// A stream that one side opened; only that side writes on it.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Of a libp2p connection.
    Swarm(libp2p::Stream),
    /// Of a direct QUIC connection.
    Direct(DirectStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Swarm(stream) => Pin::new(stream).poll_read(cx, bytes),
            Self::Direct(stream) => Pin::new(stream).poll_read(cx, bytes),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Swarm(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Direct(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Swarm(stream) => Pin::new(stream).poll_flush(cx),
            Self::Direct(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Swarm(stream) => Pin::new(stream).poll_close(cx),
            Self::Direct(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}
