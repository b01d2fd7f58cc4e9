//! What the direct lane costs, measured: payloads beside raw quinn, and an order's time while
//! payloads fill the path.
//!
//! Both sides run on loopback, on one thread as a node does; the two ways of moving bytes take
//! turns in one run, so that whatever else the machine does meets both. The lane reads a file,
//! verifies every piece and writes a file; raw quinn moves memory into memory with the same keys,
//! windows and kind of socket. Refused here: a figure of bytes that did not arrive as they were
//! sent.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use serde::Serialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    DeviceKey, Lane, Net, NetCommand, NetConfig, NetEvent, NetEvents, NetHandle,
    direct::{
        Circuits, Content, Doorway, Fetch, Pieces, Source, Strangers, direct_address, raw_client,
        raw_server, raw_socket,
    },
};

/// Bytes of one transfer: long enough that the handshake does not count.
const BYTES: usize = 64 << 20;
/// Orders whose time is taken, idle and beside payloads.
const ORDERS: usize = 500;
/// Bytes of an order.
const ORDER_BYTES: usize = 300;
/// Between two orders.
const BETWEEN: Duration = Duration::from_millis(2);
/// Nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(120);

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Bytes of each transfer.
    pub bytes: usize,
    /// Transfers of each kind, in turns.
    pub rounds: usize,
    /// The payload lane, from file to verified file, MB/s.
    pub lane_mb_s: Spread,
    /// Raw quinn, from memory to memory, MB/s.
    pub raw_mb_s: Spread,
    /// Median of the lane over median of raw quinn, percent.
    pub lane_of_raw_percent: u64,
    /// An order from queue to owner while nothing else moves, microseconds.
    pub order_idle_us: Times,
    /// The same while payloads fill the path.
    pub order_saturated_us: Times,
    /// Payloads that were finished meanwhile.
    pub saturated_by: usize,
}

/// Middle and both ends.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// The middle one, the upper of two.
    pub median: u64,
    /// The least.
    pub least: u64,
    /// The greatest.
    pub greatest: u64,
}

/// How long orders took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Times {
    /// Half took at most this.
    pub p50: u64,
    /// All but one in a hundred took at most this.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// How many.
    pub count: usize,
}

/// Runs everything, in a folder on the disk that is meant.
pub fn measure(folder: &Path, rounds: usize) -> io::Result<Measured> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(run(folder, rounds))
}

async fn run(folder: &Path, rounds: usize) -> io::Result<Measured> {
    let file = Kept::write(folder)?;
    let mut pair = Pair::linked().await?;
    let raw = Raw::start()?;
    let (mut lane_mb_s, mut raw_mb_s) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        lane_mb_s.push(rate(pair.fetch(&file, folder).await?));
        raw_mb_s.push(rate(raw.move_bytes().await?));
    }
    let order_idle_us = times(pair.orders().await?);
    let (orders, saturated_by) = pair.orders_beside(&file, folder).await?;
    let (lane_mb_s, raw_mb_s) = (spread(lane_mb_s), spread(raw_mb_s));
    Ok(Measured {
        bytes: BYTES,
        rounds,
        lane_of_raw_percent: lane_mb_s.median * 100 / raw_mb_s.median.max(1),
        lane_mb_s,
        raw_mb_s,
        order_idle_us,
        order_saturated_us: times(orders),
        saturated_by,
    })
}

/// The payload on the giver's disk.
struct Kept {
    pieces: Pieces,
    source: Source,
}

impl Kept {
    fn write(folder: &Path) -> io::Result<Self> {
        let bytes: Vec<u8> = (0..BYTES).map(|place| (place / 61).to_le_bytes()[0]).collect();
        let (path, list) = (folder.join("kept"), folder.join("kept.list"));
        let copy = std::fs::File::create(&path)?;
        let pieces = Pieces::seal(&bytes[..], copy, u64::MAX);
        let pieces = pieces.map_err(|error| io::Error::other(format!("{error:?}")))?;
        std::fs::write(&list, pieces.list())?;
        Ok(Self { pieces, source: Source::File { path, list } })
    }
}

/// A gateway and a phone, linked directly.
struct Pair {
    gateway: (NetHandle, NetEvents),
    phone: (NetHandle, NetEvents),
    ticket: u64,
}

const GATEWAY: [u8; 32] = [1; 32];
const PHONE: [u8; 32] = [2; 32];

impl Pair {
    async fn linked() -> io::Result<Self> {
        let door = direct_address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let mut gateway = start(GATEWAY, vec![door]).await?;
        let mut phone = start(PHONE, Vec::new()).await?;
        let known = Doorway {
            members: [public(&PHONE)].into(),
            cut: [].into(),
            strangers: Strangers::Refused,
            circuits: Circuits::Refused,
        };
        tell(&gateway.0, NetCommand::Know { doorway: known })?;
        let NetEvent::Listening { address } = event(&mut gateway.1).await? else {
            return Err(io::Error::other("the gateway does not listen"));
        };
        let dial = NetCommand::Dial { peer: public(&GATEWAY), addresses: vec![address] };
        tell(&phone.0, dial)?;
        for ((handle, events), peer) in
            [(&mut gateway, public(&PHONE)), (&mut phone, public(&GATEWAY))]
        {
            while event(events).await? != (NetEvent::LinkUp { peer }) {}
            tell(handle, NetCommand::Admit { peer })?;
        }
        Ok(Self { gateway, phone, ticket: 0 })
    }

    /// One payload, timed from the wish to the verified file.
    async fn fetch(&mut self, file: &Kept, folder: &Path) -> io::Result<Duration> {
        self.make_room(folder)?;
        let began = Instant::now();
        self.ask(file, folder)?;
        loop {
            tokio::select! {
                said = event(&mut self.gateway.1) => self.lend(said?, file)?,
                said = event(&mut self.phone.1) => {
                    if let NetEvent::Fetched { result, .. } = said? {
                        return result.map(|()| began.elapsed()).map_err(io::Error::other);
                    }
                }
            }
        }
    }

    /// Each comes under a name that nothing has, as into a task's folder.
    fn make_room(&self, folder: &Path) -> io::Result<()> {
        match std::fs::remove_file(folder.join("fetched")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn ask(&mut self, file: &Kept, folder: &Path) -> io::Result<()> {
        self.ticket += 1;
        let order = Fetch {
            ticket: self.ticket,
            peer: public(&GATEWAY),
            addresses: Vec::new(),
            content: Content::Pieces(file.pieces.root()),
            bytes: file.pieces.bytes,
            draft: folder.join("fetched.draft"),
            into: folder.join("fetched"),
        };
        tell(&self.phone.0, NetCommand::Fetch(Box::new(order)))
    }

    fn lend(&self, said: NetEvent, file: &Kept) -> io::Result<()> {
        match said {
            NetEvent::Wanted { ticket, .. } => {
                let source = Ok(file.source.clone());
                tell(&self.gateway.0, NetCommand::Lend { ticket, source })
            }
            _ => Ok(()),
        }
    }

    /// Orders from the gateway to the phone, one after the other.
    async fn orders(&mut self) -> io::Result<Vec<Duration>> {
        let mut took = Vec::new();
        for _ in 0..ORDERS {
            tokio::time::sleep(BETWEEN).await;
            let began = self.order()?;
            while !is_order(&event(&mut self.phone.1).await?) {}
            took.push(began.elapsed());
        }
        Ok(took)
    }

    /// The same while one payload after the other is under way; how many were finished.
    async fn orders_beside(
        &mut self,
        file: &Kept,
        folder: &Path,
    ) -> io::Result<(Vec<Duration>, usize)> {
        let (mut took, mut finished, mut sent) = (Vec::new(), 0, None);
        let mut next = tokio::time::interval(BETWEEN);
        self.ask(file, folder)?;
        while took.len() < ORDERS {
            tokio::select! {
                said = event(&mut self.gateway.1) => self.lend(said?, file)?,
                said = event(&mut self.phone.1) => match said? {
                    NetEvent::Fetched { result, .. } => {
                        result.map_err(io::Error::other)?;
                        finished += 1;
                        self.ask(file, folder)?;
                    }
                    said if is_order(&said) => {
                        took.extend(sent.take().map(|began: Instant| began.elapsed()));
                    }
                    _ => {}
                },
                _ = next.tick(), if sent.is_none() => sent = Some(self.order()?),
            }
        }
        Ok((took, finished))
    }

    fn order(&self) -> io::Result<Instant> {
        let (peer, body) = (public(&PHONE), vec![0; ORDER_BYTES]);
        let send = NetCommand::Send { peer, lane: Lane::Urgent, kind: 2, body };
        let began = Instant::now();
        tell(&self.gateway.0, send)?;
        Ok(began)
    }
}

fn is_order(said: &NetEvent) -> bool {
    matches!(said, NetEvent::Frame { lane: Lane::Urgent, .. })
}

async fn start(
    seed: [u8; 32],
    listen: Vec<libp2p::Multiaddr>,
) -> io::Result<(NetHandle, NetEvents)> {
    let config = NetConfig { secret: Zeroizing::new(seed), listen, peers: Vec::new() };
    Net::start(config).await.map_err(io::Error::other)
}

fn public(seed: &[u8; 32]) -> DeviceKey {
    belay_identity::SecretKey::from_seed(&Zeroizing::new(*seed)).public().0
}

fn tell(handle: &NetHandle, command: NetCommand) -> io::Result<()> {
    handle.send(command).map_err(io::Error::other)
}

async fn event(events: &mut NetEvents) -> io::Result<NetEvent> {
    let event = timeout(DEADLINE, events.recv()).await.map_err(io::Error::other)?;
    event.ok_or_else(|| io::Error::other("the links have ended"))
}

/// quinn alone, with the same keys and windows.
struct Raw {
    server: Endpoint,
    client: Endpoint,
    config: ClientConfig,
}

impl Raw {
    fn start() -> io::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server: ServerConfig = raw_server((&GATEWAY, &public(&GATEWAY)), &public(&PHONE))?;
        let config = raw_client((&PHONE, &public(&PHONE)), public(&GATEWAY))?;
        let runtime = Arc::new(TokioRuntime);
        let client = Endpoint::new(EndpointConfig::default(), None, raw_socket()?, runtime)?;
        Ok(Self { server: Endpoint::server(server, any)?, client, config })
    }

    /// So many bytes from memory to memory, timed from the wish to the last byte.
    async fn move_bytes(&self) -> io::Result<Duration> {
        let server = self.server.clone();
        let giving = tokio::spawn(async move {
            let connection = server.accept().await?.await.ok()?;
            let (mut send, mut recv) = connection.accept_bi().await.ok()?;
            recv.read_exact(&mut [0]).await.ok()?;
            let block = vec![7; 256 << 10];
            for _ in 0..BYTES / block.len() {
                send.write_all(&block).await.ok()?;
            }
            send.finish().ok()?;
            send.stopped().await.ok()
        });
        let at = self.server.local_addr()?;
        let connecting = self.client.connect_with(self.config.clone(), at, "belay");
        let connection = connecting.map_err(io::Error::other)?.await?;
        let began = Instant::now();
        let (mut send, mut recv) = connection.open_bi().await?;
        send.write_all(&[1]).await?;
        let (mut block, mut arrived) = (vec![0; 1 << 20], 0);
        while let Some(more) = recv.read(&mut block).await.map_err(io::Error::other)? {
            arrived += more;
        }
        let took = began.elapsed();
        // The giver has nothing more to say.
        let _ = giving.await;
        match arrived == BYTES {
            true => Ok(took),
            false => Err(io::Error::other(format!("{arrived} of {BYTES} bytes arrived"))),
        }
    }
}

fn rate(took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    BYTES as u64 / micros
}

fn spread(mut all: Vec<u64>) -> Spread {
    all.sort_unstable();
    let at = |place: usize| all.get(place).copied().unwrap_or(0);
    Spread { median: at(all.len() / 2), least: at(0), greatest: at(all.len().saturating_sub(1)) }
}

fn times(all: Vec<Duration>) -> Times {
    let mut all: Vec<u64> =
        all.into_iter().map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)).collect();
    all.sort_unstable();
    let at = |share: usize| all.get(all.len() * share / 100).copied().unwrap_or(0);
    Times { p50: at(50), p99: at(99), max: all.last().copied().unwrap_or(0), count: all.len() }
}
