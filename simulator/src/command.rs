//! The command line: run a plan from a seed, sweep many seeds, show planted defects red, measure.
//!
//! The seed stands first, so that a run that never ends can be run again. A red run prints the line
//! that runs it again and exits 7. This is the one place of the room that reads a clock: how long a
//! run took, and the seed where none is given.
//!
//! Refused here: judging; checkers have done so.

mod bench;
mod defects;
mod enrol;
mod gate;
mod hostile;
mod show;
mod sweep;
mod trial;

use crate::{Plan, Planted};
use clap::{Args, Parser, Subcommand};
pub use gate::gate_workload;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// Run a plan from its seed to its end, or from many seeds.
    Run(RunArgs),
    /// Name the defects that can be planted; with a plan, run each until its checker is red.
    Defects(defects::DefectsArgs),
    /// Set a thief with keys on a fleet, and see what he gets.
    #[command(subcommand)]
    Trial(trial::TrialCommand),
    /// Measure the engine itself.
    #[command(subcommand)]
    Bench(BenchCommand),
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Statements checked and taken in per second, beside bare signature checks.
    Intake(bench::IntakeArgs),
    /// A decision of the gate, beside Cedar over the same rules.
    Gate(gate::GateArgs),
    /// What a hostile operator's drafts cost: time to refuse, and memory.
    Drafts(hostile::DraftsArgs),
    /// Memory that every thousand enrolments cost a node.
    Enrol(enrol::EnrolArgs),
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    world: WorldArgs,
    /// How many runs, from this seed on; they share the cores.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// A defect to plant, by its name in `belay-sim defects`; runs until its checker is red.
    #[arg(long)]
    plant: Option<String>,
}

/// Which world.
#[derive(Args)]
struct WorldArgs {
    /// The plan, a TOML file.
    plan: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// How worlds are run and shown.
#[derive(Args, Clone)]
struct Options {
    /// The first seed; drawn from the clock if none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many devices, instead of the plan's number.
    #[arg(long)]
    nodes: Option<usize>,
    /// Worlds at once, each on a thread of its own; as many as there are cores if none is given.
    #[arg(long)]
    threads: Option<usize>,
    /// JSON on standard output, one object a line.
    #[arg(long)]
    json: bool,
}

/// Does what the arguments of this process ask for.
pub fn start() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => sweep::run(&args),
        Command::Trial(command) => trial::run(&command),
        Command::Defects(args) => defects::run(&args),
        Command::Bench(BenchCommand::Intake(args)) => bench::intake(&args),
        Command::Bench(BenchCommand::Gate(args)) => gate::gate(&args),
        Command::Bench(BenchCommand::Drafts(args)) => hostile::drafts(&args),
        Command::Bench(BenchCommand::Enrol(args)) => enrol::enrol(&args),
    };
    done.unwrap_or_else(|why| {
        eprintln!("belay-sim: {why}");
        ExitCode::from(WRONG_USE)
    })
}

impl WorldArgs {
    fn read(&self) -> Result<Plan, String> {
        let path = self.plan.display();
        let text =
            std::fs::read_to_string(&self.plan).map_err(|error| format!("{path}: {error}"))?;
        Plan::read(&text, self.options.nodes).map_err(|error| format!("{path}: {error}"))
    }

    /// The line that runs one of these worlds again.
    fn again(&self, seed: u64, planted: Option<Planted>) -> String {
        let mut line = format!("belay-sim run {} --seed {seed}", self.plan.display());
        if let Some(nodes) = self.options.nodes {
            line += &format!(" --nodes {nodes}");
        }
        if let Some(planted) = planted {
            line += &format!(" --plant {planted}");
        }
        line
    }
}

impl Options {
    fn first_seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| unix_ms() % 1_000_000)
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores).max(1)
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
