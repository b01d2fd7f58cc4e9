//! Classes of data on real nodes: what holds them, what a task that met one may still do, and what
//! its author is told.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes};
use serde_json::json;
use std::path::Path;

const RULES: &str = "
@id(\"story.all\") permit (principal, action, resource);
@id(\"story.stays\") forbid (principal, action in Belay::Action::\"outward\", resource)
  unless { [\"\", \"internal\"].contains(context.dataClass) };
";

const DATA: &str = "
[[data]]
class = \"internal\"
paths = [\"/srv\"]

[[data]]
class = \"secret\"
paths = [\"/srv/payroll\"]
tools = [\"crm\"]
";

const CASES: &str = "
[[case]]
name = \"what is open may be sent\"
action = \"connect\"
target = \"example.org:443\"
expect = \"permit\"

[[case]]
name = \"after something secret nothing is\"
action = \"connect\"
target = \"example.org:443\"
data = \"secret\"
expect = \"deny\"
rule = \"story.stays\"
";

fn release_with_data(fleet: &Nodes) -> String {
    let release = std::fs::read_to_string(fleet.path("policy/release.toml")).unwrap();
    release + DATA
}

fn folder(fleet: &Nodes, name: &str, rules: &str, release: &str, cases: &str) -> String {
    let folder = fleet.path(name);
    std::fs::create_dir_all(Path::new(&folder).join("tests")).unwrap();
    let files = [("policy.cedar", rules), ("release.toml", release), ("tests/data.toml", cases)];
    for (file, text) in files {
        std::fs::write(Path::new(&folder).join(file), text).unwrap();
    }
    folder
}

/// Goal: a task that read something secret sends nothing any more, the No says of which data it is,
/// and another task is free. Method: a release that marks folders and a connector; one agent reads
/// and sends on both sides of the mark, another only sends; then the event and the explanation.
#[test]
fn what_was_read_is_not_sent() {
    let mut fleet = Nodes::empty(exe());
    let release = release_with_data(&fleet);
    let folder = folder(&fleet, "policy", RULES, &release, CASES);
    fleet.belay().run(&["policy", "test", &folder]).wants(0);
    fleet.found(LAPTOP, "story.belay");
    let send = "act outward.connect example.org:443";
    let lines = format!(
        "ask near act local.read /srv/notes\nask first {send}\n\
         ask read act tool.call files/read --arg path=/srv/x/../payroll/a\nask then {send}"
    );
    let clerk = fleet.agent(LAPTOP, "clerk", &lines);
    for (name, exit) in [("near", 0), ("first", 0), ("read", 0), ("then", 3)] {
        let said = fleet.answered(name).wants(exit);
        assert!(exit == 0 || said.stderr.contains("story.stays"), "{said:#?}");
    }
    let why = fleet.json(LAPTOP, &["why", "--last"]).wants(0).data();
    let decided = &why["decision"]["decided"];
    let said = (&decided["rule"], &decided["data_class"], &decided["met"]);
    assert_eq!(said, (&json!("story.stays"), &json!("secret"), &json!(["secret"])), "{why:#}");
    let words = fleet.ask(LAPTOP, &["why", "--last"]).wants(0);
    assert!(words.stdout.contains("data of class secret"), "{words:#?}");
    let other = fleet.agent(LAPTOP, "other", &format!("ask other {send}"));
    fleet.answered("other").wants(0);
    let question = "agent:clerk call crm/list";
    let explained = fleet.json(LAPTOP, &["policy", "explain", question]).wants(0).data();
    assert_eq!(explained["data_class"], "secret", "{explained:#}");
    clerk.wait_for_growth();
    other.wait_for_growth();
}

/// Goal: a class that means nothing is no silent no: it is refused where it stands, with what to
/// do. Method: one slip each in rules, marks and cases.
#[test]
fn a_class_that_means_nothing_is_refused() {
    let fleet = Nodes::empty(exe());
    let release = release_with_data(&fleet);
    let slips = [
        (
            RULES.replace("\"internal\"", "\"intern\""),
            release.clone(),
            ["policy.cedar", "internal"],
        ),
        (RULES.to_owned(), release.replace("\"/srv\"", "\"srv\""), ["release.toml", "srv"]),
        (
            RULES.to_owned(),
            release.replace("\"secret\"", "\"internal\""),
            ["listed already", "once"],
        ),
        (RULES.to_owned(), release.replace("\"crm\"", "\"crm *\""), ["data.tools", "crm *"]),
        (RULES.to_owned(), release.replace("tools", "tool"), ["release.toml", "tool"]),
    ];
    for (at, (rules, release, words)) in slips.iter().enumerate() {
        let folder = folder(&fleet, &format!("slip-{at}"), rules, release, CASES);
        let check = fleet.belay().run(&["policy", "check", &folder]);
        assert_eq!(check.exit, Some(7), "{check:#?}");
        let said = format!("{}{}", check.stdout, check.stderr);
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {check:#?}");
    }
    let cases = CASES.replace("data = \"secret\"", "data = \"secrt\"");
    let folder = folder(&fleet, "case", RULES, &release, &cases);
    fleet.belay().run(&["policy", "test", &folder]).refuses(7, &["secrt", "secret"]);
}
