//! Handshakes under way: timed, counted by address, and bounded before libp2p sees them.
//!
//! A limit that refuses the newest lets whoever came first shut out everybody else: 2,000 half-open
//! handshakes would keep the honest ones away. So the oldest of the busiest address gives way
//! instead. Time counts from the moment at which a handshake begins, because libp2p makes all dials
//! of one peer at once and each waits here for those before it. Refused
//! here: judging a peer, whose key is not known yet; and bounding QUIC before it computes its first
//! answer, which libp2p-quic does by itself.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, Transport, TransportError,
    core::transport::{DialOpts, ListenerId, TransportEvent},
    futures::{FutureExt as _, future::BoxFuture},
    multiaddr::Protocol,
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    circuit::is_relayed,
    limits::{
        HANDSHAKE_TIMEOUT, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX, RELAYED_HANDSHAKE_TIMEOUT,
    },
    pace::Pace,
    usage::Gauges,
};

/// A transport whose handshakes are bounded.
pub(crate) struct Handshakes<T> {
    inner: T,
    pace: Pace,
    waiting: Arc<Mutex<Waiting>>,
}

impl<T> Handshakes<T> {
    /// Bounds what this transport does, and counts it there.
    pub(crate) fn of(inner: T, gauges: Arc<Gauges>, pace: Pace) -> Self {
        let waiting = Waiting { gauges, ..Waiting::default() };
        Self { inner, pace, waiting: Arc::new(Mutex::new(waiting)) }
    }
}

impl<T> Transport for Handshakes<T>
where
    T: Transport<Error = io::Error> + Unpin,
    T::Output: Send + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    type Output = T::Output;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<T::Output>>;
    type Dial = BoxFuture<'static, io::Result<T::Output>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let within =
            if is_relayed(&address) { RELAYED_HANDSHAKE_TIMEOUT } else { HANDSHAKE_TIMEOUT };
        let wait = self.pace.wait_of(&address);
        let dial = self.inner.dial(address, options)?;
        Ok(async move {
            sleep(wait).await;
            timeout(within, dial).await.map_err(|_| no_answer())?
        }
        .boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = std::task::ready!(Pin::new(&mut self.inner).poll(cx));
        let from = match &event {
            TransportEvent::Incoming { send_back_addr, .. } => address_of(send_back_addr),
            TransportEvent::NewAddress { .. }
            | TransportEvent::AddressExpired { .. }
            | TransportEvent::ListenerClosed { .. }
            | TransportEvent::ListenerError { .. } => None,
        };
        let waiting = &self.waiting;
        Poll::Ready(event.map_upgrade(|upgrade| {
            let (place, gives_way) = Place::take(waiting, from);
            async move {
                let _place = place;
                tokio::select! {
                    done = timeout(HANDSHAKE_TIMEOUT, upgrade) => done.map_err(|_| no_answer())?,
                    _ = gives_way => Err(io::Error::other(GaveWay)),
                }
            }
            .boxed()
        }))
    }
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer")
}

/// Where a handshake comes from: an address, or the network of 64 bits that one host may have.
fn address_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6((u128::from(ip) >> 64 << 64).into())),
        _ => None,
    })
}

/// The inbound handshakes under way, oldest first.
#[derive(Default)]
struct Waiting {
    next: u64,
    all: BTreeMap<u64, Handshake>,
    by_address: BTreeMap<Option<IpAddr>, usize>,
    gauges: Arc<Gauges>,
}

struct Handshake {
    from: Option<IpAddr>,
    give_way: oneshot::Sender<()>,
}

impl Waiting {
    fn add(&mut self, from: Option<IpAddr>) -> (u64, oneshot::Receiver<()>) {
        if let Some(crowded) = self.crowded(from) {
            self.end_oldest_of(crowded);
        }
        let (give_way, gives_way) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        self.all.insert(number, Handshake { from, give_way });
        *self.by_address.entry(from).or_default() += 1;
        self.gauges.handshakes.store(self.all.len(), Ordering::Relaxed);
        (number, gives_way)
    }

    /// The address that gives way to one more handshake of this one, if any must.
    fn crowded(&self, from: Option<IpAddr>) -> Option<Option<IpAddr>> {
        let own = self.by_address.get(&from).copied().unwrap_or(0);
        if own >= HANDSHAKES_PER_ADDRESS_MAX {
            return Some(from);
        }
        let busiest = self.by_address.iter().max_by_key(|(_, count)| **count);
        busiest.filter(|_| self.all.len() >= HANDSHAKES_MAX).map(|(address, _)| *address)
    }

    fn end_oldest_of(&mut self, address: Option<IpAddr>) {
        let oldest = self.all.iter().find(|(_, one)| one.from == address).map(|(n, _)| *n);
        if let Some(handshake) = oldest.and_then(|number| self.remove(number)) {
            // It may have ended by itself a moment ago.
            let _ = handshake.give_way.send(());
        }
    }

    fn remove(&mut self, number: u64) -> Option<Handshake> {
        let handshake = self.all.remove(&number)?;
        self.gauges.handshakes.store(self.all.len(), Ordering::Relaxed);
        if let Some(count) = self.by_address.get_mut(&handshake.from) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&handshake.from);
            }
        }
        Some(handshake)
    }
}

/// One handshake's place among those that wait; given back when it ends, however it does.
struct Place {
    waiting: Arc<Mutex<Waiting>>,
    number: u64,
}

impl Place {
    fn take(waiting: &Arc<Mutex<Waiting>>, from: Option<IpAddr>) -> (Self, oneshot::Receiver<()>) {
        let (number, gives_way) = lock(waiting).add(from);
        (Self { waiting: waiting.clone(), number }, gives_way)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.waiting).remove(self.number);
    }
}

/// Nobody panics while holding it; if somebody did, the counts would still be whole.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handshake ended in favour of a newer one.
#[derive(Debug)]
struct GaveWay;

impl fmt::Display for GaveWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many handshakes at once: the oldest of the busiest address gave way")
    }
}

impl std::error::Error for GaveWay {}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, number]))
    }

    fn gave_way(gives_way: &mut oneshot::Receiver<()>) -> bool {
        gives_way.try_recv().is_ok()
    }

    /// Goal: one address has its bound of handshakes, and one more ends its own oldest, nobody
    /// else's. Method: another address waits first.
    #[test]
    fn an_address_pushes_out_itself() {
        let waiting = Arc::default();
        let (_other, mut other) = Place::take(&waiting, from(1));
        let mut own: Vec<_> =
            (0..HANDSHAKES_PER_ADDRESS_MAX).map(|_| Place::take(&waiting, from(2))).collect();
        assert!(!own.iter_mut().any(|(_, gives_way)| gave_way(gives_way)));
        let _one_over = Place::take(&waiting, from(2));
        assert!(gave_way(&mut own[0].1) && !gave_way(&mut own[1].1) && !gave_way(&mut other));
        drop(own);
        assert_eq!(lock(&waiting).all.len(), 2, "places are given back");
    }

    /// Goal: the bound over all addresses stands, and one more ends the oldest of the busiest.
    /// Method: a lone address comes first of all, then nine flood up to the bound, then a newcomer.
    #[test]
    fn the_busiest_address_gives_way() {
        let waiting = Arc::default();
        let (_lone, mut lone) = Place::take(&waiting, from(0));
        let flooding =
            (1..HANDSHAKES_MAX).map(|number| if number < 40 { 1 } else { number % 8 + 2 });
        let mut floods: Vec<_> = flooding
            .map(|host| Place::take(&waiting, from(u8::try_from(host).expect("small"))))
            .collect();
        assert!(!floods.iter_mut().any(|(_, gives_way)| gave_way(gives_way)));
        assert_eq!(lock(&waiting).all.len(), HANDSHAKES_MAX);
        let (_newcomer, mut newcomer) = Place::take(&waiting, from(100));
        assert_eq!(lock(&waiting).all.len(), HANDSHAKES_MAX);
        assert!(gave_way(&mut floods[0].1), "the oldest of the address that has 39");
        assert!(!gave_way(&mut lone) && !gave_way(&mut newcomer), "who asks once stays");
    }

    /// Goal: hosts of one IPv6 network of 64 bits count as one.
    #[test]
    fn one_network_is_one_address() {
        let at = |text: &str| address_of(&text.parse().expect("an address"));
        assert_eq!(at("/ip6/2001:db8::1/tcp/1"), at("/ip6/2001:db8::ffff/udp/9/quic-v1"));
        assert_ne!(at("/ip6/2001:db8::1/tcp/1"), at("/ip6/2001:db8:0:1::1/tcp/1"));
        assert_ne!(at("/ip4/192.0.2.1/tcp/1"), at("/ip4/192.0.2.2/tcp/1"));
    }
}
