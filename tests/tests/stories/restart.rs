//! Nodes that are killed in the middle of a stop and come back.

use super::{branches, exe, order_of, wait_for_order};
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON};

/// Goal: a robot that dies between the order and its receipt answers for its work after a restart.
/// Method: cut, order, `kill -9`, heal, `up`; the case completes, and its receipt says how.
#[test]
fn a_robot_killed_before_its_receipt_answers_after_its_restart() {
    let mut fleet = Nodes::pair(exe());
    let work = fleet.offload(LAPTOP, ROBOT, "helper");
    work.wait_until_whole();
    fleet.relay().cut();
    work.wait_for_growth();
    let stop = fleet.stop(LAPTOP, "agent:helper", "200ms").wants(6).data();
    fleet.kill(ROBOT);
    fleet.relay().heal();
    fleet.again(ROBOT);
    let follow = ["stop", "--follow", &order_of(&stop), "--timeout", "25s"];
    let end = fleet.json(LAPTOP, &follow).wants(0).data();
    let far = branches(&end).into_iter().find(|branch| branch.1 == ROBOT);
    let far = far.unwrap_or_else(|| panic!("the robot is left out: {end:#}"));
    // Its warden saw the tree empty and wrote it down, and from that the new process signs.
    assert_eq!((far.2.as_str(), far.3), ("stopped", true), "{end:#}");
    work.wait_until_gone(SOON);
    let (case, root) = (fleet.path("it.belaycase"), fleet.path("root"));
    fleet.ask(LAPTOP, &["prove", &order_of(&stop), "--out", &case]).wants(0);
    std::fs::write(&root, fleet.status(LAPTOP)["fleet"].as_str().unwrap()).unwrap();
    fleet.belay().run(&["verify", &case, "--root", &root]).wants(0);
}

/// Goal: an order outlives the node that gave it, and its case completes after the restart. Method:
/// the laptop's node is killed as soon as `stop` has returned; its own agent and the robot's work
/// are under the order.
#[test]
fn an_order_outlives_the_node_that_gave_it() {
    let mut fleet = Nodes::pair(exe());
    let mark = fleet.mark("helper");
    let [shell, worker, mark] = fleet.worker(&mark);
    let offload =
        format!("ask helper task offload --to robot --name helper -- {shell} {worker} {mark}");
    let planner = fleet.agent(LAPTOP, "planner", &offload);
    let award = fleet.answered("helper").wants(0).data()["award"].as_str().unwrap().to_owned();
    let helper = fleet.work(ROBOT, &award, &mark);
    helper.wait_until_whole();
    planner.wait_for_growth();

    let stop = fleet.stop(LAPTOP, "agent:planner", "1ms").wants_one_of(&[0, 6]).data();
    fleet.kill(LAPTOP);
    fleet.again(LAPTOP);
    let order = order_of(&stop);
    wait_for_order(&fleet, LAPTOP, &order);
    let follow = ["stop", "--follow", &order, "--timeout", "25s"];
    let end = fleet.json(LAPTOP, &follow).wants_one_of(&[0, 6]).data();
    let of_helper = branches(&end).into_iter().find(|branch| branch.0 == "helper");
    assert!(of_helper.is_some_and(|branch| branch.3), "the robot answers for it: {end:#}");
    // The planner's warden ran in the killed session; what it saw is proven, or the gap is named.
    let planners = branches(&end).into_iter().find(|branch| branch.0 == "planner");
    let planners = planners.unwrap_or_else(|| panic!("the planner is left out: {end:#}"));
    assert_eq!(planners.3, end["proven"] == true, "{end:#}");
    [&planner, &helper].iter().for_each(|work| work.wait_until_gone(SOON));
}
