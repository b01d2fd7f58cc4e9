//! A server over streamable HTTP that says exactly what a story wants, of either era.
//!
//! `listen ERA TOOLS SEEN PORT_FILE` keeps every head and body that it is sent, wants
//! `Authorization: Bearer` and what the file `TOOLS.opens` holds, and does what a tool is called.
//! Refused here: mending; a request that is wrong by its era is answered so.

use super::{HUGE_BYTES, call_text};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const NEW: &str = "2026-07-28";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

struct Server {
    stateless: bool,
    tools: String,
    seen: Mutex<fs::File>,
}

/// One request.
struct Asked {
    head: String,
    body: Value,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let of =
            |line: &'_ str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(|line| of(line))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

pub(super) fn listen(era: &str, tools: &str, seen: &str, port: &str) -> Result<(), String> {
    let say = |error: std::io::Error| error.to_string();
    let seen = OpenOptions::new().create(true).append(true).open(seen).map_err(say)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(say)?;
    let own = listener.local_addr().map_err(say)?.port().to_string();
    fs::write(format!("{port}.new"), own).map_err(say)?;
    fs::rename(format!("{port}.new"), port).map_err(say)?;
    let stateless = era == NEW;
    let server = Arc::new(Server { stateless, tools: tools.to_owned(), seen: Mutex::new(seen) });
    for stream in listener.incoming().map_while(Result::ok) {
        let server = Arc::clone(&server);
        thread::spawn(move || server.attend(&stream));
    }
    Ok(())
}

impl Server {
    fn attend(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(asked) = read(&mut reader) {
            self.note(&format!("{}{}", asked.head, asked.body));
            if self.answer(stream, &asked).is_none() {
                return;
            }
        }
    }

    fn note(&self, text: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A story that is over wants nothing more.
        let _ = writeln!(seen, "{text}\n");
    }

    /// Answers; none when the connection is of no more use.
    fn answer(&self, mut stream: &TcpStream, asked: &Asked) -> Option<()> {
        let opens = fs::read_to_string(format!("{}.opens", self.tools)).unwrap_or_default();
        let wanted = format!("Bearer {}", opens.trim());
        if asked.header("authorization") != Some(&wanted) {
            return whole(stream, "401 Unauthorized", "");
        }
        if asked.head.starts_with("GET ") {
            return whole(stream, "405 Method Not Allowed", "");
        }
        let (id, method) = (&asked.body["id"], asked.body["method"].as_str().unwrap_or_default());
        if asked.head.starts_with("DELETE ") || id.is_null() {
            return whole(stream, "202 Accepted", "");
        }
        if let Some((status, code, what)) = self.unfit(asked, method) {
            let error = json!({"code": code, "message": what, "data": {"supported": [NEW]}});
            let answer = json!({"jsonrpc": "2.0", "id": id, "error": error});
            return whole(stream, status, &answer.to_string());
        }
        let params = &asked.body["params"];
        match (method, params["name"].as_str()) {
            ("tools/call", Some("silent")) => {
                begin(stream, "text/event-stream")?;
                let mut byte = [0];
                // The end of the connection is what is waited for.
                let gone = stream.read(&mut byte);
                self.note(&format!("closed {id} {}", gone.is_ok_and(|n| n == 0)));
                None
            }
            ("tools/call", Some("slow")) => {
                while !Path::new(&format!("{}.go", self.tools)).exists() {
                    thread::sleep(Duration::from_millis(10));
                }
                let result = self.result(method, params);
                events(stream, &json!({"jsonrpc": "2.0", "id": id, "result": result}))
            }
            ("tools/call", Some("endless")) => {
                begin(stream, "text/event-stream")?;
                while stream.write_all(&[b'x'; 65_536]).is_ok() {}
                None
            }
            ("tools/call", Some("huge")) => {
                whole(stream, "200 OK", &json!({"x": "x".repeat(HUGE_BYTES)}).to_string())
            }
            ("tools/call", Some("away")) => {
                let head = "HTTP/1.1 307 Moved\r\nLocation: http://169.254.169.254/\r\n";
                write!(stream, "{head}Content-Length: 0\r\n\r\n").ok()
            }
            ("subscriptions/listen", _) => {
                begin(stream, "text/event-stream")?;
                self.tell(stream, id)
            }
            ("tools/call", Some("ask")) if self.stateless && params["inputResponses"].is_null() => {
                let question = json!({"method": "elicitation/create", "params": {"message": "who?",
                    "requestedSchema": {"type": "object", "properties": {}}}});
                let result = json!({"resultType": "input_required", "requestState": "kept",
                    "inputRequests": {"who": question}});
                events(stream, &json!({"jsonrpc": "2.0", "id": id, "result": result}))
            }
            _ => {
                let result = self.result(method, params);
                events(stream, &json!({"jsonrpc": "2.0", "id": id, "result": result}))
            }
        }
    }

    /// Tells what changes, once: when the file `TOOLS.changed` is there.
    fn tell(&self, mut stream: &TcpStream, id: &Value) -> Option<()> {
        told(stream, id, "notifications/subscriptions/acknowledged")?;
        while !Path::new(&format!("{}.changed", self.tools)).exists() {
            thread::sleep(Duration::from_millis(10));
            // A comment finds out whether somebody still listens.
            stream.write_all(b": \n\n").ok()?;
        }
        told(stream, id, "notifications/tools/list_changed")?;
        let mut byte = [0];
        stream.read(&mut byte).ok().map(drop)
    }

    /// What is wrong with a request by its era.
    fn unfit(&self, asked: &Asked, method: &str) -> Option<(&'static str, i64, String)> {
        let bad = |code, what: &str| Some(("400 Bad Request", code, what.to_owned()));
        let session = asked.header("mcp-session-id");
        match (self.stateless, method) {
            (true, "initialize") => bad(-32022, "Unsupported protocol version"),
            (true, _) => {
                let named = asked.body["params"]["name"].as_str();
                let region = asked.body["params"]["arguments"]["region"].as_str();
                let region = region.filter(|_| named == Some("routed")).map(written);
                let says = |name, value: Option<&str>| asked.header(name) == value;
                let same =
                    says("mcp-protocol-version", asked.body["params"]["_meta"][VERSION].as_str())
                        && says("mcp-protocol-version", Some(NEW))
                        && says("mcp-method", Some(method))
                        && says("mcp-name", named)
                        && says("mcp-param-region", region.as_deref());
                (!same || session.is_some()).then(|| {
                    ("400 Bad Request", -32020, format!("the headers differ: {}", asked.head))
                })
            }
            (false, "initialize") => None,
            (false, "server/discover") => bad(-32601, "Method not found"),
            (false, _) if session != Some("s1") => bad(-32600, "no session"),
            (false, _) if asked.header("mcp-protocol-version") != Some("2025-11-25") => {
                bad(-32600, "no version")
            }
            (false, _) => None,
        }
    }

    fn result(&self, method: &str, params: &Value) -> Value {
        let info = json!({"name": "story", "version": "1"});
        let tools = || {
            let text = fs::read_to_string(&self.tools).unwrap_or_default();
            serde_json::from_str::<Value>(&text).unwrap_or_default()
        };
        let mut result = match method {
            "initialize" => json!({"protocolVersion": "2025-11-25", "serverInfo": info,
                "capabilities": {"tools": {}}}),
            "server/discover" => json!({"supportedVersions": [NEW],
                "capabilities": {"tools": {"listChanged": true}},
                "_meta": {"io.modelcontextprotocol/serverInfo": info}}),
            "tools/list" => json!({"tools": tools()}),
            "tools/call" if params["name"] == "ask" => call_text(
                params["inputResponses"].to_string() + &params["requestState"].to_string(),
            ),
            "tools/call" => call_text(params["arguments"].to_string()),
            _ => json!({}),
        };
        if self.stateless {
            result["resultType"] = Value::from("complete");
        }
        result
    }
}

/// As it stands in a header; the one text of the stories that cannot stand there as it is.
fn written(text: &str) -> String {
    if text == "zürich" { "=?base64?esO8cmljaA==?=".to_owned() } else { text.to_owned() }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut asked = Asked { head, body: Value::Null };
    let length = asked.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = serde_json::from_slice(&body).unwrap_or_default();
    Some(asked)
}

fn whole(mut stream: &TcpStream, status: &str, body: &str) -> Option<()> {
    let length = body.len();
    let head = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    write!(stream, "HTTP/1.1 {status}\r\n{head}\r\n{body}").ok()
}

/// One event, and the end.
fn events(mut stream: &TcpStream, message: &Value) -> Option<()> {
    let body = format!(": hello\n\nevent: message\ndata: {message}\n\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: s1\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()
}

/// One event to a request that stays open.
fn told(mut stream: &TcpStream, id: &Value, method: &str) -> Option<()> {
    let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
    let message = json!({"jsonrpc": "2.0", "method": method, "params": {"_meta": meta}});
    write!(stream, "event: message\ndata: {message}\n\n").ok()
}

fn begin(mut stream: &TcpStream, kind: &str) -> Option<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()
}
