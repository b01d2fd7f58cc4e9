//! The loop: one thing happens, the links that it concerns are told, then the owner.
//!
//! Refused here: waiting for a peer. The loop waits only for the owner to take events, and the
//! owner never waits for the loop.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    num::NonZeroU8,
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::ConnectedPoint,
    futures::StreamExt as _,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, ListenError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinError, JoinSet},
    time::sleep_until,
};

use super::{
    behaviour::{LaneEvent, Links, LinksEvent, limit_of},
    circuit::is_relayed,
    dial::{DialBook, plain_words},
    direct::{Direct, DirectNews, Doorway, Fetch, Source, split},
    handler::LaneNews,
    key::{DeviceKey, device_key},
    limits::Bound,
    link::{Closing, Ended, Left, Link, Outlets, TaskEnd},
    message::{Lane, NetCommand, NetEvent},
    net::Stamped,
    pace::{Pace, TcpHosts},
    queue::LinkTable,
    relaying::Places,
    way::Way,
};

/// How long the loop sleeps when no deadline is known.
const NO_DEADLINE: Duration = Duration::from_secs(3600);

/// What the owner asked, apart from frames.
#[derive(Debug)]
pub(crate) enum Order {
    Dial { peer: DeviceKey, addresses: Vec<Multiaddr> },
    Forget { peer: DeviceKey },
    Admit { peer: DeviceKey },
    Hangup { peer: DeviceKey },
    Know { doorway: Doorway },
    Reserve { relays: Vec<DeviceKey> },
    Moved { to: IpAddr },
    Fetch(Box<Fetch>),
    Abandon { ticket: u64 },
    Lend { ticket: u64, source: Result<Source, String> },
}

impl From<Order> for NetCommand {
    fn from(order: Order) -> Self {
        match order {
            Order::Dial { peer, addresses } => Self::Dial { peer, addresses },
            Order::Forget { peer } => Self::Forget { peer },
            Order::Admit { peer } => Self::Admit { peer },
            Order::Hangup { peer } => Self::Hangup { peer },
            Order::Know { doorway } => Self::Know { doorway },
            Order::Reserve { relays } => Self::Reserve { relays },
            Order::Moved { to } => Self::Moved { to },
            Order::Fetch(order) => Self::Fetch(order),
            Order::Abandon { ticket } => Self::Abandon { ticket },
            Order::Lend { ticket, source } => Self::Lend { ticket, source },
        }
    }
}

/// Everything that the loop holds.
pub(crate) struct Shell {
    pub(crate) swarm: Swarm<Links>,
    pub(crate) direct: Direct,
    /// Who has a seat of his own, and who none.
    pub(crate) doorway: Doorway,
    pub(crate) dials: DialBook,
    /// Where this device has a place, or wants one.
    pub(crate) places: Places,
    pub(crate) pace: Pace,
    pub(crate) tcp_hosts: TcpHosts,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) first: mpsc::Sender<Stamped>,
    pub(crate) later: mpsc::Sender<Stamped>,
    pub(crate) stopping: oneshot::Receiver<()>,
    pub(crate) table: Arc<LinkTable>,
    pub(crate) links: BTreeMap<DeviceKey, Link>,
    pub(crate) tasks: JoinSet<TaskEnd>,
    pub(crate) next_link: u64,
}

/// The owner wants the links to end, or is gone.
pub(crate) struct Stopping;

/// One thing that happened.
enum Happened {
    Order(Order),
    Swarm(Box<SwarmEvent<LinksEvent>>),
    Direct(DirectNews),
    Task(Result<TaskEnd, JoinError>),
    Overflow,
    Time,
}

impl Shell {
    /// Runs until the owner stops it, then hangs up every link.
    pub(crate) async fn run(mut self) {
        let mut going = self.tell_direct(None).await;
        while going.is_ok() {
            going = self.turn().await;
            self.measure();
        }
        self.close().await;
    }

    async fn turn(&mut self) -> Result<(), Stopping> {
        self.dial_due().await?;
        match self.wait().await? {
            Happened::Order(order) => self.on_order(order).await,
            Happened::Swarm(event) => self.on_swarm(*event).await,
            Happened::Direct(news) => self.on_direct(news).await,
            Happened::Task(Ok(end)) => self.on_task(end).await,
            // Aborted by us, together with its link or its stream.
            Happened::Task(Err(_)) => Ok(()),
            Happened::Overflow => self.tell_overflows().await,
            Happened::Time => self.on_time().await,
        }
    }

    async fn wait(&mut self) -> Result<Happened, Stopping> {
        let deadline = self.next_deadline();
        Ok(tokio::select! {
            _ = &mut self.stopping => return Err(Stopping),
            Some(order) = self.orders.recv() => Happened::Order(order),
            event = self.swarm.select_next_some() => Happened::Swarm(Box::new(event)),
            news = self.direct.next() => Happened::Direct(news),
            Some(end) = self.tasks.join_next() => Happened::Task(end),
            () = self.table.overflowed.notified() => Happened::Overflow,
            () = sleep_until(deadline.into()) => Happened::Time,
        })
    }

    fn next_deadline(&self) -> Instant {
        let lobbies = self.links.values().filter_map(Link::lobby_until);
        let ends = self.links.values().filter_map(Link::next_end);
        let places = self.next_place();
        let next = lobbies.chain(ends).chain(self.dials.next_due()).chain(places).min();
        next.unwrap_or_else(|| Instant::now() + NO_DEADLINE)
    }

    async fn tell(&mut self, link: u64, event: NetEvent) -> Result<(), Stopping> {
        tokio::select! {
            _ = &mut self.stopping => Err(Stopping),
            // An owner that hears nothing any more will drop the handle too.
            _ = self.first.send(Stamped { link, event }) => Ok(()),
        }
    }

    /// Tells something that belongs to no standing link.
    pub(super) async fn announce(&mut self, event: NetEvent) -> Result<(), Stopping> {
        self.tell(self.next_link, event).await
    }

    async fn on_order(&mut self, order: Order) -> Result<(), Stopping> {
        match order {
            Order::Dial { peer, addresses } => return self.keep_dialled(peer, addresses).await,
            Order::Forget { peer } => self.dials.forget(&peer),
            Order::Admit { peer } => {
                if let Some(link) = self.links.get(&peer) {
                    link.admit();
                }
            }
            Order::Hangup { peer } => self.hang_up(&peer),
            Order::Know { doorway } => return self.know(doorway).await,
            Order::Reserve { relays } => return self.reserve(relays).await,
            Order::Fetch(order) => self.direct.fetch(*order),
            Order::Abandon { ticket } => self.direct.abandon(ticket),
            Order::Lend { ticket, source } => self.direct.lend(ticket, source),
            Order::Moved { to } => {
                if let Err(error) = self.direct.moved(to) {
                    let why = format!("direct links stay where they were: {error}");
                    return self.announce(NetEvent::ListenFailed { why }).await;
                }
            }
        }
        Ok(())
    }

    async fn keep_dialled(
        &mut self,
        peer: DeviceKey,
        addresses: Vec<Multiaddr>,
    ) -> Result<(), Stopping> {
        if let Err(why) = self.dials.keep(peer, addresses, Instant::now()) {
            return self.announce(NetEvent::DialFailed { peer, why: why.to_string() }).await;
        }
        if self.links.contains_key(&peer) {
            self.dials.on_up(&peer);
        }
        Ok(())
    }

    /// The writer finishes; its end then closes the connections.
    fn hang_up(&mut self, peer: &DeviceKey) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        if link.closing.is_none() {
            link.closing = Some(Closing::HungUp);
            link.mailbox.close();
            self.dials.set_back(peer);
        }
    }

    async fn dial_due(&mut self) -> Result<(), Stopping> {
        for dial in self.dials.take_due(Instant::now()) {
            let (sockets, addresses) = split(dial.addresses);
            if !sockets.is_empty() {
                self.direct.dial(dial.key, sockets, addresses);
                continue;
            }
            self.dial_swarm(dial.key, dial.peer, addresses).await?;
        }
        Ok(())
    }

    async fn dial_swarm(
        &mut self,
        key: DeviceKey,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<(), Stopping> {
        let addresses = self.tcp_hosts.in_order(addresses, Instant::now());
        self.pace.begin(&addresses);
        let options = DialOpts::peer_id(peer)
            .addresses(addresses)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            // All at once, because each waits by itself for those before it.
            .override_dial_concurrency_factor(NonZeroU8::MAX)
            .build();
        let dialled = self.swarm.dial(options);
        self.pace.end();
        if let Err(error) = dialled {
            self.on_dial_failed(key, plain_words(&error)).await?;
        }
        Ok(())
    }

    async fn on_dial_failed(&mut self, peer: DeviceKey, why: String) -> Result<(), Stopping> {
        match self.dials.on_failed(&peer, why, Instant::now(), chance()) {
            Some(why) => self.announce(NetEvent::DialFailed { peer, why }).await,
            None => Ok(()),
        }
    }

    async fn on_swarm(&mut self, event: SwarmEvent<LinksEvent>) -> Result<(), Stopping> {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if let ConnectedPoint::Dialer { address, .. } = &endpoint {
                    self.tcp_hosts.answered(address, Instant::now());
                }
                let Some(peer) = device_key(&peer_id) else {
                    let bound = Bound::DeviceKeyKind;
                    return self.refuse_connection(None, connection_id, bound).await;
                };
                self.on_established(peer, connection_id, Way::of(&endpoint)).await
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                match device_key(&peer_id) {
                    Some(peer) => self.on_closed(peer, connection_id).await,
                    None => Ok(()),
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                match peer_id.as_ref().and_then(device_key) {
                    Some(peer) => self.on_dial_failed(peer, plain_words(&error)).await,
                    None => Ok(()),
                }
            }
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                self.on_denied(peer_id, error).await
            }
            SwarmEvent::Behaviour(event) => self.on_reach(event).await,
            // A place is told when it is granted.
            SwarmEvent::NewListenAddr { address, .. } if is_relayed(&address) => Ok(()),
            SwarmEvent::NewListenAddr { address, .. } => {
                self.announce(NetEvent::Listening { address: address.clone() }).await?;
                self.tell_direct(Some(&address)).await
            }
            SwarmEvent::ExpiredListenAddr { address, .. } if !is_relayed(&address) => {
                self.announce(NetEvent::NotListening { address }).await
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                self.on_listener_closed(listener_id, reason).await
            }
            SwarmEvent::ListenerError { error, .. } => {
                self.announce(NetEvent::ListenFailed { why: error.to_string() }).await
            }
            SwarmEvent::IncomingConnection { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::Dialing { .. }
            | SwarmEvent::NewExternalAddrCandidate { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. }
            | SwarmEvent::NewExternalAddrOfPeer { .. }
            | _ => Ok(()),
        }
    }

    async fn on_direct(&mut self, news: DirectNews) -> Result<(), Stopping> {
        match news {
            DirectNews::Up { id, peer, side, door, .. } => {
                self.on_established(peer, id, Way::direct(side)).await?;
                self.on_lane_news(peer, id, LaneNews::Ready(door)).await
            }
            DirectNews::Opened { id, peer, lane, stream } => {
                self.on_lane_news(peer, id, LaneNews::Opened(lane, stream)).await
            }
            DirectNews::Wanted { peer, wanted, send } => {
                let ticket = self.direct.keep_wish(peer, wanted, send);
                self.announce(NetEvent::Wanted { ticket, peer, content: wanted.content }).await
            }
            DirectNews::Fetched { ticket, result } => {
                self.announce(NetEvent::Fetched { ticket, result }).await
            }
            DirectNews::Guest { .. } => Ok(()),
            DirectNews::Closed { id, peer } => self.on_closed(peer, id).await,
            DirectNews::DialFailed { peer, why, others } => match super::key::peer_id(&peer) {
                Ok(id) if !others.is_empty() => self.dial_swarm(peer, id, others).await,
                Ok(_) | Err(_) => self.on_dial_failed(peer, why).await,
            },
        }
    }

    /// Direct doors at any address are told at each address that libp2p was told of.
    async fn tell_direct(&mut self, address: Option<&Multiaddr>) -> Result<(), Stopping> {
        let mut parts = address.into_iter().flat_map(Multiaddr::iter);
        let ip = parts.find_map(|part| match part {
            Protocol::Ip4(ip) => Some(ip.into()),
            Protocol::Ip6(ip) => Some(ip.into()),
            _ => None,
        });
        for address in self.direct.listens_at(ip) {
            self.announce(NetEvent::Listening { address }).await?;
        }
        Ok(())
    }

    async fn on_established(
        &mut self,
        peer: DeviceKey,
        connection: ConnectionId,
        way: Way,
    ) -> Result<(), Stopping> {
        match self.links.get_mut(&peer) {
            Some(link) if link.closing.is_none() => {
                if let Some(older) = link.connected(connection, way) {
                    self.close_connection(older);
                }
            }
            Some(_) => self.close_connection(connection),
            None => return self.link_up(peer, connection, way).await,
        }
        Ok(())
    }

    async fn link_up(
        &mut self,
        peer: DeviceKey,
        connection: ConnectionId,
        way: Way,
    ) -> Result<(), Stopping> {
        let seat = self.seat_of(&peer);
        self.free_a_seat(seat).await?;
        let number = self.next_link;
        self.next_link += 1;
        let mailbox = self.table.add(peer);
        let mut link = Link::new((peer, number), mailbox, seat, &mut self.tasks);
        link.connected(connection, way);
        self.links.insert(peer, link);
        self.dials.on_up(&peer);
        self.tell(number, NetEvent::LinkUp { peer }).await
    }

    async fn refuse_connection(
        &mut self,
        peer: Option<DeviceKey>,
        connection: ConnectionId,
        bound: Bound,
    ) -> Result<(), Stopping> {
        self.close_connection(connection);
        self.announce(NetEvent::Refused { peer, bound }).await
    }

    async fn on_closed(
        &mut self,
        peer: DeviceKey,
        connection: ConnectionId,
    ) -> Result<(), Stopping> {
        let left = self.links.get_mut(&peer).map(|link| link.disconnected(connection));
        match left {
            Some(Left::Nothing) => self.link_down(peer).await,
            Some(Left::Connections) => {
                self.note_way(&peer);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn link_down(&mut self, peer: DeviceKey) -> Result<(), Stopping> {
        let Some(mut link) = self.links.remove(&peer) else {
            return Ok(());
        };
        self.table.remove(&peer);
        link.end();
        self.dials.on_down(&peer, Instant::now(), chance());
        self.tell_overflow(peer, link.number(), link.mailbox.take_dropped()).await?;
        self.tell(link.number(), NetEvent::LinkDown { peer }).await
    }

    async fn on_denied(
        &mut self,
        peer_id: Option<PeerId>,
        error: ListenError,
    ) -> Result<(), Stopping> {
        let ListenError::Denied { cause } = error else {
            return Ok(());
        };
        let peer = peer_id.as_ref().and_then(device_key);
        match limit_of(&cause) {
            Some(bound) => self.announce(NetEvent::Refused { peer, bound }).await,
            None => Ok(()),
        }
    }

    pub(super) async fn on_lane(&mut self, event: LaneEvent) -> Result<(), Stopping> {
        match device_key(&event.peer) {
            Some(peer) => self.on_lane_news(peer, event.connection, event.news).await,
            None => Ok(()),
        }
    }

    async fn on_lane_news(
        &mut self,
        peer: DeviceKey,
        connection: ConnectionId,
        news: LaneNews,
    ) -> Result<(), Stopping> {
        let outlets = Outlets { first: &self.first, later: &self.later, tasks: &mut self.tasks };
        let Some(link) = self.links.get_mut(&peer) else {
            return Ok(());
        };
        let broken = match news {
            LaneNews::Ready(door) => {
                link.ready(connection, door);
                None
            }
            LaneNews::Opened(lane, stream) if link.closing.is_none() => {
                link.opened(lane, stream, outlets).err()
            }
            LaneNews::Opened(..) => None,
        };
        self.note_way(&peer);
        self.ask_for_places();
        match broken {
            Some(bound) => self.refuse_link(peer, bound).await,
            None => Ok(()),
        }
    }

    async fn on_task(&mut self, end: TaskEnd) -> Result<(), Stopping> {
        if self.links.get(&end.peer).is_none_or(|link| link.number() != end.link) {
            return Ok(());
        }
        match end.ended {
            Ended::Reader(Some(bound)) => return self.refuse_link(end.peer, bound).await,
            Ended::Reader(None) => {}
            Ended::Writer => self.disconnect(&end.peer),
            Ended::Silent => self.drop_silent(&end.peer),
        }
        Ok(())
    }

    /// Closes a link whose peer answers no more, and dials it again at once.
    fn drop_silent(&mut self, peer: &DeviceKey) {
        let Some(link) = self.links.get_mut(peer).filter(|link| link.closing.is_none()) else {
            return;
        };
        link.closing = Some(Closing::Silent);
        link.end();
        self.dials.hurry(peer);
        self.disconnect(peer);
    }

    /// Closes a link whose peer broke a bound, and dials it again only much later; a peer whose
    /// time in the lobby ran out may just have lost its path, so that one is dialled as after any
    /// loss.
    pub(crate) async fn refuse_link(
        &mut self,
        peer: DeviceKey,
        bound: Bound,
    ) -> Result<(), Stopping> {
        let Some(link) = self.links.get_mut(&peer) else {
            return Ok(());
        };
        if link.closing == Some(Closing::Refused) {
            return Ok(());
        }
        link.closing = Some(Closing::Refused);
        link.end();
        let number = link.number();
        if bound != Bound::LobbyTime {
            self.dials.set_back(&peer);
        }
        self.disconnect(&peer);
        self.tell(number, NetEvent::Refused { peer: Some(peer), bound }).await
    }

    pub(super) fn close_connection(&mut self, connection: ConnectionId) {
        if !self.direct.close(connection) {
            self.swarm.close_connection(connection);
        }
    }

    pub(super) fn disconnect(&mut self, peer: &DeviceKey) {
        self.direct.disconnect(peer);
        if let Ok(peer) = super::key::peer_id(peer) {
            // A peer without connections is disconnected already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    pub(super) async fn end_lobbies(&mut self) -> Result<(), Stopping> {
        let now = Instant::now();
        let late = |link: &Link| link.lobby_until().is_some_and(|until| until <= now);
        let peers: Vec<_> =
            self.links.iter().filter(|(_, link)| late(link)).map(|(peer, _)| *peer).collect();
        for peer in peers {
            self.refuse_link(peer, Bound::LobbyTime).await?;
        }
        Ok(())
    }

    async fn tell_overflows(&mut self) -> Result<(), Stopping> {
        let dropped: Vec<_> = self
            .links
            .iter()
            .map(|(peer, link)| (*peer, link.number(), link.mailbox.take_dropped()))
            .collect();
        for (peer, number, dropped) in dropped {
            self.tell_overflow(peer, number, dropped).await?;
        }
        Ok(())
    }

    async fn tell_overflow(
        &mut self,
        peer: DeviceKey,
        link: u64,
        dropped: [u32; 3],
    ) -> Result<(), Stopping> {
        for (lane, dropped) in Lane::ALL.into_iter().zip(dropped) {
            if dropped > 0 {
                self.tell(link, NetEvent::Overflow { peer, lane, dropped }).await?;
            }
        }
        Ok(())
    }
}

/// Chance for jitter; without entropy there is none, and only the spread suffers.
fn chance() -> u32 {
    getrandom::u32().unwrap_or(0)
}
