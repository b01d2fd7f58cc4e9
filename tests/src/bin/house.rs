//! The `house` command: the rules of the house, its golden bytes, and the tiers that need more
//! than a plain machine.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use or a tier that cannot run, 7 a rule is broken.

use belay_node::demo::cast::WHOLE;
use belay_tests::cargo::cargo;
use belay_tests::{foreign, fuzz, golden, house, story};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: house check | bless | by-hand | real [TIMES] | real-here [TIMES] | bare | \
                     kills [TIMES] | offload [TIMES] | payload [TIMES] | half-open [TIMES] | \
                     blocked-udp [TIMES] | behind-nat [TIMES] | local-network [TIMES] | \
                     roaming [TIMES] | fuzz [TARGET] [SECONDS] | foreign [first-hour | agents [AGENT] | gateway]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check"] => check(),
        ["bless"] => bless(),
        ["by-hand"] => by_hand(),
        ["real"] => real(story::real::TIMES),
        ["real", times] => match times.parse() {
            Ok(times) => real(times),
            Err(_no_number) => usage(),
        },
        ["real-here"] => real_here(story::real::TIMES),
        ["real-here", times] => times.parse().map_or_else(|_no_number| usage(), real_here),
        ["bare"] => needing("bare", &story::real::missing_here(), story::real::bare),
        ["kills"] => kills(story::real::TIMES),
        ["kills", times] => times.parse().map_or_else(|_no_number| usage(), kills),
        ["offload"] => offload(story::lending::TIMES),
        ["offload", times] => times.parse().map_or_else(|_no_number| usage(), offload),
        ["roaming"] => roaming(story::real::MOVES),
        ["roaming", times] => times.parse().map_or_else(|_no_number| usage(), roaming),
        ["payload"] => payload(PAYLOAD_TIMES),
        ["payload", times] => times.parse().map_or_else(|_no_number| usage(), payload),
        ["fuzz"] => search(None, fuzz::SECONDS),
        ["fuzz", one] => match one.parse() {
            Ok(seconds) => search(None, seconds),
            Err(_a_name) => search(Some(one), fuzz::SECONDS),
        },
        ["fuzz", target, seconds] => {
            seconds.parse().map_or_else(|_no_number| usage(), |time| search(Some(target), time))
        }
        ["half-open"] => half_open(story::half_open::TIMES),
        ["half-open", times] => times.parse().map_or_else(|_no_number| usage(), half_open),
        ["behind-nat"] => behind_nat(1),
        ["behind-nat", times] => times.parse().map_or_else(|_no_number| usage(), behind_nat),
        ["blocked-udp", times] => times.parse().map_or_else(|_no_number| usage(), blocked_udp),
        ["local-network"] => local_network(1),
        ["local-network", times] => times.parse().map_or_else(|_no_number| usage(), local_network),
        ["foreign"] => foreign(foreign::run),
        ["foreign", "agents"] => foreign(foreign::run_agents),
        ["foreign", "agents", agent] => foreign(|exe| foreign::run_agent(agent, exe)),
        ["foreign", "gateway"] => foreign(foreign::run_mcp),
        ["foreign", "first-hour"] => foreign(foreign::run_first_hour),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn check() -> ExitCode {
    let mut found = match house::check(&house::top()) {
        Ok(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Err(error) => {
            eprintln!("house check: the checkout cannot be read: {error}");
            return ExitCode::from(1);
        }
    };
    let golden = golden::compare(&golden::folder());
    found.extend(golden.into_iter().map(|complaint| format!("tests/golden/{complaint}")));
    for complaint in &found {
        println!("{complaint}");
    }
    eprintln!("house check: {} complaints", found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(7) }
}

fn bless() -> ExitCode {
    match golden::bless(&golden::folder()) {
        Ok(files) => {
            eprintln!(
                "house bless: {files} files written; read the difference before you commit it"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("house bless: {error}");
            ExitCode::from(1)
        }
    }
}

/// Types the README's block for real devices; stdout is what the terminals showed.
fn by_hand() -> ExitCode {
    let readme = match std::fs::read_to_string(house::top().join("README.md")) {
        Ok(readme) => readme,
        Err(error) => {
            eprintln!("house by-hand: README.md: {error}");
            return ExitCode::from(1);
        }
    };
    let Some(belay) = build_belay() else {
        eprintln!("house by-hand: nothing was typed, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    played(|| print!("{}", story::by_hand::by_hand(&belay, &readme)))
}

/// One part of the real tier alone: the demo with a node killed at each phase.
fn kills(times: usize) -> ExitCode {
    let Some(belay) = build_belay() else {
        eprintln!("house kills: nothing was run, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    played(|| story::matrix::run(&belay, &WHOLE, times))
}

/// One part of the real tier alone: a phone that changes its address.
fn roaming(times: usize) -> ExitCode {
    let missing = story::real::missing();
    if !missing.is_empty() {
        eprintln!("house roaming: nothing was run, this is missing: {}", missing.join("; "));
        return ExitCode::from(2);
    }
    let Some(belay) = build_belay() else {
        eprintln!("house roaming: nothing was run, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    played(|| story::real::roaming(&belay, times.max(1)))
}

/// Transfers of each kind.
const PAYLOAD_TIMES: usize = 20;

/// The payload lane beside raw quinn, and orders beside payloads; stdout is one line of JSON.
fn payload(times: usize) -> ExitCode {
    let measured = tempfile::tempdir()
        .and_then(|folder| belay_node::transport::measure::measure(folder.path(), times.max(1)));
    match measured.map(|measured| serde_json::json!({ "payload": measured })) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("house payload: {error}");
            ExitCode::from(1)
        }
    }
}

/// Connections and joins in peace and while 2,000 handshakes are half open.
fn half_open(times: usize) -> ExitCode {
    let Some(belay) = build_belay() else {
        eprintln!("house half-open: nothing was run, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    played(|| story::half_open::run(&belay, times))
}

/// One part of the real tier alone: two devices that nobody can dial; needs root.
fn behind_nat(times: usize) -> ExitCode {
    let missing = story::real::missing();
    if !missing.is_empty() {
        eprintln!("house behind-nat: nothing was run, this is missing: {}", missing.join("; "));
        return ExitCode::from(2);
    }
    let Some(belay) = build_belay() else {
        eprintln!("house behind-nat: nothing was run, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    played(|| story::behind_nat::run(&belay, times))
}

/// One part of the real tier alone: joins through a router that drops UDP; needs root.
fn blocked_udp(times: usize) -> ExitCode {
    let Some(belay) = build_belay() else {
        eprintln!(
            "house blocked-udp: nothing was run, `cargo build -p belay-node` did not succeed"
        );
        return ExitCode::from(2);
    };
    played(|| story::blocked_udp::run(&belay, times))
}

/// One part of the real tier alone: devices that find each other by mDNS; needs root.
fn local_network(times: usize) -> ExitCode {
    needing("local-network", &story::real::missing(), |belay| {
        story::local_network::run(belay, times);
    })
}

/// Success when nothing panicked; what did not hold has been said already.
fn played(play: impl FnOnce() + std::panic::UnwindSafe) -> ExitCode {
    match std::panic::catch_unwind(play) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_panicked) => ExitCode::from(1),
    }
}

/// The long stories, and those that need root; each prints its figures.
fn real(times: usize) -> ExitCode {
    needing("real", &story::real::missing(), |belay| story::real::run(belay, times))
}

/// The same without the parts that make networks of their own.
fn real_here(times: usize) -> ExitCode {
    needing("real-here", &story::real::missing_here(), |belay| story::real::run_here(belay, times))
}

/// Plays parts of the real tier, or says what they lack here.
fn needing(
    word: &str,
    missing: &[String],
    play: impl FnOnce(&Path) + std::panic::UnwindSafe,
) -> ExitCode {
    if !missing.is_empty() {
        eprintln!("house {word}: nothing was run, this is missing: {}", missing.join("; "));
        return ExitCode::from(2);
    }
    let Some(belay) = build_belay() else {
        eprintln!("house {word}: nothing was run, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    played(|| play(&belay))
}

/// Other people's programs, from the registries; says which versions it ran against.
fn foreign(run: impl Fn(&Path) -> Result<(), String> + std::panic::RefUnwindSafe) -> ExitCode {
    let missing = foreign::missing();
    if !missing.is_empty() {
        eprintln!("house foreign: nothing was run, this is missing: {}", missing.join("; "));
        return ExitCode::from(2);
    }
    let Some(belay) = build_belay() else {
        eprintln!("house foreign: nothing was run, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    match std::panic::catch_unwind(|| run(&belay)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(why)) => {
            eprintln!("house foreign: it did not run to its end, this is missing: {why}");
            ExitCode::from(2)
        }
        Err(_panicked) => ExitCode::from(1),
    }
}

/// Searches for bytes that break a decoder; stdout has a line of JSON for each target.
fn search(target: Option<&str>, seconds: u64) -> ExitCode {
    let missing = fuzz::missing();
    if !missing.is_empty() {
        eprintln!("house fuzz: nothing was run, this is missing: {}", missing.join("; "));
        return ExitCode::from(2);
    }
    match fuzz::run(target, seconds) {
        Ok(fuzz::Ended::Clean) => ExitCode::SUCCESS,
        Ok(fuzz::Ended::Broken) => ExitCode::from(1),
        Err(why) => {
            eprintln!("house fuzz: {why}");
            ExitCode::from(2)
        }
    }
}

/// How long lent work takes to start, beside the bare parts of it.
fn offload(times: usize) -> ExitCode {
    let Some(belay) = build_belay() else {
        eprintln!("house offload: nothing was run, `cargo build -p belay-node` did not succeed");
        return ExitCode::from(2);
    };
    match std::panic::catch_unwind(|| story::lending::run(&belay, times.max(1))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_panicked) => ExitCode::from(1),
    }
}

/// Builds the `belay` command beside this one, in the same profile.
fn build_belay() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let mut build = cargo();
    build.args(["build", "-p", "belay-node", "--locked"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    build.status().ok()?.success().then(|| folder.join("belay"))
}
