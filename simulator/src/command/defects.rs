//! Planted defects: their names, and that each turns its checker red.
//!
//! A zero of the checkers counts only because of this: each defect is found, within the runs that
//! are allowed, and how many it took is told. Refused here: calling a defect found by another
//! checker than its own.

use super::sweep::{Runs, first_red};
use super::{FOUND, Options, WorldArgs, unix_ms};
use crate::Planted;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs within which a planted defect must be found (DESIGN 13).
const RUNS_MAX: u64 = 1_000;

#[derive(Args)]
pub(super) struct DefectsArgs {
    /// The plan in which each is shown; without one they are only named.
    plan: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Runs within which each must be found.
    #[arg(long, default_value_t = RUNS_MAX)]
    seeds: u64,
}

/// Names every defect; with a plan, runs each until its checker is red.
pub(super) fn run(args: &DefectsArgs) -> Result<ExitCode, String> {
    let Some(plan) = args.plan.clone() else {
        for planted in Planted::ALL {
            println!("{:24} {}", planted.as_str(), planted.breaks());
        }
        return Ok(ExitCode::SUCCESS);
    };
    let options = args.options.clone();
    let (first, threads, json) = (options.first_seed(), options.threads(), options.json);
    let world = WorldArgs { plan, options };
    let plan = world.read()?;
    let mut rows = Vec::new();
    for planted in Planted::ALL.iter().copied().filter(|one| one.shows_in(&plan)) {
        if let Some(test) = planted.shown_by() {
            if !json {
                println!("{:24} {:12} shown by {test}", planted.as_str(), planted.breaks());
            }
            continue;
        }
        eprintln!("{planted} from seed {first}");
        let runs = Runs { plan: &plan, planted: Some(planted), threads };
        let red = first_red(&world, &runs, planted, first..first.saturating_add(args.seeds));
        let took = red.map(|seed| seed - first + 1);
        if !json {
            let told = took.map_or("never red".to_owned(), |runs| format!("red after {runs} runs"));
            println!("{:24} {:12} {told}", planted.as_str(), planted.breaks());
        }
        rows.push((planted, took));
    }
    if json {
        println!("{}", envelope(&rows));
    }
    let all = rows.iter().all(|(_, took)| took.is_some());
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn envelope(rows: &[(Planted, Option<u64>)]) -> Value {
    let missing: Vec<&str> = rows
        .iter()
        .filter(|(_, took)| took.is_none())
        .map(|(planted, _)| planted.as_str())
        .collect();
    let row = |(planted, took): &(Planted, Option<u64>)| json!({ "name": planted.as_str(), "breaks": planted.breaks(), "runs_to_red": took });
    json!({
        "schema": "belay.sim.defects/1",
        "as_of": unix_ms(),
        "complete": missing.is_empty(),
        "missing": missing,
        "data": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// The defect of this name.
pub(super) fn named(word: &str) -> Result<Planted, String> {
    Planted::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Planted::ALL.iter().map(|planted| planted.as_str()).collect();
        format!("“{word}” is no planted defect; one of {}", words.join(", "))
    })
}
