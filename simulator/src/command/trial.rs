//! Trials from many seeds: what was counted, what was measured, and what must never be.
//!
//! Refused here: calling a trial that could not be held green; it stops the sweep and is told.

use super::{FOUND, WorldArgs, unix_ms};
use crate::Plan;
use crate::trial::{self, Failed, Found, YearDefect};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Replays of the bar.
const REPLAYS: u64 = 10_000;

/// Weeks of a year.
const WEEKS: u64 = 52;

/// Which trial.
#[derive(Subcommand)]
pub(super) enum TrialCommand {
    /// One author signs two statements for one place, one for each half of a cut mesh.
    Fork(TrialArgs),
    /// An operator is removed while he is cut off, and back-dates grants.
    Backdate(TrialArgs),
    /// A key changes every week, a third of the devices asleep.
    Year(YearArgs),
    /// Frames of a fleet are played again: to it, after restarts, and to another fleet.
    Replay(ReplayArgs),
}

/// Which worlds.
#[derive(Args)]
pub(super) struct TrialArgs {
    #[command(flatten)]
    world: WorldArgs,
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Plant the defect that turns this trial red.
    #[arg(long)]
    plant: bool,
}

/// The same, for so many weeks.
#[derive(Args)]
pub(super) struct YearArgs {
    #[command(flatten)]
    world: WorldArgs,
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many weeks.
    #[arg(long, default_value_t = WEEKS)]
    weeks: u64,
    /// A defect to plant: epochs-lost or key-kept.
    #[arg(long)]
    plant: Option<String>,
}

/// The same, with so many frames.
#[derive(Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    trial: TrialArgs,
    /// How many frames are played again from every seed.
    #[arg(long, default_value_t = REPLAYS)]
    times: u64,
}

/// Holds a trial from every seed, and shows what came of all.
pub(super) fn run(command: &TrialCommand) -> Result<ExitCode, String> {
    match command {
        TrialCommand::Fork(args) => {
            each("fork", &args.world, args.seeds, |plan, seed| trial::fork(plan, seed, args.plant))
        }
        TrialCommand::Backdate(args) => each("backdate", &args.world, args.seeds, |plan, seed| {
            trial::backdate(plan, seed, args.plant)
        }),
        TrialCommand::Replay(ReplayArgs { trial, times }) => {
            each("replay", &trial.world, trial.seeds, |plan, seed| {
                trial::replay(plan, seed, *times, trial.plant)
            })
        }
        TrialCommand::Year(args) => {
            let defect = args.plant.as_deref().map(named).transpose()?;
            each("year", &args.world, args.seeds, |plan, seed| {
                trial::year(plan, seed, args.weeks, defect)
            })
        }
    }
}

fn named(name: &str) -> Result<YearDefect, String> {
    let all = YearDefect::ALL.iter();
    let names = all.clone().map(|defect| defect.as_str()).collect::<Vec<_>>().join(", ");
    let found = all.copied().find(|defect| defect.as_str() == name);
    found.ok_or_else(|| format!("there is no defect “{name}” of a year; there are {names}"))
}

fn each(
    name: &str,
    world: &WorldArgs,
    seeds: u64,
    hold: impl Fn(&Plan, u64) -> Result<Found, Failed> + Sync,
) -> Result<ExitCode, String> {
    let plan = world.read()?;
    let first = world.options.first_seed();
    let (next, all) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..world.options.threads() {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= seeds {
                        return;
                    }
                    let found = hold(&plan, first + at).map_err(|why| (first + at, why));
                    if let Ok(mut all) = all.lock() {
                        all.push(found);
                    }
                }
            });
        }
    });
    let all = all.into_inner().map_err(|_| "a trial ended in a panic".to_owned())?;
    let all: Result<Vec<Found>, (u64, Failed)> = all.into_iter().collect();
    let mut all = all.map_err(|(seed, why)| format!("{name} from seed {seed}: {why}"))?;
    all.sort_by_key(|found| found.seed);
    let sum = Sum::of(&all);
    if world.options.json {
        println!("{}", sum.envelope(name, &plan))
    } else {
        sum.show(name, &plan)
    }
    Ok(if sum.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// Everything that a sweep found.
struct Sum {
    seeds: usize,
    ms: BTreeMap<&'static str, Vec<f64>>,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
}

impl Sum {
    fn of(all: &[Found]) -> Self {
        let (mut ms, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for found in all {
            for (what, values) in &found.ms {
                let values = values.iter().copied();
                ms.entry(*what).or_insert_with(Vec::new).extend(values);
            }
            for (what, count) in &found.counts {
                *counts.entry(*what).or_default() += count;
            }
        }
        ms.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
        let told = |found: &Found| {
            let seed = found.seed;
            found
                .violations
                .iter()
                .map(move |why| format!("seed {seed}: {why}"))
                .collect::<Vec<_>>()
        };
        Self { seeds: all.len(), ms, counts, violations: all.iter().flat_map(told).collect() }
    }

    fn show(&self, name: &str, plan: &Plan) {
        println!("{name}: {} seeds, {} devices", self.seeds, plan.nodes);
        for (what, values) in &self.ms {
            let [p50, p99, max] = spread(values);
            println!(
                "{what:32} p50 {p50:.0} ms, p99 {p99:.0} ms, max {max:.0} ms, n {}",
                values.len()
            );
        }
        for (what, count) in &self.counts {
            println!("{what:32} {count}");
        }
        println!("{:32} {}", "violations", self.violations.len());
        self.violations.iter().take(8).for_each(|why| eprintln!("{why}"));
    }

    fn envelope(&self, name: &str, plan: &Plan) -> Value {
        let ms = self.ms.iter().map(|(what, values)| {
            let [p50, p99, max] = spread(values);
            json!({ "what": what, "n": values.len(), "p50": p50, "p99": p99, "max": max })
        });
        let missing: [&str; 0] = [];
        json!({
            "schema": format!("belay.sim.{name}/1"),
            "as_of": unix_ms(),
            "complete": true,
            "missing": missing,
            "data": {
                "seeds": self.seeds,
                "nodes": plan.nodes,
                "ms": ms.collect::<Vec<_>>(),
                "counts": self.counts,
                "violations": self.violations,
            },
        })
    }
}

/// The median, the value below which 99 of 100 lie, and the greatest; of sorted values.
fn spread(values: &[f64]) -> [f64; 3] {
    let at =
        |share: usize| values.get((values.len() * share / 100).min(values.len().saturating_sub(1)));
    [50, 99, 100].map(|share| at(share).copied().unwrap_or(0.0))
}
