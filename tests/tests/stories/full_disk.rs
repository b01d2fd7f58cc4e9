//! A disk that is full: nothing new is permitted, and what stops goes on working.

use super::{exe, order_of, wait_for_order};
use belay_tests::story::{LAPTOP, Nodes, SOON, limit_files, wait_for};
use std::fs;

/// Goal: on a full disk an order is taken, acts, is proven, and outlives the node; new grants are
/// refused with what to do, and what was acknowledged before is not lost. Method: the node's files
/// may not grow beyond what they are (a resource limit of its process); then `kill -9`, and a
/// restart without the limit.
#[test]
fn a_full_disk_still_takes_orders() {
    let mut fleet = Nodes::empty(exe());
    // Without the limit's signal a write fails as it does on a full disk.
    let deaf = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
    fleet.found_by(&deaf, LAPTOP, "story.belay");
    let planner = fleet.agent(LAPTOP, "planner", "");
    planner.wait_for_growth();
    let store = fs::metadata(fleet.path("laptop/store.redb")).unwrap().len();
    limit_files(&fleet.node(LAPTOP), store);

    let unlock = fleet.unlock();
    let mut written = 0;
    let refused = wait_for("the disk is full", SOON, || {
        let file = fleet.path(&format!("{written}.invite"));
        let invite = ["device", "invite", "--out", &file, "--unlock-file", &unlock];
        let answer = fleet.ask(LAPTOP, &invite);
        written += usize::from(answer.exit == Some(0));
        (answer.exit != Some(0)).then_some(answer)
    });
    refused.refuses(1, &["not written"]);
    let held = fleet.status(LAPTOP);
    assert_ne!(held["disk"], "writing", "{held}");
    let shown = fleet.ask(LAPTOP, &["status"]).wants(1);
    assert!(shown.stdout.contains("disk:") && shown.stdout.contains("free"), "{shown:#?}");
    let run = ["agent", "run", "--name", "other", "--", "/bin/true"];
    fleet.ask(LAPTOP, &run).refuses(1, &["not written"]);

    let stop = fleet.stop(LAPTOP, "agent:planner", "20s").wants(0).data();
    assert!(planner.processes().is_empty(), "{:?}", planner.processes());
    fleet.kill(LAPTOP);
    fleet.again(LAPTOP);
    wait_for_order(&fleet, LAPTOP, &order_of(&stop));
    fleet.json(LAPTOP, &["stop", "--follow", &order_of(&stop), "--timeout", "20s"]).wants(0);
    let after = fleet.status(LAPTOP);
    assert_eq!(after["disk"], "writing");
    let grown = |s: &serde_json::Value| s["statements"].as_u64().unwrap();
    assert!(grown(&after) >= grown(&held), "{after}\nis less than\n{held}");
    fleet.invite(LAPTOP, &[]);
}
