//! An agent's own program at the agents' door: it asks for a connector's line by itself, past the
//! gateway that it was given.

use serde_json::json;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

pub(super) fn reach(connector: &str) -> Result<(), String> {
    let door = std::env::var("BELAY_SOCKET").map_err(|_| "BELAY_SOCKET is not set")?;
    pass(&door, connector).map_err(|error| error.to_string())
}

fn pass(door: &str, connector: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(door)?;
    writeln!(stream, "{}", json!({"connector": {"reach": {"name": connector}}}))?;
    let mut heard = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    heard.read_line(&mut first)?;
    if !first.contains("\"ok\"") {
        return Err(io::Error::other(first));
    }
    std::thread::spawn(move || io::copy(&mut heard, &mut io::stdout()));
    for line in io::stdin().lock().lines() {
        writeln!(stream, "{}", line?)?;
    }
    Ok(())
}
