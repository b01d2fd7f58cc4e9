//! What runs say, for people and as JSON: one world, or the sum of many.

use super::{Options, unix_ms};
use crate::{Plan, Report};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Shows one report; of a green one among many a line.
pub(super) fn report(options: &Options, report: &Report, among_many: bool) {
    if options.json {
        return say("belay.sim.run/1", &[], report);
    }
    if among_many && report.is_green() {
        let Report { seed, fingerprint, wall_s, .. } = report;
        return println!("seed {seed} green {} {wall_s:.2} s", &fingerprint[..16]);
    }
    in_words(report);
}

fn say(schema: &str, missing: &[String], data: &impl Serialize) {
    let complete = missing.is_empty();
    let envelope = json!({
        "schema": schema,
        "as_of": unix_ms(),
        "complete": complete,
        "missing": missing,
        "data": data,
    });
    println!("{envelope}");
}

fn in_words(report: &Report) {
    println!("seed {} fingerprint {}", report.seed, report.fingerprint);
    for invariant in &report.invariants {
        println!(
            "{:12} {:>9} checked {:>6} violations",
            invariant.id, invariant.checked, invariant.violations
        );
        invariant.told.iter().for_each(|told| println!("    {told}"));
    }
    let (reach, stop) = (&report.reach_ms, &report.stop_ms);
    println!(
        "reach p50 {:.1} p99.9 {:.1} max {:.1} ms (floor {:.1}); stop p50 {:.1} max {:.1} ms",
        reach.p50, reach.p999, reach.max, report.floor_ms, stop.p50, stop.max
    );
    println!(
        "{} tasks, {} acts, {} after the bound of {:.1} ms; case complete after {:?} ms",
        report.tasks,
        report.acts,
        report.actions_after_bound,
        report.lease_bound_ms,
        report.case_complete_ms
    );
    println!(
        "{} events, {} inputs in {:.2} s, {} MB, {} kB a node; {} permits, {} denials, \
         {} stranded; refusals {:?}",
        report.events,
        report.engine_inputs,
        report.wall_s,
        report.rss_mb,
        report.rss_kb_per_node,
        report.permits,
        report.denials,
        report.stranded,
        report.refusals
    );
}

/// The sum of many runs.
#[derive(Serialize)]
pub(super) struct Summary {
    nodes: usize,
    first_seed: u64,
    asked: u64,
    runs: u64,
    red_seeds: Vec<u64>,
    invariants: BTreeMap<String, Sum>,
    actions_after_bound: u64,
    /// The median run's farthest arrival, and the farthest of all, milliseconds.
    reach_max_ms: [f64; 2],
    /// The same of the last end of a process on a connected device.
    stop_max_ms: [f64; 2],
    events: u64,
    wall_s: f64,
    rss_mb: u64,
    #[serde(skip)]
    reaches: Vec<f64>,
    #[serde(skip)]
    stops: Vec<f64>,
}

#[derive(Default, Serialize)]
struct Sum {
    checked: u64,
    violations: u64,
}

impl Summary {
    pub(super) fn of(plan: &Plan, seeds: Range<u64>) -> Self {
        Self {
            nodes: plan.nodes,
            first_seed: seeds.start,
            asked: seeds.end - seeds.start,
            runs: 0,
            red_seeds: Vec::new(),
            invariants: BTreeMap::new(),
            actions_after_bound: 0,
            reach_max_ms: [0.0; 2],
            stop_max_ms: [0.0; 2],
            events: 0,
            wall_s: 0.0,
            rss_mb: 0,
            reaches: Vec::new(),
            stops: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, report: &Report) {
        self.runs += 1;
        if !report.is_green() {
            self.red_seeds.push(report.seed);
        }
        for invariant in &report.invariants {
            let sum = self.invariants.entry(invariant.id.clone()).or_default();
            sum.checked += invariant.checked;
            sum.violations += invariant.violations;
        }
        self.actions_after_bound += report.actions_after_bound;
        self.events += report.events;
        self.rss_mb = self.rss_mb.max(report.rss_mb);
        self.reaches.push(report.reach_ms.max);
        self.stops.push(report.stop_ms.max);
    }

    pub(super) fn is_green(&self) -> bool {
        self.red_seeds.is_empty()
    }

    pub(super) fn show(mut self, options: &Options, took: Duration) {
        self.wall_s = took.as_secs_f64();
        self.reach_max_ms = middle_and_most(&mut self.reaches);
        self.stop_max_ms = middle_and_most(&mut self.stops);
        if options.json {
            let red = self.red_seeds.iter().map(|seed| format!("seed {seed} is red"));
            return say("belay.sim.sweep/1", &red.collect::<Vec<_>>(), &self);
        }
        let Self { runs, red_seeds, events, wall_s, rss_mb, nodes, .. } = &self;
        println!("{runs} runs of {nodes} nodes in {wall_s:.1} s, {events} events, {rss_mb} MB");
        for (id, Sum { checked, violations }) in &self.invariants {
            println!("{id:12} {checked:>9} checked {violations:>6} violations");
        }
        let [reach, farthest] = self.reach_max_ms;
        let [stop, last] = self.stop_max_ms;
        println!("farthest arrival: median {reach:.1}, most {farthest:.1} ms");
        println!("last end while connected: median {stop:.1}, most {last:.1} ms");
        println!("{} acts after the bound; red seeds {red_seeds:?}", self.actions_after_bound);
    }
}

fn middle_and_most(values: &mut [f64]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(0.0);
    [at(values.len() / 2), at(values.len().saturating_sub(1))]
}
