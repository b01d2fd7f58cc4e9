//! The links as their owner sees them: two real nets on loopback, and a rogue peer that keeps no
//! bound.
//!
//! Every wait is for an event with a deadline far above what it needs; nothing sleeps for luck.

mod bounds;
mod direct;
mod links;
mod relayed;
mod retry;
mod tcp;

use std::{net::SocketAddr, time::Duration};

use libp2p::{
    Multiaddr, PeerId, Swarm,
    futures::StreamExt as _,
    identity::Keypair,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{timeout, timeout_at},
};
use zeroize::Zeroizing;

use super::{
    behaviour::Lanes,
    carrier::swarm_of,
    handler::{Door, LaneNews, Wish},
    stream::Stream,
    *,
};

/// How long any expected event may take.
const DEADLINE: Duration = Duration::from_secs(30);

fn pair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).expect("any 32 bytes are a seed")
}

fn key(seed: u8) -> DeviceKey {
    device_key(&pair(seed).public().to_peer_id()).expect("an Ed25519 name")
}

fn quic(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Udp(address.port())).with(Protocol::QuicV1)
}

fn socket_of(address: &Multiaddr) -> SocketAddr {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Udp(port))) => SocketAddr::from((ip, port)),
        other => panic!("not an IPv4 QUIC address: {other:?}"),
    }
}

/// What carries a test's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Quic,
    Tcp,
}

impl By {
    const ALL: [Self; 2] = [Self::Quic, Self::Tcp];

    fn anywhere(self) -> Multiaddr {
        let text = match self {
            Self::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
            Self::Tcp => "/ip4/127.0.0.1/tcp/0",
        };
        text.parse().expect("an address")
    }

    /// What a peer may place on one stream that nobody reads.
    fn window_bytes(self) -> usize {
        match self {
            Self::Quic => usize::try_from(limits::STREAM_WINDOW_BYTES).expect("small"),
            Self::Tcp => limits::MUXED_WINDOWS_BYTES / limits::MUXED_STREAMS_MAX,
        }
    }
}

/// One net on loopback and what its owner holds.
struct Node {
    key: DeviceKey,
    address: Multiaddr,
    handle: NetHandle,
    events: NetEvents,
}

impl Node {
    async fn start(seed: u8) -> Self {
        Self::start_by(seed, By::Quic).await
    }

    async fn start_by(seed: u8, by: By) -> Self {
        Self::start_at(seed, by.anywhere()).await
    }

    async fn start_at(seed: u8, listen: Multiaddr) -> Self {
        let secret = Zeroizing::new([seed; 32]);
        let config = NetConfig { secret, listen: vec![listen], peers: Vec::new() };
        let (handle, mut events) = Net::start(config).await.expect("starts");
        let event = timeout(DEADLINE, events.recv()).await.expect("in time");
        let Some(NetEvent::Listening { address }) = event else {
            panic!("expected Listening, got {event:?}");
        };
        Self { key: key(seed), address, handle, events }
    }

    fn tell(&self, command: NetCommand) {
        self.handle.send(command).expect("taken");
    }

    fn dial(&self, peer: DeviceKey, address: &Multiaddr) {
        self.tell(NetCommand::Dial { peer, addresses: vec![address.clone()] });
    }

    fn send(&self, peer: DeviceKey, lane: Lane, kind: u8, body: Vec<u8>) {
        self.tell(NetCommand::Send { peer, lane, kind, body });
    }

    async fn event(&mut self) -> NetEvent {
        let event = timeout(DEADLINE, self.events.recv()).await;
        event.expect("an event in time").expect("the net runs")
    }

    /// Takes events up to this one, which comes in time whatever else does; returns those before.
    async fn until(&mut self, wanted: &NetEvent) -> Vec<NetEvent> {
        let (mut before, deadline) = (Vec::new(), tokio::time::Instant::now() + DEADLINE);
        loop {
            let event = timeout_at(deadline, self.events.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("no {wanted:?} after {before:?}"));
            let event = event.expect("the net runs");
            if event == *wanted {
                return before;
            }
            before.push(event);
        }
    }

    async fn frame(&mut self) -> (DeviceKey, Lane, u8, Vec<u8>) {
        let event = self.event().await;
        let NetEvent::Frame { peer, lane, kind, body } = event else {
            panic!("expected a frame, got {event:?}");
        };
        (peer, lane, kind, body)
    }
}

/// Two nets with a link, `b` having dialled `a`, both admitted.
async fn linked() -> (Node, Node) {
    linked_by(By::Quic).await
}

async fn linked_by(by: By) -> (Node, Node) {
    let (mut a, mut b) = (Node::start_by(1, by).await, Node::start_by(2, by).await);
    b.dial(a.key, &a.address);
    a.until(&NetEvent::LinkUp { peer: b.key }).await;
    b.until(&NetEvent::LinkUp { peer: a.key }).await;
    a.tell(NetCommand::Admit { peer: b.key });
    b.tell(NetCommand::Admit { peer: a.key });
    (a, b)
}

/// A peer that speaks the lanes but keeps no bound and admits everybody.
struct Rogue {
    key: DeviceKey,
    asks: mpsc::UnboundedSender<Ask>,
    news: mpsc::UnboundedReceiver<News>,
    running: JoinHandle<()>,
}

enum Ask {
    Dial(PeerId, Multiaddr),
    Close(ConnectionId),
}

#[derive(Debug)]
enum News {
    Lane(ConnectionId, LaneNews),
    Closed,
}

impl Rogue {
    fn start(seed: u8) -> Self {
        Self::over(
            seed,
            swarm_of(&pair(seed), Default::default(), |_| Lanes::default()).expect("signs"),
        )
    }

    fn over(seed: u8, mut swarm: Swarm<Lanes>) -> Self {
        let (asks, mut asked) = mpsc::unbounded_channel();
        let (tell, news) = mpsc::unbounded_channel();
        let running = tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(ask) = asked.recv() => match ask {
                        Ask::Dial(peer, address) => swarm
                            .dial(
                                DialOpts::peer_id(peer)
                                    .addresses(vec![address])
                                    .condition(PeerCondition::Always)
                                    .build(),
                            )
                            .expect("dialled"),
                        Ask::Close(connection) => assert!(swarm.close_connection(connection)),
                    },
                    event = swarm.select_next_some() => {
                        let news = if let SwarmEvent::Behaviour(event) = event {
                            News::Lane(event.connection, event.news)
                        } else if let SwarmEvent::ConnectionClosed { .. } = event {
                            News::Closed
                        } else {
                            continue;
                        };
                        // The test may have heard enough.
                        let _ = tell.send(news);
                    }
                }
            }
        });
        Self { key: key(seed), asks, news, running }
    }

    fn dial(&self, node: &Node) {
        self.dial_at(node, node.address.clone());
    }

    /// The same by way of another address.
    fn dial_at(&self, node: &Node, address: Multiaddr) {
        let peer = peer_id(&node.key).expect("a key");
        self.asks.send(Ask::Dial(peer, address)).expect("running");
    }

    async fn news(&mut self) -> News {
        timeout(DEADLINE, self.news.recv()).await.expect("news in time").expect("running")
    }

    /// A new connection to this node.
    async fn connect(&mut self, node: &Node) -> (ConnectionId, Door) {
        self.dial(node);
        self.ready().await
    }

    /// The next connection that can be asked for streams.
    async fn ready(&mut self) -> (ConnectionId, Door) {
        loop {
            if let News::Lane(connection, LaneNews::Ready(door)) = self.news().await {
                return (connection, door);
            }
        }
    }

    /// The next stream that the node opens on this lane.
    async fn opened(&mut self, wanted: Lane) -> (ConnectionId, Stream) {
        loop {
            match self.news().await {
                News::Lane(connection, LaneNews::Opened(lane, stream)) if lane == wanted => {
                    return (connection, stream);
                }
                News::Lane(..) | News::Closed => {}
            }
        }
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Opens one lane on a connection of a rogue's.
async fn open(door: &Door, lane: Lane) -> Stream {
    let (answer, stream) = oneshot::channel();
    door.send(Wish::Lane(lane, answer)).await.expect("the connection lives");
    timeout(DEADLINE, stream).await.expect("in time").expect("opened")
}
