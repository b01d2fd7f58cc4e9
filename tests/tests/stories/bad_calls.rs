//! Commands that cannot be meant: each is refused by name with a next step, and the node goes on.

use super::exe;
use belay_tests::story::{LAPTOP, Nodes, ROBOT, SOON, wait_for};

/// Goal: every wrong command has its exit code, names what is wrong and what to do next, and
/// changes nothing. Method: one each at a pair of nodes; both answer `status` as before.
#[test]
fn wrong_commands_are_refused_by_name() {
    let fleet = Nodes::pair(exe());
    let (unlock, other) = (fleet.unlock(), fleet.path("other-unlock"));
    fleet.belay().run(&["key", "unlock-file", "--out", &other]).wants(0);
    let held = fleet.status(LAPTOP)["statements"].clone();
    let stop = |more: &[&str]| fleet.ask(LAPTOP, &[&["stop"], more].concat());
    stop(&["planner", "--unlock-file", &unlock]).refuses(2, &["planner", "agent:NAME"]);
    stop(&["robot:planner", "--unlock-file", &unlock]).refuses(2, &["robot:planner"]);
    stop(&["agent:Bad Name", "--unlock-file", &unlock]).refuses(2, &["Bad Name"]);
    stop(&["manifest:12", "--unlock-file", &unlock]).refuses(2, &["manifest:12"]);
    stop(&["agent:planner", "--timeout", "soon", "--unlock-file", &unlock]).refuses(2, &["soon"]);
    stop(&["--follow", "77"]).refuses(2, &["“77”", "64 hex digits"]);
    let wrong_key = |file: &str| {
        let key = ["agent:planner", "--ahead", "--unlock-file", &unlock, "--key", file];
        stop(&key).refuses(2, &[file, "STATE/keys/operator.age"]);
    };
    wrong_key(&format!("{}/keys/device.age", fleet.path(LAPTOP)));
    wrong_key(&unlock);
    stop(&["--follow", &"7".repeat(64)]).refuses(2, &["no order"]);
    stop(&["agent:planner", "--ahead"]).refuses(2, &["no terminal", "unlock file"]);
    stop(&["agent:planner", "--ahead", "--unlock-file", &other]).refuses(1, &["does not open"]);
    stop(&["agent:planner", "--ahead", "--unlock-file", "/nowhere"]).refuses(2, &["/nowhere"]);
    let far = fleet.ask(ROBOT, &["stop", "agent:planner", "--ahead", "--unlock-file", &unlock]);
    far.refuses(4, &["no operator key", "operator's own device"]);
    fleet.ask(LAPTOP, &["prove", &"7".repeat(64)]).refuses(2, &["no order"]);
    fleet.ask(LAPTOP, &["act", "tool.call", "search"]).refuses(2, &["no agent", "agent run"]);
    fleet.ask(LAPTOP, &["act", "tool.call", "search", "--arg", "x"]).refuses(2, &["“x”"]);
    let nobody = ["task", "offload", "--to", "nobody", "--", "/bin/true"];
    fleet.ask(LAPTOP, &nobody).refuses(2, &["nobody"]);
    let slip = ["task", "offload", "--to", ROBOT, "--tool", "tool", "--", "/bin/true"];
    fleet.ask(LAPTOP, &slip).refuses(2, &["“tool”", "tool.call", "class.*"]);
    let nothing = ["task", "offload", "--to", ROBOT, "--", "/no/such/program"];
    fleet.ask(LAPTOP, &nothing).refuses(3, &[ROBOT, "/no/such/program"]);
    fleet
        .ask(LAPTOP, &["agent", "run", "--", "/no/such/program"])
        .refuses(2, &["/no/such/program"]);
    let invite = |more: &[&str]| {
        fleet.ask(LAPTOP, &[&["device", "invite", "--unlock-file", &unlock], more].concat())
    };
    invite(&["--device", "Bad Name"]).refuses(2, &["Bad Name"]);
    invite(&["--kind", "toaster"]).refuses(2, &["toaster", "robot"]);
    invite(&["--ttl", "long"]).refuses(2, &["long"]);
    let there = fleet.path("unlock");
    fleet.ask(LAPTOP, &["key", "unlock-file", "--out", &there]).refuses(2, &[&there]);
    assert_eq!(fleet.ask(LAPTOP, &["frobnicate"]).exit, Some(2));
    for node in [LAPTOP, ROBOT] {
        fleet.ask(node, &["status"]).wants(0);
        assert_eq!(fleet.status(node)["orders"].as_array().unwrap().len(), 0);
    }
    assert!(fleet.status(LAPTOP)["statements"].as_u64() >= held.as_u64(), "nothing was lost");
}

/// Goal: an order over nobody is taken for a slip, unless it is given ahead; then it stands, claims
/// to prove nothing, and covers who comes. Method: `stop` of a name that never ran, and of one that
/// is nearly right; then with `--ahead`, and a run under that name.
#[test]
fn a_stop_of_nobody_is_refused_unless_given_ahead() {
    let fleet = Nodes::alone(exe());
    let unlock = fleet.unlock();
    fleet.ask(LAPTOP, &["agent", "run", "--name", "somebody", "--", "/bin/true"]).wants(0);
    let stop = ["stop", "agent:sombody", "--unlock-file", &unlock];
    fleet.ask(LAPTOP, &stop).refuses(2, &["agent:sombody", "agent:somebody", "--ahead"]);
    let stop = ["stop", "agent:nobody", "--unlock-file", &unlock];
    let refused = fleet.json(LAPTOP, &stop).wants(2);
    assert!(refused.stdout.is_empty(), "it claims nothing: {refused:#?}");
    assert_eq!(fleet.status(LAPTOP)["orders"].as_array().unwrap().len(), 0);
    let ahead = fleet.json(LAPTOP, &[stop.as_slice(), &["--ahead"]].concat()).wants(0);
    let said = ahead.data();
    assert_eq!((&said["complete"], &said["proven"]), (&false.into(), &false.into()), "{said}");
    assert_eq!(said["in_force"], true, "{said}");
    let run = ["agent", "run", "--name", "nobody", "--", "/bin/true"];
    fleet.ask(LAPTOP, &run).refuses(3, &["order"]);
    let (order, case) = (said["order"].as_str().unwrap(), fleet.path("nobody.belaycase"));
    fleet.ask(LAPTOP, &["prove", order, "--out", &case]).wants(6);
    let verified = fleet.json(LAPTOP, &["verify", &case]).wants(6).data();
    assert_eq!((&verified["complete"], &verified["proven"]), (&false.into(), &false.into()));
    assert_eq!(verified["verified"], true, "{verified}");
}

/// Goal: a device that is down is said to be unreachable. Method: its node is ended, then work is
/// offered to it.
#[test]
fn work_for_a_device_that_is_down_is_refused() {
    let fleet = Nodes::pair(exe());
    fleet.ask(ROBOT, &["down"]).wants(0);
    let offload = ["task", "offload", "--to", ROBOT, "--", "/bin/true"];
    let answer = wait_for("work for the robot is refused", SOON, || {
        let answer = fleet.ask(LAPTOP, &offload);
        (answer.exit != Some(0)).then_some(answer)
    });
    answer.refuses(5, &[ROBOT]);
    fleet.ask(LAPTOP, &["status"]).wants(0);
    fleet.ask(ROBOT, &["status"]).refuses(5, &["no node is running"]);
}

/// Goal: one state has one node. Method: `up` beside a running one answers with its status; the
/// node itself, started a second time by hand, names the pid of the first.
#[test]
fn a_second_node_on_one_state_names_the_first() {
    let fleet = Nodes::alone(exe());
    let (pid, unlock) = (fleet.status(LAPTOP)["pid"].to_string(), fleet.unlock());
    let same = fleet.json(LAPTOP, &["up", "--unlock-file", &unlock]).wants(0).data();
    assert_eq!(same["pid"].to_string(), pid);
    let state = fleet.path(LAPTOP);
    // 32 bytes of a key, by way of a shell, as `up` would hand them over.
    let by = ["sh", "-c", "head -c 32 /dev/zero | \"$@\"", "sh"];
    let second = fleet.belay().start_by(&by, &["--state", &state, "node", "run"]).end(SOON);
    second.refuses(2, &["in use", &pid, "belay down"]);
    fleet.ask(LAPTOP, &["status"]).wants(0);
}

/// Goal: a state folder that cannot hold a socket, or that others can read, is refused with what is
/// wrong. Method: a path of 130 bytes, and a folder of mode 755.
#[test]
fn a_state_that_cannot_be_is_refused() {
    let fleet = Nodes::empty(exe());
    let (long, unlock) = ("x".repeat(130), fleet.unlock());
    let up = ["up", "--unlock-file", &unlock];
    let length = fleet.path(&long).len().to_string();
    fleet.ask(&long, &up).refuses(2, &[&length, "bytes"]);
    fleet.ask("fresh", &["up"]).refuses(2, &["no terminal", "unlock file"]);
    fleet.ask("fresh", &["status"]).refuses(5, &["no node is running", "belay up"]);
    let file = fleet.path("file");
    std::fs::write(&file, "").unwrap();
    fleet.ask("file", &up).refuses(2, &["file"]);
}

/// Goal: an agent may only ask about itself. Method: inside `agent run`, every command of an
/// operator is tried at its own door, with the right keys in reach.
#[test]
fn an_agent_is_refused_at_the_operators_door() {
    let mut fleet = Nodes::alone(exe());
    let (state, unlock) = (fleet.path(LAPTOP), fleet.unlock());
    let at = format!("--state {state}");
    let lines = format!(
        "ask status {at} status\n\
         ask stop {at} stop agent:other --unlock-file {unlock}\n\
         ask down {at} down\n\
         ask run {at} agent run --name other -- /bin/true\n\
         ask up --state {state}-below up --unlock-file {unlock}\n\
         ask nowhere --state {state}-below status\n\
         ask act act tool.call search"
    );
    let agent = fleet.agent(LAPTOP, "climber", &lines);
    for name in ["status", "stop", "down", "run", "up"] {
        let answer = fleet.answered(name).wants(3);
        assert!(answer.stderr.contains("below an agent"), "{answer:#?}");
        assert!(answer.stderr.contains("a terminal of your own"), "{answer:#?}");
    }
    let nowhere = fleet.answered("nowhere").wants(5).stderr;
    assert!(nowhere.contains("below an agent") && !nowhere.contains("belay up"), "{nowhere}");
    fleet.answered("act").wants(0);
    agent.wait_for_growth();
    let status = fleet.status(LAPTOP);
    assert_eq!(status["orders"].as_array().unwrap().len(), 0, "{status}");
    fleet.stop(LAPTOP, "agent:climber", "20s").wants(0);
    assert!(agent.processes().is_empty());
}
