//! What agents did here, for whoever reads it afterwards: decisions, outcomes, and the log of both.

use super::exe;
use belay_tests::story::{Answer, LAPTOP, Nodes};
use serde_json::Value;

/// The id of the decision that an act was answered with, as a shell finds it.
const ID: &str = r#"sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p'"#;

/// Every event of a command that prints a line of JSON each.
fn events(said: Answer) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["data"].clone();
    said.stdout.lines().map(line).collect()
}

/// A script's question was wrong use, and these words say how.
fn refused(said: Answer, words: &[&str]) {
    let said = said.wants(2);
    words.iter().for_each(|word| assert!(said.stderr.contains(word), "“{word}” in {said:#?}"));
}

/// Goal: what an agent was permitted and what came of it, what it was denied, and what it said the
/// act was for, stand in the log, in the words in which they were told, also after a restart; the
/// log is whole. Method: an agent acts three times and tells what came of one; then its user asks.
#[test]
fn decisions_and_outcomes_are_read_afterwards() {
    let mut fleet = Nodes::alone(exe());
    let lines = format!(
        "ask one act tool.call search --arg q=hunter2 --arg 'belay.intent=find the invoice'\n\
         id=$({ID} <$(dirname $0)/seen/one.out)\n\
         ask told event tell $id done --note 'three hits' --effect file:/tmp/hits --took-ms 12 \
         --tokens 900 --micro-usd 40\n\
         ask twice event tell $id failed\n\
         ask two act tool.call secret-tool\n\
         id=$({ID} <$(dirname $0)/seen/two.out)\n\
         ask none event tell $id done\n\
         ask ghost event tell 00000000000000000000000000000000 done\n\
         ask slip event tell $id nearly"
    );
    let agent = fleet.agent(LAPTOP, "curious", &lines);
    fleet.answered("one").wants(0);
    fleet.answered("told").wants(0);
    refused(fleet.answered("twice"), &["told already"]);
    fleet.answered("two").wants(3);
    refused(fleet.answered("none"), &["was not permitted"]);
    refused(fleet.answered("ghost"), &["no decision", "soon after it"]);
    refused(fleet.answered("slip"), &["“nearly”", "not-tried"]);
    agent.wait_for_growth();
    let query = |fleet: &Nodes, args: &[&str]| -> Vec<Value> {
        let args: Vec<&str> = ["event", "query"].iter().chain(args).copied().collect();
        events(fleet.json(LAPTOP, &args).wants(0))
    };
    let of_search = query(&fleet, &["--target", "sea"]);
    let [decision] = &of_search[..] else { panic!("{of_search:#?}") };
    for (field, value) in [
        ("kind", "decision"),
        ("verdict", "permit"),
        ("agent", "curious"),
        ("action", "tool.call"),
        ("rule", "demo.search"),
        ("intent", "find the invoice"),
        ("device", LAPTOP),
    ] {
        assert_eq!(decision[field], value, "{field} of {decision:#}");
    }
    assert_eq!(decision["chain"], serde_json::json!([format!("curious@{LAPTOP}")]));
    assert!(!decision.to_string().contains("hunter2"), "values are not kept: {decision:#}");
    let id = decision["id"].as_str().unwrap();
    let both = query(&fleet, &["--id", &id[..12]]);
    let [first, outcome] = &both[..] else { panic!("{both:#?}") };
    assert_eq!((first, &outcome["act_sha256"]), (decision, &decision["act_sha256"]));
    for (field, value) in [
        ("outcome", Value::from("done")),
        ("note", "three hits".into()),
        ("effects", serde_json::json!(["file:/tmp/hits"])),
        ("took_ms", 12.into()),
        ("tokens", 900.into()),
        ("micro_usd", 40.into()),
        ("session", decision["session"].clone()),
    ] {
        assert_eq!(outcome[field], value, "{field} of {outcome:#}");
    }
    let denied = query(&fleet, &["--verdict", "deny", "--agent", "curious", "--last", "1h"]);
    let [denied] = &denied[..] else { panic!("{denied:#?}") };
    assert_eq!((&denied["target"], &denied["rule"]), (&"secret-tool".into(), &"no-rule".into()));
    let told = query(&fleet, &["--outcome", "done"]);
    assert_eq!(told, std::slice::from_ref(outcome));
    fleet.ask(LAPTOP, &["event", "query", "--verdict", "no"]).refuses(2, &["observed"]);
    fleet.ask(LAPTOP, &["event", "query", "--last", "soon"]).refuses(2, &["“soon”"]);

    let tail = fleet.ask(LAPTOP, &["event", "tail", "--last", "2"]).wants(0).stdout.clone();
    assert_eq!(tail.lines().count(), 2, "{tail}");
    assert!(tail.contains("deny  curious  tool.call secret-tool"), "{tail}");
    let all = events(fleet.json(LAPTOP, &["event", "tail", "--last", "1000"]).wants(0));
    let numbers: Vec<u64> = all.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>(), "every row, in order");
    fleet.kill(LAPTOP);
    fleet.again(LAPTOP);
    assert_eq!(query(&fleet, &["--id", &id[..12]]), both, "the same after a restart");
    let audit = fleet.json(LAPTOP, &["audit", "verify"]).wants(0).data();
    assert_eq!((&audit["outcomes"], &audit["device"]), (&1.into(), &LAPTOP.into()), "{audit:#}");
    assert!(audit["rows"].as_u64() >= Some(all.len() as u64), "{audit:#}");
}
