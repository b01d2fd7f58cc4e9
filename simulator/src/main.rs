//! The `belay-sim` binary: runs a plan from a seed, prints what the checkers found.
//!
//! The seed stands first, so that a run that never ends can be run again. A red run prints the line
//! that runs it again and exits 7.

use belay_simulator::{Plan, Planted, Report, run};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const WRONG_USE: u8 = 2;
const FOUND: u8 = 7;

#[derive(Parser)]
#[command(name = "belay-sim", version, about = "Fleets of the real engine in virtual time")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a plan from its seed to its end.
    Run(RunArgs),
}

#[derive(Args)]
struct RunArgs {
    /// The plan, a TOML file.
    plan: PathBuf,
    /// The seed; drawn from the clock if none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many runs, from this seed on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many devices, instead of the plan's number.
    #[arg(long)]
    nodes: Option<usize>,
    /// A defect to plant; runs until its checker is red.
    #[arg(long)]
    plant: Option<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    match perform(&args) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("belay-sim: {why}");
            ExitCode::from(WRONG_USE)
        }
    }
}

fn perform(args: &RunArgs) -> Result<ExitCode, String> {
    let path = args.plan.display();
    let text = std::fs::read_to_string(&args.plan).map_err(|error| format!("{path}: {error}"))?;
    let plan = Plan::read(&text, args.nodes).map_err(|error| format!("{path}: {error}"))?;
    let planted = args.plant.as_deref().map(planted_named).transpose()?;
    let first = args.seed.unwrap_or_else(drawn);
    let mut code = ExitCode::SUCCESS;
    for seed in first..first.saturating_add(args.seeds) {
        eprintln!("seed {seed}");
        let began = Instant::now();
        let mut report = run(&plan, seed, planted);
        report.wall_s = began.elapsed().as_secs_f64();
        report.rss_mb = rss_mb();
        show(args, &report);
        if !report.is_green() {
            eprintln!("run it again: {}", again(args, seed));
            code = ExitCode::from(FOUND);
        }
        if planted.is_some_and(|planted| is_red(&report, planted)) {
            eprintln!("red after {} runs", seed - first + 1);
            break;
        }
    }
    Ok(code)
}

fn planted_named(word: &str) -> Result<Planted, String> {
    Planted::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Planted::ALL.iter().map(|planted| planted.as_str()).collect();
        format!("“{word}” is no planted defect; one of {}", words.join(", "))
    })
}

fn is_red(report: &Report, planted: Planted) -> bool {
    report.invariants.iter().any(|i| i.id == planted.breaks() && i.violations > 0)
}

fn show(args: &RunArgs, report: &Report) {
    if args.json {
        let missing: [&str; 0] = [];
        let as_of = unix_ms();
        let envelope = json!({
            "schema": "belay.sim.run/1",
            "as_of": as_of,
            "complete": true,
            "missing": missing,
            "data": report,
        });
        println!("{envelope}");
        return;
    }
    println!("fingerprint {}", report.fingerprint);
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
        "{} events, {} inputs in {:.2} s, {} MB; {} permits, {} denials, {} stranded; refusals {:?}",
        report.events,
        report.engine_inputs,
        report.wall_s,
        report.rss_mb,
        report.permits,
        report.denials,
        report.stranded,
        report.refusals
    );
}

fn again(args: &RunArgs, seed: u64) -> String {
    let mut line = format!("belay-sim run {} --seed {seed}", args.plan.display());
    if let Some(nodes) = args.nodes {
        line += &format!(" --nodes {nodes}");
    }
    if let Some(planted) = &args.plant {
        line += &format!(" --plant {planted}");
    }
    line
}

fn drawn() -> u64 {
    unix_ms() % 1_000_000
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The most memory this process has had, as the system counts it; 0 where it does not say.
fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kb.unwrap_or(0) / 1024
}
