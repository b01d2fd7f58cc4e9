//! An author's way, in the words of the terminal: begun from a template, checked, tested, compared,
//! published, and a No explained.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes};
use serde_json::json;

/// Goal: every verb of an author does on the command line what it says, one after the other, and
/// the rule that a test names is the rule that denies an agent. Method: the template for laptops,
/// published over the stories' policy; an agent reads a key; the No is explained.
#[test]
fn from_a_template_to_a_no_that_is_explained() {
    let mut fleet = Nodes::alone(exe());
    let folder = fleet.path("rules");
    let offline = |args: &[&str]| fleet.belay().run(&[&["--json"], args].concat());
    let words = |args: &[&str]| fleet.belay().run(args);
    words(&["policy", "new", "--from", "laptops", &folder]).refuses(2, &["laptop"]);
    let begun = offline(&["policy", "new", "--from", "laptop", &folder]).wants(0).data();
    assert_eq!(begun["from"], "laptop", "{begun:#}");
    words(&["policy", "new", "--from", "laptop", &folder]).refuses(2, &["there already"]);
    offline(&["policy", "fmt", "--check", &folder]).wants(0);
    offline(&["policy", "check", &folder]).wants(0);
    let tested = offline(&["policy", "test", "--coverage", &folder]).wants(0).data();
    assert_eq!((&tested["failed"], &tested["never_exercised"]), (&json!(0), &json!([])));

    let secret = "/home/ada/.ssh/id_ed25519";
    let go = fleet.path("seen/go");
    let lines = format!(
        "ask before act local.read {secret}\nwhile [ ! -e {go} ]; do sleep 0.05; done\n\
         ask after act local.read {secret}"
    );
    let agent = fleet.agent(LAPTOP, "reader", &lines);
    fleet.answered("before").wants(0);
    let differs = fleet.json(LAPTOP, &["policy", "diff", "in-force", &folder]).wants(7).data();
    let added = differs["rules"]["added"].to_string();
    assert!(added.contains("laptop.secrets"), "{differs:#}");
    let impact = fleet.json(LAPTOP, &["policy", "impact", &folder]).wants(7).data();
    let denied = impact["groups"].as_array().unwrap().iter();
    let mut denied = denied.filter(|one| one["change"] == "newly denied");
    assert!(denied.any(|one| one["rule"] == "laptop.secrets"), "{impact:#}");

    let unlock = fleet.unlock();
    let publish = ["policy", "publish", &folder, "-m", "laptops", "--unlock-file", &unlock];
    fleet.ask(LAPTOP, &publish).wants(0);
    std::fs::write(&go, "").unwrap();
    let after = fleet.answered("after").wants(3);
    assert!(after.stderr.contains("laptop.secrets"), "{after:#?}");
    let question = format!("agent:reader read {secret}");
    let explained = fleet.json(LAPTOP, &["policy", "explain", &question]).wants(3).data();
    assert!(explained.to_string().contains("laptop.secrets"), "{explained:#}");
    fleet.ask(LAPTOP, &["policy", "explain", "agent:reader reed /x"]).refuses(2, &["read"]);
    let effective = fleet.json(LAPTOP, &["policy", "effective"]).wants(0).data();
    assert_eq!(effective["judging"][0]["version"], "1.2", "{effective:#}");
    let history = fleet.json(LAPTOP, &["policy", "history"]).wants(0);
    assert!(history.stdout.contains("laptops"), "{history:#?}");
    fleet.ask(LAPTOP, &["policy", "rollback", "-m", "back", "--unlock-file", &unlock]).wants(0);
    let back = fleet.json(LAPTOP, &["policy", "effective"]).wants(0).data();
    assert_eq!(back["judging"][0]["version"], "1.3", "{back:#}");
    agent.wait_for_growth();
}
