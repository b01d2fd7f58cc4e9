//! What a run says of itself: the fields that others rely on, and beside them what explains them.

use crate::checker::Tally;
use crate::clock::{MS, Time};
use crate::ledger::{Ledger, Order};
use crate::network::Network;
use crate::plan::Plan;
use belay_identity::StatementId;
use belay_mesh::output::{Event, How, Refusal};
use serde::Serialize;
use std::collections::BTreeMap;

/// What was counted while the world ran.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) inputs: u64,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) payloads: u64,
    pub(crate) runs: u64,
    pub(crate) offloads: u64,
    pub(crate) stranded: u64,
    pub(crate) acts: u64,
    pub(crate) acts_after_bound: u64,
    pub(crate) permits: u64,
    pub(crate) denials: u64,
    pub(crate) crashes: u64,
    pub(crate) hangups: u64,
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) complete: BTreeMap<StatementId, Time>,
    pub(crate) starts: BTreeMap<How, Vec<Time>>,
    pub(crate) odd: Vec<String>,
    pub(crate) spinning: Option<usize>,
}

impl Counts {
    pub(crate) fn tell(&mut self, event: &Event) {
        match event {
            Event::Refused(_, why) => {
                *self.refusals.entry(format!("link: {why}")).or_default() += 1
            }
            Event::SetBack => *self.refusals.entry("set back".into()).or_default() += 1,
            Event::ClockStepped(_) => {
                *self.refusals.entry("clock stepped".into()).or_default() += 1
            }
            Event::AuditCut(..) => *self.refusals.entry("audit log cut".into()).or_default() += 1,
            Event::Linked(_)
            | Event::Ordered(_)
            | Event::Forked(..)
            | Event::Swapped(..)
            | Event::LineageBroken { .. }
            | Event::Ending(..)
            | Event::Ended(..)
            | Event::ResultDropped(..)
            | Event::DiskFailed(_) => {}
        }
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        *self.refusals.entry(refusal.why.clone()).or_default() += 1;
    }
}

/// What a run says of itself.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many devices.
    pub nodes: usize,
    /// From which seed.
    pub seed: u64,
    /// Every output of every engine, folded.
    pub fingerprint: String,
    /// What the checkers found.
    pub invariants: Vec<Invariant>,
    /// From the order's leaving to its arrival on devices that were connected, milliseconds.
    pub reach_ms: Spread,
    /// The shortest way to the farthest of them, milliseconds.
    pub floor_ms: f64,
    /// Copies of the order that a device received, on average.
    pub copies: f64,
    /// Bytes that a device sent, on average.
    pub bytes_per_node: u64,
    /// From the order's leaving to the end of the last process, on connected devices, milliseconds.
    pub stop_ms: Spread,
    /// After in force nothing acts longer than this, milliseconds.
    pub lease_bound_ms: f64,
    /// Acts that left a process after the bound that the world computes, or that a screen printed.
    pub actions_after_bound: u64,
    /// Events of the world.
    pub events: u64,
    /// Inputs that engines were given.
    pub engine_inputs: u64,
    /// How long the run took, seconds.
    pub wall_s: f64,
    /// The most memory it took, megabytes.
    pub rss_mb: u64,
    /// The same for each device of one world, kilobytes.
    pub rss_kb_per_node: u64,
    /// From the order's leaving to a complete case at home, milliseconds.
    pub case_complete_ms: Vec<f64>,
    /// Awards that were made.
    pub tasks: u64,
    /// Acts of all trees.
    pub acts: u64,
    /// Permits handed out.
    pub permits: u64,
    /// Acts refused.
    pub denials: u64,
    /// Nodes killed.
    pub crashes: u64,
    /// Frames sent.
    pub frames: u64,
    /// Statements that exist.
    pub statements: u64,
    /// What doors and links refused, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Work that found nobody to be handed to.
    pub stranded: u64,
    /// From the asking for an offload to the start of its warden, milliseconds, by how the device
    /// was found.
    pub offload_start_ms: BTreeMap<String, Spread>,
}

/// What one checker found.
#[derive(Debug, Serialize)]
pub struct Invariant {
    /// Its number.
    pub id: String,
    /// How often it was looked at.
    pub checked: u64,
    /// How often it did not hold.
    pub violations: u64,
    /// The first times, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

/// How a measure is spread.
#[derive(Debug, Default, Serialize)]
pub struct Spread {
    /// Half are below.
    pub p50: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// 999 of 1,000 are below.
    pub p999: f64,
    /// None is above.
    pub max: f64,
}

impl Report {
    pub(crate) fn of(
        plan: &Plan,
        seed: u64,
        fingerprint: String,
        found: Vec<(&'static str, Tally)>,
        ledger: &Ledger,
        counts: Counts,
        network: &Network,
    ) -> Self {
        let mut invariants: Vec<Invariant> = found.into_iter().map(Invariant::of).collect();
        if let Some(node) = counts.spinning {
            let told = vec![format!("the engine of node {node} asks to be called without end")];
            invariants.push(Invariant { id: "spin".into(), checked: 1, violations: 1, told });
        }
        if !counts.odd.is_empty() {
            let violations = counts.odd.len() as u64;
            let told = counts.odd.clone();
            invariants.push(Invariant {
                id: "answers".into(),
                checked: violations,
                violations,
                told,
            });
        }
        let bound =
            ledger.policy_run + ledger.policy_run / 1_000_000 * crate::limits::CLOCK_PPM_BOTH;
        let orders = ledger.orders.values();
        let floor = orders.clone().map(|order| floor(order, network)).max().unwrap_or(0);
        let complete = counts.complete.iter().filter_map(|(id, at)| {
            ledger.orders.get(id).map(|order| ms(at.saturating_sub(order.given)))
        });
        Self {
            nodes: plan.nodes,
            seed,
            fingerprint,
            invariants,
            reach_ms: Spread::of(orders.clone().flat_map(reach).collect()),
            floor_ms: ms(floor),
            copies: counts.payloads as f64 / plan.nodes as f64 / ledger.orders.len().max(1) as f64,
            bytes_per_node: counts.bytes / plan.nodes as u64,
            stop_ms: Spread::of(stops(ledger)),
            lease_bound_ms: ms(bound),
            actions_after_bound: counts.acts_after_bound,
            events: counts.events,
            engine_inputs: counts.inputs,
            wall_s: 0.0,
            rss_mb: 0,
            rss_kb_per_node: 0,
            case_complete_ms: complete.collect(),
            tasks: ledger.tasks.len() as u64,
            acts: counts.acts,
            permits: counts.permits,
            denials: counts.denials,
            crashes: counts.crashes,
            frames: counts.frames,
            statements: ledger.statements.len() as u64,
            refusals: counts.refusals,
            stranded: counts.stranded,
            offload_start_ms: counts
                .starts
                .into_iter()
                .map(|(how, took)| (how.as_str().to_owned(), Spread::of(took)))
                .collect(),
        }
    }

    /// Notes what the run cost: seconds, and the most kilobytes of memory.
    pub(crate) fn took(&mut self, wall_s: f64, rss_kb: u64) {
        self.wall_s = wall_s;
        self.rss_mb = rss_kb / 1024;
        self.rss_kb_per_node = rss_kb / self.nodes as u64;
    }

    /// True when every invariant held.
    pub fn is_green(&self) -> bool {
        self.invariants.iter().all(|invariant| invariant.violations == 0)
    }
}

impl Invariant {
    fn of((id, tally): (&'static str, Tally)) -> Self {
        let Tally { checked, violations, told } = tally;
        Self { id: id.to_owned(), checked, violations, told }
    }
}

impl Spread {
    fn of(mut times: Vec<Time>) -> Self {
        times.sort_unstable();
        let at = |thousandths: usize| {
            let place = (times.len() * thousandths).div_ceil(1_000).max(1) - 1;
            times.get(place.min(times.len().saturating_sub(1))).map_or(0.0, |time| ms(*time))
        };
        Self { p50: at(500), p99: at(990), p999: at(999), max: at(1_000) }
    }
}

fn ms(time: Time) -> f64 {
    (time / 1_000) as f64 / (MS / 1_000) as f64
}

fn reach(order: &Order) -> Vec<Time> {
    let connected = order.connected.iter().filter(|node| **node != order.from);
    connected.filter_map(|node| order.taken.get(node)).map(|at| at - order.given).collect()
}

fn floor(order: &Order, network: &Network) -> Time {
    let floors = network.floors(order.from);
    order.connected.iter().filter_map(|node| floors[*node]).max().unwrap_or(0)
}

/// How long after each order the trees that it matched, on connected devices, were gone.
fn stops(ledger: &Ledger) -> Vec<Time> {
    let mut stops = Vec::new();
    for order in ledger.orders.values() {
        for task in ledger.tasks.values() {
            let connected = order.connected.contains(&task.node);
            if connected && order.matches(task) {
                let after = task.emptied.filter(|at| *at >= order.given);
                stops.extend(after.map(|at| at - order.given));
            }
        }
    }
    stops
}
