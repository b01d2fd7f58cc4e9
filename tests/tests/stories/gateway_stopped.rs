//! Whoever is ordered against at the gateway: every method, every transport, every credential.

use super::gateway::{self, RULES, add_story, fleet_with, mcp_exe, request};
use super::gateway_http::{self as http, NEW, after, before, said, status};
use belay_tests::mcp::http::Endpoint;
use belay_tests::mcp::tool;
use belay_tests::story::{LAPTOP, Nodes, Process, SOON, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// How the files end that a client plays.
const SCRIPT: &str = ".script";

/// A method that is in no table.
const UNKNOWN: &str = "vendor/unknown";

const OLD: &str = "2025-11-25";
const UNASKED: &str = ", only said";

/// What is no request of a client in the era with a handshake, and in the one without.
const BEFORE: &[&str] = &[
    "server/discover",
    "subscriptions/listen",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
];
const AFTER: &[&str] = &["initialize", "ping", "logging/setLevel", "resources/subscribe"];

/// Parameters that fit any method.
fn params() -> Value {
    json!({"name": "echo", "arguments": {"late": true}, "uri": "file:///late", "taskId": "late",
        "level": "debug", "ref": {"type": "ref/prompt", "name": "late"}, "requestId": 1,
        "argument": {"name": "late", "value": ""}, "protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": {"name": "late", "version": "1"}})
}

/// The gateway's own tables.
struct Tables {
    methods: Vec<(String, Option<String>)>,
    credentials: Vec<Value>,
}

impl Tables {
    fn of(fleet: &Nodes) -> Self {
        let data = fleet.json(LAPTOP, &["connector", "methods"]).wants(0).data();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let method = |line: &Value| (text(&line["method"]).unwrap(), text(&line["names"]));
        let mut methods: Vec<_> = data["methods"].as_array().unwrap().iter().map(method).collect();
        methods.push((UNKNOWN.to_owned(), None));
        Self { methods, credentials: data["credentials"].as_array().unwrap().clone() }
    }

    /// Each method, as a request of the era with a handshake and of the one without, and as what
    /// is only said.
    fn over_http(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for (number, (method, names)) in self.methods.iter().enumerate() {
            let id = 100 + number as u64;
            let mut new = after(id, method, params());
            new["headers"].as_object_mut().unwrap().remove("Mcp-Name");
            if let Some(names) = names {
                new["headers"]["Mcp-Name"] = params()[names].clone();
            }
            let mut told = before(id, method, params());
            told["body"].as_object_mut().unwrap().remove("id");
            all.push((format!("{method}, {OLD}"), before(id, method, params())));
            all.push((format!("{method}, {NEW}"), new));
            all.push((format!("{method}{UNASKED}"), told));
        }
        all
    }
}

/// An agent that is ordered against and cannot be ended, because its warden hangs.
struct Stopped {
    fleet: Nodes,
    warden: Process,
    /// What it was told before.
    lines: usize,
    /// The order, as a No names it.
    rule: String,
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.warden.signal(Signal::CONT);
    }
}

impl Stopped {
    fn go(&self) {
        fs::write(self.fleet.path("go"), "").unwrap();
    }

    /// What it was told once it was stopped.
    fn told(&mut self, name: &str) -> Vec<Value> {
        let answer = self.fleet.answered(name).wants(0);
        let lines = answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.skip(self.lines).collect()
    }
}

fn fleet() -> Nodes {
    let fleet = fleet_with(RULES);
    add_story(&fleet, &[tool("echo", "A tool.")]).wants(0);
    fleet
}

/// Runs this command below a warden that hangs once the agent has called a tool, and stops the
/// agent.
fn stopped(fleet: Nodes, name: &str, command: &str, lines: usize) -> Stopped {
    let seen = |part: &str| fleet.path(&format!("seen/{name}.{part}"));
    let (out, err, exit) = (seen("out"), seen("err"), seen("exit"));
    let run = format!("{command} >{out} 2>{err}; echo $? >{exit}.new; mv {exit}.new {exit}");
    let shell = fleet.script(name, &run);
    // In the background: the node wakes a foreground warden that is suspended with its terminal.
    fleet.json(LAPTOP, &["task", "offload", "--name", name, "--", "/bin/sh", &shell]).wants(0);
    wait_for("the agent has called its tool", SOON, || {
        fs::read_to_string(&out).ok().filter(|out| out.contains("early"))
    });
    let warden = warden_above(&fleet, command);
    warden.signal(Signal::STOP);
    let mut stopped = Stopped { warden, lines, fleet, rule: String::new() };
    let stop = stopped.fleet.stop(LAPTOP, &format!("agent:{name}"), "1s").wants(6).data();
    assert_eq!(stop["complete"], false, "{stop}");
    stopped.rule = format!("order:{}", &stop["order"].as_str().unwrap()[..16]);
    stopped
}

/// The first `belay` above the shell that runs the agent's client.
fn warden_above(fleet: &Nodes, command: &str) -> Process {
    let is_belay = |process: &Process| {
        fs::read_link(format!("/proc/{}/exe", process.pid))
            .is_ok_and(|link| link == fleet.belay().exe())
    };
    let script = command.split(' ').find(|word| word.ends_with(SCRIPT)).expect("a script");
    let client = Process::marked(script).into_iter().next().expect("the client runs");
    let mut above = Process::read(client.parent).expect("its shell runs");
    while !is_belay(&above) {
        above = Process::read(above.parent).expect("a warden is above it");
    }
    above
}

/// The rule of a No, however it is said.
fn rule(answer: &Value) -> &str {
    let data = match &answer["error"] {
        Value::Null if answer["result"]["isError"] == true => {
            &answer["result"]["_meta"]["belay/denial"]
        }
        error => &error["data"],
    };
    data["rule"].as_str().unwrap_or_default()
}

/// Goal: once an order is here, an agent that still runs is refused on every method over stdio, by
/// the order's own name, and nothing of what it says reaches a server. Method: its warden hangs, so
/// nothing ends it; it says each method of the table, and one that is in none, as a request and as
/// what is only said, on a session that was open before.
#[test]
fn a_stopped_agent_is_refused_on_every_method_over_stdio() {
    let fleet = fleet();
    let tables = Tables::of(&fleet);
    let mut lines = gateway::hello();
    lines.push(gateway::call(1, "echo", json!({"early": true})));
    lines.push(format!("until {}", fleet.path("go")));
    for (number, (method, _)) in tables.methods.iter().enumerate() {
        lines.push(json!({"jsonrpc": "2.0", "method": method, "params": params()}).to_string());
        lines.push(request(100 + number as u64, method, params()));
    }
    let script = fleet.path(&format!("stdio{SCRIPT}"));
    fs::write(&script, lines.join("\n")).unwrap();
    let belay = fleet.belay().exe().display().to_string();
    let command = format!("{} client {script} -- {belay} mcp story", mcp_exe());
    let mut stopped = stopped(fleet, "stdio", &command, 2);
    stopped.go();
    let told = stopped.told("stdio");
    for (number, (method, _)) in tables.methods.iter().enumerate() {
        let answer = gateway::answer(&told, 100 + number as u64);
        is_refused(method, answer, (BEFORE, &stopped.rule));
    }
    assert_eq!(told.len(), tables.methods.len(), "what is only said is not answered: {told:#?}");
    nothing_late(&stopped.fleet);
}

/// Goal: the same over HTTP, in both eras; and every kind of credential is answered as its table
/// says, whoever shows it. Method: each method with each kind, below the warden by the agent, from
/// elsewhere by this test; then the agent's stream and the end of its session.
#[test]
fn a_stopped_agent_is_refused_on_every_method_over_http() {
    let fleet = fleet();
    let tables = Tables::of(&fleet);
    let ready = json!({"body": {"jsonrpc": "2.0", "method": "notifications/initialized"},
        "headers": {"Mcp-Session-Id": "$SESSION"}});
    let call = json!({"name": "echo", "arguments": {"early": true}});
    let (stream, end) = (
        json!({"verb": "GET", "headers": {"Mcp-Session-Id": "$SESSION"}}),
        json!({"verb": "DELETE", "headers": {"Mcp-Session-Id": "$SESSION"}}),
    );
    let below: Vec<&Value> = tables.credentials.iter().filter(|line| is_below(line)).collect();
    let mut requests = vec![http::hello(), ready, before(1, "tools/call", call)];
    requests.push(json!({"until": fleet.path("go")}));
    let all = tables.over_http();
    for credential in &below {
        requests.extend(all.iter().map(|(_, request)| with(request, credential)));
    }
    requests.extend([stream, end]);
    let script = fleet.path(&format!("http{SCRIPT}"));
    let lines: Vec<String> = requests.iter().map(Value::to_string).collect();
    fs::write(&script, lines.join("\n")).unwrap();
    let endpoint = fleet.path("endpoint");
    let command =
        format!("echo $BELAY_MCP_URL $BELAY_MCP_TOKEN >{endpoint}; {} http {script}", mcp_exe());
    let mut stopped = stopped(fleet, "http", &command, 3);
    elsewhere(&tables, &fs::read_to_string(endpoint).unwrap());
    stopped.go();
    let told = stopped.told("http");
    let mut answers = told.iter();
    for credential in &below {
        for (what, _) in &all {
            let answer = answers.next().unwrap_or_else(|| panic!("no answer to {what}"));
            let shown = format!("{what}, {}: {answer}", credential["credential"]);
            match credential["opens"]["http"].as_str() {
                Some("judged") if what.ends_with(UNASKED) => {
                    assert_eq!((status(answer), &answer["body"]), (202, &json!("")), "{shown}");
                }
                Some("judged") => {
                    let (method, era) = what.split_once(", ").unwrap();
                    let others = if era == NEW { AFTER } else { BEFORE };
                    is_refused(method, &said(answer), (others, &stopped.rule));
                }
                Some("no-token") => assert_eq!(status(answer), 401, "{shown}"),
                _ => panic!("below the warden: {shown}"),
            }
        }
    }
    let (stream, end) = (answers.next().unwrap(), answers.next().unwrap());
    assert_eq!((status(stream), rule(&said(stream))), (403, &*stopped.rule), "{stream}");
    assert_eq!(status(end), 204, "{end}");
    nothing_late(&stopped.fleet);
}

fn is_below(credential: &Value) -> bool {
    credential["credential"].as_str().unwrap().starts_with("place")
}

/// A request with what a credential says.
fn with(request: &Value, credential: &Value) -> Value {
    let mut request = request.clone();
    let name = credential["credential"].as_str().unwrap();
    request["headers"]["Authorization"] = match name {
        _ if name.contains("stranger") => json!("Bearer 0000"),
        _ if name.contains("token") => json!("Bearer $TOKEN"),
        _ => json!([]),
    };
    request
}

/// By the gate, in the order's name; what is no request of a client in that era may be no method.
fn is_refused(method: &str, said: &Value, (others, order): (&[&str], &str)) {
    let may_be_none = others.contains(&method) || method.starts_with("notifications/");
    let is_none = may_be_none && code(said) == Some(-32601);
    assert!(is_none || rule(said) == order, "{method}: {said}");
}

fn code(answer: &Value) -> Option<i64> {
    answer["error"]["code"].as_i64()
}

/// Whoever does not stand below the warden gets one answer, whatever it shows and says; at the
/// agents' door too.
fn elsewhere(tables: &Tables, endpoint: &str) {
    let (url, token) = endpoint.trim().split_once(' ').expect("both variables");
    let endpoint = Endpoint::of(url, token);
    for credential in tables.credentials.iter().filter(|line| !is_below(line)) {
        assert_eq!(credential["opens"]["http"], "elsewhere", "{credential}");
        for (what, request) in tables.over_http() {
            let answer = endpoint.say(&with(&request, credential), "").unwrap();
            assert_eq!(status(&answer), 403, "{what}, {credential}: {answer}");
        }
    }
}

/// Goal: who stands below no agent gets no gateway over stdio, and none of the questions that a
/// gateway asks is answered to it. Method: the gateway is started, and each question is asked at
/// the agents' door, by this test.
#[test]
fn a_stranger_gets_nothing_at_the_agents_door() {
    let fleet = fleet();
    let tables = Tables::of(&fleet);
    for credential in tables.credentials.iter().filter(|line| !is_below(line)) {
        assert_eq!(credential["opens"]["stdio"], "elsewhere", "{credential}");
    }
    fleet.ask(LAPTOP, &["mcp", "story"]).refuses(2, &["no agent of this node is calling"]);
    let act = json!({"action": "tool.call", "target": "story/echo", "args": []});
    let questions = [
        json!({"act": act}),
        json!({"outlook": {"acts": []}}),
        json!({"outlook": {"acts": [act]}}),
        json!({"connector": {"reach": {"name": "story"}}}),
        json!({"connector": {"remove": {"name": "story"}}}),
    ];
    let door = fleet.path(&format!("{LAPTOP}/agent.sock"));
    for question in questions {
        let mut stream = UnixStream::connect(&door).unwrap();
        writeln!(stream, "{question}").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer.get("ok").is_none(), "{question}: {line}");
    }
}

/// Nothing that was said after the stop reached the server.
fn nothing_late(fleet: &Nodes) {
    let seen = fs::read_to_string(fleet.path("seen.log")).unwrap();
    assert!(seen.contains("early") && !seen.contains("late"), "{seen}");
}
