//! Who is here: agents of a device, whether anybody governs them or not.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, SOON, wait_for};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::process::{Child, Command};

/// A process that ends with the story.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Goal: an agent that nobody governs is found with version and hash, one below a warden is told
/// with its name and task, connectors past the gateway are listed without secrets, and what cannot
/// be seen is said. Method: a program called as an agent's package lays it, started outside and
/// below `agent run`; a file of connectors in the fleet's home.
#[test]
fn agents_are_found_governed_or_not() {
    let mut fleet = Nodes::alone(exe());
    let package = fleet.path("opt/node_modules/@openai/codex");
    let program = format!("{package}/bin/codex");
    fs::create_dir_all(format!("{package}/bin")).unwrap();
    fs::copy("/bin/sleep", &program).unwrap();
    let said = json!({"name": "@openai/codex", "version": "0.169.0"});
    fs::write(format!("{package}/package.json"), said.to_string()).unwrap();
    let file = format!("{}/.cursor", fleet.path("home"));
    fs::create_dir_all(&file).unwrap();
    let servers = json!({"mcpServers": {
        "tracker": {"command": "npx", "args": ["-y", "tracker", "--token", "hunter2"],
                    "env": {"TRACKER_KEY": "hunter2"}}}});
    fs::write(format!("{file}/mcp.json"), servers.to_string()).unwrap();

    let outside = Ends(Command::new(&program).arg("600").spawn().unwrap());
    let discover = |fleet: &Nodes| fleet.json(LAPTOP, &["agent", "discover"]).wants(0);
    let of = |said: &Value, pid: Option<u32>, governed: bool| {
        let all = said["running"].as_array().unwrap().iter();
        let ours = |one: &&Value| {
            one["program"] == json!(program) && pid.is_none_or(|pid| one["pid"] == pid)
        };
        all.filter(ours).find(|one| one["governed"] == governed).cloned()
    };
    let pid = outside.0.id();
    let first = wait_for("the agent outside is found", SOON, || {
        of(&discover(&fleet).data(), Some(pid), false)
    });
    let sha256 = Sha256::digest(fs::read(&program).unwrap());
    let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    for (field, value) in [
        ("agent", json!("codex")),
        ("known_by", json!("package")),
        ("version", json!("0.169.0")),
        ("sha256", json!(sha256)),
        ("held", json!("not")),
        ("verdict", json!("tolerated")),
    ] {
        assert_eq!(first[field], value, "{field} of {first:#}");
    }

    let agent = fleet.agent(LAPTOP, "builder", &format!("{program} 600 &"));
    agent.wait_for_growth();
    let second = wait_for("the agent below a warden is found", SOON, || {
        of(&discover(&fleet).data(), None, true)
    });
    assert_eq!((&second["held"], &second["name"]), (&json!("warden"), &json!("builder")));
    let tasks = fleet.status(LAPTOP)["tasks"].clone();
    assert!(tasks.to_string().contains(second["task"].as_str().unwrap()), "{second:#} {tasks}");

    let said = discover(&fleet);
    let envelope: Value = serde_json::from_str(said.stdout.trim()).unwrap();
    assert!(envelope["missing"].to_string().contains("vendor keeps in its cloud"), "{envelope:#}");
    let data = said.data();
    let all = data["in_files"].as_array().unwrap();
    let tracker = all.iter().find(|one| one["name"] == "tracker").expect("the connector");
    assert_eq!((&tracker["agent"], &tracker["gateway"]), (&json!("cursor"), &json!(false)));
    assert_eq!(tracker["command"], json!(["npx", "-y", "tracker", "--token", "…"]));
    assert_eq!(tracker["scopes"], json!(["TRACKER_KEY"]));
    assert!(!said.stdout.contains("hunter2"), "{said:#?}");
    let words = fleet.ask(LAPTOP, &["agent", "discover"]).wants(0).stdout;
    let parts =
        ["Codex", "0.169.0", "not governed", "governed as agent:builder", "past every gateway"];
    parts.iter().for_each(|part| assert!(words.contains(part), "“{part}” in {words}"));

    // With no node nothing is governed, and the list is there all the same.
    let none = fleet.belay().run(&["--json", "--state", &fleet.path("none"), "agent", "discover"]);
    let none = none.wants(0);
    assert!(of(&none.data(), Some(pid), false).is_some(), "{none:#?}");
    assert!(none.stdout.contains("no node answers here"), "{none:#?}");
}
