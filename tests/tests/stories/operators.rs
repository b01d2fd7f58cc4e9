//! Operators at work from any peer of the fleet, with the sealed key of another state.

use super::{branches, exe, order_of, wait_for_order};
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON};

/// Goal: an operator stops from a device that holds no operator key of its own. Method: the
/// founder's sealed key is named at the joined node; the laptop's work ends, and both nodes know
/// the order, which stands in a second log of the same key.
#[test]
fn a_stop_is_signed_at_a_peer_with_the_founders_key() {
    let fleet = Nodes::pair(exe());
    let work = fleet.offload(LAPTOP, ROBOT, "worker");
    work.wait_for_growth();
    let (key, unlock) = (fleet.path("laptop/keys/operator.age"), fleet.unlock());
    let with = ["--key", &key, "--unlock-file", &unlock];
    let bare = ["stop", "agent:worker", "--unlock-file", &unlock];
    fleet.ask(ROBOT, &bare).refuses(4, &["no operator key"]);
    let wrong = fleet.path("robot/keys/device.age");
    let other = ["stop", "agent:worker", "--key", &wrong, "--unlock-file", &unlock];
    fleet.ask(ROBOT, &other).refuses(2, &["device.age"]);
    let missing = ["stop", "agent:worker", "--key", "none.age", "--unlock-file", &unlock];
    fleet.ask(ROBOT, &missing).refuses(2, &["none.age"]);
    assert!(!work.processes().is_empty(), "nothing was stopped without the key");

    let stop = ["stop", "agent:worker", "--reason", "from the robot"];
    let stop = fleet.json(ROBOT, &[stop.as_slice(), &with].concat()).wants(0).data();
    assert_eq!(stop["proven"], true, "{stop}");
    assert!(branches(&stop).iter().any(|(.., state, proven)| state == "stopped" && *proven));
    work.wait_until_gone(SOON);
    wait_for_order(&fleet, LAPTOP, &order_of(&stop));

    // The same key at home goes on in its own log, beside the one that the robot numbers.
    let home = fleet.stop(LAPTOP, "agent:worker", "20s").wants(0).data();
    wait_for_order(&fleet, ROBOT, &order_of(&home));
    wait_for_order(&fleet, ROBOT, &order_of(&stop));
}
