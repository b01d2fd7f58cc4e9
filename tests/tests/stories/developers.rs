//! What a developer asks of the fleet: why, who, where, and the end of one piece of work.

use super::exe;
use belay_tests::story::{Answer, LAPTOP, Nodes, ROBOT, SOON, wait_for};
use serde_json::Value;

/// Goal: a No can be explained after it was given, by whoever was denied and by the operator, also
/// after a restart, and nobody asks about others from below a warden. Method: an agent is denied,
/// asks why; then the laptop does, is killed, and does again.
#[test]
fn a_denial_is_explained_also_after_a_restart() {
    let mut fleet = Nodes::alone(exe());
    let lines = "ask slip act tool.cal search\n\
                 ask act act tool.call secret-tool --arg token=hunter2\nask why why --last\n\
                 ask order why 0000000000000000";
    let agent = fleet.agent(LAPTOP, "curious", lines);
    let slip = fleet.answered("slip").wants(3);
    let act = fleet.answered("act").wants(3);
    let plain = "no rule permits tool.call on secret-tool (release 1.1)";
    assert!(act.stderr.contains(plain), "{act:#?}");
    let id_of = |no: &Answer| {
        let id = no.stderr.split("belay why ").nth(1).and_then(|rest| rest.split('`').next());
        id.expect("the denial prints its id").to_owned()
    };
    let id = id_of(&act);
    let slip = fleet.ask(LAPTOP, &["why", &id_of(&slip)]).wants(0).stdout;
    assert!(slip.contains("no policy does") && !slip.contains("policy publish"), "{slip}");
    let own = fleet.answered("why").wants(0);
    for word in ["deny", "tool.call on secret-tool", "demo.search", "token", &id] {
        assert!(own.stdout.contains(word), "“{word}” is not in {own:#?}");
    }
    assert!(!own.stdout.contains("hunter2"), "values of arguments are not kept: {own:#?}");
    let others = fleet.answered("order").wants(2);
    assert!(others.stderr.contains("no such decision"), "{others:#?}");
    agent.wait_for_growth();
    let words = fleet.ask(LAPTOP, &["why", "--last"]).wants(0).stdout;
    let none = "none: an act needs one that permits it";
    let denied = "Denied: tool.call on secret-tool by agent:curious";
    for word in [denied, none, "signed by operator:operator", "policy publish"] {
        assert!(words.contains(word), "“{word}” is not in {words}");
    }
    let said = |args: &[&str]| fleet.json(LAPTOP, args).wants(0).data();
    let last = said(&["why", "--last"]);
    let decided = &last["decision"]["decided"];
    assert_eq!(decided["target"], "secret-tool", "{last}");
    assert_eq!(decided["agent"], "curious", "{last}");
    assert_eq!(last["decision"]["signed"], serde_json::json!(["operator:operator"]), "{last}");
    assert_eq!(said(&["why", &id])["decision"]["decided"]["id"], decided["id"]);
    fleet.ask(LAPTOP, &["why", "0000000000000000"]).refuses(2, &["0000000000000000"]);

    let stop = fleet.stop(LAPTOP, "agent:curious", "20s").wants(0).data();
    let order = stop["order"].as_str().unwrap().to_owned();
    let words = fleet.ask(LAPTOP, &["why", &order]).wants(0);
    assert!(words.stdout.contains("A hold on agent:curious"), "{words:#?}");
    assert!(words.stdout.contains("belay resume"), "{words:#?}");
    let refused = ["agent", "run", "--name", "curious", "--", "/bin/true"];
    fleet.ask(LAPTOP, &refused).wants(3);
    let by_order = fleet.ask(LAPTOP, &["why", "--last"]).wants(0);
    assert!(by_order.stdout.contains("hold on agent:curious"), "{by_order:#?}");

    fleet.kill(LAPTOP);
    fleet.again(LAPTOP);
    let again = fleet.json(LAPTOP, &["why", &id]).wants(0).data();
    assert_eq!(again["decision"]["decided"]["id"], *decided.get("id").unwrap(), "{again}");
}

/// Goal: what runs where is listed on both sides, below what, and one piece of work is ended by
/// who gave it, not by who runs it; its result is not handed over. Method: the laptop gives two
/// workers to the robot; the robot may not cancel; the laptop cancels one, the other goes on.
#[test]
fn one_piece_of_work_is_cancelled_by_its_giver() {
    let fleet = Nodes::pair(exe());
    let (one, two) = (fleet.offload(LAPTOP, ROBOT, "one"), fleet.offload(LAPTOP, ROBOT, "two"));
    one.wait_for_growth();
    two.wait_for_growth();
    let list = |node: &str| -> Vec<Value> {
        fleet.json(node, &["task", "list"]).wants(0).data().as_array().unwrap().clone()
    };
    let award = wait_for("the laptop lists both as running on the robot", SOON, || {
        let tasks = list(LAPTOP);
        let of = |name: &str| {
            let mut all = tasks.iter();
            all.find(|t| t["agent"] == name && t["device"] == ROBOT && t["state"] == "running")
        };
        of("two").and_then(|_| of("one")).map(|task| task["award"].as_str().unwrap().to_owned())
    });
    assert_eq!(list(ROBOT).iter().filter(|task| task["here"] == true).count(), 2);
    fleet.ask(ROBOT, &["task", "cancel", &award]).refuses(3, &["neither gave", LAPTOP]);
    fleet.ask(LAPTOP, &["task", "cancel", "77"]).refuses(2, &["77"]);
    let cancel = fleet.json(LAPTOP, &["task", "cancel", &award[..12], "--reason", "enough"]);
    let said = cancel.wants(0).data();
    assert_eq!((&said["complete"], &said["proven"]), (&true.into(), &true.into()), "{said}");
    assert_eq!(said["branches"][0]["cause"], "cancel", "{said}");
    one.wait_until_gone(SOON);
    assert!(!two.processes().is_empty(), "only the one that was named has ended");
    fleet.ask(LAPTOP, &["task", "cancel", &award]).refuses(2, &["has ended already"]);
    let tree = fleet.ask(LAPTOP, &["task", "tree", &award[..12]]).wants(0);
    assert!(tree.stdout.contains("stopped") && tree.stdout.contains("proven"), "{tree:#?}");
    let why = fleet.ask(LAPTOP, &["why", &award[..12]]).wants(0);
    assert!(why.stdout.contains("agent:one on robot"), "{why:#?}");
    fleet.stop(LAPTOP, "agent:two", "20s").wants(0);
}

/// Goal: lists say who acts, where, and what stands against it; devices are counted in three
/// populations that sum to all. Method: a worker on the robot, an order over it, the robot down.
#[test]
fn devices_and_agents_are_listed() {
    let fleet = Nodes::pair(exe());
    let work = fleet.offload(LAPTOP, ROBOT, "worker");
    work.wait_for_growth();
    let devices = fleet.json(LAPTOP, &["device", "list"]).wants(0).data();
    assert_eq!((&devices["answered"], &devices["not_reachable"]), (&2.into(), &0.into()));
    let robot = devices["devices"].as_array().unwrap().iter().find(|d| d["name"] == ROBOT).unwrap();
    assert_eq!(robot["reach"], "linked", "{robot}");
    assert!(robot["drew_ms_ago"].is_u64(), "the beacon knows when it drew: {robot}");
    let words = fleet.ask(LAPTOP, &["agent", "show", "worker"]).wants(0).stdout;
    assert!(words.contains("running on robot"), "{words}");
    assert!(words.contains("belay stop agent:worker"), "{words}");
    fleet.ask(LAPTOP, &["agent", "show", "wrker"]).refuses(2, &["agent:worker"]);
    fleet.stop(LAPTOP, "agent:worker", "20s").wants(0);
    let agents = fleet.json(LAPTOP, &["agent", "list"]).wants(0).data();
    let worker = agents.as_array().unwrap().iter().find(|a| a["name"] == "worker").unwrap();
    assert_eq!(worker["orders"].as_array().unwrap().len(), 1, "{worker}");
    fleet.ask(ROBOT, &["down"]).wants(0);
    let alone = wait_for("the robot is listed as not reachable", SOON, || {
        let devices = fleet.json(LAPTOP, &["device", "list"]).wants(0).data();
        (devices["not_reachable"] == 1).then_some(devices)
    });
    let sum: u64 = ["answered", "not_reachable", "refused"]
        .iter()
        .map(|population| alone[population].as_u64().unwrap())
        .sum();
    assert_eq!(sum as usize, alone["devices"].as_array().unwrap().len(), "{alone}");
    let words = fleet.ask(LAPTOP, &["device", "list"]).wants(0).stdout;
    assert!(words.contains("not reachable for"), "{words}");
}

/// Goal: `status` begins with a sentence that says only what is known, ends with what to look at,
/// and a wrong word is told to programs in one line. Method: a pair, before and after the robot is
/// down; an unknown device.
#[test]
fn status_is_a_sentence_and_what_to_look_at() {
    let fleet = Nodes::pair(exe());
    wait_for("the laptop knows that the robot holds the release", SOON, || {
        let words = fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
        let first = words.lines().next().unwrap_or_default().to_owned();
        let all = "Healthy. 2 of 2 devices reachable, policy v1.1 everywhere reachable, 0 agents";
        first.starts_with(all).then_some(())
    });
    let status = fleet.json(LAPTOP, &["status"]).wants(0).data();
    let last = status["health"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["what"], &last["wrong"]),
        (&"one operator: no second pair of eyes".into(), &false.into())
    );
    assert_eq!(status["healthy"], true, "one operator is no illness: {status}");
    assert!(fleet.json(ROBOT, &["status"]).wants(0).data()["clock_off_ms"].is_i64());
    fleet.ask(ROBOT, &["down"]).wants(0);
    wait_for("the laptop is well and the robot away", SOON, || {
        let words = fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
        words.starts_with("Healthy. 1 of 2 devices reachable").then_some(())
    });
    let wrong = fleet.json(LAPTOP, &["why", "0000000000"]).wants(2);
    let error: Value = serde_json::from_str(wrong.stderr.trim()).unwrap();
    assert_eq!(error["schema"], "belay.error/1", "{error}");
    assert_eq!((&error["code"], &error["exit"]), (&"wrong-use".into(), &2.into()), "{error}");
    assert!(!error["hint"].as_str().unwrap().is_empty(), "{error}");
}
