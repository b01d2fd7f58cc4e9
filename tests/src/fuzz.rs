//! Coverage-guided search for bytes that break a decoder: `house fuzz [TARGET] [SECONDS]`.
//!
//! The targets are tests (`tests/tests/fuzz.rs`); here the test program is built once more with
//! LLVM's edge counters, which stable Rust can pass on, and libFuzzer leads each target for a
//! while. What it learnt stays in the target folder and is where the next search begins. Each
//! target ends with one line of JSON; progress goes to a file beside its corpus.
//!
//! Refused here: the address sanitizer, which needs a nightly compiler; our code has no `unsafe`.

use crate::cargo::cargo;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How long each target is searched unless told, seconds.
pub const SECONDS: u64 = 600;

/// The longest input, bytes: every bound on counts is reached below it, and speed stays.
const LENGTH_MAX: usize = 16 * 1024;
/// What libFuzzer may hold, MiB: its corpus and tables beside the 64 MiB of a target.
const MEMORY_MIB_MAX: u64 = 1024;
/// When one input counts as a hang, seconds of wall time: a busy machine is no hang.
const HANG_SECONDS: u64 = 20;

/// In what Linux counts processor time towards programs, on every system that we build for.
const TICKS_PER_SECOND: u64 = 100;

/// Edge counters, a table of places, and comparisons; how `cargo bolero` does it. The package's
/// other programs are linked without libFuzzer and never run.
const FLAGS: &str = "--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Clink-arg=-Wl,--unresolved-symbols=ignore-all";

/// What a search lacks here; nothing when it can run.
pub fn missing() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |program: &str| std::env::split_paths(&path).any(|f| f.join(program).is_file());
    let compiler = std::env::var_os("CXX").is_some() || is_here("c++");
    (!compiler).then(|| "`c++` on PATH, to build libFuzzer".to_owned()).into_iter().collect()
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing was found.
    Clean,
    /// Some bytes break a target.
    Broken,
}

/// Searches one target or all, each for so many seconds; prints a line of JSON for each.
///
/// # Errors
/// What could not be built or started, or a name that no target has.
pub fn run(only: Option<&str>, seconds: u64) -> Result<Ended, String> {
    let program = build()?;
    let all = targets(&program)?;
    let chosen: Vec<&String> =
        all.iter().filter(|test| only.is_none_or(|only| name_of(test) == only)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|test| name_of(test)).collect();
        return Err(format!("no such target; name one of {}", names.join(", ")));
    }
    let mut ended = Ended::Clean;
    for test in chosen {
        let found = search(&program, test, seconds)?;
        println!("{}", found.line);
        if found.crashes > 0 {
            ended = Ended::Broken;
        }
    }
    Ok(ended)
}

fn name_of(test: &str) -> &str {
    test.rsplit("::").next().unwrap_or(test)
}

/// Builds the test program with edge counters; where it stands.
fn build() -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["test", "-p", "belay-tests", "--test", "main", "--no-run", "--locked"]);
    // With a target named, what runs while building is built without counters.
    build.args(["--profile", "fuzz", "--message-format", "json", "--target", &host()?]);
    build.env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let built = build.stderr(Stdio::inherit()).output().map_err(|e| format!("cargo: {e}"))?;
    let lines = String::from_utf8_lossy(&built.stdout);
    let program = |line: &str| {
        let said: Value = serde_json::from_str(line).ok()?;
        let is_main = said.get("target")?.get("name")? == "main";
        is_main.then(|| said.get("executable")?.as_str().map(PathBuf::from)).flatten()
    };
    let found = lines.lines().filter_map(program).next_back();
    found.filter(|_| built.status.success()).ok_or_else(|| "the build did not succeed".into())
}

/// The system this compiler builds for.
fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("-vV").output().map_err(|e| format!("rustc: {e}"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.ok_or_else(|| "rustc does not say its host".into())
}

/// The tests that are targets, by their whole names.
fn targets(program: &Path) -> Result<Vec<String>, String> {
    let listed = Command::new(program).args(["fuzz::", "--list", "--format", "terse"]).output();
    let listed = listed.map_err(|e| format!("{}: {e}", program.display()))?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let tests = text.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_target = |test: &&str| {
        ["disk", "drafts", "texts", "wire"].iter().any(|m| test.contains(&format!("::{m}::")))
    };
    Ok(tests.filter(is_target).map(str::to_owned).collect())
}

/// What one search came to.
struct Search {
    crashes: usize,
    line: Value,
}

fn search(program: &Path, test: &str, seconds: u64) -> Result<Search, String> {
    let name = name_of(test);
    let top = program.ancestors().nth(4).unwrap_or(program).join("fuzz-corpus").join(name);
    let [corpus, found] = ["corpus", "found"].map(|folder| top.join(folder));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let before = files(&found);
    let mut child = start(program, test, &corpus, &found, seconds)?;
    let told = follow(&mut child, &top.join("log"));
    let status = child.wait().map_err(|e| e.to_string())?;
    let mut new = files(&found);
    new.retain(|file| !before.contains(file));
    let crashes = new.len().max(usize::from(!status.success()));
    let line = json!({
        "target": name,
        "seconds": seconds,
        "cpu_s": told.cpu_s,
        "executions": told.executions,
        "edges": told.edges,
        "features": told.features,
        "corpus": files(&corpus).len(),
        "peak_rss_mib": told.peak_rss_mib,
        "slowest_s": told.slowest_s,
        "crashes": crashes,
        "found": new,
    });
    Ok(Search { crashes, line })
}

fn start(
    program: &Path,
    test: &str,
    corpus: &Path,
    found: &Path,
    seconds: u64,
) -> Result<Child, String> {
    let (seeds, found) = (corpus.display().to_string(), found.display().to_string());
    if [&seeds, &found].iter().any(|path| path.contains(' ')) {
        return Err(format!("{seeds}: libFuzzer takes no path with a space; set CARGO_TARGET_DIR"));
    }
    let lead = format!(
        "{seeds} -artifact_prefix={found}/ -max_total_time={seconds} -timeout={HANG_SECONDS} \
         -rss_limit_mb={MEMORY_MIB_MAX} -max_len={LENGTH_MAX} -print_final_stats=1"
    );
    Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("BOLERO_LIBFUZZER_ARGS", lead)
        .env("BELAY_FUZZ_SEEDS", corpus)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", program.display()))
}

/// What libFuzzer tells.
#[derive(Default)]
struct Told {
    executions: u64,
    edges: u64,
    features: u64,
    peak_rss_mib: u64,
    slowest_s: u64,
    cpu_s: u64,
}

/// Reads what libFuzzer says to its end, and keeps it in a file.
fn follow(child: &mut Child, log: &Path) -> Told {
    let mut told = Told::default();
    let mut log = File::create(log).ok();
    let Some(said) = child.stderr.take() else { return told };
    for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        told.take(&line);
        told.cpu_s = cpu_s(child.id()).unwrap_or(told.cpu_s);
        if let Some(log) = &mut log {
            // The log is for people; the search does not end with it.
            let _ = writeln!(log, "{line}");
        }
    }
    told
}

impl Told {
    fn take(&mut self, line: &str) {
        let after = |word: &str| {
            let rest = line.split_once(word)?.1.trim_start();
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..digits].parse::<u64>().ok()
        };
        let keep = |place: &mut u64, found: Option<u64>| *place = found.unwrap_or(*place);
        if line.starts_with('#') {
            keep(&mut self.executions, after("#"));
            keep(&mut self.edges, after(" cov: "));
            keep(&mut self.features, after(" ft: "));
        }
        keep(&mut self.executions, after("stat::number_of_executed_units:"));
        keep(&mut self.slowest_s, after("stat::slowest_unit_time_sec:"));
        keep(&mut self.peak_rss_mib, after("stat::peak_rss_mb:"));
    }
}

/// Processor time of a process so far, seconds (proc_pid_stat(5), fields 14 and 15).
fn cpu_s(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().ok());
    let ticks = ticks.sum::<Option<u64>>()?;
    Some(ticks / TICKS_PER_SECOND)
}

/// The files of a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: figures are read from what libFuzzer prints, pulses and final lines alike.
    #[test]
    fn what_libfuzzer_prints_is_read() {
        let mut told = Told::default();
        told.take("#8192\tpulse  cov: 1201 ft: 3310 corp: 92/11Kb lim: 431 exec/s: 4096 rss: 61Mb");
        assert_eq!((told.executions, told.edges, told.features), (8192, 1201, 3310));
        for line in [
            "stat::number_of_executed_units: 9001",
            "stat::slowest_unit_time_sec:    2",
            "stat::peak_rss_mb:              77",
            "==1== ERROR: libFuzzer: deadly signal",
        ] {
            told.take(line);
        }
        assert_eq!((told.executions, told.slowest_s, told.peak_rss_mib), (9001, 2, 77));
        assert_eq!(told.edges, 1201);
    }
}
