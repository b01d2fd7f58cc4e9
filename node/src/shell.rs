//! The shell: one loop that waits, gives the engine one input, and carries out every output.
//!
//! It decides nothing: `perform` has one short function per output, the doors and wardens beside it
//! only translate. Refused here: a rule. If this loop needs an `if` about the fleet, the engine
//! lacks a word.

mod audit_chain;
mod calls;
mod connectors;
mod disk;
mod doors;
mod doorway;
mod events;
mod kept_connectors;
mod log;
mod mdns;
mod neighbours;
mod orphans;
mod payloads;
mod perform;
mod present;
mod programs;
mod reach;
mod retention;
mod said;
mod stock;
mod timer;
mod wardens;

pub(crate) use said::{branch_said, reach_said};

use crate::config::{Dials, NodeConfig};
use crate::fault::{Fault, io};
use crate::founding::DEFAULT_RING;
use crate::store::{Ack, AuditHead, Replay, StateDir, Store};
use crate::transport::direct::direct_socket;
use crate::transport::mdns::Announced;
use crate::transport::{Net, NetConfig, NetEvent, NetEvents, NetHandle, circuit};
use crate::vault::Held;
use crate::{clock, os};
use belay_identity::body::Payload;
use belay_identity::chain::Program;
use belay_identity::{FleetId, PublicKey, SecretKey, Signed, Statement, StatementId, Verified};
use belay_mesh::output::Refusal;
use belay_mesh::wire::{self, Lane};
use belay_mesh::{Config, Engine, Input, Restored};
use libp2p::Multiaddr;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use zeroize::Zeroizing;

/// Visits, acknowledgements and wardens' news waiting for the loop; beyond it the sender waits.
const NEWS_QUEUED: usize = 1024;

/// The node's hands, ears and disk around one engine.
pub(crate) struct Shell {
    state: StateDir,
    fleet: FleetId,
    engine: Engine,
    net: NetHandle,
    store: Arc<Store>,
    facts_root: Zeroizing<[u8; 32]>,
    /// What opens the servers of connectors.
    held: Held,
    /// Seats of those that are reached for agents.
    reaches: Arc<Semaphore>,
    audit: audit_chain::AuditChain,
    /// The head of the log that the engine was told of last.
    audited: AuditHead,
    asks: doors::Asks,
    calls: calls::Calls,
    wardens: wardens::Wardens,
    programs: programs::Programs,
    news: mpsc::Sender<News>,
    addresses: Vec<String>,
    /// Members that the file names, and whether others are dialled too.
    named: BTreeMap<PublicKey, Vec<Multiaddr>>,
    dials: Dials,
    /// What the local network is told of this device.
    announced: watch::Sender<Announced>,
    doorway: Option<(u64, usize)>,
    payloads: payloads::Payloads,
    device: PublicKey,
    disk: disk::Disk,
    disk_retried: bool,
    /// Agents on this device: whether they are told of, and what was hashed of them.
    stock: stock::Stock,
    /// Looks left until finished work is swept again.
    looks_left: u32,
    log: log::Log,
    connectors: kept_connectors::KeptConnectors,
    leaving: bool,
}

/// What the loop hears from its own parts.
pub(crate) enum News {
    /// Somebody asks at a door.
    Visit(Box<doors::Asked>),
    /// A write was done or failed.
    Ack(Ack),
    /// A warden said something.
    Warden(StatementId, wardens::WardenNews),
    /// The program of a task that is to begin was looked at.
    Judged(StatementId, wardens::Judged),
    /// A program was looked up.
    Inspected([u8; 16], Result<Program, String>),
    /// A file that is to travel was taken in, for whoever asked.
    Sealed(Box<doors::Asked>, Result<Payload, Refusal>),
    /// A payload that was here already was laid into its task's folder.
    Copied(StatementId, Result<(), String>),
    /// A program was looked at before it acts.
    LookedAgain(programs::LookedAgain),
    /// The agents on this device were looked at.
    Stock(Box<stock::Taken>),
    /// The disk was tried again.
    Retried(Result<(), String>),
    /// The operating system asks the node to end.
    Terminate,
}

/// Runs a node on this state until it is asked to end.
pub(crate) async fn run(
    state: StateDir,
    config: NodeConfig,
    device: SecretKey,
) -> Result<(), Fault> {
    os::become_subreaper().map_err(io("becoming the parent of orphans"))?;
    let (news, mut heard) = mpsc::channel(NEWS_QUEUED);
    let acks = news.clone();
    let on_ack = move |ack| drop(acks.blocking_send(News::Ack(ack)));
    let (store, replay) =
        Store::open(&state, on_ack).map_err(|error| Fault::failed(&error, error.hint()))?;
    let (net, mut events) = start_net(&config, &device).await?;
    let mut shell = Shell::new(state, &config, device, store, replay, net, news)?;
    let (announced, mut mdns) = mdns::start(&config);
    shell.announced = announced;
    shell.listen()?;
    shell.begin_payloads().map_err(io("clearing the payloads' folder"))?;
    shell.begin();
    let mut look = present::every();
    while !shell.leaving {
        let deadline = shell.engine.next_deadline();
        tokio::select! {
            biased;
            Some(news) = heard.recv() => shell.on_news(news),
            event = events.recv() => shell.on_event(event),
            Some(news) = mdns.recv() => shell.on_mdns(news),
            () = timer::due(deadline) => shell.give(Input::Deadline),
            _ = look.tick() => shell.look(),
        }
    }
    // The store is joined with the shell: its writer must not wait for a reader that has left.
    drop(heard);
    shell.net.shutdown().await;
    Ok(())
}

async fn start_net(
    config: &NodeConfig,
    device: &SecretKey,
) -> Result<(NetHandle, NetEvents), Fault> {
    let peers = config.peers.iter().map(|(key, at)| (key.0, at.clone())).collect();
    let net = NetConfig { secret: device.seed(), listen: config.listen.clone(), peers };
    Net::start(net).await.map_err(|error| {
        Fault::failed(error, "mend [mesh] in node.toml, or end what uses the port")
    })
}

impl Shell {
    fn new(
        state: StateDir,
        config: &NodeConfig,
        device: SecretKey,
        store: Store,
        replay: Replay,
        net: NetHandle,
        news: mpsc::Sender<News>,
    ) -> Result<Self, Fault> {
        let audit = replay.audit_tail.last().map_or(AuditHead::EMPTY, AuditHead::of);
        let decisions = perform::kept_decisions(&replay.meta);
        let disk = disk::Disk::of(store.condition());
        let restored = restore(&config.fleet, &store, replay)?;
        let (facts_root, own) = (facts_root(&device), device.public());
        let held = Held::of(state.path(), &device);
        let engine = Config {
            fleet: config.fleet,
            device,
            seed: clock::draw(),
            ring: DEFAULT_RING.to_owned(),
            tighten: config.tighten.clone(),
            lends: config.lends.clone(),
        };
        let mut engine = Engine::new(engine, clock::now(), restored);
        engine.recall(decisions);
        Ok(Self {
            engine,
            fleet: config.fleet,
            log: log::Log::new(),
            connectors: kept_connectors::KeptConnectors::of(state.path().to_owned()),
            state,
            net,
            store: Arc::new(store),
            facts_root,
            held,
            reaches: reach::seats(),
            audited: audit,
            audit: audit_chain::AuditChain::new(audit),
            asks: doors::Asks::default(),
            calls: calls::Calls::default(),
            wardens: wardens::Wardens::default(),
            programs: programs::Programs::default(),
            news,
            addresses: Vec::new(),
            named: config.peers.iter().cloned().collect(),
            dials: config.dials,
            announced: watch::channel(Announced::default()).0,
            doorway: None,
            payloads: payloads::Payloads::default(),
            device: own,
            disk,
            disk_retried: false,
            stock: stock::Stock::new(config.tells_agents),
            looks_left: 0,
            leaving: false,
        })
    }

    /// Carries out what the engine decided over its disk, then tells it what wardens left behind.
    fn begin(&mut self) {
        self.begin_disk();
        self.drain();
        self.give(Input::Posture(os::posture(self.state.path())));
        self.settle_orphans();
    }

    /// One thing happened: give it, and carry out everything that comes of it.
    fn give(&mut self, input: Input) {
        self.engine.handle(clock::now(), input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut back = Vec::new();
        while let Some(output) = self.engine.poll() {
            back.extend(self.perform(output));
        }
        back.into_iter().for_each(|input| self.give(input));
        self.tend_doorway();
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Visit(asked) => self.on_visit(asked),
            News::Ack(ack) => self.on_ack(ack),
            News::Warden(award, news) => self.on_warden(award, news),
            News::Judged(award, judged) => self.on_judged(award, judged),
            News::Inspected(nonce, program) => self.give(Input::Inspected { nonce, program }),
            News::Sealed(asked, sealed) => self.on_sealed(*asked, sealed),
            News::Copied(award, result) => self.give(Input::Fetched { award, result }),
            News::LookedAgain(looked) => self.on_looked_again(looked),
            News::Stock(taken) => self.on_stock(*taken),
            News::Retried(result) => self.on_retried(result),
            News::Terminate => self.leaving = true,
        }
    }

    fn on_event(&mut self, event: Option<NetEvent>) {
        let Some(event) = event else {
            self.log.line("the links have ended");
            self.leaving = true;
            return;
        };
        match event {
            NetEvent::LinkUp { peer } => self.give(Input::LinkUp { link: PublicKey(peer) }),
            NetEvent::LinkDown { peer } => self.give(Input::LinkDown { link: PublicKey(peer) }),
            NetEvent::Frame { peer, lane, kind, body } => {
                let input = self.check(PublicKey(peer), lane_in(lane), kind, &body);
                self.give(input);
            }
            NetEvent::Listening { address } => self.listens_at(address.to_string()),
            NetEvent::NotListening { address } => self.listens_no_longer(&address.to_string()),
            NetEvent::Punched { peer, result } => self.log.punched(&PublicKey(peer), result),
            NetEvent::ListenFailed { why } => self.log.line(&format!("listening failed: {why}")),
            NetEvent::Refused { peer, bound } => {
                self.log.line(&format!("refused {peer:?}: over the bound {bound}"));
            }
            NetEvent::Wanted { ticket, peer, content } => self.on_wanted(ticket, peer, content),
            NetEvent::Fetched { ticket, result } => self.on_fetched(ticket, result),
            NetEvent::Overflow { lane, dropped, .. } => {
                self.log
                    .line(&format!("{dropped} frames not sent in {lane:?}; repair brings them"));
            }
            NetEvent::DialFailed { why, .. } => self.log.line(&why),
        }
    }

    /// Only this machine reaches its loopback, so whoever dials tries any other address first; only
    /// phones dial direct doors, and nobody goes over a relay who need not. Where that is news for
    /// others it is said at once.
    fn listens_at(&mut self, address: String) {
        let loopback =
            |address: &str| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
        if self.addresses.contains(&address) {
            return;
        }
        let place = is_place(&address);
        self.addresses.push(address);
        let direct =
            |address: &str| address.parse().is_ok_and(|address| direct_socket(&address).is_some());
        let rank = |address: &String| (is_place(address), loopback(address), direct(address));
        self.addresses.sort_by_key(rank);
        if place {
            self.present();
        }
    }

    /// Another relay is looked for at once where that was a place at one.
    fn listens_no_longer(&mut self, address: &str) {
        self.addresses.retain(|one| one != address);
        self.present();
        if is_place(address) {
            self.choose_neighbours();
        }
    }

    fn check(&self, link: PublicKey, lane: Lane, kind: u8, body: &[u8]) -> Input {
        match wire::check(&self.fleet, lane, kind, body) {
            Ok(frame) => Input::Frame { link, lane, frame },
            Err(why) => Input::Malformed { link, why },
        }
    }
}

/// True for a place at a relay.
fn is_place(address: &str) -> bool {
    address.parse().is_ok_and(|address| circuit::relay_of(&address).is_some())
}

/// The secret below which every task's facts are sealed: of this device's key, so that it is the
/// same after a restart, and never on disk.
fn facts_root(device: &SecretKey) -> Zeroizing<[u8; 32]> {
    let hash = Sha256::new().chain_update(b"belay facts root 1\0").chain_update(*device.seed());
    Zeroizing::new(hash.finalize().into())
}

/// Everything on disk, verified again: what does not verify is not believed, and said so.
fn restore(fleet: &FleetId, store: &Store, replay: Replay) -> Result<Restored, Fault> {
    let verify = |(id, bytes): ([u8; 32], Vec<u8>)| {
        let verified = Signed::<Statement>::parse(&bytes).and_then(|s| s.verify(fleet));
        verified.ok().filter(|statement| statement.id().0 == id).map(Arc::new).ok_or_else(|| {
            let id = StatementId(id);
            let hint = "the disk changed it; restore this device from its peers: \
                        move the state away and join again";
            Fault::failed(format!("statement {id} on disk is not what was written"), hint)
        })
    };
    let statements: Vec<Arc<Verified<Statement>>> =
        replay.statements.into_iter().map(verify).collect::<Result<_, _>>()?;
    let hashes = statements.iter().filter_map(|statement| match &statement.body {
        belay_identity::Body::Release(release) => Some(release.body),
        _ => None,
    });
    let bodies = hashes.filter_map(|hash| store.blob(hash).ok().flatten()).collect();
    Ok(Restored { statements, bodies })
}

fn lane_in(lane: crate::transport::Lane) -> Lane {
    match lane {
        crate::transport::Lane::Urgent => Lane::Urgent,
        crate::transport::Lane::Bulk => Lane::Bulk,
        crate::transport::Lane::Repair => Lane::Repair,
    }
}
