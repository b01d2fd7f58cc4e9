//! Links over TCP: what QUIC would do by itself.

use std::net::{SocketAddr, UdpSocket};

use libp2p::{
    Transport as _,
    core::{muxing::StreamMuxerBox, upgrade::Version},
    noise, swarm, tcp, yamux,
};

use super::*;

fn tcp_at(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// Goal: where UDP is blocked a peer is linked over TCP, without being told which to take. Method:
/// nobody answers on the UDP port, which is held; TCP listens on the same number. The peer that
/// dials is given both addresses, TCP first.
#[tokio::test]
async fn tcp_carries_where_udp_is_blocked() {
    let blocked = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let at = blocked.local_addr().expect("bound");
    let (mut a, mut b) = (Node::start_at(1, tcp_at(at)).await, Node::start(2).await);
    b.tell(NetCommand::Dial { peer: a.key, addresses: vec![tcp_at(at), quic(at)] });
    b.until(&NetEvent::LinkUp { peer: a.key }).await;
    a.until(&NetEvent::LinkUp { peer: b.key }).await;
    b.send(a.key, Lane::Urgent, 1, vec![5]);
    assert_eq!(a.frame().await, (b.key, Lane::Urgent, 1, vec![5]));
    let mut tried = [0; 2048];
    assert!(blocked.recv(&mut tried).expect("QUIC was tried first") > 0);
}

/// Goal: a peer that opens one stream too many over TCP loses its connection, and its link. Method:
/// a rogue whose own muxer allows hundreds opens streams for every lane and keeps them all.
#[tokio::test]
async fn a_stream_too_many_ends_the_connection() {
    let mut node = Node::start_by(1, By::Tcp).await;
    let mut rogue = Rogue::over(9, greedy(9));
    let (_, door) = rogue.connect(&node).await;
    node.until(&NetEvent::LinkUp { peer: rogue.key }).await;
    node.tell(NetCommand::Admit { peer: rogue.key });
    let mut kept = Vec::new();
    // Three of them are the node's own sending streams.
    while kept.len() <= limits::MUXED_STREAMS_MAX {
        let (answer, stream) = oneshot::channel();
        if door.send(Wish::Lane(Lane::Bulk, answer)).await.is_err() {
            break;
        }
        match timeout(DEADLINE, stream).await.expect("in time") {
            Ok(stream) => kept.push(stream),
            Err(_) => break,
        }
    }
    assert!(kept.len() <= limits::MUXED_STREAMS_MAX, "{} streams stand", kept.len());
    node.until(&NetEvent::LinkDown { peer: rogue.key }).await;
}

/// A swarm whose muxer has the bounds of libp2p and none of ours.
fn greedy(seed: u8) -> Swarm<Lanes> {
    let pair = pair(seed);
    let carrier = tcp::tokio::Transport::new(tcp::Config::new())
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&pair).expect("a key that signs"))
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed();
    let config = swarm::Config::with_tokio_executor();
    Swarm::new(carrier, Lanes::default(), pair.public().to_peer_id(), config)
}
