//! In which order a peer's addresses are dialled, and how far apart.
//!
//! Host by host as they were given, of each host QUIC before TCP, and what leads over a relay last.
//! Each has a short head start over the next, and the first that answers is the connection (RFC
//! 8305): dialled at once, two could both stand, and each side would drop another one. Where TCP
//! reached a host and QUIC did not, TCP is first for a while. Refused here: dialling.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, multiaddr::Protocol};

use super::{
    circuit::is_relayed,
    limits::{HEAD_START, TCP_FIRST_FOR, TCP_HOSTS_MAX},
    way::Carrier,
};

/// Hosts that TCP reached where QUIC did not.
#[derive(Debug, Default)]
pub(crate) struct TcpHosts(BTreeMap<String, Instant>);

impl TcpHosts {
    /// The order in which a peer's addresses are dialled.
    pub(crate) fn in_order(
        &mut self,
        mut addresses: Vec<Multiaddr>,
        now: Instant,
    ) -> Vec<Multiaddr> {
        self.0.retain(|_, since| now.duration_since(*since) < TCP_FIRST_FOR);
        let hosts: Vec<_> = addresses.iter().map(host).collect();
        addresses.sort_by_cached_key(|address| {
            let host = host(address);
            let place = hosts.iter().position(|one| *one == host);
            let first = match self.0.contains_key(&host) {
                true => Carrier::Tcp,
                false => Carrier::Quic,
            };
            (is_relayed(address), place, Carrier::of(address) != first)
        });
        addresses
    }

    /// This address answered a dial, its rivals of the same host did not before it.
    pub(crate) fn answered(&mut self, address: &Multiaddr, now: Instant) {
        match Carrier::of(address) {
            Carrier::Quic => drop(self.0.remove(&host(address))),
            Carrier::Tcp => self.remember(host(address), now),
            Carrier::Relay | Carrier::Direct => {}
        }
    }

    fn remember(&mut self, host: String, now: Instant) {
        let oldest = self.0.iter().min_by_key(|(_, since)| **since).map(|(host, _)| host.clone());
        let full = self.0.len() >= TCP_HOSTS_MAX && !self.0.contains_key(&host);
        if let Some(oldest) = oldest.filter(|_| full) {
            self.0.remove(&oldest);
        }
        self.0.entry(host).or_insert(now);
    }
}

fn host(address: &Multiaddr) -> String {
    address.iter().next().map(|part| part.to_string()).unwrap_or_default()
}

/// How long each address of the dial that is being made waits: written before libp2p asks the
/// carriers for it, and forgotten when it has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<Mutex<Vec<Multiaddr>>>);

impl Pace {
    /// The dial that is being made has these addresses, in this order.
    pub(crate) fn begin(&self, addresses: &[Multiaddr]) {
        *self.lock() = addresses.to_vec();
    }

    /// It has been made.
    pub(crate) fn end(&self) {
        self.lock().clear();
    }

    /// How long this address waits; none that is of no such dial.
    pub(crate) fn wait_of(&self, address: &Multiaddr) -> Duration {
        let place = self.lock().iter().position(|one| unnamed(one) == unnamed(address));
        HEAD_START * place.and_then(|place| u32::try_from(place).ok()).unwrap_or(0)
    }

    /// Nobody panics while holding it; if somebody did, the list would still be whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Multiaddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address without the name of the device that must answer there, which libp2p adds.
fn unnamed(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    const QUIC: &str = "/ip4/192.0.2.1/udp/1/quic-v1";
    const TCP: &str = "/ip4/192.0.2.1/tcp/1";
    const OTHER: &str = "/ip4/192.0.2.2/udp/1/quic-v1";
    const NAME: &str = "/p2p/12D3KooWGjqLw5zmGGmUWy41xmoqk6SJfLWwmQ2UEJTc2mTwQ6aJ";

    fn relayed() -> Multiaddr {
        at(&format!("/ip4/192.0.2.9/udp/1/quic-v1{NAME}/p2p-circuit"))
    }

    /// Goal: of one host QUIC is dialled before TCP, hosts stay in the order given, and a relay is
    /// last. Method: the relay first, then TCP.
    #[test]
    fn quic_is_dialled_first_and_a_relay_last() {
        let mut hosts = TcpHosts::default();
        let given = vec![relayed(), at(TCP), at(OTHER), at(QUIC)];
        let ordered = hosts.in_order(given, Instant::now());
        assert_eq!(ordered, [at(QUIC), at(TCP), at(OTHER), relayed()]);
    }

    /// Goal: where TCP answered it is first for that host alone, until QUIC answers there or the
    /// time is over; and what is remembered is bounded. Method: each in turn, then 1,000 hosts.
    #[test]
    fn what_answered_is_dialled_first() {
        let (mut hosts, now) = (TcpHosts::default(), Instant::now());
        let all = || [OTHER, QUIC, TCP].map(at).to_vec();
        let (usual, turned) = ([OTHER, QUIC, TCP].map(at), [OTHER, TCP, QUIC].map(at));
        hosts.answered(&at(TCP), now);
        assert_eq!(hosts.in_order(all(), now), turned);
        hosts.answered(&at(QUIC), now);
        assert_eq!(hosts.in_order(all(), now), usual);
        hosts.answered(&at(TCP), now);
        let later = now + TCP_FIRST_FOR - Duration::from_secs(1);
        hosts.answered(&at(TCP), later);
        assert_eq!(hosts.in_order(all(), later), turned);
        let late = now + TCP_FIRST_FOR;
        assert_eq!(hosts.in_order(all(), late), usual, "QUIC gets its chance again");
        for host in 0..1_000 {
            hosts.answered(&at(&format!("/ip4/10.0.{}.{}/tcp/1", host / 250, host % 250)), late);
        }
        assert_eq!(hosts.0.len(), TCP_HOSTS_MAX);
    }

    /// Goal: each address of a dial waits for those before it, also with the name that libp2p adds;
    /// an address of no such dial waits for nobody.
    #[test]
    fn each_address_waits_for_those_before_it() {
        let pace = Pace::default();
        pace.begin(&[at(QUIC), at(TCP), relayed()]);
        assert_eq!(pace.wait_of(&at(QUIC)), Duration::ZERO);
        assert_eq!(pace.wait_of(&at(&format!("{TCP}{NAME}"))), HEAD_START);
        assert_eq!(pace.wait_of(&at(&format!("{}{NAME}", relayed()))), 2 * HEAD_START);
        assert_eq!(pace.wait_of(&at(OTHER)), Duration::ZERO);
        pace.end();
        assert_eq!(pace.wait_of(&relayed()), Duration::ZERO);
    }
}
