//! Who is here: agents of a device, whether anybody governs them or not.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

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

/// How long a device that went away may seem to be there: a cut link shows after ten seconds.
const GONE: Duration = Duration::from_secs(40);

/// The line of one device in what the fleet says.
fn line(said: &Value, device: &str) -> Value {
    let all = said["devices"].as_array().expect("a list of devices");
    all.iter().find(|one| one["device"] == device).cloned().unwrap_or(Value::Null)
}

/// Goal: whoever asks hears of the agents on every device, in three populations: who answered, who
/// is away, with what it said before, and who does not tell. Method: an agent runs that nobody
/// governs; both devices tell; one is told not to tell by its file; the other is killed.
#[test]
fn the_fleet_says_who_is_here() {
    let made = tempfile::tempdir().unwrap();
    let program = made.path().join("node_modules/@openai/codex/bin/codex");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::copy("/bin/sleep", &program).unwrap();
    let said = json!({"name": "@openai/codex", "version": "0.169.0"});
    fs::write(made.path().join("node_modules/@openai/codex/package.json"), said.to_string())
        .unwrap();
    let _outside = Ends(Command::new(&program).arg("600").spawn().unwrap());
    let sha256: String =
        Sha256::digest(fs::read(&program).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
    let mut fleet = Nodes::pair(exe());

    let ask = |fleet: &Nodes, node: &str| fleet.json(node, &["ask", "agents"]).wants(0);
    let both = wait_for("both devices have told", SOON, || {
        let said = ask(&fleet, LAPTOP).data();
        (said["answered"] == 2).then_some(said)
    });
    let of_robot = line(&both, ROBOT);
    let agents = of_robot["found"].as_array().expect("agents").iter();
    let codex = agents.clone().find(|one| one["sha256"] == json!(sha256)).expect("the agent");
    assert_eq!((&codex["agent"], &codex["version"]), (&json!("codex"), &json!("0.169.0")));
    assert_eq!(codex["governed_as"], Value::Null, "{codex:#}");
    assert!(!both.to_string().contains(made.path().to_str().unwrap()), "no path travels: {both:#}");
    let words = fleet.ask(LAPTOP, &["ask", "agents"]).wants(0).stdout;
    assert!(words.contains("2 answered, 0 not reachable, 0 refused"), "{words}");
    let connectors = fleet.json(LAPTOP, &["ask", "connectors"]).wants(0).data();
    assert_eq!(connectors["answered"], 2, "{connectors:#}");

    fleet.kill(ROBOT);
    let file = fleet.path("robot/node.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[device]\ntells_agents = false\n")).unwrap();
    fleet.again(ROBOT);
    let refused = wait_for("the robot does not tell any more", GONE, || {
        let said = ask(&fleet, LAPTOP).data();
        (said["refused"] == 1).then_some(said)
    });
    let of_robot = line(&refused, ROBOT);
    assert_eq!((&of_robot["population"], &of_robot["found"]), (&json!("refused"), &json!([])));

    fleet.wait_linked(LAPTOP, ROBOT);
    fleet.kill(LAPTOP);
    let away = wait_for("the laptop is away", GONE, || {
        let said = ask(&fleet, ROBOT);
        (said.data()["not_reachable"] == 1).then_some(said)
    });
    let envelope: Value = serde_json::from_str(away.stdout.trim()).unwrap();
    assert_eq!(envelope["complete"], false, "{envelope:#}");
    let of_laptop = line(&away.data(), LAPTOP);
    assert!(of_laptop["from_before"] == true && of_laptop["silent_ms"].is_u64(), "{of_laptop:#}");
    assert!(of_laptop["found"].to_string().contains(&sha256), "{of_laptop:#}");
}
