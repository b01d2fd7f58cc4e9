//! The tier that takes long or needs root: `house real`.
//!
//! Each part prints what it measured, with how often, the median and the spread; a part that finds
//! something wrong panics with its name. Refused here: a figure of a run that did not hold.

use super::behind_nat;
use super::blocked_udp;
use super::by_hand::by_hand;
use super::command::Belay;
use super::figures::Figures;
use super::kill_run::{Blow, KillRun, kill_run};
use super::local_network;
use super::matrix;
use super::nodes::{LAPTOP, Nodes};
use super::order_run::order_run;
use super::roaming;
use super::waiting::{SOON, must, wait_for};
use crate::house;
use belay_node::demo::cast::WHOLE;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Demos in a row.
const DEMOS: usize = 20;
/// Nodes killed under running work, and the most that any part is repeated.
pub const TIMES: usize = 100;
/// Joins through a router, each way.
const BLOCKED: usize = 5;
/// Nodes stopped in the middle of a step.
const PAUSES: usize = 10;
/// Addresses that a phone takes one after the other.
pub const MOVES: usize = 10;
/// Delegators killed under work that they gave.
const GIVER_KILLS: usize = 10;
/// A tree is frozen as soon as the kernel runs its warden; a busy machine takes its time.
const SCHEDULING_MS: i64 = 100;
/// Nodes killed while an order is given, two milliseconds later each time.
const ORDERS: u32 = 60;
const ORDER_STEP: Duration = Duration::from_millis(2);
/// The longest that one demo may take.
const DEMO_MAX: Duration = Duration::from_secs(120);
/// Room for a new state with its reserve, and for little more.
const SMALL_DISK: &str = "size=3m,mode=0700";

/// What the parts without networks lack here; nothing when they can run.
pub fn missing_here() -> Vec<String> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push("root, to mount a small disk and to make networks".to_owned());
    }
    missing.extend(not_on_path(&["mount", "umount", "setsid", "sh", "unshare"]));
    missing
}

/// What this tier lacks here; nothing when it can run.
pub fn missing() -> Vec<String> {
    let mut missing = missing_here();
    missing.extend(not_on_path(&["ip", "sysctl"]));
    if missing.is_empty() && !makes_networks() {
        missing.push("network namespaces of its own, with forwarding".to_owned());
    }
    missing
}

fn not_on_path(programs: &[&str]) -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there =
        |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    programs.iter().filter(|one| !there(one)).map(|one| format!("`{one}` on PATH")).collect()
}

/// True when a network namespace can be made here, and told to forward; it is taken away again.
fn makes_networks() -> bool {
    let name = format!("belay-try-{}", std::process::id());
    let done = |words: &[&str]| {
        let out = Command::new("ip").args(words).output();
        out.is_ok_and(|out| out.status.success())
    };
    let made = done(&["netns", "add", &name]);
    let pair = ["-n", &name, "link", "add", "one", "type", "veth", "peer", "name", "other"];
    let forwards = ["netns", "exec", &name, "sysctl", "-qw", "net.ipv4.ip_forward=1"];
    let works = made && done(&pair) && done(&forwards);
    (!made || done(&["netns", "delete", &name])) && works
}

/// Runs every part with this executable, and prints its figures; no part more often than `times`:
/// with 5, each node of the demo is killed once, each at another phase; with 41 at every phase.
pub fn run(exe: &Path, times: usize) {
    roaming(exe, MOVES.min(times));
    blocked_udp::run(exe, BLOCKED.min(times));
    behind_nat::run(exe, 1);
    local_network::run(exe, 1);
    run_here(exe, times);
}

/// The parts that need no network of their own.
pub fn run_here(exe: &Path, times: usize) {
    full_disk(exe);
    bare(exe);
    orders(exe);
    blows(exe, Blow::Pause, "SIGSTOP of a node", PAUSES.min(times));
    blows(exe, Blow::KillGiver, "kill -9 of the giver and beacon", GIVER_KILLS.min(times));
    blows(exe, Blow::Kill, "kill -9 of a node", times);
    matrix::run(exe, &WHOLE, times);
    typed(exe);
    demos(exe, &[], DEMOS.min(times));
    demos(exe, &["--small"], DEMOS.min(times));
}

/// A first device with no network, session, terminal or place to write says so, or keeps its keys
/// sealed.
pub fn bare(exe: &Path) {
    show("a start with nothing: refused in words after, ms", &super::bare::run(exe));
}

/// A phone that changes its address keeps its link.
pub fn roaming(exe: &Path, moves: usize) {
    show("an order to a phone that has just moved, ms", &roaming::run(exe, moves));
}

fn show(what: &str, figures: &Figures) {
    println!("{what}: {figures}");
}

fn blows(exe: &Path, blow: Blow, name: &str, runs: usize) {
    let runs = kill_run(exe, blow, runs);
    let of = |read: fn(&KillRun) -> i64| Figures::of(runs.iter().map(read));
    show(&format!("{name}: last write after it, ms"), &of(|run| run.last_write_ms));
    show(&format!("{name}: last write past the lease, ms"), &of(|run| run.past_lease_ms));
    show(&format!("{name}: work gone after it, ms"), &of(|run| run.gone_ms));
    assert!(
        of(|run| run.past_lease_ms).greatest() <= SCHEDULING_MS,
        "something acted after its lease"
    );
}

fn orders(exe: &Path) {
    let runs = order_run(exe, ORDERS, ORDER_STEP);
    let count = |acknowledged, stands| {
        runs.iter().filter(|r| (r.acknowledged, r.stands) == (acknowledged, stands)).count()
    };
    println!(
        "kill -9 while an order is given: n {}, acknowledged and standing {}, \
         acknowledged and lost {}, refused and standing {}, refused and not there {}",
        runs.len(),
        count(true, true),
        count(true, false),
        count(false, true),
        count(false, false)
    );
    assert_eq!(count(true, false), 0, "an acknowledged order was lost");
}

/// The README's block, in a terminal for each device.
fn typed(exe: &Path) {
    let readme = house::top().join("README.md");
    let readme = must(std::fs::read_to_string(&readme), readme.display());
    let begun = Instant::now();
    let kept = by_hand(exe, &readme);
    assert!(kept.contains("VERIFIED"), "{kept}");
    println!("the README's block by hand: n 1, {} ms", begun.elapsed().as_millis());
}

/// The demo as people start it, with these words more.
fn demos(exe: &Path, more: &[&str], times: usize) {
    let fleet = Nodes::empty(exe);
    let (out, home) = (fleet.path("seen"), PathBuf::from(fleet.path("home")));
    let belay = Belay::new(exe, &home);
    let (mut took, mut receipts, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        let begun = Instant::now();
        let typed = [&["--json", "demo", "--out", &out], more].concat();
        let demo = belay.start(&typed).end(DEMO_MAX).wants(0).data();
        let number = |at: &str| must(demo.pointer(at).and_then(|n| n.as_i64()).ok_or(at), "demo");
        took.push(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX));
        receipts.push(number("/order_to_last_receipt_ms"));
        late.push(number("/witness/last_write_ms_after_order") - number("/lease_bound_ms"));
        assert!(demo["verified"] == true && demo["tampered_rejected"] == true, "{demo:#}");
        assert_eq!((number("/unproven"), number("/witness/pids_after")), (0, 0), "{demo:#}");
        let stopped = (number("/stopped"), number("/depth"));
        assert_eq!(stopped, (number("/tasks"), number("/tasks") - 1), "{demo:#}");
    }
    let left = must(std::fs::read_dir(&out), &out).count();
    assert_eq!(left, times, "one case of each demo stays, and nothing else");
    let name = [&["demo"], more].concat().join(" ");
    show(&format!("{name}: whole run, ms"), &Figures::of(took));
    show(&format!("{name}: order to last receipt, ms"), &Figures::of(receipts));
    show(&format!("{name}: last write past the bound, ms"), &Figures::of(late));
}

/// A mounted file system of a few megabytes; dropping it unmounts it.
struct SmallDisk(String);

impl SmallDisk {
    fn mount(at: String) -> Self {
        must(std::fs::create_dir(&at), &at);
        let mount = ["-t", "tmpfs", "-o", SMALL_DISK, "belay-story", &at];
        let mounted = must(Command::new("mount").args(mount).status(), "mount");
        assert!(mounted.success(), "mount ended with {mounted}");
        Self(at)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what still has a file open there ends with the fleet.
        let _unmounted = Command::new("umount").args(["-l", &self.0]).status();
    }
}

/// The state on a disk of its own that somebody else fills to the last byte.
fn full_disk(exe: &Path) {
    let mut fleet = Nodes::empty(exe);
    let _disk = SmallDisk::mount(fleet.path(LAPTOP));
    fleet.found(LAPTOP, "story.belay");
    let planner = fleet.agent(LAPTOP, "planner", "");
    planner.wait_for_growth();
    let filler = fleet.path("laptop/filler");
    let filled = std::fs::write(&filler, vec![0; 4 * 1024 * 1024]);
    assert!(filled.is_err(), "the disk holds more than it should");
    let unlock = fleet.unlock();
    let mut round = 0;
    let refused = wait_for("the full disk is noticed", SOON, || {
        round += 1;
        let file = fleet.path(&format!("{round}.invite"));
        let answer =
            fleet.ask(LAPTOP, &["device", "invite", "--out", &file, "--unlock-file", &unlock]);
        (answer.exit != Some(0)).then_some(answer)
    });
    refused.refuses(1, &["not written"]);
    let begun = Instant::now();
    let stop = fleet.stop(LAPTOP, "agent:planner", "20s").wants(0).data();
    let took = begun.elapsed().as_millis();
    assert!(planner.processes().is_empty(), "{:?}", planner.processes());
    fleet.kill(LAPTOP);
    must(std::fs::remove_file(&filler), &filler);
    fleet.again(LAPTOP);
    let order = stop["order"].as_str().unwrap_or_default();
    fleet.json(LAPTOP, &["stop", "--follow", order, "--timeout", "20s"]).wants(0);
    fleet.invite(LAPTOP, &[]);
    fleet.ask(LAPTOP, &["down"]).wants(0);
    println!("full disk: an order taken, proven and kept: n 1, {took} ms");
}
