//! Intake: how many statements an engine checks and takes in a second, beside bare signature
//! checks in the same run.
//!
//! Two members send one device frames of statements that it does not hold. On one core each frame
//! is checked and handled in turn; on two, each link's frames are checked on a thread of their own
//! and handled in the order of their link, as the shell does. The four measures take turns, so that
//! what else the machine does falls on all of them; median, lowest and highest are told.
//!
//! Refused here: disks and sockets. A write is acknowledged as soon as it is asked for.

use super::unix_ms;
use crate::Plan;
use crate::fleet::{Fleet, Log, RING};
use belay_identity::body::Agent;
use belay_identity::codec;
use belay_identity::principal::Principal;
use belay_identity::{Body, Class, FleetId, PublicKey, SecretKey};
use belay_mesh::input::WriteId;
use belay_mesh::wire::{self, Checked, Frame, FrameKind, Hello, Lane};
use belay_mesh::{BootTime, Config, Engine, Input, Now, Output};
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Instant;

const PLAN: &str = include_str!("../../../configs/plans/walk.toml");

/// Statements of one frame, as repair sends them.
const FRAME_STATEMENTS: usize = 64;

/// Checked frames that may wait for the engine.
const CHECKED_WAITING_MAX: usize = 8;

#[derive(Args)]
pub(super) struct IntakeArgs {
    /// Statements of one measure.
    #[arg(long, default_value_t = 8_192)]
    statements: usize,
    /// How often each measure is taken.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Measures, and shows what was found.
pub(super) fn intake(args: &IntakeArgs) -> Result<ExitCode, String> {
    let load = Load::make(args.statements.max(2 * FRAME_STATEMENTS))?;
    let measures: [Measure; 4] = [
        ("verify_strict alone, one core", alone_on_one),
        ("verify_strict alone, two cores", alone_on_two),
        ("check and handle, one core", on_one),
        ("check and handle, two cores", on_two),
    ];
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..args.rounds.max(1) {
        for ((_, measure), rates) in measures.iter().zip(&mut rates) {
            let began = Instant::now();
            measure(&load);
            rates.push(load.statements as f64 / began.elapsed().as_secs_f64());
        }
    }
    let found: Vec<Spread> = rates.iter_mut().map(|rates| Spread::of(rates)).collect();
    if args.json {
        println!("{}", envelope(args, &load, &measures.map(|(name, _)| name), &found));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} statements, {} rounds, a second:", load.statements, args.rounds.max(1));
    for ((name, _), Spread { median, low, high }) in measures.iter().zip(&found) {
        println!("{name:32} {median:>9.0} ({low:.0} to {high:.0})");
    }
    let [one, two] = shares(&found);
    println!("intake of bare checks: {one:.1}% on one core, {two:.1}% on two");
    Ok(ExitCode::SUCCESS)
}

/// A name, and what is done once with all of a load.
type Measure = (&'static str, fn(&Load));

struct Spread {
    median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    fn of(rates: &mut [f64]) -> Self {
        rates.sort_by(f64::total_cmp);
        let at = |place: usize| rates.get(place).copied().unwrap_or(0.0);
        Self { median: at(rates.len() / 2), low: at(0), high: at(rates.len().saturating_sub(1)) }
    }
}

fn shares(found: &[Spread]) -> [f64; 2] {
    let median = |place: usize| found.get(place).map_or(0.0, |spread| spread.median);
    [100.0 * median(2) / median(0), 100.0 * median(3) / median(1)]
}

fn envelope(args: &IntakeArgs, load: &Load, names: &[&str], found: &[Spread]) -> Value {
    let row = |(name, Spread { median, low, high }): (&&str, &Spread)| json!({ "what": name, "per_s": { "median": median, "low": low, "high": high } });
    let missing: [&str; 0] = [];
    json!({
        "schema": "belay.sim.intake/1",
        "as_of": unix_ms(),
        "complete": true,
        "missing": missing,
        "data": {
            "statements": load.statements,
            "rounds": args.rounds.max(1),
            "measures": names.iter().zip(found).map(row).collect::<Vec<_>>(),
            "share_percent": shares(found),
        },
    })
}

/// Bytes and their signature.
type Signed = (PublicKey, Vec<u8>, [u8; 64]);

/// What is sent, made beforehand.
struct Load {
    fleet: Fleet,
    statements: usize,
    /// Per link: who sends, and the bodies of the frames.
    links: Vec<(PublicKey, Vec<Vec<u8>>)>,
    /// As much to check by itself, per link.
    signed: Vec<Vec<Signed>>,
}

impl Load {
    fn make(statements: usize) -> Result<Self, String> {
        let plan = Plan::read(PLAN, Some(4)).map_err(|error| error.to_string())?;
        let fleet = Fleet::found(&plan, 1).map_err(|error| error.to_string())?;
        let (mut links, mut signed) = (Vec::new(), Vec::new());
        let each = statements / 2 / FRAME_STATEMENTS * FRAME_STATEMENTS;
        for member in &fleet.devices[1..3] {
            let secret = || SecretKey::from_seed(&member.secret);
            let author = Principal::Device(member.id.clone());
            let mut log = Log::new(secret(), author, [7; 16], fleet.id);
            for number in 0..each {
                let agent = fleet.agent(&format!("agent-{number}"));
                let agent = agent.map_err(|error| error.to_string())?;
                log.say(Class::Identity, Body::Agent(Agent { agent }));
            }
            let said = log.said();
            let sign = |bytes: &[u8]| (member.key, bytes.to_vec(), secret().sign(bytes));
            signed.push(said.iter().map(|statement| sign(statement.bytes())).collect());
            let frames = said.chunks(FRAME_STATEMENTS).map(|part| wire::write_statements(part).1);
            links.push((member.key, frames.collect()));
        }
        Ok(Self { fleet, statements: 2 * each, links, signed })
    }

    fn check(&self, body: &[u8]) -> Checked<Frame> {
        check(&self.fleet.id, Lane::Bulk, FrameKind::Statements, body)
    }

    /// A device to which both members are linked.
    fn device(&self) -> Device {
        let device = SecretKey::from_seed(&self.fleet.devices[0].secret);
        let ring = RING.to_owned();
        let config = Config {
            fleet: self.fleet.id,
            device,
            seed: [1; 32],
            ring,
            tighten: None,
            lends: None,
        };
        let engine = Engine::over(config, NOW, self.fleet.founded.clone());
        let mut device = Device { engine };
        device.settle();
        for (link, _) in &self.links {
            let link = *link;
            device.give(Input::LinkUp { link });
            let (version, fleet) = (wire::WIRE_VERSION, self.fleet.id);
            let hello = Hello { version, fleet, chain: Vec::new(), epoch: 1, leaf: None };
            let body = codec::write(&hello.to_value());
            let frame = check(&self.fleet.id, Lane::Urgent, FrameKind::Hello, &body);
            device.give(Input::Frame { link, lane: Lane::Urgent, frame });
        }
        device
    }
}

const NOW: Now = Now { boot: BootTime(0), wall_ms: crate::clock::WALL_AT_START_MS };

fn check(fleet: &FleetId, lane: Lane, kind: FrameKind, body: &[u8]) -> Checked<Frame> {
    let code = u8::try_from(kind.code()).unwrap_or(u8::MAX);
    wire::check(fleet, lane, code, body).expect("the load was signed for this fleet")
}

/// An engine whose disk is there at once.
struct Device {
    engine: Engine,
}

impl Device {
    fn give(&mut self, input: Input) {
        self.engine.handle(NOW, input);
        self.settle();
    }

    fn settle(&mut self) {
        let mut writes = self.writes();
        while let Some(write) = writes.pop() {
            self.engine.handle(NOW, Input::Persisted { write });
            writes.extend(self.writes());
        }
    }

    fn writes(&mut self) -> Vec<WriteId> {
        let outputs = std::iter::from_fn(|| self.engine.poll());
        let write =
            |output| if let Output::Persist { write, .. } = output { Some(write) } else { None };
        outputs.filter_map(write).collect()
    }

    fn take(&mut self, link: PublicKey, frame: Checked<Frame>) {
        self.give(Input::Frame { link, lane: Lane::Bulk, frame });
    }
}

fn alone_on_one(load: &Load) {
    load.signed.iter().for_each(|signed| check_all(signed));
}

fn check_all(signed: &[Signed]) {
    let holds = |(key, bytes, signature): &Signed| key.verify_strict(bytes, signature);
    assert!(signed.iter().all(holds), "the load was signed with these keys");
}

fn alone_on_two(load: &Load) {
    std::thread::scope(|scope| {
        for signed in &load.signed {
            scope.spawn(move || check_all(signed));
        }
    });
}

fn on_one(load: &Load) {
    let mut device = load.device();
    for (link, frames) in &load.links {
        frames.iter().for_each(|body| device.take(*link, load.check(body)));
    }
}

fn on_two(load: &Load) {
    let mut device = load.device();
    let (say, said) = mpsc::sync_channel(CHECKED_WAITING_MAX);
    std::thread::scope(|scope| {
        for (link, frames) in &load.links {
            let say = say.clone();
            let fleet = &load.fleet.id;
            scope.spawn(move || {
                for body in frames {
                    let checked = check(fleet, Lane::Bulk, FrameKind::Statements, body);
                    // Nobody listens only where the engine's own thread has failed.
                    if say.send((*link, checked)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(say);
        said.into_iter().for_each(|(link, frame)| device.take(link, frame));
    });
}
