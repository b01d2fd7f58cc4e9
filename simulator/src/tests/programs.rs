//! A release that blocks a program, and a host that starts again: what is blocked stays blocked.

use crate::{NoAnswer, Plan, Planted, Report, Stage};
use belay_identity::body::{
    Approve, Body, Mode, Modes, Policy, Release, ReleaseVersion, UnknownBlocked, Wall,
};
use belay_identity::chain::Program;
use belay_mesh::Request;
use belay_mesh::input::Run;
use belay_mesh::output::Answer;
use std::time::Duration;

const PLAN: &str = include_str!("../../../configs/plans/draft.toml");

/// The host that gives leases, to itself too: cut off it goes on, and nobody tells it again.
const BEACON: usize = 0;

/// The program that the second release lists, and the one that it does not.
const LISTED: [u8; 32] = [0x11; 32];
const ODD: [u8; 32] = [0x22; 32];

/// Goal: a program that a release blocks is permitted nothing on a host that starts again, and a
/// host that has forgotten the release is seen. Method: both programs run, a release blocks one,
/// the beacon is cut off, killed and starts again, and is asked for the blocked one; ten seeds,
/// with the defect and without.
#[test]
fn what_is_blocked_stays_blocked_through_a_restart() {
    for seed in 1..=10 {
        let report = told(seed, None);
        let red: Vec<_> = report.invariants.iter().filter(|i| i.violations > 0).collect();
        assert!(red.is_empty(), "seed {seed}: {red:#?}");
        let checked = report.invariants.iter().find(|i| i.id == "INV-GATE-3");
        assert!(checked.is_some_and(|i| i.checked >= 2), "what ran was looked at: {checked:?}");
    }
    let red = (1..=10).find(|seed| {
        let report = told(*seed, Some(Planted::OldPolicy));
        Planted::OldPolicy.is_red_in(&report)
    });
    println!("old-policy-after-restart is red at seed {red:?}");
    assert!(red.is_some(), "the defect is not seen");
}

fn told(seed: u64, planted: Option<Planted>) -> Report {
    let plan = Plan::read(PLAN, None).unwrap();
    let first = policy();
    let mut stage = Stage::set(&plan, &first, &["a", "b", "c"], seed, planted).unwrap();
    stage.pass(Duration::from_secs(10));
    for file in [ODD, LISTED] {
        runs(&mut stage, BEACON, file).unwrap_or_else(|no| panic!("seed {seed}: {no:?}"));
    }
    publish(&mut stage, &blocking(first));
    stage.pass(Duration::from_secs(30));
    let no = runs(&mut stage, BEACON, ODD).expect_err("it is blocked");
    assert!(no.to_string().contains("manifest"), "seed {seed}: {no}");
    runs(&mut stage, BEACON, LISTED).unwrap_or_else(|no| panic!("seed {seed}: {no:?}"));
    stage.cut(BEACON);
    stage.crash(BEACON);
    stage.pass(Duration::from_secs(5));
    stage.restart(BEACON);
    for _ in 0..20 {
        stage.pass(Duration::from_millis(100));
        let _ = runs(&mut stage, BEACON, ODD);
    }
    stage.heal(BEACON);
    stage.pass(Duration::from_secs(30));
    stage.end()
}

fn runs(stage: &mut Stage, node: usize, file: [u8; 32]) -> Result<(), NoAnswer> {
    let agent = if file == ODD { "odd" } else { "scout" };
    let run = Run {
        agent: agent.into(),
        project: "default".into(),
        class: "default".into(),
        argv: vec!["work".into()],
        program: Program::of(file),
        wall: Wall::None,
    };
    stage.ask(node, Request::Run(run)).map(|_| ())
}

fn publish(stage: &mut Stage, policy: &Policy) {
    let Answer::Policy(report) = stage.ask(0, Request::Policy { agent: None }).unwrap() else {
        panic!("no policy is told")
    };
    let first = report.judging[0].header.clone();
    let body = policy.to_bytes();
    let header = Release {
        version: ReleaseVersion { epoch: 1, number: 2 },
        body: Policy::hash(&body),
        adopt_by_ms: stage.wall_ms(),
        ..first
    };
    let of = stage.say(0, Body::Release(header), Vec::new(), vec![body]).unwrap();
    stage.say(0, Approve { of }.into(), Vec::new(), Vec::new()).unwrap();
}

fn blocking(first: Policy) -> Policy {
    Policy { sanctioned: vec![LISTED], unknown: Some(UnknownBlocked), ..first }
}

fn policy() -> Policy {
    let mode = Mode::Enforce;
    Policy {
        rules: "@id(\"a\") permit (principal, action, resource);\n".to_owned(),
        modes: Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode },
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: vec!["default".into()],
        classes: vec!["default".into()],
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    }
}
