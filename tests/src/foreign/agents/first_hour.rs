//! The first hour of a developer with Claude Code, as it would be typed, with what came of each
//! command.
//!
//! The words are whole but for the folder of the run, which is written `~`. Refused here: an output
//! that no command gave.

use super::claude_code;
use crate::story::{Answer, LAPTOP, ROBOT, SOON, wait_for};
use std::path::Path;

/// Plays it and prints it.
pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let mut desk = claude_code::desk(exe, folder)?;
    let mut kept = String::new();
    let home = desk.fleet.path("");
    for answer in desk.beginning.drain(..) {
        kept += &typed(&answer);
    }
    let calls = vec![desk.touch("notes"), desk.touch_behind("secret"), desk.linger(600)];
    let script = desk.script(calls);
    let session = desk.start(&script, &[]);
    session.wait_until_lingering(1);
    kept += &format!("$ belay agent run -- claude -p SCRIPT:{script}   # in a second terminal\n");
    for told in desk.results(&script) {
        kept += &format!("  Claude's model hears: {told}\n");
    }
    kept += &format!("  made: notes {}, secret {}\n\n", desk.made("notes"), desk.made("secret"));
    assert!(desk.made("notes") && !desk.made("secret"), "{kept}");
    kept += &typed(&desk.fleet.ask(LAPTOP, &["why", "--last"]).wants(0));
    kept += &typed(&desk.fleet.ask(LAPTOP, &["status"]).wants(0));
    kept += &typed(&desk.fleet.ask(LAPTOP, &["agent", "show", "claude"]).wants(0));
    let (key, unlock) = (desk.fleet.path("laptop/keys/operator.age"), desk.fleet.unlock());
    let stop = ["stop", "agent:claude", "--reason", "enough", "--timeout", "20s", "--key", &key];
    let stop = [stop.as_slice(), &["--unlock-file", &unlock]].concat();
    kept += &typed(&desk.fleet.ask(ROBOT, &stop).wants(0));
    session.wait_until_gone();
    let again = desk.script(vec![desk.touch("again")]);
    let said = desk.start(&again, &[]).end();
    kept += &format!("$ belay agent run -- claude -p SCRIPT:{again}\n{said}\n");
    assert!(!desk.made("again"), "{kept}");
    let resume = ["resume", "agent:claude", "--unlock-file", &unlock];
    kept += &typed(&desk.fleet.ask(LAPTOP, &resume).wants(0));
    kept += &typed(&desk.belay(&[], &["agent", "wrap", "claude-code", "--yes"]).wants(0));
    kept += &typed(&desk.belay(&[], &["agent", "unwrap", "claude-code", "--yes"]).wants(0));
    wait_for("nothing runs", SOON, || {
        let tasks = desk.fleet.status(LAPTOP)["tasks"].as_array().map(Vec::len);
        (tasks == Some(0)).then_some(())
    });
    // Where `cargo install` puts it.
    let exe = desk.fleet.belay().exe().display().to_string();
    print!("{}", kept.replace(&exe, "~/.cargo/bin/belay").replace(&home, "~/"));
    Ok(())
}

/// A command and what it said.
fn typed(answer: &Answer) -> String {
    let words: Vec<&str> = answer.command.split(' ').collect();
    // What stands before belay's own words is how the story brings it to its place.
    let own = words.iter().rposition(|word| word.ends_with("/belay")).map_or(0, |at| at + 1);
    let command = match own {
        0 => answer.command.clone(),
        own => format!("belay {}", words[own..].join(" ")),
    };
    format!("$ {command}\n{}{}\n", answer.stderr, answer.stdout)
}
