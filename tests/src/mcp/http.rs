//! Requests over HTTP as a story writes them, header by header; no library mends them.
//!
//! A script is a line of JSON per request: `{"verb", "path", "headers", "body"}`, with `$HOST`,
//! `$TOKEN` and `$SESSION` in its headers, where a session is the one that the last answer named.
//! `"read"` is how many bytes of the answer are waited for before the connection is closed; all of
//! them unless it stands there; `"cut"` is a word after whose event it is closed, and `$EVENT` the
//! last event that was seen. `{"touch": FILE}` writes a file, `{"until": FILE}` waits for one.
//! Refused here: judging; what came is printed.

use serde_json::{Map, Value, json};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Time for an answer; whatever is slower hangs.
const ANSWER: Duration = Duration::from_secs(30);

/// An endpoint as an agent finds it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `address:port`
    pub host: String,
    /// What it is to say.
    pub token: String,
}

impl Endpoint {
    /// From the two variables of an agent's environment.
    #[must_use]
    pub fn of(url: &str, token: &str) -> Self {
        let rest = url.trim_start_matches("http://");
        let host = rest.split('/').next().unwrap_or_default().to_owned();
        Self { host, token: token.to_owned() }
    }

    /// Says one request and reads its answer: `{"status", "headers", "body"}`.
    ///
    /// # Errors
    /// What the connection says.
    pub fn say(&self, request: &Value, session: &str) -> io::Result<Value> {
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(ANSWER))?;
        // Whoever is refused by its head may not read the body.
        let written = stream.write_all(&self.written(request, session));
        let mut bytes = Vec::new();
        let most = request["read"].as_u64().unwrap_or(u64::MAX);
        let read = match request["cut"].as_str() {
            Some(word) => read_to(&mut stream, word, &mut bytes),
            None => (&mut stream).take(most).read_to_end(&mut bytes),
        };
        if bytes.is_empty() {
            read?;
            written?;
        }
        Ok(answer(&bytes))
    }

    fn written(&self, request: &Value, session: &str) -> Vec<u8> {
        let part = |name: &str, other: &str| request[name].as_str().unwrap_or(other).to_owned();
        let body = match &request["body"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let length = format!("{}", body.len());
        let mut headers: Map<String, Value> = Map::new();
        for (name, value) in [
            ("Host", "$HOST"),
            ("Authorization", "Bearer $TOKEN"),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Type", "application/json"),
            ("Content-Length", &length),
            ("Connection", "close"),
        ] {
            headers.insert(name.to_owned(), Value::from(value));
        }
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            headers.insert(name.clone(), value.clone());
        }
        let mut text = format!("{} {} HTTP/1.1\r\n", part("verb", "POST"), part("path", "/mcp"));
        for (name, value) in headers {
            let all = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            for value in all.iter().filter_map(Value::as_str) {
                let value = value.replace("$HOST", &self.host).replace("$TOKEN", &self.token);
                text.push_str(&format!("{name}: {}\r\n", value.replace("$SESSION", session)));
            }
        }
        text.push_str("\r\n");
        [text.as_bytes(), body.as_bytes()].concat()
    }
}

/// Reads up to the end of the event in which a word stands.
fn read_to(stream: &mut TcpStream, word: &str, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let ended = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.split_once(word).is_some_and(|(_, rest)| rest.contains("\n\n"))
    };
    let mut part = [0; 1024];
    while !ended(bytes) {
        match stream.read(&mut part)? {
            0 => break,
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
    Ok(bytes.len())
}

/// The id of the last event of an answer.
fn last_event(answer: &Value) -> Option<String> {
    let body = answer["body"].as_str()?;
    body.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().map(str::to_owned)
}

/// Says each line of a script and prints each answer.
pub(super) fn client(script: &str) -> Result<(), String> {
    let lines = fs::read_to_string(script).map_err(|error| format!("{script}: {error}"))?;
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let endpoint = Endpoint::of(&variable("BELAY_MCP_URL")?, &variable("BELAY_MCP_TOKEN")?);
    let (mut session, mut event) = (String::new(), String::new());
    for line in lines.lines() {
        let request: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if let Some(file) = request["until"].as_str() {
            super::until(file)?;
            continue;
        }
        if let Some(file) = request["touch"].as_str() {
            fs::write(file, "").map_err(|error| format!("{file}: {error}"))?;
            continue;
        }
        let line = request.to_string().replace("$EVENT", &event);
        let request: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let answer = endpoint.say(&request, &session).map_err(|error| error.to_string())?;
        event = last_event(&answer).unwrap_or(event);
        if let Some(named) = answer["headers"]["mcp-session-id"].as_str() {
            named.clone_into(&mut session);
        }
        println!("{answer}");
    }
    Ok(())
}

fn answer(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok());
    let headers: Map<String, Value> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), Value::from(value)))
        .collect();
    let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    json!({"status": status, "headers": headers, "body": body})
}

/// Chunks as far as they came.
fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = text.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap_or(0);
        if length == 0 {
            break;
        }
        let Some(chunk) = rest.get(..length) else {
            whole.push_str(rest);
            break;
        };
        whole.push_str(chunk);
        text = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

/// The messages of an answer, whether it is one or a stream of them.
#[must_use]
pub fn messages(answer: &Value) -> Vec<Value> {
    let body = answer["body"].as_str().unwrap_or_default();
    if let Ok(whole) = serde_json::from_str(body) {
        return vec![whole];
    }
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|line| serde_json::from_str(line).ok()).collect()
}
