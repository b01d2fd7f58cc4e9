//! Work that loses its warden: it ends, and nobody says that it was seen to end.

use super::{branches, exe, order_of};
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON};
use rustix::process::Signal;

/// Goal: a tree whose warden was killed is ended by the node, and is never called proven. Method:
/// the warden is killed, as its own work could do; then a stop, its case, and a check of that.
#[test]
fn work_without_its_warden_ends_and_is_not_proven() {
    let fleet = Nodes::pair(exe());
    let work = fleet.offload(LAPTOP, ROBOT, "helper");
    work.wait_until_whole();
    work.wait_for_growth();
    work.warden().kill();
    work.wait_until_gone(SOON);

    let stop = fleet.stop(LAPTOP, "agent:helper", "20s").wants(6).data();
    let far = branches(&stop).into_iter().find(|branch| branch.1 == ROBOT).unwrap();
    assert_eq!((far.2.as_str(), far.3), ("not-proven", false), "{stop:#}");
    assert_eq!(stop["proven"], false, "{stop:#}");
    let case = fleet.path("it.belaycase");
    fleet.ask(LAPTOP, &["prove", &order_of(&stop), "--out", &case]).wants(6);
    let verified = fleet.json(LAPTOP, &["verify", &case]).wants(6).data();
    assert_eq!((&verified["verified"], &verified["proven"]), (&true.into(), &false.into()));
    let words = fleet.ask(LAPTOP, &["verify", &case]).wants(6);
    assert!(words.stdout.contains("not every branch is proven"), "{words:#?}");
}

/// Goal: what a node and its warden leave behind when both are killed is ended by the next node,
/// and never called proven. Method: both are killed under work of which a part outlives its
/// parent; then `up`, with no order given.
#[test]
fn work_killed_with_its_warden_and_node_ends_at_the_restart() {
    let mut fleet = Nodes::pair(exe());
    let work = fleet.offload(LAPTOP, ROBOT, "helper");
    work.wait_until_whole();
    work.wait_for_growth();
    let warden = work.warden();
    // Stopped first, so that it cannot act on the node's death before it dies itself.
    warden.signal(Signal::STOP);
    fleet.kill(ROBOT);
    warden.kill();
    work.wait_for_growth_of("session.log");
    fleet.again(ROBOT);
    work.wait_until_gone(SOON);
    let stop = fleet.stop(LAPTOP, "agent:helper", "20s").wants(6).data();
    let far = branches(&stop).into_iter().find(|branch| branch.1 == ROBOT).unwrap();
    assert_eq!((far.2.as_str(), far.3), ("not-proven", false), "{stop:#}");
}
