//! More than one operator: named by the root, acting together, told apart.

use super::{exe, order_of, wait_for_order};
use belay_tests::story::{Answer, LAPTOP, Nodes, ROBOT, SOON, wait_for};
use serde_json::Value;

/// Runs a command whose key lies in its own state.
pub(super) fn sign(fleet: &Nodes, node: &str, args: &[&str]) -> Answer {
    let unlock = fleet.unlock();
    fleet.json(node, &[args, &["--unlock-file", &unlock]].concat())
}

/// The same in words.
pub(super) fn sign_in_words(fleet: &Nodes, node: &str, args: &[&str]) -> Answer {
    let unlock = fleet.unlock();
    fleet.ask(node, &[args, &["--unlock-file", &unlock]].concat())
}

/// Makes a key at a node and names it in the next epoch, signed at the laptop.
pub(super) fn add(fleet: &Nodes, node: &str, name: &str, roles: &str) -> Answer {
    let card = fleet.path(&format!("{name}.card"));
    sign(fleet, node, &["operator", "card", "--name", name, "--out", &card]).wants(0);
    sign(fleet, LAPTOP, &["operator", "add", &card, "--roles", roles, "--yes"])
}

/// Waits until an epoch stands at a node.
pub(super) fn wait_for_epoch(fleet: &Nodes, node: &str, epoch: u64) {
    wait_for(&format!("epoch {epoch} stands at {node}"), SOON, || {
        (fleet.status(node)["epoch"] == epoch).then_some(())
    });
}

/// Waits until an act waits for a yes at a node.
pub(super) fn wait_for_proposal(fleet: &Nodes, node: &str, id: &str) {
    wait_for(&format!("{id} waits at {node}"), SOON, || {
        let list = fleet.json(node, &["approve"]).wants(0).data();
        let waiting = list["waiting"].as_array().expect("a list of acts");
        waiting.iter().any(|one| one["id"] == id).then_some(())
    });
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Goal: a second operator is named by the root, gives orders with his own key, and from then on a
/// release and a restore take two. Method: bob's key is made on the robot and named at the laptop;
/// he stops, a revoke is restored by both, a release by both; every step is listed and shown.
#[test]
fn a_second_operator_makes_it_two() {
    let fleet = Nodes::pair(exe());
    let added = add(&fleet, ROBOT, "bob", "policy,security").wants(0);
    assert_eq!(added.data()["epoch"], 2, "{added:#?}");
    assert_eq!(added.data()["in_force"], true, "{added:#?}");
    assert!(added.stderr.contains("adds operator bob: policy, security"), "{added:#?}");
    wait_for_epoch(&fleet, ROBOT, 2);
    let list = fleet.json(ROBOT, &["operator", "list"]).wants(0).data();
    let names: Vec<String> =
        list["operators"].as_array().unwrap().iter().map(|line| text(&line["name"])).collect();
    assert_eq!(names, ["bob", "operator"], "{list:#}");

    // His own key, his own order.
    let stop = sign(&fleet, ROBOT, &["revoke", "agent:mole", "--ahead", "--yes"]);
    let revoke = order_of(&stop.wants(0).data());
    wait_for_order(&fleet, LAPTOP, &revoke);
    let alone = sign(&fleet, LAPTOP, &["resume", "agent:mole"]);
    assert_eq!(alone.exit, Some(8), "{alone:#?}");
    let waiting = fleet.json(LAPTOP, &["approve"]).wants(0).data();
    let restore = text(&waiting["waiting"][0]["id"]);
    assert_eq!(waiting["waiting"][0]["act"], "restore", "{waiting:#}");
    assert_eq!(waiting["waiting"][0]["open"], serde_json::json!(["operator:bob"]));
    wait_for_proposal(&fleet, ROBOT, &restore);
    let asked = sign_in_words(&fleet, ROBOT, &["approve", &restore[..16]]);
    asked.refuses(2, &["asks first", "Restore of agent:mole", "ends the revoke on agent:mole"]);
    let yes = sign(&fleet, ROBOT, &["approve", &restore[..16], "--yes"]).wants(0).data();
    assert_eq!(yes["enough"], true, "{yes:#}");
    wait_for("the revoke is answered at the laptop", SOON, || {
        fleet.status(LAPTOP)["orders"].as_array().unwrap().is_empty().then_some(())
    });

    // A release takes both.
    let folder = fleet.path("policy");
    let rules = std::fs::read_to_string(format!("{folder}/policy.cedar")).unwrap();
    let more = "\n@id(\"story.more\")\nforbid(principal, action, resource)\nwhen { false };\n";
    std::fs::write(format!("{folder}/policy.cedar"), rules + more).unwrap();
    let publish = sign(&fleet, LAPTOP, &["policy", "publish", &folder]);
    assert_eq!(publish.exit, Some(8), "{publish:#?}");
    let release = text(&publish.data()["id"]);
    wait_for_proposal(&fleet, ROBOT, &release);
    wait_for("the proposed policy is at the robot", SOON, || {
        let shown = sign_in_words(&fleet, ROBOT, &["approve", &release]);
        shown.stderr.contains("rule story.more added").then_some(())
    });
    sign(&fleet, ROBOT, &["approve", &release, "--yes"]).wants(0);
    wait_for("the release of two judges at the laptop", SOON, || {
        (fleet.status(LAPTOP)["releases"][0]["version"] == "2.1").then_some(())
    });
}
