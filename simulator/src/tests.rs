//! Plans, seeds and defects: green plans stay green, equal seeds stay equal, planted defects are
//! found, and an engine survives whatever a peer sends.

use crate::{Plan, Planted, Report, run};

mod adopting;
mod adversary;
mod audit;
mod budgets;
mod census;
mod clocks;
mod cloned;
mod drafts;
mod giving;
mod hints;
mod inventory;
mod lab;
mod lending;
mod links;
mod offload;
mod outcomes;
mod passing;
mod payload;
mod pins;
mod programs;
mod shares;
mod trials;

const WALK: &str = include_str!("../../configs/plans/walk.toml");
const WEATHER: &str = include_str!("../../configs/plans/weather.toml");
const OFFLOAD: &str = include_str!("../../configs/plans/offload.toml");
const GATEWAY: &str = include_str!("../../configs/plans/gateway.toml");
const STOP: &str = include_str!("../../configs/plans/stop.toml");

fn plan(text: &str) -> Plan {
    Plan::read(text, None).unwrap()
}

fn assert_green(report: &Report) {
    let red: Vec<_> = report.invariants.iter().filter(|i| i.violations > 0).collect();
    assert!(red.is_empty(), "seed {}: {red:#?}", report.seed);
}

/// Goal: a cut-off device ends by its lease and the case is whole after healing, for fifty seeds.
#[test]
fn the_walk_is_green() {
    for seed in 1..=50 {
        let report = run(&plan(WALK), seed, None);
        assert_green(&report);
        assert!(report.acts > 100 && report.tasks == 2, "work was lent and acted: {report:?}");
        assert_eq!(report.actions_after_bound, 0);
        assert_eq!(report.case_complete_ms.len(), 1, "the case was read complete");
    }
}

/// Goal: one seed, one run; another seed, another run.
#[test]
fn seeds_decide_everything() {
    let print = |seed| run(&plan(WALK), seed, None).fingerprint;
    assert_eq!(print(7), print(7));
    assert_ne!(print(7), print(8));
}

/// Goal: many devices and one order: it reaches all, and a fifth that was cut off too.
#[test]
fn a_fleet_stops() {
    let plan = Plan::read(STOP, Some(40)).unwrap();
    let report = run(&plan, 7, None);
    assert_green(&report);
    assert!(report.tasks > 10 && report.reach_ms.max > 0.0, "{report:?}");
}

/// Goal: a planted defect turns the checker of its invariant red at the first seed that finds it,
/// counted from 1; the seeds before it are left out here for the time that they take.
fn assert_found(planted: Planted, seed: u64) {
    let plan = plan(WEATHER);
    let violations = |report: &Report| {
        let found = report.invariants.iter().find(|i| i.id == planted.breaks());
        found.map_or(0, |invariant| invariant.violations)
    };
    let report = run(&plan, seed, Some(planted));
    assert!(violations(&report) > 0, "{planted} is not found at seed {seed}");
}

/// Goal: without a defect the same weather is green, and every seed that was red once stays green
/// (`tests/seeds/weather.md`).
#[test]
fn bad_weather_is_green() {
    for seed in [9, 7, 10, 14, 63] {
        assert_green(&run(&plan(WEATHER), seed, None));
    }
}

#[test]
fn a_permit_without_a_second_look_is_found() {
    assert_found(Planted::NoSecondLook, 2);
}

#[test]
fn a_receipt_before_looking_is_found() {
    assert_found(Planted::NoLook, 1);
}

#[test]
fn an_order_lost_below_depth_two_is_found() {
    assert_found(Planted::Shallow, 1);
}

#[test]
fn a_lease_on_the_monotonic_clock_is_found() {
    assert_found(Planted::Monotonic, 8);
}

#[test]
fn a_hold_lifted_by_a_restart_is_found() {
    assert_found(Planted::Forgotten, 9);
}

#[test]
fn a_branch_left_out_is_found() {
    assert_found(Planted::LeftOut, 6);
}

#[test]
fn an_award_taken_up_by_a_later_life_is_found() {
    assert_found(Planted::TakenUp, 1);
}

/// Goal: a device behind a gateway stops as soon as any other, for five seeds, and a lease that
/// counts from when the gateway passed an answer on is found.
#[test]
fn a_device_behind_a_gateway_stops_in_time() {
    for seed in 1..=5 {
        let report = run(&plan(GATEWAY), seed, None);
        assert_green(&report);
        assert!(report.acts > 100, "seed {seed}: it acts behind the gateway: {report:?}");
        assert_eq!(report.actions_after_bound, 0);
    }
    let report = run(&plan(GATEWAY), 1, Some(Planted::PassedNew));
    assert!(Planted::PassedNew.is_red_in(&report), "{:?}", report.invariants);
}

/// Goal: a plan that cannot be is refused by name, and says what to change.
#[test]
fn bad_plans_are_named() {
    let changed = |from: &str, to: &str| {
        assert!(WALK.contains(from), "the plan has {from}");
        Plan::read(&WALK.replacen(from, to, 1), None).unwrap_err().to_string()
    };
    let refusals = [
        (changed("nodes = 2", "nodes = 2\nnods = 3"), "unknown field `nods`"),
        (changed("nodes = 2", "nodes = 2\nnods = 3"), "nearest real key to `nods` is `nodes`"),
        (changed("beacons = 1", "becons = 1"), "nearest real key to `becons` is `beacons`"),
        (changed("order = {", "ordre = {"), "nearest real key to `ordre` is `order`"),
        (changed("latency", "latencies"), "nearest real key to `latencies` is `latency`"),
        (changed("nodes = 2", "nodes = 0"), "0 nodes"),
        (changed("beacons = 1", "beacons = 3"), "3 beacons among 2 nodes"),
        (changed("beacons = 1", "beacons = 1\nquorum = 2"), "a quorum of 2 among 1"),
        (changed("beacons = 1", "beacons = 1\nliars = 1"), "1 liars in a quorum of 1"),
        (changed("joins = 1", "joins = 2"), "somebody founds the fleet"),
        (changed("depth = 1", "depth = 2"), "1 at most"),
        (changed("from = 0", "from = 5"), "there is no node 5"),
        (changed("heal = { group = \"far\" }", "heal = { group = \"fra\" }"), "cuts the group"),
        (changed("at = \"25s\"", "at = \"3s\""), "order of time"),
        (changed("at = \"25s\"", "at = \"55s\""), "leave 20 s of quiet"),
        (changed("loss = 0.01", "loss = 1.5"), "from 0.0 to 1.0"),
        (changed("idle = \"10s\"", "idle = \"ten\""), "is no span"),
        (
            changed("at = \"25s\"\nheal", "at = \"25s\"\ncrash = { node = 1 }\nheal"),
            "several things",
        ),
    ];
    for (refusal, words) in refusals {
        assert!(refusal.contains(words), "“{words}” is not in “{refusal}”");
    }
}
