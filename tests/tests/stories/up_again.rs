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
