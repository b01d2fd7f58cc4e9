//! Policy from a folder to every device: check, publish, and what judges then.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Goal: every fault is named with file, line, rule and what to do, and nothing needs a node.
/// Method: one folder with six faults, then the good one.
#[test]
fn check_names_every_fault_at_once() {
    let fleet = Nodes::empty(exe());
    let folder = fleet.path("faulty");
    fs::create_dir(&folder).unwrap();
    let rules = "@id(\"one\")\npermit(principal, action, resource);\n\
                 permit(principal, action, resource);\n\
                 @id(\"one\") forbid(principal, action, resource);\n\
                 @id(\"two\") permit(principal, action, resource)\nwhen { context.agrs };\n";
    let release = fs::read_to_string(fleet.path("policy/release.toml")).unwrap();
    let release =
        release.replacen("\"enforce\"", "\"enforced\"", 1).replacen("= \"4s\"", "= \"4 s\"", 1);
    fs::write(format!("{folder}/policy.cedar"), rules).unwrap();
    fs::write(format!("{folder}/release.toml"), release).unwrap();
    let check = fleet.belay().run(&["--json", "policy", "check", &folder]).wants(7);
    let found = check.data()["faults"].as_array().unwrap().clone();
    let at = |fault: &Value| {
        let text = |name: &str| fault[name].as_str().unwrap_or("-").to_owned();
        assert!(!text("what").is_empty() && !text("next").is_empty(), "{fault}");
        (text("file"), fault["line"].as_u64(), text("rule"))
    };
    let found: Vec<_> = found.iter().map(at).collect();
    let cedar = |line, rule: &str| ("policy.cedar".to_owned(), Some(line), rule.to_owned());
    assert_eq!(found[..3], [cedar(3, "-"), cedar(4, "one"), cedar(5, "two")], "{check:#?}");
    assert_eq!(found[3..].iter().filter(|(file, ..)| file == "release.toml").count(), 2);
    let words = fleet.belay().run(&["policy", "check", &folder]);
    words.refuses(7, &["cannot be published"]);
    assert!(words.stdout.contains("policy.cedar:5 [two]"), "{words:#?}");
    let good = fleet.path("policy");
    fleet.belay().run(&["policy", "check", &good]).wants(0);
    let none = fleet.belay().run(&["policy", "check", &fleet.path("nowhere")]);
    none.refuses(7, &["cannot be published"]);
    assert!(none.stdout.contains("release.toml"), "{none:#?}");
}

/// Goal: a release published at any peer judges everywhere, shows what it changed, keeps who gives
/// leases, and refuses to go over a release that nobody expected. Method: the robot publishes with
/// the founder's key; the laptop expects the old version and is refused; then it expects the new.
#[test]
fn a_release_published_at_a_peer_judges_everywhere() {
    let fleet = Nodes::pair(exe());
    let (key, unlock) = (fleet.path("laptop/keys/operator.age"), fleet.unlock());
    let before = fleet.json(ROBOT, &["policy", "effective"]).wants(0).data();
    let folder = fleet.path("policy");
    let rules = fs::read_to_string(format!("{folder}/policy.cedar")).unwrap();
    let more = format!(
        "{rules}\n@id(\"story.no-search\") forbid(principal, action == Belay::Action::\"tool.call\", resource == Belay::Target::\"search\");\n"
    );
    let old_toml = fs::read_to_string(format!("{folder}/release.toml")).unwrap();
    fs::write(format!("{folder}/policy.cedar"), &more).unwrap();
    fs::write(
        format!("{folder}/release.toml"),
        old_toml.replacen("tool = \"4s\"", "tool = \"3s\"", 1),
    )
    .unwrap();

    let sign = ["--key", &key, "--unlock-file", &unlock];
    let publish = |node: &str, expect: &str| {
        let ask = ["policy", "publish", &folder, "--expect", expect];
        fleet.json(node, &[ask.as_slice(), &sign].concat())
    };
    let wrong = publish(ROBOT, "1.7");
    assert_eq!(wrong.exit, Some(7), "{wrong:#?}");
    assert!(wrong.stderr.contains("1.1") && wrong.stderr.contains("operator:"), "{wrong:#?}");
    let said = publish(ROBOT, "1.1").wants(0);
    assert!(said.stderr.contains("always on"), "two laptops are not always on: {said:#?}");
    let said = said.data();
    assert_eq!(said["version"], "1.2", "{said}");
    assert_eq!(said["changes"]["rules_added"], json!(["story.no-search"]), "{said}");
    assert_eq!(said["changes"]["rules_changed"], json!([]), "{said}");
    assert_eq!(said["changes"]["settings"][0]["what"], "leases.tool", "{said}");

    let after = wait_for("the laptop judges by the new release", SOON, || {
        let said = fleet.json(LAPTOP, &["policy", "effective"]).data();
        (said["judging"][0]["version"] == "1.2" && said["judging"][0]["whole"] == true)
            .then_some(said)
    });
    let rules: Vec<&str> = after["judging"][0]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["id"].as_str())
        .collect();
    assert!(rules.contains(&"story.no-search"), "{after}");
    for kept in ["beacons", "quorum", "liars"] {
        assert_eq!(after["judging"][0][kept], before["judging"][0][kept], "{kept} of {after}");
    }
    assert_eq!(after["older"][0]["release"]["version"], "1.1", "until it is adopted: {after}");
    assert_eq!(after["older"][0]["until_ms"], after["judging"][0]["adopt_by_ms"], "{after}");
    let words = fleet.ask(LAPTOP, &["policy", "effective"]).wants(0);
    assert!(words.stdout.contains("1.1 judges beside 1.2 until"), "{words:#?}");
    let late = publish(LAPTOP, "1.1");
    assert_eq!(late.exit, Some(7), "{late:#?}");
    let same = publish(LAPTOP, "1.2").wants(0).data();
    assert_eq!(same["published"], false, "nothing is published twice: {same}");

    // What cannot be a release changes nothing.
    fs::write(format!("{folder}/policy.cedar"), "permit(principal").unwrap();
    assert_eq!(publish(ROBOT, "1.2").exit, Some(7));
    assert_eq!(fleet.json(ROBOT, &["policy", "effective"]).data()["judging"][0]["version"], "1.2");
    fs::write(format!("{folder}/policy.cedar"), rules_without(&more)).unwrap();
    fs::write(
        format!("{folder}/release.toml"),
        format!("{old_toml}\n[beacons]\ndevices = [\"nobody\"]\nquorum = 1\n"),
    )
    .unwrap();
    let nobody = publish(ROBOT, "1.2");
    assert!(nobody.exit == Some(7) && nobody.stderr.contains("nobody"), "{nobody:#?}");
}

fn rules_without(rules: &str) -> String {
    rules.lines().filter(|line| !line.contains("story.no-search")).collect::<Vec<_>>().join("\n")
}

/// Goal: while an older release judges beside a new one, an explanation is what the gate says: the
/// strictest answer, by the release that gives it; and a comparison names whoever else judges.
/// Method: a release that permits more than the one before, asked about before it is adopted.
#[test]
fn an_explanation_asks_every_release_that_judges() {
    let fleet = Nodes::alone(exe());
    let (key, unlock) = (fleet.path("laptop/keys/operator.age"), fleet.unlock());
    let question = "agent:crawler tool.call secret-tool";
    let explain = ["policy", "explain", question];
    let alone = fleet.json(LAPTOP, &explain).wants(3).data();
    assert_eq!((&alone["policy"], &alone["beside"]), (&"release 1.1".into(), &json!([])));

    let folder = fleet.path("policy");
    let rules = fs::read_to_string(format!("{folder}/policy.cedar")).unwrap();
    let more = "@id(\"story.secret\") permit(principal, action == Belay::Action::\"tool.call\", \
                resource == Belay::Target::\"secret-tool\");";
    fs::write(format!("{folder}/policy.cedar"), format!("{rules}\n{more}\n")).unwrap();
    let publish = ["policy", "publish", &folder, "--key", &key, "--unlock-file", &unlock];
    fleet.json(LAPTOP, &publish).wants(0);
    let said = fleet.json(LAPTOP, &explain).wants(3).data();
    assert_eq!((&said["policy"], &said["decision"]), (&"release 1.1".into(), &"deny".into()));
    let [beside] = said["beside"].as_array().unwrap().as_slice() else { panic!("{said:#}") };
    assert_eq!(
        (&beside["policy"], &beside["rule"]),
        (&"release 1.2".into(), &"story.secret".into())
    );
    let words = fleet.ask(LAPTOP, &explain).wants(3).stdout;
    assert!(words.contains("release 1.2 judges and says permit by story.secret"), "{words}");
    assert!(words.contains("release 1.1, the strictest that judges"), "{words}");

    let diff = fleet.ask(LAPTOP, &["policy", "diff", &folder, "in-force"]).wants(0).stdout;
    assert!(diff.contains("beside release 1.2, release 1.1 judges until 20"), "{diff}");
    let of_one =
        fleet.json(LAPTOP, &["policy", "explain", "--of", "1.2", question]).wants(0).data();
    assert_eq!((&of_one["decision"], &of_one["beside"]), (&"permit".into(), &json!([])));
}

/// Goal: putting rules in shape never costs them: where the disk has no room for the new text the
/// old one stays, and where it has, a link stays a link and its file as open as it was. Method: a
/// limit on the size of files in the place of a full disk, then none.
#[test]
fn rules_outlive_a_disk_without_room() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, link) = (folder.path().join("kept.cedar"), folder.path().join("policy.cedar"));
    let rule = |number| format!("@id(\"rule-{number}\")permit(principal,action,resource);\n");
    let rules: String = (0..100).map(rule).collect();
    fs::write(&kept, &rules).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    let fmt = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{script} exec \"$0\" policy fmt \"$1\"")]).arg(exe());
        shell.arg(folder.path()).output().unwrap()
    };
    let no_room = fmt("trap '' XFSZ; ulimit -f 4;");
    assert_eq!(no_room.status.code(), Some(1), "{no_room:?}");
    assert_eq!(fs::read_to_string(&kept).unwrap(), rules);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    let done = fmt("");
    assert!(done.status.success(), "{done:?}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o640);
    let shaped = fs::read_to_string(&kept).unwrap();
    assert!(shaped != rules && shaped.matches("@id").count() == 100, "{shaped}");
}

/// Goal: a new rule binds what runs already, and `effective` shows only the rules that may meet an
/// agent. Method: an agent asks before and after the release that forbids it.
#[test]
fn a_release_binds_an_agent_that_runs() {
    let mut fleet = Nodes::alone(exe());
    let go = fleet.path("seen/go");
    let lines = format!(
        "ask before act tool.call search\nwhile [ ! -e {go} ]; do sleep 0.05; done\n\
         ask after act tool.call search"
    );
    let agent = fleet.agent(LAPTOP, "seeker", &lines);
    fleet.answered("before").wants(0);
    let (folder, unlock) = (fleet.path("policy"), fleet.unlock());
    let rules = fs::read_to_string(format!("{folder}/policy.cedar")).unwrap();
    let more = format!(
        "{rules}\n@id(\"story.seeker\") forbid(principal == Belay::Agent::\"spiffe://story.belay/agent/seeker\", \
         action == Belay::Action::\"tool.call\", resource);\n\
         @id(\"story.other\") forbid(principal == Belay::Agent::\"spiffe://story.belay/agent/other\", action, resource);\n"
    );
    fs::write(format!("{folder}/policy.cedar"), more).unwrap();
    let publish = ["policy", "publish", &folder, "--unlock-file", &unlock];
    let words = fleet.ask(LAPTOP, &publish).wants(0);
    assert!(words.stdout.contains("rule story.seeker added"), "{words:#?}");
    let said = fleet.json(LAPTOP, &["policy", "effective", "--agent", "seeker"]).wants(0).data();
    let rules = said["judging"][0]["rules"].to_string();
    assert!(rules.contains("story.seeker") && !rules.contains("story.other"), "{said}");
    fleet.ask(LAPTOP, &["policy", "effective", "--agent", "seker"]).refuses(2, &["seeker"]);
    fs::write(&go, "").unwrap();
    let after = fleet.answered("after").wants(3);
    assert!(after.stderr.contains("story.seeker") && after.stderr.contains("1.2"), "{after:#?}");
    agent.wait_for_growth();
}
