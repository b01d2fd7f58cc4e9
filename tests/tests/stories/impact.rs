//! From observing to enforcing: what a policy would have said to what agents really did.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes};
use serde_json::{Value, json};
use std::fs;

/// The number of a field.
fn count(data: &Value, field: &str) -> u64 {
    data[field].as_u64().unwrap_or_else(|| panic!("{field} of {data:#}"))
}

/// The groups of one change, as (agent, rule, decisions).
fn groups(data: &Value, change: &str) -> Vec<(String, String, u64)> {
    let all = data["groups"].as_array().expect("groups").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let of = |one: &Value| (text(&one["agent"]), text(&one["rule"]), count(one, "decisions"));
    all.filter(|one| one["change"] == change).map(of).collect()
}

/// Goal: an IT team that observes reads what enforcing would deny, publishes it, and it is denied;
/// what the log cannot say is not guessed. Method: an agent acts under a policy that observes; the
/// same policy is replayed enforced, then a draft that forbids by target and by argument; the draft
/// is published, and the agent that was named acts again.
#[test]
fn what_was_observed_is_enforced() {
    let mut fleet = Nodes::empty(exe());
    let folder = fleet.path("policy");
    let release = fs::read_to_string(format!("{folder}/release.toml")).unwrap();
    let observing = release.replace("tool = \"enforce\"", "tool = \"observe\"");
    assert_ne!(observing, release, "the stories' policy enforces tools");
    fs::write(format!("{folder}/release.toml"), observing).unwrap();
    fleet.found(LAPTOP, "story.belay");
    let nothing = fleet.ask(LAPTOP, &["policy", "impact"]);
    assert_eq!(nothing.exit, Some(6), "{nothing:#?}");
    assert!(nothing.stdout.contains("the log is empty"), "{nothing:#?}");
    fleet.ask(LAPTOP, &["policy", "impact", "--last", "soon"]).refuses(2, &["“soon”"]);

    let go = fleet.path("seen/go");
    let lines = format!(
        "for n in 1 2 3 4 5; do ask mail$n act tool.call mail/send; done\n\
         ask plain act tool.call search\n\
         ask query act tool.call search --arg query=salaries\n\
         ask reason act tool.call search --arg 'belay.intent=find the invoice'\n\
         while [ ! -e {go} ]; do sleep 0.05; done\n\
         ask after act tool.call mail/send"
    );
    let agent = fleet.agent(LAPTOP, "clerk", &lines);
    fleet.answered("reason").wants(0);

    // The policy in force, enforced: nobody wrote a draft yet.
    let impact = |fleet: &Nodes, args: &[&str]| {
        fleet.json(LAPTOP, &[["policy", "impact"].as_slice(), args].concat())
    };
    let same = impact(&fleet, &[]).wants(0).data();
    assert_eq!((count(&same, "newly_denied"), count(&same, "observed")), (0, 5), "{same:#}");
    let enforced = impact(&fleet, &["--enforce"]).wants(7).data();
    let mail = ("clerk".to_owned(), "no-rule".to_owned(), 5);
    assert_eq!(groups(&enforced, "newly denied"), [mail], "{enforced:#}");
    assert_eq!(count(&enforced, "unchanged") + 5, count(&enforced, "decisions"), "{enforced:#}");
    let group = &enforced["groups"][0];
    assert_eq!(group["samples"].as_array().unwrap().len(), 3, "{group:#}");
    let sample = &group["samples"][0];
    assert_eq!((&sample["target"], &sample["was"]), (&json!("mail/send"), &json!("observed")));
    let more: Vec<&str> = group["more"].as_str().unwrap().split(' ').skip(1).collect();
    let listed = fleet.json(LAPTOP, &more).wants(0).stdout;
    assert_eq!(listed.lines().count(), 5, "{more:?}: {listed}");

    // A draft with a rule by target and one by the value of an argument.
    let rules = fs::read_to_string(format!("{folder}/policy.cedar")).unwrap();
    let tool = "action == Belay::Action::\"tool.call\"";
    let draft = format!(
        "{rules}\n@id(\"story.mail\") permit (principal, {tool}, resource in Belay::Connector::\"mail\");\n\
         @id(\"story.no-mail\") forbid (principal == Belay::Agent::\"clerk\", {tool}, resource in Belay::Connector::\"mail\");\n\
         @id(\"story.no-salaries\") forbid (principal, {tool}, resource) \
         when {{ context.arg has query && context.arg.query like \"*salar*\" }};\n"
    );
    fs::write(format!("{folder}/policy.cedar"), &draft).unwrap();
    fs::write(format!("{folder}/release.toml"), &release).unwrap();
    let said = impact(&fleet, &[&folder, "--last", "1h"]).wants(7);
    let envelope: Value = serde_json::from_str(said.stdout.trim()).unwrap();
    let data = said.data();
    let denied = ("clerk".to_owned(), "story.no-mail".to_owned(), 5);
    assert_eq!(groups(&data, "newly denied"), [denied], "{data:#}");
    assert_eq!((count(&data, "newly_allowed"), count(&data, "newly_asks")), (0, 0), "{data:#}");
    assert_eq!(count(&data, "may_change"), 1, "only the search for something: {data:#}");
    assert_eq!(data["may"][0]["rules"], json!(["story.no-salaries"]), "{data:#}");
    assert_eq!(data["may"][0]["samples"][0]["target"], "search", "{data:#}");
    assert_eq!(envelope["complete"], false, "{envelope:#}");
    let words = fleet.ask(LAPTOP, &["policy", "impact", &folder]).wants(7).stdout;
    for part in ["newly denied 5", "clerk, rule story.no-mail: 5", "may change 1", "argument query"]
    {
        assert!(words.contains(part), "“{part}” in {words}");
    }
    fs::write(format!("{folder}/policy.cedar"), "permit(principal").unwrap();
    fleet.ask(LAPTOP, &["policy", "impact", &folder]).refuses(7, &["policy.cedar"]);
    fs::write(format!("{folder}/policy.cedar"), &draft).unwrap();

    let unlock = fleet.unlock();
    fleet.ask(LAPTOP, &["policy", "publish", &folder, "--unlock-file", &unlock]).wants(0);
    fs::write(&go, "").unwrap();
    let after = fleet.answered("after").wants(3);
    assert!(after.stderr.contains("story.no-mail"), "{after:#?}");
    agent.wait_for_growth();
    let again = impact(&fleet, &["1.1"]).wants(7).data();
    let allowed = groups(&again, "newly allowed");
    assert_eq!(allowed, [("clerk".to_owned(), "no-rule".to_owned(), 1)], "by observing: {again:#}");
}
