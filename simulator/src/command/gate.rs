//! The gate measured: a decision at 1, 100 and 10,000 rules beside Cedar over the same rules, with
//! its audit record, with a sync, and on every core.
//!
//! Both sides build their request for each decision. Cedar's is built by this room from the same
//! question, whole, and evaluates every rule; so the comparison also says whether slices answer as
//! the whole set does. The audit's share is the engine's: from the act to the permit, with a disk
//! that is there at once; one write with its sync is measured by itself in the same run.
//!
//! Refused here: the door and the shell around the engine.

mod device;
mod raw;
mod workload;

use super::unix_ms;
use belay_mesh::gate::{Act, Decision, Question, Rules, Ruling, decide};
use clap::Args;
use device::{Device, NOW};
use raw::Raw;
use serde::Serialize;
use serde_json::{Value, json};
use std::hint::black_box;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use workload::{Plan, Workload};

/// Most refusals that are timed: each looks for what would change it.
const REFUSALS_MAX: usize = 2_000;
/// Bytes of an audit record as the node writes it.
const RECORD_BYTES: usize = 512;
/// Writes of which the sync is measured.
const SYNCS: usize = 200;

#[derive(Args)]
pub(super) struct GateArgs {
    /// The workload, a TOML file such as configs/benches/gate.toml.
    workload: PathBuf,
    /// Requests on which slices are held against the whole set; each answered by both.
    #[arg(long, default_value_t = 100_000)]
    compare: usize,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Microseconds: the middle, the worst of a hundred, the worst of a thousand, the worst.
#[derive(Debug, Clone, Copy, Serialize)]
struct Spread {
    n: usize,
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Serialize)]
struct Measured {
    rules: usize,
    load_ms: f64,
    /// The rules alone.
    judge: Spread,
    /// The whole gate, what is permitted: orders, credential, leases, manifest, rules.
    permits: Spread,
    /// The same for a No, what it came near to looked for.
    denials: Spread,
    /// The engine from the act to its answer, audit record made.
    engine: Spread,
    cedar: Spread,
    per_second: Vec<f64>,
    permitted: usize,
    denied: usize,
}

/// Reads a workload without measuring it.
///
/// # Errors
/// What is wrong with it.
pub fn gate_workload(text: &str) -> Result<(), String> {
    Plan::read(text).map(drop)
}

/// Measures, and shows what was found.
pub(super) fn gate(args: &GateArgs) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(&args.workload)
        .map_err(|error| format!("{}: {error}", args.workload.display()))?;
    let plan =
        Plan::read(&text).map_err(|error| format!("{}: {error}", args.workload.display()))?;
    let mut measured = Vec::new();
    for (count, cedar_decisions) in plan.rules.iter().zip(&plan.cedar_decisions) {
        measured.push(measure(&plan, *count, *cedar_decisions)?);
    }
    let synced = synced()?;
    let compared = compare(&plan, args.compare)?;
    let equal = compared.differences == 0;
    if args.json {
        println!("{}", envelope(&plan, &measured, synced, &compared));
    } else {
        show(&plan, &measured, synced, &compared);
    }
    Ok(if equal { ExitCode::SUCCESS } else { ExitCode::from(super::FOUND) })
}

fn measure(plan: &Plan, count: usize, cedar_decisions: usize) -> Result<Measured, String> {
    let workload = Workload::draw(plan, count, plan.seed);
    let text = workload.rules();
    let began = Instant::now();
    let rules = Rules::load(&text).map_err(|error| error.to_string())?;
    let load_ms = began.elapsed().as_secs_f64() * 1_000.0;
    let raw = Raw::new(&text)?;
    let mut device = Device::with(&workload, plan.orders)?;
    let (view, acts) = (device.view(), device.acts(&workload));
    let (granted, refused): (Vec<_>, Vec<_>) =
        acts.iter().partition(|act| decide(&view, act, NOW).decision == Decision::Permit);
    let questions: Vec<Question<'_>> = workload.questions();
    let judge = timed(plan.decisions, &questions, |question| {
        black_box(rules.judge(black_box(question)));
    });
    let cedar = timed(cedar_decisions, &questions, |question| {
        black_box(raw.judge(black_box(question)));
    });
    let decided = |act: &&Act| drop(black_box(decide(&view, black_box(act), NOW)));
    let permits = timed(plan.decisions, &granted, decided);
    let denials = timed(plan.decisions.min(REFUSALS_MAX), &refused, decided);
    let engine = timed(plan.decisions, &granted, |act| device.ask((*act).clone()));
    let per_second = [1, 2].map(|threads| {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for act in granted.iter().cycle().take(plan.decisions) {
                        black_box(decide(&view, black_box(act), NOW));
                    }
                });
            }
        });
        (threads * plan.decisions) as f64 / began.elapsed().as_secs_f64()
    });
    Ok(Measured {
        rules: count,
        load_ms,
        judge,
        permits,
        denials,
        engine,
        cedar,
        per_second: per_second.to_vec(),
        permitted: granted.len(),
        denied: refused.len(),
    })
}

/// Times each call by itself.
fn timed<T>(calls: usize, over: &[T], mut call: impl FnMut(&T)) -> Spread {
    over.iter().take(calls.min(200)).for_each(&mut call);
    let mut took: Vec<f64> = Vec::with_capacity(calls);
    for item in over.iter().cycle().take(calls) {
        let began = Instant::now();
        call(item);
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Spread::of(took)
}

impl Spread {
    fn of(mut took: Vec<f64>) -> Self {
        took.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            took.get(place.min(took.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        Self { n: took.len(), p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

/// One write of an audit record with its sync, on the disk of this machine's temporary folder.
fn synced() -> Result<Spread, String> {
    let path = std::env::temp_dir().join(format!("belay-gate-{}", std::process::id()));
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = std::fs::File::create(&path).map_err(told)?;
    let record = [7; RECORD_BYTES];
    let mut took = Vec::new();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&record).and_then(|()| file.sync_data()).map_err(told)?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    file.rewind().map_err(told)?;
    std::fs::remove_file(&path).map_err(told)?;
    Ok(Spread::of(took))
}

/// How often slices and the whole set were asked the same, and parted.
#[derive(Serialize, Default)]
struct Compared {
    requests: usize,
    sets: usize,
    permits: usize,
    forbids: usize,
    unmatched: usize,
    differences: usize,
    first: Option<String>,
}

fn compare(plan: &Plan, requests: usize) -> Result<Compared, String> {
    let mut compared = Compared::default();
    while compared.requests < requests {
        compared.sets += 1;
        let seed = plan.seed.wrapping_add(compared.sets as u64);
        let workload = Workload::draw(plan, plan.compared_rules, seed);
        let text = workload.rules();
        let rules = Rules::load(&text).map_err(|error| error.to_string())?;
        let raw = Raw::new(&text)?;
        let left = requests - compared.requests;
        let questions = workload.questions();
        for question in questions.iter().take(plan.compared_requests.min(left)) {
            let ours = match rules.judge(question) {
                Ruling::Permit { rule } => ("permit", Some(rule)),
                Ruling::Forbid { rule, .. } => ("forbid", rule),
                Ruling::Error { rule, .. } => ("error", Some(rule)),
            };
            let whole = raw.judge(question);
            compared.requests += 1;
            match (ours.0, &ours.1) {
                ("permit", _) => compared.permits += 1,
                (_, Some(_)) => compared.forbids += 1,
                (_, None) => compared.unmatched += 1,
            }
            if ours != whole {
                compared.differences += 1;
                let words = || format!("seed {seed}: {question:?}: {ours:?}, whole {whole:?}");
                compared.first.get_or_insert_with(words);
            }
        }
    }
    Ok(compared)
}

fn show(plan: &Plan, measured: &[Measured], synced: Spread, compared: &Compared) {
    println!(
        "{} orders held, {}% of the rules scoped; microseconds, request built on both sides:",
        plan.orders, plan.scoped
    );
    println!(
        "{:>6}  {:<22} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "rules", "", "p50", "p99", "p99.9", "max", "n"
    );
    for one in measured {
        let rows = [
            ("rules alone", one.judge),
            ("the gate, permits", one.permits),
            ("the gate, denials", one.denials),
            ("engine with audit", one.engine),
            ("Cedar, every rule", one.cedar),
        ];
        for (name, Spread { n, p50, p99, p999, max }) in rows {
            let rules = one.rules;
            println!("{rules:>6}  {name:<22} {p50:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.1} {n:>7}");
        }
        let rates: Vec<String> = one.per_second.iter().map(|rate| format!("{rate:.0}")).collect();
        println!(
            "        decisions a second on one and on two threads: {}; loaded in {:.0} ms; of the \
             requests {} permitted, {} denied",
            rates.join(", "),
            one.load_ms,
            one.permitted,
            one.denied
        );
    }
    let Spread { n, p50, p99, .. } = synced;
    println!("a write of {RECORD_BYTES} bytes with its sync: p50 {p50:.0}, p99 {p99:.0} us, n {n}");
    println!(
        "sliced against whole: {} requests over {} sets of {} rules ({} permits, {} forbids, {} \
         unmatched): {} differences",
        compared.requests,
        compared.sets,
        plan.compared_rules,
        compared.permits,
        compared.forbids,
        compared.unmatched,
        compared.differences
    );
    if let Some(first) = &compared.first {
        println!("the first: {first}");
    }
}

fn envelope(plan: &Plan, measured: &[Measured], synced: Spread, compared: &Compared) -> Value {
    let missing: [&str; 0] = [];
    json!({
        "schema": "belay.sim.gate/1",
        "as_of": unix_ms(),
        "complete": true,
        "missing": missing,
        "data": {
            "orders": plan.orders,
            "scoped_percent": plan.scoped,
            "unit": "us",
            "measured": measured,
            "sync": synced,
            "compared": compared,
        },
    })
}
