//! What enrolments cost: how much a process grows for every thousand devices of a fleet.
//!
//! One process founds a fleet, writes what a member's disk holds to a file and starts another; that
//! one starts an engine over a fleet of one device, reads its own resident memory, then starts one
//! over the file and reads it again. So nothing that founded the fleet is counted, nor memory that
//! it had and gave back.
//!
//! Refused here: a disk's cache, and links; an engine alone is measured.

use super::unix_ms;
use crate::Plan;
use crate::fleet::{Fleet, RING};
use belay_identity::{FleetId, SecretKey, Signed, Statement};
use belay_mesh::{BootTime, Config, Engine, Now, Restored};
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

const PLAN: &str = include_str!("../../../configs/plans/walk.toml");

#[derive(Args)]
pub(super) struct EnrolArgs {
    /// Devices of the fleet.
    #[arg(long, default_value_t = 10_000)]
    devices: usize,
    /// How often it is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Measure over this file, in this process.
    #[arg(long, hide = true)]
    from: Option<PathBuf>,
}

/// A file that goes when it is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It lies in the system's own temporary folder, which is swept if this fails.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Measures, and shows what was found.
pub(super) fn enrol(args: &EnrolArgs) -> Result<ExitCode, String> {
    if let Some(from) = &args.from {
        println!("{}", grown_kb(from)?);
        return Ok(ExitCode::SUCCESS);
    }
    let name = format!("belay-sim-enrol-{}", std::process::id());
    let file = Scratch(std::env::temp_dir().join(name));
    write_disk(&file.0, args.devices)?;
    let mut grown = Vec::new();
    for _ in 0..args.rounds.max(1) {
        grown.push(in_a_child(&file.0)? as f64 / args.devices as f64 * 1_000.0);
    }
    grown.sort_by(f64::total_cmp);
    let at = |place: usize| grown.get(place).copied().unwrap_or(0.0);
    let [median, low, high] = [at(grown.len() / 2), at(0), at(grown.len() - 1)];
    if args.json {
        let missing: [&str; 0] = [];
        println!(
            "{}",
            json!({
                "schema": "belay.sim.enrol/1",
            "as_of": unix_ms(),
            "complete": true,
            "missing": missing,
                "data": { "devices": args.devices, "rounds": grown.len(),
                    "kb_per_1000": { "median": median, "low": low, "high": high } },
            })
        );
    } else {
        let (devices, rounds) = (args.devices, grown.len());
        println!("{devices} devices, {rounds} rounds: {median:.0} kB for every 1,000 enrolments");
        println!("({low:.0} to {high:.0})");
    }
    Ok(ExitCode::SUCCESS)
}

fn in_a_child(file: &Path) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let ran = Command::new(program).args(["bench", "enrol", "--from"]).arg(file).output();
    let ran = ran.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&ran.stdout);
    said.trim().parse().map_err(|_| format!("the measuring process said “{said}”"))
}

/// The fleet, the device's key, then every statement with its length before it.
fn write_disk(file: &Path, devices: usize) -> Result<(), String> {
    let plan = Plan::read(PLAN, Some(devices.max(2))).map_err(|error| error.to_string())?;
    let fleet = Fleet::found(&plan, 1).map_err(|error| error.to_string())?;
    let write = || -> std::io::Result<()> {
        let mut to = BufWriter::new(File::create(file)?);
        to.write_all(&fleet.id.0)?;
        to.write_all(&fleet.devices[0].secret)?;
        for statement in fleet.devices[0].disk.iter() {
            let bytes = statement.bytes();
            to.write_all(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes())?;
            to.write_all(bytes)?;
        }
        to.flush()
    };
    write().map_err(|error| format!("{}: {error}", file.display()))
}

/// How much this process grows from an engine over a small fleet to one over the file besides.
fn grown_kb(file: &Path) -> Result<u64, String> {
    let plan = Plan::read(PLAN, Some(2)).map_err(|error| error.to_string())?;
    let small = Fleet::found(&plan, 1).map_err(|error| error.to_string())?;
    let disk = small.devices[0].disk.to_vec();
    let first = started(small.id, small.devices[0].secret, disk);
    let before = resident_kb()?;
    let (fleet, secret, disk) = read_disk(file)?;
    let second = started(fleet, secret, disk);
    let after = resident_kb()?;
    drop((first, second));
    Ok(after.saturating_sub(before))
}

type Disk = Vec<Arc<belay_identity::Verified<Statement>>>;

fn read_disk(file: &Path) -> Result<(FleetId, [u8; 32], Disk), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut from = BufReader::new(File::open(file).map_err(wrong)?);
    let (mut fleet, mut secret, mut disk) = ([0; 32], [0; 32], Vec::new());
    from.read_exact(&mut fleet).and_then(|()| from.read_exact(&mut secret)).map_err(wrong)?;
    let fleet = FleetId(fleet);
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut bytes).map_err(wrong)?;
        let signed = Signed::<Statement>::parse(&bytes).and_then(|signed| signed.verify(&fleet));
        disk.push(Arc::new(signed.map_err(|error| error.to_string())?));
    }
    Ok((fleet, secret, disk))
}

fn started(fleet: FleetId, secret: [u8; 32], statements: Disk) -> Engine {
    let device = SecretKey::from_seed(&secret);
    let (ring, tighten, lends) = (RING.to_owned(), None, None);
    let config = Config { fleet, device, seed: [1; 32], ring, tighten, lends };
    let now = Now { boot: BootTime(0), wall_ms: crate::clock::WALL_AT_START_MS };
    Engine::new(config, now, Restored { statements, bodies: Vec::new() })
}

/// The resident memory of this process, as the system counts it.
fn resident_kb() -> Result<u64, String> {
    let path = "/proc/self/status";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    number.ok_or_else(|| format!("{path} names no resident memory"))
}
