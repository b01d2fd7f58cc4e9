//! What is played with every agent: it may, it may not and hears why, the policy changes under it,
//! an order from another device ends it; and whatever becomes of node and hook, nothing happens
//! that the gate did not permit.

use super::desk::Desk;
use crate::story::{LAPTOP, ROBOT, SOON, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A permitted call does what it says; a denied one does nothing, and the model hears the rule, the
/// next step, and an id that explains it; a change of policy counts without a new start.
pub(super) fn asks_at_every_call(desk: &mut Desk) {
    let calls = vec![
        desk.touch("may"),
        desk.touch_behind("may-not"),
        desk.linger(8),
        desk.touch_behind("may-now"),
    ];
    let script = desk.script(calls);
    let session = desk.start(&script, &[]);
    desk.wait_until_begun(&script);
    session.wait_until_lingering(1);
    let git = "\"git\",";
    desk.publish_with("policy.cedar", git, &format!("{git} \"sh\","));
    let name = desk.driven.name;
    let said = session.end();
    assert!(said.contains("hooks only"), "{said}");
    assert!(desk.made("may") && !desk.made("may-not"), "{said}");
    assert!(desk.made("may-now"), "the new policy does not count yet: {said}");
    let told = desk.results(&script).get(1).cloned().unwrap_or_default();
    let no = "Belay denied work.run on sh: no rule permits it of release 1.1";
    assert!(told.contains(no), "{name} was told: {told}");
    let id = told.split("belay why ").nth(1).and_then(|rest| rest.split('`').next());
    let why = desk.fleet.ask(LAPTOP, &["why", id.expect("the No names its id")]).wants(0).stdout;
    assert!(why.contains(&format!("Denied: work.run on sh by agent:{name}")), "{why}");
    desk.publish_with("policy.cedar", " \"sh\",", "");
}

/// What came of a permitted call is an event beside its permit: done, or failed with the agent's
/// own words where it tells that.
pub(super) fn tells_what_came(desk: &mut Desk, tells_failure: bool) {
    let nowhere = (desk.driven.shell)("touch /nowhere/at/all");
    let script = desk.script(vec![desk.touch("told"), nowhere, desk.touch_behind("told-not")]);
    let said = desk.start(&script, &[]).end();
    assert!(desk.made("told") && !desk.made("told-not"), "{said}");
    let events = outcomes(desk, "touch");
    let came: Vec<&str> = events.iter().filter_map(|event| event["outcome"].as_str()).collect();
    let second = if tells_failure { "failed" } else { "done" };
    assert!(came.ends_with(&["done", second]), "{events:#?}");
    let last = events.last().expect("an outcome");
    assert!(last["took_ms"].is_u64(), "{last}");
    assert_eq!(last["note"].as_str().is_some_and(|note| !note.is_empty()), tells_failure, "{last}");
}

/// What came of the agent's acts on a target in the last minutes, oldest first.
fn outcomes(desk: &Desk, target: &str) -> Vec<Value> {
    let query = ["--json", "event", "query", "--last", "5m", "--limit", "10000"];
    let said = desk.fleet.ask(LAPTOP, &query).wants(0);
    let events = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let events: Vec<Value> = events.map(|mut event| event["data"].take()).collect();
    let name = desk.driven.name;
    let tried = events.iter().filter(|event| event["agent"] == name && event["target"] == target);
    let ids: Vec<&Value> = tried.map(|event| &event["id"]).collect();
    let came = events.iter().filter(|event| event["kind"] == "outcome");
    came.filter(|event| ids.contains(&&event["id"])).cloned().collect()
}

/// Wrapped, an agent has its connectors through the gateway, by their own names and with their own
/// variables: a permitted tool does what it does, a denied one nothing, and what cannot go through
/// is said. Unwrapped, the file is what it was; where the agent wrote into it since, what started
/// its servers is. Not wrapped, a run is lent what this device has.
pub(super) fn connectors_go_through_the_gateway(desk: &mut Desk, own: &Connectors) {
    let rule = "@id(\"scene.mark\") permit (principal, action == Belay::Action::\"tool.call\",\n\
                resource == Belay::Target::\"files/mark\")\n\
                unless { context.args.contains(\"path=/denied\") };\n";
    let begin = "// No rule permits";
    desk.publish_with("policy.cedar", begin, &format!("{rule}{begin}"));
    let text = (own.text)(&desk.fleet.path("connector.py"));
    desk.home_as(&[(own.file, &text)]);
    let file = desk.fleet.path(&format!("agent/{}", own.file));
    let wrap = ["agent", "wrap", own.word, "--yes"];
    let unwrap = ["agent", "unwrap", own.word, "--yes"];
    let shown = desk.belay(&[], &["agent", "wrap", own.word]);
    shown.refuses(2, &["asks first"]);
    for word in ["connector add files --env TOKEN -- python3", "far stays as it is", "+ "] {
        assert!(shown.stderr.contains(word), "{word} is not in {shown:#?}");
    }
    assert_eq!(read(&file), text);
    let done = desk.belay(&[], &wrap).wants(0);
    assert!(done.stdout.contains("Through the gateway: files"), "{done:#?}");
    desk.belay(&[], &wrap).wants(0);
    desk.belay(&[], &unwrap).wants(0);
    assert_eq!(read(&file), text);

    desk.belay(&[], &wrap).wants(0);
    calls_by_the_gateway(desk, own, "wrapped", "t0 ");
    desk.belay(&[], &unwrap).wants(0);
    let now = read(&file);
    assert!(now.contains("connector.py") && !now.contains("\"mcp\""), "{now}");

    fs::remove_file(&file).expect("the agent's file");
    desk.home_as(&[]);
    if own.is_lent {
        calls_by_the_gateway(desk, own, "lent", " ");
    }
    desk.fleet.ask(LAPTOP, &["connector", "remove", "files"]).wants(0);
    desk.publish_with("policy.cedar", rule, "");
}

/// Calls that are permitted, denied, and that fail.
fn calls_by_the_gateway(desk: &mut Desk, own: &Connectors, name: &str, token: &str) {
    let by = format!("{name}-by");
    let calls = vec![
        (own.call)("mark", json!({"path": desk.fleet.path(&format!("made/{by}"))})),
        (own.call)("mark", json!({"path": "/denied"})),
        (own.call)("mark", json!({"path": "nowhere"})),
    ];
    let script = desk.script(calls);
    let said = desk.start(&script, &[]).end();
    let told = desk.results(&script);
    assert_eq!(told.len(), 3, "{told:?} {said}");
    assert!(desk.made(&by) && !Path::new("/denied").exists(), "{told:?} {said}");
    let by = read(&desk.fleet.path(&format!("made/{by}")));
    assert!(by.starts_with(token) && by.contains(" mcp files"), "started by: {by}");
    assert!(told[1].contains("Belay denied tool.call on files/mark"), "{told:?}");
    assert!(told[2].contains("there is no such place"), "{told:?}");
    let events = outcomes(desk, "files/mark");
    let came = |word: &str| events.iter().filter(|event| event["outcome"] == word).count();
    // The gateway tells each of them, the hook what its agent tells it.
    let heard = if own.hears_failure { 2 } else { 1 };
    assert!(came("done") >= 2 && came("failed") >= heard, "{events:#?}");
}

/// How an agent keeps its connectors.
pub(super) struct Connectors {
    /// Its word.
    pub(super) word: &'static str,
    /// The file, below its home.
    pub(super) file: &'static str,
    /// What that says: `files`, started by this script with a TOKEN, and `far` over the network.
    pub(super) text: fn(server: &str) -> String,
    /// A call of a tool of `files`.
    pub(super) call: fn(tool: &str, input: Value) -> Value,
    /// Whether a run is lent connectors by the words of its command line.
    pub(super) is_lent: bool,
    /// Whether its hook hears of a tool that failed.
    pub(super) hears_failure: bool,
}

/// In observe mode the same call is let through, and what would have been said is kept.
pub(super) fn observes(desk: &mut Desk) {
    desk.publish_with("release.toml", "work = \"enforce\"", "work = \"observe\"");
    let script = desk.script(vec![desk.touch_behind("observed")]);
    desk.start(&script, &[]).end();
    assert!(desk.made("observed"));
    let name = desk.driven.name;
    let show = desk.fleet.ask(LAPTOP, &["agent", "show", name]).wants(0).stdout;
    let kept = show.lines().find(|line| line.contains("work.run sh") && line.contains("no-rule"));
    let id = kept.and_then(|line| line.split_whitespace().last()).unwrap_or_default();
    let why = desk.fleet.ask(LAPTOP, &["why", id]).wants(0).stdout;
    assert!(why.contains("only because the release observes"), "{show}\n{why}");
    desk.publish_with("release.toml", "work = \"observe\"", "work = \"enforce\"");
}

/// An order given on the other device ends the agent with its tool, proves it, and it stays ended.
pub(super) fn stops_from_elsewhere(desk: &mut Desk) {
    let script = desk.script(vec![desk.touch("before"), desk.linger(600), desk.touch("after")]);
    let session = desk.start(&script, &[]);
    desk.wait_until_begun(&script);
    desk.wait_until_made("before");
    session.wait_until_lingering(1);
    let task = desk.fleet.status(LAPTOP)["tasks"][0].take();
    assert_eq!(task["wall"], "hooks only", "{task}");
    let subject = format!("agent:{}", desk.driven.name);
    let (key, unlock) = (desk.fleet.path("laptop/keys/operator.age"), desk.fleet.unlock());
    let stop = ["stop", &subject, "--reason", "story", "--timeout", "20s", "--key", &key];
    let stop = [stop.as_slice(), &["--unlock-file", &unlock]].concat();
    let stopped = desk.fleet.json(ROBOT, &stop).wants(0).data();
    assert_eq!(stopped["proven"], true, "{stopped}");
    let branches = stopped["branches"].as_array().cloned().unwrap_or_default();
    let hooked = |branch: &serde_json::Value| branch["wall"] == "hooks only";
    assert!(branches.iter().any(hooked), "{stopped}");
    session.wait_until_gone();
    assert!(!desk.made("after"));
    let again = desk.script(vec![desk.touch("again")]);
    let said = desk.start(&again, &[]).end();
    assert!(said.contains("order") && !desk.made("again"), "{said}");
    let resume = ["resume", &subject, "--unlock-file", &unlock];
    desk.fleet.ask(LAPTOP, &resume).wants(0);
}

/// A node that hangs gives no Yes: the hook says so itself, and nothing happens.
pub(super) fn denies_when_the_node_hangs(desk: &mut Desk) {
    let script = desk.script(vec![desk.touch("hung-a"), desk.linger(3), desk.touch("hung-b")]);
    let session = desk.start(&script, &[]);
    desk.wait_until_begun(&script);
    desk.wait_until_made("hung-a");
    session.wait_until_lingering(1);
    let node = desk.fleet.node(LAPTOP);
    node.signal(Signal::STOP);
    let told = match desk.driven.model_hears_a_no {
        true => wait_for("the model hears that the node hangs", SOON, || {
            desk.results(&script).get(2).cloned()
        }),
        false => {
            wait_for("the agent ends", SOON, || session.is_its_warden_alone().then_some(()));
            String::new()
        }
    };
    node.signal(Signal::CONT);
    let said = session.end();
    let hears = desk.driven.model_hears_a_no;
    assert!(!hears || told.contains("did not answer within"), "{told} {said}");
    assert!(!desk.made("hung-b"));
}

/// A node that was killed leaves its agent standing still, and then ended.
pub(super) fn holds_when_the_node_is_killed(desk: &mut Desk) {
    let script = desk.script(vec![desk.touch("killed-a"), desk.linger(3), desk.touch("killed-b")]);
    let session = desk.start(&script, &[]);
    desk.wait_until_begun(&script);
    desk.wait_until_made("killed-a");
    session.wait_until_lingering(1);
    desk.fleet.kill(LAPTOP);
    wait_for("the agent stands still", SOON, || session.stands_still().then_some(()));
    desk.fleet.again(LAPTOP);
    desk.fleet.wait_linked(LAPTOP, ROBOT);
    session.stop_by_force();
    assert!(!desk.made("killed-b"));
}

/// Without its `belay` a hook denies, and says whom to ask.
pub(super) fn denies_when_the_hook_is_deleted(desk: &mut Desk) {
    let belay = desk.fleet.path("belay-copy");
    fs::copy(desk.fleet.belay().exe(), &belay).expect("a copy of belay");
    let script = desk.script(vec![desk.touch("gone-a"), desk.linger(3), desk.touch("gone-b")]);
    let session = desk.start_with(Path::new(&belay), &script, &[]);
    desk.wait_until_begun(&script);
    desk.wait_until_made("gone-a");
    session.wait_until_lingering(1);
    fs::remove_file(&belay).expect("the copy");
    let said = session.end();
    let told = desk.results(&script).get(2).cloned().unwrap_or_default();
    assert!(told.contains("the hook of belay did not run"), "{told} {said}");
    assert!(!desk.made("gone-b"));
}

/// What a user's and a project's files say does not take the hook away for a run; words on the
/// command line that would are refused before anything starts.
pub(super) fn cannot_be_switched_off(desk: &mut Desk, files: &[(&str, &str)], words: &[&[&str]]) {
    desk.home_as(files);
    let script = desk.script(vec![desk.touch("on"), desk.touch_behind("off")]);
    let said = desk.start(&script, &[]).end();
    assert!(desk.made("on") && !desk.made("off"), "{said}");
    for words in words {
        let script = desk.script(vec![desk.touch_behind("refused")]);
        let said = desk.start(&script, words).end();
        assert!(said.contains("would take the hook away"), "{words:?}: {said}");
        assert!(!desk.made("refused"), "{words:?}");
    }
    files.iter().for_each(|(path, _)| {
        fs::remove_file(desk.fleet.path(&format!("agent/{path}"))).expect(path);
    });
    desk.home_as(&[]);
}

/// Wrapped in its user's own file, an agent that was started by itself is denied and told how to
/// start; what a user takes out of the file is seen; unwrapped, the file is what it was.
pub(super) fn asks_however_it_is_started(desk: &mut Desk, wrap: &Wrapped) {
    let file = desk.fleet.path(&format!("agent/{}", wrap.user_file));
    desk.home_as(&[(wrap.user_file, wrap.odd)]);
    let shown = desk.belay(&[], &["agent", "wrap", wrap.word]);
    shown.refuses(2, &["asks first"]);
    assert!(shown.stderr.contains("+ ") && read(&file) == wrap.odd, "{shown:#?}");
    desk.belay(&[], &["agent", "wrap", wrap.word, "--yes"]).wants(0);
    let status = desk.fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
    assert!(status.contains(&format!("{} (user): in place", wrap.word)), "{status}");
    let script = desk.script(vec![desk.touch("plainly")]);
    let said = desk.start_plainly(&[], &script).end();
    let told = desk.results(&script).join("\n");
    let name = desk.driven.name;
    assert!(told.contains(&format!("belay agent run -- {name}")), "{told} {said}");
    assert!(!desk.made("plainly"));
    let script = desk.script(vec![desk.touch("under"), desk.touch_behind("under-not")]);
    desk.start(&script, &[]).end();
    assert!(desk.made("under") && !desk.made("under-not"));
    fs::write(&file, wrap.odd).expect("the user's file");
    let gone = desk.fleet.ask(LAPTOP, &["status"]).wants(1).stdout;
    assert!(gone.contains("GONE") && gone.contains("does not ask any more"), "{gone}");
    desk.belay(&[], &["agent", "wrap", wrap.word, "--yes"]).wants(0);
    desk.belay(&[], &["agent", "unwrap", wrap.word, "--yes"]).wants(0);
    assert_eq!(read(&file), wrap.odd);
    let script = desk.script(vec![desk.touch("unwrapped")]);
    let said = desk.start_plainly(&[], &script).end();
    assert!(desk.made("unwrapped"), "{said}");
    fs::remove_file(&file).expect("the user's file");
    desk.home_as(&[]);
}

/// Wrapped in the system's managed file, no file and no word of its user takes the hook away.
pub(super) fn is_pinned_by_the_managed_file(desk: &mut Desk, wrap: &Wrapped) {
    let etc = desk.fleet.path("etc");
    let copied = std::process::Command::new("cp").args(["-a", "/etc", &etc]).status();
    assert!(copied.is_ok_and(|copied| copied.success()), "a copy of /etc");
    let by = desk.with_etc_of_its_own();
    desk.belay(&by, &["agent", "wrap", wrap.word, "--managed", "--yes"]).wants(0);
    desk.home_as(wrap.off);
    for words in wrap.words_off {
        let script = desk.script(vec![desk.touch("pinned")]);
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let said = desk.start_plainly_with(&by, &words, &script).end();
        let told = desk.results(&script).join("\n");
        assert!(told.contains("belay agent run"), "{words:?}: {told} {said}");
        assert!(!desk.made("pinned"), "{words:?}");
    }
    let status = desk.belay(&by, &["status"]).wants(0).stdout;
    assert!(status.contains(&format!("{} (managed): in place", wrap.word)), "{status}");
    desk.belay(&by, &["agent", "unwrap", wrap.word, "--managed", "--yes"]).wants(0);
    wrap.off.iter().for_each(|(path, _)| {
        fs::remove_file(desk.fleet.path(&format!("agent/{path}"))).expect(path);
    });
    desk.home_as(&[]);
}

/// How one agent is wrapped.
pub(super) struct Wrapped {
    /// Its word.
    pub(super) word: &'static str,
    /// Its user's file, below its home.
    pub(super) user_file: &'static str,
    /// What that says, in a form that no program writes.
    pub(super) odd: &'static str,
    /// Files that switch hooks off.
    pub(super) off: &'static [(&'static str, &'static str)],
    /// Words that do.
    pub(super) words_off: &'static [&'static [&'static str]],
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
