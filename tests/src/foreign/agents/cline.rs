//! Cline, its shell, its own settings against a hook, and the process that it leaves behind.

use super::super::tools::Node;
use super::desk::{Desk, Driven};
use super::scenes;
use crate::story::{LAPTOP, Process};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The version whose behaviour was measured.
const PACKAGE: &str = "cline@3.0.65";
const PROGRAM: &str = "@cline/cli-linux-x64/bin/cline";
/// How it says that its run was ended.
const ABORTED: &str = "run_aborted";
/// Where it looks for hooks.
const HOOKS: &str = "agent/.cline/hooks";

pub(super) fn run(exe: &Path, folder: &Path) -> Result<(), String> {
    let folder = folder.join("cline");
    fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let node = Node::with(&folder, PACKAGE)?;
    println!("Cline: {}", node.versions);
    let mut desk = Desk::new(exe, driven(node.file(PROGRAM)?.as_path()));
    is_started_only_where_it_asks(&mut desk);
    asks_at_every_call(&mut desk);
    scenes::observes(&mut desk);
    scenes::tells_what_came(&mut desk, true);
    scenes::stops_from_elsewhere(&mut desk);
    leaves_nothing_behind(&mut desk);
    scenes::denies_when_the_node_hangs(&mut desk);
    scenes::holds_when_the_node_is_killed(&mut desk);
    asks_by_a_script_of_its_user(&mut desk);
    println!("Cline: allowed, denied, observed, told, stopped; nothing is left behind");
    Ok(())
}

/// It takes its hook from a file alone, so without one, or where it would look elsewhere, it is not
/// started at all.
fn is_started_only_where_it_asks(desk: &mut Desk) {
    let refused = |desk: &mut Desk, words: &[&str], why: &str| {
        let script = desk.script(vec![desk.touch("unasked")]);
        let said = desk.start(&script, words).end();
        assert!(said.contains(why) && !desk.made("unasked"), "{said}");
    };
    refused(desk, &[], "belay agent wrap cline");
    desk.belay(&[], &["agent", "wrap", "cline", "--managed", "--yes"]).refuses(2, &["--managed"]);
    desk.belay(&[], &["agent", "wrap", "cline", "--yes"]).wants(0);
    refused(desk, &["--config", "elsewhere"], "would take the hook away");
    refused(desk, &["--data-dir", "elsewhere"], "would take the hook away");
}

/// A permitted call does what it says; a denied one does nothing and ends the run, of which Cline
/// says nothing but that it was aborted: its user was told at the start whom to ask why.
fn asks_at_every_call(desk: &mut Desk) {
    let calls = vec![desk.touch("may"), desk.touch_behind("may-not"), desk.touch("after-a-no")];
    let script = desk.script(calls);
    let said = desk.start(&script, &[]).end();
    assert!(said.contains("hooks only") && said.contains("`belay why --last`"), "{said}");
    assert!(desk.made("may") && !desk.made("may-not"), "{said}");
    assert!(!desk.made("after-a-no"), "a No ends its run: {said}");
    assert!(said.contains(ABORTED), "{said}");
    let why = desk.fleet.ask(LAPTOP, &["why", "--last"]).wants(0).stdout;
    assert!(why.contains("Denied: work.run on sh by agent:cline"), "{why}");
}

/// Left to itself it works in a process that outlives it and serves every later start. Under
/// `agent run` it works in its own: nothing is left when it has ended, and one that is there
/// already, which no warden holds, is not asked to do the work.
fn leaves_nothing_behind(desk: &mut Desk) {
    let hubs = |mark: &str| {
        let words =
            |process: &Process| fs::read_to_string(format!("/proc/{}/cmdline", process.pid));
        let marked = Process::marked(mark).into_iter();
        marked.filter(|one| words(one).is_ok_and(|words| words.contains("hub-daemon"))).count()
    };
    let script = desk.script(vec![desk.touch("plainly-behind")]);
    let plainly = desk.start_plainly(&[], &script);
    let outside = plainly.mark.clone();
    let said = plainly.end();
    assert_eq!(hubs(&outside), 1, "what it leaves behind: {said}");
    assert!(said.contains(ABORTED) && !desk.made("plainly-behind"), "{said}");

    let script = desk.script(vec![desk.touch("inside"), desk.touch_behind("inside-not")]);
    let session = desk.start(&script, &[]);
    let inside = session.mark.clone();
    let said = session.end();
    assert!(desk.made("inside") && !desk.made("inside-not"), "{said}");
    assert!(Process::marked(&inside).is_empty(), "{said}");
    let script = desk.script(vec![desk.touch("zen")]);
    let said = desk.start(&script, &["--zen"]).end();
    assert!(said.contains("requires the hub backend") && !desk.made("zen"), "{said}");
    Process::marked(&outside).iter().for_each(Process::kill);
}

/// Wrapped, it is denied when started by itself, where its work is done by a process that no
/// warden holds; a script that its user takes away is seen; unwrapped, the folder is empty.
fn asks_by_a_script_of_its_user(desk: &mut Desk) {
    let folder = desk.fleet.path(HOOKS);
    let count = || fs::read_dir(&folder).map(Iterator::count).unwrap_or_default();
    assert_eq!(count(), 2);
    let status = desk.fleet.ask(LAPTOP, &["status"]).wants(0).stdout;
    assert!(status.contains("cline (user): in place"), "{status}");
    let script = desk.script(vec![desk.touch("plainly")]);
    let session = desk.start_plainly(&[], &script);
    let said = session.end_with_what_it_leaves_behind();
    assert!(said.contains(ABORTED) && !desk.made("plainly"), "{said}");
    fs::remove_file(format!("{folder}/PreToolUse.sh")).expect("the script");
    let gone = desk.fleet.ask(LAPTOP, &["status"]).wants(1).stdout;
    assert!(gone.contains("GONE") && gone.contains("does not ask any more"), "{gone}");
    let script = desk.script(vec![desk.touch("gone")]);
    let said = desk.start(&script, &[]).end();
    assert!(said.contains("belay agent wrap cline") && !desk.made("gone"), "{said}");
    desk.belay(&[], &["agent", "wrap", "cline", "--yes"]).wants(0);
    desk.belay(&[], &["agent", "unwrap", "cline", "--yes"]).wants(0);
    assert_eq!(count(), 0);
    let script = desk.script(vec![desk.touch("unwrapped")]);
    let said = desk.start_plainly(&[], &script).end_with_what_it_leaves_behind();
    assert!(desk.made("unwrapped"), "{said}");
}

fn driven(program: &Path) -> Driven {
    let providers = json!({
        "version": 1, "lastUsedProvider": "openai-compatible",
        "providers": {"openai-compatible": {"settings": {
            "provider": "openai-compatible", "apiKey": "x", "model": "m",
            "baseUrl": "http://127.0.0.1:9911/v1",
        }, "updatedAt": "2026-11-22T00:00:00Z", "tokenSource": "manual"}},
    });
    Driven {
        name: "cline",
        program: program.to_owned(),
        env: vec![("CLINE_NO_INTERACTIVE", "1".to_owned())],
        words: |prompt| {
            // It takes one word alone for a command.
            ["--json", "-P", "openai-compatible", &format!("do {prompt}")].map(str::to_owned).into()
        },
        model_hears_a_no: false,
        shell,
        beside: Vec::new(),
        home: vec![(".cline/data/settings/providers.json", providers.to_string())],
    }
}

fn shell(line: &str) -> Value {
    json!({"tool": "run_commands", "input": {"commands": [line]}})
}
