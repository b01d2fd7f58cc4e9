//! OpenSSH's agent holds an operator's key: it lists it, and what it signs is an order of ours.

use crate::story::{Agent, Nodes, orders_by};
use std::path::Path;
use std::process::Command;

/// Plays the story of a key in an ssh-agent over OpenSSH's.
pub(super) fn run(exe: &Path) {
    let version = Command::new("ssh").arg("-V").output();
    let version = version.map(|said| String::from_utf8_lossy(&said.stderr).trim().to_owned());
    println!("ssh-agent: {}", version.unwrap_or_else(|error| error.to_string()));
    let mut fleet = Nodes::alone(exe);
    let agent = Agent::openssh(&fleet);
    orders_by(&mut fleet, &agent);
    println!("ssh-agent: a key of its own stopped an agent, and granted nothing");
}
