//! A client and a server of the Model Context Protocol that say exactly what a story wants.
//!
//! `client SCRIPT -- CMD…` starts a server and says each line of a file to it; after a request it
//! waits for the answer. `http SCRIPT` says each request of a file to the endpoint that an agent
//! finds in its environment, `listen` is a server there, `reach` asks at the agents' door for a
//! connector's line. A line behind the word `unheard` is not waited for, until `hear ID`; at `until
//! FILE` a client waits for that file, at `until FILE says WORD` for that word in it. `server TOOLS
//! SEEN` lists the tools of a file and does what a tool is called: `echo` answers with its
//! arguments, `crash` ends, `endless` never ends its line, and so on. Refused here: belief;
//! whatever comes is printed or kept for the story to look at.

pub mod http;
mod listen;
mod reach;

use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Lines, StdinLock, Write};
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a result that is more than any gateway should take.
const HUGE_BYTES: usize = 32 * 1024 * 1024;

/// Time for a story to come to what a client waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays one of the two.
pub fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match &words[..] {
        ["client", script, "--", command @ ..] => client(script, command),
        ["http", script] => http::client(script),
        ["listen", era, tools, seen, port] => listen::listen(era, tools, seen, port),
        ["reach", connector] => reach::reach(connector),
        ["server", tools, seen] => server(tools, seen),
        _ => Err("client SCRIPT -- CMD…, http SCRIPT, listen ERA TOOLS SEEN PORT, reach NAME, or \
                  server TOOLS SEEN"
            .to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("belay-mcp: {why}");
            ExitCode::FAILURE
        }
    }
}

fn client(script: &str, command: &[&str]) -> Result<(), String> {
    let lines = fs::read_to_string(script).map_err(|error| format!("{script}: {error}"))?;
    let (program, args) = command.split_first().ok_or("no command")?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("no pipe")?;
    let mut heard = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
    for line in lines.lines() {
        let said: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(file) = line.strip_prefix("until ") {
            until(file)?;
            continue;
        }
        if let Some(id) = line.strip_prefix("hear ") {
            wait_for(&mut heard, &serde_json::from_str(id).unwrap_or_default(), false)?;
            continue;
        }
        let (unheard, line) = match line.strip_prefix("unheard ") {
            Some(line) => (true, line),
            None => (false, line),
        };
        let told = writeln!(stdin, "{}", line.trim_start_matches("unread "));
        told.map_err(|error| format!("told: {error}"))?;
        let unread = line.starts_with("unread ");
        if unheard {
            continue;
        }
        if unread || (said["method"].is_string() && !said["id"].is_null()) {
            wait_for(&mut heard, &said["id"], unread)?;
        }
    }
    drop(stdin);
    heard.map_while(Result::ok).for_each(|line| println!("{line}"));
    child.wait().map(|_| ()).map_err(|error| error.to_string())
}

/// Waits for somebody to write a file, or a word into it.
fn until(wanted: &str) -> Result<(), String> {
    let late = Instant::now() + PATIENCE;
    let (file, word) = wanted.split_once(" says ").unwrap_or((wanted, ""));
    while !fs::read_to_string(file).is_ok_and(|text| text.contains(word)) {
        if Instant::now() > late {
            return Err(format!("nobody wrote {wanted}"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Prints what comes up to the answer; any error answers what cannot be read.
fn wait_for(
    heard: &mut Lines<BufReader<ChildStdout>>,
    id: &Value,
    unread: bool,
) -> Result<(), String> {
    loop {
        let line = heard.next().ok_or("the gateway hung up")?.map_err(|error| error.to_string())?;
        println!("{line}");
        let message: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let is_answer = message.get("method").is_none();
        if is_answer && (unread || message["id"] == *id) {
            return Ok(());
        }
    }
}

fn server(tools: &str, seen: &str) -> Result<(), String> {
    let seen = OpenOptions::new().create(true).append(true).open(seen);
    let mut seen = seen.map_err(|error| error.to_string())?;
    let lines: Lines<StdinLock<'_>> = std::io::stdin().lock().lines();
    for line in lines.map_while(Result::ok) {
        writeln!(seen, "{line}").map_err(|error| error.to_string())?;
        let said: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        if let Some(id) = said.get("id").filter(|_| said.get("method").is_some()) {
            answer(tools, id, &said)?;
        }
    }
    Ok(())
}

fn answer(tools: &str, id: &Value, said: &Value) -> Result<(), String> {
    let result = match said["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": said["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "story", "version": "1"},
        }),
        Some("tools/list") => {
            let text = fs::read_to_string(tools).map_err(|error| error.to_string())?;
            let tools: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            json!({"tools": tools})
        }
        Some("tools/call") => return call(tools, id, &said["params"]),
        _ => json!({}),
    };
    say(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
}

/// Does what the tool is called.
fn call(tools: &str, id: &Value, params: &Value) -> Result<(), String> {
    let text =
        |text: String| json!({"jsonrpc": "2.0", "id": id, "result": call_text(text)}).to_string();
    let line = match params["name"].as_str() {
        Some("echo") => text(params["arguments"].to_string()),
        Some("pid") => text(std::process::id().to_string()),
        Some("huge") => text("x".repeat(HUGE_BYTES)),
        Some("twice") => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}},"result":{{}}}}"#),
        Some("batch") => format!("[{}]", text(String::new())),
        Some("trailing") => format!("{} {}", text(String::new()), text(String::new())),
        Some("half") => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#),
        Some("slow") => {
            until(&format!("{tools}.go"))?;
            text(params["arguments"].to_string())
        }
        Some("silent") => return Ok(()),
        Some("crash") => std::process::exit(3),
        Some("killed") => {
            rustix::process::kill_process(rustix::process::getpid(), Signal::KILL)
                .map_err(|error| error.to_string())?;
            return Ok(());
        }
        Some("endless") => return endless(),
        name => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no tool {name:?}"}}}}"#
        ),
    };
    say(&line)
}

/// The result of a tool that says this.
fn call_text(text: String) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// Ends when nobody reads any more.
fn endless() -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    loop {
        out.write_all(&[b'x'; 65_536]).map_err(|error| error.to_string())?;
    }
}

fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{line}").and_then(|()| out.flush());
    said.map_err(|error| error.to_string())
}

/// A tool as a server lists it.
pub fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
}

/// Writes the tools that a server lists.
///
/// # Errors
/// What the disk says.
pub fn write_tools(path: &str, tools: &[Value]) -> std::io::Result<()> {
    File::create(path)?.write_all(Value::from(tools).to_string().as_bytes())
}
