//! Time tricks: clocks that are set back and ahead, sleep, and a start in between.
//!
//! Goal (INV-LEASE-1): no lease is extended by a millisecond, no timed hold ends early, and nobody
//! is locked out for good. Method: three beacons of which two must answer and one may lie; a device
//! whose agent is ordered to stop while it is cut off plays each trick, by itself or by a beacon.

use crate::clock::SECOND;
use crate::plan::{Hit, Plan, Set, Span, Step, Suspend};
use crate::world::{NoAnswer, Stage};
use belay_identity::StatementId;
use belay_identity::body::{Body, Hold, Lift, Mode, Modes, Policy, Reason, Subject, Term, Wall};
use belay_identity::chain::Program;
use belay_identity::principal::AgentId;
use belay_mesh::Request;
use belay_mesh::input::Run;
use belay_mesh::output::Answer;
use std::time::Duration;

const PLAN: &str = include_str!("../../../configs/plans/clocks.toml");
const LEASE: Duration = Duration::from_secs(60);
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;
/// From the world's beginning back to 1970.
const SINCE_1970: u64 = crate::clock::WALL_AT_START_MS * crate::clock::MS;
/// The device that is cut off.
const FAR: usize = 4;
/// A beacon that may lie.
const LIAR: usize = 1;

#[derive(Debug, Clone, Copy)]
enum Trick {
    Back(u64),
    Ahead(u64),
    AheadAndBack(u64),
    Sleep(u64),
    Reboot,
    RebootWithClockBack(u64),
}

const TRICKS: [Trick; 7] = [
    Trick::Back(DAY),
    Trick::Back(YEAR),
    Trick::Back(SINCE_1970),
    Trick::Ahead(YEAR),
    Trick::AheadAndBack(YEAR),
    Trick::Reboot,
    Trick::RebootWithClockBack(DAY),
];

fn stage(seed: u64) -> Stage {
    on(PLAN, seed)
}

fn on(plan: &str, seed: u64) -> Stage {
    let all = Mode::Enforce;
    let modes = Modes { local: all, tool: all, outward: all, work: all, motion: all };
    let rules = "@id(\"all\") permit (principal, action, resource);".to_owned();
    let (projects, classes) = (vec!["default".into()], vec!["default".into()]);
    let (sanctioned, tolerated, unknown) = (Vec::new(), Vec::new(), None);
    let policy = Policy {
        rules,
        modes,
        sanctioned,
        tolerated,
        projects,
        classes,
        unknown,
        announced: Vec::new(),
        data: Vec::new(),
    };
    let plan = Plan::read(plan, None).unwrap();
    let mut stage = Stage::set(&plan, &policy, &[], seed, None).unwrap();
    stage.pass(Duration::from_secs(10));
    stage
}

fn run(stage: &mut Stage, node: usize, agent: &str) -> Result<StatementId, NoAnswer> {
    let run = Run {
        agent: agent.into(),
        project: "default".into(),
        class: "default".into(),
        argv: vec!["work".into()],
        program: Program::of([7; 32]),
        wall: Wall::None,
    };
    match stage.ask(node, Request::Run(run))? {
        Answer::Run(grant) => Ok(grant.award),
        other => panic!("a run is answered with {other:?}"),
    }
}

fn set(node: usize, ahead: u64, back: u64) -> Step {
    let clock = Some(Set { node, ahead: Span(ahead), back: Span(back) });
    Step { clock, ..Step::default() }
}

/// Plays a trick at a device.
fn play(stage: &mut Stage, node: usize, trick: Trick) {
    let short = Duration::from_secs(5);
    match trick {
        Trick::Back(by) => stage.step(set(node, 0, by)),
        Trick::Ahead(by) => stage.step(set(node, by, 0)),
        Trick::AheadAndBack(by) => {
            stage.step(set(node, by, 0));
            stage.pass(short);
            stage.step(set(node, 0, by));
        }
        Trick::Sleep(lasts) => {
            let suspend = Some(Suspend { node, lasts: Span(lasts) });
            stage.step(Step { suspend, ..Step::default() });
            stage.pass(Duration::from_nanos(lasts) + short);
        }
        Trick::Reboot => reboot(stage, node, 0),
        Trick::RebootWithClockBack(by) => reboot(stage, node, by),
    }
}

fn reboot(stage: &mut Stage, node: usize, back: u64) {
    let step = |hit| Step { crash: hit, ..Step::default() };
    stage.step(step(Some(Hit { node })));
    stage.step(set(node, 0, back));
    stage.pass(Duration::from_secs(5));
    stage.step(Step { restart: Some(Hit { node }), ..Step::default() });
}

fn hold(stage: &mut Stage, agent: &str, until_ms: Option<u64>) -> StatementId {
    let agent = AgentId::new(stage.domain(), agent).unwrap();
    let subject = Subject::new(vec![Term::Agent(agent)]).unwrap();
    let (home, reason) = (stage.device(0).clone(), Reason("clocks".into()));
    let hold = Hold { subject, home, reason, until_ms, pause: None };
    stage.say(0, Body::Hold(hold), Vec::new(), Vec::new()).unwrap()
}

/// By how much the far device acts longer than its lease, and whether it is locked out afterwards.
fn far_device(seed: u64, at: usize, trick: Trick) -> (Duration, bool) {
    tricked(stage(seed), FAR, at, trick)
}

fn tricked(mut stage: Stage, far: usize, at: usize, trick: Trick) -> (Duration, bool) {
    let agent = run(&mut stage, far, "planner").unwrap();
    stage.pass(Duration::from_secs(20));
    assert!(stage.last_act(&agent).is_some(), "it acts");
    stage.cut(far);
    let cut = stage.now();
    hold(&mut stage, "planner", None);
    stage.pass(Duration::from_secs(2));
    play(&mut stage, at, trick);
    stage.pass(2 * LEASE);
    let last = stage.last_act(&agent).unwrap();
    // Its last draw left before the cut; its clock may be slow by 200 ppm.
    let bound = cut + LEASE + LEASE / 5_000 + Duration::from_millis(1);
    stage.heal(far);
    stage.pass(Duration::from_secs(90));
    let locked_out = match run(&mut stage, far, "scout") {
        Err(_) => true,
        Ok(scout) => {
            stage.pass(Duration::from_secs(60));
            stage.last_act(&scout).is_none()
        }
    };
    let report = stage.end();
    super::assert_green(&report);
    assert_eq!(report.actions_after_bound, 0, "{trick:?}");
    (last.saturating_sub(bound), locked_out)
}

/// Goal: whatever happens to the clocks of a device that is cut off, its leases end when they
/// would have, and once it is linked again it works.
#[test]
fn no_trick_extends_a_lease_or_locks_a_device_out() {
    for (seed, trick) in (1..).zip(TRICKS) {
        assert_eq!(far_device(seed, FAR, trick), (Duration::ZERO, false), "{trick:?}");
    }
}

/// Goal: the same through a night of sleep. Method: two devices, since the world lives through
/// every second of it.
#[test]
fn sleep_extends_no_lease_and_locks_nobody_out() {
    let two = PLAN.replace("nodes = 5", "nodes = 2").replace("beacons = 3", "beacons = 1");
    let two = two.replace("quorum = 2\nliars = 1\ndegree = 4", "degree = 1");
    let slept = tricked(on(&two, 1), 1, 1, Trick::Sleep(8 * HOUR));
    assert_eq!(slept, (Duration::ZERO, false));
}

/// Goal: the same where the tricks are a beacon's: it is one liar of at most one.
#[test]
fn no_trick_of_one_beacon_extends_a_lease_or_locks_a_device_out() {
    for (seed, trick) in (100..).zip(TRICKS) {
        assert_eq!(far_device(seed, LIAR, trick), (Duration::ZERO, false), "{trick:?}");
    }
}

/// Goal: a hold that ends by its time ends neither before it nor much later, whatever one beacon
/// says. Method: the agent is refused until then, and admitted soon after.
#[test]
fn no_beacon_alone_ends_a_timed_hold_early_or_keeps_it_up() {
    for (seed, trick) in (200..).zip(TRICKS) {
        let mut stage = stage(seed);
        let until_ms = stage.wall_ms() + 600_000;
        hold(&mut stage, "planner", Some(until_ms));
        stage.pass(Duration::from_secs(5));
        play(&mut stage, LIAR, trick);
        while stage.wall_ms() + 2_000 < until_ms {
            let refused = run(&mut stage, FAR, "planner");
            assert!(refused.is_err(), "seed {seed}, {trick:?}: admitted too early");
            stage.pass(Duration::from_secs(20).min(Duration::from_millis(
                (until_ms - stage.wall_ms()).saturating_sub(1_000).max(500),
            )));
        }
        stage.pass(Duration::from_secs(6));
        run(&mut stage, FAR, "planner")
            .unwrap_or_else(|no| panic!("seed {seed}, {trick:?}: still held: {no}"));
    }
}

/// Goal: a hold is lifted by name at any time, whatever clocks say.
#[test]
fn a_lift_needs_no_clock() {
    let mut stage = stage(300);
    let end_ms = stage.wall_ms() + 3_600_000;
    let order = hold(&mut stage, "planner", Some(end_ms));
    play(&mut stage, FAR, Trick::Back(YEAR));
    stage.pass(Duration::from_secs(5));
    assert!(run(&mut stage, FAR, "planner").is_err());
    let lift = Body::Lift(Lift { reason: Reason("clocks".into()) });
    stage.say(0, lift, vec![order], Vec::new()).unwrap();
    stage.pass(Duration::from_secs(30));
    run(&mut stage, FAR, "planner").unwrap();
}
