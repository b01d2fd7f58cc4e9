//! A tree of work over two devices, stopped by one order while all of them are linked.

use super::{branches, exe, order_of};
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, Work, change_a_receipt, holds_for};
use std::time::Duration;

/// The planner on the laptop, its helper on the robot, and what that gave back to the laptop.
struct Tree {
    planner: Work,
    helper: Work,
    deepest: Work,
}

impl Tree {
    fn all(&self) -> [&Work; 3] {
        [&self.planner, &self.helper, &self.deepest]
    }
}

/// The planner offloads to the robot; what runs there offloads to the laptop again, then works.
fn grow(fleet: &mut Nodes) -> Tree {
    let (helper, deepest) = (fleet.mark("helper"), fleet.mark("deepest"));
    let [shell, worker, _] = fleet.worker(&deepest);
    let middle = fleet.script(
        "middle",
        &format!(
            "ask deepest task offload --to laptop --name deepest -- {shell} {worker} {deepest}\n\
             exec {shell} {worker} {helper}"
        ),
    );
    let offload = format!("ask helper task offload --to robot --name helper -- {shell} {middle}");
    let planner = fleet.agent(LAPTOP, "planner", &offload);
    let award = |fleet: &mut Nodes, name: &str| {
        fleet.answered(name).wants(0).data()["award"].as_str().unwrap().to_owned()
    };
    let far = award(fleet, "helper");
    let back = award(fleet, "deepest");
    let helper = fleet.work(ROBOT, &far, &helper);
    let deepest = fleet.work(LAPTOP, &back, &deepest);
    let tree = Tree { planner, helper, deepest };
    [&tree.helper, &tree.deepest].iter().for_each(|work| work.wait_until_whole());
    tree.all().iter().for_each(|work| work.wait_for_growth());
    tree
}

/// Goal: one order stops a tree of three links over two devices and proves it; the case verifies
/// anywhere, and a changed copy does not. Method: the work is looked at in `/proc` and in the files
/// it writes; the case is verified with an empty home and no state.
#[test]
fn one_order_stops_a_tree_and_the_case_proves_it() {
    let mut fleet = Nodes::pair(exe());
    let tree = grow(&mut fleet);
    let stop = fleet.stop(LAPTOP, "agent:planner", "20s").wants(0).data();
    let branch = |agent: &str, device: &str| (agent.into(), device.into(), "stopped".into(), true);
    let wanted = [branch("deepest", LAPTOP), branch("helper", ROBOT), branch("planner", LAPTOP)];
    assert_eq!(branches(&stop), wanted, "{stop:#}");
    assert_eq!((&stop["complete"], &stop["proven"]), (&true.into(), &true.into()), "{stop:#}");

    // Proven means over: from now on nothing is seen and nothing grows.
    let lines: Vec<_> = tree.all().iter().map(|work| work.lines()).collect();
    for work in tree.all() {
        assert!(work.processes().is_empty(), "{:?}", work.processes());
    }
    holds_for("no file of stopped work grows", Duration::from_millis(500), || {
        tree.all().iter().zip(&lines).all(|(work, then)| work.lines() == *then)
    });
    verify_the_case(&fleet, &order_of(&stop), branches(&stop));

    // What is stopped stays stopped: the same name is refused, by the order.
    let again = fleet.ask(LAPTOP, &["agent", "run", "--name", "planner", "--", "/bin/true"]);
    again.refuses(3, &["order"]);
}

fn verify_the_case(fleet: &Nodes, order: &str, stopped: Vec<(String, String, String, bool)>) {
    let (case, copy) = (fleet.path("it.belaycase"), fleet.path("changed.belaycase"));
    let proved = fleet.json(LAPTOP, &["prove", order, "--out", &case]).wants(0).data();
    assert_eq!((&proved["complete"], &proved["proven"]), (&true.into(), &true.into()));
    let root = fleet.status(LAPTOP)["fleet"].as_str().unwrap().to_owned();
    let verify = ["--json", "verify", &case, "--root", &root];
    let verified = fleet.belay().start(&verify).end(SOON).wants(0).data();
    assert_eq!(verified["verified"], true, "{verified:#}");
    assert_eq!(branches(&verified), stopped);
    std::fs::write(&copy, change_a_receipt(&std::fs::read(&case).unwrap())).unwrap();
    let refused = fleet.belay().run(&["verify", &copy, "--root", &root]);
    refused.refuses(7, &["REJECTED", "receipt"]);
}
