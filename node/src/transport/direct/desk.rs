//! The desk for payloads: what peers want from here, and what is being fetched.
//!
//! A wish waits here until the owner has said who may have what. Fetches run beside the loop, a few
//! at once; one that is abandoned leaves nothing behind. Refused here: saying yes by itself.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use quinn::{Connection, SendStream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
};

use super::{
    super::key::{DeviceKey, hex},
    DirectNews,
    dialer::Caller,
    doorway::Porter,
    fetch::{Fetch, Trouble, Ways, fetch},
    lend::{Source, Wanted, lend, put_off, refuse},
    limits::{FETCHES_MAX, LENDS_MAX, LENDS_PER_DEVICE_MAX},
    split,
};

/// Everything about payloads that outlives one stream.
pub(crate) struct Desk {
    porter: Porter,
    news: mpsc::Sender<DirectNews>,
    /// The newest link of each peer.
    roster: Roster,
    waiting: BTreeMap<u64, Waiting>,
    asked: u64,
    lending: Arc<Semaphore>,
    /// Of these places the ones that each device may take.
    shares: BTreeMap<DeviceKey, Arc<Semaphore>>,
    fetching: Arc<Semaphore>,
    fetches: BTreeMap<u64, AbortHandle>,
}

struct Waiting {
    peer: DeviceKey,
    wanted: Wanted,
    send: SendStream,
}

type Roster = Arc<Mutex<BTreeMap<DeviceKey, Connection>>>;

impl Desk {
    pub(crate) fn new(porter: Porter, news: mpsc::Sender<DirectNews>) -> Self {
        Self {
            porter,
            news,
            roster: Roster::default(),
            waiting: BTreeMap::new(),
            asked: 0,
            lending: Arc::new(Semaphore::new(LENDS_MAX)),
            shares: BTreeMap::new(),
            fetching: Arc::new(Semaphore::new(FETCHES_MAX)),
            fetches: BTreeMap::new(),
        }
    }

    /// A direct link to this peer stands.
    pub(crate) fn linked(&self, peer: DeviceKey, connection: &Connection) {
        lock(&self.roster).insert(peer, connection.clone());
    }

    /// A connection to this peer is gone.
    pub(crate) fn gone(&self, peer: &DeviceKey, connection: &Connection) {
        let mut roster = lock(&self.roster);
        if roster.get(peer).is_some_and(|held| held.stable_id() == connection.stable_id()) {
            roster.remove(peer);
        }
    }

    /// Keeps a wish; the number under which it is answered.
    pub(crate) fn keep(&mut self, peer: DeviceKey, wanted: Wanted, send: SendStream) -> u64 {
        self.asked += 1;
        self.waiting.insert(self.asked, Waiting { peer, wanted, send });
        self.asked
    }

    /// Sends what was asked for, or says why not.
    pub(crate) fn lend(&mut self, ticket: u64, source: Result<Source, String>) {
        let Some(Waiting { peer, wanted, send }) = self.waiting.remove(&ticket) else { return };
        match (source, self.place_for(peer)) {
            (Err(why), _) => drop(tokio::spawn(refuse(send, why))),
            (Ok(_), None) => drop(tokio::spawn(put_off(send))),
            (Ok(source), Some(place)) => {
                let to = (peer, self.porter.clone());
                tokio::spawn(async move {
                    lend(send, to, source, wanted.from).await;
                    drop(place);
                });
            }
        }
    }

    /// A place to send from, of the share of this device; nothing where either is spent.
    fn place_for(&mut self, peer: DeviceKey) -> Option<[OwnedSemaphorePermit; 2]> {
        self.shares.retain(|_, share| share.available_permits() < LENDS_PER_DEVICE_MAX);
        let share = self.shares.entry(peer);
        let share = share.or_insert_with(|| Arc::new(Semaphore::new(LENDS_PER_DEVICE_MAX)));
        let own = share.clone().try_acquire_owned().ok()?;
        Some([own, self.lending.clone().try_acquire_owned().ok()?])
    }

    /// Fetches once a place is free.
    pub(crate) fn fetch(&mut self, order: Fetch, caller: Caller) {
        let (ticket, places, news) = (order.ticket, self.fetching.clone(), self.news.clone());
        let (sockets, _) = split(order.addresses.clone());
        let ways = Known { peer: order.peer, sockets, roster: self.roster.clone(), caller };
        let fetching = tokio::spawn(async move {
            // The desk never closes its places.
            let place = places.acquire_owned().await;
            let result = fetch(order, ways).await;
            drop(place);
            // A loop that has ended hears nothing more.
            let _ = news.send(DirectNews::Fetched { ticket, result }).await;
        });
        self.fetches.retain(|_, fetch| !fetch.is_finished());
        self.fetches.insert(ticket, fetching.abort_handle());
    }

    /// Ends a fetch; its draft goes with it.
    pub(crate) fn abandon(&mut self, ticket: u64) {
        if let Some(fetch) = self.fetches.remove(&ticket) {
            fetch.abort();
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.fetches.values().for_each(AbortHandle::abort);
    }
}

/// A peer's direct doors, where a payload has a connection and a window of its own; else the link
/// to it, if one stands.
struct Known {
    peer: DeviceKey,
    sockets: Vec<SocketAddr>,
    roster: Roster,
    caller: Caller,
}

impl Ways for Known {
    async fn connect(&self) -> Result<Connection, Trouble> {
        let link = lock(&self.roster).get(&self.peer).cloned();
        let mut sockets = self.sockets.clone();
        // Where this device dialled the peer, it can dial it again.
        let dialled = link.as_ref().filter(|link| link.side() == quinn::Side::Client);
        sockets.extend(dialled.map(Connection::remote_address));
        if sockets.is_empty() && link.is_none() {
            let why = format!(
                "{} has said no direct address, and no direct link to it stands",
                hex(&self.peer)
            );
            return Err(Trouble::Cut(why));
        }
        let called = self.caller.call(self.peer, &sockets).await;
        called.or_else(|why| link.ok_or(Trouble::Cut(why)))
    }
}

fn lock(roster: &Roster) -> std::sync::MutexGuard<'_, BTreeMap<DeviceKey, Connection>> {
    roster.lock().unwrap_or_else(PoisonError::into_inner)
}
