//! A stop that cannot reach its device, and the lease that ends the work all the same.

use super::{exe, order_of};
use belay_tests::story::{LAPTOP, LEASE, Nodes, ROBOT, SOON, holds_for, wait_for};
use std::time::{Duration, SystemTime};

/// File systems stamp with the tick of the kernel's clock, and a write may be under way.
const TICK: Duration = Duration::from_millis(20);

/// Goal: cut off, the robot's work acts no later than the bound that the stop prints, ends without
/// hearing of it, and its receipt comes home once the path is healed. Method: the relay drops
/// everything; the work's own files say when it last acted.
#[test]
fn a_cut_off_tree_ends_by_its_lease_and_proves_it_later() {
    let mut fleet = Nodes::pair(exe());
    let mark = fleet.mark("helper");
    let [shell, worker, mark] = fleet.worker(&mark);
    let offload =
        format!("ask helper task offload --to robot --name helper -- {shell} {worker} {mark}");
    let planner = fleet.agent(LAPTOP, "planner", &offload);
    let award = fleet.answered("helper").wants(0).data()["award"].as_str().unwrap().to_owned();
    let helper = fleet.work(ROBOT, &award, &mark);
    helper.wait_until_whole();
    fleet.relay().cut();
    helper.wait_for_growth();

    let given = SystemTime::now();
    let stop = fleet.stop(LAPTOP, "agent:planner", "1s").wants(6).data();
    let said = SystemTime::now();
    let order = order_of(&stop);
    assert_eq!((&stop["complete"], &stop["in_force"]), (&false.into(), &true.into()), "{stop:#}");
    // The lease, and what two clocks may differ meanwhile: 0.04 %, rounded up.
    let lease_ms = LEASE.as_millis() as u64;
    assert_eq!(stop["bound_ms"], lease_ms + lease_ms * 4 / 10_000 + 1, "{stop:#}");
    let open: Vec<_> = open_branches(&stop);
    assert_eq!(open, [ROBOT], "only the robot is missing: {stop:#}");
    assert!(planner.processes().is_empty(), "the linked side is stopped at once");

    let frozen = wait_for("the robot's tree stands still", LEASE + SOON, || {
        (helper.is_frozen() || helper.processes().is_empty()).then(SystemTime::now)
    });
    helper.wait_until_gone(SOON);
    assert!(!fleet.log(ROBOT).contains(&order), "the robot has not heard of the order");
    let last = helper.last_write();
    assert!(last > given, "cut off, it went on for a while");
    // The order is in force at the latest when the stop says so.
    assert!(last <= said + LEASE + TICK, "it acted after the bound: {last:?}, said at {said:?}");
    assert!(last <= frozen, "it acted after it was seen frozen");
    let lines = helper.lines();
    fleet.json(LAPTOP, &["stop", "--follow", &order, "--timeout", "1ms"]).wants(6);

    fleet.relay().heal();
    let healed = fleet.json(LAPTOP, &["stop", "--follow", &order, "--timeout", "25s"]).wants(0);
    let healed = healed.data();
    assert_eq!((&healed["complete"], &healed["proven"]), (&true.into(), &true.into()));
    let receipts = healed["branches"].as_array().unwrap();
    let far = receipts.iter().find(|branch| branch["device"] == ROBOT).unwrap();
    assert_eq!((&far["state"], &far["cause"]), (&"stopped".into(), &"lapse".into()), "{far:#}");
    holds_for("nothing acts after it", Duration::from_millis(300), || helper.lines() == lines);
    assert!(fleet.relay().counts().1 > 0, "something met the cut");
}

fn open_branches(stop: &serde_json::Value) -> Vec<String> {
    let all = stop["branches"].as_array().unwrap().iter();
    let open = all.filter(|branch| branch["proven"] != true);
    open.map(|branch| branch["device"].as_str().unwrap().to_owned()).collect()
}
