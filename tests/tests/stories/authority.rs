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

/// Goal: a root key of a second person, and from then on two people found an epoch; the operators'
/// own holds: a day alone, longer with a second one; the root ends them. Method: bob's keys lie at
/// the robot, alice's at the laptop; each step is waited for at the other device.
#[test]
fn two_people_hold_the_root() {
    let fleet = Nodes::pair(exe());
    add(&fleet, ROBOT, "bob", "security").wants(0);
    let card = fleet.path("bob-root.card");
    sign(&fleet, ROBOT, &["root", "card", "--name", "bob", "--out", &card]).wants(0);
    let proposed = sign(&fleet, LAPTOP, &["root", "add", &card, "--yes"]);
    assert_eq!(proposed.exit, Some(8), "{proposed:#?}");
    let id = text(&proposed.data()["id"]);
    wait_for_proposal(&fleet, ROBOT, &id);
    sign(&fleet, ROBOT, &["approve", &id, "--yes"]).wants(0);
    wait_for_epoch(&fleet, LAPTOP, 3);
    let root = fleet.json(LAPTOP, &["root", "show"]).wants(0).data();
    assert_eq!((&root["threshold"], root["keys"].as_array().map(Vec::len)), (&2.into(), Some(2)));

    // A day alone, without asking anybody; his orders stand.
    let held = sign(&fleet, LAPTOP, &["stop", "operator:bob", "--reason", "odd"]).wants(0).data();
    assert!(held["until_ms"].is_u64() && held["waiting"].is_null(), "{held:#}");
    // Longer takes a second one.
    let longer = sign(&fleet, LAPTOP, &["stop", "operator:bob", "--until-lifted"]);
    assert_eq!(longer.exit, Some(8), "{longer:#?}");
    let order = order_of(&longer.data());
    wait_for_proposal(&fleet, ROBOT, &order);
    let why = fleet.json(LAPTOP, &["why", &order]).wants(0).data();
    assert_eq!(why["act"]["waiting"]["open"], serde_json::json!(["operator:bob"]), "{why:#}");
    sign(&fleet, ROBOT, &["approve", &order, "--yes"]).wants(0);
    wait_for_order(&fleet, LAPTOP, &order);
    let why = fleet.json(LAPTOP, &["why", &order]).wants(0).data();
    assert_eq!(why["order"]["approved"], serde_json::json!(["operator:bob"]), "{why:#}");

    // The root ends it: two keys must agree.
    let resume = sign(&fleet, LAPTOP, &["resume", "operator:bob"]);
    assert_eq!(resume.exit, Some(8), "{resume:#?}");
    let waiting = fleet.json(LAPTOP, &["approve"]).wants(0).data();
    let lifts: Vec<String> =
        waiting["waiting"].as_array().unwrap().iter().map(|w| text(&w["id"])).collect();
    assert!(!lifts.is_empty(), "{waiting:#}");
    for lift in &lifts {
        wait_for_proposal(&fleet, ROBOT, lift);
        sign(&fleet, ROBOT, &["approve", lift, "--yes"]).wants(0);
    }
    wait_for("nothing stands against bob", SOON, || {
        fleet.status(LAPTOP)["orders"].as_array().unwrap().is_empty().then_some(())
    });
}

/// Goal: what is paused freezes and goes on; a device in quarantine comes back by two. Method: bob
/// at the robot; work there is paused and resumed, then the robot is quarantined from the laptop.
#[test]
fn what_is_paused_goes_on_and_a_device_comes_back_by_two() {
    let fleet = Nodes::pair(exe());
    add(&fleet, ROBOT, "bob", "policy,security").wants(0);
    wait_for_epoch(&fleet, ROBOT, 2);
    let work = fleet.offload(LAPTOP, ROBOT, "worker");
    work.wait_for_growth();
    let paused = sign(&fleet, LAPTOP, &["pause", "agent:worker"]).wants(0).data();
    assert_eq!(paused["in_force"], true, "{paused:#}");
    wait_for_order(&fleet, ROBOT, &order_of(&paused));
    wait_for("the work has written nothing for a second", SOON, || {
        work.last_write().elapsed().is_ok_and(|still| still.as_secs() >= 1).then_some(())
    });
    assert!(!work.processes().is_empty(), "it stands still, and has not ended");
    sign(&fleet, LAPTOP, &["resume", "agent:worker"]).wants(0);
    work.wait_for_growth();

    let held = sign(&fleet, LAPTOP, &["quarantine", "robot", "--timeout", "20s"]).wants(0).data();
    work.wait_until_gone(SOON);
    let own = fleet.ask(ROBOT, &["status"]).wants(1).stdout;
    assert!(own.contains("Not healthy") && own.contains("stands against this device"), "{own}");
    let alone = sign(&fleet, LAPTOP, &["resume", "device:robot"]);
    assert_eq!(alone.exit, Some(8), "a device takes two: {alone:#?}");
    let waiting = fleet.json(LAPTOP, &["approve"]).wants(0).data();
    let lift = text(&waiting["waiting"][0]["id"]);
    // Bob's device is the one in quarantine: it hears of authority all the same, and is heard.
    wait_for_proposal(&fleet, ROBOT, &lift);
    sign(&fleet, ROBOT, &["approve", &lift, "--yes"]).wants(0);
    wait_for("the robot is free at the laptop", SOON, || {
        fleet.status(LAPTOP)["orders"].as_array().unwrap().is_empty().then_some(())
    });
    let why = fleet.json(LAPTOP, &["why", &order_of(&held)]).wants(0).data();
    let by = serde_json::json!(["operator:operator", "operator:bob"]);
    assert_eq!(why["order"]["answered_by"], by, "{why:#}");
}

/// Goal: a card that is not what it says is refused, by name. Method: bent, of another fleet, for
/// another use, no card at all, an unknown role, a name that is taken.
#[test]
fn a_bad_card_is_refused() {
    let mut fleet = Nodes::alone(exe());
    fleet.found("other", "other.belay");
    let card = |node: &str, noun: &str, name: &str| {
        let file = fleet.path(&format!("{node}-{noun}-{name}.card"));
        // The founder's state holds both keys already: a card of them is written again.
        sign(&fleet, node, &[noun, "card", "--name", name, "--out", &file]).wants(0);
        file
    };
    let add = |file: &str, roles: &str| {
        sign_in_words(&fleet, LAPTOP, &["operator", "add", file, "--roles", roles, "--yes"])
    };
    let foreign = card("other", "operator", "eve");
    add(&foreign, "security").refuses(2, &["another fleet"]);
    let root = card(LAPTOP, "root", "eve");
    add(&root, "security").refuses(2, &["of the kind root"]);
    let own = card(LAPTOP, "operator", "eve");
    add(&own, "security").refuses(2, &["belongs to operator already"]);
    add(&own, "king").refuses(2, &["“king” is no role"]);
    let mut bytes = std::fs::read(&own).unwrap();
    let at = bytes.windows(4).position(|four| four == b"/eve").expect("the name");
    bytes[at + 1] = b'a';
    let bent = fleet.path("bent.card");
    std::fs::write(&bent, bytes).unwrap();
    add(&bent, "security").refuses(2, &["did not sign this card"]);
    add(&fleet.path("unlock"), "security").refuses(2, &["no card"]);
    add("nowhere.card", "security").refuses(2, &["nowhere.card"]);
    let again = ["operator", "card", "--name", "eve", "--out", &own];
    sign_in_words(&fleet, LAPTOP, &again).refuses(2, &["--out"]);
    assert_eq!(fleet.status(LAPTOP)["epoch"], 1);
}
