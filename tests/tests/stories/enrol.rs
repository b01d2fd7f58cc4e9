//! Enrolment and gossip.

use super::{exe, order_of, wait_for_order};
use belay_tests::story::{LAPTOP, Nodes, ROBOT};

/// Goal: a device joins by an invite file through its only path, both list both, and what is
/// ordered on one stands on the other. Method: laptop founds and invites, robot joins by the relay,
/// an order is given to the laptop.
#[test]
fn a_device_joins_and_hears_an_order() {
    let fleet = Nodes::pair(exe());
    for node in [LAPTOP, ROBOT] {
        let status = fleet.status(node);
        let devices = status["devices"].as_array().unwrap();
        let names: Vec<&str> = devices.iter().map(|d| d["name"].as_str().unwrap()).collect();
        assert_eq!(names, [LAPTOP, ROBOT], "{status}");
        assert_eq!(status["device"], node);
        assert!(devices.iter().all(|device| device["linked"] == true), "{status}");
        assert_eq!(status["releases"][0]["version"], "1.1", "{status}");
    }
    assert!(fleet.relay().counts().0 > 0, "the robot came by the relay");
    // Nothing has run under that name, so nothing is proven; the order stands.
    let unlock = fleet.unlock();
    let stop = ["stop", "agent:nobody", "--ahead", "--unlock-file", &unlock];
    let stop = fleet.json(LAPTOP, &stop).wants(0).data();
    assert_eq!((&stop["complete"], &stop["in_force"]), (&false.into(), &true.into()), "{stop}");
    wait_for_order(&fleet, ROBOT, &order_of(&stop));
    let known = fleet
        .json(ROBOT, &["stop", "--follow", &order_of(&stop), "--timeout", "20s"])
        .wants(0)
        .data();
    assert_eq!(known["subject"], "agent:nobody");
}
