//! Programs on a real disk: who answers for them, what is hashed of them, and what becomes of an
//! agent whose program is swapped.

use super::exe;
use belay_tests::story::{Answer, LAPTOP, Nodes, SOON, wait_for};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The shell, as a file of its own that may be swapped.
fn shell(fleet: &Nodes, name: &str, tail: &[u8]) -> String {
    let mut bytes = fs::read("/bin/sh").unwrap();
    bytes.extend_from_slice(tail);
    program(fleet, name, &bytes)
}

fn program(fleet: &Nodes, name: &str, bytes: &[u8]) -> String {
    let path = fleet.path(name);
    let fresh = fleet.path(&format!("{name}.new"));
    fs::write(&fresh, bytes).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&fresh, &path).unwrap();
    path
}

fn signed(fleet: &Nodes, words: &[&str]) -> Answer {
    fleet.json(LAPTOP, &[words, &["--unlock-file", &fleet.unlock()]].concat())
}

/// Publishes the story's policy with these words on programs.
fn publish(fleet: &Nodes, programs: &str) -> Answer {
    let folder = fleet.path("policy");
    let file = format!("{folder}/release.toml");
    let before = fs::read_to_string(&file).unwrap();
    let settings = before.split("\n[programs]").next().unwrap();
    fs::write(&file, format!("{settings}\n[programs]\n{programs}\n")).unwrap();
    signed(fleet, &["policy", "publish", &folder])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// Goal: a manifest that is signed and listed says what its files are, everywhere that somebody
/// asks: `manifest check`, `list` and `show`, `status`, `agent show`, `why`; a hold on it blocks
/// what it names. Method: one program, signed, listed by its name, run, stopped.
#[test]
fn a_program_is_named_listed_and_blocked() {
    let mut fleet = Nodes::alone(exe());
    let path = shell(&fleet, "crawler", b"");
    let sign = ["manifest", "sign", &path, "--version", "1.2.0", "--publisher", "Ada & Sons"];
    let more = ["--stop-grace", "1s", "--tool", "tool.call", "--hash"];
    let far = format!("linux/other={}", "ab".repeat(32));
    let said = signed(&fleet, &[&sign[..], &more, &[&far]].concat()).wants(0).data();
    let hash = text(&said["hashes"][0]).to_owned();
    assert_eq!((text(&said["name"]), text(&said["author"])), ("crawler", "operator:operator"));

    let before = fleet.json(LAPTOP, &["manifest", "check", &path]).wants(0).data();
    assert_eq!(text(&before[0]["verdict"]), "tolerated", "signed, and listed nowhere: {before}");
    let listed = "sanctioned = [\"crawler@1.2.0\"]\nunknown = \"blocked\"";
    let said = publish(&fleet, listed).wants(0).data();
    let changed = said["changes"]["settings"].to_string();
    assert!(changed.contains("programs.sanctioned") && changed.contains("blocked"), "{said}");
    wait_for("the release before has been succeeded", SOON, || {
        let check = fleet.json(LAPTOP, &["manifest", "check", &path]).data();
        let (verdict, release) = (text(&check[0]["verdict"]), text(&check[0]["release"]));
        (verdict == "sanctioned" && release == "1.2").then_some(())
    });
    fleet.json(LAPTOP, &["manifest", "check", "/bin/sh"]).wants(0);
    let other = shell(&fleet, "other", b"x");
    let blocked = fleet.ask(LAPTOP, &["manifest", "check", &other]);
    blocked.refuses(3, &["blocked here", "manifest sign"]);

    let lines = "ask act act tool.call search\nask why why --last";
    let agent = fleet.agent_by(LAPTOP, "crawler", &path, lines);
    agent.wait_for_growth();
    fleet.answered("act").wants(0);
    let words = "sanctioned (listed in release 1.2, signed by operator:operator; manifest \
                 crawler@1.2.0 signed by operator:operator)";
    let own = fleet.answered("why").wants(0).data();
    let program = &own["decision"]["programs"][0];
    assert_eq!((text(&program["verdict"]), text(&program["release"])), ("sanctioned", "1.2"));
    for shown in [
        fleet.ask(LAPTOP, &["why", "--last"]).wants(0).stdout,
        fleet.ask(LAPTOP, &["agent", "show", "crawler"]).wants(0).stdout,
        fleet.ask(LAPTOP, &["manifest", "show", "crawler"]).wants(0).stdout,
    ] {
        assert!(shown.contains(words), "“{words}” is not in\n{shown}");
    }
    let status = fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
    assert!(status.contains("crawler@1.2.0, sanctioned"), "{status}");
    let list = fleet.ask(LAPTOP, &["manifest", "list"]).wants(0).stdout;
    assert!(list.contains("crawler@1.2.0") && list.contains("linux/other"), "{list}");

    fleet.stop(LAPTOP, &format!("manifest:{hash}"), "20s").wants(0);
    agent.wait_until_gone(SOON);
    let check = fleet.json(LAPTOP, &["manifest", "check", &path]);
    assert_eq!((check.exit, text(&check.data()[0]["verdict"])), (Some(3), "blocked"));
    let again = fleet.ask(LAPTOP, &["agent", "run", "--name", "again", "--", &path, "-c", ":"]);
    again.refuses(3, &["manifest:"]);
}

/// Goal: what is no program, no manifest, or another's, is refused by name and nothing is signed.
/// Method: each wrong thing in turn, then the list of manifests.
#[test]
fn what_cannot_be_signed_or_checked_is_refused() {
    let fleet = Nodes::alone(exe());
    let sign = |file: &str, more: &[&str]| {
        let words = ["manifest", "sign", file, "--version", "1"];
        fleet.ask(LAPTOP, &[&words[..], &["--unlock-file", &fleet.unlock()], more].concat())
    };
    sign(&fleet.path("nothing"), &[]).refuses(2, &["no such file"]);
    sign(&fleet.path("policy"), &[]).refuses(2, &["it is no file"]);
    let lost = program(&fleet, "lost", b"#!/nowhere/reader\n");
    sign(&lost, &[]).refuses(2, &["/nowhere/reader", "interpreter"]);
    let good = program(&fleet, "good", b"#!/bin/sh\n:\n");
    sign(&good, &["--name", "сrawler"]).refuses(2, &["is not a name"]);
    sign(&good, &["--stop-grace", "1h"]).refuses(2, &["stop grace is at most 10000 ms"]);
    sign(&good, &["--hash", "linux/arm=12"]).refuses(2, &["no platform with a hash"]);
    let list = || fleet.json(LAPTOP, &["manifest", "list"]).wants(0).data();
    assert_eq!(list(), serde_json::json!([]), "nothing was signed");

    let out = fleet.path("good.manifest");
    sign(&good, &["--out", &out]).wants(0);
    sign(&good, &[]).refuses(7, &["names one of these files already", "--beside"]);
    let more = program(&fleet, "go0d", b"#!/bin/sh\nfalse\n");
    sign(&more, &[]).refuses(7, &["reads like “good”"]);
    sign(&good, &["--beside", "--publisher", "another"]).wants(0);
    let both = fleet.json(LAPTOP, &["manifest", "show", "good@1"]).wants(0).data();
    assert_eq!(both[0]["manifests"].as_array().unwrap().len(), 2, "{both}");
    let two = publish(&fleet, "sanctioned = [\"good@1\"]");
    assert_eq!(two.exit, Some(7), "{two:#?}");
    assert!(two.stderr.contains("two manifests are called good@1"), "{two:#?}");
    for (programs, said) in [
        ("sanctioned = [\"bad@9\"]", "no manifest that stands is called bad@9"),
        ("sanctioned = [\"12\"]", "is no program"),
        ("unknown = \"denied\"", "is no word for it"),
    ] {
        let refused = publish(&fleet, programs);
        assert_eq!(refused.exit, Some(7), "{programs}: {refused:#?}");
        assert!(refused.stderr.contains(said), "{programs}: {refused:#?}");
    }

    let check = |file: &str| fleet.ask(LAPTOP, &["manifest", "check", file]);
    assert!(check(&out).wants(0).stdout.contains("stands here"));
    let mut bytes = fs::read(&out).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&out, &bytes).unwrap();
    check(&out).refuses(7, &["was changed, or signed for another fleet"]);
    let other = Nodes::alone(exe());
    let theirs = other.path("theirs.manifest");
    let words = ["manifest", "sign", &good, "--version", "1", "--out", &theirs, "--unlock-file"];
    other.ask(LAPTOP, &[&words[..], &[&other.unlock()]].concat()).wants(0);
    check(&theirs).refuses(7, &["another fleet"]);
}

/// Goal: an agent whose program, or whose script's interpreter, is swapped while it runs may act no
/// more where that is enforced, and may again when the old bytes are back; an order on what lies
/// there now ends it. Method: a script by an interpreter of its own; the gate is asked before and
/// after each change.
#[test]
fn a_swapped_program_is_seen_at_its_next_act() {
    let mut fleet = Nodes::alone(exe());
    let reader = shell(&fleet, "reader", b"");
    let asks = "n=0\nwhile [ $n -lt 400 ]; do n=$((n + 1)); ask \"$n\" act tool.call search; \
                sleep 0.1; done";
    let script = fleet.script("swapped.sh", asks);
    let lines = fs::read_to_string(&script).unwrap();
    let script = program(&fleet, "swapped", format!("#!{reader} -u\n{lines}").as_bytes());
    let run = ["agent", "run", "--name", "swapped", "--", &script];
    let state = fleet.path(LAPTOP);
    let run = [&["--state", &state], &run[..]].concat();
    let mut running = fleet.belay().start_by(&["setsid"], &run);
    let mut asked = 0;
    let mut answers = |fleet: &mut Nodes, state: &str, exit: i32| {
        wait_for(state, SOON, || {
            asked += 1;
            (fleet.answered(&asked.to_string()).exit == Some(exit)).then_some(())
        });
    };
    answers(&mut fleet, "it may act", 0);
    shell(&fleet, "reader", b"swapped");
    answers(&mut fleet, "its interpreter is another one", 3);
    let why = fleet.ask(LAPTOP, &["why", "--last"]).wants(0).stdout;
    assert!(why.contains("an interpreter of this program is another one on disk"), "{why}");
    assert!(fleet.log(LAPTOP).contains("was swapped on disk"), "{}", fleet.log(LAPTOP));
    shell(&fleet, "reader", b"");
    answers(&mut fleet, "the old bytes are back", 0);

    shell(&fleet, "reader", b"bad");
    let bad = fleet.json(LAPTOP, &["manifest", "check", &reader]).wants(0).data();
    let hold = format!("manifest:{}", text(&bad[0]["hash"]));
    let stop = ["stop", &hold, "--ahead", "--timeout", "1s", "--unlock-file", &fleet.unlock()];
    fleet.ask(LAPTOP, &stop).wants_one_of(&[0, 6]);
    let ended = wait_for("an order on what lies there now ends it", SOON, || running.ended());
    assert_ne!(ended.exit, Some(0), "{ended:#?}");
}

/// Goal: another program under an agent's name inherits nothing that rules grant to the name, not
/// at its second session either; that is told and shown; a program that manifests of one name call
/// a version of the first does inherit. Method: one rule for the name alone; the first program, a
/// stranger twice, then the stranger vouched for.
#[test]
fn a_ghost_under_an_agents_name_inherits_nothing() {
    let mut fleet = Nodes::alone(exe());
    let folder = fleet.path("policy");
    let file = format!("{folder}/policy.cedar");
    let agent = "spiffe://story.belay/agent/ghost";
    let hers = format!(
        "{}\n@id(\"story.hers\") permit(principal == Belay::Agent::\"{agent}\", \
         action == Belay::Action::\"tool.call\", resource == Belay::Target::\"hers\");\n",
        fs::read_to_string(&file).unwrap()
    );
    let domain = text(&fleet.status(LAPTOP)["domain"]).to_owned();
    fs::write(&file, hers.replace("story.belay", &domain)).unwrap();
    signed(&fleet, &["policy", "publish", &folder]).wants(0);
    let (first, other) = (shell(&fleet, "first", b""), shell(&fleet, "second", b"x"));
    let mut asks = 0;
    let mut says = |fleet: &mut Nodes, shell: &str| {
        asks += 1;
        let name = format!("ask-{asks}");
        let script = fleet.script(&name, &format!("ask {name} act tool.call hers"));
        fleet.ask(LAPTOP, &["agent", "run", "--name", "ghost", "--", shell, &script]);
        fleet.answered(&name)
    };
    // The release before judges beside the new one until its adopt-by.
    wait_for("the rule for the name is read", SOON, || {
        (says(&mut fleet, &first).exit == Some(0)).then_some(())
    });
    let no = says(&mut fleet, &other).wants(3);
    assert!(no.stderr.contains("lineage") && no.stderr.contains("story.hers"), "{no:#?}");
    says(&mut fleet, &other).wants(3);
    assert!(fleet.log(LAPTOP).contains("inherits nothing"), "{}", fleet.log(LAPTOP));
    let shown = fleet.ask(LAPTOP, &["agent", "show", "ghost"]).wants(0).stdout;
    assert!(shown.contains("lineage   broken"), "{shown}");
    says(&mut fleet, &first).wants(0);
    for (path, version) in [(&first, "1"), (&other, "2")] {
        let sign = ["manifest", "sign", path, "--name", "ghost-program", "--version", version];
        signed(&fleet, &sign).wants(0);
    }
    says(&mut fleet, &other).wants(0);
}
