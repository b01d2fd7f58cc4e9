//! What runs where, as a fleet tells it: each device for itself, and what it said last.

use crate::{Plan, Planted, Report, Stage};
use belay_identity::body::{AgentHere, Inventory, Mode, Modes, Policy, Untold};
use belay_mesh::Request;
use belay_mesh::listing::Population;
use belay_mesh::output::Answer;
use std::time::Duration;

const PLAN: &str = include_str!("../../../configs/plans/draft.toml");

/// Longer than a device keeps a word back that it has to say.
const SAID_AGAIN: Duration = Duration::from_secs(90);

/// Goal: a list shows what each device said last of itself, in one of three populations; and a
/// host that goes on showing what it heard first is seen. Method: three hosts tell; one begins to
/// refuse, one is cut off, one tells something else, and each is asked for the list every time; ten
/// seeds, with the defect and without.
#[test]
fn a_list_shows_what_each_device_said_last() {
    for seed in 1..=10 {
        let report = told(seed, None);
        let red: Vec<_> = report.invariants.iter().filter(|i| i.violations > 0).collect();
        assert!(red.is_empty(), "seed {seed}: {red:#?}");
        let checked = report.invariants.iter().find(|i| i.id == "INV-CENSUS-1").unwrap();
        assert!(checked.checked >= 9, "each host was asked three times: {checked:?}");
    }
    let red = (1..=10).find(|seed| {
        let report = told(*seed, Some(Planted::OldStock));
        Planted::OldStock.is_red_in(&report)
    });
    println!("first-inventory-for-ever is red at seed {red:?}");
    assert!(red.is_some(), "the defect is not seen");
}

fn told(seed: u64, planted: Option<Planted>) -> Report {
    let plan = Plan::read(PLAN, None).unwrap();
    let mut stage = Stage::set(&plan, &policy(), &["a", "b", "c"], seed, planted).unwrap();
    stage.pass(Duration::from_secs(5));
    (0..3).for_each(|node| stage.look(node, found("codex")));
    stage.pass(SAID_AGAIN);
    let all = [Population::Answered; 3];
    (0..3).for_each(|node| lists(&mut stage, node, planted, &all));
    let refuses =
        Inventory { agents: Vec::new(), connectors: Vec::new(), untold: Some(Untold::Refused) };
    stage.look(1, refuses);
    stage.look(0, found("goose"));
    stage.pass(SAID_AGAIN);
    stage.cut(2);
    stage.pass(Duration::from_secs(30));
    let cut = [Population::Answered, Population::Refused, Population::NotReachable];
    (0..2).for_each(|node| lists(&mut stage, node, planted, &cut));
    stage.look(2, found("aider"));
    let alone = [Population::NotReachable, Population::Refused, Population::Answered];
    lists(&mut stage, 2, planted, &alone);
    stage.heal(2);
    stage.look(1, found("codex"));
    stage.pass(SAID_AGAIN);
    (0..3).for_each(|node| lists(&mut stage, node, planted, &all));
    stage.end()
}

/// Asks a host for the list; what it counts is what happened.
fn lists(stage: &mut Stage, node: usize, planted: Option<Planted>, wanted: &[Population]) {
    let Answer::Devices(reports) = stage.ask(node, Request::Devices).unwrap() else {
        panic!("a list of devices")
    };
    let counted: Vec<Population> = reports.iter().map(|report| report.population()).collect();
    assert!(planted.is_some() || counted == wanted, "node {node}: {reports:#?}");
}

fn found(word: &str) -> Inventory {
    let agent =
        AgentHere { agent: word.into(), version: None, program: Some([7; 32]), governed_as: None };
    Inventory { agents: vec![agent], connectors: Vec::new(), untold: None }
}

fn policy() -> Policy {
    let mode = Mode::Observe;
    Policy {
        rules: "@id(\"all\") permit (principal, action, resource);".into(),
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
