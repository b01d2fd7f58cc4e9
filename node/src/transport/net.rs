//! The doors of the links: start, tell, listen, stop.
//!
//! `NetHandle::send` never waits: a frame goes straight into its link's queue, everything else into
//! a short queue of commands. `NetEvents::recv` gives link events and urgent frames before bulk and
//! repair. Refused here: running without a bound, and printing the secret.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Instant};

use libp2p::{Multiaddr, TransportError, identity::Keypair};
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    task::{JoinHandle, JoinSet},
};
use zeroize::Zeroizing;

use super::{
    behaviour::Links,
    carrier::swarm_of,
    dial::DialBook,
    direct::{Direct, Doorway, NoDirect, direct_address, split},
    frame::encode,
    key::{DeviceKey, hex},
    limits::{COMMANDS_QUEUED, FIRST_EVENTS_QUEUED, LATER_EVENTS_QUEUED},
    message::{Lane, NetCommand, NetEvent},
    pace::{Pace, TcpHosts},
    queue::LinkTable,
    relaying::{Places, place_name},
    swarm::{Order, Shell},
    usage::Used,
    way::Way,
};

/// What the links need to start.
pub struct NetConfig {
    /// The device key's 32-byte seed.
    pub secret: Zeroizing<[u8; 32]>,
    /// Addresses to listen on, such as `/ip4/0.0.0.0/udp/4001/quic-v1` and
    /// `/ip4/0.0.0.0/tcp/4001`.
    pub listen: Vec<Multiaddr>,
    /// Peers to keep dialled from the start, each with its addresses.
    pub peers: Vec<(DeviceKey, Vec<Multiaddr>)>,
}

/// The links of this device.
#[derive(Debug, Clone, Copy)]
pub struct Net;

impl Net {
    /// Listens, starts dialling, and returns both doors. Must be called inside a tokio runtime with
    /// network and time. Fails on an address that cannot be listened on or a peer that cannot be
    /// kept.
    pub async fn start(config: NetConfig) -> Result<(NetHandle, NetEvents), NetError> {
        let pair = Keypair::ed25519_from_bytes(*config.secret).map_err(|_| NetError::Secret)?;
        let table = Arc::new(LinkTable::default());
        let (sockets, listen) = split(config.listen);
        let public = pair.public().try_into_ed25519().map_err(|_| NetError::Secret)?.to_bytes();
        let direct = Direct::start((&config.secret, &public), &sockets).map_err(no_direct)?;
        let pace = Pace::default();
        let links = |circuits| Links::new(&pair, direct.porter(), circuits);
        let swarm = swarm_of(&pair, (table.gauges.clone(), pace.clone()), links);
        let mut swarm = swarm.map_err(|_| NetError::Secret)?;
        if let Some(own) = place_name(&public) {
            swarm.add_external_address(own);
        }
        for address in listen {
            swarm.listen_on(address.clone()).map_err(|error| listen_error(address, error))?;
        }
        let mut dials = DialBook::default();
        for (peer, addresses) in config.peers {
            let kept = dials.keep(peer, addresses, Instant::now());
            kept.map_err(|why| NetError::Peer { peer, why: why.to_string() })?;
        }
        let (commands, orders) = mpsc::channel(COMMANDS_QUEUED);
        let (first, first_seen) = mpsc::channel(FIRST_EVENTS_QUEUED);
        let (later, later_seen) = mpsc::channel(LATER_EVENTS_QUEUED);
        let (stop, stopping) = oneshot::channel();
        let shell = Shell {
            swarm,
            direct,
            doorway: Doorway::default(),
            dials,
            places: Places::default(),
            pace,
            tcp_hosts: TcpHosts::default(),
            orders,
            first,
            later,
            stopping,
            table: table.clone(),
            links: BTreeMap::new(),
            tasks: JoinSet::new(),
            next_link: 0,
        };
        let running = tokio::spawn(shell.run());
        let events = NetEvents { first: first_seen, later: later_seen, up: BTreeMap::new() };
        Ok((NetHandle { commands, table, stop, running }, events))
    }
}

fn no_direct(error: NoDirect) -> NetError {
    match error.socket {
        Some(socket) => {
            let why = format!("{}; is another node using it?", error.why);
            NetError::Listen { address: direct_address(socket), why }
        }
        None => NetError::Secret,
    }
}

fn listen_error(address: Multiaddr, error: TransportError<std::io::Error>) -> NetError {
    let why = match error {
        TransportError::MultiaddrNotSupported(_) => {
            "neither QUIC nor TCP; write /ip4/0.0.0.0/udp/4001/quic-v1 or /ip4/0.0.0.0/tcp/4001"
                .to_owned()
        }
        TransportError::Other(error) => format!("{error}; is another node using it?"),
    };
    NetError::Listen { address, why }
}

/// Where the owner tells the links what to do. Dropping it ends them, as `shutdown` does.
#[derive(Debug)]
pub struct NetHandle {
    commands: mpsc::Sender<Order>,
    table: Arc<LinkTable>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl NetHandle {
    /// Carries out one command, or says at once why not; never waits. A frame that finds its queue
    /// full is told as `NetEvent::Overflow`.
    pub fn send(&self, command: NetCommand) -> Result<(), Unsent> {
        let order = match command {
            NetCommand::Send { peer, lane, kind, body } => {
                return self.queue(peer, lane, kind, &body);
            }
            NetCommand::Dial { peer, addresses } => Order::Dial { peer, addresses },
            NetCommand::Forget { peer } => Order::Forget { peer },
            NetCommand::Admit { peer } => Order::Admit { peer },
            NetCommand::Hangup { peer } => Order::Hangup { peer },
            NetCommand::Know { doorway } => Order::Know { doorway },
            NetCommand::Reserve { relays } => Order::Reserve { relays },
            NetCommand::Moved { to } => Order::Moved { to },
            NetCommand::Fetch(order) => Order::Fetch(order),
            NetCommand::Abandon { ticket } => Order::Abandon { ticket },
            NetCommand::Lend { ticket, source } => Order::Lend { ticket, source },
        };
        self.commands.try_send(order).map_err(|error| match error {
            TrySendError::Full(order) => Unsent::Busy(order.into()),
            TrySendError::Closed(_) => Unsent::Stopped,
        })
    }

    fn queue(&self, peer: DeviceKey, lane: Lane, kind: u8, body: &[u8]) -> Result<(), Unsent> {
        let bytes = body.len();
        let frame = encode(lane, kind, body).ok_or(Unsent::TooLong { lane, bytes })?;
        let mailbox = self.table.find(&peer).ok_or(Unsent::NoLink(peer))?;
        mailbox.push(lane, frame);
        Ok(())
    }

    /// Every bound of the links with what is used of it now.
    pub fn used(&self) -> Vec<Used> {
        self.table.gauges.read()
    }

    /// How every link that stands reaches its peer.
    pub fn ways(&self) -> BTreeMap<DeviceKey, Way> {
        self.table.ways()
    }

    /// Hangs up every link (urgent frames already queued still go), closes the sockets and returns:
    /// within about 1.5 s.
    pub async fn shutdown(self) {
        // A loop that has ended by itself has nothing left to stop.
        let _ = self.stop.send(());
        let _ = self.running.await;
    }
}

/// One event, with the number of the link that it belongs to.
#[derive(Debug)]
pub(crate) struct Stamped {
    /// The link's number.
    pub(crate) link: u64,
    /// What happened.
    pub(crate) event: NetEvent,
}

/// Where the owner hears what happened.
#[derive(Debug)]
pub struct NetEvents {
    first: mpsc::Receiver<Stamped>,
    later: mpsc::Receiver<Stamped>,
    /// The links that the owner has been told of and that are not down.
    up: BTreeMap<DeviceKey, u64>,
}

impl NetEvents {
    /// The next event, link events and urgent frames first; `None` once the links have ended.
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        loop {
            let stamped = tokio::select! {
                biased;
                Some(stamped) = self.first.recv() => stamped,
                Some(stamped) = self.later.recv() => stamped,
                else => return None,
            };
            if self.is_due(&stamped) {
                return Some(stamped.event);
            }
        }
    }

    /// INVARIANT: no frame is given outside its own link's `LinkUp` and `LinkDown`.
    fn is_due(&mut self, stamped: &Stamped) -> bool {
        match &stamped.event {
            NetEvent::LinkUp { peer } => {
                self.up.insert(*peer, stamped.link);
                true
            }
            NetEvent::LinkDown { peer } => {
                self.up.remove(peer);
                true
            }
            NetEvent::Frame { peer, .. } => self.up.get(peer) == Some(&stamped.link),
            NetEvent::Listening { .. }
            | NetEvent::NotListening { .. }
            | NetEvent::ListenFailed { .. }
            | NetEvent::Punched { .. }
            | NetEvent::Refused { .. }
            | NetEvent::Wanted { .. }
            | NetEvent::Fetched { .. }
            | NetEvent::Overflow { .. }
            | NetEvent::DialFailed { .. } => true,
        }
    }
}

/// Why the links did not start: each is a matter of configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetError {
    /// The secret is no Ed25519 seed.
    Secret,
    /// An address cannot be listened on.
    Listen {
        /// The address as configured.
        address: Multiaddr,
        /// What is wrong with it.
        why: String,
    },
    /// A peer cannot be kept dialled.
    Peer {
        /// The peer as configured.
        peer: DeviceKey,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret => f.write_str("the device key's secret is no Ed25519 seed"),
            Self::Listen { address, why } => write!(f, "cannot listen on {address}: {why}"),
            Self::Peer { peer, why } => write!(f, "cannot dial {}: {why}", hex(peer)),
        }
    }
}

impl std::error::Error for NetError {}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// The links are behind; take events, then try this again.
    Busy(NetCommand),
    /// The links have ended.
    Stopped,
    /// No link to this peer stands; its `LinkDown` may still be on the way.
    NoLink(DeviceKey),
    /// The caller's mistake: the body is longer than its lane allows.
    TooLong {
        /// The lane.
        lane: Lane,
        /// The body's length.
        bytes: usize,
    },
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(_) => f.write_str("the links are behind; try again"),
            Self::Stopped => f.write_str("the links have ended"),
            Self::NoLink(peer) => write!(f, "no link to {}", hex(peer)),
            Self::TooLong { lane, bytes } => {
                write!(f, "{bytes} bytes exceed {}", lane.frame_bound())
            }
        }
    }
}

impl std::error::Error for Unsent {}
