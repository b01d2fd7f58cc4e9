//! Which of an agent's connectors go behind the gateway, and which do not and why.
//!
//! Refused here: guessing. A server whose words are not whole in the file, or that is reached some
//! other way, stays as it is, and that is said.

use super::change::{Change, ChangeError};
use super::connector_files::{Configured, ConnectorFile};
use super::rewire::Swap;
use crate::mcp::name::is_connector;
use std::collections::BTreeMap;
use std::path::Path;

/// How a server is started through the gateway of one node.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    words: Vec<String>,
}

/// The connectors of one file.
#[derive(Debug)]
pub(crate) struct Behind {
    file: ConnectorFile,
    /// Which go behind the gateway.
    pub(crate) moves: Vec<Move>,
    /// Which do not.
    pub(crate) left: Vec<Left>,
}

/// A server that goes behind the gateway.
#[derive(Debug)]
pub(crate) struct Move {
    swap: Swap,
    /// Its name as a connector of this device.
    pub(crate) connector: String,
    /// The command that starts it.
    pub(crate) command: Vec<String>,
    /// Its variables; they stay in the agent's file.
    pub(crate) env: BTreeMap<String, String>,
}

/// A server that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Left {
    /// Its name in the file.
    pub(crate) name: String,
    /// Why.
    pub(crate) why: String,
}

impl Gateway {
    /// The gateway of this program for the node of this state.
    pub(crate) fn new(exe: &Path, state: &Path) -> Self {
        let path = |path: &Path| path.display().to_string();
        Self { words: vec![path(exe), "--state".to_owned(), path(state), "mcp".to_owned()] }
    }

    /// The words that start this connector.
    pub(crate) fn words(&self, connector: &str) -> Vec<String> {
        self.words.iter().cloned().chain([connector.to_owned()]).collect()
    }
}

impl Behind {
    /// What would go behind this gateway of what this file's text has.
    ///
    /// # Errors
    /// Why the text cannot be read.
    pub(crate) fn planned(
        file: ConnectorFile,
        text: &str,
        gateway: &Gateway,
    ) -> Result<Self, ChangeError> {
        let (mut moves, mut left): (Vec<Move>, Vec<Left>) = (Vec::new(), Vec::new());
        for server in file.connectors(text)? {
            match moved(&file, text, &server, gateway) {
                Ok(moved) => moves.push(moved),
                Err(why) => left.push(Left { name: server.name, why }),
            }
        }
        Ok(Self { file, moves, left })
    }

    /// Leaves out what this does not want, with its reason.
    pub(crate) fn keep(&mut self, mut wants: impl FnMut(&Move) -> Result<(), String>) {
        for moved in std::mem::take(&mut self.moves) {
            match wants(&moved) {
                Ok(()) => self.moves.push(moved),
                Err(why) => self.left.push(Left { name: moved.swap.name().to_owned(), why }),
            }
        }
    }

    /// The change of the file.
    pub(crate) fn change(&self) -> Option<Change> {
        let swaps: Vec<Swap> = self.moves.iter().map(|moved| moved.swap.clone()).collect();
        let format = self.file.format;
        (!swaps.is_empty()).then_some(Change::Servers { format, swaps })
    }
}

/// True where a file starts a gateway already, of whichever node.
pub(crate) fn is_gateway(server: &Configured) -> bool {
    let program = server.command.first().map(Path::new).and_then(Path::file_name);
    program.is_some_and(|name| name == "belay") && server.command.iter().any(|word| word == "mcp")
}

fn moved(
    file: &ConnectorFile,
    text: &str,
    server: &Configured,
    gateway: &Gateway,
) -> Result<Move, String> {
    if let Some(url) = &server.url {
        return Err(format!("it is reached over the network ({url})"));
    }
    if is_gateway(server) {
        return Err("it goes through a gateway already".to_owned());
    }
    if server.command.iter().any(|word| word.contains("${")) {
        return Err("its command has variables that only the agent fills in".to_owned());
    }
    let connector = plain(&server.name);
    if !is_connector(&connector) {
        return Err("its name has no letter that a connector's may have".to_owned());
    }
    let swap = Swap::planned(file, text, server, &gateway.words(&connector));
    let swap = swap.ok_or("it names no command")?;
    Ok(Move { swap, connector, command: server.command.clone(), env: server.env.clone() })
}

/// A server's name as a connector may be called.
fn plain(name: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() => letter,
        _ => '-',
    };
    let name: String =
        name.chars().map(letter).take(crate::mcp::limits::CONNECTOR_NAME_BYTES_MAX).collect();
    name.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::connector_files;

    /// Goal: what can be started through the gateway is, all else stays and says why. Method: one
    /// server of each kind in one file.
    #[test]
    fn what_cannot_go_behind_the_gateway_stays_and_says_why() {
        let text = r#"{"mcpServers": {
            "My_Files": {"command": "npx", "args": ["-y", "files"], "env": {"T": "s"}},
            "far": {"type": "http", "url": "https://far.example/mcp"},
            "filled": {"command": "npx", "args": ["${HOME}/x"]},
            "gated": {"command": "/usr/bin/belay", "args": ["--state", "/s", "mcp", "gated"]},
            "***": {"command": "x"},
            "empty": {}}}"#;
        let file = connector_files(Path::new("/h"), Path::new("/p")).remove(0);
        let gateway = Gateway::new(Path::new("/b"), Path::new("/s"));
        let mut behind = Behind::planned(file, text, &gateway).expect("a file");
        let names: Vec<&str> = behind.moves.iter().map(|m| m.connector.as_str()).collect();
        assert_eq!(names, ["my-files"]);
        assert_eq!(behind.moves[0].env.get("T").map(String::as_str), Some("s"));
        let whys: String =
            behind.left.iter().map(|left| format!("{}: {}\n", left.name, left.why)).collect();
        for word in [
            "far: it is reached over",
            "filled: its command has",
            "gated: it goes",
            "***: its name",
            "empty: it names no",
        ] {
            assert!(whys.contains(word), "{word} is not in {whys}");
        }
        let new = behind.change().expect("a change").put(Some(text)).expect("a text");
        assert!(new.contains(r#""args": ["--state", "/s", "mcp", "my-files"]"#), "{new}");
        behind.keep(|_| Err("no".to_owned()));
        assert!(behind.change().is_none() && behind.left.len() == 6);
    }
}
