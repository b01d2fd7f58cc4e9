//! How long lent work takes to start on real nodes over loopback: negotiated with one device, and
//! on a standing offer of another, turn by turn; beside what the same machine needs for the bare
//! parts in the same run.
//!
//! The asker writes down when it asks at the door, and the lent program when it begins, by one wall
//! clock. So a start holds the door, both gates, a write on each side, the way between, the warden
//! and the program's own beginning; the last is measured alone too. Refused here: a figure of a
//! start that came about in another way than it is counted for.

use super::figures::Figures;
use super::nodes::{LAPTOP, Nodes, ROBOT};
use super::waiting::{SOON, must, wait_for};
use belay_node::door::DoorClient;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Instant, SystemTime};

/// Starts of one kind, unless somebody wants another number.
pub const TIMES: usize = 100;

/// The device that stands by its word.
const GATEWAY: &str = "gateway";

/// A node that never offers to be awarded at once, and one that does whatever else runs here.
const NEVER: &str = "[device]\nlends = false\n";
const ALWAYS: &str = "[device]\nbusy_at = 1000000\n";

/// Measures and prints; each figure in microseconds.
pub fn run(exe: &Path, times: usize) {
    let mut fleet = Nodes::alone(exe);
    for (device, words) in [(ROBOT, NEVER), (GATEWAY, ALWAYS)] {
        let file = fleet.invite(LAPTOP, &["--device", device]);
        fleet.join(device, &file, &[]).wants(0);
        device_says(&mut fleet, device, words);
    }
    print("bare datagram, there and back over loopback", bare_round_trips(times));
    print("bare sync of 4 KiB in the folder of the states", bare_syncs(&fleet, times));
    print("bare program, from its call to its beginning", bare_programs(&fleet, times));
    print("bare question at the door", questions(&fleet, times));
    let mut door = door(&fleet);
    // It says that it may be awarded at once when it was given work for the first time.
    start(&fleet, &mut door, GATEWAY, "named", "first");
    let (mut negotiated, mut standing) = (Vec::new(), Vec::new());
    for turn in 0..times {
        let name = turn.to_string();
        negotiated.push(start(&fleet, &mut door, ROBOT, "named", &name));
        standing.push(start(&fleet, &mut door, GATEWAY, "standing", &name));
    }
    for (what, starts) in [("negotiated", negotiated), ("standing offer", standing)] {
        let (begun, answered) = starts.into_iter().unzip();
        print(&format!("{what}, from the asking to the program's beginning"), begun);
        print(&format!("{what}, from the asking to the answer"), answered);
    }
}

fn print(what: &str, measured: Vec<i64>) {
    println!("{what}: {} us", Figures::of(measured));
}

/// Starts a device again with these words in its file.
fn device_says(fleet: &mut Nodes, device: &str, words: &str) {
    fleet.kill(device);
    let path = fleet.path(&format!("{device}/node.toml"));
    let text = must(std::fs::read_to_string(&path), &path);
    must(std::fs::write(&path, format!("{text}\n{words}")), &path);
    fleet.again(device);
    fleet.wait_linked(LAPTOP, device);
}

/// Lends one piece of work; how long until it began, and until it was answered.
fn start(fleet: &Nodes, door: &mut DoorClient, device: &str, how: &str, name: &str) -> (i64, i64) {
    let seen = fleet.path(&format!("seen/{device}-{name}"));
    let clock = format!("date +%s%N >{seen}.new; mv {seen}.new {seen}");
    let (asked, begins) = (Instant::now(), now_ns());
    let said: Value = must(door.call(&offload(device, &clock)), "the offload");
    let answered = i64::try_from(asked.elapsed().as_micros()).unwrap_or(i64::MAX);
    assert_eq!(said["how"], how, "{said}");
    ((began(&seen) - begins) / 1_000, answered)
}

fn offload(device: &str, script: &str) -> Value {
    json!({"offload": {
        "device": device,
        "needs": [],
        "agent": "clock",
        "argv": ["/bin/sh", "-c", script],
        "tools": [],
        "on_silence": "end",
        "wait": false,
    }})
}

fn door(fleet: &Nodes) -> DoorClient {
    let socket = fleet.path(&format!("{LAPTOP}/operator.sock"));
    let door = must(DoorClient::connect(Path::new(&socket)), &socket);
    must(door.wait_at_most(SOON), &socket);
    door
}

/// When a program began, by what it wrote down.
fn began(seen: &str) -> i64 {
    wait_for("the program has written down when it began", SOON, || {
        std::fs::read_to_string(seen).ok()?.trim().parse().ok()
    })
}

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

fn questions(fleet: &Nodes, times: usize) -> Vec<i64> {
    let mut door = door(fleet);
    timed(times, |_| {
        let _: Value = must(door.call(&json!("addresses")), "the question");
    })
}

fn bare_syncs(fleet: &Nodes, times: usize) -> Vec<i64> {
    let path = fleet.path("bare");
    let mut file = must(File::create(&path), &path);
    timed(times, |_| {
        must(file.write_all(&[7; 4096]), &path);
        must(file.sync_data(), &path);
    })
}

fn bare_programs(fleet: &Nodes, times: usize) -> Vec<i64> {
    let run = |turn: usize| {
        let seen = fleet.path(&format!("seen/bare-{turn}"));
        let begins = now_ns();
        let script = format!("date +%s%N >{seen}");
        must(Command::new("/bin/sh").args(["-c", &script]).status(), "/bin/sh");
        (began(&seen) - begins) / 1_000
    };
    (0..times).map(run).collect()
}

fn bare_round_trips(times: usize) -> Vec<i64> {
    let bind = || must(UdpSocket::bind("127.0.0.1:0"), "a socket");
    let (near, far) = (bind(), bind());
    let to = must(far.local_addr(), "a socket");
    must(near.connect(to), "a socket");
    thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok((length, from)) = far.recv_from(&mut bytes) {
            if length == 0 || far.send_to(&bytes[..length], from).is_err() {
                return;
            }
        }
    });
    let measured = timed(times, |_| {
        must(near.send(&[1; 64]), "a datagram");
        must(near.recv(&mut [0; 64]), "a datagram");
    });
    must(near.send(&[]), "the last datagram");
    measured
}

fn timed(times: usize, mut one: impl FnMut(usize)) -> Vec<i64> {
    let time = |turn| {
        let begins = Instant::now();
        one(turn);
        i64::try_from(begins.elapsed().as_micros()).unwrap_or(i64::MAX)
    };
    (0..times).map(time).collect()
}
