//! Two tenants of one device whose user wrapped one agent for both: a hook meets agents of the
//! other, and neither lets pass what the other forbids, nor anybody whom neither knows.

use super::exe;
use belay_tests::story::{Answer, LAPTOP, Nodes, ROBOT, SOON};
use serde_json::{Value, json};
use std::fs;

/// One user, two fleets.
struct Desk {
    fleet: Nodes,
}

impl Desk {
    /// Two fleets of one device each; every hook of Claude Code asks.
    fn new() -> Self {
        let mut fleet = Nodes::empty(exe());
        fleet.found(LAPTOP, "work.belay");
        fleet.found(ROBOT, "home.belay");
        let desk = Self { fleet };
        desk.wrap(LAPTOP);
        desk.wrap(ROBOT);
        desk
    }

    fn wrap(&self, node: &str) {
        self.fleet.ask(node, &["agent", "wrap", "claude-code", "--hook-only", "--yes"]).wants(0);
    }

    /// The commands by which an agent of this user asks before a call, one of each node.
    fn hooks(&self) -> Vec<String> {
        let file = self.fleet.path("home/.claude/settings.json");
        let text = fs::read_to_string(file).expect("the user's settings");
        let settings: Value = serde_json::from_str(&text).expect("JSON");
        let entries = settings["hooks"]["PreToolUse"].as_array().cloned().unwrap_or_default();
        let command = |entry: &Value| entry["hooks"][0]["command"].as_str().map(str::to_owned);
        entries.iter().filter_map(command).collect()
    }

    /// What every hook of this user says to a call, called by an agent of this node or by nobody's.
    fn said(&self, under: Option<&str>, tool: &str, input: &Value) -> Vec<String> {
        let call = json!({"hook_event_name": "PreToolUse", "session_id": "s", "tool_use_id": "t",
            "cwd": "/", "tool_name": tool, "tool_input": input});
        fs::write(self.fleet.path("call.json"), call.to_string()).expect("a call");
        let ask = |line: &String| {
            let script = self.fleet.path("hook.sh");
            let text = format!("{{ {line} ; }} < {}\n", self.fleet.path("call.json"));
            fs::write(&script, text).expect("a script");
            let said: Answer = match under {
                Some(node) => {
                    let run = ["agent", "run", "--name", "worker", "--", "sh", &script];
                    self.fleet.ask(node, &run)
                }
                None => self.fleet.belay().start_other(&["sh", &script]).end(SOON),
            };
            let line = said.stdout.lines().find(|line| line.starts_with('{')).unwrap_or_default();
            let answer: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{said:?}"));
            let why = &answer["hookSpecificOutput"]["permissionDecisionReason"];
            why.as_str().unwrap_or("yes").to_owned()
        };
        self.hooks().iter().map(ask).collect()
    }
}

/// Goal: an agent is judged by the tenant that knows it, whichever's hook is called; nobody's agent
/// is denied by all. Method: two fleets under one user, both wrapped; a call that the rules permit
/// and one that they forbid, below either warden and below none.
#[test]
fn a_hook_asks_the_tenant_that_knows_its_agent() {
    let desk = Desk::new();
    assert_eq!(desk.hooks().len(), 2);
    let (may, may_not) = (json!({"file_path": "/etc/hosts"}), json!({"url": "https://a.example"}));
    for node in [LAPTOP, ROBOT] {
        assert_eq!(desk.said(Some(node), "Read", &may), ["yes", "yes"], "{node}");
        for said in desk.said(Some(node), "WebFetch", &may_not) {
            assert!(said.contains("outward.connect on a.example:443"), "{node}: {said}");
        }
    }
    for said in desk.said(None, "Read", &may) {
        assert!(said.contains("was not started under belay"), "{said}");
    }
    let query = ["--json", "event", "query", "--last", "5m"];
    let events = desk.fleet.ask(LAPTOP, &query).wants(0).stdout;
    assert!(
        events.contains("not-tried"),
        "what the other's hook asked for is given back: {events}"
    );
}

/// Goal: a tenant that is not listed by its own user lets nobody pass. Method: its entry is made
/// writable for others, and taken away; it is listed again.
#[test]
fn a_tenant_that_is_not_listed_lets_nobody_pass() {
    let desk = Desk::new();
    let may = json!({"file_path": "/etc/hosts"});
    let folder = desk.fleet.path("home/.local/state/belay/tenants");
    let listed = || {
        let entries = fs::read_dir(&folder).expect("the list").flatten();
        let laptop = desk.fleet.path(LAPTOP);
        let names_it = |path: &std::path::PathBuf| {
            fs::read_to_string(path).is_ok_and(|text| text.trim_end() == laptop)
        };
        entries.map(|entry| entry.path()).find(names_it).expect("the laptop's entry")
    };
    let denied = |state: &str| {
        let said = desk.said(Some(LAPTOP), "Read", &may);
        let no = said.iter().filter(|said| said.contains("was not started under belay")).count();
        assert_eq!((no, said.iter().filter(|said| *said == "yes").count()), (1, 1), "{state}");
    };
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(listed(), rights).expect("its rights");
    denied("others may write the entry");
    fs::remove_file(listed()).expect("the entry");
    denied("there is no entry");
    desk.wrap(LAPTOP);
    assert_eq!(desk.said(Some(LAPTOP), "Read", &may), ["yes", "yes"]);
    let count = || fs::read_dir(&folder).expect("the list").count();
    assert_eq!(count(), 2);
    desk.fleet.ask(LAPTOP, &["agent", "unwrap", "claude-code", "--yes"]).wants(0);
    assert_eq!(count(), 1, "whoever unwraps takes itself out");
}
