//! Whether honest devices still come in while 2,000 handshakes are left half open.
//!
//! The attacker opens 1,000 over TCP and 1,000 over QUIC from twenty addresses of loopback, says
//! nothing more on any of them, and opens each again every three seconds, which is when a node
//! gives one up. Beside it honest peers connect, over either, and honest devices join; the same is
//! measured before, on the same machine, without the attacker. Refused here: a bound on any time;
//! the figures are for people.

use super::figures::Figures;
use super::nodes::{ANY_PORT, LAPTOP, Nodes};
use super::waiting::must;
use belay_node::transport::{DeviceKey, Net, NetConfig, NetEvent};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{ClientConfig, Connection, Endpoint, EndpointConfig};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Connections and joins of each kind, unless somebody wants another number.
pub const TIMES: usize = 40;
/// Half-open handshakes of each kind, TCP and QUIC.
const HALF_OPEN: usize = 1_000;
/// Addresses from which they come.
const SOURCES: usize = 20;
/// After this long each is opened again: a node gives one up then.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// The attacker ends by itself after this long, whatever becomes of the story.
const ATTACK_MAX: Duration = Duration::from_secs(600);
/// A peer that has not connected after this long is counted as this long.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// Measures and prints: first in peace, then under attack.
pub fn run(exe: &Path, times: usize) {
    let mut fleet = Nodes::empty(exe);
    let listen = ["--listen", ANY_PORT, "--listen", "/ip4/127.0.0.1/tcp/0"];
    fleet.found_so(&[], LAPTOP, "story.belay", &listen);
    let victim = Victim::of(&fleet.status(LAPTOP));
    let before = victim.resident_kb();
    measure(&mut fleet, &victim, "in peace", times);
    let attack = Attack::start(&victim);
    attack.wait_until_whole();
    measure(&mut fleet, &victim, "2,000 half open", times);
    let status = fleet.status(LAPTOP);
    println!("bounds of the node under attack: {}", status["bounds"]);
    println!("handshakes begun by the attacker: {}", attack.begun.load(Ordering::Relaxed));
    println!("resident memory, kB: before {before}, under attack {}", victim.resident_kb());
}

fn measure(fleet: &mut Nodes, victim: &Victim, when: &str, times: usize) {
    for (by, address) in [("QUIC", &victim.quic), ("TCP", &victim.tcp)] {
        let took = (0..times).map(|_| connect_once(victim.key, address));
        show(&format!("{when}: a peer connects over {by}"), Figures::of(took));
    }
    let joins = (0..times).map(|number| {
        let name = format!("{}-{number}", when.replace([' ', ','], "-"));
        let file = fleet.invite(LAPTOP, &["--device", &name]);
        let begun = Instant::now();
        fleet.join(&name, &file, &[]).wants(0);
        let took = millis(begun.elapsed());
        fleet.ask(&name, &["down"]).wants(0);
        took
    });
    show(&format!("{when}: a device joins, `belay up --join` whole"), Figures::of(joins));
}

fn show(what: &str, figures: Figures) {
    println!("{what}, ms: {figures}, p95 {}", figures.p95());
}

fn millis(took: Duration) -> i64 {
    i64::try_from(took.as_millis()).unwrap_or(i64::MAX)
}

/// The node that is attacked.
struct Victim {
    key: DeviceKey,
    quic: String,
    tcp: String,
    pid: u64,
}

impl Victim {
    fn of(status: &Value) -> Self {
        let addresses = status["addresses"].as_array().cloned().unwrap_or_default();
        let with = |part: &str| {
            let mut all = addresses.iter().filter_map(Value::as_str);
            let one = all.find(|at| at.contains(part) && !at.ends_with("/tls"));
            must(one.map(str::to_owned).ok_or(part), "an address of the node")
        };
        let key = must(status["devices"][0]["key"].as_str().ok_or("none"), "its key");
        let bytes = belay_identity::key::unhex(key).and_then(|bytes| bytes.try_into().ok());
        let pid = must(status["pid"].as_u64().ok_or("none"), "its pid");
        Self {
            key: must(bytes.ok_or(key), "its key"),
            quic: with("/udp/"),
            tcp: with("/tcp/"),
            pid,
        }
    }

    fn port(address: &str) -> u16 {
        let digits = address.split('/').nth(4).and_then(|port| port.parse().ok());
        must(digits.ok_or(address), "a port")
    }

    fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
        let status = must(status, "the node's memory");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        must(number.ok_or("no VmRSS"), "the node's memory")
    }
}

/// One honest peer's connection: from its first packet until its link stands.
fn connect_once(victim: DeviceKey, address: &str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = must(runtime, "a runtime");
    runtime.block_on(async {
        let mut secret = Zeroizing::new([0; 32]);
        let dice = File::open("/dev/urandom").and_then(|mut dice| dice.read_exact(&mut secret[..]));
        must(dice, "dice");
        let at = must(address.parse(), address);
        let config = NetConfig { secret, listen: Vec::new(), peers: vec![(victim, vec![at])] };
        let begun = Instant::now();
        let (handle, mut events) = must(Net::start(config).await, "links");
        let linked =
            async { while !matches!(events.recv().await, None | Some(NetEvent::LinkUp { .. })) {} };
        let came = tokio::time::timeout(CONNECT_MAX, linked).await;
        let took = if came.is_ok() { begun.elapsed() } else { CONNECT_MAX };
        handle.shutdown().await;
        millis(took)
    })
}

/// The attacker; dropping it ends it.
struct Attack {
    begun: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    fn start(victim: &Victim) -> Self {
        let (begun, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let at = |address: &str| SocketAddrV4::new(Ipv4Addr::LOCALHOST, Victim::port(address));
        let (tcp, quic) = (at(&victim.tcp), at(&victim.quic));
        let mut threads = Vec::new();
        {
            let (begun, stop) = (begun.clone(), stop.clone());
            let mut open: Vec<Option<OwnedFd>> = (0..HALF_OPEN).map(|_| None).collect();
            threads.push(thread::spawn(move || {
                again_and_again(&begun, &stop, |slot| open[slot] = half_tcp(slot, tcp));
            }));
        }
        let (counted, stopping) = (begun.clone(), stop.clone());
        threads.push(thread::spawn(move || {
            let mut quic = HalfQuic::new(quic);
            again_and_again(&counted, &stopping, |slot| quic.open(slot));
        }));
        Self { begun, stop, threads }
    }

    fn wait_until_whole(&self) {
        while self.begun.load(Ordering::Relaxed) < 2 * HALF_OPEN as u64 {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What it could not open, it did not open.
            let _ended = thread.join();
        }
    }
}

/// Opens every slot at once, then each again in turn.
fn again_and_again(begun: &AtomicU64, stop: &AtomicBool, mut open: impl FnMut(usize)) {
    let start = Instant::now();
    let pause = AGAIN_AFTER / u32::try_from(HALF_OPEN).unwrap_or(u32::MAX);
    for slot in (0..HALF_OPEN).cycle() {
        if stop.load(Ordering::Relaxed) || start.elapsed() > ATTACK_MAX {
            return;
        }
        open(slot);
        if begun.fetch_add(1, Ordering::Relaxed) >= 2 * HALF_OPEN as u64 {
            thread::sleep(pause);
        }
    }
}

fn source(slot: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(1 + slot % SOURCES).unwrap_or(1))
}

/// A TCP connection on which nothing is said.
fn half_tcp(slot: usize, victim: SocketAddrV4) -> Option<OwnedFd> {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    bind(&fd, &SocketAddrV4::new(source(slot), 0)).ok()?;
    connect(&fd, &victim).ok()?;
    Some(fd)
}

/// First packets of QUIC, each of a connection of its own whose answers nobody reads.
struct HalfQuic {
    victim: SocketAddr,
    sockets: Vec<UdpSocket>,
    endpoint: Endpoint,
    config: ClientConfig,
    bytes: Vec<u8>,
}

impl HalfQuic {
    fn new(victim: SocketAddrV4) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = must(builder.with_protocol_versions(&[&rustls::version::TLS13]), "TLS 1.3");
        let roots = rustls::RootCertStore::empty();
        let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"libp2p".to_vec()];
        let tls = must(QuicClientConfig::try_from(tls), "a first packet's keys");
        let bind = |slot| must(UdpSocket::bind((source(slot), 0)), "a source address");
        Self {
            victim: victim.into(),
            sockets: (0..SOURCES).map(bind).collect(),
            endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None),
            config: ClientConfig::new(Arc::new(tls)),
            bytes: Vec::new(),
        }
    }

    fn open(&mut self, slot: usize) {
        let now = Instant::now();
        let opened = self.endpoint.connect(now, self.config.clone(), self.victim, "l");
        let (_, mut connection): (_, Connection) = must(opened, "a first packet");
        loop {
            self.bytes.clear();
            let Some(packet) = connection.poll_transmit(now, 1, &mut self.bytes) else { return };
            let socket = &self.sockets[slot % SOURCES];
            // A packet that the system drops is one that the network might have dropped.
            let _sent = socket.send_to(&self.bytes[..packet.size], self.victim);
        }
    }
}
