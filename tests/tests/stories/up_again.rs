//! `up` within the moment after a node was killed.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes};
use rustix::process::Signal;

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
