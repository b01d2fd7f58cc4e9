//! Drafts at the command line: begun, edited, looked at, exported, and every way to get it wrong.

use super::authority::{add, sign, sign_in_words, wait_for_epoch, wait_for_proposal};
use super::exe;
use belay_crdt::drafts::Document;
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Goal: an operator edits one draft on two devices, from a folder and in an editor; every node
/// reads the same lines with their author, and the plain Automerge document opens elsewhere.
/// Method: begin from the release in force on the laptop, edit on the robot with the laptop's key,
/// then in an editor on the laptop; export on the robot.
#[test]
fn a_draft_is_edited_on_two_devices() {
    let fleet = Nodes::pair(exe());
    let (key, unlock) = (fleet.path("laptop/keys/operator.age"), fleet.unlock());
    let begun = draft(&fleet, LAPTOP, &["new", "outward", "-m", "less", "--unlock-file", &unlock]);
    assert_eq!(begun.wants(0).data()["files"], 2);
    let seen = |node: &str, changes: usize| {
        wait_for(&format!("{node} holds {changes} changes"), SOON, || {
            let said = draft(&fleet, node, &["show", "outward"]);
            let whole = |said: &Value| said["changes"].as_array().map(Vec::len) == Some(changes);
            (said.exit == Some(0)).then(|| said.data()).filter(whole)
        })
    };
    seen(ROBOT, 1);
    let folder = fleet.path("outward");
    draft(&fleet, ROBOT, &["show", "outward", "--out", &folder]).wants(0);
    // What was written out of the release in force can be published as it stands.
    fleet.ask(ROBOT, &["policy", "check", &folder]).wants(0);
    append(&folder, "policy.cedar", "// from the robot\n");
    let edit = ["edit", "outward", "--from", &folder, "--key", &key, "--unlock-file", &unlock];
    draft(&fleet, ROBOT, &edit).wants(0);
    seen(LAPTOP, 2);
    let editor = fleet.path("editor");
    let script = "#!/bin/sh\nfor file in \"$@\"; do\ncase $file in *.cedar) echo '// in an editor' >>$file;; esac\ndone\n";
    executable(&editor, script);
    let by = ["env", &format!("EDITOR={editor}")];
    let ask = ["--state", &fleet.path(LAPTOP), "policy", "draft", "edit", "outward"];
    let with = ["--unlock-file", &unlock];
    fleet.belay().start_by(&by, &[ask.as_slice(), &with].concat()).end(SOON).wants(0);

    let said = seen(ROBOT, 3);
    let rules = said["files"].as_array().unwrap().iter().find(|f| f["path"] == "policy.cedar");
    let lines = rules.unwrap()["lines"].as_array().unwrap();
    let last: Vec<&str> = lines.iter().rev().take(2).filter_map(|l| l["text"].as_str()).collect();
    assert_eq!(last, ["// in an editor\n", "// from the robot\n"]);
    let by = lines[0]["by"][0].as_str().unwrap();
    assert!(by.starts_with("operator:"), "{by}");
    assert_eq!(said, seen(LAPTOP, 3), "both read the same document");

    let file = fleet.path("outward.automerge");
    draft(&fleet, ROBOT, &["export", "outward", &file]).wants(0);
    let texts = Document::load(&fs::read(&file).unwrap()).unwrap().texts().unwrap();
    assert!(texts["policy.cedar"].ends_with("// from the robot\n// in an editor\n"));
    let words = fleet.ask(ROBOT, &["policy", "draft", "show", "outward"]).wants(0).stdout;
    assert!(words.contains("// in an editor") && words.contains("one branch"), "{words}");
    let list = draft(&fleet, ROBOT, &["list"]).wants(0).data();
    assert_eq!((list[0]["name"].as_str(), list[0]["changes"].as_u64()), (Some("outward"), Some(3)));
}

/// Goal: whoever gets it wrong is told what, where and what to do, and nothing is lost. Method:
/// every wrong call there is, on one node; then the draft is as it was.
#[test]
fn wrong_calls_change_no_draft() {
    let fleet = Nodes::alone(exe());
    let unlock = fleet.unlock();
    let sign = ["--unlock-file", unlock.as_str()];
    let run = |args: &[&str]| {
        let ask = ["policy", "draft"];
        fleet.ask(LAPTOP, &[&ask, args, &sign].concat())
    };
    run(&["new", "plan"]).wants(0);
    let before = draft(&fleet, LAPTOP, &["show", "plan"]).wants(0).data();
    run(&["new", "plan"]).refuses(2, &["plan", "draft edit plan"]);
    run(&["new", "No Name"]).refuses(2, &["No Name", "lowercase"]);
    run(&["new", "other", "--from", &fleet.path("nowhere")]).refuses(7, &["policy.cedar"]);
    let show = |name: &str| fleet.ask(LAPTOP, &["policy", "draft", "show", name]);
    show("plam").refuses(2, &["plam", "plan"]);
    let folder = fleet.path("plan");
    fleet.ask(LAPTOP, &["policy", "draft", "show", "plan", "--out", &folder]).wants(0);
    run(&["edit", "plan", "--from", &folder]).refuses(2, &["changes nothing"]);
    run(&["edit", "plan"]).refuses(2, &["editor", "EDITOR"]);
    fs::write(Path::new(&folder).join("tests.bin"), [0xff, 0xfe]).unwrap();
    fs::create_dir(Path::new(&folder).join("tests")).unwrap();
    fs::write(Path::new(&folder).join("tests/odd"), [0xff, 0xfe]).unwrap();
    run(&["edit", "plan", "--from", &folder]).refuses(7, &["tests/odd", "texts"]);
    fs::remove_dir_all(Path::new(&folder).join("tests")).unwrap();
    append(&folder, "policy.cedar", &format!("// {}\n", "x".repeat(50_000)));
    run(&["edit", "plan", "--from", &folder]).refuses(7, &["two steps", "shorter files"]);
    let wrong_key = fleet.path("laptop/keys/root.age");
    fleet.ask(LAPTOP, &["policy", "draft", "merge", "plan"]).wants(0);
    let of_root = ["policy", "draft", "new", "root", "--key", &wrong_key];
    let of_root = fleet.ask(LAPTOP, &[of_root.as_slice(), &sign].concat());
    assert!(matches!(of_root.exit, Some(2 | 3)), "{of_root:#?}");
    assert_eq!(draft(&fleet, LAPTOP, &["show", "plan"]).wants(0).data(), before);
}

fn draft(fleet: &Nodes, node: &str, args: &[&str]) -> belay_tests::story::Answer {
    fleet.json(node, &[&["policy", "draft"], args].concat())
}

fn append(folder: &str, file: &str, text: &str) {
    let path = Path::new(folder).join(file);
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, before + text).unwrap();
}

fn executable(path: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Goal: a draft becomes a release by two operators and back again by two, with a history that
/// loses nothing; a proposal lapses when its draft moves on, and a faulty draft is none. Method:
/// the founder at the laptop, bob at the robot, the two commands of each.
#[test]
fn a_draft_becomes_a_release_and_is_rolled_back() {
    let fleet = Nodes::pair(exe());
    add(&fleet, ROBOT, "bob", "policy").wants(0);
    wait_for_epoch(&fleet, ROBOT, 2);
    let run = |node: &str, args: &[&str]| sign(&fleet, node, &[&["policy"], args].concat());
    run(LAPTOP, &["draft", "new", "quiet"]).wants(0);
    let folder = fleet.path("quiet");
    let edit = |node: &str, text: &str| {
        let holds = wait_for("the draft is there", SOON, || {
            let show = draft(&fleet, node, &["show", "quiet", "--out", &folder]);
            (show.exit == Some(0)).then_some(show)
        });
        append(&folder, "policy.cedar", text);
        run(node, &["draft", "edit", "quiet", "--from", &folder]).wants(0);
        holds
    };
    edit(LAPTOP, "\n@id(\"story.quiet\")\nforbid(principal, action, resource) when { false };\n");
    let changes = |node: &str, many: usize| {
        wait_for(&format!("{node} holds {many} changes"), SOON, || {
            let said = draft(&fleet, node, &["show", "quiet"]);
            let count = said.data()["changes"].as_array().map(Vec::len);
            (count == Some(many)).then_some(())
        });
    };
    changes(ROBOT, 2);
    run(LAPTOP, &["propose", "quiet", "--expect", "1.9"]).refuses_json(7);
    let asked = run(LAPTOP, &["propose", "quiet", "-m", "less noise"]);
    assert_eq!(asked.exit, Some(8), "{asked:#?}");
    let first = asked.data()["id"].as_str().unwrap().to_owned();
    wait_for_proposal(&fleet, ROBOT, &first);
    // Bob looks at it, mends the draft instead, and his yes to the old proposal is refused.
    edit(ROBOT, "// bob was here\n");
    let lapsed = sign_in_words(&fleet, ROBOT, &["approve", &first, "--yes"]);
    lapsed.refuses(7, &["changed since", "policy propose"]);
    changes(LAPTOP, 3);
    let again = run(LAPTOP, &["propose", "quiet", "-m", "less noise, with bob"]);
    let second = again.data()["id"].as_str().unwrap().to_owned();
    yes(&fleet, &second);
    judges(&fleet, "2.1");

    // A draft that cannot be a release says where.
    edit(LAPTOP, "permit(\n");
    let faulty = run(LAPTOP, &["propose", "quiet"]);
    assert!(faulty.exit == Some(7) && faulty.stderr.contains("policy.cedar:"), "{faulty:#?}");
    run(LAPTOP, &["propose", "loud"]).refuses_json(2);

    run(LAPTOP, &["rollback", "9.9"]).refuses_json(2);
    run(LAPTOP, &["rollback", "--expect", "1.1"]).refuses_json(7);
    let back = run(LAPTOP, &["rollback", "-m", "too quiet"]);
    assert_eq!(back.exit, Some(8), "{back:#?}");
    yes(&fleet, back.data()["id"].as_str().unwrap());
    judges(&fleet, "2.2");
    let history = run_history(&fleet, ROBOT);
    let now = &history[0];
    assert_eq!((now["version"].as_str(), now["state"].as_str()), (Some("2.2"), Some("in force")));
    assert_eq!(now["reason"], "back to 1.1: too quiet", "{history:#?}");
    let old = history.iter().find(|one| one["id"] == second.as_str()).unwrap();
    assert_eq!(old["state"], "was in force");
    assert_eq!(old["drafts"], serde_json::json!(["quiet"]));
    assert_eq!(old["approved"].as_array().map(Vec::len), Some(2), "{old}");
    let first = history.iter().find(|one| one["id"] == first.as_str()).unwrap();
    assert_eq!(first["state"], "never in force", "{first}");
    let oldest = history.last().unwrap();
    assert_eq!(oldest["body"], now["body"], "the policy of 1.1 judges again");
    let none = run(LAPTOP, &["rollback"]);
    assert!(none.exit == Some(7) && none.stderr.contains("nothing older"), "{none:#?}");
}

/// Bob says yes at the robot, once the proposal and its policy are there.
fn yes(fleet: &Nodes, id: &str) {
    wait_for_proposal(fleet, ROBOT, id);
    wait_for("bob's yes is taken", SOON, || {
        (sign(fleet, ROBOT, &["approve", id, "--yes"]).exit == Some(0)).then_some(())
    });
}

fn judges(fleet: &Nodes, version: &str) {
    wait_for(&format!("{version} judges at the laptop"), SOON, || {
        let releases = fleet.status(LAPTOP)["releases"].clone();
        (releases[0]["version"] == version && releases[0]["whole"] == true).then_some(())
    });
}

fn run_history(fleet: &Nodes, node: &str) -> Vec<Value> {
    let words = fleet.ask(node, &["policy", "history"]).wants(0);
    assert!(words.stdout.contains("APPROVED BY"), "{words:#?}");
    fleet.json(node, &["policy", "history"]).wants(0).data().as_array().unwrap().clone()
}

/// Whether a command in JSON was refused with this exit code, and said what to do.
trait RefusesJson {
    fn refuses_json(&self, exit: i32);
}

impl RefusesJson for belay_tests::story::Answer {
    fn refuses_json(&self, exit: i32) {
        assert_eq!(self.exit, Some(exit), "{self:#?}");
        let error: Value = serde_json::from_str(self.stderr.lines().last().unwrap()).unwrap();
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{error}");
    }
}
