//! Many worlds, one thread each, told in the order of their seeds.
//!
//! A world never leaves its thread and shares nothing with another, so a seed's fingerprint is the
//! same whether it runs alone or among many. Refused here: going on for a planted defect that has
//! been found.

use super::{FOUND, RunArgs, WorldArgs, show};
use crate::{Plan, Planted, Report};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

/// Runs a plan from one seed or many, and shows what came of it.
pub(super) fn run(args: &RunArgs) -> Result<ExitCode, String> {
    let plan = args.world.read()?;
    let planted = args.plant.as_deref().map(super::defects::named).transpose()?;
    let first = args.world.options.first_seed();
    let seeds = first..first.saturating_add(args.seeds);
    let mut summary = show::Summary::of(&plan, seeds.clone());
    let many = args.seeds > 1;
    let began = Instant::now();
    let runs = Runs { plan: &plan, planted, threads: args.world.options.threads() };
    runs.each(seeds, |report| {
        show::report(&args.world.options, &report, many);
        if !report.is_green() {
            eprintln!("run it again: {}", args.world.again(report.seed, planted));
        }
        summary.add(&report);
        match planted {
            Some(planted) if planted.is_red_in(&report) => {
                eprintln!("red after {} runs", report.seed - first + 1);
                ControlFlow::Break(())
            }
            Some(_) | None => ControlFlow::Continue(()),
        }
    });
    let code = if summary.is_green() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) };
    if many {
        summary.show(&args.world.options, began.elapsed());
    }
    Ok(code)
}

/// What every world of a sweep has in common.
pub(super) struct Runs<'a> {
    pub(super) plan: &'a Plan,
    pub(super) planted: Option<Planted>,
    pub(super) threads: usize,
}

impl Runs<'_> {
    /// Tells every report in the order of the seeds, until it is told to stop.
    pub(super) fn each(&self, seeds: Range<u64>, mut tell: impl FnMut(Report) -> ControlFlow<()>) {
        let (next, over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
        let (say, said) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                let (say, next, over) = (say.clone(), &next, &over);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end || say.send(self.one(seed)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(say);
            let mut early = BTreeMap::new();
            let mut wanted = seeds.start;
            for report in said {
                early.insert(report.seed, report);
                while let Some(report) = early.remove(&wanted) {
                    wanted += 1;
                    if tell(report).is_break() {
                        // What runs is left to end; nothing new begins.
                        return over.store(true, Ordering::Relaxed);
                    }
                }
            }
        });
    }

    fn one(&self, seed: u64) -> Report {
        eprintln!("seed {seed}");
        let began = Instant::now();
        let mut report = crate::run(self.plan, seed, self.planted);
        report.took(began.elapsed().as_secs_f64(), rss_kb());
        report
    }
}

/// The most memory this process has had, kilobytes, as the system counts it; 0 where it does not
/// say.
fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kb.unwrap_or(0)
}

/// The first seed from which a planted defect is red; the line that runs it again is told.
pub(super) fn first_red(
    world: &WorldArgs,
    runs: &Runs<'_>,
    planted: Planted,
    seeds: Range<u64>,
) -> Option<u64> {
    let mut found = None;
    runs.each(seeds, |report| {
        if !planted.is_red_in(&report) {
            return ControlFlow::Continue(());
        }
        eprintln!("run it again: {}", world.again(report.seed, Some(planted)));
        found = Some(report.seed);
        ControlFlow::Break(())
    });
    found
}
