//! The gateway over HTTP: an agent that speaks nothing else, and everybody who must not be heard.

use super::gateway::{RULES, add_story, fleet_with, mcp_exe};
use belay_tests::mcp::http::{Endpoint, messages};
use belay_tests::mcp::tool;
use belay_tests::story::{LAPTOP, Nodes, Running, SOON, wait_for};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

pub(super) const NEW: &str = "2026-07-28";

fn fleet() -> Nodes {
    let fleet = fleet_with(RULES);
    let tools = ["echo", "pid", "delete", "silent"].map(|name| tool(name, "A tool."));
    add_story(&fleet, &tools).wants(0);
    fleet
}

/// A request of the era with a handshake.
pub(super) fn before(id: u64, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    json!({"body": body, "headers": {"Mcp-Session-Id": "$SESSION"}})
}

pub(super) fn hello() -> Value {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "story", "version": "1"}});
    json!({"body": {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}})
}

/// A request of the era without one.
pub(super) fn after(id: u64, method: &str, mut params: Value) -> Value {
    let name = params["name"].as_str().map(str::to_owned);
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "story", "version": "1"},
    });
    let mut headers = json!({"MCP-Protocol-Version": NEW, "Mcp-Method": method});
    if let Some(name) = name {
        headers["Mcp-Name"] = Value::from(name);
    }
    let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    json!({"body": body, "headers": headers})
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

/// Runs an agent that says these requests, to its end; every answer.
fn agent(fleet: &Nodes, name: &str, requests: &[Value]) -> Vec<Value> {
    let script = fleet.path(&format!("{name}.requests"));
    let lines: Vec<String> = requests.iter().map(Value::to_string).collect();
    fs::write(&script, lines.join("\n")).unwrap();
    let state = fleet.path(LAPTOP);
    let client = [mcp_exe(), "http", &script];
    let run = [&["--state", &state, "agent", "run", "--name", name, "--"], &client[..]].concat();
    let said = fleet.belay().start_by(&["setsid"], &run).end(SOON).wants(0);
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) fn status(answer: &Value) -> u64 {
    answer["status"].as_u64().unwrap_or_else(|| panic!("no status in {answer}"))
}

/// The one answer in an answer.
pub(super) fn said(answer: &Value) -> Value {
    let all = messages(answer);
    all.last().unwrap_or_else(|| panic!("no message in {answer}")).clone()
}

fn text(answer: &Value) -> String {
    let said = said(answer);
    let text = said["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {said}")).to_owned()
}

/// Goal: in both eras an agent over HTTP sees and calls what it may, and every No names its rule;
/// a session ends when its client says so, and the agent's end ends the endpoint.
#[test]
fn an_agent_over_http_sees_and_calls_what_it_may() {
    let fleet = fleet();
    let old = agent(
        &fleet,
        "old",
        &[
            hello(),
            json!({"body": {"jsonrpc": "2.0", "method": "notifications/initialized"},
                "headers": {"Mcp-Session-Id": "$SESSION"}}),
            before(1, "tools/list", json!({})),
            before(2, "tools/call", call("echo", json!({"path": "/open", "n": [1, 2.50]}))),
            before(3, "tools/call", call("echo", json!({"path": "/secret"}))),
            before(4, "tools/call", call("delete", json!({}))),
            json!({"verb": "DELETE", "headers": {"Mcp-Session-Id": "$SESSION"}}),
            before(5, "ping", json!({})),
        ],
    );
    let statuses: Vec<u64> = old.iter().map(status).collect();
    assert_eq!(statuses, [200, 202, 200, 200, 200, 200, 204, 404], "{old:#?}");
    assert_eq!(said(&old[0])["result"]["serverInfo"]["name"], "story");
    let new = agent(
        &fleet,
        "new",
        &[
            after(0, "server/discover", json!({})),
            after(1, "no/such", json!({})),
            after(2, "tools/list", json!({})),
            after(3, "tools/call", call("echo", json!({"path": "/open", "n": [1, 2.50]}))),
            after(4, "tools/call", call("echo", json!({"path": "/secret"}))),
            after(5, "tools/call", call("delete", json!({}))),
            json!({"verb": "GET"}),
            json!({"path": "/mcp/nobody", "body": after(6, "ping", json!({}))["body"],
                "headers": {"MCP-Protocol-Version": NEW, "Mcp-Method": "ping"}}),
        ],
    );
    let statuses: Vec<u64> = new.iter().map(status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 405, 404], "{new:#?}");
    assert_eq!(said(&new[0])["result"]["supportedVersions"][0], NEW);
    for answers in [&old, &new] {
        let listed = said(&answers[2]);
        let tools = listed["result"]["tools"].as_array().unwrap().iter();
        let names: Vec<&str> = tools.map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["echo", "pid", "silent"], "{listed}");
        let echoed: Value = serde_json::from_str(&text(&answers[3])).unwrap();
        assert_eq!(echoed, json!({"path": "/open", "n": [1, 2.50]}));
        assert!(text(&answers[4]).contains("no-secret"), "{answers:#?}");
        assert!(text(&answers[5]).contains("no-delete"), "{answers:#?}");
    }
    let seen = fs::read_to_string(fleet.path("seen.log")).unwrap();
    assert!(seen.contains("/open") && !seen.contains("/secret") && !seen.contains("delete"));
}

/// Goal: whatever a request lies about is refused by name, nothing of it reaches the server, and
/// the session goes on. Method: one lie each, each with the status that it must get.
#[test]
fn lies_over_http_are_refused_by_name() {
    let fleet = fleet();
    let with = |mut request: Value, name: &str, value: Value| {
        request["headers"][name] = value;
        request
    };
    let echo = || after(1, "tools/call", call("echo", json!({"lie": true})));
    let old = || before(1, "tools/call", call("echo", json!({"lie": true})));
    let body = |text: String| with(json!({"body": text}), "Mcp-Session-Id", json!("$SESSION"));
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"delete"}}"#;
    let batch = format!("[{}]", old()["body"]);
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"x":"{}"}}"#, "x".repeat(17 << 20));
    let lies = [
        (with(echo(), "Mcp-Name", json!("harmless")), 400, "-32020"),
        (with(echo(), "Mcp-Method", json!("tools/list")), 400, "-32020"),
        (with(echo(), "MCP-Protocol-Version", json!("2025-11-25")), 400, "-32020"),
        (with(echo(), "Mcp-Name", json!(["echo", "delete"])), 400, "-32020"),
        (with(old(), "Mcp-Name", json!("delete")), 400, "-32020"),
        (with(old(), "MCP-Protocol-Version", json!("1999-01-01")), 400, "-32022"),
        (with(echo(), "Host", json!("evil.example")), 403, "Host"),
        (with(echo(), "Host", json!(["$HOST", "evil.example"])), 403, "Host"),
        (with(echo(), "Origin", json!("http://evil.example")), 403, "Origin"),
        (with(echo(), "Origin", json!("null")), 403, "Origin"),
        (with(echo(), "Authorization", json!("Bearer nonsense")), 401, "token"),
        (with(echo(), "Authorization", json!([])), 401, "token"),
        (with(echo(), "Content-Type", json!("text/plain")), 415, "application/json"),
        (with(echo(), "Accept", json!("application/json")), 406, "Accept"),
        (with(old(), "Mcp-Session-Id", json!("0123456789abcdef0123456789abcdef")), 404, "session"),
        (with(old(), "Mcp-Session-Id", json!([])), 400, "Mcp-Session-Id"),
        (json!({"verb": "PUT", "body": "{}"}), 405, "POST"),
        (json!({"path": "/", "body": "{}"}), 404, "/mcp"),
        (json!({"path": "/mcp?x=1", "body": "{}"}), 404, "/mcp"),
        (body(twice.to_owned()), 400, "twice"),
        (body(batch), 400, "batches"),
        (body("{".to_owned()), 400, "-32700"),
        (body(format!("{0} {0}", old()["body"])), 400, "trailing"),
        (body(long), 413, "longer"),
    ];
    let mut requests = vec![hello()];
    requests.extend(lies.iter().map(|(request, _, _)| request.clone()));
    requests.push(before(9, "tools/call", call("echo", json!({"still": "here"}))));
    let told = agent(&fleet, "liar", &requests);
    for ((request, wanted, word), answer) in lies.iter().zip(&told[1..]) {
        let shown = request["headers"].to_string();
        assert_eq!(status(answer), *wanted, "{shown}: {answer}");
        let body = answer["body"].as_str().unwrap_or_default();
        assert!(body.contains(word), "“{word}” is not in {body}");
    }
    assert!(text(&told[lies.len() + 1]).contains("still"), "{told:#?}");
    let seen = fs::read_to_string(fleet.path("seen.log")).unwrap();
    assert!(!seen.contains("\"lie\"") && !seen.contains("delete"), "{seen}");
}

/// Goal: what headers repeat of a tool's arguments has to be what the body says, in both eras.
/// Method: one lie each.
#[test]
fn repeated_arguments_are_checked_against_the_body() {
    let fleet = fleet_with(RULES);
    let mut routed = tool("echo", "A tool.");
    routed["inputSchema"]["properties"] = json!({
        "region": {"type": "string", "x-mcp-header": "Region"},
        "n": {"type": "integer", "x-mcp-header": "N"}});
    add_story(&fleet, &[routed]).wants(0);
    let ask = |request: &dyn Fn(u64, &str, Value) -> Value, said: &[(&str, Value)]| {
        let arguments = json!({"region": "zürich", "n": 7});
        let mut request = request(1, "tools/call", call("echo", arguments));
        for (name, value) in said {
            request["headers"][*name] = value.clone();
        }
        request
    };
    let (region, n) = (("Mcp-Param-Region", json!("=?base64?esO8cmljaA==?=")), "Mcp-Param-N");
    let cases = [
        (ask(&after, &[region.clone(), (n, json!("7"))]), 200),
        (ask(&after, &[region.clone(), (n, json!("07"))]), 200),
        (ask(&before, &[]), 200),
        (ask(&before, std::slice::from_ref(&region)), 200),
        (ask(&after, &[]), 400),
        (ask(&after, &[(n, json!("7"))]), 400),
        (ask(&after, &[region.clone(), (n, json!("8"))]), 400),
        (ask(&after, &[region.clone(), (n, json!(["7", "7"]))]), 400),
        (ask(&after, &[("Mcp-Param-Region", json!("=?base64?!?=")), (n, json!("7"))]), 400),
        (ask(&before, &[("Mcp-Param-Region", json!("harmless"))]), 400),
    ];
    let mut requests = vec![hello()];
    requests.extend(cases.iter().map(|(request, _)| request.clone()));
    let told = agent(&fleet, "routing", &requests);
    for ((request, wanted), answer) in cases.iter().zip(&told[1..]) {
        assert_eq!(status(answer), *wanted, "{}: {answer}", request["headers"]);
        let code = said(answer)["error"]["code"].as_i64();
        assert_eq!(code == Some(-32020), *wanted == 400, "{}: {answer}", request["headers"]);
    }
    let seen = fs::read_to_string(fleet.path("seen.log")).unwrap();
    assert_eq!(seen.matches("zürich").count(), 4, "{seen}");
}

/// Goal: a client whose stream broke in the middle of a call comes back and gets its answer, once;
/// who names an event that is not kept is told so; no other session's stream is resumed; and the
/// era without a handshake has no such thing. Method: a call that the server holds back, a
/// connection that closes after the stream's first event, and the event's id.
#[test]
fn a_broken_stream_is_resumed() {
    let fleet = fleet_with(RULES);
    add_story(&fleet, &[tool("slow", "A tool."), tool("echo", "A tool.")]).wants(0);
    let mut slow = before(1, "tools/call", call("slow", json!({"lie": true, "n": 1})));
    slow["headers"]["MCP-Protocol-Version"] = json!("2025-11-25");
    slow["cut"] = json!("id: ");
    let back = |event: &str| json!({"verb": "GET", "headers": {"Mcp-Session-Id": "$SESSION", "Last-Event-ID": event}});
    let go = fleet.path("tools.json.go");
    let mut stateless = after(4, "tools/call", call("slow", json!({"lie": true})));
    stateless["headers"]["Last-Event-ID"] = json!("1-0");
    let requests = [
        hello(),
        slow,
        json!({"touch": go}),
        back("$EVENT"),
        back("$EVENT"),
        back("77-0"),
        back("nonsense"),
        stateless,
        hello(),
        back("$EVENT"),
    ];
    let told = agent(&fleet, "unlucky", &requests);
    let statuses: Vec<u64> = told.iter().map(status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 410, 410, 200, 200, 410], "{told:#?}");
    assert!(messages(&told[1]).is_empty(), "it broke before anything was said: {told:#?}");
    assert_eq!(text(&told[2]), r#"{"lie":true,"n":1}"#);
    assert_eq!(said(&told[2])["id"], 1, "under its own id");
    assert!(messages(&told[3]).is_empty(), "it was seen already: {told:#?}");
    assert!(told[4]["body"].as_str().unwrap().contains("not kept any more"), "{told:#?}");
    assert!(!told[6]["body"].as_str().unwrap().contains("id: "), "{told:#?}");
    let seen = fs::read_to_string(fleet.path("seen.log")).unwrap();
    assert_eq!(seen.matches("\"n\":1").count(), 1, "it was done once: {seen}");
}

/// An agent that tells the disk where its endpoint is, and stays.
fn told_endpoint(fleet: &Nodes) -> (Running, Endpoint) {
    let file = fleet.path("endpoint");
    let shell = format!(
        "echo $BELAY_MCP_URL $BELAY_MCP_TOKEN > {file}.new; mv {file}.new {file}; exec sleep 600"
    );
    let state = fleet.path(LAPTOP);
    let run =
        ["--state", &state, "agent", "run", "--name", "teller", "--", "/bin/sh", "-c", &shell];
    let running = fleet.belay().start_by(&["setsid"], &run);
    let told = wait_for("the agent tells its endpoint", SOON, || fs::read_to_string(&file).ok());
    let (url, token) = told.trim().split_once(' ').expect("both variables");
    (running, Endpoint::of(url, token))
}

/// Goal: the endpoint and its token are of no use to whoever does not stand below the agent's
/// warden, and both end with the agent. Method: the agent gives its token away; this test uses it.
#[test]
fn a_token_is_of_no_use_elsewhere() {
    let fleet = fleet();
    let (running, endpoint) = told_endpoint(&fleet);
    for request in [hello(), after(1, "tools/list", json!({})), json!({"verb": "GET"})] {
        let answer = endpoint.say(&request, "").unwrap();
        assert_eq!(status(&answer), 403, "{answer}");
        assert!(answer["body"].as_str().unwrap().contains("below the agent's warden"), "{answer}");
    }
    fleet.stop(LAPTOP, "agent:teller", "20s").wants(0);
    wait_for("nobody listens any more", SOON, || {
        TcpStream::connect(&endpoint.host).is_err().then_some(())
    });
    running.end(SOON);
}

/// Goal: the token in the agent's file opens its endpoint, is the agent's user's alone to read, is
/// no other than the agent's place allows, and is gone with the agent. Method: an agent that tells
/// where the file is, and says what it holds; then this test says it.
#[test]
fn a_token_is_read_from_a_file() {
    let fleet = fleet();
    let script = fleet.path("file.requests");
    let list = after(1, "tools/list", json!({})).to_string();
    let until = json!({"until": fleet.path("go")}).to_string();
    fs::write(&script, [list.clone(), until, list].join("\n")).unwrap();
    let (out, told) = (fleet.path("file.out"), fleet.path("told"));
    let shell = format!(
        "echo $BELAY_MCP_URL $BELAY_MCP_TOKEN_FILE $BELAY_MCP_TOKEN >{told}.new; \
         mv {told}.new {told}; \
         BELAY_MCP_TOKEN=$(cat $BELAY_MCP_TOKEN_FILE) exec {} http {script} >{out}",
        mcp_exe()
    );
    let state = fleet.path(LAPTOP);
    let run =
        ["--state", &state, "agent", "run", "--name", "reader", "--", "/bin/sh", "-c", &shell];
    let running = fleet.belay().start_by(&["setsid"], &run);
    let told =
        wait_for("the agent tells where its token is", SOON, || fs::read_to_string(&told).ok());
    let words: Vec<&str> = told.split_whitespace().collect();
    let [url, file, variable] = words[..] else { panic!("{told}") };
    let held = fs::read_to_string(file).unwrap();
    assert!(held != variable && held.len() == variable.len(), "{held} {variable}");
    let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let answer = Endpoint::of(url, &held).say(&after(1, "tools/list", json!({})), "").unwrap();
    assert_eq!(status(&answer), 403, "from elsewhere it opens nothing: {answer}");
    fs::write(fleet.path("go"), "").unwrap();
    running.end(SOON).wants(0);
    let said = fs::read_to_string(out).unwrap();
    let answers: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.iter().map(status).collect::<Vec<_>>(), [200, 200], "{said}");
    wait_for("the file is gone with the agent", SOON, || fs::metadata(file).err());
}

/// Goal: without a handshake, closing the stream of a call is its cancel, and the server is told.
/// Method: a call that is never answered; its client leaves once the stream has begun.
#[test]
fn closing_the_stream_takes_a_call_back() {
    let fleet = fleet();
    let mut silent = after(7, "tools/call", call("silent", json!({"lie": true})));
    // So much of the head that the stream has begun.
    silent["read"] = json!(64);
    let told = agent(&fleet, "impatient", &[silent, after(8, "tools/list", json!({}))]);
    assert_eq!(status(&told[1]), 200, "{told:#?}");
    let seen = wait_for("the server is told", SOON, || {
        let seen = fs::read_to_string(fleet.path("seen.log")).unwrap();
        seen.contains("notifications/cancelled").then_some(seen)
    });
    let lines: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| lines.iter().find(|line| line["method"] == name).unwrap();
    assert_eq!(of("notifications/cancelled")["params"]["requestId"], of("tools/call")["id"]);
}
