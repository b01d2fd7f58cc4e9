//! One state, two machines: what a copy of a disk, of a seed or of a running process may repeat.
//!
//! Goal (INV-LOG-1): no number, nonce or key is used by both. Method: pairs of engines over one
//! disk with one seed; they begin a nanosecond apart, or run as one until one of them notices a
//! pause.

use crate::fleet::{Fleet, RING};
use crate::plan::Plan;
use belay_identity::body::Wall;
use belay_identity::chain::Program;
use belay_identity::lease::Talk;
use belay_identity::{Body, LogId, PublicKey, SecretKey, Signed, Statement, StatementId};
use belay_mesh::input::{AskId, Run};
use belay_mesh::output::Record;
use belay_mesh::wire::{self, Frame, Hello, Lane};
use belay_mesh::{BootTime, Config, Engine, Input, Now, Output, Request};
use std::collections::BTreeMap;

const PAIRS: u64 = 250;
const NODE: usize = 0;
const PEER: usize = 1;

/// Everything of one engine that a copy must not repeat.
#[derive(Default)]
struct Used {
    places: BTreeMap<(LogId, u64), StatementId>,
    nonces: Vec<[u8; 16]>,
    keys: Vec<PublicKey>,
}

struct Machine {
    engine: Engine,
    now: Now,
    asks: u64,
    used: Used,
}

impl Machine {
    fn over(fleet: &Fleet, seed: [u8; 32], now: Now) -> Self {
        let config = Config {
            fleet: fleet.id,
            device: SecretKey::from_seed(&fleet.devices[NODE].secret),
            seed,
            ring: RING.to_owned(),
            tighten: None,
            lends: None,
        };
        let engine = Engine::over(config, now, fleet.founded.clone());
        let mut machine = Self { engine, now, asks: 0, used: Used::default() };
        machine.take(fleet);
        machine
    }

    fn give(&mut self, fleet: &Fleet, input: Input) {
        self.engine.handle(self.now, input);
        self.take(fleet);
    }

    fn take(&mut self, fleet: &Fleet) {
        let mut written = Vec::new();
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Persist { write, records, .. } => {
                    records.iter().for_each(|record| self.used.note(fleet, record));
                    written.push(write);
                }
                Output::Send { lane, kind, body, .. } => {
                    let kind = u8::try_from(kind.code()).unwrap();
                    let frame = wire::check(&fleet.id, lane, kind, &body).unwrap().into_inner();
                    if let Frame::Talk(talk) = frame
                        && let Talk::Draw(draw) = &**talk
                    {
                        self.used.nonces.push(draw.nonce);
                    }
                }
                _ => {}
            }
        }
        for write in written {
            self.give(fleet, Input::Persisted { write });
        }
    }

    /// Runs an agent, so that it signs a credential and an award, and draws from a peer.
    fn works(&mut self, fleet: &Fleet, agent: &str) {
        self.asks += 1;
        let run = Run {
            agent: agent.into(),
            project: "default".into(),
            class: "default".into(),
            argv: vec!["work".into()],
            program: Program::of([7; 32]),
            wall: Wall::None,
        };
        let request = Box::new(Request::Run(run));
        self.give(fleet, Input::Ask { ask: AskId(self.asks), request });
        self.now.boot = self.now.boot.plus_ms(30_000);
        self.now.wall_ms += 30_000;
        self.give(fleet, Input::Deadline);
    }

    fn links(&mut self, fleet: &Fleet) {
        let peer = &fleet.devices[PEER];
        self.give(fleet, Input::LinkUp { link: peer.key });
        let chain =
            peer.disk.iter().map(|held| belay_identity::codec::Bytes(held.bytes().to_vec()));
        let hello = Hello {
            version: wire::WIRE_VERSION,
            fleet: fleet.id,
            chain: chain.collect(),
            epoch: 1,
            leaf: None,
        };
        let body = belay_identity::codec::write(&hello.to_value());
        let kind = u8::try_from(wire::FrameKind::Hello.code()).unwrap();
        let frame = wire::check(&fleet.id, Lane::Bulk, kind, &body).unwrap();
        self.give(fleet, Input::Frame { link: peer.key, lane: Lane::Bulk, frame });
    }
}

impl Used {
    fn note(&mut self, fleet: &Fleet, record: &Record) {
        let Record::Statement { bytes, .. } = record else { return };
        let said = Signed::<Statement>::parse(bytes).unwrap().verify(&fleet.id).unwrap();
        self.places.insert((said.log(said.key()), said.seq), said.id());
        if let Body::Credential(credential) = &said.body {
            self.keys.push(credential.key);
        }
    }

    /// How many numbers, nonces and keys both have used.
    fn shared(&self, other: &Self) -> (usize, usize, usize) {
        let places = self.places.iter();
        let places = places.filter(|(at, id)| other.places.get(*at).is_some_and(|o| o != *id));
        let nonces = self.nonces.iter().filter(|nonce| other.nonces.contains(nonce));
        let keys = self.keys.iter().filter(|key| other.keys.contains(key));
        (places.count(), nonces.count(), keys.count())
    }
}

fn fleet() -> Fleet {
    let plan = Plan::read(super::WALK, Some(3)).unwrap();
    Fleet::found(&plan, 1).unwrap()
}

fn begin(pair: u64) -> Now {
    let boot = BootTime(1_000_000_000 + pair);
    Now { boot, wall_ms: crate::clock::WALL_AT_START_MS + pair }
}

#[test]
fn two_copies_of_a_disk_and_a_seed_repeat_nothing() {
    let fleet = fleet();
    for pair in 0..PAIRS {
        let now = begin(pair);
        let later = Now { boot: BootTime(now.boot.0 + 1), ..now };
        let [one, other] = [now, later].map(|now| {
            let mut machine = Machine::over(&fleet, [9; 32], now);
            machine.works(&fleet, "planner");
            machine.works(&fleet, "scout");
            machine.used
        });
        assert!(one.places.len() >= 4 && one.keys.len() == 2, "{pair}: it said something");
        assert_eq!(one.shared(&other), (0, 0, 0), "pair {pair}");
        assert!(one.places.keys().all(|place| !other.places.contains_key(place)));
    }
}

/// Goal: the same for a running machine that is resumed twice: the copy whose clock shows the pause
/// goes on in a new incarnation, and what the other says stands in the old one.
#[test]
fn a_process_resumed_twice_repeats_nothing_once_a_clock_shows_the_pause() {
    let fleet = fleet();
    for pair in 0..PAIRS / 5 {
        let machine = || {
            let mut machine = Machine::over(&fleet, [9; 32], begin(pair));
            machine.works(&fleet, "planner");
            machine.used = Used::default();
            machine
        };
        let (mut one, mut other) = (machine(), machine());
        other.now.wall_ms += 3_600_000 + pair;
        for machine in [&mut one, &mut other] {
            machine.links(&fleet);
            machine.works(&fleet, "scout");
        }
        assert!(!one.used.places.is_empty() && !other.used.places.is_empty());
        assert_eq!(one.used.shared(&other.used), (0, 0, 0), "pair {pair}");
    }
}
