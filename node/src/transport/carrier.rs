//! What carries a link's bytes: QUIC, TCP with Noise and yamux where UDP is blocked, and a circuit
//! over a relay, with the same Noise from end to end, where neither reaches.
//!
//! All give the same to whatever is above: a peer whose key is proven, and streams with bounded
//! windows. Two things that QUIC does itself are set on the TCP socket: how much may stand in it
//! before an urgent frame, and after how long a dead path shows. Refused here: any transport that
//! does not prove the peer's key.

use std::{future::ready, sync::Arc};

use libp2p::{
    Swarm, Transport as _,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    identity::{Keypair, PeerId},
    noise, quic, relay,
    swarm::{self, NetworkBehaviour},
    tcp,
};

use super::{
    handshakes::Handshakes,
    limits::{
        CONNECTION_WINDOW_BYTES, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE, SOCKET_BYTES,
        STREAM_WINDOW_BYTES, STREAMS_MAX,
    },
    muxer::Streams,
    pace::Pace,
    usage::Gauges,
};
use crate::os;

/// A swarm that speaks QUIC, TCP and circuits with our windows and bounds, and `behaviour` on top,
/// made of what circuits need of it. Fails when the key cannot sign a Noise handshake.
pub(crate) fn swarm_of<B: NetworkBehaviour>(
    pair: &Keypair,
    (gauges, pace): (Arc<Gauges>, Pace),
    behaviour: impl FnOnce(relay::client::Behaviour) -> B,
) -> Result<Swarm<B>, noise::Error> {
    let (circuits, client) = relay::client::new(pair.public().to_peer_id());
    let streams = usize::try_from(STREAMS_MAX).unwrap_or(usize::MAX);
    let config = swarm::Config::with_tokio_executor().with_max_negotiating_inbound_streams(streams);
    let carriers = carriers(pair, circuits, (gauges, pace))?;
    Ok(Swarm::new(carriers, behaviour(client), pair.public().to_peer_id(), config))
}

fn carriers(
    pair: &Keypair,
    circuits: relay::client::Transport,
    (gauges, pace): (Arc<Gauges>, Pace),
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let quic = quic::tokio::Transport::new(quic_config(pair))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed();
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .and_then(|stream, _| ready(bounded(stream)))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(pair)?)
        .multiplex(Streams)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();
    let circuits = circuits
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(pair)?)
        .multiplex(Streams)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();
    let straight = quic.or_transport(tcp).map(|either, _| either.into_inner()).boxed();
    // First, because an address over a relay begins as one of the relay's own does.
    let either = circuits.or_transport(straight).map(|either, _| either.into_inner()).boxed();
    Ok(Handshakes::of(either, gauges, pace).boxed())
}

fn quic_config(pair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(pair);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_idle_timeout = u32::try_from(IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    config.keep_alive_interval = KEEP_ALIVE;
    config.max_concurrent_stream_limit = STREAMS_MAX;
    config.max_stream_data = STREAM_WINDOW_BYTES;
    config.max_connection_data = CONNECTION_WINDOW_BYTES;
    config
}

/// The same stream with our bounds on its socket.
fn bounded(stream: tcp::tokio::TcpStream) -> std::io::Result<tcp::tokio::TcpStream> {
    os::bound_tcp(&stream.0, SOCKET_BYTES, KEEP_ALIVE, IDLE_TIMEOUT)?;
    Ok(stream)
}
