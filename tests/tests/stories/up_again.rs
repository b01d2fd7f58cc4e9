//! `up` again: within the moment after a node was killed, and after a month.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes};
use rustix::process::Signal;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// Goal: `up` never takes a dying node for a living one. Method: `kill -9` and `up` without a pause
/// between them, several times; what answers afterwards is a new process, and it lives.
#[test]
fn up_tells_a_dying_node_from_a_living_one() {
    let mut nodes = Nodes::alone(exe());
    for _ in 0..5 {
        let killed = nodes.node(LAPTOP);
        killed.signal(Signal::KILL);
        nodes.again(LAPTOP);
        let living = nodes.node(LAPTOP);
        assert!(living.pid != killed.pid && living.lives(), "{living:?}");
        assert_eq!(nodes.status(LAPTOP)["pid"], living.pid);
    }
}

/// Goal: of several `up` at once one starts the node, and all say how it stands. Method: four at
/// the same moment, on a state whose node was ended.
#[test]
fn several_up_at_once_start_one_node() {
    let nodes = Nodes::alone(exe());
    nodes.ask(LAPTOP, &["down"]).wants(0);
    let (state, unlock) = (nodes.path(LAPTOP), nodes.unlock());
    let belay = nodes.belay();
    let up = || belay.run(&["--state", &state, "up", "--unlock-file", &unlock]);
    let said: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(up)).collect();
        all.into_iter().map(|one| one.join().unwrap().wants(0).stdout).collect()
    });
    let pid = format!("node pid {}", nodes.status(LAPTOP)["pid"]);
    assert!(said.iter().all(|words| words.contains(&pid)), "{said:#?}");
}

/// Goal: neither finished work nor the log grows for ever, and what is young stays. Method: two
/// runs, the folders of one of them and the log made old and long while the node is down.
#[test]
fn what_is_old_goes_when_a_node_comes_up() {
    const MONTH: Duration = Duration::from_secs(31 * 24 * 3600);
    let mut nodes = Nodes::alone(exe());
    let wardens = PathBuf::from(nodes.path(LAPTOP)).join("wardens");
    let folders = || -> Vec<PathBuf> {
        let entries = fs::read_dir(&wardens).unwrap().map(|entry| entry.unwrap().path());
        entries.collect()
    };
    let run = ["agent", "run", "--name", "brief", "--", "/bin/true"];
    nodes.ask(LAPTOP, &run).wants(0);
    let [old] = <[PathBuf; 1]>::try_from(folders()).unwrap();
    nodes.ask(LAPTOP, &run).wants(0);
    assert_eq!(folders().len(), 2);
    nodes.ask(LAPTOP, &["down"]).wants(0);
    File::open(&old).unwrap().set_modified(SystemTime::now() - MONTH).unwrap();
    let log = PathBuf::from(nodes.path(LAPTOP)).join("node.log");
    fs::write(&log, vec![b'x'; 5 << 20]).unwrap();
    nodes.again(LAPTOP).wants(0);
    let began = Instant::now();
    let before = log.with_extension("log.1");
    while old.exists() || fs::metadata(&log).unwrap().len() > 4 << 20 {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing was swept");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(fs::metadata(&before).unwrap().len() >= 5 << 20, "no line is lost");
    assert_eq!(folders().len(), 1, "the young one stays");
}
