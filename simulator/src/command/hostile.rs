//! What a hostile operator's drafts cost a node: the time to refuse each kind, and the memory that
//! stays, beside what a reader then waits for.
//!
//! One member passes on, frame by frame, what an operator has signed: changes that claim 2^40
//! operations, compressed ones, wide heads, orphans, and a long chain of tiny ones. Check and
//! handling of each frame are timed together; memory is the process's own, before and after. Time
//! passes between frames as fast as the author's bucket fills, so that his room alone bounds him.
//!
//! Refused here: judging; the bar (security notes, row 13) is printed beside the figures.

use super::unix_ms;
use crate::Plan;
use crate::clock::WALL_AT_START_MS;
use crate::fleet::{Fleet, RING};
use belay_identity::body::{Change, DocumentId, Draft, DraftName, Founding};
use belay_identity::principal::{OperatorId, Principal};
use belay_identity::{
    Class, FleetId, Incarnation, PublicKey, Scope, SecretKey, Statement, StatementId, Verified,
    codec, sign,
};
use belay_mesh::drafts;
use belay_mesh::input::AskId;
use belay_mesh::limits::{DRAFT_EVERY_MS, REPAIR_FRAME_BYTES};
use belay_mesh::output::Answer;
use belay_mesh::wire::{self, FrameKind, Hello, Lane};
use belay_mesh::{BootTime, Config, Engine, Input, Now, Output, Request};
use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

const PLAN: &str = include_str!("../../../configs/plans/walk.toml");

/// Statements of one frame, as repair sends them.
const FRAME_STATEMENTS: usize = 64;

type Held = Arc<Verified<Statement>>;

#[derive(Args)]
pub(super) struct DraftsArgs {
    /// Changes of each kind.
    #[arg(long, default_value_t = 20_000)]
    changes: u64,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// One kind of hostile change, what it took, and what stayed.
struct Row {
    what: &'static str,
    /// The longest that one frame took, milliseconds.
    frame_ms_max: f64,
    /// Changes that count in the document afterwards, and those kept beside it.
    counted: u64,
    aside: u64,
    grown_kb: u64,
    /// What a reader of the document then waits, milliseconds.
    read_ms: f64,
}

/// Measures, and shows what was found.
pub(super) fn drafts(args: &DraftsArgs) -> Result<ExitCode, String> {
    let plan = Plan::read(PLAN, Some(4)).map_err(|error| error.to_string())?;
    let kinds: [(&'static str, Make); 5] = [
        ("runs of 2^40 operations", bomb),
        ("compressed changes", compressed),
        ("65 dependencies", wide),
        ("orphans", orphan),
        ("a chain of tiny changes", tiny),
    ];
    let mut rows = Vec::new();
    for (what, make) in kinds {
        let fleet = Fleet::found(&plan, 1).map_err(|error| error.to_string())?;
        let row = flood(&fleet, what, make, args.changes)?;
        if !args.json {
            let Row { what, frame_ms_max, counted, aside, grown_kb, read_ms } = &row;
            println!(
                "{what:24} slowest frame {frame_ms_max:>7.2} ms, memory +{grown_kb:>6} kB, \
                 counted {counted}, aside {aside}, read in {read_ms:.1} ms"
            );
        }
        rows.push(row);
    }
    if args.json {
        println!("{}", envelope(args, &rows));
    } else {
        println!("{} changes of each kind; the bar: 100 ms, +65536 kB", args.changes);
    }
    Ok(ExitCode::SUCCESS)
}

fn envelope(args: &DraftsArgs, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "what": row.what,
            "frame_ms_max": row.frame_ms_max,
            "grown_kb": row.grown_kb,
            "counted": row.counted,
            "aside": row.aside,
            "read_ms": row.read_ms,
        })
    };
    let missing: [&str; 0] = [];
    json!({
        "schema": "belay.sim.drafts/1",
        "as_of": unix_ms(),
        "complete": true,
        "missing": missing,
        "data": {
            "changes": args.changes,
            "bar": { "frame_ms": 100, "grown_kb": 65_536 },
            "rows": rows.iter().map(row).collect::<Vec<_>>(),
        },
    })
}

/// A hostile operator and his log.
struct Author {
    secret: SecretKey,
    id: Principal,
    fleet: FleetId,
    document: DocumentId,
    actor: [u8; 32],
    /// Number and id of what he signed last.
    last: Option<(u64, StatementId)>,
}

impl Author {
    fn new(fleet: &Fleet, founding: &Founding) -> Result<Self, String> {
        let secret = SecretKey::from_seed(&fleet.operator.seed());
        let id = OperatorId::new(&fleet.domain, "operator").map_err(|error| error.to_string())?;
        let document = founding.document(secret.public());
        let actor = document.actor(secret.public());
        Ok(Self { secret, id: id.into(), fleet: fleet.id, document, actor, last: None })
    }

    fn sign(&mut self, change: Vec<u8>, founding: Option<Founding>) -> Held {
        let statement = Statement {
            class: Class::Draft,
            scope: Scope::Fleet,
            author: self.id.clone(),
            incarnation: Incarnation { counter: 1, drawn: [9; 16] },
            seq: self.last.map_or(1, |(seq, _)| seq + 1),
            prev: self.last.map(|(_, id)| id),
            epoch: 1,
            expiry_ms: None,
            refs: Vec::new(),
            body: Draft { document: self.document, change: Change(change), founding }.into(),
        };
        let signed = sign(statement, &self.secret, &self.fleet);
        self.last = Some((signed.seq, signed.id()));
        Arc::new(signed)
    }
}

/// Makes the change of this number from 2 on; the hash of the one before it in.
type Make = fn(&Author, u64, [u8; 32]) -> Vec<u8>;

fn flood(fleet: &Fleet, what: &'static str, make: Make, changes: u64) -> Result<Row, String> {
    let name = DraftName::new("flood").map_err(|error| error.to_string())?;
    let founding = Founding { name, drawn: [1; 16] };
    let mut author = Author::new(fleet, &founding)?;
    let link = fleet.devices[1].key;
    let mut device = Device::linked(fleet, link);
    let before_kb = rss_kb();
    let first = chunk(author.actor, &[], 1, &puts(1));
    let mut hash = hash_of(&first);
    device.take(link, &[author.sign(first, Some(founding))]);
    let (mut frame_ms_max, mut frame) = (0.0_f64, Vec::new());
    for number in 2..changes + 2 {
        let change = make(&author, number, hash);
        hash = hash_of(&change);
        let next = author.sign(change, None);
        if !has_room(&frame, &next) {
            frame_ms_max = frame_ms_max.max(device.take(link, &frame));
            frame.clear();
        }
        frame.push(next);
    }
    frame_ms_max = frame_ms_max.max(device.take(link, &frame));
    let grown_kb = rss_kb().saturating_sub(before_kb);
    let (counted, aside, read_ms) = device.read();
    Ok(Row { what, frame_ms_max, counted, aside, grown_kb, read_ms })
}

/// True where one more statement fits a frame as repair fills it.
fn has_room(frame: &[Held], next: &Held) -> bool {
    let bytes: usize = frame.iter().chain([next]).map(|held| held.bytes().len()).sum();
    frame.len() < FRAME_STATEMENTS && bytes <= REPAIR_FRAME_BYTES
}

/// An engine whose disk is there at once, and whose time goes on with every frame.
struct Device {
    engine: Engine,
    fleet: FleetId,
    /// Statements so far.
    taken: u64,
}

impl Device {
    fn linked(fleet: &Fleet, link: PublicKey) -> Self {
        let config = Config {
            fleet: fleet.id,
            device: SecretKey::from_seed(&fleet.devices[0].secret),
            seed: [1; 32],
            ring: RING.to_owned(),
            tighten: None,
            lends: None,
        };
        let now = Now { boot: BootTime(0), wall_ms: WALL_AT_START_MS };
        let engine = Engine::over(config, now, fleet.founded.clone());
        let mut device = Self { engine, fleet: fleet.id, taken: 0 };
        device.give(Input::LinkUp { link });
        let (version, fleet) = (wire::WIRE_VERSION, fleet.id);
        let hello = Hello { version, fleet, chain: Vec::new(), epoch: 1, leaf: None };
        let body = codec::write(&hello.to_value());
        device.frame(link, Lane::Urgent, FrameKind::Hello, &body);
        device
    }

    fn now(&self) -> Now {
        // As long as an author's bucket takes to fill again for all of them.
        let ms = self.taken * DRAFT_EVERY_MS;
        Now { boot: BootTime(ms * 1_000_000), wall_ms: WALL_AT_START_MS + ms }
    }

    fn give(&mut self, input: Input) -> Option<Answer> {
        let (now, mut answered) = (self.now(), None);
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Persist { write, .. } => {
                    self.engine.handle(now, Input::Persisted { write });
                }
                Output::Answer { answer: Ok(answer), .. } => answered = Some(*answer),
                _ => {}
            }
        }
        answered
    }

    fn frame(&mut self, link: PublicKey, lane: Lane, kind: FrameKind, body: &[u8]) {
        let code = u8::try_from(kind.code()).unwrap_or(u8::MAX);
        let frame = wire::check(&self.fleet, lane, code, body).expect("it is well signed");
        self.give(Input::Frame { link, lane, frame });
    }

    /// Takes a frame of statements; how long that took, milliseconds.
    fn take(&mut self, link: PublicKey, items: &[Held]) -> f64 {
        let (kind, body) = wire::write_statements(items);
        self.taken += items.len() as u64;
        let began = Instant::now();
        self.frame(link, Lane::Bulk, kind, &body);
        began.elapsed().as_secs_f64() * 1e3
    }

    /// Reads the document: what counts, what stands beside it, and how long that took.
    fn read(&mut self) -> (u64, u64, f64) {
        let began = Instant::now();
        let request = Box::new(Request::Draft { name: "flood".to_owned() });
        let report = match self.give(Input::Ask { ask: AskId(1), request }) {
            Some(Answer::Draft(draft)) => drafts::read(*draft).ok(),
            Some(_) | None => None,
        };
        let ms = began.elapsed().as_secs_f64() * 1e3;
        report.map_or((0, 0, ms), |report| (report.line.changes, report.line.aside, ms))
    }
}

fn bomb(author: &Author, number: u64, before: [u8; 32]) -> Vec<u8> {
    chunk(author.actor, &[before], number, &puts(1 << 40))
}

fn compressed(_: &Author, number: u64, _: [u8; 32]) -> Vec<u8> {
    wrap(2, &[&number.to_be_bytes()[..], &[0; 1024]].concat())
}

fn wide(author: &Author, number: u64, _: [u8; 32]) -> Vec<u8> {
    let deps: Vec<[u8; 32]> = (0..65).map(|at| [at; 32]).collect();
    chunk(author.actor, &deps, number, &puts(1))
}

fn orphan(author: &Author, number: u64, _: [u8; 32]) -> Vec<u8> {
    let mut dep = [0; 32];
    dep[..8].copy_from_slice(&number.to_be_bytes());
    chunk(author.actor, &[dep], number, &puts(1))
}

fn tiny(author: &Author, number: u64, before: [u8; 32]) -> Vec<u8> {
    chunk(author.actor, &[before], number, &puts(1))
}

/// Columns of so many operations, each of which puts nothing under the key `k` of the root.
fn puts(count: u64) -> Vec<(u64, Vec<u8>)> {
    let run = |value: &[u8]| [&signed(count), value].concat();
    vec![
        (0x15, run(&[1, b'k'])),
        (0x34, unsigned(count)),
        (0x42, run(&[1])),
        (0x56, run(&[0])),
        (0x70, run(&[0])),
    ]
}

/// A change whose number is that of its first operation too.
fn chunk(actor: [u8; 32], deps: &[[u8; 32]], seq: u64, columns: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut body = unsigned(deps.len() as u64);
    body.extend(deps.concat());
    body.push(32);
    body.extend(actor);
    body.extend(unsigned(seq));
    body.extend(unsigned(seq));
    // No time, no message, no other actors.
    body.extend([0, 0, 0]);
    body.extend(unsigned(columns.len() as u64));
    for (spec, data) in columns {
        body.extend(unsigned(*spec));
        body.extend(unsigned(data.len() as u64));
    }
    columns.iter().for_each(|(_, data)| body.extend(data));
    wrap(1, &body)
}

fn wrap(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = unsigned(body.len() as u64);
    let hash = Sha256::new().chain_update([kind]).chain_update(&length).chain_update(body);
    let hash: [u8; 32] = hash.finalize().into();
    [&[0x85, 0x6f, 0x4a, 0x83], &hash[..4], &[kind], &length, body].concat()
}

fn hash_of(chunk: &[u8]) -> [u8; 32] {
    // Behind the magic number and the checksum.
    Sha256::digest(chunk.get(8..).unwrap_or_default()).into()
}

fn unsigned(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn signed(number: u64) -> Vec<u8> {
    let mut out = unsigned(number);
    let clear = out.last().is_some_and(|last| last & 0x40 == 0);
    if !clear {
        let last = out.pop().unwrap_or_default();
        out.extend([last | 0x80, 0]);
    }
    out
}

/// The memory of this process now, kilobytes, as the system counts it; 0 where it does not say.
fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kb.unwrap_or(0)
}
