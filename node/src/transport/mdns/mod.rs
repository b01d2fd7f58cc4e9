//! Multicast DNS as a hint: this device is announced on its local networks, and hears who else is.
//!
//! Under which name it is announced, or that it keeps silent, the engine says, and so whom it knows
//! by what was heard (`belay_mesh::hints`). While it keeps silent there is no socket and no packet
//! leaves, not even a question. It is spoken here rather than by a library's daemon: mdns-sd 0.21
//! and libp2p-mdns 0.49 keep every record that any packet brings for as long as the packet says,
//! and ask back for each, so one liar on the network fills their memory. Here nothing is kept but
//! one batch of announcements; the words of DNS are hickory-proto's. Read in this order: this loop,
//! `packet` (what is said), `socket`.
//!
//! Refused here: judging a name, dialling, answering what is not asked of the whole network, and
//! TCP: on one's own network nobody drops UDP.

mod limits;
mod packet;
mod socket;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use belay_mesh::hints::{Hint, Tag};
use libp2p::{Multiaddr, multiaddr::Protocol};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub use packet::{announced_in, announcement};

use self::{
    limits::{
        ANNOUNCE_AGAIN, ANNOUNCE_EVERY, ANSWER_WITHIN, ASK_EVERY, ASK_WHEN_ALONE, GATHER_FOR,
        HAND_ON_EVERY, HINTS_KEPT_MAX, INTERFACES_MAX, OPEN_AGAIN, PACKET_BYTES_MAX,
        PACKETS_PER_SECOND_MAX, PACKETS_QUEUED,
    },
    packet::Said,
};

/// What this device has announced of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    /// Its name for today; none where it keeps silent.
    pub(crate) tag: Option<Tag>,
    /// Where it listens by QUIC.
    pub(crate) at: BTreeSet<SocketAddrV4>,
    /// Whether it is linked with nobody.
    pub(crate) alone: bool,
}

impl Announced {
    /// The sockets among the addresses at which a device listens, which others of its network dial.
    pub(crate) fn sockets<'a>(
        addresses: impl Iterator<Item = &'a String>,
    ) -> BTreeSet<SocketAddrV4> {
        let sockets = addresses.filter_map(|text| quic_socket(&text.parse().ok()?));
        sockets.filter(|socket| may_be_dialled(*socket.ip())).take(INTERFACES_MAX).collect()
    }
}

/// What comes out of it.
#[derive(Debug)]
pub(crate) enum MdnsNews {
    /// These were heard.
    Heard(Vec<Hint>),
    /// It cannot be spoken on the interface of this address.
    Failed(Ipv4Addr, io::Error),
}

/// Announces and listens as it is told, until whoever told it is gone.
pub(crate) async fn speak(mut told: watch::Receiver<Announced>, news: mpsc::Sender<MdnsNews>) {
    let mut voice = Voice::new(news, Instant::now());
    let first = told.borrow_and_update().clone();
    voice.obey(&first, Instant::now()).await;
    loop {
        let due = voice.due();
        tokio::select! {
            changed = told.changed() => match changed {
                Ok(()) => {
                    let now = told.borrow_and_update().clone();
                    voice.obey(&now, Instant::now()).await;
                }
                Err(_gone) => return,
            },
            Some(packet) = voice.heard.recv() => voice.on_packet(&packet, Instant::now()),
            () = sleep_until(due) => voice.tend(Instant::now()).await,
        }
    }
}

/// A packet that was read: on which interface, from whom.
type Packet = (Ipv4Addr, Ipv4Addr, Vec<u8>);

/// All interfaces' sockets, and what is due on them.
struct Voice {
    told: Announced,
    mouths: BTreeMap<Ipv4Addr, Mouth>,
    ears: JoinSet<()>,
    queue: mpsc::Sender<Packet>,
    heard: mpsc::Receiver<Packet>,
    news: mpsc::Sender<MdnsNews>,
    hints: BTreeSet<Hint>,
    hand_on: Option<Instant>,
    handed_on: Option<Instant>,
    ask: Instant,
    open_again: Option<Instant>,
    second: (Instant, u32),
}

/// One interface.
struct Mouth {
    socket: Arc<UdpSocket>,
    port: u16,
    said: Option<Instant>,
    say: Option<Instant>,
}

impl Voice {
    fn new(news: mpsc::Sender<MdnsNews>, now: Instant) -> Self {
        let (queue, heard) = mpsc::channel(PACKETS_QUEUED);
        Self {
            told: Announced::default(),
            mouths: BTreeMap::new(),
            ears: JoinSet::new(),
            queue,
            heard,
            news,
            hints: BTreeSet::new(),
            hand_on: None,
            handed_on: None,
            ask: now + ASK_EVERY,
            open_again: None,
            second: (now, 0),
        }
    }

    /// Takes in what is to be announced from now on; what is not any more loses its sockets.
    async fn obey(&mut self, told: &Announced, now: Instant) {
        let alone_now = told.alone && !self.told.alone;
        let same = (self.told.tag, &self.told.at) == (told.tag, &told.at);
        self.told = told.clone();
        if alone_now {
            self.ask = self.ask.min(now + ASK_WHEN_ALONE);
        }
        if !same {
            self.open(now).await;
        }
    }

    async fn open(&mut self, now: Instant) {
        self.ears.shutdown().await;
        (self.mouths, self.open_again) = (BTreeMap::new(), None);
        if self.told.tag.is_none() {
            self.hints.clear();
            return;
        }
        for at in self.told.at.clone() {
            match socket::open(*at.ip()) {
                Ok(socket) => {
                    let socket = Arc::new(socket);
                    self.ears.spawn(listen(socket.clone(), *at.ip(), self.queue.clone()));
                    let (port, say) = (at.port(), Some(now));
                    self.mouths.insert(*at.ip(), Mouth { socket, port, said: None, say });
                }
                Err(error) => {
                    self.open_again = Some(now + OPEN_AGAIN);
                    // A full queue loses a line of a log.
                    let _ = self.news.try_send(MdnsNews::Failed(*at.ip(), error));
                }
            }
        }
        self.ask = now;
    }

    /// When something is to be done next.
    fn due(&self) -> Instant {
        let asks = (!self.mouths.is_empty()).then_some(self.ask);
        let says = self.mouths.values().filter_map(|mouth| mouth.say);
        let all = says.chain(asks).chain(self.hand_on).chain(self.open_again);
        all.min().unwrap_or_else(|| Instant::now() + ASK_EVERY)
    }

    async fn tend(&mut self, now: Instant) {
        if self.open_again.is_some_and(|at| at <= now) {
            self.open(now).await;
        }
        if let Some(tag) = self.told.tag {
            for (interface, mouth) in &mut self.mouths {
                mouth.announce_if_due(tag, *interface, now).await;
            }
        }
        if self.ask <= now && !self.mouths.is_empty() {
            self.ask_all(now).await;
        }
        if self.hand_on.is_some_and(|at| at <= now) {
            (self.hand_on, self.handed_on) = (None, Some(now));
            let hints = std::mem::take(&mut self.hints).into_iter().collect();
            // An owner that is behind hears the next batch.
            let _ = self.news.try_send(MdnsNews::Heard(hints));
        }
    }

    async fn ask_all(&mut self, now: Instant) {
        self.ask = now + self.until_asking();
        let Ok(question) = packet::question() else { return };
        for mouth in self.mouths.values() {
            // An interface that is going down: its address goes with it.
            let _ = socket::say(&mouth.socket, &question).await;
        }
    }

    /// At least half of the longest wait, so that not all ask at once.
    fn until_asking(&self) -> Duration {
        let most = if self.told.alone { ASK_WHEN_ALONE } else { ASK_EVERY };
        most / 2 + drawn(most / 2)
    }

    fn on_packet(&mut self, (interface, from, bytes): &Packet, now: Instant) {
        if !self.has_room(now) || !may_be_dialled(*from) {
            return;
        }
        match packet::read(bytes, *from) {
            Said::Question => {
                if let Some(mouth) = self.mouths.get_mut(interface) {
                    mouth.asked(now);
                }
                if !self.told.alone {
                    self.ask = now + self.until_asking();
                }
            }
            Said::Announcements(all) => {
                let others = all.into_iter().filter(|(tag, _)| Some(*tag) != self.told.tag);
                for (tag, at) in others {
                    if self.hints.len() < HINTS_KEPT_MAX {
                        let address = quic_address(at).to_string();
                        self.hints.insert(Hint { tag, address });
                        let after = self.handed_on.map_or(now, |at| at + HAND_ON_EVERY);
                        self.hand_on.get_or_insert(after.max(now + GATHER_FOR));
                    }
                }
            }
            Said::Nothing => {}
        }
    }

    /// False where this second has had its packets.
    fn has_room(&mut self, now: Instant) -> bool {
        let (since, seen) = &mut self.second;
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *seen) = (now, 0);
        }
        *seen += 1;
        *seen <= PACKETS_PER_SECOND_MAX
    }
}

impl Mouth {
    /// Somebody asked: it is said soon, unless it was said a moment ago.
    fn asked(&mut self, now: Instant) {
        let rested = self.said.map_or(now, |said| said + ANNOUNCE_EVERY);
        if rested <= now {
            self.say.get_or_insert(now + drawn(ANSWER_WITHIN));
        }
    }

    async fn announce_if_due(&mut self, tag: Tag, interface: Ipv4Addr, now: Instant) {
        if self.say.is_none_or(|at| at > now) {
            return;
        }
        // The first time it is said once more.
        self.say = self.said.is_none().then(|| now + ANNOUNCE_AGAIN);
        self.said = Some(now);
        if let Ok(packet) = packet::announcement(tag, SocketAddrV4::new(interface, self.port)) {
            // An interface that is going down: its address goes with it.
            let _ = socket::say(&self.socket, &packet).await;
        }
    }
}

/// Reads until the socket is closed; what comes faster than it is looked at is dropped.
async fn listen(socket: Arc<UdpSocket>, interface: Ipv4Addr, queue: mpsc::Sender<Packet>) {
    let mut buffer = vec![0; PACKET_BYTES_MAX + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((bytes, SocketAddr::V4(from))) if bytes <= PACKET_BYTES_MAX => {
                // A full queue is a flood: nothing is owed to it.
                let _ = queue.try_send((interface, *from.ip(), buffer[..bytes].to_vec()));
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

/// False for addresses at which nobody else of this network listens.
fn may_be_dialled(ip: Ipv4Addr) -> bool {
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast())
}

/// The socket behind an address that libp2p dials by QUIC over IPv4.
fn quic_socket(address: &Multiaddr) -> Option<SocketAddrV4> {
    let mut parts = address.iter();
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()) {
        (Protocol::Ip4(ip), Protocol::Udp(port), Protocol::QuicV1, None) => {
            Some(SocketAddrV4::new(ip, port))
        }
        _ => None,
    }
}

fn quic_address(socket: SocketAddrV4) -> Multiaddr {
    Multiaddr::from(*socket.ip()).with(Protocol::Udp(socket.port())).with(Protocol::QuicV1)
}

/// A span drawn evenly up to this one; without entropy none, and only the spread suffers.
fn drawn(most: Duration) -> Duration {
    most.mul_f64(f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);
    const LIAR: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 66);

    fn said_by(who: Ipv4Addr, number: u32) -> Packet {
        let mut tag = [0; 16];
        tag[..4].copy_from_slice(&number.to_be_bytes());
        let bytes = announcement(Tag(tag), SocketAddrV4::new(who, 7411)).expect("encodes");
        (HERE, who, bytes)
    }

    /// Goal (INV-NET-1): whatever a liar says, one batch is kept, and the next is handed on no
    /// sooner than the bound says. Method: as many announcements as are looked at in a second,
    /// twice; time is handed in.
    #[tokio::test]
    async fn a_flood_is_one_batch_at_a_time() {
        let ((news, mut heard), start) = (mpsc::channel(1), Instant::now());
        let (mut voice, mut now) = (Voice::new(news, start), start);
        for (round, wait) in [(0, GATHER_FOR), (1, HAND_ON_EVERY)] {
            for number in 0..PACKETS_PER_SECOND_MAX {
                voice.on_packet(&said_by(LIAR, round * 1_000 + number), now);
            }
            assert_eq!(voice.hints.len(), HINTS_KEPT_MAX);
            let due = voice.due();
            assert_eq!(due, voice.handed_on.unwrap_or(now) + wait);
            voice.tend(due - Duration::from_millis(1)).await;
            assert!(heard.try_recv().is_err(), "not before it is due");
            voice.tend(due).await;
            let Ok(MdnsNews::Heard(batch)) = heard.try_recv() else { panic!("a batch") };
            assert_eq!((batch.len(), voice.hints.len()), (HINTS_KEPT_MAX, 0));
            now = due + Duration::from_secs(1);
        }
    }

    /// Goal: of the packets of one second those over the bound are not looked at. Method: questions
    /// up to the bound, then an announcement, which is heard when it comes a second later.
    #[tokio::test]
    async fn one_packet_over_a_seconds_is_not_looked_at() {
        let ((news, _heard), start) = (mpsc::channel(1), Instant::now());
        let mut voice = Voice::new(news, start);
        let question = (HERE, LIAR, packet::question().expect("encodes"));
        (0..PACKETS_PER_SECOND_MAX).for_each(|_| voice.on_packet(&question, start));
        voice.on_packet(&said_by(LIAR, 1), start);
        assert!(voice.hints.is_empty());
        voice.on_packet(&said_by(LIAR, 1), start + Duration::from_secs(1));
        assert_eq!(voice.hints.len(), 1);
    }

    /// Goal: while a device keeps silent it has no socket, and its own name is nobody else's.
    /// Method: told of an address and no name; then its own announcement.
    #[tokio::test]
    async fn who_keeps_silent_has_no_socket() {
        let ((news, _heard), start) = (mpsc::channel(1), Instant::now());
        let mut voice = Voice::new(news, start);
        let at = BTreeSet::from([SocketAddrV4::new(HERE, 7411)]);
        voice.obey(&Announced { tag: None, at, alone: true }, start).await;
        assert!(voice.mouths.is_empty() && voice.open_again.is_none());
        voice.told.tag = Some(Tag([0; 16]));
        voice.on_packet(&said_by(HERE, 0), start);
        assert!(voice.hints.is_empty());
    }

    /// Goal: only what others of the network can dial is announced. Method: every kind of address.
    #[test]
    fn only_quic_on_the_network_is_announced() {
        let all = [
            "/ip4/192.168.1.7/udp/7411/quic-v1",
            "/ip4/127.0.0.1/udp/7411/quic-v1",
            "/ip4/192.168.1.7/udp/7412/quic-v1/tls",
            "/ip4/192.168.1.7/tcp/7411",
            "/ip6/fe80::7/udp/7411/quic-v1",
            "no address",
        ];
        let all = all.map(str::to_owned);
        let sockets = Announced::sockets(all.iter());
        assert_eq!(sockets, BTreeSet::from([SocketAddrV4::new(HERE, 7411)]));
    }
}
