//! What was stopped goes on again only by name: holds are lifted, revokes restored, and what still
//! stands is said.

use super::{exe, order_of, wait_for_order};
use belay_tests::story::{Answer, LAPTOP, Nodes, ROBOT, SOON, wait_for};

fn sign(fleet: &Nodes, node: &str, args: &[&str]) -> Answer {
    let unlock = fleet.unlock();
    fleet.json(node, &[args, &["--unlock-file", &unlock]].concat())
}

fn try_run(fleet: &Nodes, name: &str) -> Answer {
    fleet.ask(LAPTOP, &["agent", "run", "--name", name, "--", "/bin/true"])
}

fn ids(answer: &serde_json::Value, list: &str) -> Vec<String> {
    let all = answer[list].as_array().expect("a list of orders");
    all.iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}

/// Goal: `resume` with the same words undoes `stop`, on every device; a subject that nothing stands
/// against says so. Method: an agent is stopped, tries, is resumed at home, runs; the robot's list
/// of orders is empty again.
#[test]
fn a_stopped_agent_runs_again_after_resume() {
    let fleet = Nodes::pair(exe());
    try_run(&fleet, "climber").wants(0);
    let stop =
        sign(&fleet, LAPTOP, &["stop", "agent:climber", "--reason", "slipped"]).wants(0).data();
    try_run(&fleet, "climber").wants(3);
    wait_for_order(&fleet, ROBOT, &order_of(&stop));
    let resumed = sign(&fleet, LAPTOP, &["resume", "agent:climber"]).wants(0);
    assert_eq!(ids(&resumed.data(), "ended"), [order_of(&stop)], "{resumed:#?}");
    assert!(resumed.stderr.contains("slipped"), "why it was held is shown: {resumed:#?}");
    try_run(&fleet, "climber").wants(0);
    wait_for("the robot hears the lift", SOON, || {
        fleet.status(ROBOT)["orders"].as_array().unwrap().is_empty().then_some(())
    });
    let again = fleet.ask(LAPTOP, &["resume", "agent:climber", "--unlock-file", &fleet.unlock()]);
    again.refuses(2, &["nothing stands against agent:climber"]);
    let slip = fleet.ask(LAPTOP, &["resume", "agent:climbr", "--unlock-file", &fleet.unlock()]);
    slip.refuses(2, &["agent:climber"]);
}

/// Goal: an order that was not named stands on, and is named with the command that ends it. Method:
/// two holds on one agent and one on the agent together with its device; the first is resumed by
/// id, then the subject, then the last by its id.
#[test]
fn what_was_not_named_still_stands() {
    let fleet = Nodes::alone(exe());
    try_run(&fleet, "climber").wants(0);
    let hold =
        |subject: &[&str]| order_of(&sign(&fleet, LAPTOP, &[&["stop"], subject].concat()).data());
    let (one, two) = (hold(&["agent:climber"]), hold(&["agent:climber"]));
    let narrow = hold(&["agent:climber", "device:laptop"]);
    let first = sign(&fleet, LAPTOP, &["resume", &one]).wants(6);
    assert!(first.stderr.contains(&two[..16]), "the other one is named: {first:#?}");
    assert!(first.stderr.contains("belay resume"), "with its command: {first:#?}");
    let mut left = ids(&first.data(), "others");
    left.sort();
    let mut wanted = vec![two.clone(), narrow.clone()];
    wanted.sort();
    assert_eq!(left, wanted);
    try_run(&fleet, "climber").wants(3);
    let subject = sign(&fleet, LAPTOP, &["resume", "agent:climber"]).wants(6);
    assert_eq!(ids(&subject.data(), "ended"), [two]);
    assert_eq!(ids(&subject.data(), "others"), std::slice::from_ref(&narrow));
    try_run(&fleet, "climber").wants(3);
    sign(&fleet, LAPTOP, &["resume", "agent:climber", "device:laptop"]).wants(0);
    try_run(&fleet, "climber").wants(0);
    fleet.ask(LAPTOP, &["resume", &narrow]).refuses(2, &["does not stand"]);
}

/// Goal: a revoke is for ever and asks first; a restore that lists every revoke opens a new
/// beginning, one that leaves one out is not even signed. Method: without a terminal, then with
/// `--yes`, twice.
#[test]
fn a_revoke_is_answered_by_a_whole_restore() {
    let fleet = Nodes::alone(exe());
    try_run(&fleet, "climber").wants(0);
    let asked = fleet.ask(LAPTOP, &["revoke", "agent:climber", "--unlock-file", &fleet.unlock()]);
    asked.refuses(2, &["for ever", "--yes"]);
    try_run(&fleet, "climber").wants(0);
    let revoke = || {
        let said = sign(&fleet, LAPTOP, &["revoke", "agent:climber", "--yes"]).wants(0).data();
        assert_eq!(said["proven"], true, "{said}");
        order_of(&said)
    };
    let (one, two) = (revoke(), revoke());
    try_run(&fleet, "climber").wants(3);
    let half = sign(&fleet, LAPTOP, &["resume", &one]);
    assert_eq!(half.exit, Some(6), "{half:#?}");
    assert!(
        half.stderr.contains(&two) && half.stderr.contains("resume agent:climber"),
        "{half:#?}"
    );
    try_run(&fleet, "climber").wants(3);
    let mut both =
        ids(&sign(&fleet, LAPTOP, &["resume", "agent:climber"]).wants(0).data(), "ended");
    both.sort();
    let mut wanted = vec![one, two];
    wanted.sort();
    assert_eq!(both, wanted);
    try_run(&fleet, "climber").wants(0);
}
